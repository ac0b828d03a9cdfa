//! The grammars of Go that users' files and flags are written in.

pub mod duration;
