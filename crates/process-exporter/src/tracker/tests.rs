use super::*;
use crate::config;
use crate::testing::{BOOT, Task as Files, Tree};
use std::fs;

const OPTIONS: Options = Options {
    children: true,
    recheck: Recheck::Never,
    remove_empty: false,
    threads: true,
    proportional: true,
    proportional_limit: 0,
    main_thread_once: false,
    absent: false,
    maps: false,
    left_out: LeftOut::NONE,
};

const BY_COMM: &str = "process_names:\n- {name: 'g:{{.Comm}}', comm: [a, b, many, late]}\n";

fn tracker(tree: &Tree, options: Options) -> Tracker {
    let naming = Naming::Items(config::parse(BY_COMM).unwrap());
    let procfs = Procfs::open(tree.path()).unwrap();
    let mut tracker = Tracker::new(procfs, naming, options);
    tracker.collect().unwrap();
    tracker
}

/// Later than the first collection of any test.
fn late() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    (now.as_secs() - BOOT + 1000) * 100
}

fn text(tracker: &Tracker) -> String {
    let mut arena = Arena::new();
    tracker.put(&mut arena);
    arena.seal();
    let mut text = Vec::new();
    let format = exporter_core::exposition::format::negotiate(None, Default::default());
    format.encode(&arena, &mut text);
    String::from_utf8(text).unwrap()
}

/// Values of `namedprocess_namegroup_` series.
fn values<const N: usize>(tracker: &Tracker, series: [&str; N]) -> [Option<f64>; N] {
    let text = text(tracker);
    series.map(|series| {
        let start = format!("namedprocess_namegroup_{series} ");
        let line = text.lines().find_map(|l| l.strip_prefix(&start));
        line.map(|value| value.parse().unwrap())
    })
}

fn named(comm: &'static str) -> Files {
    Files {
        comm,
        ..Files::default()
    }
}

#[test]
fn what_was_used_before_does_not_count_and_what_is_used_later_does() {
    let tree = Tree::new();
    let mut files = Files {
        utime: 500,
        read: 100,
        minor_faults: 10,
        switches: [5, 2],
        ..named("a")
    };
    tree.put(7, &files);
    let mut tracker = tracker(&tree, OPTIONS);
    let series = [
        "cpu_seconds_total{groupname=\"g:a\",mode=\"user\"}",
        "read_bytes_total{groupname=\"g:a\"}",
        "minor_page_faults_total{groupname=\"g:a\"}",
        "context_switches_total{ctxswitchtype=\"voluntary\",groupname=\"g:a\"}",
        "num_procs{groupname=\"g:a\"}",
    ];
    assert_eq!(
        values(&tracker, series),
        [0.0, 0.0, 0.0, 0.0, 1.0].map(Some)
    );
    files.utime += 150;
    files.read += 4096;
    files.minor_faults += 3;
    files.switches = [9, 2];
    tree.put(7, &files);
    tracker.collect().unwrap();
    let used = [1.5, 4096.0, 3.0, 4.0, 1.0].map(Some);
    assert_eq!(values(&tracker, series), used);
    // Another process of that number, from before the first collection: nothing of it counts.
    files.start += 1;
    files.utime += 1000;
    tree.put(7, &files);
    tracker.collect().unwrap();
    assert_eq!(values(&tracker, series), used);
    // The group outlives its processes.
    tree.remove(7);
    tracker.collect().unwrap();
    let series_of_none = [
        series[0],
        series[4],
        "oldest_start_time_seconds{groupname=\"g:a\"}",
        "states{groupname=\"g:a\",state=\"Sleeping\"}",
    ];
    let expected = [1.5, 0.0, -62_135_596_800.0, 0.0].map(Some);
    assert_eq!(values(&tracker, series_of_none), expected);
    assert_eq!(tracker.remembered(), 0);
}

#[test]
fn processes_born_later_count_from_their_birth() {
    let tree = Tree::new();
    let mut tracker = tracker(&tree, OPTIONS);
    let files = Files {
        utime: 70,
        switches: [4, 1],
        start: late(),
        ..named("late")
    };
    tree.put(8, &files);
    tracker.collect().unwrap();
    let series = [
        "cpu_seconds_total{groupname=\"g:late\",mode=\"user\"}",
        "context_switches_total{ctxswitchtype=\"voluntary\",groupname=\"g:late\"}",
    ];
    assert_eq!(values(&tracker, series), [Some(0.7), Some(4.0)]);
    // A process of which a file fails once is new the next time, as in the original.
    fs::rename(tree.path().join("8/status"), tree.path().join("8/gone")).unwrap();
    fs::create_dir(tree.path().join("8/status")).unwrap();
    tracker.collect().unwrap();
    assert_eq!(tracker.errors().read, 1);
    let procs = ["num_procs{groupname=\"g:late\"}"];
    assert_eq!(values(&tracker, procs), [Some(0.0)]);
    tree.put(8, &files);
    tracker.collect().unwrap();
    assert_eq!(values(&tracker, series), [Some(1.4), Some(8.0)]);
}

