//! Requests that are no deliveries: probes, challenges, the handing over of a secret.

use http::{HeaderName, HeaderValue, Method, StatusCode};

use super::delivery::Reading;
use super::key::Key;
use super::mac;
use super::raw::{Phase, RawHandshake};
use super::source::Source;
use super::template::{Bound, Names};
use crate::problem::{Place, Problem};

mod answer;

use answer::Reply;

/// A request that is no delivery, compiled.
pub(super) struct Handshake {
    pub(super) phase: Phase,
    armed: bool,
    method: Option<Method>,
    equals: Vec<(Source, Expected)>,
    present: Vec<Source>,
    absent: Vec<Source>,
    reply: Reply,
}

/// What a source must be equal to.
enum Expected {
    Text(String),
    Setting(String),
}

/// What is done with a request that is no delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Greeting {
    /// The gateway answers it.
    Answer(Answer),
    /// The upstream answers it.
    Forward,
}

/// An answer of the gateway's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its header fields.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Its body.
    pub body: Vec<u8>,
}

impl Handshake {
    pub(super) fn compile(
        raw: &RawHandshake,
        names: Names<'_>,
        at: &Place,
        problems: &mut Vec<Problem>,
    ) -> Option<Self> {
        let before = problems.len();
        let when = at.key("when");
        let method = raw.when.method.as_ref().and_then(|method| {
            let wrong =
                |_| when.key("method").problem("this is not a method").remedy("write one such as `GET`");
            kept(Method::from_bytes(method.as_bytes()).map_err(wrong), problems)
        });
        let mut equals = Vec::new();
        for (text, value) in &raw.when.equals {
            let source = kept(Source::parse(text, &when.key("equals").key(text).itself()), problems);
            equals.extend(source.map(|source| (source, Expected::parse(value))));
        }
        let mut sources = |key: &str, texts: &[String]| -> Vec<Source> {
            let parse = |(index, text): (usize, &String)| Source::parse(text, &when.key(key).item(index));
            texts.iter().enumerate().filter_map(|one| kept(parse(one), problems)).collect()
        };
        let present = sources("present", &raw.when.present);
        let absent = sources("absent", &raw.when.absent);
        let bare = method.is_none() && equals.is_empty() && present.is_empty();
        if bare && raw.phase == Phase::Before && problems.len() == before {
            problems.push(
                when.problem("every request without a signature would be this handshake")
                    .remedy("write what it looks like: its method, or a source that is there"),
            );
        }
        let reply = Reply::compile(&raw.answer, raw.phase, names, &at.key("answer"), problems)?;
        let this = Self { phase: raw.phase, armed: raw.armed, method, equals, present, absent, reply };
        (problems.len() == before).then_some(this)
    }

    /// Whether it is answered only while the webhook says so.
    pub(super) fn is_armed(&self) -> bool {
        self.armed
    }

    /// Whether it lets requests to the upstream that nobody signed, at any time and without a token.
    pub(super) fn passes_unsigned(&self) -> bool {
        let known = self.equals.iter().any(|(_, expected)| matches!(expected, Expected::Setting(_)));
        self.phase == Phase::Before && !self.armed && !known && self.reply.forwards()
    }

    /// Whether its answer has an HMAC in it.
    pub(super) fn signs(&self) -> bool {
        self.reply.signs()
    }

    /// The settings that it reads.
    pub(super) fn settings(&self) -> impl Iterator<Item = &str> {
        let own = self.equals.iter().filter_map(|(_, expected)| match expected {
            Expected::Setting(name) => Some(name.as_str()),
            Expected::Text(_) => None,
        });
        own.chain(self.reply.settings())
    }

    /// What is done with the request, if it is this handshake. Whatever is doubtful about it makes it none.
    pub(super) fn greet<'a>(
        &'a self,
        reading: &Reading<'a>,
        bound: &Bound<'a>,
        key: Option<&Key>,
    ) -> Option<Greeting> {
        let ready = !self.armed || reading.terms.is_armed(reading.delivery.now_ms);
        let method = self.method.as_ref().is_none_or(|method| method == reading.delivery.method);
        if !ready || !method {
            return None;
        }
        let values = |source: &Source| reading.values(source, false).ok();
        let there = |source: &Source| values(source).is_some_and(|values| !values.is_empty());
        let equal = |(source, expected): &(Source, Expected)| {
            let found = values(source);
            match (found.as_deref(), expected.value(reading)) {
                (Some([value]), Some(wanted)) => mac::same(wanted, value),
                _ => false,
            }
        };
        let lacking = |source: &Source| reading.lacks(source);
        let is_this = self.equals.iter().all(equal)
            && self.present.iter().all(there)
            && self.absent.iter().all(lacking);
        is_this.then(|| self.reply.make(reading, bound, key))?
    }
}

impl Expected {
    fn parse(text: &str) -> Self {
        match text.strip_prefix("$config:") {
            Some(name) => Self::Setting(name.to_owned()),
            None => Self::Text(text.to_owned()),
        }
    }

    fn value<'v>(&'v self, reading: &Reading<'v>) -> Option<&'v [u8]> {
        match self {
            Self::Text(text) => Some(text.as_bytes()),
            Self::Setting(name) => reading.terms.setting(name),
        }
    }
}

/// The value, or its problem kept for later.
pub(super) fn kept<T>(result: Result<T, Problem>, problems: &mut Vec<Problem>) -> Option<T> {
    result.map_err(|problem| problems.push(problem)).ok()
}
