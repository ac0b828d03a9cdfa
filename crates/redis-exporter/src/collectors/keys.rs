//! Sizes and values of keys that were asked for, by TYPE and the command of each type.
//!
//! HyperLogLogs are strings that begin with `HYLL`; only for those PFCOUNT is asked, which on other
//! strings is an error that the server counts.

use crate::client::{Error, Pipeline, Value, reply};
use crate::key_list::Key;
use crate::reach::Reach;
use crate::samples::Samples;
use exporter_core::dialect::strconv::parse_float;
use exporter_core::exposition::Family;
use std::collections::HashSet;

const LABELS: &[&str] = &["db", "key"];

static SIZE: Family = Family::gauge(
    "redis_key_size",
    LABELS,
    "Size of a key: bytes of a string, else number of elements.",
);
static MEMORY: Family = Family::gauge(
    "redis_key_memory_usage_bytes",
    LABELS,
    "Memory of a key in bytes.",
);
static VALUE: Family = Family::gauge(
    "redis_key_value",
    LABELS,
    "Value of a key that is a number.",
);
static TEXT: Family = Family::gauge(
    "redis_key_value_as_string",
    &["db", "key", "val"],
    "Constant 1, labelled with the value of a key that is no number.",
);
static TTL: Family = Family::gauge(
    "redis_key_ttl_seconds",
    LABELS,
    "Time to live of a key in seconds, -1 where it has none.",
);

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    vec![&SIZE, &MEMORY, &VALUE, &TEXT, &TTL]
}

/// What of keys is exported.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// Whether values are.
    pub values: bool,
    /// Whether times to live are.
    pub ttl: bool,
    /// Whether keys that do not exist have size 0.
    pub missing: bool,
}

/// Keys and what patterns stand for, without those that stand for nothing: the first of equal ones
/// stays. A database that cannot be selected ends the whole list.
pub async fn expand(reach: &mut Reach<'_>, keys: &[Key]) -> Result<Vec<Key>, Error> {
    let mut expanded = Vec::new();
    for key in keys {
        if !key.is_pattern() {
            expanded.push(key.clone());
            continue;
        }
        if !reach.is_cluster() || key.database != "0" {
            reach.select(&key.database).await?;
        }
        let mut found = Vec::new();
        let mut seen = HashSet::new();
        let scanned = reach
            .scan(&key.name, |names| {
                for name in names.iter().filter_map(reply::bytes) {
                    if seen.insert(name.to_vec()) {
                        found.push(Key {
                            database: key.database.clone(),
                            name: name.to_vec(),
                        });
                    }
                }
            })
            .await;
        match scanned {
            Ok(()) => expanded.append(&mut found),
            Err(error) => {
                let pattern = String::from_utf8_lossy(&key.name);
                tracing::error!(%pattern, %error, "could not scan for keys");
            }
        }
    }
    Ok(expanded)
}

/// Groups keys by their databases, in the order of their first keys; equal keys become one.
pub fn by_database(keys: Vec<Key>) -> Vec<(String, Vec<Vec<u8>>)> {
    let mut groups: Vec<(String, Vec<Vec<u8>>)> = Vec::new();
    let mut seen = HashSet::new();
    for key in keys {
        if !seen.insert(key.clone()) {
            continue;
        }
        match groups.iter_mut().find(|g| g.0 == key.database) {
            Some((_, names)) => names.push(key.name),
            None => groups.push((key.database, vec![key.name])),
        }
    }
    groups
}

/// Asks for keys and puts what they are.
pub async fn collect(
    reach: &mut Reach<'_>,
    single: &[Key],
    patterns: &[Key],
    wanted: Wanted,
    out: &mut Samples<'_>,
) {
    let mut keys = single.to_vec();
    match expand(reach, patterns).await {
        Ok(mut more) => keys.append(&mut more),
        Err(error) => tracing::error!(%error, "could not expand the patterns of keys"),
    }
    if reach.is_cluster() {
        // A cluster has one database, whatever was written.
        for key in &mut keys {
            key.database = "0".to_owned();
        }
    }
    for (database, names) in by_database(keys) {
        if !reach.is_cluster()
            && let Err(error) = reach.select(&database).await
        {
            tracing::error!(database, %error, "could not select the database of keys");
            continue;
        }
        // Parts, so that the replies to many keys need little memory.
        for names in names.chunks(500) {
            collect_part(reach, &format!("db{database}"), names, wanted, out).await;
        }
    }
}

/// What is known of one key while it is asked for.
struct Found<'a> {
    name: &'a [u8],
    /// Word of TYPE.
    kind: Option<String>,
    memory: Option<i64>,
    ttl: Option<i64>,
}

