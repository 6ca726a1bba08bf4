//! The numbers of tables, as a report shows them.
use crate::eval::TableEvaluation;
use crate::eval::pages::{Contents, Section, drawings};
use serde::Serialize;

const DEFINITIONS: &str = "In percent, means over the seeds. AUROC with its standard deviation over the seeds, AUPRC (average \
    precision), F1-max and FPR at 95 % TPR are scikit-learn's, exact, ties being one threshold; F1 is that at as many rows as \
    there are anomalies.";

/// Evaluations of tables.
#[derive(Clone, Debug, Default, Serialize)]
pub struct TableNumbers {
    /// Means over the sets, from 0 to 1.
    pub mean: Means,
    /// One for each table that was evaluated.
    pub sets: Vec<TableEvaluation>,
    /// Whether there is one table and no more, which is then drawn.
    #[serde(skip)]
    pub alone: bool,
}

/// Means over the sets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Means {
    /// As in [`TableEvaluation`]; none without a set.
    pub auroc: Option<f64>,
    /// As in [`TableEvaluation`].
    pub auprc: Option<f64>,
    /// As in [`TableEvaluation`].
    pub f1_max: Option<f64>,
    /// As in [`TableEvaluation`].
    pub fpr_at_tpr95: Option<f64>,
    /// As in [`TableEvaluation`].
    pub f1_at_anomalies: Option<f64>,
    /// The published AUROC, over the sets that have one.
    pub published: Option<f64>,
    /// The AUROC here over those same sets.
    pub auroc_where_published: Option<f64>,
}

/// The columns of the table of sets.
pub const COLUMNS: [&str; 12] = [
    "data set",
    "rows",
    "columns",
    "seeds",
    "AUROC",
    "std",
    "AUPRC",
    "F1-max",
    "FPR at 95 % TPR",
    "F1",
    "published AUROC",
    "difference",
];

impl TableNumbers {
    /// Without a set yet; `alone` as in the field.
    pub fn new(alone: bool) -> Self {
        TableNumbers { alone, ..Self::default() }
    }

    /// Adds a set.
    pub fn add(&mut self, set: TableEvaluation) {
        self.sets.push(set);
        let mean = |f: &dyn Fn(&TableEvaluation) -> Option<f64>| {
            let values: Vec<f64> = self.sets.iter().filter_map(f).collect();
            (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
        };
        self.mean = Means {
            auroc: mean(&|e| Some(e.auroc)),
            auprc: mean(&|e| Some(e.auprc)),
            f1_max: mean(&|e| Some(e.f1_max)),
            fpr_at_tpr95: mean(&|e| Some(e.fpr_at_tpr95)),
            f1_at_anomalies: mean(&|e| Some(e.f1_at_anomalies)),
            published: mean(&|e| e.published),
            auroc_where_published: mean(&|e| e.published.and(Some(e.auroc))),
        };
    }

    /// A set as a row of [`COLUMNS`], in percent.
    pub fn cells(e: &TableEvaluation) -> [String; 12] {
        let [rows, columns] = [e.rows, e.columns].map(|n| n.to_string());
        let [auroc, std, auprc, f1_max, fpr, f1] =
            [e.auroc, e.std, e.auprc, e.f1_max, e.fpr_at_tpr95, e.f1_at_anomalies].map(|v| percent(Some(v)));
        let [published, difference] = beside(e.published, Some(e.auroc));
        let (name, seeds) = (e.name.clone(), e.seeds.to_string());
        [name, rows, columns, seeds, auroc, std, auprc, f1_max, fpr, f1, published, difference]
    }

    /// The last row of [`COLUMNS`], in percent.
    pub fn mean_cells(&self) -> [String; 12] {
        let m = &self.mean;
        let [auroc, auprc, f1_max, fpr, f1] =
            [m.auroc, m.auprc, m.f1_max, m.fpr_at_tpr95, m.f1_at_anomalies].map(percent);
        let [published, difference] = beside(m.published, m.auroc_where_published);
        let name = format!("mean of {}", self.sets.len());
        let [a, b, c, d] = Default::default();
        [name, a, b, c, auroc, d, auprc, f1_max, fpr, f1, published, difference]
    }

    pub(super) fn contents(&self) -> Contents {
        let several = self.sets.len() > 1;
        let rows = self.sets.iter().map(Self::cells).chain(several.then(|| self.mean_cells()));
        let mut figures = vec![("tables", self.sets.len().to_string(), "tables".to_owned())];
        for (value, what) in [(self.mean.auroc, "AUROC"), (self.mean.published, "published AUROC")] {
            let mean = if several { "mean " } else { "" };
            figures.extend(value.map(|v| ("mean", format!("{:.2} %", 100.0 * v), format!("{mean}{what}"))));
        }
        let (mut curves, mut settings) = (Vec::new(), Vec::new());
        if let ([one], true) = (&self.sets[..], self.alone) {
            curves = drawings(&[("rows", &one.curve)], &one.scores).into();
            settings.extend((one.seeds > 1).then(|| ("drawings".to_owned(), "of the first seed".to_owned())));
        }
        Contents {
            title: "Evaluation on tables",
            figures,
            first: vec![Section::table("Tables", &COLUMNS, rows.map(Vec::from).collect())],
            drawings: curves,
            second: Vec::new(),
            settings,
            definitions: DEFINITIONS,
        }
    }
}

fn percent(value: Option<f64>) -> String {
    value.map_or("–".into(), |v| format!("{:.2}", 100.0 * v))
}

/// The published number and how far ours lies above it.
fn beside(published: Option<f64>, ours: Option<f64>) -> [String; 2] {
    match published.zip(ours) {
        Some((p, v)) => [format!("{:.2}", 100.0 * p), format!("{:+.2}", 100.0 * (v - p))],
        None => [String::new(), String::new()],
    }
}
