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
//!
//! **Ambiguous**, hence refused: a path that goes to one route as it is, and to another as a backend may read it that
//! ignores letter case, `;…` or a trailing slash. With `* /admin/**` and `* /**`, that is `/Admin`, `/admin;x`.

use std::fmt;

use http::Method;

use crate::path::Path;

mod captures;
mod lax;
mod pattern;
#[cfg(test)]
mod tests;
mod tree;

pub use captures::{Captures, MAX_CAPTURES, Spans};
use lax::Lax;
pub use pattern::{MAX_SEGMENTS, Methods, Pattern, PatternError};
use tree::Node;

/// Routes, compiled. A look-up costs by the path's segments and by how many patterns overlap there, not by the number
/// of routes, and does not allocate unless the path has a capital, a `;`, a trailing slash or a letter beyond ASCII.
#[derive(Clone, Debug)]
pub struct Table<T> {
    routes: Vec<T>,
    leaves: Vec<Leaf>,
    root: Node,
    lax: Lax,
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
    /// To a backend that ignores letter case, `;…` or a trailing slash the path is another route's, or no route's.
    Ambiguous,
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
            lax: Lax::default(),
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
                table.leaves.push(Leaf { route: index, pattern });
            }
        }
        if clashes.is_empty() {
            table.lax = Lax::new(&table.root, &table.leaves);
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
        Some(Ambiguity { left: left.route, right: right.route, example })
    }

    /// The route for a method and a path; see the module for the order. The method's case counts (RFC 9110 9.1).
    pub fn find<'a>(&'a self, method: &Method, path: &'a Path<'_>) -> Lookup<'a, T> {
        self.find_decoded(method, path.as_str())
    }

    /// The same for a path that was read before: [`crate::view::View::path`].
    pub(crate) fn find_decoded<'a>(&'a self, method: &Method, text: &'a str) -> Lookup<'a, T> {
        let mut spans = Spans::new();
        let Some(group) = self.root.walk(text, text, &mut spans) else {
            return Lookup::NoRoute;
        };
        let Some(leaf) = group.serving(method) else {
            return Lookup::MethodNotAllowed { allow: &group.allow };
        };
        if !self.lax.agrees(text, method, leaf, &self.leaves) {
            return Lookup::Ambiguous;
        }
        spans.leaf = leaf;
        let found = self.leaves.get(leaf).and_then(|Leaf { route: index, pattern }| {
            let captures = Captures::new(pattern, text, spans);
            Some(Found { index: *index, route: self.routes.get(*index)?, captures })
        });
        found.map_or(Lookup::NoRoute, Lookup::Found)
    }

    /// The captures again, from their places and the path they were found in. `None` if they are of another table.
    pub fn captures<'a>(&'a self, spans: Spans, path: &'a Path<'_>) -> Option<Captures<'a>> {
        Some(Captures::new(&self.leaves.get(spans.leaf)?.pattern, path.as_str(), spans))
    }

    /// The patterns of the route at `index`.
    pub fn patterns(&self, index: usize) -> impl Iterator<Item = &Pattern> {
        self.leaves.iter().filter(move |leaf| leaf.route == index).map(|leaf| &leaf.pattern)
    }

    /// The routes, in the order they were compiled.
    pub fn routes(&self) -> &[T] {
        &self.routes
    }
}