async fn collect_part(
    reach: &mut Reach<'_>,
    database: &str,
    names: &[Vec<u8>],
    wanted: Wanted,
    out: &mut Samples<'_>,
) {
    let found = look_up(reach, names, wanted).await;
    let mut commands = Vec::new();
    let mut ranges = Vec::with_capacity(found.len());
    for key in &found {
        let start = commands.len();
        let kind = key.kind.as_deref().unwrap_or("none");
        let more = size_commands(kind, key.name, wanted).into_iter();
        commands.extend(more.map(|command| (key.name, command)));
        ranges.push(start..commands.len());
    }
    let replies = reach.ask(&commands).await;
    for (key, range) in found.iter().zip(ranges) {
        // Labels are text; other keys cannot be exported.
        if let Ok(name) = std::str::from_utf8(key.name) {
            let labels = [database, name];
            put_found(key, labels, out);
            put_size(reach, key, labels, &replies[range], wanted, out).await;
        }
    }
}

/// Puts what is told of keys of all types.
fn put_found(key: &Found<'_>, labels: [&str; 2], out: &mut Samples<'_>) {
    if let Some(memory) = key.memory {
        out.put(&MEMORY, &labels, memory as f64);
    }
    match key.ttl {
        Some(-1) => out.put(&TTL, &labels, -1.0),
        Some(milliseconds @ 0..) => out.put(&TTL, &labels, milliseconds as f64 / 1000.0),
        _ => {}
    }
}

/// Puts what the replies to [`size_commands`] tell.
async fn put_size(
    reach: &mut Reach<'_>,
    key: &Found<'_>,
    labels: [&str; 2],
    replies: &[Result<Value, Error>],
    wanted: Wanted,
    out: &mut Samples<'_>,
) {
    let missing = wanted.missing && !reach.is_cluster();
    match (key.kind.as_deref(), replies) {
        (None, _) => {}
        (Some("none"), _) if missing => out.put(&SIZE, &labels, 0.0),
        (Some("none"), _) => {}
        (Some("string"), replies) => put_string(reach, labels, replies, wanted, out).await,
        (Some(_), [reply, ..]) => match size(reply) {
            Ok(size) => out.put(&SIZE, &labels, size),
            Err(error) => {
                tracing::error!(key = labels[1], %error, "could not read the size of a key");
            }
        },
        (Some(kind), []) => {
            tracing::error!(key = labels[1], kind, "keys of this type have no size");
        }
    }
}

/// TYPE and MEMORY USAGE of all keys.
async fn look_up<'a>(
    reach: &mut Reach<'_>,
    names: &'a [Vec<u8>],
    wanted: Wanted,
) -> Vec<Found<'a>> {
    let each = if wanted.ttl { 3 } else { 2 };
    let mut commands = Vec::with_capacity(names.len() * each);
    for name in names {
        let mut command = |words: &[&str]| {
            let mut pipeline = Pipeline::new();
            pipeline.with_bytes(words, &[name]);
            commands.push((name.as_slice(), pipeline));
        };
        command(&["TYPE"]);
        command(&["MEMORY", "USAGE"]);
        if wanted.ttl {
            command(&["PTTL"]);
        }
    }
    let replies = reach.ask(&commands).await;
    let found = names
        .iter()
        .zip(replies.chunks(each))
        .map(|(name, replies)| {
            let kind = match reply_of(&replies[0]) {
                Ok(reply) => reply::text(reply).map(str::to_owned),
                Err(error) => {
                    let key = String::from_utf8_lossy(name);
                    tracing::debug!(%key, %error, "could not read the type of a key");
                    None
                }
            };
            let number = |at: usize| match replies.get(at) {
                Some(Ok(Value::Int(number))) => Some(*number),
                _ => None,
            };
            Found {
                name,
                kind,
                memory: number(1),
                ttl: number(2),
            }
        });
    found.collect()
}

/// What tells the size, and for strings the value, of a key.
fn size_commands(kind: &str, name: &[u8], wanted: Wanted) -> Vec<Pipeline> {
    let command = |words: &[&str], rest: &[&[u8]]| {
        let mut pipeline = Pipeline::new();
        pipeline.with_bytes(words, &[&[name], rest].concat());
        pipeline
    };
    let size = match kind {
        "string" if wanted.values => return vec![command(&["GET"], &[])],
        "string" => {
            return vec![
                command(&["STRLEN"], &[]),
                command(&["GETRANGE"], &[b"0", b"3"]),
            ];
        }
        "list" => "LLEN",
        "set" => "SCARD",
        "zset" => "ZCARD",
        "hash" => "HLEN",
        "stream" => "XLEN",
        "array" => "ARCOUNT",
        _ => return Vec::new(),
    };
    vec![command(&[size], &[])]
}

