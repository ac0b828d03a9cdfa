//! UDP: sends datagrams and waits for others. An ICMP message that nobody listens there fails it.

use super::script::{self, Medium, Outcome, take};
use crate::config::Udp;
use crate::error;
use crate::net::{address, dial};
use crate::probe::{Probe, within};
use exporter_core::exposition::Family;
use exporter_core::web::listen::port_number;
use std::io;
use std::time::Duration;
use tokio::net::UdpSocket;
use tokio::time::Instant;

/// Families of this prober.
pub fn families() -> Vec<&'static Family> {
    [address::FAMILIES, script::FAMILIES].concat()
}

/// Bytes of the largest datagram.
const LARGEST: usize = 65_535;
/// How long is waited for word that a port is closed, where no answer is waited for.
const SILENCE: Duration = Duration::from_millis(500);

/// Probes.
pub async fn probe(probe: &mut Probe<'_>) -> bool {
    let absent = Udp::default();
    let settings = probe.module.udp.as_ref().unwrap_or(&absent);
    let target = probe.target;
    let (host, port) = match address::split_host_port(target) {
        Ok(parts) => parts,
        Err(why) => {
            error!(probe.log, "Error dialing UDP", "err" => why);
            return false;
        }
    };
    let Some(socket) = connect(probe, settings, host, port).await else {
        return false;
    };
    let mut outcome = Outcome::default();
    let talked = within(probe.deadline, talk(probe, settings, socket, &mut outcome)).await;
    outcome.put(&mut probe.out);
    talked.unwrap_or_else(|why| {
        error!(probe.log, "The conversation did not end", "err" => why);
        false
    })
}

async fn connect(
    probe: &mut Probe<'_>,
    settings: &Udp,
    host: &str,
    port: &str,
) -> Option<UdpSocket> {
    let address = address::choose(probe, &settings.ip, host).await?;
    let connecting = async {
        let source = dial::source(&settings.source_ip_address)?;
        let port = port_number(port).map_err(|e| e.to_string())?;
        dial::datagrams(address.with_port(port), source)
            .await
            .map_err(|e| format!("connect: {e}"))
    };
    connecting
        .await
        .map_err(|why| error!(probe.log, "Error dialing UDP", "err" => why))
        .ok()
}

/// Takes the steps. Where none of them waits for an answer to what was sent, the port must not be
/// known to be closed.
async fn talk(
    probe: &mut Probe<'_>,
    settings: &Udp,
    socket: UdpSocket,
    outcome: &mut Outcome,
) -> bool {
    outcome.connected = true;
    let mut datagrams = Datagrams {
        socket,
        is_answered: false,
    };
    for (at, step) in settings.steps.iter().enumerate() {
        if !take(at, step, &mut datagrams, &mut probe.log, outcome).await {
            return false;
        }
    }
    let refusal = datagrams.refusal(settings.steps.is_empty(), probe.deadline);
    match refusal.await {
        Ok(()) => true,
        Err(why) => {
            error!(probe.log, "The datagram was refused", "err" => why);
            false
        }
    }
}

/// A socket that is connected to the peer.
struct Datagrams {
    socket: UdpSocket,
    /// Whether anything came after what was sent last.
    is_answered: bool,
}

impl Datagrams {
    async fn receive(&mut self) -> io::Result<Vec<u8>> {
        let mut datagram = Vec::with_capacity(LARGEST);
        self.socket.recv_buf(&mut datagram).await?;
        self.is_answered = true;
        Ok(datagram)
    }

    /// Waits a moment for word that the port is closed, unless something came from there; `knocks`
    /// with an empty datagram first. A probe of less time does not wait beyond half of what it has.
    async fn refusal(&mut self, knocks: bool, deadline: Instant) -> io::Result<()> {
        if knocks {
            self.send(&[]).await?;
        }
        if self.is_answered {
            return Ok(());
        }
        let left = deadline.saturating_duration_since(Instant::now());
        let heard = tokio::time::timeout(SILENCE.min(left / 2), self.receive()).await;
        heard.map_or(Ok(()), |received| received.map(drop))
    }
}

impl Medium for Datagrams {
    const TELLS_MISMATCH: bool = true;

    /// A whole datagram, without the end of line that it may close with.
    async fn text(&mut self) -> io::Result<Option<String>> {
        let datagram = self.receive().await?;
        let text = datagram.strip_suffix(b"\n").unwrap_or(&datagram);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        Ok(Some(String::from_utf8_lossy(text).into_owned()))
    }

    /// The first bytes of the next datagram.
    async fn bytes(&mut self, count: usize) -> io::Result<Vec<u8>> {
        let mut datagram = self.receive().await?;
        if datagram.len() < count {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        datagram.truncate(count);
        Ok(datagram)
    }

    /// The bytes are the datagram, with nothing behind them.
    async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.is_answered = false;
        self.socket.send(bytes).await.map(drop)
    }
}
