//! InfiniBand ports, from `class/infiniband` of sysfs (`ABI/stable/sysfs-class-infiniband`).

use crate::host::Host;
use crate::kernel::{Devices, Filter, KernelFile, Unread, text};
use exporter_core::cli::Flag;
use exporter_core::collector::{Collector, Error, Scrape};
use exporter_core::exposition::{Arena, Family};
use rustix::io::Errno;
use std::path::Path;

exporter_core::flags! {
    /// Flags of this collector.
    pub struct Flags {
        /// Regular expression of devices to keep.
        "collector.infiniband.device-include" include: String = [""];
        /// Regular expression of devices to leave out.
        "collector.infiniband.device-exclude" exclude: String = [""];
    }
}

/// Flags of this collector.
pub const FLAGS: &[Flag] = Flags::TABLE;

const PORT: &[&str] = &["device", "port"];
static INFO: Family = Family::gauge(
    "node_infiniband_info",
    &["board_id", "device", "firmware_version", "hca_type"],
    "What an InfiniBand device is, constant 1.",
);
static STATE: Family = Family::gauge(
    "node_infiniband_state_id",
    PORT,
    "State of a port: 1 down, 2 init, 3 armed, 4 active, 5 act_defer.",
);
static PHYSICAL: Family = Family::gauge(
    "node_infiniband_physical_state_id",
    PORT,
    "Physical state of a port: 1 sleep, 2 polling, 3 disabled, 4 training, 5 up, 6 recovery, 7 test.",
);
static RATE: Family = Family::gauge(
    "node_infiniband_rate_bytes_per_second",
    PORT,
    "Greatest rate of a port in bytes a second.",
);
static LIFESPAN: Family = Family::gauge(
    "node_infiniband_lifespan_seconds",
    PORT,
    "How long counters of the hardware are kept in seconds.",
);

