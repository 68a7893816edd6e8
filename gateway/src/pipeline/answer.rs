//! Writes the gateway's own answers to the wire.

use std::time::Duration;

use pingora::Result;
use pingora::http::ResponseHeader;
use pingora::proxy::Session;

use super::refuse::Answer;
use crate::mends::held_body::{self, BodyLimits};

/// What of a refused request's body is read for the client's sake: closing with bytes unread would reset the
/// connection, and a client that writes to the end before it reads would never see the answer. More than a body may
/// have by default, since many a one is just over its limit; a client that pauses is not waited for.
const LINGER: BodyLimits =
    BodyLimits { max: 16 * 1024 * 1024, per_read: Duration::from_secs(1), total: Duration::from_secs(5) };

/// Writes the whole answer. The connection is kept only if no request body is left on it.
pub(super) async fn write(session: &mut Session, answer: Answer) -> Result<()> {
    let mut head = http::Response::new(()).into_parts().0;
    (head.status, head.headers) = (answer.status, answer.fields);
    let head = ResponseHeader::from(head);
    let unread = !session.as_mut().is_body_done();
    if unread {
        session.set_keepalive(None);
    }
    // HEAD gets the length and not the body (RFC 9110, section 9.3.2).
    let bodiless = answer.body.is_empty() || session.req_header().method == http::Method::HEAD;
    session.write_response_header(Box::new(head), bodiless).await?;
    if !bodiless {
        session.write_response_body(Some(answer.body), true).await?;
    }
    if unread {
        held_body::linger(session, LINGER).await;
    }
    Ok(())
}
