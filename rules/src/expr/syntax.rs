//! An expression as it was written: what stands where, before anybody asks whether it makes sense.

use std::net::IpAddr;
use std::ops::RangeInclusive;

use super::fault::Span;

/// Something that is true or false, or a list of such.
#[derive(Debug)]
pub(super) enum Expr {
    Or(Vec<Expr>),
    Xor(Vec<Expr>),
    And(Vec<Expr>),
    Not(Box<Expr>),
    /// `any(…)` or `all(…)`.
    Quantified {
        all: bool,
        of: Box<Expr>,
        span: Span,
    },
    Constant(bool),
    Compare(Compare),
}

/// A value and what is asked of it; nothing, if it stands alone.
#[derive(Debug)]
pub(super) struct Compare {
    pub value: Value,
    pub op: Option<(Op, Span)>,
}

/// A field or a call, and the brackets behind it.
#[derive(Debug)]
pub(super) struct Value {
    pub base: Base,
    pub steps: Vec<(Step, Span)>,
    pub span: Span,
}

#[derive(Debug)]
pub(super) enum Base {
    Field(String),
    Call { name: String, name_span: Span, arguments: Vec<Argument>, span: Span },
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    Item(usize),
    Key(Vec<u8>),
    Each,
}

#[derive(Debug)]
pub(super) enum Argument {
    Value(Value),
    Literal(Literal, Span),
}

impl Argument {
    pub(super) fn span(&self) -> Span {
        match self {
            Self::Value(value) => value.span.clone(),
            Self::Literal(_, span) => span.clone(),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Literal {
    Text(Vec<u8>),
    Integer(i64),
    Address(IpAddr),
    Flag(bool),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Debug)]
pub(super) enum Op {
    Order(Order, Literal, Span),
    Contains(Vec<u8>),
    Matches(String, Span),
    Wildcard { pattern: Vec<u8>, strict: bool, span: Span },
    Among(Vec<(Item, Span)>),
    Listed(String, Span),
    Bits(i64),
}

/// What stands in the braces of a set.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Item {
    Text(Vec<u8>),
    Integers(RangeInclusive<i64>),
    /// With the network as it should have been written, if it has bits beyond its prefix.
    Addresses(RangeInclusive<IpAddr>, Option<String>),
}