#[test]
fn gauges() {
    let tree = Tree::new();
    let waiting = Files {
        state: 'D',
        wchan: "io_schedule",
        open: 5,
        start: 250,
        ..named("a")
    };
    tree.put(7, &waiting);
    tree.put(8, &named("a"));
    let tracker = tracker(&tree, OPTIONS);
    let page = tracker.reader.procfs.page_size() as f64;
    let series = [
        "num_procs{groupname=\"g:a\"}",
        "num_threads{groupname=\"g:a\"}",
        "memory_bytes{groupname=\"g:a\",memtype=\"resident\"}",
        "memory_bytes{groupname=\"g:a\",memtype=\"virtual\"}",
        "memory_bytes{groupname=\"g:a\",memtype=\"swapped\"}",
        "memory_bytes{groupname=\"g:a\",memtype=\"proportionalResident\"}",
        "memory_bytes{groupname=\"g:a\",memtype=\"proportionalSwapped\"}",
        "open_filedesc{groupname=\"g:a\"}",
        "worst_fd_ratio{groupname=\"g:a\"}",
        "oldest_start_time_seconds{groupname=\"g:a\"}",
        "states{groupname=\"g:a\",state=\"Waiting\"}",
        "states{groupname=\"g:a\",state=\"Sleeping\"}",
        "states{groupname=\"g:a\",state=\"Other\"}",
        "threads_wchan{groupname=\"g:a\",wchan=\"io_schedule\"}",
    ];
    let expected = [
        2.0,
        2.0,
        4.0 * page,
        8192.0,
        6144.0,
        14336.0,
        2048.0,
        7.0,
        0.5,
        BOOT as f64 + 2.0,
        1.0,
        1.0,
        0.0,
        1.0,
    ];
    assert_eq!(values(&tracker, series), expected.map(Some));
    let options = Options {
        proportional_limit: page as u64,
        ..OPTIONS
    };
    let tracker = super::tests::tracker(&tree, options);
    assert_eq!(values(&tracker, [series[5]]), [Some(0.0)]);
    assert_eq!(tracker.errors(), Errors::default());
}

fn thread(comm: &'static str, utime: u64, switches: u64) -> Files {
    Files {
        utime,
        switches: [switches, 0],
        ..named(comm)
    }
}

#[test]
fn threads_are_pooled_by_name() {
    let tree = Tree::new();
    let many = |threads: Vec<(u32, Files)>| Files {
        threads,
        ..named("many")
    };
    tree.put(
        20,
        &many(vec![
            (20, thread("many", 10, 3)),
            (21, thread("io", 20, 4)),
            (22, thread("io", 30, 5)),
        ]),
    );
    let mut tracker = tracker(&tree, OPTIONS);
    let series = [
        "thread_count{groupname=\"g:many\",threadname=\"io\"}",
        "thread_cpu_seconds_total{groupname=\"g:many\",mode=\"user\",threadname=\"io\"}",
        "thread_cpu_seconds_total{groupname=\"g:many\",mode=\"user\",threadname=\"net\"}",
        "context_switches_total{ctxswitchtype=\"voluntary\",groupname=\"g:many\"}",
        "states{groupname=\"g:many\",state=\"Sleeping\"}",
    ];
    let [count, io, net, switches, states] = values(&tracker, series);
    assert_eq!((count, io, net), (Some(2.0), Some(0.0), None));
    // The first thread counts as the process too.
    assert_eq!((switches, states), (Some(0.0), Some(4.0)));
    // One works, one takes another name, one is new.
    tree.put(
        20,
        &many(vec![
            (20, thread("many", 10, 3)),
            (21, thread("io", 120, 6)),
            (22, thread("net", 80, 5)),
            (23, thread("net", 40, 7)),
        ]),
    );
    tracker.collect().unwrap();
    let expected = [1.0, 1.0, 0.5, 9.0, 5.0].map(Some);
    assert_eq!(values(&tracker, series), expected);
    // Those that leave take nothing away, whether one is left or several.
    for rest in [
        vec![(20, thread("many", 10, 4)), (23, thread("net", 40, 7))],
        vec![],
    ] {
        let mut files = many(rest);
        files.switches = [4, 0];
        tree.put(20, &files);
        tracker.collect().unwrap();
        assert_eq!(values(&tracker, [series[3]]), [Some(10.0)]);
    }
    assert_eq!(
        values(&tracker, [series[2]]),
        [None],
        "one thread has no families of threads"
    );
    // A name that comes back goes on where it was.
    tree.put(
        20,
        &many(vec![(20, thread("many", 10, 4)), (24, thread("net", 5, 1))]),
    );
    tracker.collect().unwrap();
    assert_eq!(
        values(&tracker, [series[2], series[3]]),
        [Some(0.5), Some(11.0)]
    );
    // So it does when the whole group was away.
    tree.remove(20);
    tracker.collect().unwrap();
    assert_eq!(values(&tracker, [series[2]]), [None]);
    tree.put(
        25,
        &many(vec![(25, thread("many", 10, 4)), (26, thread("net", 5, 1))]),
    );
    tracker.collect().unwrap();
    assert_eq!(values(&tracker, [series[2]]), [Some(0.5)]);
}

