//! One line: exactly the fields of the access log, in their order.

use std::borrow::Cow;
use std::time::Duration;

use crate::json;

/// What is known of a finished request. Every line has every key; what is absent is `null`.
///
/// Fields that a client wrote are bytes, and are written lossily as UTF-8; redaction comes before. Bodies,
/// credentials, cookies, tokens and signatures have no field here.
#[derive(Clone, Debug, Default)]
pub struct Line<'a> {
    /// When the request began, milliseconds since 1970; written as RFC 3339 in UTC.
    pub time_unix_ms: u64,
    /// The request id, ours or a trusted peer's.
    pub request_id: &'a str,
    /// The trace id of `traceparent`, 32 hex digits.
    pub trace_id: Option<&'a str>,
    /// The configuration's `release`.
    pub release: &'a str,
    /// The first 12 hex digits of the effective configuration's SHA-256.
    pub config: &'a str,
    /// The client's address, after the trusted peers were believed.
    pub client_ip: Option<&'a str>,
    /// The method as sent; absent where no request line could be read.
    pub method: Option<&'a [u8]>,
    /// The host that was asked for.
    pub host: Option<&'a [u8]>,
    /// The path, redacted.
    pub path: Option<&'a [u8]>,
    /// The listed query keys that were there, redacted. Each name once.
    pub query: &'a [(&'a str, Cow<'a, [u8]>)],
    /// `HTTP/1.1`, `HTTP/2.0`.
    pub protocol: Option<&'a str>,
    /// The TLS version; absent on plain HTTP.
    pub tls: Option<&'a str>,
    /// The status that the client got; absent when the connection went away before.
    pub status: Option<u16>,
    /// Body bytes from the client.
    pub bytes_in: u64,
    /// Body bytes to the client.
    pub bytes_out: u64,
    /// The name of the route that matched.
    pub route: Option<&'a str>,
    /// `allow`, `refuse` or `observe`.
    pub decision: &'a str,
    /// The refusal's code.
    pub code: Option<&'a str>,
    /// The gate that decided.
    pub gate: Option<&'a str>,
    /// The rule that decided.
    pub rule: Option<&'a str>,
    /// The identity's user.
    pub user: Option<&'a str>,
    /// The identity's tenant.
    pub tenant: Option<&'a str>,
    /// The name of the webhook whose delivery was verified.
    pub webhook: Option<&'a str>,
    /// The id by which its sender knows the delivery.
    pub event: Option<&'a str>,
    /// The name of the key that it was signed with.
    pub webhook_key: Option<&'a str>,
    /// The name of the upstream.
    pub upstream: Option<&'a str>,
    /// The status that the upstream answered.
    pub upstream_status: Option<u16>,
    /// From the first byte of the request to the last of the answer.
    pub duration: Duration,
    /// The part that was the upstream's.
    pub upstream_duration: Option<Duration>,
    /// The part that was ours.
    pub gateway_duration: Duration,
    /// The listed request headers that were there, redacted; lower-case names, each once.
    pub headers: &'a [(&'a str, Cow<'a, [u8]>)],
}

impl Line<'_> {
    /// Appends the line as one JSON object and a newline.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"time\":");
        json::moment(out, self.time_unix_ms);
        self.encode_request(out);
        self.encode_outcome(out);
        out.extend_from_slice(b",\"headers\":");
        object(out, self.headers);
        out.extend_from_slice(b"}\n");
    }

    fn encode_request(&self, out: &mut Vec<u8>) {
        text(out, b",\"request_id\":", Some(self.request_id.as_bytes()));
        text(out, b",\"trace_id\":", self.trace_id.map(str::as_bytes));
        text(out, b",\"release\":", Some(self.release.as_bytes()));
        text(out, b",\"config\":", Some(self.config.as_bytes()));
        text(out, b",\"client_ip\":", self.client_ip.map(str::as_bytes));
        text(out, b",\"method\":", self.method);
        text(out, b",\"host\":", self.host);
        text(out, b",\"path\":", self.path);
        out.extend_from_slice(b",\"query\":");
        object(out, self.query);
        text(out, b",\"protocol\":", self.protocol.map(str::as_bytes));
        text(out, b",\"tls\":", self.tls.map(str::as_bytes));
    }

    fn encode_outcome(&self, out: &mut Vec<u8>) {
        number(out, b",\"status\":", self.status.map(u64::from));
        number(out, b",\"bytes_in\":", Some(self.bytes_in));
        number(out, b",\"bytes_out\":", Some(self.bytes_out));
        text(out, b",\"route\":", self.route.map(str::as_bytes));
        text(out, b",\"decision\":", Some(self.decision.as_bytes()));
        text(out, b",\"code\":", self.code.map(str::as_bytes));
        text(out, b",\"gate\":", self.gate.map(str::as_bytes));
        text(out, b",\"rule\":", self.rule.map(str::as_bytes));
        text(out, b",\"user\":", self.user.map(str::as_bytes));
        text(out, b",\"tenant\":", self.tenant.map(str::as_bytes));
        text(out, b",\"webhook\":", self.webhook.map(str::as_bytes));
        text(out, b",\"event\":", self.event.map(str::as_bytes));
        text(out, b",\"webhook_key\":", self.webhook_key.map(str::as_bytes));
        text(out, b",\"upstream\":", self.upstream.map(str::as_bytes));
        number(out, b",\"upstream_status\":", self.upstream_status.map(u64::from));
        milliseconds(out, b",\"duration_ms\":", Some(self.duration));
        milliseconds(out, b",\"upstream_ms\":", self.upstream_duration);
        milliseconds(out, b",\"gateway_ms\":", Some(self.gateway_duration));
    }
}

fn field<T>(out: &mut Vec<u8>, key: &[u8], value: Option<T>, write: impl FnOnce(&mut Vec<u8>, T)) {
    out.extend_from_slice(key);
    match value {
        Some(value) => write(out, value),
        None => out.extend_from_slice(b"null"),
    }
}

fn text(out: &mut Vec<u8>, key: &[u8], value: Option<&[u8]>) {
    field(out, key, value, json::text);
}

fn number(out: &mut Vec<u8>, key: &[u8], value: Option<u64>) {
    field(out, key, value, json::number);
}

fn milliseconds(out: &mut Vec<u8>, key: &[u8], value: Option<Duration>) {
    field(out, key, value, json::milliseconds);
}

fn object(out: &mut Vec<u8>, pairs: &[(&str, Cow<'_, [u8]>)]) {
    out.push(b'{');
    for (index, (name, value)) in pairs.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        json::text(out, name.as_bytes());
        out.push(b':');
        json::text(out, value);
    }
    out.push(b'}');
}

#[cfg(test)]
mod tests;
