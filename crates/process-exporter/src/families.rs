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
    MAPS = gauge "namedprocess_namegroup_memory_maps" ["groupname"]
        "Memory mappings of the group; with -gather-maps.";
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

/// Families of groups that are not exposed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeftOut(u32);

impl LeftOut {
    /// None of them.
    pub const NONE: Self = LeftOut(0);

    /// Reads a list of names separated by commas. What is common to all may be left away.
    ///
    /// # Errors
    /// Where there is no such family of groups.
    pub fn parse(names: &str) -> Result<Self, String> {
        const COMMON: &str = "namedprocess_namegroup_";
        let mut left_out = LeftOut::default();
        for name in names.split(',').map(str::trim).filter(|n| !n.is_empty()) {
            let short = name.strip_prefix(COMMON).unwrap_or(name);
            let is_it = |family: &&Family| family.name.strip_prefix(COMMON) == Some(short);
            let at = ALL.iter().position(is_it);
            let at = at.ok_or_else(|| {
                format!(
                    "-exclude-families: expected a family that -list-metrics tells, not {name:?}"
                )
            })?;
            left_out.0 |= 1 << at;
        }
        Ok(left_out)
    }

    /// Whether a family is.
    pub fn holds(self, family: &'static Family) -> bool {
        let is_it = |at: usize| self.0 >> at & 1 == 1 && std::ptr::eq(ALL[at], family);
        self.0 != 0 && (0..ALL.len()).any(is_it)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_that_are_left_out() {
        let left_out = LeftOut::parse("states, namedprocess_namegroup_thread_count,").unwrap();
        assert!(left_out.holds(&STATES) && left_out.holds(&THREAD_COUNT));
        assert!(!left_out.holds(&CPU) && !LeftOut::default().holds(&STATES));
        for name in ["nope", "scrape_errors", "namedprocess_scrape_errors"] {
            let error = LeftOut::parse(name).unwrap_err();
            assert!(error.contains(name), "{error}");
        }
    }
}
