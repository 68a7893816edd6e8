//! A compiled expression: a tree of small steps over one request's facts.

use std::net::IpAddr;

use http::HeaderName;
use regex::bytes::Regex;

use super::decode::Decoding;
use super::fields::{Constant, Field, ListField, ListsField, MapField};
use super::hmac::Terms;
use super::json::Key;
use super::matcher::Check;
use super::replace::Template;
use super::syntax::Literal;
use super::wildcard::Wildcard;

mod call;
mod run;

/// What is true or false.
#[derive(Debug)]
pub(super) enum Test {
    Constant(bool),
    Not(Box<Test>),
    And(Box<[Test]>),
    Or(Box<[Test]>),
    Xor(Box<[Test]>),
    Is(Node, Check),
    Any(Box<Each>),
    All(Box<Each>),
}

/// What is true or false of each item of a list.
#[derive(Debug)]
pub(super) enum Each {
    Is(ListNode, Check),
    Not(Box<Each>),
    And(Box<[Each]>),
    Or(Box<[Each]>),
    Xor(Box<[Each]>),
}

/// What has one value.
#[derive(Debug)]
pub(super) enum Node {
    Literal(Literal),
    Constant(Constant),
    Field(Field),
    Item(Box<ListNode>, usize),
    Call(Box<Call>),
    /// The item of a list that the call around it is made for.
    Given,
}

/// What has several values.
#[derive(Debug)]
pub(super) enum ListNode {
    Field(ListField),
    /// A map's list under a name.
    Key(MapField, Box<[u8]>),
    /// The values of a header field.
    Header(MapField, HeaderName),
    /// A key that can never be there.
    Missing,
    Item(Box<ListsNode>, usize),
    /// The items of all lists, one after the other.
    Flat(Box<ListsNode>),
    /// The same item of each list.
    Nth(Box<ListsNode>, usize),
    /// A call for each item of a list.
    Mapped(Box<ListNode>, Box<Call>),
    /// A call for each list.
    MappedLists(Box<ListsNode>, Box<Call>),
    Split(Box<Split>),
    Concat(Box<[ListNode]>),
    /// The list that the call around it is made for.
    Given,
}

/// What has several lists.
#[derive(Debug)]
pub(super) enum ListsNode {
    Field(ListsField),
    Map(MapField),
    /// `split` for each item of a list.
    Split(Box<ListNode>, Box<Split>),
}

#[derive(Debug)]
pub(super) struct Split {
    pub of: Node,
    pub separator: Box<[u8]>,
    pub limit: usize,
}

/// A function and its arguments.
#[derive(Debug)]
pub(super) enum Call {
    Lower(Node),
    Upper(Node),
    Length(Node),
    Count(ListNode),
    CountLists(ListsNode),
    StartsWith(Node, Node),
    EndsWith(Node, Node),
    Substring { of: Node, from: Node, to: Option<Node> },
    Concat(Box<[Node]>),
    Join(ListNode, Node),
    UrlDecode(Node, Decoding),
    FromBase64(Node),
    ToBase64(Node),
    RemoveBytes(Node, Node),
    RegexReplace { of: Node, regex: Box<Regex>, with: Template },
    WildcardReplace { of: Node, wildcard: Box<Wildcard>, with: Template },
    RemoveQueryArgs(Node, Box<[Node]>),
    Cidr { of: Node, bits4: u8, bits6: u8 },
    JsonString(Node, Box<[Key]>),
    JsonInteger(Node, Box<[Key]>),
    ToString(Node),
    Uuid(Node),
    TimedHmac { token: Node, now: Node, terms: Box<Terms> },
    Has(ListNode),
    HasValue(ListNode, Box<[u8]>),
    Sha256(Node),
}

/// The network of `address` with so many bits.
fn network(address: IpAddr, bits4: u8, bits6: u8) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32_u32.saturating_sub(bits4.into())).unwrap_or(0);
            IpAddr::V4((u32::from(v4) & mask).into())
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128_u32.saturating_sub(bits6.into())).unwrap_or(0);
            IpAddr::V6((u128::from(v6) & mask).into())
        }
    }
}
