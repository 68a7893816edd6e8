//! What the rounds of one decoding share, and where problems are put into words.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::ops::Range;

use super::super::problem::{Problem, Problems};
use super::super::tree::{Node, Origin, Value};
use super::super::{mask, scalar, suggest};
use super::fault::Fault;

/// A node's identity: its address, for the tree is borrowed and does not move.
type Id = usize;

fn id(node: &Node) -> Id {
    std::ptr::from_ref(node).addr()
}

pub(super) struct Session {
    secrets: Vec<Range<usize>>,
    state: RefCell<State>,
}

#[derive(Default)]
struct State {
    problems: Problems,
    /// Nodes that are left out from now on.
    dropped: HashSet<Id>,
    /// Keys that a mapping lacks, to be filled with stand-ins.
    lacking: HashMap<Id, Vec<&'static str>>,
    /// Unknown keys already reported, with the known name that was suggested.
    unknown: HashMap<Id, Option<&'static str>>,
}

impl Session {
    pub(super) fn new(root: &Node) -> Self {
        Self { secrets: mask::secret_ranges(root), state: RefCell::default() }
    }

    /// Whether nothing was dropped and nothing stood in.
    pub(super) fn is_whole(&self) -> bool {
        let state = self.state.borrow();
        state.dropped.is_empty() && state.lacking.is_empty()
    }

    /// Grows with every round that found something.
    pub(super) fn progress(&self) -> usize {
        let state = self.state.borrow();
        state.dropped.len() + state.lacking.values().map(Vec::len).sum::<usize>()
    }

    pub(super) fn finish(self) -> Vec<Problem> {
        self.state.into_inner().problems.sorted()
    }

    pub(super) fn is_dropped(&self, node: &Node) -> bool {
        self.state.borrow().dropped.contains(&id(node))
    }

    /// The keys for which a mapping gets stand-ins.
    pub(super) fn lacking(&self, node: &Node) -> Vec<&'static str> {
        self.state.borrow().lacking.get(&id(node)).cloned().unwrap_or_default()
    }

    /// Reports an unknown key, once.
    pub(super) fn unknown_key(&self, key: &Node, siblings: &Node, fields: &'static [&'static str]) {
        let mut state = self.state.borrow_mut();
        if state.unknown.contains_key(&id(key)) {
            return;
        }
        let name = key.text().unwrap_or_default();
        // A known key that is already there is not what this one was meant to be.
        let free: Vec<&str> = fields.iter().copied().filter(|field| siblings.get(field).is_none()).collect();
        let meant = suggest::elsewhere(name, free.iter().copied())
            .or_else(|| suggest::nearest(name, free.iter().copied()));
        let close = fields.iter().copied().find(|field| meant == Some(*field));
        // A secret that was written where its key belongs must not be repeated.
        let secret =
            self.is_private(key) && siblings.get(name).is_some_and(|value| value.value == Value::Null);
        let message =
            if secret { "unknown key".to_owned() } else { format!("unknown key `{}`", short(name)) };
        let remedy = match meant {
            Some(meant) => Some(format!("did you mean `{meant}`?")),
            None => suggest::remedy(name, fields, "key"),
        };
        let problem = Problem::at(key.span.clone(), message).maybe_remedy(remedy);
        state.problems.push(problem);
        state.unknown.insert(id(key), close);
    }

    /// Records an error at the node whose decoding it ended, and drops the node.
    pub(super) fn place(&self, node: &Node, key: Option<&Node>, fault: Fault) -> Fault {
        let mut state = self.state.borrow_mut();
        match fault {
            Fault::Placed => return Fault::Placed,
            Fault::Missing(name) => {
                let follows = node.get(name).is_some()
                    || node.entries().iter().any(|(key, _)| state.unknown.get(&id(key)) == Some(&Some(name)));
                if !follows {
                    state.problems.push(missing(node, key, name));
                }
                state.lacking.entry(id(node)).or_default().push(name);
                return Fault::Placed;
            }
            Fault::Unfillable => {}
            // A list or mapping complains of what it lacks when its parts were dropped.
            Fault::Custom(_) if node.children().any(|child| state.dropped.contains(&id(child))) => {}
            Fault::Custom(sentence) => state.problems.push(self.custom(node, &sentence)),
            Fault::Word(known) => state.problems.push(self.word(node, known)),
            Fault::Expected(what) => state.problems.push(self.mismatch(node, key, &what)),
        }
        state.dropped.insert(id(node));
        Fault::Placed
    }

    /// A type's own sentence. Of a private text only the remedy is kept, for the sentence may quote it in
    /// any guise; about a private list or mapping a type must not quote what is in it.
    fn custom(&self, node: &Node, sentence: &str) -> Problem {
        let (message, remedy) = match sentence.rsplit_once('\n') {
            Some((message, remedy)) => (message, Some(remedy.to_owned())),
            None => (sentence, None),
        };
        match node.text() {
            Some(text) if self.is_private(node) => {
                let told = remedy.filter(|remedy| !text.contains(remedy) && !remedy.contains(text));
                Problem::at(node.span.clone(), format!("{} is not accepted here", self.found(node)))
                    .maybe_remedy(told)
            }
            _ => Problem::at(node.head(), message).maybe_remedy(remedy),
        }
    }

    fn word(&self, node: &Node, known: &'static [&'static str]) -> Problem {
        // Of an enum written as a mapping, the key is the word.
        let word = node.entries().first().map_or(node, |(key, _)| key);
        let problem = Problem::at(word.span.clone(), format!("{} is not known here", self.found(word)));
        if self.is_private(word) {
            return problem;
        }
        problem.maybe_remedy(suggest::remedy(word.text().unwrap_or_default(), known, "word"))
    }

    fn mismatch(&self, node: &Node, key: Option<&Node>, what: &str) -> Problem {
        let place = match key {
            None if node.value == Value::Null => {
                return Problem::whole("the file is empty");
            }
            Some(key) if node.span.is_empty() => key.span.clone(),
            _ => node.span.clone(),
        };
        Problem::at(place, format!("expected {what}, found {}", self.found(node)))
            .maybe_remedy(remedy(node, what))
    }

    /// What stands there, in words that give no secret away.
    fn found(&self, node: &Node) -> String {
        match &node.value {
            Value::Null => "nothing".to_owned(),
            Value::Seq(_) => "a list".to_owned(),
            Value::Map(_) => "a mapping".to_owned(),
            Value::Scalar(scalar) if scalar.origin == Origin::Filled => {
                "text from the environment".to_owned()
            }
            Value::Scalar(_) if self.is_private(node) => "text".to_owned(),
            Value::Scalar(scalar) if scalar.origin == Origin::Quoted => {
                format!("the text `{}`", short(&scalar.text))
            }
            Value::Scalar(scalar) => format!("`{}`", short(&scalar.text)),
        }
    }

    /// Whether the node's text must not be repeated.
    fn is_private(&self, node: &Node) -> bool {
        let filled = matches!(&node.value, Value::Scalar(scalar) if scalar.origin == Origin::Filled);
        filled
            || self.secrets.iter().any(|range| range.start <= node.span.start && node.span.end <= range.end)
    }
}

