//! `action: headers`.

use std::collections::BTreeMap;

use http::{HeaderName, HeaderValue};

use super::{Bench, fields};
use crate::problem::Place;
use crate::ruleset::edits::{Edits, Side};
use crate::ruleset::raw::{RawRequestEdits, RawResponseEdits, RawRule};
use crate::ruleset::{Action, Text};

impl Bench<'_> {
    pub(super) fn headers(&mut self, raw: &RawRule, at: &Place) -> Action {
        let request =
            raw.request.as_ref().map(|edits| self.request_edits(&raw.name, edits, &at.key("request")));
        let response =
            raw.response.as_ref().map(|edits| self.response_edits(&raw.name, edits, &at.key("response")));
        let edits = Edits { request: request.unwrap_or_default(), response: response.unwrap_or_default() };
        if !edits.edits_request() && !edits.edits_response() {
            self.say(
                at,
                "no header field is changed",
                "write `request: { set: { x-name: value } }`, or `response`",
            );
        }
        Action::Headers(Box::new(edits))
    }

    fn request_edits(&mut self, rule: &str, raw: &RawRequestEdits, at: &Place) -> Side {
        let mut side = Side::default();
        for name in raw.set.keys().chain(raw.set_expression.keys()) {
            let key = if raw.set.contains_key(name) { "set" } else { "set_expression" };
            let place = at.key(key).key(name).itself();
            self.problems.extend(fields::settable(name, self.terms.owned, &place));
        }
        self.set(rule, &raw.set, &raw.set_expression, at, &mut side);
        for (index, name) in raw.remove.iter().enumerate() {
            let place = at.key("remove").item(index);
            self.problems.extend(fields::removable(name, &place));
            side.remove.extend(name.parse::<HeaderName>());
        }
        side
    }

    fn response_edits(&mut self, rule: &str, raw: &RawResponseEdits, at: &Place) -> Side {
        let mut side = Side::default();
        for (key, names) in [
            ("set", raw.set.keys().collect::<Vec<_>>()),
            ("add", raw.add.keys().collect()),
            ("set_expression", raw.set_expression.keys().collect()),
        ] {
            for name in names {
                self.problems.extend(fields::answerable(name, &at.key(key).key(name).itself()));
            }
        }
        self.set(rule, &raw.set, &raw.set_expression, at, &mut side);
        for (name, value) in &raw.add {
            let value = self.value(value, &at.key("add").key(name));
            side.add.extend(name.parse::<HeaderName>().ok().zip(value));
        }
        for (index, name) in raw.remove.iter().enumerate() {
            self.problems.extend(fields::answerable(name, &at.key("remove").item(index)));
            side.remove.extend(name.parse::<HeaderName>());
        }
        side
    }

    fn set(
        &mut self,
        rule: &str,
        fixed: &BTreeMap<String, String>,
        made: &BTreeMap<String, String>,
        at: &Place,
        side: &mut Side,
    ) {
        for (name, value) in fixed {
            if self.value(value, &at.key("set").key(name)).is_some() {
                side.set.extend(name.parse::<HeaderName>().map(|name| (name, Text::Fixed(value.clone()))));
            }
        }
        for (name, text) in made {
            let place = at.key("set_expression").key(name);
            if fixed.contains_key(name) {
                self.say(&place.itself(), format!("`{name}` is set twice"), "remove one of them");
            }
            let formula = self.formula(rule, text, &place).map(Text::Formula);
            side.set.extend(name.parse::<HeaderName>().ok().zip(formula));
        }
    }

    fn value(&mut self, text: &str, at: &Place) -> Option<HeaderValue> {
        let value = HeaderValue::from_str(text).ok();
        if value.is_none() {
            self.say(at, format!("`{text}` cannot stand in a header field"), "write printable ASCII");
        }
        value
    }
}
