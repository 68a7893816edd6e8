//! Fields, and the brackets behind them.

use std::fmt::Write as _;

use http::HeaderName;

use super::super::Stage;
use super::super::fault::{Fault, Outcome, Span};
use super::super::fields::{self, Constant, Field, ListField, MapField, Scalar, Source, Standing};
use super::super::program::{ListNode, ListsNode, Node};
use super::super::suggest;
use super::super::syntax::{Base, Step, Value};
use super::op::kind;
use super::{Checker, Typed};

impl Checker<'_> {
    pub(super) fn value(&mut self, value: &Value) -> Outcome<Typed> {
        let (mut typed, name) = match &value.base {
            Base::Field(name) => {
                let bare = value.steps.first().map_or(value.span.end, |(_, span)| span.start);
                (self.field(name, &(value.span.start..bare))?, name)
            }
            Base::Call { name, name_span, arguments, span } => {
                (self.call(name, name_span, arguments, span)?, name)
            }
        };
        let mut written = name.clone();
        for (step, span) in &value.steps {
            typed = self.step(typed, step, span, &written)?;
            match step {
                Step::Item(at) => write!(written, "[{at}]"),
                Step::Key(key) => write!(written, "[\"{}\"]", key.escape_ascii()),
                Step::Each => write!(written, "[*]"),
            }
            .unwrap_or_default();
        }
        Ok(typed)
    }

    fn field(&mut self, name: &str, span: &Span) -> Outcome<Typed> {
        let Some(row) = fields::find(name) else { return Err(unknown(name, span)) };
        let (source, stage) = match row.standing {
            Standing::Known(source, stage) => (source, stage),
            Standing::Located(fact, scalar) if self.vocabulary.geo => {
                (Source::One(Field::Geo(fact), scalar), Stage::Head)
            }
            Standing::Located(_, scalar) => {
                let constant = match scalar {
                    Scalar::Integer => Constant::Integer(0),
                    Scalar::Flag => Constant::Flag(false),
                    Scalar::Text | Scalar::Address => Constant::Text(""),
                };
                self.notice(told(name, constant, "no file of addresses (`geo`) is configured"));
                (Source::Constant(constant), Stage::Head)
            }
            Standing::Neutral(source, why) => {
                match source {
                    Source::Constant(constant) => self.notice(told(name, constant, why)),
                    _ => self.notice(format!("`{name}` is always empty here: {why}")),
                }
                (source, Stage::Head)
            }
            Standing::Unavailable(why) => {
                let (why, instead) = why.split_once(": ").unwrap_or((why, ""));
                let fault = Fault::new(span.clone(), format!("`{name}` cannot be had: {why}"));
                let instead = Some(instead.to_owned()).filter(|instead| !instead.is_empty());
                return Err(fault.remedy(instead.unwrap_or_else(|| suggest::field(name))));
            }
        };
        self.may_be_named(name, stage, span)?;
        self.stage = self.stage.max(stage);
        Ok(match source {
            Source::One(field, scalar) => Typed::One(Node::Field(field), scalar),
            Source::Constant(constant) => Typed::One(Node::Constant(constant), constant.scalar()),
            // Names and values of one map go side by side.
            Source::List(field @ (ListField::Names(_) | ListField::Values(_)), scalar) => {
                let map = name.rsplit_once('.').map_or(name, |(map, _)| map);
                Typed::List(ListNode::Field(field), scalar, map.to_owned())
            }
            Source::List(field, scalar) => Typed::List(ListNode::Field(field), scalar, name.to_owned()),
            Source::Map(field, scalar) => Typed::Map(field, scalar, name.to_owned()),
            Source::Lists(field) => Typed::Lists(ListsNode::Field(field), Scalar::Text, name.to_owned()),
        })
    }

    /// Whether what is known only at `stage` is known where this expression stands.
    fn may_be_named(&self, name: &str, stage: Stage, span: &Span) -> Outcome<()> {
        let (known, message, remedy) = match stage {
            Stage::Reply => (
                self.vocabulary.responses,
                "is known only once the upstream answered",
                "name it in what looks at responses, such as a limit's counting expression",
            ),
            Stage::Body => (
                self.vocabulary.bodies,
                "is known only once the body was read, which is not done for this",
                "name what the head of the request says",
            ),
            Stage::Head | Stage::Caller => return Ok(()),
        };
        if known {
            return Ok(());
        }
        Err(Fault::new(span.clone(), format!("`{name}` {message}")).remedy(remedy))
    }

    fn step(&mut self, typed: Typed, step: &Step, span: &Span, written: &str) -> Outcome<Typed> {
        Ok(match (typed, step) {
            (Typed::Map(map, scalar, _), Step::Key(key)) => Typed::List(
                self.under(map, key, written),
                scalar,
                format!("{written}[{}]", key.escape_ascii()),
            ),
            (Typed::Map(map, scalar, origin), Step::Each) => {
                Typed::EachList(ListsNode::Map(map), scalar, origin)
            }
            (Typed::List(list, scalar, _), Step::Item(at)) => {
                Typed::One(Node::Item(Box::new(list), *at), scalar)
            }
            (Typed::List(list, scalar, origin), Step::Each) => Typed::Each(list, scalar, origin),
            (Typed::Lists(lists, scalar, origin), Step::Item(at)) => {
                Typed::List(ListNode::Item(Box::new(lists), *at), scalar, format!("{origin}[{at}]"))
            }
            (Typed::Lists(lists, scalar, origin), Step::Each) => Typed::EachList(lists, scalar, origin),
            (Typed::EachList(lists, scalar, origin), Step::Item(at)) => {
                Typed::Each(ListNode::Nth(Box::new(lists), *at), scalar, origin)
            }
            (Typed::EachList(lists, scalar, origin), Step::Each) => {
                Typed::Each(ListNode::Flat(Box::new(lists)), scalar, origin + "[*]")
            }
            (other, step) => {
                let remedy = match (&other, step) {
                    (Typed::Map(..), _) => Some("a key is a text: `[\"name\"]`"),
                    (Typed::List(..) | Typed::Lists(..) | Typed::EachList(..), Step::Key(_)) => {
                        Some("items are counted from 0: `[0]`, or `[*]` for each")
                    }
                    _ => None,
                };
                let message = format!("{} and has nothing in brackets like these", kind(&other, written));
                return Err(Fault::new(span.clone(), message).remedy_if(remedy.map(str::to_owned)));
            }
        })
    }

    /// The list under a key of a map.
    pub(super) fn under(&mut self, map: MapField, key: &[u8], written: &str) -> ListNode {
        let known = || self.vocabulary.identities.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>();
        match map {
            MapField::Headers | MapField::ReplyHeaders => {
                let name = HeaderName::from_lowercase(key).ok();
                if name.is_none() {
                    let key = key.escape_ascii();
                    let low = key.to_string().to_ascii_lowercase();
                    self.notice(format!(
                        "`{written}[\"{key}\"]` can never be there, since the names are in lower case: `[\"{low}\"]`"
                    ));
                }
                name.map_or(ListNode::Missing, |name| ListNode::Header(map, name))
            }
            MapField::Claims | MapField::Claim(_) => {
                let named = self.vocabulary.identities.iter().any(|name| name.as_bytes() == key);
                if !named {
                    let known = known().join(", ");
                    let known = if known.is_empty() {
                        "there is none".to_owned()
                    } else {
                        format!("there is {known}")
                    };
                    self.notice(format!("no identity is called `{}`: {known}", key.escape_ascii()));
                }
                ListNode::Key(map, key.into())
            }
            MapField::Args | MapField::RawArgs | MapField::Cookies | MapField::Form | MapField::Multipart => {
                ListNode::Key(map, key.into())
            }
        }
    }
}

fn told(name: &str, constant: Constant, why: &str) -> String {
    match constant {
        Constant::Text(text) => format!("`{name}` is always \"{text}\" here: {why}"),
        Constant::Integer(integer) => format!("`{name}` is always {integer} here: {why}"),
        Constant::Flag(flag) => format!("`{name}` is always {flag} here: {why}"),
    }
}

fn unknown(name: &str, span: &Span) -> Fault {
    let low = name.to_ascii_lowercase();
    if super::call::is_function(&low) {
        let fault = Fault::new(span.clone(), format!("`{name}` is a function and needs its arguments"));
        return fault.remedy(format!("write `{low}(…)`"));
    }
    if name.starts_with(|first: char| first.is_ascii_digit()) {
        let fault = Fault::new(span.clone(), "a literal cannot stand on the left");
        return fault.remedy("begin with a field, as in `http.host eq \"example.com\"`");
    }
    Fault::new(span.clone(), format!("there is no field called `{name}`")).remedy(suggest::field(name))
}
