//! `body`: what a request body may be.

use std::sync::Arc;

use http::header::{ACCEPT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::content::{self, Coding, Content, Packed, is_json};
use crate::policies::widening;
use crate::policy::{BodyGate, Gates, Ground, HeadGate, Policy, RouteFacts, Standing, Verdict};
use crate::problem::{Place, Problem};
use crate::schema::Schema;
use crate::strict_json::{self, Limits};
use crate::units::Size;
use crate::verdict::{Code, Refusal};
use crate::view::View;

/// `body:` as written; what is left out is inherited.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawBody {
    /// The largest body, such as `64KiB`. Without it: 10 MiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<Size>,
    /// The media types that are accepted: `application/json`, `image/*`. Without it: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub types: Option<Vec<String>>,
    /// How deep lists and objects of a JSON body may be within one another, at most 127.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub json_depth: Option<u32>,
    /// How many members all objects of a JSON body may have together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub json_keys: Option<u32>,
    /// The content codings that are accepted: `gzip`, `deflate`. Without it: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encodings: Option<Vec<Coding>>,
    /// A file with a JSON Schema (2020-12) that the body must fit. An inherited one holds as well. Where several
    /// alternatives (`anyOf`, `oneOf`) lead back to themselves, each level of a body may double the work: set
    /// `json_depth` to the depth that is needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
}

/// The body rules in force.
#[derive(Clone, Debug)]
pub struct Body {
    max: Option<Size>,
    types: Option<Vec<String>>,
    json_depth: Option<u32>,
    json_keys: Option<u32>,
    encodings: Vec<Coding>,
    schemas: Vec<(Arc<Schema>, Place)>,
    place: Place,
}

impl Policy for Body {
    const KEY: &'static str = "body";
    type Raw = RawBody;

