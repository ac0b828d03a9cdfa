//! Clients, one series each or summed up by what they are, from CLIENT LIST.

use crate::samples::Samples;
use exporter_core::dialect::strconv::parse_int;
use exporter_core::exposition::Family;
use std::collections::BTreeMap;

/// `port` is there on request, `user` and `resp` where they are not empty.
static INFO: Family = Family::gauge(
    "redis_connected_client_info",
    &["db", "flags", "host", "id", "name", "port", "resp", "user"],
    "Constant 1 for each client, labelled with what it is.",
);

const LABELS: &[&str] = &["id", "name"];

static CREATED: Family = Family::gauge(
    "redis_connected_client_created_at_timestamp",
    LABELS,
    "Time that a client connected in seconds since the epoch.",
);
static IDLE: Family = Family::gauge(
    "redis_connected_client_idle_since_timestamp",
    LABELS,
    "Time that a client was last heard of in seconds since the epoch.",
);

/// Fields that are numbers, and whether they count as 0 where a server does not have them.
static NUMBERS: [(&str, bool, Family); 10] = [
    (
        "sub",
        true,
        Family::gauge(
            "redis_connected_client_channel_subscriptions_count",
            LABELS,
            "Channels that a client is subscribed to.",
        ),
    ),
    (
        "psub",
        true,
        Family::gauge(
            "redis_connected_client_pattern_matching_subscriptions_count",
            LABELS,
            "Patterns of channels that a client is subscribed to.",
        ),
    ),
    (
        "ssub",
        false,
        Family::gauge(
            "redis_connected_client_shard_channel_subscriptions_count",
            LABELS,
            "Shard channels that a client is subscribed to.",
        ),
    ),
    (
        "watch",
        false,
        Family::gauge(
            "redis_connected_client_shard_channel_watched_keys",
            LABELS,
            "Keys that a client watches.",
        ),
    ),
    (
        "qbuf",
        true,
        Family::gauge(
            "redis_connected_client_query_buffer_length_bytes",
            LABELS,
            "Used part of the query buffer of a client in bytes.",
        ),
    ),
    (
        "qbuf-free",
        true,
        Family::gauge(
            "redis_connected_client_query_buffer_free_space_bytes",
            LABELS,
            "Free part of the query buffer of a client in bytes.",
        ),
    ),
    (
        "obl",
        true,
        Family::gauge(
            "redis_connected_client_output_buffer_length_bytes",
            LABELS,
            "Used part of the output buffer of a client in bytes.",
        ),
    ),
    (
        "oll",
        true,
        Family::gauge(
            "redis_connected_client_output_list_length",
            LABELS,
            "Replies to a client that do not fit in its output buffer.",
        ),
    ),
    (
        "omem",
        true,
        Family::gauge(
            "redis_connected_client_output_buffer_memory_usage_bytes",
            LABELS,
            "Memory of the output buffer of a client in bytes.",
        ),
    ),
    (
        "tot-mem",
        true,
        Family::gauge(
            "redis_connected_client_total_memory_consumed_bytes",
            LABELS,
            "Memory of all buffers of a client in bytes.",
        ),
    ),
];

const GROUP: &[&str] = &["lib_name", "name", "user"];

static GROUP_CLIENTS: Family = Family::gauge(
    "redis_client_group_connections",
    GROUP,
    "Clients of one name, user and library.",
);
static GROUP_MEMORY: Family = Family::gauge(
    "redis_client_group_memory_bytes",
    GROUP,
    "Memory of all buffers of the clients of one name, user and library in bytes.",
);

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    let numbers = NUMBERS.iter().map(|n| &n.2);
    [&INFO, &CREATED, &IDLE, &GROUP_CLIENTS, &GROUP_MEMORY]
        .into_iter()
        .chain(numbers)
        .collect()
}

/// Puts all clients of a list. `now` is in seconds since the epoch.
pub fn put(list: &str, port: bool, now: f64, out: &mut Samples<'_>) {
    for line in list.split('\n') {
        if let Some(client) = Client::parse(line) {
            client.put(port, now, out);
        }
    }
}

/// Puts the clients of a list summed up by name, user and library.
pub fn put_groups(list: &str, out: &mut Samples<'_>) {
    let mut groups: BTreeMap<[&str; 3], (f64, f64)> = BTreeMap::new();
    for client in list.split('\n').filter_map(Client::parse) {
        let text = |name| client.find(name).unwrap_or("");
        let labels = [text("lib-name"), text("name"), text("user")];
        let sums = groups.entry(labels).or_default();
        sums.0 += 1.0;
        sums.1 += parse_int(text("tot-mem"), 10).unwrap_or(0) as f64;
    }
    for (labels, (clients, bytes)) in groups {
        out.put(&GROUP_CLIENTS, &labels, clients);
        out.put(&GROUP_MEMORY, &labels, bytes);
    }
}

/// One line, `id=3 addr=127.0.0.1:50000 …`.
struct Client<'a> {
    fields: Vec<(&'a str, &'a str)>,
    host: &'a str,
    port: &'a str,
    age: Option<i64>,
    idle: Option<i64>,
}

