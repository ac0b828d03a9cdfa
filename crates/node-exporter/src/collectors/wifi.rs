//! The wifi collector.

use crate::host::Host;
use exporter_core::cli::Flag;
use exporter_core::collector::Collector;
use exporter_core::exposition::Family;

/// Flags of this collector.
pub const FLAGS: &[Flag] = &[];

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    Vec::new()
}

/// Makes the collector.
pub fn new(_: &Host) -> Result<Box<dyn Collector>, String> {
    Err("not written yet".to_owned())
}
