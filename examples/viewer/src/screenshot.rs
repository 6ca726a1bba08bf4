//! `--screenshot`: the window as a PNG file, for tests and documentation. It goes through egui's own screenshot command.
use eframe::egui;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

/// What became of it, for the program's exit code.
#[derive(Clone, Default)]
pub struct Outcome(Arc<Mutex<Option<Result<(), String>>>>);

impl Outcome {
    pub fn take(&self) -> Option<Result<(), String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
    fn set(&self, result: Result<(), String>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
    }
}

/// Waits for the picture to be scored.
pub struct Screenshot {
    file: PathBuf,
    outcome: Outcome,
    /// Frames that showed the final state.
    settled: usize,
}

impl Screenshot {
    pub fn new(file: PathBuf, outcome: Outcome) -> Screenshot {
        Screenshot { file, outcome, settled: 0 }
    }

    /// Called once a frame with the state to be shown: nothing yet, scored, or in trouble. What it says in `words` goes
    /// to standard output, and where the pictures lie in the window, in pixels.
    pub fn frame(
        &mut self,
        ctx: &egui::Context,
        state: Option<Result<(), String>>,
        words: &str,
        places: &[(&str, egui::Rect)],
    ) {
        let Some(state) = state else { return };
        self.settled += 1;
        ctx.request_repaint();
        // egui needs a frame to lay out what has just become known.
        if self.settled != 3 {
            return;
        }
        println!("{words}");
        for (name, rect) in places {
            let rect = *rect * ctx.pixels_per_point();
            println!("{name}: {} {} {} {}", rect.min.x, rect.min.y, rect.width(), rect.height());
        }
        let (file, outcome, window) = (self.file.clone(), self.outcome.clone(), ctx.clone());
        ctx.request_screenshot(move |image| {
            let [width, height] = image.size.map(|side| side as u32);
            let bytes: Vec<u8> = image.pixels.iter().flat_map(|p| [p.r(), p.g(), p.b()]).collect();
            let saved = image::save_buffer(&file, &bytes, width, height, image::ColorType::Rgb8);
            outcome.set(saved.map_err(|e| format!("{}: {e}", file.display())).and(state));
            window.send_viewport_cmd(egui::ViewportCommand::Close);
            window.request_repaint();
        });
    }
}
