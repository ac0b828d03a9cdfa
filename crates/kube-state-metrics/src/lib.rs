//! `kube-state-metrics`: metrics about the state of Kubernetes objects.
//!
//! Objects come from an API server or from files, are read into slim types, turned into records of
//! their series, and dropped. A scrape renders records while it streams.

#![forbid(unsafe_code)]

pub mod app;
pub mod auth;
pub mod autoshard;
pub mod config;
pub mod custom;
pub mod exposition;
pub mod input;
pub mod labels;
mod listing;
pub mod object;
pub mod options;
pub mod packing;
pub mod plan;
pub mod quantity;
mod reaper;
pub mod reload;
pub mod resources;
mod schedule;
pub mod selection;
pub mod series;
pub mod server;
pub mod sharding;
pub mod store;
mod supervisor;
pub mod telemetry;
pub mod watching;
pub mod world;
