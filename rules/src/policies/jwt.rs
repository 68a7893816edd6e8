//! `kind: jwt`: the caller proves who they are with a signed token (RFC 7519, RFC 8725).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use http::header::AUTHORIZATION;
use http::{HeaderName, HeaderValue};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::policy::{IdentityDef, IdentityGate, Library, Tells};
use crate::problem::{Place, Problem};
use crate::shapes::OneOrMany;
use crate::token::{Algorithm, ClaimPath, KeySet, MAX_LEEWAY, Verifier};
use crate::units::Time;
use crate::verdict::{Code, Refusal};
use crate::view::{Caller, Reading, View};

/// The gate's name in logs.
const GATE: &str = "identity";

/// The kinds of identity there are.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A signed JSON Web Token in `Authorization: Bearer`.
    Jwt,
}

/// An identity as written.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawJwt {
    /// What kind of credential it is.
    pub kind: Kind,
    /// The token's `iss`, exactly.
    pub issuer: String,
    /// The token's `aud` must have one of these.
    pub audience: OneOrMany<String>,
    /// The algorithms that are accepted; by default HS256 with a secret, and with public keys those that their
    /// kinds allow.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub algorithms: Vec<Algorithm>,
    /// Where the keys are.
    pub keys: RawKeys,
    /// How far the issuer's clock may be off; at most five minutes.
    #[serde(default = "leeway")]
    pub leeway: Time,
    /// Which claims tell the user, the tenant, the roles, the scopes, or another fact to be forwarded: names
    /// of claims or JSON pointers.
    #[serde(default)]
    pub claims: BTreeMap<String, String>,
    /// Header fields for the upstream, each with the fact it carries. Clients' own copies are removed.
    #[serde(default)]
    pub forward: BTreeMap<String, String>,
}

fn leeway() -> Time {
    Time(Duration::from_secs(30))
}

/// Where the keys are: exactly one of these.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawKeys {
    /// The name of a secret: a key for HS256, HS384 or HS512.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    /// A file with a public key or a certificate in PEM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pem: Option<String>,
    /// A file with a JSON Web Key Set (RFC 7517).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
}

/// Header fields that an identity may never set: they frame or route the message, or carry the proof itself.
const NOT_FORWARDABLE: &[&str] = &[
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

/// Compiles an identity.
///
/// # Errors
/// Every problem of this identity.
pub fn compile(
    name: &str,
    raw: &RawJwt,
    at: &Place,
    library: &dyn Library,
) -> Result<IdentityDef, Vec<Problem>> {
    let mut problems = Vec::new();
    let facts = facts(raw, at, &mut problems);
    let forward = forward(raw, at, &facts, &mut problems);
    for (fact, _) in &facts {
        let spoken_of = ["user", "tenant", "roles", "scopes"].contains(&fact.as_str());
        if !spoken_of && !raw.forward.values().any(|used| used == fact) {
            problems.push(
                at.key("claims").key(fact).itself().problem(format!("`{fact}` is mapped and nothing uses it"))
                    .remedy("forward it, or remove it; `user`, `tenant`, `roles` and `scopes` are the facts that policies know"),
            );
        }
    }
    if raw.issuer.is_empty() {
        problems.push(
            at.key("issuer")
                .problem("`issuer` is empty")
                .remedy("write the token's `iss` exactly as the issuer does"),
        );
    }
    if raw.audience.iter().any(String::is_empty) || raw.audience.is_empty() {
        problems.push(
            at.key("audience")
                .problem("`audience` is empty")
                .remedy("write the token's `aud` that means this service"),
        );
    }
    if raw.leeway.0 > Duration::from_secs(MAX_LEEWAY.into()) {
        problems.push(
            at.key("leeway")
                .problem(format!("a leeway of {} is more than five minutes", raw.leeway))
                .remedy("write at most 5m"),
        );
    }
    let keys = keys(raw, at, library).map_err(|problem| problems.push(problem)).ok();
    let Some(keys) = keys.filter(|_| problems.is_empty()) else { return Err(problems) };
    let notes = keys.skipped().to_vec();
    let owns = forward.iter().map(|(header, _)| header.clone()).collect();
    let mapped = |fact: &str| facts.iter().find(|(name, _)| name == fact).map(|(_, path)| path.clone());
    let tells = Tells {
        tenant: mapped("tenant").is_some(),
        roles: mapped("roles").is_some(),
        scopes: mapped("scopes").is_some(),
    };
    let leeway = u32::try_from(raw.leeway.0.as_secs()).unwrap_or(MAX_LEEWAY);
    let verifier = Verifier::compile(raw.issuer.clone(), raw.audience.to_vec(), leeway, keys)
        .map_err(|why| vec![at.problem(why.to_string())])?;
    let name: Arc<str> = name.into();
    let gate = Arc::new(Jwt {
        name: Arc::clone(&name),
        verifier,
        // RFC 7519: `sub` is the principal unless the configuration says otherwise.
        user: mapped("user"),
        tenant: mapped("tenant"),
        roles: mapped("roles"),
        scopes: mapped("scopes"),
        forward,
    });
    Ok(IdentityDef { name, gate, tells, owns, notes })
}

/// Stands in for an identity that does not compile, so that whoever names it is not reported too. It lets nobody
/// in, and its configuration never comes into force.
pub fn broken(name: &str) -> IdentityDef {
    struct Closed;

    impl IdentityGate for Closed {
        fn identify(&self, _: &View<'_>) -> Result<Arc<Caller>, Refusal> {
            Err(Refusal::new(Code::Internal, GATE, "the identity did not compile"))
        }

        fn assume(&self, _: &Map<String, Value>) -> Result<Arc<Caller>, Refusal> {
            Err(Refusal::new(Code::Internal, GATE, "the identity did not compile"))
        }
    }

    let tells = Tells { tenant: true, roles: true, scopes: true };
    IdentityDef { name: name.into(), gate: Arc::new(Closed), tells, owns: Vec::new(), notes: Vec::new() }
}

fn facts(raw: &RawJwt, at: &Place, problems: &mut Vec<Problem>) -> Vec<(String, ClaimPath)> {
    let mut claims = raw.claims.clone();
    claims.entry("user".to_owned()).or_insert_with(|| "sub".to_owned());
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
    raw: &RawJwt,
    at: &Place,
    facts: &[(String, ClaimPath)],
    problems: &mut Vec<Problem>,
) -> Vec<(HeaderName, ClaimPath)> {
    let mut forward: Vec<(HeaderName, ClaimPath)> = Vec::new();
    for (header, fact) in &raw.forward {
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
            (_, None) => problems.push(
                place
                    .problem(format!("`{fact}` is not a fact of this identity"))
                    .remedy(format!("map it: `claims: {{ {fact}: <claim> }}`")),
            ),
        }
    }
    forward
}

