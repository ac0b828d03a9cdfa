//! Keys grouped by what Lua patterns capture of their names, with their memory.
//!
//! A script on the server goes through all keys a batch at a time, so that neither the names travel
//! nor the server stands still.

use super::info::Info;
use crate::client::{Error, Pipeline, Value, reply};
use crate::reach::Reach;
use crate::samples::Samples;
use exporter_core::exposition::Family;
use std::collections::HashMap;
use std::time::Duration;

const LABELS: &[&str] = &["db", "key_group"];

static COUNT: Family = Family::gauge("redis_key_group_count", LABELS, "Keys of a group.");
static MEMORY: Family = Family::gauge(
    "redis_key_group_memory_usage_bytes",
    LABELS,
    "Memory of the keys of a group in bytes.",
);
static DISTINCT: Family = Family::gauge(
    "redis_number_of_distinct_key_groups",
    &["db"],
    "Groups of keys in a database, before the smaller ones are summed up.",
);
static DURATION: Family = Family::gauge(
    "redis_last_key_groups_scrape_duration_milliseconds",
    &[],
    "Time that grouping keys took in milliseconds.",
);

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    vec![&COUNT, &MEMORY, &DISTINCT, &DURATION]
}

/// `ARGV`: cursor, COUNT, then the patterns in the order in which they are tried. Replies the next
/// cursor, then name, keys and bytes of each group.
const SCRIPT: &str = r#"
local batch = redis.call("SCAN", ARGV[1], "COUNT", ARGV[2])
local groups = {}
for _, key in ipairs(batch[2]) do
  local bytes = redis.call("MEMORY", "USAGE", key) or 0
  local name = "unclassified"
  for i = 3, #ARGV do
    local found = {string.find(key, ARGV[i])}
    if found[1] then
      name = table.concat(found, "", 3)
      break
    end
  end
  local group = groups[name]
  if group then
    group[1] = group[1] + 1
    group[2] = group[2] + bytes
  else
    groups[name] = {1, bytes}
  end
