//! What a handshake is answered. What a stranger wrote goes back as plain text, and not much of it.

use http::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderName, HeaderValue, StatusCode};
use serde_json::{Map, Value};

use super::super::delivery::Reading;
use super::super::encoding::hex;
use super::super::key::Key;
use super::super::raw::{Phase, RawAnswer};
use super::super::source::header;
use super::super::template::{Bound, Names, Template};
use super::{Answer, Greeting, kept};
use crate::problem::{Place, Problem};

/// The longest text that is sent back, in bytes.
const MAX_ECHO: usize = 1024;
/// In JSON, a text that is to be replaced by its HMAC.
const HMAC: &str = "$hmac_hex";

/// An answer, compiled.
pub(super) struct Reply {
    phase: Phase,
    status: StatusCode,
    headers: Vec<(HeaderName, Template)>,
    body: Body,
}

enum Body {
    Forward,
    Nothing,
    Text(Template),
    /// A key's id, a bar, and the HMAC of the text.
    Mac(Template),
    Json(Json),
}

enum Json {
    Plain(Value),
    Text(Template),
    Mac(Template),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Reply {
    pub(super) fn compile(
        raw: &RawAnswer,
        phase: Phase,
        names: Names<'_>,
        at: &Place,
        problems: &mut Vec<Problem>,
    ) -> Option<Self> {
        let status = raw.status.unwrap_or(200);
        let status = StatusCode::from_u16(status).ok().filter(StatusCode::is_success).ok_or_else(|| {
            at.key("status").problem("a handshake is answered with a success").remedy("write 200 or 204")
        });
        let status = kept(status, problems);
        let mut headers = Vec::new();
        for (index, (name, value)) in raw.headers.iter().enumerate() {
            let at = at.key("headers").item(index);
            let name = kept(header(name, &at.item(0)), problems);
            let value = kept(Template::parse(value, names, &at.item(1)), problems);
            headers.extend(name.zip(value));
        }
        check_type(raw, phase, at, problems);
        let body = Body::compile(raw, names, at, problems)?;
        Some(Self { phase, status: status?, headers, body })
    }

    pub(super) fn forwards(&self) -> bool {
        matches!(self.body, Body::Forward)
    }

    /// Whether the answer has a MAC in it.
    pub(super) fn signs(&self) -> bool {
        match &self.body {
            Body::Mac(_) => true,
            Body::Json(json) => json.signs(),
            Body::Forward | Body::Nothing | Body::Text(_) => false,
        }
    }

    pub(super) fn settings(&self) -> impl Iterator<Item = &str> {
        let mut templates: Vec<&Template> = self.headers.iter().map(|(_, value)| value).collect();
        match &self.body {
            Body::Text(text) | Body::Mac(text) => templates.push(text),
            Body::Json(json) => json.templates(&mut templates),
            Body::Forward | Body::Nothing => {}
        }
        templates.into_iter().flat_map(|template| template.settings().map(|(name, _)| name))
    }

    pub(super) fn make<'a>(
        &'a self,
        reading: &Reading<'a>,
        bound: &Bound<'a>,
        key: Option<&Key>,
    ) -> Option<Greeting> {
        let making = Making { phase: self.phase, reading, bound, key };
        let (body, kind) = match &self.body {
            Body::Forward => return Some(Greeting::Forward),
            Body::Nothing => (Vec::new(), None),
            Body::Text(text) => (making.text(text)?.into_bytes(), Some("text/plain; charset=utf-8")),
            Body::Mac(text) => {
                let mac = making.mac(text)?;
                let id = key.and_then(|key| key.id.as_ref()).map(|id| format!("{id}|")).unwrap_or_default();
                (format!("{id}{mac}").into_bytes(), Some("text/plain; charset=utf-8"))
            }
            Body::Json(json) => (making.json(json)?.to_string().into_bytes(), Some("application/json")),
        };
        let mut headers = Vec::new();
        for (name, value) in &self.headers {
            headers.push((name.clone(), HeaderValue::from_str(&making.text(value)?).ok()?));
        }
        let usual = [
            (CONTENT_TYPE, kind),
            (X_CONTENT_TYPE_OPTIONS, kind.map(|_| "nosniff")),
            (CACHE_CONTROL, Some("no-store")),
        ];
        for (name, value) in usual {
            if let Some(value) = value.filter(|_| headers.iter().all(|(known, _)| *known != name)) {
                headers.push((name, HeaderValue::from_static(value)));
            }
        }
        Some(Greeting::Answer(Answer { status: self.status, headers, body }))
    }
}

