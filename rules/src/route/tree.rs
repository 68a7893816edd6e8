//! The tree of shapes that a table walks.

use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::BuildHasherDefault;

use http::Method;

use super::captures::Spans;
use super::pattern::{Methods, Pattern, Segment};
use crate::path;

/// Fixed keys will do: nobody but the operator adds entries.
type Literals = HashMap<Box<str>, Node, BuildHasherDefault<DefaultHasher>>;

/// One place in the tree of shapes. Its depth is a pattern's length, at most [`super::MAX_SEGMENTS`].
#[derive(Clone, Debug, Default)]
pub(super) struct Node {
    literals: Literals,
    name: Option<Box<Node>>,
    end: Option<Box<Group>>,
    rest: Option<Box<Group>>,
}

impl Node {
    /// The group of a pattern's shape, made where it is missing.
    pub(super) fn group(&mut self, pattern: &Pattern) -> &mut Group {
        let mut node = self;
        for segment in &pattern.segments {
            node = match segment {
                Segment::Literal(literal) => node.literals.entry(literal.clone()).or_default(),
                Segment::Name => node.name.get_or_insert_default(),
            };
        }
        if pattern.rest { node.rest.get_or_insert_default() } else { node.end.get_or_insert_default() }
    }

    /// The group of a pattern's shape, if there is one.
    pub(super) fn get(&self, pattern: &Pattern) -> Option<&Group> {
        let mut node = self;
        for segment in &pattern.segments {
            node = match segment {
                Segment::Literal(literal) => node.literals.get(literal)?,
                Segment::Name => node.name.as_deref()?,
            };
        }
        if pattern.rest { node.rest.as_deref() } else { node.end.as_deref() }
    }

    /// The most specific group for `rest`, the part of `text` from this node on: empty, or beginning with a slash.
    ///
    /// Visits a node at most once, and only nodes that match so far.
    pub(super) fn walk(&self, text: &str, rest: &str, spans: &mut Spans) -> Option<&Group> {
        let start = text.len() - rest.len();
        if let Some(after) = rest.strip_prefix('/') {
            let (segment, rest) = after.split_at_checked(after.find('/').unwrap_or(after.len()))?;
            if let Some(group) = self.literals.get(segment).and_then(|next| next.walk(text, rest, spans)) {
                return Some(group);
            }
            if let Some(next) = self.name.as_deref().filter(|_| !segment.is_empty()) {
                let before = spans.len();
                spans.push(start + 1, start + 1 + segment.len());
                if let Some(group) = next.walk(text, rest, spans) {
                    return Some(group);
                }
                spans.truncate(before);
            }
        } else if let Some(group) = &self.end {
            return Some(group);
        }
        self.rest.as_deref().inspect(|_| spans.rest_from(start))
    }

    /// A path of the pattern's shape that goes to no more specific one, as far as there is such a path.
    pub(super) fn example(&self, pattern: &Pattern) -> String {
        let mut node = self;
        let mut text = String::new();
        let mut names = pattern.names();
        for segment in &pattern.segments {
            let (value, next) = match segment {
                Segment::Literal(literal) => (path::escaped(literal), node.literals.get(literal)),
                Segment::Name => (node.fresh(names.next().unwrap_or("x")), node.name.as_deref()),
            };
            text.push('/');
            text.push_str(&value);
            let Some(next) = next else { return text };
            node = next;
        }
        if !pattern.rest {
            return text;
        }
        let fresh = node.fresh("x");
        let tails =
            [String::new(), "/".to_owned(), format!("/{fresh}"), format!("/{fresh}/"), format!("/{fresh}/x")];
        let own = |tail: &&String| {
            let group = node.walk(tail, tail, &mut Spans::new());
            group.zip(node.rest.as_deref()).is_some_and(|(group, rest)| std::ptr::eq(group, rest))
        };
        let tail = tails.iter().find(own).map_or("", String::as_str);
        if text.is_empty() && tail.is_empty() { "/".to_owned() } else { text + tail }
    }

    /// A value that is none of the literals here.
    fn fresh(&self, name: &str) -> String {
        let mut value = name.to_owned();
        while self.literals.contains_key(value.as_str()) {
            value.push('_');
        }
        value
    }
}

/// The patterns of one shape, by method.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Group {
    exact: Vec<(Method, usize)>,
    pub(super) any: Option<usize>,
    pub(super) allow: Vec<Method>,
}

impl Group {
    /// Adds a leaf; returns the leaves that already serve one of its methods, each once, with that method if it has
    /// a name.
    pub(super) fn admit(&mut self, leaf: usize, methods: &Methods) -> Vec<(usize, Option<Method>)> {
        let mut clashes: Vec<(usize, Option<Method>)> = Vec::new();
        match methods {
            Methods::Any => match self.any {
                Some(other) => clashes.push((other, None)),
                None => self.any = Some(leaf),
            },
            Methods::These(these) => {
                for method in these {
                    match self.named(method) {
                        Some(other) if clashes.iter().all(|(seen, _)| *seen != other) => {
                            clashes.push((other, Some(method.clone())));
                        }
                        Some(_) => {}
                        None => self.exact.push((method.clone(), leaf)),
                    }
                }
            }
        }
        self.allow = self.exact.iter().map(|(method, _)| method.clone()).collect();
        if self.named(&Method::GET).is_some() && self.named(&Method::HEAD).is_none() {
            self.allow.push(Method::HEAD);
        }
        self.allow.sort_unstable_by(|a, b| a.as_str().cmp(b.as_str()));
        clashes
    }

    fn named(&self, method: &Method) -> Option<usize> {
        self.exact.iter().find_map(|(own, leaf)| (own == method).then_some(*leaf))
    }

    /// A method that only `*` serves.
    pub(super) fn left_over(&self) -> Method {
        let known = [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS];
        known.into_iter().find(|method| self.named(method).is_none()).unwrap_or(Method::HEAD)
    }

    pub(super) fn serving(&self, method: &Method) -> Option<usize> {
        self.named(method)
            .or_else(|| if *method == Method::HEAD { self.named(&Method::GET) } else { None })
            .or(self.any)
    }
}
