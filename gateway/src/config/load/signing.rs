//! Secrets as they are, for commands that sign: tokens of an identity, deliveries of a webhook.

use std::path::Path;

use rules::identities::RawIdentity;
use rules::identities::jwt::RawJwt;
use rules::problem::Place;
use rules::secret::Secret;

use super::super::raw::{RawConfig, RawSetting, RawWebhook};
use super::super::{decode, suggest};
use super::{Loaded, Shelf};

/// What mints tokens that an identity accepts.
pub struct Signing {
    /// The identity as written.
    pub identity: RawJwt,
    /// The secret that its tokens are signed with.
    pub secret: Secret,
}

impl Loaded {
    /// What signs the tokens of the identity `name`.
    ///
    /// # Errors
    /// When there is no such identity, its keys cannot sign, or the secret is not to be had: a sentence, and
    /// what to do about it.
    pub fn signing(&self, name: &str) -> Result<Signing, (String, Option<String>)> {
        let (raw, _) = decode::<RawConfig>(&self.tree);
        let mut raw = raw.ok_or_else(|| ("the configuration cannot be read".to_owned(), None))?;
        let Some(identity) = raw.identities.remove(name) else {
            let known: Vec<&str> = raw.identities.keys().map(String::as_str).collect();
            return Err((
                format!("there is no identity `{name}`"),
                Some(suggest::remedy_or_all(name, &known)),
            ));
        };
        let RawIdentity::Jwt(identity) = identity else {
            let why = format!("the identity `{name}` has no tokens that this configuration could sign");
            return Err((why, Some("name an identity of `kind: jwt` with `keys: { secret: … }`".to_owned())));
        };
        let held = identity
            .keys
            .secret
            .as_ref()
            .and_then(|secret| Some((secret, raw.secrets.get(secret)?.first()?)));
        let Some((secret, source)) = held else {
            let why = format!(
                "the tokens of `{name}` are signed by their issuer: this configuration holds no secret for them"
            );
            return Err((why, Some("ask the issuer for a token".to_owned())));
        };
        let base = Path::new(self.source.path()).parent().unwrap_or(Path::new("")).to_owned();
        let files = Shelf { base, ..Shelf::default() };
        let at = Place::root().key("secrets").key(secret);
        let secret = files.fetch(source, &at).map_err(|fault| (fault.message, fault.remedy))?;
        Ok(Signing { identity, secret })
    }

    /// The webhook `name` as written, once all secrets that it names are to be had: judging goes on with stand-ins, and
    /// what is signed with those is refused.
    ///
    /// # Errors
    /// When there is no such webhook or a secret of it is missing: a sentence, and what to do about it.
    pub fn webhook(&self, name: &str) -> Result<RawWebhook, (String, Option<String>)> {
        let (raw, _) = decode::<RawConfig>(&self.tree);
        let raw = raw.ok_or_else(|| ("the configuration cannot be read".to_owned(), None))?;
        let Some(webhook) = raw.webhooks.iter().find(|webhook| webhook.name == name) else {
            let known: Vec<&str> = raw.webhooks.iter().map(|webhook| webhook.name.as_str()).collect();
            let remedy = if known.is_empty() {
                "the configuration has no `webhooks`".to_owned()
            } else {
                suggest::remedy_or_all(name, &known)
            };
            return Err((format!("there is no webhook `{name}`"), Some(remedy)));
        };
        let base = Path::new(self.source.path()).parent().unwrap_or(Path::new("")).to_owned();
        let files = Shelf { base, ..Shelf::default() };
        let settings = webhook.settings.values().filter_map(|setting| match setting {
            RawSetting::Secret(name) => Some(name),
            RawSetting::Text(_) => None,
        });
        for name in webhook.secret.iter().flat_map(|names| names.iter()).chain(settings) {
            let at = Place::root().key("secrets").key(name);
            for one in raw.secrets.get(name).iter().flat_map(|all| all.iter()) {
                files.fetch(one, &at).map_err(|fault| (fault.message, fault.remedy))?;
            }
        }
        Ok(webhook.clone())
    }
}
