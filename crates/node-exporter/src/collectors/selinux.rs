//! SELinux, from its own file system and `/etc/selinux/config`.

use crate::host::Host;
use crate::kernel::{KernelFile, read_once, text};
use exporter_core::cli::Flag;
use exporter_core::collector::{Collector, Scrape};
use exporter_core::exposition::{Arena, Family};
use rustix::fs::StatVfsMountFlags;
use std::path::{Path, PathBuf};

/// Flags of this collector.
pub const FLAGS: &[Flag] = &[];

static ENABLED: Family = Family::gauge("node_selinux_enabled", &[], "Whether SELinux is enabled.");
static CONFIGURED: Family = Family::gauge(
    "node_selinux_config_mode",
    &[],
    "Mode configured for the next boot: 1 enforcing, 0 permissive, -1 disabled.",
);
static CURRENT: Family = Family::gauge(
    "node_selinux_current_mode",
    &[],
    "Mode in force: 1 enforcing, 0 permissive, -1 unknown.",
);

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    vec![&ENABLED, &CONFIGURED, &CURRENT]
}

/// Makes the collector.
pub fn new(_: &Host) -> Result<Box<dyn Collector>, String> {
    // It cannot be switched on or off without a reboot.
    let mount = mount().filter(|_| is_labelled());
    let mut enforce = mount.map(|m| KernelFile::new(m.join("enforce")));
    Ok(Box::new(move |out: &mut Arena, _: &Scrape| {
        let Some(enforce) = &mut enforce else {
            out.put(&ENABLED, &[], 0.0);
            return Ok(());
        };
        let config = read_once("/etc/selinux/config").unwrap_or_default();
        let mut short = [0; 128];
        let current = enforce
            .short(&mut short)
            .ok()
            .and_then(text::int)
            .unwrap_or(-1);
        out.put(&ENABLED, &[], 1.0);
        out.put(&CONFIGURED, &[], configured(&config));
        out.put(&CURRENT, &[], current as f64);
        Ok(())
    }))
}

/// A writable mount of selinuxfs.
fn mount() -> Option<PathBuf> {
    const MAGIC: u64 = 0xf97c_ff8c;
    let usable = |path: &Path| {
        let kind = rustix::fs::statfs(path)
            .ok()
            .map(|s| s.f_type as u64 & 0xffff_ffff);
        let flags = rustix::fs::statvfs(path).ok().map(|s| s.f_flag);
        kind == Some(MAGIC) && flags.is_some_and(|f| !f.contains(StatVfsMountFlags::RDONLY))
    };
    let usual = Path::new("/sys/fs/selinux");
    if usable(usual) {
        return Some(usual.to_owned());
    }
    let known = read_once("/proc/filesystems").unwrap_or_default();
    if !text::lines(&known).any(|l| l.ends_with(b"selinuxfs")) {
        return None;
    }
    let mounts = String::from_utf8_lossy(&read_once("/proc/self/mountinfo").ok()?).into_owned();
    let mut candidates = mounts
        .lines()
        .filter(|l| l.contains(" - selinuxfs "))
        .filter_map(|l| l.split(' ').nth(4));
    candidates.find(|p| usable(Path::new(p))).map(PathBuf::from)
}

/// Without a policy every process has the label of the kernel.
fn is_labelled() -> bool {
    let label = read_once("/proc/thread-self/attr/current").unwrap_or_default();
    let label = label.strip_suffix(b"\0").unwrap_or(&label).trim_ascii();
    !label.is_empty() && label != b"kernel"
}

/// The last `SELINUX=` counts.
pub fn configured(config: &[u8]) -> f64 {
    let mode = text::lines(config)
        .filter_map(|l| l.trim_ascii().strip_prefix(b"SELINUX="))
        .last();
    match mode.map(<[u8]>::trim_ascii) {
        Some(b"enforcing") => 1.0,
        Some(b"permissive") => 0.0,
        _ => -1.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes() {
        assert_eq!(
            configured(b"# x\nSELINUX=enforcing\nSELINUXTYPE=targeted\n"),
            1.0
        );
        assert_eq!(configured(b"SELINUX=permissive\n"), 0.0);
        assert_eq!(configured(b"SELINUX=disabled\n"), -1.0);
        assert_eq!(configured(b""), -1.0);
    }

    #[test]
    fn says_whether_it_is_enabled_here() {
        let collected = crate::testing::Tree::new().collect("selinux", &[]);
        assert!(
            collected.text.contains("node_selinux_enabled "),
            "{}",
            collected.text
        );
    }
}
