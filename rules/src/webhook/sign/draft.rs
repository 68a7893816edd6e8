//! A request that is being signed.

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Map, Value};

use super::super::delivery::{Delivery, Reading};
use super::super::encoding::hex;
use super::super::extract::{Extract, Pick};
use super::super::form;
use super::super::header_list::HeaderList;
use super::super::key::Key;
use super::super::mac::Hash;
use super::super::scheme::{Each, Signature};
use super::super::source::Source;
use super::super::template::Template;
use super::super::terms::Terms;
use super::{SignError, Signed};

/// A request to which what is missing is added.
pub(super) struct Draft<'a> {
    request: &'a Delivery<'a>,
    terms: &'a Terms,
    target: String,
    headers: HeaderMap,
    body: Vec<u8>,
    /// Sources to which something was written, with all of it.
    written: Vec<(Source, String)>,
}

impl<'a> Draft<'a> {
    pub(super) fn new(request: &'a Delivery<'a>, terms: &'a Terms) -> Self {
        Self {
            request,
            terms,
            target: request.target.to_owned(),
            headers: request.headers.clone(),
            body: request.body.to_vec(),
            written: Vec::new(),
        }
    }

    pub(super) fn now_ms(&self) -> i64 {
        self.request.now_ms
    }

    pub(super) fn body(&self) -> &[u8] {
        &self.body
    }

    /// A value that no other request has.
    pub(super) fn made_up(&self) -> String {
        let seed = [&self.now_ms().to_be_bytes(), self.target.as_bytes(), &self.body].concat();
        hex(Hash::Sha256.of(&seed).as_ref()).chars().take(40).collect()
    }

    /// Writes a value where an extract would find it, beside what was written there before.
    pub(super) fn put(&mut self, place: &Extract, text: &str, key: &Key) -> Result<(), SignError> {
        let (split, pair, prefix) = place.form();
        let mut part = format!("{prefix}{text}");
        if let Some((between, pick)) = pair {
            let name = match (pick, &key.id) {
                (Pick::Name(name), _) => name,
                (Pick::KeyId, Some(id)) => id,
                (Pick::KeyId, None) => {
                    return Err(SignError::new(
                        "the signature names its key by its id, and the key has none",
                    ));
                }
            };
            part = format!("{name}{between}{part}");
        }
        if let Some((_, before)) = self.written.iter().find(|(source, _)| source == place.source()) {
            part = format!("{before}{}{part}", split.unwrap_or_default());
        }
        self.written.retain(|(source, _)| source != place.source());
        self.written.push((place.source().clone(), part.clone()));
        self.set(place.source(), &part)
    }

    /// Writes a value where there is none.
    pub(super) fn put_missing(&mut self, source: &Source, text: &str) -> Result<(), SignError> {
        let delivery = self.delivery();
        let there = Reading::new(&delivery, self.terms).values(source, true);
        if there.is_ok_and(|values| values.is_empty()) { self.set(source, text) } else { Ok(()) }
    }

    /// Says that the timestamp is signed as a header.
    pub(super) fn list_headers(&mut self, list: &HeaderList, stamp: Option<&Source>) {
        let (name, between) = list.names();
        let mut names = vec![name.as_str()];
        if let Some(Source::Header(stamp)) = stamp {
            names.push(stamp.as_str());
        }
        names.sort_unstable();
        if let Ok(value) = HeaderValue::from_str(&names.join(between)) {
            self.headers.insert(name.clone(), value);
        }
    }

    /// The text of the signature over the request as it stands.
    pub(super) fn signature(&self, signature: &Signature, key: &Key) -> Result<String, SignError> {
        let delivery = self.delivery();
        made(signature, &Reading::new(&delivery, self.terms), key)
    }

    /// The signatures of a body's messages.
    pub(super) fn signatures(
        &mut self,
        signature: &Signature,
        each: &Each,
        key: &Key,
    ) -> Result<Vec<String>, SignError> {
        // As it will be written in the end: numbers have several spellings.
        let document = self.document()?;
        self.body = document.to_string().into_bytes();
        let delivery = self.delivery();
        let reading = Reading::new(&delivery, self.terms);
        let items = each.items(&reading).map_err(|refused| SignError::new(refused.private))?;
        items.into_iter().map(|item| made(signature, &Reading { item: Some(item), ..reading }, key)).collect()
    }