impl Body {
    fn compile(raw: &RawAnswer, names: Names<'_>, at: &Place, problems: &mut Vec<Problem>) -> Option<Self> {
        let template = |text: &str, key: &str| Template::parse(text, names, &at.key(key));
        let body = match (&raw.text, &raw.text_hmac, &raw.json, raw.forward) {
            (None, None, None, true) => Ok(Self::Forward),
            (None, None, None, false) => Ok(Self::Nothing),
            (Some(text), None, None, false) => template(text, "text").map(Self::Text),
            (None, Some(text), None, false) => template(text, "text_hmac").map(Self::Mac),
            (None, None, Some(json), false) => Json::compile(json, names, &at.key("json")).map(Self::Json),
            _ => Err(at
                .problem("the answer has more than one body")
                .remedy("keep one of `text`, `text_hmac`, `json` and `forward`")),
        };
        kept(body, problems)
    }
}

/// A page must not be made of what a stranger wrote.
fn check_type(raw: &RawAnswer, phase: Phase, at: &Place, problems: &mut Vec<Problem>) {
    let typed = |(name, value): &(String, String)| {
        let kind = value.split(';').next().unwrap_or_default().trim();
        name.eq_ignore_ascii_case("content-type") && !kind.eq_ignore_ascii_case("text/plain")
    };
    if phase == Phase::Before && raw.text.is_some() && raw.headers.iter().any(typed) {
        problems.push(
            at.key("headers")
                .problem(
                    "text of a request that nobody signed would go back as something else than plain text",
                )
                .remedy("write `Content-Type: text/plain`, or leave it out"),
        );
    }
}

impl Json {
    fn compile(raw: &Value, names: Names<'_>, at: &Place) -> Result<Self, Problem> {
        Ok(match raw {
            Value::String(text) => Self::Text(Template::parse(text, names, at)?),
            Value::Array(items) => {
                let item = |(index, item)| Self::compile(item, names, &at.item(index));
                Self::List(items.iter().enumerate().map(item).collect::<Result<_, _>>()?)
            }
            Value::Object(members) => match members.get(HMAC) {
                Some(Value::String(text)) if members.len() == 1 => {
                    Self::Mac(Template::parse(text, names, &at.key(HMAC))?)
                }
                Some(_) => {
                    return Err(at
                        .problem(format!("`{HMAC}` stands beside something else, or is not a text"))
                        .remedy(format!("write `{{ {HMAC}: TEXT }}` alone")));
                }
                None => {
                    let member = |(name, value): (&String, &Value)| {
                        Ok((name.clone(), Self::compile(value, names, &at.key(name))?))
                    };
                    Self::Object(members.iter().map(member).collect::<Result<_, _>>()?)
                }
            },
            plain => Self::Plain(plain.clone()),
        })
    }

    fn signs(&self) -> bool {
        match self {
            Self::Mac(_) => true,
            Self::List(items) => items.iter().any(Self::signs),
            Self::Object(members) => members.iter().any(|(_, member)| member.signs()),
            Self::Plain(_) | Self::Text(_) => false,
        }
    }

    fn templates<'j>(&'j self, found: &mut Vec<&'j Template>) {
        match self {
            Self::Plain(_) => {}
            Self::Text(text) | Self::Mac(text) => found.push(text),
            Self::List(items) => items.iter().for_each(|item| item.templates(found)),
            Self::Object(members) => members.iter().for_each(|(_, member)| member.templates(found)),
        }
    }
}

struct Making<'m, 'a> {
    phase: Phase,
    reading: &'m Reading<'a>,
    bound: &'m Bound<'a>,
    key: Option<&'m Key>,
}

impl<'a> Making<'_, 'a> {
    /// A text without control characters, and not too long.
    fn text(&self, template: &'a Template) -> Option<String> {
        let text = String::from_utf8(template.text(self.reading, self.bound).ok()?).ok()?;
        (text.len() <= MAX_ECHO && !text.contains(char::is_control)).then_some(text)
    }

    /// Of a text that nobody signed only a MAC that fits nothing else: 20 to 32 small hexadecimal digits. Otherwise
    /// the gateway would sign whatever a stranger likes.
    fn mac(&self, template: &'a Template) -> Option<String> {
        let text = self.text(template)?;
        let challenge = (20..=32).contains(&text.len())
            && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if self.phase == Phase::Before && !challenge {
            return None;
        }
        Some(hex(self.key?.mac(text.as_bytes())?.as_ref()))
    }

    fn json(&self, json: &'a Json) -> Option<Value> {
        Some(match json {
            Json::Plain(value) => value.clone(),
            Json::Text(text) => Value::String(self.text(text)?),
            Json::Mac(text) => Value::String(self.mac(text)?),
            Json::List(items) => items.iter().map(|item| self.json(item)).collect::<Option<_>>()?,
            Json::Object(members) => {
                let member = |(name, member): &'a (String, Json)| Some((name.clone(), self.json(member)?));
                Value::Object(members.iter().map(member).collect::<Option<Map<_, _>>>()?)
            }
        })
    }
}
