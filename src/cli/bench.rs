//! `residua bench`: how long each kernel of a model takes, and how near that is to what the device can do.
use super::network::{Size, Subject};
use super::{DeviceArgs, NetworkArgs};
use crate::graph::{Graph, Launch, Plan, StateId};
use crate::{Error, Result, Tensor, gpu};
use ceiling::Ceiling;
use sections::Section;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

mod ceiling;
mod sections;

#[derive(clap::Args)]
pub(super) struct Args {
    /// Model folder or checkpoint (safetensors, .pt, .pth, .ckpt, .bin)
    #[arg(long, value_name = "FOLDER")]
    model: PathBuf,
    #[command(flatten)]
    device: DeviceArgs,
    #[command(flatten)]
    network: NetworkArgs,
    /// Input size, a side or HEIGHTxWIDTH, instead of what the folder says
    #[arg(long, value_name = "SIZE")]
    size: Option<Size>,
    /// Runs, of which each kernel's fastest counts
    #[arg(long, default_value_t = 5, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1000))]
    repeat: u16,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// All launches of one kernel in one step.
#[derive(Clone, Debug, Default, Serialize)]
struct Row {
    kernel: String,
    launches: usize,
    milliseconds: f64,
    #[serde(skip)]
    flops: f64,
    #[serde(skip)]
    bytes: f64,
    /// Part of the step's time.
    share: f64,
    tflops: f64,
    gbps: f64,
    /// Of the ceiling that it is nearer to: arithmetic or memory, 1 being all of it.
    of_ceiling: f64,
}

/// The JSON object.
#[derive(Serialize)]
struct Report {
    device: String,
    height: usize,
    width: usize,
    ceiling: Ceiling,
    /// One step of one image, all kernels in one go.
    step_milliseconds: f64,
    /// Of that step. None where the device has no timestamps.
    kernels: Vec<Row>,
    /// What one image runs.
    sections: Vec<Section>,
    /// All of it, by the times of its sections.
    image_seconds: f64,
}

pub(super) fn run(args: &Args) -> Result<ExitCode> {
    let subject = Subject::open(&args.model, &args.network, args.size)?;
    let crate::Shape { h: height, w: width, .. } = subject.shape()?;
    let work = subject.work(args.network.strict)?;
    let device = args.device.open()?;
    let ceiling = ceiling::measure(&device)?;
    let optimised = device.optimise(&work.graph);
    let plan = Plan::new(&optimised);
    let launches = &plan.sections[work.body.0];

    let repeats = usize::from(args.repeat);
    let (step, timings, sections) = device.drive(async {
        let mut session = device.session(&work.graph, work.rows.len()).await?;
        for (i, s) in work.graph.states.iter().enumerate() {
            session.upload(StateId(i), &pattern(s.shape))?;
        }
        work.filled.iter().try_for_each(|(state, tensor)| session.upload(*state, tensor))?;
        session.set_steps(&work.rows)?;
        let at = work.phases.iter().find(|p| p.section == work.body).map_or(0, |p| p.row);
        let step = sections::seconds(&mut session, (work.body, at), repeats).await?;
        let best = sections::timings(&mut session, (work.body, at), repeats).await;
        let mut sections = Vec::new();
        for (phase, runs) in sections::distinct(&work.phases) {
            let of = (phase.section, phase.row);
            let seconds = if of.0 == work.body { step } else { sections::seconds(&mut session, of, repeats).await? };
            let timed = if of.0 == work.body { best.clone() } else { sections::timings(&mut session, of, 1).await };
            let name = work.graph.sections.get(of.0.0).cloned().unwrap_or_default();
            sections.push(Section::new(name, runs, seconds, &timed));
        }
        Ok::<_, Error>((step, best, sections))
    })?;
    let kernels = rows(launches, &timings, &optimised, &ceiling);
    let (sections, image_seconds) = Section::shared(sections);
    let (device, step_milliseconds) = (device.name(), step * 1e3);
    let report = Report { device, height, width, ceiling, step_milliseconds, kernels, sections, image_seconds };
    if args.json {
        crate::cli::print_json(&report)?;
    } else {
        report.print();
    }
    Ok(ExitCode::SUCCESS)
}

/// Values without denormals, which some processors are slow at.
fn pattern(shape: crate::Shape) -> Tensor {
    let data = (0..shape.len()).map(|i| (i * 7919 % 1000) as f32 / 500.0 - 1.0).collect();
    Tensor { shape, data }
}

/// Launches summed up by kernel, the slowest first.
fn rows(launches: &[Launch], timings: &[gpu::Timing], graph: &Graph, ceiling: &Ceiling) -> Vec<Row> {
    let mut rows: BTreeMap<&str, Row> = BTreeMap::new();
    for (launch, timing) in launches.iter().zip(timings) {
        let row = rows.entry(&timing.kernel).or_default();
        row.launches += 1;
        row.milliseconds += timing.nanoseconds * 1e-6;
        row.flops += launch.op.kernel().map_or(0.0, |k| k.flops(&launch.io) as f64);
        let slots: usize = launch.inputs.iter().chain([&launch.output]).map(|s| s.len).sum();
        let weights: usize = launch.weights.iter().map(|w| graph.weights[w.0].data.len()).sum();
        row.bytes += 4.0 * (slots + weights) as f64;
    }
    let total: f64 = rows.values().map(|r| r.milliseconds).sum();
    let mut out: Vec<Row> = rows.into_iter().map(|(kernel, r)| r.finish(kernel, total, ceiling)).collect();
    out.sort_by(|a, b| b.milliseconds.total_cmp(&a.milliseconds));
    out
}

impl Row {
    fn finish(self, kernel: &str, total: f64, ceiling: &Ceiling) -> Row {
        // A launch too short for the device's clock takes no time; it is then left at zero.
        let per_second = |v: f64| if self.milliseconds > 0.0 { v / self.milliseconds * 1e3 } else { 0.0 };
        let (tflops, gbps) = (per_second(self.flops) * 1e-12, per_second(self.bytes) * 1e-9);
        Row {
            kernel: kernel.to_owned(),
            share: if total > 0.0 { self.milliseconds / total } else { 0.0 },
            tflops,
            gbps,
            of_ceiling: (tflops / ceiling.tflops).max(gbps / ceiling.gbps),
            ..self
        }
    }
}

impl Report {
    fn print(&self) {
        let Ceiling { tflops, gbps } = self.ceiling;
        println!("device: {}, ceiling {tflops:.3} TFLOP/s and {gbps:.1} GB/s as measured", self.device);
        println!("one step of one {} x {} image: {:.2} ms", self.height, self.width, self.step_milliseconds);
        let width = self.kernels.iter().map(|r| r.kernel.len()).max().unwrap_or(0).max("kernel".len());
        println!("{:width$}  launches        ms   share   TFLOP/s      GB/s  of ceiling", "kernel");
        for r in &self.kernels {
            println!(
                "{:width$}  {:8}  {:8.3}  {:5.1}%  {:8.4}  {:8.2}  {:9.1}%",
                r.kernel,
                r.launches,
                r.milliseconds,
                100.0 * r.share,
                r.tflops,
                r.gbps,
                100.0 * r.of_ceiling
            );
        }
        sections::print(&self.sections, self.image_seconds);
    }
}
