//! Where objects come from: an API server, or files.

pub mod api;
pub mod files;
pub mod reflector;
pub mod splitter;