    fn settle(outer: Option<&Self>, raw: &RawBody, ground: &Ground<'_>) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let types = types(raw, &ground.place, &mut problems);
        let mut schemas = outer.map(|outer| outer.schemas.clone()).unwrap_or_default();
        match raw.schema.as_ref().map(|path| (path, schema(path, ground))) {
            None => {}
            Some((_, Ok(own))) => schemas.push((Arc::new(own), ground.place.key("schema"))),
            Some((path, Err(why))) => {
                let problem =
                    ground.place.key("schema").problem(format!("the schema `{path}` cannot be used: {why}"));
                problems.push(
                    problem.remedy("name a file with a JSON Schema 2020-12 whose references stay within it"),
                );
            }
        }
        if raw.json_depth.is_some_and(|depth| depth == 0 || depth > 127) {
            let problem = ground.place.key("json_depth").problem("`json_depth` is out of range");
            problems.push(problem.remedy("write a number from 1 to 127"));
        }
        if raw.json_keys == Some(0) {
            let problem = ground.place.key("json_keys").problem("`json_keys: 0` would refuse every object");
            problems.push(problem.remedy("write the number of members that a body may have"));
        }
        let mut widened = |key: &str, what: Option<String>| {
            let name = format!("body.{key}");
            if let Some(what) = what
                && !ground.relaxed.permits(&name)
            {
                problems.push(widening(&ground.place.key(key), &name, &what));
            }
        };
        if let Some(outer) = outer {
            widened("max", above("max", raw.max, outer.max));
            widened("json_depth", above("json_depth", raw.json_depth, outer.json_depth));
            widened("json_keys", above("json_keys", raw.json_keys, outer.json_keys));
            widened("types", more_types(types.as_deref(), outer.types.as_deref()));
            let more = raw.encodings.iter().flatten().find(|coding| !outer.encodings.contains(coding));
            widened(
                "encodings",
                more.map(|coding| format!("`{}` is not accepted around here", coding.name())),
            );
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let of = |inner: Option<u32>, outer: fn(&Self) -> Option<u32>, known: Option<&Self>| {
            inner.or_else(|| known.and_then(outer))
        };
        let place = if raw.max.is_some() { ground.place.key("max") } else { ground.place.clone() };
        Ok(Self {
            max: raw.max.or_else(|| outer.and_then(|outer| outer.max)),
            types: types.or_else(|| outer.and_then(|outer| outer.types.clone())),
            json_depth: of(raw.json_depth, |outer| outer.json_depth, outer),
            json_keys: of(raw.json_keys, |outer| outer.json_keys, outer),
            encodings: raw
                .encodings
                .clone()
                .or_else(|| outer.map(|outer| outer.encodings.clone()))
                .unwrap_or_default(),
            schemas,
            place,
        })
    }

    fn stand(&self, route: &RouteFacts<'_>, gates: &mut Gates) -> Result<(), Vec<Problem>> {
        let place = self.place.clone();
        let mut head = |gate: Arc<dyn HeadGate>| {
            gates.head.push(Standing { policy: Self::KEY, place: place.clone(), gate });
        };
        if let Some(types) = self.types.clone() {
            head(Arc::new(MediaType { types }));
        }
        if !route.signed {
            head(Arc::new(Encoding::new(&self.encodings)));
        }
        if let Some(max) = self.max {
            gates.body_max = Some(max.0);
            head(Arc::new(DeclaredLength { max: max.0 }));
        }
        let limit =
            |limit: Option<u32>, loose| limit.map_or(loose, |limit| usize::try_from(limit).unwrap_or(loose));
        gates.json = Limits {
            depth: limit(self.json_depth, Limits::LOOSE.depth),
            keys: limit(self.json_keys, Limits::LOOSE.keys),
        };
        gates.encodings.clone_from(&self.encodings);
        let listed = self.types.iter().flatten().any(|listed| is_json(listed));
        let place = self.place.clone();
        if listed || self.json_depth.is_some() || self.json_keys.is_some() {
            gates.body.push(Standing { policy: Self::KEY, place, gate: Arc::new(Json) });
        }
        for (schema, place) in &self.schemas {
            let gate = Arc::new(Fits { schema: Arc::clone(schema) });
            gates.body.push(Standing { policy: Self::KEY, place: place.clone(), gate });
        }
        Ok(())
    }
}

fn above<T: PartialOrd + std::fmt::Display>(key: &str, inner: Option<T>, outer: Option<T>) -> Option<String> {
    let (inner, outer) = (inner?, outer?);
    (inner > outer).then(|| format!("`{key}: {inner}` is above the inherited {outer}"))
}

fn more_types(inner: Option<&[String]>, outer: Option<&[String]>) -> Option<String> {
    let (inner, outer) = (inner?, outer?);
    let covered = |one: &String| outer.iter().any(|known| known == one || matches(known, one));
    let more = inner.iter().find(|one| !covered(one))?;
    Some(format!("`{more}` is not among the inherited types"))
}

fn types(raw: &RawBody, at: &Place, problems: &mut Vec<Problem>) -> Option<Vec<String>> {
    let written = raw.types.as_ref()?;
    let mut types = Vec::new();
    if written.is_empty() {
        let problem = at.key("types").problem("`types` accepts no type, so every body would be refused");
        problems.push(
            problem.remedy("name one, such as `application/json`; or `max: 0` for a route without bodies"),
        );
    }
    for (index, text) in written.iter().enumerate() {
        let family = text.strip_suffix("/*");
        let probe = family.map_or_else(|| text.clone(), |family| format!("{family}/any"));
        match written_type(&probe) {
            Some(_) if family.is_some() => types.push(text.to_ascii_lowercase()),
            Some(essence) => types.push(essence),
            None => problems.push(
                at.key("types")
                    .item(index)
                    .problem(format!("`{text}` is not a media type"))
                    .remedy("write it without parameters: `application/json`, `image/png`, `image/*`"),
            ),
        }
    }
    Some(types)
}

/// A media type without parameters.
fn written_type(text: &str) -> Option<String> {
    let field = HeaderValue::from_str(text).ok().filter(|_| !text.contains(';'))?;
    content::media_type(&HeaderMap::from_iter([(CONTENT_TYPE, field)])).ok().flatten()
}

/// Whether a listed type, which may end in `/*`, covers one.
fn matches(listed: &str, essence: &str) -> bool {
    match listed.strip_suffix('*') {
        Some(family) => essence.starts_with(family),
        None => listed == essence,
    }
}

/// Refuses a body of a type that is not listed.
struct MediaType {
    types: Vec<String>,
}

impl HeadGate for MediaType {
    fn judge(&self, view: &View<'_>) -> Verdict {
        let refused = |why: &'static str| Err(Refusal::new(Code::MediaType, Body::KEY, why));
        if !view.has_body {
            return Ok(());
        }
        match content::media_type(view.headers) {
            Ok(Some(essence)) if self.types.iter().any(|listed| matches(listed, &essence)) => Ok(()),
            Ok(Some(_)) => refused("the Content-Type is not one of `types`"),
            Ok(None) => refused("a body without a Content-Type is anything"),
            Err(why) => refused(why),
        }
    }
}

/// Refuses a packed body: unpacked, it could be of any size, and gates could not read it.
struct Encoding {
    accepted: Vec<Coding>,
    /// What the refusal tells (RFC 9110, section 15.5.16).
    names: HeaderValue,
}

impl Encoding {
    fn new(accepted: &[Coding]) -> Self {
        let names: Vec<_> = accepted.iter().map(|coding| coding.name()).chain(["identity"]).collect();
        let names = HeaderValue::from_str(&names.join(", "));
        Self {
            accepted: accepted.to_vec(),
            names: names.unwrap_or_else(|_| HeaderValue::from_static("identity")),
        }
    }
}

impl HeadGate for Encoding {
    fn judge(&self, view: &View<'_>) -> Verdict {
        let why = match content::coding(view.headers) {
            Ok(None) => return Ok(()),
            Ok(Some(coding)) if self.accepted.contains(&coding) => return Ok(()),
            Ok(Some(_)) => "the Content-Encoding is not one of `encodings`",
            Err(why) => why,
        };
        Err(Refusal::new(Code::MediaType, Body::KEY, why).with(ACCEPT_ENCODING, self.names.clone()))
    }
}

/// Reads JSON as strictly as it can be read: what two parsers would read differently is refused.
struct Json;

impl BodyGate for Json {
    fn needs(&self, view: &View<'_>) -> bool {
        let json = |essence: Option<String>| essence.is_some_and(|essence| is_json(&essence));
        // What cannot be read is for the gate to refuse.
        view.has_body && content::media_type(view.headers).map_or(true, json)
    }

