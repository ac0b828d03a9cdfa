//! YAML as Go's yaml.v3 reads and writes it, for files that were written for it.
//!
//! [`first_document`] makes a tree of [`Node`]s that know their places; [`Fields`] and the functions
//! of [`scalar`] take values out of it by key, and gather every mistake as a sentence with its
//! place. [`Tree`] is the way back.

mod fields;
pub mod scalar;
mod tree;
mod write;

pub use fields::{Fields, Problems, list, nearest};
pub use tree::{Node, Place, Value, first_document};
pub use write::Tree;
