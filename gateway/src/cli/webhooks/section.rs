//! The lines of a configuration for a provider.

use std::fmt::Write as _;

use rules::webhook::{Encoding, Kind};

use super::{Misuse, Provider};

/// What stands where only the user knows the value.
pub(crate) const PLACEHOLDER: &str = "CHANGE-ME";

/// The lines for one provider.
#[derive(Debug)]
pub(crate) struct Section {
    /// Entries of `secrets`, without their indentation.
    secrets: Vec<String>,
    /// The keys of the webhook.
    webhook: Vec<String>,
    /// Environment variables, each with what it is for.
    pub(crate) variables: Vec<String>,
    /// The name, which is the provider's.
    pub(crate) name: String,
    /// The path at which the provider calls.
    pub(crate) path: String,
    /// The code that a delivery without anything is refused with.
    pub(crate) without: &'static str,
    /// Whether it loads as it stands.
    pub(crate) loads: bool,
}

/// The sections of several providers, each of them once.
///
/// # Errors
/// The name of one that there is not, or twice.
pub(crate) fn sections(providers: &[String]) -> Result<Vec<Section>, Misuse> {
    let mut all: Vec<Section> = Vec::new();
    for name in providers {
        if all.iter().any(|section| section.name == *name) {
            return Err(Misuse::new(format!("--provider: `{name}` is there twice")));
        }
        all.push(Section::of(&Provider::read(name)?));
    }
    Ok(all)
}

impl Section {
    /// The lines for a provider.
    pub(crate) fn of(provider: &Provider) -> Self {
        let Provider { name, preset, scheme } = provider;
        let path = format!("/hooks/{name}");
        let mut section = Self {
            secrets: Vec::new(),
            webhook: vec![format!("name: {name}"), format!("path: {path}"), format!("provider: {name}")],
            path,
            // Where the signature stands in the body, there must be one.
            without: if preset.scheme.kind == Kind::Sns || preset.scheme.each.is_some() {
                "signature_malformed"
            } else {
                "signature_missing"
            },
            variables: Vec::new(),
            name: name.clone(),
            loads: true,
        };
        if scheme.takes_secrets() {
            section.secret(provider);
            section.webhook.push(format!("secret: {name}"));
        } else if !scheme.fetches_keys() {
            section.loads = false;
            section.webhook.push(match (preset.scheme.kind, preset.scheme.encoding) {
                (Kind::Jwt, _) => format!("public_keys: [{{ jwk: {PLACEHOLDER}, id: {PLACEHOLDER} }}]"),
                (_, Some(Encoding::Hex)) => {
                    format!("public_keys: [{{ public: {PLACEHOLDER}, encoding: hex }}]")
                }
                _ => format!("public_keys: [{{ public: {PLACEHOLDER} }}]"),
            });
        }
        if scheme.signs_url() {
            section.webhook.push(
                "base_url: https://localhost:8443  # Production: scheme and host as the provider calls them"
                    .to_owned(),
            );
        }
        section.settings(provider);
        section
    }

    fn secret(&mut self, provider: &Provider) {
        let (name, raw) = (&provider.name, &provider.preset.scheme);
        let picks = raw.signature.iter().any(|place| place.pick.as_deref() == Some("$key_id"));
        let id = if picks || raw.key_by.is_some() { format!(", id: {PLACEHOLDER}") } else { String::new() };
        let variable = format!("{}_WEBHOOK_SECRET", name.to_uppercase());
        if raw.signature.len() < 2 {
            self.secrets.push(format!("{name}: {{ env: {variable}{id} }}"));
            self.variables.push(variable);
            return;
        }
        self.secrets.push(format!("{name}:"));
        for slot in 0..raw.signature.len() {
            let variable = format!("{variable}_{}", slot + 1);
            self.secrets.push(format!("  - {{ env: {variable}, slot: {slot}{id} }}"));
            self.variables.push(variable);
        }
    }

    fn settings(&mut self, provider: &Provider) {
        let mut settings = Vec::new();
        for setting in provider.scheme.settings() {
            if setting.name.ends_with("token") {
                let secret = format!("{}_{}", self.name, setting.name);
                let variable = secret.to_uppercase();
                self.secrets.push(format!("{secret}: {{ env: {variable} }}"));
                self.variables.push(variable);
                settings.push(format!("{}: {{ secret: {secret} }}", setting.name));
            } else {
                settings.push(format!("{}: {PLACEHOLDER}", setting.name));
            }
        }
        if !settings.is_empty() {
            self.webhook.push(format!("settings: {{ {} }}", settings.join(", ")));
        }
        if provider.scheme.is_armable() {
            let own = "handshake_armed: \"2027-01-15T09:30:00Z\"";
            self.webhook.push(format!("# While you set it up, until a moment soon: settings: {{ {own} }}"));
        }
    }

    /// Both parts, as they stand in a file of their own.
    pub(crate) fn snippet(&self) -> String {
        let mut text = String::new();
        if !self.secrets.is_empty() {
            let _ = write!(text, "secrets:\n{}\n", self.secrets());
        }
        let _ = write!(text, "webhooks:\n{}", self.webhook(""));
        text
    }

    /// The entries of `secrets`.
    pub(crate) fn secrets(&self) -> String {
        self.secrets.iter().fold(String::new(), |text, line| text + "  " + line + "\n")
    }

    /// The item of `webhooks`; `mark` stands before each line.
    pub(crate) fn webhook(&self, mark: &str) -> String {
        let mut text = String::new();
        for (nth, line) in self.webhook.iter().enumerate() {
            let before = if nth == 0 { "  - " } else { "    " };
            let _ = writeln!(text, "{mark}{before}{line}");
        }
        text
    }
}
