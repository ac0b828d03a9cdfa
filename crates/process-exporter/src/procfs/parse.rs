//! The files of a process, from bytes to numbers. proc(5) and the kernel's
//! Documentation/filesystems/proc.rst tell the fields.

use exporter_core::exposition::names::lossy;
use std::borrow::Cow;

/// `stat`, as far as it is wanted. Times are in hundredths of a second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stat<'a> {
    /// Name of the task, not always text.
    pub comm: &'a [u8],
    /// One letter.
    pub state: u8,
    /// Parent.
    pub ppid: i32,
    /// Page faults that no disk was read for.
    pub minor_faults: u64,
    /// Page faults that a disk was read for.
    pub major_faults: u64,
    /// Time in user mode.
    pub utime: u64,
    /// Time in the kernel.
    pub stime: u64,
    /// Threads of the process.
    pub threads: u64,
    /// Start, since boot.
    pub start: u64,
    /// Virtual memory in bytes.
    pub vsize: u64,
    /// Resident pages.
    pub rss: u64,
}

/// Fields behind the name that every kernel since 2.6.24 writes.
const FIELDS: usize = 42;

/// Parses `stat`. The name stands between the first `(` and the last `)`.
pub fn stat(bytes: &[u8]) -> Option<Stat<'_>> {
    let open = memchr::memchr(b'(', bytes)?;
    let close = memchr::memrchr(b')', bytes)?;
    let comm = bytes.get(open + 1..close)?;
    let mut stat = Stat {
        comm,
        ..Stat::default()
    };
    let mut count = 0;
    let fields = bytes[close + 1..].split(|b| b.is_ascii_whitespace());
    for field in fields.filter(|f| !f.is_empty()) {
        // Numbered as in proc(5), where the state is the third.
        match count + 3 {
            3 => stat.state = field[0],
            4 => stat.ppid = i32::try_from(signed(field)?).ok()?,
            10 => stat.minor_faults = number(field)?,
            12 => stat.major_faults = number(field)?,
            14 => stat.utime = number(field)?,
            15 => stat.stime = number(field)?,
            20 => stat.threads = u64::try_from(signed(field)?).unwrap_or(0),
            22 => stat.start = number(field)?,
            23 => stat.vsize = number(field)?,
            24 => stat.rss = u64::try_from(signed(field)?).unwrap_or(0),
            _ => {}
        }
        count += 1;
    }
    (count >= FIELDS).then_some(stat)
}

/// `status`, as far as it is wanted; what is missing is 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Effective user.
    pub uid: u64,
    /// Swapped memory in bytes.
    pub swap: u64,
    /// Times that the task gave the processor up.
    pub voluntary: u64,
    /// Times that it was taken away.
    pub nonvoluntary: u64,
}

/// Parses `status`. Only a user that is no number is an error.
pub fn status(bytes: &[u8]) -> Option<Status> {
    let mut status = Status::default();
    if let Some(line) = line(bytes, b"Uid:") {
        let mut users = line.trim_ascii().split(|b| *b == b'\t');
        number(users.next()?)?;
        status.uid = users.next().map_or(Some(0), number)?;
    }
    let of = |name| line(bytes, name).and_then(|text| number(text.trim_ascii()));
    status.swap = line(bytes, b"VmSwap:").and_then(kibibytes).unwrap_or(0);
    status.voluntary = of(b"voluntary_ctxt_switches:").unwrap_or(0);
    status.nonvoluntary = of(b"nonvoluntary_ctxt_switches:").unwrap_or(0);
    Some(status)
}

/// `read_bytes` and `write_bytes` of `io`: the fifth and the sixth of seven lines.
pub fn io(bytes: &[u8]) -> Option<(u64, u64)> {
    const NAMES: [&[u8]; 7] = [
        b"rchar:",
        b"wchar:",
        b"syscr:",
        b"syscw:",
        b"read_bytes:",
        b"write_bytes:",
        b"cancelled_write_bytes:",
    ];
    let mut lines = bytes.split(|b| *b == b'\n');
    let mut values = [0; NAMES.len()];
    for (value, name) in values.iter_mut().zip(NAMES) {
        let text = lines.next()?.strip_prefix(name)?.trim_ascii();
        *value = u64::try_from(signed(text)?).unwrap_or(0);
    }
    Some((values[4], values[5]))
}