    fn judge(&self, view: &View<'_>, content: &Content<'_>) -> Verdict {
        if !self.needs(view) {
            return Ok(());
        }
        let invalid = |why: String| Refusal::new(Code::BodyInvalid, Body::KEY, why);
        strict_json::check_charset(view.headers).map_err(|why| invalid(why.to_owned()))?;
        content.json().map(|_| ()).map_err(|why| invalid(why.to_owned()))
    }
}

fn schema(path: &str, ground: &Ground<'_>) -> Result<Schema, String> {
    Schema::parse(&ground.library.file(path)?)
}

/// Refuses what does not fit the schema.
struct Fits {
    schema: Arc<Schema>,
}

impl BodyGate for Fits {
    fn needs(&self, view: &View<'_>) -> bool {
        // A method that is there to bring content must bring it (RFC 9110, section 9.3).
        view.has_body || [Method::POST, Method::PUT, Method::PATCH].contains(view.method)
    }

    fn judge(&self, view: &View<'_>, content: &Content<'_>) -> Verdict {
        if !self.needs(view) {
            return Ok(());
        }
        let refused = |code, why: &str| Refusal::new(code, Body::KEY, why.to_owned());
        match content::media_type(view.headers) {
            Ok(Some(essence)) if is_json(&essence) => {}
            Err(why) => return Err(refused(Code::MediaType, why)),
            Ok(_) => return Err(refused(Code::MediaType, "the body is not JSON, and has to fit a schema")),
        }
        strict_json::check_charset(view.headers).map_err(|why| refused(Code::BodyInvalid, why))?;
        let document = content.json().map_err(|why| refused(Code::BodyInvalid, why))?;
        let faults = self.schema.faults(document);
        let Some(first) = faults.first() else { return Ok(()) };
        let private = format!("the body does not fit its schema: `{}` at `{}`", first.keyword, first.pointer);
        Err(Refusal { faults, ..refused(Code::SchemaInvalid, &private) })
    }
}

/// Refuses a declared length at once; what comes without one is counted while it is read.
struct DeclaredLength {
    max: u64,
}

impl HeadGate for DeclaredLength {
    fn judge(&self, view: &View<'_>) -> Verdict {
        let mut fields = view.headers.get_all(CONTENT_LENGTH).iter();
        let Some(length) = fields.next() else { return Ok(()) };
        match (digits(length), fields.next()) {
            (Some(length), None) if length <= self.max => Ok(()),
            (Some(length), None) => Err(too_large(self.max, Some(length))),
            _ => Err(Refusal::new(Code::BadRequest, Body::KEY, "Content-Length is not one number")),
        }
    }
}

/// RFC 9110, section 8.6: digits alone, without the sign that `parse` would take.
fn digits(field: &HeaderValue) -> Option<u64> {
    let text = field.to_str().ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?;
    text.parse().ok()
}

/// The refusal for a body over `max` bytes, wherever it is noticed.
pub fn too_large(max: u64, seen: Option<u64>) -> Refusal {
    let private = match seen {
        Some(seen) => format!("the body's {seen} bytes are over the route's {max}"),
        None => format!("the body grew over the route's {max} bytes"),
    };
    Refusal::new(Code::BodyTooLarge, Body::KEY, private)
}

/// The content that body gates see: unpacked where the route accepts its coding.
///
/// # Errors
/// When it cannot be unpacked, or not within `max` bytes.
pub(crate) fn open<'b>(
    view: &View<'_>,
    bytes: &'b [u8],
    accepted: &[Coding],
    max: u64,
    limits: Limits,
) -> Result<Content<'b>, Refusal> {
    match content::coding(view.headers) {
        Ok(Some(coding)) if accepted.contains(&coding) => Content::unpack(bytes, coding, max, limits)
            .map_err(|packed| match packed {
                Packed::TooLarge => too_large(max, None),
                Packed::Broken => Refusal::new(
                    Code::BodyInvalid,
                    Body::KEY,
                    "the body is not what its Content-Encoding says",
                ),
            }),
        // A coding that is not accepted was refused with the head, or nobody asked.
        _ => Ok(Content::plain(bytes, limits)),
    }
}
