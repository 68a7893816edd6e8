//! URL normalisation as Cloudflare's two types of it define it.
//!
//! The gateway's own path ([`crate::path`]) is stricter: it refuses what these repair.

/// A type of normalisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Normalisation {
    /// RFC 3986: escapes of unreserved characters decoded, the others in upper case, dot segments removed.
    Rfc3986,
    /// The same, after backslashes became slashes and slashes in a row one.
    Cloudflare,
}

/// The path, normalised; without its query.
pub fn normalise(kind: Normalisation, path: &[u8]) -> String {
    let merged = match kind {
        Normalisation::Rfc3986 => path.to_vec(),
        Normalisation::Cloudflare => merge(path),
    };
    without_dots(&escaped(&merged))
}

fn merge(path: &[u8]) -> Vec<u8> {
    let mut merged: Vec<u8> = Vec::with_capacity(path.len());
    for byte in path {
        let byte = if *byte == b'\\' { b'/' } else { *byte };
        if byte != b'/' || merged.last() != Some(&b'/') {
            merged.push(byte);
        }
    }
    merged
}

fn escaped(path: &[u8]) -> String {
    let mut out = String::with_capacity(path.len());
    let mut rest = path;
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        if *byte != b'%' {
            push(&mut out, *byte, is_allowed(*byte));
            continue;
        }
        let digit = |at: usize| after.get(at).and_then(|digit| char::from(*digit).to_digit(16));
        let value = digit(0).zip(digit(1)).and_then(|(high, low)| u8::try_from(high << 4 | low).ok());
        match value {
            Some(value) => {
                push(&mut out, value, is_unreserved(value));
                rest = after.get(2..).unwrap_or_default();
            }
            // Not an escape: the sign itself.
            None => push(&mut out, b'%', false),
        }
    }
    out
}

fn push(out: &mut String, byte: u8, plain: bool) {
    if plain {
        out.push(char::from(byte));
    } else {
        use std::fmt::Write as _;
        let _ = write!(out, "%{byte:02X}");
    }
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// Unreserved and reserved characters (RFC 3986, section 2).
fn is_allowed(byte: u8) -> bool {
    is_unreserved(byte) || b":/?#[]@!$&'()*+,;=".contains(&byte)
}

/// RFC 3986, section 5.2.4, for a path that begins with a slash.
fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.split('/').peekable();
    let rooted = path.starts_with('/');
    if rooted {
        segments.next();
    }
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            "." | ".." => {
                if segment == ".." {
                    kept.pop();
                }
                if last {
                    kept.push("");
                }
            }
            _ => kept.push(segment),
        }
    }
    let root = if rooted { "/" } else { "" };
    format!("{root}{}", kept.join("/"))
}
