//! `kind: jwt`: the caller proves who they are with a signed token (RFC 7519, RFC 8725).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::keys::{self, Keys, RawKeys};
use super::mapping::Mapping;
use super::revoked::Revoked;
use super::token_from::TokenFrom;
use super::{GATE, Making};
use crate::credential::{Carrier, Credential, Doubt, Evidence, Never, Vouched};
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
    /// Where a request may show its token: `header` (Authorization: Bearer), `"cookie:NAME"`, `"query:NAME"`.
    /// A request with more than one token is refused; a query's token goes no further and into no log.
    #[serde(default = "token_from")]
    pub token_from: OneOrMany<String>,
    /// The only `typ` that is accepted in a token's header, such as `at+jwt` (RFC 9068). By default those of access
    /// tokens (`jwt`, `at+jwt`, `jose`), and none at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub typ: Option<String>,
    /// Tokens that are no longer believed although they have not expired.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked: Option<RawRevoked>,
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

fn token_from() -> OneOrMany<String> {
    OneOrMany(vec!["header".to_owned()])
}

fn leeway() -> Time {
    Time(Duration::from_secs(30))
}

/// Where the list of revoked tokens is.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawRevoked {
    /// A text file, an entry a line: `jti ID`, `user NAME`, or `user NAME before 2026-11-22T10:00:00Z` for the
    /// tokens issued before that moment; `#` begins a comment.
    pub file: String,
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
    let places = TokenFrom::compile(&raw.token_from, &at.key("token_from"), &mut problems);
    let revoked = revoked(raw, making).unwrap_or_else(|problem| {
        problems.push(problem);
        None
    });
    if raw.typ.as_deref().is_some_and(|typ| !Verifier::is_type(typ)) {
        problems.push(
            at.key("typ")
                .problem("`typ` is not the name of a kind of token")
                .remedy("write what the issuer puts into `typ`, such as `at+jwt`"),
        );
    }
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
        .map_err(|why| vec![at.problem(why.to_string())])?
        .only_type(raw.typ.as_deref());
    Ok(IdentityDef {
        tells: mapping.tells(),
        owns: mapping.owns(),
        keys: fetched,
        hides: places.hides(),
        ambient: places.is_ambient(),
        bearer: places.reads_header(),
        remembers: true,
        notes,
        ..making.def(Arc::new(Jwt { places, verifier, keys: given, mapping, revoked }))
    })
}

/// Whether an address is plain http; schemes have no case (RFC 3986, section 3.1).
pub(super) fn is_plain(address: &str) -> bool {
    address.get(..7).is_some_and(|start| start.eq_ignore_ascii_case("http://"))
}

/// Issuer, audience, and how far off a clock may be.
fn parties(raw: &RawJwt, making: &Making<'_>, problems: &mut Vec<Problem>) {
    let at = &making.at;
    if making.production && is_plain(&raw.issuer) {
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

fn revoked(raw: &RawJwt, making: &Making<'_>) -> Result<Option<Revoked>, Problem> {
    let Some(raw) = &raw.revoked else { return Ok(None) };
    let at = making.at.key("revoked").key("file");
    let text = making.library.file(&raw.file).map_err(|why| at.problem(why))?;
    let list = Revoked::parse(&text, &raw.file).map_err(|why| {
        at.problem(why)
            .remedy("write `jti ID`, `user NAME` or `user NAME before 2026-11-22T10:00:00Z`, one a line")
    })?;
    Ok(Some(list))
}

/// The gate of a JWT identity.
struct Jwt {
    places: TokenFrom,
    verifier: Verifier,
    /// The keys that the configuration names; none where they are fetched.
    keys: Option<KeySet>,
    mapping: Mapping,
    revoked: Option<Revoked>,
}

impl IdentityGate for Jwt {
    fn presented<'v>(&self, view: &View<'v>) -> Result<Option<Credential<'v>>, Refusal> {
        self.places.find(view)
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
            match fault.from {
                // Not for good where keys are fetched: each such token is a reason to look for fresher ones.
                _ if fault.unknown_key && self.keys.is_none() => Doubt::UnknownKey(refusal),
                Some(from) => Doubt::Final(Box::new(Never { refusal, from })),
                None => Doubt::Refused(refusal),
            }
        })?;
        let (from, until) = (claims.from(), claims.until());
        let caller = self.mapping.caller(claims.into_object());
        match self.revoked.as_ref().and_then(|list| list.denies(&caller.claims, &caller.user)) {
            Some(why) => Err(refused(Code::TokenInvalid, why)),
            None => Ok(Vouched { caller: Arc::new(caller), from, until }),
        }
    }

    fn missing(&self) -> Refusal {
        Refusal::new(Code::TokenMissing, GATE, "the request has no token")
    }

    fn assume(&self, facts: &Map<String, Value>) -> Result<Arc<Caller>, Refusal> {
        Ok(Arc::new(self.mapping.assume(facts)))
    }

    fn carrier(&self) -> Option<Carrier> {
        self.places.carrier()
    }

    fn claimed(&self, credential: &str) -> Option<Caller> {
        token::unverified(credential).map(|claims| self.mapping.caller(claims))
    }
}
