//! How the walk and its end are shown.

use serde_json::{Value, json};

use super::Row;
use crate::judge;
use crate::pipeline::log::masked;

pub(super) fn outcome(end: &judge::End, hidden: &[String]) -> (String, Value) {
    match end {
        judge::End::Forward { target, fields, .. } => {
            let fields: Vec<(String, String)> = fields.iter().map(crate::cli::replay::shown).collect();
            ("allow".to_owned(), json!({ "target": masked(target, hidden), "headers": fields }))
        }
        judge::End::Answer(answer) => {
            let location = answer.fields.get("location").and_then(|field| field.to_str().ok());
            let location = location.map(|location| masked(location, hidden));
            (answer.status.as_u16().to_string(), json!({ "location": location }))
        }
        judge::End::Refuse(refusal, answer) => {
            (format!("{} {}", answer.status.as_u16(), refusal.code), json!({ "detail": refusal.public }))
        }
    }
}

pub(super) fn print(rows: &[Row], outcome: &str, more: &Value, file: &str) {
    for row in rows {
        let place = row.line.map_or_else(String::new, |line| format!("  {file}:{line}"));
        let why = row.why.as_deref().map_or_else(String::new, |why| format!("  {why}"));
        println!("{:<10} {:<28}{place}{why}", row.gate, row.verdict);
    }
    println!("→ {outcome}");
    for (name, value) in more.as_object().into_iter().flatten() {
        match value {
            Value::Array(fields) => {
                for pair in fields {
                    let part = |index: usize| pair.get(index).and_then(Value::as_str).unwrap_or_default();
                    println!("  {}: {}", part(0), part(1));
                }
            }
            Value::String(text) => println!("  {name}: {text}"),
            _ => {}
        }
    }
}
