//! What replies hold, whichever way the server chose to write it.

use super::{Error, Value};

/// A reply that is no error.
pub fn ok(reply: &Value) -> Result<&Value, Error> {
    match error(reply) {
        Some(why) => Err(Error::Server(why)),
        None => Ok(reply),
    }
}

/// The server's own words, where it refused.
pub fn error(reply: &Value) -> Option<String> {
    let Value::ServerError(error) = reply else {
        return None;
    };
    Some(match error.details() {
        Some(details) => format!("{} {details}", error.code()),
        None => error.code().to_owned(),
    })
}

/// Bytes of a string.
pub fn bytes(reply: &Value) -> Option<&[u8]> {
    match reply {
        Value::BulkString(bytes) => Some(bytes),
        Value::SimpleString(text) => Some(text.as_bytes()),
        Value::VerbatimString { text, .. } => Some(text.as_bytes()),
        Value::Okay => Some(b"OK"),
        _ => None,
    }
}

/// Text of a string.
pub fn text(reply: &Value) -> Option<&str> {
    std::str::from_utf8(bytes(reply)?).ok()
}

/// A whole number, also one written as text.
pub fn integer(reply: &Value) -> Option<i64> {
    match reply {
        Value::Int(number) => Some(*number),
        other => text(other)?.parse().ok(),
    }
}

/// Elements of a list.
pub fn list(reply: &Value) -> Option<&[Value]> {
    match reply {
        Value::Array(items) | Value::Set(items) => Some(items),
        _ => None,
    }
}

/// Names and values of a flat list or a map; names that are no text are left out.
pub fn pairs(reply: &Value) -> Vec<(&str, &Value)> {
    match reply {
        Value::Map(pairs) => pairs
            .iter()
            .filter_map(|(name, value)| Some((text(name)?, value)))
            .collect(),
        other => list(other)
            .unwrap_or_default()
            .chunks_exact(2)
            .filter_map(|pair| Some((text(&pair[0])?, &pair[1])))
            .collect(),
    }
}

/// The value of a name among pairs.
pub fn field<'a>(pairs: &[(&str, &'a Value)], name: &str) -> Option<&'a Value> {
    pairs.iter().find(|p| p.0 == name).map(|p| p.1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(bytes: &[u8]) -> Value {
        redis::parse_redis_value(bytes).unwrap()
    }

    #[test]
    fn the_servers_own_words() {
        let refused = parse(b"-WRONGPASS invalid username-password pair\r\n");
        assert_eq!(
            error(&refused).unwrap(),
            "WRONGPASS invalid username-password pair"
        );
        assert_eq!(error(&parse(b"-ERR no\r\n")).unwrap(), "ERR no");
        assert_eq!(error(&parse(b"+OK\r\n")), None);
    }

    #[test]
    fn flat_lists_and_maps() {
        for bytes in [
            &b"*4\r\n$1\r\na\r\n:1\r\n+b\r\n$1\r\n2\r\n"[..],
            b"%2\r\n+a\r\n:1\r\n+b\r\n+2\r\n",
        ] {
            let reply = parse(bytes);
            let pairs = pairs(&reply);
            assert_eq!(integer(field(&pairs, "a").unwrap()), Some(1));
            assert_eq!(integer(field(&pairs, "b").unwrap()), Some(2));
            assert!(field(&pairs, "c").is_none());
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            if let Ok(reply) = redis::parse_redis_value(&bytes) {
                let _ = (error(&reply), integer(&reply), pairs(&reply));
            }
        }

        #[test]
        fn nothing_like_a_reply_makes_it_panic(
            text in "[-+:$*%|~_,#!=(>]{0,3}[-0-9tf.]{0,12}\r?\n?[-+:$*a-z0-9\r\n]{0,20}"
        ) {
            let _ = redis::parse_redis_value(text.as_bytes());
        }
    }
}
