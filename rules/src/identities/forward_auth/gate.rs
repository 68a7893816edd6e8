//! What a login service is asked, and what its answer comes to.

use std::sync::Arc;

use http::HeaderMap;
use http::header::{AUTHORIZATION, COOKIE, HeaderName, HeaderValue};
use serde_json::{Map, Value};

use super::super::GATE;
use super::super::mapping::{Mapping, header_value};
use crate::credential::{Carrier, Credential, Doubt, Evidence, LoginAnswer, Question, Via, Vouched};
use crate::policy::IdentityGate;
use crate::verdict::{Code, Refusal};
use crate::view::{Caller, Reading, View};

/// The gate of a login service.
pub(super) struct ForwardAuth {
    /// The fields that prove who calls.
    pub(super) send: Vec<HeaderName>,
    /// The fields of the answer that must not be ambiguous: they are told or copied.
    pub(super) read: Vec<HeaderName>,
    /// The field that tells the user.
    pub(super) user: Option<String>,
    /// The field that lists the roles.
    pub(super) roles: Option<String>,
    /// The field that lists the scopes.
    pub(super) scopes: Option<String>,
    /// The fields that the upstream gets as they are.
    pub(super) copy: Vec<HeaderName>,
    /// What the other fields tell.
    pub(super) mapping: Mapping,
    /// For how many seconds an answer holds.
    pub(super) cache: i64,
}

impl IdentityGate for ForwardAuth {
    fn presented<'v>(&self, view: &View<'v>) -> Result<Option<Credential<'v>>, Refusal> {
        let shown = self.shown(view)?;
        if shown.is_empty() {
            return Ok(None);
        }
        // Whoever shows both shows one that a browser sends unasked.
        let ambient = shown.iter().any(|(name, _)| *name == COOKIE);
        let via = if ambient { Via::Cookie } else { Via::Header };
        Ok(Some(Credential { text: text(&question(view, shown)?).into(), via }))
    }

    fn verify(&self, view: &View<'_>, _: &Credential<'_>, evidence: Evidence<'_>) -> Result<Vouched, Doubt> {
        let Some(answer) = evidence.answer else {
            let fields = self.shown(view).and_then(|shown| question(view, shown)).map_err(Doubt::Refused)?;
            return Err(Doubt::Ask(Question { fields: fields.into_iter().collect() }));
        };
        let caller = self.hear(answer).map_err(Doubt::Refused)?;
        let now = view.now();
        Ok(Vouched { caller: Arc::new(caller), from: now, until: now.saturating_add(self.cache) })
    }

    fn missing(&self) -> Refusal {
        let private = "the request has none of the fields that `send` names";
        Refusal { public: "Sign in first.", ..Refusal::new(Code::TokenMissing, GATE, private) }
    }

    fn assume(&self, facts: &Map<String, Value>) -> Result<Arc<Caller>, Refusal> {
        Ok(Arc::new(self.complete(self.mapping.assume(facts))))
    }

    fn carrier(&self) -> Option<Carrier> {
        self.send.contains(&AUTHORIZATION).then_some(Carrier::Bearer)
    }
}

impl ForwardAuth {
    /// What the request shows: the fields of `send` that it has.
    fn shown(&self, view: &View<'_>) -> Result<Vec<(HeaderName, HeaderValue)>, Refusal> {
        let mut shown = Vec::with_capacity(self.send.len() + 5);
        for name in &self.send {
            let mut values =
                view.headers.get_all(name).iter().filter(|value| !value.as_bytes().trim_ascii().is_empty());
            let Some(first) = values.next() else { continue };
            let Some(second) = values.next() else {
                shown.push((name.clone(), first.clone()));
                continue;
            };
            // HTTP/2 sends a cookie a field (RFC 9113, section 8.2.3). Of other fields the service might read one
            // and the upstream another.
            if *name != COOKIE {
                return Err(unaskable("a field that `send` names is there more than once"));
            }
            let all = [first, second].into_iter().chain(values).map(HeaderValue::as_bytes);
            let joined = all.collect::<Vec<_>>().join(b"; ".as_slice());
            let joined =
                HeaderValue::from_bytes(&joined).map_err(|_| unaskable("the cookies cannot be joined"))?;
            shown.push((name.clone(), joined));
        }
        Ok(shown)
    }

