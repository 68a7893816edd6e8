//! What Cloudflare's documentation says, as data.

use super::*;

fn cases(text: &str) -> Vec<BTreeMap<String, Json>> {
    let document: Json = serde_json::from_str(text).unwrap();
    serde_json::from_value(document["cases"].clone()).unwrap()
}

#[test]
fn functions_give_what_the_documentation_says() {
    let words = Words::new();
    let request = Request::to("/");
    for case in cases(include_str!("../vectors/functions.json")) {
        let text = case["expression"].as_str().unwrap();
        let formula = Formula::compile_as(text, &words.all(), true, true)
            .unwrap_or_else(|fault| panic!("{text}\n{fault} at {:?}", fault.span));
        let facts = request.facts();
        let found = formula.text_of(&facts).unwrap();
        let wanted = match &case["value"] {
            Json::String(text) => text.clone(),
            Json::Array(items) => {
                items.iter().map(|item| item.as_str().unwrap()).collect::<Vec<_>>().join("\0")
            }
            other => other.to_string(),
        };
        assert_eq!(String::from_utf8_lossy(&found), wanted, "{text}");
    }
}

#[test]
fn invalid_expressions_are_refused_where_they_are_wrong() {
    let words = Words::new();
    for case in cases(include_str!("../vectors/invalid-expressions.json")) {
        let text = case["expression"].as_str().unwrap();
        let fault = Condition::compile(text, &words.all()).expect_err(text);
        println!("{text}\n{}{} {fault}\n", " ".repeat(fault.span.start), "^".repeat(fault.span.len().max(1)));
        assert!(fault.span.start <= fault.span.end && fault.span.end <= text.len(), "{text}: {fault:?}");
        assert!(!fault.message.is_empty() && !fault.message.ends_with('.'), "{text}: {fault:?}");
    }
}

#[test]
fn paths_are_normalised_as_the_documentation_says() {
    for case in cases(include_str!("../vectors/url-normalization.json")) {
        let kind = match case["type"].as_str().unwrap() {
            "rfc3986" => Normalisation::Rfc3986,
            _ => Normalisation::Cloudflare,
        };
        let path = case["in"].as_str().unwrap();
        assert_eq!(normalise(kind, path.as_bytes()), case["out"].as_str().unwrap(), "{kind:?} {path}");
    }
}
