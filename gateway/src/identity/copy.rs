//! A copy of each fetched key set in the state folder, so that a restart outlasts an issuer that is down.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use http::HeaderValue;
use rules::credential::{KeySource, KeysAt};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::issuer::{self, Published, Tag};

/// More than a set of the largest size that is fetched.
const MOST: u64 = 1024 * 1024;

/// The file of one identity.
#[derive(Clone, Debug)]
pub(super) struct KeyCopy {
    path: PathBuf,
}

/// What is in it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    /// Where the set was fetched from.
    source: String,
    /// When that was last confirmed (Unix seconds).
    fetched: i64,
    /// What the issuer calls this version, and where it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    etag: Option<(String, String)>,
    /// The set.
    set: Value,
}

impl KeyCopy {
    /// The copy of the identity's keys below the state folder.
    pub(super) fn new(state: &Path, identity: &str) -> Self {
        Self { path: state.join("keys").join(format!("{identity}.json")) }
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The copied keys and when they were last confirmed; none where there is no copy.
    pub(super) fn read(&self, source: &KeySource) -> Result<Option<(Published, i64)>, String> {
        let file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.to_string()),
        };
        let others_write = file.metadata().is_ok_and(|found| found.permissions().mode() & 0o002 != 0);
        if others_write {
            return Err("everybody may write it, and whoever did could sign tokens".to_owned());
        }
        let mut text = Vec::new();
        file.take(MOST).read_to_end(&mut text).map_err(|error| error.to_string())?;
        let written: Written =
            serde_json::from_slice(&text).map_err(|error| format!("it is not such a copy: {error}"))?;
        if written.source != address(source) {
            return Err("it was fetched from another address than is configured".to_owned());
        }
        let set = written.set.to_string();
        let mut published = issuer::read(set.as_bytes(), source)?;
        published.tag = written
            .etag
            .and_then(|(address, value)| Some(Tag { address, value: HeaderValue::from_str(&value).ok()? }));
        Ok(Some((published, written.fetched)))
    }

    /// Replaces the copy: whoever reads it finds the old or the new one, whole.
    pub(super) fn write(
        &self,
        source: &KeySource,
        set: &Value,
        tag: Option<&Tag>,
        fetched: i64,
    ) -> io::Result<()> {
        let etag = tag.and_then(|tag| Some((tag.address.clone(), tag.value.to_str().ok()?.to_owned())));
        let written = Written { source: address(source), fetched, etag, set: set.clone() };
        let text = serde_json::to_vec(&written)?;
        let folder = self.path.parent().unwrap_or(Path::new("."));
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        // During a hand-over two processes keep the same copy.
        let draft = self.path.with_extension(format!("{}.new", std::process::id()));
        let written = fill(&draft, &text).and_then(|()| fs::rename(&draft, &self.path));
        if written.is_err() {
            let _ = fs::remove_file(&draft);
        }
        written
    }
}

fn fill(path: &Path, text: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(text)?;
    file.sync_all()
}

/// What a set is fetched from, in one word.
fn address(source: &KeySource) -> String {
    match &source.from {
        KeysAt::Url(url) => url.clone(),
        KeysAt::Issuer(issuer) => issuer::configuration_of(issuer),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rules::token::Algorithm;
    use serde_json::json;

    use super::*;

    fn source(url: &str) -> KeySource {
        KeySource {
            from: KeysAt::Url(url.to_owned()),
            refresh: Duration::from_mins(10),
            stale_for: Duration::from_hours(24),
            algorithms: vec![Algorithm::Es256],
        }
    }

    fn set() -> Value {
        crate::mint::SigningKey::generate().unwrap().key_set()
    }

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let (copy, source) =
            (KeyCopy::new(&folder.path().join("state"), "session"), source("https://a.test/jwks"));
        assert!(copy.read(&source).unwrap().is_none());
        let tag =
            Tag { address: "https://a.test/jwks".to_owned(), value: HeaderValue::from_static("W/\"1\"") };
        let sets = [set(), set()];
        for set in &sets {
            copy.write(&source, set, Some(&tag), 1_800_000_000).unwrap();
        }
        let (published, fetched) = copy.read(&source).unwrap().unwrap();
        assert_eq!((published.set, published.tag, fetched), (sets[1].clone(), Some(tag), 1_800_000_000));
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(copy.path()), mode(copy.path().parent().unwrap())), (0o600, 0o700));
        assert_eq!(fs::read_dir(copy.path().parent().unwrap()).unwrap().count(), 1, "no draft stays behind");
    }

    #[test]
    fn what_is_not_ours_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let (copy, source) = (KeyCopy::new(folder.path(), "session"), source("https://a.test/jwks"));
        copy.write(&source, &set(), None, 7).unwrap();
        let good = fs::read_to_string(copy.path()).unwrap();
        let why = |source: &KeySource| copy.read(source).err().unwrap();
        assert!(why(&self::source("https://b.test/jwks")).contains("another address"));
        let other = KeySource { algorithms: vec![Algorithm::Rs256], ..source.clone() };
        assert!(why(&other).contains("no usable key"), "keys for what is no longer allowed");
        fs::set_permissions(copy.path(), fs::Permissions::from_mode(0o666)).unwrap();
        assert!(why(&source).contains("everybody may write it"));
        fs::set_permissions(copy.path(), fs::Permissions::from_mode(0o600)).unwrap();
        for text in [
            String::new(),
            "\0\0\0".to_owned(),
            "{}".to_owned(),
            good.get(..good.len() / 2).unwrap().to_owned(),
            good.replace("\"fetched\":7", "\"fetched\":\"7\""),
            good.replace("\"fetched\":7", "\"fetched\":7,\"more\":1"),
            json!({ "source": "https://a.test/jwks", "fetched": 7, "set": { "keys": [] } }).to_string(),
        ] {
            fs::write(copy.path(), &text).unwrap();
            assert!(copy.read(&source).is_err(), "{text}");
        }
        fs::write(copy.path(), good).unwrap();
        assert!(copy.read(&source).unwrap().is_some());
    }
}
