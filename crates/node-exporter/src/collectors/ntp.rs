//! The clock compared with an NTP server, by one query (RFC 5905).

use crate::host::Host;
use exporter_core::cli::Flag;
use exporter_core::collector::{Collector, Error, Scrape};
use exporter_core::exposition::{Arena, Family};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::net::{IpAddr, UdpSocket};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

exporter_core::flags! {
    /// Flags of this collector.
    pub struct Flags {
        /// Server to ask.
        "collector.ntp.server" server: String = ["127.0.0.1"];
        /// Port of the server.
        "collector.ntp.server-port" port: i64 = ["123"];
        /// Allow a server that is not on this host.
        "collector.ntp.server-is-local" is_local: bool = ["false"];
        /// Version of the protocol: 2, 3 or 4.
        "collector.ntp.protocol-version" version: i64 = ["4"];
        /// Hops that the query may take, 0 for the system's default.
        "collector.ntp.ip-ttl" ttl: i64 = ["1"];
        /// Greatest distance to the root that is sane.
        "collector.ntp.max-distance" max_distance: Duration = ["3.46608s"];
        /// Offset between both clocks that is sane.
        "collector.ntp.local-offset-tolerance" tolerance: Duration = ["1ms"];
    }
}

/// Flags of this collector.
pub const FLAGS: &[Flag] = Flags::TABLE;

static STRATUM: Family = Family::gauge("node_ntp_stratum", &[], "Stratum of the server.");
static LEAP: Family = Family::gauge(
    "node_ntp_leap",
    &[],
    "Leap indicator: 0 none, 1 a second more, 2 a second less, 3 not synchronised.",
);
static RTT: Family = Family::gauge(
    "node_ntp_rtt_seconds",
    &[],
    "Round trip to the server in seconds.",
);
static OFFSET: Family = Family::gauge(
    "node_ntp_offset_seconds",
    &[],
    "Offset of the local clock in seconds.",
);
static REFERENCE: Family = Family::gauge(
    "node_ntp_reference_timestamp_seconds",
    &[],
    "Time that the server was set last, in seconds since the epoch.",
);
static ROOT_DELAY: Family = Family::gauge(
    "node_ntp_root_delay_seconds",
    &[],
    "Round trip to the root in seconds.",
);
static ROOT_DISPERSION: Family = Family::gauge(
    "node_ntp_root_dispersion_seconds",
    &[],
    "Dispersion to the root in seconds.",
);
static SANITY: Family = Family::gauge(
    "node_ntp_sanity",
    &[],
    "Whether the answer passes all checks.",
);

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    vec![
        &STRATUM,
        &LEAP,
        &RTT,
        &OFFSET,
        &REFERENCE,
        &ROOT_DELAY,
        &ROOT_DISPERSION,
        &SANITY,
    ]
}

/// Makes the collector.
pub fn new(host: &Host) -> Result<Box<dyn Collector>, String> {
    tracing::warn!("This collector is deprecated: ntp");
    let flags = Flags::read(&host.matches)?;
    let local = flags
        .server
        .parse::<IpAddr>()
        .is_ok_and(|ip| ip.is_loopback());
    if !local && !flags.is_local {
        return Err(
            "only IP address of local NTP server is valid for --collector.ntp.server".to_owned(),
        );
    }
    if !(2..=4).contains(&flags.version) {
        return Err(format!(
            "invalid NTP protocol version {}; must be 2, 3, or 4",
            flags.version
        ));
    }
    let port = u16::try_from(flags.port).ok().filter(|p| *p > 0);
    let port = port.ok_or_else(|| {
        format!(
            "invalid NTP port number {}; must be between 1 and 65535 inclusive",
            flags.port
        )
    })?;
    let address = match flags.server.parse::<IpAddr>() {
        Ok(ip) => std::net::SocketAddr::new(ip, port).to_string(),
        Err(_) if flags.server.contains(':') => flags.server.clone(),
        Err(_) => format!("{}:{port}", flags.server),
    };
    let mut leap_midnights: Vec<u64> = Vec::new();
    Ok(Box::new(move |out: &mut Arena, _: &Scrape| {
        let reply = query(&address, &flags).map_err(|e| format!("could not ask {address}: {e}"))?;
        reply.put(out, &flags, &mut leap_midnights);
        Ok(())
    }))
}

