//! Which instance exposes an object: FNV-1a of its UID, then jump consistent hashing (Lamping and
//! Veach, 2014), so that few objects move when the number of instances changes.

/// The share of one instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// Its number, from 0.
    pub ordinal: i64,
    /// How many there are.
    pub total: i64,
}

impl Default for Shard {
    fn default() -> Self {
        Shard {
            ordinal: 0,
            total: 1,
        }
    }
}

impl Shard {
    /// Whether an object belongs to this instance.
    pub fn keeps(self, uid: &str) -> bool {
        self == Shard::default() || jump(fnv1a(uid.as_bytes()), self.total) == self.ordinal
    }
}

fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// The bucket of a key, -1 where there are none.
fn jump(mut key: u64, buckets: i64) -> i64 {
    let (mut bucket, mut next) = (-1i64, 0i64);
    while next < buckets {
        bucket = next;
        key = key.wrapping_mul(2_862_933_555_777_941_757).wrapping_add(1);
        let step = (1u64 << 31) as f64 / ((key >> 33) + 1) as f64;
        next = ((bucket + 1) as f64 * step) as i64;
    }
    bucket
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_buckets() {
        let totals = [2, 3, 4, 5, 7, 10, 16, 100];
        for (uid, hash, buckets) in [
            ("", 0xcbf2_9ce4_8422_2325, [1, 1, 1, 1, 1, 1, 13, 90]),
            ("a", 0xaf63_dc4c_8601_ec8c, [1, 2, 2, 2, 2, 2, 12, 31]),
            (
                "00000000-0000-0000-0000-000000000000",
                0x7c38_4c62_18f2_99f1,
                [1, 1, 1, 1, 1, 1, 11, 20],
            ),
        ] {
            assert_eq!(fnv1a(uid.as_bytes()), hash);
            assert_eq!(totals.map(|total| jump(hash, total)), buckets, "{uid}");
        }
    }

    #[test]
    fn one_instance_keeps_an_object() {
        for number in 0..200 {
            let uid = format!("uid-{number}");
            let shards = (0..4).map(|ordinal| Shard { ordinal, total: 4 });
            assert_eq!(shards.filter(|shard| shard.keeps(&uid)).count(), 1);
            assert!(
                !Shard {
                    ordinal: 4,
                    total: 4
                }
                .keeps(&uid)
            );
            assert!(
                !Shard {
                    ordinal: 0,
                    total: 0
                }
                .keeps(&uid)
            );
            assert!(Shard::default().keeps(&uid));
        }
    }
}
