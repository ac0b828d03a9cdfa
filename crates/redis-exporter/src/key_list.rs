//! Lists of keys and patterns, `db3=user_*,other`, as the flags and `/scrape` take them.

use percent_encoding::percent_decode_str;

/// A key or pattern and its database.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// The database as it was written, without the letters `db`: it is sent and labelled so.
    pub database: String,
    /// The key, any bytes.
    pub name: Vec<u8>,
}

impl Key {
    /// Whether it has to be expanded.
    pub fn is_pattern(&self) -> bool {
        self.name
            .iter()
            .any(|b| matches!(b, b'?' | b'*' | b'[' | b']' | b'^'))
    }

    /// The value of the label `db`.
    pub fn label(&self) -> String {
        format!("db{}", self.database)
    }
}

/// Reads a list. Pieces without key or database are logged and left out.
pub fn parse(list: &str) -> Result<Vec<Key>, String> {
    let pieces = list.split(',').filter(|piece| !piece.is_empty());
    let keys = pieces.map(parse_piece).collect::<Result<Vec<_>, _>>()?;
    Ok(keys.into_iter().flatten().collect())
}

fn parse_piece(piece: &str) -> Result<Option<Key>, String> {
    let mut parts = piece.split('=');
    let (database, key) = match (parts.next(), parts.next(), parts.next()) {
        (Some(key), None, _) => ("0", key),
        (Some(database), Some(key), None) => (database, key),
        _ => {
            return Err(format!(
                "expected DB=KEY or KEY with %3D for an equals sign in it, got {piece:?}"
            ));
        }
    };
    let database = database.trim().replace("db", "");
    let name = unescape(key.trim()).ok_or_else(|| {
        format!("expected two hexadecimal digits after each percent sign, got {key:?}")
    })?;
    if database.is_empty() || name.is_empty() {
        tracing::error!(piece, "expected DB=KEY or KEY, left out");
        return Ok(None);
    }
    match database.parse::<u64>() {
        Ok(_) => Ok(Some(Key { database, name })),
        Err(_) => Err(format!("expected a database number, got {database:?}")),
    }
}

/// Form encoding: plus signs are blanks.
fn unescape(text: &str) -> Option<Vec<u8>> {
    let well_formed = text.split('%').skip(1).all(|tail| {
        let digits = tail.as_bytes().get(..2);
        digits.is_some_and(|d| d.iter().all(u8::is_ascii_hexdigit))
    });
    let blanks = text.replace('+', " ");
    well_formed.then(|| percent_decode_str(&blanks).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key(database: &str, name: &str) -> Key {
        Key {
            database: database.to_owned(),
            name: name.into(),
        }
    }

    #[test]
    fn lists() {
        for (list, keys) in [
            ("", vec![]),
            ("a,,b", vec![key("0", "a"), key("0", "b")]),
            (
                " db3 = a+b , 3=c%2Cd",
                vec![key("3", "a b"), key("3", "c,d")],
            ),
            ("dbdb07=x%3D%2B", vec![key("07", "x=+")]),
            ("=a,db=b,1=", vec![]),
        ] {
            assert_eq!(parse(list).unwrap(), keys, "{list}");
        }
        for list in ["a=b=c", "x=a", "-1=a", "db1=%zz", "1.5=a"] {
            assert!(parse(list).is_err(), "{list}");
        }
        assert!(key("0", "a*").is_pattern() && !key("0", "a").is_pattern());
        assert_eq!(key("07", "a").label(), "db07");
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text: String) {
            let _ = parse(&text);
        }
    }
}
