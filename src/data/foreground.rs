//! What of an image is the thing imaged and what is background: a mask beside the file, or the values themselves.
use crate::{Error, Result};
use std::path::Path;

/// Which values belong to the foreground, in the order of the values, and how that is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Foreground {
    /// One flag for each pixel or voxel.
    pub inside: Vec<bool>,
    /// A sentence for the user: the mask's file, or that there is none.
    pub notice: String,
}

impl Foreground {
    /// By a mask's file.
    /// # Errors
    /// [`Error::File`] when nothing is marked.
    pub(super) fn of_file(path: &Path, inside: Vec<bool>) -> Result<Foreground> {
        if !inside.contains(&true) {
            return Err(Error::file(path, "the mask is empty: it marks nothing as foreground"));
        }
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        Ok(Foreground { inside, notice: format!("its foreground is that of the mask {file}") })
    }

    /// Where any channel of the image called `name` lies above that channel's lowest value; `values` holds all channels,
    /// one after the other.
    /// # Errors
    /// [`Error::File`] when nothing does.
    pub(super) fn of_values(path: &Path, name: &str, values: &[f32], channels: usize) -> Result<Foreground> {
        let size = values.len() / channels.max(1);
        let mut inside = vec![false; size];
        for channel in values.chunks_exact(size.max(1)) {
            inside.iter_mut().zip(above_lowest(channel)).for_each(|(i, above)| *i |= above);
        }
        if !inside.contains(&true) {
            return Err(Error::file(path, "has no foreground: all of its values are the same"));
        }
        Ok(Foreground { inside, notice: without_mask(name) })
    }

    /// The values inside.
    pub(super) fn choose<'a>(&'a self, values: &'a [f32]) -> impl Iterator<Item = f32> + 'a {
        values.iter().zip(&self.inside).filter(|(_, inside)| **inside).map(|(v, _)| *v)
    }
}

/// What the user is told where there is no mask.
pub(super) fn without_mask(name: &str) -> String {
    format!("its foreground is what lies above the lowest value, as there is no file {name}_mask beside it")
}

/// Whether each value is above the lowest of all.
pub(super) fn above_lowest(values: &[f32]) -> impl Iterator<Item = bool> + '_ {
    let lowest = values.iter().copied().fold(f32::INFINITY, f32::min);
    values.iter().map(move |&v| v > lowest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_channel_above_its_lowest_value_counts() {
        let path = Path::new("a/x.png");
        let two = [0.0, 0.5, 0.0, -1.0, -1.0, 3.0];
        let found = Foreground::of_values(path, "x", &two, 2).unwrap();
        assert_eq!(found.inside, [false, true, true]);
        assert!(found.notice.contains("x_mask"), "{}", found.notice);
        assert_eq!(found.choose(&[1.0, 2.0, 3.0]).collect::<Vec<_>>(), [2.0, 3.0]);
        let error = Foreground::of_values(path, "x", &[7.0; 4], 2).unwrap_err().to_string();
        assert!(error.starts_with("a/x.png: has no foreground"), "{error}");
        let error = Foreground::of_file(Path::new("x_mask.png"), vec![false; 3]).unwrap_err().to_string();
        assert!(error.starts_with("x_mask.png: the mask is empty"), "{error}");
    }
}
