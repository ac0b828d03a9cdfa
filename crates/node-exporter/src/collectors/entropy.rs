//! Entropy of the kernel's random numbers, from `sys/kernel/random` of procfs
//! (`admin-guide/sysctl/kernel`).

use crate::host::Host;
use crate::kernel::{KernelFile, file::UintError};
use exporter_core::cli::Flag;
use exporter_core::collector::{Collector, Scrape};
use exporter_core::exposition::{Arena, Family};

/// Flags of this collector.
pub const FLAGS: &[Flag] = &[];

static AVAILABLE: Family = Family::gauge(
    "node_entropy_available_bits",
    &[],
    "Entropy available in bits.",
);
static POOL: Family = Family::gauge(
    "node_entropy_pool_size_bits",
    &[],
    "Size of the entropy pool in bits.",
);

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    vec![&AVAILABLE, &POOL]
}

/// Makes the collector.
pub fn new(host: &Host) -> Result<Box<dyn Collector>, String> {
    host.require_proc()?;
    let mut available = KernelFile::new(host.proc("sys/kernel/random/entropy_avail"));
    let mut pool = KernelFile::new(host.proc("sys/kernel/random/poolsize"));
    Ok(Box::new(move |out: &mut Arena, _: &Scrape| {
        let (available, pool) = (available.uint()?, pool.uint());
        // What is no number hides both, what is missing only itself.
        if let Err(error @ UintError::NotANumber(_)) = pool {
            return Err(error.into());
        }
        out.put(&AVAILABLE, &[], available as f64);
        out.put(&POOL, &[], pool? as f64);
        Ok(())
    }))
}

#[cfg(test)]
mod tests {
    use crate::testing::Tree;

    #[test]
    fn what_came_before_a_missing_file_stays() {
        let tree = Tree::new().file("proc/sys/kernel/random/entropy_avail", "1337\n");
        let collected = tree.collect("entropy", &[]);
        assert_eq!(collected.text, "node_entropy_available_bits 1337\n");
        collected.expect_failure("poolsize");
        tree.write("proc/sys/kernel/random/poolsize", "x\n");
        let collected = tree.collect("entropy", &[]);
        assert_eq!(collected.text, "");
        collected.expect_failure("poolsize");
    }
}
