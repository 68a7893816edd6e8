//! A file → [`Snapshot`]. The only code that reads configuration files and the environment.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read as _;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use certs::KeyPair;
use rules::key_file::{Listed, Wrong};
use rules::policy::Library;
use rules::problem::{Place, Problem as Fault, Step};
use rules::secret::Secret;

use super::compile::compile;
use super::compile::state::URL;
use super::notices::notices;
use super::problem::{Problem, Problems};
use super::raw::{Environment, RawConfig, RawSecret};
use super::source::Source;
use super::tree::{Node, Value};
use super::{Report, decode, document, inside, interpolate, key_file, parse, suggest};
use crate::snapshot::{Snapshot, Test};

mod certificates;
mod signing;

pub use signing::Signing;

/// The largest configuration, in bytes.
const MOST: u64 = 4 * 1024 * 1024;
/// The largest file that a configuration may name, in bytes: a database of cities is one.
const MOST_NAMED: u64 = 256 * 1024 * 1024;

/// What a configuration is loaded for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To serve: every secret and certificate must be there.
    Serve,
    /// To judge offline: a secret that is not set is stood in for, and certificates stay closed.
    Judge,
}

/// A configuration that loaded.
pub struct Loaded {
    /// What it says.
    pub snapshot: Arc<Snapshot>,
    /// The certificates, when it was loaded to serve.
    pub certificates: Vec<KeyPair>,
    /// Its text, for whoever wants to name a line.
    pub source: Source,
    tree: Node,
    /// The files that it was made of.
    pub files: Vec<PathBuf>,
    /// What an operator should know.
    pub warnings: Vec<String>,
}

impl Loaded {
    /// The line of `place`, from 1.
    pub fn line(&self, place: &Place) -> Option<usize> {
        Some(self.source.place(find(&self.tree, place).start).line)
    }

    /// The line of a test, from 1.
    pub fn test_line(&self, test: &Test) -> Option<usize> {
        self.line(&Place::root().key("tests").item(test.index))
    }
}

/// A configuration that did not load.
pub struct Broken {
    source: Source,
    problems: Vec<Problem>,
}

impl Broken {
    /// The report for people.
    pub fn text(&self, colour: bool) -> String {
        Report::new(&self.source, &self.problems).text(colour)
    }

    /// The report for programs.
    pub fn json(&self) -> serde_json::Value {
        Report::new(&self.source, &self.problems).json()
    }
}

/// Loads the file at `path`.
///
/// # Errors
/// All problems of it, boxed for their size.
pub fn load(path: &Path, purpose: Purpose) -> Result<Loaded, Box<Broken>> {
    let name = path.display().to_string();
    let broken = |source: Source, problems: Vec<Problem>| {
        Box::new(Broken { source, problems: Problems::from(problems).sorted() })
    };
    let source = read(path, MOST)
        .map_err(|why| {
            Problem::whole(why).remedy("name the file with `--config`, or write one with `portcullis init`")
        })
        .and_then(|bytes| Source::from_bytes(&name, bytes));
    let source = source.map_err(|problem| broken(Source::new(&name, ""), vec![problem]))?;
    let (tree, mut problems) = parse(source.text());
    let Some(mut tree) = tree else { return Err(broken(source, problems)) };
    let unset = interpolate(&mut tree, source.text(), &|name| std::env::var(name).ok());
    // A value that could not be filled in is wrong in other ways too: only the cause is told.
    let known: Vec<Range<usize>> = unset.iter().filter_map(|problem| problem.span.clone()).collect();
    let is_new = |problem: &Problem| {
        let within =
            |unset: &Range<usize>, span: &Range<usize>| span.start <= unset.start && unset.end <= span.end;
        !problem.span.as_ref().is_some_and(|span| known.iter().any(|unset| within(unset, span)))
    };
    problems.extend(unset);
    let (raw, found) = decode::<RawConfig>(&tree);
    problems.extend(found.into_iter().filter(is_new));
    let Some(raw) = raw else { return Err(broken(source, problems)) };
    let base = path.parent().unwrap_or(Path::new("")).to_owned();
    let shelf = Shelf::fill(&raw, base.clone(), purpose);
    let compiled = compile(&raw, &shelf);
    let placed = |fault: Fault| {
        let span = pinpoint(&tree, source.text(), &fault);
        Problem { span: Some(span), ..Problem::whole(fault.message) }.maybe_remedy(fault.remedy)
    };
    let (mut files, faults, mut warnings) = shelf.close();
    problems.extend(faults.into_iter().map(placed).filter(is_new));
    let snapshot = match compiled {
        Ok(snapshot) if problems.is_empty() => snapshot,
        Ok(_) => return Err(broken(source, problems)),
        Err(faults) => {
            problems.extend(faults.into_iter().map(placed).filter(is_new));
            return Err(broken(source, problems));
        }
    };
    warnings.extend(notices(&snapshot));
    files.insert(path.to_owned());
    let mut certificates = Vec::new();
    if purpose == Purpose::Serve {
        match certificates::open(&snapshot, &base, &mut files, &mut warnings) {
            Ok(pairs) => certificates = pairs,
            Err(faults) => {
                let problems = faults.into_iter().map(placed).collect();
                return Err(broken(source, problems));
            }
        }
    }
    Ok(Loaded {
        snapshot: Arc::new(snapshot),
        certificates,
        source,
        tree,
        files: files.into_iter().collect(),
        warnings,
    })
}