/// The soft limit of open files of `limits`, 0 where it is not told. The first line is the head;
/// every other holds a name, two values and mostly a unit.
pub fn file_limit(bytes: &[u8]) -> Option<u64> {
    let mut limit = 0;
    for line in bytes
        .split(|b| *b == b'\n')
        .skip(1)
        .filter(|l| !l.is_empty())
    {
        // Names hold single blanks; columns stand apart by at least two.
        let gap = memchr::memmem::find(line, b"  ")?;
        let mut values = line[gap..].split(|b| *b == b' ').filter(|v| !v.is_empty());
        let soft = resource(values.next()?)?;
        // The original asks no more of the hard limit, but that it has no sign.
        let hard = values.next()?;
        hard.first()?.is_ascii_alphanumeric().then_some(())?;
        if line.starts_with(b"Max open files ") {
            limit = soft;
        }
    }
    Some(limit)
}

fn resource(text: &[u8]) -> Option<u64> {
    match text {
        b"unlimited" => Some(u64::MAX),
        text => number(text),
    }
}

/// Bytes of `Pss` and `SwapPss` of `smaps_rollup`. The first line names the address range.
pub fn smaps_rollup(bytes: &[u8]) -> Option<(u64, u64)> {
    let head = memchr::memchr(b'\n', bytes).map_or(bytes.len(), |at| at + 1);
    let rest = &bytes[head..];
    let mut lines = rest.split(|b| *b == b'\n').filter(|l| !l.is_empty());
    let is_number = |line: &[u8]| {
        let at = memchr::memchr(b':', line)?;
        kibibytes(&line[at + 1..])
    };
    lines
        .all(|line| line.starts_with(b"VmFlags") || is_number(line).is_some())
        .then(|| proportional(rest))
}

/// The same, summed over all mappings of `smaps`.
pub fn smaps(bytes: &[u8]) -> Option<(u64, u64)> {
    Some(proportional(bytes))
}

fn proportional(bytes: &[u8]) -> (u64, u64) {
    let (mut resident, mut swapped) = (0u64, 0u64);
    for line in bytes.split(|b| *b == b'\n') {
        let of = |name: &[u8]| line.strip_prefix(name).and_then(kibibytes).unwrap_or(0);
        resident = resident.saturating_add(of(b"Pss:"));
        swapped = swapped.saturating_add(of(b"SwapPss:"));
    }
    (resident, swapped)
}

/// Nanoseconds on a processor and how often the task came onto one, of `schedstat`.
pub fn schedstat(bytes: &[u8]) -> Option<(u64, u64)> {
    let mut fields = bytes.trim_ascii().split(|b| *b == b' ');
    let time = number(fields.next()?)?;
    Some((time, number(fields.nth(1)?)?))
}

/// Arguments of `cmdline`; none for kernel threads and zombies.
pub fn cmdline(bytes: &[u8]) -> Vec<String> {
    if bytes.is_empty() {
        return Vec::new();
    }
    let end = bytes.iter().rposition(|b| *b != 0).map_or(0, |at| at + 1);
    let arguments = bytes[..end].split(|b| *b == 0);
    arguments.map(|a| lossy(a).into_owned()).collect()
}

/// The paths of `cgroup`, a line `id:controllers:path` each; none where a line is not so.
pub fn cgroup(bytes: &[u8]) -> Vec<String> {
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let lines = bytes.split(|b| *b == b'\n');
    let path = |line: &[u8]| {
        let mut parts = line.splitn(3, |b| *b == b':');
        signed(parts.next()?)?;
        Some(lossy(parts.nth(1)?).into_owned())
    };
    lines.map(path).collect::<Option<_>>().unwrap_or_default()
}

