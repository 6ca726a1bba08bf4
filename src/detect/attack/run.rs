//! An attack on images: found, written, read again and judged.
use super::network::{Network, batch};
use super::{Ball, Norm, Pgd, Start, Subject, Towards, Use, seed_of};
use crate::data::{ExactFormat, Failure, Map, Picture, ValueRange, create_folder};
use crate::detect::scorer::named_seed;
use crate::detect::{Item, Runner, Scorer};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// The settings of an attack, as they are reported.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct AttackSettings {
    /// How the size of a perturbation is measured.
    pub norm: Norm,
    /// Its greatest size, in units of the 0..1 image at the networks' size.
    pub epsilon: f64,
    /// Steps of a restart.
    pub steps: usize,
    /// The length of a step, in the norm.
    pub step_size: f64,
    /// Independent tries of which the best counts.
    pub restarts: usize,
    /// Draws of the detector's noise that each gradient is averaged over; more than one is EOT.
    pub draws: usize,
    /// How a restart begins.
    pub start: Start,
    /// Draws of the noise that the result is judged by, none of which the attack has seen.
    pub fresh_draws: usize,
    /// The files that the images are written into.
    pub format: ExactFormat,
}

impl AttackSettings {
    /// Holds the settings to their ranges.
    /// # Errors
    /// [`Error::Invalid`] naming the setting.
    pub fn check(&self) -> Result<()> {
        let fault = |text: &str| Err(Error::Invalid(text.into()));
        let positive = |v: f64| v > 0.0 && v.is_finite();
        match self {
            s if !positive(s.epsilon) => fault("epsilon must be above 0"),
            s if s.norm == Norm::Linf && s.epsilon > 1.0 => {
                fault("epsilon is above 1, but the image lies in 0..1: give it in these units, such as 2/255")
            }
            s if !positive(s.step_size) => fault("the step size must be above 0"),
            s if [s.steps, s.restarts, s.draws, s.fresh_draws].contains(&0) => {
                fault("at least one step, restart and draw is needed")
            }
            s if s.restarts > 1 && s.start == Start::Image => {
                fault("restarts that all begin at the image are no others: let them begin at random")
            }
            _ => Ok(()),
        }
    }
    fn pgd(&self, seed: u64) -> Pgd {
        let AttackSettings { norm, epsilon, steps, step_size, restarts, draws, start, .. } = *self;
        Pgd { ball: Ball { norm, epsilon }, steps, step_size, restarts, draws, start, seed }
    }
}

/// An image that was attacked.
pub struct Attacked {
    /// The image.
    pub item: Item,
    /// Where its score was driven.
    pub towards: Towards,
    /// The image as it was attacked, and the adversarial one, both as read from their files, at the networks' size.
    pub pictures: [Picture; 2],
    /// Those files.
    pub files: [PathBuf; 2],
    /// The scores of both under each fresh draw.
    pub scores: [Vec<f64>; 2],
    /// The means of the maps of both over the fresh draws; none for a system without maps.
    pub maps: [Option<Map>; 2],
    /// The restart that was the best; none where nothing was better than the image itself.
    pub restart: Option<usize>,
    /// Steps that led nowhere, as the gradient was zero or not finite, of all restarts.
    pub flat_steps: usize,
    /// Its share of the time.
    pub seconds: f64,
}

impl Attacked {
    /// The size of the perturbation as it was written, by a norm.
    pub fn distance(&self, norm: Norm) -> f64 {
        norm.distance(&self.pictures[0].data, &self.pictures[1].data)
    }
}

/// Attacks the images of a scorer.
pub struct Attacker {
    settings: AttackSettings,
    slopes: Option<(usize, Runner)>,
    /// Fewer images at once than the scorer's, where the gradients of so many have no room.
    room: usize,
}

