//! A device that computes something else must be found out at the layer where it begins.
use super::*;
