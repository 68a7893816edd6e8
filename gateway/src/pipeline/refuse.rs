//! The only mouth that says no, and that says anything at all for the gateway itself.

use bytes::Bytes;
use http::header::{
    ACCEPT, CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION, RETRY_AFTER, WWW_AUTHENTICATE,
};
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use rules::policy::Speaker;
use rules::verdict::{Code, Refusal};

use super::inspect;
use crate::json;
use crate::visit::Visit;

/// An answer of the gateway's own.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// Its header fields, `Content-Length` included.
    pub fields: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

impl Answer {
    /// The answer as HTTP/1.1 bytes, for a connection that never got to speak HTTP.
    pub fn to_http1(&self) -> Bytes {
        let reason = self.status.canonical_reason().unwrap_or_default();
        let mut text = format!("HTTP/1.1 {} {reason}\r\n", self.status.as_u16()).into_bytes();
        for (name, value) in &self.fields {
            text.extend_from_slice(name.as_str().as_bytes());
            text.extend_from_slice(b": ");
            text.extend_from_slice(value.as_bytes());
            text.extend_from_slice(b"\r\n");
        }
        text.extend_from_slice(b"\r\n");
        text.extend_from_slice(&self.body);
        Bytes::from(text)
    }
}

/// The answer to a refused request.
pub fn refusal(visit: &Visit, refusal: &Refusal, head: &Parts) -> Answer {
    let mut answer = words(&visit.request_id, refusal, Some(&head.headers));
    inspect::fields(visit, head, Speaker::Gateway, &mut answer.fields);
    answer
}

/// The answer to a preflight (Fetch Standard, CORS protocol).
pub fn preflight(visit: &Visit, head: &Parts, mut fields: HeaderMap) -> Answer {
    inspect::fields(visit, head, Speaker::Gateway, &mut fields);
    Answer { status: StatusCode::NO_CONTENT, fields, body: Bytes::new() }
}

/// The answer to a request that is refused before there is a visit.
pub fn words(request_id: &str, refusal: &Refusal, request: Option<&HeaderMap>) -> Answer {
    let code = refusal.code;
    let own = refusal.words().and_then(|words| words.body.clone());
    let told = if request.is_some_and(is_navigation) {
        (HeaderValue::from_static("text/html; charset=utf-8"), page(request_id, refusal))
    } else {
        (HeaderValue::from_static("application/problem+json"), problem(request_id, refusal))
    };
    let is_page = own.is_none() && told.0.as_bytes().starts_with(b"text/html");
    let (body, kind) = own.unwrap_or((told.1, told.0));
    let mut fields = HeaderMap::new();
    fields.insert(CONTENT_TYPE, kind);
    fields.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    fields.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
    if is_page {
        let policy =
            HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'");
        fields.insert("content-security-policy", policy);
    }
    if let Some(challenge) = challenge(code) {
        fields.insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    }
    if code.status() == StatusCode::SERVICE_UNAVAILABLE {
        fields.insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    for (name, value) in &refusal.fields {
        fields.insert(name.clone(), value.clone());
    }
    if let Ok(id) = HeaderValue::from_str(request_id) {
        fields.insert("x-request-id", id);
    }
    finish(refusal.status(), fields, body)
}

/// An answer that a phase has made.
pub fn own(visit: &Visit, head: &Parts, status: StatusCode, mut fields: HeaderMap, body: Bytes) -> Answer {
    inspect::fields(visit, head, Speaker::Gateway, &mut fields);
    finish(status, fields, body)
}

/// A redirect (RFC 9110, section 15.4).
pub fn redirect(visit: &Visit, head: &Parts, status: StatusCode, location: &[u8]) -> Answer {
    let mut fields = HeaderMap::new();
    if let Ok(location) = HeaderValue::from_bytes(location) {
        fields.insert(LOCATION, location);
    }
    inspect::fields(visit, head, Speaker::Gateway, &mut fields);
    finish(status, fields, Bytes::new())
}

fn finish(status: StatusCode, mut fields: HeaderMap, body: Bytes) -> Answer {
    fields.insert(http::header::CONTENT_LENGTH, HeaderValue::from(body.len()));
    Answer { status, fields, body }
}

/// RFC 6750, section 3, and for API keys a scheme that nobody registered: RFC 9110 (section 15.5.2) wants a challenge
/// with every 401. No realm: it would tell of the configuration.
const fn challenge(code: Code) -> Option<&'static str> {
    match code {
        Code::TokenMissing => Some("Bearer"),
        Code::TokenInvalid => {
            Some("Bearer error=\"invalid_token\", error_description=\"the token is not valid\"")
        }
        Code::TokenExpired => {
            Some("Bearer error=\"invalid_token\", error_description=\"the token has expired\"")
        }
        // No registered scheme says so; an answer 401 must name one all the same (RFC 9110, section 15.5.2).
        Code::CertificateRequired => Some("Certificate"),
        Code::KeyInvalid => Some("ApiKey"),
        Code::SignatureMissing
        | Code::SignatureMalformed
        | Code::SignatureInvalid
        | Code::SignatureExpired => Some("Signature"),
        Code::ScopeRequired => Some("Bearer error=\"insufficient_scope\""),
        _ => None,
    }
}

