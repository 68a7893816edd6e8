//! First: who is at the other end, and what the request is called.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue};
use rules::ruleset::Walk;
use rules::view::ClientCertificate;
use uuid::Uuid;

use crate::snapshot::{Site, Snapshot};
use crate::visit::{Tally, Visit};

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// How a request came in.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// The other end of the connection.
    pub peer: IpAddr,
    /// The same as text.
    pub peer_name: HeaderValue,
    /// Whether it came in by the https listener.
    pub tls: bool,
    /// Our own end of the connection.
    pub local: Option<IpAddr>,
    /// TLS version and cipher, by their names.
    pub facts: Option<(&'static str, &'static str)>,
    /// The certificate that the client showed there and an authority in force vouches for.
    pub certificate: Option<Arc<ClientCertificate>>,
    /// The wall clock, in milliseconds since the Unix epoch.
    pub now_ms: i64,
}

/// Begins a visit.
pub fn begin(snapshot: Arc<Snapshot>, arrival: Arrival, head: &Parts) -> Visit {
    let site = &snapshot.site;
    let trusted = site.trusts(arrival.peer);
    let client = if trusted { client(site, arrival.peer, &head.headers) } else { arrival.peer };
    let forwarded_https = trusted && !arrival.tls && forwarded_proto(&head.headers) == Some("https");
    let redirected = !arrival.tls && site.http.as_ref().is_some_and(|http| http.redirect);
    Visit {
        began: Instant::now(),
        now_ms: arrival.now_ms,
        request_id: trusted.then(|| request_id(&head.headers)).flatten().unwrap_or_else(fresh_id),
        traceparent: traceparent(&head.headers),
        peer: arrival.peer,
        peer_name: arrival.peer_name,
        client,
        secure: arrival.tls || forwarded_https,
        redirected,
        host: String::new(),
        port: 0,
        server: arrival.local,
        tls: arrival.facts,
        path: None,
        query: None,
        walk: Walk::default(),
        tally: Tally::default(),
        found: None,
        upgrade: false,
        has_body: false,
        certificate: arrival.certificate,
        caller: None,
        via: None,
        proven: None,
        outcome: None,
        code: None,
        refusal: None,
        observed: false,
        snapshot,
    }
}

/// The rightmost address that no trusted proxy has: what stands left of it, anybody could have written.
fn client(site: &Site, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
    let mut nearest = peer;
    let listed = headers.get_all("x-forwarded-for").iter().rev();
    let chain: Vec<&str> = if headers.contains_key("x-forwarded-for") {
        listed.flat_map(|field| field.to_str().unwrap_or("?").rsplit(',')).collect()
    } else {
        let listed = headers.get_all("forwarded").iter().rev();
        listed.flat_map(|field| field.to_str().unwrap_or("?").rsplit(',')).map(forwarded_for).collect()
    };
    for text in chain {
        let Some(address) = address(text.trim()) else { return nearest };
        nearest = address;
        if !site.trusts(address) {
            return address;
        }
    }
    nearest
}

/// The `for` of one element of `Forwarded` (RFC 7239).
fn forwarded_for(element: &str) -> &str {
    let mut pairs = element.split(';').filter_map(|pair| pair.trim().split_once('='));
    let found = pairs.find(|(name, _)| name.eq_ignore_ascii_case("for"));
    found.map_or("?", |(_, value)| value.trim().trim_matches('"'))
}

/// An address with or without port and brackets.
fn address(text: &str) -> Option<IpAddr> {
    let address: Option<IpAddr> = match text.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?.0.parse().ok(),
        None => text.parse().ok().or_else(|| text.rsplit_once(':')?.0.parse().ok()),
    };
    address.map(|address| address.to_canonical())
}

/// The scheme that the nearest trusted proxy was called by.
fn forwarded_proto(headers: &HeaderMap) -> Option<&str> {
    let field = headers.get_all("x-forwarded-proto").iter().next_back()?.to_str().ok()?;
    field.rsplit(',').next().map(str::trim)
}

/// A trusted peer's request id, if it is one word of a sane length.
fn request_id(headers: &HeaderMap) -> Option<String> {
    let mut fields = headers.get_all("x-request-id").iter();
    let text = fields.next()?.to_str().ok()?;
    let sane = (8..=128).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.=+/:".contains(&byte));
    (sane && fields.next().is_none()).then(|| text.to_owned())
}

/// Our name for a request (RFC 9562, version 7).
pub fn fresh_id() -> String {
    Uuid::now_v7().as_hyphenated().encode_lower(&mut Uuid::encode_buffer()).to_owned()
}

/// The client's trace with a span of ours, or a new trace (W3C Trace Context, section 3.2).
fn traceparent(headers: &HeaderMap) -> String {
    let mut fields = headers.get_all(TRACEPARENT).iter();
    let given = fields.next().and_then(|field| field.to_str().ok()).filter(|_| fields.next().is_none());
    let (mut trace_of_ours, mut span_of_ours) = (Uuid::encode_buffer(), Uuid::encode_buffer());
    let span: &str = Uuid::new_v4().as_simple().encode_lower(&mut span_of_ours);
    let span = span.get(16..).unwrap_or("00f067aa0ba902b7");
    let (trace, flags) = given
        .and_then(trace)
        .unwrap_or_else(|| (Uuid::new_v4().as_simple().encode_lower(&mut trace_of_ours), "00"));
    ["00-", trace, "-", span, "-", flags].concat()
}

fn trace(text: &str) -> Option<(&str, &str)> {
    let hex = |part: &str| part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let mut parts = text.split('-');
    let (version, trace, parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let lengths = version.len() == 2 && trace.len() == 32 && parent.len() == 16 && flags.len() == 2;
    // Version 00 has exactly four parts; later ones may have more.
    let ends = version != "00" || parts.next().is_none();
    let zero = |part: &str| part.bytes().all(|byte| byte == b'0');
    let valid = lengths && ends && hex(version) && version != "ff" && hex(trace) && hex(parent) && hex(flags);
    (valid && !zero(trace) && !zero(parent)).then_some((trace, flags))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
        fields
            .iter()
            .map(|(name, value)| (http::HeaderName::from_static(name), value.parse().unwrap()))
            .collect()
    }

    #[test]
    fn traces_are_continued_or_started() {
        let kept = traceparent(&headers(&[(
            "traceparent",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        )]));
        assert!(kept.starts_with("00-0af7651916cd43dd8448eb211c80319c-") && kept.ends_with("-01"), "{kept}");
        assert!(!kept.contains("b7ad6b7169203331"), "the span is ours: {kept}");
        for broken in [
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "nonsense",
        ] {
            let started = traceparent(&headers(&[("traceparent", broken)]));
            assert!(trace(&started).is_some() && !started.contains("0af7651916cd43dd"), "{started}");
        }
    }

    #[test]
    fn addresses_are_read_in_every_form() {
        for (text, found) in [
            ("1.2.3.4", Some("1.2.3.4")),
            ("1.2.3.4:80", Some("1.2.3.4")),
            ("[::1]:80", Some("::1")),
            ("::1", Some("::1")),
            ("::ffff:1.2.3.4", Some("1.2.3.4")),
            ("[::ffff:1.2.3.4]:80", Some("1.2.3.4")),
            ("unknown", None),
            ("_hidden", None),
            ("", None),
        ] {
            assert_eq!(address(text), found.map(|text| text.parse().unwrap()), "{text}");
        }
        assert_eq!(forwarded_for(r#"proto=https; For="[2001:db8::1]:80";by=x"#), "[2001:db8::1]:80");
    }
}
