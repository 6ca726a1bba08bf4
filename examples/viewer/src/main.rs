//! A window that scores pictures on the device it is drawn with:
//!
//!     cargo run --manifest-path examples/viewer/Cargo.toml -- weights/texture/samples/defect --model texture
//!
//! It is an ordinary egui program. Residua gets its wgpu device (`scorer.rs`), reads the picture from one of its textures
//! and writes heat map and reconstruction into two others, which the window draws. No picture is read back.
mod app;
mod files;
mod scorer;
mod screenshot;
mod ui;

use eframe::egui;
use std::path::PathBuf;
use std::process::ExitCode;

const USAGE: &str = "\
usage: residua-viewer [PICTURE or FOLDER]... [OPTIONS]
Pictures and folders may also be dropped on the window.

  --models FOLDER     where the model folders are (default: the repository's weights/)
  --model NAME        the first one to use (default: the first by name)
  --threshold VALUE   the threshold to begin with (default: the model's own)
  --size WIDTHxHEIGHT the window (default: 1120x600)
  --screenshot FILE   write the window to a PNG file once the picture is scored, and end; exit code 1 where it is not
";

/// The command line.
pub struct Options {
    pub paths: Vec<PathBuf>,
    pub models: PathBuf,
    pub model: Option<String>,
    pub threshold: Option<f32>,
    pub size: [f32; 2],
    pub screenshot: Option<PathBuf>,
}

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    if arguments.iter().any(|a| a.as_os_str() == "--help" || a.as_os_str() == "-h") {
        print!("{USAGE}");
        return ExitCode::SUCCESS;
    }
    match options(arguments).and_then(run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            eprintln!("residua-viewer: {fault}");
            ExitCode::from(if fault.ends_with(USAGE) { 2 } else { 1 })
        }
    }
}

fn options(arguments: Vec<PathBuf>) -> Result<Options, String> {
    let wrong = |what: &str| format!("{what}\n{USAGE}");
    let mut options = Options {
        paths: Vec::new(),
        models: PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../weights"),
        model: None,
        threshold: None,
        size: [1120.0, 600.0],
        screenshot: None,
    };
    let mut rest = arguments.into_iter();
    while let Some(argument) = rest.next() {
        let name = argument.to_string_lossy().into_owned();
        if !name.starts_with("--") {
            options.paths.push(argument);
            continue;
        }
        let value = rest.next().ok_or_else(|| wrong(&format!("{name} needs a value")))?;
        let text = value.to_string_lossy().into_owned();
        let bad = || wrong(&format!("{name} cannot be `{text}`"));
        match name.as_str() {
            "--models" => options.models = value,
            "--model" => options.model = Some(text),
            "--threshold" => {
                let positive = text.parse().ok().filter(|t: &f32| t.is_finite() && *t > 0.0);
                options.threshold = Some(positive.ok_or_else(bad)?);
            }
            "--size" => {
                let sides = text.split_once('x').and_then(|(w, h)| Some([w.parse().ok()?, h.parse().ok()?]));
                let fits = |s: &[u16; 2]| s[0] >= 640 && s[1] >= 400;
                options.size = sides.filter(fits).ok_or_else(bad)?.map(f32::from);
            }
            "--screenshot" => options.screenshot = Some(value),
            _ => return Err(wrong(&format!("there is no option {name}"))),
        }
    }
    Ok(options)
}

fn run(options: Options) -> Result<(), String> {
    let native = eframe::NativeOptions {
        viewport: egui::ViewportBuilder::default()
            .with_title("Residua viewer")
            .with_inner_size(options.size)
            .with_min_inner_size([640.0, 400.0]),
        wgpu_options: scorer::window_device(),
        ..Default::default()
    };
    let outcome = screenshot::Outcome::default();
    let later = outcome.clone();
    let create: eframe::AppCreator<'_> = Box::new(move |context| {
        let render = context.wgpu_render_state.clone().ok_or("the window is not drawn by wgpu")?;
        Ok(Box::new(app::Viewer::new(&context.egui_ctx, render, options, later)))
    });
    eframe::run_native("residua-viewer", native, create).map_err(|e| format!("the window cannot be opened: {e}"))?;
    outcome.take().unwrap_or(Ok(()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options, String> {
        options(line.split_whitespace().map(PathBuf::from).collect())
    }

    #[test]
    fn the_command_line_is_read_or_refused_in_words() {
        let read = parse("a.png --model brain --threshold 0.25 folder --size 800x500").unwrap();
        assert_eq!(read.paths, ["a.png", "folder"].map(PathBuf::from));
        assert_eq!((read.model.as_deref(), read.threshold, read.size), (Some("brain"), Some(0.25), [800.0, 500.0]));
        for (line, words) in [
            ("--threshold 0", "--threshold cannot be `0`"),
            ("--threshold NaN", "--threshold cannot be `NaN`"),
            ("--size 800", "--size cannot be `800`"),
            ("--size 10x10", "--size cannot be `10x10`"),
            ("--model", "--model needs a value"),
            ("--colour red", "no option --colour"),
        ] {
            let fault = parse(line).err().unwrap();
            assert!(fault.contains(words) && fault.ends_with(USAGE), "{fault}");
        }
    }
}