/// The bytes of a file that a configuration or a command names, if it is not too large for one.
///
/// # Errors
/// Why it cannot be read: a sentence.
pub fn named(path: &Path) -> Result<Vec<u8>, String> {
    read(path, MOST_NAMED)
}

fn read(path: &Path, most: u64) -> Result<Vec<u8>, String> {
    let shown = path.display();
    let file = File::open(path).map_err(|error| format!("the file `{shown}` cannot be read: {error}"))?;
    let mut bytes = Vec::new();
    let length = file
        .take(most + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| format!("the file `{shown}` cannot be read: {error}"))?;
    if u64::try_from(length).is_ok_and(|length| length > most) {
        return Err(format!("the file `{shown}` is larger than {} MiB", most >> 20));
    }
    Ok(bytes)
}

/// The bytes of the file that a fault means.
fn pinpoint(tree: &Node, text: &str, fault: &Fault) -> Range<usize> {
    let (span, node) = walk(tree, &fault.place);
    let within = fault.within.clone().zip(node);
    within.and_then(|(within, node)| inside::locate(text, node, &within)).unwrap_or(span)
}

/// The bytes of the text that `place` means, or of the nearest place around it that exists.
fn find(tree: &Node, place: &Place) -> Range<usize> {
    walk(tree, place).0
}

/// What [`find`] finds, and the value if it is there.
fn walk<'t>(tree: &'t Node, place: &Place) -> (Range<usize>, Option<&'t Node>) {
    let mut node = tree;
    let mut span = tree.head();
    for (index, step) in place.steps.iter().enumerate() {
        let last = index + 1 == place.steps.len();
        match (step, &node.value) {
            (Step::Key(name), Value::Map(entries)) => {
                let Some((key, value)) = entries.iter().find(|(key, _)| key.text() == Some(name)) else {
                    return (span, None);
                };
                let point = if last && place.on_key { key.span.clone() } else { value.head() };
                // A key without a value has nothing else to point at.
                span = if point.is_empty() { key.span.clone() } else { point };
                node = value;
            }
            (Step::Item(item), Value::Seq(items)) => {
                let Some(value) = items.get(*item) else { return (span, None) };
                span = value.head();
                node = value;
            }
            // The only one, written without a list.
            (Step::Item(0), Value::Map(_) | Value::Scalar(_)) => {}
            _ => return (span, None),
        }
    }
    (span, Some(node).filter(|_| !place.on_key))
}

/// The secrets and files that compilation asks for.
#[derive(Default)]
struct Shelf {
    base: PathBuf,
    secrets: BTreeMap<String, Vec<Secret>>,
    /// Those with an `until`.
    ending: BTreeSet<String>,
    files: RefCell<BTreeSet<PathBuf>>,
    faults: Vec<Fault>,
    warnings: Vec<String>,
}