/// RFC 9457. Written by hand, since it is what a flood is answered with: all of it is static but the request id and the
/// faults of a document.
fn problem(request_id: &str, refusal: &Refusal) -> Bytes {
    let Refusal { code, public, faults, .. } = refusal;
    let mut text = Vec::with_capacity(320);
    text.extend_from_slice(b"{\"type\":\"about:blank\",\"title\":");
    json::text(&mut text, code.title().as_bytes());
    text.extend_from_slice(b",\"status\":");
    json::number(&mut text, refusal.status().as_u16().into());
    text.extend_from_slice(b",\"code\":");
    json::text(&mut text, code.name().as_bytes());
    text.extend_from_slice(b",\"detail\":");
    json::text(&mut text, public.as_bytes());
    text.extend_from_slice(b",\"request_id\":");
    json::text(&mut text, request_id.as_bytes());
    if !faults.is_empty() {
        text.extend_from_slice(b",\"errors\":");
        text.extend_from_slice(serde_json::json!(faults).to_string().as_bytes());
    }
    text.push(b'}');
    Bytes::from(text)
}

/// Whether a person sits before it: a browser that goes to an address, and not a script that fetches one.
fn is_navigation(request: &HeaderMap) -> bool {
    let text = |name: HeaderName| request.get(name).and_then(|field| field.to_str().ok()).map(str::trim);
    match text(HeaderName::from_static("sec-fetch-mode")) {
        Some(mode) => mode.eq_ignore_ascii_case("navigate"),
        None => text(ACCEPT).is_some_and(|accept| accept.to_ascii_lowercase().starts_with("text/html")),
    }
}

/// The same facts as a small page. All of it is static but the request id, which is checked where it is read.
fn page(request_id: &str, refusal: &Refusal) -> Bytes {
    let (code, detail) = (refusal.code, refusal.public);
    let (status, title, name) = (refusal.status().as_u16(), code.title(), code.name());
    let style = "body{font:16px/1.5 system-ui,sans-serif;margin:12vh auto;max-width:34em;padding:0 1em;color:#222}\
                 h1{font-size:1.4em}code{color:#666;font-size:.85em}";
    Bytes::from(format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width\"><title>{status} {title}</title><style>{style}</style>\
         <h1>{status} · {title}</h1><p>{detail}</p><p><code>{name} · {}</code></p></html>\n",
        escaped(request_id)
    ))
}

fn escaped(text: &str) -> String {
    text.chars().filter(|c| c.is_ascii_alphanumeric() || "-_.=+/:".contains(*c)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_a_problem_that_says_the_same_as_its_page() {
        let mut html = HeaderMap::new();
        html.insert("sec-fetch-mode", HeaderValue::from_static("navigate"));
        for code in Code::ALL {
            let refusal = Refusal::new(*code, "test", "private words");
            let (problem, page) = (words("r-1", &refusal, None), words("r-1", &refusal, Some(&html)));
            let parsed: serde_json::Value = serde_json::from_slice(&problem.body).unwrap();
            assert_eq!(parsed["code"], code.name());
            assert_eq!(parsed["status"], code.status().as_u16());
            assert_eq!(parsed["request_id"], "r-1");
            assert_eq!(problem.fields["content-type"], "application/problem+json");
            let page = String::from_utf8(page.body.to_vec()).unwrap();
            assert!(
                page.contains(code.title()) && page.contains(code.name()) && page.contains("r-1"),
                "{page}"
            );
            assert!(!page.contains("private words") && !parsed.to_string().contains("private words"));
            assert_eq!(
                code.status() == StatusCode::UNAUTHORIZED,
                problem.fields.contains_key(WWW_AUTHENTICATE) && *code != Code::ScopeRequired
            );
        }
    }

    #[test]
    fn scripts_get_problems_and_people_pages() {
        for (name, value, page) in [
            ("sec-fetch-mode", "navigate", true),
            ("sec-fetch-mode", "cors", false),
            ("accept", "text/html,application/xhtml+xml", true),
            ("accept", "application/json, text/html", false),
            ("accept", "*/*", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(name, HeaderValue::from_static(value));
            assert_eq!(is_navigation(&headers), page, "{name}: {value}");
        }
    }
}
