//! `portcullis import`: rules of another product as rules of ours. What has no counterpart is told, never dropped.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Subcommand, ValueEnum};
use serde_json::Value;

use self::export::{Export, List};
use self::report::Report;
use super::Misuse;
use crate::config::compile;
use crate::config::load::named;

mod actions;
mod bulk;
mod export;
mod expression;
mod fields;
mod file;
mod lists;
mod order;
mod phases;
mod report;
mod sound;
mod terraform;
mod translate;
mod yaml;

/// Part of what was exported has no counterpart.
const PARTIAL: u8 = 1;

/// Translates the rules of another product. Exit status: 0 all of them, 1 some have no counterpart, 2 misuse.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The product.
    #[command(subcommand)]
    from: Product,
}

#[derive(Debug, Subcommand)]
enum Product {
    #[command(after_help = "\
Example: portcullis import cloudflare rulesets.json --upstream http://127.0.0.1:3000 --output portcullis.yaml

FILE holds the answers of Cloudflare's API to `…/rulesets/phases/PHASE/entrypoint` or `…/rulesets/ID`, one or an array of
them, or what `terraform show -json` prints.")]
    Cloudflare(Cloudflare),
}

/// Translates rulesets that were exported from Cloudflare.
#[derive(Debug, clap::Args)]
struct Cloudflare {
    /// The exports; `-` reads standard input.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Makes the result a complete configuration in front of this backend.
    #[arg(long, value_name = "URL")]
    upstream: Option<String>,
    /// The file to write; standard output without it.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Replaces the file if there is one.
    #[arg(long)]
    force: bool,
    /// What a rule does that challenges its visitors at Cloudflare.
    #[arg(long, value_enum, value_name = "ACTION")]
    challenge_as: Option<Replacement>,
    /// The items of a list: one a line, or in Cloudflare's JSON.
    #[arg(long = "list", value_name = "NAME=FILE", value_parser = list_argument)]
    lists: Vec<(String, PathBuf)>,
    /// The zone that is meant, where Terraform keeps several.
    #[arg(long, value_name = "ID")]
    zone: Option<String>,
    /// The files of addresses that the result shall name, for rules that ask where a client is.
    #[arg(long, value_name = "FILE")]
    geo: Vec<String>,
}

/// What is done instead of a challenge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Replacement {
    /// The request is blocked.
    Block,
    /// The request is logged, and passes.
    Log,
}

/// What the result shall be like.
#[derive(Debug, Default)]
struct Options {
    challenge_as: Option<Replacement>,
    upstream: Option<String>,
    geo: Vec<String>,
}

fn list_argument(text: &str) -> Result<(String, PathBuf), String> {
    match text.split_once('=') {
        Some((name, file)) if !name.is_empty() && !file.is_empty() => {
            Ok((name.trim_start_matches('$').to_owned(), file.into()))
        }
        _ => Err("write it as `NAME=FILE`".to_owned()),
    }
}

/// Runs the command.
pub fn call(args: &Args) -> ExitCode {
    let Product::Cloudflare(args) = &args.from;
    match run(args) {
        Ok(code) => code,
        Err(misuse) => misuse.exit(),
    }
}

fn run(args: &Cloudflare) -> Result<ExitCode, Misuse> {
    if let Some(upstream) = &args.upstream {
        compile::is_server(upstream).map_err(|problem| {
            let misuse = Misuse::new(format!("--upstream: {}", problem.message));
            problem.remedy.map_or(misuse.clone(), |remedy| misuse.remedy(remedy))
        })?;
    }
    let (mut export, mut report) = (Export::default(), Report::default());
    for file in &args.files {
        let shown = file.display();
        let document = document(file)?;
        export.take(&document, &mut report).map_err(|why| Misuse::new(format!("{shown}: {why}")))?;
    }
    for (name, file) in &args.lists {
        export.add_list(name, items(file)?);
    }
    let options =
        Options { challenge_as: args.challenge_as, upstream: args.upstream.clone(), geo: args.geo.clone() };
    one_zone(&mut export, args.zone.as_deref())?;
    let text = imported(&export, &options, &mut report)?;
    let written = match &args.output {
        Some(output) => write(output, &text, args.force).map(|()| ExitCode::SUCCESS)?,
        None => super::answer(text),
    };
    super::complain(&report.to_string());
    Ok(if report.is_complete() || written != ExitCode::SUCCESS { written } else { ExitCode::from(PARTIAL) })
}

