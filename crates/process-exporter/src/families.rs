//! All families: names, types, labels and help.

use exporter_core::exposition::Family;

macro_rules! families {
    ($($name:ident = $kind:ident $text:literal [$($label:literal),*] $help:literal;)*) => {
        $(
            #[doc = $help]
            pub static $name: Family = Family::$kind($text, &[$($label),*], $help);
        )*
        /// Every family that tells of groups and collections.
        pub static ALL: &[&Family] = &[$(&$name),*];
    };
}

families! {
    PROCESSES = gauge "namedprocess_namegroup_num_procs" ["groupname"]
        "Processes in the group now.";
    CPU = counter "namedprocess_namegroup_cpu_seconds_total" ["groupname", "mode"]
        "Processor time that the group used, by mode, in seconds.";
    READ_BYTES = counter "namedprocess_namegroup_read_bytes_total" ["groupname"]
        "Bytes that the group had read from storage.";
    WRITE_BYTES = counter "namedprocess_namegroup_write_bytes_total" ["groupname"]
        "Bytes that the group had written to storage.";
    MAJOR_FAULTS = counter "namedprocess_namegroup_major_page_faults_total" ["groupname"]
        "Page faults of the group that something had to be read from storage for.";
    MINOR_FAULTS = counter "namedprocess_namegroup_minor_page_faults_total" ["groupname"]
        "Page faults of the group that nothing had to be read from storage for.";
    SWITCHES = counter "namedprocess_namegroup_context_switches_total" ["ctxswitchtype", "groupname"]
        "Times that threads of the group left a processor, by whether they wanted to.";
    MEMORY = gauge "namedprocess_namegroup_memory_bytes" ["groupname", "memtype"]
        "Memory of the group by kind in bytes; the proportional kinds share pages out among those who use them.";
    DESCRIPTORS = gauge "namedprocess_namegroup_open_filedesc" ["groupname"]
        "File descriptors that the group has open.";
    WORST_DESCRIPTORS = gauge "namedprocess_namegroup_worst_fd_ratio" ["groupname"]
        "Open file descriptors as part of the soft limit, of the process of the group nearest to it.";
    OLDEST = gauge "namedprocess_namegroup_oldest_start_time_seconds" ["groupname"]
        "Unix time at which the oldest process of the group started.";
    THREADS = gauge "namedprocess_namegroup_num_threads" ["groupname"]
        "Threads of the group now.";
    STATES = gauge "namedprocess_namegroup_states" ["groupname", "state"]
        "Processes and threads of the group by state.";
    WCHAN = gauge "namedprocess_namegroup_threads_wchan" ["groupname", "wchan"]
        "Processes and threads of the group by the kernel function that they wait in.";
    THREAD_COUNT = gauge "namedprocess_namegroup_thread_count" ["groupname", "threadname"]
        "Threads of this name in processes of the group that have several.";
    THREAD_CPU = counter "namedprocess_namegroup_thread_cpu_seconds_total" ["groupname", "mode", "threadname"]
        "Processor time that threads of this name used, by mode, in seconds.";
    THREAD_IO = counter "namedprocess_namegroup_thread_io_bytes_total" ["groupname", "iomode", "threadname"]
        "Bytes that threads of this name had read from storage or written to it.";
    THREAD_MAJOR_FAULTS = counter "namedprocess_namegroup_thread_major_page_faults_total" ["groupname", "threadname"]
        "Page faults of threads of this name that something had to be read from storage for.";
    THREAD_MINOR_FAULTS = counter "namedprocess_namegroup_thread_minor_page_faults_total" ["groupname", "threadname"]
        "Page faults of threads of this name that nothing had to be read from storage for.";
    THREAD_SWITCHES = counter "namedprocess_namegroup_thread_context_switches_total" ["ctxswitchtype", "groupname", "threadname"]
        "Times that threads of this name left a processor, by whether they wanted to.";
    SCRAPE_ERRORS = counter "namedprocess_scrape_errors" []
        "Collections in which the processes could not be listed, or not in time.";
    READ_ERRORS = counter "namedprocess_scrape_procread_errors" []
        "Processes left out of a collection because one of their files could not be read.";
    PARTIAL_ERRORS = counter "namedprocess_scrape_partial_errors" []
        "Processes of which a collection could not read everything.";
}
