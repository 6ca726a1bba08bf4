//! The viewer's state, and what happens to it from frame to frame.
use crate::files::{self, Pixels, Playlist};
use crate::scorer::{self, Job, Scorer};
use crate::screenshot::{Outcome, Screenshot};
use crate::{Options, ui};
use eframe::{egui, egui_wgpu::RenderState, wgpu};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::sync::{Arc, Mutex, PoisonError};

/// What the user asks for.
pub enum Action {
    /// The next picture, or the one before.
    Turn(bool),
    /// Another model of the list.
    Model(usize),
    Threshold(f32),
    Dismiss,
}

/// The window's state.
pub struct Viewer {
    render: RenderState,
    gpu: scorer::Shared,
    /// What the device has reported since it was last looked at.
    faults: Arc<Mutex<Option<String>>>,
    /// Model folders to choose from.
    pub models: Vec<PathBuf>,
    /// The chosen one.
    pub model: usize,
    opening: Option<Task<Scorer>>,
    pub scorer: Option<Scorer>,
    pub pictures: Option<Playlist>,
    reading: Option<Task<Pixels>>,
    pixels: Option<Pixels>,
    pub job: Option<Job>,
    /// The job's picture, heat map and reconstruction, as egui knows them.
    pub shown: Option<[egui::TextureId; 3]>,
    pub threshold: f32,
    given_threshold: Option<f32>,
    /// An error, until it is dismissed or something else is opened.
    pub trouble: Option<String>,
    screenshot: Option<Screenshot>,
}

impl Viewer {
    pub fn new(ctx: &egui::Context, render: RenderState, options: Options, outcome: Outcome) -> Viewer {
        ctx.set_theme(egui::Theme::Dark);
        // wgpu's own way with an error that nobody asked about is to panic.
        let faults = Arc::<Mutex<Option<String>>>::default();
        let (error, lost) = (faults.clone(), faults.clone());
        render.device.on_uncaptured_error(Arc::new(move |e: wgpu::Error| note(&error, e.to_string())));
        render.device.set_device_lost_callback(move |reason, text| match reason {
            // The window has been closed.
            wgpu::DeviceLostReason::Destroyed => (),
            _ => note(&lost, format!("the device is lost: {text}")),
        });
        let gpu = scorer::share(&render);
        let screenshot = options.screenshot.map(|file| Screenshot::new(file, outcome));
        let mut viewer = Viewer {
            render,
            gpu,
            faults,
            models: Vec::new(),
            model: 0,
            opening: None,
            scorer: None,
            pictures: None,
            reading: None,
            pixels: None,
            job: None,
            shown: None,
            threshold: options.threshold.unwrap_or(0.5),
            given_threshold: options.threshold,
            trouble: None,
            screenshot,
        };
        if !options.paths.is_empty() {
            viewer.open_pictures(ctx, &options.paths);
        }
        match files::models(&options.models).and_then(|m| Ok((chosen(&m, options.model.as_deref())?, m))) {
            Ok((model, models)) => {
                viewer.models = models;
                viewer.open_model(ctx, model);
            }
            Err(fault) => viewer.trouble = Some(fault),
        }
        viewer
    }

    /// The name of the adapter that scores and draws.
    pub fn adapter(&self) -> String {
        self.render.adapter.get_info().name
    }

    /// The name of a model of the list.
    pub fn model_name(&self, model: usize) -> String {
        self.models.get(model).map_or("none".into(), |p| file_name(p))
    }

    /// What is being done, in words.
    pub fn doing(&self) -> String {
        let picture = self.pictures.as_ref().map(|p| file_name(p.current()));
        let model = self.model_name(self.model);
        match (&self.job, picture) {
            _ if self.opening.is_some() => format!("Opening the model {model} and compiling its shaders"),
            (_, Some(picture)) if self.reading.is_some() => format!("Reading {picture}"),
            (Some(job), Some(picture)) if job.scores.is_none() => {
                format!("Scoring {picture} with {model}: step {} of {}", (job.done() + 1).min(job.steps), job.steps)
            }
            (Some(job), Some(picture)) => {
                let (steps, frames, seconds) = (job.steps, job.frames, job.took.as_secs_f32());
                format!("{picture} scored with {model} in {steps} steps over {frames} frames, {seconds:.1} s")
            }
            _ => "Nothing to do".into(),
        }
    }

    /// Pictures named on the command line or dropped on the window.
    fn open_pictures(&mut self, ctx: &egui::Context, paths: &[PathBuf]) {
        match Playlist::of(paths) {
            Ok(pictures) => {
                self.pictures = Some(pictures);
                self.read_picture(ctx);
            }
            Err(fault) => self.trouble = Some(fault),
        }
    }

    fn read_picture(&mut self, ctx: &egui::Context) {
        let Some(path) = self.pictures.as_ref().map(|p| p.current().to_owned()) else { return };
        let limit = self.render.device.limits().max_texture_dimension_2d;
        self.pixels = None;
        self.drop_job();
        self.reading = Some(Task::start(ctx, move || Pixels::read(&path, limit)));
    }

    fn open_model(&mut self, ctx: &egui::Context, model: usize) {
        let Some(folder) = self.models.get(model).cloned() else { return };
        let gpu = self.gpu.clone();
        self.model = model;
        self.scorer = None;
        self.drop_job();
        self.opening = Some(Task::start(ctx, move || Scorer::open(gpu, &folder)));
        if self.pixels.is_none() && self.reading.is_none() {
            self.read_picture(ctx);
        }
    }

