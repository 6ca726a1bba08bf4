//! What a run leaves behind: pictures of the maps, `results.json`, `results.csv` and `report.html`.
mod curves;
mod histogram;
mod html;
mod parameters;
mod pictures;
mod preview;
mod record;
mod record_journal;
#[cfg(feature = "tables")]
mod record_write;
mod tiles;
mod words;

pub use curves::{curve_plot, standalone};
pub use histogram::score_histogram;
pub(crate) use html::page;
pub use html::{About, write_report};
pub use parameters::Parameters;
pub use pictures::{Raster, heatmap, mask_picture, overlay, picture};
pub use record::{ModelId, Record, Results, Verdict, VolumeRecord};
pub use record_journal::{Journal, JournalEntries};
pub use tiles::{FILES, Tiles};
pub use words::in_words;
pub(crate) use words::{escape, href, number};