/// Seconds since the epoch at which the machine started, of `stat` of the whole machine.
pub fn boot_time(bytes: &[u8]) -> Option<u64> {
    number(line(bytes, b"btime")?.trim_ascii())
}

/// Where the kernel waits: nothing, or the name of a function, which no newline follows.
pub fn wchan(bytes: &[u8]) -> Option<Cow<'_, str>> {
    match bytes {
        b"" | b"0" => None,
        name => Some(lossy(name)),
    }
}

/// What follows `name` at the beginning of a line.
fn line<'a>(bytes: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let mut from = 0;
    loop {
        let at = from + memchr::memmem::find(&bytes[from..], name)?;
        let rest = &bytes[at + name.len()..];
        if at == 0 || bytes[at - 1] == b'\n' {
            let end = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
            return Some(&rest[..end]);
        }
        from = at + name.len();
    }
}

/// `  12 kB` in bytes.
fn kibibytes(text: &[u8]) -> Option<u64> {
    let text = text.trim_ascii();
    let digits = text.strip_suffix(b" kB").unwrap_or(text);
    Some(number(digits)?.saturating_mul(1024))
}

fn number(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0u64, |value, byte| {
        let digit = byte.wrapping_sub(b'0');
        let value = value.checked_mul(10)?.checked_add(u64::from(digit))?;
        (digit <= 9).then_some(value)
    })
}

