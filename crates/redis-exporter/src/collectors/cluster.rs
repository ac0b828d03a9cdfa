//! A cluster as one of its nodes sees it, from CLUSTER INFO. The families are in `info.rs`: the same
//! rules hold for both reports.

use super::info::put_field;
use crate::samples::Samples;

/// Puts the fields of CLUSTER INFO: lines of one colon each.
pub fn put(text: &str, out: &mut Samples<'_>) {
    for line in text.split("\r\n") {
        if let Some((field, value)) = line.split_once(':')
            && !value.contains(':')
        {
            put_field(field, value, out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::testing::exposed;

    #[test]
    fn states_and_messages() {
        let text = "cluster_state:fail\r\ncluster_slots_ok:16384\r\n\
            cluster_stats_messages_sent:7\r\ncluster_stats_messages_auth-ack_sent:2\r\n\
            total_cluster_links_buffer_limit_exceeded:0\r\ncluster_a:b:1\r\n";
        let expected = "redis_cluster_messages_sent_total 7\nredis_cluster_slots_ok 16384\n\
            redis_cluster_state 0\nredis_cluster_stats_messages_auth_ack_sent 2\n";
        assert_eq!(exposed(|out| put(text, out)), expected);
    }
}
