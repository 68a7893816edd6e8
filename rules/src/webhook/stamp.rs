//! When a message was sent, read strictly, and whether that is near enough to now.

use std::borrow::Cow;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::delivery::Reading;
use super::extract::Extract;
use super::raw::{RawTimestamp, TimeFormat};
use super::refused::{Reason, Refused};
use crate::problem::{Place, Problem};

/// How far from now something may have happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Window {
    /// Milliseconds ago, inclusive; nothing if that is not checked.
    pub(super) past_ms: Option<i64>,
    /// Milliseconds ahead, inclusive; nothing if that is not checked.
    pub(super) future_ms: Option<i64>,
}

impl Window {
    pub(super) fn of_seconds(past_s: Option<u32>, future_s: Option<u32>) -> Self {
        let ms = |seconds: u32| i64::from(seconds) * 1000;
        Self { past_ms: past_s.map(ms), future_ms: future_s.map(ms) }
    }

    /// How long a message is believed: what a store must remember at least, in milliseconds.
    pub(super) fn span_ms(self) -> i64 {
        self.past_ms.unwrap_or(0).saturating_add(self.future_ms.unwrap_or(0))
    }

    /// Whether a moment is within it. `sent` is in nanoseconds since the Unix epoch.
    pub(super) fn check(self, sent: Instant, now_ms: i64) -> Result<(), Refused> {
        let age = i128::from(now_ms) * NANOS_PER_MS - sent.nanos;
        let limit = |ms: i64| i128::from(ms) * NANOS_PER_MS;
        if self.past_ms.is_some_and(|past| age > limit(past)) {
            return Err(Refused::new(Reason::TooOld, "the message is older than the tolerance"));
        }
        if self.future_ms.is_some_and(|future| -age > limit(future)) {
            return Err(Refused::new(Reason::TooNew, "the message is from further ahead than the tolerance"));
        }
        Ok(())
    }
}

const NANOS_PER_MS: i128 = 1_000_000;

/// A moment as a sender writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Instant {
    nanos: i128,
}

impl Instant {
    pub(super) fn of_seconds(seconds: i64) -> Self {
        Self { nanos: i128::from(seconds) * 1000 * NANOS_PER_MS }
    }

    /// In milliseconds since the Unix epoch, rounded down.
    pub(super) fn ms(self) -> i64 {
        i64::try_from(self.nanos.div_euclid(NANOS_PER_MS)).unwrap_or(i64::MAX)
    }
}

/// Where a message says when it was sent.
#[derive(Clone, Debug)]
pub(super) struct Stamp {
    pub(super) from: Extract,
    pub(super) format: TimeFormat,
    pub(super) window: Window,
    /// Whether it is read only once the signature holds.
    pub(super) after: bool,
}

/// A timestamp's text as it came, and what it says.
pub(super) type Read<'a> = (Cow<'a, [u8]>, Instant);

impl Stamp {
    pub(super) fn compile(raw: &RawTimestamp, at: &Place) -> Result<Self, Problem> {
        let Some(from) = &raw.from else {
            return Err(at
                .problem("the timestamp has no place")
                .remedy("write `from:` and a source such as `header:X-Timestamp`"));
        };
        Ok(Self {
            from: Extract::compile(from, &at.key("from"))?,
            format: raw.format,
            window: Window::of_seconds(raw.past_s, raw.future_s),
            after: raw.after,
        })
    }

    /// The text as it came, and what it says.
    pub(super) fn read<'a>(&self, reading: &Reading<'a>) -> Result<Option<Read<'a>>, Refused> {
        let Some(text) = self.from.one(reading)? else { return Ok(None) };
        let instant = parse(&text, self.format)
            .ok_or_else(|| Refused::malformed(format!("{} is not a time in the scheme's form", self.from)))?;
        Ok(Some((text, instant)))
    }
}

/// Reads a time: one moment, one spelling, as far as the form allows.
pub(super) fn parse(text: &[u8], format: TimeFormat) -> Option<Instant> {
    let text = std::str::from_utf8(text).ok()?;
    let nanos = match format {
        TimeFormat::UnixS => digits(text)?.checked_mul(1000 * NANOS_PER_MS)?,
        TimeFormat::UnixMs => digits(text)?.checked_mul(NANOS_PER_MS)?,
        TimeFormat::Rfc3339 => {
            // Readers differ on small letters and on a blank in the middle.
            let strict = text.get(10..11) == Some("T") && !text.contains(['t', 'z', ' ']);
            strict.then(|| OffsetDateTime::parse(text, &Rfc3339).ok())??.unix_timestamp_nanos()
        }
    };
    Some(Instant { nanos })
}

