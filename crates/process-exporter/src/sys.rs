//! The one system call that no safe library offers as it is wanted here.

use rustix::io::Errno;

/// The soft limit of open files of any process, `u64::MAX` where it has none.
///
/// rustix offers prlimit(2) only together with setting a new limit.
pub fn file_limit(pid: u32) -> Result<u64, Errno> {
    let pid = libc::pid_t::try_from(pid).map_err(|_| Errno::SRCH)?;
    let mut limit = libc::rlimit64 {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: `limit` is valid for writes for the whole call, and a null pointer for the new limit
    // asks for none to be set.
    let result =
        unsafe { libc::prlimit64(pid, libc::RLIMIT_NOFILE, std::ptr::null(), &raw mut limit) };
    match result {
        0 => Ok(limit.rlim_cur),
        _ => Err(Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::INVAL)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_limit() {
        let own = rustix::process::getrlimit(rustix::process::Resource::Nofile);
        let expected = own.current.unwrap_or(u64::MAX);
        assert_eq!(file_limit(std::process::id()), Ok(expected));
        assert_eq!(file_limit(u32::MAX), Err(Errno::SRCH));
    }
}
