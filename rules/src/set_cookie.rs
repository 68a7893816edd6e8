//! One `Set-Cookie` field, read as browsers read it (RFC 6265bis, section 5.6) and written under stricter terms.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which requests from other sites carry a cookie, from the loosest to the strictest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SameSite {
    /// All of them.
    None,
    /// Top-level navigations with a safe method.
    Lax,
    /// None.
    Strict,
}

impl SameSite {
    fn text(self) -> &'static str {
        match self {
            Self::None => "None",
            Self::Lax => "Lax",
            Self::Strict => "Strict",
        }
    }

    fn parse(value: &[u8]) -> Option<Self> {
        [Self::None, Self::Lax, Self::Strict]
            .into_iter()
            .find(|one| value.eq_ignore_ascii_case(one.text().as_bytes()))
    }
}

/// What a cookie must be at least.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// Over https only.
    pub secure: bool,
    /// Out of scripts' reach.
    pub http_only: bool,
    /// No looser than this; what says nothing gets it.
    pub same_site: Option<SameSite>,
}

impl Terms {
    /// Whether every cookie under these terms also fulfils `other`.
    pub fn at_least(self, other: Self) -> bool {
        self.secure >= other.secure && self.http_only >= other.http_only && self.same_site >= other.same_site
    }
}

/// A `Set-Cookie` field.
pub struct SetCookie<'f> {
    /// Name and value as they stand.
    pair: &'f [u8],
    attributes: Vec<&'f [u8]>,
}

impl<'f> SetCookie<'f> {
    /// Reads a field; browsers read whatever there is.
    pub fn parse(field: &'f [u8]) -> Self {
        let mut parts = field.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
        let pair = parts.next().unwrap_or_default();
        Self { pair, attributes: parts.filter(|part| !part.is_empty()).collect() }
    }

    /// The cookie's name.
    pub fn name(&self) -> &'f [u8] {
        match self.pair.iter().position(|byte| *byte == b'=') {
            Some(at) => self.pair.split_at(at).0.trim_ascii_end(),
            // Without a `=` all of it is the value of a cookie without a name.
            None => &[],
        }
    }

    /// The field under `terms`, and such that browsers accept it: prefixes and `SameSite=None` want `Secure`.
    pub fn under(&self, terms: Terms) -> Vec<u8> {
        let is_host = self.is_prefixed(b"__host-");
        // The last one counts.
        let written = self.attributes.iter().rfind(|part| key(part).eq_ignore_ascii_case(b"samesite"));
        let written = written.and_then(|part| SameSite::parse(value(part)));
        let same_site = written.max(terms.same_site);
        let has = |name: &[u8]| self.attributes.iter().any(|part| key(part).eq_ignore_ascii_case(name));
        let secure = terms.secure
            || has(b"secure")
            || has(b"partitioned")
            || is_host
            || self.is_prefixed(b"__secure-")
            || same_site == Some(SameSite::None);
        let mut field = self.pair.to_vec();
        let mut add = |part: &[u8]| {
            field.extend_from_slice(b"; ");
            field.extend_from_slice(part);
        };
        let ours: [&[u8]; 3] = [b"secure", b"httponly", b"samesite"];
        let not_for_hosts: [&[u8]; 2] = [b"domain", b"path"];
        for part in &self.attributes {
            let is = |name: &&[u8]| key(part).eq_ignore_ascii_case(name);
            let not_for_this = is_host && not_for_hosts.iter().any(is);
            if !ours.iter().any(is) && !not_for_this {
                add(part);
            }
        }
        if is_host {
            add(b"Path=/");
        }
        if secure {
            add(b"Secure");
        }
        if terms.http_only || has(b"httponly") {
            add(b"HttpOnly");
        }
        if let Some(same_site) = same_site {
            add(b"SameSite=");
            field.extend_from_slice(same_site.text().as_bytes());
        }
        field
    }

    /// Browsers compare the prefix without case.
    fn is_prefixed(&self, prefix: &[u8]) -> bool {
        self.name().get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
    }
}

fn key(part: &[u8]) -> &[u8] {
    part.split(|byte| *byte == b'=').next().unwrap_or_default().trim_ascii()
}

fn value(part: &[u8]) -> &[u8] {
    part.iter()
        .position(|byte| *byte == b'=')
        .and_then(|at| part.get(at + 1..))
        .unwrap_or_default()
        .trim_ascii()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LAX: Terms = Terms { secure: true, http_only: true, same_site: Some(SameSite::Lax) };

    fn under(field: &str, terms: Terms) -> String {
        String::from_utf8(SetCookie::parse(field.as_bytes()).under(terms)).unwrap()
    }

    #[test]
    fn a_cookie_gets_what_it_lacks_and_keeps_what_is_stricter() {
        for (field, expected) in [
            ("a=1", "a=1; Secure; HttpOnly; SameSite=Lax"),
            ("a=1; Path=/x; Max-Age=5", "a=1; Path=/x; Max-Age=5; Secure; HttpOnly; SameSite=Lax"),
            ("a=1; secure; HTTPONLY; samesite=strict", "a=1; Secure; HttpOnly; SameSite=Strict"),
            ("a=1; SameSite=None", "a=1; Secure; HttpOnly; SameSite=Lax"),
            ("a=1; SameSite=Strict; SameSite=None", "a=1; Secure; HttpOnly; SameSite=Lax"),
            ("a=1; SameSite=Bogus", "a=1; Secure; HttpOnly; SameSite=Lax"),
            ("a=1; Secure=false; HttpOnly=no", "a=1; Secure; HttpOnly; SameSite=Lax"),
            ("a=\"x; y\"", "a=\"x; y\"; Secure; HttpOnly; SameSite=Lax"),
            ("a=b=c", "a=b=c; Secure; HttpOnly; SameSite=Lax"),
            ("__Host-a=1; Domain=example.com; Path=/x", "__Host-a=1; Path=/; Secure; HttpOnly; SameSite=Lax"),
            ("__host-a=1", "__host-a=1; Path=/; Secure; HttpOnly; SameSite=Lax"),
            ("a=1;; ;Partitioned", "a=1; Partitioned; Secure; HttpOnly; SameSite=Lax"),
        ] {
            assert_eq!(under(field, LAX), expected, "{field}");
        }
    }

    #[test]
    fn without_terms_only_what_browsers_would_refuse_is_mended() {
        for (field, expected) in [
            ("a=1; Path=/", "a=1; Path=/"),
            ("a=1; SameSite=None", "a=1; Secure; SameSite=None"),
            ("__Secure-a=1", "__Secure-a=1; Secure"),
            ("__Host-a=1; Path=/", "__Host-a=1; Path=/; Secure"),
            ("a=1; Partitioned", "a=1; Partitioned; Secure"),
        ] {
            assert_eq!(under(field, Terms::default()), expected, "{field}");
        }
    }

    proptest! {
        #[test]
        fn whatever_comes_is_protected(field in proptest::collection::vec(any::<u8>(), 0..80)) {
            let once = SetCookie::parse(&field).under(LAX);
            prop_assert_eq!(&SetCookie::parse(&once).under(LAX), &once, "a second time changes nothing");
            let read = SetCookie::parse(&once);
            prop_assert_eq!(read.name(), SetCookie::parse(&field).name());
            for name in [&b"Secure"[..], b"HttpOnly"] {
                prop_assert!(read.attributes.contains(&name));
            }
            let same_site: Vec<_> = read.attributes.iter().filter(|part| key(part) == b"SameSite").collect();
            prop_assert!(matches!(same_site.as_slice(), [one] if value(one) != b"None"));
        }
    }
}
