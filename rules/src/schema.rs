//! JSON Schema 2020-12, compiled at load. Nothing is fetched: a reference leads to another part of the same file, or
//! the file does not load.

use std::fmt::Write as _;

use jsonschema::{Draft, PatternOptions, Registry, ValidationOptions, Validator};
use serde_json::{Value, json};

use crate::strict_json;
use crate::verdict::Fault;

mod unique;

/// Faults that are told of one document: enough to mend it, and no work for whoever sends a long list of them.
const MOST_FAULTS: usize = 16;
/// Values in a document whose faults are told one by one. The library collects every fault of a document, and of each
/// alternative, before the first is seen: a hundred bytes of memory and more for each byte of a body.
const MOST_VALUES: usize = 1000;
/// What the document around schemas is called, by which nobody else can call it.
const HOST: &str = "urn:portcullis:document";
/// Bytes of a pointer that are told; the names in it are the client's own.
const MOST_POINTER: usize = 200;

/// A schema.
#[derive(Clone, Debug)]
pub struct Schema {
    validator: Validator,
    /// Whether a fault may carry those of every alternative.
    alternatives: bool,
}

impl Schema {
    /// Reads and compiles a schema file.
    ///
    /// # Errors
    /// A sentence with the pointer to the fault inside the file.
    pub fn parse(text: &[u8]) -> Result<Self, String> {
        let document = strict_json::parse(text).map_err(|why| format!("it is not JSON: {why}"))?;
        Self::compile(&document)
    }

    /// Compiles a schema.
    ///
    /// # Errors
    /// A sentence with the pointer to the fault inside it.
    pub fn compile(document: &Value) -> Result<Self, String> {
        jsonschema::draft202012::meta::validate(document)
            .map_err(|error| at(error.instance_path().as_str(), &error))?;
        let validator =
            options().build(document).map_err(|error| at(error.schema_path().as_str(), &error))?;
        Ok(Self { validator, alternatives: has_alternatives(document) })
    }

    /// What is wrong with a document: where, and by which keyword. Empty for one that fits. Of a long one the first
    /// fault alone is told, or only that there is one where a schema has alternatives.
    pub fn faults(&self, document: &Value) -> Vec<Fault> {
        if self.validator.is_valid(document) {
            return Vec::new();
        }
        let fault = |error: jsonschema::ValidationError<'_>| {
            let pointer = error.instance_path().as_str();
            let kept = pointer.char_indices().map(|(at, _)| at).take_while(|at| *at <= MOST_POINTER).last();
            let cut = if pointer.len() > MOST_POINTER { kept.unwrap_or(0) } else { pointer.len() };
            Fault {
                pointer: pointer.get(..cut).unwrap_or_default().to_owned(),
                keyword: error.kind().keyword().to_owned(),
            }
        };
        if counted(document, MOST_VALUES).is_none() {
            let whole = || Fault { pointer: String::new(), keyword: "schema".to_owned() };
            let first = if self.alternatives { None } else { self.validator.validate(document).err() };
            return vec![first.map_or_else(whole, fault)];
        }
        let mut faults: Vec<Fault> =
            self.validator.iter_errors(document).take(MOST_FAULTS).map(fault).collect();
        faults.dedup();
        faults
    }
}

fn has_alternatives(schema: &Value) -> bool {
    match schema {
        Value::Array(items) => items.iter().any(has_alternatives),
        Value::Object(members) => members
            .iter()
            .any(|(name, value)| matches!(name.as_str(), "anyOf" | "oneOf") || has_alternatives(value)),
        _ => false,
    }
}

/// What is left of `most` when every value in a document took one; nothing when there are more.
fn counted(document: &Value, most: usize) -> Option<usize> {
    let left = most.checked_sub(1)?;
    match document {
        Value::Array(items) => items.iter().try_fold(left, |left, item| counted(item, left)),
        Value::Object(members) => members.values().try_fold(left, |left, value| counted(value, left)),
        _ => Some(left),
    }
}

fn options<'r>() -> ValidationOptions<'r> {
    jsonschema::options()
        .with_draft(Draft::Draft202012)
        .should_validate_formats(true)
        .offline()
        // Regular expressions in time linear in the text: the texts are strangers'.
        .with_pattern_options(PatternOptions::regex())
        .with_keyword(unique::KEYWORD, unique::keyword)
}

/// A document in which schemas stand: their references lead to other parts of it.
pub(crate) struct Host {
    registry: Registry<'static>,
    alternatives: bool,
}

impl Host {
    /// Makes its parts known to each other.
    ///
    /// # Errors
    /// A sentence: what cannot be referred to.
    pub(crate) fn new(document: Value) -> Result<Self, String> {
        let alternatives = has_alternatives(&document);
        let registry = Registry::new().draft(Draft::Draft202012).add(HOST, document);
        let registry = registry.and_then(jsonschema::RegistryBuilder::prepare);
        registry.map(|registry| Self { registry, alternatives }).map_err(|error| error.to_string())
    }

