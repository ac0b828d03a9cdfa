//! Neighbours (ARP entries) by device, over rtnetlink (`RTM_GETNEIGH`) or from `net/arp`.

use crate::host::Host;
use crate::kernel::netlink::{self, DUMP, Netlink};
use crate::kernel::{Filter, KernelFile, text};
use exporter_core::cli::Flag;
use exporter_core::collector::{Collector, Error, Scrape};
use exporter_core::exposition::{Arena, Family};
use rustix::net::netdevice::index_to_name;
use rustix::net::{AddressFamily, SocketType, socket};

exporter_core::flags! {
    /// Flags of this collector.
    pub struct Flags {
        /// Regular expression of devices to leave out.
        "collector.arp.device-exclude" exclude: String = [""];
        /// Regular expression of devices to keep.
        "collector.arp.device-include" include: String = [""];
        /// Ask the kernel over netlink instead of reading net/arp.
        "collector.arp.netlink" netlink: bool = ["true"];
    }
}

/// Flags of this collector.
pub const FLAGS: &[Flag] = Flags::TABLE;

static ENTRIES: Family = Family::gauge(
    "node_arp_entries",
    &["device"],
    "Neighbour table entries of a device.",
);

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    vec![&ENTRIES]
}

/// Makes the collector.
pub fn new(host: &Host) -> Result<Box<dyn Collector>, String> {
    host.require_proc()?;
    let flags = Flags::read(&host.matches)?;
    let source = match flags.netlink {
        true => Source::Netlink(Netlink::new(netlink::Family::Route)),
        false => Source::File(KernelFile::new(host.proc("net/arp")), Vec::new()),
    };
    Ok(Box::new(Arp {
        source,
        filter: Filter::new(
            ("collector.arp.device-exclude", &flags.exclude),
            ("collector.arp.device-include", &flags.include),
        )?,
        counts: Vec::new(),
    }))
}

enum Source {
    Netlink(Netlink),
    File(KernelFile, Vec<u8>),
}

struct Arp {
    source: Source,
    filter: Filter,
    /// Entries by interface index.
    counts: Vec<(i32, u32)>,
}

impl Collector for Arp {
    fn collect(&mut self, out: &mut Arena, _: &Scrape) -> Result<(), Error> {
        match &mut self.source {
            Source::Netlink(netlink) => {
                count_by_index(netlink, &mut self.counts)?;
                if self.counts.is_empty() {
                    return Ok(());
                }
                let any = socket(AddressFamily::INET, SocketType::DGRAM, None)
                    .map_err(std::io::Error::from)?;
                for (index, count) in &self.counts {
                    // A device that went away in between took its neighbours along.
                    let Ok(name) = index_to_name(&any, *index as u32) else {
                        continue;
                    };
                    if self.filter.keeps(&name) {
                        out.put(&ENTRIES, &[&name], f64::from(*count));
                    }
                }
            }
            Source::File(file, buffer) => {
                for (name, count) in parse(file.read(buffer)?)? {
                    if self.filter.keeps(&name) {
                        out.put(&ENTRIES, &[&name], f64::from(count));
                    }
                }
            }
        }
        Ok(())
    }
}

fn count_by_index(netlink: &mut Netlink, counts: &mut Vec<(i32, u32)>) -> Result<(), Error> {
    const RTM_GETNEIGH: u16 = 30;
    const AF_INET: u8 = 2;
    const NUD_NOARP: u16 = 0x40;
    let mut request = [0; 12];
    request[0] = AF_INET;
    let counts = std::cell::RefCell::new(counts);
    let restart = || counts.borrow_mut().clear();
    netlink.request(RTM_GETNEIGH, DUMP, &request, restart, |message| {
        // struct ndmsg: family, padding, index at 4, state at 8.
        let index = message.payload.get(4..).and_then(netlink::i32_of);
        let state = message.payload.get(8..).and_then(netlink::u16_of);
        let (Some(index), Some(state)) = (index, state) else {
            return;
        };
        if state & NUD_NOARP != 0 {
            return;
        }
        let mut counts = counts.borrow_mut();
        match counts.iter_mut().find(|c| c.0 == index) {
            Some(count) => count.1 += 1,
            None => counts.push((index, 1)),
        }
    })?;
    Ok(())
}

/// Counts the lines of `net/arp` by device.
pub fn parse(contents: &[u8]) -> Result<Vec<(String, u32)>, String> {
    let mut counts: Vec<(String, u32)> = Vec::new();
    for line in text::lines(contents) {
        let (words, count) = text::first_words::<6>(line);
        match count {
            // The header has nine words.
            0 | 9 => continue,
            6 => {}
            _ => return Err("net/arp: expected lines of six words".to_owned()),
        }
        let flags = std::str::from_utf8(words[2]).ok();
        let flags = flags.and_then(|f| text::prefixed_uint(f.as_bytes()));
        if flags.is_none_or(|f| f > 255) || !is_hardware_address(words[3]) {
            return Err("net/arp: expected flags and a hardware address".to_owned());
        }
        let device = String::from_utf8_lossy(words[5]);
        match counts.iter_mut().find(|c| c.0 == device) {
            Some(count) => count.1 += 1,
            None => counts.push((device.into_owned(), 1)),
        }
    }
    Ok(counts)
}

/// Six, eight or twenty bytes in colon, dash or dot form.
fn is_hardware_address(word: &[u8]) -> bool {
    let (separator, digits) = match word.get(2) {
        Some(b':') => (b':', 2),
        Some(b'-') => (b'-', 2),
        _ => (b'.', 4),
    };
    let groups: Vec<&[u8]> = word.split(|b| *b == separator).collect();
    let whole = groups
        .iter()
        .all(|g| g.len() == digits && text::radix(g, 16).is_some());
    whole && matches!(groups.len() * digits / 2, 6 | 8 | 20)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Tree;
    use proptest::prelude::*;

    const ARP: &str = "\
IP address       HW type     Flags       HW address            Mask     Device
192.168.1.1      0x1         0x2         02:00:00:00:00:01     *        eth0
192.168.1.2      0x1         0x0         00:00:00:00:00:00     *        eth0
10.0.0.1         0x1         0x2         02:00:00:00:00:02     *        eth1
";

    #[test]
    fn counts_lines_by_device() {
        let tree = Tree::new().file("proc/net/arp", ARP);
        let flags = [("collector.arp.netlink", "false")];
        tree.collect("arp", &flags)
            .expect("node_arp_entries{device=\"eth0\"} 2\nnode_arp_entries{device=\"eth1\"} 1\n");
        let flags = [flags[0], ("collector.arp.device-exclude", "eth0")];
        tree.collect("arp", &flags)
            .expect("node_arp_entries{device=\"eth1\"} 1\n");
        tree.write("proc/net/arp", "a b c\n");
        tree.collect("arp", &flags).expect_failure("six words");
    }

    #[test]
    fn asks_this_kernel() {
        let result = Tree::new().collect("arp", &[]).result;
        assert!(result.is_ok(), "{result:?}");
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = parse(&bytes);
        }
    }
}