    fn begin_job(&mut self) {
        let (Some(scorer), Some(pixels), None) = (&self.scorer, &self.pixels, &self.job) else { return };
        let job = scorer.begin(pixels);
        let mut renderer = self.render.renderer.write();
        self.shown = Some([&job.picture, &job.heat, &job.reconstruction].map(|texture| {
            let view = texture.create_view(&Default::default());
            renderer.register_native_texture(&self.render.device, &view, wgpu::FilterMode::Linear)
        }));
        self.job = Some(job);
    }

    fn drop_job(&mut self) {
        self.job = None;
        let mut renderer = self.render.renderer.write();
        self.shown.take().into_iter().flatten().for_each(|id| renderer.free_texture(&id));
    }

    fn set_threshold(&mut self, threshold: f32) -> Result<(), String> {
        self.threshold = threshold;
        self.scorer.as_ref().map_or(Ok(()), |s| s.colour(threshold, self.job.as_ref()))
    }

    /// Takes over what threads have finished, and puts one step of the scoring before this frame's drawing.
    fn go_on(&mut self) -> Result<(), String> {
        if let Some(fault) = self.faults.lock().unwrap_or_else(PoisonError::into_inner).take() {
            return Err(fault);
        }
        if let Some(opened) = finished(&mut self.opening) {
            let scorer = opened?;
            let threshold = self.given_threshold.unwrap_or(scorer.threshold);
            self.scorer = Some(scorer);
            self.set_threshold(threshold)?;
        }
        if let Some(pixels) = finished(&mut self.reading) {
            self.pixels = Some(pixels?);
        }
        self.begin_job();
        match (&self.scorer, &mut self.job) {
            (Some(scorer), Some(job)) if job.scores.is_none() => scorer.advance(job),
            _ => Ok(()),
        }
    }

    fn act(&mut self, ctx: &egui::Context, action: Action) -> Result<(), String> {
        if !matches!(action, Action::Threshold(_)) {
            self.trouble = None;
        }
        match action {
            Action::Turn(forwards) => {
                self.pictures.as_mut().into_iter().for_each(|p| p.turn(forwards));
                self.read_picture(ctx);
            }
            Action::Model(model) => self.open_model(ctx, model),
            Action::Threshold(threshold) => return self.set_threshold(threshold),
            Action::Dismiss => (),
        }
        Ok(())
    }

    /// For `--screenshot`: whether what was asked for is there.
    fn settled(&self) -> Option<Result<(), String>> {
        match &self.trouble {
            Some(trouble) => Some(Err(trouble.clone())),
            None if self.pictures.is_none() && self.opening.is_none() => Some(Ok(())),
            None => self.job.as_ref()?.scores.map(|_| Ok(())),
        }
    }
}

impl eframe::App for Viewer {
    fn logic(&mut self, ctx: &egui::Context, _: &mut eframe::Frame) {
        let dropped: Vec<_> = ctx.input(|i| i.raw.dropped_files.iter().map(|f| f.path().to_owned()).collect());
        if !dropped.is_empty() {
            self.trouble = None;
            self.open_pictures(ctx, &dropped);
        }
        // What is in trouble is given up: a step that failed once fails in every frame.
        if let Err(fault) = self.go_on() {
            self.trouble = Some(fault);
            self.pixels = None;
            self.drop_job();
        }
        if self.job.as_ref().is_some_and(|j| j.scores.is_none()) {
            ctx.request_repaint();
        }
    }

    fn ui(&mut self, ui: &mut egui::Ui, _: &mut eframe::Frame) {
        let ctx = ui.ctx().clone();
        let drawn = ui::draw(ui, self);
        if let Some(mut screenshot) = self.screenshot.take() {
            screenshot.frame(&ctx, self.settled(), &self.doing(), &drawn.places);
            self.screenshot = Some(screenshot);
        }
        if let Some(Err(fault)) = drawn.action.map(|action| self.act(&ctx, action)) {
            self.trouble = Some(fault);
        }
    }
}

/// The model of this name, or the first one.
fn chosen(models: &[PathBuf], name: Option<&str>) -> Result<usize, String> {
    let Some(name) = name else { return Ok(0) };
    let names: Vec<_> = models.iter().map(|m| file_name(m)).collect();
    names.iter().position(|n| n == name).ok_or_else(|| format!("no model `{name}` among {}", names.join(", ")))
}

pub fn file_name(path: &Path) -> String {
    path.file_name().map_or_else(|| path.display().to_string(), |n| n.to_string_lossy().into_owned())
}

/// Keeps the first fault; those that follow are its consequences.
fn note(to: &Mutex<Option<String>>, text: String) {
    to.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(text);
}

/// Work in a thread of its own, so that the window stays alive.
struct Task<T>(Receiver<Result<T, String>>);

impl<T: Send + 'static> Task<T> {
    fn start(ctx: &egui::Context, work: impl FnOnce() -> Result<T, String> + Send + 'static) -> Task<T> {
        let ((sender, receiver), ctx) = (channel(), ctx.clone());
        std::thread::spawn(move || {
            // Nobody listens any more when something else has been opened meanwhile.
            let _ = sender.send(work());
            ctx.request_repaint();
        });
        Task(receiver)
    }
}

/// The result of a task that has ended; the task is gone then.
fn finished<T>(task: &mut Option<Task<T>>) -> Option<Result<T, String>> {
    let result = match task.as_ref()?.0.try_recv() {
        Ok(result) => result,
        Err(TryRecvError::Empty) => return None,
        Err(TryRecvError::Disconnected) => Err("the work has broken off; the terminal says more".into()),
    };
    *task = None;
    Some(result)
}
