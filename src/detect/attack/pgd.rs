//! Projected gradient descent (Madry et al. 2018) on a score, over the expectation of its noise (EOT; Athalye et al. 2018): the network
//! is a function of images and a seed here, so that the attack is tested against functions whose optimum is known.
use super::ball::Ball;
use super::seeds::{Use, seed_of};
use crate::kernels::noise::{standard_normals, uniforms};
use crate::{Error, Result, Tensor};
use serde::{Deserialize, Serialize};

/// What is attacked: scores of a batch of images (N,C,H,W) in 0..1, under a noise that the seed chooses.
pub trait Target {
    /// N scores.
    /// # Errors
    /// Whatever keeps them from being computed.
    fn scores(&mut self, images: &Tensor, seed: u64) -> Result<Vec<f64>>;
    /// N scores, and the gradient of each with respect to its image, of the images' shape.
    /// # Errors
    /// Whatever keeps them from being computed.
    fn slopes(&mut self, images: &Tensor, seed: u64) -> Result<(Vec<f64>, Tensor)>;
}

/// Where an attack drives a score.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Towards {
    /// Down, to hide an anomaly.
    Lower,
    /// Up, to make a normal image an alarm.
    Higher,
}

impl Towards {
    /// As files and reports spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Towards::Lower => "lower",
            Towards::Higher => "higher",
        }
    }
    /// The score as the attack counts it: the more, the better.
    fn gain(self, score: f64) -> f64 {
        self.sign() * score
    }
    fn sign(self) -> f64 {
        match self {
            Towards::Lower => -1.0,
            Towards::Higher => 1.0,
        }
    }
}

/// How a restart begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Start {
    /// At a point drawn uniformly from the ball, and clipped to 0..1.
    Random,
    /// At the image itself.
    Image,
}

/// The settings of an attack.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pgd {
    /// What is allowed.
    pub ball: Ball,
    /// Steps of a restart, at least 1.
    pub steps: usize,
    /// The length of a step in the ball's norm, above 0.
    pub step_size: f64,
    /// Independent tries, at least 1.
    pub restarts: usize,
    /// Draws of the noise that a step's gradient is averaged over, and that candidates are compared by; at least 1. More than one is
    /// EOT.
    pub draws: usize,
    /// How each restart begins.
    pub start: Start,
    /// Chooses all noise of the attack.
    pub seed: u64,
}

/// An image that is attacked.
#[derive(Clone, Copy, Debug)]
pub struct Subject {
    /// Where to.
    pub towards: Towards,
    /// Chooses where its restarts begin, so that they do not depend on what else is in the batch.
    pub seed: u64,
}

/// What an attack found for an image.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// (C,H,W), in the ball: the candidate of the best mean score over the draws that candidates are compared by, of the ends of
    /// all restarts, the best point of each on its way, and the image itself.
    pub image: Vec<f32>,
    /// The restart that it came from; none when nothing was better than the image itself.
    pub restart: Option<usize>,
    /// Steps of all restarts in which the gradient was zero or not finite, so that they led nowhere.
    pub flat_steps: usize,
}

impl Pgd {
    /// The usual step, 2.5·epsilon/steps (Madry et al. 2018): from anywhere in the ball its border is in reach, and steps are left to
    /// move along it.
    pub fn usual_step(epsilon: f64, steps: usize) -> f64 {
        2.5 * epsilon / steps as f64
    }

    /// Batches of gradients that an attack takes.
    pub fn gradients(&self) -> usize {
        self.restarts * self.steps * self.draws
    }

