//! Flags as data: one definition serves the parser of each dialect, `--help`, the man page and
//! shell completions.

mod flag;

pub use flag::{Flag, FlagKind, FromFlag, Given, Matches, Source};
