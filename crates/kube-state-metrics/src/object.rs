//! The parts that Kubernetes objects share, as slim types that skip what no metric needs.
//!
//! The API leaves a field out, or sends null, where Go holds the zero value. [`Lax`] reads all
//! three alike; `Option` is used only where a metric tells absent from zero.

use jiff::fmt::temporal::Pieces;
use serde::Deserialize;
use serde::de::{self, DeserializeOwned, Deserializer, MapAccess, Unexpected, Visitor};
use std::fmt;
use std::ops::Deref;

/// A value that is the default when absent or null.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lax<T>(pub T);

impl<T> Deref for Lax<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<'de, T: Deserialize<'de> + Default> Deserialize<'de> for Lax<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Lax(Option::deserialize(deserializer)?.unwrap_or_default()))
    }
}

/// Text, empty when absent.
pub type Text = Lax<String>;
/// A list, empty when absent.
pub type List<T> = Lax<Vec<T>>;

/// A JSON object as pairs sorted by key. Null values read as the default.
#[derive(Clone, Debug, PartialEq)]
pub struct Map<T>(Vec<(String, T)>);

impl<T> Default for Map<T> {
    fn default() -> Self {
        Map(Vec::new())
    }
}

impl<T> Map<T> {
    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&T> {
        let at = self.0.binary_search_by(|(k, _)| k.as_str().cmp(key)).ok()?;
        self.0.get(at).map(|(_, value)| value)
    }

    /// Pairs in the byte order of keys.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &T)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value))
    }
}

impl<'de, T: Deserialize<'de> + Default> Deserialize<'de> for Map<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs<T>(std::marker::PhantomData<T>);
        impl<'de, T: Deserialize<'de> + Default> Visitor<'de> for Pairs<T> {
            type Value = Map<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(Map::default())
            }
            fn visit_none<E>(self) -> Result<Self::Value, E> {
                Ok(Map::default())
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut pairs: Vec<(String, T)> = Vec::new();
                while let Some((key, value)) = map.next_entry::<String, Lax<T>>()? {
                    pairs.push((key, value.0));
                }
                // Of a key that occurs twice the last counts.
                pairs.reverse();
                pairs.sort_by(|a, b| a.0.cmp(&b.0));
                pairs.dedup_by(|later, first| later.0 == first.0);
                Ok(Map(pairs))
            }
        }
        deserializer.deserialize_any(Pairs(std::marker::PhantomData))
    }
}

/// Labels or annotations.
pub type Pairs = Map<String>;

/// A point in time in whole seconds since the epoch, fractions cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time(pub i64);

impl Time {
    /// What Go prints of a time that was never set: the first second of year 1.
    pub const ZERO: Time = Time(-62_135_596_800);

    /// The time unless it was never set.
    pub fn set(self) -> Option<Time> {
        (self != Time::ZERO).then_some(self)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Rfc3339;
        impl Visitor<'_> for Rfc3339 {
            type Value = Time;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a time such as 2006-01-02T15:04:05Z")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Time, E> {
                let time = unix_seconds(text);
                time.map(Time)
                    .ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
            }
        }
        deserializer.deserialize_str(Rfc3339)
    }
}

/// Whole seconds since the epoch of a time such as `2006-01-02T15:04:05Z`, to the end of the year
/// 9999, which is past the last one of a `jiff::Timestamp`.
pub fn unix_seconds(text: &str) -> Option<i64> {
    let pieces = Pieces::parse(text).ok()?;
    let offset = pieces.to_numeric_offset()?;
    let time = pieces.time()?.with().subsec_nanosecond(0).build().ok()?;
    let local = pieces.date().to_datetime(time);
    let since = local.duration_since(jiff::civil::date(1970, 1, 1).at(0, 0, 0, 0));
    Some(since.as_secs() - i64::from(offset.seconds()))
}

/// `metadata` of every object.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Metadata {
    /// Name, unique within its namespace and kind.
    pub name: Text,
    /// Namespace, empty for objects of the cluster.
    pub namespace: Text,
    /// UID, unique for ever.
    pub uid: Text,
    /// Version of the object in storage.
    pub resource_version: Text,
    /// Generation of the specification.
    pub generation: Lax<i64>,
    /// When it was created.
    pub creation_timestamp: Option<Time>,
    /// When its deletion was asked for.
    pub deletion_timestamp: Option<Time>,
    /// Labels.
    pub labels: Pairs,
    /// Annotations.
    pub annotations: Pairs,
    /// Objects that own it.
    pub owner_references: List<Owner>,
}

/// An owner of an object.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Owner {
    /// Its kind.
    pub kind: Text,
    /// Its name.
    pub name: Text,
    /// Whether it is the managing controller.
    pub controller: Lax<bool>,
}

/// A condition of a status.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Condition {
    /// Type.
    pub r#type: Text,
    /// `True`, `False` or `Unknown`.
    pub status: Text,
    /// Why.
    pub reason: Text,
    /// When the status changed last.
    pub last_transition_time: Option<Time>,
}

/// A reference to an object by name.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Named {
    /// Name of the object.
    pub name: Text,
}

/// A whole number or a percentage of something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IntOrText {
    /// A whole number.
    Int(i64),
    /// Text, a percentage where it makes sense.
    Text(String),
}

impl IntOrText {
    /// The number, percentages taken of `total` and rounded down, or up where `up` is set. `None`
    /// where the text is no whole percentage.
    pub fn of(&self, total: i64, up: bool) -> Option<f64> {
        let text = match self {
            IntOrText::Int(value) => return Some(*value as f64),
            IntOrText::Text(text) => text,
        };
        let digits = text.strip_suffix('%')?;
        let percent: i64 = digits.parse().ok()?;
        let share = percent as f64 * total as f64 / 100.0;
        let whole = if up { share.ceil() } else { share.floor() };
        // A number below nothing that rounds to nothing has no sign.
        Some(whole + 0.0)
    }
}

