//! Tile38, from SERVER EXT. The families are in `info.rs`.

use super::info::put_field;
use crate::client::{Value, reply};
use crate::samples::Samples;

/// Puts all names that are known.
pub fn put(server: &Value, out: &mut Samples<'_>) {
    for (name, value) in reply::pairs(server) {
        let Some(value) = reply::text(value) else {
            continue;
        };
        match name.starts_with("tile38_") {
            true => put_field(name, value, out),
            false => put_field(&format!("tile38_{name}"), value, out),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::testing::exposed;

    #[test]
    fn names_get_a_prefix() {
        let reply = b"*6\r\n$8\r\naof_size\r\n$2\r\n12\r\n$16\r\ntile38_read_only\r\n$5\r\nfalse\r\n$1\r\nx\r\n$1\r\n1\r\n";
        let reply = redis::parse_redis_value(reply).unwrap();
        let expected = "redis_tile38_aof_size_bytes 12\nredis_tile38_read_only 0\n";
        assert_eq!(exposed(|out| put(&reply, out)), expected);
    }
}
