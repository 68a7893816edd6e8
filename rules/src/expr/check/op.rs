//! What may be asked of a value of which type.

use std::sync::Arc;

use memchr::memmem::Finder;

use super::super::fault::{Fault, Outcome, Span};
use super::super::fields::{Field, ListField, MapField, Scalar};
use super::super::matcher::{AddressCheck, Check, IntegerCheck, IntegerSet, TextCheck, TextSet};
use super::super::pattern;
use super::super::program::{Call, Each, ListNode, Node, Test};
use super::super::suggest::nearest;
use super::super::syntax::{Base, Compare, Item, Literal, Op, Order};
use super::super::value::Value;
use super::super::wildcard::Wildcard;
use super::{Checked, Checker, Typed};
use crate::lists::{AddressSet, List};

pub(super) fn scalar(literal: &Literal) -> Scalar {
    match literal {
        Literal::Text(_) => Scalar::Text,
        Literal::Integer(_) => Scalar::Integer,
        Literal::Address(_) => Scalar::Address,
        Literal::Flag(_) => Scalar::Flag,
    }
}

impl Checker<'_> {
    pub(super) fn compare(&mut self, compare: &Compare) -> Outcome<Checked> {
        let typed = self.value(&compare.value)?;
        let span = compare.value.span.clone();
        let left = &match &compare.value.base {
            Base::Field(name) => name.clone(),
            Base::Call { name, .. } => format!("{name}(…)"),
        };
        // As it stands there, with its brackets, for what has to be written instead.
        let written = self.text.get(span.clone()).unwrap_or(left);
        let written = written.strip_suffix("[*]").unwrap_or(written);
        let Some((op, op_span)) = &compare.op else {
            let left = if matches!(typed, Typed::One(..)) { left } else { written };
            return alone(typed, left, span);
        };
        match typed {
            Typed::One(node, scalar) => {
                let check = self.check(op, op_span, scalar, left)?;
                if matches!(op, Op::Order(Order::Unequal, ..)) && may_be_missing(&node) {
                    self.notice(format!(
                        "`ne` is false where `{left}` has no such value; `not … eq …` is true there"
                    ));
                }
                Ok(Checked::Test(folded(node, check)))
            }
            Typed::Each(list, scalar, origin) => {
                self.warn_of_case(&list, op);
                let check = self.check(op, op_span, scalar, left)?;
                Ok(Checked::Each(Each::Is(list, check), origin, span))
            }
            Typed::List(..) | Typed::Map(..) | Typed::Lists(..) | Typed::EachList(..) => {
                let fault = Fault::new(span, format!("{}, which no operator takes", kind(&typed, written)));
                Err(fault.remedy(how_to_get_one(&typed, written)))
            }
        }
    }

    /// Names of header fields come in lower case, whatever the client wrote.
    fn warn_of_case(&mut self, list: &ListNode, op: &Op) {
        let names =
            matches!(list, ListNode::Field(ListField::Names(MapField::Headers | MapField::ReplyHeaders)));
        let upper = |text: &[u8]| text.iter().any(u8::is_ascii_uppercase);
        let asks = match op {
            Op::Order(_, Literal::Text(text), _) | Op::Contains(text) => upper(text),
            Op::Among(items) => items.iter().any(|(item, _)| matches!(item, Item::Text(text) if upper(text))),
            _ => false,
        };
        if names && asks {
            self.notice(
                "names of header fields are in lower case here, so upper case never matches".to_owned(),
            );
        }
    }

    /// The check that an operator makes, if it can be made of values of this type.
    fn check(&mut self, op: &Op, op_span: &Span, scalar: Scalar, left: &str) -> Outcome<Check> {
        if let Op::Listed(name, span) = op {
            return self.listed(name, span, scalar, left);
        }
        if let Op::Among(items) = op
            && scalar != Scalar::Flag
        {
            return self.among(items, scalar, left);
        }
        Ok(match (scalar, op) {
            (Scalar::Flag, _) => {
                let fault = Fault::new(op_span.clone(), format!("`{left}` is true or false by itself"));
                return Err(fault.remedy(format!("write `{left}` or `not {left}`")));
            }
            (Scalar::Text, Op::Order(order, Literal::Text(text), _)) => {
                Check::Text(TextCheck::Order(*order, text.as_slice().into()))
            }
            (Scalar::Integer, Op::Order(order, Literal::Integer(integer), _)) => {
                Check::Integer(IntegerCheck::Order(*order, *integer))
            }
            (Scalar::Address, Op::Order(Order::Equal, Literal::Address(address), _)) => {
                Check::Address(AddressCheck::Is(address.to_canonical()))
            }
            (Scalar::Address, Op::Order(Order::Unequal, Literal::Address(address), _)) => {
                Check::Address(AddressCheck::IsNot(address.to_canonical()))
            }
            (Scalar::Address, Op::Order(_, Literal::Address(_), _)) => {
                let fault = Fault::new(op_span.clone(), "addresses have no order");
                return Err(fault.remedy("write a range: `in {192.0.2.1..192.0.2.9}`"));
            }
            (_, Op::Order(_, literal, span)) => return Err(mismatch(left, scalar, literal, span)),
            (Scalar::Text, Op::Contains(text)) => {
                Check::Text(TextCheck::Contains(Box::new(Finder::new(text).into_owned())))
            }
            (Scalar::Text, Op::Matches(regex, span)) => {
                Check::Text(TextCheck::Matches(Box::new(pattern::compile(regex, span)?)))
            }
            (Scalar::Text, Op::Wildcard { pattern, strict, span }) => {
                Check::Text(TextCheck::Wildcard(Box::new(Wildcard::compile(pattern, *strict, span)?)))
            }
            (Scalar::Integer, Op::Bits(bits)) => Check::Integer(IntegerCheck::Bits(*bits)),
            _ => return Err(unfit(op, op_span, scalar, left)),
        })
    }

    fn among(&mut self, items: &[(Item, Span)], scalar: Scalar, left: &str) -> Outcome<Check> {
        let wrong = |item: &Item, span: &Span| {
            let what = match item {
                Item::Text(_) => "a text",
                Item::Integers(_) => "a number",
                Item::Addresses(..) => "an address",
            };
            let fault =
                Fault::new(span.clone(), format!("`{left}` is {}, and this is {what}", scalar.name()));
            if scalar == Scalar::Text { fault.remedy("texts stand in double quotes") } else { fault }
        };
        if items.is_empty() {
            self.notice("an empty set has nothing in it, so nothing is in it".to_owned());
        }
        let (mut texts, mut integers, mut addresses) = (Vec::new(), Vec::new(), Vec::new());
        for (item, span) in items {
            match (scalar, item) {
                (Scalar::Text, Item::Text(text)) => texts.push(text.clone()),
                (Scalar::Integer, Item::Integers(range)) => integers.push(range.clone()),
                (Scalar::Address, Item::Addresses(range, note)) => {
                    if let Some(clean) = note {
                        self.notice(format!("a network has bits beyond its prefix: it counts as `{clean}`"));
                    }
                    addresses.push(range.clone());
                }
                _ => return Err(wrong(item, span)),
            }
        }
        Ok(match scalar {
            Scalar::Integer => Check::Integer(IntegerCheck::Among(IntegerSet::new(integers))),
            Scalar::Address => Check::Address(AddressCheck::Among(AddressSet::of_ranges(addresses))),
            Scalar::Text | Scalar::Flag => Check::Text(TextCheck::Among(TextSet::new(texts))),
        })
    }

    fn listed(&mut self, name: &str, span: &Span, scalar: Scalar, left: &str) -> Outcome<Check> {
        let Some(list) = self.vocabulary.lists.get(name) else {
            let fault = Fault::new(span.clone(), format!("there is no list called `{name}`"));
            let known = self.vocabulary.lists.keys().map(String::as_str);
            return Err(match nearest(name, known) {
                Some(known) => fault.remedy(format!("did you mean `${known}`?")),
                None if name.contains('.') => fault
                    .remedy("Cloudflare keeps the lists with a dot in their name: define one of your own"),
                None => fault.remedy("define it under `lists`"),
            });
        };
        let list = Arc::clone(list);
        Ok(match (scalar, list.as_ref()) {
            (Scalar::Text, List::Words(_) | List::Hosts(_)) => Check::Text(TextCheck::Listed(list)),
            (Scalar::Integer, List::Numbers(_)) => Check::Integer(IntegerCheck::Listed(list)),
            (Scalar::Address, List::Addresses(_)) => Check::Address(AddressCheck::Listed(list)),
            (_, other) => {
                let has = match other {
                    List::Addresses(_) => "addresses",
                    List::Words(_) => "texts",
                    List::Hosts(_) => "host names",
                    List::Numbers(_) => "numbers",
                };
                let message = format!("`${name}` has {has}, and `{left}` is {}", scalar.name());
                return Err(Fault::new(span.clone(), message));
            }
        })
    }
}