    /// What the service's answer comes to.
    fn hear(&self, answer: &LoginAnswer) -> Result<Caller, Refusal> {
        let status = answer.status;
        let refusal =
            |code, why: &str| Refusal::new(code, GATE, format!("the login service {why} ({status})"));
        match status.as_u16() {
            200..=299 => {
                let claims =
                    self.claims(&answer.fields).map_err(|why| refusal(Code::KeysUnavailable, why))?;
                Ok(self.complete(self.mapping.caller(claims)))
            }
            // Where a redirect leads is for a browser that asked for a page, and it asked us.
            300..=399 | 401 => Err(refusal(Code::TokenInvalid, "knows of no one signed in")),
            403 => Err(Refusal {
                public: "The sign-in service does not permit this.",
                ..refusal(Code::ClaimRequired, "does not permit it")
            }),
            _ => Err(refusal(Code::KeysUnavailable, "gave no verdict")),
        }
    }

    /// The answer's fields as claims: those that are there once and are text.
    fn claims(&self, fields: &HeaderMap) -> Result<Map<String, Value>, &'static str> {
        let mut claims = Map::new();
        for name in fields.keys() {
            let mut values = fields.get_all(name).iter();
            let text = values.next().and_then(|value| std::str::from_utf8(value.as_bytes()).ok());
            match text.filter(|_| values.next().is_none()) {
                Some(text) => {
                    claims.insert(name.to_string(), text.trim().into());
                }
                None if self.read.contains(name) => return Err("told a field twice, or not as text"),
                None => {}
            }
        }
        let told = |field: &String| claims.get(field).is_some_and(|value| value != "");
        if self.user.as_ref().is_some_and(|field| !told(field)) {
            return Err("admitted someone without a name");
        }
        Ok(claims)
    }

    /// The caller with their lists as login services write them, and with what is copied.
    fn complete(&self, mut caller: Caller) -> Caller {
        let list = |field: &Option<String>, between: fn(char) -> bool| {
            let text = field.as_ref().and_then(|field| caller.claims.get(field)).and_then(Value::as_str)?;
            let words = text.split(between).map(str::trim).filter(|word| !word.is_empty());
            Some(Reading::Value(words.map(str::to_owned).collect()))
        };
        // Not at spaces: in a directory `site admin` is one group, and must not become an `admin`.
        let roles = list(&self.roles, |c| c == ',' || c == '|');
        let scopes = list(&self.scopes, |c| c == ',' || c == ' ');
        caller.roles = roles.unwrap_or(caller.roles);
        caller.scopes = scopes.unwrap_or(caller.scopes);
        for name in &self.copy {
            match caller.claims.get(name.as_str()) {
                None | Some(Value::Null) => {}
                Some(Value::String(text)) if text.is_empty() => {}
                Some(value) => match header_value(value) {
                    Some(value) => caller.forward.push((name.clone(), value)),
                    None => caller.unforwardable = Some(name.clone()),
                },
            }
        }
        caller
    }
}

fn unaskable(why: &'static str) -> Refusal {
    Refusal::new(Code::TokenInvalid, GATE, why)
}

/// What the service is asked, in a fixed order. The address is the one that the gates judge and the upstream gets: a
/// path that the client spelled differently must not be another one to the service.
fn question(
    view: &View<'_>,
    mut fields: Vec<(HeaderName, HeaderValue)>,
) -> Result<Vec<(HeaderName, HeaderValue)>, Refusal> {
    let uri = match view.query {
        Some(query) => format!("{}?{query}", view.target),
        None => view.target.to_owned(),
    };
    let client = view.client.to_string();
    let proto = if view.secure { "https" } else { "http" };
    for (name, value) in [
        ("x-forwarded-method", view.method.as_str()),
        ("x-forwarded-proto", proto),
        ("x-forwarded-host", view.host),
        ("x-forwarded-uri", &uri),
        ("x-forwarded-for", &client),
    ] {
        let value =
            HeaderValue::from_str(value).map_err(|_| unaskable("the request cannot be put in a question"))?;
        fields.push((HeaderName::from_static(name), value));
    }
    Ok(fields)
}

/// The question as one text: with the lengths before the parts, so that no two questions have the same.
fn text(question: &[(HeaderName, HeaderValue)]) -> Vec<u8> {
    let mut text = Vec::new();
    for (name, value) in question {
        for part in [name.as_str().as_bytes(), value.as_bytes()] {
            text.extend_from_slice(&part.len().to_be_bytes());
            text.extend_from_slice(part);
        }
    }
    text
}
