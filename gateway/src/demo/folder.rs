//! The demo's files, for the demo's time.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

/// More than one is left behind only by demos that were killed.
const TRIES: u32 = 100;

/// A new folder that only its owner can enter; removed with all that is in it when dropped.
pub(super) struct Folder {
    path: PathBuf,
    config: PathBuf,
}

impl Folder {
    pub(super) fn new() -> io::Result<Self> {
        Self::within(&std::env::temp_dir())
    }

    fn within(parent: &Path) -> io::Result<Self> {
        let base = format!("portcullis-demo-{}", std::process::id());
        let mut taken = io::Error::from(io::ErrorKind::AlreadyExists);
        for nth in 0..TRIES {
            let path = parent.join(if nth == 0 { base.clone() } else { format!("{base}-{nth}") });
            // Fails when it is there, so nobody can lay it out for us.
            match DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => return Ok(Self { config: path.join("portcullis.yaml"), path }),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => taken = error,
                Err(error) => return Err(error),
            }
        }
        Err(taken)
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    pub(super) fn config(&self) -> &Path {
        &self.config
    }

    pub(super) fn write(&self, name: &str, text: &str) -> io::Result<()> {
        File::create_new(self.path(name))?.write_all(text.as_bytes())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.path) {
            log::warn!("{} cannot be removed: {error}", self.path.display());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn it_is_the_owners_and_goes_away() {
        let parent = tempfile::tempdir().unwrap();
        let first = Folder::within(parent.path()).unwrap();
        let second = Folder::within(parent.path()).unwrap();
        assert_ne!(first.path, second.path);
        assert_eq!(fs::metadata(&first.path).unwrap().permissions().mode() & 0o777, 0o700);
        first.write("a", "text").unwrap();
        assert!(first.write("a", "other").is_err());
        let path = first.path.clone();
        drop(first);
        assert!(!path.exists());
        assert!(second.path.exists());
    }
}
