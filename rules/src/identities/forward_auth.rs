//! `kind: forward_auth`: a login service that is there already (oauth2-proxy, Authelia, Authentik, an `/auth` of
//! one's own) says who calls. It is asked about each request, and what it does not clearly affirm is refused.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::header::{AUTHORIZATION, COOKIE};
use http::{HeaderName, Uri};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::gate::ForwardAuth;
use super::Making;
use super::mapping::{Mapping, NOT_FORWARDABLE};
use crate::credential::Login;
use crate::host::Host;
use crate::policy::IdentityDef;
use crate::problem::{Place, Problem};
use crate::units::Time;

mod gate;
#[cfg(test)]
mod tests;

/// The kind, as it is written.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ForwardAuthKind {
    /// A login service that is asked.
    ForwardAuth,
}

/// An identity of this kind as written.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawForwardAuth {
    /// What kind of credential it is.
    pub kind: ForwardAuthKind,
    /// Where the login service is asked, by GET. 2xx admits, 401 and a redirect mean that nobody is signed in, 403
    /// that it is not permitted; anything else closes the gate. It gets the fields of `send` and
    /// `X-Forwarded-Method`, `-Proto`, `-Host`, `-Uri` and `-For`, and nothing else of the request.
    pub url: String,
    /// The request's header fields that prove who calls. A request with none of them shows nothing, and the
    /// service is not asked.
    #[serde(default = "send")]
    pub send: Vec<String>,
    /// Which fields of the answer tell the user, the tenant, the roles, the scopes, or another fact to be
    /// forwarded. Several roles have commas or `|` between them, several scopes commas or spaces.
    #[serde(default)]
    pub claims: BTreeMap<String, String>,
    /// Header fields for the upstream, each with the fact it carries. Clients' own copies are removed.
    #[serde(default)]
    pub forward: BTreeMap<String, String>,
    /// Fields of the answer that the upstream gets under the same names. Clients' own copies are removed.
    #[serde(default)]
    pub copy: Vec<String>,
    /// How long the service may take; at most 30s.
    #[serde(default = "timeout")]
    pub timeout: Time,
    /// How long the answer to the very same question is used again, in whole seconds; at most five minutes. 0s asks
    /// each time.
    #[serde(default)]
    pub cache: Time,
}

fn send() -> Vec<String> {
    vec!["cookie".to_owned(), "authorization".to_owned()]
}

fn timeout() -> Time {
    Time(Duration::from_secs(2))
}

const MAX_TIMEOUT: Duration = Duration::from_secs(30);
const MAX_CACHE: Duration = Duration::from_mins(5);

/// Fields that frame or route the question itself (RFC 9110, section 7.6.1), or that the gateway says in it.
const NOT_SENDABLE: &[&str] = &[
    "host",
    "connection",
    "content-length",
    "expect",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "forwarded",
];

/// Compiles an identity.
///
/// # Errors
/// Every problem of it.
pub(super) fn compile(raw: &RawForwardAuth, making: &Making<'_>) -> Result<IdentityDef, Vec<Problem>> {
    let mut problems = Vec::new();
    let at = &making.at;
    if let Err(problem) = address(&raw.url, making) {
        problems.push(problem);
    }
    let send = sent(raw, at, &mut problems);
    let claims = claims(raw, at, &mut problems);
    let mapping = Mapping::compile(making.name, None, &claims, &raw.forward, at, &mut problems);
    let copy = copied(raw, at, &mut problems);
    times(raw, at, &mut problems);
    if !problems.is_empty() {
        return Err(problems);
    }
    let mut read = copy.clone();
    read.extend(claims.values().filter_map(|field| HeaderName::from_bytes(field.as_bytes()).ok()));
    // What the service says under these names, a backend may have been taught to believe.
    let mut owns = mapping.owns();
    owns.extend(read.iter().filter(|name| !NOT_FORWARDABLE.contains(&name.as_str())).cloned());
    let fact = |name: &str| claims.get(name).cloned();
    let login = Login { url: raw.url.clone(), timeout: raw.timeout.0 };
    let cache = i64::try_from(raw.cache.0.as_secs()).unwrap_or_default();
    Ok(IdentityDef {
        tells: mapping.tells(),
        owns,
        login: Some(login),
        ambient: send.contains(&COOKIE),
        bearer: send.contains(&AUTHORIZATION),
        remembers: cache > 0,
        ..making.def(Arc::new(ForwardAuth {
            send,
            read,
            user: fact("user"),
            roles: fact("roles"),
            scopes: fact("scopes"),
            copy,
            mapping,
            cache,
        }))
    })
}

fn address(url: &str, making: &Making<'_>) -> Result<(), Problem> {
    let at = making.at.key("url");
    let wrong = || {
        at.problem("`url` is not an address that can be asked")
            .remedy("write scheme, host and path, such as `https://auth.example.com/oauth2/auth`")
    };
    let uri: Uri = url.parse().map_err(|_| wrong())?;
    let plain = match uri.scheme_str() {
        Some("http") => true,
        Some("https") => false,
        _ => return Err(wrong()),
    };
    let host = uri.authority().and_then(|authority| Host::parse(authority.as_str())).ok_or_else(wrong)?;
    if url.contains('#') {
        return Err(wrong());
    }
    if plain && making.production && !is_near(host.name()) {
        let problem =
            at.problem(format!("in production cookies do not go to `{}` over plain http", host.name()));
        return Err(problem.remedy(
            "write its https:// address; http:// is for loopback and private addresses, names without a dot, \
             and names under `.svc`, `.local` and `.internal`",
        ));
    }
    Ok(())
}

