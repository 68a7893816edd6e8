//! Mints tokens (RFC 7519, compact form of RFC 7515) for those who try a gateway out: `portcullis token` and the
//! demo's issuer. What the gateway accepts is decided elsewhere, by code that shares nothing with this.

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rules::secret::Secret;
use rules::token::Algorithm;
use serde_json::{Map, Value, json};

/// A key that signs tokens.
pub enum SigningKey {
    /// HMAC with a shared secret.
    Secret(Box<hmac::Key>, Algorithm),
    /// ES256.
    P256(Box<EcdsaKeyPair>),
}

impl SigningKey {
    /// The secret as a key for `algorithm`; `None` unless that is HS256, HS384 or HS512.
    pub fn of_secret(secret: &Secret, algorithm: Algorithm) -> Option<Self> {
        let hash = match algorithm {
            Algorithm::Hs256 => hmac::HMAC_SHA256,
            Algorithm::Hs384 => hmac::HMAC_SHA384,
            Algorithm::Hs512 => hmac::HMAC_SHA512,
            _ => return None,
        };
        Some(Self::Secret(Box::new(hmac::Key::new(hash, secret.expose())), algorithm))
    }

    /// A new key pair for ES256.
    ///
    /// # Errors
    /// When the system gives no random key.
    pub fn generate() -> Result<Self, NoSignature> {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map_err(|_| NoSignature)?;
        Ok(Self::P256(Box::new(pair)))
    }

    /// The public half as a JWK set (RFC 7517); the set of a secret is empty.
    pub fn key_set(&self) -> Value {
        let Self::P256(pair) = self else { return json!({ "keys": [] }) };
        // An uncompressed point (SEC 1, 2.3.3): 4, then both coordinates.
        let point = pair.public_key().as_ref().get(1..).unwrap_or_default();
        let (x, y) = point.split_at(point.len() / 2);
        let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
        json!({ "keys": [{ "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "x": x, "y": y }] })
    }

    /// A token of these claims, with no `kid`.
    ///
    /// # Errors
    /// When the key cannot sign.
    pub fn mint(&self, claims: &Map<String, Value>) -> Result<String, NoSignature> {
        let algorithm = match self {
            Self::Secret(_, algorithm) => *algorithm,
            Self::P256(_) => Algorithm::Es256,
        };
        let header = json!({ "alg": algorithm, "typ": "JWT" }).to_string();
        let claims = serde_json::to_vec(claims).map_err(|_| NoSignature)?;
        let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        let signature = match self {
            Self::Secret(key, _) => URL_SAFE_NO_PAD.encode(hmac::sign(key, signed.as_bytes())),
            Self::P256(pair) => {
                let signature =
                    pair.sign(&SystemRandom::new(), signed.as_bytes()).map_err(|_| NoSignature)?;
                URL_SAFE_NO_PAD.encode(signature)
            }
        };
        Ok(format!("{signed}.{signature}"))
    }
}

/// A token could not be signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoSignature;

impl std::fmt::Display for NoSignature {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("no token could be signed")
    }
}

impl std::error::Error for NoSignature {}

#[cfg(test)]
mod tests {
    use rules::token::{KeySet, Verifier};

    use super::*;

    const NOW: i64 = 1_800_000_000;

    fn claims() -> Map<String, Value> {
        let claims =
            json!({ "iss": "https://issuer.test/", "aud": "api", "sub": "ada", "iat": NOW, "exp": NOW + 60 });
        claims.as_object().unwrap().clone()
    }

    fn accepts(keys: &KeySet, token: &str) -> bool {
        let verifier = Verifier::compile("https://issuer.test/", vec!["api".to_owned()], 0).unwrap();
        verifier.verify(keys, token, NOW).is_ok()
    }

    #[test]
    fn a_secrets_tokens_verify_with_the_secret_and_no_other() {
        for algorithm in [Algorithm::Hs256, Algorithm::Hs384, Algorithm::Hs512] {
            let keys = |byte: u8| KeySet::from_secret(&[byte; 64], &[algorithm]).unwrap();
            let key = SigningKey::of_secret(&Secret::new(vec![7; 64]), algorithm).unwrap();
            let token = key.mint(&claims()).unwrap();
            assert!(accepts(&keys(7), &token), "{algorithm}");
            assert!(!accepts(&keys(8), &token), "{algorithm}");
        }
    }

    #[test]
    fn a_pairs_tokens_verify_with_its_key_set_and_no_other() {
        let keys = |key: &SigningKey| {
            KeySet::from_jwks(key.key_set().to_string().as_bytes(), &[Algorithm::Es256], false).unwrap()
        };
        let (key, other) = (SigningKey::generate().unwrap(), SigningKey::generate().unwrap());
        let token = key.mint(&claims()).unwrap();
        assert!(accepts(&keys(&key), &token));
        assert!(!accepts(&keys(&other), &token));
    }

    #[test]
    fn only_secrets_are_shared() {
        assert!(SigningKey::of_secret(&Secret::new(vec![7; 64]), Algorithm::Es256).is_none());
    }
}
