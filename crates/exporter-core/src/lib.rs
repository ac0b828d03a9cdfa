//! What every exporter of this workspace shares, and nothing that one of them owns.
//!
//! The rooms, from the inside out: [`exposition`] is the model of one scrape and its encoders,
//! [`collector`] what fills it, [`web`] the door it leaves by. [`cli`], [`config`], [`dialect`] and
//! [`log`] are how users talk to an exporter; [`build_info`] and [`self_metrics`] what it says of
//! itself.

#![forbid(unsafe_code)]

pub mod build_info;
pub mod cli;
pub mod collector;
pub mod config;
pub mod dialect;
pub mod exposition;
pub mod log;
pub mod self_metrics;
pub mod web;
