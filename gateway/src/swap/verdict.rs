//! What an answer shows.

use std::fmt;

use http::header::{CONTENT_TYPE, LOCATION};
use http::{Method, StatusCode, Uri};
use rules::verdict::Code;
use serde_json::Value;

use crate::fetch::{FetchError, Fetched};

/// What a try shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The honest request was let in.
    Admitted,
    /// The honest request was refused.
    Refused,
    /// The other's tenant was refused, because it is the other's.
    Held,
    /// The other's tenant was reached.
    Leak,
    /// It was refused for another reason, which shows nothing about tenants.
    Unproved,
    /// There was no answer.
    Unreachable,
}

impl Verdict {
    /// The name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Admitted => "admitted",
            Self::Refused => "refused",
            Self::Held => "held",
            Self::Leak => "LEAK",
            Self::Unproved => "not proved",
            Self::Unreachable => "unreachable",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Who answered, and what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The gateway refused. To HEAD it does not say why.
    Refusal(StatusCode, Option<Code>),
    /// The same address with another scheme or host: a listener that only redirects.
    Elsewhere(StatusCode, String),
    /// Anything else, which is not the gateway's.
    Other(StatusCode),
    /// Nobody.
    Silence(String),
}

impl Reply {
    /// Reads what came back for a request to `asked`.
    pub fn read(method: &Method, asked: &Uri, fetched: Result<Fetched, FetchError>) -> Self {
        let fetched = match fetched {
            Ok(fetched) => fetched,
            Err(error) => return Self::Silence(error.to_string()),
        };
        let status = fetched.status;
        let field = |name| fetched.fields.get(name).and_then(|field| field.to_str().ok()).unwrap_or_default();
        if status.is_redirection()
            && let Ok(to) = field(LOCATION).parse::<Uri>()
            && let (Some(scheme), Some(authority)) = (to.scheme_str(), to.authority())
            && to.path_and_query() == asked.path_and_query()
            && (Some(scheme), Some(authority)) != (asked.scheme_str(), asked.authority())
        {
            return Self::Elsewhere(status, format!("{scheme}://{authority}"));
        }
        if !field(CONTENT_TYPE).starts_with("application/problem+json") {
            return Self::Other(status);
        }
        if method == Method::HEAD {
            let is_own = fetched.fields.contains_key("x-request-id")
                && Code::ALL.iter().any(|code| code.status() == status);
            return if is_own { Self::Refusal(status, None) } else { Self::Other(status) };
        }
        let problem: Value = serde_json::from_slice(&fetched.body).unwrap_or_default();
        let text = |name| problem.get(name).and_then(Value::as_str).unwrap_or_default();
        let code = Code::ALL.iter().find(|code| code.name() == text("code") && code.status() == status);
        match code {
            Some(code) if !text("request_id").is_empty() => Self::Refusal(status, Some(*code)),
            _ => Self::Other(status),
        }
    }

    /// The status, if there was an answer.
    pub fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Refusal(status, _) | Self::Elsewhere(status, _) | Self::Other(status) => Some(*status),
            Self::Silence(_) => None,
        }
    }

    /// The gateway's code, if it said one.
    pub fn code(&self) -> Option<Code> {
        match self {
            Self::Refusal(_, code) => *code,
            _ => None,
        }
    }

    /// Whether the gateway passed the request on and got no answer for it.
    fn passed_on(&self) -> bool {
        match self {
            Self::Refusal(_, Some(code)) => {
                matches!(code, Code::UpstreamUnreachable | Code::UpstreamTimeout | Code::NoHealthyUpstream)
            }
            Self::Refusal(status, None) => {
                matches!(*status, StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT)
            }
            _ => false,
        }
    }

    /// Whether it says that the tenant is not the token's; to HEAD it says no more than 403.
    fn is_mismatch(&self) -> bool {
        match self {
            Self::Refusal(_, Some(code)) => *code == Code::TenantMismatch,
            Self::Refusal(status, None) => *status == Code::TenantMismatch.status(),
            _ => false,
        }
    }
}

/// What the answer to an honest request shows, and a sentence where it is not plain.
pub fn honest(reply: &Reply) -> (Verdict, Option<String>) {
    match reply {
        Reply::Silence(why) => (Verdict::Unreachable, Some(why.clone())),
        Reply::Elsewhere(_, to) => (Verdict::Refused, Some(elsewhere(to))),
        Reply::Other(_) => (Verdict::Admitted, None),
        Reply::Refusal(..) if reply.passed_on() => (Verdict::Admitted, None),
        Reply::Refusal(status, _) => (Verdict::Refused, token_refused(*status)),
    }
}

/// What the answer to a request for the other's tenant shows, beside the honest one's.
pub fn swapped(reply: &Reply, honest: &Reply) -> (Verdict, Option<String>) {
    match reply {
        Reply::Silence(why) => (Verdict::Unreachable, Some(why.clone())),
        Reply::Elsewhere(_, to) => (Verdict::Unproved, Some(elsewhere(to))),
        Reply::Other(_) => (Verdict::Leak, Some("the answer is not a refusal of the gateway".to_owned())),
        Reply::Refusal(..) if reply.passed_on() => {
            (Verdict::Leak, Some("the gateway passed it on, and no answer came back".to_owned()))
        }
        Reply::Refusal(..) if reply.is_mismatch() && honest.is_mismatch() => {
            (Verdict::Unproved, Some("the token's own tenant is refused too".to_owned()))
        }
        Reply::Refusal(..) if reply.is_mismatch() => (Verdict::Held, None),
        Reply::Refusal(status, _) => {
            let why = token_refused(*status);
            (Verdict::Unproved, why.or(Some("another gate refused it first".to_owned())))
        }
    }
}

