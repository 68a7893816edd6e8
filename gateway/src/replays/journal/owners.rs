//! Which of the processes that share a folder still run. Each holds a lock on a file of its own, which the system takes from it when it
//! ends, however it ends.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::super::memory::Owner;

/// This process, as the others see it.
pub(super) struct Sign {
    path: PathBuf,
    /// The lock lasts as long as it is open.
    _file: File,
}

impl Sign {
    /// Puts up the sign. Only where nobody looks meanwhile: until it is locked, it is a dead one's.
    pub(super) fn put_up(folder: &Path, owner: Owner) -> io::Result<Self> {
        let path = path(folder, owner);
        let file = super::private().write(true).create_new(true).open(&path)?;
        file.try_lock().map_err(io::Error::from)?;
        Ok(Self { path, _file: file })
    }
}

impl Drop for Sign {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

fn path(folder: &Path, owner: Owner) -> PathBuf {
    folder.join(format!("{owner:016x}.live"))
}

/// Whether this process runs. In doubt it does.
pub(super) fn lives(folder: &Path, owner: Owner) -> bool {
    match File::open(path(folder, owner)) {
        Ok(file) => !matches!(file.try_lock_shared(), Ok(())),
        Err(error) => error.kind() != io::ErrorKind::NotFound,
    }
}

/// Removes what processes that no longer run have left behind.
pub(super) fn tidy(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let is = |wanted| path.extension().is_some_and(|extension| extension == wanted);
        let owner = path.file_stem().and_then(|stem| Owner::from_str_radix(stem.to_str()?, 16).ok());
        let left = owner.is_some_and(|owner| !lives(folder, owner));
        if left && (is("live") || is("draft")) {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}
