//! Custom queries: a file of statements whose columns become metrics.
//!
//! Upstream calls them deprecated; they are what many dashboards stand on.

mod convert;
mod expose;
mod file;

pub use convert::{label, value};
pub use expose::{Exposed, expose};
pub use file::{Namespace, Usage, load};

use exporter_core::exposition::{Arena, Family};
use sha2::{Digest, Sha256};
use std::fmt::Write;
use std::path::Path;

/// Whether the file of custom queries could be read.
pub static LOAD_ERROR: Family = Family::gauge(
    "pg_exporter_user_queries_load_error",
    &["filename", "hashsum"],
    "Whether the file of custom queries could not be read (1) or could (0).",
);

/// What became of the file of custom queries.
#[derive(Clone, Debug, Default)]
pub struct Queries {
    /// Its namespaces, each name once.
    pub namespaces: Vec<Namespace>,
    /// Its name as it was given, its SHA-256 and whether it was of no use; `None` without a file.
    state: Option<(String, String, bool)>,
}

impl Queries {
    /// Reads a file; an empty name is no file. One that is of no use is told in the log and by
    /// [`LOAD_ERROR`].
    pub fn load(name: &str) -> Self {
        if name.is_empty() {
            return Queries::default();
        }
        let text = std::fs::read(Path::new(name)).map_err(|e| e.to_string());
        let hash = text.as_deref().map(sha256).unwrap_or_default();
        let parsed = text.and_then(|text| load(&String::from_utf8_lossy(&text)));
        let failed = parsed.is_err();
        if let Err(err) = &parsed {
            tracing::error!(file = name, err, "custom queries could not be read");
        }
        Queries {
            namespaces: parsed.unwrap_or_default(),
            state: Some((name.to_owned(), hash, failed)),
        }
    }

    /// Puts [`LOAD_ERROR`].
    pub fn put(&self, constant_labels: &[(String, String)], out: &mut Arena) {
        if let Some((name, hash, failed)) = &self.state {
            let mut pairs = vec![("filename", name.as_str()), ("hashsum", hash.as_str())];
            pairs.extend(
                constant_labels
                    .iter()
                    .map(|(k, v)| (k.as_str(), v.as_str())),
            );
            out.put_pairs(&LOAD_ERROR, &pairs, f64::from(u8::from(*failed)));
        }
    }
}

fn sha256(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(64);
    for byte in Sha256::digest(bytes) {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::text;

    #[test]
    fn the_state_of_the_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "abc").unwrap();
        let name = file.path().to_str().unwrap();
        let mut out = Arena::new();
        let labels = [("env".to_owned(), "x".to_owned())];
        Queries::load(name).put(&labels, &mut out);
        // The digest of "abc" is the example of FIPS 180-2.
        let hash = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let line = format!(
            "pg_exporter_user_queries_load_error{{env=\"x\",filename=\"{name}\",hashsum=\"{hash}\"}} 1\n"
        );
        assert_eq!(text(out), line);
        let mut out = Arena::new();
        Queries::load("/nowhere/at.all").put(&[], &mut out);
        assert!(text(out).contains("hashsum=\"\"} 1\n"));
        let mut out = Arena::new();
        Queries::load("").put(&[], &mut out);
        assert!(out.is_empty());
    }
}
