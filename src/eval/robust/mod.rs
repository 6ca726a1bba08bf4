//! What attacks and certificates come to: the numbers over a set of images, and their reports.
mod attack;
mod attack_page;
mod certificate;
mod certificate_page;
mod source;

pub use attack::{AttackRecord, AttackReport, Auroc, Moved, Spread};
pub use attack_page::PICTURES;
pub use certificate::{AtRadius, BoundRecord, CertificateRecord, CertificateReport, Certified};
pub use certificate_page::RADII;
pub use source::Source;

use std::path::PathBuf;

/// An image of a set, and its result's identity.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Subject {
    /// The file.
    #[serde(with = "crate::data::path_text")]
    pub path: PathBuf,
    /// What to call it.
    pub name: String,
    /// Its folder of pictures, below `pictures`, and the name of its files.
    pub folder: String,
    /// What is wrong with it: [`super::GOOD`] if nothing is; none without labels.
    pub defect: Option<String>,
    /// SHA-256 of what it was read from, in hexadecimal.
    pub input_sha256: String,
    /// What the user should know about the input.
    #[serde(default)]
    pub warnings: Vec<String>,
}

impl Subject {
    /// Whether anything is wrong with it; none without labels.
    pub fn anomalous(&self) -> Option<bool> {
        self.defect.as_ref().map(|d| d != super::GOOD)
    }
}
