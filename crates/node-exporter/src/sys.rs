//! System calls for which no safe wrapper exists. The only unsafe code of this crate.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
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

/// A socket for ioctls on network devices.
pub fn device_socket() -> io::Result<OwnedFd> {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
    let flags = SocketFlags::CLOEXEC;
    Ok(socket_with(
        AddressFamily::INET,
        SocketType::DGRAM,
        flags,
        None,
    )?)
}

/// An ethtool command (`SIOCETHTOOL`, `linux/ethtool.h`). The buffer holds the command's structure,
/// its first four bytes the command, and must be as large as the kernel's answer to it.
pub fn ethtool(socket: &OwnedFd, device: &str, buffer: &mut [u64]) -> io::Result<()> {
    const SIOCETHTOOL: u64 = 0x8946;
    #[repr(C)]
    struct Request {
        name: [u8; 16],
        data: *mut u64,
        rest: [u8; 16],
    }
    let mut request = Request {
        name: [0; 16],
        data: buffer.as_mut_ptr(),
        rest: [0; 16],
    };
    // A NUL must stand behind the name.
    let name = device.as_bytes();
    if name.len() > 15 {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    request.name[..name.len()].copy_from_slice(name);
    // SAFETY: the request is a whole `ifreq`, and its data points to a buffer that lives through
    // the call; callers size it for what the kernel writes for their command.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), SIOCETHTOOL as _, &raw mut request) };
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

/// What is counted: `struct perf_event_attr`, first published version.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct PerfEvent {
    /// `PERF_TYPE_*`.
    pub kind: u32,
    /// Set by the call, or not used.
    pub size: u32,
    /// The event within its type.
    pub config: u64,
    /// Set by the call, or not used.
    pub sample_period: u64,
    /// `PERF_SAMPLE_*`.
    pub sample_type: u64,
    /// `PERF_FORMAT_*`.
    pub read_format: u64,
    /// Bit 0 disabled, bit 1 inherit, bit 6 exclude_hv.
    pub flags: u64,
    /// Set by the call, or not used.
    pub wakeup: u32,
    /// Set by the call, or not used.
    pub breakpoint: u32,
    /// Set by the call, or not used.
    pub config1: u64,
}

/// Opens an event on a processor for all processes, as a leader or in the group of one.
pub fn perf_event_open(
    event: &PerfEvent,
    cpu: i32,
    group: Option<&OwnedFd>,
) -> io::Result<OwnedFd> {
    const ALL_PROCESSES: i32 = -1;
    const CLOSE_ON_EXEC: u64 = 8;
    let event = PerfEvent {
        size: size_of::<PerfEvent>() as u32,
        ..*event
    };
    let group = group.map_or(-1, AsRawFd::as_raw_fd);
    // SAFETY: the structure says its own size and outlives the call; the other arguments are
    // numbers.
    let fd = unsafe {
        libc::syscall(
            libc::SYS_perf_event_open,
            &raw const event,
            ALL_PROCESSES,
            cpu,
            group,
            CLOSE_ON_EXEC,
        )
    };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel just gave this descriptor to us alone.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// Starts counting (`PERF_EVENT_IOC_ENABLE`), of the whole group of a leader.
pub fn perf_enable(event: &OwnedFd) -> io::Result<()> {
    const ENABLE: u64 = 0x2400;
    const GROUP: u64 = 1;
    // SAFETY: the request takes a number.
    let result = unsafe { libc::ioctl(event.as_raw_fd(), ENABLE as _, GROUP) };
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}
