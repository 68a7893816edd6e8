//! The other direction: what a provider would send. For people who try a webhook without the provider, and for tests.

use std::fmt;

use http::HeaderMap;

use super::delivery::Delivery;
use super::key::{Key, Keyring};
use super::scheme::{Proof, Scheme, Signature, Wanted};
use super::stamp;
use super::terms::Terms;
use super::verify::Outcome;

mod draft;

use draft::Draft;

/// A request that verifies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// Path and query: some schemes put something into the query.
    pub target: String,
    /// All header fields: those that were given and those that the scheme needs.
    pub headers: HeaderMap,
    /// The body: some schemes put something into it.
    pub body: Vec<u8>,
}

/// Why a request cannot be signed: a sentence, without key material.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignError(String);

impl SignError {
    pub(super) fn new(why: impl Into<String>) -> Self {
        Self(why.into())
    }
}

impl fmt::Display for SignError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for SignError {}

impl Scheme {
    /// Signs a request as the provider would, with the first key that is active. What the scheme needs and the request
    /// lacks, such as an id, is made up from the request and the time.
    ///
    /// # Errors
    /// When it takes a private key, no key is active, the body is not of the kind that the signature stands in, or the
    /// result would not verify.
    pub fn sign(&self, keys: &Keyring, terms: &Terms, request: &Delivery<'_>) -> Result<Signed, SignError> {
        let (_, key) = keys
            .active(request.now_ms)
            .next()
            .ok_or_else(|| SignError::new("the webhook has no key that is still active"))?;
        let mut draft = Draft::new(request, terms);
        for requirement in &self.require {
            let (Wanted::Equal(text) | Wanted::Containing(text)) = &requirement.wanted;
            draft.put(&requirement.from, text, key)?;
        }
        match &self.proof {
            Proof::Token(token) => {
                let text = std::str::from_utf8(key.bytes())
                    .map_err(|_| SignError::new("the secret is not text, so that it cannot be sent"))?;
                draft.put(token, text, key)?;
            }
            Proof::Signature(signature) if self.kind.is_shared() => {
                self.sign_payload(signature, &mut draft, key)?;
            }
            _ => {
                return Err(SignError::new(
                    "the scheme signs with a private key, which only the provider has",
                ));
            }
        }
        let signed = draft.finish();
        let check =
            Delivery { target: &signed.target, headers: &signed.headers, body: &signed.body, ..*request };
        match self.verify(keys, terms, &check, None) {
            Outcome::Verified(_) | Outcome::Handshake(_) => Ok(signed),
            Outcome::Refused(refused) => {
                Err(SignError::new(format!("the request would be refused: {}", refused.private)))
            }
            Outcome::Wants(_) => Err(SignError::new("the request would need a key that is not configured")),
        }
    }

    fn sign_payload(&self, signature: &Signature, draft: &mut Draft<'_>, key: &Key) -> Result<(), SignError> {
        if let (Some(by), Some(id)) = (&signature.key_by, &key.id) {
            draft.put(by, id, key)?;
        }
        if let Some(stamp) = &signature.stamp {
            draft.put(&stamp.from, &stamp::write(draft.now_ms(), stamp.format), key)?;
        }
        let made_up = draft.made_up();
        for (_, extract) in &signature.vars {
            draft.put_missing(extract.source(), &made_up)?;
        }
        let Some(payload) = signature.payloads.first() else {
            return Err(SignError::new("the scheme signs nothing"));
        };
        for source in payload.required() {
            draft.put_missing(source, &made_up)?;
        }
        if let Some(digest) = &self.body_digest {
            let text = digest.encoding.encode(digest.hash.of(draft.body()).as_ref());
            draft.put(&digest.from, &text, key)?;
        }
        for list in payload.header_lists() {
            draft.list_headers(list, signature.stamp.as_ref().map(|stamp| stamp.from.source()));
        }
        let slot = key.slot.unwrap_or(0);
        let Some(place) = signature.signatures.get(slot) else {
            return Err(SignError::new("the key is for a signature that the scheme does not have"));
        };
        match &signature.each {
            None => {
                let text = draft.signature(signature, key)?;
                draft.put(place, &text, key)
            }
            Some(each) => {
                let texts = draft.signatures(signature, each, key)?;
                draft.put_into_items(each, place.source(), &texts)
            }
        }
    }
}