#[test]
fn the_first_thread_can_count_once() {
    let tree = Tree::new();
    let threads = vec![(20, thread("many", 0, 0)), (21, thread("io", 0, 0))];
    tree.put(
        20,
        &Files {
            threads,
            ..named("many")
        },
    );
    let options = Options {
        main_thread_once: true,
        threads: false,
        ..OPTIONS
    };
    let tracker = tracker(&tree, options);
    let series = [
        "states{groupname=\"g:many\",state=\"Sleeping\"}",
        "thread_count{groupname=\"g:many\",threadname=\"io\"}",
    ];
    assert_eq!(values(&tracker, series), [Some(2.0), None]);
}

#[test]
fn children_follow_their_parents() {
    let tree = Tree::new();
    let child = |parent| Files {
        parent,
        ..named("x")
    };
    tree.put(
        1,
        &Files {
            parent: 0,
            ..named("init")
        },
    );
    tree.put(9, &child(8));
    tree.put(8, &child(7));
    tree.put(7, &named("a"));
    tree.put(5, &child(1));
    tree.put(6, &child(4000));
    // A ring of numbers used again.
    tree.put(11, &child(12));
    tree.put(12, &child(11));
    let mut tracker = tracker(&tree, OPTIONS);
    let procs = ["num_procs{groupname=\"g:a\"}"];
    assert_eq!(values(&tracker, procs), [Some(3.0)]);
    // Once ignored, always ignored; born of a member, a member.
    tree.put(5, &child(7));
    tree.put(10, &child(9));
    tracker.collect().unwrap();
    assert_eq!(values(&tracker, procs), [Some(4.0)]);
    let options = Options {
        children: false,
        ..OPTIONS
    };
    let tracker = super::tests::tracker(&tree, options);
    assert_eq!(values(&tracker, procs), [Some(1.0)]);
}

#[test]
fn names_are_looked_at_again_only_where_told() {
    for (recheck, children, found) in [
        (Recheck::Never, true, None),
        (Recheck::Always, true, Some(1.0)),
        (Recheck::Never, false, Some(1.0)),
        (Recheck::For(1.0), true, None),
        (Recheck::For(1e12), true, Some(1.0)),
    ] {
        let tree = Tree::new();
        tree.put(7, &named("x"));
        tree.put(8, &named("a"));
        let options = Options {
            recheck,
            children,
            ..OPTIONS
        };
        let mut tracker = tracker(&tree, options);
        tree.put(7, &named("b"));
        tree.put(8, &named("b"));
        tracker.collect().unwrap();
        let series = [
            "num_procs{groupname=\"g:b\"}",
            "num_procs{groupname=\"g:a\"}",
        ];
        // What is in a group stays there.
        assert_eq!(
            values(&tracker, series),
            [found, Some(1.0)],
            "{recheck:?} {children}"
        );
    }
}

#[test]
fn what_is_looked_at_again_may_have_another_parent_and_fail_otherwise() {
    let tree = Tree::new();
    let child = |parent| Files {
        parent,
        ..named("x")
    };
    tree.put(7, &named("a"));
    tree.put(8, &child(1));
    let options = Options {
        recheck: Recheck::Always,
        ..OPTIONS
    };
    let mut tracker = tracker(&tree, options);
    fs::remove_file(tree.path().join("8/wchan")).unwrap();
    tracker.collect().unwrap();
    assert_eq!(tracker.errors().partial, 1);
    let procs = ["num_procs{groupname=\"g:a\"}"];
    assert_eq!(values(&tracker, procs), [Some(1.0)]);
    tree.put(8, &child(7));
    tracker.collect().unwrap();
    assert_eq!(tracker.errors().partial, 1);
    assert_eq!(values(&tracker, procs), [Some(2.0)]);
}

