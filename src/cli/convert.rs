//! `residua convert`: a checkpoint of another program as a model folder in safetensors.
use super::NetworkArgs;
use crate::data::{copy_file, create_folder, write_bytes};
use crate::detect::networks::Role;
use crate::detect::{ModelFolder, Scheduler};
use crate::model::{
    ABOUT, CONVERTED, Checkpoint, Config, Network, Overrides, classifier, is_classifier, read, read_classifier,
    recognise,
};
use crate::{Error, Result, Shape};
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The weights' name in the folder.
const WEIGHTS: &str = "model.safetensors";

#[derive(clap::Args)]
pub(super) struct Args {
    /// Checkpoint (.pt, .pth, .ckpt, .bin, .safetensors, the index of several), or a folder with one
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Model folder to write, which must not exist yet or be empty
    #[arg(value_name = "OUT")]
    out: PathBuf,
    #[command(flatten)]
    network: NetworkArgs,
    /// Side of the network's input, where neither the checkpoint nor a config.json says it
    #[arg(long, value_name = "PIXELS")]
    size: Option<usize>,
    /// Write weights as F16, instead of as they are
    #[arg(long)]
    f16: bool,
}

/// What the checkpoint turned out to be.
enum Found {
    /// A UNet with all that its system needs.
    Model(Box<ModelFolder>),
    /// A classifier, with the config that says all of it.
    Classifier(Map<String, Value>),
    /// A network of this layout that nothing can be made of as it is, and why.
    Alone(String, String),
    /// Something else, in words.
    Other(String),
}

impl Found {
    fn layout(&self) -> Option<String> {
        match self {
            Found::Model(model) => {
                model.networks.denoiser().and_then(|n| n.as_unet()).map(|u| u.layout.to_string()).ok()
            }
            Found::Classifier(_) => Some(classifier::TITLE.into()),
            Found::Alone(layout, _) => Some(layout.clone()),
            Found::Other(_) => None,
        }
    }
}

pub(super) fn run(args: &Args) -> Result<ExitCode> {
    let Args { file, out, .. } = args;
    if !file.exists() {
        return Err(Error::file(file, "there is no such file or folder"));
    }
    let taken = std::fs::read_dir(out).map(|mut entries| entries.next().is_some());
    if taken.unwrap_or_else(|_| out.exists()) {
        return Err(Error::file(out, "exists already; nothing in it is overwritten"));
    }
    let flags = args.network.overrides(Overrides::default());
    let checkpoint = Checkpoint::open_copy(file, flags.weights)?;
    // The choice is made, and need not be told again.
    let flags = Overrides { weights: checkpoint.copies().map(|c| c.chosen), ..flags };
    let found = examine(args, &checkpoint, flags)?;
    if let Found::Model(model) = &found
        && model.networks.graphs.len() > 1
    {
        let roles: Vec<String> = model.networks.graphs.keys().map(ToString::to_string).collect();
        let fault =
            "is a model folder of several networks, which is used as it is; name one of its files to convert that";
        return Err(Error::file(file, format!("{fault} ({})", roles.join(", "))));
    }

    let part = out.with_file_name(format!(
        ".{}.{}.part",
        out.file_name().map_or("out".into(), |n| n.to_string_lossy()),
        std::process::id()
    ));
    create_folder(&part)?;
    let written = write(args, &checkpoint, &found, &part).and_then(|()| {
        // An empty folder in its place goes.
        let _ = std::fs::remove_dir(out);
        std::fs::rename(&part, out).map_err(|e| Error::io(out, e))
    });
    if let Err(e) = written {
        let _ = std::fs::remove_dir_all(&part);
        return Err(e);
    }
    tell(args, &checkpoint, &found);
    Ok(ExitCode::SUCCESS)
}

fn examine(args: &Args, checkpoint: &Checkpoint, flags: Overrides) -> Result<Found> {
    if is_classifier(checkpoint) {
        return examine_classifier(args, checkpoint, flags);
    }
    let layout = match recognise(checkpoint) {
        Ok(layout) => layout,
        Err(e) => {
            let resnet = checkpoint.has_under("layer1.0.") && checkpoint.contains("conv1.weight");
            let what = if resnet { "a ResNet, for --features".to_owned() } else { e.to_string() };
            return Ok(Found::Other(what));
        }
    };
    let bare = !args.file.join("detector.json").is_file();
    let config = Config::of(checkpoint)?;
    let mut unsaid = if bare { unsaid(&flags, |over| read(checkpoint, &config, over).map(drop))? } else { Vec::new() };
    let size = config.size(config.alias(&["sample_size", "image_size", "img_size"]))?;
    unsaid.extend((bare && args.size.is_none() && size.is_none()).then_some("--size"));
    if !unsaid.is_empty() {
        let flags = unsaid.join(", ");
        let why = format!("neither the weights nor a config say {flags}: give them to this command, or with --model");
        return Ok(Found::Alone(layout.to_string(), why));
    }
    let over = |base: Overrides| Overrides { weights: flags.weights, ..args.network.overrides(base) };
    match ModelFolder::open_with(&args.file, over, args.size, |_| Ok(())) {
        Ok(model) => {
            model.settle(args.network.strict)?;
            Ok(Found::Model(Box::new(model)))
        }
        // Its weights are worth converting all the same.
        Err(e) if bare => Ok(Found::Alone(layout.to_string(), e.to_string())),
        Err(e) => Err(e),
    }
}

