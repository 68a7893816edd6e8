//! Third, to begin with: who calls? The pure gates answer; what they need beyond the request is fetched in between.

use std::sync::Arc;

use http::request::Parts;
use rules::credential::{Doubt, Evidence, LoginAnswer, Question, Via};
use rules::verdict::{Code, Refusal};
use rules::view::Caller;

use crate::identity::Identity;
use crate::visit::Visit;

/// The gate's name in logs.
const GATE: &str = "identity";

/// How far it has come.
#[derive(Debug)]
pub enum Identified {
    /// The caller is known, or the route is public.
    Done,
    /// Something has to be found out first.
    Wants(Want),
}

/// What has to be found out, by the identity with this index.
#[derive(Debug)]
pub enum Want {
    /// Fresher keys, since none has the name that the token asks for.
    Keys(usize),
    /// The login service's answer.
    Answer(usize, Question),
}

/// What was found out for this request.
#[derive(Debug, Default)]
pub struct Got {
    /// Whether fresher keys were asked for: it is done once a request.
    pub asked_for_keys: bool,
    /// The login service's answer.
    pub answer: Option<LoginAnswer>,
}

/// Asks the route's identities, as far as that is possible with what is known.
pub(super) fn identify(visit: &mut Visit, head: &Parts, got: &Got) -> Result<Identified, Refusal> {
    // A visit that came with a caller was judged offline, for somebody assumed.
    if visit.caller.is_some() {
        return Ok(Identified::Done);
    }
    match find(visit, head, got)? {
        Found::Nobody => Ok(Identified::Done),
        Found::Caller(caller, via) => {
            (visit.caller, visit.via) = (Some(caller), Some(via));
            Ok(Identified::Done)
        }
        Found::Wants(want) => Ok(Identified::Wants(want)),
    }
}

enum Found {
    Nobody,
    Caller(Arc<Caller>, Via),
    Wants(Want),
}

fn find(visit: &Visit, head: &Parts, got: &Got) -> Result<Found, Refusal> {
    let lost = |why: &'static str| Refusal::new(Code::Internal, GATE, why);
    let route = visit.route().ok_or_else(|| lost("the request has no route"))?;
    let view = visit.view(head);
    let Some((def, credential)) = route.plan.presented(&view)? else { return Ok(Found::Nobody) };
    let identity =
        visit.snapshot.identities.get(def.index).ok_or_else(|| lost("the identity is not known"))?;
    if let Some(caller) = identity.recall(&credential.text, view.now()) {
        return Ok(Found::Caller(caller, credential.via));
    }
    if let Some(refusal) = identity.refused(&credential.text, view.now()) {
        return Err(refusal);
    }
    let held = identity.held(view.now());
    let evidence = Evidence { keys: held.as_ref().map(|held| &*held.keys), answer: got.answer.as_ref() };
    match def.gate.verify(&view, &credential, evidence) {
        Ok(vouched) => {
            let caller = Arc::clone(&vouched.caller);
            identity.remember(&credential.text, vouched, held.as_deref());
            Ok(Found::Caller(caller, credential.via))
        }
        Err(Doubt::UnknownKey(_)) if !got.asked_for_keys && def.keys.is_some() => {
            Ok(Found::Wants(Want::Keys(def.index)))
        }
        Err(Doubt::Final(never)) => {
            let refusal = never.refusal.clone();
            identity.refuse(&credential.text, *never, held.as_deref());
            Err(refusal)
        }
        Err(Doubt::Ask(_)) if got.answer.is_some() => Err(lost("the login service's answer was not used")),
        Err(Doubt::Ask(question)) => Ok(Found::Wants(Want::Answer(def.index, question))),
        Err(Doubt::Refused(refusal) | Doubt::UnknownKey(refusal)) => Err(refusal),
    }
}

/// Asks the route's identities where nothing more can be found out than the request says.
///
/// # Errors
/// The refusal of whoever is not known.
pub fn offline(visit: &mut Visit, head: &Parts) -> Result<(), Refusal> {
    match identify(visit, head, &Got::default())? {
        Identified::Done => Ok(()),
        Identified::Wants(want) => Err(unanswered(&want)),
    }
}

/// What to refuse with where nothing more can be found out: offline.
pub(crate) fn unanswered(want: &Want) -> Refusal {
    match want {
        Want::Keys(_) => Refusal::new(Code::TokenInvalid, GATE, "no key has the token's `kid`"),
        Want::Answer(..) => {
            Refusal::new(Code::KeysUnavailable, GATE, "the login service is not asked offline")
        }
    }
}

/// Finds out what is wanted.
pub(super) async fn supply(identities: &[Identity], want: Want, got: &mut Got) -> Result<(), Refusal> {
    match want {
        Want::Keys(index) => {
            got.asked_for_keys = true;
            if let Some(ring) = identities.get(index).and_then(Identity::ring) {
                ring.refetch().await;
            }
            Ok(())
        }
        Want::Answer(index, question) => {
            let identity = identities.get(index);
            let identity =
                identity.ok_or_else(|| Refusal::new(Code::Internal, GATE, "the identity is not known"))?;
            got.answer = Some(identity.ask(question).await?);
            Ok(())
        }
    }
}
