//! Where objects come from: an API server, or files.

pub mod files;
pub mod splitter;