/// The configuration that does what the export did.
fn imported(export: &Export, options: &Options, report: &mut Report) -> Result<String, Misuse> {
    if export.rulesets.is_empty() {
        return Err(Misuse::new("there is no ruleset in the export").remedy(
            "export one: `GET https://api.cloudflare.com/client/v4/zones/ZONE/rulesets/phases/PHASE/entrypoint`, or \
             `terraform show -json`",
        ));
    }
    let order = order::order(&export.rulesets, report);
    let rules = translate::translate(&order, &export.lists, options, report);
    let mut lists = lists::kept(&export.lists, &rules, report);
    let compiled = lists.compile(report);
    let rules = sound::settle(rules, &compiled, options, report);
    Ok(file::write(&rules, &lists.lines(&rules), options))
}

/// Rules of a zone are for its hosts: those of two zones cannot run one after the other.
fn one_zone(export: &mut Export, wanted: Option<&str>) -> Result<(), Misuse> {
    let mut zones: Vec<_> =
        export.rulesets.iter().map(|set| set.zone.clone()).filter(|zone| !zone.is_empty()).collect();
    zones.sort_unstable();
    zones.dedup();
    match wanted {
        Some(zone) if !zones.iter().any(|known| known == zone) => {
            Err(Misuse::new(format!("there is no zone `{zone}` in the export")))
        }
        Some(zone) => {
            export.rulesets.retain(|set| set.zone.is_empty() || set.zone == zone);
            Ok(())
        }
        None if zones.len() > 1 => {
            let misuse = Misuse::new(format!("the export has the rules of {} zones", zones.len()));
            Err(misuse.remedy(format!("import one at a time: `--zone {}`", zones.join("`, `--zone "))))
        }
        None => Ok(()),
    }
}

fn read(file: &Path) -> Result<Vec<u8>, Misuse> {
    if file.as_os_str() == "-" {
        let mut bytes = Vec::new();
        let told = std::io::stdin().lock().read_to_end(&mut bytes);
        return told
            .map(|_| bytes)
            .map_err(|error| Misuse::new(format!("standard input cannot be read: {error}")));
    }
    named(file).map_err(Misuse::new)
}

fn document(file: &Path) -> Result<Value, Misuse> {
    let bytes = read(file)?;
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    serde_json::from_slice(bytes).map_err(|error| {
        Misuse::new(format!("{} is not JSON: {error}", file.display()))
            .remedy("export through Cloudflare's API, or with `terraform show -json`")
    })
}

fn items(file: &Path) -> Result<List, Misuse> {
    let shown = file.display().to_string();
    let (items, kind) = rules::lists::items(&shown, &read(file)?).map_err(Misuse::new)?;
    let kind = kind.map(|kind| kind.to_string()).unwrap_or_default();
    Ok(List { kind, items: items.into_iter().map(Value::from).collect(), has_items: true })
}

fn write(output: &Path, text: &str, force: bool) -> Result<(), Misuse> {
    let shown = output.display();
    let mut options = OpenOptions::new();
    options.write(true);
    if force {
        options.create(true).truncate(true)
    } else {
        options.create_new(true)
    };
    let mut file = options.open(output).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => Misuse::new(format!("{shown} is there already"))
            .remedy("replace it with `--force`, or write another file with `--output FILE`"),
        _ => Misuse::new(format!("{shown} cannot be written: {error}")),
    })?;
    file.write_all(text.as_bytes())
        .map_err(|error| Misuse::new(format!("{shown} cannot be written: {error}")))
}

#[cfg(test)]
mod tests;
