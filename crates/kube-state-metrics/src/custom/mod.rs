//! Metrics of custom resources, as a configuration file describes them.

pub mod config;
pub mod discovery;
pub mod encode;
pub mod path;
pub mod value;
