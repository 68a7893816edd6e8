//! A certificate for development: made on the spot, trusted by nobody who was not told to.

use std::fmt;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;

use rcgen::{
    CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair as Signing, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256,
};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use time::{Duration, OffsetDateTime};
use zeroize::Zeroizing;

use crate::{CertError, KeyPair};

const LIFE: Duration = Duration::days(30);
/// For clients whose clock is behind.
const HEAD_START: Duration = Duration::hours(1);

/// A self-signed pair, and what a client must be told to trust it. Prints no key.
pub struct SelfSigned {
    /// The pair.
    pub pair: KeyPair,
    /// The certificate as PEM, for `curl --cacert`.
    pub certificate_pem: String,
    key_pem: Zeroizing<String>,
}

impl SelfSigned {
    /// Writes the pair to two new files, of which only the owner can read the key.
    ///
    /// # Errors
    /// When a file is there already, or cannot be written.
    pub fn write(&self, cert: &Path, key: &Path) -> io::Result<()> {
        let mut options = File::options();
        options.write(true).create_new(true);
        options.open(cert)?.write_all(self.certificate_pem.as_bytes())?;
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        options.open(key)?.write_all(self.key_pem.as_bytes())
    }
}

impl fmt::Debug for SelfSigned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SelfSigned").field("pair", &self.pair).finish_non_exhaustive()
    }
}

/// Makes an ECDSA P-256 key and a certificate for `names` (host names, `*.` wildcards, addresses), valid for
/// 30 days from now.
///
/// # Errors
/// When `names` is empty or holds what is neither a host name nor an address.
pub fn self_signed(names: &[String]) -> Result<SelfSigned, CertError> {
    for name in names {
        if !plausible(name) {
            return Err(CertError::BadName(name.clone()));
        }
    }
    let mut params = CertificateParams::new(names).map_err(|_| CertError::NotMade("a name is not ASCII"))?;
    let now = OffsetDateTime::now_utc();
    params.not_before = now - HEAD_START;
    params.not_after = now + LIFE;
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "portcullis development");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];

    let signing = Signing::generate_for(&PKCS_ECDSA_P256_SHA256)
        .map_err(|_| CertError::NotMade("the system gave no random key"))?;
    let certificate = params
        .self_signed(&signing)
        .map_err(|_| CertError::NotMade("the certificate could not be signed"))?;
    let key = Zeroizing::new(PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(signing.serialize_der())));
    let pair = KeyPair::from_der(vec![certificate.der().clone()], &key)?;
    Ok(SelfSigned {
        pair,
        certificate_pem: certificate.pem(),
        key_pem: Zeroizing::new(signing.serialize_pem()),
    })
}

/// rcgen takes any ASCII text for a host name; a client would not.
fn plausible(name: &str) -> bool {
    let host = name.strip_prefix("*.").unwrap_or(name);
    rustls_pki_types::ServerName::try_from(host).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_development_pair_has_its_names_and_thirty_days() {
        let names = ["localhost", "*.test", "127.0.0.1", "::1"].map(str::to_owned);
        let made = self_signed(&names).unwrap();
        assert_eq!(made.pair.names().iter().collect::<Vec<_>>(), names);
        assert!(made.pair.is_self_signed());
        let now = OffsetDateTime::now_utc().unix_timestamp();
        assert!(made.pair.valid_at(now));
        assert!((29 * 86_400..=30 * 86_400).contains(&(made.pair.not_after() - now)));
        assert!(made.certificate_pem.starts_with("-----BEGIN CERTIFICATE-----"));
        assert!(!made.certificate_pem.contains("PRIVATE"));
        assert!(!format!("{made:?}").contains("PRIVATE"));
    }

    #[test]
    fn the_files_are_the_pair_and_the_key_is_the_owners() {
        let folder = tempfile::tempdir().unwrap();
        let (cert, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
        let made = self_signed(&["localhost".to_owned()]).unwrap();
        made.write(&cert, &key).unwrap();
        let loaded = crate::sources::files::load(&cert, &key).unwrap();
        assert_eq!(loaded.pair.certified().cert, made.pair.certified().cert);
        assert_eq!(loaded.warnings, Vec::<String>::new());
        #[cfg(unix)]
        {
            let bits = std::os::unix::fs::PermissionsExt::mode(&key.metadata().unwrap().permissions());
            assert_eq!(bits & 0o777, 0o600);
        }
        assert!(made.write(&cert, &key).is_err(), "nothing is overwritten");
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for name in ["", "a b", "héllo", "*", "https://localhost", "localhost:8443"] {
            let why = self_signed(&[name.to_owned()]).unwrap_err();
            assert!(matches!(why, CertError::BadName(_)), "{name}: {why}");
        }
        assert!(matches!(self_signed(&[]).unwrap_err(), CertError::NoNames));
    }
}
