//! Where the thresholds of a run come from, as its report says it.
use super::threshold_args::ThresholdArgs;
use crate::detect::config::Thresholds;
use crate::detect::{Calibration, ScoreOf};
use crate::report::number;

/// A sentence on what judges and where it comes from: the flags, a calibration, or else `origin`.
pub(super) fn said(
    flags: &ThresholdArgs,
    limits: Thresholds,
    calibration: Option<&Calibration>,
    origin: &str,
) -> String {
    let calibrated = calibration.zip(flags.fpr).map(|(c, rate)| {
        let (n, of, each) = match c.of {
            None | Some(ScoreOf::Pictures) => (c.images(), "images", ""),
            Some(ScoreOf::Slices) => (c.images(), "slices", " of single slices, not of volumes"),
            Some(ScoreOf::Volumes) => (c.images(), "volumes", " of whole volumes"),
        };
        format!("from the calibration on {n} normal {of}, at a false-positive rate of {rate}{each}")
    });
    let from = |flag: &str, given: Option<f64>, calibrated: Option<&String>| match (given, calibrated) {
        (Some(_), _) => format!("from {flag}"),
        (None, Some(text)) => text.clone(),
        (None, None) => format!("from {origin}"),
    };
    let judged = calibrated.as_ref().filter(|_| calibration.is_some_and(|c| c.pixels > 0));
    let of_image = from("--threshold", flags.threshold, calibrated.as_ref());
    let of_pixel = from("--pixel-threshold", flags.pixel_threshold, judged);
    let subject = match calibration.and_then(|c| c.of) {
        Some(ScoreOf::Slices) => "A slice",
        Some(ScoreOf::Volumes) => "A volume",
        Some(ScoreOf::Pictures) | None => "An image",
    };
    let (one, two) = match limits.image {
        Some(_) if of_image == of_pixel && limits.pixel.is_some() => (String::new(), format!(", both {of_pixel}")),
        _ => (format!(" ({of_image})"), format!(" ({of_pixel})")),
    };
    let text = match (limits.image, limits.pixel) {
        (Some(i), Some(p)) => {
            format!("{subject} is anomalous above {}{one}, a pixel above {}{two}", number(i), number(p))
        }
        (Some(i), None) => format!("{subject} is anomalous above {}{one}", number(i)),
        (None, Some(p)) => {
            let p = number(p);
            format!("No image is judged, as there is no threshold for images; a pixel is anomalous above {p}{two}")
        }
        (None, None) => "No image is judged, as there is no threshold".into(),
    };
    text + "."
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_origin_of_both_thresholds_is_said() {
        let flags = |threshold, pixel_threshold| ThresholdArgs { threshold, pixel_threshold, fpr: None };
        let limits = |image, pixel| Thresholds { image, pixel };
        let text = |flags: ThresholdArgs, limits| said(&flags, limits, None, "detector.json");
        assert_eq!(
            text(flags(None, None), limits(Some(0.02), Some(0.5))),
            "An image is anomalous above 0.02, a pixel above 0.5, both from detector.json."
        );
        assert_eq!(
            text(flags(Some(0.03), None), limits(Some(0.03), Some(0.5))),
            "An image is anomalous above 0.03 (from --threshold), a pixel above 0.5 (from detector.json)."
        );
        assert_eq!(
            text(flags(None, Some(0.25)), limits(None, Some(0.25))),
            "No image is judged, as there is no threshold for images; a pixel is anomalous above 0.25 (from --pixel-threshold)."
        );
        assert_eq!(
            text(flags(Some(7.0), None), limits(Some(7.0), None)),
            "An image is anomalous above 7 (from --threshold)."
        );
    }
}
