//! An input that gave no result.
use super::path_text;
use crate::Error;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// An image that gave no result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The input file.
    #[serde(with = "path_text")]
    pub path: PathBuf,
    /// What was wrong.
    pub error: String,
}

impl Failure {
    /// What an error says of an input.
    pub fn new(path: &Path, error: &Error) -> Self {
        Failure { path: path.to_owned(), error: error.to_string() }
    }
}
