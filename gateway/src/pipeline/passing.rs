//! A request on the wire: its visit, and what only the wire knows of it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::request::Parts;
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::proxy::Session;
use pingora::{Error, ErrorType, Result};
use rules::verdict::Refusal;
use rules::webhook::Want;

use super::identify::{Got, Identified};
use super::prove::{self, Proved};
use super::way::Way;
use super::{Live, accept, answer, decide, enforce, identify, log, now_ms, refuse, tally};
use crate::access_log::AccessLog;
use crate::edge::Connection;
use crate::mends::Loan;
use crate::mends::unasked_101::Interim;
use crate::metrics::{Counted, Outcome, RouteMetrics};
use crate::replays::{ReplayError, Reservation};
use crate::state::Admission;
use crate::upstream::clock::Watch;
use crate::upstream::{InFlight, Server};
use crate::visit::Visit;

/// How long an answer is held back at most until the disk has what was counted.
const KEPT_WITHIN: Duration = Duration::from_secs(1);

/// A visit with what only the wire knows of it.
pub struct Passing {
    pub(super) visit: Visit,
    pub(super) live: Arc<Live>,
    pub(super) connection: Arc<Connection>,
    pub(super) loan: Option<Loan>,
    pub(super) interim: Interim,
    pub(super) server: Option<(Arc<Server>, InFlight)>,
    pub(super) watch: Option<Watch>,
    pub(super) tries: usize,
    pub(super) body_seen: u64,
    pub(super) body_ended: bool,
    pub(super) upstream_began: Option<Instant>,
    pub(super) upstream_ended: Option<Instant>,
    pub(super) upstream_status: Option<u16>,
    pub(super) waited: Duration,
    pub(super) in_flight: Option<Counted>,
    /// What the store of counters keeps for as long as the request is in progress.
    pub(super) admission: Option<Admission>,
    /// The right to forward a webhook's delivery.
    pub(super) reservation: Option<Reservation>,
    /// Whether a delivery was taken that could not be remembered.
    pub(super) unremembered: bool,
}

impl Passing {
    pub(super) fn begin(live: Arc<Live>, connection: Arc<Connection>, head: &RequestHeader) -> Self {
        let client_ca = live.snapshot.site.client_ca();
        let arrival = accept::Arrival {
            peer: connection.peer().ip(),
            peer_name: connection.peer_name().clone(),
            tls: connection.listener() == crate::edge::Kind::Https,
            local: Some(connection.local().ip()),
            facts: connection.tls().map(|facts| (facts.version, facts.cipher)),
            certificate: connection.tls().and_then(|facts| facts.certificate(client_ca)).cloned(),
            now_ms: now_ms(),
        };
        Self {
            visit: accept::begin(Arc::clone(&live.snapshot), arrival, head),
            live,
            connection,
            loan: None,
            interim: Interim::default(),
            server: None,
            watch: None,
            tries: 0,
            body_seen: 0,
            body_ended: false,
            upstream_began: None,
            upstream_ended: None,
            upstream_status: None,
            waited: Duration::ZERO,
            in_flight: None,
            admission: None,
            reservation: None,
            unremembered: false,
        }
    }

    pub(super) fn metrics(&self) -> &RouteMetrics {
        self.live.metrics(self.visit.found.map(|(index, _)| index))
    }

    pub(super) fn count(&self, outcome: Outcome) {
        if let Some((server, _)) = &self.server {
            server.count(outcome);
        }
    }

    /// Asks who calls; the time it takes to find out more is not ours.
    pub(super) async fn identify(&mut self, head: &RequestHeader) -> std::result::Result<(), Refusal> {
        let mut got = Got::default();
        loop {
            let asked = enforce::caller(&mut self.visit, head, &got, &mut self.live.laps())?;
            let Identified::Wants(want) = asked else { return Ok(()) };
            let from = Instant::now();
            let supplied = identify::supply(&self.live.snapshot.identities, want, &mut got).await;
            self.waited += from.elapsed();
            if let Err(refusal) = supplied {
                return enforce::weigh(&mut self.visit, refusal);
            }
        }
    }

    /// Judges a webhook's delivery; the time that it takes to find out more is not ours.
    ///
    /// # Errors
    /// The refusal, unless the route only observes.
    pub(super) async fn prove(&mut self, head: &Parts, body: &[u8]) -> std::result::Result<Way, Refusal> {
        let mut had = None;
        let verified = loop {
            match prove::prove(&mut self.visit, head, body, had.as_deref())? {
                Proved::Not => return Ok(Way::On),
                Proved::Greets(greeting) => return Ok(prove::greet(greeting)),
                Proved::Yes(verified) => break verified,
                Proved::Wants(want) if had.is_none() => {
                    had = self.fetch(&want).await;
                    if had.is_none() {
                        return prove::unavailable(&mut self.visit, &want).map(|()| Way::On);
                    }
                }
                Proved::Wants(want) => return prove::unavailable(&mut self.visit, &want).map(|()| Way::On),
            }
        };
        if let Some(proven) = &self.visit.proven {
            proven.key.iter().for_each(|key| proven.webhook.note_use(key));
        }
        let (keys, ttl_ms) = prove::keys(&verified);
        let from = Instant::now();
        let answer = match &self.live.replays {
            Some(replays) => replays.reserve(&keys, ttl_ms, self.visit.now_ms).await,
            None => Err(ReplayError::Unavailable),
        };
        self.waited += from.elapsed();
        let (way, reservation) = prove::reserved(&mut self.visit, answer)?;
        self.reservation = reservation;
        Ok(way)
    }

