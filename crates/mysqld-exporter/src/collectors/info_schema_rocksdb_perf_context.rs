//! Counters of MyRocks by table, from `information_schema.ROCKSDB_PERF_CONTEXT`.

use super::{Asking, Collector, Grant, PROCESS};
use crate::server::{Rows, Session};
use exporter_core::cli::{Flag, Matches};
use exporter_core::exposition::{Arena, Family};

/// Flags of this collector.
pub const FLAGS: &[Flag] = &[];
/// What it needs.
pub const GRANT: Grant = PROCESS;

macro_rules! statistics {
    ($( $kind:literal $suffix:literal $help:literal; )*) => {
        /// Families by the `STAT_TYPE` that they are put for.
        static STATISTICS: &[(&str, Family)] = &[
            $( ($kind, Family::counter(
                concat!("mysql_info_schema_rocksdb_perf_context_", $suffix),
                &["part", "schema", "table"],
                $help,
            )), )*
        ];
    };
}

statistics! {
    "USER_KEY_COMPARISON_COUNT" "user_key_comparison_count" "Comparisons of keys.";
    "BLOCK_CACHE_HIT_COUNT" "block_cache_hit_count" "Blocks found in the cache.";
    "BLOCK_READ_COUNT" "block_read_count" "Blocks read.";
    "BLOCK_READ_BYTE" "block_read_byte" "Bytes read in blocks.";
    "GET_READ_BYTES" "get_read_bytes" "Bytes read by single look-ups.";
    "MULTIGET_READ_BYTES" "multiget_read_bytes" "Bytes read by multiple look-ups.";
    "ITER_READ_BYTES" "iter_read_bytes" "Bytes read by iterators.";
    "INTERNAL_KEY_SKIPPED_COUNT" "internal_key_skipped_count" "Internal keys skipped.";
    "INTERNAL_DELETE_SKIPPED_COUNT" "internal_delete_skipped_count" "Deletions skipped.";
    "INTERNAL_RECENT_SKIPPED_COUNT" "internal_recent_skipped_count" "Keys skipped for being newer than the snapshot.";
    "INTERNAL_MERGE_COUNT" "internal_merge_count" "Merges.";
    "GET_FROM_MEMTABLE_COUNT" "get_from_memtable_count" "Memtables looked into.";
    "SEEK_ON_MEMTABLE_COUNT" "seek_on_memtable_count" "Seeks on memtables.";
    "NEXT_ON_MEMTABLE_COUNT" "next_on_memtable_count" "Steps forward on memtables.";
    "PREV_ON_MEMTABLE_COUNT" "prev_on_memtable_count" "Steps backward on memtables.";
    "SEEK_CHILD_SEEK_COUNT" "seek_child_seek_count" "Seeks on child iterators.";
    "BLOOM_MEMTABLE_HIT_COUNT" "bloom_memtable_hit_count" "Hits of the Bloom filters of memtables.";
    "BLOOM_MEMTABLE_MISS_COUNT" "bloom_memtable_miss_count" "Misses of the Bloom filters of memtables.";
    "BLOOM_SST_HIT_COUNT" "bloom_sst_hit_count" "Hits of the Bloom filters of files.";
    "BLOOM_SST_MISS_COUNT" "bloom_sst_miss_count" "Misses of the Bloom filters of files.";
    "KEY_LOCK_WAIT_COUNT" "key_lock_wait_count" "Waits for row locks.";
    "IO_BYTES_WRITTEN" "io_bytes_written" "Bytes written.";
    "IO_BYTES_READ" "io_bytes_read" "Bytes read.";
}

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    STATISTICS.iter().map(|(_, family)| family).collect()
}

/// Makes the collector.
pub fn new(_: &Matches) -> Result<Box<dyn Collector>, String> {
    Ok(Box::new(PerfContext))
}

struct PerfContext;

const SQL: &str = "SELECT TABLE_SCHEMA, TABLE_NAME, IFNULL(PARTITION_NAME, ''), STAT_TYPE, VALUE \
     FROM information_schema.ROCKSDB_PERF_CONTEXT";

impl Collector for PerfContext {
    fn collect<'a>(&'a self, session: &'a mut Session, out: &'a mut Arena) -> Asking<'a> {
        Box::pin(async move {
            put(&session.query(SQL).await?, out);
            Ok(())
        })
    }
}

fn put(rows: &Rows, out: &mut Arena) {
    for row in rows.iter() {
        let known = STATISTICS.iter().find(|(kind, _)| *kind == row.text(3));
        if let (Some((_, family)), Some(value)) = (known, row.number(4)) {
            out.put(family, &[row.text(2), row.text(0), row.text(1)], value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{expose, texts};

    #[test]
    fn known_kinds_only() {
        let columns = ["schema", "table", "part", "kind", "value"];
        let statistics = texts(
            &columns,
            &[&["s", "t", "", "IO_BYTES_READ", "7"], &["s", "t", "p", "NEW", "1"]],
        );
        assert_eq!(
            expose(|out| put(&statistics, out)),
            "mysql_info_schema_rocksdb_perf_context_io_bytes_read{part=\"\",schema=\"s\",table=\"t\"} 7\n"
        );
    }
}
