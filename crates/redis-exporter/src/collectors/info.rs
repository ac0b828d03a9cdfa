//! INFO, the report that most metrics come from: its lines, and the fields that are exported as
//! they stand.
//!
//! See the INFO command of the Redis documentation. The same rules hold for CLUSTER INFO, INFO
//! MODULES and SERVER EXT, which other collectors read. `latest_fork_usec` alone is scaled; all
//! others keep the units of the server. Types are the original's: some totals are gauges.

use crate::samples::Samples;
use exporter_core::dialect::strconv::parse_float;
use exporter_core::exposition::Family;
use std::collections::HashMap;
use std::sync::LazyLock;

/// A field of the report and what it is exported as.
struct Field(&'static str, Family);

const fn gauge(field: &'static str, name: &'static str, help: &'static str) -> Field {
    Field(field, Family::gauge(name, &[], help))
}

const fn counter(field: &'static str, name: &'static str, help: &'static str) -> Field {
    Field(field, Family::counter(name, &[], help))
}

static IO_THREADS: Family = Family::counter(
    "redis_active_time_io_thread_seconds_total",
    &["thread"],
    "Time that an I/O thread was not idle in seconds.",
);
static SYSTEM_MEMORY: Family = Family::gauge(
    "redis_total_system_memory_bytes",
    &[],
    "Memory of the server's host in bytes.",
);
static PATTERNS: [Family; 3] = [
    Family::gauge(
        "redis_cluster_<field>",
        &[],
        "Any further field of that name.",
    ),
    Family::gauge(
        "redis_cmdstat_<field>",
        &[],
        "Any further field of that name.",
    ),
    Family::gauge("redis_db<field>", &[], "Any further field of that name."),
];

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    let fields = FIELDS.iter().map(|f| &f.1);
    fields
        .chain([&IO_THREADS, &SYSTEM_MEMORY])
        .chain(&PATTERNS)
        .collect()
}

/// One line of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// Section, empty before the first.
    pub section: &'a str,
    /// What stands before the first colon.
    pub field: &'a str,
    /// What stands behind it.
    pub value: &'a str,
}

/// A report, read.
#[derive(Debug, Default)]
pub struct Info<'a> {
    lines: Vec<Line<'a>>,
}

impl<'a> Info<'a> {
    /// Reads a report. Lines that are no text in UTF-8 are left out.
    pub fn parse(text: &'a [u8]) -> Self {
        let mut section = "";
        let mut lines = Vec::with_capacity(256);
        for line in text.split(|b| *b == b'\n') {
            let Ok(line) = std::str::from_utf8(line) else {
                continue;
            };
            let line = line.trim();
            if let Some(name) = line.strip_prefix("# ") {
                section = name;
            } else if let Some((field, value)) = line.split_once(':')
                && line.len() >= 2
            {
                lines.push(Line {
                    section,
                    field,
                    value,
                });
            }
        }
        Info { lines }
    }

    /// The lines of a section.
    pub fn section(&self, name: &str) -> impl Iterator<Item = Line<'a>> {
        self.lines
            .iter()
            .filter(move |l| l.section == name)
            .copied()
    }

    /// The last value of a field in any section.
    pub fn get(&self, field: &str) -> Option<&'a str> {
        let found = self.lines.iter().rev().find(|l| l.field == field);
        found.map(|l| l.value)
    }

    /// Whether there is such a line.
    pub fn has(&self, field: &str, value: &str) -> bool {
        self.lines
            .iter()
            .any(|l| l.field == field && l.value == value)
    }

    /// Whether there is such a section with any line.
    pub fn has_section(&self, name: &str) -> bool {
        self.section(name).next().is_some()
    }

    /// Puts all fields that are exported as they stand.
    pub fn put(&self, out: &mut Samples<'_>, system: bool) {
        for line in &self.lines {
            if !matches!(line.section, "Commandstats" | "Latencystats" | "Errorstats") {
                put_field(line.field, line.value, out);
            }
            if system
                && line.field == "total_system_memory"
                && let Some(value) = number(line.value)
            {
                out.put(&SYSTEM_MEMORY, &[], value);
            }
        }
    }
}

/// Puts a field that a report holds, if it is one of those that are exported.
pub fn put_field(field: &str, text: &str, out: &mut Samples<'_>) {
    static BY_FIELD: LazyLock<HashMap<&str, &'static Family>> =
        LazyLock::new(|| FIELDS.iter().map(|f| (f.0, &f.1)).collect());
    if let Some(family) = BY_FIELD.get(field) {
        if let Some(value) = number(text) {
            let scale = if field == "latest_fork_usec" {
                1e6
            } else {
                1.0
            };
            out.put(family, &[], value / scale);
        }
        return;
    }
    if let Some(thread) = field.strip_prefix("used_active_time_io_thread_") {
        let digits = !thread.is_empty() && thread.bytes().all(|b| b.is_ascii_digit());
        if let Some(value) = number(text).filter(|_| digits) {
            out.put(&IO_THREADS, &[thread], value);
        }
        return;
    }
    let prefixes = ["db", "cmdstat_", "cluster_"];
    if prefixes.iter().any(|p| field.starts_with(p))
        && let Some(value) = number(text)
    {
        let legal = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
        let name: String = field.chars().map(legal).collect();
        out.put_named(
            &name,
            "A field of the server's report, as it stands there.",
            value,
        );
    }
}

/// The number that a value is: a few words, or a float.
pub fn number(text: &str) -> Option<f64> {
    match text {
        "ok" | "true" => Some(1.0),
        "err" | "fail" | "false" => Some(0.0),
        text => parse_float(text),
    }
}