fn keys(raw: &RawJwt, at: &Place, library: &dyn Library) -> Result<KeySet, Problem> {
    let at = at.key("keys");
    // A public key says by its kind what it can verify; a secret takes the one that everybody means.
    let public = || Algorithm::ALL.iter().copied().filter(|algorithm| !algorithm.is_symmetric()).collect();
    let algorithms = match (raw.algorithms.as_slice(), &raw.keys.secret) {
        ([], Some(_)) => vec![Algorithm::Hs256],
        ([], None) => public(),
        (written, _) => written.to_vec(),
    };
    let set = match (&raw.keys.secret, &raw.keys.pem, &raw.keys.file) {
        (Some(name), None, None) => {
            let at = at.key("secret");
            let secret = library.secret(name).map_err(|why| at.problem(why))?;
            KeySet::from_secret(secret.expose(), &algorithms).map_err(|why| at.problem(why.to_string()))
        }
        (None, Some(path), None) => {
            let at = at.key("pem");
            let pem = library.file(path).map_err(|why| at.problem(why))?;
            KeySet::from_pem(&pem, &algorithms).map_err(|why| at.problem(why.to_string()))
        }
        (None, None, Some(path)) => {
            let at = at.key("file");
            let jwks = library.file(path).map_err(|why| at.problem(why))?;
            KeySet::from_jwks(&jwks, &algorithms, false).map_err(|why| at.problem(why.to_string()))
        }
        _ => Err(at
            .problem("`keys` needs exactly one source")
            .remedy("write one of `secret: NAME`, `pem: FILE`, `file: JWKS`")),
    }?;
    Ok(set)
}

/// The gate of a JWT identity.
struct Jwt {
    name: Arc<str>,
    verifier: Verifier,
    user: Option<ClaimPath>,
    tenant: Option<ClaimPath>,
    roles: Option<ClaimPath>,
    scopes: Option<ClaimPath>,
    forward: Vec<(HeaderName, ClaimPath)>,
}

impl IdentityGate for Jwt {
    fn identify(&self, view: &View<'_>) -> Result<Arc<Caller>, Refusal> {
        let token = bearer(view)?;
        let claims = self
            .verifier
            .verify(token, view.now())
            .map_err(|fault| Refusal::new(fault.code, GATE, fault.private))?;
        Ok(Arc::new(self.caller(claims.into_object())))
    }

    fn assume(&self, facts: &Map<String, Value>) -> Result<Arc<Caller>, Refusal> {
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
        Ok(Arc::new(self.caller(claims)))
    }
}

impl Jwt {
    fn caller(&self, claims: Map<String, Value>) -> Caller {
        let find = |path: &Option<ClaimPath>| path.as_ref().and_then(|path| path.find(&claims));
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
        }
    }
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

/// The one bearer token of the request (RFC 6750, section 2.1).
fn bearer<'a>(view: &View<'a>) -> Result<&'a str, Refusal> {
    let mut fields = view.headers.get_all(AUTHORIZATION).iter();
    let Some(field) = fields.next() else {
        return Err(Refusal::new(Code::TokenMissing, GATE, "there is no Authorization field"));
    };
    if fields.next().is_some() {
        return Err(Refusal::new(Code::TokenInvalid, GATE, "there is more than one Authorization field"));
    }
    let text = field
        .to_str()
        .map_err(|_| Refusal::new(Code::TokenInvalid, GATE, "the Authorization field is not ASCII"))?;
    match text.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok(token.trim_matches(' ')),
        _ => Err(Refusal::new(Code::TokenMissing, GATE, "the Authorization field holds no bearer token")),
    }
}

fn header_value(value: &Value) -> Option<HeaderValue> {
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
