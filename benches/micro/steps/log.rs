//! `log/…`: an access log line.

use std::borrow::Cow;
use std::hint::black_box;
use std::time::Duration;

use crate::gateway::access_log::Line;
use crate::gateway::redact::{Kind, Redactor};
use crate::{Fallible, NOW_MS, Run, Step};

const PATH: &str = "/v1/acme/conversations/4711/messages";
const REFERER: &str = "https://app.example.com/conversations/4711";

pub(crate) fn steps() -> Vec<Step> {
    vec![
        Step::new("log/line", line),
        Step::new("log/redacting a path", || redact(PATH, false)),
        Step::new("log/redacting a path with an address", || {
            redact("/v1/users/ada%40example.com/files", true)
        }),
    ]
}

fn redactor() -> Fallible<Redactor> {
    Redactor::compile(Kind::ALL).map_err(|why| why.to_string().into())
}

fn redact(text: &'static str, found: bool) -> Fallible<Run> {
    let redactor = redactor()?;
    Ok(Box::new(move || matches!(redactor.redact(black_box(text)), Cow::Owned(_)) == found))
}

/// As the gateway writes it for an allowed request, from the redacted path to the last byte.
fn line() -> Fallible<Run> {
    let redactor = redactor()?;
    let duration = Duration::from_micros(1_234);
    Ok(Box::new(move || {
        let path = redactor.redact(black_box(PATH));
        let referer = match redactor.redact(black_box(REFERER)) {
            Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
            Cow::Owned(text) => Cow::Owned(text.into_bytes()),
        };
        let headers = [("referer", referer)];
        let mut out = Vec::with_capacity(768);
        Line {
            time_unix_ms: u64::try_from(NOW_MS).unwrap_or_default(),
            request_id: "0193b3d2-7c4e-7a51-9a53-1b6c0a1f2e3d",
            release: "2026.11.3",
            config: "5d41402abc4b",
            client_ip: Some("198.51.100.7"),
            method: Some(b"GET"),
            host: Some(b"app.example.com"),
            path: Some(path.as_bytes()),
            protocol: Some("HTTP/2"),
            tls: Some("TLSv1.3"),
            status: Some(200),
            bytes_out: 200,
            route: Some("messages"),
            decision: "allow",
            user: Some("auth0|5f7c8ec7c33c6c004bbafe82"),
            tenant: Some("acme"),
            upstream: Some("chat"),
            upstream_status: Some(200),
            duration,
            upstream_duration: Some(duration / 2),
            gateway_duration: duration / 2,
            headers: &headers,
            ..Line::default()
        }
        .encode(&mut out);
        black_box(out).ends_with(b"}\n")
    }))
}
