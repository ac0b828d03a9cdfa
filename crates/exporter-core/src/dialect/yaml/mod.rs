//! YAML as Go's yaml.v3 reads and writes it, for files that were written for it; and as yaml.v2 does,
//! in [`lenient`].
//!
//! [`first_document`] makes a tree of [`Node`]s that know their places; [`Fields`] and the functions
//! of [`scalar`] take values out of it by key, and gather every mistake as a sentence with its
//! place. [`Tree`] is the way back.

mod fields;
pub mod lenient;
pub mod scalar;
mod strict;
mod tree;
mod write;

pub use fields::{Fields, Problems, list, nearest};
pub use strict::first_document;
pub use tree::{Node, Place, Value};
pub use write::Tree;
