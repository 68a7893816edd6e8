//! Last: one line and the metrics.

use std::borrow::Cow;
use std::time::Duration;

use http::HeaderName;
use http::header::REFERER;
use http::request::Parts;
use rules::query::without;
use rules::verdict::Code;

use crate::access_log::Line;
use crate::metrics::Decision;
use crate::redact::Redactor;
use crate::snapshot::{LogRules, Snapshot};
use crate::visit::Visit;

/// What only the wire knows of a finished request.
#[derive(Clone, Copy, Debug, Default)]
pub struct Passage<'a> {
    /// `HTTP/1.1`, `HTTP/2`.
    pub protocol: Option<&'a str>,
    /// The TLS version.
    pub tls: Option<&'a str>,
    /// The status that the client got.
    pub status: Option<u16>,
    /// Body bytes from the client.
    pub bytes_in: u64,
    /// Body bytes to the client.
    pub bytes_out: u64,
    /// Whether the upstream was asked at all.
    pub asked: bool,
    /// The status that the upstream answered.
    pub upstream_status: Option<u16>,
    /// The time that was the upstream's or the client's.
    pub theirs: Option<Duration>,
    /// All of the time.
    pub total: Duration,
}

/// What became of a visit.
pub fn decision(visit: &Visit) -> Decision {
    match &visit.refusal {
        None => Decision::Allow,
        Some(_) if visit.observed => Decision::Observe,
        Some(_) => Decision::Refuse,
    }
}

/// The request's line.
pub fn line(visit: &Visit, head: &Parts, passage: &Passage<'_>) -> Vec<u8> {
    let snapshot = &visit.snapshot;
    let rules = &snapshot.log;
    let client = visit.client_name();
    let path = rules.redactor.redact(head.uri.path());
    let query = head.uri.query().filter(|_| !rules.query.is_empty()).unwrap_or_default();
    // First of all, since a `;` would hide a credential in the value before it.
    let query = without(query, &snapshot.hidden);
    let query = listed_query(rules, &query);
    let headers: Vec<Pair<'_>> =
        rules.headers.iter().filter_map(|name| listed(name, head, snapshot)).collect();
    let (tenant, rule) = (visit.tenant(), visit.rule());
    let (route, proven) = (visit.route(), visit.proven.as_ref());
    let event = proven.and_then(|proven| proven.event.as_deref()).map(|event| rules.redactor.redact(event));
    let mut line = Vec::with_capacity(768);
    Line {
        time_unix_ms: u64::try_from(visit.now_ms).unwrap_or_default(),
        request_id: &visit.request_id,
        trace_id: visit.trace_id(),
        release: &snapshot.release,
        config: &snapshot.hash,
        client_ip: Some(&client),
        method: Some(head.method.as_str().as_bytes()),
        host: Some(visit.host.as_bytes()).filter(|host| !host.is_empty()),
        path: Some(path.as_bytes()),
        query: &query,
        protocol: passage.protocol,
        tls: passage.tls,
        status: passage.status,
        bytes_in: passage.bytes_in,
        bytes_out: passage.bytes_out,
        route: route.map(|route| &*route.name),
        decision: decision(visit).name(),
        code: visit.refusal.as_ref().map(|refusal| refusal.code).or(visit.code).map(Code::name),
        gate: visit.refusal.as_ref().map(|refusal| refusal.gate),
        rule: rule.as_deref(),
        user: visit.user(),
        tenant: tenant.as_deref(),
        webhook: proven.map(|proven| &*proven.webhook.name),
        event: event.as_deref(),
        webhook_key: proven.and_then(|proven| proven.key.as_deref()),
        upstream: route.filter(|_| passage.asked).map(|route| &*route.upstream.name),
        upstream_status: passage.upstream_status,
        duration: passage.total,
        upstream_duration: passage.theirs,
        gateway_duration: passage.total.saturating_sub(passage.theirs.unwrap_or_default()),
        headers: &headers,
    }
    .encode(&mut line);
    line
}

/// A name and its redacted value.
type Pair<'a> = (&'a str, Cow<'a, [u8]>);

/// The first value of every listed query key, as it was written.
fn listed_query<'a>(rules: &'a LogRules, query: &'a str) -> Vec<Pair<'a>> {
    let pairs = || query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let value = |name: &'a String| {
        let (_, value) = pairs().find(|(key, _)| key == name)?;
        Some((name.as_str(), redacted(&rules.redactor, Cow::Borrowed(value.as_bytes()))))
    };
    rules.query.iter().filter_map(value).collect()
}

fn listed<'a>(name: &'a HeaderName, head: &'a Parts, snapshot: &'a Snapshot) -> Option<Pair<'a>> {
    let redactor = &snapshot.log.redactor;
    // The page that led here may have been opened with a token in its address.
    if *name == REFERER && !snapshot.hidden.is_empty() {
        let page = String::from_utf8_lossy(head.headers.get(name)?.as_bytes());
        let page = masked(&page, &snapshot.hidden).into_owned().into_bytes();
        return Some((name.as_str(), redacted(redactor, Cow::Owned(page))));
    }
    let mut values = head.headers.get_all(name).iter();
    let first = Cow::Borrowed(values.next()?.as_bytes());
    let joined =
        values.fold(first, |joined, value| Cow::Owned([joined.as_ref(), b", ", value.as_bytes()].concat()));
    Some((name.as_str(), redacted(redactor, joined)))
}

/// The text without what a log may not show; borrowed where it has nothing of that.
fn redacted<'a>(redactor: &Redactor, text: Cow<'a, [u8]>) -> Cow<'a, [u8]> {
    let changed = match String::from_utf8_lossy(&text) {
        Cow::Borrowed(sound) => match redactor.redact(sound) {
            Cow::Borrowed(_) => None,
            Cow::Owned(redacted) => Some(redacted),
        },
        Cow::Owned(mended) => Some(redactor.redact(&mended).into_owned()),
    };
    changed.map_or(text, |changed| Cow::Owned(changed.into_bytes()))
}

/// The address without the query parameters called `hidden`.
pub fn masked<'a>(address: &'a str, hidden: &[String]) -> Cow<'a, str> {
    let Some((path, query)) = address.split_once('?') else { return Cow::Borrowed(address) };
    match without(query, hidden) {
        Cow::Borrowed(_) => Cow::Borrowed(address),
        Cow::Owned(rest) if rest.is_empty() => Cow::Borrowed(path),
        Cow::Owned(rest) => Cow::Owned(format!("{path}?{rest}")),
    }
}
