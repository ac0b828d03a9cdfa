//! The node exporter: hardware and system metrics of Linux hosts.
//!
//! `collectors` holds one file a collector and the table that names them; `kernel` how they read
//! files, directories and netlink; `sys` the system calls that no library offers safely; `whole` what takes back half a reading; `paths` the
//! paths of sets of collectors; `app` what happens between the arguments and the first scrape.

pub mod app;
pub mod collectors;
pub mod host;
pub mod kernel;
pub mod options;
pub mod paths;
pub mod sys;
#[cfg(test)]
mod testing;
pub mod whole;
