//! Golden requests: `cases/<policy>/*.json`, found and never listed.
//!
//! A file has the policies of a route (and of `defaults` around it) and requests with the verdict that each must
//! get: `pass` or a code. A token is minted from `token`, the changes to good claims, wherever a field or the
//! query says `{token}`; `certificate` has the claims of the certificate that the client shows, with `from` and `until` in
//! seconds from now; `as` takes a caller with such facts for granted instead, and `via` says how their credential came. A
//! request may have in `answer` what the client must get, field by field: of the gateway's own answer, or, if it
//! passes, of the upstream's answer with the fields of `reply`.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a broken expectation is how a test says so"
)]

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::ACCESS_CONTROL_REQUEST_METHOD;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use rules::credential::{Doubt, Evidence, Via, Vouched};
use rules::identities::{self, Making};
use rules::key_file::{Listed, Wrong};
use rules::limit::{self, Asked, Limit, Need, Refused, Seed};
use rules::meter::{Counter, CounterKey};
use rules::path::Path;
use rules::plan::Plan;
use rules::policies::body::too_large;
use rules::policies::identity::IdentityRef;
use rules::policies::{REGISTRY, RawScope, Scope};
use rules::policy::{Ground, IdentityDef, Library, Relaxed, RouteFacts, Speaker};
use rules::problem::Place;
use rules::route::{Lookup, Pattern, Table};
use rules::secret::Secret;
use rules::verdict::{Code, Refusal};
use rules::view::{Caller, ClientCertificate, View};
use serde::Deserialize;
use serde_json::{Map, Value, json};

mod plain;

const NOW: i64 = 1_800_000_000;
const SECRET: &[u8] = b"a test's secret of forty-two bytes, no less";
const OTHER_SECRET: &[u8] = b"another secret, which signs nothing for us";
const REVOKED: &str = "jti stolen # a token\nuser ada\nuser bob before 2027-01-15T08:00:00Z\n";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    /// What its requests have in common.
    about: String,
    /// By default `session`; see [`session`].
    #[serde(default)]
    identities: Map<String, Value>,
    /// What their key files list, by name.
    #[serde(default)]
    keys: BTreeMap<String, Vec<Value>>,
    /// What `limits` may name.
    #[serde(default)]
    limits: BTreeMap<String, Value>,
    #[serde(rename = "match")]
    patterns: Vec<String>,
    #[serde(default)]
    public: bool,
    #[serde(default)]
    defaults: Map<String, Value>,
    #[serde(default)]
    relax: Vec<String>,
    policies: Map<String, Value>,
    requests: Vec<Request>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    /// What is special about it.
    about: String,
    /// When it comes, in milliseconds after the first; what earlier ones counted stays.
    #[serde(default)]
    at: i64,
    /// Who sends it.
    client: Option<IpAddr>,
    /// What the upstream would answer, where it is asked.
    #[serde(default)]
    answered: u16,
    send: String,
    #[serde(default)]
    headers: Vec<(String, String)>,
    token: Option<Map<String, Value>>,
    /// What the client's certificate says; see [`shown`].
    certificate: Option<Map<String, Value>>,
    /// Changes to the token's own header.
    #[serde(default)]
    header: Map<String, Value>,
    #[serde(rename = "as")]
    caller: Option<Map<String, Value>>,
    via: Option<String>,
    #[serde(default)]
    body: Body,
    expect: String,
    reply: Option<Vec<(String, String)>>,
    answer: Option<Vec<(String, String)>>,
}

#[derive(Default, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum Body {
    #[default]
    None,
    Text(String),
    Repeated {
        text: String,
        times: usize,
    },
    Bytes {
        bytes: Vec<u8>,
    },
}

impl Body {
    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::None => Vec::new(),
            Self::Text(text) => text.clone().into_bytes(),
            Self::Repeated { text, times } => text.repeat(*times).into_bytes(),
            Self::Bytes { bytes } => bytes.clone(),
        }
    }
}

fn session() -> Value {
    json!({
        "kind": "jwt", "issuer": "https://issuer.test/", "audience": "api", "keys": {"secret": "signing"},
        "claims": {"tenant": "org", "roles": "roles", "scopes": "scope"},
    })
}

/// A schema.
const MESSAGE: &[u8] = br#"{ "type": "object", "required": ["text"], "additionalProperties": false,
    "properties": { "text": { "type": "string", "maxLength": 9 }, "tags": { "items": { "type": "string" } } } }"#;

