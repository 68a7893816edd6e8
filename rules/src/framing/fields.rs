//! Rules on header fields that hold for HTTP/1 and HTTP/2 alike.

use super::{bad, bytes, host::valid_host};
use crate::verdict::Refusal;

/// Applies the field rules to a header that was parsed elsewhere (HTTP/2, replay).
///
/// Names compare without case. `Host` may be missing: HTTP/2 has `:authority`.
///
/// # Errors
/// `bad_request` for what a backend could read in two ways.
pub fn check_fields<'a>(fields: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> Result<(), Refusal> {
    let mut seen = Fields::default();
    for (name, value) in fields {
        if name.is_empty() {
            return Err(bad("a header name is empty"));
        }
        if let Some(byte) = name.iter().copied().find(|&byte| !bytes::is_field_name(byte)) {
            return Err(bad(super::why_not_a_name(byte, false)));
        }
        if !value.iter().copied().all(bytes::is_field_value) {
            return Err(bad("a control byte in a header value"));
        }
        // RFC 9113, section 8.2.1. Over HTTP/1 the backend would get it without, and take it for another value.
        if value.trim_ascii().len() != value.len() {
            return Err(bad("a blank around a header value"));
        }
        seen.see(name, value)?;
    }
    seen.one_framing()
}

/// The singletons seen so far.
#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts, each asked once")]
pub(super) struct Fields {
    host: bool,
    length: bool,
    coding: bool,
    authorization: bool,
    content_type: bool,
    origin: bool,
}

impl Fields {
    /// `value` is trimmed. The match on the length keeps ordinary fields at one comparison.
    pub(super) fn see(&mut self, name: &[u8], value: &[u8]) -> Result<(), Refusal> {
        match name.len() {
            4 if name.eq_ignore_ascii_case(b"host") => {
                once(&mut self.host, "Host is repeated")?;
                let good = std::str::from_utf8(value).is_ok_and(valid_host);
                good.then_some(()).ok_or_else(|| bad("Host is empty or malformed"))
            }
            6 if name.eq_ignore_ascii_case(b"origin") => once(&mut self.origin, "Origin is repeated"),
            10 if name.eq_ignore_ascii_case(b"connection") => nominations(value),
            12 if name.eq_ignore_ascii_case(b"content-type") => {
                once(&mut self.content_type, "Content-Type is repeated")
            }
            13 if name.eq_ignore_ascii_case(b"authorization") => {
                once(&mut self.authorization, "Authorization is repeated")
            }
            14 if name.eq_ignore_ascii_case(b"content-length") => {
                once(&mut self.length, "Content-Length is repeated")?;
                // 18 digits cannot overflow any backend's 64 bits.
                let good = (1..=18).contains(&value.len()) && value.iter().all(u8::is_ascii_digit);
                good.then_some(()).ok_or_else(|| bad("Content-Length is not one number"))
            }
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => {
                once(&mut self.coding, "Transfer-Encoding is repeated")?;
                let good = value.eq_ignore_ascii_case(b"chunked");
                good.then_some(()).ok_or_else(|| bad("Transfer-Encoding is not exactly `chunked`"))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn one_framing(&self) -> Result<(), Refusal> {
        if self.length && self.coding {
            return Err(bad("both Content-Length and Transfer-Encoding"));
        }
        Ok(())
    }

    pub(super) fn end_of_http1(&self) -> Result<(), Refusal> {
        if !self.host {
            return Err(bad("Host is missing"));
        }
        self.one_framing()
    }
}

fn once(seen: &mut bool, again: &'static str) -> Result<(), Refusal> {
    if std::mem::replace(seen, true) { Err(bad(again)) } else { Ok(()) }
}

/// Fields that the gates or the backend decide by. `Connection` may not have them dropped on the way.
const NEVER_NOMINATED: [&[u8]; 26] = [
    b"accept",
    b"authorization",
    b"cache-control",
    b"cookie",
    b"cookie2",
    b"date",
    b"expect",
    b"forwarded",
    b"from",
    b"host",
    b"max-forwards",
    b"origin",
    b"pragma",
    b"proxy-authorization",
    b"range",
    b"referer",
    b"set-cookie",
    b"signature",
    b"signature-input",
    b"traceparent",
    b"tracestate",
    b"transfer-encoding",
    b"user-agent",
    b"via",
    b"www-authenticate",
    b"idempotency-key",
];

/// The same for families of fields.
const NEVER_NOMINATED_PREFIXES: [&[u8]; 6] =
    [b"accept-", b"access-control-", b"content-", b"if-", b"sec-", b"x-forwarded-"];

/// Single `x-` fields of that kind: a private hop-by-hop `X-Foo` stays allowed.
const NEVER_NOMINATED_X: [&[u8]; 9] = [
    b"x-api-key",
    b"x-client-ip",
    b"x-csrf-token",
    b"x-forwarded",
    b"x-http-method-override",
    b"x-original-url",
    b"x-real-ip",
    b"x-request-id",
    b"x-rewrite-url",
];

fn nominations(value: &[u8]) -> Result<(), Refusal> {
    for option in value.split(|&byte| byte == b',') {
        let option = option.trim_ascii();
        if option.eq_ignore_ascii_case(b"keep-alive") || option.eq_ignore_ascii_case(b"close") {
            continue;
        }
        if !option.iter().copied().all(bytes::is_field_name) {
            return Err(bad("Connection lists what is not a header name"));
        }
        let named = |list: &[&[u8]]| list.iter().any(|name| option.eq_ignore_ascii_case(name));
        let of_a_family = NEVER_NOMINATED_PREFIXES
            .iter()
            .any(|prefix| option.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix)));
        if of_a_family || named(&NEVER_NOMINATED) || named(&NEVER_NOMINATED_X) {
            return Err(bad("Connection nominates a header that is not hop-by-hop"));
        }
    }
    Ok(())
}
