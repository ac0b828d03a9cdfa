//! Numbers of keys that match a pattern, by SCAN. Names are counted and not kept.

use crate::client::Error;
use crate::key_list::Key;
use crate::reach::Reach;
use crate::samples::Samples;
use exporter_core::exposition::Family;

static COUNT: Family = Family::gauge(
    "redis_keys_count",
    &["db", "key"],
    "Keys that match a pattern.",
);

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    vec![&COUNT]
}

/// Counts and puts.
pub async fn collect(reach: &mut Reach<'_>, patterns: &[Key], out: &mut Samples<'_>) {
    for key in patterns {
        let pattern = String::from_utf8_lossy(&key.name);
        match count(reach, key).await {
            Ok(count) => {
                if let Ok(name) = std::str::from_utf8(&key.name) {
                    out.put(&COUNT, &[&key.label(), name], count as f64);
                }
            }
            Err(error) => tracing::error!(%pattern, %error, "could not count keys"),
        }
    }
}

async fn count(reach: &mut Reach<'_>, key: &Key) -> Result<usize, Error> {
    reach.select(&key.database).await?;
    let mut count = 0;
    reach.scan(&key.name, |names| count += names.len()).await?;
    Ok(count)
}
