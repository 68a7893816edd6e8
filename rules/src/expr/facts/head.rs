//! What follows from a request's head.

use std::borrow::Cow;

use http::header::{ACCEPT_LANGUAGE, COOKIE, HeaderName};
use http::{HeaderMap, HeaderValue, Version};

use super::super::decode::{Decoding, url};
use super::{Facts, Head};

/// A name and a value.
pub(super) type Pair<'a> = (Cow<'a, [u8]>, &'a [u8]);

impl<'a> Facts<'a> {
    /// Path and query.
    pub(super) fn uri(&self) -> &[u8] {
        match self.head.query {
            None => self.head.path.as_bytes(),
            Some(query) => self.kept.uri.get_or_init(|| asked(self.head.path.as_bytes(), query.as_bytes())),
        }
    }

    /// The same as the client sent them.
    pub(super) fn raw_uri(&self) -> &[u8] {
        match self.head.raw_query {
            None => self.head.raw_path,
            Some(query) => self.kept.raw_uri.get_or_init(|| asked(self.head.raw_path, query)),
        }
    }

    pub(super) fn full_uri(&self) -> &[u8] {
        self.kept.full_uri.get_or_init(|| self.head.absolute(self.uri()))
    }

    pub(super) fn raw_full_uri(&self) -> &[u8] {
        self.kept.raw_full_uri.get_or_init(|| self.head.absolute(self.raw_uri()))
    }

    /// The `Cookie` field; HTTP/2 may send it in pieces (RFC 9113, section 8.2.3).
    pub(super) fn cookie(&self) -> &[u8] {
        joined(self.head.headers, &COOKIE, b"; ", &self.kept.cookie)
    }

    pub(super) fn forwarded_for(&self) -> &[u8] {
        const NAME: HeaderName = HeaderName::from_static("x-forwarded-for");
        joined(self.head.headers, &NAME, b", ", &self.kept.forwarded_for)
    }

    pub(super) fn args(&self) -> &[Pair<'a>] {
        self.kept.args.get_or_init(|| pairs(self.head.query.unwrap_or_default().as_bytes()))
    }

    pub(super) fn raw_args(&self) -> &[Pair<'a>] {
        self.kept.raw_args.get_or_init(|| pairs(self.head.raw_query.unwrap_or_default()))
    }

    /// The cookies, their names decoded.
    pub(super) fn cookies(&self) -> &[Pair<'a>] {
        self.kept.cookies.get_or_init(|| {
            let fields = self.head.headers.get_all(COOKIE).into_iter();
            let cookies = fields.flat_map(|field| field.as_bytes().split(|byte| *byte == b';'));
            let pair = |cookie: &'a [u8]| {
                let cookie = cookie.trim_ascii();
                let (name, value) = halves(cookie);
                (!cookie.is_empty()).then(|| (url(Cow::Borrowed(name), Decoding::default()), value))
            };
            cookies.filter_map(pair).collect()
        })
    }

    /// What `Accept-Language` asks for, the dearest first.
    pub(super) fn languages(&self) -> &[&'a [u8]] {
        self.kept.languages.get_or_init(|| {
            let fields = self.head.headers.get_all(ACCEPT_LANGUAGE).into_iter();
            let ranges = fields.flat_map(|field| field.as_bytes().split(|byte| *byte == b','));
            let mut weighed: Vec<(u16, &[u8])> = ranges.filter_map(weighed).collect();
            weighed.sort_by_key(|(weight, _)| std::cmp::Reverse(*weight));
            weighed.into_iter().map(|(_, range)| range).collect()
        })
    }
}

impl Head<'_> {
    fn absolute(&self, uri: &[u8]) -> Box<[u8]> {
        let scheme: &[u8] = if self.secure { b"https://" } else { b"http://" };
        [scheme, self.host.as_bytes(), uri].concat().into()
    }

    pub(super) fn version(&self) -> &'static str {
        match self.version {
            Version::HTTP_09 => "HTTP/0.9",
            Version::HTTP_10 => "HTTP/1.0",
            Version::HTTP_2 => "HTTP/2",
            Version::HTTP_3 => "HTTP/3",
            _ => "HTTP/1.1",
        }
    }
}

fn asked(path: &[u8], query: &[u8]) -> Box<[u8]> {
    [path, b"?", query].concat().into()
}

/// All fields called `name` as one, borrowed where there is only one.
fn joined<'f>(
    headers: &'f HeaderMap,
    name: &HeaderName,
    between: &[u8],
    kept: &'f std::cell::OnceCell<Box<[u8]>>,
) -> &'f [u8] {
    let mut fields = headers.get_all(name).into_iter();
    match (fields.next(), fields.next()) {
        (None, _) => &[],
        (Some(only), None) => only.as_bytes(),
        _ => kept.get_or_init(|| {
            let fields: Vec<&[u8]> = headers.get_all(name).into_iter().map(HeaderValue::as_bytes).collect();
            fields.join(between).into()
        }),
    }
}

/// The arguments of a query or a form, as they stand: nothing is decoded.
pub(super) fn pairs(query: &[u8]) -> Box<[Pair<'_>]> {
    let parts = query.split(|byte| *byte == b'&').filter(|part| !part.is_empty());
    parts.map(|part| (Cow::Borrowed(halves(part).0), halves(part).1)).collect()
}

/// What stands before and after the first `=`.
pub(super) fn halves(part: &[u8]) -> (&[u8], &[u8]) {
    let at = part.iter().position(|byte| *byte == b'=').unwrap_or(part.len());
    let (name, rest) = part.split_at_checked(at).unwrap_or((part, &[]));
    (name, rest.get(1..).unwrap_or_default())
}

/// A language and its weight in thousandths (RFC 9110, section 12.5.4); not the one that stands for all others.
fn weighed(range: &[u8]) -> Option<(u16, &[u8])> {
    let mut parts = range.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
    let language = parts.next().filter(|language| !language.is_empty() && *language != b"*")?;
    let weight = parts.find_map(|part| part.strip_prefix(b"q=").or_else(|| part.strip_prefix(b"Q=")));
    Some((weight.map_or(Some(1000), thousandths).filter(|weight| *weight > 0)?, language))
}

fn thousandths(weight: &[u8]) -> Option<u16> {
    let text = std::str::from_utf8(weight).ok()?;
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits = part.bytes().chain(std::iter::repeat(b'0')).take(3);
    let part = digits.map(char::from).collect::<String>().parse::<u16>().ok()?;
    Some((whole.parse::<u16>().ok()?.checked_mul(1000)?.checked_add(part)?).min(1000))
}

/// The extension of a path's last segment, in lower case; none for a name that only begins with a dot.
pub(super) fn extension(path: &[u8]) -> Cow<'_, [u8]> {
    let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    let dot = name.iter().rposition(|byte| *byte == b'.').filter(|dot| *dot > 0);
    let extension = dot.and_then(|dot| name.get(dot + 1..)).unwrap_or_default();
    if extension.iter().any(u8::is_ascii_uppercase) {
        Cow::Owned(extension.to_ascii_lowercase())
    } else {
        Cow::Borrowed(extension)
    }
}
