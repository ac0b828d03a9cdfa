//! The process exporter: what named groups of processes use.
//!
//! `config` and `naming` tell which group a process belongs to; `procfs` reads processes; `tracker`
//! follows them from one collection to the next; `groups` adds up and exposes; `source` answers
//! scrapes; `sys` is the one system call that no safe library offers; `app` what happens between
//! the arguments and the first scrape.

#![deny(unsafe_code)]

pub mod app;
pub mod config;
pub mod families;
pub mod groups;
pub mod naming;
pub mod options;
pub mod procfs;
pub mod source;
#[allow(unsafe_code)]
pub mod sys;
#[cfg(test)]
mod testing;
pub mod tracker;
pub mod users;
