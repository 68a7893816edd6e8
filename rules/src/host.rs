//! The host of a request, and which hosts are served or redirected. Exact names only.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::net::Ipv6Addr;

#[cfg(test)]
mod tests;

/// A host, as in `Host`, `:authority` or a configuration: checked, in lower case, without the root's dot.
///
/// A DNS name or an IPv4 address as it is; an IPv6 address in brackets, in RFC 5952 form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host<'a> {
    name: Cow<'a, str>,
    port: Option<u16>,
}

impl<'a> Host<'a> {
    /// Reads `name` or `name:port`. `None` where anything but the two is present (user information, spaces, escapes,
    /// letters beyond ASCII), the name is no legal one (RFC 1123, and `_`), or the port is not 1 to 65535 in plain
    /// decimal.
    pub fn parse(text: &'a str) -> Option<Self> {
        let (name, port) = if let Some(text) = text.strip_prefix('[') {
            let (address, port) = text.split_once(']')?;
            let address: Ipv6Addr = address.parse().ok()?;
            let port = if port.is_empty() { None } else { Some(port.strip_prefix(':')?) };
            (Cow::Owned(format!("[{address}]")), port)
        } else {
            let (name, port) = text.split_once(':').map_or((text, None), |(name, port)| (name, Some(port)));
            (dns(name)?, port)
        };
        let port = match port {
            Some(digits) => Some(number(digits)?),
            None => None,
        };
        Some(Self { name, port })
    }

    /// The name alone, in lower case.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The port, if one was written.
    pub fn port(&self) -> Option<u16> {
        self.port
    }
}

impl fmt::Display for Host<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

fn dns(text: &str) -> Option<Cow<'_, str>> {
    let name = text.strip_suffix('.').unwrap_or(text);
    if name.len() > 253 || !has_legal_labels(name.as_bytes()) {
        return None;
    }
    let upper = name.bytes().any(|byte| byte.is_ascii_uppercase());
    Some(if upper { Cow::Owned(name.to_ascii_lowercase()) } else { Cow::Borrowed(name) })
}

/// Whether all labels have 1 to 63 letters, digits, `-` and `_`, with no `-` at either end.
fn has_legal_labels(name: &[u8]) -> bool {
    let (mut length, mut last) = (0_usize, b'.');
    for &byte in name {
        let legal = match byte {
            b'.' => length > 0 && last != b'-',
            b'-' => length > 0,
            _ => byte.is_ascii_alphanumeric() || byte == b'_',
        };
        length = if byte == b'.' { 0 } else { length + 1 };
        if !legal || length > 63 {
            return false;
        }
        last = byte;
    }
    length > 0 && last != b'-'
}

fn number(digits: &str) -> Option<u16> {
    // `parse` alone would take `+443` and `00443`.
    digits.starts_with(|first: char| ('1'..='9').contains(&first)).then(|| digits.parse().ok())?
}

/// The hosts of a listener, compiled. Ports are not compared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hosts {
    of: HashMap<Box<str>, Place>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    Served,
    Elsewhere(Box<str>),
}

/// What is done with a request for a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Destination<'a> {
    /// It is served.
    Served,
    /// It is redirected to this host: a name, with a port where the configuration has one.
    Redirect(&'a str),
    /// It is refused: 421.
    Unknown,
}

/// Why a list of hosts does not compile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostError {
    /// The entry, as it was written.
    pub entry: String,
    /// What is wrong with it.
    pub message: &'static str,
    /// What to write instead.
    pub remedy: &'static str,
}

impl fmt::Display for HostError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` {}: {}", self.entry, self.message, self.remedy)
    }
}

impl std::error::Error for HostError {}

impl Hosts {
    /// Compiles the hosts that are served and those that are redirected (from, to). Reports every problem.
    pub fn compile(served: &[&str], redirected: &[(&str, &str)]) -> Result<Self, Vec<HostError>> {
        let mut hosts = Self::default();
        let mut problems = Vec::new();
        for entry in served {
            hosts.add(entry, Place::Served).unwrap_or_else(|problem| problems.push(problem));
        }
        for (from, to) in redirected {
            let place = target(to).map(|to| Place::Elsewhere(to.to_string().into()));
            place.and_then(|place| hosts.add(from, place)).unwrap_or_else(|problem| problems.push(problem));
        }
        for (_, to) in redirected {
            if target(to).is_ok_and(|to| matches!(hosts.of.get(to.name()), Some(Place::Elsewhere(_)))) {
                problems.push(wrong(to, "is redirected itself", "redirect to the last host at once"));
            }
        }
        if problems.is_empty() { Ok(hosts) } else { Err(problems) }
    }

    fn add(&mut self, entry: &str, place: Place) -> Result<(), HostError> {
        let host = target(entry)?;
        if host.port.is_some() {
            return Err(wrong(
                entry,
                "has a port",
                "write the name alone; every port of the listener serves it",
            ));
        }
        match self.of.insert(host.name.as_ref().into(), place) {
            None => Ok(()),
            Some(_) => Err(wrong(entry, "is there twice", "list each host once, as served or as redirected")),
        }
    }

    /// What is done with a request for `host`.
    pub fn find(&self, host: &Host<'_>) -> Destination<'_> {
        match self.of.get(host.name()) {
            None => Destination::Unknown,
            Some(Place::Served) => Destination::Served,
            Some(Place::Elsewhere(to)) => Destination::Redirect(to),
        }
    }
}

fn target(entry: &str) -> Result<Host<'_>, HostError> {
    let remedy = "write a name as `api.example.com`, without scheme, path or wildcard";
    Host::parse(entry).ok_or_else(|| wrong(entry, "is not a host", remedy))
}

fn wrong(entry: &str, message: &'static str, remedy: &'static str) -> HostError {
    HostError { entry: entry.to_owned(), message, remedy }
}