fn missing(node: &Node, key: Option<&Node>, name: &str) -> Problem {
    let problem = match key {
        Some(key) => {
            let owner = short(key.text().unwrap_or_default());
            Problem::at(key.span.clone(), format!("`{owner}` lacks the key `{name}`"))
        }
        None => Problem::at(node.head(), format!("the key `{name}` is missing")),
    };
    problem.remedy(format!("add `{name}: …`"))
}

fn remedy(node: &Node, what: &str) -> Option<String> {
    let scalar = match &node.value {
        Value::Null if what == "a mapping" => {
            return Some("indent what belongs to the key, or remove the key".to_owned());
        }
        Value::Null => return Some("give the key a value, or remove it".to_owned()),
        Value::Scalar(scalar) => scalar,
        Value::Seq(_) | Value::Map(_) if what == "text" => return Some("write a single value".to_owned()),
        Value::Map(_) if what == "a list" => return Some("begin each item with `- `".to_owned()),
        Value::Seq(_) | Value::Map(_) => return None,
    };
    let number = what.contains("number");
    match scalar.text.to_ascii_lowercase().as_str() {
        "yes" | "on" if what.contains("`true`") => Some("write `true`".to_owned()),
        "no" | "off" if what.contains("`true`") => Some("write `false`".to_owned()),
        text if scalar.origin == Origin::Quoted
            && ((number && scalar::float(text).is_some())
                || (what.contains("`true`") && scalar::boolean(text).is_some())) =>
        {
            Some("remove the quotes".to_owned())
        }
        _ if what == "a list" => Some("write a list: `[ … ]`, or one `- …` to a line".to_owned()),
        _ => None,
    }
}

/// Text for a message: one line, not long.
fn short(text: &str) -> String {
    let mut shown: String = text.chars().take(48).flat_map(char::escape_debug).collect();
    if text.chars().nth(48).is_some() {
        shown.push('…');
    }
    shown.replace("\\\"", "\"").replace("\\'", "'")
}
