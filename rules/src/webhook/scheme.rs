//! A scheme that is ready to verify with: what was doubtful about it was said when it was compiled.

use http::HeaderName;
use http::header::AUTHORIZATION;

use super::certificate::Allowed;
use super::delivery::Reading;
use super::encoding::Encoding;
use super::extract::Extract;
use super::handshake::Handshake;
use super::jwt::Jwt;
use super::mac::Hash;
use super::pointer::Pointer;
use super::raw::{Kind, RawScheme, RawSecretForm};
use super::refused::{Reason, Refused};
use super::replay::Replay;
use super::sns::Sns;
use super::source::Source;
use super::stamp::Stamp;
use super::template::{Template, What};
use super::terms::Setting;
use crate::problem::{Place, Problem};
use crate::token::Algorithm;

mod compile;
mod doubts;

/// How a provider signs what it sends.
pub struct Scheme {
    pub(super) kind: Kind,
    pub(super) secret: RawSecretForm,
    pub(super) proof: Proof,
    pub(super) require: Vec<Requirement>,
    pub(super) body_digest: Option<BodyDigest>,
    pub(super) handshakes: Vec<Handshake>,
    pub(super) replay: Replay,
}

/// What proves a delivery.
pub(super) enum Proof {
    /// A signature, or a digest with a key, over a payload.
    Signature(Box<Signature>),
    /// A secret.
    Token(Extract),
    /// A JWT.
    Jwt(Box<Jwt>),
    /// Fields of an SNS message.
    Sns(Box<Sns>),
}

/// A signature over a payload.
pub(super) struct Signature {
    pub(super) hash: Hash,
    pub(super) encoding: Encoding,
    pub(super) signatures: Vec<Extract>,
    pub(super) stamp: Option<Stamp>,
    pub(super) vars: Vec<(String, Extract)>,
    pub(super) payloads: Vec<Template>,
    pub(super) each: Option<Each>,
    pub(super) key_by: Option<Extract>,
    pub(super) certificates: Option<Allowed>,
}

/// Where the messages of a body are.
pub(super) struct Each {
    pub(super) array: Pointer,
    pub(super) item: Pointer,
}

/// A field that must have a certain value.
pub(super) struct Requirement {
    pub(super) from: Extract,
    pub(super) wanted: Wanted,
}

/// What a field must be.
pub(super) enum Wanted {
    Equal(String),
    Containing(String),
}

/// A digest of the body that stands in the request.
pub(super) struct BodyDigest {
    pub(super) from: Extract,
    pub(super) hash: Hash,
    pub(super) encoding: Encoding,
}

impl Scheme {
    /// Compiles a scheme that is written at `at`.
    ///
    /// # Errors
    /// Every problem: a name or a source that there is not, a key that means nothing for the kind, a payload that
    /// covers neither body nor time, a timestamp outside the payload, a replay list without a signed member.
    pub fn compile(raw: &RawScheme, at: &Place) -> Result<Self, Vec<Problem>> {
        compile::compile(raw, at)
    }

    /// What kind of proof a delivery carries.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Whether the provider's external address is part of what is signed: then `base_url` matters.
    pub fn signs_url(&self) -> bool {
        match &self.proof {
            Proof::Signature(signature) => {
                let mut whats = signature.payloads.iter().flat_map(Template::whats);
                whats.any(|what| matches!(what, What::Url | What::Path))
            }
            Proof::Jwt(jwt) => jwt.names_url(),
            Proof::Token(_) | Proof::Sns(_) => false,
        }
    }

