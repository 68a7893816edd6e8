//! YAML 1.2 (and so JSON) to a tree, refusing what a configuration has no use for.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;

use granit_parser::{Event, Parser, ScalarStyle, Span, Tag, options};

use super::problem::Problem;
use super::tree::{Node, Origin, Scalar, Value};
use super::{scalar, syntax};

/// The largest file that is read, in bytes.
pub(super) const MAX_BYTES: usize = 4 << 20;
/// Lists and mappings inside one another; the decoder recurses as deep as this.
pub(super) const MAX_DEPTH: usize = 64;
/// Keys and values in a file.
const MAX_NODES: usize = 1_000_000;

/// Reads a document. The tree is absent only when its structure could not be made out; an
/// empty document is null. Duplicate keys are reported and the first is kept.
pub fn parse(text: &str) -> (Option<Node>, Vec<Problem>) {
    if text.len() > MAX_BYTES {
        let message = format!("the file is larger than {} MiB", MAX_BYTES >> 20);
        return (None, vec![Problem::whole(message)]);
    }
    let mut builder = Builder { text, stack: Vec::new(), root: None, nodes: 0, problems: Vec::new() };
    match builder.run() {
        Ok(()) => {
            let root = builder.root.unwrap_or(Node { span: 0..0, value: Value::Null });
            (Some(root), builder.problems)
        }
        Err(problem) => {
            builder.problems.push(*problem);
            (None, builder.problems)
        }
    }
}

/// A list or mapping that is still open.
struct Open {
    start: usize,
    parts: Parts,
}

enum Parts {
    Seq(Vec<Node>),
    Map { entries: Vec<(Node, Node)>, seen: HashMap<String, Range<usize>>, key: Option<Node> },
}

struct Builder<'a> {
    text: &'a str,
    stack: Vec<Open>,
    root: Option<Node>,
    nodes: usize,
    problems: Vec<Problem>,
}

type Step = Result<(), Box<Problem>>;

