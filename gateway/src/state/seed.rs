//! Counters' keys: hashes that nobody outside can aim with.

use std::fs::{self, OpenOptions};
use std::hash::Hasher as _;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use aws_lc_rs::digest;
use rules::meter::CounterKey;
use siphasher::sip128::{Hasher128 as _, SipHasher13};

/// Where the seed of kept counters is, in the state folder.
const FILE: &str = "counters.seed";
/// What distinguishes our hashes from other people's.
const LABEL: &[u8] = b"portcullis counter 1\0";

/// What counters' keys are hashed with.
#[derive(Clone)]
pub struct Seed(Kind);

#[derive(Clone)]
enum Kind {
    /// SipHash-1-3 with a secret of this process, or of its state folder.
    Secret([u8; 16]),
    /// SHA-256, which needs no secret: gateways that share a store must agree on the keys, and have no secret in common.
    Public,
}

impl Seed {
    /// A new one.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub fn random() -> Result<Self, String> {
        let mut seed = [0; 16];
        aws_lc_rs::rand::fill(&mut seed).map_err(|_| "the system gives no random bytes".to_owned())?;
        Ok(Self(Kind::Secret(seed)))
    }

    /// The one that every gateway has.
    pub const fn public() -> Self {
        Self(Kind::Public)
    }

    /// One that is no secret, for judging offline: the same counters each time.
    pub(super) const fn known() -> Self {
        Self(Kind::Secret([0; 16]))
    }

    /// The one that is kept in the state folder, beside the counters that were named with it.
    ///
    /// # Errors
    /// When it is there, but cannot be read.
    pub(super) fn kept(folder: &Path) -> io::Result<Option<Self>> {
        match fs::read(folder.join(FILE)) {
            Ok(bytes) => parse(&bytes).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Keeps it in the state folder, which is made if there is none.
    ///
    /// # Errors
    /// When it cannot be written, or another one is kept there already.
    pub(super) fn keep(&self, folder: &Path) -> io::Result<()> {
        let Kind::Secret(seed) = &self.0 else { return Ok(()) };
        fs::create_dir_all(folder)?;
        let (path, draft) = (folder.join(FILE), folder.join(format!("{FILE}.{}", std::process::id())));
        if !path.exists() {
            // Written elsewhere and then given its name, unless another process was faster: half a seed is never read.
            let mut file =
                OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
            file.write_all(seed)?;
            file.sync_all()?;
            let linked = fs::hard_link(&draft, &path);
            fs::remove_file(&draft)?;
            linked.or_else(|error| if path.exists() { Ok(()) } else { Err(error) })?;
        }
        let is_ours = matches!(parse(&fs::read(&path)?)?, Self(Kind::Secret(kept)) if kept == *seed);
        let other = || io::Error::other(format!("{FILE} is not the one that this process began with"));
        if is_ours { Ok(()) } else { Err(other()) }
    }

    /// The same for what is counted by limits and rules.
    pub fn of_rules(&self) -> rules::limit::Seed {
        match self.0 {
            Kind::Secret(seed) => rules::limit::Seed::Secret(seed),
            Kind::Public => rules::limit::Seed::Public,
        }
    }

    /// Begins the key of a counter.
    pub fn hasher(&self) -> Hasher {
        match &self.0 {
            Kind::Secret(seed) => Hasher(State::Sip(SipHasher13::new_with_key(seed))),
            Kind::Public => {
                let mut context = digest::Context::new(&digest::SHA256);
                context.update(LABEL);
                Hasher(State::Sha(Box::new(context)))
            }
        }
    }
}

fn parse(bytes: &[u8]) -> io::Result<Seed> {
    let seed = bytes.try_into().map_err(|_| io::Error::other(format!("{FILE} has not 16 bytes")))?;
    Ok(Seed(Kind::Secret(seed)))
}

/// A counter's key in the making.
pub struct Hasher(State);

enum State {
    Sip(SipHasher13),
    Sha(Box<digest::Context>),
}

impl Hasher {
    /// Adds a part of what is counted by. Parts do not run into each other: `ab`, `c` is another key than `a`, `bc`.
    #[must_use]
    pub fn part(mut self, bytes: &[u8]) -> Self {
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_le_bytes();
        for bytes in [&length, bytes] {
            match &mut self.0 {
                State::Sip(hasher) => hasher.write(bytes),
                State::Sha(context) => context.update(bytes),
            }
        }
        self
    }

    /// The key.
    pub fn finish(self) -> CounterKey {
        CounterKey(match self.0 {
            State::Sip(hasher) => hasher.finish128().as_u128(),
            State::Sha(context) => {
                let digest = context.finish();
                digest.as_ref().first_chunk().map_or(0, |bytes| u128::from_le_bytes(*bytes))
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn key(seed: &Seed, parts: &[&str]) -> CounterKey {
        parts.iter().fold(seed.hasher(), |hasher, part| hasher.part(part.as_bytes())).finish()
    }

    #[test]
    fn keys_tell_parts_and_seeds_apart() {
        for seed in [Seed::random().unwrap(), Seed::public()] {
            let parts: [&[&str]; 6] = [&["ab", "c"], &["a", "bc"], &["abc"], &["abc", ""], &["", "abc"], &[]];
            let keys: std::collections::HashSet<_> = parts.iter().map(|parts| key(&seed, parts)).collect();
            assert_eq!(keys.len(), parts.len());
            assert_eq!(key(&seed, &["a"]), key(&seed.clone(), &["a"]));
        }
        assert_ne!(key(&Seed::random().unwrap(), &["a"]), key(&Seed::random().unwrap(), &["a"]));
    }

    /// Gateways of different releases share counters: these must never change.
    #[test]
    fn shared_keys_are_as_they_always_were() {
        let expected = CounterKey(0x1e00_e118_1e26_8bdd_eb5c_df2c_571f_f375);
        assert_eq!(key(&Seed::public(), &["login", "203.0.113.7"]), expected);
    }

    #[test]
    fn a_kept_seed_is_found_again_and_is_nobodys_business() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state");
        assert!(Seed::kept(&state).unwrap().is_none() && !state.exists(), "made only when it is needed");
        let first = Seed::random().unwrap();
        first.keep(&state).unwrap();
        first.keep(&state).unwrap();
        assert_eq!(key(&first, &["a"]), key(&Seed::kept(&state).unwrap().unwrap(), &["a"]));
        assert_eq!(fs::metadata(state.join(FILE)).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(&state).unwrap().count(), 1);
        assert!(Seed::random().unwrap().keep(&state).is_err(), "another one is not overwritten");
        fs::write(state.join(FILE), b"short").unwrap();
        assert!(Seed::kept(&state).is_err() && first.keep(&state).is_err(), "nor what is not understood");
    }
}
