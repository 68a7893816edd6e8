//! A public key or certificate as PEM.

use rustls_pki_types::pem::{PemObject, SectionKind};
use x509_parser::oid_registry::{
    OID_EC_P256, OID_KEY_TYPE_EC_PUBLIC_KEY, OID_NIST_EC_P384, OID_PKCS1_RSAENCRYPTION, OID_SIG_ED25519,
};
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::public_key::PublicKey;
use x509_parser::x509::SubjectPublicKeyInfo;
use zeroize::Zeroize as _;

use super::KeyError;
use super::public::Public;

/// The one public key in `pem`.
pub(crate) fn read(pem: &[u8]) -> Result<Public, KeyError> {
    let mut sections = Vec::new();
    for section in <(SectionKind, Vec<u8>)>::pem_slice_iter(pem) {
        let (kind, mut der) = section.map_err(|_| KeyError::new("the public key is not well-formed PEM"))?;
        if matches!(kind, SectionKind::PrivateKey | SectionKind::RsaPrivateKey | SectionKind::EcPrivateKey) {
            der.zeroize();
            return Err(KeyError::new(
                "this is a private key, with which tokens are signed; the gateway needs and should have only the public one (`openssl pkey -pubout`)",
            ));
        }
        sections.push((kind, der));
    }
    match sections.as_slice() {
        [(SectionKind::PublicKey, der)] => spki(der),
        [(SectionKind::Certificate, der)] => certificate(der),
        [] | [_] => Err(KeyError::new(
            "there is no public key; it must be PEM, with a `BEGIN PUBLIC KEY` or `BEGIN CERTIFICATE` block",
        )),
        _ => Err(KeyError::new("there is more than one key; give one, or a JWK set for several")),
    }
}

/// The key of a DER `SubjectPublicKeyInfo` (RFC 5280, 4.1.2.7).
pub(crate) fn spki(der: &[u8]) -> Result<Public, KeyError> {
    match SubjectPublicKeyInfo::from_der(der) {
        Ok(([], key)) => public(&key),
        _ => Err(KeyError::new(DAMAGED)),
    }
}

/// The key of a DER certificate, whose dates and issuer are not looked at.
pub(crate) fn certificate(der: &[u8]) -> Result<Public, KeyError> {
    match X509Certificate::from_der(der) {
        Ok(([], certificate)) => public(certificate.public_key()),
        _ => Err(KeyError::new(DAMAGED)),
    }
}

const DAMAGED: &str = "the public key is damaged; export it again";

fn public(key: &SubjectPublicKeyInfo<'_>) -> Result<Public, KeyError> {
    let unsupported =
        || KeyError::new("the key is of an unsupported kind; RSA, P-256, P-384 and Ed25519 are accepted");
    let algorithm = &key.algorithm.algorithm;
    let bytes = || key.subject_public_key.data.to_vec();
    if *algorithm == OID_PKCS1_RSAENCRYPTION {
        let Ok(PublicKey::RSA(rsa)) = key.parsed() else {
            return Err(KeyError::new("the RSA public key is damaged; export it again"));
        };
        Ok(Public::Rsa { n: rsa.modulus.to_vec(), e: rsa.exponent.to_vec() })
    } else if *algorithm == OID_KEY_TYPE_EC_PUBLIC_KEY {
        let curve = key.algorithm.parameters.as_ref().and_then(|parameters| parameters.as_oid().ok());
        match curve {
            Some(curve) if curve == OID_EC_P256 => Ok(Public::P256(bytes())),
            Some(curve) if curve == OID_NIST_EC_P384 => Ok(Public::P384(bytes())),
            _ => Err(unsupported()),
        }
    } else if *algorithm == OID_SIG_ED25519 {
        Ok(Public::Ed25519(bytes()))
    } else {
        Err(unsupported())
    }
}