macro_rules! counters {
    ($( $file:literal $name:literal $help:literal, )*) => {
        /// Files of a port and their families. Data counters count words of four bytes.
        static COUNTERS: [(&str, Family); 58] = [ $( (
            $file,
            Family::counter(concat!("node_infiniband_", $name, "_total"), PORT, $help),
        ), )* ];
    };
}
counters! {
    "counters_ext/port_multicast_rcv_packets" "legacy_multicast_packets_received" "Multicast packets received.",
    "counters_ext/port_multicast_xmit_packets" "legacy_multicast_packets_transmitted" "Multicast packets sent.",
    "counters_ext/port_rcv_data_64" "legacy_data_received_bytes" "Bytes received.",
    "counters_ext/port_rcv_packets_64" "legacy_packets_received" "Packets received.",
    "counters_ext/port_unicast_rcv_packets" "legacy_unicast_packets_received" "Unicast packets received.",
    "counters_ext/port_unicast_xmit_packets" "legacy_unicast_packets_transmitted" "Unicast packets sent.",
    "counters_ext/port_xmit_data_64" "legacy_data_transmitted_bytes" "Bytes sent.",
    "counters_ext/port_xmit_packets_64" "legacy_packets_transmitted" "Packets sent.",
    "counters/excessive_buffer_overrun_errors" "excessive_buffer_overrun_errors" "Buffer overruns in a row.",
    "counters/link_downed" "link_downed" "Times that the link went down.",
    "counters/link_error_recovery" "link_error_recovery" "Times that the link recovered from an error.",
    "counters/local_link_integrity_errors" "local_link_integrity_errors" "Times that local errors exceeded their threshold.",
    "counters/multicast_rcv_packets" "multicast_packets_received" "Multicast packets received.",
    "counters/multicast_xmit_packets" "multicast_packets_transmitted" "Multicast packets sent.",
    "counters/port_rcv_constraint_errors" "port_constraint_errors_received" "Packets received and discarded by a constraint.",
    "counters/port_xmit_constraint_errors" "port_constraint_errors_transmitted" "Packets not sent because of a constraint.",
    "counters/port_rcv_data" "port_data_received_bytes" "Bytes received.",
    "counters/port_xmit_data" "port_data_transmitted_bytes" "Bytes sent.",
    "counters/port_rcv_discards" "port_discards_received" "Packets received and discarded.",
    "counters/port_xmit_discards" "port_discards_transmitted" "Packets discarded instead of sent.",
    "counters/port_rcv_errors" "port_errors_received" "Packets received with errors.",
    "counters/port_rcv_packets" "port_packets_received" "Packets received.",
    "counters/port_xmit_packets" "port_packets_transmitted" "Packets sent.",
    "counters/port_xmit_wait" "port_transmit_wait" "Ticks with data that could not be sent.",
    "counters/unicast_rcv_packets" "unicast_packets_received" "Unicast packets received.",
    "counters/unicast_xmit_packets" "unicast_packets_transmitted" "Unicast packets sent.",
    "counters/port_rcv_remote_physical_errors" "port_receive_remote_physical_errors" "Packets received with a mark of a bad packet.",
    "counters/port_rcv_switch_relay_errors" "port_receive_switch_relay_errors" "Packets that a switch could not forward.",
    "counters/symbol_error" "symbol_error" "Symbol errors.",
    "counters/VL15_dropped" "vl15_dropped" "Management packets dropped.",
    "hw_counters/duplicate_request" "duplicate_requests_packets" "Requests received twice.",
    "hw_counters/implied_nak_seq_err" "implied_nak_seq_errors" "Implied negative acknowledgements.",
    "hw_counters/local_ack_timeout_err" "local_ack_timeout_errors" "Acknowledgements that did not come in time.",
    "hw_counters/np_cnp_sent" "np_cnp_packets_sent" "Congestion notifications sent.",
    "hw_counters/np_ecn_marked_roce_packets" "np_ecn_marked_roce_packets_received" "Packets received with a congestion mark.",
    "hw_counters/out_of_buffer" "out_of_buffer_drops" "Packets dropped for want of buffers.",
    "hw_counters/out_of_sequence" "out_of_sequence_packets_received" "Packets received out of sequence.",
    "hw_counters/packet_seq_err" "packet_sequence_errors" "Negative acknowledgements for sequence errors.",
    "hw_counters/req_cqe_error" "req_cqes_errors" "Requester completions with errors.",
    "hw_counters/req_cqe_flush_error" "req_cqes_flush_errors" "Requester completions flushed.",
    "hw_counters/req_remote_access_errors" "req_remote_access_errors" "Remote access errors of the requester.",
    "hw_counters/req_remote_invalid_request" "req_remote_invalid_request_errors" "Invalid requests of the requester.",
    "hw_counters/resp_cqe_error" "resp_cqes_errors" "Responder completions with errors.",
    "hw_counters/resp_cqe_flush_error" "resp_cqes_flush_errors" "Responder completions flushed.",
    "hw_counters/resp_local_length_error" "resp_local_length_errors" "Local length errors of the responder.",
    "hw_counters/resp_remote_access_errors" "resp_remote_access_errors" "Remote access errors of the responder.",
    "hw_counters/rnr_nak_retry_err" "rnr_nak_retry_packets_received" "Negative acknowledgements of receivers that are not ready.",
    "hw_counters/roce_adp_retrans" "roce_adp_retransmits" "Adaptive retransmissions.",
    "hw_counters/roce_adp_retrans_to" "roce_adp_retransmits_timeout" "Adaptive retransmissions after a timeout.",
    "hw_counters/roce_slow_restart" "roce_slow_restart_used" "Slow restarts used.",
    "hw_counters/roce_slow_restart_cnps" "roce_slow_restart_cnps" "Congestion notifications of slow restarts.",
    "hw_counters/roce_slow_restart_trans" "roce_slow_restart" "Changes to slow restart.",
    "hw_counters/rp_cnp_handled" "rp_cnp_packets_handled" "Congestion notifications handled.",
    "hw_counters/rp_cnp_ignored" "rp_cnp_ignored_packets_received" "Congestion notifications ignored.",
    "hw_counters/rx_atomic_requests" "rx_atomic_requests" "Atomic requests received.",
    "hw_counters/rx_dct_connect" "rx_dct_connect_requests" "Connection requests received.",
    "hw_counters/rx_read_requests" "rx_read_requests" "Read requests received.",
    "hw_counters/rx_write_requests" "rx_write_requests" "Write requests received.",
}
static ICRC: Family = Family::counter(
    "node_infiniband_rx_icrc_encapsulated_errors_total",
    PORT,
    "Packets received with a wrong invariant checksum.",
);

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    let counters = COUNTERS.iter().map(|c| &c.1);
    [&INFO, &STATE, &PHYSICAL, &RATE, &LIFESPAN, &ICRC]
        .into_iter()
        .chain(counters)
        .collect()
}

