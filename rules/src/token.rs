//! Bearer tokens: signed JWTs (RFC 7519), verified by keys that we were given and nothing that the token says.
//!
//! The order is that of cost and of trust: length, shape, header; then the signature; and only then the
//! claims are read at all. Keys and the time are arguments. Everything that is doubtful is a [`TokenFault`].
//!
//! ```
//! use rules::token::{Algorithm, ClaimPath, KeySet, Verifier};
//!
//! let keys = KeySet::from_secret(b"an example's secret, 32 bytes long", &[Algorithm::Hs256])?;
//! let verifier = Verifier::compile("https://issuer.example/", vec!["api".to_owned()], 30)?;
//! let token = "eyJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJhIn0.AAAA";
//! let fault = verifier.verify(&keys, token, 1_800_000_000).unwrap_err();
//! assert_eq!(fault.code.name(), "token_invalid");
//! # assert!(ClaimPath::parse("/realm_access/roles").is_ok());
//! # Ok::<(), rules::token::KeyError>(())
//! ```

use std::borrow::Cow;

use serde_json::{Map, Value};

use self::compact::{Header, Parts};
use crate::strict_json;
use crate::verdict::Code;

mod algorithm;
mod claims;
pub(crate) mod compact;
pub(crate) mod jwk;
mod keys;
pub(crate) mod pem;
pub(crate) mod public;
#[cfg(test)]
mod tests;

pub use algorithm::{Algorithm, UnknownAlgorithm};
pub use claims::{ClaimPath, Claims};
pub use keys::{KeyError, KeySet};

/// The longest token that is looked at, in bytes.
pub const MAX_TOKEN: usize = 8 * 1024;
/// The largest leeway, in seconds: more than a clock is ever wrong by, and `exp` would mean little.
pub const MAX_LEEWAY: u32 = 300;
/// The last second of the year 9999. A later time is in milliseconds by mistake, and would never come.
const LAST_SECOND: i64 = 253_402_300_799;
/// How many keys a token without `kid` may cost.
const MAX_TRIES: usize = 4;

/// What a token claims, with nothing of it verified: to tell people what they hold, never to decide.
pub fn unverified(token: &str) -> Option<Map<String, Value>> {
    strict_json::object(&Parts::parse(token).ok()?.payload)
}

/// What a token must be to be believed. The keys are told at each verification: an issuer changes its own.
#[derive(Clone, Debug)]
pub struct Verifier {
    issuer: String,
    audience: Vec<String>,
    leeway: i64,
    typ: Option<Box<str>>,
}

/// Why a token is not believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenFault {
    /// `TokenInvalid` or `TokenExpired`.
    pub code: Code,
    /// Which check failed. Holds nothing of the token.
    pub private: Cow<'static, str>,
    /// No key has the token's `kid`: the issuer may have a new key, so fetching the set again may help.
    pub unknown_key: bool,
    /// From which second (Unix time) on the same keys will always find the same.
    pub from: Option<i64>,
}

impl TokenFault {
    fn invalid(private: &'static str) -> Self {
        Self { code: Code::TokenInvalid, private: Cow::Borrowed(private), unknown_key: false, from: None }
    }

    fn forged(private: &'static str) -> Self {
        Self { from: Some(i64::MIN), ..Self::invalid(private) }
    }

    fn expired(private: &'static str, since: i64) -> Self {
        Self { code: Code::TokenExpired, from: Some(since), ..Self::invalid(private) }
    }

    fn unknown_key(private: &'static str) -> Self {
        Self { unknown_key: true, ..Self::forged(private) }
    }
}

impl Verifier {
    /// A verifier for tokens of `issuer` (compared byte by byte) meant for one of `audience`, with `leeway`
    /// seconds for clocks that differ.
    ///
    /// # Errors
    /// When issuer or audience is empty (both are always required) or the leeway is above [`MAX_LEEWAY`].
    pub fn compile(issuer: impl Into<String>, audience: Vec<String>, leeway: u32) -> Result<Self, KeyError> {
        let issuer = issuer.into();
        if issuer.is_empty() {
            return Err(KeyError::new("the issuer is empty; give the `iss` that the tokens carry"));
        }
        if audience.is_empty() || audience.iter().any(String::is_empty) {
            return Err(KeyError::new("the audience is empty; give the `aud` that the tokens carry"));
        }
        if leeway > MAX_LEEWAY {
            return Err(KeyError::new(format!(
                "the leeway is above {MAX_LEEWAY} s; set the clocks right instead"
            )));
        }
        Ok(Self { issuer, audience, leeway: i64::from(leeway), typ: None })
    }

    /// The same, for tokens with this `typ` and no others. Without one, those of access tokens are accepted.
    #[must_use]
    pub fn only_type(self, typ: Option<&str>) -> Self {
        Self { typ: typ.map(|typ| compact::essence(typ).into()), ..self }
    }

