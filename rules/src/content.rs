//! A request's content (RFC 9110, section 6.4) as body gates see it: unpacked once, and read as JSON once, for all of
//! them.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::io::Read as _;

use flate2::bufread::{GzDecoder, ZlibDecoder};
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::strict_json::{self, Limits};

/// A content coding (RFC 9110, section 8.4.1) that the gateway can unpack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Coding {
    /// RFC 1952.
    Gzip,
    /// RFC 1950 around RFC 1951.
    Deflate,
}

impl Coding {
    /// Its name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
        }
    }
}

/// The content coding of a request.
///
/// # Errors
/// When there are several, or one that is not known here.
pub fn coding(fields: &HeaderMap) -> Result<Option<Coding>, &'static str> {
    let mut codings = fields.get_all(CONTENT_ENCODING).iter();
    let Some(first) = codings.next() else { return Ok(None) };
    if codings.next().is_some() {
        return Err("there is more than one Content-Encoding field");
    }
    let is = |name: &str| first.as_bytes().eq_ignore_ascii_case(name.as_bytes());
    if is("identity") {
        return Ok(None);
    }
    let known = [Coding::Gzip, Coding::Deflate].into_iter().find(|coding| is(coding.name()));
    known.map(Some).ok_or("the Content-Encoding is not one that is known here")
}

/// The media type of a request's content without its parameters, in lower case.
///
/// # Errors
/// When it is there more than once or cannot be read.
pub fn media_type(fields: &HeaderMap) -> Result<Option<String>, &'static str> {
    let mut types = fields.get_all(CONTENT_TYPE).iter();
    let Some(first) = types.next() else { return Ok(None) };
    if types.next().is_some() {
        return Err("there is more than one Content-Type field");
    }
    let text = first.to_str().map_err(|_| "the Content-Type is not ASCII")?;
    let essence = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let mut halves = essence.split('/');
    let token = |half: Option<&str>| {
        half.is_some_and(|half| {
            let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte);
            !half.is_empty() && half.bytes().all(legal)
        })
    };
    if token(halves.next()) && token(halves.next()) && halves.next().is_none() {
        Ok(Some(essence))
    } else {
        Err("the Content-Type is no media type")
    }
}

/// Whether a media type is JSON (RFC 6839, section 3.1).
pub fn is_json(essence: &str) -> bool {
    essence == "application/json"
        || essence == "text/json"
        || (essence.starts_with("application/") && essence.ends_with("+json"))
}

/// The content of one request.
pub struct Content<'b> {
    bytes: Cow<'b, [u8]>,
    unpacked: bool,
    limits: Limits,
    json: OnceCell<Result<Value, String>>,
}

/// Why content cannot be unpacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packed {
    /// It is larger than is allowed once unpacked.
    TooLarge,
    /// It is not what its coding says.
    Broken,
}

impl<'b> Content<'b> {
    /// Content as it came.
    pub fn plain(bytes: &'b [u8], limits: Limits) -> Self {
        Self { bytes: Cow::Borrowed(bytes), unpacked: false, limits, json: OnceCell::new() }
    }

    /// Content unpacked, up to `max` bytes: what is larger is given up as soon as it shows.
    ///
    /// # Errors
    /// When it is too large or not soundly packed.
    pub fn unpack(bytes: &[u8], coding: Coding, max: u64, limits: Limits) -> Result<Self, Packed> {
        let (mut plain, mut rest) = (Vec::new(), bytes);
        let most = max.saturating_add(1);
        let read = match coding {
            Coding::Gzip => GzDecoder::new(&mut rest).take(most).read_to_end(&mut plain),
            Coding::Deflate => ZlibDecoder::new(&mut rest).take(most).read_to_end(&mut plain),
        };
        let length = read.map_err(|_| Packed::Broken)?;
        if u64::try_from(length).map_or(true, |length| length > max) {
            return Err(Packed::TooLarge);
        }
        // Some readers unpack what follows the first member as well, some leave it.
        if !rest.is_empty() {
            return Err(Packed::Broken);
        }
        Ok(Self { bytes: Cow::Owned(plain), unpacked: true, limits, json: OnceCell::new() })
    }

