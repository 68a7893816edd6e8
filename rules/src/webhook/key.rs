//! Keys: what a configuration gives, made ready for one scheme. Names go to logs, values nowhere.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY,
    RSA_PKCS1_2048_8192_SHA256, RsaParameters, RsaPublicKeyComponents,
};
use aws_lc_rs::{digest, hmac};

use super::Scheme;
use super::mac::{self, Hash};
use super::raw::{Derive, Kind, SecretCoding};
use super::template::Chunk;
use crate::moment::Moment;
use crate::problem::{Place, Problem};
use crate::secret::Secret;
use crate::token::Algorithm;
use crate::token::public::{Public, trimmed};

mod public;

pub use public::{KeyEncoding, RawPublicKey};
pub(super) use public::{jwt_of, of_certificate};

/// A shared secret of a webhook.
pub struct SharedKey<'a> {
    /// What logs call it.
    pub name: &'a str,
    /// The id by which messages may name it.
    pub id: Option<&'a str>,
    /// The only entry of the scheme's list of signatures that it may have made, from 0.
    pub slot: Option<usize>,
    /// From when on it no longer verifies.
    pub until: Option<Moment>,
    /// Its value as it was read.
    pub secret: &'a Secret,
}

/// The keys of a webhook.
pub struct Keyring {
    keys: Vec<Key>,
}

/// A key that is ready.
pub(super) struct Key {
    name: String,
    pub(super) id: Option<String>,
    pub(super) slot: Option<usize>,
    until: Option<Moment>,
    pub(super) material: Material,
}

/// What verifies.
pub(super) enum Material {
    /// An HMAC key, and its bytes for payloads that contain them.
    Mac(Box<hmac::Key>, Secret),
    /// A secret.
    Secret(Secret),
    /// A public key for the scheme's algorithm.
    Public(ParsedPublicKey),
    /// A certificate of Amazon SNS, for SHA-1 and SHA-256.
    Sns([ParsedPublicKey; 2]),
    /// A check for each algorithm that a JWT may have.
    Jwt(Vec<(Algorithm, Check)>),
}

/// What verifies a JWT.
pub(super) enum Check {
    Secret(Box<hmac::Key>),
    Public(ParsedPublicKey),
}

