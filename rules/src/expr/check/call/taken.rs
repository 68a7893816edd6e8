//! The arguments of a call, taken one after the other as what they should be.

use super::super::super::decode::Decoding;
use super::super::super::fault::{Fault, Outcome, Span};
use super::super::super::fields::{Field, MapField, Scalar};
use super::super::super::hmac::Terms;
use super::super::super::json::Key;
use super::super::super::program::{Call, ListNode, Node, Split};
use super::super::super::syntax::Literal;
use super::super::super::{pattern, replace::Template, wildcard::Wildcard};
use super::super::op::{how_to_get_one, kind};
use super::super::{Origin, Typed};
use super::Built;

/// The arguments that are left.
pub(super) struct Taken<'s> {
    pub(super) function: &'s str,
    pub(super) arguments: std::vec::IntoIter<(Typed, bool, Span)>,
    /// Where it says that something is wrong with the call as a whole.
    pub(super) span: Span,
}

impl Taken<'_> {
    pub(super) fn is_done(&self) -> bool {
        self.arguments.len() == 0
    }

    pub(super) fn next(&mut self) -> Outcome<(Typed, bool, Span)> {
        let missing = || Fault::new(self.span.clone(), format!("`{}` lacks an argument", self.function));
        self.arguments.next().ok_or_else(missing)
    }

    pub(super) fn one(&mut self, wanted: Scalar) -> Outcome<Node> {
        let (typed, _, span) = self.next()?;
        match typed {
            Typed::One(node, found) if found == wanted => Ok(node),
            other => Err(self.wrong(&other, span, wanted.name())),
        }
    }

    pub(super) fn wrong(&self, typed: &Typed, span: Span, wanted: &str) -> Fault {
        let found = kind(typed, "this").replace("`this`", "this").replace("`this[*]`", "this");
        let fault = Fault::new(span, format!("`{}` takes {wanted} here, and {found}", self.function));
        match typed {
            Typed::One(..) => fault,
            Typed::List(..) => fault.remedy("add `[0]` for the first of them, or `[*]` for each"),
            _ => fault.remedy(how_to_get_one(typed, "…")),
        }
    }

    pub(super) fn text(&mut self) -> Outcome<Node> {
        self.one(Scalar::Text)
    }

    pub(super) fn integer(&mut self) -> Outcome<Node> {
        self.one(Scalar::Integer)
    }

    pub(super) fn address(&mut self) -> Outcome<Node> {
        self.one(Scalar::Address)
    }

    pub(super) fn texts(&mut self) -> Outcome<ListNode> {
        match self.next()? {
            (Typed::List(list, Scalar::Text, _), ..) => Ok(list),
            (other, _, span) => Err(self.wrong(&other, span, "an array of texts")),
        }
    }

    pub(super) fn map(&mut self) -> Outcome<(MapField, Origin)> {
        match self.next()? {
            (Typed::Map(map, _, origin), ..) => Ok((map, origin)),
            (other, _, span) => Err(self.wrong(&other, span, "a map, such as `http.request.headers`")),
        }
    }

    pub(super) fn literal_text(&mut self, what: &str) -> Outcome<(Vec<u8>, Span)> {
        match self.next()? {
            (Typed::One(Node::Literal(Literal::Text(text)), _), _, span) => Ok((text, span)),
            (_, _, span) => Err(Fault::new(
                span,
                format!("{what} of `{}` must be a text in double quotes", self.function),
            )),
        }
    }

    /// A number from `from` to `to`, written out.
    pub(super) fn literal_integer(&mut self, what: &str, from: i64, to: i64) -> Outcome<i64> {
        let (typed, _, span) = self.next()?;
        let range = if to == i64::MAX { format!("from {from} on") } else { format!("from {from} to {to}") };
        let fault =
            |span| Fault::new(span, format!("{what} of `{}` must be a number {range}", self.function));
        match typed {
            Typed::One(Node::Literal(Literal::Integer(number)), _) if (from..=to).contains(&number) => {
                Ok(number)
            }
            _ => Err(fault(span)),
        }
    }

    pub(super) fn bits(&mut self, most: u8) -> Outcome<u8> {
        let what = if most == 32 { "the IPv4 bits" } else { "the IPv6 bits" };
        let bits = self.literal_integer(what, 1, most.into())?;
        Ok(u8::try_from(bits).unwrap_or(most))
    }

    pub(super) fn rendered(&mut self) -> Outcome<Node> {
        match self.next()? {
            (Typed::One(node, Scalar::Integer | Scalar::Address | Scalar::Flag), ..) => Ok(node),
            (other, _, span) => Err(self.wrong(&other, span, "a number, an address, true or false")),
        }
    }

    pub(super) fn length(&mut self) -> Outcome<Built> {
        let call = match self.next()? {
            (Typed::One(node, Scalar::Text), ..) => Call::Length(node),
            (Typed::List(list, ..), ..) => Call::Count(list),
            (Typed::Lists(lists, ..), ..) => Call::CountLists(lists),
            (other, _, span) => return Err(self.wrong(&other, span, "a text or an array")),
        };
        Ok(Built::One(call, Scalar::Integer))
    }

    pub(super) fn concat(&mut self) -> Outcome<Built> {
        let (mut nodes, mut lists, mut of) = (Vec::new(), Vec::new(), None);
        while !self.is_done() {
            let (typed, _, span) = self.next()?;
            match typed {
                Typed::One(node, Scalar::Text | Scalar::Integer) if lists.is_empty() => nodes.push(node),
                Typed::List(list, scalar, _) if nodes.is_empty() && of.is_none_or(|of| of == scalar) => {
                    of = Some(scalar);
                    lists.push(list);
                }
                Typed::One(_, Scalar::Address | Scalar::Flag) => {
                    let fault = self.wrong(&typed, span, "texts and numbers");
                    return Err(fault.remedy("write `to_string(…)` around it"));
                }
                other => {
                    return Err(self.wrong(&other, span, "either texts and numbers or arrays of one kind"));
                }
            }
        }
        Ok(match of {
            Some(scalar) => Built::List(ListNode::Concat(lists.into()), scalar),
            None => Built::One(Call::Concat(nodes.into()), Scalar::Text),
        })
    }

    pub(super) fn split(&mut self) -> Outcome<Built> {
        let of = self.text()?;
        let (separator, span) = self.literal_text("the separator")?;
        if separator.is_empty() {
            return Err(Fault::new(span, "the separator of `split` must not be empty"));
        }
        let limit = self.literal_integer("the limit", 1, 128)?;
        Ok(Built::Split(Split {
            of,
            separator: separator.into(),
            limit: usize::try_from(limit).unwrap_or(1),
        }))
    }

    pub(super) fn decoding(&mut self) -> Outcome<Decoding> {
        if self.is_done() {
            return Ok(Decoding::default());
        }
        let (options, span) = self.literal_text("the options")?;
        if options.iter().any(|option| !b"ru".contains(option)) {
            let fault = Fault::new(span, "the options of `url_decode` are `r` and `u`");
            return Err(fault.remedy("`r` decodes again and again, `u` also decodes `%uXXXX`"));
        }
        Ok(Decoding { again: options.contains(&b'r'), unicode: options.contains(&b'u') })
    }

    pub(super) fn keys(&mut self) -> Outcome<Box<[Key]>> {
        let mut keys = Vec::new();
        while !self.is_done() {
            let (typed, _, span) = self.next()?;
            let key = match typed {
                Typed::One(Node::Literal(Literal::Text(name)), _) => Some(Key::Name(name)),
                Typed::One(Node::Literal(Literal::Integer(at)), _) => usize::try_from(at).ok().map(Key::Item),
                _ => None,
            };
            keys.push(key.ok_or_else(|| {
                let message = format!("the keys of `{}` are texts and numbers from 0 on", self.function);
                Fault::new(span, message)
            })?);
        }
        Ok(keys.into())
    }

    pub(super) fn regex_replace(&mut self) -> Outcome<Built> {
        let of = self.text()?;
        let (regex, span) = self.literal_text("the regular expression")?;
        let regex = std::str::from_utf8(&regex)
            .map_err(|_| Fault::new(span.clone(), "the regular expression is not UTF-8"))
            .and_then(|regex| pattern::compile(regex, &span))?;
        let (with, span) = self.literal_text("the replacement")?;
        let with = Template::compile(&with, regex.captures_len().saturating_sub(1), &span)?;
        Ok(Built::One(Call::RegexReplace { of, regex: Box::new(regex), with }, Scalar::Text))
    }

    pub(super) fn wildcard_replace(&mut self) -> Outcome<Built> {
        let of = self.text()?;
        let (pattern, pattern_span) = self.literal_text("the pattern")?;
        let (with, span) = self.literal_text("the replacement")?;
        let mut strict = false;
        if !self.is_done() {
            let (flags, span) = self.literal_text("the flags")?;
            strict = flags == b"s";
            if !strict && !flags.is_empty() {
                return Err(Fault::new(span, "the only flag of `wildcard_replace` is `s`, for letter case"));
            }
        }
        let wildcard = Box::new(Wildcard::compile(&pattern, strict, &pattern_span)?);
        let with = Template::compile(&with, wildcard.stars(), &span)?;
        Ok(Built::One(Call::WildcardReplace { of, wildcard, with }, Scalar::Text))
    }

    pub(super) fn remove_query_args(&mut self, lenient: bool) -> Outcome<Built> {
        let (typed, _, span) = self.next()?;
        let of = match typed {
            Typed::One(node @ Node::Field(Field::Query | Field::RawQuery), _) => node,
            Typed::One(node, Scalar::Text) if lenient => node,
            _ => {
                let message =
                    "`remove_query_args` takes `http.request.uri.query` or `raw.http.request.uri.query`";
                return Err(Fault::new(span, message));
            }
        };
        let mut names = Vec::new();
        while !self.is_done() {
            names.push(self.text()?);
        }
        Ok(Built::One(Call::RemoveQueryArgs(of, names.into()), Scalar::Text))
    }

    pub(super) fn timed_hmac(&mut self) -> Outcome<Built> {
        let (key, span) = self.literal_text("the key")?;
        if key.is_empty() {
            return Err(Fault::new(span, "a key of nothing signs for everybody"));
        }
        let token = self.text()?;
        let ttl = self.literal_integer("the time to live", 0, i64::MAX)?;
        let now = self.integer()?;
        let separator =
            if self.is_done() { 0 } else { self.literal_integer("the separator's length", 0, 4096)? };
        let flags = if self.is_done() { Vec::new() } else { self.literal_text("the flags")?.0 };
        if !flags.is_empty() && flags != b"s" {
            let fault = Fault::new(self.span.clone(), "the only flag of `is_timed_hmac_valid_v0` is `s`");
            return Err(fault.remedy("`s` takes a code in the alphabet that needs no escapes in a URL"));
        }
        let separator = usize::try_from(separator).unwrap_or(0);
        let terms = Box::new(Terms::new(&key, ttl, separator, flags == b"s"));
        Ok(Built::One(Call::TimedHmac { token, now, terms }, Scalar::Flag))
    }
}
