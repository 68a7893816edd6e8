//! A description as it is read: parts by their JSON pointers, references followed within the file.

use std::cell::RefCell;
use std::collections::BTreeSet;

use serde_json::Value;

use super::old;
use crate::schema::{Host, Schema};

/// References in a row; more is a circle.
const MOST_STEPS: usize = 32;

/// A sentence with the pointer to what it is about.
pub(super) fn flaw(pointer: &str, why: impl std::fmt::Display) -> String {
    format!("at {}: {why}", if pointer.is_empty() { "its root" } else { pointer })
}

/// The pointer one step further down (RFC 6901, section 3).
pub(super) fn below(pointer: &str, key: &str) -> String {
    format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"))
}

/// A part of a description.
#[derive(Clone)]
pub(super) struct Part<'d> {
    pub(super) pointer: String,
    pub(super) value: &'d Value,
}

impl<'d> Part<'d> {
    pub(super) fn get(&self, key: &str) -> Option<Part<'d>> {
        self.value.get(key).map(|value| Part { pointer: below(&self.pointer, key), value })
    }

    pub(super) fn text(&self, key: &str) -> Option<&'d str> {
        self.value.get(key).and_then(Value::as_str)
    }

    pub(super) fn says(&self, key: &str) -> bool {
        self.value.get(key) == Some(&Value::Bool(true))
    }

    /// The members of a map.
    pub(super) fn members(&self) -> impl Iterator<Item = (&'d str, Part<'d>)> {
        let pointer = self.pointer.clone();
        let members = self.value.as_object().into_iter().flatten();
        members.map(move |(key, value)| (key.as_str(), Part { pointer: below(&pointer, key), value }))
    }

    pub(super) fn items(&self) -> impl Iterator<Item = Part<'d>> {
        let pointer = self.pointer.clone();
        let items = self.value.as_array().into_iter().flatten().enumerate();
        items.map(move |(at, value)| Part { pointer: format!("{pointer}/{at}"), value })
    }

    pub(super) fn flaw(&self, why: impl std::fmt::Display) -> String {
        flaw(&self.pointer, why)
    }
}

/// A description whose references all lead into it.
pub(super) struct Document {
    root: Value,
    host: Host,
    /// The schemas that are known to be JSON Schema.
    sound: RefCell<BTreeSet<String>>,
}

impl Document {
    pub(super) fn read(mut root: Value) -> Result<Self, Vec<String>> {
        if !root.is_object() {
            return Err(vec![flaw("", "an OpenAPI description is an object")]);
        }
        match root.get("openapi").and_then(Value::as_str) {
            Some(version) if version == "3.0" || version.starts_with("3.0.") => old::renew(&mut root),
            Some(version) if version == "3.1" || version.starts_with("3.1.") => {}
            _ => return Err(vec![flaw("/openapi", "the version is not \"3.0.…\" or \"3.1.…\", in quotes")]),
        }
        let dialect = root.get("jsonSchemaDialect").and_then(Value::as_str);
        let known = ["https://json-schema.org/draft/2020-12/schema", "https://spec.openapis.org/oas/3.1/"];
        if dialect.is_some_and(|dialect| !known.iter().any(|known| dialect.starts_with(known))) {
            return Err(vec![flaw("/jsonSchemaDialect", "only JSON Schema 2020-12 is supported")]);
        }
        let mut flaws = Vec::new();
        foreign(&root, "", &mut flaws);
        if !flaws.is_empty() {
            return Err(flaws);
        }
        let host = Host::new(root.clone()).map_err(|why| vec![flaw("", why)])?;
        Ok(Self { root, host, sound: RefCell::default() })
    }

    pub(super) fn root(&self) -> Part<'_> {
        Part { pointer: String::new(), value: &self.root }
    }

    /// The part itself, or the one that it refers to.
    pub(super) fn follow<'d>(&'d self, part: &Part<'d>) -> Result<Part<'d>, String> {
        let mut at = part.clone();
        for _ in 0..MOST_STEPS {
            let Some(reference) = at.text("$ref") else { return Ok(at) };
            at = self.named(reference).ok_or_else(|| at.flaw(format!("`{reference}` leads nowhere")))?;
        }
        Err(part.flaw("the references go in a circle"))
    }

    /// What `#/…` names.
    fn named(&self, reference: &str) -> Option<Part<'_>> {
        let pointer = crate::query::decode(reference.strip_prefix('#')?.as_bytes()).ok()?;
        Some(Part { value: self.root.pointer(&pointer)?, pointer: pointer.into_owned() })
    }

    /// Compiles a schema.
    pub(super) fn schema(&self, part: &Part<'_>) -> Result<Schema, String> {
        let mut met = Vec::new();
        self.check(part, &mut met)?;
        self.host.schema(&part.pointer).map_err(|why| {
            // The fault may be anywhere behind a reference: the last one that has it is the nearest.
            let worse =
                met.iter().rev().find_map(|pointer| Some((pointer, self.host.schema(pointer).err()?)));
            worse.map_or_else(|| part.flaw(why), |(pointer, why)| flaw(pointer, why))
        })
    }

    /// Whether a schema, and all it refers to, is JSON Schema; `met` learns what it refers to.
    fn check(&self, part: &Part<'_>, met: &mut Vec<String>) -> Result<(), String> {
        let mut todo = vec![part.pointer.clone()];
        while let Some(pointer) = todo.pop() {
            if met.contains(&pointer) {
                continue;
            }
            let value = self.root.pointer(&pointer).ok_or_else(|| part.flaw("a reference leads nowhere"))?;
            if !self.sound.borrow().contains(&pointer) {
                jsonschema::draft202012::meta::validate(value)
                    .map_err(|error| flaw(&format!("{pointer}{}", error.instance_path()), &error))?;
                self.sound.borrow_mut().insert(pointer.clone());
            }
            references(value, &pointer, &mut |at, reference| {
                let named = self.named(reference);
                let named = named.ok_or_else(|| flaw(at, format!("`{reference}` leads nowhere")))?;
                todo.push(named.pointer);
                Ok(())
            })?;
            met.push(pointer);
        }
        Ok(())
    }
}

/// References that lead out of the file.
fn foreign(value: &Value, pointer: &str, flaws: &mut Vec<String>) {
    let heard = references(value, pointer, &mut |at, reference| {
        if !reference.is_empty() && reference != "#" && !reference.starts_with("#/") {
            flaws.push(flaw(at, format!("the reference `{reference}` leads out of the file")));
        }
        Ok(())
    });
    flaws.extend(heard.err());
}

/// Has every reference heard with its place; what only shows an example has none.
fn references(
    value: &Value,
    pointer: &str,
    hear: &mut dyn FnMut(&str, &str) -> Result<(), String>,
) -> Result<(), String> {
    match value {
        Value::Object(members) => members.iter().try_for_each(|(key, value)| match value {
            Value::String(reference) if matches!(key.as_str(), "$ref" | "$dynamicRef") => {
                hear(&below(pointer, key), reference)
            }
            _ if old::OPAQUE.contains(&key.as_str()) && !pointer.ends_with("/properties") => Ok(()),
            value => references(value, &below(pointer, key), hear),
        }),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .try_for_each(|(at, item)| references(item, &format!("{pointer}/{at}"), hear)),
        _ => Ok(()),
    }
}
