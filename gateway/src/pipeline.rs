//! The way of a request: accept → dispatch → enforce → forward → inspect → log, and refuse, the only mouth that
//! says no. The phases are plain functions over a [`Visit`](crate::visit::Visit) and a request head; this file hangs them into
//! Pingora's hooks, and [`crate::judge`] walks the same functions offline.

use std::os::fd::RawFd;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use async_trait::async_trait;
use bytes::Bytes;
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::modules::http::HttpModules;
use pingora::prelude::HttpPeer;
use pingora::protocols::Digest;
use pingora::proxy::{FailToProxy, ProxyHttp, Session};
use pingora::{Error, ErrorSource, ErrorType, Result};
use rules::policies::REGISTRY;
use rules::policy::Speaker;
use rules::verdict::Refusal;

use crate::access_log::AccessLog;
use crate::edge::Connection;
use crate::heads::{edit_request, edit_response, forget_spelling};
use crate::mends::held_body::BodyBudget;
use crate::mends::{chunk_terminator, cookie_crumbs, late_flush};
use crate::metrics::{Histogram, Outcome, Registry, RouteMetrics};
use crate::replays::Replays;
use crate::snapshot::Snapshot;
use crate::state::Store;

pub mod accept;
mod answer;
mod bodies;
pub mod decide;
pub mod dispatch;
pub mod enforce;
mod faults;
pub mod forward;
pub mod identify;
pub mod inspect;
pub mod log;
mod passing;
mod peer;
pub mod prove;
pub mod refuse;
pub mod tally;
mod way;
mod witness;

pub use passing::Passing;
pub use way::Way;
pub use witness::Doorkeeper;

/// What is in force, with its metrics resolved.
pub struct Live {
    /// The configuration.
    pub snapshot: Arc<Snapshot>,
    /// What is counted; it outlasts the configuration.
    pub store: Arc<Store>,
    /// Which webhook deliveries were accepted, likewise; none until there is a webhook.
    pub replays: Option<Arc<Replays>>,
    registry: Registry,
    routes: Vec<RouteMetrics>,
    nowhere: RouteMetrics,
    gates: Vec<(&'static str, Histogram)>,
}

impl Live {
    /// Resolves the metrics of a snapshot.
    pub fn new(
        snapshot: Arc<Snapshot>,
        store: Arc<Store>,
        replays: Option<Arc<Replays>>,
        registry: &Registry,
    ) -> Self {
        let routes =
            snapshot.table.routes().iter().map(|route| RouteMetrics::new(registry, &route.name)).collect();
        for upstream in &snapshot.upstreams {
            for server in &upstream.servers {
                server.measure(registry, &upstream.name);
            }
        }
        let nowhere = RouteMetrics::new(registry, crate::metrics::NO_ROUTE);
        let gates = REGISTRY.iter().map(|row| row.key).chain([rules::ruleset::GATE, prove::GATE]);
        let gates = gates.map(|gate| (gate, registry.gate_duration(gate))).collect();
        Self { snapshot, store, replays, registry: registry.clone(), routes, nowhere, gates }
    }

    /// A stopwatch from now on: each call takes the time since the last for the gate that it names.
    fn laps(&self) -> impl FnMut(&'static str) {
        let mut last = Instant::now();
        let mut from = 0;
        move |gate| {
            let now = Instant::now();
            // Gates are heard in their order, so the next one stands close behind the last.
            let (before, after) = self.gates.split_at(from);
            let found =
                after.iter().chain(before).position(|(key, _)| std::ptr::eq(*key, gate) || *key == gate);
            if let Some(place) = found.map(|steps| (from + steps) % self.gates.len()) {
                from = place;
                if let Some((_, histogram)) = self.gates.get(place) {
                    histogram.record(now - last);
                }
            }
            last = now;
        }
    }

    /// The counter of a webhook's deliveries that ended so.
    pub(crate) fn webhook(&self, name: &str, outcome: &str) -> ::metrics::Counter {
        self.registry.webhooks(name, outcome)
    }