    async fn fetch(&mut self, want: &Want) -> prove::Had {
        let webhook = self.visit.route()?.webhook.clone()?;
        if let Some(known) = webhook.fetches.at_hand(want) {
            return Some(known);
        }
        let from = Instant::now();
        let fetched = webhook.fetches.fetch(&webhook.name, &webhook.scheme, want).await;
        self.waited += from.elapsed();
        fetched
    }

    /// Counts the request once. The time that a store elsewhere takes is not ours.
    ///
    /// # Errors
    /// The refusal of the limit that it is over.
    pub(super) async fn charge(&mut self) -> std::result::Result<(), Refusal> {
        if !self.visit.tally.is_open() {
            return Ok(());
        }
        let charged = self.live.store.charge(self.visit.tally.asks(), self.visit.now_ms).await;
        self.admission = tally::settle(&mut self.visit, charged)?;
        Ok(())
    }

    /// Counts what was looked at of a request that does not go on: a flood of refusals is a flood.
    ///
    /// # Errors
    /// The refusal of the limit that it is over, which counts before whatever else there was to say.
    pub(super) async fn charge_unserved(&mut self) -> std::result::Result<(), Refusal> {
        let charged = self.charge().await;
        self.admission = None;
        let _ = tally::late(&mut self.visit, &self.live.store);
        charged
    }

    /// The upstream has answered: its answer is told to counters and rules, and awaited is that what was counted will
    /// not be forgotten. The upstream's time lasts until then: its answer may have ended before or go on, and the wait
    /// counts once.
    ///
    /// # Errors
    /// When a delivery was taken that cannot be remembered.
    pub(super) async fn answered(&mut self, head: &Parts, answer: &ResponseHeader) -> Result<()> {
        let status = answer.status.as_u16();
        let charged = self.admission.as_mut().and_then(|admission| admission.durable.take());
        let learnt = tally::learn(&self.visit, status, &self.live.store);
        let counted = decide::reply(&mut self.visit, head, status, &answer.headers, &self.live.store);
        // Whatever was counted before the last of them is on the disk with it.
        if let Some(ticket) = counted.or(learnt).or(charged) {
            // Late is better than never: what is not on the disk by then is written all the same.
            let _ = tokio::time::timeout(KEPT_WITHIN, ticket.kept()).await;
            self.upstream_ended = Some(Instant::now());
        }
        if !answer.status.is_success() {
            self.release().await;
        }
        if let Some(reservation) = self.reservation.take() {
            let committed = reservation.commit().await;
            self.upstream_ended = Some(Instant::now());
            if committed.is_err() {
                self.unremembered = true;
                return Error::e_explain(ErrorType::InternalError, "the delivery could not be remembered");
            }
        }
        Ok(())
    }

    /// Gives back the right to forward a delivery that was not taken, before its sender hears of that: it may come again
    /// at once.
    pub(super) async fn release(&mut self) {
        if let Some(reservation) = self.reservation.take() {
            reservation.release().await;
        }
    }

    pub(super) async fn refuse(&mut self, session: &mut Session, refusal: Refusal) -> Result<()> {
        let answer = refuse::refusal(&self.visit, &refusal, session.req_header());
        (self.visit.refusal, self.visit.observed) = (Some(refusal), false);
        answer::write(session, answer).await
    }

    pub(super) fn finish(&mut self, session: &Session, log: &AccessLog) {
        let total = self.visit.began.elapsed();
        // A tunnel's time is the peers' until it ends.
        let ended = self.upstream_ended.filter(|_| !self.visit.upgrade).unwrap_or_else(Instant::now);
        let upstream = self.upstream_began.map(|began| ended - began);
        let status = session.response_written().map(|answer| answer.status.as_u16());
        let passage = log::Passage {
            protocol: Some(if session.is_http2() { "HTTP/2.0" } else { "HTTP/1.1" }),
            tls: self.connection.tls().map(|facts| facts.version),
            status,
            bytes_in: u64::try_from(session.body_bytes_read()).unwrap_or_default(),
            bytes_out: u64::try_from(session.body_bytes_sent()).unwrap_or_default(),
            asked: self.upstream_began.is_some(),
            upstream_status: self.upstream_status,
            theirs: upstream
                .map(|upstream| upstream + self.waited)
                .or(Some(self.waited).filter(|waited| !waited.is_zero())),
            total,
        };
        let ours = total.saturating_sub(passage.theirs.unwrap_or_default());
        let metrics = self.metrics();
        let method = &session.req_header().method;
        metrics.record(method, status.unwrap_or_default(), log::decision(&self.visit), total, ours);
        if let Some(refusal) = &self.visit.refusal {
            metrics.refuse(refusal.code);
        }
        if let (Some(outcome), Some(route)) = (self.visit.outcome, self.visit.route()) {
            self.live.webhook(&route.name, outcome).increment(1);
        }
        if let Some(status) = self.upstream_status {
            self.count(Outcome::of_status(status));
        }
        log.write(log::line(&self.visit, session.req_header(), &passage));
    }
}
