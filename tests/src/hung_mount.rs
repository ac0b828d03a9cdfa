//! A FUSE file system that answers everything but `statfs`, until it is told to.
//!
//! Messages: `linux/fuse.h`, protocol 7.31.

use rustix::fs::{Mode, OFlags};
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use std::ffi::CString;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

const GETATTR: u32 = 3;
const FORGET: u32 = 2;
const STATFS: u32 = 17;
const INIT: u32 = 26;
const INTERRUPT: u32 = 36;
const BATCH_FORGET: u32 = 42;
const ENOSYS: i32 = 38;

/// A mount that goes when it is dropped.
pub struct HungMount {
    target: PathBuf,
    device: File,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    answering: bool,
    waiting: Vec<u64>,
}

impl HungMount {
    /// Mounts it; the reason where this machine does not allow it.
    pub fn new(target: &Path) -> Result<Self, String> {
        let device = rustix::fs::open("/dev/fuse", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())
            .map_err(|e| format!("/dev/fuse: {e}"))?;
        let options = format!(
            "fd={},rootmode=40000,user_id=0,group_id=0,allow_other",
            device.as_raw_fd()
        );
        let options = CString::new(options).map_err(|e| e.to_string())?;
        let flags = MountFlags::NOSUID | MountFlags::NODEV;
        mount("hung", target, "fuse.hung", flags, options.as_c_str())
            .map_err(|e| format!("mount: {e}"))?;
        let mount = HungMount {
            target: target.to_owned(),
            device: File::from(device),
            state: Arc::default(),
        };
        let reader = mount.device.try_clone().map_err(|e| e.to_string())?;
        let state = mount.state.clone();
        std::thread::spawn(move || serve(reader, &state));
        Ok(mount)
    }

    /// Answers `statfs` from now on, those that wait as well.
    pub fn answer(&self) {
        let mut state = self.state.lock().unwrap();
        state.answering = true;
        for unique in std::mem::take(&mut state.waiting) {
            reply(&self.device, unique, 0, &statfs());
        }
    }
}

impl Drop for HungMount {
    fn drop(&mut self) {
        self.answer();
        // Nothing more can be done where it fails.
        let _ = unmount(&self.target, UnmountFlags::DETACH);
    }
}

fn serve(mut device: File, state: &Mutex<State>) {
    let mut request = vec![0; 1 << 17];
    while let Ok(length) = device.read(&mut request) {
        let Some(head) = request[..length].first_chunk::<40>() else {
            return;
        };
        let opcode = u32::from_ne_bytes([head[4], head[5], head[6], head[7]]);
        let mut unique = [0; 8];
        unique.copy_from_slice(&head[8..16]);
        let unique = u64::from_ne_bytes(unique);
        match opcode {
            INIT => reply(&device, unique, 0, &init()),
            GETATTR => reply(&device, unique, 0, &attributes()),
            FORGET | BATCH_FORGET | INTERRUPT => {}
            STATFS => {
                let mut state = state.lock().unwrap();
                if state.answering {
                    reply(&device, unique, 0, &statfs());
                } else {
                    state.waiting.push(unique);
                }
            }
            _ => reply(&device, unique, -ENOSYS, &[]),
        }
    }
}

fn reply(mut device: &File, unique: u64, error: i32, body: &[u8]) {
    let mut message = Vec::new();
    message.extend((16 + body.len() as u32).to_ne_bytes());
    message.extend(error.to_ne_bytes());
    message.extend(unique.to_ne_bytes());
    message.extend(body);
    // The request may have been interrupted meanwhile.
    let _ = device.write(&message);
}

/// `struct fuse_init_out`: version 7.31, no special features.
fn init() -> [u8; 64] {
    let mut body = [0; 64];
    body[..4].copy_from_slice(&7u32.to_ne_bytes());
    body[4..8].copy_from_slice(&31u32.to_ne_bytes());
    body[20..24].copy_from_slice(&4096u32.to_ne_bytes());
    body
}

/// `struct fuse_attr_out`: a directory.
fn attributes() -> [u8; 104] {
    let mut body = [0; 104];
    body[16..24].copy_from_slice(&1u64.to_ne_bytes());
    body[76..80].copy_from_slice(&0o40755u32.to_ne_bytes());
    body[80..84].copy_from_slice(&2u32.to_ne_bytes());
    body
}

/// `struct fuse_statfs_out`: a thousand blocks of 4096 bytes.
fn statfs() -> [u8; 80] {
    let mut body = [0; 80];
    for at in [0, 8, 16, 24, 32] {
        body[at..at + 8].copy_from_slice(&1000u64.to_ne_bytes());
    }
    body[40..44].copy_from_slice(&4096u32.to_ne_bytes());
    body[44..48].copy_from_slice(&255u32.to_ne_bytes());
    body[48..52].copy_from_slice(&4096u32.to_ne_bytes());
    body
}