    /// The metrics of a route, or of requests without one.
    pub fn metrics(&self, route: Option<usize>) -> &RouteMetrics {
        route.and_then(|index| self.routes.get(index)).unwrap_or(&self.nowhere)
    }
}

/// The gateway as Pingora sees it.
pub struct Gateway {
    live: Arc<ArcSwap<Live>>,
    log: Arc<AccessLog>,
    budget: Arc<BodyBudget>,
}

impl Gateway {
    /// A gateway that serves what is in `live` at a request's beginning.
    pub fn new(live: Arc<ArcSwap<Live>>, log: Arc<AccessLog>) -> Self {
        let budget = BodyBudget::new(live.load().snapshot.site.buffered_bytes);
        Self { live, log, budget }
    }
}

/// None until the head was read.
pub type Context = Option<Box<Passing>>;

#[expect(clippy::unnecessary_box_returns, reason = "Pingora's errors are boxed everywhere")]
fn lost() -> Box<Error> {
    Error::explain(ErrorType::InternalError, "the request has no visit")
}

/// The wall clock, in milliseconds since the Unix epoch.
pub fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[async_trait]
impl ProxyHttp for Gateway {
    type CTX = Context;

    fn new_ctx(&self) -> Context {
        None
    }

    fn init_downstream_modules(&self, _: &mut HttpModules) {
        // Pingora adds a compressor that is switched off, and would ask it at each step.
    }

    async fn early_request_filter(&self, session: &mut Session, ctx: &mut Context) -> Result<()> {
        let connection = Connection::of(session).ok_or_else(lost)?;
        let live = self.live.load_full();
        let pause = live.snapshot.site.body_timeout;
        session.set_read_timeout(Some(pause));
        session.set_write_timeout(Some(pause));
        session.set_total_drain_timeout(Some(pause));
        forget_spelling(session.req_header_mut());
        *ctx = Some(Box::new(Passing::begin(live, connection, session.req_header())));
        Ok(())
    }

    async fn request_filter(&self, session: &mut Session, ctx: &mut Context) -> Result<bool> {
        let passing = ctx.as_mut().ok_or_else(lost)?;
        let mut way = self.judge(session, passing).await;
        if !matches!(way, Ok(Way::On))
            && let Err(refusal) = passing.charge_unserved().await
        {
            way = Err(refusal);
        }
        let head = session.req_header();
        let answer = match way {
            Ok(Way::On) => return Ok(false),
            Ok(Way::Redirect(status, location)) => refuse::redirect(&passing.visit, head, status, &location),
            Ok(Way::Own { status, fields, body, code }) => {
                passing.visit.code = code;
                refuse::own(&passing.visit, head, status, fields, body)
            }
            Ok(Way::Preflight(fields)) => refuse::preflight(&passing.visit, head, fields),
            Err(refusal) => {
                passing.refuse(session, refusal).await?;
                return Ok(true);
            }
        };
        answer::write(session, answer).await?;
        Ok(true)
    }

    async fn upstream_peer(&self, _session: &mut Session, ctx: &mut Context) -> Result<Box<HttpPeer>> {
        peer::choose(ctx.as_mut().ok_or_else(lost)?)
    }

    async fn connected_to_upstream(
        &self,
        _session: &mut Session,
        _reused: bool,
        _peer: &HttpPeer,
        _fd: RawFd,
        digest: Option<&Digest>,
        ctx: &mut Context,
    ) -> Result<()> {
        peer::watch(ctx.as_mut().ok_or_else(lost)?, digest)
    }

    async fn upstream_request_filter(
        &self,
        session: &mut Session,
        upstream: &mut RequestHeader,
        ctx: &mut Context,
    ) -> Result<()> {
        let passing = ctx.as_ref().ok_or_else(lost)?;
        let head = session.req_header();
        if !forward::keeps_target(&passing.visit, head) {
            let target = forward::target(&passing.visit, head).ok_or_else(lost)?;
            if let Some(uri) = forward::aim(&upstream.uri, target) {
                upstream.set_uri(uri);
            }
        }
        edit_request(upstream, |upstream| {
            forward::fields(&passing.visit, head, &mut upstream.headers);
            cookie_crumbs::join(&mut upstream.headers)
        })
    }

    async fn request_body_filter(
        &self,
        _session: &mut Session,
        body: &mut Option<Bytes>,
        end_of_stream: bool,
        ctx: &mut Context,
    ) -> Result<()> {
        let passing = ctx.as_mut().ok_or_else(lost)?;
        passing.body_ended |= end_of_stream;
        bodies::count(passing, body.as_ref())?;
        chunk_terminator::mend(body, end_of_stream);
        Ok(())
    }

