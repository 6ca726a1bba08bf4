//! A detector as what is attacked: its scores by the scorer, their gradients by the job that has them.
use super::Target;
use crate::data::{Picture, ValueRange};
use crate::detect::{Item, Runner, Scorer};
use crate::{Error, Result, Tensor};

/// A batch of images under attack.
pub struct Network<'t, 's> {
    scorer: &'t mut Scorer<'s>,
    slopes: &'t mut Runner,
    /// What each image of the batch stands for, and a picture of its size.
    images: Vec<(Item, Picture)>,
    range: ValueRange,
    /// Batches of gradients that are done, and of how many.
    done: [usize; 2],
}

impl<'t, 's> Network<'t, 's> {
    /// Images as the networks see them; `slopes` runs batches of their number, of which `all` will be asked for.
    /// # Errors
    /// [`Error::Invalid`] for a system whose networks see no image.
    pub fn new(
        scorer: &'t mut Scorer<'s>,
        slopes: &'t mut Runner,
        images: Vec<(Item, Picture)>,
        all: usize,
    ) -> Result<Self> {
        let range = scorer.model.config.image()?.value_range();
        Ok(Network { scorer, slopes, images, range, done: [0, all] })
    }
    /// The images' values as a batch (N,C,H,W) in 0..1.
    pub fn batch(&self) -> Result<Tensor> {
        batch(self.images.iter().map(|(_, p)| p), ValueRange::UNIT)
    }
}

/// Pictures of one size as a batch (N,C,H,W), their 0 and 1 becoming the ends of a range.
pub fn batch<'p>(pictures: impl Iterator<Item = &'p Picture>, range: ValueRange) -> Result<Tensor> {
    let all: Vec<Tensor> = pictures.map(|p| p.to_tensor(range)).collect();
    let shape = all.first().map(|t| t.shape).ok_or_else(|| Error::Invalid("a batch has no image".into()))?;
    Tensor::new(crate::Shape { n: all.len(), ..shape }, all.into_iter().flat_map(|t| t.data).collect())
}

impl Target for Network<'_, '_> {
    fn scores(&mut self, images: &Tensor, seed: u64) -> Result<Vec<f64>> {
        let picture = |(n, (item, of)): (usize, &(Item, Picture))| {
            Ok((item.clone(), Picture::from_tensor(images, n, ValueRange::UNIT, of)?))
        };
        let pictures = self.images.iter().enumerate().map(picture).collect::<Result<_>>()?;
        Ok(self.scorer.variants(pictures, seed)?.iter().map(|s| s.score).collect())
    }
    fn slopes(&mut self, images: &Tensor, seed: u64) -> Result<(Vec<f64>, Tensor)> {
        let span = self.range.high - self.range.low;
        let seen = images.data.iter().map(|v| self.range.low + v * span).collect();
        let device = self.scorer.device.clone();
        let ran = device.drive(self.slopes.run(&Tensor::new(images.shape, seen)?, seed, |_| true))?;
        let (Some(scores), Some(mut gradient)) = (ran.score, ran.gradient) else {
            return Err(Error::Invalid("the job gives no gradient".into()));
        };
        self.done[0] += 1;
        self.scorer.step(self.done[0], self.done[1])?;
        // By the image's own units.
        gradient.data.iter_mut().for_each(|g| *g *= span);
        Ok((scores.data.iter().map(|s| f64::from(*s)).collect(), gradient))
    }
}