struct Device {
    firmware: KernelFile,
    board: KernelFile,
    kind: KernelFile,
    ports: Devices<Port>,
}

struct Port {
    required: [KernelFile; 4],
    counters: Vec<KernelFile>,
    icrc: KernelFile,
    lifespan: KernelFile,
}

/// Makes the collector.
pub fn new(host: &Host) -> Result<Box<dyn Collector>, String> {
    host.require_sys()?;
    let flags = Flags::read(&host.matches)?;
    let mut filter = Filter::new(
        ("collector.infiniband.device-exclude", &flags.exclude),
        ("collector.infiniband.device-include", &flags.include),
    )?;
    let mut devices = Devices::new(host.sys("class/infiniband"));
    Ok(Box::new(move |out: &mut Arena, _: &Scrape| {
        let devices = devices.refresh(|name, path| filter.keeps(name).then(|| Device::new(path)));
        let mut first_error = Ok(());
        for device in devices.map_err(Unread::no_data_if_missing)? {
            let mut own = Arena::new();
            // A device that is broken hides only itself.
            match device.state.put(&mut own, &device.name) {
                Ok(()) => out.append(&own),
                Err(error) => first_error = Err(error),
            }
        }
        first_error
    }))
}

impl Device {
    fn new(path: &Path) -> Self {
        let file = |name: &str| KernelFile::new(path.join(name));
        Device {
            firmware: file("fw_ver"),
            board: file("board_id"),
            kind: file("hca_type"),
            ports: Devices::new(path.join("ports")),
        }
    }

    fn put(&mut self, out: &mut Arena, name: &str) -> Result<(), Error> {
        let firmware = self
            .firmware
            .short_text()
            .map_err(Unread::no_data_if_missing)?;
        let board = self.board.short_text().unwrap_or_default();
        let kind = self.kind.short_text().unwrap_or_default();
        out.put(&INFO, &[&board, name, &firmware, &kind], 1.0);
        let ports = self.ports.refresh(|_, path| Some(Port::new(path)));
        for port in ports.map_err(Unread::no_data_if_missing)? {
            if text::uint(port.name.as_bytes()).is_none() {
                return Err(Error::failed(format!(
                    "{name}: expected ports to be numbers, got {:?}",
                    port.name
                )));
            }
            port.state.put(out, &[name, &port.name])?;
        }
        Ok(())
    }
}

impl Port {
    fn new(path: &Path) -> Self {
        let file = |name: &str| KernelFile::new(path.join(name));
        Port {
            required: ["link_layer", "state", "phys_state", "rate"].map(file),
            counters: COUNTERS.iter().map(|c| file(c.0)).collect(),
            icrc: file("hw_counters/rx_icrc_encapsulated"),
            lifespan: file("hw_counters/lifespan"),
        }
    }

    fn put(&mut self, out: &mut Arena, labels: &[&str; 2]) -> Result<(), Error> {
        let mut texts = Vec::with_capacity(4);
        for file in &mut self.required {
            texts.push(file.short_text().map_err(Unread::no_data_if_missing)?);
        }
        let bad = |what: &str| {
            Error::failed(format!(
                "{} port {}: expected a {what}",
                labels[0], labels[1]
            ))
        };
        let [_, state, physical, rate] = texts.as_slice() else {
            return Err(bad("port"));
        };
        out.put(
            &STATE,
            labels,
            state_number(state).ok_or_else(|| bad("state"))?,
        );
        out.put(
            &PHYSICAL,
            labels,
            state_number(physical).ok_or_else(|| bad("physical state"))?,
        );
        out.put(&RATE, labels, rate_bytes(rate).ok_or_else(|| bad("rate"))?);
        for ((path, family), file) in COUNTERS.iter().zip(&mut self.counters) {
            if let Some(value) = counter(file)? {
                let words = matches!(
                    *path,
                    "counters_ext/port_rcv_data_64"
                        | "counters_ext/port_xmit_data_64"
                        | "counters/port_rcv_data"
                        | "counters/port_xmit_data"
                );
                let value = if words { value.wrapping_mul(4) } else { value };
                out.put(family, labels, value as f64);
            }
        }
        if let Some(value) = counter(&mut self.icrc)? {
            out.put(&ICRC, labels, value as f64);
        }
        if let Some(milliseconds) = counter(&mut self.lifespan)? {
            out.put(&LIFESPAN, labels, (milliseconds / 1000) as f64);
        }
        Ok(())
    }
}

