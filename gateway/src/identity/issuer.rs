//! What an issuer publishes: its key set, and where that is. Everything that comes is bounded, and nothing that it
//! says leads to another host or away from TLS.

use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AGE, CACHE_CONTROL, ETAG, IF_NONE_MATCH, LOCATION, USER_AGENT};
use http::{HeaderMap, HeaderValue, Request, StatusCode, Uri};
use http_body_util::Full;
use rules::credential::{KeySource, KeysAt};
use rules::identities::keys::is_loopback;
use rules::token::KeySet;
use serde_json::Value;
use tokio::time::timeout;

use crate::fetch::{Bounds, Fetched, Fetcher};

/// What a fetch may cost as a whole, the way to the key set included.
const BOUNDS: Bounds = Bounds { time: Duration::from_secs(5), bytes: 256 * 1024 };
const REDIRECTS: usize = 3;
/// Longer ones are not kept.
const LONGEST_TAG: usize = 256;

/// A key set as it was published, ready for use.
pub(super) struct Published {
    /// The keys.
    pub(super) keys: KeySet,
    /// The set that they were read from.
    pub(super) set: Value,
    /// What the issuer calls this version of it.
    pub(super) tag: Option<Tag>,
}

/// What the set at an address is called (RFC 9110, section 8.8.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tag {
    /// The address.
    pub(super) address: String,
    /// The name.
    pub(super) value: HeaderValue,
}

/// What an issuer answers.
pub(super) struct Answer {
    /// The set; none where it is the one whose tag was sent along.
    pub(super) published: Option<Published>,
    /// For how long the answer holds by its own word.
    pub(super) max_age: Option<Duration>,
}

/// Whoever can be asked for an issuer's keys. Why there are none is a sentence for the operator.
pub(super) trait Ask: Send + Sync + 'static {
    /// Asks for the keys; `known` is what the set was called the last time.
    fn ask(
        &self,
        source: &KeySource,
        known: Option<&Tag>,
    ) -> impl Future<Output = Result<Answer, String>> + Send;
}

impl Ask for Fetcher {
    async fn ask(&self, source: &KeySource, known: Option<&Tag>) -> Result<Answer, String> {
        let asking = ask(self, source, known);
        timeout(BOUNDS.time, asking).await.unwrap_or_else(|_| Err("no whole answer came in time".to_owned()))
    }
}

async fn ask(fetcher: &Fetcher, source: &KeySource, known: Option<&Tag>) -> Result<Answer, String> {
    let address = match &source.from {
        KeysAt::Url(url) => url.clone(),
        KeysAt::Issuer(issuer) => {
            let document = get(fetcher, &configuration_of(issuer), None).await?;
            if document.status != StatusCode::OK {
                return Err(format!("its OpenID configuration: the answer has status {}", document.status));
            }
            key_set_of(issuer, &document.body).map_err(|why| format!("its OpenID configuration: {why}"))?
        }
    };
    let known = known.filter(|tag| tag.address == address).map(|tag| &tag.value);
    let answer = get(fetcher, &address, known).await?;
    let max_age = max_age(&answer.fields);
    if answer.status == StatusCode::NOT_MODIFIED && known.is_some() {
        return Ok(Answer { published: None, max_age });
    }
    if answer.status != StatusCode::OK {
        return Err(format!("the answer has status {}", answer.status));
    }
    let mut published = read(&answer.body, source)?;
    let tag = answer.fields.get(ETAG).filter(|tag| tag.len() <= LONGEST_TAG && tag.to_str().is_ok());
    published.tag = tag.map(|value| Tag { address, value: value.clone() });
    Ok(Answer { published: Some(published), max_age })
}

/// A key set from its text.
pub(super) fn read(text: &[u8], source: &KeySource) -> Result<Published, String> {
    let keys = KeySet::from_jwks(text, &source.algorithms, false).map_err(|why| why.to_string())?;
    let set = serde_json::from_slice(text).map_err(|why| why.to_string())?;
    Ok(Published { keys, set, tag: None })
}

/// Where an issuer's configuration is (`OpenID` Connect Discovery 1.0, section 4).
pub(super) fn configuration_of(issuer: &str) -> String {
    format!("{}/.well-known/openid-configuration", issuer.strip_suffix('/').unwrap_or(issuer))
}

