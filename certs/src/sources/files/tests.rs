use std::fs;
use std::path::PathBuf;

use super::*;

struct Files {
    dir: tempfile::TempDir,
    cert: PathBuf,
    key: PathBuf,
}

impl Files {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let files = Self { cert: dir.path().join("app.pem"), key: dir.path().join("app.key"), dir };
        files.write(&fresh());
        files
    }

    fn write(&self, (cert, key): &(String, String)) {
        fs::write(&self.cert, cert).unwrap();
        fs::write(&self.key, key).unwrap();
        self.chmod(0o600);
    }

    fn chmod(&self, mode: u32) {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(&self.key, fs::Permissions::from_mode(mode)).unwrap();
    }

    fn load(&self) -> Result<Loaded, CertError> {
        load(&self.cert, &self.key)
    }
}

fn fresh() -> (String, String) {
    let made = rcgen::generate_simple_self_signed(vec!["a.test".to_owned()]).unwrap();
    (made.cert.pem(), made.signing_key.serialize_pem())
}

#[test]
fn a_pair_is_loaded_from_two_files_or_one() {
    let files = Files::new();
    let loaded = files.load().unwrap();
    assert!(loaded.pair.names().exact == ["a.test"] && loaded.warnings.is_empty());

    let (cert, key) = fresh();
    fs::write(&files.key, key + &cert).unwrap();
    assert!(load(&files.key, &files.key).is_ok());
}

#[test]
fn a_key_open_to_everyone_is_loaded_with_a_warning() {
    let files = Files::new();
    for (mode, warnings) in [(0o600, 0), (0o640, 0), (0o644, 1), (0o602, 1)] {
        files.chmod(mode);
        let loaded = files.load();
        if let Ok(loaded) = loaded {
            assert_eq!(loaded.warnings.len(), warnings, "{mode:o}");
            assert!(loaded.warnings.iter().all(|said| said.contains("app.key")));
        } else {
            panic!("{mode:o}: {loaded:?}");
        }
    }
}

#[test]
fn the_error_names_the_file_at_fault() {
    let files = Files::new();
    let (cert, key) = fresh();
    let said = |(cert, key): (&str, &str)| {
        files.write(&(cert.to_owned(), key.to_owned()));
        files.load().unwrap_err().to_string()
    };
    assert!(said((&cert, &fresh().1)).contains("app.key: the private key does not belong"));
    assert!(said((&cert, "")).contains("app.key: there is no private key"));
    assert!(said((&key, &key)).contains("app.pem: there is no certificate"));
    assert!(said((&" ".repeat(1024 * 1024 + 1), &key)).contains("app.pem is larger than"));

    let missing = files.dir.path().join("missing.pem");
    assert!(load(&missing, &files.key).unwrap_err().to_string().contains("missing.pem cannot be read"));
    assert!(load(files.dir.path(), &files.key).is_err(), "a directory");
}
