//! Kubernetes quantities: `100m`, `1.5Gi`, `2e3`.

use exporter_core::dialect::strconv;
use serde::Deserialize;
use serde::de::{self, Deserializer, Unexpected, Visitor};
use std::fmt;

/// A quantity: mantissa times a power of ten, no finer than a billionth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quantity {
    mantissa: i128,
    scale: i32,
}

/// Mantissas stay below this, so that scaling cannot overflow unseen.
const MANTISSA_DIGITS: usize = 36;
const NANO: i32 = -9;
/// Above this a thousandth of a quantity is not told.
const MILLI_LIMIT: i64 = i64::MAX / 1000;

impl Quantity {
    /// Reads a quantity; `None` where the text is none.
    pub fn parse(text: &str) -> Option<Self> {
        let (negative, unsigned) = match text.as_bytes().first()? {
            b'-' => (true, &text[1..]),
            b'+' => (false, &text[1..]),
            _ => (false, text),
        };
        let end = unsigned.find(|c: char| !c.is_ascii_digit() && c != '.');
        let (number, suffix) = unsigned.split_at(end.unwrap_or(unsigned.len()));
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if whole.is_empty() && fraction.is_empty() || fraction.contains('.') {
            return None;
        }
        let digits = format!("{whole}{fraction}");
        let digits = digits.trim_start_matches('0');
        if digits.len() > MANTISSA_DIGITS {
            return None;
        }
        let mut mantissa: i128 = if digits.is_empty() {
            0
        } else {
            digits.parse().ok()?
        };
        let mut scale = -i32::try_from(fraction.len()).ok()?;
        match suffix_of(suffix)? {
            Suffix::Decimal(power) => scale = scale.checked_add(power)?,
            Suffix::Binary(power) => {
                mantissa = mantissa.checked_mul(1i128 << power).unwrap_or(i128::MAX);
                let cap = i128::from(i64::MAX);
                if scaled(mantissa, scale) > cap {
                    (mantissa, scale) = (cap, 0);
                }
            }
        }
        if scale < NANO {
            mantissa = divide_away(mantissa, power_of_ten(NANO - scale));
            scale = NANO;
        }
        let mantissa = if negative { -mantissa } else { mantissa };
        Some(Quantity { mantissa, scale })
    }

    /// As a whole number, rounded away from zero.
    pub fn value(self) -> f64 {
        self.whole() as f64
    }

    /// In thousandths rounded away from zero, or where those would not fit as a whole number.
    pub fn milli(self) -> f64 {
        if self.whole() > MILLI_LIMIT {
            return self.value();
        }
        clamp(scaled(self.mantissa, self.scale + 3)) as f64 / 1000.0
    }

    /// As the nearest float of mantissa times that of the power of ten, noise included.
    pub fn approximate(self) -> f64 {
        let power: f64 = format!("1e{}", self.scale).parse().unwrap_or(0.0);
        self.mantissa as f64 * power
    }

    fn whole(self) -> i64 {
        clamp(scaled(self.mantissa, self.scale))
    }
}

enum Suffix {
    /// A power of ten.
    Decimal(i32),
    /// A power of two.
    Binary(u32),
}

fn suffix_of(suffix: &str) -> Option<Suffix> {
    Some(match suffix {
        "n" => Suffix::Decimal(-9),
        "u" => Suffix::Decimal(-6),
        "m" => Suffix::Decimal(-3),
        "" => Suffix::Decimal(0),
        "k" => Suffix::Decimal(3),
        "M" => Suffix::Decimal(6),
        "G" => Suffix::Decimal(9),
        "T" => Suffix::Decimal(12),
        "P" => Suffix::Decimal(15),
        "E" => Suffix::Decimal(18),
        "Ki" => Suffix::Binary(10),
        "Mi" => Suffix::Binary(20),
        "Gi" => Suffix::Binary(30),
        "Ti" => Suffix::Binary(40),
        "Pi" => Suffix::Binary(50),
        "Ei" => Suffix::Binary(60),
        exponent => {
            let digits = exponent.strip_prefix(['e', 'E'])?;
            let power = strconv::parse_int(digits, 10)?;
            Suffix::Decimal(i32::try_from(power).ok()?)
        }
    })
}

