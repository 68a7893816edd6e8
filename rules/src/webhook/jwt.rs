//! Deliveries that carry a JWT (RFC 7519). The scheme says which algorithm and which claims; the token may choose among
//! the keys that we have, and nothing else.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::certificate::{Fetched, Want};
use super::delivery::Reading;
use super::encoding::Encoding;
use super::extract::Extract;
use super::key::{Check, Keyring, Material};
use super::mac::Hash;
use super::raw::RawClaims;
use super::refused::{Reason, Refused};
use super::stamp::{Instant, Window};
use super::template::Chunk;
use super::verify::{Halt, Proven};
use crate::strict_json;
use crate::token::compact::Parts;
use crate::token::{Algorithm, seconds};

/// How a delivery's JWT is judged.
pub(super) struct Jwt {
    pub(super) token: Extract,
    pub(super) algorithms: Vec<Algorithm>,
    pub(super) kid_required: bool,
    pub(super) leeway_s: i64,
    pub(super) claims: Claims,
    /// Where keys are if none are configured.
    pub(super) key_set: Option<String>,
}

/// What it must claim.
pub(super) struct Claims {
    texts: Vec<(&'static str, Vec<Wanted>)>,
    exp: bool,
    iat: Option<Window>,
    body_hash: Option<(String, Encoding)>,
}

/// What a claim must be.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Wanted {
    Text(String),
    Setting(String),
    Url,
}

impl Claims {
    pub(super) fn compile(raw: &RawClaims) -> Self {
        let wanted = |texts: &[String]| texts.iter().map(|text| Wanted::parse(text)).collect::<Vec<_>>();
        let texts = [("iss", &raw.iss), ("aud", &raw.aud), ("email", &raw.email), ("sub", &raw.sub)];
        let texts = texts.map(|(name, texts)| (name, wanted(texts)));
        Self {
            texts: texts.into_iter().filter(|(_, wanted)| !wanted.is_empty()).collect(),
            exp: raw.exp,
            iat: raw.iat.map(|window| Window::of_seconds(window.past_s, window.future_s)),
            body_hash: raw.body_hash.as_ref().map(|hash| (hash.claim.clone(), hash.encoding)),
        }
    }

    /// Whether they end at some time: otherwise a token that was seen once is good for ever.
    pub(super) fn end(&self) -> bool {
        self.exp || self.iat.is_some_and(|window| window.past_ms.is_some())
    }

    /// Whether they say for whom or for what the token was made.
    pub(super) fn bind(&self) -> bool {
        self.body_hash.is_some() || self.texts.iter().any(|(name, _)| matches!(*name, "aud" | "sub"))
    }
}

impl Wanted {
    fn parse(text: &str) -> Self {
        match text.strip_prefix('$') {
            Some("url") => Self::Url,
            Some(name) => Self::Setting(name.to_owned()),
            None => Self::Text(text.to_owned()),
        }
    }

    fn is(&self, value: &str, reading: &Reading<'_>) -> bool {
        match self {
            Self::Text(text) => text == value,
            Self::Setting(name) => {
                reading.terms.setting(name).is_some_and(|wanted| wanted == value.as_bytes())
            }
            Self::Url => reading.url() == value,
        }
    }
}

impl Jwt {
    pub(super) fn covers_body(&self) -> bool {
        self.claims.body_hash.is_some()
    }

    pub(super) fn has_iat(&self) -> bool {
        self.claims.iat.is_some()
    }

    pub(super) fn names_url(&self) -> bool {
        self.claims.texts.iter().any(|(_, wanted)| wanted.contains(&Wanted::Url))
    }

    pub(super) fn settings(&self) -> impl Iterator<Item = &str> {
        let wanted = self.claims.texts.iter().flat_map(|(_, wanted)| wanted);
        wanted.filter_map(|wanted| match wanted {
            Wanted::Setting(name) => Some(name.as_str()),
            Wanted::Text(_) | Wanted::Url => None,
        })
    }

    /// How long a token may be believed at least, in milliseconds.
    pub(super) fn span_ms(&self) -> i64 {
        self.claims.iat.map_or(0, Window::span_ms)
    }

