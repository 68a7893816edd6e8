//! The certificates that a configuration names.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use certs::{KeyPair, Store, sources};
use rules::problem::{Place, Problem as Fault};

use crate::config::raw::Environment;
use crate::snapshot::{CertificateSource, Snapshot};

/// Opens or makes each; `files` learns which were read, `warnings` what an operator should know.
pub(super) fn open(
    snapshot: &Snapshot,
    base: &Path,
    files: &mut BTreeSet<PathBuf>,
    warnings: &mut Vec<String>,
) -> Result<Vec<KeyPair>, Vec<Fault>> {
    let Some(https) = &snapshot.site.https else { return Ok(Vec::new()) };
    let at = Place::root().key("listen").key("https").key("certificates");
    let (mut pairs, mut faults) = (Vec::new(), Vec::new());
    for (index, source) in https.certificates.iter().enumerate() {
        let at = at.item(index);
        let opened = match source {
            CertificateSource::SelfSigned(names) => {
                sources::dev::self_signed(names).map(|made| (made.pair, Vec::new()))
            }
            CertificateSource::Files { cert, key } => {
                let (cert, key) = (base.join(cert), base.join(key));
                files.extend([cert.clone(), key.clone()]);
                sources::files::load(&cert, &key).map(|loaded| (loaded.pair, loaded.warnings))
            }
        };
        let made = matches!(source, CertificateSource::SelfSigned(_));
        match opened {
            Ok((pair, _))
                if pair.is_self_signed() && !made && snapshot.environment == Environment::Production =>
            {
                faults.push(
                    at.problem("the certificate is self-signed, which production refuses")
                        .remedy("use one that clients trust, or `environment: development`"),
                );
            }
            Ok((pair, noticed)) => {
                pairs.push(pair);
                warnings.extend(noticed);
            }
            Err(error) => faults.push(at.problem(error.to_string())),
        }
    }
    let store = Store::new(pairs.clone());
    for host in snapshot.site.served.iter().filter(|host| !store.covers(host)) {
        warnings.push(format!(
            "no certificate covers the host {host}: clients that ask for it by name are refused"
        ));
    }
    if faults.is_empty() { Ok(pairs) } else { Err(faults) }
}
