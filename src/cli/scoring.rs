//! Images through a detector, batch by batch: what every command that scores images shares.
use super::DeviceArgs;
use super::items::Item;
use crate::data::{Map, Picture};
use crate::detect::{AnoDdpm, Batch, ModelFolder, score};
use crate::report::Failure;
use crate::{Device, Error, Result, Shape, Tensor};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

/// Which device, which noise, how many at once.
#[derive(clap::Args)]
pub(crate) struct ScoringArgs {
    #[command(flatten)]
    pub device: DeviceArgs,
    /// Chooses all noise
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Images healed at once [default: 8 on a GPU, 4 on the processor]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub batch: Option<u16>,
    /// Axis of a volume that is cut into slices
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(0..=2))]
    pub axis: u8,
}

/// What Ctrl-C sets from now on, instead of ending the process; one for the whole process.
pub(crate) fn interruption() -> Arc<AtomicBool> {
    static STOP: OnceLock<Arc<AtomicBool>> = OnceLock::new();
    let stop = STOP.get_or_init(|| {
        let stop = Arc::new(AtomicBool::new(false));
        let flag = stop.clone();
        // A host's handler, if there is one, keeps its place.
        let _ = ctrlc::set_handler(move || flag.store(true, Ordering::SeqCst));
        stop
    });
    stop.clone()
}

/// One image's result, at the image's own size.
pub(crate) struct Scored {
    pub item: Item,
    pub picture: Picture,
    pub map: Map,
    pub reconstruction: Picture,
    /// Finite.
    pub score: f64,
    /// Its share of the batch's time.
    pub seconds: f64,
}

/// An image that is ready for the network.
struct Ready {
    item: Item,
    picture: Picture,
    tensor: Tensor,
}

/// A model on a device.
pub(crate) struct Scorer<'a> {
    pub model: &'a ModelFolder,
    pub device: Device,
    pub seed: u64,
    batch: usize,
    detectors: HashMap<usize, AnoDdpm>,
    stop: Arc<AtomicBool>,
    /// The images that gave no result.
    pub failures: Vec<Failure>,
}

impl<'a> Scorer<'a> {
    /// Opens the device; from then on Ctrl-C ends the work after what is under way, with [`Error::Interrupted`].
    pub fn open(model: &'a ModelFolder, args: &ScoringArgs) -> Result<Self> {
        Ok(Self::on(args.device.open()?, model, args))
    }

    /// The same on a device that is open already.
    pub fn on(device: Device, model: &'a ModelFolder, args: &ScoringArgs) -> Self {
        let batch = usize::from(args.batch.unwrap_or(if matches!(device, Device::Cpu) { 4 } else { 8 }));
        let stop = interruption();
        Scorer { model, device, seed: args.seed, batch, detectors: HashMap::new(), stop, failures: Vec::new() }
    }

    /// Scores all items in order, with progress bars; `sink` gets each result as its batch is finished. What cannot be
    /// read, or gives no finite score, goes to `failures`, and the rest is done.
    pub fn run(&mut self, items: &[Item], mut sink: impl FnMut(Scored) -> Result<()>) -> Result<()> {
        let bars = MultiProgress::new();
        let images = bars.add(bar(items.len(), "images"));
        let steps = bars.add(bar(0, "steps"));
        for chunk in items.chunks(self.batch) {
            let ready: Vec<Ready> = chunk.iter().filter_map(|item| self.prepare(item)).collect();
            if !ready.is_empty() {
                self.heal(ready, &steps, &mut sink)?;
            }
            images.inc(chunk.len() as u64);
            if self.stop.load(Ordering::SeqCst) {
                return Err(Error::Interrupted);
            }
        }
        bars.clear().map_err(|e| Error::io("standard error", e))
    }

    /// Reads one image and brings it to the network's size and range; a failure is noted.
    fn prepare(&mut self, item: &Item) -> Option<Ready> {
        let input = &self.model.config.input;
        let range = input.value_range();
        let read = || {
            let picture = item.read(range)?;
            let small = picture.to_channels(input.channels)?.resize(input.width, input.height)?;
            Ok::<_, Error>((picture, small.to_tensor(range)))
        };
        match read() {
            Ok((mut picture, tensor)) => {
                let ratio = |w: usize, h: usize| w as f64 / h as f64;
                let change = ratio(picture.width, picture.height) / ratio(input.width, input.height);
                if !(0.8..=1.25).contains(&change) {
                    picture.warnings.push(format!(
                        "{}x{} is squeezed to the network's {}x{}",
                        picture.width, picture.height, input.width, input.height
                    ));
                }
                Some(Ready { item: item.clone(), picture, tensor })
            }
            Err(e) => {
                self.failures.push(Failure { path: item.path.clone(), error: e.to_string() });
                None
            }
        }
    }

    fn heal(
        &mut self,
        ready: Vec<Ready>,
        steps: &ProgressBar,
        sink: &mut impl FnMut(Scored) -> Result<()>,
    ) -> Result<()> {
        let start = Instant::now();
        let shape = Shape { n: ready.len(), ..ready[0].tensor.shape };
        let images = Tensor::new(shape, ready.iter().flat_map(|r| r.tensor.data.iter().copied()).collect())?;
        let stop = self.stop.clone();
        let detector = match self.detectors.entry(ready.len()) {
            std::collections::hash_map::Entry::Occupied(e) => e.into_mut(),
            std::collections::hash_map::Entry::Vacant(e) => {
                let made = self.device.drive(AnoDdpm::new(&self.device, self.model, ready.len()))?;
                e.insert(made)
            }
        };
        steps.reset();
        steps.set_length(detector.steps() as u64);
        let heard = |done: usize| {
            steps.set_position(done as u64);
            !stop.load(Ordering::SeqCst)
        };
        let batch = self.device.drive(detector.run(&images, self.seed, heard))?;
        let seconds = start.elapsed().as_secs_f64() / ready.len() as f64;
        for (n, r) in ready.into_iter().enumerate() {
            match self.scored(r, &batch, n, seconds)? {
                Ok(scored) => sink(scored)?,
                Err(failure) => self.failures.push(failure),
            }
        }
        Ok(())
    }

    /// One image of a batch, brought back to its own size.
    fn scored(&self, ready: Ready, batch: &Batch, n: usize, seconds: f64) -> Result<Result<Scored, Failure>> {
        let (config, Ready { item, picture, .. }) = (&self.model.config, ready);
        let (w, h) = (config.input.width, config.input.height);
        let small = Map::new(w, h, batch.map.data[n * w * h..(n + 1) * w * h].to_vec())?;
        let map = small.resize(picture.width, picture.height)?;
        let reconstruction = Picture::from_tensor(&batch.reconstruction, n, config.input.value_range(), &picture)?
            .resize(picture.width, picture.height)?;
        let score = score(&map.data, config.score);
        if !score.is_finite() {
            let error = format!("{}: the network gives no finite result", item.path.display());
            return Ok(Err(Failure { path: item.path, error }));
        }
        Ok(Ok(Scored { item, picture, map, reconstruction, score, seconds }))
    }
}

/// A bar with the time left; silent when the standard error is no terminal.
pub(crate) fn bar(length: usize, what: &'static str) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg:7} {wide_bar} {pos}/{len} {eta_precise} left");
    let bar = ProgressBar::new(length as u64).with_message(what);
    match style {
        Ok(s) => bar.with_style(s),
        Err(_) => bar,
    }
}
