//! The strict check over a request head, before any parser has an opinion on it.
//!
//! Two parsers that read one head differently are how a request is smuggled past a gate. So what two
//! reasonable parsers could read differently is refused here, over the raw bytes: RFC 9112 where it is
//! strict, stricter than it where it leaves a choice. No empty line is skipped before the request line
//! (RFC 9112 section 2.2 suggests it; nothing in use today needs it).

use crate::verdict::{Code, Refusal};

mod bytes;
mod fields;
mod host;
mod target;

pub use fields::check_fields;
pub use host::valid_host;
pub use target::check_target;

use bytes::{is_field_name, is_field_value, is_token};
use fields::Fields;

/// The gate's name in refusals.
pub const GATE: &str = "framing";

/// Longest method; the longest registered one (`UPDATEREDIRECTREF`) has 17 bytes.
const METHOD_BYTES: usize = 32;

/// The ceilings of one request head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadLimits {
    /// Bytes of the whole head, the empty line included (431).
    pub bytes: usize,
    /// Header fields (431).
    pub fields: usize,
    /// Bytes of the request target (414).
    pub target_bytes: usize,
}

/// What [`inspect`] saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Head {
    /// Nothing wrong so far; the head has not ended.
    Incomplete,
    /// A good head.
    Complete {
        /// Its length in bytes, the empty line included; what follows is the body.
        len: usize,
    },
}

/// Judges the HTTP/1 request head at the start of `buf`.
///
/// Every prefix of a good head is [`Head::Incomplete`], and bytes after the head change nothing. One
/// pass, no allocation unless it refuses.
///
/// # Errors
/// `bad_request`, `method_not_allowed` (CONNECT, TRACE), `uri_too_long` or `header_too_large`, as soon
/// as the bytes so far show it.
pub fn inspect(buf: &[u8], limits: &HeadLimits) -> Result<Head, Refusal> {
    let window = buf.get(..limits.bytes).unwrap_or(buf);
    match head(window, limits)? {
        Some(len) => Ok(Head::Complete { len }),
        // The window ends within the request line: its target is what is too long.
        None if buf.len() > limits.bytes && !window.contains(&b'\n') => {
            Err(Refusal::new(Code::UriTooLong, GATE, "the request line is longer than `header_bytes`"))
        }
        None if buf.len() > limits.bytes => {
            Err(Refusal::new(Code::HeaderTooLarge, GATE, "the head is larger than `header_bytes`"))
        }
        None => Ok(Head::Incomplete),
    }
}

/// Checks a request method: a token, not too long, neither CONNECT nor TRACE.
///
/// # Errors
/// `bad_request` or `method_not_allowed`.
pub fn check_method(method: &[u8]) -> Result<(), Refusal> {
    match method {
        b"CONNECT" | b"TRACE" => {
            Err(Refusal::new(Code::MethodNotAllowed, GATE, "CONNECT and TRACE are never forwarded"))
        }
        [] => Err(bad("the method is empty")),
        _ if method.len() > METHOD_BYTES => Err(bad("the method is longer than 32 bytes")),
        _ if !method.iter().copied().all(is_token) => Err(bad("the method is not a token")),
        _ => Ok(()),
    }
}

fn bad(private: &'static str) -> Refusal {
    Refusal::new(Code::BadRequest, GATE, private)
}

/// Length of the run at the start of `bytes` whose bytes are all in `class`.
fn run(bytes: &[u8], class: impl Fn(u8) -> bool) -> usize {
    bytes.iter().position(|&byte| !class(byte)).unwrap_or(bytes.len())
}

/// The same for what a field value may have, many bytes at a time: values are most of a head.
fn value_run(bytes: &[u8]) -> usize {
    // Tabs and whatever is not allowed. Without an early exit the loop runs on vectors of bytes.
    let odd =
        |chunk: &[u8; 32]| chunk.iter().fold(0_u8, |odd, &byte| odd | u8::from(byte < b' ' || byte == 0x7f));
    let (chunks, _) = bytes.as_chunks::<32>();
    let plain = chunks.iter().take_while(|chunk| odd(chunk) == 0).count() * 32;
    plain + run(bytes.get(plain..).unwrap_or_default(), is_field_value)
}