/// An API's description.
const PETS: &str = r##"{ "openapi": "3.1.0", "servers": [{ "url": "https://api.test/v1" }], "paths": {
    "/pets": {
        "get": { "parameters": [
            { "name": "limit", "in": "query", "schema": { "type": "integer", "minimum": 1, "maximum": 100 } },
            { "name": "tags", "in": "query", "schema": { "type": "array", "items": { "type": "string", "maxLength": 5 }, "maxItems": 2 } },
            { "name": "ids", "in": "query", "explode": false, "schema": { "type": "array", "items": { "type": "integer" } } },
            { "name": "q", "in": "query", "schema": { "type": "string", "maxLength": 5 } },
            { "name": "word", "in": "query", "schema": { "type": "string", "pattern": "^[a-z+]*$" } },
            { "name": "sold", "in": "query", "schema": { "type": "boolean" } },
            { "name": "X-Trace", "in": "header", "schema": { "type": "string", "pattern": "^[a-f]+$" } },
            { "name": "theme", "in": "cookie", "schema": { "enum": ["dark", "light"] } } ] },
        "post": { "requestBody": { "required": true, "content": {
            "application/json": { "schema": { "$ref": "#/components/schemas/Pet" } }, "image/*": {} } } } },
    "/pets/{petId}": {
        "parameters": [{ "name": "petId", "in": "path", "required": true, "schema": { "type": "integer" } }],
        "get": {}, "delete": {} },
    "/pets/{petId}/photo": {
        "parameters": [{ "name": "petId", "in": "path", "required": true, "schema": { "type": "integer" } }],
        "put": { "requestBody": { "content": { "*/*": { "schema": { "type": "object" } }, "text/plain": {} } } } },
    "/search": { "get": { "parameters": [
        { "name": "q", "in": "query", "required": true, "schema": { "type": "string" } },
        { "name": "Q", "in": "query", "schema": { "type": "number" } } ] } } },
    "components": { "schemas": { "Pet": { "type": "object", "required": ["name"], "additionalProperties": false,
        "properties": { "name": { "type": "string", "maxLength": 9 }, "kin": { "items": { "$ref": "#/components/schemas/Pet" } } } } } } }"##;
/// The same paths, for which less is allowed.
const FEW_PETS: &str = r#"{ "openapi": "3.0.3", "paths": { "/v1/pets": { "get": { "parameters": [
    { "name": "limit", "in": "query", "schema": { "type": "integer", "maximum": 10, "exclusiveMaximum": true } } ] } } } }"#;

struct Keys<'a>(&'a BTreeMap<String, Vec<Value>>);

impl Library for Keys<'_> {
    fn secret(&self, name: &str) -> Result<Secret, String> {
        match name {
            "signing" => Ok(Secret::new(SECRET.to_vec())),
            "other" => Ok(Secret::new(OTHER_SECRET.to_vec())),
            _ => Err(format!("there is no secret {name}")),
        }
    }

    fn file(&self, path: &str) -> Result<Vec<u8>, String> {
        match path {
            "message.json" => Ok(MESSAGE.to_vec()),
            "revoked.txt" => Ok(REVOKED.into()),
            _ => Err(format!("there is no file {path}")),
        }
    }

    fn document(&self, path: &str) -> Result<Value, String> {
        match path {
            "pets.json" => Ok(serde_json::from_str(PETS).unwrap()),
            "few_pets.json" => Ok(serde_json::from_str(FEW_PETS).unwrap()),
            _ => Err(format!("there is no document {path}")),
        }
    }

    fn keys(&self, path: &str) -> Result<Vec<Listed>, Vec<Wrong>> {
        let listed = |(index, entry): (usize, &Value)| Listed {
            at: format!("{path}:{index}"),
            key: plain::read(entry.clone()).unwrap(),
        };
        Ok(self.0[path].iter().enumerate().map(listed).collect())
    }
}

fn mint(changes: &Map<String, Value>, header: &Map<String, Value>) -> String {
    let mut claims = json!({"iss": "https://issuer.test/", "aud": "api", "sub": "u1", "exp": NOW + 60});
    for (name, value) in changes {
        claims[name] = value.clone();
    }
    // How a case says that a claim is not there: null is a value that a token may have.
    claims.as_object_mut().unwrap().retain(|_, value| value != "{absent}");
    let mut whole = json!({"typ": "JWT", "alg": "HS256"});
    for (name, value) in header {
        whole[name] = value.clone();
    }
    whole.as_object_mut().unwrap().retain(|_, value| value != "{absent}");
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(&whole), part(&claims));
    let key = jsonwebtoken::EncodingKey::from_secret(SECRET);
    let signature =
        jsonwebtoken::crypto::sign(signed.as_bytes(), &key, jsonwebtoken::Algorithm::HS256).unwrap();
    format!("{signed}.{signature}")
}

