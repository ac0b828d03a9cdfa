//! Tasks found hung, from `sys/kernel/hung_task_detect_count` of procfs (`admin-guide/sysctl/kernel`).

use crate::host::Host;
use crate::kernel::KernelFile;
use crate::kernel::file::UintError;
use exporter_core::cli::Flag;
use exporter_core::collector::{Collector, Error, Scrape};
use exporter_core::exposition::{Arena, Family};

/// Flags of this collector.
pub const FLAGS: &[Flag] = &[];

static HUNG: Family = Family::counter(
    "node_kernel_hung_tasks_total",
    &[],
    "Tasks that the kernel found hung.",
);

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    vec![&HUNG]
}

/// Makes the collector.
pub fn new(host: &Host) -> Result<Box<dyn Collector>, String> {
    host.require_proc()?;
    let mut file = KernelFile::new(host.proc("sys/kernel/hung_task_detect_count"));
    Ok(Box::new(move |out: &mut Arena, _: &Scrape| {
        let count = file.uint().map_err(|error| match error {
            UintError::Unread(unread) => unread.no_data_if_missing(),
            error => Error::failed(error),
        })?;
        out.put(&HUNG, &[], count as f64);
        Ok(())
    }))
}

#[cfg(test)]
mod tests {
    use crate::testing::Tree;

    #[test]
    fn a_count_or_nothing() {
        Tree::new().collect("kernel_hung", &[]).expect_no_data();
        let tree = Tree::new().file("proc/sys/kernel/hung_task_detect_count", "3\n");
        tree.collect("kernel_hung", &[])
            .expect("node_kernel_hung_tasks_total 3\n");
    }
}
