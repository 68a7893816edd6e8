//! `${NAME}` and `${NAME:-default}` from the environment.

use std::ops::Range;

use super::problem::Problem;
use super::tree::{Node, Origin, Patch, Scalar, Value};

/// Looks up an environment variable.
type Environment<'e> = &'e dyn Fn(&str) -> Option<String>;

/// Fills in the environment everywhere except in keys and below the top-level key `secrets`.
///
/// `${NAME:-default}` takes the default when the variable is unset or empty; `$${` stands for `${`; anything
/// else, such as `${1}`, is left alone. It works on the tree, so what is filled in can never add structure.
/// An unset variable without a default is a problem. `text` is what the tree was read from.
pub fn interpolate(root: &mut Node, text: &str, environment: Environment<'_>) -> Vec<Problem> {
    let mut fill = Fill { text, environment, problems: Vec::new() };
    match &mut root.value {
        Value::Map(entries) => {
            for (_, value) in entries.iter_mut().filter(|(key, _)| key.text() != Some("secrets")) {
                fill.node(value);
            }
        }
        _ => fill.node(root),
    }
    fill.problems
}

struct Fill<'a> {
    text: &'a str,
    environment: Environment<'a>,
    problems: Vec<Problem>,
}

impl Fill<'_> {
    fn node(&mut self, node: &mut Node) {
        match &mut node.value {
            Value::Null => {}
            Value::Scalar(scalar) => self.scalar(scalar, &node.span),
            Value::Seq(items) => items.iter_mut().for_each(|item| self.node(item)),
            Value::Map(entries) => entries.iter_mut().for_each(|(_, value)| self.node(value)),
        }
    }

    fn scalar(&mut self, scalar: &mut Scalar, span: &Range<usize>) {
        if !scalar.text.contains("${") {
            return;
        }
        let mut filled = false;
        let mut done = String::with_capacity(scalar.text.len());
        let mut patches = Vec::new();
        let mut rest = scalar.text.as_str();
        while let Some((before, after)) = rest.split_once("${") {
            if let Some(before) = before.strip_suffix('$') {
                done.push_str(before);
                patches.push(Patch { now: done.len()..done.len() + 2, was: "$${".to_owned() });
                done.push_str("${");
                rest = after;
                continue;
            }
            done.push_str(before);
            let Some((reference, behind)) = Reference::parse(after) else {
                done.push_str("${");
                rest = after;
                continue;
            };
            rest = behind;
            filled = true;
            let start = done.len();
            let written = after.len() - behind.len();
            let was = format!("${{{}", after.get(..written).unwrap_or_default());
            let value = (self.environment)(reference.name);
            match (value, reference.default) {
                (Some(value), None) => done.push_str(&value),
                (Some(value), Some(_)) if !value.is_empty() => done.push_str(&value),
                (_, Some(default)) => done.push_str(default),
                (None, None) => self.problems.push(self.unset(reference.name, span)),
            }
            patches.push(Patch { now: start..done.len(), was });
        }
        done.push_str(rest);
        scalar.text = done;
        scalar.patches = patches;
        if filled && scalar.origin == Origin::Plain {
            scalar.origin = Origin::Filled;
        }
    }

    fn unset(&self, name: &str, span: &Range<usize>) -> Problem {
        let raw = self.text.get(span.clone()).unwrap_or_default();
        let reference = format!("${{{name}}}");
        let place = raw
            .find(&reference)
            .map_or(span.clone(), |at| span.start + at..span.start + at + reference.len());
        Problem::at(place, format!("the environment variable `{name}` is not set"))
            .remedy(format!("set it, or write a default: `${{{name}:-…}}`"))
    }
}

struct Reference<'a> {
    name: &'a str,
    default: Option<&'a str>,
}

impl<'a> Reference<'a> {
    /// What follows `${`, and the text behind the closing brace.
    fn parse(after: &'a str) -> Option<(Self, &'a str)> {
        let (inside, behind) = after.split_once('}')?;
        let (name, default) = match inside.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (inside, None),
        };
        let mut letters = name.chars();
        let good = letters.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
            && letters.all(|c| c.is_ascii_alphanumeric() || c == '_');
        good.then_some((Self { name, default }, behind))
    }
}