/// 32.32 fixed-point seconds since 1900.
fn now() -> u64 {
    const ERA: u64 = 2_208_988_800;
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let fraction = (u64::from(since.subsec_nanos()) << 32) / 1_000_000_000;
    (since.as_secs().wrapping_add(ERA) << 32) | fraction
}

/// A number that another host cannot guess.
fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

fn query(address: &str, flags: &Flags) -> Result<Reply, Error> {
    const PATIENCE: Duration = Duration::from_secs(1);
    let any = if address.starts_with('[') {
        "[::]:0"
    } else {
        "0.0.0.0:0"
    };
    let socket = UdpSocket::bind(any)?;
    if flags.ttl > 0 && any.starts_with('0') {
        socket.set_ttl(u32::try_from(flags.ttl).unwrap_or(1))?;
    }
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.connect(address)?;
    let mut request = [0u8; 48];
    request[0] = (flags.version as u8) << 3 | 3;
    request[3] = 0x20;
    let cookie = random();
    request[40..].copy_from_slice(&cookie.to_be_bytes());
    let sent = now();
    socket.send(&request)?;
    let mut answer = [0; 512];
    let length = socket.recv(&mut answer)?;
    let received = now();
    Reply::parse(&answer[..length], cookie, sent, received).map_err(Error::failed)
}

/// An answer; times are 32.32 fixed point.
#[derive(Debug)]
struct Reply {
    leap: u8,
    stratum: u8,
    root_delay: u64,
    root_dispersion: u64,
    reference: u64,
    org: u64,
    rec: u64,
    xmt: u64,
    dst: u64,
}

impl Reply {
    fn parse(answer: &[u8], cookie: u64, org: u64, dst: u64) -> Result<Self, String> {
        let long = |at: usize| {
            answer
                .get(at..)
                .and_then(|b| b.first_chunk())
                .map_or(0, |b| u64::from_be_bytes(*b))
        };
        let short = |at: usize| {
            u64::from(
                answer
                    .get(at..)
                    .and_then(|b| b.first_chunk())
                    .map_or(0, |b| u32::from_be_bytes(*b)),
            ) << 16
        };
        let [first, stratum, ..] = answer else {
            return Err("the answer is too short".to_owned());
        };
        let reply = Reply {
            leap: first >> 6,
            stratum: *stratum,
            root_delay: short(4),
            root_dispersion: short(8),
            reference: long(16),
            org,
            rec: long(32),
            xmt: long(40),
            dst,
        };
        let problem = if answer.len() < 48 {
            "the answer is too short"
        } else if first & 7 != 4 {
            "the answer is not from a server"
        } else if reply.xmt == 0 {
            "the answer has no transmit time"
        } else if long(24) != cookie {
            "the answer belongs to another query"
        } else if reply.rec > reply.xmt {
            "the server's clock went backwards"
        } else {
            return Ok(reply);
        };
        Err(problem.to_owned())
    }

    fn put(&self, out: &mut Arena, flags: &Flags, midnights: &mut Vec<u64>) {
        let rtt = signed(self.dst, self.org)
            .saturating_sub(signed(self.xmt, self.rec))
            .max(0);
        let (a, b) = (signed(self.rec, self.org), signed(self.xmt, self.dst));
        let offset = a.wrapping_add(b.wrapping_sub(a) / 2);
        out.put(&STRATUM, &[], f64::from(self.stratum));
        out.put(&LEAP, &[], f64::from(self.leap));
        out.put(&RTT, &[], seconds(rtt));
        out.put(&OFFSET, &[], seconds(offset));
        let reference = unix(self.reference);
        out.put(
            &REFERENCE,
            &[],
            if reference > 0.0 { reference } else { 0.0 },
        );
        out.put(&ROOT_DELAY, &[], to_nanoseconds(self.root_delay));
        out.put(&ROOT_DISPERSION, &[], to_nanoseconds(self.root_dispersion));
        let tolerance = flags.tolerance.as_secs_f64() + self.leap_allowance(midnights);
        let sane = self.is_sane(rtt, flags.max_distance.as_secs_f64(), tolerance);
        out.put(&SANITY, &[], f64::from(u8::from(sane)));
    }

