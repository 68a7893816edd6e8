//! A YAML document as a tree in which everything knows its place.

use std::ops::Range;

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// The bytes of the source that the value was read from.
    pub span: Range<usize>,
    /// The value.
    pub value: Value,
}

/// A value, not yet of any type: whether `8080` is a number is for the type that asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// `null`, `~` or nothing at all.
    Null,
    /// Anything else without parts.
    Scalar(Scalar),
    /// A list.
    Seq(Vec<Node>),
    /// A mapping in file order. Keys are unique, and scalars.
    Map(Vec<(Node, Node)>),
}

/// A piece of text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scalar {
    /// The text after escapes and folding.
    pub text: String,
    /// How it came to be, which says what it may turn into.
    pub origin: Origin,
    /// What was filled in, in the order of the text.
    pub patches: Vec<Patch>,
}

/// A piece of a text that is not as it was written: `${NAME}` was filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patch {
    /// The bytes of the text that it fills.
    pub now: Range<usize>,
    /// What was written there.
    pub was: String,
}

/// How a scalar came to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Written without quotes: a number or a boolean where one is asked for.
    Plain,
    /// Written in quotes or as a block: always text.
    Quoted,
    /// Written without quotes and filled from the environment: like plain, but never null,
    /// and not to be quoted in messages.
    Filled,
}

impl Node {
    /// The text of a scalar.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar(scalar) => Some(&scalar.text),
            _ => None,
        }
    }

    /// The value of a key, if this is a mapping that has it.
    pub fn get(&self, name: &str) -> Option<&Node> {
        self.entries().iter().find(|(key, _)| key.text() == Some(name)).map(|(_, value)| value)
    }

    /// The entries of a mapping; none for anything else.
    pub fn entries(&self) -> &[(Node, Node)] {
        match &self.value {
            Value::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The values directly below: list items, or the keys and values of a mapping.
    pub(super) fn children(&self) -> Box<dyn Iterator<Item = &Node> + '_> {
        match &self.value {
            Value::Seq(items) => Box::new(items.iter()),
            Value::Map(entries) => Box::new(entries.iter().flat_map(|(key, value)| [key, value])),
            Value::Null | Value::Scalar(_) => Box::new(std::iter::empty()),
        }
    }

    /// Where to point when the value as a whole is meant: the first key of a mapping.
    pub(super) fn head(&self) -> Range<usize> {
        match &self.value {
            Value::Map(entries) => entries.first().map_or(self.span.clone(), |(key, _)| key.span.clone()),
            Value::Null | Value::Scalar(_) | Value::Seq(_) => self.span.clone(),
        }
    }
}
