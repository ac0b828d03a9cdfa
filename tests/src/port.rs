//! Ports for servers that cannot be asked which one they took.

use std::net::{Ipv4Addr, TcpListener};

/// Redis adds 10,000 for its cluster bus, which has to be a port too.
const HIGHEST: u16 = 55_000;

/// A loopback port that was free a moment ago.
pub fn free_port() -> u16 {
    loop {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        if port < HIGHEST {
            return port;
        }
    }
}
