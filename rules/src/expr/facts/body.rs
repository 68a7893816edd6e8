//! What follows from a body: a form's arguments, the parts of a multipart body.

use http::HeaderMap;
use http::header::CONTENT_TYPE;
use memchr::memmem::{Finder, find};

use super::Facts;
use super::head::{Pair, pairs};

/// How many parts of a multipart body are looked at.
const MOST_PARTS: usize = 1024;

/// A part of a multipart body (RFC 7578).
#[derive(Debug, Default)]
pub(in super::super) struct Part<'a> {
    pub name: Option<&'a [u8]>,
    pub filename: Option<&'a [u8]>,
    pub content_type: Option<&'a [u8]>,
    pub disposition: Option<&'a [u8]>,
    pub encoding: Option<&'a [u8]>,
    pub value: &'a [u8],
}

impl<'a> Facts<'a> {
    /// The body's arguments, if it is a form; as they stand, nothing is decoded.
    pub(super) fn form(&self) -> &[Pair<'a>] {
        self.kept.form.get_or_init(|| match self.body {
            Some(body) if is(self.head.headers, b"application/x-www-form-urlencoded") => pairs(body.bytes),
            _ => Box::default(),
        })
    }

    /// The body's parts, if it has any.
    pub(super) fn parts(&self) -> &[Part<'a>] {
        self.kept.parts.get_or_init(|| {
            let boundary = content_type(self.head.headers).and_then(boundary);
            match (self.body, boundary) {
                (Some(body), Some(boundary)) => parts(body.bytes, boundary),
                _ => Box::default(),
            }
        })
    }
}

fn content_type(headers: &HeaderMap) -> Option<&[u8]> {
    headers.get(CONTENT_TYPE).map(http::HeaderValue::as_bytes)
}

/// What stands before the parameters of a media type.
pub(super) fn essence(headers: &HeaderMap) -> &[u8] {
    let value = content_type(headers).unwrap_or_default();
    value.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii()
}

fn is(headers: &HeaderMap, media_type: &[u8]) -> bool {
    essence(headers).eq_ignore_ascii_case(media_type)
}

fn boundary(content_type: &[u8]) -> Option<&[u8]> {
    let (essence, parameters) =
        content_type.split_at_checked(content_type.iter().position(|byte| *byte == b';')?)?;
    let multipart = essence.trim_ascii().get(..10)?.eq_ignore_ascii_case(b"multipart/");
    parameter(parameters, b"boundary").filter(|boundary| multipart && !boundary.is_empty())
}

/// The value of a parameter behind a `;`, without its quotes. Escapes in quotes stay: browsers do not write any.
fn parameter<'a>(mut parameters: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    while let Some(at) = parameters.iter().position(|byte| *byte == b';') {
        let rest = parameters.get(at + 1..)?.trim_ascii_start();
        let key = rest.get(..rest.iter().position(|byte| matches!(byte, b'=' | b';'))?)?;
        let value = rest.get(key.len()..)?;
        let Some(value) = value.strip_prefix(b"=") else {
            parameters = value;
            continue;
        };
        let (value, rest) = match value.strip_prefix(b"\"") {
            Some(quoted) => quoted.split_at_checked(quoted.iter().position(|byte| *byte == b'"')?)?,
            None => {
                value.split_at_checked(value.iter().position(|byte| *byte == b';').unwrap_or(value.len()))?
            }
        };
        if key.trim_ascii().eq_ignore_ascii_case(name) {
            return Some(value.trim_ascii());
        }
        parameters = rest;
    }
    None
}

/// The parts between the boundaries (RFC 2046, section 5.1.1).
fn parts<'a>(body: &'a [u8], boundary: &[u8]) -> Box<[Part<'a>]> {
    let delimiter = [b"--", boundary].concat();
    let finder = Finder::new(&delimiter);
    let mut rest = match finder.find(body) {
        Some(first) => body.get(first + delimiter.len()..).unwrap_or_default(),
        None => return Box::default(),
    };
    let mut parts = Vec::new();
    while !rest.starts_with(b"--") && parts.len() < MOST_PARTS {
        let (part, after) = match finder.find(rest) {
            Some(end) => (rest.get(..end), rest.get(end + delimiter.len()..)),
            // Cut off: what there is of it counts.
            None => (Some(rest), None),
        };
        parts.extend(part.map(read));
        let Some(after) = after else { break };
        rest = after;
    }
    parts.into()
}

fn read(part: &[u8]) -> Part<'_> {
    let part = part.strip_prefix(b"\r\n").or_else(|| part.strip_prefix(b"\n")).unwrap_or(part);
    let part = part.strip_suffix(b"\r\n").or_else(|| part.strip_suffix(b"\n")).unwrap_or(part);
    let (head, value) = if let Some(value) = part.strip_prefix(b"\r\n") {
        (&[][..], value)
    } else {
        match find(part, b"\r\n\r\n") {
            Some(end) => (part.get(..end).unwrap_or_default(), part.get(end + 4..).unwrap_or_default()),
            None => (part, &[][..]),
        }
    };
    let mut read = Part { value, ..Part::default() };
    for line in head.split(|byte| *byte == b'\n') {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let (name, value) = line.split_at_checked(colon).unwrap_or_default();
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        match name.to_ascii_lowercase().as_slice() {
            b"content-type" => read.content_type = Some(value),
            b"content-transfer-encoding" => read.encoding = Some(value),
            b"content-disposition" => {
                read.disposition = Some(value);
                read.name = parameter(value, b"name");
                read.filename = parameter(value, b"filename");
            }
            _ => {}
        }
    }
    read
}