    pub(super) fn put_into_items(
        &mut self,
        each: &Each,
        place: &Source,
        texts: &[String],
    ) -> Result<(), SignError> {
        let wrong = || SignError::new("the signature of a message does not stand in it");
        let Source::Item(pointer) = place else { return Err(wrong()) };
        let mut document = self.document()?;
        let list = document.pointer_mut(&each.array.to_string()).and_then(Value::as_array_mut);
        for (entry, text) in list.ok_or_else(wrong)?.iter_mut().zip(texts) {
            let item = entry.pointer_mut(&each.item.to_string()).ok_or_else(wrong)?;
            write(item, pointer.steps(), text)?;
        }
        self.body = document.to_string().into_bytes();
        Ok(())
    }

    pub(super) fn finish(mut self) -> Signed {
        if !self.body.is_empty() && !self.headers.contains_key(CONTENT_TYPE) {
            self.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        Signed { target: self.target, headers: self.headers, body: self.body }
    }

    fn delivery(&self) -> Delivery<'_> {
        Delivery { target: &self.target, headers: &self.headers, body: &self.body, ..*self.request }
    }

    fn document(&self) -> Result<Value, SignError> {
        serde_json::from_slice(&self.body)
            .map_err(|_| SignError::new("the scheme writes into the body, so that it must be JSON"))
    }

    fn set(&mut self, source: &Source, text: &str) -> Result<(), SignError> {
        match source {
            Source::Header(name) => self.set_header(name.clone(), text)?,
            Source::HeaderSeq { before, after } => {
                let name = HeaderName::from_bytes(format!("{before}1{after}").as_bytes());
                self.set_header(name.map_err(|_| SignError::new("this is no header"))?, text)?;
            }
            Source::Query(name) => {
                let between = if self.target.contains('?') { '&' } else { '?' };
                let (name, text) = (form::encode(name.as_bytes()), form::encode(text.as_bytes()));
                self.target.extend([between.to_string(), name, "=".to_owned(), text]);
            }
            Source::Form(name) => {
                if self.body.starts_with(b"{") || self.body.starts_with(b"[") || self.body.starts_with(b"<") {
                    return Err(SignError::new(
                        "the scheme takes a form, so that the body must be `name=value` pairs",
                    ));
                }
                let between = if self.body.is_empty() { "" } else { "&" };
                let pair =
                    format!("{between}{}={}", form::encode(name.as_bytes()), form::encode(text.as_bytes()));
                self.body.extend_from_slice(pair.as_bytes());
                let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
                self.headers.insert(CONTENT_TYPE, kind);
            }
            Source::Json(pointer) => {
                let mut document = self.document()?;
                write(&mut document, pointer.steps(), text)?;
                self.body = document.to_string().into_bytes();
            }
            Source::Item(_) | Source::Config(_) => {}
        }
        Ok(())
    }

    fn set_header(&mut self, name: HeaderName, text: &str) -> Result<(), SignError> {
        let value = HeaderValue::from_str(text)
            .map_err(|_| SignError::new(format!("the value of the header `{name}` cannot be sent")))?;
        self.headers.insert(name, value);
        Ok(())
    }
}

fn made(signature: &Signature, reading: &Reading<'_>, key: &Key) -> Result<String, SignError> {
    let told = |refused: super::super::refused::Refused| SignError::new(refused.private);
    let bound = signature.bind(reading).map_err(told)?;
    let payload = signature.payloads.first().map(|payload: &Template| payload.render(reading, &bound));
    let payload = payload.ok_or_else(|| SignError::new("the scheme signs nothing"))?.map_err(told)?;
    let bytes = key.sign(signature.hash, &payload);
    let bytes = bytes.ok_or_else(|| SignError::new("the key does not sign"))?;
    Ok(signature.encoding.encode(&bytes))
}

/// Writes a text at a place, making the objects on the way; where a number stood, digits stay one.
fn write(document: &mut Value, steps: &[String], text: &str) -> Result<(), SignError> {
    let mut place = document;
    for step in steps {
        if place.is_null() {
            *place = Value::Object(Map::new());
        }
        place = match place {
            Value::Object(members) => members.entry(step.clone()).or_insert(Value::Null),
            Value::Array(items) => {
                let item = step.parse::<usize>().ok().and_then(|index| items.get_mut(index));
                item.ok_or_else(|| {
                    SignError::new("the body's list is too short for what is written into it")
                })?
            }
            _ => return Err(SignError::new("the body has something else where the signature stands")),
        };
    }
    let number = place.is_number().then(|| text.parse::<u64>().ok()).flatten();
    *place = number.map_or_else(|| Value::String(text.to_owned()), Value::from);
    Ok(())
}
