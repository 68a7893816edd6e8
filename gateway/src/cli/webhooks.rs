//! `portcullis webhooks`: the providers that are known by name.

use std::fmt::Write as _;
use std::process::ExitCode;

use rules::problem::Place;
use rules::webhook::{Evidence, PRESETS, RawPreset, Scheme};
use serde_json::{Value, json};

use super::Misuse;
use super::test::Format;
use crate::config::compile::webhooks::known;

mod section;
mod words;

pub(super) use section::{PLACEHOLDER, Section, sections};

/// Lists the providers that a webhook may name, or explains one of them.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The provider to explain.
    pub name: Option<String>,
    /// How it is printed.
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// Runs the command.
pub fn call(args: &Args) -> ExitCode {
    let told = match &args.name {
        Some(name) => Provider::read(name).map(|provider| match args.format {
            Format::Text => provider.text(),
            Format::Json => format!("{:#}\n", provider.json()),
        }),
        None => all().map(|all| match args.format {
            Format::Text => table(&all),
            Format::Json => format!("{:#}\n", all.iter().map(Provider::row).collect::<Value>()),
        }),
    };
    match told {
        Ok(text) => super::answer(text),
        Err(misuse) => misuse.exit(),
    }
}

fn all() -> Result<Vec<Provider>, Misuse> {
    PRESETS.iter().map(|(name, _)| Provider::read(name)).collect()
}

/// A provider with its scheme.
pub(super) struct Provider {
    name: String,
    preset: RawPreset,
    scheme: Scheme,
}

impl Provider {
    pub(super) fn read(name: &str) -> Result<Self, Misuse> {
        let preset = known(name).map_err(|(what, remedy)| Misuse::new(what).remedy(remedy))?;
        let scheme = Scheme::compile(&preset.scheme, &Place::root());
        let scheme = scheme.map_err(|_| Misuse::new(format!("the preset `{name}` cannot be read")))?;
        Ok(Self { name: name.to_owned(), preset, scheme })
    }

    fn evidence(&self) -> Vec<&'static str> {
        self.preset.evidence.iter().map(|one| short(*one)).collect()
    }

    fn row(&self) -> Value {
        let RawPreset { title, tolerance, .. } = &self.preset;
        json!({
            "name": self.name,
            "title": title,
            "kind": self.preset.scheme.kind,
            "tolerance": tolerance,
            "evidence": self.preset.evidence,
        })
    }

    fn json(&self) -> Value {
        let RawPreset { title, tolerance, replay, evidence, sources, caveats, scheme } = &self.preset;
        let settings = self.scheme.settings();
        let settings: Vec<Value> = settings
            .iter()
            .map(|setting| json!({ "name": setting.name, "needed": setting.needed }))
            .collect();
        json!({
            "name": self.name,
            "title": title,
            "kind": scheme.kind,
            "signs": words::signs(scheme),
            "tolerance": tolerance,
            "replay": replay,
            "remembered": words::remembered(scheme),
            "handshakes": words::handshakes(scheme),
            "doubts": self.scheme.doubts(),
            "caveats": caveats,
            "evidence": evidence,
            "sources": sources,
            "key": words::key(scheme, &self.scheme),
            "settings": settings,
            "base_url": self.scheme.signs_url(),
            "snippet": Section::of(self).snippet(),
            "scheme": scheme,
        })
    }

    fn text(&self) -> String {
        let RawPreset { title, tolerance, replay, evidence, sources, caveats, scheme } = &self.preset;
        let mut text = format!("{title} (provider: {})\n", self.name);
        paragraph(&mut text, "How it signs", &words::signs(scheme));
        paragraph(&mut text, "Tolerance, as the provider says", std::slice::from_ref(tolerance));
        let repetitions = [format!("known by {replay}"), words::remembered(scheme)];
        paragraph(&mut text, "Repetitions", &repetitions);
        paragraph(&mut text, "Handshakes", &words::handshakes(scheme));
        let known: Vec<String> = self.scheme.doubts().into_iter().map(str::to_owned).collect();
        paragraph(&mut text, "What it leaves open", &known);
        paragraph(&mut text, "Caveats", caveats);
        let evidence: Vec<String> = evidence.iter().map(|one| long(*one).to_owned()).collect();
        paragraph(&mut text, "How this is known", &evidence);
        paragraph(&mut text, "Sources", sources);
        paragraph(&mut text, "What it needs", &self.needs());
        text.push_str("\nIn portcullis.yaml, where a value to fill in says CHANGE-ME\n\n");
        text.push_str(&Section::of(self).snippet());
        text
    }

    fn needs(&self) -> Vec<String> {
        let mut needs = vec![words::key(&self.preset.scheme, &self.scheme)];
        needs.extend(self.scheme.settings().iter().map(|setting| {
            let Self { scheme, .. } = self;
            let when = match (setting.needed, scheme.is_armable()) {
                (true, _) => "nothing can be verified without it",
                (false, _) => "without it, a handshake is not answered",
            };
            format!("settings.{}: {when}", setting.name)
        }));
        if self.scheme.is_armable() {
            needs.push(
                "settings.handshake_armed: until when a handshake that nobody signs is answered, while you set the \
                 webhook up"
                    .to_owned(),
            );
        }
        if self.scheme.signs_url() {
            needs.push(
                "base_url: scheme and host as the provider calls them, since it signs the address".to_owned(),
            );
        }
        needs
    }
}

fn paragraph(text: &mut String, heading: &str, items: &[String]) {
    if items.is_empty() {
        return;
    }
    let _ = writeln!(text, "\n{heading}");
    for item in items {
        let _ = writeln!(text, "  - {item}");
    }
}

fn table(all: &[Provider]) -> String {
    let head = ["NAME", "TITLE", "KIND", "TOLERANCE", "EVIDENCE"].map(str::to_owned);
    let row = |provider: &Provider| {
        [
            provider.name.clone(),
            provider.preset.title.clone(),
            words::kind(provider.preset.scheme.kind).to_owned(),
            provider.preset.tolerance.clone(),
            provider.evidence().join(", "),
        ]
    };
    let rows: Vec<[String; 5]> = std::iter::once(head).chain(all.iter().map(row)).collect();
    let width =
        |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..5).map(|column| width(column).unwrap_or_default()).collect();
    let mut text = String::new();
    for row in &rows {
        let cells: Vec<String> =
            row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        let _ = writeln!(text, "{}", cells.join("  ").trim_end());
    }
    text
}

fn short(evidence: Evidence) -> &'static str {
    match evidence {
        Evidence::Package => "package",
        Evidence::Published => "published",
        Evidence::Documentation => "documentation",
        Evidence::ThirdParty => "third party",
    }
}

fn long(evidence: Evidence) -> &'static str {
    match evidence {
        Evidence::Package => "the provider's own package agreed on signed requests",
        Evidence::Published => "a signature that the provider published was reproduced",
        Evidence::Documentation => "the provider's documentation or sample code was read",
        Evidence::ThirdParty => "from others' implementations only: try it before you rely on it",
    }
}

#[cfg(test)]
mod tests;
