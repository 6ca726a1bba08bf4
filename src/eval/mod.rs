//! Evaluation: how well scores and maps agree with a labelled dataset.
//!
//! [`measure`] takes the scores of images, [`Pixels`] a stream of maps and masks; both rank by falling score and let one
//! [`Sweep`] compute every metric, as scikit-learn defines it, exactly.
mod binomial;
mod bins;
mod bootstrap;
mod curve;
mod dataset;
mod entries;
mod evaluation;
mod images;
mod normal;
pub(crate) mod pages;
mod pixels;
mod regions;
pub mod report;
pub mod robust;
mod rows;
mod runs;
mod scratch;
mod sweep;
mod table;

pub(crate) use binomial::{beta_quantile, lower_bound, rank_above, rank_below};
pub use bootstrap::{Intervals, RESAMPLES};
pub use curve::Curve;
pub use dataset::{
    Dataset, DatasetLayout, Sample, Selection, Truth, is_abnormal, is_normal, is_unsorted, lists_images,
};
pub use evaluation::{DefectRow, Evaluation, Evaluator, Level, Metric, ScoredImage};
pub(crate) use images::ranked;
pub use images::{measure, measure_intervals};
pub(crate) use normal::{normal_cdf, normal_quantile};
pub use pixels::{DEFECTIVE, GOOD, HELD, PixelMeasures, Pixels};
pub use regions::regions;
pub use report::EvaluationReport;
pub use rows::{f1_at_anomalies, measures};
pub use sweep::{Measures, PRO_LIMIT, Sweep, Tally};
pub use table::TableEvaluation;