/// Where the key set is, by the issuer's configuration.
fn key_set_of(issuer: &str, document: &[u8]) -> Result<String, String> {
    let document: Value = serde_json::from_slice(document).map_err(|_| "it is not JSON".to_owned())?;
    // Otherwise whoever can put a document there would speak for every issuer.
    if document.get("issuer").and_then(Value::as_str) != Some(issuer) {
        return Err("its `issuer` is not the configured one, byte for byte".to_owned());
    }
    let address = document.get("jwks_uri").and_then(Value::as_str).ok_or("it has no `jwks_uri`")?;
    let (own, uri) =
        (origin(&parsed(issuer)?)?, parsed(address).map_err(|_| "its `jwks_uri` is not an address")?);
    let (scheme, host, _) = origin(&uri)?;
    if own.0 == "https" && scheme != "https" {
        return Err("its `jwks_uri` leaves TLS".to_owned());
    }
    if is_loopback(&host) && !is_loopback(&own.1) {
        return Err("its `jwks_uri` is on this machine itself".to_owned());
    }
    Ok(address.to_owned())
}

/// GET, along redirects that stay where they are.
async fn get(fetcher: &Fetcher, address: &str, known: Option<&HeaderValue>) -> Result<Fetched, String> {
    let mut uri = parsed(address)?;
    let home = origin(&uri)?;
    for _ in 0..=REDIRECTS {
        let answer = fetcher.send(request(&uri, known)?, BOUNDS).await.map_err(|why| why.to_string())?;
        if !matches!(answer.status.as_u16(), 301 | 302 | 303 | 307 | 308) {
            return Ok(answer);
        }
        let target = answer.fields.get(LOCATION).and_then(|target| target.to_str().ok());
        uri = follow(&uri, target.ok_or("it redirects to nowhere")?)?;
        if origin(&uri)? != home {
            return Err("it redirects to another host, port or scheme".to_owned());
        }
    }
    Err("it redirects too often".to_owned())
}

fn request(uri: &Uri, known: Option<&HeaderValue>) -> Result<Request<Full<Bytes>>, String> {
    let mut request = Request::get(uri)
        .header(ACCEPT, "application/jwk-set+json, application/json")
        .header(USER_AGENT, "portcullis");
    if let Some(tag) = known {
        request = request.header(IF_NONE_MATCH, tag);
    }
    request.body(Full::default()).map_err(|why| why.to_string())
}

fn parsed(address: &str) -> Result<Uri, String> {
    address.parse().map_err(|_| "it is not an address".to_owned())
}

/// Scheme, host and port.
fn origin(uri: &Uri) -> Result<(String, String, u16), String> {
    let scheme = uri.scheme_str().unwrap_or_default();
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    let default = match scheme {
        "http" => 80,
        "https" => 443,
        _ => return Err("the address is neither http:// nor https://".to_owned()),
    };
    // User information is refused here, too.
    let host = rules::host::Host::parse(authority).ok_or("the address has no valid host")?;
    Ok((scheme.to_owned(), host.name().to_owned(), host.port().unwrap_or(default)))
}

/// Where `target` leads from `here` (RFC 3986, section 5).
fn follow(here: &Uri, target: &str) -> Result<Uri, String> {
    let target = target.split('#').next().unwrap_or_default();
    let (scheme, authority) =
        (here.scheme_str().unwrap_or_default(), here.authority().map_or("", |authority| authority.as_str()));
    let colon = target.find(':').filter(|&at| !target.get(..at).unwrap_or_default().contains(['/', '?']));
    let whole = if colon.is_some() {
        target.to_owned()
    } else if target.starts_with("//") {
        format!("{scheme}:{target}")
    } else if target.starts_with('/') {
        format!("{scheme}://{authority}{target}")
    } else if target.is_empty() || target.starts_with('?') {
        format!("{scheme}://{authority}{}{target}", here.path())
    } else {
        let folder = here.path().rsplit_once('/').map_or("", |(folder, _)| folder);
        format!("{scheme}://{authority}{folder}/{target}")
    };
    whole.parse().map_err(|_| "it redirects to what is not an address".to_owned())
}

