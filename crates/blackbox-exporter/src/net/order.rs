//! The order of the addresses of a name (RFC 6724), as far as it has an effect within one family.

use super::address::Address;
use std::cmp::Reverse;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, UdpSocket};

/// Sorts addresses so that the best destination stands first; equal ones keep their order.
pub fn sort(addresses: &mut [Address]) {
    if addresses.len() < 2 {
        return;
    }
    addresses.sort_by_cached_key(|address| {
        let source = source(*address);
        let destination = mapped(address.ip);
        let matched = source.map(mapped);
        (
            // Rule 1: reachable ones.
            Reverse(source.is_some()),
            // Rule 2: from the same scope.
            Reverse(matched.is_some_and(|s| scope(s) == scope(destination))),
            // Rule 5: of the same label.
            Reverse(matched.is_some_and(|s| policy(s).1 == policy(destination).1)),
            // Rule 6: of higher precedence.
            Reverse(policy(destination).0),
            // Rule 8: of smaller scope.
            scope(destination),
            // Rule 9: near in the network, IPv6 only.
            Reverse(match address.ip {
                IpAddr::V6(_) => matched.map_or(0, |s| common_bits(s, destination).min(64)),
                IpAddr::V4(_) => 0,
            }),
        )
    });
}

/// The address that the kernel would send from; no packet is sent.
fn source(address: Address) -> Option<IpAddr> {
    let any: SocketAddr = match address.ip {
        IpAddr::V4(_) => "0.0.0.0:0".parse().ok()?,
        IpAddr::V6(_) => "[::]:0".parse().ok()?,
    };
    let socket = UdpSocket::bind(any).ok()?;
    socket.connect(address.with_port(9)).ok()?;
    socket.local_addr().ok().map(|a| a.ip())
}

fn mapped(ip: IpAddr) -> Ipv6Addr {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    }
}

/// Multicast scopes (RFC 4291): link 2, site 5, global 14.
fn scope(ip: Ipv6Addr) -> u8 {
    if let Some(v4) = ip.to_ipv4_mapped() {
        return if v4.is_loopback() || v4.is_link_local() {
            2
        } else {
            14
        };
    }
    let first = ip.segments()[0];
    match first {
        _ if ip.is_loopback() || first & 0xffc0 == 0xfe80 => 2,
        _ if first & 0xffc0 == 0xfec0 => 5,
        _ if ip.is_multicast() => (first & 0xf) as u8,
        _ => 14,
    }
}

/// Precedence and label (RFC 6724, section 2.1).
fn policy(ip: Ipv6Addr) -> (u8, u8) {
    let s = ip.segments();
    match s[0] {
        _ if ip.is_loopback() => (50, 0),
        _ if ip.to_ipv4_mapped().is_some() => (35, 4),
        0x2002 => (30, 2),
        0x2001 if s[1] == 0 => (5, 5),
        first if first & 0xfe00 == 0xfc00 => (3, 13),
        first if first & 0xffc0 == 0xfec0 => (1, 11),
        0x3ffe => (1, 12),
        _ if ip.to_ipv4().is_some() => (1, 3),
        _ => (40, 1),
    }
}

fn common_bits(a: Ipv6Addr, b: Ipv6Addr) -> u32 {
    (u128::from(a) ^ u128::from(b)).leading_zeros()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_before_what_cannot_be_reached() {
        let address = |ip: &str| Address {
            ip: ip.parse().unwrap(),
            zone: 0,
        };
        // Nobody has a route to a reserved address.
        let mut list = [address("255.255.255.255"), address("127.0.0.1")];
        sort(&mut list);
        assert_eq!(list[0], address("127.0.0.1"));
        assert_eq!(
            (
                scope("fe80::1".parse().unwrap()),
                policy("fc00::1".parse().unwrap())
            ),
            (2, (3, 13))
        );
    }
}
