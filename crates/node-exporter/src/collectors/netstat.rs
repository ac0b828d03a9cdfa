//! Protocol counters, from `net/netstat`, `net/snmp` and `net/snmp6` of procfs
//! (`networking/snmp_counter`).

use crate::host::Host;
use crate::kernel::filter::compile;
use crate::kernel::{KernelFile, text};
use crate::whole::whole;
use exporter_core::cli::Flag;
use exporter_core::collector::{Collector, Error, Scrape};
use exporter_core::exposition::{Arena, Dynamic, Family, Kind};
use regex::Regex;
use std::collections::HashMap;

exporter_core::flags! {
    /// Flags of this collector.
    pub struct Flags {
        /// Regular expression of PROTOCOL_FIELD to expose.
        "collector.netstat.fields" fields: String = ["^(.*_(InErrors|InErrs)|Ip_Forwarding|Ip(6|Ext)_(InOctets|OutOctets)|Icmp6?_(InMsgs|OutMsgs)|TcpExt_(Listen.*|Syncookies.*|TCPSynRetrans|TCPTimeouts|TCPOFOQueue|TCPRcvQDrop)|Tcp_(ActiveOpens|InSegs|OutSegs|OutRsts|PassiveOpens|RetransSegs|CurrEstab)|Udp6?_(InDatagrams|OutDatagrams|NoPorts|RcvbufErrors|SndbufErrors))$"];
    }
}

/// Flags of this collector.
pub const FLAGS: &[Flag] = Flags::TABLE;

static FIELDS: Family = Family::untyped(
    "node_netstat_<protocol>_<field>",
    &[],
    "Counter of a network protocol.",
);

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    vec![&FIELDS]
}

/// Makes the collector.
pub fn new(host: &Host) -> Result<Box<dyn Collector>, String> {
    let flags = Flags::read(&host.matches)?;
    Ok(whole(Netstat {
        files: ["net/netstat", "net/snmp"].map(|f| KernelFile::new(host.proc(f))),
        snmp6: KernelFile::new(host.proc("net/snmp6")),
        buffer: Vec::new(),
        wanted: Wanted {
            pattern: compile("collector.netstat.fields", &flags.fields)?,
            columns: HashMap::new(),
            fields: HashMap::new(),
        },
    }))
}

struct Netstat {
    files: [KernelFile; 2],
    snmp6: KernelFile,
    buffer: Vec<u8>,
    wanted: Wanted,
}

/// Which fields are wanted, decided once.
struct Wanted {
    pattern: Regex,
    /// By header line: the family of each column that is wanted.
    columns: HashMap<Vec<u8>, Vec<Option<String>>>,
    /// By key of `snmp6`.
    fields: HashMap<Vec<u8>, Option<String>>,
}

impl Collector for Netstat {
    fn collect(&mut self, out: &mut Arena, _: &Scrape) -> Result<(), Error> {
        for file in &mut self.files {
            pairs(file.read(&mut self.buffer)?, |header, values| {
                let names = self.wanted.columns_of(header);
                put_columns(out, names, values)
            })?;
        }
        let contents = match self.snmp6.read(&mut self.buffer) {
            Ok(contents) => contents,
            Err(unread) if unread.is_missing() => return Ok(()),
            Err(unread) => return Err(unread.into()),
        };
        for line in text::lines(contents) {
            let ([key, value], count) = text::first_words::<2>(line);
            if count < 2 || !key.contains(&b'6') {
                continue;
            }
            let value = text::float(value).ok_or("snmp6: expected numbers")?;
            if let Some(name) = self.wanted.field(key) {
                out.put_dynamic(family(name), &[], value);
            }
        }
        Ok(())
    }
}

fn family(name: &str) -> Dynamic<'_> {
    Dynamic {
        name,
        help: FIELDS.help,
        kind: Kind::Untyped,
    }
}

fn put_columns(out: &mut Arena, names: &[Option<String>], values: &[u8]) -> Result<(), String> {
    // Behind the protocol's own word.
    for (name, value) in names.iter().zip(values.split(|b| *b == b' ').skip(1)) {
        let value =
            text::float(value).ok_or_else(|| "netstat: expected numbers below names".to_owned())?;
        if let Some(name) = name {
            out.put_dynamic(family(name), &[], value);
        }
    }
    Ok(())
}

impl Wanted {
    fn columns_of(&mut self, header: &[u8]) -> &[Option<String>] {
        if !self.columns.contains_key(header) {
            let mut words = header.split(|b| *b == b' ');
            let protocol = words.next().unwrap_or_default();
            let protocol = &protocol[..protocol.len().saturating_sub(1)];
            let names = words
                .map(|field| name(&self.pattern, protocol, field))
                .collect();
            self.columns.insert(header.to_vec(), names);
        }
        self.columns.get(header).map_or(&[], Vec::as_slice)
    }

    /// `Ip6InReceives` is the field InReceives of the protocol Ip6.
    fn field(&mut self, key: &[u8]) -> Option<&str> {
        if !self.fields.contains_key(key) {
            let six = memchr::memchr(b'6', key).map_or(0, |at| at + 1);
            let (protocol, field) = key.split_at(six);
            let name = name(&self.pattern, protocol, field);
            self.fields.insert(key.to_vec(), name);
        }
        self.fields.get(key)?.as_deref()
    }
}

fn name(pattern: &Regex, protocol: &[u8], field: &[u8]) -> Option<String> {
    let key = format!(
        "{}_{}",
        String::from_utf8_lossy(protocol),
        String::from_utf8_lossy(field)
    );
    pattern
        .is_match(&key)
        .then(|| format!("node_netstat_{key}"))
}

/// Calls `each` with every line of names and the line of values below it.
pub fn pairs(
    contents: &[u8],
    mut each: impl FnMut(&[u8], &[u8]) -> Result<(), String>,
) -> Result<(), String> {
    let mut lines = text::lines(contents);
    while let Some(header) = lines.next() {
        let values = lines.next().unwrap_or_default();
        let columns = |line: &[u8]| memchr::memchr_iter(b' ', line).count();
        if header.is_empty() || columns(header) != columns(values) {
            return Err("netstat: expected as many values as names".to_owned());
        }
        each(header, values)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::Tree;
    use proptest::prelude::*;

    #[test]
    fn wanted_fields() {
        let tree = Tree::new()
            .file(
                "proc/net/netstat",
                "TcpExt: ListenDrops Other\nTcpExt: 7 8\nIpExt: InOctets\nIpExt: 9\n",
            )
            .file(
                "proc/net/snmp",
                "Ip: Forwarding DefaultTTL\nIp: 1 64\nTcp: MaxConn CurrEstab\nTcp: -1 3\n",
            )
            .file(
                "proc/net/snmp6",
                "Ip6InOctets 5\nUdpLite6InErrors 6\nIgnored 1\n",
            );
        tree.collect("netstat", &[]).expect(
            "node_netstat_Ip6_InOctets 5\nnode_netstat_IpExt_InOctets 9\nnode_netstat_Ip_Forwarding 1\n\
             node_netstat_TcpExt_ListenDrops 7\nnode_netstat_Tcp_CurrEstab 3\nnode_netstat_UdpLite6_InErrors 6\n",
        );
        tree.write("proc/net/snmp", "Ip: A B\nIp: 1\n");
        tree.collect("netstat", &[])
            .expect_whole_failure("as many values");
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = super::pairs(&bytes, |_, _| Ok(()));
        }
    }
}
