//! Lua scripts of the user: pairs of names and numbers that they return.

use crate::client::{Connection, Error, Value, reply};
use crate::samples::Samples;
use exporter_core::dialect::strconv::parse_float;
use exporter_core::exposition::Family;
use std::time::Instant;

static VALUES: Family = Family::gauge(
    "redis_script_values",
    &["filename", "key"],
    "Number that a script returned under a name.",
);
static RESULT: Family = Family::gauge(
    "redis_script_result",
    &["filename"],
    "How a script ended: 1 well, 2 without values, 0 not well.",
);

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    vec![&VALUES, &RESULT]
}

/// A script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// Path as it was given.
    pub path: String,
    /// What the file holds.
    pub text: Vec<u8>,
}

/// Reads the files of a comma-separated list; the same path counts once.
pub fn read(list: &str) -> Result<Vec<Script>, String> {
    let mut scripts: Vec<Script> = Vec::new();
    for path in list.split(',').filter(|_| !list.is_empty()) {
        if scripts.iter().any(|s| s.path == path) {
            continue;
        }
        let text =
            std::fs::read(path).map_err(|e| format!("could not read script {path:?}: {e}"))?;
        scripts.push(Script {
            path: path.to_owned(),
            text,
        });
    }
    Ok(scripts)
}

/// Runs all scripts and puts what they return. The first that fails ends it.
pub async fn collect(
    connection: &mut Connection,
    scripts: &[Script],
    read_only: bool,
    deadline: Instant,
    out: &mut Samples<'_>,
) -> Result<(), Error> {
    let eval = if read_only { "EVAL_RO" } else { "EVAL" };
    for script in scripts {
        let mut pipeline = crate::client::Pipeline::new();
        pipeline.with_bytes(&[eval], &[&script.text, b"0", b"0"]);
        let replies = connection.ask(&pipeline, deadline).await;
        let result = replies.and_then(|replies| put(&script.path, &replies[0], out));
        if let Err(error) = result {
            out.put(&RESULT, &[&script.path], 0.0);
            tracing::error!(script = script.path, %error, "a script failed");
            return Err(error);
        }
    }
    Ok(())
}

fn put(path: &str, reply: &Value, out: &mut Samples<'_>) -> Result<(), Error> {
    let unexpected = |what: &str| Error::Server(format!("expected names and numbers, got {what}"));
    let items = reply::list(reply::ok(reply)?).ok_or_else(|| unexpected("no array"))?;
    if items.is_empty() {
        out.put(&RESULT, &[path], 2.0);
        return Ok(());
    }
    if items.len() % 2 != 0 {
        return Err(unexpected("an odd number of them"));
    }
    let mut values: Vec<(&str, f64)> = Vec::new();
    let mut outcome = Ok(());
    for pair in items.chunks_exact(2) {
        let strings = (&pair[0], &pair[1]);
        let (Value::BulkString(_), Value::BulkString(_)) = strings else {
            outcome = Err(unexpected("something that is no string"));
            break;
        };
        let number = reply::text(&pair[1]).and_then(parse_float);
        let (Some(name), Some(number)) = (reply::text(&pair[0]), number) else {
            outcome = Err(unexpected("a string that is no number"));
            break;
        };
        // The last of equal names counts.
        values.retain(|v| v.0 != name);
        values.push((name, number));
    }
    for (name, number) in values {
        out.put(&VALUES, &[path, name], number);
    }
    outcome?;
    out.put(&RESULT, &[path], 1.0);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::testing::exposed;

    fn run(bytes: &[u8]) -> (String, bool) {
        let reply = redis::parse_redis_value(bytes).unwrap();
        let mut ok = false;
        let text = exposed(|out| ok = put("a.lua", &reply, out).is_ok());
        (text, ok)
    }

    #[test]
    fn names_and_numbers() {
        let (text, ok) = run(b"*4\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\na\r\n$3\r\n2.5\r\n");
        assert!(ok);
        assert_eq!(
            text,
            "redis_script_result{filename=\"a.lua\"} 1\nredis_script_values{filename=\"a.lua\",key=\"a\"} 2.5\n"
        );
        assert_eq!(
            run(b"*0\r\n").0,
            "redis_script_result{filename=\"a.lua\"} 2\n"
        );
    }

    #[test]
    fn failures_keep_what_came_before() {
        let (text, ok) = run(b"*4\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\nb\r\n$1\r\nx\r\n");
        assert!(!ok && text.contains("key=\"a\"} 1\n"), "{text}");
        for bytes in [
            &b"*1\r\n$1\r\na\r\n"[..],
            b"$-1\r\n",
            b":1\r\n",
            b"-ERR no\r\n",
            b"*2\r\n$1\r\na\r\n:1\r\n",
        ] {
            assert_eq!(run(bytes), (String::new(), false));
        }
    }

    #[test]
    fn files() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.lua");
        std::fs::write(&path, "return {}").unwrap();
        let path = path.to_str().unwrap();
        assert_eq!(read(&format!("{path},{path}")).unwrap().len(), 1);
        assert_eq!(read("").unwrap().len(), 0);
        assert!(
            read(&format!("{path}, {path}"))
                .unwrap_err()
                .contains("script \" ")
        );
    }
}
