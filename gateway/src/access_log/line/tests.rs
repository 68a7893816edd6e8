use proptest::prelude::*;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::*;

const KEYS: [&str; 31] = [
    "time",
    "request_id",
    "trace_id",
    "release",
    "config",
    "client_ip",
    "method",
    "host",
    "path",
    "query",
    "protocol",
    "tls",
    "status",
    "bytes_in",
    "bytes_out",
    "route",
    "decision",
    "code",
    "gate",
    "rule",
    "user",
    "tenant",
    "webhook",
    "event",
    "webhook_key",
    "upstream",
    "upstream_status",
    "duration_ms",
    "upstream_ms",
    "gateway_ms",
    "headers",
];

/// The one line as a value; fails where there is more or less than one.
fn decode(line: &Line<'_>) -> Value {
    let mut out = Vec::new();
    line.encode(&mut out);
    let text = String::from_utf8(out).unwrap();
    assert!(text.ends_with("}\n"));
    assert_eq!(
        text.chars().filter(|&c| c.is_control() || "\u{2028}\u{2029}".contains(c)).count(),
        1,
        "{text:?}"
    );
    serde_json::from_str(&text).unwrap()
}

#[test]
fn every_line_has_every_key_in_order() {
    let value = decode(&Line::default());
    let keys: Vec<_> = value.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, KEYS);
    assert_eq!(value["time"], "1970-01-01T00:00:00.000Z");
    assert_eq!(value["query"], json!({}));
    for key in ["trace_id", "method", "status", "code", "upstream_status", "upstream_ms"] {
        assert_eq!(value[key], Value::Null, "{key}");
    }
}

#[test]
fn a_full_line_reads_back() {
    let line = Line {
        time_unix_ms: 1_795_521_600_007,
        request_id: "018f",
        trace_id: Some("0af7651916cd43dd8448eb211c80319c"),
        release: "1.4.2",
        config: "0123456789ab",
        client_ip: Some("2001:db8::1"),
        method: Some(b"POST"),
        host: Some(b"api.example.com"),
        path: Some(b"/v1/acme/[email]"),
        query: &[("page", b"2".as_slice().into()), ("size", b"\"big\"".as_slice().into())],
        protocol: Some("HTTP/2.0"),
        tls: Some("TLSv1.3"),
        status: Some(403),
        bytes_in: 17,
        bytes_out: u64::MAX,
        route: Some("send-message"),
        decision: "refuse",
        code: Some("tenant_mismatch"),
        gate: Some("tenant"),
        rule: Some("r"),
        user: Some("anna"),
        tenant: Some("acme"),
        webhook: Some("stripe"),
        event: Some("evt_1"),
        webhook_key: Some("current"),
        upstream: Some("chatbot"),
        upstream_status: Some(200),
        duration: Duration::from_micros(1_234_567),
        upstream_duration: Some(Duration::from_nanos(41_999)),
        gateway_duration: Duration::from_micros(1050),
        headers: &[("user-agent", b"curl/8\t\\\x00".as_slice().into())],
    };
    let expected = json!({
        "time": "2026-11-24T12:00:00.007Z", "request_id": "018f", "trace_id": "0af7651916cd43dd8448eb211c80319c",
        "release": "1.4.2", "config": "0123456789ab", "client_ip": "2001:db8::1", "method": "POST",
        "host": "api.example.com", "path": "/v1/acme/[email]", "query": {"page": "2", "size": "\"big\""},
        "protocol": "HTTP/2.0", "tls": "TLSv1.3", "status": 403, "bytes_in": 17, "bytes_out": u64::MAX,
        "route": "send-message", "decision": "refuse", "code": "tenant_mismatch", "gate": "tenant", "rule": "r",
        "user": "anna", "tenant": "acme", "webhook": "stripe", "event": "evt_1", "webhook_key": "current",
        "upstream": "chatbot", "upstream_status": 200,
        "duration_ms": 1234.567, "upstream_ms": 0.041, "gateway_ms": 1.05,
        "headers": {"user-agent": "curl/8\t\\\0"},
    });
    assert_eq!(decode(&line), expected);
}

#[test]
fn the_worst_text_stays_on_one_line() {
    let worst = "\u{0}\u{1f}\"\\/\u{7f}\u{85}\u{9b}31m\u{2028}\u{2029}\r\n\u{1f600}é";
    let value = decode(&Line { host: Some(worst.as_bytes()), ..Line::default() });
    assert_eq!(value["host"], worst);
}

proptest! {
    #[test]
    fn any_bytes_read_back(
        bytes in prop::collection::vec(any::<u8>(), 0..80), text in any::<String>(), key in any::<String>(),
    ) {
        let pairs = [(key.as_str(), bytes.as_slice().into())];
        let line = Line {
            request_id: &text, trace_id: Some(&text), release: &text, config: &text, client_ip: Some(&text),
            method: Some(&bytes), host: Some(&bytes), path: Some(&bytes), query: &pairs, protocol: Some(&text),
            tls: Some(&text), route: Some(&text), decision: &text, code: Some(&text), gate: Some(&text),
            rule: Some(&text), user: Some(&text), tenant: Some(&text), upstream: Some(&text), headers: &pairs,
            ..Line::default()
        };
        let value = decode(&line);
        let lossy = String::from_utf8_lossy(&bytes);
        for name in ["method", "host", "path"] {
            prop_assert_eq!(value[name].as_str(), Some(&*lossy));
        }
        for name in [
            "request_id", "trace_id", "release", "config", "client_ip", "protocol", "tls", "route", "decision",
            "code", "gate", "rule", "user", "tenant", "upstream",
        ] {
            prop_assert_eq!(value[name].as_str(), Some(text.as_str()));
        }
        for name in ["query", "headers"] {
            prop_assert_eq!(value[name][&key].as_str(), Some(&*lossy));
            prop_assert_eq!(value[name].as_object().unwrap().len(), 1);
        }
    }

    #[test]
    fn ascii_reads_back(text in "[\\x00-\\x7f]{0,40}") {
        let value = decode(&Line { path: Some(text.as_bytes()), ..Line::default() });
        prop_assert_eq!(value["path"].as_str(), Some(text.as_str()));
    }

    /// Up to the year 9999, where RFC 3339 ends.
    #[test]
    fn moments_are_the_calendars(unix_ms in 0_u64..253_402_300_800_000) {
        let value = decode(&Line { time_unix_ms: unix_ms, ..Line::default() });
        let read = OffsetDateTime::parse(value["time"].as_str().unwrap(), &Rfc3339).unwrap();
        prop_assert_eq!(read.unix_timestamp_nanos(), i128::from(unix_ms) * 1_000_000);
    }

    #[test]
    fn numbers_are_the_standard_librarys(n in any::<u64>(), micros in 0_u64..1 << 50, width in 1_usize..12) {
        let mut out = Vec::new();
        json::number(&mut out, n);
        out.push(b' ');
        json::padded(&mut out, n >> 40, width);
        out.push(b' ');
        json::milliseconds(&mut out, Duration::from_micros(micros));
        let expected = format!("{n} {:0width$} {}.{:03}", n >> 40, micros / 1000, micros % 1000);
        prop_assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}

#[test]
fn every_day_of_four_centuries_is_right() {
    for day in 0..146_097 {
        let mut out = Vec::new();
        json::moment(&mut out, day * 86_400_000);
        let date = OffsetDateTime::from_unix_timestamp(i64::try_from(day * 86_400).unwrap()).unwrap().date();
        let expected =
            format!("\"{:04}-{:02}-{:02}T00:00:00.000Z\"", date.year(), u8::from(date.month()), date.day());
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
