//! Jobs on the device, of the batches' sizes that came last.
use crate::Result;

/// Full batches, and what is left over at the end of a volume or of all pictures.
const KEPT: usize = 2;

/// The values that were asked for last, by number; the others are dropped, with the memory that they hold.
pub struct Recent<T>(Vec<(usize, T)>);

impl<T> Recent<T> {
    /// None yet.
    pub fn new() -> Self {
        Recent(Vec::with_capacity(KEPT))
    }
    /// The value of a number. One that is not there is made, after what has no room beside it was dropped.
    /// # Errors
    /// What `make` returns.
    pub fn get(&mut self, number: usize, make: impl FnOnce() -> Result<T>) -> Result<&mut T> {
        match self.0.iter().position(|(n, _)| *n == number) {
            Some(at) => self.0[at..].rotate_left(1),
            None => {
                if self.0.len() == KEPT {
                    self.0.remove(0);
                }
                self.0.push((number, make()?));
            }
        }
        let last = self.0.len() - 1;
        Ok(&mut self.0[last].1)
    }
    /// Drops all values.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Error;
    use std::rc::Rc;

    #[test]
    fn two_values_are_kept_and_made_again_only_when_they_were_dropped() {
        let (held, mut made, mut recent) = (Rc::new(()), Vec::new(), Recent::new());
        for n in [8, 8, 3, 8, 5, 8, 3, 8, 8] {
            recent
                .get(n, || {
                    assert!(Rc::strong_count(&held) <= KEPT, "there is room before the next one is made");
                    made.push(n);
                    Ok((n, held.clone()))
                })
                .map(|value| assert_eq!(value.0, n))
                .unwrap();
            assert!(Rc::strong_count(&held) <= 1 + KEPT);
        }
        assert_eq!(made, [8, 3, 5, 3]);
        assert!(recent.get(1, || Err(Error::Interrupted)).is_err());
        recent.clear();
        assert_eq!(Rc::strong_count(&held), 1);
    }
}