impl Keyring {
    /// Makes keys ready for a scheme; `at` is the webhook.
    ///
    /// # Errors
    /// When there is none that could verify, or one is not what the scheme takes.
    pub fn compile(
        scheme: &Scheme,
        shared: &[SharedKey<'_>],
        public: &[RawPublicKey],
        at: &Place,
    ) -> Result<Self, Vec<Problem>> {
        let (mut keys, mut problems) = (Vec::new(), Vec::new());
        let place = |key: &str, index: usize, count: usize| {
            if count == 1 && key == "secret" { at.key(key) } else { at.key(key).item(index) }
        };
        for (index, key) in shared.iter().enumerate() {
            match Key::shared(scheme, key, &place("secret", index, shared.len())) {
                Ok(key) => keys.push(key),
                Err(problem) => problems.push(problem),
            }
        }
        for (index, key) in public.iter().enumerate() {
            match public::compile(scheme, key, index, &place("public_keys", index, public.len())) {
                Ok(key) => keys.push(key),
                Err(problem) => problems.push(problem),
            }
        }
        if keys.is_empty() && problems.is_empty() && !scheme.fetches_keys() && !scheme.is_armable() {
            let what = if scheme.takes_secrets() { "secret" } else { "public_keys" };
            problems.push(
                at.problem("the webhook has no key, so that nothing could be verified")
                    .remedy(format!("write `{what}:` with the key that the provider shows")),
            );
        }
        if problems.is_empty() { Ok(Self { keys }) } else { Err(problems) }
    }

    /// What logs call a key.
    pub fn name(&self, index: usize) -> Option<&str> {
        self.keys.get(index).map(|key| key.name.as_str())
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there is none: then nothing but an armed handshake can pass.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The keys that verify at this time, each with its index.
    pub(super) fn active(&self, now_ms: i64) -> impl Iterator<Item = (usize, &Key)> {
        self.keys.iter().enumerate().filter(move |(_, key)| !key.is_retired(now_ms))
    }

    /// The keys whose time is over.
    pub(super) fn retired(&self, now_ms: i64) -> impl Iterator<Item = (usize, &Key)> {
        self.keys.iter().enumerate().filter(move |(_, key)| key.is_retired(now_ms))
    }
}

impl Key {
    fn shared(scheme: &Scheme, raw: &SharedKey<'_>, at: &Place) -> Result<Self, Problem> {
        check_slot(scheme, raw.slot, at)?;
        if !scheme.takes_secrets() {
            return Err(at
                .problem("the scheme verifies with a public key, not with a secret")
                .remedy("write the provider's key under `public_keys`"));
        }
        let bytes = secret_bytes(scheme, raw.secret.expose(), at)?;
        let material = match scheme.kind() {
            Kind::Hmac => {
                let key = hmac::Key::new(scheme.hash().hmac(), bytes.expose());
                Material::Mac(Box::new(key), bytes)
            }
            Kind::Jwt => Material::Jwt(hs_checks(scheme.algorithms(), bytes.expose())),
            _ => Material::Secret(bytes),
        };
        Ok(Self {
            name: raw.name.to_owned(),
            id: raw.id.map(str::to_owned),
            slot: raw.slot,
            until: raw.until,
            material,
        })
    }

    fn is_retired(&self, now_ms: i64) -> bool {
        self.until.is_some_and(|Moment(end)| now_ms >= end.saturating_mul(1000))
    }

    /// The bytes that `{secret}` stands for.
    pub(super) fn bytes(&self) -> &[u8] {
        match &self.material {
            Material::Mac(_, secret) | Material::Secret(secret) => secret.expose(),
            Material::Public(_) | Material::Sns(_) | Material::Jwt(_) => &[],
        }
    }

    /// The HMAC of a text, where this is an HMAC key.
    pub(super) fn mac(&self, text: &[u8]) -> Option<hmac::Tag> {
        match &self.material {
            Material::Mac(key, _) => Some(hmac::sign(key, text)),
            _ => None,
        }
    }

    /// Whether one of some signatures is this key's over a message; says which in no way.
    pub(super) fn made(&self, hash: Hash, message: &[Chunk<'_>], signatures: &[&[u8]]) -> bool {
        match &self.material {
            Material::Mac(..) | Material::Secret(_) => {
                let Some(own) = self.sign(hash, message) else { return false };
                signatures.iter().any(|signature| mac::equal(&own, signature))
            }
            Material::Public(key) => {
                let message = joined(message);
                signatures.iter().any(|signature| key.verify_sig(&message, signature).is_ok())
            }
            Material::Sns(_) | Material::Jwt(_) => false,
        }
    }

    /// The signature over a message, where that takes no more than the secret.
    pub(super) fn sign(&self, hash: Hash, message: &[Chunk<'_>]) -> Option<Vec<u8>> {
        let pieces = message.iter().map(|chunk| match chunk {
            Chunk::Bytes(bytes) => bytes.as_ref(),
            Chunk::Secret => self.bytes(),
        });
        match &self.material {
            Material::Mac(key, _) => {
                let mut context = hmac::Context::with_key(key);
                pieces.for_each(|piece| context.update(piece));
                Some(context.sign().as_ref().to_vec())
            }
            Material::Secret(_) => {
                let mut context = digest::Context::new(hash.digest());
                pieces.for_each(|piece| context.update(piece));
                Some(context.finish().as_ref().to_vec())
            }
            _ => None,
        }
    }
}

impl Check {
    pub(super) fn verify(&self, signed: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Secret(key) => hmac::verify(key, signed, signature).is_ok(),
            Self::Public(key) => key.verify_sig(signed, signature).is_ok(),
        }
    }
}

/// A message in one piece.
pub(super) fn joined(message: &[Chunk<'_>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for chunk in message {
        if let Chunk::Bytes(piece) = chunk {
            bytes.extend_from_slice(piece);
        }
    }
    bytes
}

fn check_slot(scheme: &Scheme, slot: Option<usize>, at: &Place) -> Result<(), Problem> {
    let entries = scheme.slots();
    match slot {
        Some(slot) if slot >= entries => Err(at
            .key("slot")
            .problem(format!("the scheme has no signature {slot}"))
            .remedy(format!("it has {entries}, counted from 0"))),
        _ => Ok(()),
    }
}

/// The key's bytes of a secret's text.
fn secret_bytes(scheme: &Scheme, text: &[u8], at: &Place) -> Result<Secret, Problem> {
    let form = scheme.secret_form();
    let prefix = form.strip_prefix.as_deref().unwrap_or_default().as_bytes();
    let rest = text.strip_prefix(prefix).unwrap_or(text);
    let decoded = match form.decode.unwrap_or_default() {
        SecretCoding::Utf8 => Some(rest.to_vec()),
        SecretCoding::Hex => super::encoding::unhex(rest),
        SecretCoding::Base64 => std::str::from_utf8(rest).ok().and_then(super::encoding::pasted_base64),
    };
    let bytes = Secret::new(decoded.ok_or_else(|| {
        at.problem("the secret is not written as the scheme says")
            .remedy("copy it again from the provider's page, without blanks around it")
    })?);
    if bytes.expose().is_empty() {
        return Err(at.problem("the secret is empty").remedy("copy it again from the provider's page"));
    }
    Ok(match form.derive.unwrap_or_default() {
        Derive::None => bytes,
        Derive::Sha1 => Secret::new(Hash::Sha1.of(bytes.expose()).as_ref().to_vec()),
    })
}

fn hs_checks(algorithms: &[Algorithm], secret: &[u8]) -> Vec<(Algorithm, Check)> {
    let hash = |algorithm: Algorithm| match algorithm {
        Algorithm::Hs256 => Some(hmac::HMAC_SHA256),
        Algorithm::Hs384 => Some(hmac::HMAC_SHA384),
        Algorithm::Hs512 => Some(hmac::HMAC_SHA512),
        _ => None,
    };
    let check = |algorithm: &Algorithm| {
        let key = hmac::Key::new(hash(*algorithm)?, secret);
        Some((*algorithm, Check::Secret(Box::new(key))))
    };
    algorithms.iter().filter_map(check).collect()
}

/// A public key for a scheme's own algorithm.
fn material(kind: Kind, key: &Public) -> Result<Material, String> {
    key.sound()?;
    let wrong = |wanted: &str| format!("the key is of another kind; the scheme takes {wanted}");
    let broken = |_| "the key's numbers are not a key".to_owned();
    match (kind, key) {
        (Kind::Ed25519, Public::Ed25519(point)) => {
            ParsedPublicKey::new(&ED25519, point).map(Material::Public).map_err(broken)
        }
        (Kind::EcdsaP256Sha256, Public::P256(point)) => {
            ParsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point).map(Material::Public).map_err(broken)
        }
        (Kind::RsaPkcs1Sha256, Public::Rsa { n, e }) => {
            rsa(n, e, &RSA_PKCS1_2048_8192_SHA256).map(Material::Public)
        }
        (Kind::Sns, Public::Rsa { n, e }) => Ok(Material::Sns([
            rsa(n, e, &RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY)?,
            rsa(n, e, &RSA_PKCS1_2048_8192_SHA256)?,
        ])),
        (Kind::Ed25519, _) => Err(wrong("an Ed25519 key")),
        (Kind::EcdsaP256Sha256, _) => Err(wrong("an elliptic-curve key on P-256")),
        _ => Err(wrong("an RSA key")),
    }
}

fn rsa(n: &[u8], e: &[u8], parameters: &'static RsaParameters) -> Result<ParsedPublicKey, String> {
    let key = RsaPublicKeyComponents { n: trimmed(n), e: trimmed(e) };
    key.to_parsed_public_key(parameters).map_err(|_| "the key's numbers are not a key".to_owned())
}
