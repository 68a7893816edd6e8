//! An issuer of tokens, and an identity that believes it.

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use rcgen::{
    KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519, PKCS_RSA_SHA256, RsaKeySize,
};
use rules::identities::jwt::RawJwt;
use rules::identities::{Making, RawIdentity, compile};
use rules::policy::{IdentityDef, Library};
use rules::problem::Place;
use rules::secret::Secret;
use serde_json::json;

use crate::Fallible;

const SECRET: &[u8] = b"a bench's secret, which has to be at least as long as its hash";

/// An issuer with one key.
pub(crate) struct Issuer {
    algorithm: Algorithm,
    key: EncodingKey,
    public: Option<String>,
}

impl Issuer {
    pub(crate) fn new(name: &str) -> Fallible<Self> {
        let algorithm: Algorithm = name.parse()?;
        let pair = match algorithm {
            Algorithm::HS256 => {
                return Ok(Self { algorithm, key: EncodingKey::from_secret(SECRET), public: None });
            }
            Algorithm::ES256 => KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?,
            Algorithm::ES384 => KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384)?,
            Algorithm::EdDSA => KeyPair::generate_for(&PKCS_ED25519)?,
            _ => KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048)?,
        };
        let pem = pair.serialize_pem();
        let key = match algorithm {
            Algorithm::ES256 | Algorithm::ES384 => EncodingKey::from_ec_pem(pem.as_bytes())?,
            Algorithm::EdDSA => EncodingKey::from_ed_pem(pem.as_bytes())?,
            _ => EncodingKey::from_rsa_pem(pem.as_bytes())?,
        };
        Ok(Self { algorithm, key, public: Some(pair.public_key_pem()) })
    }

    /// A token as identity services make them, each with an id of its own.
    pub(crate) fn token(&self, nth: usize, now: i64) -> Fallible<String> {
        let mut header = Header::new(self.algorithm);
        header.kid = Some("key-2026-11".to_owned());
        let claims = json!({
            "iss": "https://auth.example.com/", "aud": ["api.example.com"], "sub": "auth0|5f7c8ec7c33c6c004bbafe82",
            "azp": "my_client_id", "org_id": "acme", "roles": ["user", "editor"], "scope": "openid profile chat:read chat:write",
            "email": "ada@example.com", "iat": now - 60, "exp": now + 3600, "jti": format!("{nth:032x}"),
        });
        Ok(encode(&header, &claims, &self.key)?)
    }

    /// The identity that believes this issuer.
    pub(crate) fn identity(&self) -> Fallible<IdentityDef> {
        let keys = if self.public.is_some() { json!({ "pem": "key" }) } else { json!({ "secret": "key" }) };
        let raw: RawJwt = serde_json::from_value(json!({
            "kind": "jwt", "issuer": "https://auth.example.com/", "audience": "api.example.com", "keys": keys,
            "claims": { "user": "sub", "tenant": "org_id", "roles": "roles", "scopes": "scope" },
            "forward": { "x-user-id": "user", "x-tenant-id": "tenant", "x-roles": "roles" },
        }))?;
        let making = Making {
            name: "session",
            index: 0,
            at: Place::root(),
            library: self,
            production: true,
            client_ca: false,
        };
        compile(&RawIdentity::Jwt(raw), &making).map_err(|problems| format!("{problems:?}").into())
    }
}

impl Library for Issuer {
    fn secret(&self, _: &str) -> Result<Secret, String> {
        Ok(Secret::new(SECRET.to_vec()))
    }

    fn file(&self, _: &str) -> Result<Vec<u8>, String> {
        self.public.clone().map(String::into_bytes).ok_or_else(|| "there is no public key".to_owned())
    }

    fn keys(&self, _: &str) -> Result<Vec<rules::key_file::Listed>, Vec<rules::key_file::Wrong>> {
        Err(Vec::new())
    }
}