    /// Whether a token could have this `typ`: the name of a media type (RFC 6838, section 4.2), with `application/`
    /// before it or without.
    pub fn is_type(typ: &str) -> bool {
        let letter = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte);
        let name = compact::essence(typ);
        name.starts_with(|first: char| first.is_ascii_alphanumeric())
            && name.len() < 128
            && name.bytes().all(letter)
    }

    /// The claims of `token` if one of `keys` signed it and all of it is right at `now` (Unix seconds). No claim
    /// is read before the signature holds.
    ///
    /// # Errors
    /// The first check that failed.
    pub fn verify(&self, keys: &KeySet, token: &str, now: i64) -> Result<Claims, TokenFault> {
        if token.len() > MAX_TOKEN {
            return Err(TokenFault::invalid("the token is longer than 8 KiB"));
        }
        let parts = Parts::parse(token)?;
        let header = Header::parse(&parts.header, self.typ.as_deref())?;
        check_signature(keys, &header, &parts)?;
        let object = strict_json::object(&parts.payload)
            .ok_or(TokenFault::invalid("the claims are not a JSON object whose names differ"))?;
        self.check_parties(&object)?;
        let (from, until) = self.check_times(&object, now)?;
        Ok(Claims::new(object, from, until))
    }

    fn check_parties(&self, claims: &Map<String, Value>) -> Result<(), TokenFault> {
        match claims.get("iss") {
            Some(Value::String(iss)) if *iss == self.issuer => {}
            Some(Value::String(_)) => return Err(TokenFault::invalid("`iss` is another issuer")),
            Some(_) => return Err(TokenFault::invalid("`iss` is not a string")),
            None => return Err(TokenFault::invalid("`iss` is missing")),
        }
        let ours =
            |name: &Value| name.as_str().is_some_and(|name| self.audience.iter().any(|one| one == name));
        let meant = match claims.get("aud") {
            Some(one @ Value::String(_)) => ours(one),
            Some(Value::Array(several)) if several.iter().all(Value::is_string) => several.iter().any(ours),
            Some(_) => {
                return Err(TokenFault::invalid("`aud` is neither a string nor a list of strings"));
            }
            None => return Err(TokenFault::invalid("`aud` is missing")),
        };
        if meant { Ok(()) } else { Err(TokenFault::invalid("`aud` names none of the audiences")) }
    }

    /// From when until when the token holds, leeway included.
    fn check_times(&self, claims: &Map<String, Value>, now: i64) -> Result<(i64, i64), TokenFault> {
        let bad = "`exp`, `nbf` or `iat` is not a time in seconds";
        let time =
            |name| claims.get(name).map(|value| seconds(value).ok_or(TokenFault::invalid(bad))).transpose();
        let exp = time("exp")?.ok_or(TokenFault::invalid("`exp` is missing"))?;
        let (nbf, iat) = (time("nbf")?, time("iat")?);
        let until = exp.saturating_add(self.leeway);
        if now >= until {
            return Err(TokenFault::expired("`exp` is past", until));
        }
        let soon = now.saturating_add(self.leeway);
        if nbf.is_some_and(|nbf| nbf > soon) {
            return Err(TokenFault::invalid("`nbf` is in the future"));
        }
        if iat.is_some_and(|iat| iat > soon) {
            return Err(TokenFault::invalid("`iat` is in the future"));
        }
        let from = nbf.max(iat).map_or(i64::MIN, |time| time.saturating_sub(self.leeway));
        Ok((from, until))
    }
}

fn check_signature(keys: &KeySet, header: &Header, parts: &Parts<'_>) -> Result<(), TokenFault> {
    let named = header.kid.as_deref().and_then(|kid| keys.named(kid));
    let candidates = match (named, &header.kid) {
        (Some(key), _) => vec![key],
        // Keys without a name (a secret, a PEM) serve tokens that name theirs, too.
        (None, Some(_)) => keys.fitting(header.algorithm).filter(|key| !key.is_named()).collect(),
        (None, None) => keys.fitting(header.algorithm).collect(),
    };
    if candidates.len() > MAX_TRIES {
        return Err(TokenFault::invalid("too many keys could be meant by the token"));
    }
    let mut tried = false;
    for check in candidates.into_iter().filter_map(|key| key.check(header.algorithm)) {
        tried = true;
        if check.verify(parts.signed.as_bytes(), &parts.signature) {
            return Ok(());
        }
    }
    Err(match (tried, named.is_some(), header.kid.is_some()) {
        (_, false, true) => TokenFault::unknown_key("no key has the token's `kid`"),
        (true, ..) => TokenFault::forged("the signature does not verify"),
        (false, ..) => TokenFault::invalid("no key is meant for the token's `alg`"),
    })
}

/// A `NumericDate` (RFC 7519, 2) in whole seconds; fractions are dropped.
pub(crate) fn seconds(value: &Value) -> Option<i64> {
    let seconds = match value.as_i64() {
        Some(whole) => whole,
        #[expect(clippy::cast_possible_truncation, reason = "`as` saturates, and the range is checked below")]
        None => value.as_f64()?.floor() as i64,
    };
    (-LAST_SECOND..=LAST_SECOND).contains(&seconds).then_some(seconds)
}