/// `mantissa` times ten to `scale`, rounded away from zero and bounded.
fn scaled(mantissa: i128, scale: i32) -> i128 {
    if scale < 0 {
        return divide_away(mantissa, power_of_ten(-scale));
    }
    match mantissa.checked_mul(power_of_ten(scale)) {
        Some(value) => value,
        None if mantissa < 0 => i128::MIN,
        None => i128::MAX,
    }
}

fn divide_away(value: i128, by: i128) -> i128 {
    let quotient = value / by;
    if quotient * by == value {
        quotient
    } else {
        quotient + value.signum()
    }
}

fn power_of_ten(power: i32) -> i128 {
    10i128.saturating_pow(power.unsigned_abs())
}

fn clamp(value: i128) -> i64 {
    i64::try_from(value).unwrap_or(if value < 0 { i64::MIN } else { i64::MAX })
}

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl Visitor<'_> for Either {
            type Value = Quantity;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a quantity such as 100m or 2Gi")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Quantity, E> {
                let invalid = || E::invalid_value(Unexpected::Str(text), &self);
                Quantity::parse(text).ok_or_else(invalid)
            }
            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Quantity, E> {
                self.visit_str(&value.to_string())
            }
            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Quantity, E> {
                self.visit_str(&value.to_string())
            }
            fn visit_f64<E: de::Error>(self, value: f64) -> Result<Quantity, E> {
                self.visit_str(&value.to_string())
            }
        }
        deserializer.deserialize_any(Either)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn rounding() {
        for (text, value, milli, approximate) in [
            ("0", 0.0, 0.0, 0.0),
            ("500m", 1.0, 0.5, 0.5),
            ("-500m", -1.0, -0.5, -0.5),
            ("1n", 1.0, 0.001, 1e-9),
            ("1500u", 1.0, 0.002, 1500.0 * 1e-6),
            ("0.3", 1.0, 0.3, 3.0 * 0.1),
            ("1.5Gi", 1_610_612_736.0, 1_610_612_736.0, 1_610_612_736.0),
            ("2e3", 2000.0, 2000.0, 2000.0),
            ("1E2", 100.0, 100.0, 100.0),
            ("2E", 2e18, 2e18, 2e18),
            (".5", 1.0, 0.5, 0.5),
            ("5.", 5.0, 5.0, 5.0),
            ("+7k", 7000.0, 7000.0, 7000.0),
            ("0.0000000001", 1.0, 0.001, 1e-9),
            ("100Ei", i64::MAX as f64, i64::MAX as f64, i64::MAX as f64),
        ] {
            let quantity = Quantity::parse(text).unwrap();
            assert_eq!(quantity.value(), value, "{text}");
            assert_eq!(quantity.milli(), milli, "{text}");
            assert_eq!(quantity.approximate(), approximate, "{text}");
        }
    }

    #[test]
    fn what_is_no_quantity() {
        for text in ["", "m", ".", "1.2.3", "1 k", "1Kb", "e3", "1e", "--1", "1K"] {
            assert_eq!(Quantity::parse(text), None, "{text}");
        }
    }

    #[test]
    fn numbers_are_quantities() {
        for (json, value) in [("2", 2.0), ("0.5", 1.0), ("\"3Ki\"", 3072.0)] {
            let quantity: Quantity = serde_json::from_str(json).unwrap();
            assert_eq!(quantity.value(), value);
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[-+]?[0-9.]{0,50}([numkMGTPE]i?|[eE][-+]?[0-9]{0,12})?") {
            if let Some(quantity) = Quantity::parse(&text) {
                let _ = (quantity.value(), quantity.milli(), quantity.approximate());
            }
        }
    }
}
