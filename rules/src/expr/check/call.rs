//! Functions: how many arguments they take, of which types, and which must be literals or must not.

use super::super::fault::{Fault, Outcome, Span};
use super::super::fields::Scalar;
use super::super::program::{Call, ListNode, ListsNode, Node, Split};
use super::super::suggest::nearest;
use super::super::syntax::Argument;
use super::op::scalar;
use super::{Checker, Origin, Purpose, Typed};

mod taken;

use self::taken::Taken;

/// A function: its name, the fewest and the most arguments.
const FUNCTIONS: &[(&str, usize, usize)] = &[
    ("cidr", 3, 3),
    ("cidr6", 2, 2),
    ("concat", 1, MANY),
    ("decode_base64", 1, 1),
    ("encode_base64", 1, 1),
    ("ends_with", 2, 2),
    ("has_key", 2, 2),
    ("has_value", 2, 2),
    ("is_timed_hmac_valid_v0", 4, 6),
    ("join", 2, 2),
    ("len", 1, 1),
    ("lookup_json_integer", 2, MANY),
    ("lookup_json_string", 2, MANY),
    ("lower", 1, 1),
    ("regex_replace", 3, 3),
    ("remove_bytes", 2, 2),
    ("remove_query_args", 2, MANY),
    ("sha256", 1, 1),
    ("split", 3, 3),
    ("starts_with", 2, 2),
    ("substring", 2, 3),
    ("to_string", 1, 1),
    ("upper", 1, 1),
    ("url_decode", 1, 2),
    ("uuidv4", 1, 1),
    ("wildcard_replace", 3, 4),
];

/// As many arguments as fit into an expression.
const MANY: usize = usize::MAX;

/// What Cloudflare's public reference does not have.
const EXTENSIONS: [&str; 4] = ["encode_base64", "has_key", "has_value", "sha256"];

/// Functions whose first argument must come from the request.
const FIELD_FIRST: [&str; 12] = [
    "cidr",
    "cidr6",
    "decode_base64",
    "ends_with",
    "lookup_json_integer",
    "lookup_json_string",
    "remove_query_args",
    "split",
    "starts_with",
    "substring",
    "url_decode",
    "wildcard_replace",
];

pub(super) fn is_function(name: &str) -> bool {
    matches!(name, "any" | "all") || FUNCTIONS.iter().any(|(known, ..)| *known == name)
}

/// A call before it is known whether it is made once or for each.
enum Built {
    One(Call, Scalar),
    Split(Split),
    List(ListNode, Scalar),
}

/// What a call is made for each of.
enum Over {
    Nothing,
    Items(ListNode, Origin),
    Lists(ListsNode, Origin),
}

