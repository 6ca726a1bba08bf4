//! From images to rows: which files, which labels, and the network over all of them.
use super::rows::Rows;
use crate::cli::scoring::bar;
use crate::data::{Failure, FileKind, Input, Notices, Preprocessing, Table, ValueRange, find_inputs, read_picture};
use crate::detect::dte::{Extractor, Features};
use crate::eval::{is_abnormal, is_normal, is_unsorted};
use crate::model::{Architecture, Network, ResNet};
use crate::{Device, Error, Result, Tensor};
use rayon::prelude::*;
use std::path::{Path, PathBuf};

/// The network that makes rows of images, and what comes before it.
#[derive(clap::Args)]
pub(super) struct ImageArgs {
    /// Takes images: a ResNet's safetensors file with torchvision's keys, whose features become the rows
    #[arg(long, value_name = "FILE")]
    pub features: Option<PathBuf>,
    /// Pixels of an image's shorter side when the middle is cut out [default: 256, or as the model was fitted]
    #[arg(long, value_name = "N", requires = "features")]
    size: Option<usize>,
    /// Side of the square that is cut out [default: 224, or as the model was fitted]
    #[arg(long, value_name = "N", requires = "features")]
    crop: Option<usize>,
    /// Means of the channels, from 0 to 1 [default: those of the network's config, else ImageNet's]
    #[arg(long, value_name = "R,G,B", value_delimiter = ',', requires = "features")]
    mean: Option<Vec<f32>>,
    /// Standard deviations of the channels, from 0 to 1 [default: those of the network's config, else ImageNet's]
    #[arg(long, value_name = "R,G,B", value_delimiter = ',', requires = "features")]
    std: Option<Vec<f32>>,
    /// Images that go through the network at once [default: 8 on a GPU, 4 on the processor]
    #[arg(long, value_name = "N", requires = "features", value_parser = clap::value_parser!(u16).range(1..=1024))]
    images_at_once: Option<u16>,
}

impl ImageArgs {
    /// The flags over what a model records, or over the network's own, which its config says.
    fn preprocessing(&self, recorded: Option<&Features>, own: Preprocessing) -> Result<Preprocessing> {
        let base = recorded.map_or(own, |r| r.preprocessing.clone());
        let chosen = Preprocessing {
            size: self.size.unwrap_or(base.size),
            crop: self.crop.unwrap_or(base.crop),
            mean: self.mean.clone().unwrap_or(base.mean),
            std: self.std.clone().unwrap_or(base.std),
        };
        chosen.check()?;
        for (flag, given, what) in [("--mean", &self.mean, "means"), ("--std", &self.std, "standard deviations")] {
            if let Some(value) = given.iter().flatten().find(|v| !(0.0..=1.0).contains(*v)) {
                return Err(Error::Invalid(format!(
                    "{flag} {value}: the {what} are those of values from 0 to 1; of values from 0 to 255 they are 255 times as large"
                )));
            }
        }
        match recorded.filter(|r| r.preprocessing != chosen) {
            None => Ok(chosen),
            Some(Features { preprocessing: Preprocessing { size, crop, mean, std }, .. }) => {
                Err(Error::Invalid(format!(
                    "the model was fitted with size {size}, crop {crop}, mean {mean:?}, std {std:?}; leave these flags out"
                )))
            }
        }
    }
}

/// A row for each image, in the order of the files; what cannot be read is listed and the rest is done.
pub(super) fn embed(
    device: &Device,
    arguments: &[PathBuf],
    network: &Path,
    args: &ImageArgs,
    recorded: Option<&Features>,
) -> Result<Rows> {
    let inputs = find_inputs(arguments, &[])?;
    let opened = Network::resnet(network)?;
    let own = match &opened.architecture {
        Architecture::ResNet(ResNet { standard: Some(own), .. }) => Preprocessing::of(&own.mean, &own.std),
        _ => Preprocessing::imagenet(),
    };
    let preprocessing = args.preprocessing(recorded, own)?;
    let features = Features { sha256: opened.identity(), preprocessing };
    if recorded.is_some_and(|r| r.sha256 != features.sha256) {
        return Err(Error::file(
            opened.checkpoint.path(),
            "is another network than the one that the model was fitted with",
        ));
    }
    let usual = if matches!(device, Device::Cpu) { 4 } else { 8 };
    let batch = args.images_at_once.map_or(usual, usize::from).min(inputs.len());
    let mut extractor = device.drive(Extractor::new(device, &opened, &features.preprocessing, batch))?;
    tracing::info!("{}: {}", opened.checkpoint.path().display(), extractor.network);

    let (mut values, mut paths, mut failures) = (Vec::new(), Vec::new(), Vec::new());
    let (bar, mut notices) = (bar(inputs.len(), "images"), Notices::default());
    for chunk in inputs.chunks(extractor.batch()) {
        let read: Vec<Result<(Tensor, Vec<String>)>> =
            chunk.par_iter().map(|i| prepare(i, &features.preprocessing)).collect();
        let (mut ready, mut of) = (Vec::new(), Vec::new());
        for (input, read) in chunk.iter().zip(read) {
            match read {
                Ok((tensor, said)) => {
                    notices.add(&input.path, &said);
                    ready.push(tensor);
                    of.push(input);
                }
                Err(e) => failures.push(Failure { path: input.path.clone(), error: e.to_string() }),
            }
        }
        let rows = if ready.is_empty() { Vec::new() } else { device.drive(extractor.features(&ready))? };
        for (input, row) in of.into_iter().zip(rows) {
            if row.iter().all(|v| v.is_finite()) {
                values.extend(row.into_iter().map(f64::from));
                paths.push(input.path.clone());
            } else {
                let error = format!("{}: the network gives no finite features", input.path.display());
                failures.push(Failure { path: input.path.clone(), error });
            }
        }
        bar.inc(chunk.len() as u64);
    }
    bar.finish_and_clear();
    notices.tell();
    if paths.is_empty() {
        // The first is in the error.
        failures.iter().skip(1).for_each(|f| eprintln!("error: {}", f.error));
        let first = failures.first().map_or("there is none", |f| &f.error);
        return Err(Error::Invalid(format!("no image could be used: {first}")));
    }
    let table = Table::new(network, extractor.network.features(), values, labels(&paths, arguments)?, None)?;
    Ok(Rows { table, source: None, columns: None, paths: Some(paths), features: Some(features), failures })
}

