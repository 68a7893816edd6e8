//! Origins (RFC 6454): whose page makes a request. A request's own is compared byte by byte, never repaired.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use http::header::{AsHeaderName, ORIGIN};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::host::Host;
use crate::view::View;

#[cfg(test)]
mod tests;

/// How far the page is away (Fetch Metadata): browsers write it, and pages cannot.
pub const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// An origin exactly as browsers write it: all of it in lower case, no default port, no path, no final dot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin<'a> {
    scheme: &'a str,
    host: &'a str,
    port: Option<u16>,
}

impl<'a> Origin<'a> {
    /// Reads one. `None` for `null`, for two of them, and for whatever no browser writes.
    pub fn parse(text: &'a str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        let (host, port) = match rest.strip_prefix('[').and_then(|address| address.find(']')) {
            Some(end) => rest.split_at_checked(end + 2)?,
            None => rest.split_at_checked(rest.find(':').unwrap_or(rest.len()))?,
        };
        let port = match port.strip_prefix(':') {
            Some(digits) => Some(number(digits).filter(|port| default_port(scheme) != Some(*port))?),
            None if port.is_empty() => None,
            None => return None,
        };
        (is_scheme(scheme) && is_host(host)).then_some(Self { scheme, host, port })
    }

    /// Whether pages of this origin are the requested service's own.
    pub fn is_own(&self, view: &View<'_>) -> bool {
        let scheme = if view.secure { "https" } else { "http" };
        let Some(host) = Host::parse(view.authority()) else { return false };
        let port = |port: Option<u16>| port.or(default_port(scheme));
        self.scheme == scheme && self.host == host.name() && port(self.port) == port(host.port())
    }
}

fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    }
}

fn is_scheme(text: &str) -> bool {
    let more = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+.-".contains(&byte);
    text.starts_with(|first: char| first.is_ascii_lowercase()) && text.bytes().all(more)
}

fn is_host(text: &str) -> bool {
    if let Some(address) = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
        return address.parse::<Ipv6Addr>().is_ok_and(|parsed| parsed.to_string() == address);
    }
    let last = text.rsplit('.').next().unwrap_or_default();
    // As the URL Standard has it: a name that ends in a number is an address.
    let numeric = last.bytes().all(|byte| byte.is_ascii_digit());
    is_name(text) && (!numeric || text.parse::<Ipv4Addr>().is_ok())
}

/// Letters, digits and hyphens between dots (RFC 1123), in lower case.
fn is_name(text: &str) -> bool {
    let legal = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= 253 && text.split('.').all(legal)
}

fn number(digits: &str) -> Option<u16> {
    // `parse` alone would take `+443` and `00443`.
    digits.starts_with(|first: char| ('1'..='9').contains(&first)).then(|| digits.parse().ok())?
}

/// The origins that a configuration names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origins(Vec<Named>);

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Named {
    /// `*`
    Any,
    /// This one.
    Exact(HeaderValue),
    /// `https://*.example.com:8443`
    Below(Subdomains),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Subdomains {
    scheme: String,
    /// `.example.com`
    suffix: String,
    port: Option<u16>,
}

/// Why a text is no entry: what is wrong with it, and what to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OriginError {
    /// What is wrong, to follow the entry.
    pub message: &'static str,
    /// What to do.
    pub remedy: &'static str,
}

/// An entry that parsed, so that several can become [`Origins`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry(Named);

impl Entry {
    /// Reads `scheme://host[:port]`, `scheme://*.host[:port]` (its subdomains, not the host itself) or `*`.
    ///
    /// # Errors
    /// Why it is none of them.
    pub fn parse(text: &str) -> Result<Self, OriginError> {
        if text == "*" {
            return Ok(Self(Named::Any));
        }
        let plain = without_default_port(text);
        let malformed = || fault(text);
        let Some((scheme, rest)) = plain.split_once("://*.") else {
            let sound = Origin::parse(plain).and_then(|_| HeaderValue::from_str(plain).ok());
            return sound.map(|value| Self(Named::Exact(value))).ok_or_else(malformed);
        };
        let apex = format!("{scheme}://{rest}");
        let origin = Origin::parse(&apex).filter(|origin| is_name(origin.host)).ok_or_else(malformed)?;
        if origin.host.parse::<Ipv4Addr>().is_ok() {
            return Err(malformed());
        }
        if !origin.host.contains('.') && origin.host != "localhost" {
            return Err(OriginError {
                message: "would admit everybody's domains",
                remedy: "name a domain of your own: `https://*.example.com`",
            });
        }
        let (scheme, suffix) = (origin.scheme.to_owned(), format!(".{}", origin.host));
        Ok(Self(Named::Below(Subdomains { scheme, suffix, port: origin.port })))
    }
}

fn without_default_port(text: &str) -> &str {
    [("https://", ":443"), ("http://", ":80")]
        .into_iter()
        .find_map(|(scheme, port)| text.strip_suffix(port).filter(|text| text.starts_with(scheme)))
        .unwrap_or(text)
}