/// The same of a classifier.
fn examine_classifier(args: &Args, checkpoint: &Checkpoint, flags: Overrides) -> Result<Found> {
    let config = Config::of_classifier(checkpoint)?;
    let unsaid = unsaid(&flags, |over| read_classifier(checkpoint, &config, over).map(drop))?;
    if !unsaid.is_empty() {
        let why = format!("neither the weights nor a config say {}: give them to this command", unsaid.join(", "));
        return Ok(Found::Alone(classifier::TITLE.into(), why));
    }
    let mut spec = read_classifier(checkpoint, &config, &flags)?;
    if let Some(size) = args.size {
        spec.accepts(Shape::new(1, size, size, spec.in_channels()))?;
        spec.sample_size = Some((size, size));
    }
    let mut said = config.settings();
    said.extend(spec.config());
    let again = Config::parse("config.json", json!(said).to_string().as_bytes())?;
    if read_classifier(checkpoint, &again, &Overrides::default())? != spec {
        let fault = "no config.json can say the numbers of its heads as given; give --head-channels instead of --heads";
        return Err(Error::file(checkpoint.path(), fault));
    }
    spec.params().iter().try_for_each(|(key, shape)| checkpoint.take(key, shape).map(drop))?;
    checkpoint.settle(args.network.strict)?;
    Ok(Found::Classifier(said))
}

/// The flags that must say what neither the weights nor a config do, as `read` asks for them.
fn unsaid(flags: &Overrides, read: impl Fn(&Overrides) -> Result<()>) -> Result<Vec<&'static str>> {
    let mut unsaid = Vec::new();
    let mut over = *flags;
    for _ in 0..2 {
        match read(&over) {
            Err(Error::MissingSetting { flag, .. }) if !unsaid.contains(&flag) => {
                unsaid.push(flag);
                // The order is asked for when there are several heads.
                over.heads = over.heads.or(Some(2));
            }
            // With a number of heads that was only tried, other faults mean nothing.
            Err(e) if unsaid.is_empty() => return Err(e),
            _ => break,
        }
    }
    Ok(unsaid)
}

fn write(args: &Args, checkpoint: &Checkpoint, found: &Found, folder: &Path) -> Result<()> {
    checkpoint.write_safetensors(&folder.join(WEIGHTS), args.f16)?;
    let config = Config::of(checkpoint)?;
    if let Found::Classifier(said) = found {
        write_json(&folder.join("config.json"), said)?;
    } else if config.exists() {
        copy_file(config.path(), &folder.join("config.json"))?;
    } else {
        let mut said = config.settings();
        let name = checkpoint.path().file_name().map(|n| n.to_string_lossy().into_owned());
        said.entry(CONVERTED).or_insert(json!(name));
        if let Some(layout) = found.layout() {
            said.insert("layout".into(), json!(layout));
        }
        if let Found::Model(model) = found {
            // What was assumed of the checkpoint is said by the folder.
            let norm = &model.networks.denoiser()?.as_unet()?.norm_out;
            said.entry("norm_num_groups").or_insert(json!(norm.groups));
            said.entry("norm_eps").or_insert(json!(norm.eps.to_string().parse::<f64>().unwrap_or(norm.eps.into())));
        }
        let nothing = said.get(ABOUT).and_then(Value::as_object).is_some_and(Map::is_empty);
        if nothing {
            said.remove(ABOUT);
        }
        write_json(&folder.join("config.json"), &said)?;
    }
    if let Some(scheduler) = Scheduler::beside(checkpoint.path())? {
        copy_file(&scheduler.path, &folder.join("scheduler_config.json"))?;
    }
    if let Found::Model(model) = found {
        let mut config = model.config.clone();
        let denoiser = config.networks.entry(Role::Denoiser).or_default();
        denoiser.file = Some(WEIGHTS.into());
        denoiser.unet.weights = None;
        write_json(&folder.join("detector.json"), &config)?;
        // What the folder makes of its files is what was made of the checkpoint.
        let over = config.networks[&Role::Denoiser].unet;
        let again = Network::unet(&folder.join(WEIGHTS), &over)?;
        if again.as_unet()? != model.networks.denoiser()?.as_unet()? {
            return Err(Error::file(
                checkpoint.path(),
                "the converted network is another one, which is a fault of Residua",
            ));
        }
    }
    Ok(())
}

fn write_json(path: &Path, value: &impl serde::Serialize) -> Result<()> {
    let text = serde_json::to_string_pretty(value).map_err(|e| Error::Invalid(e.to_string()))?;
    write_bytes(path, (text + "\n").as_bytes())
}

fn tell(args: &Args, checkpoint: &Checkpoint, found: &Found) {
    let out = args.out.display();
    println!("{out}: {} tensors of {}", checkpoint.keys().count(), checkpoint.path().display());
    if let Some(copies) = checkpoint.copies() {
        println!("  weights      {copies}");
    }
    if let Some(layout) = found.layout() {
        println!("  layout       {layout}");
    }
    match found {
        Found::Model(model) => println!("  detector     {}, for --model {out}", model.config.system.title()),
        Found::Classifier(said) => println!("  network      a classifier of {} classes", said["out_channels"]),
        Found::Alone(_, why) => println!("  detector     none: {why}"),
        Found::Other(what) => println!("  network      {what}"),
    }
}