    /// Compiles the schema at `pointer`.
    ///
    /// # Errors
    /// A sentence without the place, which the pointer tells.
    pub(crate) fn schema(&self, pointer: &str) -> Result<Schema, String> {
        let mut reference = format!("{HOST}#");
        for byte in pointer.bytes() {
            if byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte) {
                reference.push(char::from(byte));
            } else {
                let _ = write!(reference, "%{byte:02X}");
            }
        }
        let schema = json!({ "$ref": reference });
        let built = options().with_registry(&self.registry).build(&schema);
        Ok(Schema { validator: built.map_err(|error| error.to_string())?, alternatives: self.alternatives })
    }
}

fn at(pointer: &str, error: &dyn std::fmt::Display) -> String {
    let pointer = if pointer.is_empty() { "its root" } else { pointer };
    format!("at {pointer}: {error}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_document_is_told_where_it_does_not_fit() {
        let schema = Schema::compile(&json!({
            "type": "object", "required": ["name"], "additionalProperties": false,
            "properties": { "name": { "type": "string", "maxLength": 3 }, "tags": { "items": { "type": "integer" } },
                "mail": { "format": "email" }, "deep": { "$ref": "#/$defs/deep" } },
            "$defs": { "deep": { "properties": { "a/b": { "const": 1 } } } },
        }))
        .unwrap();
        assert_eq!(schema.faults(&json!({ "name": "ada", "tags": [1, 2] })), []);
        let told = |document: Value| {
            let faults = schema.faults(&document);
            faults.into_iter().map(|fault| format!("{} {}", fault.pointer, fault.keyword)).collect::<Vec<_>>()
        };
        assert_eq!(told(json!({})), [" required"]);
        assert_eq!(told(json!({ "name": "adam" })), ["/name maxLength"]);
        assert_eq!(told(json!({ "name": "a", "more": 1 })), [" additionalProperties"]);
        assert_eq!(told(json!({ "name": "a", "tags": [1, "x", 3, "y"] })), ["/tags/1 type", "/tags/3 type"]);
        assert_eq!(told(json!({ "name": "a", "mail": "nobody" })), ["/mail format"]);
        assert_eq!(told(json!({ "name": "a", "deep": { "a/b": 2 } })), ["/deep/a~1b const"]);
        let many = json!({ "name": "a", "tags": vec!["x"; 100] });
        assert_eq!(schema.faults(&many).len(), MOST_FAULTS);
    }

    #[test]
    fn of_a_long_document_little_is_told() {
        let long = json!({ "tags": vec!["x"; MOST_VALUES] });
        let tags = json!({ "properties": { "tags": { "items": { "type": "integer" } } } });
        let either = json!({ "anyOf": [tags, { "required": ["name"] }] });
        for (schema, pointer, keyword) in [(tags, "/tags/0", "type"), (either, "", "schema")] {
            let schema = Schema::compile(&schema).unwrap();
            let fault = Fault { pointer: pointer.to_owned(), keyword: keyword.to_owned() };
            assert_eq!(schema.faults(&long), [fault]);
            assert_eq!(schema.faults(&json!({ "tags": [], "name": vec![1; MOST_VALUES] })), []);
        }
    }

    #[test]
    fn equal_items_are_told() {
        let schema = Schema::compile(&json!({ "items": { "type": "number" }, "uniqueItems": true })).unwrap();
        assert_eq!(schema.faults(&json!([1, 2, 1.5])), []);
        let fault = Fault { pointer: String::new(), keyword: "uniqueItems".to_owned() };
        assert_eq!(schema.faults(&json!([1, 2, 1.0])), [fault]);
        let loose = Schema::compile(&json!({ "uniqueItems": false })).unwrap();
        assert_eq!(loose.faults(&json!([1, 1])), []);
        assert!(Schema::parse(br#"{"uniqueItems": 1}"#).is_err());
    }

    #[test]
    fn pointers_are_told_up_to_a_length() {
        let schema = Schema::compile(&json!({ "additionalProperties": { "type": "integer" } })).unwrap();
        let faults = schema.faults(&json!({ "ä".repeat(5000): "x" }));
        assert!(faults[0].pointer.len() <= MOST_POINTER && faults[0].pointer.starts_with("/ä"));
    }

    #[test]
    fn a_broken_schema_is_told_where() {
        for (text, part) in [
            ("{", "it is not JSON"),
            (r#"{"type": "objekt"}"#, "at /type"),
            (r#"{"properties": {"a": {"minLength": "3"}}}"#, "at /properties/a/minLength"),
            (r#"{"pattern": "("}"#, "/pattern"),
            (r##"{"$ref": "#/$defs/none"}"##, "none"),
            (r#"{"$ref": "https://example.com/schema.json"}"#, "example.com"),
            (r#"{"$ref": "file:///etc/passwd"}"#, "passwd"),
            (r#"{"pattern": "(a)\\1"}"#, "/pattern"),
        ] {
            let why = Schema::parse(text.as_bytes()).map(|_| ()).unwrap_err();
            assert!(why.contains(part), "{text}: {why}");
        }
    }
}
