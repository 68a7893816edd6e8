//! Parameters: found where the description says, read by their schema's type, and held against it.

use std::borrow::Cow;

use http::{HeaderMap, HeaderName};
use serde_json::Value;

use super::document::{Document, Part};
use crate::cookies;
use crate::query::{self, is_twin};
use crate::route::Captures;
use crate::schema::Schema;
use crate::verdict::Fault;
use crate::view::View;

/// A parameter of an operation.
#[derive(Debug)]
pub(super) struct Parameter {
    /// How faults call it: `query.limit`.
    told: String,
    spot: Spot,
    required: bool,
    may_be_empty: bool,
    kinds: Kinds,
    list: Option<List>,
    schema: Schema,
}

#[derive(Debug)]
enum Spot {
    /// By the name that the pattern captures it under.
    Path(String),
    /// With the operation's other parameters, which may look like it.
    Query {
        name: String,
        others: Vec<String>,
    },
    Header(HeaderName),
    Cookie(String),
}

/// How a list is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum List {
    Repeated,
    Commas,
}

/// What a text may be read as, by `type`: a set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Kinds(u8);

/// The keyword of what readers take differently: it is no schema's.
const AMBIGUOUS: &str = "ambiguous";
/// References and alternatives within one another that are looked through for a type.
const MOST_DEPTH: usize = 16;

/// Where a description says that a parameter is, and its name.
pub(super) type Key<'d> = (&'d str, &'d str);

/// A parameter's place and name, or none for a header field that descriptions do not describe here.
pub(super) fn key<'d>(part: &Part<'d>) -> Result<Option<Key<'d>>, String> {
    let name = part.text("name").filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| part.flaw("the parameter has no `name`"))?;
    let at = part.text("in").unwrap_or_default();
    match at {
        "header" if ["accept", "content-type", "authorization"].contains(&&*name.to_ascii_lowercase()) => {
            Ok(None)
        }
        "path" | "query" | "header" | "cookie" => Ok(Some((at, name))),
        _ => Err(part.flaw("`in` is not one of `path`, `query`, `header`, `cookie`")),
    }
}

impl Parameter {
    /// `captured` is the name of a path parameter in the operation's pattern, `others` are the names of the query
    /// parameters besides it.
    pub(super) fn compile(
        document: &Document,
        part: &Part<'_>,
        (at, name): Key<'_>,
        captured: Option<String>,
        others: Vec<String>,
    ) -> Result<Self, String> {
        if part.get("content").is_some() {
            return Err(part.flaw("a parameter with `content` is not supported"));
        }
        let schema = part.get("schema").ok_or_else(|| part.flaw("the parameter has no `schema`"))?;
        let form = if matches!(at, "query" | "cookie") { "form" } else { "simple" };
        let style = part.text("style").unwrap_or(form);
        if style != form {
            return Err(part.flaw(format!("`style: {style}` is not supported in {at}: only `{form}` is")));
        }
        let kinds = kinds(document, &schema, 0)?;
        if kinds.has(Kinds::OBJECT) {
            return Err(part.flaw("a parameter that is an object is not supported"));
        }
        let scalar = Kinds(kinds.0 & !Kinds::ARRAY.0);
        if kinds.has(Kinds::ARRAY) && scalar != Kinds::default() {
            return Err(part.flaw("a parameter that is a list or something else is not supported"));
        }
        let (mut list, mut kinds) = (None, scalar);
        if at == "cookie" && scalar == Kinds::default() {
            return Err(part.flaw("a list in a cookie is not supported"));
        }
        if scalar == Kinds::default() {
            let explode =
                part.value.get("explode").map_or(form == "form", |explode| *explode == Value::Bool(true));
            list = Some(if at == "query" && explode { List::Repeated } else { List::Commas });
            kinds = items(document, &schema, 0)?;
            if kinds.has(Kinds::ARRAY) || kinds.has(Kinds::OBJECT) {
                return Err(part.flaw("a list of lists or objects is not supported"));
            }
        }
        let spot = match (at, captured) {
            ("path", Some(captured)) => Spot::Path(captured),
            ("path", None) => return Err(part.flaw(format!("the path has no `{{{name}}}`"))),
            ("header", _) => Spot::Header(
                HeaderName::from_bytes(name.as_bytes())
                    .ok()
                    .filter(|_| !name.contains('_'))
                    .ok_or_else(|| part.flaw(format!("no request has a header `{name}`")))?,
            ),
            ("cookie", _) => Spot::Cookie(name.to_owned()),
            _ => Spot::Query { name: name.to_owned(), others },
        };
        Ok(Self {
            told: format!(
                "{at}.{}",
                if at == "header" { name.to_ascii_lowercase() } else { name.to_owned() }
            ),
            spot,
            required: at == "path" || part.says("required"),
            may_be_empty: part.says("allowEmptyValue") && at == "query",
            kinds,
            list,
            schema: document.schema(&schema)?,
        })
    }

