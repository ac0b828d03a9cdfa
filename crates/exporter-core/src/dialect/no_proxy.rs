//! Lists of hosts that are reached without a proxy, as `NO_PROXY` holds them.

use std::net::IpAddr;

/// Whether a list holds a host, given without brackets, at a port.
///
/// `*` stands for every host. A name stands for itself and for what ends in it, one that begins with
/// `.` or `*.` only for what ends in it. Addresses stand for themselves and networks for their
/// addresses. What is no network may end in `:port` and then counts for that port only.
pub fn holds(list: &str, host: &str, port: u16) -> bool {
    let host = host.to_ascii_lowercase();
    let address = host.parse().ok();
    let mut entries = list
        .split(',')
        .map(|entry| entry.trim().to_ascii_lowercase());
    entries.any(|entry| entry == "*" || stands_for(&entry, &host, address, port))
}

fn stands_for(entry: &str, host: &str, address: Option<IpAddr>, port: u16) -> bool {
    if let Some((network, bits)) = network(entry) {
        return address.is_some_and(|address| within(network, bits, address));
    }
    let (name, wanted) = split_port(entry);
    if name.is_empty() || wanted.is_some_and(|wanted| wanted.parse() != Ok(port)) {
        return false;
    }
    if let Ok(own) = name.parse::<IpAddr>() {
        return address.is_some_and(|address| address.to_canonical() == own.to_canonical());
    }
    let suffix = match name.strip_prefix("*.") {
        Some(_) => &name[1..],
        None => name,
    };
    match suffix.starts_with('.') {
        true => host.ends_with(suffix),
        false => {
            let before = host.strip_suffix(suffix);
            before.is_some_and(|before| before.is_empty() || before.ends_with('.'))
        }
    }
}

/// An address and the number of its bits that count.
fn network(text: &str) -> Option<(IpAddr, u32)> {
    let (address, bits) = text.split_once('/')?;
    let (address, bits): (IpAddr, u32) = (address.parse().ok()?, bits.parse().ok()?);
    let most = if address.is_ipv4() { 32 } else { 128 };
    (bits <= most).then_some((address, bits))
}

fn within(network: IpAddr, bits: u32, address: IpAddr) -> bool {
    let differ = match (network, address.to_canonical()) {
        (IpAddr::V4(a), IpAddr::V4(b)) => u128::from(a.to_bits() ^ b.to_bits()) << 96,
        (IpAddr::V6(a), IpAddr::V6(b)) => a.to_bits() ^ b.to_bits(),
        _ => return false,
    };
    differ.leading_zeros() >= bits
}

/// A name or an address, and the port behind it. Of several colons without brackets around what
/// stands before the last, none sets off a port.
fn split_port(entry: &str) -> (&str, Option<&str>) {
    if let Some(rest) = entry.strip_prefix('[') {
        return match rest.split_once(']') {
            Some((name, rest)) => (name, rest.strip_prefix(':')),
            None => (entry, None),
        };
    }
    match entry.split_once(':') {
        Some((name, port)) if !port.contains(':') => (name, Some(port)),
        _ => (entry, None),
    }
}

#[cfg(test)]
mod tests {
    use super::holds;

    #[test]
    fn names_ports_and_networks() {
        for (list, host, port, held) in [
            ("", "a.example", 443, false),
            (" , *", "a.example", 443, true),
            ("example", "example", 443, true),
            ("example", "a.EXAMPLE", 443, true),
            ("example", "aexample", 443, false),
            (".example", "example", 443, false),
            (".example", "a.b.example", 443, true),
            ("*.example", "example", 443, false),
            ("*.Example", "a.example", 443, true),
            ("a.example:6443", "a.example", 6443, true),
            ("a.example:6443", "a.example", 443, false),
            (".example:6443", "a.example", 6443, true),
            (".example:6443", "a.example", 443, false),
            ("a.example:x", "a.example", 443, false),
            (":443", "a.example", 443, false),
            ("10.0.0.1", "10.0.0.1", 443, true),
            ("10.0.0.1:443", "10.0.0.1", 443, true),
            ("10.0.0.1:443", "10.0.0.1", 6443, false),
            ("10.0.0.1", "10.0.0.11", 443, false),
            ("0.0.1", "10.0.0.1", 443, true),
            ("fd00::1", "fd00::1", 443, true),
            ("fd00::1", "fd00:0::1", 443, true),
            ("[fd00::1]", "fd00::1", 443, true),
            ("[fd00::1]:443", "fd00::1", 443, true),
            ("[fd00::1]:443", "fd00::1", 80, false),
            ("x, 10.0.0.0/8", "10.9.9.9", 443, true),
            ("10.0.0.0/8", "11.0.0.1", 443, false),
            ("0.0.0.0/0", "11.0.0.1", 443, true),
            ("0.0.0.0/0", "fd00::1", 443, false),
            ("fd00::/8", "fd12::1", 443, true),
            ("fd00::/8", "fe12::1", 443, false),
            ("10.0.0.0/33", "10.0.0.0", 443, false),
        ] {
            assert_eq!(holds(list, host, port), held, "{list:?} {host} {port}");
        }
    }
}
