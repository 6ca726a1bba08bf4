//! Layers as lines of text.
use crate::verify::layers::{Layer, first_wrong};

/// A table of all layers, in the order they ran; the first that is beyond tolerance is marked.
pub(crate) fn print(layers: &[Layer]) {
    let width = |of: fn(&Layer) -> usize, least: usize| layers.iter().map(of).max().unwrap_or(0).max(least);
    let (name, kernel) = (width(|l| l.name.chars().count(), 5), width(|l| l.kernel.len(), 6));
    println!("  {:name$}  {:kernel$}  {:>17}  {:>9}  {:>9}  recorded", "layer", "kernel", "(N,C,H,W)", "NMSE", "worst");
    let first = first_wrong(layers);
    for l in layers {
        let shape = l.shape.map(|n| n.to_string()).join(",");
        let recorded = l.recorded.map(|e| format!("{:8.2e}", e.nmse)).unwrap_or_default();
        let mark = match (l.ok, first.is_some_and(|f| std::ptr::eq(f, l))) {
            (true, _) => "",
            (false, true) => "  <- FIRST WRONG LAYER",
            (false, false) => "  beyond tolerance",
        };
        let line = format!(
            "  {:name$}  {:kernel$}  {shape:>17}  {:9.2e}  {:9.2e}  {recorded:8}{mark}",
            l.name, l.kernel, l.truth.nmse, l.truth.worst
        );
        println!("{}", line.trim_end());
    }
}