/// A value without an operator.
fn alone(typed: Typed, left: &str, span: Span) -> Outcome<Checked> {
    match typed {
        Typed::One(node, Scalar::Flag) => Ok(Checked::Test(folded(node, Check::Flag))),
        Typed::List(list, Scalar::Flag, origin) | Typed::Each(list, Scalar::Flag, origin) => {
            Ok(Checked::Each(Each::Is(list, Check::Flag), origin, span))
        }
        Typed::One(_, scalar) => {
            let fault = Fault::new(span, format!("`{left}` is {} and neither true nor false", scalar.name()));
            let example = match scalar {
                Scalar::Address => "in {…}",
                Scalar::Integer => "eq 1",
                Scalar::Text | Scalar::Flag => "eq \"…\"",
            };
            Err(fault.remedy(format!("compare it: `{left} {example}`")))
        }
        other => {
            let fault = Fault::new(span, format!("{} and neither true nor false", kind(&other, left)));
            Err(fault.remedy(how_to_get_one(&other, left)))
        }
    }
}

/// What a value that is not one is.
pub(super) fn kind(typed: &Typed, left: &str) -> String {
    match typed {
        Typed::One(_, scalar) => format!("`{left}` is {}", scalar.name()),
        Typed::List(..) => format!("`{left}` is an array"),
        Typed::Each(..) => format!("`{left}[*]` is each item of an array"),
        Typed::Map(..) => format!("`{left}` has arrays under names"),
        Typed::Lists(..) => format!("`{left}` is an array of arrays"),
        Typed::EachList(..) => format!("`{left}[*]` is each of several arrays"),
    }
}

