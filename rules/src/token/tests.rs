//! Tokens are minted by another implementation than the one that verifies them.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm as Minted, EncodingKey};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519, PKCS_RSA_SHA256};
use serde_json::json;

use super::*;

mod accepted;
mod attacks;
mod flips;
mod keys;
mod vectors;

const ISSUER: &str = "https://issuer.test/";
const NOW: i64 = 1_800_000_000;
const LEEWAY: u32 = 30;
const SECRET: &[u8] = b"sixty-four bytes, so that it is long enough even for HS512, yes.";

/// A signing key with what a verifier may know of it.
struct Signing {
    pair: Option<KeyPair>,
    key: EncodingKey,
}

impl Signing {
    fn of(pair: KeyPair) -> Self {
        let pem = pair.serialize_pem();
        let read = [EncodingKey::from_rsa_pem, EncodingKey::from_ec_pem, EncodingKey::from_ed_pem];
        let key = read.iter().find_map(|read| read(pem.as_bytes()).ok()).unwrap();
        Self { pair: Some(pair), key }
    }

    fn secret(secret: &[u8]) -> Self {
        Self { pair: None, key: EncodingKey::from_secret(secret) }
    }

    fn public_pem(&self) -> String {
        self.pair.as_ref().unwrap().public_key_pem()
    }

    /// The public JWK, changed by `members`; a null removes.
    fn jwk(&self, algorithm: Algorithm, members: Value) -> Value {
        let mut jwk = match &self.pair {
            // The other implementation fails to export these.
            Some(pair) if algorithm == Algorithm::EdDsa => {
                json!({"kty": "OKP", "crv": "Ed25519", "x": URL_SAFE_NO_PAD.encode(pair.public_key_raw())})
            }
            _ => serde_json::to_value(Jwk::from_encoding_key(&self.key, minted(algorithm)).unwrap()).unwrap(),
        };
        merge(&mut jwk, members);
        jwk
    }

    fn keys(&self, algorithms: &[Algorithm]) -> KeySet {
        match &self.pair {
            Some(pair) => KeySet::from_pem(pair.public_key_pem().as_bytes(), algorithms).unwrap(),
            None => KeySet::from_secret(SECRET, algorithms).unwrap(),
        }
    }

    /// A token with exactly these parts.
    fn sign_raw(&self, algorithm: Algorithm, header: &str, claims: &str) -> String {
        let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        let signature = jsonwebtoken::crypto::sign(signed.as_bytes(), &self.key, minted(algorithm)).unwrap();
        format!("{signed}.{signature}")
    }

    /// A good token, changed by `header` and `claims`; a null removes.
    fn sign(&self, algorithm: Algorithm, header: Value, claims: Value) -> String {
        let mut whole = json!({"alg": algorithm.name(), "typ": "JWT"});
        merge(&mut whole, header);
        let mut good = good_claims();
        merge(&mut good, claims);
        self.sign_raw(algorithm, &whole.to_string(), &good.to_string())
    }
}

fn good_claims() -> Value {
    json!({"iss": ISSUER, "aud": "api", "sub": "u1", "exp": NOW + 60, "nbf": NOW - 60, "iat": NOW - 60})
}

fn merge(into: &mut Value, members: Value) {
    let Value::Object(members) = members else { panic!("not an object") };
    let into = into.as_object_mut().unwrap();
    for (name, value) in members {
        if value.is_null() {
            into.remove(&name);
        } else {
            into.insert(name, value);
        }
    }
}

fn minted(algorithm: Algorithm) -> Minted {
    algorithm.name().parse().unwrap()
}

fn signing(algorithm: Algorithm) -> &'static Signing {
    match algorithm {
        Algorithm::Hs256 | Algorithm::Hs384 | Algorithm::Hs512 => &HMAC,
        Algorithm::Es256 => &P256,
        Algorithm::Es384 => &P384,
        Algorithm::EdDsa => &ED,
        _ => &RSA,
    }
}

static HMAC: LazyLock<Signing> = LazyLock::new(|| Signing::secret(SECRET));
static RSA: LazyLock<Signing> =
    LazyLock::new(|| Signing::of(KeyPair::generate_for(&PKCS_RSA_SHA256).unwrap()));
static P256: LazyLock<Signing> = LazyLock::new(fresh);
static P384: LazyLock<Signing> =
    LazyLock::new(|| Signing::of(KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap()));
static ED: LazyLock<Signing> = LazyLock::new(|| Signing::of(KeyPair::generate_for(&PKCS_ED25519).unwrap()));

fn fresh() -> Signing {
    Signing::of(KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap())
}

fn jwks(keys: &[Value], algorithms: &[Algorithm]) -> Result<KeySet, KeyError> {
    KeySet::from_jwks(json!({ "keys": keys }).to_string().as_bytes(), algorithms, false)
}

/// A verifier with its keys.
#[derive(Debug)]
struct Checks {
    verifier: Verifier,
    keys: KeySet,
}

impl Checks {
    fn verify(&self, token: &str, now: i64) -> Result<Claims, TokenFault> {
        self.verifier.verify(&self.keys, token, now)
    }
}

fn verifier(keys: KeySet) -> Checks {
    let verifier = Verifier::compile(ISSUER, vec!["web".to_owned(), "api".to_owned()], LEEWAY).unwrap();
    Checks { verifier, keys }
}
