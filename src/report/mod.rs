//! What a run leaves behind: pictures of the maps, `results.json`, `results.csv` and `report.html`.
mod colormap;
mod histogram;
mod html;
mod pictures;
mod record;
mod tiles;
mod words;

pub use colormap::heat;
pub use html::{render, write_report};
pub use pictures::{Raster, heatmap, mask_picture, overlay, picture};
pub use record::{Failure, ModelId, Record, Results, Verdict, utc_now};
pub use tiles::{FILES, Tiles};
pub use words::in_words;
