//! Durations and sizes as people write them.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error};

const TIME_UNITS: [(&str, u64); 5] =
    [("ms", 1), ("s", 1000), ("m", 60 * 1000), ("h", 3600 * 1000), ("d", 24 * 3600 * 1000)];
const SIZE_UNITS: [(&str, u64); 8] = [
    ("B", 1),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("KB", 1000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("", 1),
];

/// A duration: a whole number and one unit (`500ms`, `30s`, `10m`, `24h`, `365d`), or `0`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Time(pub Duration);

/// A size in bytes: `512B`, `64KiB`, `10MiB`, `1GiB`, decimal `KB`, `MB`, `GB`, or a plain number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Size(pub u64);

/// Text that is not a duration or not a size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnitError {
    text: String,
    what: &'static str,
    forms: &'static str,
    too_large: bool,
}

impl fmt::Display for UnitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text: String = self.text.chars().take(48).flat_map(char::escape_debug).collect();
        let Self { what, forms, .. } = self;
        let fault = if self.too_large { "is too large for" } else { "is not" };
        write!(f, "`{text}` {fault} {what}\nwrite a whole number and one unit: {forms}")
    }
}

impl std::error::Error for UnitError {}

/// The number and the factor of its unit.
fn split(text: &str, units: &[(&str, u64)]) -> Option<(Option<u64>, u64)> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(digits)?;
    if number.is_empty() {
        return None;
    }
    let factor = units.iter().find(|(name, _)| *name == unit.trim_start()).map(|(_, factor)| *factor)?;
    Some((number.parse().ok(), factor))
}

impl FromStr for Time {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let error = |too_large| UnitError {
            text: text.to_owned(),
            what: "a duration",
            forms: "`500ms`, `30s`, `10m`, `24h`, `365d`",
            too_large,
        };
        if text == "0" {
            return Ok(Self(Duration::ZERO));
        }
        let (number, factor) = split(text, &TIME_UNITS).ok_or_else(|| error(false))?;
        number
            .and_then(|number| number.checked_mul(factor))
            .map(|millis| Self(Duration::from_millis(millis)))
            .ok_or_else(|| error(true))
    }
}

impl FromStr for Size {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let error = |too_large| UnitError {
            text: text.to_owned(),
            what: "a size",
            forms: "`512B`, `64KiB`, `10MiB`, `1GiB`, `5MB`; without a unit it counts bytes",
            too_large,
        };
        let (number, factor) = split(text, &SIZE_UNITS).ok_or_else(|| error(false))?;
        number.and_then(|number| number.checked_mul(factor)).map(Self).ok_or_else(|| error(true))
    }
}

impl fmt::Display for Time {
    /// In the largest unit that keeps it whole; `from_str` reads it back, down to milliseconds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.as_millis();
        let unit = TIME_UNITS.iter().rev().find(|(_, factor)| millis.is_multiple_of(u128::from(*factor)));
        match unit {
            Some((name, factor)) if millis > 0 => write!(f, "{}{name}", millis / u128::from(*factor)),
            _ => f.write_str("0s"),
        }
    }
}

impl fmt::Display for Size {
    /// In the largest binary unit that keeps it whole; `from_str` reads it back.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = SIZE_UNITS.iter().take(4).rev().find(|(_, factor)| self.0.is_multiple_of(*factor));
        match unit {
            Some((name, factor)) if self.0 > 0 => write!(f, "{}{name}", self.0 / factor),
            _ => f.write_str("0B"),
        }
    }
}

macro_rules! unit {
    ($unit:ty, $name:literal, $schema:expr) => {
        impl<'de> Deserialize<'de> for $unit {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
            }
        }

        impl serde::Serialize for $unit {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl JsonSchema for $unit {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                $schema
            }
        }
    };
}

unit!(
    Time,
    "Time",
    json_schema!({
        "type": ["string", "integer"], "pattern": "^(0|[0-9]+ *(ms|s|m|h|d))$", "maximum": 0, "minimum": 0,
        "description": "A whole number and one unit: 500ms, 30s, 10m, 24h, 365d.",
    })
);
unit!(
    Size,
    "Size",
    json_schema!({
        "type": ["string", "integer"], "pattern": "^[0-9]+ *(B|KiB|MiB|GiB|KB|MB|GB)?$", "minimum": 0,
        "description": "A size: 512B, 64KiB, 10MiB, 1GiB, 5MB, or a number of bytes.",
    })
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_and_print() {
        for (text, millis) in
            [("500ms", 500), ("30s", 30_000), ("10m", 600_000), ("24h", 86_400_000), ("365d", 31_536_000_000)]
        {
            let time: Time = text.parse().unwrap();
            assert_eq!(time.0, Duration::from_millis(millis));
            assert_eq!(time.to_string().parse::<Time>().unwrap(), time);
        }
        assert_eq!("24h".parse::<Time>().unwrap().to_string(), "1d");
        assert_eq!("0".parse::<Time>().unwrap().to_string(), "0s");
        for wrong in [
            "",
            "s",
            "10",
            "1.5s",
            "-1s",
            "10 minutes",
            "1h30m",
            "5S",
            "１s",
            "18446744073709551615d",
            "99999999999999999999s",
        ] {
            assert!(wrong.parse::<Time>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn sizes_read_and_print() {
        for (text, bytes) in [
            ("512B", 512),
            ("4KiB", 4096),
            ("10MiB", 10 << 20),
            ("1GiB", 1 << 30),
            ("5KB", 5000),
            ("5MB", 5_000_000),
            ("1000", 1000),
            ("0", 0),
        ] {
            let size: Size = text.parse().unwrap();
            assert_eq!(size.0, bytes);
            assert_eq!(size.to_string().parse::<Size>().unwrap(), size);
        }
        for wrong in ["", "KiB", "4kib", "-1", "1.5MiB", "18446744073709551615GiB", "99999999999999999999"] {
            assert!(wrong.parse::<Size>().is_err(), "{wrong}");
        }
        let sentence = "18446744073709551615GiB".parse::<Size>().unwrap_err().to_string();
        assert!(sentence.contains("too large"), "{sentence}");
    }
}
