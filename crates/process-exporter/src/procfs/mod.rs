//! Reads processes with as few system calls as the kernel allows.
//!
//! On a mounted procfs the kernel tells some things for almost nothing: the inode number of
//! `/proc/PID`, which comes with the listing, changes when another process takes the number; the
//! size of `/proc/PID/fd` is the number of open descriptors (Linux 6.2); prlimit(2) tells limits;
//! `schedstat` tells whether a task has been on a processor since it was last looked at. A tree of
//! ordinary files that looks like procfs is read by its files alone.

pub mod parse;

use crate::sys;
use rustix::fs::{self, AtFlags, CWD, Mode, OFlags, RawDir};
use rustix::io::Errno;
use std::borrow::Cow;
use std::ffi::CStr;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

/// `f_type` of a mounted procfs.
const PROC_SUPER_MAGIC: u64 = 0x9fa0;
/// Enough for every file that the kernel renders in one piece.
const PIECE: usize = 64 << 10;
/// Command lines and smaps are cut here.
const LARGEST: usize = 16 << 20;

/// Result of a read; errors are what the kernel said, `EINVAL` where a file is not as it should be.
pub type Result<T> = std::result::Result<T, Errno>;

/// A task: a process, or one of its threads.
#[derive(Clone, Copy, Debug)]
pub struct Task<'a> {
    id: u32,
    /// The directory of the threads of its process, where it is one of them.
    siblings: Option<&'a Threads>,
}

impl Task<'_> {
    /// A process as a whole.
    pub fn process(pid: u32) -> Task<'static> {
        Task {
            id: pid,
            siblings: None,
        }
    }
}

/// The threads of a process.
#[derive(Debug)]
pub struct Threads {
    dir: OwnedFd,
}

impl Threads {
    /// One of them.
    pub fn task(&self, tid: u32) -> Task<'_> {
        Task {
            id: tid,
            siblings: Some(self),
        }
    }
}

/// One entry of a listing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Process or thread.
    pub id: u32,
    /// Inode number; on a mounted procfs another process has another one.
    pub inode: u64,
}

/// A procfs, or a tree that looks like one.
#[derive(Debug)]
pub struct Procfs {
    path: PathBuf,
    dir: OwnedFd,
    /// Mounted by the kernel, so that its peculiarities hold.
    live: bool,
    /// Process numbers there are those that system calls take.
    own_namespace: bool,
    /// The size of `fd` is the number of descriptors.
    counts_descriptors: bool,
    boot_time: u64,
    page_size: u64,
    buffer: Vec<u8>,
}