    /// What is wrong with it in a request; and for the log, if readers disagree about it, why.
    pub(super) fn faults(
        &self,
        view: &View<'_>,
        captures: &Captures<'_>,
    ) -> Result<(), (Vec<Fault>, &'static str)> {
        let one = |keyword: &str| vec![Fault { pointer: self.told.clone(), keyword: keyword.to_owned() }];
        let raws = match self.raws(view, captures) {
            Ok(raws) => raws,
            Err(why) => return Err((one(AMBIGUOUS), why)),
        };
        if raws.is_empty() {
            let missing = || Err((one("required"), "a required parameter is missing"));
            return if self.required { missing() } else { Ok(()) };
        }
        if self.list.is_none() && raws.len() > 1 {
            return Err((one(AMBIGUOUS), "a parameter is there more than once"));
        }
        if self.may_be_empty && raws.iter().all(|raw| raw.is_empty()) {
            return Ok(());
        }
        let mark = match self.spot {
            Spot::Query { .. } => b'+',
            _ => b'%',
        };
        // Some readers decode these and some do not: it has to fit for all of them.
        let doubtful = !matches!(self.spot, Spot::Header(_)) && raws.iter().any(|raw| raw.contains(&mark));
        for second in [false, true].into_iter().take(1 + usize::from(doubtful)) {
            let document = self.document(&raws, second).map_err(|(keyword, why)| (one(keyword), why))?;
            let mut faults = self.schema.faults(&document);
            for fault in &mut faults {
                fault.pointer.insert_str(0, &self.told);
            }
            if !faults.is_empty() {
                return Err((faults, "a parameter does not fit its schema"));
            }
        }
        Ok(())
    }

    /// Its values as they came: several of a repeated one.
    fn raws<'v>(&self, view: &View<'v>, captures: &Captures<'v>) -> Result<Vec<&'v [u8]>, &'static str> {
        let mut raws: Vec<&[u8]> = Vec::new();
        match &self.spot {
            Spot::Path(name) => raws.extend(captures.get(name).map(str::as_bytes)),
            Spot::Query { name, others } => {
                let query = view.query.filter(|query| !query.is_empty()).unwrap_or_default();
                let known = |key: &str| others.iter().any(|other| other == key);
                query::each(query.as_bytes(), name, known, |raw| {
                    raws.push(raw);
                    Ok(())
                })
                .map_err(|why| why.0)?;
            }
            Spot::Header(name) => field(view.headers, name, &mut raws)?,
            Spot::Cookie(name) => {
                raws.extend(cookies::find(view.headers, name).map_err(|why| why.0)?.map(str::as_bytes));
            }
        }
        if self.list == Some(List::Commas) {
            if raws.len() > 1 && !matches!(self.spot, Spot::Header(_)) {
                return Err("a list that is written with commas is there more than once");
            }
            let comma = |raw: &&[u8]| raw.windows(3).any(|three| three.eq_ignore_ascii_case(b"%2c"));
            if raws.iter().any(comma) {
                return Err("a list has an escaped comma, at which some readers part it");
            }
            raws = raws.iter().flat_map(|raw| raw.split(|byte| *byte == b',')).collect();
        }
        Ok(raws)
    }

    /// What the values say; `second` as those read it who decode what others leave.
    fn document(&self, raws: &[&[u8]], second: bool) -> Result<Value, (&'static str, &'static str)> {
        let read = |raw: &&[u8]| -> Result<Value, (&'static str, &'static str)> {
            let text = self.text(raw, second).ok_or((AMBIGUOUS, "a parameter is not soundly encoded"))?;
            self.kinds.read(&text).ok_or(("type", "a parameter is not of its type"))
        };
        match (self.list, raws) {
            (None, [raw, ..]) => read(raw),
            _ => raws.iter().map(read).collect::<Result<_, _>>().map(Value::Array),
        }
    }

    fn text<'r>(&self, raw: &'r [u8], second: bool) -> Option<Cow<'r, str>> {
        match (&self.spot, second) {
            (Spot::Query { .. }, false) => query::decode(raw).ok(),
            (Spot::Query { .. }, true) => {
                let spaced: Vec<u8> =
                    raw.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
                query::decode(&spaced).ok().map(|text| Cow::Owned(text.into_owned()))
            }
            // Who decodes once more and cannot leaves it as it is.
            (Spot::Path(_) | Spot::Cookie(_), true) => {
                query::decode(raw).ok().or_else(|| std::str::from_utf8(raw).ok().map(Cow::Borrowed))
            }
            (Spot::Header(_), _) => std::str::from_utf8(raw.trim_ascii()).ok().map(Cow::Borrowed),
            (_, false) => std::str::from_utf8(raw).ok().map(Cow::Borrowed),
        }
    }
}

