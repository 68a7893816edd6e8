//! Every wrong value of a policy is told with its place, and every sentence that can be told has a case here.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::string_slice,
    reason = "a broken expectation is how a test says so"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path as FilePath;
use std::sync::Arc;

use rules::credential::KeysAt;
use rules::identities::{self, Making};
use rules::key_file::{Listed, Sha256, Wrong};
use rules::limit::{self, Limit};
use rules::policies::identity::IdentityRef;
use rules::policies::{RawScope, Scope};
use rules::policy::{Ground, IdentityDef, Library, Relaxed, RouteFacts};
use rules::problem::{Place, Problem};
use rules::secret::Secret;
use rules::token::Algorithm;
use serde_json::{Map, Value, json};

mod plain;

/// The value, the place of the problem and a part of its sentence.
type WrongValue = (Value, &'static str, &'static str);

struct Shelf;

impl Library for Shelf {
    fn secret(&self, name: &str) -> Result<Secret, String> {
        match name {
            "long" => Ok(Secret::new(vec![b'x'; 64])),
            "short" => Ok(Secret::new(b"short".to_vec())),
            _ => Err(format!("there is no secret `{name}`")),
        }
    }

    fn file(&self, path: &str) -> Result<Vec<u8>, String> {
        match path {
            "empty.json" => Ok(br#"{"keys": []}"#.to_vec()),
            "nonsense" => Ok(b"nonsense".to_vec()),
            "curves.json" => {
                Ok(br#"{"keys": [{"kty": "EC", "crv": "P-521", "x": "AA", "y": "AA"}, {"kty": "AKP"}]}"#
                    .to_vec())
            }
            _ => Err(format!("{path} cannot be read")),
        }
    }

    /// The file's name says what is in it, but for the hash.
    fn keys(&self, path: &str) -> Result<Vec<Listed>, Vec<Wrong>> {
        let Ok(entries) = serde_json::from_str::<Vec<Value>>(path) else {
            return Err(vec![Wrong { what: format!("{path}:1:1: no list"), remedy: None }]);
        };
        let listed = entries.into_iter().enumerate().map(|(index, mut entry)| {
            let members = entry.as_object_mut().unwrap();
            members.entry("sha256").or_insert_with(|| Sha256::of(&[7]).to_string().into());
            members.entry("user").or_insert_with(|| "u".into());
            Listed { at: format!("keys:{}:1", index + 1), key: plain::read(entry).unwrap() }
        });
        Ok(listed.collect())
    }
}

fn partner(changes: Value) -> Result<IdentityDef, Vec<Problem>> {
    let mut raw = json!({"kind": "api_key", "header": "x-api-key", "keys": {"file": "[{}]"}});
    let Value::Object(changes) = changes else { panic!("not an object") };
    raw.as_object_mut().unwrap().extend(changes);
    let making = Making {
        name: "partner",
        index: 0,
        at: Place::root(),
        library: &Shelf,
        production: true,
        client_ca: true,
    };
    identities::compile(&plain::read(raw).unwrap(), &making)
}

fn session() -> Value {
    json!({
        "kind": "jwt", "issuer": "https://issuer.test/", "audience": "api", "keys": {"secret": "long"},
    })
}

fn login() -> Value {
    json!({"kind": "forward_auth", "url": "https://sso.test/auth"})
}

fn identity(changes: Value) -> Result<IdentityDef, Vec<Problem>> {
    made(session(), changes)
}

fn made(mut raw: Value, changes: Value) -> Result<IdentityDef, Vec<Problem>> {
    let Value::Object(changes) = changes else { panic!("not an object") };
    raw.as_object_mut().unwrap().extend(changes);
    identities::compile(&plain::read(raw).unwrap(), &making())
}

fn making() -> Making<'static> {
    let at = Place::root();
    Making { name: "session", index: 0, at, library: &Shelf, production: true, client_ca: false }
}

/// An identity by certificate, where clients are asked for one.
fn certificate(mut raw: Value) -> Result<IdentityDef, Vec<Problem>> {
    raw.as_object_mut().unwrap().insert("kind".to_owned(), json!("mtls"));
    identities::compile(&plain::read(raw).unwrap(), &Making { client_ca: true, ..making() })
}