    /// Around a midnight with a leap second both clocks may differ by a second.
    fn leap_allowance(&self, midnights: &mut Vec<u64>) -> f64 {
        const DAY: u64 = 86_400;
        let time = unix(self.xmt) as u64;
        if matches!(self.leap, 1 | 2) {
            let midnight = (time / DAY + 1) * DAY;
            if !midnights.contains(&midnight) {
                midnights.push(midnight);
            }
        }
        let near = midnights.iter().any(|m| time.abs_diff(*m) < DAY);
        if near { 1.0 } else { 0.0 }
    }

    fn is_sane(&self, rtt: i64, max_distance: f64, tolerance: f64) -> bool {
        let (delay, dispersion) = (
            seconds(self.root_delay as i64),
            seconds(self.root_dispersion as i64),
        );
        let age = unix(self.xmt) - unix(self.reference);
        let distance = (seconds(rtt) + delay) / 2.0 + dispersion;
        let error = signed(self.org, self.rec)
            .max(signed(self.xmt, self.dst))
            .max(0);
        (1..16).contains(&self.stratum)
            && (0.0..=131_072.0).contains(&age)
            && delay / 2.0 + dispersion <= 16.0
            && self.leap != 3
            && distance <= max_distance
            && seconds(error) <= tolerance
    }
}

/// Difference of two times, which may lie in neighbouring eras.
fn signed(a: u64, b: u64) -> i64 {
    a.wrapping_sub(b) as i64
}

fn seconds(fixed: i64) -> f64 {
    fixed as f64 / 4_294_967_296.0
}

/// A duration rounded to nanoseconds.
fn to_nanoseconds(fixed: u64) -> f64 {
    (seconds(fixed as i64) * 1e9).round() / 1e9
}

/// Seconds since the epoch; times before 1970 belong to the era that begins in 2036.
fn unix(fixed: u64) -> f64 {
    const EPOCH: u64 = 0x83aa_7e80;
    const ERA: f64 = 4_294_967_296.0;
    let whole = fixed >> 32;
    let era = if whole < EPOCH { ERA } else { 0.0 };
    let nanos = ((fixed & 0xffff_ffff) * 1_000_000_000) >> 32;
    (whole as f64 + era - EPOCH as f64) + nanos as f64 / 1e9
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Tree;
    use proptest::prelude::*;

    #[test]
    fn asks_a_server() {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = server.local_addr().unwrap().port().to_string();
        let thread = std::thread::spawn(move || {
            let mut request = [0; 48];
            let (_, peer) = server.recv_from(&mut request).unwrap();
            assert_eq!(request[0], 4 << 3 | 3);
            let mut answer = [0; 48];
            answer[0] = 4 << 3 | 4;
            answer[1] = 2;
            answer[16..24].copy_from_slice(&(now() - (10 << 32)).to_be_bytes());
            answer[24..32].copy_from_slice(&request[40..]);
            answer[32..40].copy_from_slice(&now().to_be_bytes());
            answer[40..].copy_from_slice(&now().to_be_bytes());
            server.send_to(&answer, peer).unwrap();
        });
        let flags = [
            ("collector.ntp.server-port", port.as_str()),
            ("collector.ntp.local-offset-tolerance", "500ms"),
        ];
        let collected = Tree::new().collect("ntp", &flags);
        thread.join().unwrap();
        collected.expect_some(&[
            "node_ntp_stratum 2",
            "node_ntp_leap 0",
            "node_ntp_sanity 1",
            "node_ntp_root_delay_seconds 0",
        ]);
    }

    #[test]
    fn flags_are_checked() {
        for flags in [
            [("collector.ntp.server", "192.0.2.1")],
            [("collector.ntp.server-port", "0")],
            [("collector.ntp.protocol-version", "5")],
        ] {
            assert!(Tree::new().make("ntp", &flags).is_err(), "{flags:?}");
        }
    }

    #[test]
    fn eras() {
        assert_eq!(unix(0), 2_085_978_496.0);
        assert_eq!(unix(0x83aa_7e80 << 32), 0.0);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>, cookie: u64, org: u64, dst: u64) {
            if let Ok(reply) = Reply::parse(&bytes, cookie, org, dst) {
                let host = Tree::new().host(&[]);
                reply.put(&mut Arena::new(), &Flags::read(&host.matches).unwrap(), &mut Vec::new());
            }
        }
    }
}
