//! ICMP echo over IPv4 and IPv6: one request, one reply (RFC 792, RFC 4443).
//!
//! An unprivileged datagram socket is tried first (its groups are in `ping_group_range`), then a raw
//! one. Not to be taken apart on the way is only asked for on raw sockets.

use crate::net::address::{self, Address};
use crate::net::{dial, resolve};
use crate::probe::{Probe, within};
use crate::{debug, error};
use exporter_core::exposition::Family;
use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, setsockopt, sockopt,
};
use rustix::net::sockopt::{Ipv4PathMtuDiscovery, set_ip_mtu_discover};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use tokio::io::Interest;
use tokio::net::UdpSocket;

static PHASES: Family = Family::gauge(
    "probe_icmp_duration_seconds",
    &["phase"],
    "Time that the probe took by phase in seconds.",
);
static HOPS: Family = Family::gauge(
    "probe_icmp_reply_hop_limit",
    &[],
    "Hops that the reply had left: the hop limit of IPv6, the TTL of IPv4.",
);

static SENT: Family = Family::gauge(
    "probe_icmp_packets_sent",
    &[],
    "Requests that were sent, where the module sends more than one.",
);
static RECEIVED: Family = Family::gauge(
    "probe_icmp_packets_received",
    &[],
    "Requests that were answered, where the module sends more than one.",
);
static TRIPS: Family = Family::gauge(
    "probe_icmp_rtt_seconds",
    &["stat"],
    "Least, mean and most time of the answered requests, and their standard deviation, in seconds.",
);

/// Families of this prober.
pub fn families() -> Vec<&'static Family> {
    let own: &[&Family] = &[&PHASES, &HOPS, &SENT, &RECEIVED, &TRIPS];
    [address::FAMILIES, own].concat()
}

/// Data of a request where the module does not say a size.
const PAYLOAD: &[u8] = b"Prometheus Blackbox Exporter";
/// What fits into a packet of IPv6; of IPv4 it is twenty bytes less.
const LARGEST: i64 = 65_527;

#[derive(Default)]
struct Phases {
    setup: f64,
    /// Of the first reply.
    rtt: f64,
    sent: u16,
    trips: Vec<f64>,
    hops: Option<u8>,
}

/// Probes.
pub async fn probe(probe: &mut Probe<'_>) -> bool {
    let mut phases = Phases::default();
    let target = probe.target;
    let address = address::choose(probe, &probe.module.icmp.ip, target).await;
    let success = match address {
        Some(address) => exchange(probe, address, &mut phases).await,
        None => false,
    };
    let resolve = address.map_or(0.0, |_| probe.lookup_seconds);
    for (phase, seconds) in [
        ("resolve", resolve),
        ("setup", phases.setup),
        ("rtt", phases.rtt),
    ] {
        probe.out.put(&PHASES, &[phase], seconds);
    }
    success
}

async fn exchange(probe: &mut Probe<'_>, address: Address, phases: &mut Phases) -> bool {
    let result = within(probe.deadline, ping(probe, address, phases)).await;
    if probe.module.icmp.count > 1 {
        put_trips(probe, phases);
    }
    // One reply of several will do: how many came is told.
    let result = match phases.trips.is_empty() {
        true => result.and_then(|ended| ended),
        false => Ok(()),
    };
    match result {
        Ok(()) => {
            debug!(probe.log, "Found matching reply packet");
            if let Some(hops) = phases.hops {
                probe.out.put(&HOPS, &[], f64::from(hops));
            }
            true
        }
        Err(why) => {
            error!(probe.log, "Error in the ICMP exchange", "err" => why);
            false
        }
    }
}

fn put_trips(probe: &mut Probe<'_>, phases: &Phases) {
    let trips = &phases.trips;
    let out = &mut probe.out;
    out.put(&SENT, &[], f64::from(phases.sent));
    out.put(&RECEIVED, &[], trips.len() as f64);
    if trips.is_empty() {
        return;
    }
    let count = trips.len() as f64;
    let mean = trips.iter().sum::<f64>() / count;
    let variance = trips.iter().map(|t| (t - mean).powi(2)).sum::<f64>() / count;
    for (stat, seconds) in [
        ("min", trips.iter().copied().fold(f64::INFINITY, f64::min)),
        ("mean", mean),
        ("max", trips.iter().copied().fold(0.0, f64::max)),
        ("stddev", variance.sqrt()),
    ] {
        out.put(&TRIPS, &[stat], seconds);
    }
}