/// Whether nobody outside stands between: this machine, a private network (RFC 1918, RFC 4193), or a name that no
/// public DNS server knows.
fn is_near(host: &str) -> bool {
    if let Ok(address) = host.trim_matches(['[', ']']).parse::<IpAddr>() {
        return match address.to_canonical() {
            IpAddr::V4(address) => address.is_loopback() || address.is_private(),
            IpAddr::V6(address) => address.is_loopback() || address.is_unique_local(),
        };
    }
    let within = [".svc", ".local", ".internal", ".localhost"].iter().any(|suffix| host.ends_with(suffix));
    // Resolvers take a number alone, `134744072` or `0x8080808`, for an address.
    within || (!host.contains('.') && host.starts_with(|first: char| first.is_ascii_alphabetic()))
}

/// The fields of the question, in the order in which they are written.
fn sent(raw: &RawForwardAuth, at: &Place, problems: &mut Vec<Problem>) -> Vec<HeaderName> {
    let at = at.key("send");
    let mut names: Vec<HeaderName> = Vec::new();
    if raw.send.is_empty() {
        let problem = at.problem("`send` names no field, so nobody could show who they are");
        problems.push(problem.remedy("name what proves it: `[cookie, authorization]`"));
    }
    for (index, written) in raw.send.iter().enumerate() {
        let place = at.item(index);
        match header_name(written) {
            None => problems.push(not_a_name(written, &place)),
            Some(name) if names.contains(&name) => problems
                .push(place.problem(format!("`{written}` is there twice")).remedy("remove one of them")),
            Some(name)
                if NOT_SENDABLE.contains(&name.as_str()) || name.as_str().starts_with("x-forwarded") =>
            {
                problems.push(
                    place
                        .problem(format!("`{written}` cannot be part of the question"))
                        .remedy("remove it; it belongs to one connection, or the gateway says it itself"),
                );
            }
            Some(name) => names.push(name),
        }
    }
    names
}

/// The facts with the fields of the answer that tell them, in lower case.
fn claims(raw: &RawForwardAuth, at: &Place, problems: &mut Vec<Problem>) -> BTreeMap<String, String> {
    let mut claims = BTreeMap::new();
    for (fact, field) in &raw.claims {
        let name = HeaderName::from_bytes(field.as_bytes()).map(|name| name.to_string());
        let name = name.unwrap_or_else(|_| {
            problems.push(
                at.key("claims")
                    .key(fact)
                    .problem(format!("`{field}` is not a header name, and the answer tells `{fact}` in one"))
                    .remedy("write the field's name, such as `x-auth-request-user`"),
            );
            // The fact is known, so that whoever uses it is not reported too.
            fact.clone()
        });
        claims.insert(fact.clone(), name);
    }
    claims
}

fn copied(raw: &RawForwardAuth, at: &Place, problems: &mut Vec<Problem>) -> Vec<HeaderName> {
    let mut names: Vec<HeaderName> = Vec::new();
    for (index, written) in raw.copy.iter().enumerate() {
        let place = at.key("copy").item(index);
        let forwarded = raw.forward.keys().any(|header| header.eq_ignore_ascii_case(written));
        match header_name(written) {
            None => problems.push(not_a_name(written, &place)),
            Some(name) if NOT_FORWARDABLE.contains(&name.as_str()) => problems.push(
                place
                    .problem(format!("`{written}` is not a field that an identity may set"))
                    .remedy("tell it as a fact, and forward that under a name of your own"),
            ),
            Some(name) if forwarded || names.contains(&name) => problems.push(
                place
                    .problem(format!("`{written}` would be set twice"))
                    .remedy("copy it once, or forward a fact under that name"),
            ),
            Some(name) => names.push(name),
        }
    }
    names
}

/// A field's name without `_`, which counts as `-` where names are compared.
fn header_name(written: &str) -> Option<HeaderName> {
    HeaderName::from_bytes(written.as_bytes()).ok().filter(|_| !written.contains('_'))
}

fn not_a_name(written: &str, place: &Place) -> Problem {
    place.problem(format!("`{written}` is not a header name")).remedy("use letters, digits and `-`")
}

fn times(raw: &RawForwardAuth, at: &Place, problems: &mut Vec<Problem>) {
    let (timeout, cache) = (raw.timeout, raw.cache);
    if timeout.0.is_zero() || timeout.0 > MAX_TIMEOUT {
        problems.push(
            at.key("timeout")
                .problem(format!("a timeout of {timeout} is not between 1ms and 30s"))
                .remedy("write how long a request may wait for the login service, such as 2s"),
        );
    }
    if cache.0 > MAX_CACHE {
        problems.push(
            at.key("cache")
                .problem(format!("a cache of {cache} is more than five minutes"))
                .remedy("write at most 5m: for so long nobody notices that a session has ended"),
        );
    }
    if cache.0.subsec_nanos() != 0 {
        problems.push(
            at.key("cache")
                .problem(format!("a cache of {cache} is not in whole seconds"))
                .remedy("write whole seconds, or 0s to ask each time"),
        );
    }
}
