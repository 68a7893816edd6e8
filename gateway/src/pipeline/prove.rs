//! Webhooks: a signature stands in for an identity, and what was accepted once is not accepted again.

use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use rules::verdict::{Code, Refusal};
use rules::webhook::{Delivery, Fetched, Greeting, Outcome, Reason, Refused, Verified, Want};

use super::enforce::weigh;
use super::way::Way;
use crate::config::raw::OnDuplicate;
use crate::replays::{ReplayError, ReplayKey, Reservation, Reserved};
use crate::visit::{Proven, Visit};

/// The gate's name in logs.
pub const GATE: &str = "webhook";

/// How far a delivery has come.
pub enum Proved {
    /// The route is no webhook, or only observes.
    Not,
    /// It comes from who says so.
    Yes(Verified),
    /// It is no delivery but sets the webhook up.
    Greets(Greeting),
    /// Something has to be fetched first.
    Wants(Want),
}

/// Judges a delivery by its bytes as they came.
///
/// # Errors
/// The refusal, unless the route only observes.
pub fn prove(
    visit: &mut Visit,
    head: &Parts,
    body: &[u8],
    fetched: Option<&Fetched>,
) -> Result<Proved, Refusal> {
    let Some(webhook) = visit.route().and_then(|route| route.webhook.clone()) else { return Ok(Proved::Not) };
    let target = head.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    let delivery = Delivery {
        method: &head.method,
        scheme: if visit.secure { "https" } else { "http" },
        authority: visit.authority(head),
        target,
        headers: &head.headers,
        body,
        now_ms: visit.now_ms,
    };
    match webhook.scheme.verify(&webhook.keys, &webhook.terms, &delivery, fetched) {
        Outcome::Verified(verified) => {
            let key = verified.key.and_then(|key| webhook.keys.name(key)).map(str::to_owned);
            visit.proven = Some(Proven { webhook, event: verified.event.clone(), key });
            Ok(Proved::Yes(verified))
        }
        Outcome::Handshake(greeting) => {
            visit.outcome = Some("handshake");
            Ok(Proved::Greets(greeting))
        }
        Outcome::Wants(want) => Ok(Proved::Wants(want)),
        Outcome::Refused(refused) => refuse(visit, &refused).map(|()| Proved::Not),
    }
}

fn refuse(visit: &mut Visit, refused: &Refused) -> Result<(), Refusal> {
    visit.outcome = Some(refused.reason.name());
    let code = match refused.reason {
        Reason::Missing => Code::SignatureMissing,
        Reason::Malformed | Reason::Ambiguous | Reason::Oversized | Reason::Unmet => Code::SignatureMalformed,
        Reason::UnknownKey | Reason::RetiredKey | Reason::Mismatch => Code::SignatureInvalid,
        Reason::TooOld | Reason::TooNew => Code::SignatureExpired,
    };
    let private = format!("{}: {}", refused.reason.name(), refused.private);
    weigh(visit, Refusal::new(code, GATE, private))
}

/// The refusal where something that a delivery needs cannot be had.
///
/// # Errors
/// Always, unless the route only observes.
pub fn unavailable(visit: &mut Visit, want: &Want) -> Result<(), Refusal> {
    visit.outcome = Some("keys_unavailable");
    let private = format!("what the delivery names cannot be had: {}", want.url());
    weigh(visit, Refusal::new(Code::KeysUnavailable, GATE, private))
}

/// What a greeting leads to.
pub fn greet(greeting: Greeting) -> Way {
    match greeting {
        Greeting::Forward => Way::On,
        Greeting::Answer(answer) => {
            let mut fields: HeaderMap = answer.headers.into_iter().collect();
            fields.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
            Way::Own { status: answer.status, fields, body: Bytes::from(answer.body), code: None }
        }
    }
}

/// What a delivery is known by, as the store takes it.
pub fn keys(verified: &Verified) -> (Vec<ReplayKey>, u64) {
    let keys = verified.replay.iter().map(|key| ReplayKey(key.0)).collect();
    (keys, u64::try_from(verified.ttl.as_millis()).unwrap_or(u64::MAX))
}

/// What came of asking the store: where the delivery goes on, and what has to be kept until it has.
///
/// # Errors
/// When it came before and the webhook says so, is in progress, or nobody can tell.
pub fn reserved(
    visit: &mut Visit,
    answer: Result<Reserved, ReplayError>,
) -> Result<(Way, Option<Reservation>), Refusal> {
    let conflict =
        visit.proven.as_ref().is_some_and(|proven| proven.webhook.on_duplicate == OnDuplicate::Conflict);
    let duplicate = |why: &'static str| {
        let name = HeaderName::from_static("portcullis-webhook");
        Refusal::new(Code::WebhookDuplicate, GATE, why).with(name, HeaderValue::from_static("duplicate"))
    };
    match answer {
        Ok(Reserved::Fresh(reservation)) => {
            visit.outcome = Some("verified");
            Ok((Way::On, Some(reservation)))
        }
        Ok(Reserved::Seen) => {
            visit.outcome = Some("duplicate");
            let refusal = duplicate("the delivery was accepted before");
            if conflict || visit.observes() {
                return weigh(visit, refusal).map(|()| (Way::On, None));
            }
            let fields = refusal.fields.into_iter().collect();
            let code = Some(Code::WebhookDuplicate);
            Ok((Way::Own { status: StatusCode::OK, fields, body: Bytes::new(), code }, None))
        }
        Ok(Reserved::InFlight) => {
            visit.outcome = Some("in_flight");
            weigh(visit, duplicate("the same delivery is in progress")).map(|()| (Way::On, None))
        }
        Err(error) => {
            visit.outcome = Some("unremembered");
            let why = match error {
                ReplayError::Full => "there is no room to remember another delivery",
                ReplayError::Unavailable => "what was accepted before cannot be looked up",
            };
            weigh(visit, Refusal::new(Code::Overloaded, GATE, why)).map(|()| (Way::On, None))
        }
    }
}

/// The refusal of a delivery that the upstream has taken and that could not be remembered: its sender must not think that
/// all is well.
pub fn unremembered() -> Refusal {
    Refusal::new(Code::Overloaded, GATE, "the delivery was taken and could not be remembered")
}

/// What the upstream is told of a verified delivery.
pub fn fields(proven: &Proven, now_ms: i64) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
    let at = rules::moment::Moment(now_ms.div_euclid(1000)).to_string();
    let told = [
        ("portcullis-webhook", Some(proven.webhook.name.to_string())),
        ("portcullis-webhook-event", proven.event.clone()),
        ("portcullis-webhook-verified-at", Some(at)),
    ];
    told.into_iter().filter_map(|(name, value)| {
        let value = HeaderValue::from_str(&value?).ok()?;
        Some((HeaderName::from_static(name), value))
    })
}

/// What an earlier fetch has left, shared.
pub type Had = Option<Arc<Fetched>>;
