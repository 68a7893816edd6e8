//! How what a credential says becomes a caller: the `claims` and `forward` keys of an identity.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::{HeaderName, HeaderValue};
use serde_json::{Map, Value};

use crate::policy::Tells;
use crate::problem::{Place, Problem};
use crate::token::ClaimPath;
use crate::view::{Caller, Reading};

/// Header fields that an identity may never set: they frame or route the message, or carry the proof itself.
pub(super) const NOT_FORWARDABLE: &[&str] = &[
    "host",
    "connection",
    "content-length",
    "transfer-encoding",
    "te",
    "trailer",
    "upgrade",
    "keep-alive",
    "proxy-connection",
    "expect",
    "content-type",
    "content-encoding",
    "authorization",
    "cookie",
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-forwarded-host",
    "x-request-id",
    "traceparent",
    "tracestate",
];

/// The facts that policies know.
pub(super) const SPOKEN_OF: [&str; 4] = ["user", "tenant", "roles", "scopes"];

/// Which claims tell which fact of a caller, and which header fields carry them.
pub(super) struct Mapping {
    name: Arc<str>,
    user: Option<ClaimPath>,
    tenant: Option<ClaimPath>,
    roles: Option<ClaimPath>,
    scopes: Option<ClaimPath>,
    forward: Vec<(HeaderName, ClaimPath)>,
    /// Whether a text of several words lists several roles or scopes.
    split: bool,
}

impl Mapping {
    /// Reads `claims` and `forward` of the identity `name`; the user is at `user`, if that is given, unless `claims`
    /// says otherwise.
    pub(super) fn compile<'a>(
        name: &str,
        user: impl Into<Option<&'a str>>,
        claims: &BTreeMap<String, String>,
        forward: &BTreeMap<String, String>,
        at: &Place,
        problems: &mut Vec<Problem>,
    ) -> Self {
        let facts = facts(claims, user.into(), at, problems);
        let map = |fact: &str| format!("map it: `claims: {{ {fact}: <claim> }}`");
        let fields = self::forward(forward, at, &facts, &map, problems);
        for (fact, _) in &facts {
            if !SPOKEN_OF.contains(&fact.as_str()) && !forward.values().any(|used| used == fact) {
                problems.push(
                    at.key("claims").key(fact).itself().problem(format!("`{fact}` is mapped and nothing uses it"))
                        .remedy("forward it, or remove it; `user`, `tenant`, `roles` and `scopes` are the facts that policies know"),
                );
            }
        }
        Self::new(name, &facts, fields)
    }

    /// Reads `forward` of the identity `name`, whose credentials tell each fact under its own name.
    pub(super) fn given(
        name: &str,
        forward: &BTreeMap<String, String>,
        at: &Place,
        problems: &mut Vec<Problem>,
    ) -> Self {
        let itself = |fact: &str| Some((fact.to_owned(), ClaimPath::parse(fact).ok()?));
        let facts: Vec<_> = SPOKEN_OF.iter().filter_map(|fact| itself(fact)).collect();
        let all = |_: &str| format!("use one of `{}`", SPOKEN_OF.join("`, `"));
        let fields = self::forward(forward, at, &facts, &all, problems);
        Self::new(name, &facts, fields)
    }

    fn new(name: &str, facts: &[(String, ClaimPath)], forward: Vec<(HeaderName, ClaimPath)>) -> Self {
        let mapped = |fact: &str| facts.iter().find(|(name, _)| name == fact).map(|(_, path)| path.clone());
        Self {
            name: name.into(),
            user: mapped("user"),
            tenant: mapped("tenant"),
            roles: mapped("roles"),
            scopes: mapped("scopes"),
            forward,
            split: true,
        }
    }

    /// The same mapping where one text is one role or scope, spaces and all.
    pub(super) fn unsplit(self) -> Self {
        Self { split: false, ..self }
    }

    /// Which facts there are.
    pub(super) fn tells(&self) -> Tells {
        Tells { tenant: self.tenant.is_some(), roles: self.roles.is_some(), scopes: self.scopes.is_some() }
    }

    /// The header fields that are set.
    pub(super) fn owns(&self) -> Vec<HeaderName> {
        self.forward.iter().map(|(header, _)| header.clone()).collect()
    }

    /// The caller whom `claims` describe.
    pub(super) fn caller(&self, claims: Map<String, Value>) -> Caller {
        let find = |path: &Option<ClaimPath>| path.as_ref().and_then(|path| path.find(&claims));
        let words = if self.split { words } else { names };
        let (mut forward, mut unforwardable) = (Vec::with_capacity(self.forward.len()), None);
        for (header, path) in &self.forward {
            match path.find(&claims) {
                None | Some(Value::Null) => {}
                Some(value) => match header_value(value) {
                    Some(value) => forward.push((header.clone(), value)),
                    None => unforwardable = Some(header.clone()),
                },
            }
        }
        Caller {
            identity: Arc::clone(&self.name),
            user: text(find(&self.user)),
            tenants: names(find(&self.tenant)),
            roles: words(find(&self.roles)),
            scopes: words(find(&self.scopes)),
            forward,
            unforwardable,
            claims,
            key: None,
        }
    }

    /// The caller whom these facts (`user`, `tenant`, `roles`, `scopes`, other claims) describe.
    pub(super) fn assume(&self, facts: &Map<String, Value>) -> Caller {
        let mapped = [
            ("user", &self.user),
            ("tenant", &self.tenant),
            ("roles", &self.roles),
            ("scopes", &self.scopes),
        ];
        let mut claims = Map::new();
        for (fact, value) in facts {
            match mapped.iter().find(|(name, _)| name == fact).and_then(|(_, path)| path.as_ref()) {
                Some(path) => path.put(&mut claims, value.clone()),
                None => {
                    claims.insert(fact.clone(), value.clone());
                }
            }
        }
        self.caller(claims)
    }
}