impl Checker<'_> {
    pub(super) fn call(
        &mut self,
        name: &str,
        name_span: &Span,
        arguments: &[Argument],
        span: &Span,
    ) -> Outcome<Typed> {
        let Some((name, fewest, most)) = FUNCTIONS.iter().find(|(known, ..)| *known == name) else {
            return Err(unknown(name, name_span));
        };
        if arguments.len() < *fewest || arguments.len() > *most {
            return Err(Fault::new(span.clone(), count(name, *fewest, *most, arguments.len())));
        }
        if EXTENSIONS.contains(name) {
            self.notice(format!("`{name}` is not in Cloudflare's public reference"));
        }
        let outer = self.within;
        self.enter(name, name_span)?;
        let checked: Outcome<Vec<_>> = arguments.iter().map(|argument| self.argument(argument)).collect();
        self.within = outer;
        let mut checked = checked?;
        let over = self.over(name, &mut checked)?;
        let mut taken = Taken { function: name, arguments: checked.into_iter(), span: span.clone() };
        let built = self.build(name, &mut taken)?;
        self.wrap(built, over, span)
    }

    /// What replaces stands once in an expression, not within another, and only where a text is made.
    fn enter(&mut self, name: &'static str, span: &Span) -> Outcome<()> {
        if !matches!(name, "regex_replace" | "wildcard_replace") {
            return Ok(());
        }
        if self.purpose == Purpose::Condition {
            let fault = Fault::new(span.clone(), format!("`{name}` stands only where a text is made"));
            return Err(fault.remedy("use it in a redirect's or a rewrite's expression; here, compare with `matches` or `wildcard`"));
        }
        if let Some(outer) = self.within {
            return Err(Fault::new(span.clone(), format!("`{name}` cannot stand within `{outer}`")));
        }
        if self.replaces.contains(&name) {
            return Err(Fault::new(span.clone(), format!("`{name}` can be used only once in an expression")));
        }
        self.replaces.push(name);
        self.within = Some(name);
        Ok(())
    }

    fn argument(&mut self, argument: &Argument) -> Outcome<(Typed, bool, Span)> {
        Ok(match argument {
            Argument::Literal(literal, span) => {
                (Typed::One(Node::Literal(literal.clone()), scalar(literal)), true, span.clone())
            }
            Argument::Value(value) => (self.value(value)?, false, value.span.clone()),
        })
    }

    /// Takes `[*]` off the first argument; it has no business on the others.
    fn over(&self, name: &str, arguments: &mut [(Typed, bool, Span)]) -> Outcome<Over> {
        let mut over = Over::Nothing;
        for (index, (typed, literal, span)) in arguments.iter_mut().enumerate() {
            if index == 0 && *literal && FIELD_FIRST.contains(&name) && !self.lenient {
                let message =
                    format!("the first argument of `{name}` must be a field, and this is a literal");
                return Err(Fault::new(span.clone(), message));
            }
            if index > 0 {
                if matches!(typed, Typed::Each(..) | Typed::EachList(..)) {
                    let fault =
                        Fault::new(span.clone(), "`[*]` stands only in the first argument of a function");
                    return Err(fault);
                }
                continue;
            }
            let given = match typed {
                Typed::Each(_, scalar, _) => Typed::One(Node::Given, *scalar),
                Typed::EachList(_, scalar, origin) => Typed::List(ListNode::Given, *scalar, origin.clone()),
                _ => continue,
            };
            over = match std::mem::replace(typed, given) {
                Typed::Each(list, _, origin) => Over::Items(list, origin),
                Typed::EachList(lists, _, origin) => Over::Lists(lists, origin),
                _ => Over::Nothing,
            };
        }
        Ok(over)
    }

    fn build(&mut self, name: &str, taken: &mut Taken<'_>) -> Outcome<Built> {
        let text = |call| Ok(Built::One(call, Scalar::Text));
        match name {
            "lower" => text(Call::Lower(taken.text()?)),
            "upper" => text(Call::Upper(taken.text()?)),
            "decode_base64" => text(Call::FromBase64(taken.text()?)),
            "encode_base64" => text(Call::ToBase64(taken.text()?)),
            "sha256" => text(Call::Sha256(taken.text()?)),
            "uuidv4" => text(Call::Uuid(taken.text()?)),
            "remove_bytes" => text(Call::RemoveBytes(taken.text()?, taken.text()?)),
            "starts_with" => Ok(Built::One(Call::StartsWith(taken.text()?, taken.text()?), Scalar::Flag)),
            "ends_with" => Ok(Built::One(Call::EndsWith(taken.text()?, taken.text()?), Scalar::Flag)),
            "substring" => {
                let (of, from) = (taken.text()?, taken.integer()?);
                let to = if taken.is_done() { None } else { Some(taken.integer()?) };
                text(Call::Substring { of, from, to })
            }
            "to_string" => text(Call::ToString(taken.rendered()?)),
            "len" => taken.length(),
            "concat" => taken.concat(),
            "join" => text(Call::Join(taken.texts()?, taken.text()?)),
            "split" => taken.split(),
            "url_decode" => text(Call::UrlDecode(taken.text()?, taken.decoding()?)),
            "cidr" => Ok(Built::One(
                Call::Cidr { of: taken.address()?, bits4: taken.bits(32)?, bits6: taken.bits(128)? },
                Scalar::Address,
            )),
            "cidr6" => Ok(Built::One(
                Call::Cidr { of: taken.address()?, bits4: 32, bits6: taken.bits(128)? },
                Scalar::Address,
            )),
            "lookup_json_string" => text(Call::JsonString(taken.text()?, taken.keys()?)),
            "lookup_json_integer" => {
                Ok(Built::One(Call::JsonInteger(taken.text()?, taken.keys()?), Scalar::Integer))
            }
            "regex_replace" => taken.regex_replace(),
            "wildcard_replace" => taken.wildcard_replace(),
            "remove_query_args" => taken.remove_query_args(self.lenient),
            "is_timed_hmac_valid_v0" => taken.timed_hmac(),
            "has_key" => {
                let (map, origin) = taken.map()?;
                let (key, _) = taken.literal_text("the key")?;
                Ok(Built::One(Call::Has(self.under(map, &key, &origin)), Scalar::Flag))
            }
            _ => {
                let list = taken.texts()?;
                let (value, _) = taken.literal_text("the value")?;
                Ok(Built::One(Call::HasValue(list, value.into()), Scalar::Flag))
            }
        }
    }

    fn wrap(&self, built: Built, over: Over, span: &Span) -> Outcome<Typed> {
        // What a call returns is an array of its own; calls that are written alike return the same one.
        let own = || self.text.get(span.clone()).unwrap_or_default().split_ascii_whitespace().collect();
        Ok(match (built, over) {
            (Built::One(call, scalar), Over::Nothing) => Typed::One(Node::Call(Box::new(call)), scalar),
            (Built::One(call, scalar), Over::Items(list, origin)) => {
                Typed::List(ListNode::Mapped(Box::new(list), Box::new(call)), scalar, origin)
            }
            (Built::One(call, scalar), Over::Lists(lists, origin)) => {
                Typed::List(ListNode::MappedLists(Box::new(lists), Box::new(call)), scalar, origin)
            }
            (Built::Split(split), Over::Nothing) => {
                Typed::List(ListNode::Split(Box::new(split)), Scalar::Text, own())
            }
            (Built::Split(split), Over::Items(list, origin)) => {
                Typed::Lists(ListsNode::Split(Box::new(list), Box::new(split)), Scalar::Text, origin)
            }
            (Built::List(list, scalar), Over::Nothing) => Typed::List(list, scalar, own()),
            (Built::List(..), Over::Items(..) | Over::Lists(..)) | (Built::Split(_), Over::Lists(..)) => {
                return Err(Fault::new(span.clone(), "`[*]` cannot make arrays of arrays here"));
            }
        })
    }
}

