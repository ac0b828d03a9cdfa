//! Flags as data: one definition serves the parser of each dialect, `--help`, the man page and
//! shell completions.
//!
//! Users' scripts are written for three dialects of Go programs, which differ in what is an error
//! and how it ends; no parser for the shape of GNU options can tell them apart, so they are our
//! own.

mod app;
mod completion;
mod flag;
pub mod goflag;
mod help;
pub mod kingpin;
mod man;
pub mod pflag;

pub use app::{App, Exit};
pub use flag::{Flag, FlagKind, FromFlag, Given, Matches, PREFIX_VARIABLE, Source};
