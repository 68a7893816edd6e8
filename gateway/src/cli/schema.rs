//! `portcullis schema`: the configuration's form, for editors.

use std::process::ExitCode;

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value};

use crate::config::raw::RawConfig;

/// Prints the JSON Schema of the configuration, for editors.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs the command.
pub fn call(_: &Args) -> ExitCode {
    super::answer(format_args!("{:#}\n", schema()))
}

/// The schema: JSON Schema draft 2020-12, in which an unknown key is an error, as it is at load.
pub fn schema() -> Value {
    let schema = SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<RawConfig>();
    // For people who open the file, what it is stands first.
    let mut ordered = Map::new();
    ordered.extend(schema.get("$schema").map(|draft| ("$schema".to_owned(), draft.clone())));
    ordered.insert("title".to_owned(), "portcullis configuration".into());
    for (key, value) in schema.as_object().into_iter().flatten() {
        ordered.entry(key).or_insert_with(|| value.clone());
    }
    Value::Object(ordered)
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use serde_json::json;

    use super::*;
    use crate::config::{Node, Origin, Value as Written, parse};

    /// A tree as JSON, with plain scalars of the types that the decoder would read them as.
    fn plain(node: &Node) -> Value {
        match &node.value {
            Written::Null => Value::Null,
            Written::Seq(items) => items.iter().map(plain).collect(),
            Written::Map(entries) => {
                let entry = |(key, value): &(Node, Node)| (key.text().unwrap().to_owned(), plain(value));
                Value::Object(entries.iter().map(entry).collect::<Map<_, _>>())
            }
            Written::Scalar(scalar) if scalar.origin == Origin::Plain => {
                match serde_json::from_str(&scalar.text) {
                    Ok(value @ (Value::Number(_) | Value::Bool(_))) => value,
                    _ => scalar.text.clone().into(),
                }
            }
            Written::Scalar(scalar) => scalar.text.clone().into(),
        }
    }

    fn faults(text: &str) -> Vec<String> {
        let (tree, problems) = parse(text);
        assert!(problems.is_empty(), "{problems:?}");
        let validator = jsonschema::draft202012::new(&schema()).unwrap();
        let fault = |fault: jsonschema::ValidationError<'_>| format!("{}: {fault}", fault.instance_path());
        validator.iter_errors(&plain(&tree.unwrap())).map(fault).collect()
    }

    fn home() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
    }

    fn template() -> String {
        crate::cli::init::fill("https://chatbot.internal:8000")
    }

    #[test]
    fn it_is_a_schema_that_names_itself() {
        let schema = schema();
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
        assert_eq!(schema["title"], "portcullis configuration");
        assert!(jsonschema::draft202012::meta::is_valid(&schema));
    }

    #[test]
    fn every_map_of_known_keys_is_closed() {
        let schema = schema();
        let shapes = schema["$defs"].as_object().unwrap().iter().map(|(name, shape)| (name.as_str(), shape));
        for (name, shape) in shapes.chain([("the root", &schema)]) {
            if shape.get("properties").is_some() {
                assert_eq!(shape["additionalProperties"], false, "{name}");
            }
        }
    }

    #[test]
    fn what_init_writes_fits() {
        assert_eq!(faults(&template()), Vec::<String>::new());
    }

    #[test]
    fn the_examples_fit() {
        let mut folders = vec![home().join("deploy/examples")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).into_iter().flatten() {
                let path = entry.unwrap().path();
                // What the examples name is no configuration: `files/partners.yaml` is a key file.
                if path.is_dir() {
                    folders.extend(Some(path).filter(|path| !path.ends_with("files")));
                } else if path.extension().is_some_and(|extension| extension == "yaml") {
                    let text = std::fs::read_to_string(&path).unwrap();
                    assert_eq!(faults(&text), Vec::<String>::new(), "{}", path.display());
                }
            }
        }
    }

    #[test]
    fn what_does_not_load_does_not_fit() {
        for (good, bad) in [
            ("\nroutes:", "\nrotues:"),
            ("    hosts:", "    host:"),
            ("kind: jwt", "kind: jwd"),
            ("version: 1", "version: one"),
            ("tenant: path.tenant", "tenent: path.tenant"),
        ] {
            let text = template();
            assert!(text.contains(good), "{good}");
            assert_ne!(faults(&text.replace(good, bad)), Vec::<String>::new(), "{bad}");
        }
    }

    #[test]
    fn the_reference_is_in_step() {
        let path = home().join("docs/reference/schema.json");
        let kept: Value =
            std::fs::read_to_string(&path).map_or(json!(null), |text| serde_json::from_str(&text).unwrap());
        assert!(
            kept == schema(),
            "docs/reference/schema.json differs; renew it with\n  cargo run -p portcullis -- schema > docs/reference/schema.json"
        );
    }
}
