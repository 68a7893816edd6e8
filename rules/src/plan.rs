//! A route's policies, compiled, in order.

use std::sync::Arc;

use http::HeaderMap;

use crate::content::{self, Content};
use crate::credential::Credential;
use crate::limit::{self, Limit, Limits, Need};
use crate::policies::body;
use crate::policies::identity::IdentityRef;
use crate::policy::{
    Accepted, BodyGate, Gates, HeadGate, IdentityDef, Policy as _, ReplyFields, ReplyGate, Speaker, Standing,
    Verdict,
};
use crate::problem::Place;
use crate::verdict::Refusal;
use crate::view::View;

/// Bytes of a body where the configuration says nothing.
pub const BODY_MAX_DEFAULT: u64 = 10 * 1024 * 1024;

/// The gates of one route in the order in which a request meets them.
pub struct Plan {
    gates: Gates,
}

impl Plan {
    pub(crate) fn new(gates: Gates) -> Self {
        Self { gates }
    }

    /// The largest body that the route accepts, in bytes.
    pub fn body_max(&self) -> u64 {
        self.gates.body_max.unwrap_or(BODY_MAX_DEFAULT)
    }

    /// Whether a gate has to see this request's whole body before the upstream is touched.
    pub fn needs_body(&self, view: &View<'_>) -> bool {
        // A packed body has to be unpacked to know its size.
        let packed =
            !self.gates.encodings.is_empty() && view.has_body && content::coding(view.headers) != Ok(None);
        packed
            || self.gates.limits.wait_for(Need::Body)
            || self.gates.body.iter().any(|standing| standing.gate.needs(view))
    }

    /// What is counted, and how much of it may be.
    pub fn limits(&self) -> &Limits {
        &self.gates.limits
    }

    /// The credential that decides who calls, with the identity that it is for: the first to which the request
    /// shows one. None on a public route.
    ///
    /// # Errors
    /// When the request shows none, or one that is no credential at all.
    pub fn presented<'v>(
        &self,
        view: &View<'v>,
    ) -> Result<Option<(&Arc<IdentityDef>, Credential<'v>)>, Refusal> {
        for accepted in &self.gates.identities {
            if let Some(credential) = accepted.def.gate.presented(view)? {
                return Ok(Some((&accepted.def, credential)));
            }
        }
        match self.gates.identities.first() {
            Some(accepted) => Err(accepted.def.gate.missing()),
            None => Ok(None),
        }
    }

    /// Whether the route answers preflights.
    pub fn takes_preflights(&self) -> bool {
        self.gates.preflight.is_some()
    }

    /// The fields of the answer to a preflight; none where the route does not answer them.
    ///
    /// # Errors
    /// The refusal of what is not allowed.
    pub fn preflight(&self, view: &View<'_>) -> Result<Option<HeaderMap>, Refusal> {
        self.gates.preflight.as_ref().map(|standing| standing.gate.preflight(view)).transpose()
    }

    /// Edits an answer's header fields, gate by gate.
    pub fn reply(&self, view: &View<'_>, speaker: Speaker, fields: &mut dyn ReplyFields) {
        for standing in &self.gates.reply {
            standing.gate.edit(view, speaker, fields);
        }
    }

    /// Asks the gates that need no body, in order. `heard` learns every gate's verdict and says what becomes of a
    /// refusal: at `true` the next gate is asked all the same.
    pub fn judge_head(&self, view: &View<'_>, heard: impl FnMut(&'static str, &Verdict) -> bool) -> Verdict {
        ask(self.gates.head.iter().map(|standing| (standing.policy, standing.gate.judge(view))), heard)
    }

    /// Asks the gates that need the whole body, in order, likewise.
    pub fn judge_body(
        &self,
        view: &View<'_>,
        content: &Content<'_>,
        heard: impl FnMut(&'static str, &Verdict) -> bool,
    ) -> Verdict {
        let judge = |standing: &Standing<dyn BodyGate>| (standing.policy, standing.gate.judge(view, content));
        ask(self.gates.body.iter().map(judge), heard)
    }

    /// A request's content as body gates see it.
    ///
    /// # Errors
    /// When it cannot be unpacked.
    pub fn open<'b>(&self, view: &View<'_>, body: &'b [u8]) -> Result<Content<'b>, Refusal> {
        body::open(view, body, &self.gates.encodings, self.body_max(), self.gates.json)
    }

    /// Walks the gates one by one for `portcullis explain`.
    pub fn steps(&self) -> impl Iterator<Item = Step<'_>> {
        let identity = self.gates.identities.iter().map(Step::Identity);
        let head = self.gates.head.iter().map(Step::Head);
        let places = self.gates.limit_places.iter();
        let limits = self.gates.limits.iter().zip(places).map(|(limit, place)| Step::Limit(limit, place));
        let body = self.gates.body.iter().map(Step::Body);
        let reply = self.gates.reply.iter().map(Step::Reply);
        identity.chain(head).chain(limits).chain(body).chain(reply)
    }
}

fn ask(
    verdicts: impl Iterator<Item = (&'static str, Verdict)>,
    mut heard: impl FnMut(&'static str, &Verdict) -> bool,
) -> Verdict {
    for (policy, verdict) in verdicts {
        let go_on = heard(policy, &verdict);
        if !go_on {
            verdict?;
        }
    }
    Ok(())
}

/// One gate of a plan, as `explain` shows it.
pub enum Step<'a> {
    /// Says who calls.
    Identity(&'a Accepted),
    /// Judges the head.
    Head(&'a Standing<dyn HeadGate>),
    /// Counts.
    Limit(&'a Arc<Limit>, &'a Place),
    /// Judges the body.
    Body(&'a Standing<dyn BodyGate>),
    /// Edits the answer.
    Reply(&'a Standing<dyn ReplyGate>),
}

impl Step<'_> {
    /// The policy's key.
    pub fn policy(&self) -> &'static str {
        match self {
            Self::Identity(_) => IdentityRef::KEY,
            Self::Head(standing) => standing.policy,
            Self::Limit(..) => limit::GATE,
            Self::Body(standing) => standing.policy,
            Self::Reply(standing) => standing.policy,
        }
    }

    /// The configuration that made the gate.
    pub fn place(&self) -> &Place {
        match self {
            Self::Identity(accepted) => &accepted.place,
            Self::Head(standing) => &standing.place,
            Self::Limit(_, place) => place,
            Self::Body(standing) => &standing.place,
            Self::Reply(standing) => &standing.place,
        }
    }
}
