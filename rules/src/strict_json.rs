//! JSON as a gate may trust it: a member that is there twice, or anything after the value, is refused, since
//! the backend's parser might see another document than ours (RFC 8259, section 4).

use std::cell::Cell;
use std::fmt;

use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::query::joined;

/// Reads a whole document.
///
/// # Errors
/// A sentence for the log: what is wrong, without the document's text.
pub fn parse(bytes: &[u8]) -> Result<Value, String> {
    parse_within(bytes, Limits::LOOSE)
}

/// Reads a whole document that keeps to `limits`; one that does not is given up where it exceeds them.
///
/// # Errors
/// A sentence for the log: what is wrong, without the document's text.
pub fn parse_within(bytes: &[u8], limits: Limits) -> Result<Value, String> {
    let budget = Budget { limits, keys: Cell::new(0) };
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = Strict { budget: &budget, depth: 0 }.deserialize(&mut deserializer);
    value.and_then(|value| deserializer.end().map(|()| value)).map_err(|error| {
        let told = error.to_string();
        let ours = [DUPLICATE, TOO_DEEP, TOO_MANY].into_iter().find(|ours| told.starts_with(ours));
        let what = ours.unwrap_or("not a JSON document: fault");
        format!("{what} at line {} column {}", error.line(), error.column())
    })
}

/// The object that `bytes` are, or nothing.
pub fn object(bytes: &[u8]) -> Option<Map<String, Value>> {
    match parse(bytes) {
        Ok(Value::Object(object)) => Some(object),
        Ok(_) | Err(_) => None,
    }
}

/// The value at a JSON pointer (RFC 6901).
///
/// # Errors
/// When a member on the way has a twin: the parsers of Go and .NET take names in any letter case for the member, those
/// of protocol buffers `tenantId` for `tenant_id`, those of C cut at a NUL; and the last one wins.
pub fn find<'a>(document: &'a Value, pointer: &str) -> Result<Option<&'a Value>, &'static str> {
    let mut found = document;
    for step in pointer.split('/').skip(1) {
        let name = step.replace("~1", "/").replace("~0", "~");
        let twin = |other: &str| other != name && is_twin(other, &name);
        if let Value::Object(members) = found
            && members.keys().any(|other| twin(other))
        {
            return Err("two members differ only as some parsers see it, and they disagree which one counts");
        }
        let Some(next) = found.pointer(&format!("/{step}")) else { return Ok(None) };
        found = next;
    }
    Ok(Some(found))
}

fn is_twin(other: &str, name: &str) -> bool {
    let other = other.split('\0').next().unwrap_or(other);
    joined(other).eq(joined(name))
}

/// Refuses what gives an object in JavaScript members that it does not have: `__proto__`, and `constructor` with a
/// `prototype`.
///
/// # Errors
/// A sentence for the log.
pub fn check_prototypes(document: &Value) -> Result<(), &'static str> {
    match document {
        Value::Array(items) => items.iter().try_for_each(check_prototypes),
        Value::Object(members) => {
            let poison = |(name, value): (&String, &Value)| {
                name == "__proto__" || name == "constructor" && value.get("prototype").is_some()
            };
            if members.iter().any(poison) {
                return Err("a member replaces an object's prototype, whose members JavaScript then finds");
            }
            members.values().try_for_each(check_prototypes)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
    }
}

/// Upper case first: `ſ` and the Kelvin sign have no other way to `s` and `k`.
pub(crate) fn folded(name: &str) -> impl Iterator<Item = char> {
    name.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase)
}

/// Checks that a body with these header fields is JSON in UTF-8 to every reader: as a form, unpacked or in
/// another charset (UTF-7 is one) the same bytes say something else.
///
/// # Errors
/// What else a reader could take it for.
pub fn check_fields(fields: &HeaderMap) -> Result<(), &'static str> {
    match kind(fields, false)? {
        Kind::Json => Ok(()),
        Kind::Form | Kind::Other => Err("the body's Content-Type is not application/json"),
    }
}

/// What a body is by its header fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `application/json` and what ends in `+json`.
    Json,
    /// `application/x-www-form-urlencoded`.
    Form,
    /// Anything else, nothing included.
    Other,
}

