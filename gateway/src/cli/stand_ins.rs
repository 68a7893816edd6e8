//! `--jwks`: key sets that stand in, offline, for those that would be fetched.

use std::path::Path;

use super::Misuse;
use crate::config::load::read;
use crate::snapshot::Snapshot;

/// Key sets that stand in for fetched ones.
#[derive(clap::Args, Debug, Default)]
pub struct StandIns {
    /// A key set that stands in for the one that this identity would fetch; may be repeated.
    #[arg(long, value_name = "IDENTITY=FILE")]
    pub jwks: Vec<String>,
}

impl StandIns {
    /// Gives each identity its key set.
    pub(super) fn give(&self, snapshot: &Snapshot) -> Result<(), Misuse> {
        self.jwks.iter().try_for_each(|pair| {
            let (name, file) = pair.split_once('=').ok_or_else(|| {
                Misuse::new(format!("`{pair}` names no identity and file"))
                    .remedy("write `--jwks session=keys.json`")
            })?;
            let identity = snapshot.identities.iter().find(|identity| *identity.def.name == *name);
            let identity = identity.ok_or_else(|| Misuse::new(format!("there is no identity `{name}`")))?;
            let text = read(Path::new(file)).map_err(Misuse::new)?;
            identity.stand_in(&text).map_err(|why| {
                Misuse::new(format!("`{file}` cannot stand in for the keys of `{name}`: {why}"))
            })
        })
    }
}
