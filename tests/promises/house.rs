//! The house stands as it was drawn: imports run down, a policy is a file and a row, files stay short.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use harness::site::workspace;

mod imports;

/// The gateway's layers from the top. A module imports what stands below its own row, and nothing beside it.
const LAYERS: &[&[&str]] = &[
    &["main"],
    &["cli"],
    &["demo", "serve"],
    &["status"],
    &["reload", "admin"],
    &["judge", "swap"],
    &["pipeline"],
    &["edge", "mends", "heads", "config", "visit"],
    &["snapshot"],
    &["upstream", "access_log", "identity", "state", "replays", "webhook"],
    &["metrics"],
    // The configuration as written: plain data, without the code that reads and compiles it.
    &["config::raw"],
    &["client_ca", "redact", "side_door", "mint", "sockets", "fetch", "json", "edge::EdgeLimits"],
];

/// Modules that only these may import: the pipeline sees a snapshot, never configuration.
const RESERVED: &[(&str, &[&str])] = &[("config", &["cli", "serve", "reload", "judge"])];

/// The phases of a request. They are walked from outside, on the wire and offline, and do not know each other.
const PHASES: &[&str] = &["accept", "dispatch", "enforce", "forward", "identify", "inspect", "log", "refuse"];

/// What a phase may use of another all the same, with the reason.
const SHARED: &[(&str, &str, &str)] = &[
    ("*", "refuse", "whoever refuses does it with the one mouth"),
    ("refuse", "inspect", "the gateway's own answers carry what every answer carries"),
    (
        "enforce",
        "identify",
        "who calls is the first gate, with a file of its own since it may have to ask around",
    ),
];

/// Files of more than [`LONG`] lines, with the reason.
const LONG_FILES: &[(&str, &str)] =
    &[("gateway/src/config/raw.rs", "the whole form of a configuration, read as one page")];
const LONG: usize = 400;

/// Files of `rules/src/policies` that are no policy of their own, with the reason.
const NOT_POLICIES: &[(&str, &str)] = &[];

struct Source {
    /// Relative to the crate's `src`.
    file: String,
    text: String,
}

impl Source {
    fn module(&self) -> Vec<String> {
        let path = self.file.trim_end_matches(".rs").trim_end_matches("/mod");
        let path = if path == "lib" { "" } else { path };
        path.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect()
    }

    fn is_test(&self, test_modules: &BTreeSet<Vec<String>>) -> bool {
        let module = self.module();
        module.iter().any(|part| part == "tests")
            || (1..=module.len()).any(|length| test_modules.contains(&module[..length]))
    }
}

fn sources(folder: &Path) -> Vec<Source> {
    let mut sources = Vec::new();
    walk(folder, &mut |path| {
        if path.extension().is_some_and(|extension| extension == "rs") {
            let file = path.strip_prefix(folder).unwrap().display().to_string();
            sources.push(Source { file, text: fs::read_to_string(path).unwrap() });
        }
    });
    assert!(!sources.is_empty(), "{} has no source", folder.display());
    sources
}

fn walk(folder: &Path, visit: &mut impl FnMut(&Path)) {
    const OTHERS: &[&str] = &["target", "state", "__pycache__", "node_modules"];
    let mut entries: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            if !OTHERS.contains(&name.as_str()) && (!name.starts_with('.') || name == ".ci") {
                walk(&path, visit);
            }
        } else if name != ".git" {
            visit(&path);
        }
    }
}

/// The row and the name of the layer that a module belongs to: the one with the longest name that fits.
fn layer(path: &[String]) -> Option<(usize, &'static str)> {
    let rows = LAYERS.iter().enumerate().flat_map(|(row, names)| names.iter().map(move |name| (row, *name)));
    let fits = |name: &str| {
        name.split("::").zip(path).filter(|(left, right)| left == right).count() == name.split("::").count()
    };
    rows.filter(|(_, name)| fits(name)).max_by_key(|(_, name)| name.len())
}

