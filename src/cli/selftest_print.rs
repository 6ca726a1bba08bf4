//! The report on one screen.
use super::layers;
use crate::verify::layers::Layer;
use crate::verify::selftest::SelftestReport;

/// Layers of one block, or of one stage.
struct Group<'a> {
    name: String,
    layers: Vec<&'a Layer>,
}

/// What a layer is summed up under: of the network the block, `down_blocks.0`; otherwise the section.
fn block(layer: &Layer, network: &str) -> String {
    if layer.section != network {
        return layer.section.clone();
    }
    let mut parts = layer.name.split(['.', ' ']);
    let first = parts.next().unwrap_or_default();
    match (first, parts.next()) {
        ("time" | "time_embedding", _) => "time".to_owned(),
        // The step ends with the copy of its result into the state that it came from.
        ("x", None) => "step".to_owned(),
        (_, Some(second)) if second.bytes().all(|b| b.is_ascii_digit()) => format!("{first}.{second}"),
        _ => first.to_owned(),
    }
}

fn groups<'a>(layers: &'a [Layer], network: &str) -> Vec<Group<'a>> {
    let mut groups: Vec<Group> = Vec::new();
    for layer in layers {
        let name = block(layer, network);
        match groups.iter_mut().find(|g| g.name == name) {
            Some(group) => group.layers.push(layer),
            None => groups.push(Group { name, layers: vec![layer] }),
        }
    }
    groups
}

/// The largest; NaN when one is.
fn worst(values: impl Iterator<Item = f64>) -> Option<f64> {
    values.reduce(|a, b| if a.is_nan() || b.is_nan() { f64::NAN } else { a.max(b) })
}

/// On the standard output; with `each` also every layer.
pub fn print(report: &SelftestReport, each: bool) {
    println!("device: {}", report.device);
    if let Some(driver) = &report.driver {
        println!("driver: {driver}");
    }
    println!("model: {}", report.model.display());
    if each {
        layers::print(&report.layers);
    }
    let groups = groups(&report.layers, &report.network);
    let width = groups.iter().map(|g| g.name.chars().count()).max().unwrap_or(0).max("reconstruction".len());
    println!("{:width$}  layers  stored  NMSE, stored  NMSE, f64        ms", "stage");
    for g in &groups {
        let recorded = || g.layers.iter().filter_map(|l| l.recorded);
        let number = |v: Option<f64>| v.map_or_else(|| "-".to_owned(), |v| format!("{v:.1e}"));
        let (stored, truth) = (worst(recorded().map(|e| e.nmse)), worst(g.layers.iter().map(|l| l.truth.nmse)));
        let times: Option<Vec<f64>> = g.layers.iter().map(|l| l.milliseconds).collect();
        let ms = times.map_or_else(|| "-".to_owned(), |t| format!("{:.2}", t.iter().sum::<f64>()));
        let mark = if g.layers.iter().all(|l| l.ok) { "" } else { "  FAIL" };
        let (count, met) = (g.layers.len(), recorded().count());
        let [stored, truth] = [number(stored), number(truth)];
        println!("{:width$}  {count:6}  {met:6}  {stored:>12}  {truth:>9}  {ms:>8}{mark}", g.name);
    }
    for d in &report.outputs {
        let mark = if d.ok { "" } else { "  FAIL" };
        let stored = format!("{:.1e}", d.nmse);
        println!("{:width$}  {:>6}  {:>6}  {stored:>12}  {:>9}  {:>8}{mark}", d.output, "", "whole", "-", "");
    }
    if let Some(l) = report.layers.iter().max_by(|a, b| a.nmse().total_cmp(&b.nmse())) {
        println!("largest deviation: {} ({}), NMSE {:.1e}", l.name, l.kernel, l.nmse());
    }
    let SelftestReport { prepare_seconds, detect_seconds, seconds, .. } = report;
    println!("{seconds:.1} s in all, {prepare_seconds:.1} s to prepare, {detect_seconds:.2} s to detect");
    println!("{}", report.verdict);
}
