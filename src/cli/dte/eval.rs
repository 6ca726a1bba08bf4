//! `residua dte eval`: a folder of labelled tables through a protocol.
use super::super::DeviceArgs;
use super::{EstimateArgs, TrainingArgs, tables};
use crate::data::read_table;
use crate::dte::{
    Evaluation, NEIGHBOURS, NEIGHBOURS_UNSUPERVISED, Protocol, Setting, dataset_name, evaluate, read_published,
};
use crate::{Error, Result};
use clap::ValueEnum;
use std::path::PathBuf;

/// Up to this many rows, all seeds are run.
const SMALL: usize = 10_000;

#[derive(clap::Args)]
pub(super) struct Args {
    /// Folder of .npz, .npy and CSV tables with labels
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
    #[command(flatten)]
    training: TrainingArgs,
    /// How rows are drawn: sane (no row on both sides) or paper (to compare with its numbers)
    #[arg(long, value_enum, default_value = "sane", value_name = "NAME")]
    protocol: ProtocolName,
    /// What is trained on: normal rows only, or rows as they come
    #[arg(long, value_enum, default_value = "semi", value_name = "NAME")]
    setting: SettingName,
    #[command(flatten)]
    estimate: EstimateArgs,
    /// Neighbours whose squared distances are averaged (5 for semi, 20 for unsup)
    #[arg(long, value_name = "K")]
    neighbours: Option<usize>,
    /// Seeds for each table of up to 10 000 rows
    #[arg(long, value_name = "N", default_value_t = 5)]
    seeds: u32,
    /// Seeds for each larger table
    #[arg(long, value_name = "N", default_value_t = 1)]
    large_seeds: u32,
    /// The label column or array, instead of y or label
    #[arg(long, value_name = "NAME")]
    label: Option<String>,
    /// CSV of published numbers to print beside: names first, a column for the method (DTE-NP)
    #[arg(long, value_name = "CSV")]
    published: Option<PathBuf>,
    /// Print one JSON array
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    device: DeviceArgs,
}

#[derive(Clone, Copy, ValueEnum)]
enum ProtocolName {
    Sane,
    Paper,
}

#[derive(Clone, Copy, ValueEnum)]
enum SettingName {
    Semi,
    Unsup,
}

pub(super) fn run(args: &Args) -> Result<()> {
    let protocol = match args.protocol {
        ProtocolName::Sane => Protocol::Sane,
        ProtocolName::Paper => Protocol::Paper,
    };
    let (setting, neighbours) = match args.setting {
        SettingName::Semi => (Setting::Semi, NEIGHBOURS),
        SettingName::Unsup => (Setting::Unsupervised, NEIGHBOURS_UNSUPERVISED),
    };
    let settings = args.training.settings(args.neighbours.unwrap_or(neighbours), args.estimate.get(), 0);
    let column = settings.method.name();
    let published = args.published.as_ref().map(|p| read_published(p, column)).transpose()?.unwrap_or_default();
    let device = args.device.open()?;
    let mut all = Vec::new();
    if !args.json {
        println!("| data set | rows | columns | seeds | AUROC | std | AP | F1 | published AUROC | difference |");
        println!("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |");
    }
    for path in tables(&args.folder)? {
        let (name, table) = (dataset_name(&path), read_table(&path, args.label.as_deref())?);
        let seeds = if table.rows() <= SMALL { args.seeds } else { args.large_seeds };
        let result = evaluate(&device, (&name, &table), protocol, setting, &settings, seeds);
        let mut e = result.map_err(|e| match e {
            Error::Invalid(fault) => Error::file(&path, fault),
            other => other,
        })?;
        e.published = published.get(&name).copied();
        if !args.json {
            println!("{}", line(&e));
        }
        all.push(e);
    }
    if args.json {
        crate::cli::print_json(&all)?;
    } else {
        println!("{}", means(&all));
    }
    Ok(())
}

fn line(e: &Evaluation) -> String {
    let beside = match e.published {
        Some(p) => format!("{p:.2} | {:+.2}", e.auroc - p),
        None => " | ".into(),
    };
    let Evaluation { dataset, rows, columns, seeds, auroc, std, ap, f1, .. } = e;
    format!("| {dataset} | {rows} | {columns} | {seeds} | {auroc:.2} | {std:.2} | {ap:.2} | {f1:.2} | {beside} |")
}

/// The last line: means over the tables; the published one beside that over the same tables.
fn means(all: &[Evaluation]) -> String {
    let mean = |f: &dyn Fn(&Evaluation) -> f64| all.iter().map(f).sum::<f64>() / all.len() as f64;
    let (auroc, ap, f1) = (mean(&|e| e.auroc), mean(&|e| e.ap), mean(&|e| e.f1));
    let both: Vec<(f64, f64)> = all.iter().filter_map(|e| Some((e.auroc, e.published?))).collect();
    let n = both.len() as f64;
    let beside = match both.iter().fold((0.0, 0.0), |s, p| (s.0 + p.0 / n, s.1 + p.1 / n)) {
        _ if both.is_empty() => " | ".into(),
        (ours, theirs) => format!("{theirs:.2} | {:+.2}", ours - theirs),
    };
    format!("| mean of {} | | | | {auroc:.2} | | {ap:.2} | {f1:.2} | {beside} |", all.len())
}
