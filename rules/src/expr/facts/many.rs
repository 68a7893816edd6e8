//! The fields that have several values: lists and maps.

use std::borrow::Cow;
use std::ops::ControlFlow;

use http::HeaderName;

use super::super::fields::{Claim, ListField, ListsField, MapField};
use super::super::value::Value;
use super::{Facts, Part};
use crate::view::{Caller, Reading};

/// Hears of an item after the other, and says when it heard enough. An item may be missing.
pub(in super::super) type Visit<'f, 'v> = &'f mut dyn FnMut(Option<Value<'v>>) -> ControlFlow<()>;

/// Hears of a name and its value.
type Hear<'f, 'v> = &'f mut dyn FnMut(Cow<'v, [u8]>, Value<'v>) -> ControlFlow<()>;

impl Facts<'_> {
    /// Has every item of a list heard; nothing, if the list is missing.
    pub(in super::super) fn each<'v>(&'v self, field: ListField, visit: Visit<'_, 'v>) -> Option<()> {
        let _ = match field {
            ListField::Names(map) => self.pairs(map, &mut |name, _| visit(Some(Value::Text(name)))),
            ListField::Values(map) => self.pairs(map, &mut |_, value| visit(Some(value))),
            ListField::Languages => {
                self.languages().iter().try_for_each(|language| visit(Some(Value::text(*language))))
            }
            ListField::Roles => texts(&self.caller?.roles, visit)?,
            ListField::Scopes => texts(&self.caller?.scopes, visit)?,
            ListField::Tenants => texts(&self.caller?.tenants, visit)?,
            ListField::Nothing => ControlFlow::Continue(()),
        };
        Some(())
    }

    /// Has every item under a key heard; nothing, if there is no such key.
    pub(in super::super) fn keyed<'v>(
        &'v self,
        map: MapField,
        key: &[u8],
        visit: Visit<'_, 'v>,
    ) -> Option<()> {
        let mut found = false;
        let mut hear = |value| {
            found = true;
            visit(Some(value))
        };
        let _ = self.pairs(map, &mut |name, value| {
            if name.as_ref() == key { hear(value) } else { ControlFlow::Continue(()) }
        });
        found.then_some(())
    }

    /// Has every value of a header field heard; nothing, if there is no such field.
    pub(in super::super) fn header_values<'v>(
        &'v self,
        map: MapField,
        name: &HeaderName,
        visit: Visit<'_, 'v>,
    ) -> Option<()> {
        let values = self.fields(map)?.get_all(name);
        let _ = values.iter().try_for_each(|value| visit(Some(Value::text(value))));
        values.iter().next().map(|_| ())
    }

    fn fields(&self, map: MapField) -> Option<&http::HeaderMap> {
        if map == MapField::Headers { Some(self.head.headers) } else { self.reply.map(|reply| reply.headers) }
    }

    /// Has every name and value of a map heard, in order.
    fn pairs<'v>(&'v self, map: MapField, hear: Hear<'_, 'v>) -> ControlFlow<()> {
        let pairs = match map {
            MapField::Args => self.args(),
            MapField::RawArgs => self.raw_args(),
            MapField::Cookies => self.cookies(),
            MapField::Form => self.form(),
            MapField::Headers | MapField::ReplyHeaders => {
                let mut fields = self.fields(map).into_iter().flatten();
                return fields
                    .try_for_each(|(name, value)| hear(Cow::Borrowed(name.as_ref()), Value::text(value)));
            }
            MapField::Multipart => {
                let named = |part: &'v Part<'_>| Some((Cow::Borrowed(part.name?), Value::text(part.value)));
                return self.parts().iter().filter_map(named).try_for_each(|(name, value)| hear(name, value));
            }
            MapField::Claims => {
                let Some(caller) = self.caller else { return ControlFlow::Continue(()) };
                let text = self.kept.claims.get_or_init(|| written(caller));
                return hear(Cow::Borrowed(caller.identity.as_bytes()), Value::text(text));
            }
            MapField::Claim(claim) => return self.claim(claim, hear),
        };
        pairs.iter().try_for_each(|(name, value)| hear(Cow::Borrowed(name), Value::text(*value)))
    }

    fn claim<'v>(&'v self, claim: Claim, hear: Hear<'_, 'v>) -> ControlFlow<()> {
        use serde_json::Value as Json;

        let Some(caller) = self.caller else { return ControlFlow::Continue(()) };
        let value = |value: &'v Json| match (claim, value) {
            (Claim::IssuedAt | Claim::NotBefore, Json::Number(number)) => number.as_i64().map(Value::Integer),
            (Claim::IssuedAt | Claim::NotBefore, _) => None,
            (_, Json::String(text)) => Some(Value::text(text)),
            _ => None,
        };
        let values = match caller.claims.get(claim.name()) {
            None => &[],
            Some(Json::Array(values)) => values.as_slice(),
            Some(only) => std::slice::from_ref(only),
        };
        let identity = caller.identity.as_bytes();
        values.iter().filter_map(value).try_for_each(|value| hear(Cow::Borrowed(identity), value))
    }

    /// A list for each part of a multipart body: what the part says, if it says it.
    pub(in super::super) fn lists(&self, field: ListsField) -> Vec<Vec<Option<Value<'_>>>> {
        let list = |part| said(part, field).into_iter().map(|text| Some(Value::text(text))).collect();
        self.parts().iter().map(list).collect()
    }

    /// The lists of a map, in the order in which their names first come.
    pub(in super::super) fn groups(&self, map: MapField) -> Vec<Vec<Option<Value<'_>>>> {
        let mut places = std::collections::HashMap::new();
        let mut groups: Vec<Vec<Option<Value<'_>>>> = Vec::new();
        let _ = self.pairs(map, &mut |name, value| {
            let place = *places.entry(name).or_insert_with(|| {
                groups.push(Vec::new());
                groups.len() - 1
            });
            if let Some(group) = groups.get_mut(place) {
                group.push(Some(value));
            }
            ControlFlow::Continue(())
        });
        groups
    }
}

fn said<'p>(part: &Part<'p>, field: ListsField) -> Option<&'p [u8]> {
    match field {
        ListsField::Names => part.name,
        ListsField::Filenames => part.filename,
        ListsField::ContentTypes => part.content_type,
        ListsField::ContentDispositions => part.disposition,
        ListsField::ContentTransferEncodings => part.encoding,
    }
}

fn texts<'v>(reading: &'v Reading<Vec<String>>, visit: Visit<'_, 'v>) -> Option<ControlFlow<()>> {
    Some(reading.value()?.iter().try_for_each(|text| visit(Some(Value::text(text)))))
}

fn written(caller: &Caller) -> String {
    serde_json::to_string(&caller.claims).unwrap_or_default()
}