/// A counter that the hardware does not have is no error.
fn counter(file: &mut KernelFile) -> Result<Option<u64>, Error> {
    let mut short = [0; 128];
    match file.short(&mut short) {
        Ok(digits) => match text::prefixed_uint(digits) {
            Some(value) => Ok(Some(value)),
            None if String::from_utf8_lossy(digits).contains("N/A (no PMA)") => Ok(None),
            None => Err(Error::failed(format!(
                "{}: expected a whole number",
                file.path().display()
            ))),
        },
        Err(u)
            if matches!(
                u.errno,
                Errno::NOENT | Errno::ACCESS | Errno::PERM | Errno::INVAL | Errno::OPNOTSUPP
            ) =>
        {
            Ok(None)
        }
        Err(unread) => Err(unread.into()),
    }
}

/// The number of `4: ACTIVE`.
fn state_number(text: &str) -> Option<f64> {
    let (number, name) = text.split_once(':')?;
    let number = text::uint(number.trim().as_bytes()).filter(|_| !name.contains(':'))?;
    Some(number as f64)
}

/// The number of `2.5 Gb/sec (1X SDR)` in bytes a second.
fn rate_bytes(text: &str) -> Option<f64> {
    let number = text.split(' ').next()?;
    let gigabits = text::float(number.as_bytes())? as f32;
    Some((f64::from(gigabits) * 125_000_000.0).trunc())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Tree;

    #[test]
    fn ports() {
        let mut tree = Tree::new();
        for (file, value) in [
            ("fw_ver", "2.31.5050"),
            ("board_id", "SM_1141000001000"),
            ("hca_type", "MT4099"),
            ("ports/1/link_layer", "InfiniBand"),
            ("ports/1/state", "4: ACTIVE"),
            ("ports/1/phys_state", "5: LinkUp"),
            ("ports/1/rate", "40 Gb/sec (4X QDR)"),
            ("ports/1/counters/port_rcv_data", "4631917"),
            ("ports/1/counters/symbol_error", "N/A (no PMA)"),
            ("ports/1/hw_counters/lifespan", "1999"),
        ] {
            tree = tree.file(
                &format!("sys/class/infiniband/mlx4_0/{file}"),
                format!("{value}\n"),
            );
        }
        let l = "device=\"mlx4_0\",port=\"1\"";
        tree.collect("infiniband", &[]).expect(&format!(
            "node_infiniband_info{{board_id=\"SM_1141000001000\",device=\"mlx4_0\",firmware_version=\"2.31.5050\",hca_type=\"MT4099\"}} 1\n\
             node_infiniband_lifespan_seconds{{{l}}} 1\nnode_infiniband_physical_state_id{{{l}}} 5\n\
             node_infiniband_port_data_received_bytes_total{{{l}}} 18527668\n\
             node_infiniband_rate_bytes_per_second{{{l}}} 5000000000\nnode_infiniband_state_id{{{l}}} 4\n"
        ));
        let tree = tree.dir("sys/class/infiniband/broken");
        let collected = tree.collect("infiniband", &[]);
        assert!(collected.text.contains("mlx4_0"));
        collected.expect_no_data();
        Tree::new().collect("infiniband", &[]).expect_no_data();
    }

    #[test]
    fn texts() {
        assert_eq!(rate_bytes("2.5 Gb/sec (1X SDR)"), Some(312_500_000.0));
        assert_eq!(state_number("4: A: B"), None);
        assert_eq!(state_number("ACTIVE"), None);
    }
}
