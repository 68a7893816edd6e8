//! `listen.https.client_ca`: whose word on a client is taken, and what a client's certificate says as claims.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use certs::client::{self, Authorities, AuthorityError, Dn, Leaf};
use rules::view::ClientCertificate;
use rustls::server::danger::ClientCertVerifier;
use rustls_pki_types::CertificateDer;
use serde_json::{Map, Value, json};

/// A SHA-256.
pub type Digest = [u8; 32];

/// The authorities that vouch for clients. Equal when their file has the same bytes.
#[derive(Clone)]
pub struct ClientCa {
    authorities: Authorities,
    digest: Digest,
}

impl ClientCa {
    /// Reads the file.
    ///
    /// # Errors
    /// When it names no authority, or something that is none.
    pub fn from_pem(pem: &[u8]) -> Result<Self, AuthorityError> {
        Ok(Self { authorities: Authorities::from_pem(pem)?, digest: sha256(pem) })
    }

    /// What a connection is marked with, to tell later whether these authorities are still in force.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// What asks clients for certificates.
    pub fn verifier(&self) -> Arc<dyn ClientCertVerifier> {
        self.authorities.verifier()
    }

    /// The certificate at the head of a chain, if a handshake at `at` (Unix seconds) would have accepted it.
    ///
    /// # Errors
    /// Why not, for people.
    pub fn vouch(&self, chain: &[CertificateDer<'_>], at: i64) -> Result<ClientCertificate, String> {
        self.authorities
            .verify(chain, at)
            .map_err(|error| format!("the client's certificate does not verify: {error}"))?;
        read(chain)
    }

    /// The same for a chain in PEM.
    ///
    /// # Errors
    /// Why not, for people.
    pub fn vouch_pem(&self, pem: &[u8], at: i64) -> Result<ClientCertificate, String> {
        let chain = client::chain(pem).map_err(|error| format!("the client's certificate: {error}"))?;
        self.vouch(&chain, at)
    }
}

impl PartialEq for ClientCa {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest
    }
}

impl Eq for ClientCa {}

impl fmt::Debug for ClientCa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ClientCa").field(&hex(&self.digest)).finish()
    }
}

/// What the certificate at the head of a verified chain says.
///
/// # Errors
/// Why it cannot be read, for people.
pub fn read(chain: &[CertificateDer<'_>]) -> Result<ClientCertificate, String> {
    let own = chain.first().ok_or("the client's chain of certificates is empty")?;
    let leaf = Leaf::from_der(own).map_err(|error| error.to_string())?;
    let fingerprint = sha256(own);
    Ok(ClientCertificate {
        claims: claims(&leaf, &fingerprint),
        fingerprint,
        from: leaf.not_before,
        // The last second of validity is one (RFC 5280, section 4.1.2.5).
        until: leaf.not_after.saturating_add(1),
    })
}

fn claims(leaf: &Leaf, fingerprint: &Digest) -> Map<String, Value> {
    let addresses: Vec<String> = leaf.ip.iter().map(ToString::to_string).collect();
    let members = [
        ("subject", name(&leaf.subject)),
        ("issuer", name(&leaf.issuer)),
        ("san", json!({ "dns": leaf.dns, "email": leaf.email, "uri": leaf.uri, "ip": addresses })),
        ("serial", leaf.serial.as_str().into()),
        ("fingerprint", hex(fingerprint).into()),
    ];
    members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

/// An attribute that is there once is a text, one that is there several times a list.
fn name(name: &Dn) -> Value {
    let attributes = name.attributes.iter().map(|(key, values)| match values.as_slice() {
        [only] => (key.clone(), only.as_str().into()),
        several => (key.clone(), several.into()),
    });
    Value::Object(attributes.chain([("dn".to_owned(), name.text.as_str().into())]).collect())
}

fn sha256(bytes: &[u8]) -> Digest {
    let mut sum = Digest::default();
    // Both are 32 bytes, so that nothing is left out.
    for (to, from) in sum.iter_mut().zip(digest(&SHA256, bytes).as_ref()) {
        *to = *from;
    }
    sum
}

fn hex(bytes: &[u8]) -> String {
    use fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use rcgen::{
        BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, IsCa, KeyPair,
        SanType,
    };

    use super::*;

    #[test]
    fn a_certificate_becomes_claims() {
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationName, "acme");
        params.distinguished_name.push(DnType::OrganizationalUnitName, "a");
        params.distinguished_name.push(DnType::CustomDnType(vec![2, 5, 4, 11]), "b");
        params.serial_number = Some(vec![0x0a].into());
        params.subject_alt_names = vec![
            SanType::URI("spiffe://acme/w".try_into().unwrap()),
            SanType::IpAddress("2001:db8::1".parse().unwrap()),
        ];
        let own = params.signed_by(&KeyPair::generate().unwrap(), &authority).unwrap();
        let ca = ClientCa::from_pem(authority.pem().as_bytes()).unwrap();
        let read = ca.vouch_pem(own.pem().as_bytes(), 1_700_000_000).unwrap();
        let print = hex(&sha256(own.der()));
        assert_eq!(
            Value::Object(read.claims),
            json!({
                "subject": { "o": "acme", "ou": ["a", "b"], "dn": "OU=b,OU=a,O=acme" },
                "issuer": { "cn": "rcgen self signed cert", "dn": "CN=rcgen self signed cert" },
                "san": { "dns": [], "email": [], "uri": ["spiffe://acme/w"], "ip": ["2001:db8::1"] },
                "serial": "0a", "fingerprint": print,
            })
        );
        // rcgen's own default dates.
        assert_eq!((read.from, read.until), (157_766_400, 67_090_118_401));
        assert_eq!(print.len(), 64);
        assert!(ca.vouch_pem(b"nonsense", 1_700_000_000).unwrap_err().contains("there is no certificate"));
    }

    #[test]
    fn authorities_are_told_apart_by_their_file() {
        let file = || {
            let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap().pem()
        };
        let [one, two] = [file(), file()].map(|pem| ClientCa::from_pem(pem.as_bytes()).unwrap());
        assert_eq!(one, one.clone());
        assert_ne!(one, two);
    }
}
