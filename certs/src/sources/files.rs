//! A certificate chain and a key in two PEM files (which may be the same file).

use std::fs::{File, Metadata};
use std::io::Read;
use std::path::Path;

use zeroize::Zeroizing;

use crate::{CertError, KeyPair};

/// More than any chain needs; a path to a device or a log must not fill the memory.
const LIMIT: u64 = 1024 * 1024;

/// A pair as loaded, with what its owner should know.
#[derive(Debug)]
pub struct Loaded {
    /// The pair.
    pub pair: KeyPair,
    /// Sentences for the log: nothing that stops the pair from being served.
    pub warnings: Vec<String>,
}

/// Reads and checks a pair.
///
/// # Errors
/// When a file cannot be read or [`KeyPair::from_pem`] refuses it; the sentence begins with the path. While a
/// pair is being replaced the files may not match for a moment: keep the old pair and load again
/// once they have changed.
pub fn load(cert_path: &Path, key_path: &Path) -> Result<Loaded, CertError> {
    let (cert_pem, _) = read(cert_path)?;
    let (key_pem, metadata) = read(key_path)?;
    let pair = KeyPair::from_pem(&cert_pem, &key_pem).map_err(|why| {
        let path = if why.blames_key() { key_path } else { cert_path };
        CertError::In(path.to_owned(), Box::new(why))
    })?;
    Ok(Loaded { pair, warnings: exposure(key_path, &metadata).into_iter().collect() })
}

/// The bytes are erased on drop; reserved in one piece, so that no outgrown buffer keeps a copy.
fn read(path: &Path) -> Result<(Zeroizing<Vec<u8>>, Metadata), CertError> {
    let unreadable = |why| CertError::Unreadable(path.to_owned(), why);
    let file = File::open(path).map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    if metadata.len() > LIMIT {
        return Err(CertError::TooLarge(path.to_owned(), LIMIT));
    }
    let capacity = usize::try_from(metadata.len()).unwrap_or_default() + 1;
    let mut bytes = Zeroizing::new(Vec::with_capacity(capacity));
    file.take(LIMIT + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > LIMIT {
        return Err(CertError::TooLarge(path.to_owned(), LIMIT));
    }
    Ok((bytes, metadata))
}

#[cfg(unix)]
fn exposure(path: &Path, metadata: &Metadata) -> Option<String> {
    use std::os::unix::fs::PermissionsExt;
    // A group's bits are no reason to complain: that is how Kubernetes mounts secrets.
    (metadata.permissions().mode() & 0o006 != 0).then(|| {
        format!(
            "every user of this machine can reach the private key {0}; run `chmod o= {0}`",
            path.display()
        )
    })
}

#[cfg(not(unix))]
fn exposure(_: &Path, _: &Metadata) -> Option<String> {
    None
}

#[cfg(test)]
mod tests;