fn head(window: &[u8], limits: &HeadLimits) -> Result<Option<usize>, Refusal> {
    let Some(mut rest) = request_line(window, limits)? else {
        return Ok(None);
    };
    let mut fields = Fields::default();
    let mut count = 0_usize;
    loop {
        match rest {
            [] | [b'\r'] => return Ok(None),
            [b'\r', b'\n', after @ ..] => {
                fields.end_of_http1()?;
                return Ok(Some(window.len() - after.len()));
            }
            _ => {}
        }
        count += 1;
        if count > limits.fields {
            return Err(Refusal::new(Code::HeaderTooLarge, GATE, "more header fields than `headers`"));
        }
        let Some((name, value, after)) = field_line(rest)? else {
            return Ok(None);
        };
        fields.see(name, value)?;
        rest = after;
    }
}

/// The bytes after a good request line; `None` while it is incomplete.
fn request_line<'a>(window: &'a [u8], limits: &HeadLimits) -> Result<Option<&'a [u8]>, Refusal> {
    let (method, rest) = window.split_at(run(window, is_token).min(METHOD_BYTES + 1));
    let rest = match rest {
        [] if method.len() <= METHOD_BYTES => return Ok(None),
        [b' ', rest @ ..] => rest,
        _ if method.is_empty() => return Err(bad("the request line does not start with a method")),
        _ if method.len() > METHOD_BYTES => return Err(bad("the method is longer than 32 bytes")),
        _ => return Err(bad("no single space after the method")),
    };
    check_method(method)?;
    let Some(rest) = target::skip(rest, limits.target_bytes)? else {
        return Ok(None);
    };
    version(rest)
}

/// `HTTP/1.1` and the line's end: HTTP/1.0 is refused, since its framing and keep-alive rules differ.
fn version(rest: &[u8]) -> Result<Option<&[u8]>, Refusal> {
    const END: &[u8] = b"HTTP/1.1\r\n";
    if let Some(after) = rest.strip_prefix(END) {
        return Ok(Some(after));
    }
    if END.starts_with(rest) {
        return Ok(None);
    }
    Err(bad("the request line does not end in one space, HTTP/1.1 and CRLF"))
}

type FieldLine<'a> = (&'a [u8], &'a [u8], &'a [u8]);

/// Name, trimmed value and the bytes after one field line; `None` while it is incomplete.
fn field_line(line: &[u8]) -> Result<Option<FieldLine<'_>>, Refusal> {
    let (name, rest) = line.split_at(run(line, is_field_name));
    let rest = match rest {
        [] => return Ok(None),
        [b':', ..] if name.is_empty() => return Err(bad("a header name is empty")),
        [b':', rest @ ..] => rest,
        [byte, ..] => return Err(bad(why_not_a_name(*byte, name.is_empty()))),
    };
    let (value, rest) = rest.split_at(value_run(rest));
    match rest {
        [] | [b'\r'] => Ok(None),
        [b'\r', b'\n', after @ ..] => Ok(Some((name, value.trim_ascii(), after))),
        [b'\r', ..] => Err(bad("a bare CR in a header value")),
        [b'\n', ..] => Err(bad("a bare LF in the header")),
        _ => Err(bad("a control byte in a header value")),
    }
}

fn why_not_a_name(byte: u8, at_start: bool) -> &'static str {
    match byte {
        b'_' => "an underscore in a header name (`_` and `-` are one to many backends)",
        b' ' | b'\t' if at_start => "a header line starts with a space (obsolete line folding)",
        b' ' | b'\t' => "a space before the colon of a header",
        b'\r' => "a bare CR in the header",
        b'\n' => "a bare LF or a header line without a colon",
        _ => "a byte in a header name that no name may have",
    }
}

#[cfg(test)]
mod tests;