/// What the body is to every reader.
///
/// # Errors
/// When it is packed, and not `unpacked`, or in another charset than UTF-8.
pub fn kind(fields: &HeaderMap, unpacked: bool) -> Result<Kind, &'static str> {
    let mut codings = fields.get_all(CONTENT_ENCODING).iter();
    if !unpacked && codings.any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return Err("the body has a Content-Encoding, and a gate reads it as it came");
    }
    let kind = fields.get(CONTENT_TYPE).and_then(|field| field.to_str().ok()).unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let kind = match essence.strip_prefix("application/") {
        Some("x-www-form-urlencoded") => Kind::Form,
        Some(name) if name == "json" || name.ends_with("+json") => Kind::Json,
        _ => return Ok(Kind::Other),
    };
    check_charset(fields).map(|()| kind)
}

/// Checks that a body's Content-Type names no other charset than UTF-8.
///
/// # Errors
/// When it does.
pub fn check_charset(fields: &HeaderMap) -> Result<(), &'static str> {
    let kind = fields.get(CONTENT_TYPE).and_then(|field| field.to_str().ok()).unwrap_or_default();
    let mut parts = kind.split(';').skip(1).map(str::trim);
    let utf8 = |part: &str| {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        !name.trim().eq_ignore_ascii_case("charset")
            || value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
    };
    if parts.all(utf8) { Ok(()) } else { Err("the body's charset is not UTF-8") }
}

const DUPLICATE: &str = "a JSON member is there twice";
const TOO_DEEP: &str = "the JSON document is nested deeper than is allowed";
const TOO_MANY: &str = "the JSON document has more members than are allowed";

/// What a document may be at most. A parser's own work is linear in the bytes; what comes after it may not be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Lists and objects within one another.
    pub depth: usize,
    /// Members of all its objects together.
    pub keys: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self::LOOSE
    }
}

impl Limits {
    /// What the parser bears by itself.
    pub const LOOSE: Self = Self { depth: 127, keys: usize::MAX };
}

/// What is left of the limits while a document is read.
struct Budget {
    limits: Limits,
    keys: Cell<usize>,
}

/// Reads one value at a depth.
#[derive(Clone, Copy)]
struct Strict<'b> {
    budget: &'b Budget,
    depth: usize,
}

