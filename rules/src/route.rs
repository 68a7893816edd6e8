//! Method and path → route. Most specific wins; the order in which routes are written never matters.
//!
//! **First the path.** Among the patterns that match a path, segments are compared from the left, and the first
//! difference decides: a literal before `{name}` before `**`; a pattern that ends before one that goes on with `**`.
//! Two patterns that match the same path and never differ have the same *shape* (names do not count). So every other
//! pair is ordered: `/a/b/{y}` comes before `/a/{x}/c`, because `b` is a literal where the other has `{x}`.
//! A literal that leads nowhere is given up: with `/a/b/{y}/z` and `/a/{x}/c`, the path `/a/b/c` is the second's.
//!
//! **Then the method**, among the patterns of that one shape: the method itself, then `GET` for `HEAD`, then `*`.
//! None of them: 405, although a less specific shape may take the method. With `GET /v1/{tenant}/x` and `* /v1/**`,
//! `POST /v1/a/x` is refused: a request never falls from the route written for its path to a weaker one by surprise.
//!
//! **Ambiguous**, hence an error at load: one shape, twice the same method or twice `*`.

use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::fmt;
use std::hash::BuildHasherDefault;

use http::Method;

use crate::path::{self, Path};

mod captures;
mod pattern;
#[cfg(test)]
mod tests;

pub use captures::{Captures, MAX_CAPTURES, Spans};
use pattern::Segment;
pub use pattern::{MAX_SEGMENTS, Methods, Pattern, PatternError};

/// Routes, compiled. A look-up costs by the path's segments, whatever the number of routes, and does not allocate.
#[derive(Clone, Debug)]
pub struct Table<T> {
    routes: Vec<T>,
    leaves: Vec<Leaf>,
    root: Node,
}

#[derive(Clone, Debug)]
struct Leaf {
    route: usize,
    pattern: Pattern,
}

/// Two routes that would serve the same request. Indices are places in what was compiled; they are equal if one route
/// has two such patterns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ambiguity {
    /// The earlier route.
    pub left: usize,
    /// The later route.
    pub right: usize,
    /// A request that both would serve: `GET /a/x`.
    pub example: String,
}

