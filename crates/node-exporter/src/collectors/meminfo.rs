//! Memory, from `meminfo` of procfs (`filesystems/proc`).

use crate::host::Host;
use crate::kernel::names::metric_name;
use crate::kernel::{KernelFile, text};
use exporter_core::cli::Flag;
use exporter_core::collector::{Collector, Scrape};
use exporter_core::exposition::{Arena, Dynamic, Family, Kind};

exporter_core::flags! {
    /// Flags of this collector.
    pub struct Flags {
        /// Expose every field of the file, not only those that the original knows.
        "collector.meminfo.all-fields" all: bool = ["false"];
    }
}

/// Flags of this collector.
pub const FLAGS: &[Flag] = Flags::TABLE;

macro_rules! fields {
    ($( $field:literal $name:literal $help:literal, )*) => {
        [ $( ($field, Family::gauge(concat!("node_memory_", $name), &[], $help)), )* ]
    };
}

/// Fields of the file and their families.
static FIELDS: [(&str, Family); 51] = fields! {
    "Active" "Active_bytes" "Memory used lately, in bytes.",
    "Active(anon)" "Active_anon_bytes" "Anonymous memory used lately, in bytes.",
    "Active(file)" "Active_file_bytes" "Page cache used lately, in bytes.",
    "AnonHugePages" "AnonHugePages_bytes" "Anonymous memory in huge pages, in bytes.",
    "AnonPages" "AnonPages_bytes" "Anonymous memory mapped by processes, in bytes.",
    "Bounce" "Bounce_bytes" "Bounce buffers of block devices, in bytes.",
    "Buffers" "Buffers_bytes" "Buffers of raw disk blocks, in bytes.",
    "Cached" "Cached_bytes" "Page cache without the swap cache, in bytes.",
    "CmaFree" "CmaFree_bytes" "Free memory of the contiguous allocator, in bytes.",
    "CmaTotal" "CmaTotal_bytes" "Memory of the contiguous allocator, in bytes.",
    "CommitLimit" "CommitLimit_bytes" "Memory that may be promised to processes, in bytes.",
    "Committed_AS" "Committed_AS_bytes" "Memory promised to processes, in bytes.",
    "DirectMap1G" "DirectMap1G_bytes" "Kernel mapping in pages of 1 GiB, in bytes.",
    "DirectMap2M" "DirectMap2M_bytes" "Kernel mapping in pages of 2 MiB, in bytes.",
    "DirectMap4k" "DirectMap4k_bytes" "Kernel mapping in pages of 4 KiB, in bytes.",
    "Dirty" "Dirty_bytes" "Memory waiting to be written to disk, in bytes.",
    "HardwareCorrupted" "HardwareCorrupted_bytes" "Memory found corrupted, in bytes.",
    "HugePages_Free" "HugePages_Free" "Free huge pages.",
    "HugePages_Rsvd" "HugePages_Rsvd" "Huge pages promised but not yet used.",
    "HugePages_Surp" "HugePages_Surp" "Huge pages beyond the configured number.",
    "HugePages_Total" "HugePages_Total" "Huge pages.",
    "Hugepagesize" "Hugepagesize_bytes" "Size of a huge page, in bytes.",
    "Inactive" "Inactive_bytes" "Memory not used lately, in bytes.",
    "Inactive(anon)" "Inactive_anon_bytes" "Anonymous memory not used lately, in bytes.",
    "Inactive(file)" "Inactive_file_bytes" "Page cache not used lately, in bytes.",
    "KernelStack" "KernelStack_bytes" "Kernel stacks, in bytes.",
    "Mapped" "Mapped_bytes" "Files mapped by processes, in bytes.",
    "MemAvailable" "MemAvailable_bytes" "Memory that could be had without swapping, in bytes.",
    "MemFree" "MemFree_bytes" "Unused memory, in bytes.",
    "MemTotal" "MemTotal_bytes" "Usable memory of the machine, in bytes.",
    "Mlocked" "Mlocked_bytes" "Memory locked by processes, in bytes.",
    "NFS_Unstable" "NFS_Unstable_bytes" "Sent to NFS servers and not yet stored there, in bytes.",
    "PageTables" "PageTables_bytes" "Page tables of processes, in bytes.",
    "Percpu" "Percpu_bytes" "Memory of the per-processor allocator, in bytes.",
    "SReclaimable" "SReclaimable_bytes" "Kernel objects that can be given up, in bytes.",
    "SUnreclaim" "SUnreclaim_bytes" "Kernel objects that cannot be given up, in bytes.",
    "Shmem" "Shmem_bytes" "Shared memory and tmpfs, in bytes.",
    "ShmemHugePages" "ShmemHugePages_bytes" "Shared memory in huge pages, in bytes.",
    "ShmemPmdMapped" "ShmemPmdMapped_bytes" "Shared memory mapped by huge pages, in bytes.",
    "Slab" "Slab_bytes" "Kernel objects, in bytes.",
    "SwapCached" "SwapCached_bytes" "Memory that also stands in swap, in bytes.",
    "SwapFree" "SwapFree_bytes" "Unused swap, in bytes.",
    "SwapTotal" "SwapTotal_bytes" "Swap, in bytes.",
    "Unevictable" "Unevictable_bytes" "Memory that cannot be given up, in bytes.",
    "VmallocChunk" "VmallocChunk_bytes" "Largest free block of the vmalloc area, in bytes.",
    "VmallocTotal" "VmallocTotal_bytes" "The vmalloc area, in bytes.",
    "VmallocUsed" "VmallocUsed_bytes" "Used part of the vmalloc area, in bytes.",
    "Writeback" "Writeback_bytes" "Memory being written to disk, in bytes.",
    "WritebackTmp" "WritebackTmp_bytes" "Buffers of FUSE writes, in bytes.",
    "Zswap" "Zswap_bytes" "Memory that zswap takes, in bytes.",
    "Zswapped" "Zswapped_bytes" "Memory held compressed in zswap, in bytes.",
};

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    FIELDS.iter().map(|f| &f.1).chain([&OTHER]).collect()
}