/// Every import that goes up or aside.
fn upward(sources: &[Source]) -> Vec<String> {
    let readings: Vec<_> =
        sources.iter().map(|source| (source, imports::read(&source.text, &source.module()))).collect();
    let tests: BTreeSet<_> =
        readings.iter().flat_map(|(_, reading)| reading.test_modules.iter().cloned()).collect();
    let mut wrong = Vec::new();
    for (source, reading) in readings {
        let module = source.module();
        if module.is_empty() || source.is_test(&tests) {
            continue;
        }
        let Some((row, own)) = layer(&module) else {
            wrong.push(format!("{}: the module is in no row of LAYERS", source.file));
            continue;
        };
        for named in reading.named {
            let [root, path @ ..] = named.path.as_slice() else { continue };
            let ours = root == "crate" || (own == "main" && root == "portcullis");
            if !ours || path.is_empty() || tests.iter().any(|test| path.starts_with(test)) {
                continue;
            }
            let complaint = match layer(path) {
                None => Some("which is in no row of LAYERS"),
                Some((_, name)) if name == own => {
                    aside(&module, path).then_some("another phase: what it needs belongs in the Visit")
                }
                Some((other, _)) if other <= row => Some("which does not stand below it"),
                Some((_, name)) => reserved(own, name).then_some("which is not for it"),
            };
            wrong.extend(complaint.map(|why| {
                format!("{}:{}: `{own}` imports `{}`, {why}", source.file, named.line, path.join("::"))
            }));
        }
    }
    wrong
}

fn reserved(own: &str, other: &str) -> bool {
    RESERVED.iter().any(|(name, readers)| *name == other && !readers.contains(&own))
}

/// Whether a phase uses another one.
fn aside(module: &[String], path: &[String]) -> bool {
    let ([pipeline, phase, ..], [_, other, item @ ..]) = (module, path) else { return false };
    let both = [phase, other].iter().all(|name| PHASES.contains(&name.as_str()));
    let named = [other.clone()].into_iter().chain(item.iter().cloned()).collect::<Vec<_>>().join("::");
    let shared = |(by, what, _): &(&str, &str, &str)| {
        (*by == "*" || by == phase)
            && named.strip_prefix(what).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
    };
    pipeline == "pipeline" && both && phase != other && !SHARED.iter().any(shared)
}

