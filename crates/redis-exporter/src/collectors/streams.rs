//! Streams, their groups and consumers, from XINFO.

use super::keys::{by_database, expand};
use crate::client::{Error, Pipeline, Value, reply};
use crate::key_list::Key;
use crate::reach::Reach;
use crate::samples::Samples;
use exporter_core::exposition::{Family, Kind};

const STREAM: &[&str] = &["db", "stream"];
const GROUP: &[&str] = &["db", "group", "stream"];
const CONSUMER: &[&str] = &["consumer", "db", "group", "stream"];

/// How a field is read.
#[derive(Clone, Copy, PartialEq)]
enum Read {
    /// A number, 0 where there is none.
    Number,
    /// The milliseconds of an id, 0 where there is none.
    Id,
    /// The milliseconds of the id of an entry.
    Entry,
}

/// Fields of XINFO STREAM.
static STREAM_FIELDS: [(&str, Read, Family); 9] = [
    (
        "length",
        Read::Number,
        Family::gauge("redis_stream_length", STREAM, "Entries of a stream."),
    ),
    (
        "radix-tree-keys",
        Read::Number,
        Family::gauge(
            "redis_stream_radix_tree_keys",
            STREAM,
            "Keys in the radix tree of a stream.",
        ),
    ),
    (
        "radix-tree-nodes",
        Read::Number,
        Family::gauge(
            "redis_stream_radix_tree_nodes",
            STREAM,
            "Nodes in the radix tree of a stream.",
        ),
    ),
    (
        "groups",
        Read::Number,
        Family::gauge("redis_stream_groups", STREAM, "Groups of a stream."),
    ),
    (
        "last-generated-id",
        Read::Id,
        Family::gauge(
            "redis_stream_last_generated_id",
            STREAM,
            "Latest id of a stream, its milliseconds.",
        ),
    ),
    (
        "max-deleted-entry-id",
        Read::Id,
        Family::gauge(
            "redis_stream_max_deleted_entry_id",
            STREAM,
            "Largest id of a deleted entry of a stream, its milliseconds.",
        ),
    ),
    (
        "first-entry",
        Read::Entry,
        Family::gauge(
            "redis_stream_first_entry_id",
            STREAM,
            "Id of the first entry of a stream, its milliseconds.",
        ),
    ),
    (
        "last-entry",
        Read::Entry,
        Family::gauge(
            "redis_stream_last_entry_id",
            STREAM,
            "Id of the last entry of a stream, its milliseconds.",
        ),
    ),
    (
        "entries-added",
        Read::Number,
        Family::new(
            Kind::Counter,
            "redis_stream_entries_added_total",
            STREAM,
            "Entries ever added to a stream.",
        ),
    ),
];

/// Fields of an entry of XINFO GROUPS.
static GROUP_FIELDS: [(&str, Read, Family); 5] = [
    (
        "consumers",
        Read::Number,
        Family::gauge(
            "redis_stream_group_consumers",
            GROUP,
            "Consumers of a group.",
        ),
    ),
    (
        "pending",
        Read::Number,
        Family::gauge(
            "redis_stream_group_messages_pending",
            GROUP,
            "Messages that a group was given and has not acknowledged.",
        ),
    ),
    (
        "last-delivered-id",
        Read::Id,
        Family::gauge(
            "redis_stream_group_last_delivered_id",
            GROUP,
            "Id of the last message that a group was given, its milliseconds.",
        ),
    ),
    (
        "entries-read",
        Read::Number,
        Family::gauge(
            "redis_stream_group_entries_read",
            GROUP,
            "Entries that a group has read, 0 where the server cannot tell.",
        ),
    ),
    (
        "lag",
        Read::Number,
        Family::gauge(
            "redis_stream_group_lag",
            GROUP,
            "Entries that a group has yet to be given, 0 where the server cannot tell.",
        ),
    ),
];

static CONSUMER_PENDING: Family = Family::gauge(
    "redis_stream_group_consumer_messages_pending",
    CONSUMER,
    "Messages that a consumer was given and has not acknowledged.",
);
static CONSUMER_IDLE: Family = Family::gauge(
    "redis_stream_group_consumer_idle_seconds",
    CONSUMER,
    "Time since a consumer was last heard of in seconds.",
);

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    let fields = STREAM_FIELDS.iter().chain(&GROUP_FIELDS).map(|f| &f.2);
    fields.chain([&CONSUMER_PENDING, &CONSUMER_IDLE]).collect()
}

