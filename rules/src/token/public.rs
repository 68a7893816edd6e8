//! Public keys, whatever they were written as, and the checks that they can make.

use aws_lc_rs::error::KeyRejected;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256,
    RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RsaParameters, RsaPublicKeyComponents,
};

use super::Algorithm;

/// A public key's numbers, not checked yet.
pub(crate) enum Public {
    /// Modulus and exponent, big-endian.
    Rsa { n: Vec<u8>, e: Vec<u8> },
    /// An encoded point (SEC 1, 2.3.3).
    P256(Vec<u8>),
    /// An encoded point (SEC 1, 2.3.3).
    P384(Vec<u8>),
    /// An encoded point (RFC 8032, 5.1.2).
    Ed25519(Vec<u8>),
}

const BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

impl Public {
    /// One check for each of `algorithms` that this kind of key can make.
    pub(crate) fn checks(
        &self,
        algorithms: &[Algorithm],
    ) -> Result<Vec<(Algorithm, ParsedPublicKey)>, String> {
        self.sound()?;
        let mut checks = Vec::new();
        for &algorithm in algorithms {
            if let Some(parsed) = self.parse(algorithm) {
                let parsed = parsed.map_err(|_| "the key's numbers are not a point of its curve")?;
                checks.push((algorithm, parsed));
            }
        }
        Ok(checks)
    }

    /// `None`: the algorithm is another kind's.
    fn parse(&self, algorithm: Algorithm) -> Option<Result<ParsedPublicKey, KeyRejected>> {
        Some(match (self, algorithm) {
            (Self::Rsa { n, e }, algorithm) => {
                RsaPublicKeyComponents { n: trimmed(n), e: trimmed(e) }.to_parsed_public_key(rsa(algorithm)?)
            }
            (Self::P256(point), Algorithm::Es256) => ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point),
            (Self::P384(point), Algorithm::Es384) => ParsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, point),
            (Self::Ed25519(point), Algorithm::EdDsa) => ParsedPublicKey::new(&ED25519, point),
            _ => return None,
        })
    }

    /// The library checks an RSA key's size at each use; a key that can never serve is refused at once.
    pub(crate) fn sound(&self) -> Result<(), String> {
        let Self::Rsa { n, e } = self else { return Ok(()) };
        let (n, e) = (trimmed(n), trimmed(e));
        let bits = n.first().map_or(0, |first| n.len() * 8 - first.leading_zeros() as usize);
        if !BITS.contains(&bits) {
            return Err(format!("the RSA key has {bits} bits; from 2048 to 8192 are accepted"));
        }
        // With e = 1 every message is its own signature.
        if e == [1] || e.last().is_none_or(|last| last % 2 == 0) || e.len() > 4 {
            return Err("the RSA key's exponent is unsafe; 65537 is usual".to_owned());
        }
        Ok(())
    }
}

pub(crate) fn trimmed(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|&&byte| byte == 0).count();
    number.get(zeros..).unwrap_or_default()
}

fn rsa(algorithm: Algorithm) -> Option<&'static RsaParameters> {
    Some(match algorithm {
        Algorithm::Rs256 => &RSA_PKCS1_2048_8192_SHA256,
        Algorithm::Rs384 => &RSA_PKCS1_2048_8192_SHA384,
        Algorithm::Rs512 => &RSA_PKCS1_2048_8192_SHA512,
        Algorithm::Ps256 => &RSA_PSS_2048_8192_SHA256,
        Algorithm::Ps384 => &RSA_PSS_2048_8192_SHA384,
        Algorithm::Ps512 => &RSA_PSS_2048_8192_SHA512,
        _ => return None,
    })
}