    /// What the signature leaves open, in sentences for people.
    pub fn doubts(&self) -> Vec<&'static str> {
        doubts::doubts(self)
    }

    /// The settings that it reads as `config:NAME`, `handshake_armed` aside.
    pub fn settings(&self) -> Vec<Setting<'_>> {
        doubts::settings(self)
    }

    /// Whether some handshake is answered only while it is armed.
    pub fn is_armable(&self) -> bool {
        self.handshakes.iter().any(Handshake::is_armed)
    }

    /// Whether it has a tolerance that a webhook may set.
    pub fn has_tolerance(&self) -> bool {
        match &self.proof {
            Proof::Signature(signature) => signature.stamp.is_some(),
            Proof::Jwt(jwt) => jwt.has_iat(),
            Proof::Sns(_) => true,
            Proof::Token(_) => false,
        }
    }

    /// Whether its keys are shared secrets.
    pub fn takes_secrets(&self) -> bool {
        self.kind.is_shared() || self.algorithms().iter().any(|one| one.is_symmetric())
    }

    /// Whether its keys are public keys or certificates.
    pub fn takes_public_keys(&self) -> bool {
        !self.kind.is_shared()
            && (self.kind != Kind::Jwt || self.algorithms().iter().any(|one| !one.is_symmetric()))
    }

    /// Whether keys can be had by their address, so that none has to be configured.
    pub fn fetches_keys(&self) -> bool {
        match &self.proof {
            Proof::Signature(signature) => signature.certificates.is_some(),
            Proof::Jwt(jwt) => jwt.key_set.is_some(),
            Proof::Sns(_) => true,
            Proof::Token(_) => false,
        }
    }

    /// The address of the key set that it is verified with, if it is one.
    pub fn key_set(&self) -> Option<&str> {
        match &self.proof {
            Proof::Jwt(jwt) => jwt.key_set.as_deref(),
            Proof::Signature(_) | Proof::Sns(_) | Proof::Token(_) => None,
        }
    }

    /// Headers that must not be forwarded: whoever reads them could send deliveries.
    pub fn secret_headers(&self) -> Vec<&HeaderName> {
        let extracts: Vec<&Extract> = match &self.proof {
            Proof::Token(token) => vec![token],
            Proof::Jwt(jwt) => vec![&jwt.token],
            Proof::Signature(signature) => signature.signatures.iter().collect(),
            Proof::Sns(_) => Vec::new(),
        };
        let secret = |name: &HeaderName| !matches!(self.proof, Proof::Signature(_)) || *name == AUTHORIZATION;
        extracts
            .iter()
            .filter_map(|extract| match extract.source() {
                Source::Header(name) => Some(name),
                _ => None,
            })
            .filter(|name| secret(name))
            .collect()
    }

    pub(super) fn secret_form(&self) -> &RawSecretForm {
        &self.secret
    }

    pub(super) fn hash(&self) -> Hash {
        match &self.proof {
            Proof::Signature(signature) => signature.hash,
            Proof::Token(_) | Proof::Jwt(_) | Proof::Sns(_) => Hash::Sha256,
        }
    }

    pub(super) fn algorithms(&self) -> &[Algorithm] {
        match &self.proof {
            Proof::Jwt(jwt) => &jwt.algorithms,
            Proof::Signature(_) | Proof::Token(_) | Proof::Sns(_) => &[],
        }
    }

    /// How many entries the list of signatures has.
    pub(super) fn slots(&self) -> usize {
        match &self.proof {
            Proof::Signature(signature) => signature.signatures.len(),
            Proof::Token(_) | Proof::Jwt(_) | Proof::Sns(_) => 1,
        }
    }
}

impl Requirement {
    pub(super) fn check(&self, reading: &Reading<'_>) -> Result<(), Refused> {
        let Some(value) = self.from.one(reading)? else { return Ok(()) };
        let met = match &self.wanted {
            Wanted::Equal(text) => *value == *text.as_bytes(),
            Wanted::Containing(text) => {
                value.windows(text.len().max(1)).any(|window| window == text.as_bytes())
            }
        };
        if met {
            return Ok(());
        }
        Err(Refused::new(Reason::Unmet, format!("{} does not say what the scheme requires", self.from)))
    }
}

impl BodyDigest {
    pub(super) fn check(&self, reading: &Reading<'_>) -> Result<(), Refused> {
        let Some(text) = self.from.one(reading)? else { return Ok(()) };
        let wanted = self.encoding.decode(&text);
        let wanted = wanted.ok_or_else(|| Refused::malformed(format!("{} is not a digest", self.from)))?;
        if self.hash.of(reading.delivery.body).as_ref() == wanted.as_slice() {
            return Ok(());
        }
        Err(Refused::mismatch(format!("{} is the digest of another body", self.from)))
    }
}