    pub(super) fn verify<'a>(
        &self,
        reading: &Reading<'a>,
        keys: &Keyring,
        fetched: Option<&Fetched>,
    ) -> Result<Proven<'a>, Halt> {
        let text = self.token.one(reading)?.ok_or_else(|| Refused::missing(&self.token))?;
        let shape = || Refused::malformed("the token is not three parts of unpadded base64url");
        let text = std::str::from_utf8(&text).map_err(|_| shape())?;
        let parts = Parts::parse(text).map_err(|_| shape())?;
        if parts.signature.is_empty() {
            return Err(Refused::malformed("the token has no signature").into());
        }
        let (algorithm, kid) = self.header(&parts.header)?;
        let signer = Signer { algorithm, parts: &parts, now_ms: reading.delivery.now_ms };
        let key = self.signer(&signer, kid.as_deref(), keys, fetched)?;
        let claims = strict_json::object(&parts.payload)
            .ok_or_else(|| Refused::malformed("the claims are not a JSON object whose names differ"))?;
        let sent = self.check(&claims, reading)?;
        let mut signed = vec![Chunk::Bytes(Cow::Owned(parts.signed.as_bytes().to_vec()))];
        if !self.covers_body() {
            // One token may carry several messages.
            signed.push(Chunk::Bytes(Cow::Borrowed(reading.delivery.body)));
        }
        Ok(Proven { key, sent, signed: vec![signed] })
    }

    /// Algorithm and `kid`. `jwk`, `jku`, `x5c` and `x5u` are not read: a token does not bring its key.
    fn header(&self, bytes: &[u8]) -> Result<(Algorithm, Option<String>), Refused> {
        let header = strict_json::object(bytes).ok_or_else(|| {
            Refused::malformed("the token's header is not a JSON object whose names differ")
        })?;
        if ["crit", "b64", "zip", "enc"].iter().any(|name| header.contains_key(*name)) {
            return Err(Refused::malformed(
                "the token's header asks for an extension, and none is known here",
            ));
        }
        let name = header.get("alg").and_then(Value::as_str);
        let name = name.ok_or_else(|| Refused::malformed("the token's `alg` is missing"))?;
        let algorithm = self.algorithms.iter().find(|algorithm| algorithm.name() == name);
        let algorithm =
            algorithm.ok_or_else(|| Refused::mismatch("the token's `alg` is not one of the scheme's"))?;
        let kid = match header.get("kid") {
            None if self.kid_required => return Err(Refused::malformed("the token names no key")),
            None => None,
            Some(Value::String(kid)) => Some(kid.clone()),
            Some(_) => return Err(Refused::malformed("the token's `kid` is not a string")),
        };
        Ok((*algorithm, kid))
    }

    /// The index of the configured key that signed the token; none if it was a fetched one.
    fn signer(
        &self,
        signer: &Signer<'_>,
        kid: Option<&str>,
        keys: &Keyring,
        fetched: Option<&Fetched>,
    ) -> Result<Option<usize>, Halt> {
        let meant = |id: Option<&str>| kid.is_none() || id == kid;
        let mut named = keys.active(signer.now_ms).filter(|(_, key)| meant(key.id.as_deref())).peekable();
        let known = named.peek().is_some();
        // Keys without an id serve tokens that name theirs, too.
        let bare = keys.active(signer.now_ms).filter(|(_, key)| !known && key.id.is_none());
        let mut tried = known;
        for (index, key) in named.chain(bare) {
            tried = true;
            if signer.is(&key.material) {
                return Ok(Some(index));
            }
        }
        if let Some(url) = self.key_set.as_ref().filter(|_| keys.is_empty()) {
            let want = Want::KeySet(url.clone());
            let Some(fetched) = fetched.filter(|fetched| *fetched.want() == want) else {
                return Err(Halt::Want(want));
            };
            for key in fetched.keys().iter().filter(|key| meant(key.kid.as_deref())) {
                tried = true;
                if signer.is(&key.material) {
                    return Ok(None);
                }
            }
        }
        let retired =
            keys.retired(signer.now_ms).find(|(_, key)| meant(key.id.as_deref()) && signer.is(&key.material));
        Err(Halt::Refused(match (retired, tried) {
            (Some(_), _) => {
                Refused::new(Reason::RetiredKey, "the token is signed with a key whose time is over")
            }
            (None, true) => Refused::mismatch("no key made the token's signature"),
            (None, false) => Refused::new(Reason::UnknownKey, "the token names a key that is not known"),
        }))
    }

    fn check(&self, claims: &Map<String, Value>, reading: &Reading<'_>) -> Result<Option<Instant>, Refused> {
        for (name, wanted) in &self.claims.texts {
            let is = |value: &Value| {
                value.as_str().is_some_and(|value| wanted.iter().any(|wanted| wanted.is(value, reading)))
            };
            let met = match claims.get(*name) {
                Some(Value::Array(several)) if *name == "aud" => several.iter().any(is),
                Some(value) => is(value),
                None => false,
            };
            if !met {
                return Err(Refused::mismatch(format!(
                    "the token's `{name}` is not what the scheme requires"
                )));
            }
            if *name == "email" && claims.get("email_verified") != Some(&Value::Bool(true)) {
                return Err(Refused::mismatch("the token's e-mail address is not verified"));
            }
        }
        self.check_body(claims, reading)?;
        self.check_times(claims, reading)
    }

    fn check_body(&self, claims: &Map<String, Value>, reading: &Reading<'_>) -> Result<(), Refused> {
        let Some((name, encoding)) = &self.claims.body_hash else { return Ok(()) };
        let hash = claims.get(name).and_then(Value::as_str);
        let hash = hash.and_then(|text| encoding.decode_padded_or_not(text.as_bytes()));
        if hash.as_deref() == Some(Hash::Sha256.of(reading.delivery.body).as_ref()) {
            return Ok(());
        }
        Err(Refused::mismatch("the token was made for another body"))
    }

    fn check_times(
        &self,
        claims: &Map<String, Value>,
        reading: &Reading<'_>,
    ) -> Result<Option<Instant>, Refused> {
        let now_ms = reading.delivery.now_ms;
        let time = |name: &str| {
            let wrong = || Refused::malformed(format!("the token's `{name}` is not a time in seconds"));
            claims.get(name).map(|value| seconds(value).ok_or_else(wrong)).transpose()
        };
        let in_ms = |seconds: i64| seconds.saturating_mul(1000);
        let exp = time("exp")?;
        if exp.is_none() && self.claims.exp {
            return Err(Refused::malformed("the token does not say when it expires"));
        }
        if exp.is_some_and(|exp| now_ms >= in_ms(exp.saturating_add(self.leeway_s))) {
            return Err(Refused::new(Reason::TooOld, "the token has expired"));
        }
        if time("nbf")?.is_some_and(|nbf| in_ms(nbf.saturating_sub(self.leeway_s)) > now_ms) {
            return Err(Refused::new(Reason::TooNew, "the token is not yet valid"));
        }
        let iat = time("iat")?.map(Instant::of_seconds);
        if let Some(window) = self.claims.iat {
            let iat = iat.ok_or_else(|| Refused::malformed("the token does not say when it was issued"))?;
            let (past_ms, future_ms) = reading.terms.tolerance(window.past_ms, window.future_ms);
            Window { past_ms, future_ms }.check(iat, now_ms)?;
        }
        Ok(iat)
    }
}

/// A token whose signer is looked for.
struct Signer<'t> {
    algorithm: Algorithm,
    parts: &'t Parts<'t>,
    now_ms: i64,
}

impl Signer<'_> {
    fn is(&self, material: &Material) -> bool {
        let Material::Jwt(checks) = material else { return false };
        let mut checks = checks.iter().filter(|(algorithm, _)| *algorithm == self.algorithm);
        checks.any(|(_, check): &(Algorithm, Check)| {
            check.verify(self.parts.signed.as_bytes(), &self.parts.signature)
        })
    }
}
