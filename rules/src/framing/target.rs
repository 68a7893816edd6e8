//! The request target: origin-form only (RFC 9112 section 3.2.1).

use super::{bad, bytes::is_target, run};
use crate::verdict::{Code, Refusal};

/// Checks a whole target: `/path[?query]` (an HTTP/2 `:path`, a recorded URL).
///
/// Raw `[` and `]` pass, since browsers send them. Escapes must be complete and not `%00`. Segments that
/// climb above the root, and dot segments with parameters (`..;x`), are refused.
///
/// # Errors
/// `bad_request`.
pub fn check_target(target: &[u8]) -> Result<(), Refusal> {
    match scan(target)? {
        (_, []) => whole(target),
        (_, [b'%', ..]) => Err(bad("an incomplete escape in the target")),
        (_, [byte, ..]) => Err(bad(why_not(*byte))),
    }
}

/// The bytes after a checked target and its space; `None` while it is incomplete.
pub(super) fn skip(rest: &[u8], limit: usize) -> Result<Option<&[u8]>, Refusal> {
    // One byte more than the limit is all that it takes to know.
    let window = rest.get(..=limit).unwrap_or(rest);
    let (target, after) = scan(window)?;
    match after {
        [b' ', ..] => {
            whole(target)?;
            Ok(rest.get(target.len() + 1..))
        }
        [] | [b'%', ..] if window.len() > limit => {
            Err(Refusal::new(Code::UriTooLong, super::GATE, "the target is longer than the limit"))
        }
        [] | [b'%', ..] => Ok(None),
        [byte, ..] => Err(bad(why_not(*byte))),
    }
}

/// The good start of `bytes` and what follows it: a byte that may not stand there, an escape cut short
/// by the end, or nothing.
fn scan(bytes: &[u8]) -> Result<(&[u8], &[u8]), Refusal> {
    let mut at = 0;
    loop {
        let Some(rest) = bytes.get(at..) else {
            return Ok((bytes, &[]));
        };
        if at == 0 && !matches!(rest, [] | [b'/', ..]) {
            return Err(bad("the target does not start with a slash"));
        }
        at += run(rest, is_target);
        match bytes.get(at..).unwrap_or_default() {
            [b'%', b'0', b'0', ..] => return Err(bad("an escaped NUL in the target")),
            [b'%', high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => at += 3,
            [b'%'] => break,
            [b'%', high] if high.is_ascii_hexdigit() => break,
            [b'%', ..] => return Err(bad("a bad escape in the target")),
            _ => break,
        }
    }
    Ok(bytes.split_at_checked(at).unwrap_or((bytes, &[])))
}

/// What can be said of a target only once it is whole.
fn whole(target: &[u8]) -> Result<(), Refusal> {
    let Some((b'/', path)) = target.split_first() else {
        return Err(bad("the target does not start with a slash"));
    };
    let mut depth = 0_usize;
    for segment in path.split(|&byte| byte == b'/') {
        let (segment, query) = match segment.iter().position(|&byte| byte == b'?') {
            Some(at) => (segment.get(..at).unwrap_or_default(), true),
            None => (segment, false),
        };
        match dots(segment) {
            Dots::None if segment.is_empty() => {}
            Dots::None => depth += 1,
            Dots::Here => {}
            Dots::Up if depth == 0 => return Err(bad("the path climbs above its root")),
            Dots::Up => depth -= 1,
            Dots::WithParameters => return Err(bad("a dot segment with parameters")),
        }
        if query {
            break;
        }
    }
    Ok(())
}

enum Dots {
    None,
    Here,
    Up,
    WithParameters,
}

/// Reads `.` and `%2e` alike; `..;x` is a dot segment to some backends and a name to others.
fn dots(segment: &[u8]) -> Dots {
    let mut rest = segment;
    let mut count = 0;
    loop {
        rest = match rest {
            [b'.', rest @ ..] | [b'%', b'2', b'e' | b'E', rest @ ..] => rest,
            _ => break,
        };
        count += 1;
    }
    match (count, rest) {
        (1, []) => Dots::Here,
        (2, []) => Dots::Up,
        (1 | 2, [b';', ..] | [b'%', b'3', b'b' | b'B', ..]) => Dots::WithParameters,
        _ => Dots::None,
    }
}

fn why_not(byte: u8) -> &'static str {
    match byte {
        b'#' => "a fragment in the target",
        b' ' => "a space in the target",
        b'\\' => "a backslash in the target",
        b'\r' | b'\n' => "the request line has no version",
        0..=31 | 127 => "a control byte in the target",
        128.. => "a raw byte outside ASCII in the target",
        _ => "a byte in the target that must be escaped",
    }
}
