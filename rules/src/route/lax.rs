//! The table as a backend may read it that ignores letter case (Express, IIS), drops `;…` (servlet containers) or a
//! trailing slash (Express, Rails): `/Admin`, `/admin;x` and `/admin/` are `/admin` to it.

use http::Method;

use super::Leaf;
use super::captures::Spans;
use super::pattern::{Pattern, Segment};
use super::tree::{Group, Node};
use crate::names::folded;

/// The shapes of a table's patterns once they are folded, each with the groups that fold to it.
#[derive(Clone, Debug, Default)]
pub(super) struct Lax {
    root: Node,
    shapes: Vec<Vec<Group>>,
}

impl Lax {
    pub(super) fn new(strict: &Node, leaves: &[Leaf]) -> Self {
        let mut lax = Self::default();
        for Leaf { pattern, .. } in leaves {
            let Some(group) = strict.get(pattern) else { continue };
            let next = lax.shapes.len();
            let shape = *lax.root.group(&folded_pattern(pattern)).any.get_or_insert(next);
            match lax.shapes.get_mut(shape) {
                Some(groups) if groups.contains(group) => {}
                Some(groups) => groups.push(group.clone()),
                None => lax.shapes.push(vec![group.clone()]),
            }
        }
        lax
    }

    /// Whether `leaf` serves the request in this reading too. Where patterns differ only in what is folded, each
    /// serves what is asked exactly as it is written.
    pub(super) fn agrees(&self, path: &str, method: &Method, leaf: usize, leaves: &[Leaf]) -> bool {
        let Some(text) = folded_path(path) else { return true };
        let shape = self.root.walk(&text, &text, &mut Spans::new()).and_then(|group| group.any);
        let Some(groups) = shape.and_then(|shape| self.shapes.get(shape)) else { return false };
        let route = |leaf: usize| leaves.get(leaf).map(|leaf| leaf.route);
        let mut serving = groups.iter().map(|group| group.serving(method));
        serving.clone().any(|other| other == Some(leaf))
            || serving.all(|other| other.is_some_and(|other| route(other) == route(leaf)))
    }
}

/// The path without what such a backend ignores; nothing where it ignores nothing, which is the usual case.
fn folded_path(path: &str) -> Option<String> {
    let ignored = |byte: u8| byte.is_ascii_uppercase() || byte == b';' || !byte.is_ascii();
    if path == "/" || !(path.ends_with('/') || path.bytes().any(ignored)) {
        return None;
    }
    let mut text = String::with_capacity(path.len());
    // A segment that is nothing but parameters leaves two slashes, which are merged.
    for segment in path.split('/').map(without_parameters).filter(|segment| !segment.is_empty()) {
        text.push('/');
        text.extend(folded(segment));
    }
    Some(text)
}

fn folded_pattern(pattern: &Pattern) -> Pattern {
    let fold = |segment: &Segment| match segment {
        Segment::Name => Some(Segment::Name),
        Segment::Literal(literal) => {
            let text: String = folded(without_parameters(literal)).collect();
            (!text.is_empty()).then(|| Segment::Literal(text.into()))
        }
    };
    Pattern { segments: pattern.segments.iter().filter_map(fold).collect(), ..pattern.clone() }
}

fn without_parameters(segment: &str) -> &str {
    segment.split(';').next().unwrap_or(segment)
}
