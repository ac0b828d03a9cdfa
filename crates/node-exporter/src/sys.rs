//! System calls for which no safe wrapper exists. The only unsafe code of this crate.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::Path;

/// What `adjtimex(2)` tells, widened to 64 bits.
#[derive(Clone, Copy, Debug, Default)]
#[allow(missing_docs)]
pub struct Timex {
    /// Value of the call: the state of the clock.
    pub state: i32,
    pub offset: i64,
    pub freq: i64,
    pub maxerror: i64,
    pub esterror: i64,
    pub status: i64,
    pub constant: i64,
    pub tick: i64,
    pub ppsfreq: i64,
    pub jitter: i64,
    pub shift: i64,
    pub stabil: i64,
    pub jitcnt: i64,
    pub calcnt: i64,
    pub errcnt: i64,
    pub stbcnt: i64,
    pub tai: i64,
}

/// Reads the kernel's clock discipline without changing it.
#[allow(clippy::useless_conversion)]
pub fn adjtimex() -> io::Result<Timex> {
    // SAFETY: the structure is plain numbers, for which zero is valid; modes 0 changes nothing.
    let mut raw: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer is to a whole structure that outlives the call.
    let state = unsafe { libc::adjtimex(&raw mut raw) };
    if state < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(Timex {
        state,
        offset: raw.offset.into(),
        freq: raw.freq.into(),
        maxerror: raw.maxerror.into(),
        esterror: raw.esterror.into(),
        status: raw.status.into(),
        constant: raw.constant.into(),
        tick: raw.tick.into(),
        ppsfreq: raw.ppsfreq.into(),
        jitter: raw.jitter.into(),
        shift: raw.shift.into(),
        stabil: raw.stabil.into(),
        jitcnt: raw.jitcnt.into(),
        calcnt: raw.calcnt.into(),
        errcnt: raw.errcnt.into(),
        stbcnt: raw.stbcnt.into(),
        tai: raw.tai.into(),
    })
}

/// One device of a btrfs file system.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BtrfsDevice {
    /// Last component of its path.
    pub name: String,
    /// Its uuid as 32 hexadecimal digits.
    pub uuid: String,
    /// Allocated bytes.
    pub used: u64,
    /// Bytes in all.
    pub total: u64,
    /// Write, read, flush, corruption and generation errors.
    pub errors: [u64; 5],
}

const BTRFS_IOC_FS_INFO: u64 = 0x8400_941f;
const BTRFS_IOC_DEV_INFO: u64 = 0xd000_941e;
const BTRFS_IOC_GET_DEV_STATS: u64 = 0xc408_9434;

/// An argument of an ioctl, as large and as aligned as the largest of them.
#[repr(C, align(8))]
struct IoctlBuffer([u8; 4096]);

impl IoctlBuffer {
    fn u64_at(&self, at: usize) -> u64 {
        let bytes = self.0.get(at..).and_then(|b| b.first_chunk());
        bytes.map_or(0, |b| u64::from_ne_bytes(*b))
    }

    fn hex_at(&self, at: usize) -> String {
        let bytes = self.0.get(at..at + 16).unwrap_or_default();
        bytes.iter().map(|b| format!("{b:02x}")).collect()
    }
}

fn btrfs_ioctl(file: &File, request: u64, first: u64) -> io::Result<IoctlBuffer> {
    let mut buffer = IoctlBuffer([0; 4096]);
    buffer.0[..8].copy_from_slice(&first.to_ne_bytes());
    if request == BTRFS_IOC_GET_DEV_STATS {
        // How many values there is room for.
        buffer.0[8..16].copy_from_slice(&5u64.to_ne_bytes());
    }
    // SAFETY: the descriptor is open, and each of the three requests reads and writes at most 4096
    // bytes of plain numbers behind the pointer.
    let result = unsafe { libc::ioctl(file.as_raw_fd(), request as _, buffer.0.as_mut_ptr()) };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(buffer)
}

/// The uuid of the btrfs file system mounted here, as 32 hexadecimal digits, and its devices.
pub fn btrfs_devices(mount_point: &Path) -> io::Result<(String, Vec<BtrfsDevice>)> {
    let file = File::open(mount_point)?;
    let info = btrfs_ioctl(&file, BTRFS_IOC_FS_INFO, 0)?;
    let (max_id, count) = (info.u64_at(0), info.u64_at(8));
    let mut devices = Vec::new();
    for id in 0..=max_id {
        if devices.len() as u64 == count {
            break;
        }
        let device = match btrfs_ioctl(&file, BTRFS_IOC_DEV_INFO, id) {
            Err(error) if error.raw_os_error() == Some(libc::ENODEV) => continue,
            device => device?,
        };
        let stats = btrfs_ioctl(&file, BTRFS_IOC_GET_DEV_STATS, id)?;
        let path = device.0[3072..]
            .split(|b| *b == 0)
            .next()
            .unwrap_or_default();
        let path = String::from_utf8_lossy(path);
        devices.push(BtrfsDevice {
            name: path.rsplit('/').next().unwrap_or_default().to_owned(),
            uuid: device.hex_at(8),
            used: device.u64_at(24),
            total: device.u64_at(32),
            errors: std::array::from_fn(|at| stats.u64_at(24 + 8 * at)),
        });
    }
    Ok((info.hex_at(16), devices))
}