/// One stream, read. What it holds is put only where all of it could be read.
struct Stream {
    name: Vec<u8>,
    numbers: Vec<f64>,
    groups: Vec<Group>,
}

struct Group {
    name: Vec<u8>,
    numbers: Vec<f64>,
    consumers: Vec<Consumer>,
}

struct Consumer {
    name: Vec<u8>,
    pending: i64,
    idle: i64,
}

/// Asks for streams and puts them.
pub async fn collect(
    reach: &mut Reach<'_>,
    single: &[Key],
    patterns: &[Key],
    consumers: bool,
    out: &mut Samples<'_>,
) {
    let mut keys = single.to_vec();
    match expand(reach, patterns).await {
        Ok(mut more) => keys.append(&mut more),
        Err(error) => tracing::error!(%error, "could not expand the patterns of streams"),
    }
    for (database, names) in by_database(keys) {
        if let Err(error) = reach.select(&database).await {
            tracing::error!(database, %error, "could not select the database of streams");
            continue;
        }
        for stream in read(reach, &names, consumers).await {
            put(&format!("db{database}"), &stream, out);
        }
    }
}

async fn read(reach: &mut Reach<'_>, names: &[Vec<u8>], consumers: bool) -> Vec<Stream> {
    let mut commands = Vec::new();
    for name in names {
        for what in ["STREAM", "GROUPS"] {
            let mut pipeline = Pipeline::new();
            pipeline.with_bytes(&["XINFO", what], &[name]);
            commands.push((name.as_slice(), pipeline));
        }
    }
    let replies = reach.ask(&commands).await;
    let mut streams = Vec::new();
    for (name, replies) in names.iter().zip(replies.chunks(2)) {
        match parse_stream(name, &replies[0], &replies[1]) {
            Ok(stream) => streams.push(stream),
            Err(error) => tell(name, &error),
        }
    }
    if consumers {
        read_consumers(reach, &mut streams).await;
    }
    streams
}

fn tell(stream: &[u8], error: &Error) {
    let stream = String::from_utf8_lossy(stream);
    tracing::error!(%stream, %error, "could not read a stream");
}

/// Asks for the consumers of all groups together; streams where that fails go.
async fn read_consumers(reach: &mut Reach<'_>, streams: &mut Vec<Stream>) {
    let mut commands = Vec::new();
    for stream in streams.iter() {
        for group in &stream.groups {
            let mut pipeline = Pipeline::new();
            pipeline.with_bytes(&["XINFO", "CONSUMERS"], &[&stream.name, &group.name]);
            commands.push((stream.name.as_slice(), pipeline));
        }
    }
    if commands.is_empty() {
        return;
    }
    let mut replies = reach.ask(&commands).await.into_iter();
    streams.retain_mut(|stream| {
        let mut kept = true;
        for group in &mut stream.groups {
            let reply = replies.next();
            match reply
                .ok_or_else(|| Error::Lost("no reply".to_owned()))
                .flatten()
            {
                Ok(reply) => match reply::ok(&reply) {
                    Ok(reply) => group.consumers = parse_consumers(reply),
                    Err(error) => {
                        tell(&stream.name, &error);
                        kept = false;
                    }
                },
                Err(error) => {
                    tell(&stream.name, &error);
                    kept = false;
                }
            }
        }
        kept
    });
}

fn parse_stream(
    name: &[u8],
    stream: &Result<Value, Error>,
    groups: &Result<Value, Error>,
) -> Result<Stream, Error> {
    let reply = |reply: &Result<Value, Error>| -> Result<Value, Error> {
        let value = reply.as_ref().map_err(Clone::clone)?;
        reply::ok(value).cloned()
    };
    let (stream, groups) = (reply(stream)?, reply(groups)?);
    let fields = reply::pairs(&stream);
    let read =
        |(field, read, _): &(&str, Read, Family)| read_field(reply::field(&fields, field), *read);
    let groups = reply::list(&groups).unwrap_or_default();
    Ok(Stream {
        name: name.to_vec(),
        numbers: STREAM_FIELDS.iter().map(read).collect(),
        groups: groups.iter().filter_map(parse_group).collect(),
    })
}

