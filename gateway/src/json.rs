//! JSON straight into a buffer (RFC 8259), without a value tree in between.

use std::time::Duration;

/// A string in quotes. Bytes that are not UTF-8 become U+FFFD.
pub(crate) fn text(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    if plain(bytes) {
        out.extend_from_slice(bytes);
    } else {
        for chunk in bytes.utf8_chunks() {
            escape(out, chunk.valid());
            if !chunk.invalid().is_empty() {
                out.extend_from_slice("\u{fffd}".as_bytes());
            }
        }
    }
    out.push(b'"');
}

/// Printable ASCII without quote and backslash, eight bytes at a time: most texts are shorter than what vectors pay for.
fn plain(bytes: &[u8]) -> bool {
    let (words, rest) = bytes.as_chunks::<8>();
    words.iter().all(|word| is_plain(u64::from_ne_bytes(*word))) && !rest.iter().any(|&byte| is_special(byte))
}

fn is_special(byte: u8) -> bool {
    byte.wrapping_sub(0x20) >= 0x5f || byte == b'"' || byte == b'\\'
}

/// [`is_special`] for none of eight bytes. A byte under 0x80 has borrowed from its neighbour only where that one is
/// special itself, so a doubt never passes for plain.
fn is_plain(word: u64) -> bool {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const TOPS: u64 = ONES << 7;
    let zero = |word: u64| word.wrapping_sub(ONES) & !word;
    let control = word.wrapping_sub(ONES * 0x20) & !word;
    let special = word // not ASCII
        | control
        | zero(word ^ (ONES * 0x7f))
        | zero(word ^ (ONES * u64::from(b'"')))
        | zero(word ^ (ONES * u64::from(b'\\')));
    special & TOPS == 0
}

fn escape(out: &mut Vec<u8>, text: &str) {
    let mut utf8 = [0; 4];
    for character in text.chars() {
        match character {
            '"' => out.extend_from_slice(b"\\\""),
            '\\' => out.extend_from_slice(b"\\\\"),
            '\n' => out.extend_from_slice(b"\\n"),
            '\r' => out.extend_from_slice(b"\\r"),
            '\t' => out.extend_from_slice(b"\\t"),
            // C1 controls steer terminals, and some readers end a line at U+0085, U+2028 and U+2029.
            '\0'..='\x1f' | '\x7f'..='\u{9f}' | '\u{2028}' | '\u{2029}' => unicode(out, u32::from(character)),
            _ => out.extend_from_slice(character.encode_utf8(&mut utf8).as_bytes()),
        }
    }
}

/// `\uXXXX`, for the basic plane.
fn unicode(out: &mut Vec<u8>, code: u32) {
    out.extend_from_slice(b"\\u");
    for shift in [12, 8, 4, 0] {
        let digit = u8::try_from(code >> shift & 0xf).unwrap_or_default();
        out.push(if digit < 10 { b'0' + digit } else { b'a' - 10 + digit });
    }
}

/// A number without sign.
pub(crate) fn number(out: &mut Vec<u8>, value: u64) {
    padded(out, value, 1);
}

/// A number with at least so many digits, 20 at most.
pub(crate) fn padded(out: &mut Vec<u8>, mut value: u64, width: usize) {
    let mut digits = [b'0'; 20];
    let mut used = 0;
    for digit in digits.iter_mut().rev() {
        if value == 0 && used >= width {
            break;
        }
        *digit = b'0' + u8::try_from(value % 10).unwrap_or_default();
        value /= 10;
        used += 1;
    }
    out.extend_from_slice(digits.get(digits.len() - used..).unwrap_or_default());
}

/// Milliseconds with three places, which is the clock's worth.
pub(crate) fn milliseconds(out: &mut Vec<u8>, duration: Duration) {
    let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
    number(out, micros / 1000);
    out.push(b'.');
    padded(out, micros % 1000, 3);
}

/// A moment in RFC 3339, UTC, with milliseconds.
pub(crate) fn moment(out: &mut Vec<u8>, unix_ms: u64) {
    let seconds = unix_ms / 1000;
    let (year, month, day) = civil(seconds / 86_400);
    out.push(b'"');
    padded(out, year, 4);
    for (separator, value) in [
        (b'-', month),
        (b'-', day),
        (b'T', seconds / 3600 % 24),
        (b':', seconds / 60 % 60),
        (b':', seconds % 60),
    ] {
        out.push(separator);
        padded(out, value, 2);
    }
    out.push(b'.');
    padded(out, unix_ms % 1000, 3);
    out.extend_from_slice(b"Z\"");
}

/// Year, month and day of a day since 1970-01-01: Howard Hinnant's `civil_from_days`, whose year begins in March
/// so that the leap day is its last.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let era = days / 146_097;
    let day_of_era = days % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn eight_bytes_at_a_time_see_what_one_sees(bytes: Vec<u8>, text in "[ -~]{0,40}", at: usize, odd: u8) {
            let mut mostly_plain = text.into_bytes();
            if let Some(byte) = at.checked_rem(mostly_plain.len()).and_then(|at| mostly_plain.get_mut(at)) {
                *byte = odd;
            }
            for bytes in [bytes, mostly_plain] {
                prop_assert_eq!(plain(&bytes), !bytes.iter().any(|&byte| is_special(byte)), "{:?}", bytes);
            }
        }
    }
}
