//! An input that gave no result.
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// An image that gave no result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The input file.
    pub path: PathBuf,
    /// What was wrong.
    pub error: String,
}
