//! Images, arrays and volumes in; maps out. Every reader yields [`Picture`]s (channels-last, in `[0,1]`) or a
//! [`Volume`] of them, refuses absurd sizes from the header, and names the file and the fault in its error.
#[cfg(feature = "volumes")]
mod affine;
mod beside;
mod clock;
mod colormap;
mod decode;
mod exact;
mod failure;
mod find;
mod floats;
mod foreground;
#[cfg(feature = "volumes")]
mod gzip;
mod hash;
mod image;
mod jpeg;
mod jpeg_bits;
mod jpeg_walk;
mod kind;
mod limits;
mod lines;
mod lock;
mod mask;
mod mask_read;
mod mask_shades;
mod names;
#[cfg(feature = "volumes")]
mod nifti_header;
mod notices;
mod npy;
mod npy_numbers;
#[cfg(feature = "tables")]
mod parquet_footer;
pub(crate) mod path_text;
mod picture;
mod png_index;
mod preprocess;
mod raw;
mod resize;
mod results_folder;
mod scaling;
mod sets;
mod spec;
mod still;
mod table;
#[cfg(feature = "tables")]
mod table_assemble;
mod table_columns;
#[cfg(feature = "tables")]
mod table_csv;
#[cfg(feature = "tables")]
mod table_dialect;
mod table_fill;
#[cfg(feature = "tables")]
mod table_index;
#[cfg(feature = "tables")]
mod table_label;
#[cfg(feature = "tables")]
mod table_marks;
#[cfg(feature = "tables")]
mod table_npz;
#[cfg(feature = "tables")]
mod table_number;
#[cfg(feature = "tables")]
mod table_parquet;
#[cfg(feature = "tables")]
mod table_read;
#[cfg(feature = "tables")]
mod table_roles;
mod tiff;
mod tiff_chunk;
mod tiff_file;
mod tiff_sample;
#[cfg(feature = "volumes")]
mod volume;
#[cfg(not(feature = "volumes"))]
#[path = "volume_absent.rs"]
mod volume;
#[cfg(feature = "volumes")]
mod volume_map;
#[cfg(feature = "volumes")]
mod volume_mask;
#[cfg(feature = "volumes")]
mod volume_open;
#[cfg(feature = "volumes")]
mod volume_read;
mod walk;
mod write;

#[cfg(test)]
mod corpus_tests;
#[cfg(all(test, feature = "volumes"))]
mod hostile_tests;
#[cfg(test)]
mod input_tests;
#[cfg(test)]
mod jpeg_tests;
#[cfg(test)]
mod mask_tests;
#[cfg(all(test, feature = "volumes"))]
mod scaling_tests;
#[cfg(all(test, feature = "tables"))]
mod table_tests;
#[cfg(test)]
mod tiff_tests;
#[cfg(all(test, feature = "volumes"))]
mod volume_tests;

#[cfg(feature = "cli")]
pub(crate) use beside::files_read;
pub(crate) use beside::{mask_file, numbered};
pub use clock::utc_now;
pub use colormap::heat;
pub use decode::{decode_image, decode_npy, read_picture};
pub use exact::ExactFormat;
pub use failure::Failure;
pub(crate) use find::tell_unread;
pub use find::{Found, find, find_inputs, list_files};
pub use floats::FloatRange;
pub use foreground::Foreground;
pub use hash::{hash_files, hash_input};
pub use kind::{EXTENSIONS, FileKind};
pub(crate) use kind::{has_known_ending, is_mask_folder};
pub use limits::MAX_PIXELS;
pub(crate) use lines::{Lines, whole_lines};
pub use lock::{FolderLock, lock_folder};
pub use mask::Mask;
pub(crate) use names::stem;
pub use notices::{Notice, Notices};
pub use npy::{read_map, write_npy, write_npy_rows};
pub use path_text::{path_text, text_path};
pub use picture::{Map, Picture, ValueRange};
pub use preprocess::Preprocessing;
pub use resize::{resize_bilinear, resize_triangle};
pub use results_folder::{
    JOURNAL, RESULTS, clear_image, clear_volume, is_results_folder, is_whole, remove_below, remove_results,
};
pub use scaling::{Over, Scaling};
pub use sets::{Input, group_files};
pub use spec::InputSpec;
pub use still::{read_foreground, read_still};
pub use table::{MAX_VALUES, Table};
#[cfg(feature = "tables")]
pub use table_assemble::TableFile;
pub use table_columns::TableColumns;
pub(crate) use table_columns::other_width;
pub use table_fill::FillValue;
pub(crate) use table_fill::is_like_fill;
#[cfg(feature = "tables")]
pub use table_read::{decode_table, read_table};
#[cfg(feature = "tables")]
pub use table_roles::{ColumnRoles, LabelChoice, LabelMeaning};
pub use volume::Volume;
#[cfg(feature = "volumes")]
pub use volume_map::VolumeMap;
pub use write::{check_writable, copy_file, create_folder, write_atomic, write_bytes};
pub(crate) use write::{remove_if_there, temporary};
