//! What lies on disk: pictures, folders of pictures, model folders.
use std::path::{Path, PathBuf};

/// Endings of files that are taken for pictures.
const ENDINGS: [&str; 7] = ["png", "jpg", "jpeg", "tif", "tiff", "bmp", "webp"];

/// A decoded picture.
pub struct Pixels {
    pub width: u32,
    pub height: u32,
    /// Four bytes a pixel, row by row, opaque.
    pub rgba: Vec<u8>,
}

impl Pixels {
    /// Reads a picture; one with a side of more than `limit` is made smaller. What is transparent gets black behind it,
    /// because Residua does not read alpha.
    pub fn read(path: &Path, limit: u32) -> Result<Pixels, String> {
        let fault = |e: &dyn std::fmt::Display| format!("{}: {e}", path.display());
        let reader = image::ImageReader::open(path).map_err(|e| fault(&e))?;
        let decoded = reader.with_guessed_format().map_err(|e| fault(&e))?.decode().map_err(|e| fault(&e))?;
        let too_large = decoded.width().max(decoded.height()) > limit;
        let mut picture = if too_large { decoded.thumbnail(limit, limit) } else { decoded }.into_rgba8();
        for pixel in picture.pixels_mut() {
            let [colour @ .., alpha] = &mut pixel.0;
            for value in colour {
                *value = ((u32::from(*value) * u32::from(*alpha) + 127) / 255) as u8;
            }
            *alpha = 255;
        }
        Ok(Pixels { width: picture.width(), height: picture.height(), rgba: picture.into_raw() })
    }
}

/// Pictures to go through, one of them current.
pub struct Playlist {
    pictures: Vec<PathBuf>,
    at: usize,
}

impl Playlist {
    /// A folder stands for the pictures in it, a single picture for its folder beginning with it, several pictures for
    /// themselves.
    pub fn of(paths: &[PathBuf]) -> Result<Playlist, String> {
        let first = paths.first().ok_or("no picture is named")?;
        if let Some(missing) = paths.iter().find(|p| !p.exists()) {
            return Err(format!("{}: there is no such file or folder", missing.display()));
        }
        if paths.len() == 1 && first.is_file() {
            let folder = first.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
            let mut pictures = pictures_in(folder)?;
            // A picture with an ending of its own is tried all the same.
            let at = pictures.iter().position(|p| p.file_name() == first.file_name()).unwrap_or_else(|| {
                pictures.insert(0, first.clone());
                0
            });
            return Ok(Playlist { pictures, at });
        }
        let mut pictures = Vec::new();
        for path in paths {
            match path.is_dir() {
                true => pictures.extend(pictures_in(path)?),
                false => pictures.push(path.clone()),
            }
        }
        match pictures.is_empty() {
            true => Err(format!("{}: holds no picture ({})", first.display(), ENDINGS.join(", "))),
            false => Ok(Playlist { pictures, at: 0 }),
        }
    }
    /// The current picture.
    pub fn current(&self) -> &Path {
        &self.pictures[self.at]
    }
    /// Its number, from 1, and how many there are.
    pub fn place(&self) -> (usize, usize) {
        (self.at + 1, self.pictures.len())
    }
    /// Goes to the next picture or to the one before; behind the last comes the first.
    pub fn turn(&mut self, forwards: bool) {
        let by = if forwards { 1 } else { self.pictures.len() - 1 };
        self.at = (self.at + by) % self.pictures.len();
    }
}

fn pictures_in(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let ending = |p: &Path| p.extension().map(|e| e.to_string_lossy().to_lowercase());
    let is_picture = |p: &PathBuf| p.is_file() && ending(p).is_some_and(|e| ENDINGS.contains(&e.as_str()));
    Ok(entries(folder)?.into_iter().filter(is_picture).collect())
}

/// The model folders in a folder, or the folder itself when it is one.
pub fn models(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let is_model = |p: &PathBuf| p.join("detector.json").is_file() || p.join("model_index.json").is_file();
    let itself = folder.to_owned();
    if is_model(&itself) {
        return Ok(vec![itself]);
    }
    let models: Vec<_> = entries(folder)?.into_iter().filter(is_model).collect();
    match models.is_empty() {
        true => Err(format!("{}: holds no model folder (one with a detector.json)", folder.display())),
        false => Ok(models),
    }
}

/// What a folder holds, in order of name.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let fault = |e: std::io::Error| format!("{}: {e}", folder.display());
    let read = std::fs::read_dir(folder).map_err(fault)?;
    let mut entries = read.map(|e| Ok(e?.path())).collect::<Result<Vec<_>, _>>().map_err(fault)?;
    entries.sort();
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(kind: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../weights/texture/samples").join(kind)
    }

    #[test]
    fn a_picture_stands_for_its_folder_and_the_turn_goes_round() {
        let mut list = Playlist::of(&[samples("defect/scratch.png")]).unwrap();
        let name = |l: &Playlist| l.current().file_name().unwrap().to_str().unwrap().to_owned();
        assert_eq!((name(&list).as_str(), list.place()), ("scratch.png", (2, 4)));
        let mut turned = |forwards| {
            list.turn(forwards);
            name(&list)
        };
        assert_eq!([true, true, true].map(&mut turned), ["splash.png", "stain.png", "foreign.png"]);
        assert_eq!([false, true].map(&mut turned), ["stain.png", "foreign.png"]);
        let two = Playlist::of(&[samples("good/brick-2.png"), samples("defect/stain.png")]).unwrap();
        assert_eq!(two.place(), (1, 2));
        assert_eq!(Playlist::of(&[samples("good")]).unwrap().place(), (1, 4));
    }

    #[test]
    fn what_is_not_there_is_named() {
        let fault = |paths: &[PathBuf]| Playlist::of(paths).err().unwrap();
        assert!(fault(&[samples("no-such")]).contains("no-such"));
        assert!(fault(&[samples("")]).contains("holds no picture"));
        assert!(fault(&[]).contains("no picture"));
        assert!(Pixels::read(&samples("../detector.json"), 100).err().unwrap().contains("detector.json"));
    }

    #[test]
    fn pictures_come_opaque_and_within_the_limit() {
        let whole = Pixels::read(&samples("good/brick-1.png"), 128).unwrap();
        assert_eq!((whole.width, whole.height, whole.rgba.len()), (128, 128, 4 * 128 * 128));
        let small = Pixels::read(&samples("good/brick-1.png"), 40).unwrap();
        assert_eq!((small.width, small.height), (40, 40));
        let file = std::env::temp_dir().join(format!("residua-viewer-{}.png", std::process::id()));
        image::RgbaImage::from_raw(2, 1, vec![200, 100, 0, 51, 9, 8, 7, 255]).unwrap().save(&file).unwrap();
        let clear = Pixels::read(&file, 100).unwrap();
        std::fs::remove_file(&file).unwrap();
        assert_eq!(clear.rgba, [40, 20, 0, 255, 9, 8, 7, 255]);
    }

    #[test]
    fn model_folders_are_found() {
        let weights = samples("../..");
        let names: Vec<_> = models(&weights).unwrap().iter().map(|p| p.file_name().unwrap().to_owned()).collect();
        assert!(names.contains(&"texture".into()) && !names.contains(&"recipes".into()), "{names:?}");
        assert_eq!(models(&weights.join("texture")).unwrap().len(), 1);
        assert!(models(&samples("good")).err().unwrap().contains("no model folder"));
    }
}
