//! The command line: what can be asked, and how it is answered.
//!
//! Answers go to stdout, errors to stderr as `error: …`. Exit codes: 0 done · 1 a test fails, or a proof ·
//! 2 misuse, or a configuration that is not valid. `NO_COLOR` is honoured, and only terminals get colours.

use std::fmt::Display;
use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::load::Broken;

pub mod demo;
pub mod explain;
pub mod import;
pub mod init;
pub mod key;
pub mod replay;
pub mod run;
pub mod schema;
mod stand_ins;
pub mod swap;
pub mod test;
pub mod token;
pub mod webhook;
pub mod webhooks;

/// Misuse, or a configuration that is not valid.
pub(crate) const MISUSE: u8 = 2;

/// A security gateway that cannot be configured open by accident.
#[derive(Debug, Parser)]
#[command(
    name = "portcullis",
    version,
    propagate_version = false,
    disable_help_subcommand = true,
    after_help = "Example: portcullis demo"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    #[command(after_help = "\
Example: portcullis run --config portcullis.yaml

SIGHUP and changed files reload. SIGTERM and Ctrl-C let running requests finish.")]
    Run(run::Args),
    #[command(after_help = "Example: portcullis demo --port 8443")]
    Demo(demo::Args),
    #[command(after_help = "\
Example: portcullis init --upstream http://127.0.0.1:3000
         portcullis init --upstream http://127.0.0.1:3000 --provider stripe --provider github")]
    Init(init::Args),
    #[command(after_help = "\
Example: portcullis test --config portcullis.yaml

Exits with 1 when a test fails and with 2 when the configuration is not valid.")]
    Test(test::Args),
    #[command(after_help = "\
Example: portcullis explain 'GET /v1/acme/conversations' --as tenant=acme
         portcullis explain 'POST /v1/acme/files' --as tenant=acme --body notes.txt")]
    Explain(explain::Args),
    #[command(after_help = "\
Example: portcullis replay --config portcullis.yaml requests.jsonl
         portcullis replay --jwks session=keys.json requests.jsonl")]
    Replay(replay::Args),
    #[command(
        after_help = "Example: portcullis import cloudflare rulesets.json --upstream http://127.0.0.1:3000"
    )]
    Import(import::Args),
    #[command(after_help = "\
Example: portcullis schema

Editors take the file by a first line in the configuration:
  # yaml-language-server: $schema=portcullis.schema.json")]
    Schema(schema::Args),
    #[command(after_help = "\
Example: portcullis token --identity session --claim sub=ada --claim org_id=acme --expires 8h
         portcullis token --identity session --claim 'roles=[\"admin\"]' --claim 'sub=\"42\"'

A value is read as JSON where it is JSON, and as text otherwise.")]
    Token(token::Args),
    #[command(after_help = "\
Example: portcullis key new --user ci@partner.example --tenant acme --file keys/partners.yaml
         portcullis key new --user ci@partner.example --role reader --scope files:read --expires 90d")]
    Key(key::Args),
    #[command(after_help = "\
Example: portcullis swap --token env:ADA --token env:BOB --base-url https://api.example.com
         portcullis swap --token @ada --token @bob --base-url https://localhost:8443 --ca tls/ca.pem --active

`held` is a refusal with `tenant_mismatch`. A LEAK is any answer that is not the gateway's refusal.")]
    Swap(swap::Args),
    #[command(after_help = "\
Example: portcullis webhooks
         portcullis webhooks stripe")]
    Webhooks(webhooks::Args),
    #[command(after_help = "\
Example: portcullis webhook sign --config portcullis.yaml --webhook stripe --body event.json")]
    Webhook(webhook::Args),
}

/// Runs the command that the process was started with.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(told) => {
            // Help that was asked for comes this way too, with code 0.
            let _ = told.print();
            return ExitCode::from(u8::try_from(told.exit_code()).unwrap_or(MISUSE));
        }
    };
    match &cli.command {
        Command::Run(args) => run::call(args),
        Command::Demo(args) => demo::call(args),
        Command::Init(args) => init::call(args),
        Command::Test(args) => test::call(args),
        Command::Explain(args) => explain::call(args),
        Command::Replay(args) => replay::call(args),
        Command::Import(args) => import::call(args),
        Command::Schema(args) => schema::call(args),
        Command::Token(args) => token::call(args),
        Command::Key(args) => key::call(args),
        Command::Swap(args) => swap::call(args),
        Command::Webhooks(args) => webhooks::call(args),
        Command::Webhook(args) => webhook::call(args),
    }
}

/// What a command could not do, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Misuse {
    what: String,
    remedy: Option<String>,
}

impl Misuse {
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), remedy: None }
    }

    /// Adds what to do about it.
    #[must_use]
    pub(crate) fn remedy(self, remedy: impl Into<String>) -> Self {
        Self { remedy: Some(remedy.into()), ..self }
    }

    /// Says it on stderr.
    pub(crate) fn exit(&self) -> ExitCode {
        let help = self.remedy.as_ref().map(|remedy| format!("help: {remedy}\n")).unwrap_or_default();
        complain(&format!("error: {}\n{help}", self.what));
        ExitCode::from(MISUSE)
    }
}

/// Reports a configuration that does not load.
pub(crate) fn invalid(broken: &Broken) -> ExitCode {
    complain(&broken.text(run::colour()));
    ExitCode::from(MISUSE)
}

fn complain(text: &str) {
    // With stderr gone there is nobody left to tell.
    let _ = io::stderr().write_all(text.as_bytes());
}

/// Prints a command's answer. A reader that has seen enough (`| head`) is no failure.
pub(crate) fn answer(text: impl Display) -> ExitCode {
    let mut out = io::stdout().lock();
    match write!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Misuse::new(format!("the answer cannot be written: {error}")).exit()
        }
        _ => ExitCode::SUCCESS,
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_shows_an_example_of_itself() {
        for command in Cli::command().get_subcommands() {
            let name = command.get_name();
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains("Example:"), "{name}: {help}");
            assert!(help.contains(&format!("portcullis {name}")), "{name}: {help}");
        }
    }

    #[test]
    fn every_example_parses() {
        let commands = Cli::command();
        let helps = commands.get_subcommands().filter_map(|command| command.get_after_help());
        let helps: Vec<String> = helps.map(ToString::to_string).collect();
        for line in helps.iter().flat_map(|help| help.lines()) {
            let Some((_, line)) = line.split_once("portcullis ") else { continue };
            let words = words(&format!("portcullis {line}"));
            let told = Cli::try_parse_from(&words).err();
            assert!(told.is_none(), "{words:?}: {}", told.unwrap());
        }
    }

    /// The words of a shell's line with plain and single-quoted words.
    fn words(line: &str) -> Vec<String> {
        let quoted = line.split('\'').enumerate();
        let each = |(nth, part): (usize, &str)| {
            if nth % 2 == 1 {
                vec![part.to_owned()]
            } else {
                part.split_whitespace().map(str::to_owned).collect()
            }
        };
        quoted.flat_map(each).collect()
    }
}
