//! What one scrape says, and the formats it is said in.

pub mod arena;

pub use arena::{Arena, Distribution, Dynamic, Exemplar, Family, Kind};
