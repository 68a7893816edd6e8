//! Request bodies: held whole where a gate needs it, counted where they stream.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use pingora::proxy::Session;
use pingora::{Error, ErrorType, Result};
use rules::policies::body::too_large;
use rules::verdict::{Code, Refusal};

use super::way::Way;
use super::{Passing, enforce};
use crate::mends::early_101;
use crate::mends::held_body::{self, BodyBudget, BodyFault, BodyLimits};

/// A body without a declared length is held up to this size, so that one that grows too large is refused
/// before the upstream sees any of it.
const HELD_WITHOUT_LENGTH: u64 = 1024 * 1024;

/// How many pauses of `body_timeout` a held body may take as a whole: memory is held all the while.
const PAUSES: u32 = 4;

/// Holds the body if a gate needs it, asks those gates, and counts the request. Must come last: afterwards the session
/// is lent.
pub(super) async fn hold(
    session: &mut Session,
    passing: &mut Passing,
    budget: &Arc<BodyBudget>,
) -> std::result::Result<Way, Refusal> {
    let Some(route) = passing.visit.route() else { return Err(internal("the request has no route")) };
    let max = route.plan.body_max();
    let needed = enforce::needs_body(&passing.visit, session.req_header());
    if passing.visit.upgrade {
        if !session.as_mut().is_body_empty() {
            return Err(Refusal::new(Code::BadRequest, "body", "an upgrade cannot have a body"));
        }
        if needed {
            let Passing { visit, live, .. } = &mut *passing;
            let way = enforce::body(visit, session.req_header(), &[], &live.store, &mut live.laps())?;
            if !matches!(way, Way::On) {
                return Ok(way);
            }
            let Passing { visit, live, .. } = &mut *passing;
            enforce::late_limits(visit, session.req_header(), &[], &live.store, &mut live.laps())?;
        }
        passing.charge().await?;
        let guarded = early_101::guard(session).map_err(|_| internal("the session is lent already"))?;
        passing.loan = guarded;
        return Ok(Way::On);
    }
    let lengthless =
        !session.as_mut().is_body_empty() && !session.req_header().headers.contains_key(CONTENT_LENGTH);
    if !needed && (!lengthless || max > HELD_WITHOUT_LENGTH) {
        over(passing, session, max)?;
        passing.charge().await?;
        return Ok(Way::On);
    }
    budget.set_ceiling(passing.live.snapshot.site.buffered_bytes);
    let pause = passing.visit.snapshot.site.body_timeout;
    let limits = BodyLimits {
        max: usize::try_from(max).unwrap_or(usize::MAX),
        per_read: pause,
        total: pause.saturating_mul(PAUSES),
    };
    let began = Instant::now();
    let body = held_body::read_whole(session, budget, limits).await.map_err(|fault| refusal(fault, max));
    passing.waited += began.elapsed();
    let body = body?;
    if needed {
        let Passing { visit, live, .. } = &mut *passing;
        let way = enforce::body(visit, session.req_header(), body.bytes(), &live.store, &mut live.laps())?;
        if !matches!(way, Way::On) {
            return Ok(way);
        }
        let way = passing.prove(session.req_header(), body.bytes()).await?;
        if !matches!(way, Way::On) {
            return Ok(way);
        }
        let Passing { visit, live, .. } = &mut *passing;
        enforce::late_limits(visit, session.req_header(), body.bytes(), &live.store, &mut live.laps())?;
    }
    passing.charge().await?;
    if !body.bytes().is_empty() {
        let loan = held_body::hold(session, body).map_err(|_| internal("the session is lent already"))?;
        passing.loan = Some(loan);
    }
    Ok(Way::On)
}

/// A declared length over the default where the route names no limit of its own.
fn over(passing: &Passing, session: &Session, max: u64) -> std::result::Result<(), Refusal> {
    let declared = session
        .req_header()
        .headers
        .get(CONTENT_LENGTH)
        .and_then(|field| field.to_str().ok()?.parse::<u64>().ok());
    let observing = passing.visit.observes();
    match declared {
        Some(length) if length > max && !observing => Err(too_large(max, Some(length))),
        _ => Ok(()),
    }
}

/// Counts a body that streams; over the route's limit the request ends, and with it the upstream's copy.
pub(super) fn count(passing: &mut Passing, body: Option<&Bytes>) -> Result<()> {
    if passing.visit.upgrade {
        return Ok(());
    }
    let seen = body.map_or(0, |bytes| u64::try_from(bytes.len()).unwrap_or(u64::MAX));
    passing.body_seen = passing.body_seen.saturating_add(seen);
    let max = passing.visit.route().map_or(0, |route| route.plan.body_max());
    if passing.loan.is_none() && passing.body_seen > max {
        return Err(
            Error::explain(ErrorType::HTTPStatus(413), "the body grew over the route's limit").into_down()
        );
    }
    Ok(())
}

fn refusal(fault: BodyFault, max: u64) -> Refusal {
    match fault {
        BodyFault::TooLarge => too_large(max, None),
        BodyFault::TooSlow => {
            Refusal::new(Code::RequestTimeout, "body", "the body did not arrive within `body_timeout`")
        }
        BodyFault::Broken => {
            Refusal::new(Code::BadRequest, "body", "the body broke off or is not framed soundly")
        }
        BodyFault::NoRoom => Refusal::new(Code::Overloaded, "body", "the memory for held bodies is used up"),
    }
}

fn internal(why: &'static str) -> Refusal {
    Refusal::new(Code::Internal, "body", why)
}
