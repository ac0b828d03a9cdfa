//! Directories whose entries are devices.

use super::file::{Unread, is_kernel};
use rustix::fs::{Mode, OFlags, RawDir};
use rustix::io::Errno;
use std::hash::{DefaultHasher, Hasher};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// One device of a directory and what its collector keeps of it (open attributes, its labels).
pub struct Device<S> {
    /// Name of the entry; invalid UTF-8 became U+FFFD.
    pub name: String,
    /// What the collector made when the entry appeared.
    pub state: S,
    inode: u64,
}

/// The entries of a directory, re-read at every scrape.
///
/// An entry keeps its state for as long as its name stands for the same kernel object: a device
/// that is renamed, or removed and added again, has another inode number and starts anew. On
/// file systems other than procfs and sysfs states never outlive a scrape.
pub struct Devices<S> {
    path: PathBuf,
    kept: Option<OwnedFd>,
    /// Hash of the names and inodes of the last listing; `None` where nothing may be kept.
    seen: Option<u64>,
    devices: Vec<Device<S>>,
}

impl<S> Devices<S> {
    /// Nothing is opened before the first listing.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Devices {
            path: path.into(),
            kept: None,
            seen: None,
            devices: Vec::new(),
        }
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Lists the directory. `make` is given the name and the path of each entry that was not there
    /// before and answers with its state, or `None` to leave it out. Devices come in byte order.
    pub fn refresh(
        &mut self,
        mut make: impl FnMut(&str, &Path) -> Option<S>,
    ) -> Result<&mut [Device<S>], Unread> {
        let fd = match self.kept.take() {
            Some(fd) => fd,
            None => self.open()?,
        };
        let kernel = is_kernel(&fd);
        let (hash, entries) = signature(&fd).map_err(|e| self.unread(e))?;
        // A directory that was removed lists nothing; its successor must not be missed.
        if kernel && entries > 0 {
            self.kept = Some(fd);
        } else {
            let fresh = self.open()?;
            return self.rebuild(&fresh, None, &mut make);
        }
        if self.seen == Some(hash) {
            return Ok(&mut self.devices);
        }
        let fd = self.kept.take().ok_or(Errno::NOENT);
        let fd = fd.map_err(|e| self.unread(e))?;
        self.rebuild(&fd, Some(hash), &mut make)?;
        self.kept = Some(fd);
        Ok(&mut self.devices)
    }

    fn rebuild(
        &mut self,
        fd: &OwnedFd,
        hash: Option<u64>,
        make: &mut impl FnMut(&str, &Path) -> Option<S>,
    ) -> Result<&mut [Device<S>], Unread> {
        let mut old = std::mem::take(&mut self.devices);
        if self.seen.is_none() {
            old.clear();
        }
        self.seen = hash;
        let mut list = Vec::with_capacity(old.len());
        entries(fd, |name, inode| {
            list.push((std::ffi::OsStr::from_bytes(name).to_owned(), inode));
        })
        .map_err(|e| self.unread(e))?;
        list.sort();
        for (raw, inode) in list {
            let name = super::names::label_text(raw.as_bytes());
            let same = |d: &Device<S>| d.inode == inode && d.name == name;
            if let Some(at) = old.iter().position(same) {
                self.devices.push(old.swap_remove(at));
            } else if let Some(state) = make(&name, &self.path.join(&raw)) {
                self.devices.push(Device {
                    name: name.into_owned(),
                    state,
                    inode,
                });
            }
        }
        Ok(&mut self.devices)
    }

    fn open(&self) -> Result<OwnedFd, Unread> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        rustix::fs::open(&self.path, flags, Mode::empty()).map_err(|e| self.unread(e))
    }

    fn unread(&self, errno: Errno) -> Unread {
        Unread {
            path: self.path.clone(),
            errno,
        }
    }
}

fn signature(fd: &OwnedFd) -> Result<(u64, usize), Errno> {
    let mut hasher = DefaultHasher::new();
    let mut count = 0;
    entries(fd, |name, inode| {
        hasher.write(name);
        hasher.write_u64(inode);
        count += 1;
    })?;
    Ok((hasher.finish(), count))
}

