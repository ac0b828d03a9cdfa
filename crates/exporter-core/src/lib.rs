//! What every exporter shares, and nothing any one of them owns.
#![forbid(unsafe_code)]

pub mod cli;
pub mod collector;
pub mod dialect;
pub mod exposition;
