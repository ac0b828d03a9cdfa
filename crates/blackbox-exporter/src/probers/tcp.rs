//! TCP: connects, and has a conversation where the module has one.

use super::script::{self, Outcome, Script};
use crate::net::{address, dial};
use crate::probe::{Probe, within};
use crate::tls;
use crate::{debug, error};
use exporter_core::exposition::Family;
use exporter_core::web::listen::port_number;
use std::net::IpAddr;
use tokio::net::TcpStream;

/// Families of this prober.
pub fn families() -> Vec<&'static Family> {
    [address::FAMILIES, script::FAMILIES, tls::FAMILIES].concat()
}

/// Probes.
pub async fn probe(probe: &mut Probe<'_>) -> bool {
    let target = probe.target;
    let (host, port) = match address::split_host_port(target) {
        Ok(parts) => parts,
        Err(why) => {
            error!(probe.log, "Error dialing TCP", "err" => why);
            return false;
        }
    };
    let Some(stream) = connect(probe, host, port).await else {
        return false;
    };
    debug!(probe.log, "Successfully dialed");
    let settings = &probe.module.tcp;
    let script = Script {
        steps: &settings.steps,
        tls: settings.tls,
        tls_config: &settings.tls_config,
        server_name: host,
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

async fn connect(probe: &mut Probe<'_>, host: &str, port: &str) -> Option<TcpStream> {
    let settings = &probe.module.tcp;
    let address = address::choose(probe, &settings.ip, host).await?;
    let connecting = async {
        let source: Option<IpAddr> = dial::source(&settings.source_ip_address)?;
        let port = port_number(port).map_err(|e| e.to_string())?;
        dial::connect(address.with_port(port), source)
            .await
            .map_err(|e| format!("connect: {e}"))
    };
    let connected = within(probe.deadline, connecting)
        .await
        .and_then(|result| result);
    connected
        .map_err(|why| error!(probe.log, "Error dialing TCP", "err" => why))
        .ok()
}
