//! Unix sockets: connects to a path, and has a conversation where the module has one.

use super::script::{self, Outcome, Script};
use crate::probe::{Probe, within};
use crate::tls;
use crate::{debug, error};
use exporter_core::exposition::Family;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::SocketAddr;
use tokio::net::UnixStream;

/// Families of this prober.
pub fn families() -> Vec<&'static Family> {
    [script::FAMILIES, tls::FAMILIES].concat()
}

/// Probes.
pub async fn probe(probe: &mut Probe<'_>) -> bool {
    let connected = within(probe.deadline, connect(probe.target)).await;
    let stream = match connected.and_then(|result| result.map_err(|e| e.to_string())) {
        Ok(stream) => stream,
        Err(why) => {
            error!(probe.log, "Error dialing unix socket", "err" => why);
            return false;
        }
    };
    debug!(probe.log, "Successfully dialed");
    let settings = &probe.module.unix;
    let script = Script {
        steps: &settings.steps,
        tls: settings.tls,
        tls_config: &settings.tls_config,
        server_name: probe.target,
    };
    let mut outcome = Outcome::default();
    let talked = within(
        probe.deadline,
        script.run(stream, &mut probe.log, &mut outcome),
    )
    .await;
    outcome.put(&mut probe.out);
    talked.unwrap_or_else(|why| {
        error!(probe.log, "The conversation did not end", "err" => why);
        false
    })
}

/// A path, or `@` and a name of the abstract namespace.
async fn connect(target: &str) -> io::Result<UnixStream> {
    let Some(name) = target.strip_prefix('@') else {
        return UnixStream::connect(target).await;
    };
    // Such a socket has no path to wait for; connecting to it does not block for long.
    let address = SocketAddr::from_abstract_name(name)?;
    let stream = std::os::unix::net::UnixStream::connect_addr(&address)?;
    stream.set_nonblocking(true)?;
    UnixStream::from_std(stream)
}