fn token_refused(status: StatusCode) -> Option<String> {
    (status == StatusCode::UNAUTHORIZED).then(|| "the token itself is refused".to_owned())
}

fn elsewhere(to: &str) -> String {
    // The address comes from outside, and goes to a terminal.
    let to: String = to.chars().filter(char::is_ascii_graphic).take(200).collect();
    format!("it only redirects: try `--base-url {to}`")
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::HeaderMap;
    use serde_json::json;

    use super::*;

    fn answer(status: u16, fields: &[(&str, &str)], body: &str) -> Fetched {
        let mut map = HeaderMap::new();
        for (name, value) in fields {
            map.insert(name.parse::<http::HeaderName>().unwrap(), value.parse().unwrap());
        }
        let status = StatusCode::from_u16(status).unwrap();
        Fetched { status, fields: map, body: Bytes::copy_from_slice(body.as_bytes()) }
    }

    fn refusal(code: Code) -> Fetched {
        let body = json!({ "code": code.name(), "request_id": "1" }).to_string();
        answer(
            code.status().as_u16(),
            &[("content-type", "application/problem+json"), ("x-request-id", "1")],
            &body,
        )
    }

    fn read(method: &Method, fetched: Fetched) -> Reply {
        Reply::read(method, &"https://h/v1/x?y=1".parse().unwrap(), Ok(fetched))
    }

    fn judged(swap: Fetched, own: Fetched) -> Verdict {
        swapped(&read(&Method::GET, swap), &read(&Method::GET, own)).0
    }

    #[test]
    fn only_a_mismatch_holds() {
        let ok = || answer(200, &[], "");
        for code in Code::ALL {
            let verdict = match code {
                Code::TenantMismatch => Verdict::Held,
                Code::UpstreamUnreachable | Code::UpstreamTimeout | Code::NoHealthyUpstream => Verdict::Leak,
                _ => Verdict::Unproved,
            };
            assert_eq!(judged(refusal(*code), ok()), verdict, "{code}");
        }
        assert_eq!(judged(refusal(Code::TenantMismatch), refusal(Code::TenantMismatch)), Verdict::Unproved);
        assert_eq!(judged(refusal(Code::TenantMismatch), refusal(Code::RoleRequired)), Verdict::Held);
    }

    #[test]
    fn what_the_gateway_did_not_say_is_a_leak() {
        let own = || answer(200, &[], "");
        for status in [200, 201, 204, 206, 301, 302, 304, 400, 401, 403, 404, 409, 418, 500, 503] {
            assert_eq!(judged(answer(status, &[], ""), own()), Verdict::Leak, "{status}");
        }
        // The right words with the wrong status, as when an error page is put in front.
        let body = json!({ "code": "tenant_mismatch", "request_id": "1" }).to_string();
        let odd = |status| answer(status, &[("content-type", "application/problem+json")], &body);
        assert_eq!(judged(odd(200), own()), Verdict::Leak);
        assert_eq!(judged(odd(403), own()), Verdict::Held);
    }

    #[test]
    fn head_goes_by_what_it_has() {
        let head = |status, kind, id: &str| {
            let mut answer = answer(status, &[("content-type", kind)], "");
            if !id.is_empty() {
                answer.fields.insert("x-request-id", id.parse().unwrap());
            }
            read(&Method::HEAD, answer)
        };
        let problem = "application/problem+json";
        let (ok, mismatch) = (head(200, "text/html", ""), head(403, problem, "1"));
        assert_eq!(swapped(&mismatch, &ok).0, Verdict::Held);
        assert_eq!(swapped(&mismatch, &mismatch).0, Verdict::Unproved);
        assert_eq!(swapped(&head(403, "text/html", "1"), &ok).0, Verdict::Leak);
        assert_eq!(swapped(&head(403, problem, ""), &ok).0, Verdict::Leak);
        assert_eq!(swapped(&head(200, problem, "1"), &ok).0, Verdict::Leak);
        assert_eq!(swapped(&head(401, problem, "1"), &ok).0, Verdict::Unproved);
        assert_eq!(swapped(&head(502, problem, "1"), &ok).0, Verdict::Leak);
    }

    #[test]
    fn a_redirect_is_a_leak_unless_it_only_changes_the_listener() {
        let to = |location| read(&Method::GET, answer(308, &[("location", location)], ""));
        assert_eq!(
            to("https://h:8443/v1/x?y=1"),
            Reply::Elsewhere(StatusCode::PERMANENT_REDIRECT, "https://h:8443".to_owned())
        );
        for location in
            ["https://h/v1/x?y=1", "https://h:8443/login", "/v1/x?y=1", "https://h:8443/v1/x", "\\", ""]
        {
            assert!(matches!(to(location), Reply::Other(_)), "{location}");
        }
    }

    #[test]
    fn an_honest_request_shows_whether_the_token_works() {
        let verdict = |fetched| honest(&read(&Method::GET, fetched));
        for status in [200, 204, 302, 404, 500] {
            assert_eq!(verdict(answer(status, &[], "")), (Verdict::Admitted, None));
        }
        assert_eq!(verdict(refusal(Code::UpstreamUnreachable)).0, Verdict::Admitted);
        assert_eq!(verdict(refusal(Code::RoleRequired)).0, Verdict::Refused);
        let (verdict, why) = verdict(refusal(Code::TokenExpired));
        assert_eq!((verdict, why.as_deref()), (Verdict::Refused, Some("the token itself is refused")));
    }
}