    /// Whether it came packed.
    pub fn is_unpacked(&self) -> bool {
        self.unpacked
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The document that it is: read at the first call, and remembered.
    ///
    /// # Errors
    /// A sentence for the log: why it is none that every reader would read alike.
    pub fn json(&self) -> Result<&Value, &str> {
        let read = || strict_json::parse_within(&self.bytes, self.limits);
        self.json.get_or_init(read).as_ref().map_err(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::{GzEncoder, ZlibEncoder};
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn what_is_packed_is_unpacked_up_to_its_bound() {
        let plain = br#"{"a":1}"#;
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(plain).unwrap();
        for (coding, packed) in [(Coding::Gzip, gzip(plain)), (Coding::Deflate, encoder.finish().unwrap())] {
            let content = Content::unpack(&packed, coding, 7, Limits::LOOSE).ok().unwrap();
            assert_eq!(content.bytes(), plain);
            assert_eq!(content.json().unwrap()["a"], 1);
            assert_eq!(Content::unpack(&packed, coding, 6, Limits::LOOSE).err(), Some(Packed::TooLarge));
            let cut = packed.get(..packed.len() - 5).unwrap();
            assert_eq!(Content::unpack(cut, coding, 7, Limits::LOOSE).err(), Some(Packed::Broken));
            assert_eq!(Content::unpack(plain, coding, 7, Limits::LOOSE).err(), Some(Packed::Broken));
        }
        for more in [gzip(b" "), gzip(b""), b"\0".to_vec()] {
            let two = [gzip(plain), more].concat();
            assert_eq!(Content::unpack(&two, Coding::Gzip, 99, Limits::LOOSE).err(), Some(Packed::Broken));
        }
        let bomb = gzip(&vec![0; 64 * 1024 * 1024]);
        assert!(bomb.len() < 100_000);
        assert_eq!(Content::unpack(&bomb, Coding::Gzip, 1024, Limits::LOOSE).err(), Some(Packed::TooLarge));
    }

    #[test]
    fn types_and_codings_are_read_like_everybody_reads_them() {
        let fields = |name: http::HeaderName, values: &[&str]| {
            let mut fields = HeaderMap::new();
            for value in values {
                fields.append(&name, HeaderValue::from_str(value).unwrap());
            }
            fields
        };
        for (values, essence) in [
            (&[][..], Ok(None)),
            (&["Application/JSON; charset=utf-8"], Ok(Some("application/json".to_owned()))),
            (&["multipart/form-data; boundary=x"], Ok(Some("multipart/form-data".to_owned()))),
        ] {
            assert_eq!(media_type(&fields(CONTENT_TYPE, values)), essence);
        }
        for values in [&["a/b", "a/b"][..], &["json"], &["a/b/c"], &["a/b, c/d"], &["/"], &[""], &["a b/c"]] {
            assert!(media_type(&fields(CONTENT_TYPE, values)).is_err(), "{values:?}");
        }
        for (values, found) in [
            (&[][..], None),
            (&["identity"], None),
            (&["GZIP"], Some(Coding::Gzip)),
            (&["deflate"], Some(Coding::Deflate)),
        ] {
            assert_eq!(coding(&fields(CONTENT_ENCODING, values)), Ok(found));
        }
        for values in [&["br"][..], &["gzip, gzip"], &["gzip", "gzip"], &["x-gzip"], &[""]] {
            assert!(coding(&fields(CONTENT_ENCODING, values)).is_err(), "{values:?}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_packed_nothing_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            for coding in [Coding::Gzip, Coding::Deflate] {
                if let Ok(content) = Content::unpack(&bytes, coding, 100, Limits::LOOSE) {
                    prop_assert!(content.bytes().len() <= 100);
                }
            }
        }
    }
}