impl<'a> Client<'a> {
    /// Every item must have one equals sign; a name with another one hides its client.
    fn parse(line: &'a str) -> Option<Self> {
        let rest = line.strip_prefix("id=")?;
        let (id, rest) = rest.split_once(' ')?;
        let digits = !id.is_empty() && id.bytes().all(|b| b.is_ascii_digit());
        let address = rest.strip_prefix("addr=")?;
        if !digits || address.is_empty() || address.starts_with(char::is_whitespace) {
            return None;
        }
        let fields = line
            .trim_end_matches('\r')
            .split(' ')
            .map(super::item)
            .collect::<Option<Vec<_>>>()?;
        let find = |name| fields.iter().find(|f| f.0 == name).map(|f| f.1);
        let seconds = |name| match find(name) {
            None => Some(None),
            Some(text) => parse_int(text, 10).map(Some),
        };
        let (host, port) = find("addr")?.rsplit_once(':')?;
        let (age, idle) = (seconds("age")?, seconds("idle")?);
        Some(Client {
            fields,
            host,
            port,
            age,
            idle,
        })
    }

    fn find(&self, name: &str) -> Option<&'a str> {
        self.fields.iter().find(|f| f.0 == name).map(|f| f.1)
    }

    fn put(&self, port: bool, now: f64, out: &mut Samples<'_>) {
        let text = |name| self.find(name).unwrap_or("");
        let labels = [text("id"), text("name")];
        let mut pairs = vec![
            ("id", labels[0]),
            ("name", labels[1]),
            ("flags", text("flags")),
            ("db", text("db")),
            ("host", self.host),
        ];
        if port {
            pairs.push(("port", self.port));
        }
        for name in ["user", "resp"] {
            if !text(name).is_empty() {
                pairs.push((name, text(name)));
            }
        }
        out.put_pairs(&INFO, &pairs, 1.0);
        for (family, seconds) in [(&CREATED, self.age), (&IDLE, self.idle)] {
            let at = seconds.map_or(0.0, |seconds| now - seconds as f64);
            out.put(family, &labels, at);
        }
        for (name, always, family) in &NUMBERS {
            let value = self.find(name);
            if value.is_some() || *always {
                let number = value.and_then(|text| parse_int(text, 10)).unwrap_or(0);
                out.put(family, &labels, number as f64);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::testing::exposed;
    use proptest::prelude::*;

    fn run(list: &str, port: bool) -> String {
        exposed(|out| put(list, port, 1000.0, out))
    }

    #[test]
    fn one_client() {
        let line = "id=3 addr=[::1]:50000 fd=8 name=app age=10 idle=2 flags=N db=1 sub=4 psub=5 \
            ssub=6 qbuf=26 qbuf-free=20448 obl=0 oll=x omem=0 tot-mem=22298 user=default resp=2\n";
        let text = run(line, true);
        assert_eq!(text.lines().count(), 12, "{text}");
        for part in [
            "_info{db=\"1\",flags=\"N\",host=\"[::1]\",id=\"3\",name=\"app\",port=\"50000\",resp=\"2\",user=\"default\"} 1\n",
            "_created_at_timestamp{id=\"3\",name=\"app\"} 990\n",
            "_idle_since_timestamp{id=\"3\",name=\"app\"} 998\n",
            "_shard_channel_subscriptions_count{id=\"3\",name=\"app\"} 6\n",
            "_output_list_length{id=\"3\",name=\"app\"} 0\n",
        ] {
            assert!(text.contains(part), "{part} {text}");
        }
        assert!(!text.contains("watched_keys"), "{text}");
        assert!(!run(line, false).contains("port="));
    }

    #[test]
    fn groups() {
        let list = "id=1 addr=a:1 name=app user=u tot-mem=10 lib-name=x\n\
            id=2 addr=a:2 name=app user=u tot-mem=5 lib-name=x\nid=3 addr=a:3\n";
        let expected = "redis_client_group_connections{lib_name=\"\",name=\"\",user=\"\"} 1\n\
            redis_client_group_connections{lib_name=\"x\",name=\"app\",user=\"u\"} 2\n\
            redis_client_group_memory_bytes{lib_name=\"\",name=\"\",user=\"\"} 0\n\
            redis_client_group_memory_bytes{lib_name=\"x\",name=\"app\",user=\"u\"} 15\n";
        assert_eq!(exposed(|out| put_groups(list, out)), expected);
    }

    #[test]
    fn unix_sockets_and_old_servers() {
        let text = run("id=1 addr=/run/redis.sock:0 age=1 idle=0\n", true);
        assert!(text.contains(
            "{db=\"\",flags=\"\",host=\"/run/redis.sock\",id=\"1\",name=\"\",port=\"0\"} 1"
        ));
    }

    #[test]
    fn lines_that_hide_their_client() {
        for line in [
            "id=1 addr=a:1 name=x=y",
            "id=x addr=a:1",
            "id=1 addr=a",
            "id=1 fd=3 addr=a:1",
            "id=1 addr=a:1 age=old",
            "addr=a:1 id=1",
            "id=1 addr=a:1 lone",
        ] {
            assert_eq!(run(line, true), "", "{line}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text: String) {
            run(&text, true);
            run(&format!("id=1 addr={text}"), false);
        }
    }
}