/// Digits without sign, blanks and leading zeros.
fn digits(text: &str) -> Option<i128> {
    let plain = (1..=16).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    (plain && !text.starts_with('0')).then(|| text.parse().ok())?
}

/// A moment as a sender would write it.
pub(super) fn write(now_ms: i64, format: TimeFormat) -> String {
    match format {
        TimeFormat::UnixS => now_ms.div_euclid(1000).to_string(),
        TimeFormat::UnixMs => now_ms.to_string(),
        TimeFormat::Rfc3339 => OffsetDateTime::from_unix_timestamp(now_ms.div_euclid(1000))
            .ok()
            .and_then(|time| time.format(&Rfc3339).ok())
            .unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_strictly() {
        for (text, format, ms) in [
            ("1760000000", TimeFormat::UnixS, Some(1_760_000_000_000)),
            ("1760000000123", TimeFormat::UnixMs, Some(1_760_000_000_123)),
            ("2025-10-09T08:53:20Z", TimeFormat::Rfc3339, Some(1_760_000_000_000)),
            ("2025-10-09T08:53:20.123456789Z", TimeFormat::Rfc3339, Some(1_760_000_000_123)),
            ("2025-10-09T01:53:20-07:00", TimeFormat::Rfc3339, Some(1_760_000_000_000)),
            ("2025-10-09T08:53:20+00:00", TimeFormat::Rfc3339, Some(1_760_000_000_000)),
            ("+1760000000", TimeFormat::UnixS, None),
            ("-1760000000", TimeFormat::UnixS, None),
            (" 1760000000", TimeFormat::UnixS, None),
            ("01760000000", TimeFormat::UnixS, None),
            ("1.76e9", TimeFormat::UnixS, None),
            ("1760000000.0", TimeFormat::UnixS, None),
            ("1_760_000_000", TimeFormat::UnixS, None),
            ("", TimeFormat::UnixS, None),
            ("１７６０００００００", TimeFormat::UnixS, None),
            ("17600000000000000", TimeFormat::UnixS, None),
            ("2025-10-09 08:53:20Z", TimeFormat::Rfc3339, None),
            ("2025-10-09t08:53:20Z", TimeFormat::Rfc3339, None),
            ("2025-10-09T08:53:20z", TimeFormat::Rfc3339, None),
            ("2025-10-09T08:53:20", TimeFormat::Rfc3339, None),
            ("2025-10-09T08:53Z", TimeFormat::Rfc3339, None),
            ("2025-02-30T08:53:20Z", TimeFormat::Rfc3339, None),
            ("Thu Oct 9", TimeFormat::Rfc3339, None),
            ("1760000000", TimeFormat::Rfc3339, None),
        ] {
            assert_eq!(parse(text.as_bytes(), format).map(Instant::ms), ms, "{text}");
        }
    }

    #[test]
    fn both_ends_of_the_window_are_within() {
        let window = Window::of_seconds(Some(300), Some(60));
        let now = 1_760_000_000_000;
        for (text, reason) in [
            ("1759999700", None),
            ("1759999699", Some(Reason::TooOld)),
            ("1760000060", None),
            ("1760000061", Some(Reason::TooNew)),
        ] {
            let sent = parse(text.as_bytes(), TimeFormat::UnixS).unwrap();
            assert_eq!(window.check(sent, now).err().map(|refused| refused.reason), reason, "{text}");
        }
        let sent = parse(b"2025-10-09T08:54:20.000000001Z", TimeFormat::Rfc3339).unwrap();
        assert_eq!(window.check(sent, now).unwrap_err().reason, Reason::TooNew);
        assert_eq!(Window::default().check(Instant::of_seconds(1), now), Ok(()));
    }

    #[test]
    fn what_is_written_is_read() {
        for format in [TimeFormat::UnixS, TimeFormat::UnixMs, TimeFormat::Rfc3339] {
            let text = write(1_760_000_000_000, format);
            assert_eq!(parse(text.as_bytes(), format).map(Instant::ms), Some(1_760_000_000_000));
        }
    }
}
