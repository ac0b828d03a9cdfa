//! What one scrape says, and the formats it is said in.

pub mod arena;
pub mod compress;
pub mod format;
pub mod names;
pub mod number;
pub mod openmetrics;
pub mod protobuf;
pub mod registry;
pub mod text;

pub use arena::{Arena, Distribution, Dynamic, Exemplar, Family, Kind};
pub use format::{Format, Offers, Syntax};
pub use names::Escaping;
