//! The one path normalisation, shared by route matching and every policy.
//!
//! What was matched is what is forwarded: an ambiguous path is refused, never repaired by guessing.
//!
//! | in the raw path | what happens | why |
//! | --- | --- | --- |
//! | `%41`, `%7e` | decoded, once | RFC 3986 6.2.2.2: an unreserved character means the same either way |
//! | `%25` | the data `%`, never decoded again | decoding twice is how `%252e%252e` becomes `..` |
//! | `%2F`, `%5C`, `\` | refused | servers disagree whether these separate segments |
//! | `.`, `..`, `%2e%2e`, `..;x` | refused | no client sends them; servers disagree where they lead |
//! | `//` | merged into one, and forwarded merged | clients that join base and path send it by mistake |
//! | `;x=y` | stays in its segment | `/admin;x` is not `/admin`, and a captured tenant cannot hide one |
//! | a broken escape, a control character, bytes that are not UTF-8 | refused | |
//! | `[ ] ^ \|` unescaped | escaped | browsers send these as they are |
//! | any other byte that RFC 3986 does not allow in a path | refused | |
//!
//! A trailing slash and letter case are significant; Unicode is neither folded nor composed.

use std::borrow::Cow;

use crate::verdict::{Code, Refusal};

#[cfg(test)]
mod tests;

const HEX: &[u8; 16] = b"0123456789ABCDEF";

/// A request's path: checked, decoded once, dot segments refused, slashes merged.
///
/// Borrows from the request where the raw path is already canonical, which is the usual case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path<'a> {
    text: Cow<'a, str>,
    forward: Cow<'a, str>,
}

impl<'a> Path<'a> {
    /// Reads the path of a request target: the bytes before `?`, as they came.
    ///
    /// Refuses with `bad_request` what the module's table says, and what does not begin with `/`.
    pub fn parse(raw: &'a [u8]) -> Result<Self, Refusal> {
        Self::read(raw).map_err(|why| Refusal::new(Code::BadRequest, "path", why))
    }

