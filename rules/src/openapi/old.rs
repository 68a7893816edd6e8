//! OpenAPI 3.0: its schemas are no JSON Schema, and are written as such once, at load.

use serde_json::{Map, Value};

/// Members that hold no schema, whatever they look like.
pub(super) const OPAQUE: [&str; 5] = ["example", "examples", "default", "enum", "const"];

/// Rewrites every schema of a description.
pub(super) fn renew(root: &mut Value) {
    let named = root.pointer_mut("/components/schemas").and_then(Value::as_object_mut);
    for schema in named.into_iter().flat_map(Map::values_mut) {
        renew_schema(schema);
    }
    for part in [
        "/paths",
        "/components/parameters",
        "/components/requestBodies",
        "/components/headers",
        "/components/responses",
        "/components/callbacks",
    ] {
        root.pointer_mut(part).into_iter().for_each(search);
    }
}

/// Parameters, header fields and media types have theirs under `schema`.
fn search(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for (key, value) in members {
                match key.as_str() {
                    "schema" => renew_schema(value),
                    key if OPAQUE.contains(&key) => {}
                    _ => search(value),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(search),
        _ => {}
    }
}

fn renew_schema(schema: &mut Value) {
    let Value::Object(schema) = schema else { return };
    if schema.get("$ref").is_some_and(Value::is_string) {
        // What stands beside a reference does not count.
        schema.retain(|key, _| key == "$ref");
        return;
    }
    for bound in ["minimum", "maximum"] {
        let exclusive = if bound == "minimum" { "exclusiveMinimum" } else { "exclusiveMaximum" };
        if let Some(Value::Bool(excludes)) = schema.get(exclusive) {
            let excludes = *excludes;
            schema.remove(exclusive);
            if excludes && let Some(limit) = schema.remove(bound) {
                schema.insert(exclusive.to_owned(), limit);
            }
        }
    }
    if schema.remove("nullable") == Some(Value::Bool(true))
        && let Some(Value::String(kind)) = schema.get("type")
    {
        let kinds = Value::from(vec![kind.as_str(), "null"]);
        schema.insert("type".to_owned(), kinds);
    }
    for annotation in ["example", "discriminator", "xml", "externalDocs"] {
        schema.remove(annotation);
    }
    for (key, value) in schema {
        match (key.as_str(), value) {
            ("properties", Value::Object(members)) => members.values_mut().for_each(renew_schema),
            ("allOf" | "anyOf" | "oneOf", Value::Array(items)) => items.iter_mut().for_each(renew_schema),
            ("items" | "not" | "additionalProperties", schema) => renew_schema(schema),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn old_schemas_become_json_schema() {
        let mut root = json!({ "components": {
            "schemas": { "a": { "type": "object", "xml": {}, "discriminator": { "propertyName": "x" }, "properties": {
                "example": { "type": "string", "nullable": true, "example": 7 },
                "n": { "allOf": [{ "minimum": 1, "exclusiveMinimum": true, "maximum": 5, "exclusiveMaximum": false }] },
                "r": { "$ref": "#/components/schemas/a", "nullable": true },
            } } },
            "parameters": { "p": { "schema": { "type": "integer", "nullable": false }, "example": { "schema": { "nullable": true } } } },
        } });
        renew(&mut root);
        assert_eq!(
            root["components"],
            json!({
                "schemas": { "a": { "type": "object", "properties": {
                    "example": { "type": ["string", "null"] },
                    "n": { "allOf": [{ "exclusiveMinimum": 1, "maximum": 5 }] },
                    "r": { "$ref": "#/components/schemas/a" },
                } } },
                "parameters": { "p": { "schema": { "type": "integer" }, "example": { "schema": { "nullable": true } } } },
            })
        );
    }
}
