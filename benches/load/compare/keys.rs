//! Certificates, keys and tokens of one run.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, RsaKeySize};
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};
use serde_json::json;

use crate::Fallible;
use crate::contender::{Ask, Policy};
use crate::wire::HOST;

/// The secret of HS256.
pub(crate) const SECRET: &str = "a-secret-for-measuring-a-secret-for-measuring-a-secret-for-measuring";

/// What a token needs to be signed with.
pub(crate) struct Keys {
    rsa: KeyPair,
    secret: &'static str,
}

impl Keys {
    /// New ones; the public one is written to `rsa.pem`.
    pub(crate) fn make(folder: &Path) -> Fallible<Self> {
        let rsa = KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, RsaKeySize::_2048)?;
        fs::write(folder.join("rsa.pem"), rsa.public_key_pem())?;
        Ok(Self { rsa, secret: SECRET })
    }

    /// The public keys as a set (RFC 7517), for those who do not read PEM.
    pub(crate) fn set(&self, policy: Policy) -> Fallible<String> {
        let key = if policy == Policy::Rs256 {
            // PKCS #1 of a key of 2048 bits: a head of nine octets, the modulus, and 65537.
            let modulus = self.rsa.public_key_raw().get(9..265).ok_or("not a key of 2048 bits")?;
            json!({ "kty": "RSA", "alg": "RS256", "n": URL_SAFE_NO_PAD.encode(modulus), "e": "AQAB" })
        } else {
            json!({ "kty": "oct", "alg": "HS256", "k": URL_SAFE_NO_PAD.encode(self.secret) })
        };
        Ok(json!({ "keys": [key] }).to_string())
    }

    /// A token of `ada`, a user of `acme`: good for an hour, over since an hour, or with a false signature.
    pub(crate) fn token(&self, policy: Policy, ask: Ask) -> Fallible<String> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        let issued = if ask == Ask::Expired { now - 7200 } else { now };
        let claims = json!({
            "iss": "https://issuer.example.test/", "aud": "chat.example.test", "sub": "ada", "org_id": "acme",
            "roles": ["user"], "scope": "chat:read chat:write", "iat": issued, "exp": issued + 3600,
        });
        // A request without a policy has the longer token, too: it has as many bytes to move.
        let (algorithm, key) = match policy {
            Policy::Hs256 => (Algorithm::HS256, EncodingKey::from_secret(self.secret.as_bytes())),
            Policy::Rs256 | Policy::None => {
                (Algorithm::RS256, EncodingKey::from_rsa_pem(self.rsa.serialize_pem().as_bytes())?)
            }
        };
        let token = encode(&Header::new(algorithm), &claims, &key)?;
        Ok(if ask == Ask::Forged { forged(&token) } else { token })
    }
}

/// The token with one character of its signature changed.
fn forged(token: &str) -> String {
    let (signed, signature) = token.rsplit_once('.').unwrap_or((token, ""));
    let other = if signature.starts_with('A') { 'B' } else { 'A' };
    format!("{signed}.{other}{}", signature.get(1..).unwrap_or_default())
}

/// Writes a certificate for [`HOST`]; returns a client that trusts it.
pub(crate) fn certify(folder: &Path) -> Fallible<Arc<ClientConfig>> {
    let mut authority = CertificateParams::new(Vec::<String>::new())?;
    // rcgen gives every certificate the same subject, and then this one looks self-signed.
    authority.distinguished_name.push(DnType::CommonName, "bench authority");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate()?)?;
    let key = KeyPair::generate()?;
    // wrk and h2load name the server by its address.
    let names = vec![HOST.to_owned(), "127.0.0.1".to_owned()];
    let certificate = CertificateParams::new(names)?.signed_by(&key, &authority)?;
    fs::write(folder.join("cert.pem"), certificate.pem())?;
    fs::write(folder.join("key.pem"), key.serialize_pem())?;
    // HAProxy wants both in one file.
    fs::write(folder.join("both.pem"), certificate.pem() + &key.serialize_pem())?;

    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(authority.der().to_vec()))?;
    // Named: Pingora compiles a second provider in, and then there is no default.
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    // Shared by the visits to everyone under one name: one's tickets are nothing to another.
    config.resumption = rustls::client::Resumption::disabled();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forged_token_differs_in_its_signature_alone() {
        assert_eq!(forged("a.b.Axyz"), "a.b.Bxyz");
        assert_eq!(forged("a.b.xyz"), "a.b.Ayz");
    }

    #[test]
    fn a_set_holds_the_key() {
        let folder = tempfile::tempdir().unwrap();
        let keys = Keys::make(folder.path()).unwrap();
        assert!(keys.set(Policy::Rs256).unwrap().contains("\"e\":\"AQAB\""));
        assert!(keys.set(Policy::Hs256).unwrap().contains("oct"));
    }
}