impl fmt::Display for Ambiguity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` could go to either of two routes", self.example)
    }
}

impl std::error::Error for Ambiguity {}

/// What a table says of a request.
#[derive(Clone, Debug)]
pub enum Lookup<'a, T> {
    /// This route serves it.
    Found(Found<'a, T>),
    /// The path's routes do not take the method.
    MethodNotAllowed {
        /// What they take, sorted; with `HEAD` where `GET` is. `OPTIONS` only where a route names it.
        allow: &'a [Method],
    },
    /// No route has this path.
    NoRoute,
}

/// The route that serves a request.
#[derive(Clone, Debug)]
pub struct Found<'a, T> {
    /// Its place in what was compiled.
    pub index: usize,
    /// The route itself.
    pub route: &'a T,
    /// What its pattern captured.
    pub captures: Captures<'a>,
}

impl<T> Table<T> {
    /// Compiles routes, each with its patterns. Reports every ambiguity, in order.
    pub fn compile(routes: Vec<(Vec<Pattern>, T)>) -> Result<Self, Vec<Ambiguity>> {
        let mut table = Self {
            routes: Vec::with_capacity(routes.len()),
            leaves: Vec::new(),
            root: Node::default(),
        };
        let mut clashes = Vec::new();
        for (index, (patterns, route)) in routes.into_iter().enumerate() {
            table.routes.push(route);
            for pattern in patterns {
                let leaf = table.leaves.len();
                let group = table.root.group(&pattern);
                clashes.extend(
                    group
                        .admit(leaf, &pattern.methods)
                        .into_iter()
                        .map(|(left, method)| (left, leaf, method)),
                );
                table.leaves.push(Leaf {
                    route: index,
                    pattern,
                });
            }
        }
        if clashes.is_empty() {
            return Ok(table);
        }
        Err(clashes
            .into_iter()
            .filter_map(|(left, right, method)| table.ambiguity(left, right, method))
            .collect())
    }

    fn ambiguity(&mut self, left: usize, right: usize, method: Option<Method>) -> Option<Ambiguity> {
        let (left, right) = (self.leaves.get(left)?, self.leaves.get(right)?);
        let method = method.unwrap_or_else(|| self.root.group(&right.pattern).left_over());
        let example = format!("{method} {}", self.root.example(&right.pattern));
        Some(Ambiguity {
            left: left.route,
            right: right.route,
            example,
        })
    }

    /// The route for a method and a path; see the module for the order. The method's case counts (RFC 9110 9.1).
    pub fn find<'a>(&'a self, method: &Method, path: &'a Path<'_>) -> Lookup<'a, T> {
        let text = path.as_str();
        let mut spans = Spans::new();
        let Some(group) = self.root.walk(text, text, &mut spans) else {
            return Lookup::NoRoute;
        };
        let Some(leaf) = group.serving(method) else {
            return Lookup::MethodNotAllowed { allow: &group.allow };
        };
        spans.leaf = leaf;
        let found = self.leaves.get(leaf).and_then(
            |Leaf {
                 route: index,
                 pattern,
             }| {
                let captures = Captures::new(pattern, text, spans);
                Some(Found {
                    index: *index,
                    route: self.routes.get(*index)?,
                    captures,
                })
            },
        );
        found.map_or(Lookup::NoRoute, Lookup::Found)
    }

    /// The captures again, from their places and the path they were found in. `None` if they are of another table.
    pub fn captures<'a>(&'a self, spans: Spans, path: &'a Path<'_>) -> Option<Captures<'a>> {
        Some(Captures::new(
            &self.leaves.get(spans.leaf)?.pattern,
            path.as_str(),
            spans,
        ))
    }

    /// The routes, in the order they were compiled.
    pub fn routes(&self) -> &[T] {
        &self.routes
    }
}

/// Fixed keys will do: nobody but the operator adds entries.
type Literals = HashMap<Box<str>, Node, BuildHasherDefault<DefaultHasher>>;

/// One place in the tree of shapes. Its depth is a pattern's length, at most [`MAX_SEGMENTS`].
#[derive(Clone, Debug, Default)]
struct Node {
    literals: Literals,
    name: Option<Box<Node>>,
    end: Option<Box<Group>>,
    rest: Option<Box<Group>>,
}

impl Node {
    /// The group of a pattern's shape, made where it is missing.
    fn group(&mut self, pattern: &Pattern) -> &mut Group {
        let mut node = self;
        for segment in &pattern.segments {
            node = match segment {
                Segment::Literal(literal) => node.literals.entry(literal.clone()).or_default(),
                Segment::Name => node.name.get_or_insert_default(),
            };
        }
        if pattern.rest {
            node.rest.get_or_insert_default()
        } else {
            node.end.get_or_insert_default()
        }
    }

    /// The most specific group for `rest`, the part of `text` from this node on: empty, or beginning with a slash.
    ///
    /// Visits a node at most once, and only nodes that match so far.
    fn walk(&self, text: &str, rest: &str, spans: &mut Spans) -> Option<&Group> {
        let start = text.len() - rest.len();
        if let Some(after) = rest.strip_prefix('/') {
            let (segment, rest) = after.split_at_checked(after.find('/').unwrap_or(after.len()))?;
            if let Some(group) = self
                .literals
                .get(segment)
                .and_then(|next| next.walk(text, rest, spans))
            {
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
    fn example(&self, pattern: &Pattern) -> String {
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
        let tails = [
            String::new(),
            "/".to_owned(),
            format!("/{fresh}"),
            format!("/{fresh}/"),
            format!("/{fresh}/x"),
        ];
        let own = |tail: &&String| {
            let group = node.walk(tail, tail, &mut Spans::new());
            group
                .zip(node.rest.as_deref())
                .is_some_and(|(group, rest)| std::ptr::eq(group, rest))
        };
        let tail = tails.iter().find(own).map_or("", String::as_str);
        if text.is_empty() && tail.is_empty() {
            "/".to_owned()
        } else {
            text + tail
        }
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
#[derive(Clone, Debug, Default)]
struct Group {
    exact: Vec<(Method, usize)>,
    any: Option<usize>,
    allow: Vec<Method>,
}

impl Group {
    /// Adds a leaf; returns the leaves that already serve one of its methods, each once, with that method if it has
    /// a name.
    fn admit(&mut self, leaf: usize, methods: &Methods) -> Vec<(usize, Option<Method>)> {
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
        self.exact
            .iter()
            .find_map(|(own, leaf)| (own == method).then_some(*leaf))
    }

    /// A method that only `*` serves.
    fn left_over(&self) -> Method {
        let known = [
            Method::GET,
            Method::POST,
            Method::PUT,
            Method::PATCH,
            Method::DELETE,
            Method::OPTIONS,
        ];
        known
            .into_iter()
            .find(|method| self.named(method).is_none())
            .unwrap_or(Method::HEAD)
    }

    fn serving(&self, method: &Method) -> Option<usize> {
        self.named(method)
            .or_else(|| {
                if *method == Method::HEAD {
                    self.named(&Method::GET)
                } else {
                    None
                }
            })
            .or(self.any)
    }
}
