//! Which address of a name is probed.

use super::resolve::{self, Family};
use crate::config::IpChoice;
use crate::probe::Probe;
use crate::{debug, error};
use exporter_core::exposition;
use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::time::Instant;

static LOOKUP: exposition::Family = exposition::Family::gauge(
    "probe_dns_lookup_time_seconds",
    &[],
    "Time that finding the address of the target took in seconds.",
);
static PROTOCOL: exposition::Family = exposition::Family::gauge(
    "probe_ip_protocol",
    &[],
    "Version of the IP protocol that was probed over, 4 or 6.",
);
static HASH: exposition::Family = exposition::Family::gauge(
    "probe_ip_addr_hash",
    &[],
    "Hash of the address that was probed; it changes when the address does.",
);
static INFO: exposition::Family = exposition::Family::gauge(
    "probe_ip_info",
    &["ip"],
    "The address that was probed, where the module has address_info.",
);

/// Families of address selection.
pub static FAMILIES: &[&exposition::Family] = &[&LOOKUP, &PROTOCOL, &HASH, &INFO];

/// An address, with its zone where it has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address {
    /// The address.
    pub ip: IpAddr,
    /// Index of the interface of a link-local address.
    pub zone: u32,
}

impl Address {
    /// With a port.
    pub fn with_port(self, port: u16) -> SocketAddr {
        match self.ip {
            IpAddr::V6(ip) => SocketAddr::V6(SocketAddrV6::new(ip, port, 0, self.zone)),
            ip => SocketAddr::new(ip, port),
        }
    }
}

/// Finds the address of a host and puts the series about it. What went wrong is in the log.
pub async fn choose(probe: &mut Probe<'_>, choice: &IpChoice, host: &str) -> Option<Address> {
    let host = match choice.dial_address.as_str() {
        "" => host,
        instead => instead,
    };
    let started = Instant::now();
    let wanted = if choice.prefers_v6() { "ip6" } else { "ip4" };
    debug!(probe.log, "Resolving target address", "host" => host, "ip_protocol" => wanted);
    let found = tokio::time::timeout_at(probe.deadline, find(choice, host)).await;
    let seconds = started.elapsed().as_secs_f64();
    probe.out.put(&LOOKUP, &[], seconds);
    probe.lookup_seconds = seconds;
    let found = found.unwrap_or_else(|_| Err(format!("lookup {host}: the time is over")));
    match found {
        Ok(address) => {
            debug!(probe.log, "Resolved target address", "host" => host, "ip" => address.ip);
            let version = if address.ip.is_ipv4() { 4.0 } else { 6.0 };
            probe.out.put(&PROTOCOL, &[], version);
            probe.out.put(&HASH, &[], f64::from(hash(address.ip)));
            if choice.address_info {
                probe.out.put(&INFO, &[&address.ip.to_string()], 1.0);
            }
            Some(address)
        }
        Err(why) => {
            probe.out.put(&PROTOCOL, &[], 0.0);
            probe.out.put(&HASH, &[], 0.0);
            error!(probe.log, "Resolution failed", "host" => host, "err" => why);
            None
        }
    }
}

async fn find(choice: &IpChoice, host: &str) -> Result<Address, String> {
    let v6 = choice.prefers_v6();
    let is_preferred = |a: &&Address| a.ip.is_ipv6() == v6;
    let family = match (choice.fallback, v6) {
        (true, _) => Family::Both,
        (false, true) => Family::V6,
        (false, false) => Family::V4,
    };
    let addresses = resolve::lookup(host, family).await?;
    let preferred = addresses.iter().find(is_preferred).copied();
    // The first of the preferred family, else the last of the other one.
    let chosen = match choice.fallback {
        true => preferred.or_else(|| addresses.last().copied()),
        false => preferred,
    };
    chosen.ok_or_else(|| format!("lookup {host}: unable to find ip, no fallback"))
}

/// FNV-1a over the bytes of the address.
fn hash(ip: IpAddr) -> u32 {
    let step = |hash: u32, byte: &u8| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
    match ip {
        IpAddr::V4(ip) => ip.octets().iter().fold(0x811c_9dc5, step),
        IpAddr::V6(ip) => ip.octets().iter().fold(0x811c_9dc5, step),
    }
}

/// Reads an address literal, perhaps with a zone. Mapped addresses are those of IPv4.
pub fn literal(host: &str) -> Option<Address> {
    let (ip, zone) = host.split_once('%').unwrap_or((host, ""));
    let ip: IpAddr = ip.parse().ok()?;
    let ip = match ip {
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(IpAddr::V6(v6), IpAddr::V4),
        v4 if zone.is_empty() => v4,
        IpAddr::V4(_) => return None,
    };
    Some(Address {
        ip,
        zone: zone_index(zone)?,
    })
}

fn zone_index(zone: &str) -> Option<u32> {
    if zone.is_empty() {
        return Some(0);
    }
    if let Ok(index) = zone.parse() {
        return Some(index);
    }
    // Whatever is no name of an interface must not become a path.
    if zone.contains('/') {
        return None;
    }
    let text = std::fs::read_to_string(format!("/sys/class/net/{zone}/ifindex")).ok()?;
    text.trim().parse().ok()
}

/// An address as text for a URL: IPv6 in brackets.
pub fn bracketed(address: Address) -> String {
    match address.ip {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    }
}

/// Splits `host:port` as Go does: the host perhaps in brackets, the port a number or the name of a
/// service.
pub fn split_host_port(target: &str) -> Result<(&str, &str), String> {
    let missing = || format!("address {target}: missing port in address");
    if let Some(rest) = target.strip_prefix('[') {
        let (host, rest) = rest
            .split_once(']')
            .ok_or_else(|| format!("address {target}: missing ']' in address"))?;
        let port = rest.strip_prefix(':').ok_or_else(missing)?;
        return Ok((host, port));
    }
    if target.contains(['[', ']']) {
        return Err(format!("address {target}: unexpected bracket in address"));
    }
    let (host, port) = target.rsplit_once(':').ok_or_else(missing)?;
    match host.contains(':') {
        true => Err(format!("address {target}: too many colons in address")),
        false => Ok((host, port)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_and_literals() {
        assert_eq!(hash("127.0.0.1".parse().unwrap()), 3_668_918_509);
        let ip = |text: &str| literal(text).map(|a| a.ip.to_string());
        assert_eq!(ip("::ffff:1.2.3.4").as_deref(), Some("1.2.3.4"));
        assert_eq!(ip("fe80::1%1").as_deref(), Some("fe80::1"));
        assert_eq!(literal("fe80::1%7").map(|a| a.zone), Some(7));
        for bad in ["localhost", "1.2.3.4%1", "fe80::1%../../x", "::1%nope", ""] {
            assert_eq!(literal(bad), None, "{bad}");
        }
    }

    #[test]
    fn hosts_and_ports() {
        assert_eq!(split_host_port("a:1"), Ok(("a", "1")));
        assert_eq!(split_host_port("[::1]:http"), Ok(("::1", "http")));
        for bad in ["a", "::1:2", "[::1]", "[::1", "a]:80", "a[:80"] {
            assert!(split_host_port(bad).is_err(), "{bad}");
        }
    }
}
