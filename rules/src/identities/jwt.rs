//! `kind: jwt`: the caller proves who they are with a signed token (RFC 7519, RFC 8725).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use http::header::AUTHORIZATION;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::keys::{self, Keys, RawKeys};
use super::mapping::Mapping;
use super::{GATE, Making};
use crate::credential::{Carrier, Credential, Doubt, Evidence, Via, Vouched};
use crate::policy::{IdentityDef, IdentityGate};
use crate::problem::Problem;
use crate::shapes::OneOrMany;
use crate::token::{self, Algorithm, KeySet, MAX_LEEWAY, Verifier};
use crate::units::Time;
use crate::verdict::{Code, Refusal};
use crate::view::{Caller, View};

/// The kind, as it is written.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum JwtKind {
    /// A signed JSON Web Token.
    Jwt,
}

/// An identity of this kind as written.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawJwt {
    /// What kind of credential it is.
    pub kind: JwtKind,
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

/// Compiles an identity.
///
/// # Errors
/// Every problem of it.
pub(super) fn compile(raw: &RawJwt, making: &Making<'_>) -> Result<IdentityDef, Vec<Problem>> {
    let mut problems = Vec::new();
    let at = &making.at;
    // RFC 7519: `sub` is the principal unless the configuration says otherwise.
    let mapping = Mapping::compile(making.name, "sub", &raw.claims, &raw.forward, at, &mut problems);
    parties(raw, making, &mut problems);
    let keys = keys::compile(&raw.keys, &raw.issuer, &raw.algorithms, making);
    let keys = keys.map_err(|found| problems.extend(found)).ok();
    let Some(keys) = keys.filter(|_| problems.is_empty()) else { return Err(problems) };
    let (given, fetched) = match keys {
        Keys::Given(set) => (Some(set), None),
        Keys::Fetched(source) => (None, Some(source)),
    };
    let notes = given.as_ref().map(|set| set.skipped().to_vec()).unwrap_or_default();
    let leeway = u32::try_from(raw.leeway.0.as_secs()).unwrap_or(MAX_LEEWAY);
    let verifier = Verifier::compile(raw.issuer.clone(), raw.audience.to_vec(), leeway)
        .map_err(|why| vec![at.problem(why.to_string())])?;
    Ok(IdentityDef {
        tells: mapping.tells(),
        owns: mapping.owns(),
        keys: fetched,
        remembers: true,
        notes,
        ..making.def(Arc::new(Jwt { verifier, keys: given, mapping }))
    })
}

/// Issuer, audience, and how far off a clock may be.
fn parties(raw: &RawJwt, making: &Making<'_>, problems: &mut Vec<Problem>) {
    let at = &making.at;
    if making.production && raw.issuer.starts_with("http://") {
        problems.push(
            at.key("issuer")
                .problem("an issuer over plain http is refused in production")
                .remedy("write the issuer's https:// name"),
        );
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
}

/// The gate of a JWT identity.
struct Jwt {
    verifier: Verifier,
    /// The keys that the configuration names; none where they are fetched.
    keys: Option<KeySet>,
    mapping: Mapping,
}

impl IdentityGate for Jwt {
    fn presented<'v>(&self, view: &View<'v>) -> Result<Option<Credential<'v>>, Refusal> {
        let token = bearer(view)?;
        Ok(token.map(|token| Credential { text: token.as_bytes().into(), via: Via::Header }))
    }

    fn verify(
        &self,
        view: &View<'_>,
        credential: &Credential<'_>,
        evidence: Evidence<'_>,
    ) -> Result<Vouched, Doubt> {
        let refused = |code, why: &'static str| Doubt::Refused(Refusal::new(code, GATE, why));
        let keys = self.keys.as_ref().or(evidence.keys);
        let keys = keys.ok_or_else(|| refused(Code::KeysUnavailable, "no key was ever obtained"))?;
        let token = std::str::from_utf8(&credential.text)
            .map_err(|_| refused(Code::TokenInvalid, "the token is not ASCII"))?;
        let claims = self.verifier.verify(keys, token, view.now()).map_err(|fault| {
            let refusal = Refusal::new(fault.code, GATE, fault.private);
            if fault.unknown_key { Doubt::UnknownKey(refusal) } else { Doubt::Refused(refusal) }
        })?;
        let (from, until) = (claims.from(), claims.until());
        Ok(Vouched { caller: Arc::new(self.mapping.caller(claims.into_object())), from, until })
    }

    fn missing(&self) -> Refusal {
        Refusal::new(Code::TokenMissing, GATE, "the request has no token")
    }

    fn assume(&self, facts: &Map<String, Value>) -> Result<Arc<Caller>, Refusal> {
        Ok(Arc::new(self.mapping.assume(facts)))
    }

    fn carrier(&self) -> Option<Carrier> {
        Some(Carrier::Bearer)
    }

    fn claimed(&self, credential: &str) -> Option<Caller> {
        token::unverified(credential).map(|claims| self.mapping.caller(claims))
    }
}

/// The one bearer token of the request (RFC 6750, section 2.1), if there is one.
fn bearer<'v>(view: &View<'v>) -> Result<Option<&'v str>, Refusal> {
    let invalid = |why: &'static str| Refusal::new(Code::TokenInvalid, GATE, why);
    let mut fields = view.headers.get_all(AUTHORIZATION).iter();
    let Some(field) = fields.next() else { return Ok(None) };
    if fields.next().is_some() {
        return Err(invalid("there is more than one Authorization field"));
    }
    let text = field.to_str().map_err(|_| invalid("the Authorization field is not ASCII"))?;
    match text.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok(Some(token.trim_matches(' '))),
        _ => Ok(None),
    }
}