/// What is wrong with an entry that is no origin.
fn fault(text: &str) -> OriginError {
    let says = |message, remedy| OriginError { message, remedy };
    let form = "write scheme, host and, if it has one, port: `https://app.example.com`";
    let rest = text.split_once("://").map(|(_, rest)| rest);
    match rest {
        _ if text == "null" => says(
            "is not an origin: sandboxed frames, redirects and local files all send it, whoever wrote them",
            "serve the page from an origin of its own, and name that",
        ),
        _ if !text.is_ascii() => says(
            "is not as browsers write it",
            "write the host in its ASCII form: `https://xn--bcher-kva.example`",
        ),
        None => says("is not an origin: it has no scheme", form),
        Some(rest) if rest.contains('@') => says("is not an origin: it names a user", form),
        Some(rest) if rest.contains(['/', '?', '#']) => says(
            "is not an origin: something follows the host",
            "end it after the host or the port, without a `/`",
        ),
        Some(_) if text.bytes().any(|byte| byte.is_ascii_uppercase()) => {
            says("is not as browsers write it", "write it in lower case")
        }
        Some(rest) if rest.contains('*') => says(
            "has a `*` that does not stand for whole subdomains",
            "write `https://*.example.com` for every subdomain, or name each origin",
        ),
        Some(rest) if rest.split(':').next().is_some_and(|host| host.ends_with('.')) => {
            says("is not as browsers write it", "remove the dot after the host")
        }
        Some(_) => says("is not an origin", form),
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Named::Any => f.write_str("*"),
            Named::Exact(origin) => f.write_str(origin.to_str().unwrap_or_default()),
            Named::Below(Subdomains { scheme, suffix, port }) => {
                write!(f, "{scheme}://*{suffix}")?;
                port.map_or(Ok(()), |port| write!(f, ":{port}"))
            }
        }
    }
}

impl Origins {
    /// All of the entries together.
    pub fn new(entries: impl IntoIterator<Item = Entry>) -> Self {
        Self(entries.into_iter().map(|entry| entry.0).collect())
    }

    /// The entries.
    pub fn entries(&self) -> impl Iterator<Item = Entry> {
        self.0.iter().cloned().map(Entry)
    }

    /// Whether each origin is written out.
    pub fn are_exact(&self) -> bool {
        self.0.iter().all(|named| matches!(named, Named::Exact(_)))
    }

    /// Whether every origin that `entry` stands for is among these.
    pub fn include(&self, entry: &Entry) -> bool {
        self.0.iter().any(|known| match (known, &entry.0) {
            (Named::Any, _) => true,
            (Named::Exact(known), Named::Exact(origin)) => known == origin,
            (Named::Below(known), Named::Exact(origin)) => {
                origin.to_str().ok().and_then(Origin::parse).is_some_and(|origin| known.covers(&origin))
            }
            (Named::Below(known), Named::Below(below)) => {
                known.scheme == below.scheme
                    && known.port == below.port
                    && below.suffix.ends_with(&known.suffix)
            }
            (Named::Exact(_) | Named::Below(_), _) => false,
        })
    }

    /// Whether the origin that `text` names is among these.
    pub fn hold(&self, text: &str) -> bool {
        self.holding(text).is_some()
    }

    /// What `Access-Control-Allow-Origin` says to a page of the origin that `field` names, if it is among these: the
    /// text of the configuration, or the field itself where it was read whole and a pattern covers it.
    pub fn grant(&self, field: &HeaderValue) -> Option<HeaderValue> {
        Some(match self.holding(field.to_str().ok()?)? {
            Named::Any => HeaderValue::from_static("*"),
            Named::Exact(origin) => origin.clone(),
            Named::Below(_) => field.clone(),
        })
    }

    fn holding(&self, text: &str) -> Option<&Named> {
        // Most are exact, and comparing them needs no reading.
        let exact = self.0.iter().find(|named| matches!(named, Named::Exact(origin) if origin == text));
        if exact.is_some() || self.are_exact() {
            return exact;
        }
        let origin = Origin::parse(text)?;
        self.0.iter().find(|named| match named {
            Named::Any => true,
            Named::Below(below) => below.covers(&origin),
            Named::Exact(_) => false,
        })
    }
}

impl Subdomains {
    /// The suffix begins with a dot and every label of a parsed host is legal, so what precedes is at least one.
    fn covers(&self, origin: &Origin<'_>) -> bool {
        origin.scheme == self.scheme && origin.port == self.port && origin.host.ends_with(&self.suffix)
    }
}

/// The field called `name`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field<'a> {
    /// There is none.
    Absent,
    /// There is one.
    One(&'a HeaderValue),
    /// There are several: nobody knows which of them the backend would read.
    Several,
}

impl<'a> Field<'a> {
    /// Reads it from a head.
    pub fn of(headers: &'a HeaderMap, name: impl AsHeaderName) -> Self {
        let mut fields = headers.get_all(name).iter();
        match (fields.next(), fields.next()) {
            (None, _) => Self::Absent,
            (Some(field), None) => Self::One(field),
            (Some(_), Some(_)) => Self::Several,
        }
    }
}

/// The request's `Origin`.
pub fn field<'a>(view: &View<'a>) -> Field<'a> {
    Field::of(view.headers, ORIGIN)
}

/// Whether pages of the origin that `text` names are the requested service's own, or among `trusted`.
pub fn is_known(text: Option<&str>, trusted: Option<&Origins>, view: &View<'_>) -> bool {
    let Some(text) = text else { return false };
    trusted.is_some_and(|trusted| trusted.hold(text))
        || Origin::parse(text).is_some_and(|origin| origin.is_own(view))
}

/// Whether the browser says that the page is the service's own, where `Origin` may not: a form is sent with `null` if
/// the page's referrer policy is `no-referrer`. A sandboxed page's requests are `cross-site`.
pub fn is_same_by_fetch_metadata(view: &View<'_>) -> bool {
    matches!(Field::of(view.headers, SEC_FETCH_SITE), Field::One(site) if site == "same-origin")
}

/// The text of an address up to its path, as its origin is written.
pub fn of_address(address: &str) -> Option<&str> {
    let (scheme, rest) = address.split_once("://")?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    address.get(..scheme.len() + "://".len() + end)
}
