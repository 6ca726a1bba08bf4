//! Whether this device computes what the originals compute: goldens, stored self-tests, every layer beside its processor half in
//! f64.
pub mod compare;
pub mod layers;
pub mod measure;
pub mod selftest;
pub mod tensors;
