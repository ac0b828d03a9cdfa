//! TCP sockets by state, over socket diagnosis (sock_diag(7)).

use crate::host::Host;
use crate::kernel::netlink::{self, DUMP, Netlink, u32_of};
use exporter_core::cli::Flag;
use exporter_core::collector::{Collector, Error, Scrape};
use exporter_core::exposition::{Arena, Family};
use std::cell::RefCell;

/// Flags of this collector.
pub const FLAGS: &[Flag] = &[];

static STATES: Family = Family::gauge(
    "node_tcp_connection_states",
    &["state"],
    "TCP sockets in a state, and bytes queued in all of them.",
);
const NAMES: [&str; 12] = [
    "unknown",
    "established",
    "syn_sent",
    "syn_recv",
    "fin_wait1",
    "fin_wait2",
    "time_wait",
    "close",
    "close_wait",
    "last_ack",
    "listen",
    "closing",
];

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    vec![&STATES]
}

#[derive(Default)]
struct Counts {
    states: [u64; 12],
    received: f64,
    sent: f64,
}

/// Makes the collector.
pub fn new(host: &Host) -> Result<Box<dyn Collector>, String> {
    let tcp6 = host.proc("net/tcp6");
    let mut netlink = Netlink::new(netlink::Family::SockDiag);
    Ok(Box::new(move |out: &mut Arena, _: &Scrape| {
        const AF_INET: u8 = 2;
        const AF_INET6: u8 = 10;
        let mut all = ask(&mut netlink, AF_INET)?;
        if tcp6.exists() {
            let more = ask(&mut netlink, AF_INET6)?;
            all.states
                .iter_mut()
                .zip(more.states)
                .for_each(|(sum, n)| *sum += n);
            all.received += more.received;
            all.sent += more.sent;
        }
        for (name, count) in NAMES.iter().zip(all.states).filter(|s| s.1 > 0) {
            out.put(&STATES, &[name], count as f64);
        }
        if all.states.iter().any(|n| *n > 0) {
            out.put(&STATES, &["rx_queued_bytes"], all.received);
            out.put(&STATES, &["tx_queued_bytes"], all.sent);
        }
        Ok::<(), Error>(())
    }))
}

fn ask(netlink: &mut Netlink, family: u8) -> Result<Counts, Error> {
    const SOCK_DIAG_BY_FAMILY: u16 = 20;
    const TCP: u8 = 6;
    // struct inet_diag_req_v2: family, protocol, extensions, padding, state mask, socket id.
    let mut request = [0u8; 56];
    request[0] = family;
    request[1] = TCP;
    request[4..8].copy_from_slice(&0xfffu32.to_ne_bytes());
    let counts = RefCell::new(Counts::default());
    let restart = || *counts.borrow_mut() = Counts::default();
    netlink.request(SOCK_DIAG_BY_FAMILY, DUMP, &request, restart, |message| {
        counts.borrow_mut().take(message.payload);
    })?;
    Ok(counts.into_inner())
}

impl Counts {
    /// `struct inet_diag_msg`: state at 1, receive queue at 56, send queue at 60.
    fn take(&mut self, payload: &[u8]) {
        let queue = |at: usize| payload.get(at..).and_then(u32_of).map_or(0.0, f64::from);
        if let Some(state) = payload.get(1) {
            let at = usize::from(*state);
            self.states[if at < NAMES.len() { at } else { 0 }] += 1;
            self.received += queue(56);
            self.sent += queue(60);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_a_listener() {
        let _listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let collected = crate::testing::Tree::new().collect("tcpstat", &[]);
        assert!(
            collected
                .text
                .contains("node_tcp_connection_states{state=\"listen\"} "),
            "{:?}",
            collected.result
        );
        assert!(collected.text.contains("rx_queued_bytes"));
    }

    #[test]
    fn short_messages_are_survived() {
        let mut counts = Counts::default();
        for length in 0..64 {
            counts.take(&vec![255; length]);
        }
        assert_eq!(counts.states[0], 62);
    }
}