fn signed(text: &[u8]) -> Option<i64> {
    match text.strip_prefix(b"-") {
        Some(digits) => 0i64.checked_sub(i64::try_from(number(digits)?).ok()?),
        None => i64::try_from(number(text)?).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const STAT: &str = "3148 (a) (b c) S 1 3148 3148 0 -1 4194560 1234 99 5 1 250 75 0 0 20 0 3 0 \
        48621 73728000 321 18446744073709551615 94 95 140 0 0 0 0 4096 0 0 0 0 17 1 0 0 0 0 0 94 \
        95 96 140 141 142 143 0\n";
    const STATUS: &str = "Name:\tx\nUmask:\t0022\nState:\tS (sleeping)\nUid:\t1000\t33\t1000\t1000\n\
        Gid:\t0\t0\t0\t0\nVmRSS:\t    1284 kB\nVmSwap:\t      12 kB\nThreads:\t1\n\
        voluntary_ctxt_switches:\t17\nnonvoluntary_ctxt_switches:\t4\n";
    const IO: &str = "rchar: 1\nwchar: 2\nsyscr: 3\nsyscw: 4\nread_bytes: 4096\nwrite_bytes: 8192\n\
        cancelled_write_bytes: 0\n";
    const LIMITS: &str = "\
Limit                     Soft Limit           Hard Limit           Units     
Max cpu time              unlimited            unlimited            seconds   
Max open files            1024                 1048576              files     
Max nice priority         0                    0                    
";
    const ROLLUP: &str = "55d0c0000000-7ffd00000000 ---p 00000000 00:00 0      [rollup]\n\
        Rss:                1284 kB\nPss:                 120 kB\nPss_Dirty:            88 kB\n\
        Swap:                 12 kB\nSwapPss:               6 kB\nLocked:                0 kB\n";

    #[test]
    fn stat_fields() {
        let stat = stat(STAT.as_bytes()).unwrap();
        assert_eq!(stat.comm, b"a) (b c");
        assert_eq!((stat.state, stat.ppid, stat.threads), (b'S', 1, 3));
        assert_eq!((stat.minor_faults, stat.major_faults), (1234, 5));
        assert_eq!((stat.utime, stat.stime, stat.start), (250, 75, 48621));
        assert_eq!((stat.vsize, stat.rss), (73_728_000, 321));
        let short = STAT.split(' ').take(30).collect::<Vec<_>>().join(" ");
        assert_eq!(super::stat(short.as_bytes()), None);
        assert_eq!(super::stat(b"1 x S"), None);
    }

    #[test]
    fn status_lines() {
        let expected = Status {
            uid: 33,
            swap: 12 * 1024,
            voluntary: 17,
            nonvoluntary: 4,
        };
        assert_eq!(status(STATUS.as_bytes()), Some(expected));
        assert_eq!(status(b"Name:\tkthreadd\n"), Some(Status::default()));
        assert_eq!(status(b"VmSwap:\tmuch kB\n"), Some(Status::default()));
        assert_eq!(status(b"Uid:\tme\tme\tme\tme\n"), None);
    }

    #[test]
    fn other_files() {
        assert_eq!(io(IO.as_bytes()), Some((4096, 8192)));
        assert_eq!(io(&IO.as_bytes()[9..]), None);
        assert_eq!(file_limit(LIMITS.as_bytes()), Some(1024));
        let unlimited = LIMITS.replace("1024     ", "unlimited");
        assert_eq!(file_limit(unlimited.as_bytes()), Some(u64::MAX));
        assert_eq!(file_limit(LIMITS.replace("1024", "-1").as_bytes()), None);
        let hard = |text| file_limit(LIMITS.replace("1048576", text).as_bytes());
        assert_eq!(
            (hard("1e6"), hard("-1"), hard("")),
            (Some(1024), None, Some(1024))
        );
        assert_eq!(file_limit(b"Limit\nMax open files\n"), None);
        assert_eq!(file_limit(b"Limit\n"), Some(0));
        assert_eq!(
            smaps_rollup(ROLLUP.as_bytes()),
            Some((120 * 1024, 6 * 1024))
        );
        assert_eq!(smaps_rollup(b""), Some((0, 0)));
        assert_eq!(smaps_rollup(b"Pss: 5 kB"), Some((0, 0)));
        assert_eq!(smaps_rollup(b"range\nPss 5\n"), None);
        let twice = format!("{ROLLUP}{ROLLUP}");
        assert_eq!(smaps(twice.as_bytes()), Some((240 * 1024, 12 * 1024)));
        assert_eq!(schedstat(b"120345 7 19\n"), Some((120_345, 19)));
        assert_eq!(
            boot_time(b"cpu  1 2\nbtime 1772600767\n"),
            Some(1_772_600_767)
        );
        assert_eq!((wchan(b"0"), wchan(b"")), (None, None));
        assert_eq!(wchan(b"do_wait").as_deref(), Some("do_wait"));
    }

    #[test]
    fn command_lines_and_control_groups() {
        for (bytes, arguments) in [
            (&b""[..], &[][..]),
            (b"\0\0", &[""]),
            (b"sleep\x005\0", &["sleep", "5"]),
            (b"a\0\0b\0\0", &["a", "", "b"]),
            (b"nginx: worker", &["nginx: worker"]),
            (b"\xff\xfex\0", &["\u{fffd}x"]),
        ] {
            assert_eq!(cmdline(bytes), arguments, "{bytes:?}");
        }
        assert_eq!(cgroup(b"1:cpu:/a\n0::/b:c\n"), ["/a", "/b:c"]);
        assert!(cgroup(b"nonsense\n").is_empty());
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>, cut in 0usize..600, change: u8) {
            let inputs = [STAT, STATUS, IO, LIMITS, ROLLUP];
            let damaged = inputs.map(|text| {
                let mut damaged = text.as_bytes().to_vec();
                let at = cut % damaged.len();
                damaged[at] = change;
                damaged
            });
            for bytes in damaged.iter().chain([&bytes]) {
                stat(bytes);
                status(bytes);
                io(bytes);
                file_limit(bytes);
                smaps_rollup(bytes);
                smaps(bytes);
                schedstat(bytes);
                cmdline(bytes);
                cgroup(bytes);
                boot_time(bytes);
                wchan(bytes);
            }
        }
    }
}
