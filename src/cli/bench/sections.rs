//! The time of a whole image, by the sections that it runs.
use crate::detect::Phase;
use crate::graph::SectionId;
use crate::{Result, Session, gpu::Timing};
use serde::Serialize;
use std::time::Instant;

/// A section, as often as one image runs it.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Section {
    name: String,
    runs: usize,
    /// Of one run.
    milliseconds: f64,
    /// Part of the image's time.
    share: f64,
    /// Part of the section's own time that goes into gradients; none where the device has no timestamps.
    gradient: Option<f64>,
}

impl Section {
    /// One section, of which `timings` are the launches; its share is not yet known.
    pub fn new(name: String, runs: usize, seconds: f64, timings: &[Timing]) -> Self {
        let of = |gradient: bool| -> f64 {
            // The graph names what it adds for a gradient so.
            let those = timings.iter().filter(|t| !gradient || t.node.contains(" (gradient"));
            those.map(|t| t.nanoseconds).sum()
        };
        // The sum of nothing is -0.
        let gradient = (of(false) > 0.0).then(|| of(true) / of(false) + 0.0);
        Section { name, runs, milliseconds: seconds * 1e3, share: 0.0, gradient }
    }
    /// The sections with their shares, and the seconds of the whole.
    pub fn shared(mut sections: Vec<Section>) -> (Vec<Section>, f64) {
        let total: f64 = sections.iter().map(Section::total).sum();
        sections.iter_mut().for_each(|s| s.share = s.total() / total.max(f64::MIN_POSITIVE));
        (sections, total * 1e-3)
    }
    fn total(&self) -> f64 {
        self.runs as f64 * self.milliseconds
    }
}

/// Every section that is among the phases, at its first one, and how often it is.
pub(super) fn distinct(phases: &[Phase]) -> Vec<(Phase, usize)> {
    let mut found: Vec<(Phase, usize)> = Vec::new();
    for phase in phases {
        match found.iter_mut().find(|(first, _)| first.section == phase.section) {
            Some((_, runs)) => *runs += 1,
            None => found.push((*phase, 1)),
        }
    }
    found
}

/// The fastest of several runs of a section, after one that does not count.
pub(super) async fn seconds(session: &mut Session, at: (SectionId, usize), repeats: usize) -> Result<f64> {
    session.run(&[at], |_| true).await?;
    let mut best = f64::INFINITY;
    for _ in 0..repeats {
        let start = Instant::now();
        session.run(&[at], |_| true).await?;
        best = best.min(start.elapsed().as_secs_f64());
    }
    Ok(best)
}

/// The fastest of several runs of each launch of a section; none, with a warning, where the device cannot tell.
pub(super) async fn timings(session: &mut Session, (section, row): (SectionId, usize), repeats: usize) -> Vec<Timing> {
    let mut best: Vec<Timing> = Vec::new();
    for _ in 0..repeats {
        match session.profile(section, row).await {
            Ok(timings) if best.is_empty() => best = timings,
            Ok(timings) => {
                best.iter_mut().zip(timings).for_each(|(b, t)| b.nanoseconds = b.nanoseconds.min(t.nanoseconds));
            }
            // A section as a whole can still be timed.
            Err(e) => {
                tracing::warn!("{e}");
                break;
            }
        }
    }
    best
}

pub(super) fn print(sections: &[Section], image_seconds: f64) {
    println!("one image: {image_seconds:.2} s, by the times of its sections");
    let width = sections.iter().map(|s| s.name.len()).max().unwrap_or(0).max("section".len());
    println!("{:width$}  runs  ms of one   share  of it for gradients", "section");
    for s in sections {
        let gradient = s.gradient.map_or_else(|| "-".into(), |g| format!("{:.1}%", 100.0 * g));
        println!("{:width$}  {:4}  {:9.3}  {:5.1}%  {gradient:>19}", s.name, s.runs, s.milliseconds, 100.0 * s.share);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_are_counted_and_shared() {
        let phase = |section, row| Phase { section: SectionId(section), row };
        let all = [phase(0, 0), phase(1, 1), phase(2, 1), phase(1, 2), phase(2, 2), phase(3, 0)];
        let runs: Vec<(usize, usize, usize)> = distinct(&all).iter().map(|(p, n)| (p.section.0, p.row, *n)).collect();
        assert_eq!(runs, [(0, 0, 1), (1, 1, 2), (2, 1, 2), (3, 0, 1)]);
        let timing = |node: &str, nanoseconds| Timing { kernel: "k".into(), node: node.into(), nanoseconds };
        let launches = [timing("conv", 1.0), timing("conv (gradient by x)", 3.0)];
        let made = [Section::new("a".into(), 3, 0.001, &launches), Section::new("b".into(), 1, 0.001, &[])];
        let (shared, seconds) = Section::shared(made.to_vec());
        assert!((seconds - 0.004).abs() < 1e-12 && (shared[0].share - 0.75).abs() < 1e-12);
        assert_eq!((shared[0].gradient, shared[1].gradient), (Some(0.75), None));
    }
}
