//! Points in time as people write them.

use std::fmt;
use std::str::FromStr;

use serde::de::{Deserialize, Deserializer, Error};
use time::format_description::well_known::{Iso8601, Rfc3339};
use time::{Date, OffsetDateTime};

/// A point in time: a date (`2027-01-15`, which is its first moment in UTC), or date, time and offset as in RFC 3339
/// (`2027-01-15T09:30:00Z`). In seconds since the Unix epoch; a fraction counts as the whole second after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(pub i64);

/// Text that is not a point in time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MomentError {
    text: String,
}

impl fmt::Display for MomentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text: String = self.text.chars().take(48).flat_map(char::escape_debug).collect();
        write!(f, "`{text}` is not a date or a time\nwrite `2027-01-15` or `2027-01-15T09:30:00Z`")
    }
}

impl std::error::Error for MomentError {}

impl FromStr for Moment {
    type Err = MomentError;

    fn from_str(text: &str) -> Result<Self, MomentError> {
        parse(text).map(Self).ok_or_else(|| MomentError { text: text.to_owned() })
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl fmt::Display for Moment {
    /// As RFC 3339 has it, in UTC; `from_str` reads it back where the year has four digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = OffsetDateTime::from_unix_timestamp(self.0).map_err(|_| fmt::Error)?;
        f.write_str(&time.format(&Rfc3339).map_err(|_| fmt::Error)?)
    }
}

fn parse(text: &str) -> Option<i64> {
    let time = if text.len() == DATE.len() && text.get(4..5) == Some("-") && text.get(7..8) == Some("-") {
        Date::parse(text, &Iso8601::DATE).ok().filter(|date| date.year() > 0)?.midnight().assume_utc()
    } else {
        OffsetDateTime::parse(text, &Rfc3339).ok().filter(|time| time.year() > 0)?
    };
    // Of a fraction the whole second: what ends or begins at a moment does so no earlier than it was written.
    Some(time.unix_timestamp().saturating_add(i64::from(time.nanosecond() > 0)))
}

const DATE: &str = "2027-01-15";

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<i64> {
        text.parse().ok().map(|Moment(seconds)| seconds)
    }

    #[test]
    fn dates_and_times_are_read() {
        for (text, seconds) in [
            ("1970-01-01", 0),
            ("2027-01-15", 1_799_971_200),
            ("2027-01-15T08:00:00Z", 1_800_000_000),
            ("2027-01-15t08:00:00z", 1_800_000_000),
            ("2027-01-15 07:59:59.001Z", 1_800_000_000),
            ("2027-01-15T10:30:00+02:30", 1_800_000_000),
            ("2027-01-15T00:00:00-08:00", 1_800_000_000),
            ("2024-02-29", 1_709_164_800),
            ("2000-02-29", 951_782_400),
            ("1969-12-31T23:59:59Z", -1),
            ("9999-12-31T23:59:59Z", 253_402_300_799),
        ] {
            assert_eq!(read(text), Some(seconds), "{text}");
        }
    }

    #[test]
    fn anything_else_is_not() {
        for text in [
            "",
            "never",
            "2027",
            "2027-1-15",
            "27-01-15",
            "2027-13-01",
            "2027-00-10",
            "2027-02-29",
            "1900-02-29",
            "2027-04-31",
            "2027-01-00",
            "0000-01-01",
            "2027-01-15T",
            "2027-01-15T08:00",
            "2027-01-15T08:00:00",
            "2027-01-15T24:00:00Z",
            "2027-01-15T08:60:00Z",
            "2027-01-15T23:59:60Z",
            "2027-01-15T08:00:00.Z",
            "2027-01-15T08:00:00+2:00",
            "2027-01-15T08:00:00+24:00",
            "2027-01-15T08:00:00ZZ",
            "2027-01-15x",
            "+027-01-15",
            "2027-01-15T08:00:00 Z",
            "2027-W03-5",
            "20270115",
            "2027-015",
            "２０２７-01-15",
            "1800000000",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
        let told = "2027-02-30".parse::<Moment>().unwrap_err().to_string();
        assert!(told.starts_with("`2027-02-30` is not a date") && told.contains('\n'), "{told}");
    }

    #[test]
    fn every_day_is_printed_as_it_is_read() {
        // Across four centuries every rule about leap years has come.
        for day in (0..400 * 366).step_by(7).chain([-1, -719_162]) {
            let moment = Moment(day * 24 * 3600 + 12_345);
            assert_eq!(moment.to_string().parse(), Ok(moment), "{moment}");
        }
        assert_eq!(Moment(1_800_000_000).to_string(), "2027-01-15T08:00:00Z");
    }
}