/// What the network takes of an image, and what is said of it.
fn prepare(input: &Input, preprocessing: &Preprocessing) -> Result<(Tensor, Vec<String>)> {
    if input.kind == FileKind::Volume {
        return Err(Error::file(&input.path, "is a volume; features are of single images"));
    }
    let picture = read_picture(&input.path, ValueRange::UNIT)?;
    let tensor = preprocessing.apply(&picture).map_err(|e| match e {
        Error::Invalid(fault) => Error::file(&input.path, fault),
        e => e,
    })?;
    Ok((tensor, picture.warnings))
}

/// True for an anomaly, by the folders that an image lies in, up to the one that was named; none where no folder is one of normal images.
/// The nearest folder whose name says something decides; an image in others is anomalous.
/// # Errors
/// [`Error::File`] for an image beside normal ones in a folder whose name says that nobody knows what it is.
fn labels(paths: &[PathBuf], arguments: &[PathBuf]) -> Result<Option<Vec<bool>>> {
    let decided = |path: &PathBuf| {
        let folder = path.parent().unwrap_or(Path::new(""));
        let named = arguments.iter().filter(|a| folder.starts_with(a)).map(|a| a.components().count()).max();
        let all: Vec<_> = folder.components().collect();
        // Of an image that was named itself, the folder that it lies in.
        let first = named.unwrap_or(all.len()).saturating_sub(1).min(all.len());
        let names = || all[first..].iter().rev().map(|c| c.as_os_str().to_string_lossy());
        let sorted = names().find(|name| is_normal(name) || is_abnormal(name));
        sorted.or_else(|| names().find(|name| is_unsorted(name))).map(|name| name.into_owned())
    };
    let names: Vec<Option<String>> = paths.iter().map(decided).collect();
    let normal = |name: &Option<String>| name.as_ref().is_some_and(|n| is_normal(n));
    if !names.iter().any(normal) {
        return Ok(None);
    }
    if let Some((path, Some(name))) = paths.iter().zip(&names).find(|(_, n)| n.as_ref().is_some_and(|n| is_unsorted(n)))
    {
        let fault = format!(
            "lies in a folder `{name}` beside normal images, and would count as anomalous, but the name says that nobody knows: \
             name only the folders that count"
        );
        return Err(Error::file(path, fault));
    }
    Ok(Some(names.iter().map(|name| !normal(name)).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_and_deviations_are_of_values_from_0_to_1() {
        let of = |mean: &[f32], std: &[f32]| {
            let (mean, std) = (Some(mean.to_vec()), Some(std.to_vec()));
            let args = ImageArgs { features: None, size: None, crop: None, mean, std, images_at_once: None };
            args.preprocessing(None, Preprocessing::imagenet()).map(drop).map_err(|e| e.to_string())
        };
        assert_eq!(of(&[0.0, 0.5, 1.0], &[0.2, 0.3, 1.0]), Ok(()));
        assert!(
            of(&[124.0, 116.0, 104.0], &[58.0, 57.0, 57.0]).unwrap_err().contains("--mean 124: the means are those of")
        );
        assert!(of(&[0.5], &[57.0]).unwrap_err().contains("--std 57: "));
    }

    #[test]
    fn labels_come_from_folders() {
        let all = |paths: &[&str]| paths.iter().map(PathBuf::from).collect::<Vec<_>>();
        let of = |paths: &[&str], arguments: &[&str]| labels(&all(paths), &all(arguments)).unwrap();
        assert_eq!(of(&["t/good/a.png", "t/crack/b.png", "t/OK/c.png"], &["t"]), Some(vec![false, true, false]));
        assert_eq!(of(&["t/x/a.png", "b.png"], &["t", "b.png"]), None);
        assert_eq!(of(&["good.png"], &["good.png"]), None);
        let unsorted = labels(&all(&["t/good/a.png", "t/unlabeled/b.png"]), &all(&["t"])).unwrap_err().to_string();
        assert!(unsorted.contains("t/unlabeled/b.png: lies in a folder `unlabeled`"), "{unsorted}");
        assert_eq!(of(&["t/good/misc/a.png"], &["t"]), Some(vec![false]));
        // Folders in folders: of cameras, and of what is said of the images.
        let nested = ["t/good/cam1/a.png", "t/good/cam2/x/b.png", "t/hole/cam1/c.png", "t/good/bad/d.png"];
        assert_eq!(of(&nested, &["t"]), Some(vec![false, false, true, true]));
        // The folders that the argument lies in say nothing; its own name, and that of a file's folder, do.
        assert_eq!(of(&["good/t/a.png"], &["good/t"]), None);
        assert_eq!(of(&["t/good/a.png", "t/bad/b.png"], &["t/good", "t/bad"]), Some(vec![false, true]));
        assert_eq!(of(&["t/good/a.png", "t/bad/b.png"], &["t/good/a.png", "t/bad/b.png"]), Some(vec![false, true]));
    }
}
