//! What every command that scores images lets the user say, and how it shows how far the work is.
use super::DeviceArgs;
use super::given::Given;
use crate::detect::{ModelFolder, Progress, Scorer, ScoringOptions, System};
use crate::{Device, Result};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

/// Which device, which noise, how many at once.
#[derive(clap::Args)]
pub(crate) struct ScoringArgs {
    #[command(flatten)]
    pub device: DeviceArgs,
    /// Chooses all noise
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Images at once [default: 8 on a GPU, 4 on the processor]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub batch: Option<u16>,
    /// Axis of a volume that is cut into slices
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(0..=2))]
    pub axis: u8,
}

impl ScoringArgs {
    fn options(&self) -> ScoringOptions {
        ScoringOptions { seed: self.seed, batch: self.batch.map(usize::from), axis: usize::from(self.axis) }
    }
    /// Refuses what changes nothing for this model and these images.
    /// # Errors
    /// [`Error::Invalid`] for an axis without volumes, and for a seed where there is no noise.
    pub fn check(&self, given: &Given, model: &ModelFolder, volumes: bool) -> Result<()> {
        if !volumes {
            given.refuse(&["--axis"], |flag| format!("{flag}: there is no volume among the images"))?;
        }
        if !model.config.system.draws_noise() {
            let system = &model.config.system;
            given.refuse(&["--seed"], |flag| match system {
                System::Xu(_) => {
                    format!("{flag}: the noise is that of the model's `noise_file`, and the steps draw none")
                }
                _ => format!("{flag}: {} draws no noise when it scores", system.title()),
            })?;
        }
        Ok(())
    }
    /// A scorer on the device that was chosen, with progress bars; Ctrl-C ends the work after what is under way.
    pub fn scorer<'a>(&self, model: &'a ModelFolder) -> Result<Scorer<'a>> {
        self.scorer_on(self.device.open()?, model)
    }
    /// The same on a device that is open already.
    pub fn scorer_on<'a>(&self, device: Device, model: &'a ModelFolder) -> Result<Scorer<'a>> {
        let (mut bars, stop) = (Bars::new(), interruption());
        Ok(Scorer::new(device, model, self.options())?.on_progress(move |progress| {
            bars.show(progress);
            !stop.load(Ordering::SeqCst)
        }))
    }
}

/// What Ctrl-C and a request to end (SIGTERM, SIGHUP) set from now on, instead of ending the process; the second ends it at
/// once. One for the whole process.
pub(crate) fn interruption() -> Arc<AtomicBool> {
    static STOP: OnceLock<Arc<AtomicBool>> = OnceLock::new();
    let stop = STOP.get_or_init(|| {
        let stop = Arc::new(AtomicBool::new(false));
        listen(&stop);
        stop
    });
    stop.clone()
}

#[cfg(unix)]
fn listen(stop: &Arc<AtomicBool>) {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    use signal_hook::flag::{register, register_conditional_shutdown};
    // What `nohup` started outlives its terminal; where that cannot be told, a hang-up does what it always does.
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| u64::from_str_radix(line.strip_prefix("SigIgn:")?.trim(), 16).ok());
    let hangs_up = ignored.is_some_and(|signals| signals >> (SIGHUP - 1) & 1 == 0);
    for signal in [SIGINT, SIGTERM].into_iter().chain(hangs_up.then_some(SIGHUP)) {
        // Without them the process ends as if it were killed, which loses little.
        let _ = register_conditional_shutdown(signal, 128 + signal, stop.clone());
        let _ = register(signal, stop.clone());
    }
}

#[cfg(not(unix))]
fn listen(stop: &Arc<AtomicBool>) {
    let flag = stop.clone();
    let twice = move || {
        if flag.swap(true, Ordering::SeqCst) {
            std::process::exit(130);
        }
    };
    // A host's handler, if there is one, keeps its place.
    let _ = ctrlc::set_handler(twice);
}

/// Two bars: the inputs, and the steps of the batch under way.
struct Bars {
    inputs: ProgressBar,
    steps: ProgressBar,
}

impl Bars {
    fn new() -> Self {
        let both = MultiProgress::new();
        Bars { inputs: both.add(bar(0, "inputs")), steps: both.add(bar(0, "steps")) }
    }
    fn show(&mut self, p: Progress) {
        for (bar, done, all) in [(&self.inputs, p.inputs, p.of_inputs), (&self.steps, p.steps, p.of_steps)] {
            bar.set_length(all as u64);
            bar.set_position(done as u64);
        }
        if p.inputs == p.of_inputs && p.of_steps == 0 {
            self.inputs.finish_and_clear();
            self.steps.finish_and_clear();
        }
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