fn field<'v>(fields: &'v HeaderMap, name: &HeaderName, raws: &mut Vec<&'v [u8]>) -> Result<(), &'static str> {
    if fields.keys().any(|other| other != name && is_twin(other.as_str(), name.as_str())) {
        return Err("a header's name differs from the one meant only as some readers see it");
    }
    for value in fields.get_all(name) {
        raws.push(value.to_str().map_err(|_| "a header is not ASCII")?.as_bytes());
    }
    Ok(())
}

impl Kinds {
    const INTEGER: Self = Self(1);
    const NUMBER: Self = Self(2);
    const BOOLEAN: Self = Self(4);
    const STRING: Self = Self(8);
    const ARRAY: Self = Self(16);
    const OBJECT: Self = Self(32);

    fn has(self, kind: Self) -> bool {
        self.0 & kind.0 != 0
    }

    fn add(&mut self, kind: &str) {
        self.0 |= match kind {
            "integer" => Self::INTEGER.0,
            "number" => Self::NUMBER.0,
            "boolean" => Self::BOOLEAN.0,
            "string" => Self::STRING.0,
            "array" => Self::ARRAY.0,
            "object" => Self::OBJECT.0,
            // A text is never null.
            _ => 0,
        };
    }

    fn read(self, text: &str) -> Option<Value> {
        let number = || -> Option<Value> {
            // JSON's grammar and nothing around it, and nothing that only some numbers can hold.
            let edge = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_digit() || *byte == b'-');
            let bytes = text.as_bytes();
            let value: Value =
                serde_json::from_str(text).ok().filter(|_| edge(bytes.first()) && edge(bytes.last()))?;
            let plain = bytes.iter().all(|byte| byte.is_ascii_digit() || *byte == b'-');
            if plain {
                (value.is_i64() || value.is_u64()).then_some(value)
            } else {
                self.has(Kinds::NUMBER).then_some(value)
            }
        };
        let boolean = || match text {
            "true" => Some(Value::Bool(true)),
            "false" => Some(Value::Bool(false)),
            _ => None,
        };
        let read = if self.has(Kinds::INTEGER) || self.has(Kinds::NUMBER) { number() } else { None };
        let read = read.or_else(|| if self.has(Kinds::BOOLEAN) { boolean() } else { None });
        read.or_else(|| self.has(Kinds::STRING).then(|| Value::String(text.to_owned())))
    }
}

/// What a schema's value may be.
fn kinds(document: &Document, schema: &Part<'_>, depth: usize) -> Result<Kinds, String> {
    if depth > MOST_DEPTH {
        return Err(schema.flaw("the parameter's type is too far away"));
    }
    let mut kinds = Kinds::default();
    match schema.value.get("type") {
        Some(Value::String(kind)) => kinds.add(kind),
        Some(Value::Array(listed)) => {
            listed.iter().filter_map(Value::as_str).for_each(|kind| kinds.add(kind));
        }
        _ => {
            for value in schema.value.get("enum").and_then(Value::as_array).into_iter().flatten() {
                kinds.add(kind_of(value));
            }
            if let Some(value) = schema.value.get("const") {
                kinds.add(kind_of(value));
            }
        }
    }
    if kinds != Kinds::default() {
        return Ok(kinds);
    }
    if schema.text("$ref").is_some() {
        return self::kinds(document, &document.follow(schema)?, depth + 1);
    }
    for (key, all) in [("allOf", true), ("anyOf", false), ("oneOf", false)] {
        let Some(alternatives) = schema.get(key) else { continue };
        let mut found = Kinds::default();
        for alternative in alternatives.items() {
            let one = self::kinds(document, &alternative, depth + 1)?;
            // All hold at once: one that says nothing of the type leaves it to the others.
            if !(all && one == Kinds::STRING && found != Kinds::default()) {
                found = if all && found == Kinds::STRING { one } else { Kinds(found.0 | one.0) };
            }
        }
        return Ok(found);
    }
    Ok(if schema.value.get("properties").is_some() { Kinds::OBJECT } else { Kinds::STRING })
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// What a list's items may be.
fn items(document: &Document, schema: &Part<'_>, depth: usize) -> Result<Kinds, String> {
    if let Some(items) = schema.get("items") {
        return kinds(document, &items, depth);
    }
    if depth < MOST_DEPTH && schema.text("$ref").is_some() {
        return self::items(document, &document.follow(schema)?, depth + 1);
    }
    if let Some(first) = schema.get("allOf").and_then(|all| all.items().next()) {
        return self::items(document, &first, depth + 1);
    }
    Ok(Kinds::STRING)
}
