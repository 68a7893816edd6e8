//! The gates of `cors` on one route.

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, AUTHORIZATION, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use super::Cors;
use crate::origin::{self, Field};
use crate::policy::{HeadGate, Policy, PreflightGate, ReplyFields, ReplyGate, Speaker, Verdict};
use crate::verdict::{Code, Refusal};
use crate::view::View;

const ALLOW_PRIVATE_NETWORK: HeaderName = HeaderName::from_static("access-control-allow-private-network");
const REQUEST_PRIVATE_NETWORK: HeaderName = HeaderName::from_static("access-control-request-private-network");

/// What a preflight's answer depends on.
const PREFLIGHT_VARY: &str = "Origin, Access-Control-Request-Method, Access-Control-Request-Headers, \
                              Access-Control-Request-Private-Network";

/// Fields that pages may send without being asked about (Fetch Standard, CORS-safelisted request-header).
const SAFELISTED: [&str; 4] = ["accept", "accept-language", "content-language", "content-type"];

/// What a page needs to read of the gateway's own answers, to say why it was refused and when to come back.
const EXPLAINING: [&str; 5] =
    ["x-request-id", "retry-after", "ratelimit", "ratelimit-policy", "www-authenticate"];

fn list<'a>(words: impl Iterator<Item = &'a str>) -> Option<HeaderValue> {
    let words: Vec<&str> = words.collect();
    HeaderValue::try_from(words.join(", ")).ok().filter(|list| !list.is_empty())
}

/// The gates of a route, with what they say made beforehand.
pub(super) struct Terms {
    of: Cors,
    allow_methods: Option<HeaderValue>,
    allow_headers: Option<HeaderValue>,
    expose: Option<HeaderValue>,
    expose_own: Option<HeaderValue>,
    max_age: HeaderValue,
}

fn denied(private: &'static str) -> Refusal {
    Refusal::new(Code::OriginDenied, Cors::KEY, private)
}

impl Terms {
    pub(super) fn new(of: Cors) -> Self {
        let known = |name: &str| of.expose.any || of.expose.names.iter().any(|known| known == name);
        let explaining = EXPLAINING.into_iter().filter(|name| !known(name));
        Self {
            allow_methods: list(of.methods.iter().map(Method::as_str)),
            allow_headers: list(of.headers.texts()),
            expose: list(of.expose.texts()),
            expose_own: list(of.expose.texts().chain(explaining)),
            max_age: HeaderValue::from(of.max_age.as_secs()),
            of,
        }
    }

    fn grant(&self, view: &View<'_>) -> Option<HeaderValue> {
        match origin::field(view) {
            Field::One(origin) => self.of.origins.grant(origin),
            Field::Absent | Field::Several => None,
        }
    }

    /// Whether every name of `Access-Control-Request-Headers` may be sent.
    fn admits_fields(&self, view: &View<'_>) -> bool {
        view.headers.get_all(ACCESS_CONTROL_REQUEST_HEADERS).iter().all(|field| {
            let Ok(names) = field.to_str() else { return false };
            let mut names = names.split(',').map(str::trim).filter(|name| !name.is_empty());
            names.all(|name| {
                let safe = SAFELISTED.iter().any(|safe| name.eq_ignore_ascii_case(safe));
                safe || (self.may_send(name) && HeaderName::from_bytes(name.as_bytes()).is_ok())
            })
        })
    }

    /// `*` does not stand for `authorization` (Fetch Standard, CORS non-wildcard request-header name).
    fn may_send(&self, name: &str) -> bool {
        let any = self.of.headers.any && !name.eq_ignore_ascii_case(AUTHORIZATION.as_str());
        any || self.of.headers.names.iter().any(|known| name.eq_ignore_ascii_case(known.as_str()))
    }
}

