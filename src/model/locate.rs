//! Which safetensors file a path means.
use crate::{Error, Result};
use std::path::{Path, PathBuf};

/// A file as it is; in a folder (or its `unet/`) the file of a known name, or the only `.safetensors`.
/// # Errors
/// When the path cannot be read, or the folder holds no candidate or several.
pub fn locate(path: &Path) -> Result<PathBuf> {
    let meta = std::fs::metadata(path).map_err(|e| Error::io(path, e))?;
    if !meta.is_dir() {
        return Ok(path.to_owned());
    }
    let unet = path.join("unet");
    for folder in [path, unet.as_path()] {
        for name in ["diffusion_pytorch_model.safetensors", "model.safetensors"] {
            let file = folder.join(name);
            if file.is_file() {
                return Ok(file);
            }
        }
        let mut found = candidates(folder)?;
        match found.len() {
            0 => continue,
            1 => return Ok(found.swap_remove(0)),
            _ => {
                let names: Vec<_> =
                    found.iter().filter_map(|f| f.file_name()).map(|f| f.to_string_lossy().into_owned()).collect();
                let fault = format!("several checkpoints, name one of them: {}", names.join(", "));
                return Err(Error::file(folder, fault));
            }
        }
    }
    Err(Error::file(path, "no .safetensors file in this folder"))
}

fn candidates(folder: &Path) -> Result<Vec<PathBuf>> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(|e| Error::io(folder, e))? {
        let file = entry.map_err(|e| Error::io(folder, e))?.path();
        // Inputs, outputs and layers of a golden or of a self-test are never weights.
        let records = file.file_name().is_some_and(|n| n == "io.safetensors" || n == "selftest.safetensors");
        if file.extension().is_some_and(|e| e == "safetensors") && file.is_file() && !records {
            found.push(file);
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_names_first_then_the_only_one_then_unet() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path();
        assert!(locate(path).unwrap_err().to_string().contains("no .safetensors"));
        std::fs::create_dir(path.join("unet")).unwrap();
        std::fs::write(path.join("unet/x.safetensors"), b"").unwrap();
        assert_eq!(locate(path).unwrap(), path.join("unet/x.safetensors"));
        std::fs::write(path.join("a.safetensors"), b"").unwrap();
        assert_eq!(locate(path).unwrap(), path.join("a.safetensors"));
        std::fs::write(path.join("selftest.safetensors"), b"").unwrap();
        assert_eq!(locate(path).unwrap(), path.join("a.safetensors"));
        std::fs::write(path.join("b.safetensors"), b"").unwrap();
        assert!(locate(path).unwrap_err().to_string().contains("a.safetensors, b.safetensors"));
        std::fs::write(path.join("model.safetensors"), b"").unwrap();
        assert_eq!(locate(path).unwrap(), path.join("model.safetensors"));
        assert_eq!(locate(&path.join("b.safetensors")).unwrap(), path.join("b.safetensors"));
        assert!(matches!(locate(&path.join("none")), Err(Error::Io { .. })));
    }
}