/// How much longer the answer is fresh (RFC 9111, sections 4.2.1 and 4.2.3).
fn max_age(fields: &HeaderMap) -> Option<Duration> {
    let directives = fields.get_all(CACHE_CONTROL).iter().filter_map(|field| field.to_str().ok());
    let seconds = directives.flat_map(|field| field.split(',')).find_map(|directive| {
        let (name, value) = directive.trim().split_once('=')?;
        name.eq_ignore_ascii_case("max-age").then(|| value.trim_matches('"').parse::<u64>().ok())?
    })?;
    let age = fields.get(AGE).and_then(|age| age.to_str().ok()).and_then(|age| age.parse().ok());
    Some(Duration::from_secs(seconds.saturating_sub(age.unwrap_or(0))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_is_below_the_issuer() {
        for issuer in ["https://a.test", "https://a.test/"] {
            assert_eq!(configuration_of(issuer), "https://a.test/.well-known/openid-configuration");
        }
        assert_eq!(
            configuration_of("https://a.test/realms/x"),
            "https://a.test/realms/x/.well-known/openid-configuration"
        );
    }

    #[test]
    fn the_configuration_is_believed_for_its_issuer_and_no_further() {
        let document =
            |issuer: &str, address: &str| format!(r#"{{"issuer": "{issuer}", "jwks_uri": "{address}"}}"#);
        let told = |issuer: &str, text: &str| key_set_of(issuer, text.as_bytes());
        for (issuer, address) in [
            ("https://a.test/", "https://a.test/jwks"),
            ("https://a.test/", "https://keys.b.test:8443/jwks?v=1"),
            ("http://127.0.0.1:1/", "http://127.0.0.1:2/jwks"),
            ("http://a.test/", "https://b.test/jwks"),
        ] {
            assert_eq!(told(issuer, &document(issuer, address)), Ok(address.to_owned()));
        }
        for (issuer, named, address, why) in [
            ("https://a.test/", "https://a.test", "https://a.test/jwks", "byte for byte"),
            ("https://a.test/", "https://A.test/", "https://a.test/jwks", "byte for byte"),
            ("https://a.test/", "https://evil.test/", "https://a.test/jwks", "byte for byte"),
            ("https://a.test/", "https://a.test/", "http://a.test/jwks", "leaves TLS"),
            ("https://a.test/", "https://a.test/", "https://127.0.0.1/jwks", "this machine"),
            ("https://a.test/", "https://a.test/", "https://localhost:81/jwks", "this machine"),
            ("https://a.test/", "https://a.test/", "file:///etc/jwks", "not an address"),
            ("https://a.test/", "https://a.test/", "https://a@b.test/jwks", "no valid host"),
            ("https://a.test/", "https://a.test/", "/jwks", "neither"),
        ] {
            let told = told(issuer, &document(named, address)).unwrap_err();
            assert!(told.contains(why), "{named} {address}: {told}");
        }
        for text in ["", "[]", "{}", r#"{"issuer": "https://a.test/"}"#, r#"{"issuer": ["https://a.test/"]}"#]
        {
            assert!(told("https://a.test/", text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_redirect_is_read_as_browsers_do() {
        let here = "https://a.test/x/jwks?v=1".parse().unwrap();
        for (target, there) in [
            ("https://b.test/", "https://b.test/"),
            ("//b.test/y", "https://b.test/y"),
            ("/y", "https://a.test/y"),
            ("y?z=1", "https://a.test/x/y?z=1"),
            ("?v=2", "https://a.test/x/jwks?v=2"),
            ("/y#fragment", "https://a.test/y"),
            ("http://a.test/y", "http://a.test/y"),
            ("y/z:1", "https://a.test/x/y/z:1"),
        ] {
            assert_eq!(follow(&here, target).unwrap().to_string(), there, "{target}");
        }
        for target in ["/ y", "https://", "data:,x"] {
            let away = follow(&here, target).and_then(|uri| origin(&uri));
            assert!(away.is_err(), "{target}: {away:?}");
        }
        let same = |uri: &str| origin(&uri.parse().unwrap()).unwrap();
        assert_eq!(same("https://a.test/"), same("HTTPS://A.test:443/b"));
        assert_ne!(same("https://a.test/"), same("https://a.test:444/"));
        assert_ne!(same("https://a.test/"), same("http://a.test:443/"));
    }

    #[test]
    fn freshness_is_what_is_left_of_max_age() {
        let told = |fields: &[(&'static str, &'static str)]| {
            let mut map = HeaderMap::new();
            for (name, value) in fields {
                map.append(*name, HeaderValue::from_static(value));
            }
            max_age(&map).map(|age| age.as_secs())
        };
        assert_eq!(told(&[]), None);
        assert_eq!(told(&[("cache-control", "public, Max-Age=300, must-revalidate")]), Some(300));
        assert_eq!(told(&[("cache-control", "public"), ("cache-control", "max-age=\"60\"")]), Some(60));
        assert_eq!(told(&[("cache-control", "max-age=300"), ("age", "120")]), Some(180));
        assert_eq!(told(&[("cache-control", "max-age=300"), ("age", "999")]), Some(0));
        for field in [
            "no-store",
            "max-age",
            "max-age=",
            "max-age=-1",
            "max-age=x",
            "s-maxage=5",
            "max-age=99999999999999999999",
        ] {
            assert_eq!(told(&[("cache-control", field)]), None, "{field}");
        }
    }
}
