//! The numbers of images, as a report shows them.
use crate::eval::dataset::DatasetLayout;
use crate::eval::evaluation::{DefectRow, Evaluation, Level};
use crate::eval::pages::{Contents, Section, drawings, fixed};
use crate::eval::{Dataset, RESAMPLES};
use crate::report::number;
use serde::Serialize;

/// How the numbers are defined, for the reader of a report.
const DEFINITIONS: &str = "AUROC, AUPRC (average precision), F1-max and FPR at 95 % TPR are scikit-learn's, exact, ties \
    being one threshold. Pixel metrics are over all pixels of the images whose pixels are known. PRO is the mean overlap \
    of connected regions (8-connectivity, within an image or slice) against the false-positive rate over all normal \
    pixels, integrated up to 0.3 and divided by it, as the MVTec evaluation code has it. Dice and IoU are the best over \
    all thresholds.";

/// Metrics of images and pixels, and of which images.
#[derive(Debug, Serialize)]
pub struct ImageNumbers {
    /// How the dataset is laid out.
    pub layout: DatasetLayout,
    /// The part of it.
    pub split: Option<String>,
    /// How intervals were made.
    pub bootstrap: String,
    /// The numbers.
    #[serde(flatten)]
    pub evaluation: Evaluation,
}

impl ImageNumbers {
    /// The numbers of a dataset.
    pub fn new(dataset: &Dataset, evaluation: Evaluation) -> Self {
        let bootstrap = format!(
            "95 % percentile intervals from {RESAMPLES} resamples of the images with replacement, not stratified, by a \
             fixed seed; those of pixel metrics from scores rounded to eight bits of mantissa, and none when that takes \
             over 400 MB"
        );
        ImageNumbers { layout: dataset.layout, split: dataset.split.clone(), bootstrap, evaluation }
    }

    pub(super) fn contents(&self) -> Contents {
        let Evaluation { image, pixel, images, defects, pixels, regions } = &self.evaluation;
        let anomalous = images.iter().filter(|i| i.anomalous()).count();
        let scores: Vec<(f64, bool)> = images.iter().map(|i| (i.score, i.anomalous())).collect();
        let figure = |class, count: usize, what: &str| (class, count.to_string(), what.to_owned());
        let rows = defects.iter().map(|d| defect_cells(d).into()).collect();
        let mut settings: Vec<(String, String)> = self.split.iter().map(|s| ("split".into(), s.clone())).collect();
        settings.push(("pixels".into(), pixels.map(|n| n.to_string()).join(" defective, ") + " normal"));
        settings.push(("regions".into(), regions.to_string()));
        settings.push(("intervals".into(), self.bootstrap.clone()));
        Contents {
            title: "Evaluation",
            figures: vec![
                figure("images", images.len(), "images"),
                figure("anomalous", anomalous, "anomalous"),
                figure("normal", images.len() - anomalous, "normal"),
            ],
            first: vec![level("Image metrics", image), level("Pixel metrics", pixel)],
            drawings: drawings(&[("images", &image.curve), ("pixels", &pixel.curve)], &scores).into(),
            second: vec![Section::table("By defect", &COLUMNS, rows)],
            settings,
            definitions: DEFINITIONS,
        }
    }
}

const COLUMNS: [&str; 9] =
    ["defect", "images", "mean score", "image AUROC", "image AUPRC", "pixel AUROC", "pixel AUPRC", "PRO", "best Dice"];

fn level(title: &'static str, level: &Level) -> Section {
    if let Some(reason) = &level.reason {
        return Section::note(title, format!("None: {reason}."));
    }
    let cells = level.metrics.iter().map(|m| {
        let interval = m.interval.map(|i| i.map(|v| format!("{v:.4}")).join(" to "));
        vec![m.title.to_owned(), fixed(m.value), interval.unwrap_or("–".into())]
    });
    Section::table(title, &["metric", "value", "95 % interval"], cells.collect())
}

fn defect_cells(row: &DefectRow) -> [String; 9] {
    let [a, b, c, d, e, f] =
        [row.image_auroc, row.image_auprc, row.pixel_auroc, row.pixel_auprc, row.pro, row.best_dice].map(fixed);
    [row.defect.clone(), row.images.to_string(), number(row.mean_score), a, b, c, d, e, f]
}
