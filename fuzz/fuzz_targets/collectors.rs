//! No bytes of a kernel file make a collector's parser panic. The first byte chooses the parser.

#![no_main]

use libfuzzer_sys::fuzz_target;
use node_exporter::collectors as c;

fuzz_target!(|data: &[u8]| {
    let Some((choice, bytes)) = data.split_first() else {
        return;
    };
    let text = String::from_utf8_lossy(bytes);
    match choice % 40 {
        0 => drop(c::arp::parse(bytes)),
        1 => drop(c::bcache::dehumanise(bytes)),
        2 => drop(c::bcachefs::dehumanise(&text)),
        3 => drop(c::btrfs::parse_commits(bytes)),
        4 => drop(c::buddyinfo::parse(bytes)),
        5 => drop(c::cgroups::parse(bytes)),
        6 => drop(c::conntrack::parse(bytes)),
        7 => drop(c::cpu::each_processor(bytes, |_, _| {})),
        8 => drop(c::cpu::parse_info(&text, "x86_64")),
        9 => drop(c::cpu_vulnerabilities::parse(&text)),
        10 => drop(c::diskstats::Stats::parse(bytes)),
        11 => drop(c::filesystem::parse(bytes)),
        12 => drop(c::interrupts::parse(&text)),
        13 => drop((c::ipvs::parse_stats(bytes), c::ipvs::parse_table(bytes))),
        14 => drop(c::lnstat::parse(bytes)),
        15 => drop(c::loadavg::parse(bytes)),
        16 => drop(c::mdadm::parse(bytes)),
        17 => drop(c::meminfo::parse(bytes, |_| {})),
        18 => drop(c::meminfo_numa::parse_meminfo(bytes)),
        19 => drop(c::mountstats::parse(&text)),
        20 => drop(c::netdev::parse(bytes)),
        21 => drop(c::netstat::pairs(bytes, |_, _| Ok(()))),
        22 => drop(c::nfs::parse(bytes)),
        23 => drop(c::nfsd::parse(bytes)),
        24 => drop(c::os::parse(bytes)),
        25 => drop(c::pcidevice::parse_ids(&text)),
        26 => drop(c::pressure::parse(bytes)),
        27 => drop(c::processes::parse(bytes)),
        28 => drop(c::runit::parse(bytes)),
        29 => drop(c::schedstat::parse(bytes)),
        30 => drop(c::slabinfo::parse(bytes)),
        31 => drop(c::sockstat::parse(bytes)),
        32 => drop(c::softirqs::parse(bytes)),
        33 => drop(c::softnet::parse(bytes)),
        34 => drop(c::supervisord::parse(&text)),
        35 => drop(c::swap::parse(bytes)),
        36 => drop(c::udp_queues::parse(bytes)),
        37 => drop(c::xfrm::parse(bytes)),
        38 => drop((c::xfs::parse(bytes), c::zoneinfo::parse(&text))),
        _ => drop((c::zfs::parse_kstat(bytes, true), c::zfs::parse_io(bytes))),
    }
});
