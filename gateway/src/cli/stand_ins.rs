//! `--jwks`: key sets that stand in, offline, for those that would be fetched.

use std::path::Path;

use rules::webhook::{Fetched, Want};

use super::Misuse;
use crate::config::load::named;
use crate::snapshot::Snapshot;
use crate::webhook::Webhook;

/// Key sets that stand in for fetched ones.
#[derive(clap::Args, Debug, Default)]
pub struct StandIns {
    /// A key set that stands in for the one that this identity or webhook would fetch; may be repeated.
    #[arg(long, value_name = "NAME=FILE")]
    pub jwks: Vec<String>,
}

impl StandIns {
    /// Gives each identity and webhook its key set.
    pub(super) fn give(&self, snapshot: &Snapshot) -> Result<(), Misuse> {
        self.jwks.iter().try_for_each(|pair| {
            let (name, file) = pair.split_once('=').ok_or_else(|| {
                Misuse::new(format!("`{pair}` names no identity and file"))
                    .remedy("write `--jwks session=keys.json`")
            })?;
            let identity = snapshot.identities.iter().find(|identity| *identity.def.name == *name);
            let mut webhooks = snapshot.table.routes().iter().filter_map(|route| route.webhook.as_ref());
            let webhook = webhooks.find(|webhook| *webhook.name == *name);
            if identity.is_none() && webhook.is_none() {
                return Err(Misuse::new(format!(
                    "there is no identity `{name}`, and no webhook of that name"
                )));
            }
            let text = named(Path::new(file)).map_err(Misuse::new)?;
            let fails =
                |why| Misuse::new(format!("`{file}` cannot stand in for the keys of `{name}`: {why}"));
            // They may share a name.
            let mut given = Err("it fetches none".to_owned());
            if let Some(identity) = identity {
                given = identity.stand_in(&text);
            }
            if let Some((webhook, url)) =
                webhook.and_then(|webhook| Some((webhook, webhook.scheme.key_set()?)))
            {
                given = stand_in(webhook, url, &text);
            }
            given.map_err(fails)
        })
    }
}

fn stand_in(webhook: &Webhook, url: &str, text: &[u8]) -> Result<(), String> {
    let fetched = Fetched::read(&webhook.scheme, Want::KeySet(url.to_owned()), text)?;
    webhook.fetches.stand_in(fetched);
    Ok(())
}
