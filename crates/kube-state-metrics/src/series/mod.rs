//! From objects to series and from series to text.

pub mod family;
pub mod head;
pub mod names;
pub mod record;

pub use family::{Family, Series, Stability};
pub use head::{Head, Heads, Kind};
pub use record::{Record, Writer};