#[test]
fn a_new_configuration_names_what_was_ignored() {
    let tree = Tree::new();
    tree.put(7, &named("x"));
    tree.put(8, &named("a"));
    let mut tracker = tracker(&tree, OPTIONS);
    let text = "process_names:\n- {name: new, comm: [x, a]}\n";
    tracker.rename(Naming::Items(config::parse(text).unwrap()));
    tracker.collect().unwrap();
    let series = [
        "num_procs{groupname=\"new\"}",
        "num_procs{groupname=\"g:a\"}",
    ];
    assert_eq!(values(&tracker, series), [Some(1.0), Some(1.0)]);
}

#[test]
fn what_cannot_be_read_is_counted_once_a_process_and_collection() {
    let tree = Tree::new();
    tree.put(7, &named("a"));
    for file in ["io", "wchan", "smaps_rollup"] {
        fs::remove_file(tree.path().join("7").join(file)).unwrap();
    }
    let mut tracker = tracker(&tree, OPTIONS);
    tracker.collect().unwrap();
    assert_eq!(
        tracker.errors(),
        Errors {
            read: 0,
            partial: 2
        }
    );
    let series = [
        "num_procs{groupname=\"g:a\"}",
        "memory_bytes{groupname=\"g:a\",memtype=\"proportionalResident\"}",
    ];
    assert_eq!(values(&tracker, series), [Some(1.0), Some(0.0)]);
    // Where the kernel has no summary, all mappings are added up.
    let smaps = "0-1 r--p 0 00:00 0\nPss: 4 kB\nSwapPss: 0 kB\n1-2 r--p 0 00:00 0\nPss: 5 kB\n";
    fs::write(tree.path().join("7/smaps"), smaps).unwrap();
    tracker.collect().unwrap();
    assert_eq!(values(&tracker, [series[1]]), [Some(9216.0)]);
}

#[test]
fn short_lives_leave_nothing_behind_and_count_once() {
    let tree = Tree::new();
    let mut tracker = tracker(&tree, OPTIONS);
    let files = Files {
        utime: 1,
        start: late(),
        ..named("late")
    };
    for round in 0..5 {
        for pid in 0..8 {
            tree.put(1000 + round * 8 + pid, &files);
            tree.put(
                5000 + round * 8 + pid,
                &Files {
                    start: late(),
                    ..named("x")
                },
            );
        }
        tracker.collect().unwrap();
        tracker.collect().unwrap();
        assert_eq!(tracker.remembered(), 16);
        for pid in 0..8 {
            tree.remove(1000 + round * 8 + pid);
            tree.remove(5000 + round * 8 + pid);
        }
    }
    tracker.collect().unwrap();
    assert_eq!(tracker.remembered(), 0);
    let series = ["cpu_seconds_total{groupname=\"g:late\",mode=\"user\"}"];
    assert_eq!(values(&tracker, series), [Some(0.4)]);
}

#[test]
fn a_procfs_that_is_gone_keeps_what_is_known() {
    let tree = Tree::new();
    tree.put(7, &named("a"));
    let mut tracker = tracker(&tree, OPTIONS);
    let away = tree.path().with_extension("away");
    fs::rename(tree.path(), &away).unwrap();
    assert_eq!(tracker.collect(), Err(Errno::NOENT));
    fs::rename(&away, tree.path()).unwrap();
    tracker.collect().unwrap();
    assert_eq!(
        values(&tracker, ["num_procs{groupname=\"g:a\"}"]),
        [Some(1.0)]
    );
}

/// We ourselves, as the kernel tells it.
#[test]
fn the_procfs_of_this_machine() {
    let naming = Naming::Items(
        config::parse(&format!(
            "process_names:\n- {{name: own, cmdline: ['{}']}}\n",
            regex::escape(&std::env::args().next().unwrap())
        ))
        .unwrap(),
    );
    let procfs = Procfs::open(std::path::Path::new("/proc")).unwrap();
    assert!(procfs.is_live());
    let mut tracker = Tracker::new(procfs, naming, OPTIONS);
    // The first is not exposed, and leaves out what costs most.
    tracker.collect().unwrap();
    for _ in 0..3 {
        tracker.collect().unwrap();
        let series = [
            "num_procs{groupname=\"own\"}",
            "open_filedesc{groupname=\"own\"}",
            "memory_bytes{groupname=\"own\",memtype=\"proportionalResident\"}",
        ];
        let [procs, open, proportional] = values(&tracker, series);
        assert!(procs >= Some(1.0) && open >= Some(3.0) && proportional > Some(0.0));
    }
}