/// A certificate as the handshake left it; from a minute ago to in a minute unless the case says otherwise.
fn shown(claims: &Map<String, Value>) -> ClientCertificate {
    let mut claims = claims.clone();
    let mut time =
        |name: &str, usual: i64| NOW + claims.remove(name).map_or(usual, |seconds| seconds.as_i64().unwrap());
    let (from, until) = (time("from", -60), time("until", 60));
    // Not the whole of a fingerprint's promise, but two certificates of one file are told apart.
    let mut fingerprint = [0; 32];
    for (at, byte) in Value::Object(claims.clone()).to_string().bytes().enumerate() {
        fingerprint[at % 32] ^= byte;
    }
    ClientCertificate { claims, fingerprint, from, until }
}

/// A route with its policies in force.
struct Route {
    table: Table<()>,
    plan: Plan,
    identities: Vec<Arc<IdentityDef>>,
    counters: RefCell<HashMap<CounterKey, Counter>>,
}

macro_rules! raw_scope {
    ($($(#[$doc:meta])* $key:ident: $policy:ty, monotone $monotone:expr, why $why:literal;)*) => {
        fn raw_scope(mut written: Map<String, Value>) -> RawScope {
            let scope = RawScope {
                $($key: written.remove(stringify!($key)).map(|value| plain::read(value).unwrap()),)*
            };
            assert!(written.is_empty(), "no policies: {:?}", written.keys());
            scope
        }
    };
}

rules::with_policies!(raw_scope);

fn limits(written: &BTreeMap<String, Value>) -> BTreeMap<String, Arc<Limit>> {
    let compile = |(name, raw): (&String, &Value)| {
        let raw = plain::read(raw.clone()).unwrap();
        (name.clone(), Arc::new(limit::compile(name, &raw, &Place::root()).ok().unwrap()))
    };
    written.iter().map(compile).collect()
}

fn compile(file: &File) -> Route {
    let mut identities = BTreeMap::new();
    let session = Map::from_iter([("session".to_owned(), session())]);
    let written = if file.identities.is_empty() { &session } else { &file.identities };
    for (index, (name, raw)) in written.iter().enumerate() {
        let raw = plain::read(raw.clone()).unwrap();
        let at = Place::root().key("identities");
        let making =
            Making { name, index, at, library: &Keys(&file.keys), production: true, client_ca: true };
        let def = identities::compile(&raw, &making).ok().unwrap();
        identities.insert(name.clone(), Arc::new(def));
    }
    let limits = limits(&file.limits);
    let settle = |outer: &Scope, written: &Map<String, Value>, relax: &[String]| {
        let relaxed = Relaxed::new(relax.iter().cloned());
        let ground = Ground {
            place: Place::root(),
            relaxed: &relaxed,
            identities: &identities,
            limits: &limits,
            library: &Keys(&file.keys),
        };
        let scope = outer.settle(&raw_scope(written.clone()), &ground);
        let scope = scope.unwrap_or_else(|problems| panic!("{}: {problems:?}", file.about));
        assert_eq!(relaxed.unused().next(), None, "{}", file.about);
        scope
    };
    let scope = settle(&settle(&Scope::default(), &file.defaults, &[]), &file.policies, &file.relax);
    let patterns: Vec<_> = file.patterns.iter().map(|text| Pattern::parse(text).unwrap()).collect();
    let captures: Vec<String> = patterns[0].names().map(str::to_owned).collect();
    let named = scope.identity.iter().flat_map(IdentityRef::defs).cloned();
    let identities: Vec<_> = named.filter(|_| !file.public).collect();
    let facts = RouteFacts {
        captures: &captures,
        public: file.public,
        place: Place::root(),
        identities: &identities,
        signed: false,
    };
    let plan = scope.plan(&facts).unwrap_or_else(|problems| panic!("{}: {problems:?}", file.about));
    Route {
        table: Table::compile(vec![(patterns, ())]).unwrap(),
        plan,
        identities,
        counters: RefCell::default(),
    }
}

fn fields(written: &[(String, String)], token: &str) -> HeaderMap {
    let mut fields = HeaderMap::new();
    for (name, value) in written {
        let value = value.replace("{token}", token);
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        fields.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    fields
}

/// What the client gets of an answer, sorted by name.
fn answered(plan: &Plan, view: &View<'_>, speaker: Speaker, mut fields: HeaderMap) -> Vec<(String, String)> {
    plan.reply(view, speaker, &mut fields);
    let text = |value: &HeaderValue| String::from_utf8(value.as_bytes().to_vec()).unwrap();
    let mut told: Vec<_> = fields.iter().map(|(name, value)| (name.to_string(), text(value))).collect();
    told.sort_by(|left, right| left.0.cmp(&right.0));
    told
}

/// What the client gets, if the case asks.
type Told = Option<Vec<(String, String)>>;

fn judge(route: &Route, request: &Request, told: &mut Told) -> Result<(), Refusal> {
    let (method, target) = request.send.split_once(' ').unwrap();
    let method: Method = method.parse().unwrap();
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (target, None),
    };
    let path = Path::parse(path.as_bytes())?;
    let token = request.token.as_ref().map(|changes| mint(changes, &request.header)).unwrap_or_default();
    let query = query.map(|query| query.replace("{token}", &token));
    let mut headers = fields(&request.headers, &token);
    let asked = headers.get(ACCESS_CONTROL_REQUEST_METHOD).filter(|_| method == Method::OPTIONS);
    let asked: Option<Method> = asked.map(|field| field.to_str().unwrap().parse().unwrap());
    let captures = match route.table.find(asked.as_ref().unwrap_or(&method), &path) {
        Lookup::Found(found) => found.captures,
        Lookup::MethodNotAllowed { .. } => {
            return Err(Refusal::new(Code::MethodNotAllowed, "route", ""));
        }
        Lookup::Ambiguous => return Err(Refusal::new(Code::BadRequest, "route", "")),
        Lookup::NoRoute => return Err(Refusal::new(Code::NoRoute, "route", "")),
    };
    // As for the configuration's own tests: what is not said to be something else is JSON.
    if !headers.contains_key(http::header::CONTENT_TYPE) {
        headers.insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
    }
    let certificate = request.certificate.as_ref().map(shown);
    let mut view = View {
        method: &method,
        path: path.as_str(),
        target: path.forward(),
        query: query.as_deref(),
        host: "app.test",
        authority: Some("app.test"),
        has_body: !request.body.bytes().is_empty(),
        secure: true,
        headers: &headers,
        client: request.client.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        certificate: certificate.as_ref(),
        route: "route",
        webhook: None,
        captures: Some(captures),
        caller: None,
        via: request.via.as_deref().map(via),
        now_ms: NOW * 1000 + request.at,
    };
    let caller = caller(route, request, &mut view);
    let mut own = HeaderMap::new();
    let verdict = match (caller, asked.and_then(|_| route.plan.preflight(&view).transpose())) {
        (_, Some(answer)) => answer.map(|fields| own = fields),
        (Err(refusal), None) => Err(refusal),
        (Ok(caller), None) => gates(route, request, &View { caller: caller.as_deref(), ..view }),
    };
    let (speaker, fields) = match (&request.reply, &verdict) {
        (Some(reply), Ok(())) => (Speaker::Upstream, fields(reply, "")),
        _ => (Speaker::Gateway, own),
    };
    *told = request.answer.as_ref().map(|_| answered(&route.plan, &view, speaker, fields));
    verdict
}

fn via(written: &str) -> Via {
    match written {
        "header" => Via::Header,
        "cookie" => Via::Cookie,
        "query" => Via::Query,
        "certificate" => Via::Certificate,
        other => panic!("no credential comes by {other}"),
    }
}

fn caller(route: &Route, request: &Request, view: &mut View<'_>) -> Result<Option<Arc<Caller>>, Refusal> {
    if let (Some(facts), Some(identity)) = (&request.caller, route.identities.first()) {
        return identity.gate.assume(facts).map(Some);
    }
    let Some((def, credential)) = route.plan.presented(view)? else { return Ok(None) };
    let caller = vouched(def.gate.verify(view, &credential, Evidence::default()))?;
    view.via = view.via.or(Some(credential.via));
    Ok(Some(caller))
}

fn gates(route: &Route, request: &Request, view: &View<'_>) -> Result<(), Refusal> {
    let mut asked = Vec::new();
    route.plan.limits().ask(Need::Address, view, None, Seed::Secret([1; 16]), &mut asked);
    count(route, &asked, view.now_ms, false)?;
    route.plan.judge_head(view, |_, _| false)?;
    route.plan.limits().ask(Need::Caller, view, None, Seed::Secret([1; 16]), &mut asked);
    count(route, &asked, view.now_ms, false)?;
    let body = request.body.bytes();
    if u64::try_from(body.len()).unwrap() > route.plan.body_max() {
        return Err(too_large(route.plan.body_max(), None));
    }
    body_gates(route, view, &body)?;
    let content = route.plan.open(view, &body)?;
    route.plan.limits().ask(Need::Body, view, Some(&content), Seed::Secret([1; 16]), &mut asked);
    count(route, &asked, view.now_ms, true)?;
    let mut counters = route.counters.borrow_mut();
    for Asked { ask, learns, .. } in asked {
        if let Some(note) = learns.note(request.answered) {
            counters.entry(ask.key).or_default().note(&ask.meter, note, view.now_ms);
        }
    }
    Ok(())
}

/// What the shell does with a request's questions: none is charged when one refuses.
fn count(route: &Route, asked: &[Asked], now_ms: i64, charge: bool) -> Result<(), Refusal> {
    let mut counters = route.counters.borrow_mut();
    for Asked { ask, limit: index, .. } in asked {
        if let Err(full) = counters.entry(ask.key).or_default().ask(&ask.meter, ask.cost, now_ms) {
            let name = &route.plan.limits().get(*index).unwrap().name;
            let refused = Refused { meter: ask.meter, retry_after_ms: full.retry_after_ms };
            return Err(limit::refusal(name, refused));
        }
    }
    for Asked { ask, .. } in asked.iter().filter(|_| charge) {
        counters.entry(ask.key).or_default().charge(&ask.meter, ask.cost, now_ms);
    }
    Ok(())
}

fn body_gates(route: &Route, view: &View<'_>, body: &[u8]) -> Result<(), Refusal> {
    if route.plan.needs_body(view) {
        route.plan.judge_body(view, &route.plan.open(view, body)?, |_, _| false)
    } else {
        Ok(())
    }
}

fn vouched(verdict: Result<Vouched, Doubt>) -> Result<Arc<Caller>, Refusal> {
    match verdict {
        Ok(vouched) => Ok(vouched.caller),
        Err(Doubt::Refused(refusal) | Doubt::UnknownKey(refusal)) => Err(refusal),
        Err(Doubt::Final(never)) => Err(never.refusal),
        Err(Doubt::Ask(_)) => {
            Err(Refusal::new(Code::KeysUnavailable, "identity", "nobody can be asked here"))
        }
    }
}

fn folder() -> PathBuf {
    FilePath::new(env!("CARGO_MANIFEST_DIR")).join("cases")
}

fn entries(folder: &FilePath) -> Vec<PathBuf> {
    let mut entries: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    entries
}

fn name(path: &FilePath) -> String {
    path.file_name().unwrap().to_str().unwrap().to_owned()
}

#[test]
fn every_policy_has_cases_and_every_folder_a_policy() {
    let folders: BTreeSet<String> = entries(&folder()).iter().map(|path| name(path)).collect();
    let keys: BTreeSet<String> = REGISTRY.iter().map(|row| row.key.to_owned()).collect();
    assert_eq!(folders, keys, "the folders of rules/cases and the rows of rules/src/policies.rs");
}

#[test]
fn every_case_ends_as_it_says() {
    let mut wrong = Vec::new();
    for policy in entries(&folder()) {
        let key = name(&policy);
        let (mut passed, mut refused, mut edited) = (0, 0, 0);
        for path in entries(&policy) {
            let text = fs::read(&path).unwrap();
            // Strictly: a member that is there twice would hide a case.
            let value =
                rules::strict_json::parse(&text).unwrap_or_else(|why| panic!("{}: {why}", path.display()));
            let file: File =
                serde_json::from_value(value).unwrap_or_else(|why| panic!("{}: {why}", path.display()));
            let route = compile(&file);
            for request in &file.requests {
                let mut told = None;
                let verdict = judge(&route, request, &mut told);
                let ended = verdict.as_ref().map_or_else(|refusal| refusal.code.name(), |()| "pass");
                passed += usize::from(verdict.is_ok());
                refused += usize::from(verdict.as_ref().is_err_and(|refusal| refusal.gate == key));
                let (file, about) = (name(&path), &request.about);
                assert!(request.reply.is_none() || request.answer.is_some(), "{key}/{file}: {about}");
                edited += usize::from(request.reply.is_some() && request.reply != told);
                if told != request.answer {
                    wrong.push(format!("{key}/{file}: {about}: the client gets {told:?}"));
                }
                if ended != request.expect {
                    wrong.push(format!(
                        "{key}/{file}: {about}: {} instead of {} ({verdict:?})",
                        ended, request.expect
                    ));
                }
            }
        }
        assert!(
            passed > 0 && refused + edited > 0,
            "`{key}` needs a case that passes and one that its gate refuses, or whose answer it edits"
        );
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