/// A reply that has come and is no error.
fn reply_of(reply: &Result<Value, Error>) -> Result<&Value, Error> {
    reply::ok(reply.as_ref().map_err(Clone::clone)?)
}

fn size(reply: &Result<Value, Error>) -> Result<f64, Error> {
    let size = reply::integer(reply_of(reply)?);
    let size =
        size.ok_or_else(|| Error::Server("expected a number, got another reply".to_owned()))?;
    Ok(size as f64)
}

/// Size and value of a string, where it is no HyperLogLog.
async fn put_string(
    reach: &mut Reach<'_>,
    labels: [&str; 2],
    replies: &[Result<Value, Error>],
    wanted: Wanted,
    out: &mut Samples<'_>,
) {
    let first = |reply: &Result<Value, Error>| -> Option<Vec<u8>> {
        reply::bytes(reply.as_ref().ok()?).map(<[u8]>::to_vec)
    };
    let (length, start) = if wanted.values {
        let value = first(&replies[0]);
        (Ok(value.as_ref().map(|v| v.len() as f64)), value)
    } else {
        (size(&replies[0]).map(Some), replies.get(1).and_then(first))
    };
    // A user who may not read the beginning may perhaps count.
    let perhaps = start.as_ref().is_none_or(|s| s.starts_with(b"HYLL"));
    if perhaps && let Some(count) = count_distinct(reach, labels[1]).await {
        out.put(&SIZE, &labels, count);
        return;
    }
    match (length, wanted.values) {
        (Ok(Some(length)), _) => out.put(&SIZE, &labels, length),
        // GET was refused: the size may still be told.
        (Ok(None), true) => put_length(reach, labels, out).await,
        (Ok(None), false) => {}
        (Err(error), _) => {
            tracing::error!(key = labels[1], %error, "could not read the size of a key")
        }
    }
    if wanted.values
        && let Some(value) = start
    {
        put_value(labels, &value, out);
    }
}

async fn count_distinct(reach: &mut Reach<'_>, key: &str) -> Option<f64> {
    let command = [(key.as_bytes(), Pipeline::of(&["PFCOUNT", key]))];
    let replies = reach.ask(&command).await;
    size(replies.first()?).ok()
}

async fn put_length(reach: &mut Reach<'_>, labels: [&str; 2], out: &mut Samples<'_>) {
    let command = [(labels[1].as_bytes(), Pipeline::of(&["STRLEN", labels[1]]))];
    let replies = reach.ask(&command).await;
    match replies.first().map(size) {
        Some(Ok(length)) => out.put(&SIZE, &labels, length),
        Some(Err(error)) => {
            tracing::error!(key = labels[1], %error, "could not read the size of a key")
        }
        None => {}
    }
}

/// A number is a value, another text a label. Bytes that are no text cannot be exported.
fn put_value(labels: [&str; 2], value: &[u8], out: &mut Samples<'_>) {
    let Ok(text) = std::str::from_utf8(value) else {
        return;
    };
    match parse_float(text) {
        _ if text.is_empty() => {}
        Some(number) => out.put(&VALUE, &labels, number),
        None => out.put(&TEXT, &[labels[0], labels[1], text], 1.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::testing::exposed;

    fn key(database: &str, name: &str) -> Key {
        Key {
            database: database.to_owned(),
            name: name.into(),
        }
    }

    #[test]
    fn groups_keep_the_first() {
        let keys = vec![key("1", "a"), key("0", "b"), key("1", "a"), key("1", "c")];
        let groups = by_database(keys);
        assert_eq!(
            groups[0],
            ("1".to_owned(), vec![b"a".to_vec(), b"c".to_vec()])
        );
        assert_eq!(groups[1], ("0".to_owned(), vec![b"b".to_vec()]));
    }

    #[test]
    fn numbers_and_texts() {
        for (value, text) in [
            (&b"1.5"[..], "redis_key_value{db=\"db0\",key=\"k\"} 1.5\n"),
            (
                b" 1",
                "redis_key_value_as_string{db=\"db0\",key=\"k\",val=\" 1\"} 1\n",
            ),
            (b"", ""),
            (b"\xff", ""),
        ] {
            assert_eq!(exposed(|out| put_value(["db0", "k"], value, out)), text);
        }
    }
}
