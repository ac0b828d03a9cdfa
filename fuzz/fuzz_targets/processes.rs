//! No bytes of a file of a process, and no configuration, make the process exporter panic. The first
//! byte chooses the parser.

#![no_main]

use libfuzzer_sys::fuzz_target;
use process_exporter::naming::{Identity, Naming};
use process_exporter::procfs::parse as p;
use process_exporter::users::Users;

fuzz_target!(|data: &[u8]| {
    let Some((choice, bytes)) = data.split_first() else {
        return;
    };
    match choice % 12 {
        0 => drop(p::stat(bytes)),
        1 => drop(p::status(bytes)),
        2 => drop(p::io(bytes)),
        3 => drop(p::file_limit(bytes)),
        4 => drop(p::smaps_rollup(bytes)),
        5 => drop(p::smaps(bytes)),
        6 => drop((p::schedstat(bytes), p::wchan(bytes), p::boot_time(bytes))),
        7 => drop((p::cmdline(bytes), p::cgroup(bytes))),
        8 => drop(lists(bytes)),
        _ => name(bytes),
    }
});

fn lists(bytes: &[u8]) -> Result<Naming, String> {
    let text = String::from_utf8_lossy(bytes);
    let (names, mapping) = text.split_once('\n').unwrap_or((&text, ""));
    Naming::from_lists(names, mapping)
}

/// A configuration, and what it makes of a process.
fn name(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let Ok(items) = process_exporter::config::parse(&text) else {
        return;
    };
    let process = Identity {
        pid: 42,
        comm: "java".to_owned(),
        arguments: vec!["/usr/bin/java".to_owned(), "-jar".to_owned(), "é.jar".to_owned()],
        uid: 0,
        started: 177_260_076_708,
    };
    let cgroups = || vec!["/a/b".to_owned()];
    let _ = Naming::Items(items).name(&process, &mut Users::default(), cgroups);
}