fn facts(
    written: &BTreeMap<String, String>,
    user: Option<&str>,
    at: &Place,
    problems: &mut Vec<Problem>,
) -> Vec<(String, ClaimPath)> {
    let mut claims = written.clone();
    if let Some(user) = user {
        claims.entry("user".to_owned()).or_insert_with(|| user.to_owned());
    }
    let mut facts = Vec::new();
    for (fact, path) in claims {
        match ClaimPath::parse(&path) {
            Ok(path) => facts.push((fact, path)),
            Err(why) => problems.push(at.key("claims").key(fact).problem(why)),
        }
    }
    facts
}

fn forward(
    written: &BTreeMap<String, String>,
    at: &Place,
    facts: &[(String, ClaimPath)],
    mend: &dyn Fn(&str) -> String,
    problems: &mut Vec<Problem>,
) -> Vec<(HeaderName, ClaimPath)> {
    let mut forward: Vec<(HeaderName, ClaimPath)> = Vec::new();
    for (header, fact) in written {
        let place = at.key("forward").key(header);
        let name = HeaderName::from_bytes(header.as_bytes()).ok().filter(|_| !header.contains('_'));
        let path = facts.iter().find(|(known, _)| known == fact).map(|(_, path)| path.clone());
        match (name, path) {
            (Some(name), _) if NOT_FORWARDABLE.contains(&name.as_str()) => problems.push(
                place
                    .itself()
                    .problem(format!("`{header}` is not a field that an identity may set"))
                    .remedy("use a field of your own, such as `x-user-id`"),
            ),
            // The names differ in case, and the field would carry one fact only.
            (Some(name), _) if forward.iter().any(|(known, _)| *known == name) => problems.push(
                place
                    .itself()
                    .problem(format!("`{header}` is there twice, in another case"))
                    .remedy("remove one of them"),
            ),
            (Some(name), Some(path)) => forward.push((name, path)),
            (None, _) => problems.push(
                place
                    .itself()
                    .problem(format!("`{header}` is not a header name"))
                    .remedy("use letters, digits and `-`"),
            ),
            (_, None) => problems
                .push(place.problem(format!("`{fact}` is not a fact of this identity")).remedy(mend(fact))),
        }
    }
    forward
}

fn text(value: Option<&Value>) -> Reading<String> {
    match value {
        None | Some(Value::Null) => Reading::Absent,
        Some(Value::String(text)) if !text.is_empty() => Reading::Value(text.clone()),
        Some(_) => Reading::Unreadable,
    }
}

/// One name, or a list of names. Not split at spaces: a name may have one.
fn names(value: Option<&Value>) -> Reading<Vec<String>> {
    match value {
        Some(Value::Array(items)) => {
            let names: Option<Vec<String>> =
                items.iter().map(|item| text(Some(item)).value().cloned()).collect();
            names.map_or(Reading::Unreadable, Reading::Value)
        }
        single => match text(single) {
            Reading::Absent => Reading::Absent,
            Reading::Unreadable => Reading::Unreadable,
            Reading::Value(name) => Reading::Value(vec![name]),
        },
    }
}

/// A list of words, or words with spaces between them (RFC 6749, section 3.3).
fn words(value: Option<&Value>) -> Reading<Vec<String>> {
    match value {
        Some(Value::String(text)) => {
            Reading::Value(text.split_ascii_whitespace().map(str::to_owned).collect())
        }
        other => names(other),
    }
}

/// A value as a header field carries it, if one can.
pub(super) fn header_value(value: &Value) -> Option<HeaderValue> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        // The list is joined by commas, so a name with a comma could pass for two.
        Value::Array(_) => {
            let Reading::Value(names) = names(Some(value)) else { return None };
            if names.iter().any(|name| name.contains(',')) {
                return None;
            }
            names.join(",")
        }
        Value::Null | Value::Object(_) => return None,
    };
    let printable = text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) && text.trim() == text;
    HeaderValue::try_from(text).ok().filter(|_| printable)
}
