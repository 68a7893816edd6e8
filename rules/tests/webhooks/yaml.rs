//! Just enough YAML to read presets: what the gateway reads with its own reader, as JSON.

use granit_parser::{Event, Parser, ScalarStyle};
use serde_json::{Map, Value};

/// The document that a preset is.
pub(crate) fn read(text: &str) -> Value {
    let mut events = Parser::new_from_str(text).map(|event| event.unwrap().0);
    let first = events.find(|event| !matches!(event, Event::StreamStart | Event::DocumentStart(..)));
    value(first.unwrap(), &mut events)
}

fn value<'e>(event: Event<'e>, events: &mut impl Iterator<Item = Event<'e>>) -> Value {
    match event {
        Event::Scalar(text, ScalarStyle::Plain, ..) => plain(&text),
        Event::Scalar(text, ..) => Value::String(text.into_owned()),
        Event::SequenceStart(..) => {
            let mut items = Vec::new();
            loop {
                match events.next().unwrap() {
                    Event::SequenceEnd => return Value::Array(items),
                    event => items.push(value(event, events)),
                }
            }
        }
        Event::MappingStart(..) => {
            let mut members = Map::new();
            loop {
                let name = match events.next().unwrap() {
                    Event::MappingEnd => return Value::Object(members),
                    Event::Scalar(name, ..) => name.into_owned(),
                    other => panic!("{other:?} is no key"),
                };
                let event = events.next().unwrap();
                let inner = value(event, events);
                assert!(members.insert(name, inner).is_none(), "a key is given twice");
            }
        }
        other => panic!("a preset has no use for {other:?}"),
    }
}

fn plain(text: &str) -> Value {
    match text {
        "null" => Value::Null,
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        _ => text.parse::<i64>().map_or_else(|_| Value::String(text.to_owned()), Value::from),
    }
}
