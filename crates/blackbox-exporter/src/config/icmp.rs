//! The `icmp` section.

use super::Notes;
use super::values::{IpChoice, Section};
use exporter_core::dialect::duration;
use exporter_core::dialect::yaml::{Fields, Node, Tree, scalar};

/// Nanoseconds of a second.
const SECOND: i64 = 1_000_000_000;

/// How an echo request is sent.
#[derive(Clone, Debug)]
pub struct Icmp {
    /// Which address is used.
    pub ip: IpChoice,
    /// Address to send from.
    pub source_ip_address: String,
    /// Bytes of data, 0 for a text of 28.
    pub payload_size: i64,
    /// Whether routers may not take it apart (IPv4).
    pub dont_fragment: bool,
    /// Requests that are sent, one after another.
    pub count: u16,
    /// Nanoseconds between them, which each waits for its reply.
    pub interval: i64,
    /// Hops it may take, 0 for what the system has.
    pub ttl: u8,
}

impl Default for Icmp {
    fn default() -> Self {
        Icmp {
            ip: IpChoice::default(),
            source_ip_address: String::new(),
            payload_size: 0,
            dont_fragment: false,
            count: 1,
            interval: SECOND,
            ttl: 64,
        }
    }
}

impl Icmp {
    pub(crate) fn read(node: &Node, notes: &mut Notes<'_>) -> Self {
        let problems = &mut *notes.problems;
        let mut fields = Fields::of(node, "icmp", problems);
        let mut icmp = Icmp {
            ip: IpChoice::read(&mut fields, problems),
            source_ip_address: fields
                .get("source_ip_address", problems, scalar::string)
                .unwrap_or_default(),
            payload_size: fields
                .get("payload_size", problems, scalar::integer)
                .unwrap_or(0),
            dont_fragment: fields
                .get("dont_fragment", problems, scalar::boolean)
                .unwrap_or(false),
            interval: fields
                .get("interval", problems, scalar::go_duration)
                .unwrap_or(SECOND),
            ..Icmp::default()
        };
        if icmp.interval <= 0 {
            problems.push(
                fields.place_of("interval"),
                "interval: expected a duration above 0",
            );
        }
        if let Some(count) = fields.get("count", problems, scalar::integer) {
            match u16::try_from(count) {
                Ok(count @ 1..=1000) => icmp.count = count,
                _ => problems.push(
                    fields.place_of("count"),
                    format!("count: expected 1 to 1000, got {count}"),
                ),
            }
        }
        if let Some(ttl) = fields.get("ttl", problems, scalar::integer) {
            match u8::try_from(ttl) {
                Ok(ttl) => icmp.ttl = ttl,
                Err(_) => problems.push(
                    fields.place_of("ttl"),
                    format!("ttl: expected 0 to 255, got {ttl}"),
                ),
            }
        }
        fields.finish(problems);
        icmp
    }

    /// Prints the section.
    pub fn tree(&self) -> Tree {
        let mut section = Section::default();
        self.ip.put(&mut section);
        section.text("source_ip_address", &self.source_ip_address);
        section.number("payload_size", self.payload_size);
        section.flag("dont_fragment", self.dont_fragment);
        if self.count != 1 {
            section.bare("count", self.count);
        }
        if self.interval != SECOND {
            section.bare("interval", duration::format(self.interval));
        }
        section.number("ttl", i64::from(self.ttl));
        section.into_tree()
    }
}