/// Sends requests and waits for the reply to each: a single one as long as there is time, several
/// for their interval.
async fn ping(probe: &Probe<'_>, address: Address, phases: &mut Phases) -> Result<(), String> {
    let settings = &probe.module.icmp;
    let started = Instant::now();
    let payload = payload(settings.payload_size)?;
    let source = dial::source(&settings.source_ip_address)?;
    if source.is_some_and(|s| s.is_ipv4() != address.ip.is_ipv4()) {
        return Err("the source address is of another family than the target".to_owned());
    }
    let whole = settings.dont_fragment && address.ip.is_ipv4();
    let told = |e: io::Error| format!("opening an ICMP socket: {e}");
    let ping = Ping::open(address, source, whole, settings.ttl).map_err(told)?;
    let id = resolve::random_id();
    phases.setup = started.elapsed().as_secs_f64();
    let interval = Duration::from_nanos(settings.interval.unsigned_abs());
    for number in 1..=settings.count {
        let echo = Echo {
            v6: address.ip.is_ipv6(),
            id,
            sequence: next_sequence(),
            payload: &payload,
        };
        let next = tokio::time::Instant::now() + interval;
        let one = once(&ping, &echo, address, phases);
        if settings.count == 1 {
            return one.await;
        }
        match tokio::time::timeout_at(next, one).await {
            Ok(Err(why)) => return Err(why),
            Ok(Ok(())) if number < settings.count => tokio::time::sleep_until(next).await,
            Ok(Ok(())) | Err(_) => {}
        }
    }
    Err("no reply came".to_owned())
}

/// One request and its reply.
async fn once(
    ping: &Ping,
    echo: &Echo<'_>,
    address: Address,
    phases: &mut Phases,
) -> Result<(), String> {
    let sent = Instant::now();
    ping.send(&echo.encode(), address)
        .await
        .map_err(|e| format!("sending: {e}"))?;
    phases.sent += 1;
    let hops = ping
        .receive(echo, address)
        .await
        .map_err(|e| format!("receiving: {e}"))?;
    let trip = sent.elapsed().as_secs_f64();
    if phases.trips.is_empty() {
        (phases.rtt, phases.hops) = (trip, hops);
    }
    phases.trips.push(trip);
    Ok(())
}

/// The default text cut or filled with zero bytes.
fn payload(size: i64) -> Result<Vec<u8>, String> {
    match size {
        0 => Ok(PAYLOAD.to_vec()),
        1..=LARGEST => {
            let mut payload = PAYLOAD.to_vec();
            payload.resize(size as usize, 0);
            Ok(payload)
        }
        _ => Err(format!("payload_size {size}: expected 0 to {LARGEST}")),
    }
}

/// Numbers of this process's requests, from a random start.
fn next_sequence() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(u32::MAX);
    // Whoever comes first sets the start; losing that race is no harm.
    let start = u32::from(resolve::random_id());
    let _ = NEXT.compare_exchange(u32::MAX, start, Ordering::Relaxed, Ordering::Relaxed);
    (NEXT.fetch_add(1, Ordering::Relaxed) & 0xffff) as u16
}

struct Echo<'p> {
    v6: bool,
    id: u16,
    sequence: u16,
    payload: &'p [u8],
}

impl Echo<'_> {
    /// The request. The kernel sets the checksum of IPv6, and the id where the socket is a datagram
    /// one.
    fn encode(&self) -> Vec<u8> {
        let mut packet = vec![if self.v6 { 128 } else { 8 }, 0, 0, 0];
        packet.extend_from_slice(&self.id.to_be_bytes());
        packet.extend_from_slice(&self.sequence.to_be_bytes());
        packet.extend_from_slice(self.payload);
        if !self.v6 {
            let sum = checksum(&packet).to_be_bytes();
            packet[2..4].copy_from_slice(&sum);
        }
        packet
    }

    /// Whether a packet is the reply to this request.
    fn is_answered_by(&self, packet: &[u8], raw: bool) -> bool {
        let kind = if self.v6 { 129 } else { 0 };
        let [t, 0, _, _, id_high, id_low, sequence @ ..] = packet else {
            return false;
        };
        let Some((sequence, payload)) = sequence.split_at_checked(2) else {
            return false;
        };
        *t == kind
            && (!raw || [*id_high, *id_low] == self.id.to_be_bytes())
            && sequence == self.sequence.to_be_bytes()
            && payload == self.payload
    }
}

/// RFC 1071
fn checksum(packet: &[u8]) -> u16 {
    let words = packet.chunks(2).map(|pair| match pair {
        [high, low] => u32::from(*high) << 8 | u32::from(*low),
        [high] => u32::from(*high) << 8,
        _ => 0,
    });
    let sum: u32 = words.sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    !((folded & 0xffff) + (folded >> 16)) as u16
}

struct Ping {
    socket: UdpSocket,
    raw: bool,
}