fn count(name: &str, fewest: usize, most: usize, here: usize) -> String {
    let arguments =
        |number: usize| if number == 1 { "1 argument".to_owned() } else { format!("{number} arguments") };
    let takes = match (fewest, most) {
        (fewest, MANY) => format!("at least {}", arguments(fewest)),
        (fewest, most) if fewest == most => arguments(fewest),
        (fewest, most) => format!("{fewest} to {}", arguments(most)),
    };
    format!("`{name}` takes {takes}, and here is {here}").replace("here is 0", "here is none")
}

fn unknown(name: &str, span: &Span) -> Fault {
    if super::super::fields::find(name).is_some() {
        let fault = Fault::new(span.clone(), format!("`{name}` is a field, not a function"));
        return fault.remedy("leave the parentheses out");
    }
    if name == "bit_slice" {
        return Fault::new(span.clone(), "`bit_slice` looks at packets, and only requests are seen here");
    }
    let known = FUNCTIONS.iter().map(|(known, ..)| *known).chain(["any", "all"]);
    let fault = Fault::new(span.clone(), format!("there is no function called `{name}`"));
    match nearest(name, known.clone()) {
        Some(known) => fault.remedy(format!("did you mean `{known}`?")),
        None => fault.remedy(format!("there are {}", known.collect::<Vec<_>>().join(", "))),
    }
}
