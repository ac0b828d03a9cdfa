//! What every exporter of this workspace shares, and nothing that one of them owns.
//!
//! The rooms, from the inside out: [`exposition`] is the model of one scrape and its encoders,
//! [`collector`] what fills it, [`web`] the door it leaves by. [`cli`], [`config`], [`dialect`] and
//! [`log`] are how users talk to an exporter, [`reload`] and [`probe`] how requests do;
//! [`build_info`], [`self_metrics`] and [`listing`] are what it says of itself. [`launch`] puts them
//! together, so that a `main` reads as a table of contents.

#![forbid(unsafe_code)]

pub mod build_info;
pub mod cli;
pub mod collector;
pub mod config;
pub mod dialect;
pub mod exposition;
pub mod launch;
pub mod listing;
pub mod log;
pub mod probe;
pub mod reload;
pub mod self_metrics;
pub mod web;