impl Strict<'_> {
    fn deeper<E: Error>(self) -> Result<Self, E> {
        let depth = self.depth + 1;
        if depth > self.budget.limits.depth { Err(E::custom(TOO_DEEP)) } else { Ok(Self { depth, ..self }) }
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("a number out of range"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let (inner, mut list) = (self.deeper()?, Vec::new());
        while let Some(item) = items.next_element_seed(inner)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let (inner, mut map) = (self.deeper()?, Map::new());
        while let Some(name) = members.next_key::<String>()? {
            let keys = &self.budget.keys;
            keys.set(keys.get() + 1);
            if keys.get() > self.budget.limits.keys {
                return Err(A::Error::custom(TOO_MANY));
            }
            let value = members.next_value_seed(inner)?;
            if map.insert(name, value).is_some() {
                return Err(A::Error::custom(DUPLICATE));
            }
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderName, HeaderValue};

    use super::{
        Kind, Limits, TOO_DEEP, TOO_MANY, check_fields, check_prototypes, find, kind, parse, parse_within,
    };

    #[test]
    fn refuses_what_two_parsers_could_read_differently() {
        for text in [
            "{\"a\":1,\"a\":2}",
            "{\"a\":{\"b\":1,\"\\u0062\":2}}",
            "{} {}",
            "{}x",
            "",
            "{\"a\":1,}",
            "[1",
            "\u{feff}{}",
            "NaN",
        ] {
            assert!(parse(text.as_bytes()).is_err(), "{text}");
        }
        assert!(parse(&[b'"', 0xff, b'"']).is_err());
        assert!(parse("[".repeat(100_000).as_bytes()).is_err());
    }

    #[test]
    fn what_exceeds_the_limits_is_given_up() {
        let limits = Limits { depth: 2, keys: 3 };
        for (text, good) in [
            ("1", true),
            ("[[1]]", true),
            (r#"{"a":[1]}"#, true),
            ("[[[]]]", false),
            (r#"{"a":{"b":{}}}"#, false),
            (r#"[{"a":1,"b":2},{"c":3}]"#, true),
            (r#"[{"a":1,"b":2},{"c":3,"d":4}]"#, false),
        ] {
            assert_eq!(parse_within(text.as_bytes(), limits).is_ok(), good, "{text}");
        }
        assert!(parse_within(b"[[[]]]", limits).unwrap_err().starts_with(TOO_DEEP));
        let many = parse_within(br#"{"a":1,"b":1,"c":1,"d":1}"#, limits);
        assert!(many.unwrap_err().starts_with(TOO_MANY));
    }

    #[test]
    fn reads_what_is_plain() {
        let value = parse(br#"{"a":[1,-2,1.5,null,true,"x"],"b":{"a":1}}"#).unwrap();
        assert_eq!(value.pointer("/b/a"), Some(&serde_json::json!(1)));
    }

    #[test]
    fn finds_only_what_every_parser_finds() {
        let document = parse(br#"{"a":{"b":1,"~/":[2]},"other":1,"OTHER":2}"#).unwrap();
        assert_eq!(find(&document, "/a/b"), Ok(Some(&serde_json::json!(1))));
        assert_eq!(find(&document, "/a/~0~1/0"), Ok(Some(&serde_json::json!(2))));
        assert_eq!(find(&document, "/a/c"), Ok(None));
        for twins in [
            r#"{"task":"acme","Task":"globex"}"#,
            r#"{"TASK":"globex","task":"acme"}"#,
            "{\"task\":\"acme\",\"ta\u{17f}\u{212a}\":\"globex\"}",
            r#"{"task":"acme","task\u0000":"globex"}"#,
            r#"{"ta_sk":"globex"}"#,
        ] {
            assert!(find(&parse(twins.as_bytes()).unwrap(), "/task").is_err(), "{twins}");
        }
        assert_eq!(find(&parse(br#"{"id":1,"_id":2}"#).unwrap(), "/id"), Ok(Some(&serde_json::json!(1))));
        let nested = parse(br#"{"a":{"b":"acme"},"A":{"b":"globex"}}"#).unwrap();
        assert!(find(&nested, "/a/b").is_err());
    }

    #[test]
    fn no_prototype_is_replaced() {
        let check = |text: &str| check_prototypes(&parse(text.as_bytes()).unwrap());
        for text in [
            r#"{"__proto__":{"a":1}}"#,
            r#"{"\u005f_proto__":1}"#,
            r#"[{"a":{"__proto__":null}}]"#,
            r#"{"constructor":{"prototype":{"a":1}}}"#,
        ] {
            assert!(check(text).is_err(), "{text}");
        }
        assert_eq!(check(r#"{"constructor":"Brunel","prototype":1,"proto":[{}, "__proto__"]}"#), Ok(()));
    }

    #[test]
    fn json_is_json_to_every_reader() {
        let check = |fields: &[(&'static str, &'static str)]| {
            let field = |(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value));
            check_fields(&fields.iter().copied().map(field).collect::<HeaderMap>())
        };
        for kind in [
            "application/json",
            "Application/JSON ; Charset=UTF-8",
            "application/json; charset=\"utf-8\"",
            "application/merge-patch+json",
        ] {
            assert_eq!(check(&[("content-type", kind)]), Ok(()), "{kind}");
        }
        for kind in [
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=application/json",
            "text/plain",
            "application/json; charset=utf-7",
            "application/json; charset=utf-8; charset=utf-7",
            "application/json, application/x-www-form-urlencoded",
            "",
        ] {
            assert!(check(&[("content-type", kind)]).is_err(), "{kind}");
        }
        let form = HeaderValue::from_static("Application/X-WWW-Form-urlencoded; charset=utf-8");
        assert_eq!(kind(&HeaderMap::from_iter([(http::header::CONTENT_TYPE, form)]), false), Ok(Kind::Form));
        assert!(check(&[]).is_err(), "some frameworks read a body without a type as a form");
        let json = ("content-type", "application/json");
        assert!(check(&[json, ("content-encoding", "gzip")]).is_err());
        assert_eq!(check(&[json, ("content-encoding", "identity")]), Ok(()));
    }

    #[test]
    fn never_repeats_the_document_in_its_error() {
        assert!(!parse(br#"{"secret":1,"secret":2}"#).unwrap_err().contains("secret"));
    }
}
