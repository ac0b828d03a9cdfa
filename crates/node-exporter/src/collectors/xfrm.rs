//! IPsec, from `net/xfrm_stat` of procfs (`networking/xfrm_proc`).

use crate::host::Host;
use crate::kernel::{KernelFile, text};
use exporter_core::cli::Flag;
use exporter_core::collector::{Collector, Scrape};
use exporter_core::exposition::{Arena, Family};

/// Flags of this collector.
pub const FLAGS: &[Flag] = &[];

macro_rules! counters {
    ($( $key:literal $name:literal $help:literal, )*) => {
        /// Keys of the file and their families.
        static COUNTERS: [(&str, Family); 28] = [ $( (
            $key,
            Family::counter(concat!("node_xfrm_", $name, "_packets_total"), &[], $help),
        ), )* ];
    };
}
counters! {
    "XfrmInError" "in_error" "Received with an error of no other kind.",
    "XfrmInBufferError" "in_buffer_error" "Received without a buffer left.",
    "XfrmInHdrError" "in_hdr_error" "Received with a header error.",
    "XfrmInNoStates" "in_no_states" "Received without a state found.",
    "XfrmInStateProtoError" "in_state_proto_error" "Received with an error of the transformation.",
    "XfrmInStateModeError" "in_state_mode_error" "Received with an error of the mode.",
    "XfrmInStateSeqError" "in_state_seq_error" "Received with a sequence number out of the window.",
    "XfrmInStateExpired" "in_state_expired" "Received for an expired state.",
    "XfrmInStateMismatch" "in_state_mismatch" "Received with options that do not match the state.",
    "XfrmInStateInvalid" "in_state_invalid" "Received for an invalid state.",
    "XfrmInTmplMismatch" "in_tmpl_mismatch" "Received without a template that matches.",
    "XfrmInNoPols" "in_no_pols" "Received without a policy for the states.",
    "XfrmInPolBlock" "in_pol_block" "Received and discarded by a policy.",
    "XfrmInPolError" "in_pol_error" "Received with a policy error.",
    "XfrmOutError" "out_error" "Not sent for an error of no other kind.",
    "XfrmOutBundleGenError" "out_bundle_gen_error" "Not sent for an error in making a bundle.",
    "XfrmOutBundleCheckError" "out_bundle_check_error" "Not sent for an error in checking a bundle.",
    "XfrmOutNoStates" "out_no_states" "Not sent for want of a state.",
    "XfrmOutStateProtoError" "out_state_proto_error" "Not sent for an error of the transformation.",
    "XfrmOutStateModeError" "out_state_mode_error" "Not sent for an error of the mode.",
    "XfrmOutStateSeqError" "out_state_seq_error" "Not sent for a sequence number overflow.",
    "XfrmOutStateExpired" "out_state_expired" "Not sent for an expired state.",
    "XfrmOutPolBlock" "out_pol_block" "Discarded by a policy instead of sent.",
    "XfrmOutPolDead" "out_pol_dead" "Not sent for a dead policy.",
    "XfrmOutPolError" "out_pol_error" "Not sent for a policy error.",
    "XfrmFwdHdrError" "fwd_hdr_error" "Not forwarded for a header error.",
    "XfrmOutStateInvalid" "out_state_invalid" "Not sent for an invalid state.",
    "XfrmAcquireError" "acquire_error" "Not sent because the state was not complete.",
}

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    COUNTERS.iter().map(|c| &c.1).collect()
}

/// Makes the collector.
pub fn new(host: &Host) -> Result<Box<dyn Collector>, String> {
    host.require_proc()?;
    let mut file = KernelFile::new(host.proc("net/xfrm_stat"));
    let mut buffer = Vec::new();
    Ok(Box::new(move |out: &mut Arena, _: &Scrape| {
        for ((_, family), value) in COUNTERS.iter().zip(parse(file.read(&mut buffer)?)?) {
            out.put(family, &[], value as f64);
        }
        Ok(())
    }))
}

/// Values in the order of their families, 0 for absent ones.
pub fn parse(contents: &[u8]) -> Result<[i64; 28], String> {
    let mut values = [0; 28];
    for line in text::lines(contents) {
        let ([key, value], count) = text::first_words::<2>(line);
        let (Some(value), 2) = (text::int(value), count) else {
            return Err(format!(
                "xfrm_stat: expected a name and a number, got {:?}",
                String::from_utf8_lossy(line)
            ));
        };
        if let Some(at) = COUNTERS.iter().position(|c| c.0.as_bytes() == key) {
            values[at] = value;
        }
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use crate::testing::Tree;
    use proptest::prelude::*;

    #[test]
    fn counters() {
        let tree = Tree::new().file(
            "proc/net/xfrm_stat",
            "XfrmInError                     1\nXfrmNew 5\n",
        );
        tree.collect("xfrm", &[]).expect_some(&[
            "node_xfrm_in_error_packets_total 1",
            "node_xfrm_acquire_error_packets_total 0",
        ]);
        tree.write("proc/net/xfrm_stat", "XfrmInError\n");
        tree.collect("xfrm", &[])
            .expect_failure("name and a number");
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = super::parse(&bytes);
        }
    }
}