fn parse_group(group: &Value) -> Option<Group> {
    let fields = reply::pairs(group);
    let read =
        |(field, read, _): &(&str, Read, Family)| read_field(reply::field(&fields, field), *read);
    Some(Group {
        name: reply::bytes(reply::field(&fields, "name")?)?.to_vec(),
        numbers: GROUP_FIELDS.iter().map(read).collect(),
        consumers: Vec::new(),
    })
}

fn parse_consumers(reply: &Value) -> Vec<Consumer> {
    let parse = |consumer: &Value| {
        let fields = reply::pairs(consumer);
        let number = |name| reply::field(&fields, name).and_then(reply::integer);
        Some(Consumer {
            name: reply::bytes(reply::field(&fields, "name")?)?.to_vec(),
            pending: number("pending").unwrap_or(0),
            idle: number("idle").unwrap_or(0),
        })
    };
    let consumers = reply::list(reply).unwrap_or_default();
    consumers.iter().filter_map(parse).collect()
}

fn read_field(value: Option<&Value>, read: Read) -> f64 {
    let id = |value: &Value| {
        let text = reply::text(value)?;
        text.split('-').next()?.parse::<f64>().ok()
    };
    let number = value.and_then(|value| match read {
        Read::Number => reply::integer(value).map(|n| n as f64),
        Read::Id => id(value),
        Read::Entry => id(reply::list(value)?.first()?),
    });
    number.unwrap_or(0.0)
}

fn put(database: &str, stream: &Stream, out: &mut Samples<'_>) {
    let Ok(name) = std::str::from_utf8(&stream.name) else {
        return;
    };
    for ((_, _, family), number) in STREAM_FIELDS.iter().zip(&stream.numbers) {
        out.put(family, &[database, name], *number);
    }
    for group in &stream.groups {
        let Ok(group_name) = std::str::from_utf8(&group.name) else {
            continue;
        };
        for ((_, _, family), number) in GROUP_FIELDS.iter().zip(&group.numbers) {
            out.put(family, &[database, group_name, name], *number);
        }
        for consumer in &group.consumers {
            if let Ok(consumer_name) = std::str::from_utf8(&consumer.name) {
                let labels = [consumer_name, database, group_name, name];
                out.put(&CONSUMER_PENDING, &labels, consumer.pending as f64);
                out.put(&CONSUMER_IDLE, &labels, consumer.idle as f64 / 1000.0);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::testing::exposed;

    fn value(bytes: &[u8]) -> Result<Value, Error> {
        Ok(redis::parse_redis_value(bytes).unwrap())
    }

    #[test]
    fn ids_are_milliseconds() {
        let stream = value(
            b"*8\r\n$6\r\nlength\r\n:3\r\n$17\r\nlast-generated-id\r\n$7\r\n1500-42\r\n\
              $11\r\nfirst-entry\r\n*2\r\n$6\r\n1400-0\r\n*0\r\n$10\r\nlast-entry\r\n$-1\r\n",
        );
        let groups = value(
            b"*2\r\n*4\r\n$4\r\nname\r\n$1\r\ng\r\n$3\r\nlag\r\n$-1\r\n*2\r\n$3\r\nlag\r\n:1\r\n",
        );
        let parsed = parse_stream(b"s", &stream, &groups).unwrap();
        let text = exposed(|out| put("db0", &parsed, out));
        for line in [
            "redis_stream_length{db=\"db0\",stream=\"s\"} 3\n",
            "redis_stream_last_generated_id{db=\"db0\",stream=\"s\"} 1500\n",
            "redis_stream_first_entry_id{db=\"db0\",stream=\"s\"} 1400\n",
            "redis_stream_last_entry_id{db=\"db0\",stream=\"s\"} 0\n",
            "redis_stream_group_lag{db=\"db0\",group=\"g\",stream=\"s\"} 0\n",
        ] {
            assert!(text.contains(line), "{line}{text}");
        }
        assert_eq!(text.lines().count(), 9 + 5);
    }

    #[test]
    fn a_refused_part_drops_the_stream() {
        let refused = value(b"-WRONGTYPE no\r\n");
        let empty = value(b"*0\r\n");
        assert!(parse_stream(b"s", &refused, &empty).is_err());
        assert!(parse_stream(b"s", &empty, &refused).is_err());
    }
}
