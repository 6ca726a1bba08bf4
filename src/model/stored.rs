//! Where the numbers of a tensor lie in a file, and how they are read from there.
use safetensors::Dtype;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::collections::BTreeSet;

/// Numbers that a view may repeat at most beyond those of its storage (`expand` repeats without limit).
#[cfg(feature = "pytorch")]
const MAX_REPEATED: usize = 1 << 22;

/// A tensor in one of a checkpoint's files.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Stored {
    pub dtype: Dtype,
    pub shape: Vec<usize>,
    /// Which of the files.
    pub part: usize,
    /// Of its first number, in bytes.
    pub start: usize,
    /// From number to number along each dimension, in numbers; none when they lie one after the other.
    pub strides: Option<Vec<usize>>,
}

/// What a file holds.
pub(super) struct Contents {
    /// Every tensor: the path to its state dict, the key in it, and where the numbers lie.
    pub tensors: Vec<(Vec<String>, String, Stored)>,
    /// What else it says, by its own names: hyper-parameters.
    pub about: Map<String, Value>,
    /// Averages that are there but have no names, so that they cannot be read: the path to them.
    pub nameless: Option<String>,
    /// Dictionaries of tensors that are not read.
    pub others: Vec<OtherDict>,
}

/// A dictionary of tensors in a file of PyTorch's that is not read, as another one has a name that says that it is the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtherDict {
    /// The names on the way to it, with dots between.
    pub place: String,
    /// How many tensors it has.
    pub tensors: usize,
}

impl OtherDict {
    /// What is read of a file, by its dictionaries, and what is not.
    pub(super) fn said(others: &[OtherDict], read: &BTreeSet<String>) -> String {
        let named: Vec<String> =
            read.iter().filter(|place| !place.is_empty()).map(|place| format!("`{place}`")).collect();
        let read = match &named[..] {
            [] => "the tensors outside of dictionaries are read".to_owned(),
            [one] => format!("{one} is read"),
            several => format!("{} are read", several.join(", ")),
        };
        format!("{read}, and not what else looks like weights: {}", OtherDict::list(others))
    }
    /// Some of them, in words.
    pub(super) fn list(all: &[OtherDict]) -> String {
        const SHOWN: usize = 8;
        let shown = all.iter().take(SHOWN).map(|o| format!("`{}` ({} tensors)", o.place, o.tensors));
        let more = (all.len() > SHOWN).then(|| format!("{} more", all.len() - SHOWN));
        shown.chain(more).collect::<Vec<_>>().join(", ")
    }
}

impl Stored {
    /// A view of a storage that begins at byte `start`: of numbers of `size` bytes, the first of the view being number `offset`
    /// of `len`.
    /// # Errors
    /// When it does not lie inside of the storage, or repeats it beyond all measure.
    #[cfg(feature = "pytorch")]
    pub fn view(
        (dtype, size): (Dtype, usize),
        shape: &[usize],
        strides: &[usize],
        (offset, len): (usize, usize),
        start: usize,
    ) -> Result<Self, String> {
        let count = shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d));
        let span = || shape.iter().zip(strides).try_fold(offset, |n, (&d, &s)| n.checked_add((d - 1).checked_mul(s)?));
        let fault =
            || format!("shape {shape:?} with strides {strides:?} from number {offset} on leaves its storage of {len}");
        let count = count.ok_or_else(fault)?;
        if count > 0 && span().is_none_or(|last| last >= len) {
            return Err(fault());
        }
        if count > len && count > MAX_REPEATED {
            return Err(format!("shape {shape:?} repeats a storage of {len} numbers"));
        }
        let mut next = 1usize;
        let dense = shape.iter().zip(strides).rev().all(|(&d, &s)| {
            let fits = d == 1 || s == next;
            next = next.wrapping_mul(d);
            fits
        });
        let strides = (count > 0 && !dense).then(|| strides.to_vec());
        let at = offset.checked_mul(size).and_then(|o| o.checked_add(start)).filter(|_| count > 0).unwrap_or(start);
        Ok(Stored { dtype, shape: shape.to_vec(), part: 0, start: at, strides })
    }
    /// How many numbers.
    pub fn count(&self) -> usize {
        self.shape.iter().product()
    }
    /// Its bytes, row-major in the order of its shape, from those of its file.
    pub fn read<'a>(&self, file: &'a [u8]) -> Cow<'a, [u8]> {
        let (count, bits) = (self.count(), self.dtype.bitsize());
        let rest = file.get(self.start..).unwrap_or_default();
        let Some(strides) = &self.strides else {
            return Cow::Borrowed(rest.get(..count * bits / 8).unwrap_or_default());
        };
        let size = bits / 8;
        let mut out = Vec::with_capacity(count * size);
        let mut index = vec![0; self.shape.len()];
        let mut at = 0;
        for _ in 0..count {
            out.extend_from_slice(rest.get(at * size..(at + 1) * size).unwrap_or_default());
            // The next index in row-major order, and where it lies.
            for ((i, &size), &stride) in index.iter_mut().zip(&self.shape).zip(strides).rev() {
                *i += 1;
                at += stride;
                if *i < size {
                    break;
                }
                at -= size * stride;
                *i = 0;
            }
        }
        Cow::Owned(out)
    }
}

#[cfg(all(test, feature = "pytorch"))]
mod tests {
    use super::*;

    fn view(shape: &[usize], strides: &[usize], offset: usize) -> Result<Stored, String> {
        Stored::view((Dtype::U8, 1), shape, strides, (offset, 12), 100)
    }

    #[test]
    fn views_are_gathered_in_the_order_of_their_shape() {
        let file: Vec<u8> = (0..112).map(|i| if i < 100 { 0xff } else { i - 100 }).collect();
        let read =
            |shape: &[usize], strides: &[usize], offset| view(shape, strides, offset).unwrap().read(&file).into_owned();
        assert_eq!(read(&[3, 4], &[4, 1], 0), (0..12).collect::<Vec<u8>>());
        assert_eq!(read(&[4, 3], &[1, 4], 0), [0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11], "transposed");
        assert_eq!(read(&[2, 2], &[8, 2], 1), [1, 3, 9, 11], "every other column of every other row");
        assert_eq!(read(&[2, 3], &[0, 1], 4), [4, 5, 6, 4, 5, 6], "expanded");
        assert_eq!(read(&[], &[], 7), [7]);
        assert_eq!(read(&[2, 0], &[1, 1], 12), [0u8; 0]);
        assert_eq!(read(&[0, 1 << 40, 1 << 40], &[1, 1, 1], 0), [0u8; 0]);
        assert!(view(&[3, 4], &[4, 1], 0).unwrap().strides.is_none());
        assert!(view(&[1, 12, 1], &[77, 1, 5], 0).unwrap().strides.is_none(), "sizes of one are never stepped");
    }

    #[test]
    fn views_that_leave_their_storage_are_refused() {
        for (shape, strides, offset) in [
            (&[3, 4][..], &[4, 1][..], 1),
            (&[13], &[1], 0),
            (&[2], &[usize::MAX], 0),
            (&[usize::MAX, usize::MAX], &[0, 0], 0),
            (&[1], &[1], usize::MAX),
            (&[1 << 40], &[0], 0),
        ] {
            assert!(view(shape, strides, offset).is_err(), "{shape:?}");
        }
    }
}
