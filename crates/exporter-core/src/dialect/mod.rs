//! The Go grammars that users' flags and files are written in.

pub mod duration;
pub mod no_proxy;
pub mod regexp;
pub mod strconv;
pub mod template;
pub mod unicode;
pub mod yaml;
