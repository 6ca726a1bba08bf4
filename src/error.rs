//! The one error type. Every variant names what is at fault (a file, a tensor, an option) and how.
use std::path::{Path, PathBuf};

/// `Result` with [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that can go wrong, in words a user can act on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or folder could not be read or written.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// A file was read, but its content is not acceptable.
    #[error("{path}: {fault}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        fault: String,
    },
    /// A tensor that the network needs is not in the checkpoint.
    #[error("{path}: tensor `{key}` is missing", path = path.display())]
    MissingTensor {
        /// The checkpoint.
        path: PathBuf,
        /// The key, as the checkpoint would spell it.
        key: String,
    },
    /// A tensor has another shape than the network needs.
    #[error("{path}: tensor `{key}` has shape {found:?}, but {expected:?} is needed", path = path.display())]
    TensorShape {
        /// The checkpoint.
        path: PathBuf,
        /// The key.
        key: String,
        /// The shape in the file.
        found: Vec<usize>,
        /// The shape that the network needs.
        expected: Vec<usize>,
    },
    /// A value can neither be read from the files nor inferred; the user must give it.
    #[error("{path}: `{name}` cannot be inferred from the weights; give it in config.json, in detector.json or as {flag}", path = path.display())]
    MissingSetting {
        /// The checkpoint.
        path: PathBuf,
        /// The setting.
        name: &'static str,
        /// The command-line flag that sets it.
        flag: &'static str,
    },
    /// Shapes of a graph's node do not fit together.
    #[error("{node}: {fault}")]
    Graph {
        /// The node's name.
        node: String,
        /// What does not fit, with the shapes.
        fault: String,
    },
    /// A shader does not pass the preprocessor or the validator.
    #[error("shaders/{file}: {fault}")]
    Shader {
        /// The shader's file.
        file: String,
        /// Line and fault.
        fault: String,
    },
    /// No adapter, or none of that name.
    #[error("{0}")]
    NoDevice(String),
    /// The device was lost or ran out of memory.
    #[error("{device}: {fault}")]
    Device {
        /// The adapter's name.
        device: String,
        /// What happened.
        fault: String,
    },
    /// A setting or an argument out of its range.
    #[error("{0}")]
    Invalid(String),
    /// The user interrupted the run; what was finished is on disk.
    #[error("interrupted; what was finished is kept")]
    Interrupted,
}

impl Error {
    /// An [`Error::File`].
    pub fn file(path: impl AsRef<Path>, fault: impl Into<String>) -> Self {
        Error::File { path: path.as_ref().to_owned(), fault: fault.into() }
    }
    /// An [`Error::Io`].
    pub fn io(path: impl AsRef<Path>, source: std::io::Error) -> Self {
        Error::Io { path: path.as_ref().to_owned(), source }
    }
    /// An [`Error::Graph`].
    pub fn graph(node: impl Into<String>, fault: impl Into<String>) -> Self {
        Error::Graph { node: node.into(), fault: fault.into() }
    }
}
