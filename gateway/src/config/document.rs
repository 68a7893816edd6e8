//! A YAML or JSON file that is not ours, read as strictly as the configuration is.

use serde_json::{Map, Number, Value as Json};

use super::tree::{Node, Origin, Scalar, Value};
use super::{Source, parse, scalar};

/// Reads the file called `name`.
///
/// # Errors
/// The first thing that is wrong with it, with its line and column.
pub(super) fn read(name: &str, bytes: Vec<u8>) -> Result<Json, String> {
    let source = Source::from_bytes(name, bytes).map_err(|problem| format!("{name}: {}", problem.message))?;
    let (root, problems) = parse(source.text());
    match (root, problems.into_iter().next()) {
        (Some(root), None) => Ok(json(root)),
        (_, Some(problem)) => {
            let place = source.place(problem.span.map_or(0, |span| span.start));
            Err(format!("{name}:{}:{}: {}", place.line, place.column, problem.message))
        }
        (None, None) => Err(format!("{name}: it cannot be read")),
    }
}

fn json(node: Node) -> Json {
    match node.value {
        Value::Null => Json::Null,
        Value::Scalar(scalar) => plain(scalar),
        Value::Seq(items) => Json::Array(items.into_iter().map(json).collect()),
        Value::Map(entries) => {
            let entry = |(key, value): (Node, Node)| (key.text().unwrap_or_default().to_owned(), json(value));
            Json::Object(entries.into_iter().map(entry).collect::<Map<_, _>>())
        }
    }
}

fn plain(scalar: Scalar) -> Json {
    if scalar.origin != Origin::Plain {
        return Json::String(scalar.text);
    }
    let text = scalar.text.as_str();
    let whole = || {
        let whole = scalar::integer(text)?;
        i64::try_from(whole).map(Number::from).or_else(|_| u64::try_from(whole).map(Number::from)).ok()
    };
    let number = || whole().or_else(|| Number::from_f64(scalar::float(text)?));
    scalar::boolean(text)
        .map(Json::Bool)
        .or_else(|| number().map(Json::Number))
        .unwrap_or_else(|| Json::String(scalar.text.clone()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn yaml_and_json_say_the_same() {
        let yaml = "a: 1\nb: [x, 'true', true, 1.5, -3, ~]\n'200': {c: 18446744073709551615, d: 3.1.0}\n";
        let json = r#"{"a": 1, "b": ["x", "true", true, 1.5, -3, null],
            "200": {"c": 18446744073709551615, "d": "3.1.0"}}"#;
        let told = json!({
            "a": 1, "b": ["x", "true", true, 1.5, -3, null], "200": { "c": u64::MAX, "d": "3.1.0" },
        });
        for text in [yaml, json] {
            assert_eq!(read("f", text.as_bytes().to_vec()), Ok(told.clone()));
        }
    }

    #[test]
    fn what_cannot_be_read_has_its_place() {
        for (text, why) in [
            ("a: 1\na: 2\n", "f:2:1: the key `a` is given twice"),
            ("{\"a\": [\n  1,\n", "f:1:7: `[` is never closed"),
            ("a:\n  b: *c\n", "f:2:6: `*c` is a YAML alias"),
        ] {
            let told = read("f", text.as_bytes().to_vec()).unwrap_err();
            assert!(told.starts_with(why), "{told}");
        }
        assert!(read("f", b"a: \xff".to_vec()).is_err());
    }
}