    async fn upstream_response_filter(
        &self,
        _session: &mut Session,
        upstream: &mut ResponseHeader,
        ctx: &mut Context,
    ) -> Result<()> {
        let passing = ctx.as_mut().ok_or_else(lost)?;
        passing.interim.judge(upstream, passing.visit.upgrade)?;
        passing.upstream_status = Some(upstream.status.as_u16());
        passing.upstream_ended = Some(Instant::now());
        Ok(())
    }

    async fn response_filter(
        &self,
        session: &mut Session,
        answer: &mut ResponseHeader,
        ctx: &mut Context,
    ) -> Result<()> {
        let passing = ctx.as_mut().ok_or_else(lost)?;
        if let Some(loan) = &mut passing.loan {
            loan.answered(session, answer);
        }
        let head = session.req_header();
        passing.answered(head, answer).await?;
        edit_response(answer, |answer| {
            late_flush::stream_lengthless(head, answer);
            inspect::fields(&passing.visit, head, Speaker::Upstream, &mut answer.headers);
        });
        Ok(())
    }

    fn upstream_response_body_filter(
        &self,
        _session: &mut Session,
        _body: &mut Option<Bytes>,
        _end_of_stream: bool,
        ctx: &mut Context,
    ) -> Result<Option<Duration>> {
        if let Some(passing) = ctx {
            passing.upstream_ended = Some(Instant::now());
        }
        Ok(None)
    }

    fn fail_to_connect(
        &self,
        session: &mut Session,
        _peer: &HttpPeer,
        ctx: &mut Context,
        mut error: Box<Error>,
    ) -> Box<Error> {
        if let Some(passing) = ctx {
            passing.count(Outcome::Unreachable);
            let more = passing.visit.route().is_some_and(|route| passing.tries <= route.upstream.retries);
            error.set_retry(more && session.req_header().method.is_idempotent());
        }
        error
    }

    async fn fail_to_proxy(&self, session: &mut Session, error: &Error, ctx: &mut Context) -> FailToProxy {
        let Some(passing) = ctx else {
            return FailToProxy { error_code: 500, can_reuse_downstream: false };
        };
        if let Some(loan) = &mut passing.loan {
            loan.release(session);
        }
        let Some(refusal) = faults::refusal(error, passing) else {
            return FailToProxy { error_code: 0, can_reuse_downstream: false };
        };
        passing.release().await;
        let error_code = refusal.status().as_u16();
        if session.response_written().is_none() {
            // The client may be gone; there is nobody left to tell.
            let _ = passing.refuse(session, refusal).await;
        }
        FailToProxy { error_code, can_reuse_downstream: false }
    }

    async fn logging(&self, session: &mut Session, _error: Option<&Error>, ctx: &mut Context) {
        let Some(passing) = ctx else { return };
        if let Some(loan) = &mut passing.loan {
            loan.release(session);
        }
        drop(passing.in_flight.take());
        drop(passing.admission.take());
        drop(passing.reservation.take());
        passing.finish(session, &self.log);
    }

    /// How Pingora's own events name a request. Its query stays out: it may hold a token.
    fn request_summary(&self, session: &Session, ctx: &Context) -> String {
        let id = ctx.as_ref().map_or("", |passing| &passing.visit.request_id);
        let head = session.req_header();
        format!("{} {}, request {id}", head.method, head.uri.path())
    }

    /// What went wrong with a client stands in the access log; the event log is for what is wrong with us.
    fn suppress_error_log(&self, _session: &Session, _ctx: &Context, error: &Error) -> bool {
        matches!(error.esource(), ErrorSource::Downstream)
    }
}

impl Gateway {
    /// The verdict on a request; nothing has touched the upstream when it is a refusal.
    async fn judge(&self, session: &mut Session, passing: &mut Passing) -> std::result::Result<Way, Refusal> {
        passing.visit.has_body = !session.as_mut().is_body_empty();
        let Passing { visit, live, .. } = &mut *passing;
        let way = dispatch::dispatch(visit, session.req_header(), &live.store, &mut live.laps())?;
        if !matches!(way, Way::On) {
            return Ok(way);
        }
        passing.in_flight = Some(passing.metrics().enter());
        passing.identify(session.req_header()).await?;
        let Passing { visit, live, .. } = &mut *passing;
        let way = enforce::head(visit, session.req_header(), &live.store, &mut live.laps())?;
        if !matches!(way, Way::On) {
            return Ok(way);
        }
        bodies::hold(session, passing, &self.budget).await
    }
}