impl Attacker {
    /// An attacker of the scorer's model.
    /// # Errors
    /// [`Error::Invalid`] for a setting out of its range, and for a system, or settings of it, without a gradient, by name; several
    /// draws of a detector that draws no noise.
    pub fn new(scorer: &Scorer, settings: AttackSettings) -> Result<Self> {
        settings.check()?;
        let job = scorer.model.differentiable(1, None)?;
        let input = scorer.model.config.image()?;
        settings.format.holds(input.channels)?;
        let diagonal = ((input.width * input.height * input.channels) as f64).sqrt();
        if settings.norm == Norm::L2 && settings.epsilon > diagonal {
            let fault =
                format!("epsilon is above {diagonal:.1}, which is further than any two images in 0..1 are apart");
            return Err(Error::Invalid(fault));
        }
        if job.noise.is_none() && (settings.draws > 1 || settings.fresh_draws > 1) {
            let fault = "the detector draws no noise under these settings, so several draws are all the same";
            return Err(Error::Invalid(fault.into()));
        }
        Ok(Attacker { settings, slopes: None, room: usize::MAX })
    }

    /// Attacks images, as many at once as there is room for. The image and the adversarial one are written into `out`, below `clean`
    /// and `adversarial`, under the name that `name` gives without its ending; what is judged is read from there. What fails goes
    /// to the scorer's failures, and the rest is done.
    /// # Errors
    /// What `sink` returns; [`Error::Interrupted`]; whatever the device reports; a file that cannot be written.
    pub fn run(
        &mut self,
        scorer: &mut Scorer,
        images: Vec<(Item, Towards)>,
        (out, name): (&Path, &dyn Fn(&Item) -> PathBuf),
        sink: &mut dyn FnMut(Attacked) -> Result<()>,
    ) -> Result<()> {
        let mut rest = images.into_iter().peekable();
        while rest.peek().is_some() {
            let at_once = scorer.images_at_once().min(self.room);
            let mut chunk = Vec::new();
            for (item, towards) in rest.by_ref().take(at_once) {
                match scorer.as_seen(&item) {
                    Ok(mut seen) => {
                        seen.data = self.settings.format.round(&seen.data);
                        chunk.push((item, towards, seen));
                    }
                    Err(e) => scorer.failures.push(Failure { path: item.path, error: e.to_string() }),
                }
            }
            let mut chunks = vec![chunk];
            while let Some(mut chunk) = chunks.pop() {
                if chunk.is_empty() {
                    continue;
                }
                chunks.push(chunk.split_off(self.reserve(scorer, chunk.len())?));
                match self.batch(scorer, &chunk, (out, name)) {
                    Ok(all) => {
                        all.into_iter().try_for_each(&mut *sink)?;
                        scorer.done(chunk.len())?;
                    }
                    // One of them gives no finite score, say: by themselves the others do.
                    Err(Error::File { .. } | Error::Invalid(_)) if chunk.len() > 1 => {
                        chunks.extend(chunk.into_iter().rev().map(|one| vec![one]));
                    }
                    Err(e @ (Error::File { .. } | Error::Invalid(_))) => {
                        scorer.fail(&chunk[0].0, e);
                        scorer.done(1)?;
                    }
                    Err(e) => return Err(e),
                }
            }
        }
        Ok(())
    }

    /// Makes room for the gradients of `n` images, or of fewer; of how many.
    fn reserve(&mut self, scorer: &Scorer, n: usize) -> Result<usize> {
        let (device, mut n) = (&scorer.device, n.min(self.room));
        if self.slopes.as_ref().is_some_and(|s| s.0 == n) {
            return Ok(n);
        }
        self.slopes = None;
        loop {
            match device.drive(Runner::new(device, scorer.model.differentiable(n, None)?)) {
                Err(Error::Device { device: name, fault }) if n > 1 && device.check().is_ok() => {
                    tracing::warn!("the gradients of {n} images do not fit, so {} are tried: {name}: {fault}", n / 2);
                    n /= 2;
                    self.room = n;
                }
                made => {
                    self.slopes = Some((n, made?));
                    return Ok(n);
                }
            }
        }
    }

