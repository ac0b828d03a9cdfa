//! Kernel files that are read at every scrape.
//!
//! Opening and closing a file of procfs or sysfs costs several times what reading it does, so
//! their descriptors stay open and every scrape reads from offset 0, which makes the kernel render
//! the contents anew. A descriptor whose object is gone (module unloaded, device removed) answers
//! with an error; the path is then opened again. Files of other file systems (tests, fixtures,
//! lxcfs) may be replaced by a new file of the same name while the old descriptor still reads, so
//! they are opened at every scrape.

use exporter_core::collector::Error;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use std::ffi::CString;
use std::fmt;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Descriptors that may stay open in the whole process. Beyond it files are opened and closed at
/// every scrape, so a host with thousands of devices costs time, not descriptors.
const BUDGET: usize = 1024;

static OPEN: AtomicUsize = AtomicUsize::new(0);

const PROC_SUPER_MAGIC: u64 = 0x9fa0;
const SYSFS_MAGIC: u64 = 0x6265_6572;

/// Why a file could not be read.
#[derive(Debug)]
pub struct Unread {
    /// The file.
    pub path: PathBuf,
    /// What the system said.
    pub errno: Errno,
}

impl Unread {
    /// It does not exist.
    pub fn is_missing(&self) -> bool {
        self.errno == Errno::NOENT
    }

    /// The error of a collector for which a missing source is no failure.
    pub fn no_data_if_missing(self) -> Error {
        if self.is_missing() {
            Error::no_data(self)
        } else {
            Error::failed(self)
        }
    }
}

impl Unread {
    /// The same, where a source that may not be read is no failure either.
    pub fn no_data_if_out_of_reach(self) -> Error {
        match self.errno {
            Errno::NOENT | Errno::ACCESS | Errno::PERM => Error::no_data(self),
            _ => Error::failed(self),
        }
    }
}

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let why = std::io::Error::from(self.errno);
        write!(f, "could not read {}: {why}", self.path.display())
    }
}

impl std::error::Error for Unread {}

impl From<Unread> for Error {
    fn from(unread: Unread) -> Self {
        Error::failed(unread)
    }
}

/// Room for a short read.
pub type Short = [u8; 128];

/// A file that is read at every scrape. The file need not exist yet.
pub struct KernelFile {
    path: CString,
    kept: Option<Kept>,
}

impl KernelFile {
    /// Nothing is opened before the first read.
    pub fn new(path: impl AsRef<Path>) -> Self {
        // A path with a NUL byte cannot exist; the empty path gives ENOENT as well.
        KernelFile {
            path: CString::new(path.as_ref().as_os_str().as_bytes()).unwrap_or_default(),
            kept: None,
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        Path::new(std::ffi::OsStr::from_bytes(self.path.as_bytes()))
    }

    /// Reads the whole file into `buffer`, whose former contents go.
    pub fn read<'b>(&mut self, buffer: &'b mut Vec<u8>) -> Result<&'b [u8], Unread> {
        match self.with(|fd| read_whole(fd, buffer)) {
            Ok(()) => Ok(buffer),
            Err(errno) => Err(self.unread(errno)),
        }
    }

    /// One read of at most 128 bytes as it stands.
    pub fn one_read<'b>(&mut self, buffer: &'b mut Short) -> Result<&'b [u8], Unread> {
        match self.with(|fd| rustix::io::pread(fd, &mut buffer[..], 0)) {
            Ok(len) => Ok(&buffer[..len]),
            Err(errno) => Err(self.unread(errno)),
        }
    }

    /// One read of at most 128 bytes, white space trimmed: for attributes of drivers, some of which
    /// answer EAGAIN for ever when asked again.
    pub fn short<'b>(&mut self, buffer: &'b mut Short) -> Result<&'b [u8], Unread> {
        self.one_read(buffer).map(<[u8]>::trim_ascii)
    }

    /// A *uint file*: decimal digits and white space around them.
    pub fn uint(&mut self) -> Result<u64, UintError> {
        let mut buffer = [0; 128];
        match self.short(&mut buffer) {
            Ok(text) => {
                super::text::uint(text).ok_or_else(|| UintError::NotANumber(self.path().to_owned()))
            }
            Err(unread) => Err(UintError::Unread(unread)),
        }
    }

    /// The text of a short read as UTF-8; invalid bytes become U+FFFD.
    pub fn short_text(&mut self) -> Result<String, Unread> {
        let mut buffer = [0; 128];
        let bytes = self.short(&mut buffer)?;
        Ok(super::names::label_text(bytes).into_owned())
    }

    fn unread(&self, errno: Errno) -> Unread {
        Unread {
            path: self.path().to_owned(),
            errno,
        }
    }

    fn with<T>(
        &mut self,
        mut read: impl FnMut(BorrowedFd<'_>) -> Result<T, Errno>,
    ) -> Result<T, Errno> {
        use std::os::fd::AsFd;
        if let Some(kept) = &self.kept {
            match read(kept.fd.as_fd()) {
                Err(errno) if object_is_gone(errno) => self.kept = None,
                result => return result,
            }
        }
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOCTTY;
        let fd = rustix::fs::open(self.path.as_c_str(), flags, Mode::empty())?;
        let result = read(fd.as_fd());
        // An attribute that exists but has nothing to say now (EINVAL, ENODATA) is kept as well.
        if !matches!(&result, Err(errno) if object_is_gone(*errno)) {
            self.kept = Kept::new(fd);
        }
        result
    }
}

