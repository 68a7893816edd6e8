//! The configuration's rules, asked as soon as what they name is known.

use std::sync::Arc;

use http::HeaderMap;
use http::request::Parts;
use rules::expr::{Body, Facts, Head, Reply, Stage};
use rules::path::Path;
use rules::ruleset::{GATE, Next, Rule};
use rules::verdict::{Code, Refusal, Words};

use super::enforce::weigh;
use super::tally;
use super::way::Way;
use crate::state::{Store, Ticket};
use crate::visit::Visit;

/// Asks the rules up to `stage`.
///
/// # Errors
/// The refusal of the first that decides, unless nothing is refused here.
pub fn rules(
    visit: &mut Visit,
    head: &Parts,
    stage: Stage,
    body: Option<&[u8]>,
    store: &Store,
) -> Result<Way, Refusal> {
    let snapshot = Arc::clone(&visit.snapshot);
    if snapshot.ruleset.is_empty() {
        return Ok(Way::On);
    }
    loop {
        let mut walk = std::mem::take(&mut visit.walk);
        let next =
            snapshot.ruleset.walk(&mut walk, stage, &facts(visit, head, body, None), store.seed().of_rules());
        visit.walk = walk;
        match next {
            Next::Done => return Ok(Way::On),
            Next::Block(rule, words) => weigh(visit, blocked(rule, words))?,
            Next::Redirect(..) if visit.observes() => {}
            Next::Redirect(_, status, location) => return Ok(Way::Redirect(status, location)),
            Next::Rewrite { path, query } => rewrite(visit, path, query)?,
            Next::Count(counts) => tally::look_for_rule(visit, counts, store)?,
            Next::Unusable(refusal) => weigh(visit, refusal)?,
        }
    }
}

/// Asks the rules that wait for the upstream's answer. What they have counted, and has to be kept before the client
/// hears of it, is returned.
pub fn reply(
    visit: &mut Visit,
    head: &Parts,
    status: u16,
    fields: &HeaderMap,
    store: &Store,
) -> Option<Ticket> {
    let snapshot = Arc::clone(&visit.snapshot);
    if snapshot.ruleset.hears_replies() {
        let mut walk = std::mem::take(&mut visit.walk);
        let facts = facts(visit, head, None, Some((status, fields)));
        // A field that cannot be made is left out: the upstream has acted, and its answer is not held back for that.
        if let Err(refusal) = snapshot.ruleset.reply(&mut walk, &facts, store.seed().of_rules()) {
            tracing::warn!(request_id = visit.request_id, why = %refusal.private, "a rule's header is left out");
        }
        drop(facts);
        visit.walk = walk;
    }
    tally::late(visit, store)
}

fn blocked(rule: &Rule, words: Arc<Words>) -> Refusal {
    let private = format!("the rule `{}` matched", rule.name);
    Refusal::new(Code::Blocked, GATE, private).by_rule(rule.name.clone(), Some(words))
}

fn rewrite(visit: &mut Visit, path: Option<Vec<u8>>, query: Option<Vec<u8>>) -> Result<(), Refusal> {
    let unusable = |why: &'static str| Refusal::new(Code::BadRequest, GATE, why);
    if let Some(path) = path {
        let path = Path::parse(&path).map_err(|refusal| Refusal { gate: GATE, ..refusal })?;
        visit.path = Some(path.into_owned());
    }
    if let Some(query) = query {
        let query = String::from_utf8(query).map_err(|_| unusable("a rewritten query is not UTF-8"))?;
        if format!("/?{query}").parse::<http::uri::PathAndQuery>().is_err() {
            return Err(unusable("a rewritten query has a character that must be escaped"));
        }
        visit.query = Some(query);
    }
    Ok(())
}

/// What the rules may look at.
fn facts<'a>(
    visit: &'a Visit,
    head: &'a Parts,
    body: Option<&'a [u8]>,
    reply: Option<(u16, &'a HeaderMap)>,
) -> Facts<'a> {
    let (path, query) = (head.uri.path(), head.uri.query());
    Facts::new(Head {
        method: &head.method,
        secure: visit.secure,
        host: &visit.host,
        port: visit.port,
        path: visit.path.as_ref().map_or(path, Path::forward),
        query: visit.query(head),
        raw_path: path.as_bytes(),
        raw_query: query.map(str::as_bytes),
        version: head.version,
        headers: &head.headers,
        client: visit.client,
        server: visit.server,
        request_id: &visit.request_id,
        now_ms: visit.now_ms,
        tls_version: visit.tls.map(|(version, _)| version),
        tls_cipher: visit.tls.map(|(_, cipher)| cipher),
        certificate: visit.certificate.as_deref(),
        seed: visit.snapshot.random.as_slice(),
    })
    .with_atlas(visit.snapshot.atlas.as_ref().map(|atlas| atlas as &dyn rules::expr::Atlas))
    .with_route(visit.route().map(|route| &*route.name))
    .with_caller(visit.caller.as_deref())
    .with_body(body.map(|bytes| Body {
        bytes,
        size: u64::try_from(bytes.len()).unwrap_or(u64::MAX),
        truncated: false,
    }))
    .with_reply(reply.map(|(status, headers)| Reply { status, headers }))
}