end
local reply = {batch[1]}
for name, group in pairs(groups) do
  reply[#reply + 1] = name
  reply[#reply + 1] = group[1]
  reply[#reply + 1] = group[2]
end
return reply
"#;

/// Reads one CSV record of Lua patterns; only its first line counts.
pub fn parse_patterns(list: &str) -> Result<Vec<String>, String> {
    let mut rest = list;
    let mut patterns = Vec::new();
    loop {
        let (field, tail) = match rest.strip_prefix('"') {
            Some(quoted) => parse_quoted(quoted)?,
            None => parse_bare(rest)?,
        };
        let field = field.trim().to_owned();
        if !field.is_empty() {
            patterns.push(field);
        }
        match tail.strip_prefix(',') {
            Some(next) => rest = next,
            None => return Ok(patterns),
        }
    }
}

fn parse_bare(text: &str) -> Result<(String, &str), String> {
    let end = text.find([',', '\n']).unwrap_or(text.len());
    let (field, tail) = text.split_at(end);
    match field.contains('"') {
        true => Err(format!(
            "a quote must be the first character of its field, got {field:?}"
        )),
        false => Ok((field.to_owned(), tail)),
    }
}

/// What follows an opening quote.
fn parse_quoted(text: &str) -> Result<(String, &str), String> {
    let mut field = String::new();
    let mut rest = text;
    loop {
        let (before, after) = rest
            .split_once('"')
            .ok_or("expected a closing quote at the end of the field")?;
        field.push_str(before);
        match after.strip_prefix('"') {
            Some(more) => {
                field.push('"');
                rest = more;
            }
            None if after.is_empty() || after.starts_with([',', '\n', '\r']) => {
                return Ok((field, after));
            }
            None => return Err("expected a comma behind the closing quote".to_owned()),
        }
    }
}

/// One group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Group {
    name: Vec<u8>,
    count: i64,
    bytes: i64,
}

/// Groups the keys of all databases and puts the groups. Databases without keys are not asked.
pub async fn collect(
    reach: &mut Reach<'_>,
    patterns: &[String],
    databases: i64,
    most: i64,
    info: &Info<'_>,
    out: &mut Samples<'_>,
) {
    for index in 0..databases {
        let database = format!("db{index}");
        let is_empty = info.has_section("Keyspace")
            && !super::keyspace::has_keys(info, index)
            && !reach.is_cluster();
        let grouped = match is_empty {
            true => Ok(HashMap::new()),
            false => group(reach, index, patterns).await,
        };
        match grouped {
            Ok(groups) => put(&database, groups, most, out),
            Err(error) => tracing::error!(database, %error, "could not group keys"),
        }
    }
}

/// Puts how long grouping took; 0 where nothing is grouped.
pub fn put_duration(elapsed: Duration, out: &mut Samples<'_>) {
    out.put(&DURATION, &[], elapsed.as_millis() as f64);
}

type Groups = HashMap<Vec<u8>, (i64, i64)>;

async fn group(reach: &mut Reach<'_>, index: i64, patterns: &[String]) -> Result<Groups, Error> {
    reach.select(&index.to_string()).await?;
    let batch = reach.batch.to_string();
    let command = |cursor: &str| {
        let mut pipeline = Pipeline::new();
        let mut arguments: Vec<&[u8]> = vec![cursor.as_bytes(), batch.as_bytes()];
        arguments.extend(patterns.iter().map(String::as_bytes));
        pipeline.with_bytes(&["EVAL", SCRIPT, "0"], &arguments);
        pipeline
    };
    let mut groups = Groups::new();
    reach.walk(command, |rest| add(rest, &mut groups)).await?;
    Ok(groups)
}

/// Adds name, keys and bytes of each group of a batch.
fn add(batch: &[Value], groups: &mut Groups) {
    for group in batch.chunks_exact(3) {
        let numbers = (reply::integer(&group[1]), reply::integer(&group[2]));
        if let (Some(name), (Some(count), Some(bytes))) = (reply::bytes(&group[0]), numbers) {
            let sums = groups.entry(name.to_vec()).or_default();
            sums.0 = sums.0.saturating_add(count);
            sums.1 = sums.1.saturating_add(bytes);
        }
    }
}

/// The largest groups, then the sum of the others as `overflow`.
fn limit(groups: Groups, most: i64) -> Vec<Group> {
    let group = |(name, (count, bytes))| Group { name, count, bytes };
    let mut groups: Vec<Group> = groups.into_iter().map(group).collect();
    groups.sort_by(|a, b| (b.bytes, a.count, &a.name).cmp(&(a.bytes, b.count, &b.name)));
    let most = usize::try_from(most).unwrap_or(0);
    if groups.len() > most {
        let rest = groups.split_off(most);
        groups.push(Group {
            name: b"overflow".to_vec(),
            count: rest.iter().map(|g| g.count).sum(),
            bytes: rest.iter().map(|g| g.bytes).sum(),
        });
    }
    groups
}

fn put(database: &str, groups: Groups, most: i64, out: &mut Samples<'_>) {
    out.put(&DISTINCT, &[database], groups.len() as f64);
    for group in limit(groups, most) {
        // Names that are no text cannot be labels.
        if let Ok(name) = std::str::from_utf8(&group.name) {
            let labels = [database, name];
            out.put(&COUNT, &labels, group.count as f64);
            out.put(&MEMORY, &labels, group.bytes as f64);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::testing::exposed;
    use proptest::prelude::*;

    #[test]
    fn one_record() {
        for (list, patterns) in [
            ("", vec![]),
            (" , ", vec![]),
            ("^a_.*, b ", vec!["^a_.*", "b"]),
            ("\"a,\"\"b\"\"\",c", vec!["a,\"b\"", "c"]),
            ("a\nb", vec!["a"]),
        ] {
            assert_eq!(parse_patterns(list).unwrap(), patterns, "{list}");
        }
        for list in ["a\"b", " \"a\"", "\"a", "\"a\"b"] {
            assert!(parse_patterns(list).is_err(), "{list}");
        }
    }

    #[test]
    fn the_smaller_groups_are_summed_up() {
        let groups = Groups::from([
            (b"big".to_vec(), (1, 100)),
            (b"many".to_vec(), (9, 50)),
            (b"few".to_vec(), (2, 50)),
            (b"\xff".to_vec(), (1, 1)),
        ]);
        let text = exposed(|out| put("db0", groups.clone(), 2, out));
        let expected = "redis_key_group_count{db=\"db0\",key_group=\"big\"} 1\n\
            redis_key_group_count{db=\"db0\",key_group=\"few\"} 2\n\
            redis_key_group_count{db=\"db0\",key_group=\"overflow\"} 10\n\
            redis_key_group_memory_usage_bytes{db=\"db0\",key_group=\"big\"} 100\n\
            redis_key_group_memory_usage_bytes{db=\"db0\",key_group=\"few\"} 50\n\
            redis_key_group_memory_usage_bytes{db=\"db0\",key_group=\"overflow\"} 51\n\
            redis_number_of_distinct_key_groups{db=\"db0\"} 4\n";
        assert_eq!(text, expected);
        let all = exposed(|out| put("db0", groups, 100, out));
        assert!(!all.contains("overflow") && all.contains("groups{db=\"db0\"} 4\n"));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text: String) {
            let _ = parse_patterns(&text);
        }
    }
}
