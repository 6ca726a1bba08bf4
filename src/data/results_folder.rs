//! What a folder of results looks like: the names of the files in it, so that no run takes them for pictures to judge.
use super::write::remove_if_there;
use crate::Result;
use std::io::Read;
use std::path::{Component, Path, PathBuf};

/// The file that a complete run leaves.
pub const RESULTS: &str = "results.json";
/// The file that a run writes while it is under way: a line for each finished image.
pub const JOURNAL: &str = "results.journal";
/// The files of one image, in its folder.
const OF_IMAGE: [&str; 9] = [
    "map.npy",
    "input.png",
    "reconstruction.png",
    "interpolated.png",
    "latent-mask.png",
    "heatmap.png",
    "overlay.png",
    "mask.png",
    "preview.jpg",
];
/// The files of one volume, in its folder.
const OF_VOLUME: [&str; 2] = ["map.nii.gz", "mask.nii.gz"];

/// What the commands leave in their output folders, and keys that tell it from other programs' files of the same name.
const OURS: [(&str, &[&str]); 5] = [
    (RESULTS, &[r#""version""#, r#""created""#, r#""records""#]),
    ("attack.json", &[r#""version""#, r#""created""#, r#""taken_for""#]),
    ("certify.json", &[r#""version""#, r#""created""#, r#""taken_for""#]),
    ("eval.json", &[r#""version""#, r#""created""#]),
    ("images.jsonl", &[r#""key""#, r#""input_sha256""#]),
];

/// Whether a command has written its results into a folder.
pub fn is_results_folder(folder: &Path) -> bool {
    let begins = |name: &str, keys: &[&str]| {
        let mut head = Vec::new();
        let opened = std::fs::File::open(folder.join(name)).ok();
        let read = opened.and_then(|file| file.take(1 << 12).read_to_end(&mut head).ok()).is_some();
        let head = String::from_utf8_lossy(&head);
        read && keys.iter().all(|key| head.contains(key))
    };
    folder.join(JOURNAL).is_file() || OURS.iter().any(|(name, keys)| begins(name, keys))
}

/// Whether a folder beside results holds those of one image and nothing else.
pub(super) fn holds_one_result(folder: &Path) -> bool {
    let Ok(entries) = std::fs::read_dir(folder) else { return false };
    let names = entries.flatten().map(|e| e.file_name().to_string_lossy().into_owned());
    let visible: Vec<String> = names.filter(|name| !name.starts_with('.')).collect();
    !visible.is_empty() && visible.iter().all(|name| OF_IMAGE.contains(&name.as_str()))
}

/// Removes the files that a run has written for one image, or for a slice and its volume, and their folders where nothing
/// else is in them. `folder` is relative to the output folder, as a record holds it; one that leads out of it, or through
/// a link, is left alone.
/// # Errors
/// [`crate::Error::Io`] with the file that cannot be removed.
pub fn remove_results(out: &Path, folder: &str) -> Result<()> {
    let Some(mut at) = real_folder(out, Path::new(folder)) else { return Ok(()) };
    let mut names = &OF_IMAGE[..];
    while at != out {
        clear(&at, names)?;
        // Fails where something else lies in it.
        if std::fs::remove_dir(&at).is_err() || !at.pop() || holds_folders(&at) {
            break;
        }
        // The map of a volume is that of its slices, so it goes with the last of them.
        names = &OF_VOLUME;
    }
    Ok(())
}

/// A folder below `out`, unless there is none or it leads out of it or through a link.
fn real_folder(out: &Path, folder: &Path) -> Option<PathBuf> {
    let mut at = out.to_owned();
    for part in folder.components() {
        at.push(part);
        let real = std::fs::symlink_metadata(&at).is_ok_and(|meta| meta.is_dir());
        if !real || !matches!(part, Component::Normal(_)) {
            return None;
        }
    }
    Some(at)
}

/// Removes a file that a run has written below `out`, and its folder where nothing else is in it. One that leads out of it, or through a
/// link, is left alone.
/// # Errors
/// [`crate::Error::Io`] when it cannot be removed.
pub fn remove_below(out: &Path, file: &str) -> Result<()> {
    let file = Path::new(file);
    let (Some(above), Some(name)) = (file.parent(), file.file_name()) else { return Ok(()) };
    if let Some(folder) = real_folder(out, above) {
        remove_if_there(&folder.join(name))?;
        if folder != out {
            // Fails where something else lies in it.
            let _ = std::fs::remove_dir(&folder);
        }
    }
    Ok(())
}

fn holds_folders(folder: &Path) -> bool {
    std::fs::read_dir(folder).is_ok_and(|entries| entries.flatten().any(|e| e.path().is_dir()))
}

/// Removes what an earlier run has written for an image into its folder, if it is there: a file that this run does not
/// write would pass for this run's.
/// # Errors
/// [`crate::Error::Io`] with the file that cannot be removed.
pub fn clear_image(folder: &Path) -> Result<()> {
    clear(folder, &OF_IMAGE)
}

/// [`clear_image`] for a volume's folder.
/// # Errors
/// [`crate::Error::Io`] with the file that cannot be removed.
pub fn clear_volume(folder: &Path) -> Result<()> {
    clear(folder, &OF_VOLUME)
}

fn clear(folder: &Path, names: &[&str]) -> Result<()> {
    if !folder.is_dir() {
        return Ok(());
    }
    names.iter().try_for_each(|name| remove_if_there(&folder.join(name)))?;
    super::write::remove_leftovers(folder)
}

/// Whether a file is there and holds something; what a power cut leaves of a file may be empty.
pub fn is_whole(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.len() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_run_wrote_is_removed() {
        let root = tempfile::tempdir().unwrap();
        let out = root.path().join("out");
        let put = |name: &str| {
            std::fs::create_dir_all(root.path().join(name).parent().unwrap()).unwrap();
            std::fs::write(root.path().join(name), b"x").unwrap();
        };
        for name in ["out/a/mask.png", "out/a/.map.npy.1-2.part", "out/b/mask.png", "out/b/notes.txt", "mask.png"] {
            put(name);
        }
        for name in ["out/v/v_k0/overlay.png", "out/v/v_k1/overlay.png", "out/v/map.nii.gz"] {
            put(name);
        }
        for folder in ["a", "b", "v/v_k0", "..", "", "/", "nowhere"] {
            remove_results(&out, folder).unwrap();
        }
        assert!(!out.join("a").exists() && out.join("b/notes.txt").exists() && !out.join("b/mask.png").exists());
        assert!(root.path().join("mask.png").exists());
        assert!(!out.join("v/v_k0").exists() && out.join("v/map.nii.gz").exists() && out.join("v/v_k1").exists());
        remove_results(&out, "v/v_k1").unwrap();
        assert!(!out.join("v").exists() && out.exists());
    }
}