impl Shelf {
    /// Fetches every secret, used or not: one that is missing is found now and not when it is needed.
    fn fill(raw: &RawConfig, base: PathBuf, purpose: Purpose) -> Self {
        let mut shelf = Self {
            base,
            secrets: BTreeMap::new(),
            ending: raw
                .secrets
                .iter()
                .filter(|(_, all)| all.iter().any(|secret| secret.until.is_some()))
                .map(|(name, _)| name.clone())
                .collect(),
            files: RefCell::default(),
            faults: Vec::new(),
            warnings: Vec::new(),
        };
        let all = raw.secrets.iter().flat_map(|(name, all)| {
            let at = Place::root().key("secrets").key(name);
            let several = all.len() > 1;
            let each = all.iter().enumerate();
            each.map(move |(nth, one)| (name, one, if several { at.item(nth) } else { at.clone() }))
        });
        for (name, secret, at) in all {
            let fetched = shelf.fetch(secret, &at).and_then(|secret| {
                let test = raw.environment == Environment::Production && secret.is_test_key();
                let refused = || {
                    at.problem(format!(
                        "the secret `{name}` is a provider's test key, which production refuses"
                    ))
                    .remedy("use the live key, or `environment: staging`")
                };
                if test { Err(refused()) } else { Ok(secret) }
            });
            // Whoever uses a secret that is missing has nothing to add to that.
            // Good as text, as hexadecimal digits and as base64.
            let stand_in = || Secret::new(vec![b'a'; 64]);
            let secret = fetched.unwrap_or_else(|fault| {
                match purpose {
                    Purpose::Serve => shelf.faults.push(fault),
                    Purpose::Judge => shelf.warnings.push(format!("{}; a stand-in is used", fault.message)),
                }
                stand_in()
            });
            shelf.secrets.entry(name.clone()).or_default().push(secret);
        }
        if let Some(url) = &raw.state.url {
            let url =
                shelf.fetch(&url.secret(), &Place::root().key("state").key("url")).unwrap_or_else(|fault| {
                    match purpose {
                        Purpose::Serve => shelf.faults.push(fault),
                        // Offline, nobody is asked.
                        Purpose::Judge => {}
                    }
                    Secret::new(b"redis://stand-in".to_vec())
                });
            shelf.secrets.insert(URL.to_owned(), vec![url]);
        }
        shelf
    }

    fn fetch(&self, secret: &RawSecret, at: &Place) -> Result<Secret, Fault> {
        let bytes = match (&secret.env, &secret.file, &secret.value) {
            (Some(name), ..) => {
                std::env::var_os(name).map(std::os::unix::ffi::OsStringExt::into_vec).ok_or_else(|| {
                    at.key("env")
                        .problem(format!("the environment variable `{name}` is not set"))
                        .remedy("set it before the start")
                })?
            }
            (None, Some(path), _) => {
                let mut bytes = self.open(path).map_err(|why| at.key("file").problem(why))?;
                let newline =
                    bytes.iter().rev().take_while(|byte| matches!(byte, b'\n' | b'\r')).count().min(2);
                bytes.truncate(bytes.len() - newline);
                bytes
            }
            (None, None, Some(value)) => value.clone().into_bytes(),
            // Reported by compilation, which checks the form.
            (None, None, None) => vec![b'a'; 64],
        };
        let secret = Secret::new(bytes);
        if secret.expose().is_empty() {
            return Err(at.problem("the secret is empty").remedy("give it a value"));
        }
        Ok(secret)
    }

    fn open(&self, path: &str) -> Result<Vec<u8>, String> {
        let path = self.base.join(path);
        self.files.borrow_mut().insert(path.clone());
        named(&path)
    }

    fn close(self) -> (BTreeSet<PathBuf>, Vec<Fault>, Vec<String>) {
        (self.files.into_inner(), self.faults, self.warnings)
    }
}

impl Library for Shelf {
    fn secret(&self, name: &str) -> Result<Secret, String> {
        match self.secrets(name)?.as_slice() {
            [_] if self.ending.contains(name) => Err(format!(
                "the secret `{name}` has `until`, which is heeded only where a webhook is signed"
            )),
            [only] => Ok(only.clone()),
            _ => Err(format!("the secret `{name}` has several values, of which only webhooks take each")),
        }
    }

    fn secrets(&self, name: &str) -> Result<Vec<Secret>, String> {
        self.secrets.get(name).cloned().ok_or_else(|| {
            let known: Vec<&str> =
                self.secrets.keys().map(String::as_str).filter(|name| *name != URL).collect();
            format!("there is no secret `{name}`: {}", suggest::remedy_or_all(name, &known))
        })
    }

    fn file(&self, path: &str) -> Result<Vec<u8>, String> {
        self.open(path)
    }

    fn document(&self, path: &str) -> Result<serde_json::Value, String> {
        document::read(path, self.open(path)?)
    }

    fn keys(&self, path: &str) -> Result<Vec<Listed>, Vec<Wrong>> {
        let bytes = self.open(path).map_err(|what| vec![Wrong { what, remedy: None }])?;
        key_file::read(path, bytes)
    }
}

#[cfg(test)]
mod tests;
