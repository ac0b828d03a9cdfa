//! Open files of the whole host, from `sys/fs/file-nr` of procfs (`admin-guide/sysctl/fs`).

use crate::host::Host;
use crate::kernel::{KernelFile, text};
use exporter_core::cli::Flag;
use exporter_core::collector::{Collector, Scrape};
use exporter_core::exposition::{Arena, Family};

/// Flags of this collector.
pub const FLAGS: &[Flag] = &[];

static ALLOCATED: Family = Family::gauge("node_filefd_allocated", &[], "Open files.");
static MAXIMUM: Family = Family::gauge("node_filefd_maximum", &[], "Files that may be open.");

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    vec![&ALLOCATED, &MAXIMUM]
}

/// Makes the collector.
pub fn new(host: &Host) -> Result<Box<dyn Collector>, String> {
    let mut file = KernelFile::new(host.proc("sys/fs/file-nr"));
    let mut buffer = Vec::new();
    Ok(Box::new(move |out: &mut Arena, _: &Scrape| {
        let (allocated, maximum) = parse(file.read(&mut buffer)?)?;
        out.put(&ALLOCATED, &[], allocated);
        out.put(&MAXIMUM, &[], maximum);
        Ok(())
    }))
}

/// First and third of the numbers between tabs.
pub fn parse(contents: &[u8]) -> Result<(f64, f64), String> {
    let mut fields = contents.trim_ascii().split(|b| *b == b'\t');
    let first = fields.next().and_then(text::float);
    let third = fields.nth(1).and_then(text::float);
    first
        .zip(third)
        .ok_or_else(|| "file-nr: expected three numbers between tabs".to_owned())
}

#[cfg(test)]
mod tests {
    use crate::testing::Tree;
    use proptest::prelude::*;

    #[test]
    fn three_numbers() {
        let tree = Tree::new().file("proc/sys/fs/file-nr", "1024\t0\t1631329\n");
        tree.collect("filefd", &[])
            .expect("node_filefd_allocated 1024\nnode_filefd_maximum 1631329\n");
        tree.write("proc/sys/fs/file-nr", "1024 0 1631329\n");
        tree.collect("filefd", &[]).expect_failure("three numbers");
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = super::parse(&bytes);
        }
    }
}
