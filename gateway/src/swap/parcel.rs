//! What a try carries besides method and token: pure, and without a secret.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONNECTION, CONTENT_TYPE, COOKIE, USER_AGENT};
use http::{HeaderName, HeaderValue, Method, Request};
use http_body_util::Full;
use rules::credential::Carrier;
use rules::route::Pattern;
use rules::token::ClaimPath;
use serde_json::{Map, Value};

use super::PROBE;
use super::base::Base;
use super::place::Place;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Path, query, fields and body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Parcel {
    pub(super) path: String,
    query: Vec<String>,
    fields: Vec<(HeaderName, HeaderValue)>,
    cookies: Vec<String>,
    body: Option<Bytes>,
}

impl Parcel {
    /// Fills `pattern` in, and every place with the tenant that goes with it.
    pub(super) fn pack(
        pattern: &Pattern,
        named: &[(&Place, &str)],
        captures: &BTreeMap<String, String>,
    ) -> Result<Self, String> {
        let captured = |name: &str| {
            let bound = named.iter().find(|(place, _)| matches!(place, Place::Path(bound) if bound == name));
            let given = || captures.get(name).map_or(PROBE, String::as_str);
            bound.map_or_else(given, |(_, tenant)| tenant)
        };
        let rest = captures.get("**").map_or(PROBE, String::as_str);
        let mut parcel = Self { path: pattern.fill(captured, rest), ..Self::default() };
        let mut document = Map::new();
        for (place, tenant) in named {
            match place {
                Place::Path(_) => {}
                Place::Query(name) => parcel.query.push(format!("{}={}", encoded(name), encoded(tenant))),
                Place::Header(name) => {
                    let value = HeaderValue::from_str(tenant);
                    let value = value.map_err(|_| format!("`{tenant}` cannot stand in a header field"))?;
                    parcel.fields.push((name.clone(), value));
                }
                Place::Cookie(name) => {
                    // RFC 6265, section 4.1.1: what a cookie's value may have.
                    let plain = |byte: u8| byte.is_ascii_graphic() && !b"\",;\\".contains(&byte);
                    if !tenant.bytes().all(plain) {
                        return Err(format!("`{tenant}` cannot stand in a cookie"));
                    }
                    parcel.cookies.push(format!("{name}={tenant}"));
                }
                Place::Body(pointer) => {
                    let path = ClaimPath::parse(pointer).map_err(str::to_owned)?;
                    path.put(&mut document, Value::from(*tenant));
                }
            }
        }
        if !document.is_empty() {
            parcel.body = Some(Value::Object(document).to_string().into());
        }
        Ok(parcel)
    }

    /// The request, with the token where its identity looks for it.
    pub(super) fn request(
        &self,
        base: &Base,
        method: &Method,
        carrier: &Carrier,
        token: &str,
    ) -> Result<Request<Full<Bytes>>, http::Error> {
        let (mut query, mut cookies) = (self.query.clone(), self.cookies.clone());
        let mut shown = Vec::new();
        match carrier {
            Carrier::Bearer => shown.push((AUTHORIZATION, format!("Bearer {token}"))),
            Carrier::Header(name) => shown.push((name.clone(), token.to_owned())),
            Carrier::Cookie(name) => {
                cookies.push(format!("{name}={token}"));
                // As the app's own pages send it: the tenant is tried here, not where requests may come from.
                shown.push((SEC_FETCH_SITE, "same-origin".to_owned()));
            }
            Carrier::Query(name) => query.push(format!("{}={}", encoded(name), encoded(token))),
        }
        if !cookies.is_empty() {
            shown.push((COOKIE, cookies.join("; ")));
        }
        let mut builder = Request::builder()
            .method(method)
            .uri(base.address(&self.path, &query.join("&")))
            .header(ACCEPT, "application/json")
            // A server that ends a connection just when it is used again would look as if nobody was there.
            .header(CONNECTION, "close")
            .header(USER_AGENT, concat!("portcullis-swap/", env!("CARGO_PKG_VERSION")));
        for (name, value) in &self.fields {
            builder = builder.header(name, value);
        }
        for (name, value) in shown {
            let mut value = HeaderValue::from_str(&value)?;
            value.set_sensitive(true);
            builder = builder.header(name, value);
        }
        if self.body.is_some() {
            builder = builder.header(CONTENT_TYPE, "application/json");
        }
        builder.body(Full::new(self.body.clone().unwrap_or_default()))
    }
}

/// Percent-encoded so that every reader of a query sees the same: all but RFC 3986's unreserved characters.
fn encoded(text: &str) -> String {
    use std::fmt::Write as _;
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}