/// Reads a whole file that is not worth keeping open.
pub fn read_once(path: impl AsRef<Path>) -> Result<Vec<u8>, Unread> {
    let mut buffer = Vec::new();
    KernelFile::new(path).read(&mut buffer)?;
    Ok(buffer)
}

/// A short read of a file that is not worth keeping open, as text.
pub fn short_once(path: impl AsRef<Path>) -> Result<String, Unread> {
    KernelFile::new(path).short_text()
}

/// A *uint file*: decimal digits and white space around them.
pub fn uint_once(path: impl AsRef<Path>) -> Result<u64, UintError> {
    KernelFile::new(path).uint()
}

/// Why there is no number in a file.
#[derive(Debug)]
pub enum UintError {
    /// The file could not be read.
    Unread(Unread),
    /// It holds something else.
    NotANumber(PathBuf),
}

impl UintError {
    /// The file does not exist.
    pub fn is_missing(&self) -> bool {
        matches!(self, UintError::Unread(unread) if unread.is_missing())
    }
}

impl fmt::Display for UintError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            UintError::Unread(unread) => unread.fmt(f),
            UintError::NotANumber(path) => {
                write!(f, "{}: expected a whole number", path.display())
            }
        }
    }
}

impl From<UintError> for Error {
    fn from(error: UintError) -> Self {
        Error::failed(error)
    }
}

fn read_whole(fd: BorrowedFd<'_>, buffer: &mut Vec<u8>) -> Result<(), Errno> {
    buffer.clear();
    loop {
        if buffer.capacity() - buffer.len() < 512 {
            buffer.reserve(4096.max(buffer.capacity()));
        }
        let at = buffer.len() as u64;
        let read = rustix::io::retry_on_intr(|| {
            rustix::io::pread(fd, rustix::buffer::spare_capacity(buffer), at)
        });
        if read? == 0 {
            return Ok(());
        }
    }
}

/// A file that several collectors read in one scrape: the kernel renders it once for all of them.
#[derive(Clone)]
pub struct SharedFile {
    inner: std::sync::Arc<std::sync::Mutex<Shared>>,
}

struct Shared {
    file: KernelFile,
    /// The scrape that the contents belong to.
    scrape: Option<std::time::Instant>,
    contents: std::sync::Arc<Vec<u8>>,
}

impl SharedFile {
    /// Nothing is opened before the first read.
    pub fn new(path: impl AsRef<Path>) -> Self {
        let shared = Shared {
            file: KernelFile::new(path),
            scrape: None,
            contents: Default::default(),
        };
        SharedFile {
            inner: std::sync::Arc::new(std::sync::Mutex::new(shared)),
        }
    }

    /// The contents as of this scrape, which its deadline tells from all others.
    pub fn read(
        &self,
        scrape: &exporter_core::collector::Scrape,
    ) -> Result<std::sync::Arc<Vec<u8>>, Unread> {
        let mut shared = self
            .inner
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let shared = &mut *shared;
        if shared.scrape != Some(scrape.deadline) {
            shared.scrape = None;
            let buffer = std::sync::Arc::make_mut(&mut shared.contents);
            shared.file.read(buffer)?;
            shared.scrape = Some(scrape.deadline);
        }
        Ok(shared.contents.clone())
    }
}

/// What reads of a descriptor answer when the kernel object behind it was removed.
fn object_is_gone(errno: Errno) -> bool {
    matches!(
        errno,
        Errno::NODEV | Errno::NOENT | Errno::SRCH | Errno::STALE | Errno::IO
    )
}

/// A descriptor within the budget, on a file system whose objects never change under it.
struct Kept {
    fd: OwnedFd,
}

impl Kept {
    fn new(fd: OwnedFd) -> Option<Self> {
        if !is_kernel(&fd) {
            return None;
        }
        if OPEN.fetch_add(1, Ordering::Relaxed) >= BUDGET {
            OPEN.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        Some(Kept { fd })
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        OPEN.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Whether a descriptor belongs to procfs or sysfs.
pub(super) fn is_kernel(fd: &OwnedFd) -> bool {
    rustix::fs::fstatfs(fd).is_ok_and(|s| {
        let magic = s.f_type as u64;
        magic == PROC_SUPER_MAGIC || magic == SYSFS_MAGIC
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_kept_file_anew() {
        let mut uptime = KernelFile::new("/proc/uptime");
        let mut buffer = Vec::new();
        let first = uptime.read(&mut buffer).unwrap().to_vec();
        assert!(uptime.kept.is_some());
        std::thread::sleep(std::time::Duration::from_millis(30));
        assert_ne!(first, uptime.read(&mut buffer).unwrap());
    }

    #[test]
    fn follows_a_replaced_regular_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        std::fs::write(&path, "1\n").unwrap();
        let mut file = KernelFile::new(&path);
        let mut short = [0; 128];
        assert_eq!(file.short(&mut short).unwrap(), b"1");
        std::fs::write(dir.path().join("y"), "2\n").unwrap();
        std::fs::rename(dir.path().join("y"), &path).unwrap();
        assert_eq!(file.short(&mut short).unwrap(), b"2");
        std::fs::remove_file(&path).unwrap();
        assert!(file.short(&mut short).unwrap_err().is_missing());
    }

    #[test]
    fn reads_more_than_a_page() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("big");
        let text = "0123456789".repeat(100_000);
        std::fs::write(&path, &text).unwrap();
        let mut buffer = Vec::new();
        assert_eq!(
            KernelFile::new(&path).read(&mut buffer).unwrap(),
            text.as_bytes()
        );
    }
}