    fn read(raw: &'a [u8]) -> Result<Self, &'static str> {
        if raw.first() != Some(&b'/') {
            return Err("the path does not begin with a slash");
        }
        let path = match plain(raw) {
            Some(text) => Self { text: Cow::Borrowed(text), forward: Cow::Borrowed(text) },
            None => Self::rebuild(raw)?,
        };
        // Nearly no path has a segment that begins with a dot at all.
        let dotted = path.text.as_bytes().windows(2).any(|pair| pair == b"/.");
        if dotted && path.segments().any(is_dots) {
            return Err("the path has a dot segment");
        }
        Ok(path)
    }

    fn rebuild(raw: &'a [u8]) -> Result<Self, &'static str> {
        let mut text = Vec::with_capacity(raw.len());
        let mut forward = String::with_capacity(raw.len());
        let mut bytes = raw.iter().copied();
        while let Some(byte) = bytes.next() {
            match byte {
                // `%2F` is refused, so a slash at the end of `text` came as a slash.
                b'/' if text.last() == Some(&b'/') => continue,
                b'%' => {
                    let value = unescape(&mut bytes)?;
                    text.push(value);
                    // Reserved characters stay as the client wrote them: `%3B` is data, `;` a delimiter.
                    if is_unreserved(value) {
                        forward.push(char::from(value));
                    } else {
                        push_escaped(&mut forward, value);
                    }
                    continue;
                }
                b'[' | b']' | b'^' | b'|' => push_escaped(&mut forward, byte),
                b'/' => forward.push('/'),
                b'\\' => return Err("the path has a backslash"),
                _ if is_plain(byte) => forward.push(char::from(byte)),
                _ => return Err("the path has a byte that must be percent-encoded"),
            }
            text.push(byte);
        }
        let forward = match std::str::from_utf8(raw) {
            Ok(same) if same == forward => Cow::Borrowed(same),
            _ => Cow::Owned(forward),
        };
        Ok(Self { text: Cow::Owned(checked(text)?), forward })
    }

    /// The decoded path. Begins with `/`; a slash in it always separates segments.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The decoded segments, from the left: none has a slash. Only the last can be empty, which is a
    /// trailing slash: `/` is `[""]`, `/a/` is `["a", ""]`.
    pub fn segments(&self) -> impl Iterator<Item = &str> {
        self.text.split('/').skip(1)
    }

    /// The path to send upstream: RFC 3986 6.2.2 form, with the very segments that were matched.
    ///
    /// Unreserved characters plain, reserved ones as the client wrote them, all others escaped with
    /// upper-case hex.
    pub fn forward(&self) -> &str {
        &self.forward
    }

    /// The same path, free of the request it was read from.
    pub fn into_owned(self) -> Path<'static> {
        Path { text: Cow::Owned(self.text.into_owned()), forward: Cow::Owned(self.forward.into_owned()) }
    }
}

/// The raw path itself where nothing has to be decoded, escaped, merged or refused.
fn plain(raw: &[u8]) -> Option<&str> {
    let mut last = 0;
    for &byte in raw {
        if !is_plain(byte) && (byte != b'/' || last == b'/') {
            return None;
        }
        last = byte;
    }
    std::str::from_utf8(raw).ok()
}

/// One segment of a route's pattern, decoded as a request's would be. Unlike a request's, it may hold
/// unescaped text. The error is a phrase about the segment.
pub(crate) fn literal(raw: &str) -> Result<String, &'static str> {
    let mut text = Vec::with_capacity(raw.len());
    let mut bytes = raw.bytes();
    while let Some(byte) = bytes.next() {
        text.push(match byte {
            b'%' => unescape(&mut bytes)?,
            b'\\' => return Err("the path has a backslash"),
            _ => byte,
        });
    }
    let text = checked(text)?;
    if is_dots(&text) { Err("the path has a dot segment") } else { Ok(text) }
}

/// Escapes a decoded segment so that [`Path::parse`] reads the same segment again.
pub(crate) fn escaped(segment: &str) -> String {
    let mut out = String::with_capacity(segment.len());
    for byte in segment.bytes() {
        if is_plain(byte) {
            out.push(char::from(byte));
        } else {
            push_escaped(&mut out, byte);
        }
    }
    out
}

/// The byte that an escape stands for; `bytes` is just behind the `%`.
fn unescape(bytes: &mut impl Iterator<Item = u8>) -> Result<u8, &'static str> {
    let mut digit = || bytes.next().and_then(|byte| char::from(byte).to_digit(16));
    let value = digit().zip(digit()).and_then(|(high, low)| u8::try_from(high << 4 | low).ok());
    match value {
        None => Err("the path has a broken percent-escape"),
        Some(b'/') => Err("the path has an encoded slash"),
        Some(b'\\') => Err("the path has an encoded backslash"),
        Some(value) => Ok(value),
    }
}

fn checked(text: Vec<u8>) -> Result<String, &'static str> {
    let text = String::from_utf8(text).map_err(|_| "the path is not UTF-8 once decoded")?;
    if text.chars().any(char::is_control) {
        return Err("the path has a control character");
    }
    Ok(text)
}

/// Servlet containers drop a segment's parameters before they resolve dots, so `..;x` counts.
fn is_dots(segment: &str) -> bool {
    segment.starts_with('.') && matches!(segment.split(';').next(), Some("." | ".."))
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// RFC 3986 `pchar` without escapes.
fn is_plain(byte: u8) -> bool {
    is_unreserved(byte)
        || matches!(
            byte,
            b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=' | b':' | b'@'
        )
}

fn push_escaped(out: &mut String, byte: u8) {
    out.push('%');
    for digit in [byte >> 4, byte & 0xf] {
        out.push(HEX.get(usize::from(digit)).copied().map_or('0', char::from));
    }
}
