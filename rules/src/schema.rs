//! JSON Schema 2020-12, compiled at load. Nothing is fetched: a reference leads to another part of the same file, or
//! the file does not load.

use std::fmt::Write as _;

use jsonschema::{Draft, PatternOptions, Registry, ValidationOptions, Validator};
use serde_json::{Value, json};

use crate::strict_json;
use crate::verdict::Fault;

/// Faults that are told of one document: enough to mend it, and no work for whoever sends a long list of them.
const MOST_FAULTS: usize = 16;
/// What the document around schemas is called, by which nobody else can call it.
const HOST: &str = "urn:portcullis:document";
/// Bytes of a pointer that are told; the names in it are the client's own.
const MOST_POINTER: usize = 200;

/// A schema.
#[derive(Clone, Debug)]
pub struct Schema {
    validator: Validator,
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
        Ok(Self { validator })
    }

    /// What is wrong with a document: where, and by which keyword. Empty for one that fits.
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
        let mut faults: Vec<Fault> =
            self.validator.iter_errors(document).take(MOST_FAULTS).map(fault).collect();
        faults.dedup();
        faults
    }
}

fn options<'r>() -> ValidationOptions<'r> {
    jsonschema::options()
        .with_draft(Draft::Draft202012)
        .should_validate_formats(true)
        .offline()
        // Regular expressions in time linear in the text: the texts are strangers'.
        .with_pattern_options(PatternOptions::regex())
}

/// A document in which schemas stand: their references lead to other parts of it.
pub(crate) struct Host(Registry<'static>);

impl Host {
    /// Makes its parts known to each other.
    ///
    /// # Errors
    /// A sentence: what cannot be referred to.
    pub(crate) fn new(document: Value) -> Result<Self, String> {
        let registry = Registry::new().draft(Draft::Draft202012).add(HOST, document);
        registry.and_then(jsonschema::RegistryBuilder::prepare).map(Self).map_err(|error| error.to_string())
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
        let built = options().with_registry(&self.0).build(&schema);
        Ok(Schema { validator: built.map_err(|error| error.to_string())? })
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
        let many = json!({ "name": "a", "tags": vec!["x"; 1000] });
        assert_eq!(schema.faults(&many).len(), MOST_FAULTS);
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