    /// Attacks images (N,C,H,W), whose values lie in 0..1, by [`Pgd::gradients`] calls for slopes; a target that is to stop answers with
    /// an error.
    /// # Errors
    /// The target's; [`Error::Invalid`] for another number of subjects, values outside 0..1, or a target that
    /// gives another number of scores or a score of the image itself that is not finite.
    pub fn attack(&self, target: &mut dyn Target, clean: &Tensor, subjects: &[Subject]) -> Result<Vec<Found>> {
        let n = clean.shape.n;
        if subjects.len() != n || !clean.data.iter().all(|v| (0.0..=1.0).contains(v)) {
            return Err(Error::Invalid(format!("an attack takes {n} subjects and images of values in 0..1")));
        }
        if n == 0 {
            return Ok(Vec::new());
        }
        let len = clean.data.len() / n;
        let centres: Vec<&[f32]> = clean.data.chunks_exact(len).collect();
        let own = self.gains(target, clean, subjects)?;
        if own.iter().any(|g| !g.is_finite()) {
            return Err(Error::Invalid("the score of an image is not finite before the attack".into()));
        }
        let mut best: Vec<(f64, Found)> = own
            .iter()
            .zip(&centres)
            .map(|(&gain, c)| (gain, Found { image: c.to_vec(), restart: None, flat_steps: 0 }))
            .collect();
        for restart in 0..self.restarts {
            let mut x = clean.clone();
            for ((x, c), s) in x.data.chunks_exact_mut(len).zip(&centres).zip(subjects) {
                x.copy_from_slice(&self.begin(c, s.seed, restart));
            }
            let (mut highest, mut on_the_way) = (vec![f64::NEG_INFINITY; n], x.clone());
            for step in 0..self.steps {
                let (gains, gradient) = self.mean_slopes(target, &x, subjects, (restart, step))?;
                for i in 0..n {
                    let range = i * len..(i + 1) * len;
                    if gains[i] > highest[i] {
                        highest[i] = gains[i];
                        on_the_way.data[range.clone()].copy_from_slice(&x.data[range.clone()]);
                    }
                    let direction = self.ball.norm.steepest(&gradient[range.clone()]);
                    best[i].1.flat_steps += usize::from(direction.iter().all(|d| *d == 0.0));
                    let along = self.step_size * subjects[i].towards.sign();
                    let x = &mut x.data[range];
                    let point: Vec<f64> = x.iter().zip(&direction).map(|(x, d)| f64::from(*x) + along * d).collect();
                    x.copy_from_slice(&self.ball.nearest(centres[i], &point));
                }
            }
            for candidate in [x, on_the_way] {
                let gains = self.gains(target, &candidate, subjects)?;
                for ((best, gain), image) in best.iter_mut().zip(gains).zip(candidate.data.chunks_exact(len)) {
                    if gain > best.0 {
                        let flat_steps = best.1.flat_steps;
                        *best = (gain, Found { image: image.to_vec(), restart: Some(restart), flat_steps });
                    }
                }
            }
        }
        Ok(best.into_iter().map(|(_, found)| found).collect())
    }

    /// Where a restart begins.
    fn begin(&self, centre: &[f32], seed: u64, restart: usize) -> Vec<f32> {
        if self.start == Start::Image {
            return centre.to_vec();
        }
        let n = centre.len();
        let unit = match self.ball.norm {
            super::Norm::Linf => uniforms(seed, restart as u32, 0, n).iter().map(|u| 2.0 * u - 1.0).collect(),
            super::Norm::L2 => {
                // A direction, and a radius whose n-th power is uniform.
                let mut z = standard_normals(seed, restart as u32, 0, n);
                let radius = uniforms(seed, restart as u32, 1, 1)[0].powf(1.0 / n as f64);
                let size = super::Norm::L2.of(z.iter().copied()).max(f64::MIN_POSITIVE);
                z.iter_mut().for_each(|v| *v *= radius / size);
                z
            }
        };
        let change = |(c, u): (&f32, &f64)| f64::from(*c) + self.ball.epsilon * u;
        self.ball.nearest(centre, &centre.iter().zip(&unit).map(change).collect::<Vec<f64>>())
    }

    /// What each image is worth, as the mean over the draws by which candidates are compared.
    fn gains(&self, target: &mut dyn Target, images: &Tensor, subjects: &[Subject]) -> Result<Vec<f64>> {
        let mut sums = vec![0.0; subjects.len()];
        for draw in 0..self.draws {
            let scores = target.scores(images, seed_of(self.seed, Use::Compare { draw }))?;
            add(&mut sums, &scores, subjects)?;
        }
        Ok(sums.iter().map(|s| s / self.draws as f64).collect())
    }

    /// The same under draws of this step alone, and the mean gradient of the scores.
    fn mean_slopes(
        &self,
        target: &mut dyn Target,
        images: &Tensor,
        subjects: &[Subject],
        (restart, step): (usize, usize),
    ) -> Result<(Vec<f64>, Vec<f32>)> {
        let (mut sums, mut gradient) = (vec![0.0; subjects.len()], vec![0.0; images.data.len()]);
        for draw in 0..self.draws {
            let (scores, slopes) = target.slopes(images, seed_of(self.seed, Use::Step { restart, step, draw }))?;
            if slopes.shape != images.shape {
                return Err(Error::Invalid(format!("a gradient of {} has shape {}", images.shape, slopes.shape)));
            }
            add(&mut sums, &scores, subjects)?;
            gradient.iter_mut().zip(&slopes.data).for_each(|(g, s)| *g += s / self.draws as f32);
        }
        Ok((sums.iter().map(|s| s / self.draws as f64).collect(), gradient))
    }
}

fn add(sums: &mut [f64], scores: &[f64], subjects: &[Subject]) -> Result<()> {
    if scores.len() != sums.len() {
        return Err(Error::Invalid(format!("{} scores of {} images", scores.len(), sums.len())));
    }
    sums.iter_mut().zip(scores).zip(subjects).for_each(|((sum, score), s)| *sum += s.towards.gain(*score));
    Ok(())
}

#[cfg(test)]
#[path = "pgd_tests.rs"]
mod tests;