/// All fields with names of their own.
static FIELDS: [Field; 257 + 23] = [
    // Server.
    gauge(
        "uptime_in_seconds",
        "redis_uptime_in_seconds",
        "Time since the server started in seconds.",
    ),
    gauge(
        "process_id",
        "redis_process_id",
        "Process id of the server.",
    ),
    gauge(
        "io_threads_active",
        "redis_io_threads_active",
        "Whether I/O threads are at work.",
    ),
    // Clients.
    gauge(
        "connected_clients",
        "redis_connected_clients",
        "Client connections, without those of replicas.",
    ),
    gauge(
        "blocked_clients",
        "redis_blocked_clients",
        "Clients waiting in a blocking command.",
    ),
    gauge(
        "maxclients",
        "redis_max_clients",
        "Client connections that the server allows.",
    ),
    gauge(
        "tracking_clients",
        "redis_tracking_clients",
        "Clients that use client-side caching.",
    ),
    gauge(
        "clients_in_timeout_table",
        "redis_clients_in_timeout_table",
        "Clients in the table of timeouts.",
    ),
    gauge(
        "pubsub_clients",
        "redis_pubsub_clients",
        "Clients in subscriber mode.",
    ),
    gauge(
        "watching_clients",
        "redis_watching_clients",
        "Clients that watch keys.",
    ),
    gauge(
        "total_watched_keys",
        "redis_total_watched_keys",
        "Keys that clients watch.",
    ),
    gauge(
        "total_blocking_keys",
        "redis_total_blocking_keys",
        "Keys that clients block on.",
    ),
    gauge(
        "total_blocking_keys_on_nokey",
        "redis_total_blocking_keys_on_nokey",
        "Keys that clients block on and want to be told of their deletion.",
    ),
    gauge(
        "client_longest_output_list",
        "redis_client_longest_output_list",
        "Longest output list among current clients.",
    ),
    gauge(
        "client_biggest_input_buf",
        "redis_client_biggest_input_buf",
        "Largest input buffer among current clients in bytes.",
    ),
    gauge(
        "client_recent_max_output_buffer",
        "redis_client_recent_max_output_buffer_bytes",
        "Largest recent output buffer of a client in bytes.",
    ),
    gauge(
        "client_recent_max_input_buffer",
        "redis_client_recent_max_input_buffer_bytes",
        "Largest recent input buffer of a client in bytes.",
    ),
    // Memory.
    gauge(
        "allocator_active",
        "redis_allocator_active_bytes",
        "Active pages of the allocator in bytes.",
    ),
    gauge(
        "allocator_allocated",
        "redis_allocator_allocated_bytes",
        "Memory allocated through the allocator in bytes.",
    ),
    gauge(
        "allocator_resident",
        "redis_allocator_resident_bytes",
        "Resident pages of the allocator in bytes.",
    ),
    gauge(
        "allocator_frag_ratio",
        "redis_allocator_frag_ratio",
        "Active over allocated memory of the allocator.",
    ),
    gauge(
        "allocator_frag_bytes",
        "redis_allocator_frag_bytes",
        "Active less allocated memory of the allocator in bytes.",
    ),
    gauge(
        "allocator_muzzy",
        "redis_allocator_muzzy_bytes",
        "Pages given back lazily by the allocator in bytes.",
    ),
    gauge(
        "allocator_rss_ratio",
        "redis_allocator_rss_ratio",
        "Resident over active memory of the allocator.",
    ),
    gauge(
        "allocator_rss_bytes",
        "redis_allocator_rss_bytes",
        "Resident less active memory of the allocator in bytes.",
    ),
    gauge(
        "used_memory",
        "redis_memory_used_bytes",
        "Memory allocated by the server in bytes.",
    ),
    gauge(
        "used_memory_rss",
        "redis_memory_used_rss_bytes",
        "Resident memory of the server in bytes.",
    ),
    gauge(
        "used_memory_peak",
        "redis_memory_used_peak_bytes",
        "Most memory that the server had allocated in bytes.",
    ),
    gauge(
        "used_memory_lua",
        "redis_memory_used_lua_bytes",
        "Memory of the Lua engine in bytes.",
    ),
    gauge(
        "used_memory_vm_eval",
        "redis_memory_used_vm_eval_bytes",
        "Memory of the engine of EVAL scripts in bytes.",
    ),
    gauge(
        "used_memory_scripts_eval",
        "redis_memory_used_scripts_eval_bytes",
        "Overhead of cached EVAL scripts in bytes.",
    ),
    gauge(
        "used_memory_overhead",
        "redis_memory_used_overhead_bytes",
        "Memory for managing data structures in bytes.",
    ),
    gauge(
        "used_memory_startup",
        "redis_memory_used_startup_bytes",
        "Memory that the server had allocated at its start in bytes.",
    ),
    gauge(
        "used_memory_dataset",
        "redis_memory_used_dataset_bytes",
        "Memory of the data set in bytes.",
    ),
    gauge(
        "number_of_cached_scripts",
        "redis_number_of_cached_scripts",
        "EVAL scripts in the cache.",
    ),
    gauge(
        "number_of_functions",
        "redis_number_of_functions",
        "Functions that are loaded.",
    ),
    gauge(
        "number_of_libraries",
        "redis_number_of_libraries",
        "Libraries of functions that are loaded.",
    ),
    gauge(
        "used_memory_vm_functions",
        "redis_memory_used_vm_functions_bytes",
        "Memory of the engine of functions in bytes.",
    ),
    gauge(
        "used_memory_scripts",
        "redis_memory_used_scripts_bytes",
        "Overhead of scripts and functions in bytes.",
    ),
    gauge(
        "used_memory_functions",
        "redis_memory_used_functions_bytes",
        "Overhead of functions in bytes.",
    ),
    gauge(
        "used_memory_vm_total",
        "redis_memory_used_vm_total",
        "Memory of all script engines in bytes.",
    ),
    gauge(
        "maxmemory",
        "redis_memory_max_bytes",
        "Limit of memory (maxmemory) in bytes, 0 for none.",
    ),
    gauge(
        "maxmemory_reservation",
        "redis_memory_max_reservation_bytes",
        "Memory kept free for other than the cache in bytes.",
    ),
    gauge(
        "maxmemory_desired_reservation",
        "redis_memory_max_reservation_desired_bytes",
        "Memory wanted free for other than the cache in bytes.",
    ),
    gauge(
        "maxfragmentationmemory_reservation",
        "redis_memory_max_fragmentation_reservation_bytes",
        "Memory kept free for fragmentation in bytes.",
    ),
    gauge(
        "maxfragmentationmemory_desired_reservation",
        "redis_memory_max_fragmentation_reservation_desired_bytes",
        "Memory wanted free for fragmentation in bytes.",
    ),
    gauge(
        "mem_fragmentation_ratio",
        "redis_mem_fragmentation_ratio",
        "Resident over allocated memory.",
    ),
    gauge(
        "mem_fragmentation_bytes",
        "redis_mem_fragmentation_bytes",
        "Resident less allocated memory in bytes.",
    ),
    gauge(
        "mem_clients_slaves",
        "redis_mem_clients_slaves",
        "Memory of replica connections in bytes.",
    ),
    gauge(
        "mem_clients_normal",
        "redis_mem_clients_normal",
        "Memory of client connections in bytes.",
    ),
    gauge(
        "mem_cluster_links",
        "redis_mem_cluster_links_bytes",
        "Memory of links to cluster peers in bytes.",
    ),
    gauge(
        "mem_aof_buffer",
        "redis_mem_aof_buffer_bytes",
        "Memory of AOF buffers in bytes.",
    ),
    gauge(
        "mem_replication_backlog",
        "redis_mem_replication_backlog_bytes",
        "Memory of the replication backlog in bytes.",
    ),
    gauge(
        "expired_stale_perc",
        "redis_expired_stale_percentage",
        "Share of keys that are probably expired and still there in percent.",
    ),
    gauge(
        "mem_not_counted_for_evict",
        "redis_mem_not_counted_for_eviction_bytes",
        "Memory that does not count towards eviction in bytes.",
    ),
    gauge(
        "mem_total_replication_buffers",
        "redis_mem_total_replication_buffers_bytes",
        "Memory of replication buffers in bytes.",
    ),
    gauge(
        "mem_overhead_db_hashtable_rehashing",
        "redis_mem_overhead_db_hashtable_rehashing_bytes",
        "Memory of hash tables being rehashed in bytes.",
    ),
    gauge(
        "lazyfree_pending_objects",
        "redis_lazyfree_pending_objects",
        "Objects waiting to be freed.",
    ),
    gauge(
        "lazyfreed_objects",
        "redis_lazyfreed_objects",
        "Objects freed in the background.",
    ),
    gauge(
        "active_defrag_running",
        "redis_active_defrag_running",
        "Whether active defragmentation runs; newer servers tell the share of CPU it aims at in percent.",
    ),
    gauge(
        "migrate_cached_sockets",
        "redis_migrate_cached_sockets_total",
        "Sockets kept for MIGRATE.",
    ),
    gauge(
        "active_defrag_hits",
        "redis_defrag_hits",
        "Reallocations by active defragmentation.",
    ),
    gauge(
        "active_defrag_misses",
        "redis_defrag_misses",
        "Reallocations that active defragmentation gave up.",
    ),
    gauge(
        "active_defrag_key_hits",
        "redis_defrag_key_hits",
        "Keys that active defragmentation moved.",
    ),
    gauge(
        "active_defrag_key_misses",
        "redis_defrag_key_misses",
        "Keys that active defragmentation passed over.",
    ),
    // Persistence.
    gauge(
        "loading",
        "redis_loading_dump_file",
        "Whether a dump file is being loaded.",
    ),
    gauge(
        "async_loading",
        "redis_async_loading",
        "Whether replicated data is being loaded while the old is served.",
    ),
    gauge(
        "rdb_changes_since_last_save",
        "redis_rdb_changes_since_last_save",
        "Changes since the last dump.",
    ),
    gauge(
        "rdb_bgsave_in_progress",
        "redis_rdb_bgsave_in_progress",
        "Whether a dump is being written.",
    ),
    gauge(
        "rdb_last_save_time",
        "redis_rdb_last_save_timestamp_seconds",
        "Time of the last successful dump in seconds since the epoch.",
    ),
    gauge(
        "rdb_last_bgsave_status",
        "redis_rdb_last_bgsave_status",
        "Whether the last dump succeeded.",
    ),
    gauge(
        "rdb_last_bgsave_time_sec",
        "redis_rdb_last_bgsave_duration_sec",
        "Time that the last dump took in seconds, -1 for none.",
    ),
    gauge(
        "rdb_current_bgsave_time_sec",
        "redis_rdb_current_bgsave_duration_sec",
        "Time that the dump being written has taken in seconds, -1 for none.",
    ),
    gauge(
        "rdb_saves",
        "redis_rdb_saves_total",
        "Dumps since the server started.",
    ),
    gauge(
        "rdb_last_cow_size",
        "redis_rdb_last_cow_size_bytes",
        "Memory copied on write during the last dump in bytes.",
    ),
    gauge(
        "rdb_last_load_keys_expired",
        "redis_rdb_last_load_expired_keys",
        "Expired keys left out when the dump was last loaded.",
    ),
    gauge(
        "rdb_last_load_keys_loaded",
        "redis_rdb_last_load_loaded_keys",
        "Keys loaded when the dump was last loaded.",
    ),
    gauge(
        "aof_enabled",
        "redis_aof_enabled",
        "Whether the append-only file is written.",
    ),
    gauge(
        "aof_rewrite_in_progress",
        "redis_aof_rewrite_in_progress",
        "Whether the append-only file is being rewritten.",
    ),
    gauge(
        "aof_rewrite_scheduled",
        "redis_aof_rewrite_scheduled",
        "Whether a rewrite of the append-only file waits for a dump to end.",
    ),
    gauge(
        "aof_last_rewrite_time_sec",
        "redis_aof_last_rewrite_duration_sec",
        "Time that the last rewrite took in seconds, -1 for none.",
    ),
    gauge(
        "aof_current_rewrite_time_sec",
        "redis_aof_current_rewrite_duration_sec",
        "Time that the rewrite under way has taken in seconds, -1 for none.",
    ),
    gauge(
        "aof_last_cow_size",
        "redis_aof_last_cow_size_bytes",
        "Memory copied on write during the last rewrite in bytes.",
    ),
    gauge(
        "aof_current_size",
        "redis_aof_current_size_bytes",
        "Size of the append-only file in bytes.",
    ),
    gauge(
        "aof_base_size",
        "redis_aof_base_size_bytes",
        "Size of the append-only file after start or last rewrite in bytes.",
    ),
    gauge(
        "aof_pending_rewrite",
        "redis_aof_pending_rewrite",
        "Whether a rewrite of the append-only file is pending.",
    ),
    gauge(
        "aof_buffer_length",
        "redis_aof_buffer_length",
        "Size of the AOF buffer in bytes.",
    ),
    gauge(
        "aof_rewrite_buffer_length",
        "redis_aof_rewrite_buffer_length",
        "Size of the AOF rewrite buffer in bytes.",
    ),
    gauge(
        "aof_pending_bio_fsync",
        "redis_aof_pending_bio_fsync",
        "Syncs of the append-only file that wait.",
    ),
    gauge(
        "aof_delayed_fsync",
        "redis_aof_delayed_fsync",
        "Syncs of the append-only file that were late.",
    ),
    gauge(
        "aof_last_bgrewrite_status",
        "redis_aof_last_bgrewrite_status",
        "Whether the last rewrite of the append-only file succeeded.",
    ),
    gauge(
        "aof_last_write_status",
        "redis_aof_last_write_status",
        "Whether the last write to the append-only file succeeded.",
    ),
    gauge(
        "module_fork_in_progress",
        "redis_module_fork_in_progress",
        "Whether a module has forked.",
    ),
    gauge(
        "module_fork_last_cow_size",
        "redis_module_fork_last_cow_size",
        "Memory copied on write during the last fork of a module in bytes.",
    ),
    // Stats.
    gauge(
        "current_eviction_exceeded_time",
        "redis_current_eviction_exceeded_time_ms",
        "Time since memory exceeded its limit in milliseconds.",
    ),
    gauge(
        "pubsub_channels",
        "redis_pubsub_channels",
        "Channels with subscribers.",
    ),
    gauge(
        "pubsub_patterns",
        "redis_pubsub_patterns",
        "Patterns with subscribers.",
    ),
    gauge(
        "pubsubshard_channels",
        "redis_pubsubshard_channels",
        "Shard channels with subscribers.",
    ),
    gauge(
        "latest_fork_usec",
        "redis_latest_fork_seconds",
        "Time that the latest fork took in seconds.",
    ),
    gauge(
        "tracking_total_keys",
        "redis_tracking_total_keys",
        "Keys tracked for client-side caching.",
    ),
    gauge(
        "tracking_total_items",
        "redis_tracking_total_items",
        "Pairs of client and key tracked for client-side caching.",
    ),
    gauge(
        "tracking_total_prefixes",
        "redis_tracking_total_prefixes",
        "Prefixes tracked for client-side caching in broadcast mode.",
    ),
    gauge(
        "instantaneous_eventloop_cycles_per_sec",
        "redis_instantaneous_eventloop_cycles_per_sec",
        "Cycles of the event loop a second.",
    ),
    gauge(
        "instantaneous_eventloop_duration_usec",
        "redis_instantaneous_eventloop_duration_usec",
        "Time of a cycle of the event loop in microseconds.",
    ),
    // Replication.
    gauge(
        "connected_slaves",
        "redis_connected_slaves",
        "Replicas that are connected.",
    ),
    gauge(
        "repl_backlog_size",
        "redis_replication_backlog_bytes",
        "Size of the replication backlog in bytes.",
    ),
    gauge(
        "repl_backlog_active",
        "redis_repl_backlog_is_active",
        "Whether there is a replication backlog.",
    ),
    gauge(
        "repl_backlog_first_byte_offset",
        "redis_repl_backlog_first_byte_offset",
        "Replication offset of the first byte in the backlog.",
    ),
    gauge(
        "repl_backlog_histlen",
        "redis_repl_backlog_history_bytes",
        "Data in the replication backlog in bytes.",
    ),
    gauge(
        "master_repl_offset",
        "redis_master_repl_offset",
        "Replication offset of this server.",
    ),
    gauge(
        "second_repl_offset",
        "redis_second_repl_offset",
        "Offset up to which the second replication id is accepted.",
    ),
    gauge(
        "slave_expires_tracked_keys",
        "redis_slave_expires_tracked_keys",
        "Keys tracked for expiry on a writable replica.",
    ),
    gauge(
        "slave_priority",
        "redis_slave_priority",
        "Priority of this replica in a failover.",
    ),
    gauge(
        "sync_full",
        "redis_replica_resyncs_full",
        "Full synchronisations with replicas.",
    ),
    gauge(
        "sync_partial_ok",
        "redis_replica_partial_resync_accepted",
        "Partial synchronisations that were accepted.",
    ),
    gauge(
        "sync_partial_err",
        "redis_replica_partial_resync_denied",
        "Partial synchronisations that were denied.",
    ),
    // Cluster.
    gauge(
        "cluster_stats_messages_sent",
        "redis_cluster_messages_sent_total",
        "Messages sent over the cluster bus.",
    ),
    gauge(
        "cluster_stats_messages_received",
        "redis_cluster_messages_received_total",
        "Messages received over the cluster bus.",
    ),
    // Tile38.
    gauge(
        "tile38_aof_size",
        "redis_tile38_aof_size_bytes",
        "Size of the append-only file in bytes.",
    ),
    gauge(
        "tile38_avg_point_size",
        "redis_tile38_avg_item_size_bytes",
        "Average size of an item in bytes.",
    ),
    gauge(
        "tile38_sys_cpus",
        "redis_tile38_cpus_total",
        "Processors of the host.",
    ),
    gauge(
        "tile38_heap_released_bytes",
        "redis_tile38_heap_released_bytes",
        "Heap given back to the system in bytes.",
    ),
    gauge(
        "tile38_heap_alloc_bytes",
        "redis_tile38_heap_size_bytes",
        "Heap in use in bytes.",
    ),
    gauge(
        "tile38_http_transport",
        "redis_tile38_http_transport",
        "Whether HTTP is served.",
    ),
    gauge(
        "tile38_in_memory_size",
        "redis_tile38_in_memory_size_bytes",
        "Size of all objects in bytes.",
    ),
    gauge(
        "tile38_max_heap_size",
        "redis_tile38_max_heap_size_bytes",
        "Limit of the heap in bytes.",
    ),
    gauge(
        "tile38_alloc_bytes",
        "redis_tile38_mem_alloc_bytes",
        "Memory allocated in bytes.",
    ),
    gauge(
        "tile38_num_collections",
        "redis_tile38_num_collections_total",
        "Collections.",
    ),
    gauge("tile38_num_hooks", "redis_tile38_num_hooks_total", "Hooks."),
    gauge(
        "tile38_num_objects",
        "redis_tile38_num_objects_total",
        "Objects.",
    ),
    gauge(
        "tile38_num_points",
        "redis_tile38_num_points_total",
        "Points.",
    ),
    gauge(
        "tile38_pointer_size",
        "redis_tile38_pointer_size_bytes",
        "Size of a pointer in bytes.",
    ),
    gauge(
        "tile38_read_only",
        "redis_tile38_read_only",
        "Whether the server takes no writes.",
    ),
    gauge(
        "tile38_go_threads",
        "redis_tile38_threads_total",
        "Threads.",
    ),
    gauge(
        "tile38_go_goroutines",
        "redis_tile38_go_goroutines_total",
        "Goroutines.",
    ),
    gauge(
        "tile38_last_gc_time_seconds",
        "redis_tile38_last_gc_time_seconds",
        "Time of the last garbage collection in seconds since the epoch.",
    ),
    gauge(
        "tile38_next_gc_bytes",
        "redis_tile38_next_gc_bytes",
        "Heap at which garbage is collected next in bytes.",
    ),
    // KeyDB.
    gauge(
        "server_threads",
        "redis_server_threads_total",
        "Threads that serve clients.",
    ),
    gauge(
        "long_lock_waits",
        "redis_long_lock_waits_total",
        "Long waits for the global lock.",
    ),
    gauge(
        "current_client_thread",
        "redis_current_client_thread",
        "Thread that serves this client.",
    ),
    // RediSearch module (all versions).
    gauge(
        "search_number_of_indexes",
        "redis_search_number_of_indexes",
        "Search indexes.",
    ),
    gauge(
        "search_used_memory_indexes",
        "redis_search_used_memory_indexes_bytes",
        "Memory of all search indexes in bytes.",
    ),
    gauge(
        "search_dialect_1",
        "redis_search_dialect_1",
        "Whether dialect 1 was used since the server started.",
    ),
    gauge(
        "search_dialect_2",
        "redis_search_dialect_2",
        "Whether dialect 2 was used since the server started.",
    ),
    gauge(
        "search_dialect_3",
        "redis_search_dialect_3",
        "Whether dialect 3 was used since the server started.",
    ),
    gauge(
        "search_dialect_4",
        "redis_search_dialect_4",
        "Whether dialect 4 was used since the server started.",
    ),
    // RediSearch, redis-stack 7.4 and older.
    gauge(
        "search_global_idle",
        "redis_search_global_idle",
        "Idle cursors of all searches.",
    ),
    gauge(
        "search_global_total",
        "redis_search_global_total",
        "Cursors of all searches.",
    ),
    gauge(
        "search_bytes_collected",
        "redis_search_collected_bytes",
        "Memory collected by the garbage collectors of all indexes in bytes.",
    ),
    // RediSearch, Redis 8 and newer.
    gauge(
        "search_number_of_active_indexes",
        "redis_search_number_of_active_indexes",
        "Indexes with queries or indexing under way.",
    ),
    gauge(
        "search_number_of_active_indexes_running_queries",
        "redis_search_number_of_active_indexes_running_queries",
        "Indexes with queries under way.",
    ),
    gauge(
        "search_number_of_active_indexes_indexing",
        "redis_search_number_of_active_indexes_indexing",
        "Indexes with indexing under way.",
    ),
    gauge(
        "search_total_active_write_threads",
        "redis_search_total_active_write_threads",
        "Threads that write to indexes.",
    ),
    gauge(
        "search_total_num_docs_in_indexes",
        "redis_search_total_num_docs_in_indexes",
        "Documents in all indexes.",
    ),
    gauge(
        "search_smallest_memory_index",
        "redis_search_smallest_memory_index_bytes",
        "Memory of the smallest index in bytes.",
    ),
    gauge(
        "search_largest_memory_index",
        "redis_search_largest_memory_index_bytes",
        "Memory of the largest index in bytes.",
    ),
    gauge(
        "search_used_memory_vector_index",
        "redis_search_used_memory_vector_index_bytes",
        "Memory of vector indexes in bytes.",
    ),
    gauge(
        "search_global_idle_user",
        "redis_search_global_idle_user",
        "Idle cursors of clients.",
    ),
    gauge(
        "search_global_idle_internal",
        "redis_search_global_idle_internal",
        "Idle cursors of internal searches.",
    ),
    gauge(
        "search_global_total_user",
        "redis_search_global_total_user",
        "Cursors of clients.",
    ),
    gauge(
        "search_global_total_internal",
        "redis_search_global_total_internal",
        "Cursors of internal searches.",
    ),
    gauge(
        "search_gc_bytes_collected",
        "redis_search_gc_collected_bytes",
        "Memory collected by the garbage collectors of all indexes in bytes.",
    ),
    gauge(
        "search_gc_total_docs_not_collected",
        "redis_search_gc_total_docs_not_collected",
        "Deleted documents that wait for the garbage collectors.",
    ),
    gauge(
        "search_gc_marked_deleted_vectors",
        "redis_search_gc_marked_deleted_vectors",
        "Vectors marked as deleted and not yet collected.",
    ),
    gauge(
        "search_errors_indexing_failures",
        "redis_search_errors_indexing_failures",
        "Documents that could not be indexed.",
    ),
    // Valkey modules (bloom, json, search).
    gauge(
        "bf_bloom_total_memory_bytes",
        "redis_bf_bloom_total_memory_bytes",
        "Memory of all Bloom filters in bytes.",
    ),
    gauge(
        "bf_bloom_num_objects",
        "redis_bf_bloom_num_objects",
        "Bloom objects.",
    ),
    gauge(
        "bf_bloom_num_filters_across_objects",
        "redis_bf_bloom_num_filters_across_objects",
        "Filters in all Bloom objects.",
    ),
    gauge(
        "bf_bloom_num_items_across_objects",
        "redis_bf_bloom_num_items_across_objects",
        "Items in all Bloom objects.",
    ),
    gauge(
        "bf_bloom_capacity_across_objects",
        "redis_bf_bloom_capacity_across_objects",
        "Items that all Bloom objects have room for.",
    ),
    gauge(
        "json_total_memory_bytes",
        "redis_json_total_memory_bytes",
        "Memory of all JSON documents in bytes.",
    ),
    gauge(
        "json_num_documents",
        "redis_json_num_documents",
        "JSON documents.",
    ),
    gauge(
        "search_used_memory_bytes",
        "redis_search_used_memory_bytes",
        "Memory of the search module in bytes.",
    ),
    gauge(
        "search_number_of_attributes",
        "redis_search_number_of_attributes",
        "Attributes of all search indexes.",
    ),
    gauge(
        "search_total_indexed_documents",
        "redis_search_total_indexed_documents",
        "Documents in all search indexes.",
    ),
    gauge(
        "search_query_queue_size",
        "redis_search_query_queue_size",
        "Queries that wait.",
    ),
    gauge(
        "search_writer_queue_size",
        "redis_search_writer_queue_size",
        "Writes to indexes that wait.",
    ),
    gauge(
        "search_string_interning_store_size",
        "redis_search_string_interning_store_size",
        "Strings in the interning store.",
    ),
    gauge(
        "search_vector_externing_hash_extern_errors",
        "redis_search_vector_externing_hash_extern_errors",
        "Vectors that could not be shared with their hash.",
    ),
    gauge(
        "search_vector_externing_num_lru_entries",
        "redis_search_vector_externing_num_lru_entries",
        "Entries in the list of recently used vectors.",
    ),
    // Connections, commands, network.
    counter(
        "total_connections_received",
        "redis_connections_received_total",
        "Connections accepted.",
    ),
    counter(
        "total_commands_processed",
        "redis_commands_processed_total",
        "Commands processed.",
    ),
    counter(
        "rejected_connections",
        "redis_rejected_connections_total",
        "Connections rejected because of the limit of clients.",
    ),
    counter(
        "total_net_input_bytes",
        "redis_net_input_bytes_total",
        "Bytes read from the network.",
    ),
    counter(
        "total_net_output_bytes",
        "redis_net_output_bytes_total",
        "Bytes written to the network.",
    ),
    counter(
        "total_net_repl_input_bytes",
        "redis_net_repl_input_bytes_total",
        "Bytes read for replication.",
    ),
    counter(
        "total_net_repl_output_bytes",
        "redis_net_repl_output_bytes_total",
        "Bytes written for replication.",
    ),
    // Expiry, eviction, keyspace.
    counter(
        "expired_subkeys",
        "redis_expired_subkeys_total",
        "Hash fields that expired.",
    ),
    counter(
        "expired_keys",
        "redis_expired_keys_total",
        "Keys that expired.",
    ),
    counter(
        "expired_time_cap_reached_count",
        "redis_expired_time_cap_reached_total",
        "Expiry cycles that ran into their time limit.",
    ),
    counter(
        "expire_cycle_cpu_milliseconds",
        "redis_expire_cycle_cpu_time_ms_total",
        "CPU time of expiry cycles in milliseconds.",
    ),
    counter(
        "evicted_keys",
        "redis_evicted_keys_total",
        "Keys evicted because of the memory limit.",
    ),
    counter(
        "evicted_clients",
        "redis_evicted_clients_total",
        "Clients disconnected because of the memory limit of clients.",
    ),
    counter(
        "evicted_scripts",
        "redis_evicted_scripts_total",
        "Scripts evicted from the cache.",
    ),
    counter(
        "total_eviction_exceeded_time",
        "redis_eviction_exceeded_time_ms_total",
        "Time that memory exceeded its limit in milliseconds.",
    ),
    counter(
        "keyspace_hits",
        "redis_keyspace_hits_total",
        "Look-ups that found their key.",
    ),
    counter(
        "keyspace_misses",
        "redis_keyspace_misses_total",
        "Look-ups that did not find their key.",
    ),
    // Event loop and CPU.
    counter(
        "eventloop_cycles",
        "redis_eventloop_cycles_total",
        "Cycles of the event loop.",
    ),
    counter(
        "eventloop_duration_sum",
        "redis_eventloop_duration_sum_usec_total",
        "Time in the event loop in microseconds.",
    ),
    counter(
        "eventloop_duration_cmd_sum",
        "redis_eventloop_duration_cmd_sum_usec_total",
        "Time executing commands in microseconds.",
    ),
    counter(
        "used_cpu_sys",
        "redis_cpu_sys_seconds_total",
        "System CPU time of the server in seconds.",
    ),
    counter(
        "used_cpu_user",
        "redis_cpu_user_seconds_total",
        "User CPU time of the server in seconds.",
    ),
    counter(
        "used_cpu_sys_children",
        "redis_cpu_sys_children_seconds_total",
        "System CPU time of background processes in seconds.",
    ),
    counter(
        "used_cpu_user_children",
        "redis_cpu_user_children_seconds_total",
        "User CPU time of background processes in seconds.",
    ),
    counter(
        "used_cpu_sys_main_thread",
        "redis_cpu_sys_main_thread_seconds_total",
        "System CPU time of the main thread in seconds.",
    ),
    counter(
        "used_cpu_user_main_thread",
        "redis_cpu_user_main_thread_seconds_total",
        "User CPU time of the main thread in seconds.",
    ),
    counter(
        "used_active_time_main_thread",
        "redis_active_time_main_thread_seconds_total",
        "Time that the main thread was not idle in seconds.",
    ),
    // Errors, reads and writes, buffers, ACL.
    counter(
        "unexpected_error_replies",
        "redis_unexpected_error_replies",
        "Unexpected errors such as those of AOF loading and replication.",
    ),
    counter(
        "total_error_replies",
        "redis_total_error_replies",
        "Error replies, rejected and failed commands together.",
    ),
    counter(
        "dump_payload_sanitizations",
        "redis_dump_payload_sanitizations",
        "Deep validations of dump payloads.",
    ),
    counter(
        "total_reads_processed",
        "redis_total_reads_processed",
        "Reads from clients.",
    ),
    counter(
        "total_writes_processed",
        "redis_total_writes_processed",
        "Writes to clients.",
    ),
    counter(
        "io_threaded_reads_processed",
        "redis_io_threaded_reads_processed",
        "Reads by I/O threads.",
    ),
    counter(
        "io_threaded_writes_processed",
        "redis_io_threaded_writes_processed",
        "Writes by I/O threads.",
    ),
    counter(
        "client_query_buffer_limit_disconnections",
        "redis_client_query_buffer_limit_disconnections_total",
        "Clients disconnected because of their query buffer.",
    ),
    counter(
        "client_output_buffer_limit_disconnections",
        "redis_client_output_buffer_limit_disconnections_total",
        "Clients disconnected because of their output buffer.",
    ),
    counter(
        "reply_buffer_shrinks",
        "redis_reply_buffer_shrinks_total",
        "Reply buffers that were made smaller.",
    ),
    counter(
        "reply_buffer_expands",
        "redis_reply_buffer_expands_total",
        "Reply buffers that were made larger.",
    ),
    counter(
        "acl_access_denied_auth",
        "redis_acl_access_denied_auth_total",
        "Authentications that failed.",
    ),
    counter(
        "acl_access_denied_cmd",
        "redis_acl_access_denied_cmd_total",
        "Commands denied by access control.",
    ),
    counter(
        "acl_access_denied_key",
        "redis_acl_access_denied_key_total",
        "Keys denied by access control.",
    ),
    counter(
        "acl_access_denied_channel",
        "redis_acl_access_denied_channel_total",
        "Channels denied by access control.",
    ),
    // KeyDB.
    counter(
        "cached_keys",
        "redis_cached_keys_total",
        "Keys in the cache of the storage provider.",
    ),
    counter(
        "storage_provider_read_hits",
        "redis_storage_provider_read_hits",
        "Reads that the storage provider had the key of.",
    ),
    counter(
        "storage_provider_read_misses",
        "redis_storage_provider_read_misses",
        "Reads that the storage provider had no key of.",
    ),
    // RediSearch (redis-stack 7.4 and older, and Redis 8).
    counter(
        "search_total_indexing_time",
        "redis_search_indexing_time_ms_total",
        "Time of indexing in milliseconds.",
    ),
    counter(
        "search_total_cycles",
        "redis_search_cycles_total",
        "Garbage collections of all indexes.",
    ),
    counter(
        "search_total_ms_run",
        "redis_search_run_ms_total",
        "Time of garbage collections in milliseconds.",
    ),
    counter(
        "search_gc_total_cycles",
        "redis_search_gc_cycles_total",
        "Garbage collections of all indexes.",
    ),
    counter(
        "search_gc_total_ms_run",
        "redis_search_gc_run_ms_total",
        "Time of garbage collections in milliseconds.",
    ),
    counter(
        "search_total_queries_processed",
        "redis_search_queries_processed_total",
        "Queries that were answered.",
    ),
    counter(
        "search_total_query_commands",
        "redis_search_query_commands_total",
        "Query commands that were answered.",
    ),
    counter(
        "search_total_query_execution_time_ms",
        "redis_search_query_execution_time_ms_total",
        "Time of queries in milliseconds.",
    ),
    counter(
        "search_total_active_queries",
        "redis_search_active_queries_total",
        "Queries under way.",
    ),
    // Valkey modules (bloom, search).
    counter(
        "bf_bloom_defrag_hits",
        "redis_bf_bloom_defrag_hits_total",
        "Bloom filters that were moved by defragmentation.",
    ),
    counter(
        "bf_bloom_defrag_misses",
        "redis_bf_bloom_defrag_misses_total",
        "Bloom filters that defragmentation left in place.",
    ),
    counter(
        "search_worker_pool_suspend_cnt",
        "redis_search_worker_pool_suspend_count",
        "Suspensions of the pool of workers.",
    ),
    counter(
        "search_writer_resumed_cnt",
        "redis_search_writer_resumed_count",
        "Resumptions of writers.",
    ),
    counter(
        "search_reader_resumed_cnt",
        "redis_search_reader_resumed_count",
        "Resumptions of readers.",
    ),
    counter(
        "search_writer_suspension_expired_cnt",
        "redis_search_writer_suspension_expired_count",
        "Suspensions of writers that ended by time.",
    ),
    counter(
        "search_rdb_load_success_cnt",
        "redis_search_rdb_load_success_count",
        "Loads of index data from dumps that succeeded.",
    ),
    counter(
        "search_rdb_load_failure_cnt",
        "redis_search_rdb_load_failure_count",
        "Loads of index data from dumps that failed.",
    ),
    counter(
        "search_rdb_save_success_cnt",
        "redis_search_rdb_save_success_count",
        "Saves of index data to dumps that succeeded.",
    ),
    counter(
        "search_rdb_save_failure_cnt",
        "redis_search_rdb_save_failure_count",
        "Saves of index data to dumps that failed.",
    ),
    counter(
        "search_successful_requests_count",
        "redis_search_successful_requests_count",
        "Search requests that succeeded.",
    ),
    counter(
        "search_failure_requests_count",
        "redis_search_failure_requests_count",
        "Search requests that failed.",
    ),
    counter(
        "search_hybrid_requests_count",
        "redis_search_hybrid_requests_count",
        "Hybrid search requests.",
    ),
    counter(
        "search_inline_filtering_requests_count",
        "redis_search_inline_filtering_requests_count",
        "Search requests with inline filtering.",
    ),
    counter(
        "search_hnsw_add_exceptions_count",
        "redis_search_hnsw_add_exceptions_count",
        "Exceptions of adding to HNSW graphs.",
    ),
    counter(
        "search_hnsw_remove_exceptions_count",
        "redis_search_hnsw_remove_exceptions_count",
        "Exceptions of removing from HNSW graphs.",
    ),
    counter(
        "search_hnsw_modify_exceptions_count",
        "redis_search_hnsw_modify_exceptions_count",
        "Exceptions of changing HNSW graphs.",
    ),
    counter(
        "search_hnsw_search_exceptions_count",
        "redis_search_hnsw_search_exceptions_count",
        "Exceptions of searching HNSW graphs.",
    ),
    counter(
        "search_hnsw_create_exceptions_count",
        "redis_search_hnsw_create_exceptions_count",
        "Exceptions of creating HNSW graphs.",
    ),
    counter(
        "search_vector_externing_entry_count",
        "redis_search_vector_externing_entry_count",
        "Vectors that are shared with their hashes.",
    ),
    counter(
        "search_vector_externing_generated_value_cnt",
        "redis_search_vector_externing_generated_value_count",
        "Values made anew from shared vectors.",
    ),
    counter(
        "search_vector_externing_lru_promote_cnt",
        "redis_search_vector_externing_lru_promote_count",
        "Promotions in the list of recently used vectors.",
    ),
    counter(
        "search_vector_externing_deferred_entry_cnt",
        "redis_search_vector_externing_deferred_entry_count",
        "Vectors whose sharing waits.",
    ),
    // CLUSTER INFO, under their own names.
    gauge(
        "cluster_enabled",
        "redis_cluster_enabled",
        "Whether the server is a node of a cluster.",
    ),
    gauge(
        "cluster_connections",
        "redis_cluster_connections",
        "Connections over the cluster bus, roughly.",
    ),
    gauge(
        "cluster_state",
        "redis_cluster_state",
        "Whether the cluster takes queries.",
    ),
    gauge(
        "cluster_slots_assigned",
        "redis_cluster_slots_assigned",
        "Slots that a node has.",
    ),
    gauge(
        "cluster_slots_ok",
        "redis_cluster_slots_ok",
        "Slots whose node is neither failed nor suspected.",
    ),
    gauge(
        "cluster_slots_pfail",
        "redis_cluster_slots_pfail",
        "Slots whose node is suspected to have failed.",
    ),
    gauge(
        "cluster_slots_fail",
        "redis_cluster_slots_fail",
        "Slots whose node has failed.",
    ),
    gauge(
        "cluster_known_nodes",
        "redis_cluster_known_nodes",
        "Nodes that are known.",
    ),
    gauge(
        "cluster_size",
        "redis_cluster_size",
        "Masters that have slots.",
    ),
    gauge(
        "cluster_current_epoch",
        "redis_cluster_current_epoch",
        "Epoch of the cluster.",
    ),
    gauge(
        "cluster_my_epoch",
        "redis_cluster_my_epoch",
        "Epoch of the configuration of this node.",
    ),
    gauge(
        "cluster_stats_messages_ping_sent",
        "redis_cluster_stats_messages_ping_sent",
        "Pings sent over the cluster bus.",
    ),
    gauge(
        "cluster_stats_messages_pong_sent",
        "redis_cluster_stats_messages_pong_sent",
        "Pongs sent over the cluster bus.",
    ),
    gauge(
        "cluster_stats_messages_meet_sent",
        "redis_cluster_stats_messages_meet_sent",
        "Introductions sent over the cluster bus.",
    ),
    gauge(
        "cluster_stats_messages_fail_sent",
        "redis_cluster_stats_messages_fail_sent",
        "Failures told over the cluster bus.",
    ),
    gauge(
        "cluster_stats_messages_ping_received",
        "redis_cluster_stats_messages_ping_received",
        "Pings received over the cluster bus.",
    ),
    gauge(
        "cluster_stats_messages_pong_received",
        "redis_cluster_stats_messages_pong_received",
        "Pongs received over the cluster bus.",
    ),
    gauge(
        "cluster_stats_messages_meet_received",
        "redis_cluster_stats_messages_meet_received",
        "Introductions received over the cluster bus.",
    ),
    gauge(
        "cluster_stats_messages_fail_received",
        "redis_cluster_stats_messages_fail_received",
        "Failures heard of over the cluster bus.",
    ),
    gauge(
        "cluster_nodes_pfail",
        "redis_cluster_nodes_pfail",
        "Nodes that are suspected to have failed.",
    ),
    gauge(
        "cluster_nodes_fail",
        "redis_cluster_nodes_fail",
        "Nodes that have failed.",
    ),
    gauge(
        "cluster_voting_nodes_pfail",
        "redis_cluster_voting_nodes_pfail",
        "Masters with slots that are suspected to have failed.",
    ),
    gauge(
        "cluster_voting_nodes_fail",
        "redis_cluster_voting_nodes_fail",
        "Masters with slots that have failed.",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::testing::exposed;
    use proptest::prelude::*;

    fn put(text: &str) -> String {
        exposed(|out| Info::parse(text.as_bytes()).put(out, true))
    }

    #[test]
    fn words_and_numbers() {
        let text = "# Server\r\nuptime_in_seconds:5\r\n# Persistence\nrdb_last_bgsave_status:ok\n\
                    aof_last_write_status:err\nloading: 1\nmaxmemory:1.5K\nno_such_field:1\n\
                    latest_fork_usec:1500000\ntotal_system_memory:2e3\n:x\n";
        let expected = "redis_aof_last_write_status 0\nredis_latest_fork_seconds 1.5\n\
                        redis_rdb_last_bgsave_status 1\nredis_total_system_memory_bytes 2000\n\
                        redis_uptime_in_seconds 5\n";
        assert_eq!(put(text), expected);
    }

    #[test]
    fn fields_by_prefix() {
        let text = "cluster_stats_messages_auth-req_sent:3\ndb7:keys=1\ndb_x:2\ncmdstat_get:1\n\
                    used_active_time_io_thread_2:1.5\nused_active_time_io_thread_x:1\n";
        let expected = "redis_active_time_io_thread_seconds_total{thread=\"2\"} 1.5\n\
                        redis_cluster_stats_messages_auth_req_sent 3\nredis_cmdstat_get 1\nredis_db_x 2\n";
        assert_eq!(put(text), expected);
    }

    #[test]
    fn sections() {
        let info = Info::parse(b"a:0\n# One\na:1\nb:x:y\n# Two\na:2\n");
        let one: Vec<_> = info.section("One").map(|l| (l.field, l.value)).collect();
        assert_eq!(one, [("a", "1"), ("b", "x:y")]);
        assert_eq!(info.get("a"), Some("2"));
        assert!(info.has("a", "1") && info.has_section("Two") && !info.has_section("Three"));
    }

    #[test]
    fn names_are_unique() {
        let mut fields: Vec<_> = FIELDS.iter().map(|f| f.0).collect();
        fields.sort_unstable();
        fields.dedup();
        assert_eq!(fields.len(), FIELDS.len());
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            exposed(|out| Info::parse(&bytes).put(out, true));
        }
    }
}