/// Calls `each` with name and inode number of every entry but `.` and `..`.
fn entries(fd: &OwnedFd, mut each: impl FnMut(&[u8], u64)) -> Result<(), Errno> {
    rustix::fs::seek(fd, rustix::fs::SeekFrom::Start(0))?;
    let mut buffer = [MaybeUninit::uninit(); 8192];
    let mut dir = RawDir::new(fd, &mut buffer);
    while let Some(entry) = dir.next() {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            each(name, entry.ino());
        }
    }
    Ok(())
}

/// Names in a directory that is not worth keeping open, in byte order.
pub fn list(path: &Path) -> Result<Vec<String>, Unread> {
    let mut names: Vec<String> = std::fs::read_dir(path)
        .map_err(|error| Unread {
            path: path.to_owned(),
            errno: Errno::from_io_error(&error).unwrap_or(Errno::IO),
        })?
        .flatten()
        .map(|e| e.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort_unstable();
    Ok(names)
}

/// Names in a directory that match a shell pattern of `*`, `?` and `[a-z]`, in byte order; an
/// unreadable directory has none.
pub fn glob(dir: &Path, pattern: &str) -> Vec<String> {
    let Ok(list) = std::fs::read_dir(dir) else {
        return Vec::new();
    };
    let mut names: Vec<String> = list
        .flatten()
        .filter_map(|e| e.file_name().into_string().ok())
        .filter(|n| matches(pattern.as_bytes(), n.as_bytes()))
        .collect();
    names.sort_unstable();
    names
}

/// Whether a name matches a shell pattern.
pub fn matches(pattern: &[u8], name: &[u8]) -> bool {
    match pattern.split_first() {
        None => name.is_empty(),
        Some((b'*', rest)) => (0..=name.len()).any(|at| matches(rest, &name[at..])),
        Some((b'?', rest)) => !name.is_empty() && matches(rest, &name[1..]),
        Some((b'[', rest)) => match (rest.iter().position(|b| *b == b']'), name.split_first()) {
            (Some(end), Some((first, tail))) => {
                in_class(&rest[..end], *first) && matches(&rest[end + 1..], tail)
            }
            _ => false,
        },
        Some((byte, rest)) => name.first() == Some(byte) && matches(rest, &name[1..]),
    }
}

fn in_class(class: &[u8], byte: u8) -> bool {
    let (negated, mut class) = match class.split_first() {
        Some((b'^', rest)) => (true, rest),
        _ => (false, class),
    };
    let mut found = false;
    while let Some(low) = class.first() {
        let range = class.len() > 2 && class[1] == b'-';
        let high = if range { class[2] } else { *low };
        found |= (*low..=high).contains(&byte);
        class = &class[if range { 3 } else { 1 }..];
    }
    found != negated
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        assert!(matches(b"cpu[0-9]*", b"cpu10"));
        assert!(!matches(b"cpu[0-9]*", b"cpufreq"));
        assert!(matches(b"*-*", b"a-b-c"));
        assert!(matches(b"mc[0-9]*", b"mc0"));
        assert!(!matches(b"[^a]", b"a"));
        assert!(!matches(b"[a", b"a"));
    }

    #[test]
    fn a_replaced_directory_makes_new_state() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("b")).unwrap();
        std::fs::create_dir(root.path().join("a")).unwrap();
        let mut made = 0;
        let mut devices = Devices::new(root.path());
        for _ in 0..2 {
            let list = devices.refresh(|_, _| {
                made += 1;
                Some(())
            });
            let names: Vec<_> = list.unwrap().iter().map(|d| d.name.clone()).collect();
            assert_eq!(names, ["a", "b"]);
        }
        assert_eq!(made, 4);
    }

    #[test]
    fn kernel_devices_keep_their_state() {
        let mut made = 0;
        let mut devices = Devices::new("/sys/class/net");
        for _ in 0..3 {
            let count = devices
                .refresh(|_, _| {
                    made += 1;
                    Some(())
                })
                .unwrap()
                .len();
            assert_eq!(made, count);
        }
    }

    #[test]
    fn a_missing_directory_is_told() {
        let mut devices = Devices::<()>::new("/proc/no-such-directory");
        assert!(devices.refresh(|_, _| None).is_err_and(|e| e.is_missing()));
    }
}