impl Ping {
    fn open(address: Address, source: Option<IpAddr>, whole: bool, ttl: u8) -> io::Result<Self> {
        let (domain, protocol) = match address.ip {
            IpAddr::V4(_) => (Domain::IPV4, Protocol::ICMPV4),
            IpAddr::V6(_) => (Domain::IPV6, Protocol::ICMPV6),
        };
        let open = |kind| Socket::new(domain, kind, Some(protocol));
        let (socket, raw) = match whole {
            true => (open(Type::RAW)?, true),
            false => match open(Type::DGRAM) {
                Ok(socket) => (socket, false),
                Err(_) => (open(Type::RAW)?, true),
            },
        };
        socket.set_nonblocking(true)?;
        if let Some(source) = source {
            socket.bind(&SockAddr::from(SocketAddr::new(source, 0)))?;
        }
        match address.ip {
            IpAddr::V4(_) => {
                setsockopt(&socket, sockopt::Ipv4RecvTtl, &true)?;
                if ttl > 0 {
                    socket.set_ttl_v4(u32::from(ttl))?;
                } else if whole {
                    socket.set_ttl_v4(64)?;
                }
                if whole {
                    set_ip_mtu_discover(&socket, Ipv4PathMtuDiscovery::DO)?;
                }
            }
            IpAddr::V6(_) => {
                setsockopt(&socket, sockopt::Ipv6RecvHopLimit, &true)?;
                if ttl > 0 {
                    socket.set_unicast_hops_v6(u32::from(ttl))?;
                }
            }
        }
        // Datagrams are sent and received alike, whatever their protocol.
        Ok(Ping {
            socket: UdpSocket::from_std(socket.into())?,
            raw,
        })
    }

    async fn send(&self, packet: &[u8], address: Address) -> io::Result<()> {
        let sent = self.socket.send_to(packet, address.with_port(0)).await?;
        match sent == packet.len() {
            true => Ok(()),
            false => Err(io::Error::other("the packet was not sent whole")),
        }
    }

    /// Waits for the reply; everything else that arrives is passed over.
    async fn receive(&self, echo: &Echo<'_>, address: Address) -> io::Result<Option<u8>> {
        let mut buffer = vec![0; echo.payload.len() + 128];
        loop {
            let receive = || receive_one(&self.socket, &mut buffer);
            let got = self.socket.async_io(Interest::READABLE, receive).await;
            let got = match got {
                Ok(got) => got,
                // Errors that routers report do not end the wait.
                Err(error) if is_report(&error) => continue,
                Err(error) => return Err(error),
            };
            let (packet, hops) = match self.raw && !echo.v6 {
                true => without_header(&buffer[..got.length]),
                false => (&buffer[..got.length], got.hops),
            };
            if got.from == Some(address.ip) && echo.is_answered_by(packet, self.raw) {
                return Ok(hops);
            }
        }
    }
}

fn is_report(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionRefused, HostUnreachable, NetworkUnreachable};
    matches!(
        error.kind(),
        ConnectionRefused | HostUnreachable | NetworkUnreachable
    )
}

/// Raw sockets of IPv4 have the header before the packet; the ninth byte is the TTL.
fn without_header(packet: &[u8]) -> (&[u8], Option<u8>) {
    let length = packet.first().map_or(0, |b| usize::from(b & 0xf) * 4);
    (
        packet.get(length..).unwrap_or_default(),
        packet.get(8).copied(),
    )
}

struct Received {
    length: usize,
    from: Option<IpAddr>,
    hops: Option<u8>,
}

fn receive_one(socket: &UdpSocket, buffer: &mut [u8]) -> io::Result<Received> {
    let mut control = nix::cmsg_space!(i32, i32);
    let mut slices = [IoSliceMut::new(buffer)];
    let message = recvmsg::<SockaddrStorage>(
        socket.as_raw_fd(),
        &mut slices,
        Some(&mut control),
        MsgFlags::MSG_DONTWAIT,
    )?;
    let from = message.address.and_then(|a| {
        let v4 = a.as_sockaddr_in().map(|a| IpAddr::V4(a.ip()));
        v4.or_else(|| a.as_sockaddr_in6().map(|a| IpAddr::V6(a.ip())))
    });
    let hops = message.cmsgs()?.find_map(|m| match m {
        ControlMessageOwned::Ipv4Ttl(n) | ControlMessageOwned::Ipv6HopLimit(n) => {
            u8::try_from(n).ok()
        }
        _ => None,
    });
    Ok(Received {
        length: message.bytes,
        from,
        hops,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn packets() {
        let echo = Echo {
            v6: false,
            id: 0x1234,
            sequence: 7,
            payload: b"abc",
        };
        let mut packet = echo.encode();
        assert_eq!(checksum(&packet), 0);
        assert!(!echo.is_answered_by(&packet, true));
        packet[0] = 0;
        assert!(echo.is_answered_by(&packet, true));
        packet[4] ^= 1;
        assert!(!echo.is_answered_by(&packet, true) && echo.is_answered_by(&packet, false));
        assert!(!echo.is_answered_by(&packet[..10], false));
        assert_eq!(payload(0).unwrap().len(), 28);
        assert_eq!(payload(3).unwrap(), b"Pro");
        assert_eq!(payload(40).unwrap()[28..], [0; 12]);
        assert!(payload(-1).is_err() && payload(70_000).is_err());
    }

    #[test]
    fn sequences_count_up() {
        let first = next_sequence();
        assert_ne!(next_sequence(), first);
    }

    proptest! {
        #[test]
        fn no_packet_makes_it_panic(packet: Vec<u8>) {
            let echo = Echo { v6: true, id: 1, sequence: 2, payload: b"" };
            let _ = echo.is_answered_by(&packet, true);
            let _ = (without_header(&packet), checksum(&packet));
        }
    }
}
