//! All collectors, one file each.

use crate::host::Host;
use exporter_core::collector::Definition;

pub mod arp;
pub mod bcache;
pub mod bcachefs;
pub mod bonding;
pub mod btrfs;
pub mod buddyinfo;
pub mod cgroups;
pub mod conntrack;
pub mod cpu;
pub mod cpu_vulnerabilities;
pub mod cpufreq;
pub mod diskstats;
pub mod dmi;
pub mod dmmultipath;
pub mod drbd;
pub mod drm;
pub mod edac;
pub mod entropy;
pub mod ethtool;
pub mod fibrechannel;
pub mod filefd;
pub mod filesystem;
pub mod hwmon;
pub mod infiniband;
pub mod interrupts;
pub mod ipvs;
pub mod kernel_hung;
pub mod ksmd;
pub mod lnstat;
pub mod loadavg;
pub mod logind;
pub mod mdadm;
pub mod meminfo;
pub mod meminfo_numa;
pub mod mountstats;
pub mod netclass;
pub mod netdev;
pub mod netstat;
pub mod network_route;
pub mod nfs;
pub mod nfsd;
pub mod ntp;
pub mod nvme;
pub mod nvmesubsystem;
pub mod os;
pub mod pcidevice;
pub mod perf;
pub mod powersupplyclass;
pub mod pressure;
pub mod processes;
pub mod qdisc;
pub mod rapl;
pub mod runit;
pub mod schedstat;
pub mod selinux;
pub mod slabinfo;
pub mod sockstat;
pub mod softirqs;
pub mod softnet;
pub mod stat;
pub mod supervisord;
pub mod swap;
pub mod sysctl;
pub mod systemd;
pub mod tapestats;
pub mod tcpstat;
pub mod textfile;
pub mod thermal_zone;
pub mod time;
pub mod timex;
pub mod udp_queues;
pub mod uname;
pub mod vmstat;
pub mod watchdog;
pub mod wifi;
pub mod xfrm;
pub mod xfs;
pub mod zfs;
pub mod zoneinfo;

exporter_core::collectors! {
    /// The table of collectors: name and whether it runs without being asked for.
    pub static TABLE: Definition<Host> =
    arp: on,
    bcache: on,
    bcachefs: on,
    bonding: on,
    btrfs: on,
    buddyinfo: off,
    cgroups: off,
    conntrack: on,
    cpu: on,
    cpu_vulnerabilities: off,
    cpufreq: on,
    diskstats: on,
    dmi: on,
    dmmultipath: on,
    drbd: off,
    drm: off,
    edac: on,
    entropy: on,
    ethtool: off,
    fibrechannel: on,
    filefd: on,
    filesystem: on,
    hwmon: on,
    infiniband: on,
    interrupts: off,
    ipvs: on,
    kernel_hung: on,
    ksmd: off,
    lnstat: off,
    loadavg: on,
    logind: off,
    mdadm: on,
    meminfo: on,
    meminfo_numa: off,
    mountstats: off,
    netclass: on,
    netdev: on,
    netstat: on,
    network_route: off,
    nfs: on,
    nfsd: on,
    ntp: off,
    nvme: on,
    nvmesubsystem: off,
    os: on,
    pcidevice: off,
    perf: off,
    powersupplyclass: on,
    pressure: on,
    processes: off,
    qdisc: off,
    rapl: on,
    runit: off,
    schedstat: on,
    selinux: on,
    slabinfo: off,
    sockstat: on,
    softirqs: off,
    softnet: on,
    stat: on,
    supervisord: off,
    swap: off,
    sysctl: off,
    systemd: off,
    tapestats: on,
    tcpstat: off,
    textfile: on,
    thermal_zone: on,
    time: on,
    timex: on,
    udp_queues: on,
    uname: on,
    vmstat: on,
    watchdog: on,
    wifi: off,
    xfrm: off,
    xfs: on,
    zfs: on,
    zoneinfo: off,
}