fn assert_none(wrong: &[String]) {
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn imports_run_down() {
    assert_none(&upward(&sources(&workspace().join("gateway/src"))));
}

#[test]
fn an_import_that_goes_up_is_seen() {
    let judged = |file: &str, text: &str| upward(&[Source { file: file.to_owned(), text: text.to_owned() }]);
    for (file, text, word) in [
        ("snapshot.rs", "use crate::{redact, pipeline::{Live}, upstream};", "pipeline::Live"),
        ("upstream.rs", "fn f() { let x = 1;\n crate::serve::go(x) }", "upstream.rs:2"),
        ("edge/http1.rs", "use super::super::pipeline::Live;", "pipeline::Live"),
        ("edge.rs", "use crate::mends::held_body;", "below"),
        ("pipeline/peer.rs", "use crate::config::load::load;", "not for it"),
        ("config/raw.rs", "use super::decode;", "config::decode"),
        ("main.rs", "use portcullis::nowhere;", "no row"),
        ("nowhere.rs", "", "no row"),
        ("pipeline/dispatch.rs", "use super::enforce::head;", "another phase"),
        ("pipeline/accept.rs", "use crate::pipeline::{refuse::Answer, log};", "pipeline::log"),
    ] {
        let wrong = judged(file, text);
        assert!(wrong.len() == 1 && wrong[0].contains(word), "{file}: {text}: {wrong:?}");
    }
    for (file, text) in [
        ("main.rs", "use portcullis::cli;"),
        ("cli/run.rs", "use crate::config::load::load; use crate::serve;"),
        ("snapshot.rs", "use crate::edge::EdgeLimits; use crate::config::raw::Mode;"),
        ("pipeline/dispatch.rs", "use super::refuse::Answer; use crate::visit::Visit; // crate::cli::run"),
        ("pipeline/peer.rs", "use super::{Passing, enforce};"),
        ("edge.rs", "#[cfg(test)] mod tests { use crate::serve; }"),
    ] {
        assert_none(&judged(file, text));
    }
}

#[test]
fn the_core_knows_nobody() {
    let ours = ["portcullis", "portcullis_rules", "portcullis_certs", "rules", "certs", "gateway", "harness"];
    // No sockets, no threads, no clock, and one crate that knows Pingora.
    let shell = ["pingora", "tokio", "hyper", "async_trait"];
    let acts = [
        "std::fs",
        "std::net::TcpStream",
        "std::net::TcpListener",
        "std::thread",
        "std::env",
        "std::process",
        "std::time::SystemTime",
        "std::time::Instant",
    ];
    let mut wrong = Vec::new();
    for (folder, forbidden) in [("rules", &acts[..]), ("certs", &[])] {
        for source in sources(&workspace().join(folder).join("src")) {
            if source.is_test(&BTreeSet::new()) {
                continue;
            }
            for named in imports::read(&source.text, &source.module()).named {
                let path = named.path.join("::");
                let root = named.path[0].as_str();
                let named_root = (ours.contains(&root) || shell.contains(&root)) && root != folder;
                let acting =
                    forbidden.iter().any(|other| path == *other || path.starts_with(&format!("{other}::")));
                if named_root || acting {
                    wrong.push(format!("{folder}/src/{}:{}: {path}", source.file, named.line));
                }
            }
        }
        let manifest = fs::read_to_string(workspace().join(folder).join("Cargo.toml")).unwrap();
        let normal = manifest.split("[dev-dependencies]").next().unwrap();
        for name in ours.iter().chain(&shell).filter(|name| **name != folder) {
            if normal.lines().any(|line| {
                line.starts_with(&format!("{}.", name.replace('_', "-")))
                    || line.starts_with(&format!("{name} ="))
            }) {
                wrong.push(format!("{folder}/Cargo.toml: {name}"));
            }
        }
    }
    assert_none(&wrong);
}

#[test]
fn a_policy_is_a_file_and_a_row() {
    let folder = workspace().join("rules/src/policies");
    let registry = fs::read_to_string(folder.with_extension("rs")).unwrap();
    let rows: BTreeSet<&str> = registry
        .lines()
        .filter_map(|line| line.trim().split_once(": $crate::policies::"))
        .filter_map(|(_, path)| path.split("::").next())
        .collect();
    assert!(rows.len() >= 4, "the rows of policies.rs are not read any more: {rows:?}");
    let files: BTreeSet<String> =
        sources(&folder).iter().filter_map(|source| source.module().first().cloned()).collect();
    let known: BTreeSet<String> =
        rows.iter().chain(NOT_POLICIES.iter().map(|(name, _)| name)).map(|name| (*name).to_owned()).collect();
    assert_eq!(files, known, "the files of rules/src/policies and the rows of rules/src/policies.rs");
}

#[test]
fn files_stay_short() {
    let mut wrong = Vec::new();
    for folder in ["rules/src", "certs/src", "gateway/src", "tests/harness", "tests/promises"] {
        for source in sources(&workspace().join(folder)) {
            let (name, lines) = (format!("{folder}/{}", source.file), source.text.lines().count());
            let excused =
                LONG_FILES.iter().any(|(file, _)| *file == name) || source.is_test(&BTreeSet::new());
            if lines > LONG && !excused {
                wrong.push(format!("{name} has {lines} lines: part it, or give a reason in LONG_FILES"));
            }
        }
    }
    assert_none(&wrong);
}

#[test]
fn nothing_names_the_machine_it_was_written_on() {
    // In two parts each, so that this file does not name them.
    let places =
        [["/ho", "me/"], ["/ro", "ot/"], ["/wo", "rk/"], ["/Us", "ers/"]].map(|parts| parts.concat());
    let mut wrong = Vec::new();
    walk(workspace(), &mut |path| {
        // Not UTF-8, or a link to nowhere: nothing to read.
        let Ok(text) = fs::read_to_string(path) else { return };
        for (index, line) in text.lines().enumerate() {
            wrong.extend(
                places
                    .iter()
                    .filter(|place| line.contains(place.as_str()))
                    .map(|place| format!("{}:{}: {place}", path.display(), index + 1)),
            );
        }
    });
    assert_none(&wrong);
}