    /// Attacks one batch, for which there is room.
    fn batch(
        &mut self,
        scorer: &mut Scorer,
        images: &[(Item, Towards, Picture)],
        (out, name): (&Path, &dyn Fn(&Item) -> PathBuf),
    ) -> Result<Vec<Attacked>> {
        let (started, count, seed) = (Instant::now(), images.len(), scorer.options.seed);
        let settings = self.settings;
        let pgd = settings.pgd(seed);
        let subject = |(item, towards, _): &(Item, Towards, Picture)| Subject {
            towards: *towards,
            seed: named_seed(seed, &format!("start {}", item.folder)),
        };
        let subjects: Vec<Subject> = images.iter().map(subject).collect();
        let (_, runner) = self.slopes.as_mut().ok_or_else(|| Error::Invalid("no gradient is ready".into()))?;
        let clean: Vec<(Item, Picture)> = images.iter().map(|(i, _, p)| (i.clone(), p.clone())).collect();
        let mut target = Network::new(scorer, runner, clean, pgd.gradients())?;
        let whole = target.batch()?;
        let found = pgd.attack(&mut target, &whole, &subjects)?;
        let mut all = Vec::with_capacity(count);
        for ((item, towards, clean), found) in images.iter().zip(found) {
            let shape = crate::Shape { n: 1, ..whole.shape };
            let adversarial = crate::Tensor::new(shape, found.image)?;
            let mut adversarial = Picture::from_tensor(&adversarial, 0, ValueRange::UNIT, clean)?;
            adversarial.data = settings.format.round_towards(&clean.data, &adversarial.data);
            let files = ["clean", "adversarial"].map(|kind| {
                let mut file = out.join(kind).join(name(item)).into_os_string();
                file.push(".");
                file.push(settings.format.extension());
                PathBuf::from(file)
            });
            let pictures = [write(&settings, &files[0], clean)?, write(&settings, &files[1], &adversarial)?];
            let planar = batch(pictures.iter(), ValueRange::UNIT)?;
            let (centre, image) = planar.data.split_at(planar.data.len() / 2);
            if !pgd.ball.holds(centre, image) {
                return Err(Error::file(&files[1], "does not lie within epsilon of its image as it was written"));
            }
            let (restart, flat_steps) = (found.restart, found.flat_steps);
            let (item, towards) = (item.clone(), *towards);
            let (scores, maps) = Default::default();
            all.push(Attacked { item, towards, pictures, files, scores, maps, restart, flat_steps, seconds: 0.0 });
        }
        self.judge(scorer, &mut all)?;
        let seconds = started.elapsed().as_secs_f64() / count as f64;
        all.iter_mut().for_each(|a| a.seconds = seconds);
        Ok(all)
    }

    /// Scores the images that were read from their files, before and after, under draws that the attack has not seen. What shares a
    /// noise shares each draw, as in a detection.
    fn judge(&self, scorer: &mut Scorer, all: &mut [Attacked]) -> Result<()> {
        let own: Vec<u64> = all.iter().map(|a| scorer.seed_of(&a.item)).collect();
        let mut rest = all;
        for same in own.chunk_by(|a, b| a == b) {
            let (images, others) = std::mem::take(&mut rest).split_at_mut(same.len());
            rest = others;
            for draw in 0..self.settings.fresh_draws {
                self.judge_draw(scorer, images, seed_of(same[0], Use::Fresh { draw }))?;
            }
        }
        Ok(())
    }
    /// One draw for images that share it.
    fn judge_draw(&self, scorer: &mut Scorer, images: &mut [Attacked], seed: u64) -> Result<()> {
        for side in 0..2 {
            let pictures = images.iter().map(|a| (a.item.clone(), a.pictures[side].clone())).collect();
            for (attacked, scored) in images.iter_mut().zip(scorer.variants(pictures, seed)?) {
                attacked.scores[side].push(scored.score);
                let Some(map) = scored.map else { continue };
                let share = |v: &f32| v / self.settings.fresh_draws as f32;
                match &mut attacked.maps[side] {
                    Some(mean) => mean.data.iter_mut().zip(&map.data).for_each(|(m, v)| *m += share(v)),
                    none => *none = Some(Map::new(map.width, map.height, map.data.iter().map(share).collect())?),
                }
            }
        }
        Ok(())
    }
}

fn write(settings: &AttackSettings, path: &Path, picture: &Picture) -> Result<Picture> {
    create_folder(path.parent().unwrap_or(Path::new("")))?;
    let read = settings.format.write(path, picture)?;
    Ok(Picture { name: picture.name.clone(), warnings: picture.warnings.clone(), ..read })
}