/// How one value comes of several.
pub(super) fn how_to_get_one(typed: &Typed, left: &str) -> String {
    match typed {
        Typed::Map(..) => format!("write `{left}[\"name\"][0]`, or `any({left}[\"name\"][*] …)`"),
        Typed::Lists(..) | Typed::EachList(..) => format!("write `any({left}[*][*] …)`"),
        Typed::One(..) | Typed::List(..) | Typed::Each(..) => {
            format!("write `{left}[0]` for the first of them, or `any({left}[*] …)`")
        }
    }
}

fn folded(node: Node, check: Check) -> Test {
    match &node {
        Node::Literal(literal) => Test::Constant(check.holds(&Value::of_literal(literal))),
        Node::Constant(constant) => Test::Constant(check.holds(&Value::of_constant(*constant))),
        Node::Item(list, _) if matches!(**list, ListNode::Missing | ListNode::Field(ListField::Nothing)) => {
            Test::Constant(false)
        }
        _ => Test::Is(node, check),
    }
}

fn may_be_missing(node: &Node) -> bool {
    match node {
        Node::Item(..) => true,
        Node::Field(field) => {
            matches!(field, Field::User | Field::Tenant | Field::Route | Field::ServerAddress)
        }
        Node::Call(call) => match call.as_ref() {
            Call::JsonString(..) | Call::JsonInteger(..) | Call::FromBase64(_) => true,
            Call::Lower(of)
            | Call::Upper(of)
            | Call::UrlDecode(of, _)
            | Call::Substring { of, .. }
            | Call::Length(of) => may_be_missing(of),
            _ => false,
        },
        Node::Literal(_) | Node::Constant(_) | Node::Given => false,
    }
}

fn mismatch(left: &str, scalar: Scalar, literal: &Literal, span: &Span) -> Fault {
    let what = match literal {
        Literal::Text(_) => "a text",
        Literal::Integer(_) => "a number",
        Literal::Address(_) => "an address",
        Literal::Flag(_) => "true or false",
    };
    let fault = Fault::new(span.clone(), format!("`{left}` is {}, and this is {what}", scalar.name()));
    match (scalar, literal) {
        (Scalar::Text, Literal::Integer(number)) => fault.remedy(format!("write \"{number}\"")),
        (Scalar::Text, Literal::Address(address)) => fault.remedy(format!("write \"{address}\"")),
        (Scalar::Integer | Scalar::Address, Literal::Text(_)) => fault.remedy("write it without quotes"),
        _ => fault,
    }
}

fn unfit(op: &Op, span: &Span, scalar: Scalar, left: &str) -> Fault {
    let name = match op {
        Op::Contains(_) => "contains",
        Op::Matches(..) => "matches",
        Op::Wildcard { strict: false, .. } => "wildcard",
        Op::Wildcard { strict: true, .. } => "strict wildcard",
        Op::Bits(_) => "bitwise_and",
        Op::Order(..) | Op::Among(_) | Op::Listed(..) => "in",
    };
    let takes = if matches!(op, Op::Bits(_)) { "numbers" } else { "texts" };
    let fault =
        Fault::new(span.clone(), format!("`{name}` takes {takes}, and `{left}` is {}", scalar.name()));
    match scalar {
        Scalar::Address => fault.remedy(format!("write `{left} in {{…}}` with addresses and networks")),
        Scalar::Text => fault,
        Scalar::Integer | Scalar::Flag => fault.remedy("write `eq`, `in` or an operator of order"),
    }
}
