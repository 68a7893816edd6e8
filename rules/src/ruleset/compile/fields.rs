//! Which header fields rules may touch.

use http::HeaderName;

use crate::forwarding;
use crate::problem::{Place, Problem};

/// What frames a message, or says what its body is: gates have judged it by this.
const FRAMING: &[&str] = &[
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "http2-settings",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];
/// What the gateway says to the upstream itself.
const OWN: &[&str] = &["x-request-id", "traceparent", "tracestate"];
/// What other keys of the configuration say in answers.
const ELSEWHERE: &[(&str, &str)] = &[
    ("strict-transport-security", "say it with `listen.https.hsts`"),
    ("access-control-", "say it with `cors`"),
    ("x-request-id", "the gateway sets it"),
    ("ratelimit", "say it with `limits` and `announce`"),
];

fn name(text: &str, at: &Place) -> Result<HeaderName, Problem> {
    let name = text.parse::<HeaderName>().ok().filter(|_| !text.contains('_'));
    name.ok_or_else(|| {
        at.problem(format!("`{text}` is not a header name")).remedy("use letters, digits and `-`")
    })
}

/// Why a rule cannot set this field of a request, if it cannot.
pub(super) fn settable(text: &str, owned: &[HeaderName], at: &Place) -> Option<Problem> {
    let name = match name(text, at) {
        Ok(name) => name,
        Err(problem) => return Some(problem),
    };
    let ours = owned.contains(&name)
        || forwarding::is_removed(&name)
        || OWN.contains(&name.as_str())
        || name.as_str().starts_with("proxy-");
    if ours {
        let problem = at.problem(format!("`{name}` is what the gateway itself tells the upstream"));
        return Some(problem.remedy("use a field of your own"));
    }
    framed(&name, at)
}

/// Why a rule cannot remove this field of a request, if it cannot.
pub(super) fn removable(text: &str, at: &Place) -> Option<Problem> {
    match name(text, at) {
        Ok(name) => framed(&name, at),
        Err(problem) => Some(problem),
    }
}

/// Why a rule cannot touch this field of an answer, if it cannot.
pub(super) fn answerable(text: &str, at: &Place) -> Option<Problem> {
    let name = match name(text, at) {
        Ok(name) => name,
        Err(problem) => return Some(problem),
    };
    let elsewhere = ELSEWHERE.iter().find(|(start, _)| name.as_str().starts_with(start));
    if let Some((_, remedy)) = elsewhere {
        return Some(at.problem(format!("`{name}` has a key of its own")).remedy(*remedy));
    }
    // What an answer's body is, no gate has judged.
    if name == http::header::CONTENT_TYPE { None } else { framed(&name, at) }
}

fn framed(name: &HeaderName, at: &Place) -> Option<Problem> {
    FRAMING.contains(&name.as_str()).then(|| {
        at.problem(format!("`{name}` frames the message, and gates have judged it by this"))
            .remedy("leave it to the client and the upstream")
    })
}