impl Builder<'_> {
    fn run(&mut self) -> Step {
        let options = options! { emit_unresolved_aliases: true, emit_anchor_events: true };
        let mut documents = 0;
        for event in Parser::new_from_str_with_options(self.text, options) {
            let (event, span) = event.map_err(|error| Box::new(syntax::problem(self.text, &error)))?;
            let place = span.byte_range().unwrap_or(0..0);
            match event {
                Event::DocumentStart(..) => {
                    documents += 1;
                    if documents > 1 {
                        return refuse(place, "a second document begins here", "keep one document in a file");
                    }
                }
                Event::Alias(_) | Event::UnresolvedAlias(_) => self.alias(place)?,
                Event::Anchor(_, name) => {
                    return refuse(
                        place,
                        format!("`&{name}` is a YAML anchor, and those are not supported"),
                        "write the value out where it is needed",
                    );
                }
                Event::Scalar(text, style, _, tag) => {
                    let node = scalar_node(text, style, tag.as_deref(), &span, place)?;
                    self.add(node)?;
                }
                Event::SequenceStart(_, _, tag) => {
                    self.open(&place, tag.as_deref(), "seq", Parts::Seq(Vec::new()))?;
                }
                Event::MappingStart(_, _, tag) => {
                    let parts = Parts::Map { entries: Vec::new(), seen: HashMap::new(), key: None };
                    self.open(&place, tag.as_deref(), "map", parts)?;
                }
                Event::SequenceEnd | Event::MappingEnd => self.close(&place)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn alias(&self, place: Range<usize>) -> Step {
        // `match: *` and `origins: [*]` are slips far more often than aliases.
        let written = self.text.get(place.clone()).unwrap_or_default();
        refuse(
            place,
            format!("`{written}` is a YAML alias, and those are not supported"),
            "put quotes around text that begins with `*`, or write the value out",
        )
    }

    fn open(&mut self, place: &Range<usize>, tag: Option<&Tag>, own: &str, parts: Parts) -> Step {
        if let Some(tag) = tag.filter(|tag| tag.core_suffix() != Some(own) && !is_plain_bang(tag)) {
            return unknown_tag(tag, place.clone());
        }
        if self.stack.len() >= MAX_DEPTH {
            return Err(Box::new(syntax::too_deep(place.clone())));
        }
        self.stack.push(Open { start: place.start, parts });
        Ok(())
    }

    fn close(&mut self, place: &Range<usize>) -> Step {
        let Some(open) = self.stack.pop() else {
            return Ok(());
        };
        let value = match open.parts {
            Parts::Seq(items) => Value::Seq(items),
            Parts::Map { entries, .. } => Value::Map(entries),
        };
        // A block collection ends where the next token begins; what it holds ends sooner.
        let raw = self.text.get(open.start..place.end).unwrap_or_default();
        let end = open.start + raw.trim_end().len();
        self.add(Node { span: open.start..end, value })
    }

    fn add(&mut self, node: Node) -> Step {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            let message = format!("the file holds more than {MAX_NODES} keys and values");
            return Err(Box::new(Problem::at(node.span, message)));
        }
        let Some(open) = self.stack.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        match &mut open.parts {
            Parts::Seq(items) => items.push(node),
            Parts::Map { entries, seen, key } => match key.take() {
                None => *key = Some(as_key(node)?),
                Some(name) => {
                    let text = name.text().unwrap_or_default();
                    if let Some(first) = seen.get(text) {
                        let problem =
                            Problem::at(name.span.clone(), format!("the key `{text}` is given twice"))
                                .note(first.clone(), "first given here")
                                .remedy("keep one of the two");
                        self.problems.push(problem);
                    } else {
                        seen.insert(text.to_owned(), name.span.clone());
                        entries.push((name, node));
                    }
                }
            },
        }
        Ok(())
    }
}

fn refuse(place: Range<usize>, message: impl Into<String>, remedy: impl Into<String>) -> Step {
    Err(Box::new(Problem::at(place, message).remedy(remedy)))
}

/// `!` alone is YAML for "take this as it is written".
fn is_plain_bang(tag: &Tag) -> bool {
    tag.parts() == ("", "!")
}

fn unknown_tag(tag: &Tag, place: Range<usize>) -> Step {
    refuse(place, format!("the YAML tag `{}` is not supported here", tag.original()), "remove the tag")
}

fn scalar_node(
    text: Cow<'_, str>,
    style: ScalarStyle,
    tag: Option<&Tag>,
    span: &Span,
    place: Range<usize>,
) -> Result<Node, Box<Problem>> {
    let origin = match tag.map(|tag| (tag, tag.core_suffix())) {
        None if style == ScalarStyle::Plain => Origin::Plain,
        Some((_, Some("int" | "float" | "bool" | "null"))) => Origin::Plain,
        None | Some((_, Some("str"))) => Origin::Quoted,
        Some((tag, _)) if is_plain_bang(tag) => Origin::Quoted,
        Some((tag, _)) => {
            let place = span.tag_span().and_then(|span| span.byte_range()).unwrap_or(place);
            return unknown_tag(tag, place).map(|()| Node { span: 0..0, value: Value::Null });
        }
    };
    let value = if origin == Origin::Plain && scalar::is_null(&text) {
        Value::Null
    } else {
        Value::Scalar(Scalar { text: text.into_owned(), origin, patches: Vec::new() })
    };
    Ok(Node { span: place, value })
}

/// Keys are text, whatever they look like: `no: 1` has the key `no`, and `~: 1` the key `~`.
fn as_key(node: Node) -> Result<Node, Box<Problem>> {
    match node.value {
        Value::Scalar(_) => Ok(node),
        Value::Null => Err(Box::new(
            Problem::at(node.span, "a key is missing before the `:`")
                .remedy("write the key, or quote it if it is `null`"),
        )),
        Value::Seq(_) | Value::Map(_) => Err(Box::new(
            Problem::at(node.head(), "a list or mapping cannot be a key")
                .remedy("put quotes around text that begins with `[` or `{`"),
        )),
    }
}