impl<'de> Deserialize<'de> for IntOrText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl Visitor<'_> for Either {
            type Value = IntOrText;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number or text")
            }
            fn visit_i64<E>(self, value: i64) -> Result<IntOrText, E> {
                Ok(IntOrText::Int(value))
            }
            fn visit_u64<E>(self, value: u64) -> Result<IntOrText, E> {
                Ok(IntOrText::Int(i64::try_from(value).unwrap_or(i64::MAX)))
            }
            fn visit_str<E>(self, text: &str) -> Result<IntOrText, E> {
                Ok(IntOrText::Text(text.to_owned()))
            }
        }
        deserializer.deserialize_any(Either)
    }
}

/// What an object is known by for as long as it lives.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Uid {
    /// The usual form.
    Uuid(u128),
    /// Any other text, empty where there is none.
    Text(Box<str>),
}

impl Uid {
    /// From `metadata.uid`.
    pub fn new(text: &str) -> Self {
        uuid(text.as_bytes()).map_or_else(|| Uid::Text(text.into()), Uid::Uuid)
    }

    /// Reads nothing but the UID of an object.
    pub fn of_object(json: &[u8]) -> Result<Self, String> {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Part {
            metadata: Lax<PartMetadata>,
        }
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct PartMetadata {
            uid: Text,
        }
        let part: Part = parse(json)?;
        Ok(Uid::new(&part.metadata.uid))
    }
}

/// Reads lower-case hexadecimal digits with dashes at the usual places; anything else has no number
/// of its own.
fn uuid(text: &[u8]) -> Option<u128> {
    if text.len() != 36 {
        return None;
    }
    let mut value = 0u128;
    for (at, byte) in text.iter().enumerate() {
        let digit = match (at, byte) {
            (8 | 13 | 18 | 23, b'-') => continue,
            (8 | 13 | 18 | 23, _) => return None,
            (_, b'0'..=b'9') => byte - b'0',
            (_, b'a'..=b'f') => byte - b'a' + 10,
            _ => return None,
        };
        value = value << 4 | u128::from(digit);
    }
    Some(value)
}

/// Reads an object. The error says what was expected where.
pub fn parse<T: DeserializeOwned>(json: &[u8]) -> Result<T, String> {
    serde_json::from_slice(json).map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absent_null_and_zero_are_one() {
        for json in [
            &b"{}"[..],
            br#"{"name":null,"generation":null,"labels":null,"ownerReferences":null}"#,
            br#"{"name":"","generation":0,"labels":{},"ownerReferences":[],"creationTimestamp":null}"#,
        ] {
            let metadata: Metadata = parse(json).unwrap();
            assert_eq!((metadata.name.as_str(), *metadata.generation), ("", 0));
            assert_eq!(metadata.labels.iter().count(), 0);
            assert_eq!(metadata.creation_timestamp, None);
        }
        assert!(parse::<Metadata>(br#"{"name":1}"#).is_err());
    }

    #[test]
    fn times_are_cut_to_seconds() {
        for (text, seconds) in [
            ("2024-02-29T10:34:56Z", 1_709_202_896),
            ("2024-02-29T10:34:56.999999Z", 1_709_202_896),
            ("2024-02-29T12:34:56+02:00", 1_709_202_896),
            ("1969-12-31T23:59:59.5Z", -1),
            ("9999-12-31T23:59:59Z", 253_402_300_799),
            ("0001-01-01T00:00:00Z", Time::ZERO.0),
        ] {
            let time: Time = serde_json::from_value(text.into()).unwrap();
            assert_eq!(time.0, seconds, "{text}");
        }
        for text in ["noon", "2024-02-29", "2024-02-29T10:34:56"] {
            assert_eq!(unix_seconds(text), None, "{text}");
        }
        assert!(serde_json::from_str::<Time>("\"noon\"").is_err());
        assert_eq!(Time::ZERO.set(), None);
    }

    #[test]
    fn percentages() {
        let of = |text: &str, up| IntOrText::Text(text.to_owned()).of(10, up);
        assert_eq!(IntOrText::Int(3).of(10, true), Some(3.0));
        assert_eq!((of("25%", false), of("25%", true)), (Some(2.0), Some(3.0)));
        assert_eq!((of("-5%", true), of("+50%", true)), (Some(0.0), Some(5.0)));
        for text in ["3", "", "%", "2.5%", "x%", "50 %", "++5%", "+-5%"] {
            assert_eq!(of(text, true), None, "{text}");
        }
    }

    #[test]
    fn uids() {
        let uid = "6a277123-7e7c-469b-9cc9-39da0d6e7d7f";
        assert_eq!(Uid::new(uid), Uid::Uuid(0x6a2771237e7c469b9cc939da0d6e7d7f));
        for odd in ["", "uid1", "6A277123-7e7c-469b-9cc9-39da0d6e7d7f"] {
            assert_eq!(Uid::new(odd), Uid::Text(odd.into()));
        }
        let json = format!(r#"{{"spec":{{}},"metadata":{{"uid":"{uid}"}}}}"#);
        assert_eq!(Uid::of_object(json.as_bytes()), Ok(Uid::new(uid)));
    }

    #[test]
    fn pairs_are_sorted_and_the_last_of_equal_keys_counts() {
        let map: Pairs = parse(br#"{"b":"1","a":null,"b":"2"}"#).unwrap();
        let pairs: Vec<_> = map.iter().map(|(k, v)| (k, v.as_str())).collect();
        assert_eq!(pairs, [("a", ""), ("b", "2")]);
        assert_eq!(map.get("b").map(String::as_str), Some("2"));
    }
}