/// With the flag: fields in kB end in `_bytes`, counts do not.
static OTHER: Family = Family::gauge(
    "node_memory_<field>",
    &[],
    "Memory by the kernel's own name for it.",
);

/// Makes the collector.
pub fn new(host: &Host) -> Result<Box<dyn Collector>, String> {
    host.require_proc()?;
    let flags = Flags::read(&host.matches)?;
    let mut file = KernelFile::new(host.proc("meminfo"));
    let mut buffer = Vec::new();
    let mut values = Vec::new();
    Ok(Box::new(move |out: &mut Arena, _: &Scrape| {
        values.clear();
        let contents = file.read(&mut buffer)?;
        parse(contents, |field| {
            if let Some(family) = field.family {
                values.push((family, field.value));
            }
        })?;
        for (family, value) in &values {
            out.put(family, &[], *value);
        }
        if flags.all {
            parse(contents, |field| put_other(out, &field))?;
        }
        Ok(())
    }))
}

/// One line.
pub struct Field<'a> {
    name: &'a [u8],
    /// Where the original knows it.
    family: Option<&'static Family>,
    value: f64,
    in_bytes: bool,
}

fn put_other(out: &mut Arena, field: &Field<'_>) {
    if field.family.is_some() {
        return;
    }
    let name = String::from_utf8_lossy(field.name);
    let suffix = if field.in_bytes { "_bytes" } else { "" };
    let name = format!("node_memory_{}{suffix}", metric_name(&name));
    let family = Dynamic {
        name: &name,
        help: OTHER.help,
        kind: Kind::Gauge,
    };
    out.put_dynamic(family, &[], field.value);
}

/// Calls `each` with every field.
pub fn parse<'a>(contents: &'a [u8], mut each: impl FnMut(Field<'a>)) -> Result<(), String> {
    for line in text::lines(contents) {
        let ([field, value, unit], count) = text::first_words::<3>(line);
        let scale = match (count, unit) {
            (0, _) => continue,
            (2, _) => 1,
            (3, b"kB") => 1024,
            _ => return Err(bad(line)),
        };
        let value = text::prefixed_uint(value).ok_or_else(|| bad(line))?;
        let field = field.strip_suffix(b":").unwrap_or(field);
        let known = FIELDS.binary_search_by(|f| f.0.as_bytes().cmp(field));
        each(Field {
            name: field,
            family: known.ok().map(|at| &FIELDS[at].1),
            value: value.wrapping_mul(scale) as f64,
            in_bytes: count == 3,
        });
    }
    Ok(())
}

fn bad(line: &[u8]) -> String {
    let line = String::from_utf8_lossy(line);
    format!("meminfo: expected a field, a number and perhaps kB, got {line:?}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Tree;
    use proptest::prelude::*;

    #[test]
    fn fields_are_in_order() {
        assert!(FIELDS.is_sorted_by(|a, b| a.0 < b.0));
    }

    #[test]
    fn known_fields() {
        let tree = Tree::new().file("proc/meminfo", "MemTotal:       3742148 kB\nActive(anon): 5 kB\nHugePages_Total:      7\nNewField: 1 kB\n");
        tree.collect("meminfo", &[]).expect(
            "node_memory_Active_anon_bytes 5120\nnode_memory_HugePages_Total 7\nnode_memory_MemTotal_bytes 3831959552\n",
        );
        tree.collect("meminfo", &[("collector.meminfo.all-fields", "true")])
            .expect_some(&[
                "node_memory_MemTotal_bytes 3831959552",
                "node_memory_NewField_bytes 1024",
            ]);
        tree.write("proc/meminfo", "MemTotal: 1 MB\n");
        tree.collect("meminfo", &[]).expect_failure("kB");
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = parse(&bytes, |_| {});
        }
    }
}