impl Procfs {
    /// Opens a tree and reads when the machine started.
    ///
    /// # Errors
    /// A sentence that names the file.
    pub fn open(path: &Path) -> std::result::Result<Self, String> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let dir = fs::openat(CWD, path, flags, Mode::empty())
            .map_err(|e| format!("{}: {}", path.display(), told(e)))?;
        let live = fs::fstatfs(&dir).is_ok_and(|s| s.f_type as u64 == PROC_SUPER_MAGIC);
        let mut procfs = Procfs {
            path: path.to_owned(),
            dir,
            live,
            own_namespace: false,
            counts_descriptors: false,
            boot_time: 0,
            page_size: rustix::param::page_size() as u64,
            buffer: vec![0; PIECE],
        };
        let stat = path.join("stat");
        let boot_time = open(&procfs.dir, c"stat")
            .and_then(|file| procfs.read(&file))
            .and_then(|b| parse::boot_time(b).ok_or(Errno::INVAL));
        procfs.boot_time = boot_time.map_err(|e| {
            format!(
                "{}: expected a line btime with seconds: {}",
                stat.display(),
                told(e)
            )
        })?;
        if live {
            procfs.own_namespace = procfs.is_own_namespace();
            let descriptors = fs::statat(&procfs.dir, c"self/fd", AtFlags::empty());
            procfs.counts_descriptors = descriptors.is_ok_and(|s| s.st_size > 0);
        }
        Ok(procfs)
    }

    /// The same with a buffer of its own, for another thread.
    pub fn another(&self) -> Result<Self> {
        Ok(Procfs {
            path: self.path.clone(),
            dir: rustix::io::fcntl_dupfd_cloexec(&self.dir, 0)?,
            buffer: vec![0; PIECE],
            ..*self
        })
    }

    /// Seconds since the epoch at which the machine started.
    pub fn boot_time(&self) -> u64 {
        self.boot_time
    }

    /// Bytes of a page.
    pub fn page_size(&self) -> u64 {
        self.page_size
    }

    /// Whether the kernel renders it, so that its peculiarities hold.
    pub fn is_live(&self) -> bool {
        self.live
    }

    /// We have one number only, the one that this tree calls us by.
    fn is_own_namespace(&mut self) -> bool {
        let own = std::process::id().to_string();
        let status = open(&self.dir, c"self/status");
        let Ok(status) = status.and_then(|file| self.read(&file)) else {
            return false;
        };
        let line = status
            .split(|b| *b == b'\n')
            .find_map(|l| l.strip_prefix(b"NSpid:"));
        line.is_some_and(|numbers| numbers.trim_ascii() == own.as_bytes())
    }

    /// Whether the number of descriptors of any process can be told, whoever asks.
    pub fn counts_descriptors(&self) -> bool {
        self.counts_descriptors
    }

    /// Whether nothing can be swapped out now; never claimed of a tree of files.
    pub fn is_swapless(&self) -> bool {
        self.live && rustix::system::sysinfo().totalswap == 0
    }

    /// All processes.
    pub fn processes(&self, out: &mut Vec<Entry>) -> Result<()> {
        // The path anew: what was mounted over or remounted is seen, as the original sees it.
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let dir = fs::openat(CWD, &self.path, flags, Mode::empty())?;
        list(&dir, out)
    }

    /// The threads of a process.
    pub fn threads(&self, pid: u32, out: &mut Vec<Entry>) -> Result<Threads> {
        let dir = self.open_dir(pid, "task")?;
        list(&dir, out)?;
        Ok(Threads { dir })
    }

    /// `stat`
    pub fn stat(&mut self, task: Task<'_>) -> Result<parse::Stat<'_>> {
        parse::stat(self.read_of(task, "stat")?).ok_or(Errno::INVAL)
    }

    /// `status`
    pub fn status(&mut self, task: Task<'_>) -> Result<parse::Status> {
        parse::status(self.read_of(task, "status")?).ok_or(Errno::INVAL)
    }

    /// Bytes read from and written to storage.
    pub fn io(&mut self, task: Task<'_>) -> Result<(u64, u64)> {
        parse::io(self.read_of(task, "io")?).ok_or(Errno::INVAL)
    }

    /// The kernel function that the task waits in.
    pub fn wchan(&mut self, task: Task<'_>) -> Result<Option<Cow<'_, str>>> {
        Ok(parse::wchan(self.read_of(task, "wchan")?))
    }

    /// Nanoseconds on a processor and turns; `None` where the kernel does not count.
    pub fn schedstat(&mut self, task: Task<'_>) -> Option<(u64, u64)> {
        if !self.live {
            return None;
        }
        let bytes = self.read_of(task, "schedstat").ok()?;
        parse::schedstat(bytes).filter(|counted| *counted != (0, 0))
    }

    /// The soft limit of open files.
    pub fn file_limit(&mut self, pid: u32) -> Result<u64> {
        if self.own_namespace
            && let Ok(limit) = sys::file_limit(pid)
        {
            return Ok(limit);
        }
        let bytes = self.read_of(Task::process(pid), "limits")?;
        parse::file_limit(bytes).ok_or(Errno::INVAL)
    }

    /// Number of open descriptors.
    pub fn descriptors(&mut self, pid: u32) -> Result<u64> {
        if self.counts_descriptors {
            let mut path = [0; NAME];
            let path = name(&mut path, pid, "fd");
            let stat = fs::statat(&self.dir, path, AtFlags::empty())?;
            if stat.st_size > 0 {
                return Ok(stat.st_size.unsigned_abs());
            }
        }
        let mut count = 0;
        each(&self.open_dir(pid, "fd")?, |_, _| count += 1)?;
        Ok(count)
    }

    /// Proportional bytes, resident and swapped.
    pub fn proportional(&mut self, pid: u32) -> Result<(u64, u64)> {
        let task = Task::process(pid);
        match self.read_of(task, "smaps_rollup") {
            Ok(bytes) => parse::smaps_rollup(bytes).ok_or(Errno::INVAL),
            Err(Errno::NOENT) => {
                let bytes = self.read_whole(task, "smaps")?;
                parse::smaps(&bytes).ok_or(Errno::INVAL)
            }
            Err(error) => Err(error),
        }
    }

    /// Number of memory mappings.
    pub fn maps(&mut self, pid: u32) -> Result<u64> {
        let file = self.open_of(Task::process(pid), "maps")?;
        let mut count = 0;
        loop {
            let length = rustix::io::read(&file, &mut self.buffer[..])?;
            if length == 0 {
                return Ok(count);
            }
            count += memchr::memchr_iter(b'\n', &self.buffer[..length]).count() as u64;
        }
    }

    /// Arguments.
    pub fn cmdline(&mut self, pid: u32) -> Result<Vec<String>> {
        let task = Task::process(pid);
        // The kernel gives as much as there is room for.
        if self.live {
            let bytes = self.read_of(task, "cmdline")?;
            if bytes.len() < PIECE {
                return Ok(parse::cmdline(bytes));
            }
        }
        let bytes = self.read_whole(task, "cmdline")?;
        Ok(parse::cmdline(&bytes))
    }

    /// Paths of control groups; none where they cannot be read.
    pub fn cgroups(&mut self, pid: u32) -> Vec<String> {
        let bytes = self.read_whole(Task::process(pid), "cgroup");
        bytes.map_or_else(|_| Vec::new(), |bytes| parse::cgroup(&bytes))
    }

    /// Whether a file of a task can be opened.
    pub fn has(&self, task: Task<'_>, file: &str) -> bool {
        self.open_of(task, file).is_ok()
    }

    fn open_dir(&self, pid: u32, dir: &str) -> Result<OwnedFd> {
        let mut path = [0; NAME];
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        fs::openat(&self.dir, name(&mut path, pid, dir), flags, Mode::empty())
    }

    /// What is below `task` is looked up from there: on the way from the top the kernel would look
    /// at the process again each time.
    fn open_of(&self, task: Task<'_>, file: &str) -> Result<OwnedFd> {
        let dir = task.siblings.map_or(&self.dir, |threads| &threads.dir);
        let mut path = [0; NAME];
        open(dir, name(&mut path, task.id, file))
    }

    /// A file that comes in one piece.
    fn read_of(&mut self, task: Task<'_>, file: &str) -> Result<&[u8]> {
        let file = self.open_of(task, file)?;
        self.read(&file)
    }

    fn read(&mut self, file: &OwnedFd) -> Result<&[u8]> {
        let length = rustix::io::read(file, &mut self.buffer[..])?;
        Ok(&self.buffer[..length])
    }

    /// A file that comes in as many pieces as it takes.
    fn read_whole(&mut self, task: Task<'_>, file: &str) -> Result<Vec<u8>> {
        let file = self.open_of(task, file)?;
        let mut bytes = Vec::new();
        loop {
            let piece = self.read(&file)?;
            bytes.extend_from_slice(piece);
            if piece.is_empty() || bytes.len() > LARGEST {
                return Ok(bytes);
            }
        }
    }
}

fn open(dir: &OwnedFd, path: &CStr) -> Result<OwnedFd> {
    fs::openat(dir, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
}

/// Longest path: a number and a file.
const NAME: usize = 32;

/// `ID/FILE`
fn name<'a>(buffer: &'a mut [u8; NAME], id: u32, file: &str) -> &'a CStr {
    let mut length = 0;
    let mut push = |text: &str| {
        let end = length + text.len();
        if let Some(place) = buffer.get_mut(length..end) {
            place.copy_from_slice(text.as_bytes());
            length = end;
        }
    };
    push(itoa::Buffer::new().format(id));
    push("/");
    push(file);
    // The rest of the buffer is zeros.
    CStr::from_bytes_until_nul(buffer).unwrap_or(c"")
}

/// Entries whose names are numbers.
fn list(dir: &OwnedFd, out: &mut Vec<Entry>) -> Result<()> {
    each(dir, |name, inode| {
        let name = name.to_bytes();
        let is_number = name.iter().all(u8::is_ascii_digit) && name.len() < 10;
        let id = std::str::from_utf8(name).ok().and_then(|n| n.parse().ok());
        if let Some(id) = id.filter(|_| is_number) {
            out.push(Entry { id, inode });
        }
    })
}

fn each(dir: &OwnedFd, mut visit: impl FnMut(&CStr, u64)) -> Result<()> {
    let mut buffer = [MaybeUninit::uninit(); 16 << 10];
    let mut entries = RawDir::new(dir.as_fd(), &mut buffer);
    while let Some(entry) = entries.next() {
        let entry = entry?;
        if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
            visit(entry.file_name(), entry.ino());
        }
    }
    Ok(())
}

/// An error in words.
pub fn told(error: Errno) -> String {
    std::io::Error::from(error).to_string()
}