macro_rules! raw_scope {
    ($($(#[$doc:meta])* $key:ident: $policy:ty, monotone $monotone:expr, why $why:literal;)*) => {
        fn raw_scope(written: &Value) -> RawScope {
            RawScope {
                $($key: written.get(stringify!($key)).cloned().map(|value| plain::read(value).unwrap()),)*
            }
        }
    };
}

rules::with_policies!(raw_scope);

fn limits() -> BTreeMap<String, Arc<Limit>> {
    let limit = |name: &str, per: &str| {
        let raw = plain::read(json!({"per": per, "concurrent": 4})).unwrap();
        (name.to_owned(), Arc::new(limit::compile(name, &raw, &Place::root()).unwrap()))
    };
    BTreeMap::from([limit("few", "ip"), limit("by_thing", "path.thing")])
}

/// What `inner` within `outer` comes to, on a route whose pattern captures `tenant`.
fn scopes(outer: &Value, inner: &Value, known: &[&str]) -> Result<(), Vec<Problem>> {
    let identities: BTreeMap<_, _> = known
        .iter()
        // `session` tells the user and nothing else; the others are by keys in one and the same field.
        .map(|name| {
            let kind = if *name == "session" { plain_def() } else { partner(json!({})).ok().unwrap() };
            ((*name).to_owned(), Arc::new(IdentityDef { name: (*name).into(), ..kind }))
        })
        .collect();
    let relaxed = Relaxed::default();
    let limits = limits();
    let ground = |place| Ground {
        place,
        relaxed: &relaxed,
        identities: &identities,
        limits: &limits,
        library: &Shelf,
    };
    let outer = Scope::default().settle(&raw_scope(outer), &ground(Place::root().key("defaults"))).unwrap();
    let scope = outer.settle(&raw_scope(inner), &ground(Place::root()))?;
    let named: Vec<_> = scope.identity.iter().flat_map(IdentityRef::defs).cloned().collect();
    let captures = ["tenant".to_owned()];
    let facts = RouteFacts {
        captures: &captures,
        public: false,
        place: Place::root().key("match"),
        identities: &named,
        signed: false,
    };
    scope.plan(&facts).map(|_| ())
}

fn plain_def() -> IdentityDef {
    identity(json!({"forward": {"x-user-id": "user"}})).ok().unwrap()
}

fn told(told: Result<(), Vec<Problem>>, written: &Value, place: &str, part: &str) -> Vec<Problem> {
    let Err(problems) = told else { panic!("{written} loads") };
    assert!(
        problems.iter().any(|problem| problem.place.to_string() == place && problem.message.contains(part)),
        "{written}: nothing says `{part}` at `{place}`: {problems:?}"
    );
    problems
}

/// Keys by URL, with these changes.
fn fetched(changes: Value) -> Value {
    let mut keys = json!({"url": "https://issuer.test/jwks"});
    let Value::Object(changes) = changes else { panic!("not an object") };
    keys.as_object_mut().unwrap().extend(changes);
    json!({ "keys": keys })
}

fn wrong_identities() -> Vec<WrongValue> {
    vec![
        (json!({"issuer": "http://issuer.test/"}), "issuer", "over plain http is refused in production"),
        (json!({"issuer": "HTTP://issuer.test/"}), "issuer", "over plain http is refused in production"),
        (json!({"issuer": ""}), "issuer", "`issuer` is empty"),
        (json!({"audience": ""}), "audience", "`audience` is empty"),
        (json!({"audience": []}), "audience", "`audience` is empty"),
        (json!({"audience": ["api", ""]}), "audience", "`audience` is empty"),
        (json!({"leeway": "301s"}), "leeway", "a leeway of 301s is more than five minutes"),
        (json!({"claims": {"plan": "plan"}}), "claims.plan", "`plan` is mapped and nothing uses it"),
        (json!({"claims": {"tenant": ""}}), "claims.tenant", "a claim needs a name"),
        (json!({"claims": {"roles": "/a~2"}}), "claims.roles", "`~` is written ~0"),
        (json!({"forward": {"host": "user"}}), "forward.host", "not a field that an identity may set"),
        (json!({"forward": {"Cookie": "user"}}), "forward.Cookie", "not a field that an identity may set"),
        (
            json!({"forward": {"authorization": "user"}}),
            "forward.authorization",
            "not a field that an identity",
        ),
        (json!({"forward": {"x_user": "user"}}), "forward.x_user", "`x_user` is not a header name"),
        (json!({"forward": {"x user": "user"}}), "forward.x user", "`x user` is not a header name"),
        (json!({"forward": {"": "user"}}), "forward.", "`` is not a header name"),
        (
            json!({"forward": {"x-tenant": "tenant"}}),
            "forward.x-tenant",
            "`tenant` is not a fact of this identity",
        ),
        (json!({"forward": {"X-Id": "user", "x-id": "user"}}), "forward.x-id", "`x-id` is there twice"),
    ]
}

/// The same, from `keys` on.
fn wrong_keys() -> Vec<WrongValue> {
    vec![
        (json!({"keys": {}}), "keys", "`keys` needs exactly one source"),
        (
            json!({"keys": {"secret": "long", "file": "empty.json"}}),
            "keys",
            "`keys` needs exactly one source",
        ),
        (
            json!({"keys": {"url": "https://issuer.test/jwks", "discover": true}}),
            "keys",
            "`keys` needs exactly one source",
        ),
        (
            json!({"keys": {"url": "issuer.test/jwks"}}),
            "keys.url",
            "not an address that keys can be fetched from",
        ),
        (json!({"keys": {"url": "http://issuer.test/"}}), "keys.url", "a key set over plain http is refused"),
        (
            json!({"keys": {"url": "https://localhost/"}}),
            "keys.url",
            "a key set on this machine itself is refused",
        ),
        (json!({"keys": {"discover": false}}), "keys.discover", "`discover: false` says nothing"),
        (json!({"issuer": "issuer", "keys": {"discover": true}}), "issuer", "`issuer` is not an address"),
        (
            json!({"issuer": "https://[::1]/", "keys": {"discover": true}}),
            "issuer",
            "a key set on this machine",
        ),
        (
            json!({"issuer": "https://a.test/?b", "keys": {"discover": true}}),
            "issuer",
            "an issuer with a query",
        ),
        (
            json!({"keys": {"secret": "long", "refresh": "10m"}}),
            "keys.refresh",
            "`refresh` is for keys that are fetched",
        ),
        (
            json!({"keys": {"secret": "long", "stale_for": "1h"}}),
            "keys.stale_for",
            "`stale_for` is for keys that",
        ),
        (fetched(json!({"refresh": "0"})), "keys.refresh", "`refresh: 0s` is not between 1s and 1h"),
        (fetched(json!({"refresh": "999ms"})), "keys.refresh", "`refresh: 999ms` is not between 1s and 1h"),
        (fetched(json!({"refresh": "61m"})), "keys.refresh", "`refresh: 61m` is not between 1s and 1h"),
        (fetched(json!({"stale_for": "9m"})), "keys.stale_for", "is shorter than `refresh: 10m`"),
        (
            json!({"keys": {"discover": true}, "algorithms": ["RS256", "HS256"]}),
            "algorithms",
            "fetched keys are public and cannot verify HS256",
        ),
        (json!({"keys": {"secret": "none"}}), "keys.secret", "there is no secret `none`"),
        (json!({"keys": {"secret": "short"}}), "keys.secret", "the secret has 5 bytes"),
        (json!({"algorithms": ["RS256"]}), "keys.secret", "a secret cannot verify RS256"),
        (json!({"keys": {"pem": "none"}}), "keys.pem", "none cannot be read"),
        (json!({"keys": {"pem": "nonsense"}}), "keys.pem", ""),
        (json!({"keys": {"file": "none"}}), "keys.file", "none cannot be read"),
        (json!({"keys": {"file": "nonsense"}}), "keys.file", ""),
        (json!({"keys": {"file": "empty.json"}}), "keys.file", "the key set has no usable key: it is empty"),
        (json!({"keys": {"file": "curves.json"}}), "keys.file", "key 2 is left out: its kind is unsupported"),
        (json!({"token_from": []}), "token_from", "`token_from` names no place"),
        (json!({"token_from": "body"}), "token_from", "`body` is not a place where a token can stand"),
        (json!({"token_from": ["header", "Header"]}), "token_from[1]", "`Header` is not a place"),
        (json!({"token_from": ["header", "cookie"]}), "token_from[1]", "`cookie` is not a place"),
        (json!({"token_from": "header:x-token"}), "token_from", "`header:x-token` is not a place"),
        (json!({"token_from": "cookie:"}), "token_from", "`` cannot be the name of a cookie"),
        (json!({"token_from": "query:"}), "token_from", "`` cannot be the name of a query parameter"),
        (
            json!({"token_from": "cookie:my session"}),
            "token_from",
            "`my session` cannot be the name of a cookie",
        ),
        (json!({"token_from": "cookie:a=b"}), "token_from", "`a=b` cannot be the name of a cookie"),
        (json!({"token_from": "query:a&b"}), "token_from", "`a&b` cannot be the name of a query parameter"),
        (json!({"token_from": "query:a[]"}), "token_from", "`a[]` cannot be the name of a query parameter"),
        (json!({"token_from": ["header", "header"]}), "token_from[1]", "`header` is there twice"),
        (json!({"token_from": ["cookie:a", "cookie:a"]}), "token_from[1]", "`cookie:a` is there twice"),
        (
            json!({"token_from": ["query:a-b", "query:A_b"]}),
            "token_from[1]",
            "`A_b` and `a-b` are one name to some readers",
        ),
        (json!({"typ": ""}), "typ", "`typ` is not the name of a kind of token"),
        (json!({"typ": "application/"}), "typ", "`typ` is not the name of a kind of token"),
        (json!({"typ": "text/jwt"}), "typ", "`typ` is not the name of a kind of token"),
        (json!({"typ": "at jwt"}), "typ", "`typ` is not the name of a kind of token"),
        (json!({"revoked": {"file": "none"}}), "revoked.file", "none cannot be read"),
        (json!({"revoked": {"file": "nonsense"}}), "revoked.file", "nonsense, line 1: the entry has no name"),
    ]
}

/// Changes to a good `kind: forward_auth`.
fn wrong_logins() -> Vec<WrongValue> {
    vec![
        (json!({"url": ""}), "url", "`url` is not an address that can be asked"),
        (json!({"url": "/auth"}), "url", "`url` is not an address that can be asked"),
        (json!({"url": "unix:/run/sso.sock"}), "url", "`url` is not an address that can be asked"),
        (json!({"url": "https:///auth"}), "url", "`url` is not an address that can be asked"),
        (json!({"url": "https://sso.test/auth#now"}), "url", "`url` is not an address that can be asked"),
        (json!({"url": "https://ada:pw@sso.test/auth"}), "url", "`url` is not an address that can be asked"),
        (
            json!({"url": "http://sso.test/auth"}),
            "url",
            "in production cookies do not go to `sso.test` over plain",
        ),
        (json!({"url": "http://134744072/auth"}), "url", "in production cookies do not go to `134744072`"),
        (json!({"send": []}), "send", "`send` names no field, so nobody could show who they are"),
        (json!({"send": ["a b"]}), "send[0]", "`a b` is not a header name"),
        (json!({"send": ["x_key"]}), "send[0]", "`x_key` is not a header name"),
        (json!({"send": ["cookie", "Cookie"]}), "send[1]", "`Cookie` is there twice"),
        (json!({"send": ["Host"]}), "send[0]", "`Host` cannot be part of the question"),
        (json!({"send": ["te"]}), "send[0]", "`te` cannot be part of the question"),
        (json!({"send": ["x-forwarded-uri"]}), "send[0]", "`x-forwarded-uri` cannot be part of the question"),
        (
            json!({"claims": {"user": "x user"}}),
            "claims.user",
            "`x user` is not a header name, and the answer",
        ),
        (
            json!({"claims": {"user": ""}}),
            "claims.user",
            "`` is not a header name, and the answer tells `user`",
        ),
        (json!({"claims": {"plan": "x-plan"}}), "claims.plan", "`plan` is mapped and nothing uses it"),
        (
            json!({"forward": {"x-user-id": "user"}}),
            "forward.x-user-id",
            "`user` is not a fact of this identity",
        ),
        (json!({"copy": ["a b"]}), "copy[0]", "`a b` is not a header name"),
        (json!({"copy": ["Authorization"]}), "copy[0]", "not a field that an identity may set"),
        (json!({"copy": ["x-a", "X-A"]}), "copy[1]", "`X-A` would be set twice"),
        (
            json!({"claims": {"user": "x-u"}, "forward": {"X-A": "user"}, "copy": ["x-a"]}),
            "copy[0]",
            "`x-a` would be set twice",
        ),
        (json!({"timeout": "0s"}), "timeout", "a timeout of 0s is not between 1ms and 30s"),
        (json!({"timeout": "31s"}), "timeout", "a timeout of 31s is not between 1ms and 30s"),
        (json!({"cache": "301s"}), "cache", "a cache of 301s is more than five minutes"),
        (json!({"cache": "1500ms"}), "cache", "a cache of 1500ms is not in whole seconds"),
    ]
}

fn wrong_certificates() -> Vec<WrongValue> {
    let untold = "is nothing that a certificate tells";
    let mut wrong: Vec<WrongValue> = [
        "cn",
        "subject/cn",
        "/cn",
        "//subject/cn",
        "/subject",
        "/subject/",
        "/san",
        "/san/uris/0",
        "/serial/0",
        "dn",
    ]
    .into_iter()
    .map(|path| (json!({"claims": {"user": path}}), "claims.user", untold))
    .collect();
    wrong.extend([
        (json!({"claims": {"user": ""}}), "claims.user", "a claim needs a name"),
        (json!({"claims": {"unit": "/subject/ou"}}), "claims.unit", "`unit` is mapped and nothing uses it"),
        (json!({"forward": {"cookie": "user"}}), "forward.cookie", "not a field that an identity may set"),
    ]);
    wrong
}

#[test]
fn a_certificate_that_nobody_is_asked_for_is_told() {
    let raw = plain::read(json!({"kind": "mtls"})).unwrap();
    let problems = told(identities::compile(&raw, &making()).map(|_| ()), &Value::Null, "kind", ASKED);
    assert_eq!(problems.len(), 1);
    assert!(certificate(json!({})).is_ok());
    for path in
        ["/subject/o", "/subject/1.2.3.4", "/issuer/dn", "/san/uri/0", "/san/dns", "/serial", "fingerprint"]
    {
        assert!(certificate(json!({"claims": {"tenant": path}})).is_ok(), "{path}");
    }
}

const ASKED: &str = "no client is asked for a certificate";

fn wrong_partners() -> Vec<WrongValue> {
    let file = |entries: Value| json!({"keys": {"file": entries.to_string()}});
    let empty = Sha256::of(b"").to_string();
    let changeme = Sha256::of(b"changeme").to_string();
    vec![
        (json!({"header": ""}), "header", "`` cannot be the name of the field with the key"),
        (json!({"header": "x_api_key"}), "header", "`x_api_key` cannot be the name"),
        (json!({"header": "x api"}), "header", "`x api` cannot be the name"),
        (json!({"header": "Authorization"}), "header", "`Authorization` has a meaning of its own"),
        (json!({"header": "cookie"}), "header", "`cookie` has a meaning of its own"),
        (json!({"header": "transfer-encoding"}), "header", "has a meaning of its own"),
        (json!({"header": "x-forwarded-user"}), "header", "has a meaning of its own"),
        (json!({"header": "proxy-authorization"}), "header", "has a meaning of its own"),
        (json!({"keys": {"file": "nonsense"}}), "keys.file", "nonsense:1:1: no list"),
        (file(json!([{}, {"user": "v"}])), "keys.file", "keys:2:1: the same key is at keys:1:1"),
        (
            file(json!([{"sha256": empty}])),
            "keys.file",
            "keys:1:1: this is the hash of nothing, or of a word",
        ),
        (
            file(json!([{"sha256": changeme}])),
            "keys.file",
            "keys:1:1: this is the hash of nothing, or of a word",
        ),
        (
            file(json!([{"claims": {"plan": "pro", "roles": ["admin"]}}])),
            "keys.file",
            "keys:1:1: `claims` cannot say `roles`",
        ),
        (
            json!({"keys": {"file": "[{\"user\": \"Zoë\"}]"}, "forward": {"x-user": "user"}}),
            "keys.file",
            "keys:1:1: what `forward` puts into `x-user` cannot stand in a header field",
        ),
        (json!({"forward": {"x-plan": "plan"}}), "forward.x-plan", "`plan` is not a fact of this identity"),
    ]
}

/// Alone in a scope, where the identity `session` is known.
fn wrong_values() -> Vec<WrongValue> {
    vec![
        (json!({"identity": "sesion"}), "identity", "there is no identity `sesion`"),
        (json!({"identity": ["session", "sesion"]}), "identity[1]", "there is no identity `sesion`"),
        (json!({"identity": ["session", "session"]}), "identity[1]", "`session` is there twice"),
        (
            json!({"identity": ["session", "partner", "internal"]}),
            "identity[2]",
            "`internal` has its keys in the field of `partner`, which is asked first",
        ),
        (json!({"identity": []}), "identity", "`identity` names no identity"),
        (json!({"body": {"types": []}}), "body.types", "`types` accepts no type"),
        (json!({"body": {"types": ["json"]}}), "body.types[0]", "`json` is not a media type"),
        (json!({"body": {"types": ["a/b", "a/b; q=1"]}}), "body.types[1]", "`a/b; q=1` is not a media type"),
        (json!({"body": {"types": ["*/*"]}}), "body.types[0]", "`*/*` is not a media type"),
        (json!({"body": {"json_depth": 0}}), "body.json_depth", "`json_depth` is out of range"),
        (json!({"body": {"json_depth": 128}}), "body.json_depth", "`json_depth` is out of range"),
        (json!({"body": {"schema": "none.json"}}), "body.schema", "the schema `none.json` cannot be used"),
        (json!({"body": {"json_keys": 0}}), "body.json_keys", "`json_keys: 0` would refuse"),
        (
            json!({"openapi": "none.yaml"}),
            "openapi",
            "the API description `none.yaml` cannot be used: none.yaml: documents are not",
        ),
        (json!({"cookies": {}}), "cookies", "`cookies` asks for nothing"),
        (json!({"cookies": {"same_site": "none"}}), "cookies", "with `same_site: none` that is not `Secure`"),
        (
            json!({"cookies": {"secure": true, "except": {"a": {"reason": "x", "secure": true}}}}),
            "cookies.except.a",
            "the exception for `a` changes nothing",
        ),
        (
            json!({"cookies": {"secure": true, "except": {"__Host-a": {"reason": "x", "secure": false}}}}),
            "cookies.except.__Host-a",
            "browsers refuse a cookie `__Host-a` that is not `Secure`",
        ),
        (
            json!({"cookies": {"secure": true, "except": {"a": {"reason": " ", "secure": false}}}}),
            "cookies.except.a.reason",
            "the reason is empty",
        ),
        (
            json!({"cookies": {"secure": true, "except": {"a": {"reason": "yes", "secure": false}}}}),
            "cookies.except.a.reason",
            "`yes` is not a reason",
        ),
    ]
}

/// The same, of what is counted.
fn wrong_limits() -> Vec<WrongValue> {
    vec![
        (json!({"limits": []}), "limits", "`limits` names no limit"),
        (json!({"limits": ["few", "none"]}), "limits[1]", "there is no limit `none`"),
        (json!({"limits": ["few", "few"]}), "limits[1]", "`few` is there twice"),
        (
            json!({"limits": ["by_thing"]}),
            "limits[0]",
            "the limit `by_thing` counts by `path.thing`, which the route's pattern does not capture",
        ),
    ]
}

/// The same, of what is required.
fn wrong_requirements() -> Vec<WrongValue> {
    vec![
        (json!({"require": {"claims": {"": true}}}), "require.claims.", "a claim needs a name"),
        (json!({"require": {"claims": {"/a~": true}}}), "require.claims./a~", "`~` is written ~0"),
        (
            json!({"require": {"claims": {"mfa": null}}}),
            "require.claims.mfa",
            "the claim `mfa` is compared with",
        ),
        (json!({"require": {"claims": {"mfa": {}}}}), "require.claims.mfa", "no single claim can be"),
        (json!({"require": {"claims": {"mfa": []}}}), "require.claims.mfa", "no single claim can be"),
        (
            json!({"require": {"claims": {"mfa": [true, null]}}}),
            "require.claims.mfa",
            "no single claim can be",
        ),
        (
            json!({"require": {"roles": ["ok", ""]}}),
            "require.roles[1]",
            "`` cannot be one of the caller's roles",
        ),
        (
            json!({"require": {"scopes": ["read write"]}}),
            "require.scopes[0]",
            "cannot be one of the caller's scopes",
        ),
        (json!({"require": {"roles": ["a", "b", "a"]}}), "require.roles[2]", "`a` is there twice"),
        (json!({"require": {"scopes": ["a", "a"]}}), "require.scopes[1]", "`a` is there twice"),
        (json!({"require": {"claims": {"mfa": ["a", 1, 1]}}}), "require.claims.mfa[2]", "`1` is there twice"),
        (
            json!({"require": {"claims": {"mfa": {"present": false}}}}),
            "require.claims.mfa",
            "no single claim can be",
        ),
        (
            json!({"require": {"claims": {"mfa": {"present": true, "or": 1}}}}),
            "require.claims.mfa",
            "no single claim can be",
        ),
        (json!({"require": {"signed_in_within": "0"}}), "require.signed_in_within", "less than a second"),
        (json!({"require": {"signed_in_within": "999ms"}}), "require.signed_in_within", "less than a second"),
        (json!({"require": {}}), "require", "`require` requires nothing"),
    ]
}

/// Of whose pages may do anything, and of what they may.
fn wrong_pages() -> Vec<WrongValue> {
    vec![
        (json!({"cors": {"credentials": false}}), "cors", "`cors` names no origin"),
        (json!({"cors": {"origins": []}}), "cors.origins", "`origins` is empty"),
        (
            json!({"cors": {"origins": ["null"]}}),
            "cors.origins[0]",
            "`null` is not an origin: sandboxed frames",
        ),
        (
            json!({"cors": {"origins": ["shop.test"]}}),
            "cors.origins[0]",
            "`shop.test` is not an origin: it has no",
        ),
        (
            json!({"cors": {"origins": ["https://shop.test/"]}}),
            "cors.origins[0]",
            "something follows the host",
        ),
        (json!({"cors": {"origins": ["https://a@shop.test"]}}), "cors.origins[0]", "it names a user"),
        (
            json!({"cors": {"origins": ["https://Shop.test"]}}),
            "cors.origins[0]",
            "is not as browsers write it",
        ),
        (
            json!({"cors": {"origins": ["https://*.test"]}}),
            "cors.origins[0]",
            "would admit everybody's domains",
        ),
        (
            json!({"cors": {"origins": ["https://a*.test"]}}),
            "cors.origins[0]",
            "does not stand for whole subdomains",
        ),
        (
            json!({"cors": {"origins": ["https://shop.test", "https://shop.test:443"]}}),
            "cors.origins[1]",
            "`https://shop.test` is there twice",
        ),
        (
            json!({"cors": {"origins": ["https://shop.test", "*"], "credentials": true}}),
            "cors.origins[1]",
            "`credentials: true` goes only with `origins` that are written out one by one",
        ),
        (
            json!({"cors": {"origins": ["https://*.shop.test"], "credentials": true}}),
            "cors.origins[0]",
            "`credentials: true` goes only with `origins`",
        ),
        (
            json!({"cors": {"origins": ["https://shop.test"], "credentials": true, "headers": ["a", "*"]}}),
            "cors.headers[1]",
            "`credentials: true` goes only with `headers`",
        ),
        (
            json!({"cors": {"origins": ["https://shop.test"], "credentials": true, "expose": ["*"]}}),
            "cors.expose[0]",
            "`credentials: true` goes only with `expose`",
        ),
    ]
}

fn wrong_terms() -> Vec<WrongValue> {
    vec![
        (json!({"cors": {"origins": ["*"], "methods": []}}), "cors.methods", "`methods` is empty"),
        (
            json!({"cors": {"origins": ["*"], "methods": ["get"]}}),
            "cors.methods[0]",
            "`get` is not a method that",
        ),
        (
            json!({"cors": {"origins": ["*"], "methods": ["*"]}}),
            "cors.methods[0]",
            "`*` is not a method that",
        ),
        (
            json!({"cors": {"origins": ["*"], "methods": ["GET", "TRACE"]}}),
            "cors.methods[1]",
            "`TRACE` is not a",
        ),
        (
            json!({"cors": {"origins": ["*"], "methods": ["GET", "GET"]}}),
            "cors.methods[1]",
            "`GET` is there twice",
        ),
        (
            json!({"cors": {"origins": ["*"], "headers": ["x y"]}}),
            "cors.headers[0]",
            "`x y` is not a header name",
        ),
        (
            json!({"cors": {"origins": ["*"], "headers": ["x_y"]}}),
            "cors.headers[0]",
            "`x_y` is not a header name",
        ),
        (json!({"cors": {"origins": ["*"], "headers": ["*", "*"]}}), "cors.headers[1]", "`*` is there twice"),
        (
            json!({"cors": {"origins": ["*"], "expose": ["etag", "ETag"]}}),
            "cors.expose[1]",
            "`ETag` is there twice",
        ),
        (
            json!({"cors": {"origins": ["*"], "max_age": "25h"}}),
            "cors.max_age",
            "`max_age: 25h` is not a number of seconds up to a day",
        ),
        (
            json!({"cors": {"origins": ["*"], "max_age": "1500ms"}}),
            "cors.max_age",
            "is not a number of seconds",
        ),
        (json!({"csrf": "off"}), "csrf", "`csrf: off` has no effect: nothing switches it on"),
    ]
}

/// They load, and cannot stand on the route.
fn unfit() -> Vec<WrongValue> {
    vec![
        (json!({"identity": "session", "tenant": "path.tenant"}), "tenant[0]", "`session` tells no tenant"),
        (json!({"identity": "session", "tenant": "path.org"}), "tenant[0]", "pattern captures no `org`"),
        (json!({"identity": "session", "require": {"roles": ["a"]}}), "require.roles", "tells no roles"),
        (json!({"identity": "session", "require": {"scopes": ["a"]}}), "require.scopes", "tells no scopes"),
    ]
}

/// The same, of tenants.
fn wrong_places() -> Vec<WrongValue> {
    vec![
        (
            json!({"tenant": "tenant"}),
            "tenant[0]",
            "`tenant` is not a place where a request can name a tenant",
        ),
        (json!({"tenant": "path."}), "tenant[0]", "`path.` is not a place"),
        (json!({"tenant": "body:"}), "tenant[0]", "`body:` is not a place"),
        (json!({"tenant": "body:/"}), "tenant[0]", "`body:/` is not a place"),
        (json!({"tenant": "body:tenant"}), "tenant[0]", "`body:tenant` is not a place"),
        (json!({"tenant": ["path.tenant", "form.t"]}), "tenant[1]", "`form.t` is not a place"),
        (json!({"tenant": "query."}), "tenant[0]", "`query.` is not a place"),
        (json!({"tenant": "query.t[]"}), "tenant[0]", "`t[]` is a name that readers take differently"),
        (json!({"tenant": "cookie.a b"}), "tenant[0]", "`a b` is a name that readers take differently"),
        (json!({"tenant": "header.x tenant"}), "tenant[0]", "`x tenant` is not a header name"),
        (json!({"tenant": "header.x_tenant"}), "tenant[0]", "`x_tenant` is not a header name"),
        (json!({"tenant": "header.Host"}), "tenant[0]", "`host` is not a field in which a client can name"),
        (json!({"tenant": "header.proxy-x"}), "tenant[0]", "`proxy-x` is not a field in which a client can"),
        (json!({"tenant": "header.x-forwarded-tenant"}), "tenant[0]", "is not a field in which a client can"),
        (json!({"tenant": "header.x-real-ip"}), "tenant[0]", "is not a field in which a client can"),
        (json!({"tenant": "header.portcullis-tenant"}), "tenant[0]", "is not a field in which a client can"),
        (
            json!({"tenant": "header.X-User-Id"}),
            "tenant[0]",
            "`x-user-id` is set by the gateway from what the identity `session` tells",
        ),
        (json!({"tenant": ["query.t", "query.t"]}), "tenant[1]", "`query.t` is there twice"),
        (
            json!({"tenant": ["header.x-a", {"place": "header.X-A", "optional": true}]}),
            "tenant[1]",
            "`header.x-a` is there twice",
        ),
        (
            json!({"tenant": {"place": "path.tenant", "optional": true}}),
            "tenant[0].optional",
            "`path.tenant` is in every request of the route, so it cannot be optional",
        ),
        (json!({"tenant": ["path.tenant", "body:/a~2"]}), "tenant[1]", "`body:/a~2` is not a place"),
        (json!({"tenant": []}), "tenant", "`tenant` names no place"),
    ]
}

/// The scope around it, and what widens it.
fn wrong_widenings() -> Vec<(Value, WrongValue)> {
    vec![
        (
            json!({"identity": "session"}),
            (
                json!({"identity": "partner"}),
                "identity",
                "`partner` is not among the inherited identities `session`",
            ),
        ),
        (
            json!({"cookies": {"secure": true}}),
            (
                json!({"cookies": {"secure": false, "http_only": true}}),
                "cookies",
                "cookies are less protected, which widens",
            ),
        ),
        (
            json!({"cookies": {"secure": true}}),
            (
                json!({"cookies": {"except": {"a": {"reason": "a script", "secure": false}}}}),
                "cookies",
                "the cookie `a` is less protected, which widens",
            ),
        ),
        (
            json!({"body": {"json_depth": 2, "json_keys": 2}}),
            (
                json!({"body": {"json_depth": 3}}),
                "body.json_depth",
                "`json_depth: 3` is above the inherited 2, which widens",
            ),
        ),
        (
            json!({"body": {"types": ["image/*"]}}),
            (
                json!({"body": {"types": ["image/png", "text/plain"]}}),
                "body.types",
                "`text/plain` is not among the inherited types",
            ),
        ),
        (
            json!({"body": {"types": ["image/png"]}}),
            (
                json!({"body": {"types": ["image/*"]}}),
                "body.types",
                "`image/*` is not among the inherited types",
            ),
        ),
        (
            json!({"body": {"encodings": ["gzip"]}}),
            (
                json!({"body": {"encodings": ["gzip", "deflate"]}}),
                "body.encodings",
                "`deflate` is not accepted around here",
            ),
        ),
        (
            json!({"tenant": ["path.tenant", "query.t"]}),
            (
                json!({"tenant": [{"place": "query.t", "optional": true}]}),
                "tenant[0].optional",
                "`query.t` is required around this and optional here, which widens",
            ),
        ),
        (
            json!({"identity": "session"}),
            (
                json!({"identity": ["session", "partner"]}),
                "identity[1]",
                "`partner` is not among the inherited identities `session`",
            ),
        ),
        (
            json!({"cors": {"origins": ["https://*.shop.test"]}}),
            (
                json!({"cors": {"origins": ["https://a.shop.test", "https://shop.test"]}}),
                "cors.origins[1]",
                "`https://shop.test` is not among the inherited origins, which widens",
            ),
        ),
        (
            json!({"cors": {"origins": ["https://shop.test"]}}),
            (
                json!({"cors": {"credentials": true}}),
                "cors.credentials",
                "`credentials: true` lets other sites' pages use a caller's cookies, which widens",
            ),
        ),
        (
            json!({"cors": {"origins": ["https://*.shop.test"], "headers": ["*"]}}),
            (
                json!({"cors": {"credentials": true}}),
                "cors.credentials",
                "`credentials: true` goes only with `origins`",
            ),
        ),
        (
            json!({"csrf": "cookie_sessions"}),
            (
                json!({"csrf": "off"}),
                "csrf",
                "`csrf: off` lets other sites' pages act in a visitor's session, which widens",
            ),
        ),
        (
            json!({"body": {"max": "1KiB"}}),
            (
                json!({"body": {"max": "1025"}}),
                "body.max",
                "`max: 1025B` is above the inherited 1KiB, which widens",
            ),
        ),
    ]
}

fn all() -> Vec<Problem> {
    let mut all = Vec::new();
    for (changes, place, part) in wrong_identities().into_iter().chain(wrong_keys()) {
        all.extend(told(identity(changes.clone()).map(|_| ()), &changes, place, part));
    }
    for (changes, place, part) in wrong_logins() {
        all.extend(told(made(login(), changes.clone()).map(|_| ()), &changes, place, part));
    }
    for (raw, place, part) in wrong_certificates() {
        all.extend(told(certificate(raw.clone()).map(|_| ()), &raw, place, part));
    }
    let unasked = plain::read(json!({"kind": "mtls"})).unwrap();
    all.extend(told(identities::compile(&unasked, &making()).map(|_| ()), &Value::Null, "kind", ASKED));
    for (changes, place, part) in wrong_partners() {
        all.extend(told(partner(changes.clone()).map(|_| ()), &changes, place, part));
    }
    let values = [
        wrong_values(),
        wrong_limits(),
        wrong_requirements(),
        wrong_pages(),
        wrong_terms(),
        unfit(),
        wrong_places(),
    ];
    for (inner, place, part) in values.into_iter().flatten() {
        all.extend(told(
            scopes(&json!({}), &inner, &["session", "partner", "internal"]),
            &inner,
            place,
            part,
        ));
    }
    for (outer, (inner, place, part)) in wrong_widenings() {
        all.extend(told(scopes(&outer, &inner, &["session", "partner"]), &inner, place, part));
    }
    all
}

#[test]
fn every_wrong_value_is_told_at_its_place() {
    let all = all();
    for problem in &all {
        assert!(!problem.message.ends_with('.'), "{problem:?}");
    }
}

#[test]
fn all_problems_of_a_value_are_told_at_once() {
    let changes = json!({"issuer": "", "audience": "", "leeway": "1h", "keys": {}, "claims": {"user": ""}});
    assert_eq!(identity(changes).err().unwrap().len(), 5);
    let inner = json!({
        "identity": "none", "tenant": ["a", "b"], "require": {"roles": [""], "scopes": [""], "claims": {"": 1}},
    });
    assert_eq!(scopes(&json!({}), &inner, &["session"]).unwrap_err().len(), 6);
}

#[test]
fn an_unknown_identity_is_mended_by_what_there_is() {
    let inner = json!({"identity": "none"});
    for (names, remedy) in
        [(&[][..], "define it: `identities: { none:"), (&["b", "a"][..], "use one of `a`, `b`")]
    {
        let problems = scopes(&json!({}), &inner, names).unwrap_err();
        let told = problems.first().and_then(|problem| problem.remedy.clone()).unwrap();
        assert!(told.starts_with(remedy), "{told}");
    }
}

#[test]
fn an_identity_that_did_not_compile_is_closed_and_causes_no_second_problem() {
    let broken = identities::broken(&making());
    assert!(broken.tells.tenant && broken.tells.roles && broken.tells.scopes);
    assert!(broken.gate.assume(&Map::new()).is_err());
}

#[test]
fn keys_that_are_fetched_are_asked_of_the_shell() {
    let told = |changes: Value| identity(changes).ok().unwrap().keys.unwrap();
    let plain = told(fetched(json!({})));
    assert_eq!(plain.from, KeysAt::Url("https://issuer.test/jwks".to_owned()));
    assert_eq!((plain.refresh.as_secs(), plain.stale_for.as_secs()), (600, 86_400));
    assert_eq!(plain.algorithms.len(), 9, "every public one, and no secret's");
    let own = told(json!({
        "algorithms": ["ES256"], "keys": {"discover": true, "refresh": "1s", "stale_for": "1s"},
    }));
    assert_eq!(own.from, KeysAt::Issuer("https://issuer.test/".to_owned()));
    assert_eq!((own.refresh.as_secs(), own.stale_for.as_secs()), (1, 1));
    assert_eq!(own.algorithms, [Algorithm::Es256]);
    assert!(identity(json!({})).ok().unwrap().keys.is_none(), "a secret is at hand");
}

/// The literals that begin a sentence in the sources, in the pieces between their placeholders.
fn sentences() -> Vec<(String, Vec<String>)> {
    let sources = FilePath::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let folders = ["policies", "identities"].map(|folder| fs::read_dir(sources.join(folder)).unwrap());
    let mut files: Vec<_> = folders.into_iter().flatten().map(|entry| entry.unwrap().path()).collect();
    files.push(sources.join("policies.rs"));
    let mut sentences = Vec::new();
    for file in files.iter().filter(|file| file.is_file()) {
        let text = fs::read_to_string(file).unwrap();
        let text = text.split("#[cfg(test)]").next().unwrap();
        for begin in [".problem(", "let what = "] {
            for (at, _) in text.match_indices(begin) {
                let argument = text[at + begin.len()..].trim_start();
                let argument = argument.strip_prefix("format!(").unwrap_or(argument).trim_start();
                // Otherwise it is a sentence that somebody else said.
                let Some(literal) = argument.strip_prefix('"') else { continue };
                let literal = literal.split('"').next().unwrap();
                let pieces =
                    literal.split('{').map(|piece| piece.split_once('}').map_or(piece, |(_, rest)| rest));
                sentences.push((literal.to_owned(), pieces.map(str::to_owned).collect()));
            }
        }
    }
    sentences
}

#[test]
fn every_sentence_of_the_policies_has_a_case() {
    let (all, sentences) = (all(), sentences());
    assert!(sentences.len() > 15, "the sentences are not found any more: {sentences:?}");
    let said = |pieces: &[String]| {
        all.iter().any(|problem| {
            let mut rest = problem.message.as_str();
            pieces.iter().all(|piece| match rest.split_once(piece.as_str()) {
                Some((_, after)) => {
                    rest = after;
                    true
                }
                None => false,
            })
        })
    };
    let unsaid: Vec<_> = sentences.iter().filter(|(_, pieces)| !said(pieces)).map(|(text, _)| text).collect();
    assert!(unsaid.is_empty(), "no case here leads to: {unsaid:#?}");
}