impl PreflightGate for Terms {
    fn preflight(&self, view: &View<'_>) -> Result<HeaderMap, Refusal> {
        let granted =
            self.grant(view).ok_or_else(|| denied("the preflight's origin is not one of `cors.origins`"))?;
        let method = match Field::of(view.headers, ACCESS_CONTROL_REQUEST_METHOD) {
            Field::One(field) => Method::from_bytes(field.as_bytes()).ok(),
            Field::Absent | Field::Several => None,
        };
        // HEAD goes where GET goes, as it does among routes.
        let admitted = |method: &Method| {
            self.of.methods.contains(method)
                || (*method == Method::HEAD && self.of.methods.contains(&Method::GET))
        };
        if !method.as_ref().is_some_and(admitted) {
            return Err(denied("the preflight's method is not one of `cors.methods`"));
        }
        if !self.admits_fields(view) {
            return Err(denied("the preflight names a header field that is not one of `cors.headers`"));
        }
        let private = view.headers.contains_key(REQUEST_PRIVATE_NETWORK);
        if private && !self.of.private_network {
            return Err(denied("the preflight asks for a private network without `cors.private_network`"));
        }
        let mut fields = HeaderMap::new();
        fields.insert(ACCESS_CONTROL_ALLOW_ORIGIN, granted);
        let yes = || Some(HeaderValue::from_static("true"));
        let more = [
            (ACCESS_CONTROL_ALLOW_CREDENTIALS, yes().filter(|_| self.of.credentials)),
            (ACCESS_CONTROL_ALLOW_METHODS, self.allow_methods.clone()),
            (ACCESS_CONTROL_ALLOW_HEADERS, self.allow_headers.clone()),
            (ACCESS_CONTROL_MAX_AGE, Some(self.max_age.clone())),
            (ALLOW_PRIVATE_NETWORK, yes().filter(|_| private)),
            (VARY, Some(HeaderValue::from_static(PREFLIGHT_VARY))),
        ];
        fields.extend(more.into_iter().filter_map(|(name, value)| Some((name, value?))));
        Ok(fields)
    }
}

impl HeadGate for Terms {
    fn judge(&self, view: &View<'_>) -> Verdict {
        if !view.acts() {
            return Ok(());
        }
        match origin::field(view) {
            Field::Absent => Ok(()),
            Field::One(field) if origin::is_known(field.to_str().ok(), Some(&self.of.origins), view) => {
                Ok(())
            }
            Field::One(field) if field == "null" && origin::is_same_by_fetch_metadata(view) => Ok(()),
            Field::One(_) => {
                Err(denied("the page's origin is neither the service's own nor one of `cors.origins`"))
            }
            Field::Several => Err(denied("`Origin` is repeated")),
        }
    }
}

impl ReplyGate for Terms {
    fn edit(&self, view: &View<'_>, speaker: Speaker, fields: &mut dyn ReplyFields) {
        if speaker == Speaker::Upstream {
            let theirs = |name: &&HeaderName| name.as_str().starts_with("access-control-");
            let theirs: Vec<HeaderName> = fields.all().keys().filter(theirs).cloned().collect();
            for name in &theirs {
                fields.remove(name);
            }
        }
        vary(fields);
        // The answer to a preflight is whole, and a refused one says nothing more.
        let preflight =
            view.method == Method::OPTIONS && view.headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
        let Some(granted) = self.grant(view).filter(|_| !preflight) else { return };
        fields.set(ACCESS_CONTROL_ALLOW_ORIGIN, granted);
        if self.of.credentials {
            fields.set(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
        let expose = if speaker == Speaker::Gateway { &self.expose_own } else { &self.expose };
        if let Some(expose) = expose {
            fields.set(ACCESS_CONTROL_EXPOSE_HEADERS, expose.clone());
        }
    }
}

/// Tells caches that the answer depends on `Origin`, besides what it says already.
fn vary(fields: &mut dyn ReplyFields) {
    let told: Vec<&str> = fields.all().get_all(VARY).iter().filter_map(|field| field.to_str().ok()).collect();
    let named = |word: &str| word.trim() == "*" || word.trim().eq_ignore_ascii_case(ORIGIN.as_str());
    if told.iter().any(|list| list.split(',').any(named)) {
        return;
    }
    // In one field: some caches read no second one.
    let merged = match told.as_slice() {
        [] => Ok(HeaderValue::from_static("Origin")),
        lists => HeaderValue::try_from(format!("{}, Origin", lists.join(", "))),
    };
    if let Ok(merged) = merged {
        fields.set(VARY, merged);
    }
}
