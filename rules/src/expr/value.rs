//! A value while an expression is evaluated: most often borrowed from the request.

use std::borrow::Cow;
use std::net::IpAddr;

use super::fields::Constant;
use super::syntax::Literal;

/// One value. A missing one is no value at all: `None` where an `Option` of it stands.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value<'v> {
    Text(Cow<'v, [u8]>),
    Integer(i64),
    Address(IpAddr),
    Flag(bool),
}

impl<'v> Value<'v> {
    /// A text that lives in the request.
    pub(super) fn text(text: &'v (impl AsRef<[u8]> + ?Sized)) -> Self {
        Self::Text(Cow::Borrowed(text.as_ref()))
    }

    /// The same value, borrowed.
    pub(super) fn of_literal(literal: &'v Literal) -> Self {
        match literal {
            Literal::Text(text) => Self::text(text),
            Literal::Integer(integer) => Self::Integer(*integer),
            Literal::Address(address) => Self::Address(*address),
            Literal::Flag(flag) => Self::Flag(*flag),
        }
    }

    pub(super) fn of_constant(constant: Constant) -> Self {
        match constant {
            Constant::Text(text) => Self::text(text),
            Constant::Integer(integer) => Self::Integer(integer),
            Constant::Flag(flag) => Self::Flag(flag),
        }
    }

    /// Its bytes, if it is a text.
    pub(super) fn into_text(self) -> Option<Cow<'v, [u8]>> {
        match self {
            Self::Text(text) => Some(text),
            Self::Integer(_) | Self::Address(_) | Self::Flag(_) => None,
        }
    }

    /// Its number, if it is one.
    pub(super) fn integer(&self) -> Option<i64> {
        match self {
            Self::Integer(integer) => Some(*integer),
            Self::Text(_) | Self::Address(_) | Self::Flag(_) => None,
        }
    }

    /// As `to_string` writes it.
    pub(super) fn rendered(self) -> Cow<'v, [u8]> {
        match self {
            Self::Text(text) => text,
            Self::Integer(integer) => Cow::Owned(integer.to_string().into_bytes()),
            Self::Address(address) => Cow::Owned(address.to_string().into_bytes()),
            Self::Flag(true) => Cow::Borrowed(b"true"),
            Self::Flag(false) => Cow::Borrowed(b"false"),
        }
    }
}
