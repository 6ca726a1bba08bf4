//! The model inside the program, so that one copied file does its main job anywhere.
use crate::data::{create_folder, write_bytes};
use crate::{Error, Result};
use std::io::Read;
use std::path::{Path, PathBuf};

macro_rules! files {
    ($($name:literal)*) => {
        &[$(($name, include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/weights/texture/", $name)))),*]
    };
}

/// The texture model with its samples: names under the model folder, and contents.
const FILES: &[(&str, &[u8])] = files!(
    "MODEL_CARD.md"
    "config.json"
    "detector.json"
    "diffusion_pytorch_model.safetensors"
    "quality.json"
    "samples/defect/foreign.png"
    "samples/defect/scratch.png"
    "samples/defect/splash.png"
    "samples/defect/stain.png"
    "samples/good/brick-1.png"
    "samples/good/brick-2.png"
    "samples/good/brick-3.png"
    "samples/good/brick-4.png"
    "samples/masks/foreign.png"
    "samples/masks/scratch.png"
    "samples/masks/splash.png"
    "samples/masks/stain.png"
    "scheduler_config.json"
    "selftest.safetensors"
);

/// Where the model inside the program lies for the commands: in `weights/texture` in the current folder or beside the program, where
/// that is the same model; otherwise it is first written to the user's data folder or, where there is none, to the current one.
/// # Errors
/// [`Error::Invalid`] naming the folders that could not be written.
pub(super) fn model() -> Result<PathBuf> {
    let here = PathBuf::from("weights/texture");
    let beside = std::env::current_exe().ok().and_then(|p| Some(p.parent()?.join(&here)));
    // One folder is read once.
    let beside = beside.filter(|p| p.canonicalize().ok() != here.canonicalize().ok());
    if let Some(found) = [Some(here), beside].into_iter().flatten().find(|p| is_whole(p)) {
        return Ok(found);
    }
    let name = concat!("residua-", env!("CARGO_PKG_VERSION"), "/texture");
    let mut faults = Vec::new();
    for folder in data_folder().map(|f| f.join(name)).into_iter().chain([PathBuf::from(name)]) {
        match unpack(&folder) {
            Ok(()) => {
                tracing::info!("the model inside the program is taken, which lies in {}", folder.display());
                return Ok(folder);
            }
            Err(e) => faults.push(e.to_string()),
        }
    }
    Err(Error::Invalid(format!(
        "no folder can be written for the model inside the program; name one with --model ({})",
        faults.join("; ")
    )))
}

/// Whether a folder holds this very model. A table of speed and quality may be the user's own.
fn is_whole(folder: &Path) -> bool {
    FILES.iter().filter(|(name, _)| *name != "quality.json").all(|(name, bytes)| holds(&folder.join(name), bytes))
}

/// Whether a file holds these bytes; one of another length is not read, and others piece by piece up to the first difference.
fn holds(path: &Path, bytes: &[u8]) -> bool {
    let Ok(mut file) = std::fs::File::open(path) else { return false };
    if file.metadata().map(|m| m.len()).ok() != Some(bytes.len() as u64) {
        return false;
    }
    let mut piece = vec![0; 1 << 16];
    let same = |part: &[u8]| file.read_exact(&mut piece[..part.len()]).is_ok() && piece[..part.len()] == *part;
    bytes.chunks(1 << 16).all(same)
}

/// Writes what is not there, or is something else; what else lies there, such as a calibration, stays, and so does a table of speed and
/// quality.
fn unpack(folder: &Path) -> Result<()> {
    for (name, bytes) in FILES {
        let path = folder.join(name);
        let kept = *name == "quality.json" && path.is_file();
        if kept || holds(&path, bytes) {
            continue;
        }
        if let Some(parent) = path.parent() {
            create_folder(parent)?;
        }
        write_bytes(&path, bytes)?;
    }
    Ok(())
}

/// The folder that the system has for a user's data of programs; none when the environment names none.
fn data_folder() -> Option<PathBuf> {
    let folder = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|p| p.is_absolute());
    if cfg!(windows) {
        folder("LOCALAPPDATA")
    } else if cfg!(target_os = "macos") {
        Some(folder("HOME")?.join("Library/Application Support"))
    } else {
        folder("XDG_DATA_HOME").or_else(|| Some(folder("HOME")?.join(".local/share")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path, prefix: &str, into: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).unwrap().map(|e| e.unwrap()) {
            let name = format!("{prefix}{}", entry.file_name().into_string().unwrap());
            match entry.path().is_dir() {
                true => names(&entry.path(), &format!("{name}/"), into),
                false => into.push(name),
            }
        }
        into.sort();
    }

    #[test]
    fn the_model_inside_is_the_whole_shipped_folder_and_is_mended_where_it_was_unpacked() {
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("weights/texture");
        let mut there = Vec::new();
        names(&shipped, "", &mut there);
        assert_eq!(there, FILES.iter().map(|(name, _)| (*name).to_owned()).collect::<Vec<_>>());

        let folder = tempfile::tempdir().unwrap();
        unpack(folder.path()).unwrap();
        assert!(is_whole(folder.path()));
        // Of the same length, and of another.
        let weights = folder.path().join("diffusion_pytorch_model.safetensors");
        let mut bytes = std::fs::read(&weights).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        std::fs::write(&weights, bytes).unwrap();
        assert!(!is_whole(folder.path()));
        std::fs::write(folder.path().join("detector.json"), "{").unwrap();
        std::fs::write(folder.path().join("calibration.json"), "{}").unwrap();
        unpack(folder.path()).unwrap();
        for (name, bytes) in FILES {
            assert_eq!(std::fs::read(folder.path().join(name)).unwrap(), *bytes, "{name}");
        }
        assert!(folder.path().join("calibration.json").is_file());
    }
}
