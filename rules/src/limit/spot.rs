//! What a counter counts by.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;

use serde_json::Value;

use super::Need;
use crate::content::Content;
use crate::query;
use crate::spot::Spot;
use crate::strict_json::{self, Kind};
use crate::token::ClaimPath;
use crate::view::{Reading, View};

/// What a counter counts by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySpot {
    /// The client's address.
    Address,
    /// The user.
    User,
    /// The tenant that the request is for.
    Tenant,
    /// A claim.
    Claim(ClaimPath),
    /// The API key.
    ApiKey,
    /// The route.
    Route,
    /// The webhook.
    Webhook,
    /// The event that a webhook tells of.
    Event,
    /// A place in the request.
    Place(KeyPlace),
}

/// A place in a request: its syntax is that of `tenant`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPlace(pub(super) Spot);

/// What is known of a request.
pub(super) struct Facts<'a> {
    pub(super) view: &'a View<'a>,
    pub(super) content: Option<&'a Content<'a>>,
    pub(super) tenant: Option<&'a Spot>,
}

impl KeySpot {
    /// Reads a place.
    ///
    /// # Errors
    /// A sentence and a remedy.
    pub(super) fn parse(text: &str) -> Result<Self, (String, &'static str)> {
        const PLACES: &str = "write `ip`, `user`, `tenant`, `claim.NAME`, `api_key`, `route`, `webhook`, `event`, `path.NAME`, \
                              `query.NAME`, `header.NAME`, `cookie.NAME` or `body:/pointer`";
        let wrong = || (format!("`{text}` is nothing that can be counted by"), PLACES);
        match text {
            "ip" => Ok(Self::Address),
            "user" => Ok(Self::User),
            "tenant" => Ok(Self::Tenant),
            "api_key" => Ok(Self::ApiKey),
            "route" => Ok(Self::Route),
            "webhook" => Ok(Self::Webhook),
            "event" => Ok(Self::Event),
            _ => match text.strip_prefix("claim.").or_else(|| text.strip_prefix("claim:")) {
                Some(name) => ClaimPath::parse(name).map(Self::Claim).map_err(|_| wrong()),
                None => Spot::parse(text).map(|spot| Self::Place(KeyPlace(spot))).map_err(|_| wrong()),
            },
        }
    }

    /// The place in the request that it is.
    pub(crate) fn place(&self) -> Option<&Spot> {
        match self {
            Self::Place(KeyPlace(spot)) => Some(spot),
            _ => None,
        }
    }

    /// When it is known.
    pub(super) fn need(&self) -> Need {
        match self {
            Self::Address | Self::Route => Need::Address,
            Self::Place(KeyPlace(Spot::Body(_))) | Self::Webhook | Self::Event => Need::Body,
            Self::User | Self::Tenant | Self::Claim(_) | Self::ApiKey | Self::Place(_) => Need::Caller,
        }
    }

    /// What the request has there; none where it cannot be read in one way only.
    pub(super) fn read<'a>(&self, facts: &Facts<'a>, ipv6_prefix: u8) -> Option<Cow<'a, [u8]>> {
        let view = facts.view;
        match self {
            Self::Address => Some(Cow::Owned(address(view.client, ipv6_prefix).to_vec())),
            Self::Route => Some(Cow::Borrowed(view.route.as_bytes())),
            Self::Webhook => Some(Cow::Borrowed(view.webhook?.0.as_bytes())),
            Self::Event => Some(Cow::Borrowed(view.webhook?.1?.as_bytes())),
            Self::User => Some(Cow::Borrowed(view.caller?.user.value()?.as_bytes())),
            Self::ApiKey => Some(Cow::Borrowed(view.caller?.key.as_ref()?)),
            Self::Tenant => tenant(facts).map(|tenant| Cow::Borrowed(tenant.as_bytes())),
            Self::Claim(path) => scalar(path.find(&view.caller?.claims)?).map(bytes),
            Self::Place(KeyPlace(Spot::Body(pointer))) => in_body(pointer, facts).map(folded),
            Self::Place(KeyPlace(spot @ Spot::Capture(_))) => spot.in_head(view).ok()?.map(bytes),
            Self::Place(KeyPlace(spot)) => spot.in_head(view).ok()?.map(folded),
        }
    }
}

impl fmt::Display for KeySpot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address => f.write_str("ip"),
            Self::User => f.write_str("user"),
            Self::Tenant => f.write_str("tenant"),
            Self::Claim(path) => write!(f, "claim.{path}"),
            Self::ApiKey => f.write_str("api_key"),
            Self::Route => f.write_str("route"),
            Self::Webhook => f.write_str("webhook"),
            Self::Event => f.write_str("event"),
            Self::Place(KeyPlace(spot)) => spot.fmt(f),
        }
    }
}

/// An address as it counts: the network of an IPv6 client, since one client has all of it.
pub(super) fn address(client: IpAddr, ipv6_prefix: u8) -> [u8; 16] {
    match client.to_canonical() {
        IpAddr::V4(client) => client.to_ipv6_mapped().octets(),
        IpAddr::V6(client) => {
            let host = 128_u32.saturating_sub(u32::from(ipv6_prefix));
            let mask = u128::MAX.checked_shl(host).unwrap_or(0);
            (u128::from(client) & mask).to_be_bytes()
        }
    }
}

/// The caller's tenant; of several, the one that the request names.
fn tenant<'a>(facts: &Facts<'a>) -> Option<&'a str> {
    let Reading::Value(own) = &facts.view.caller?.tenants else { return None };
    if let [only] = own.as_slice() {
        return Some(only);
    }
    let named = facts.tenant?.in_head(facts.view).ok()??;
    own.iter().find(|own| **own == named).map(String::as_str)
}

fn in_body<'a>(pointer: &str, facts: &Facts<'a>) -> Option<Cow<'a, str>> {
    let (view, content) = (facts.view, facts.content?);
    match strict_json::kind(view.headers, content.is_unpacked()).ok()? {
        Kind::Json => scalar(strict_json::find(content.json().ok()?, pointer).ok()??),
        Kind::Form => {
            let name = pointer.strip_prefix('/').filter(|name| !name.contains('/'))?;
            let name = name.replace("~1", "/").replace("~0", "~");
            query::find(content.bytes(), &name).ok()?
        }
        Kind::Other => None,
    }
}

/// A single value as text; lists and objects have no one text.
fn scalar(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::String(text) => Some(Cow::Borrowed(text)),
        Value::Number(number) => Some(Cow::Owned(number.to_string())),
        Value::Bool(true) => Some(Cow::Borrowed("true")),
        Value::Bool(false) => Some(Cow::Borrowed("false")),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

fn bytes(text: Cow<'_, str>) -> Cow<'_, [u8]> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
        Cow::Owned(text) => Cow::Owned(text.into_bytes()),
    }
}

/// What a client writes counts without letter case and blanks around it: `Ada@x.test ` is no further account.
fn folded(text: Cow<'_, str>) -> Cow<'_, [u8]> {
    let trimmed = text.trim();
    if trimmed.len() == text.len() && !trimmed.chars().any(char::is_uppercase) {
        return bytes(text);
    }
    Cow::Owned(trimmed.to_lowercase().into_bytes())
}
