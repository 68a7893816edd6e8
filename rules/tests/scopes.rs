//! Scopes are monotone: what the child admits the parent admits, unless `relax` names the key.
//!
//! Random parents and children are settled and planned as a configuration's are, and judged by random requests.
//! Policies whose keys are not relaxed are compared one by one, and as a whole if none is. So that the property
//! proves something, every policy is also settled wrongly, as if the inner scope simply replaced the outer one, and
//! the same search has to notice.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a broken expectation is how a test says so")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use http::header::SET_COOKIE;
use http::{HeaderMap, Method};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestError, TestRunner};
use rules::credential::{Credential, Doubt, Evidence, Via, Vouched};
use rules::key_file::{Listed, Wrong};
use rules::limit::{self, Limit, RawLimit};
use rules::path::Path;
use rules::plan::Plan;
use rules::policies::csrf::RawCsrf;
use rules::policies::identity::IdentityRef;
use rules::policies::{REGISTRY, RawScope, Scope, monotone_keys};
use rules::policy::{Ground, IdentityDef, IdentityGate, Library, Relaxed, RouteFacts, Speaker, Tells};
use rules::problem::{Place, Problem};
use rules::route::{Lookup, Pattern, Table};
use rules::secret::Secret;
use rules::shapes::OneOrMany;
use rules::verdict::{Code, Refusal};
use rules::view::{Caller, Reading, View};
use serde_json::{Map, Value, json};

/// How to draw what is written under each key: a policy brings a function with its key's name.
mod draw {
    use super::*;
    use rules::policies::body::RawBody;
    use rules::policies::cookies::RawCookies;
    use rules::policies::cors::RawCors;
    use rules::policies::headers::RawHeaders;
    use rules::policies::require::RawRequire;
    use rules::policies::tenant::{RawPlace, RawTenant};
    use rules::set_cookie::SameSite;
    use rules::units::{Size, Time};
    use std::time::Duration;

    pub(super) fn identity() -> impl Strategy<Value = OneOrMany<String>> {
        subsequence(vec!["alpha", "beta", "gamma"], 1..=3)
            .prop_map(|names| OneOrMany(names.into_iter().map(str::to_owned).collect()))
    }

    pub(super) fn cookies() -> impl Strategy<Value = RawCookies> {
        // Whatever the parent says, these load: something is asked for, and `none` is `Secure`.
        let secure = (Just(true), select(vec![SameSite::None, SameSite::Lax, SameSite::Strict]));
        let open = (any::<bool>(), select(vec![SameSite::Lax, SameSite::Strict]));
        (prop_oneof![secure.boxed(), open.boxed()], option::of(any::<bool>())).prop_map(
            |((secure, same_site), http_only)| RawCookies {
                secure: Some(secure),
                http_only,
                same_site: Some(same_site),
                ..RawCookies::default()
            },
        )
    }

    pub(super) fn headers() -> impl Strategy<Value = RawHeaders> {
        select(vec![RawHeaders::Strict, RawHeaders::Api, RawHeaders::None])
    }

    pub(super) fn tenant() -> impl Strategy<Value = RawTenant> {
        let places = vec![
            "path.tenant",
            "path.other",
            "query.tenant",
            "header.x-tenant",
            "cookie.tenant",
            "body:/tenant",
            "body:/deep/tenant",
        ];
        vec((select(places), any::<bool>()), 1..=3).prop_map(|mut places| {
            places.sort_unstable();
            places.dedup_by_key(|(place, _)| *place);
            let raw = |(place, optional): (&str, bool)| RawPlace {
                place: place.to_owned(),
                optional: optional && !place.starts_with("path."),
            };
            OneOrMany(places.into_iter().map(raw).collect())
        })
    }

    pub(super) fn limits() -> impl Strategy<Value = OneOrMany<String>> {
        subsequence(vec!["few", "many"], 1..=2)
            .prop_map(|names| OneOrMany(names.into_iter().map(str::to_owned).collect()))
    }

    pub(super) fn require() -> impl Strategy<Value = RawRequire> {
        let words = |words: Vec<&'static str>| {
            let upto = 0..=words.len();
            subsequence(words, upto)
                .prop_map(|words| words.into_iter().map(str::to_owned).collect::<Vec<String>>())
        };
        let name = select(vec!["mfa", "level", "/org/plan"]).prop_map(str::to_owned);
        let wanted = select(vec![
            json!(true),
            json!(1),
            json!("1"),
            json!([1, 2]),
            json!(["pro", true]),
            json!({"present": true}),
        ]);
        let claims = proptest::collection::btree_map(name, wanted, 0..=2);
        let within = option::weighted(
            0.1,
            select(vec![60, 300]).prop_map(|seconds| Time(Duration::from_secs(seconds))),
        );
        (words(vec!["admin", "user"]), words(vec!["read", "write"]), claims, within).prop_map(
            |(roles, scopes, claims, signed_in_within)| RawRequire {
                roles,
                scopes,
                claims,
                signed_in_within,
            },
        )
    }

    /// Such that a value is never wrong of itself, whatever it inherits.
    pub(super) fn cors() -> impl Strategy<Value = RawCors> {
        let texts = |texts: Vec<&'static str>| texts.into_iter().map(str::to_owned).collect::<Vec<_>>();
        let exact = vec!["https://a.test", "https://x.a.test", "http://x.a.test"];
        let every = [exact.clone(), vec!["https://*.a.test", "https://*.x.a.test", "*"]].concat();
        prop_oneof![
            (subsequence(exact, 1..=3), option::of(any::<bool>())),
            (subsequence(every, 1..=3), Just(Some(false))),
        ]
        .prop_map(move |(origins, credentials)| RawCors {
            origins: Some(texts(origins)),
            credentials,
            ..RawCors::default()
        })
    }

    pub(super) fn csrf() -> impl Strategy<Value = RawCsrf> {
        prop_oneof![7 => Just(RawCsrf::CookieSessions), 1 => Just(RawCsrf::Off)]
    }

    pub(super) fn openapi() -> impl Strategy<Value = String> {
        select(vec!["any", "tenant_in_query"]).prop_map(str::to_owned)
    }

    /// Small enough for the bodies of [`request`]: a limit that none reaches would show nothing. So a parent that
    /// says nothing counts as one that sets no limit; the built-in 10 MiB is no scope's own.
    pub(super) fn body() -> impl Strategy<Value = RawBody> {
        let max = option::of(select(vec![0, 12, 30, 60, 100]).prop_map(Size));
        let types = vec!["application/json", "application/*", "text/plain"];
        let types = option::of(
            subsequence(types, 1..=2).prop_map(|types| types.into_iter().map(str::to_owned).collect()),
        );
        let (depth, keys) = (option::of(1_u32..=2), option::of(1_u32..=3));
        (max, types, depth, keys).prop_map(|(max, types, json_depth, json_keys)| RawBody {
            max,
            types,
            json_depth,
            json_keys,
            encodings: None,
            schema: None,
        })
    }
}

/// What a scope says, printed as it would be written.
#[derive(Clone)]
struct Written(RawScope);

/// A way to settle one scope inside another.
type Settle = fn(&Scope, &RawScope, &Ground<'_>) -> Result<Scope, Vec<Problem>>;

macro_rules! per_policy {
    ($($(#[$doc:meta])* $key:ident: $policy:ty, monotone $monotone:expr, why $why:literal;)*) => {
        impl fmt::Debug for Written {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut map = f.debug_map();
                $(if let Some(raw) = &self.0.$key {
                    map.entry(&stringify!($key), &serde_json::to_string(raw).unwrap());
                })*
                map.finish()
            }
        }

        fn written() -> impl Strategy<Value = Written> {
            ($(option::of(draw::$key()),)*).prop_map(|($($key,)*)| Written(RawScope { $($key,)* }))
        }

        /// The scope with a single policy of `scope`.
        fn only(key: &str, scope: &Scope) -> Scope {
            let mut single = Scope::default();
            match key {
                $(stringify!($key) => single.$key = scope.$key.clone(),)*
                _ => panic!("{key} is no policy"),
            }
            single
        }

        /// For each policy a settling that is right but for this one, whose inner value replaces the outer one.
        fn widening() -> Vec<(&'static str, Settle)> {
            vec![$((stringify!($key), |outer, raw, ground| {
                let mut honest = raw.clone();
                honest.$key = None;
                let mut scope = outer.settle(&honest, ground)?;
                if raw.$key.is_some() {
                    // Where it needs something to replace, a reason does it.
                    let relaxed = Relaxed::new(monotone_keys().map(str::to_owned));
                    let alone = Scope::default().settle(raw, ground);
                    let freely = || outer.settle(raw, &Ground { relaxed: &relaxed, ..ground.clone() });
                    scope.$key = alone.or_else(|_| freely())?.$key;
                }
                Ok(scope)
            }),)*]
        }
    };
}

rules::with_policies!(per_policy);

/// Identifies whoever presents its own name.
struct Named(&'static str);

impl IdentityGate for Named {
    fn presented<'v>(&self, view: &View<'v>) -> Result<Option<Credential<'v>>, Refusal> {
        let presented = view.headers.get_all("x-credential").iter().find(|value| **value == self.0);
        Ok(presented.map(|value| Credential { text: value.as_bytes().into(), via: Via::Header }))
    }

    fn verify(&self, _: &View<'_>, _: &Credential<'_>, _: Evidence<'_>) -> Result<Vouched, Doubt> {
        let caller = self.assume(&Map::new()).map_err(Doubt::Refused)?;
        Ok(Vouched { caller, from: i64::MIN, until: i64::MAX })
    }

    fn missing(&self) -> Refusal {
        Refusal::new(Code::TokenMissing, "identity", "another credential")
    }

    fn assume(&self, _: &Map<String, Value>) -> Result<Arc<Caller>, Refusal> {
        Ok(Arc::new(Caller {
            identity: self.0.into(),
            user: Reading::Absent,
            tenants: Reading::Absent,
            roles: Reading::Absent,
            scopes: Reading::Absent,
            claims: Map::new(),
            forward: Vec::new(),
            unforwardable: None,
            key: None,
        }))
    }
}

fn limits() -> BTreeMap<String, Arc<Limit>> {
    let limit = |name: &str| {
        let raw = RawLimit {
            concurrent: Some(4),
            per: Some(OneOrMany(vec!["ip".to_owned()])),
            ..RawLimit::default()
        };
        (name.to_owned(), Arc::new(limit::compile(name, &raw, &Place::root()).unwrap()))
    };
    BTreeMap::from([limit("few"), limit("many")])
}

struct NoFiles;

impl Library for NoFiles {
    fn secret(&self, _: &str) -> Result<Secret, String> {
        Err("there is no secret".to_owned())
    }

    fn file(&self, _: &str) -> Result<Vec<u8>, String> {
        Err("there is no file".to_owned())
    }

    /// Descriptions whose operation asks for more or less.
    fn document(&self, path: &str) -> Result<Value, String> {
        let parameter = |at: &str, name: &str| json!({"in": at, "name": name, "schema": {"type": "string"}});
        let operation = if path == "tenant_in_query" {
            let schema = json!({"required": ["tenant"]});
            json!({
                "parameters": [parameter("query", "tenant")],
                "requestBody": {"content": {"*/*": {"schema": schema}}},
            })
        } else {
            json!({"requestBody": {"content": {"*/*": {}}}})
        };
        let parameters = json!([parameter("path", "a"), parameter("path", "b")]);
        Ok(json!({"openapi": "3.1.0", "paths": {"/{a}/{b}": {"parameters": parameters, "post": operation}}}))
    }

    fn keys(&self, _: &str) -> Result<Vec<Listed>, Vec<Wrong>> {
        Err(Vec::new())
    }
}

fn identities() -> BTreeMap<String, Arc<IdentityDef>> {
    let all = Tells { tenant: true, roles: true, scopes: true };
    [("alpha", all), ("beta", all), ("gamma", Tells { scopes: false, ..all })]
        .into_iter()
        .map(|(name, tells)| {
            let def = IdentityDef {
                name: name.into(),
                index: 0,
                gate: Arc::new(Named(name)),
                tells,
                owns: Vec::new(),
                carriers: Vec::new(),
                hides: Vec::new(),
                keys: None,
                login: None,
                ambient: false,
                bearer: false,
                remembers: false,
                notes: Vec::new(),
            };
            (name.to_owned(), Arc::new(def))
        })
        .collect()
}

#[derive(Clone, Debug)]
struct Request {
    credentials: Vec<&'static str>,
    path: (&'static str, &'static str),
    query: Option<String>,
    headers: Vec<(&'static str, String)>,
    tenants: Reading<Vec<String>>,
    roles: Reading<Vec<String>>,
    scopes: Reading<Vec<String>>,
    claims: Value,
    body: String,
    declares_length: bool,
    /// How the credential came, and of which origin the page is that sends it.
    page: (Via, Option<&'static str>),
}

fn reading(names: &[&'static str]) -> impl Strategy<Value = Reading<Vec<String>>> + use<> {
    let upto = 0..=names.len();
    let names = subsequence(names.to_vec(), upto)
        .prop_map(|names| Reading::Value(names.into_iter().map(str::to_owned).collect()));
    prop_oneof![8 => names, 1 => Just(Reading::Absent), 1 => Just(Reading::Unreadable)]
}

fn request() -> impl Strategy<Value = Request> {
    let tenant = || select(vec!["acme", "globex"]);
    let tenants = prop_oneof![
        4 => select(vec!["acme", "globex"]).prop_map(|name| Reading::Value(vec![name.to_owned()])),
        1 => reading(&["acme", "globex"]),
    ];
    let value = || select(vec![json!(true), json!(1), json!("1"), json!(2), json!("pro"), Value::Null]);
    let signed_in = select(vec![json!(-200), json!(-400), json!(400), Value::Null]);
    let signed_in = prop_oneof![4 => Just(json!(-30)), 1 => signed_in];
    let claims = (value(), value(), value(), signed_in).prop_map(|(mfa, level, plan, signed_in)| {
        json!({"mfa": mfa, "level": level, "org": {"plan": plan}, "auth_time": signed_in})
    });
    let document = (tenant(), tenant())
        .prop_map(|(outer, deep)| json!({"tenant": outer, "deep": {"tenant": deep}}).to_string());
    let body = prop_oneof![
        2 => document.clone(),
        1 => (document, 0_usize..60).prop_map(|(document, more)| document + &" ".repeat(more)),
        1 => tenant().prop_map(|name| json!({"tenant": name}).to_string()),
        2 => tenant().prop_map(|name| format!("tenant={name}")),
        1 => Just(String::new()),
        1 => (0_usize..120).prop_map(|length| "x".repeat(length)),
    ];
    let credentials = subsequence(vec!["alpha", "beta", "gamma"], 0..=3);
    let caller = (tenants, reading(&["admin", "user"]), reading(&["read", "write"]), claims);
    let origins = vec![
        "https://app.test",
        "https://app.test",
        "https://a.test",
        "https://x.a.test",
        "https://y.x.a.test",
        "http://x.a.test",
        "null",
    ];
    // Seldom, so that the other gates get to speak.
    let via = prop_oneof![3 => Just(Via::Header), 1 => Just(Via::Cookie)];
    let page = (via, option::weighted(0.3, select(origins)));
    // Absent, once, twice, and under another name.
    let query =
        option::weighted(0.8, vec((select(vec!["tenant", "tenant", "Tenant", "x"]), tenant()), 1..=2))
            .prop_map(|pairs| {
                let pairs = pairs?.into_iter().map(|(name, value)| format!("{name}={value}"));
                Some(pairs.collect::<Vec<_>>().join("&"))
            });
    let header = select(vec!["x-tenant", "x-tenant", "x.tenant", "x"]);
    let cookie = select(vec!["tenant=", "tenant=", "Tenant=", "x=1; tenant="]);
    let json = "application/json";
    let kind = select(vec![json, json, "application/x-www-form-urlencoded", "multipart/form-data"]);
    let headers = (vec((header, tenant()), 0..=2), vec((cookie, tenant()), 0..=2), kind);
    let headers = headers.prop_map(|(fields, cookies, kind)| {
        let cookies = cookies.into_iter().map(|(start, tenant)| ("cookie", format!("{start}{tenant}")));
        let mut headers = vec![("content-type", kind.to_owned())];
        headers.extend(fields.into_iter().map(|(name, tenant)| (name, tenant.to_owned())).chain(cookies));
        headers
    });
    let rest = (query, headers, body, any::<bool>(), page);
    (credentials, (tenant(), tenant()), caller, rest).prop_map(
        |(
            credentials,
            path,
            (tenants, roles, scopes, claims),
            (query, headers, body, declares_length, page),
        )| {
            Request {
                credentials,
                path,
                query,
                headers,
                tenants,
                roles,
                scopes,
                claims,
                body,
                declares_length,
                page,
            }
        },
    )
}

/// A request that says nothing, for gates that look at the answer.
fn quiet() -> Request {
    Request {
        credentials: Vec::new(),
        path: ("acme", "acme"),
        query: None,
        headers: Vec::new(),
        tenants: Reading::Absent,
        roles: Reading::Absent,
        scopes: Reading::Absent,
        claims: json!({}),
        body: String::new(),
        declares_length: false,
        page: (Via::Header, None),
    }
}

#[derive(Clone, Debug)]
struct Sample {
    parent: Written,
    child: Written,
    relax: Vec<String>,
    requests: Vec<Request>,
}

fn sample() -> impl Strategy<Value = Sample> {
    let keys: Vec<String> = monotone_keys().map(str::to_owned).collect();
    let some = 0..=keys.len();
    let relax = prop_oneof![Just(Vec::new()), subsequence(keys, some)];
    (written(), written(), relax, vec(request(), 24)).prop_map(|(parent, child, relax, requests)| Sample {
        parent,
        child,
        relax,
        requests,
    })
}

/// The route on which both scopes are compared.
struct Ways {
    table: Table<()>,
    captures: Vec<String>,
}

impl Ways {
    fn new() -> Self {
        let pattern = Pattern::parse("POST /{tenant}/{other}").unwrap();
        let captures = pattern.names().map(str::to_owned).collect();
        Self { table: Table::compile(vec![(vec![pattern], ())]).unwrap(), captures }
    }

    fn plan(&self, scope: &Scope, identities: &[Arc<IdentityDef>]) -> Option<Plan> {
        let facts = RouteFacts {
            captures: &self.captures,
            public: false,
            place: Place::root(),
            identities,
            signed: false,
        };
        scope.plan(&facts).ok()
    }

    /// Where the upstream's cookies can go: what a child must not add to.
    fn exposes(&self, plan: &Plan) -> BTreeSet<String> {
        let mut exposures = BTreeSet::new();
        for cookie in ["a=1", "a=1; SameSite=None; Secure", "a=1; HttpOnly; SameSite=Lax"] {
            let mut fields = HeaderMap::from_iter([(SET_COOKIE, cookie.parse().unwrap())]);
            self.viewed(&quiet(), |view| plan.reply(view, Speaker::Upstream, &mut fields));
            let field = fields.get(SET_COOKIE).unwrap().to_str().unwrap();
            let lacking = |attribute: &str| !field.contains(attribute);
            let kept = [
                ("plain http", lacking("; Secure")),
                ("scripts", lacking("; HttpOnly")),
                ("navigations", lacking("SameSite=Strict")),
                ("other sites", lacking("SameSite=Strict") && lacking("SameSite=Lax")),
            ];
            exposures
                .extend(kept.iter().filter(|(_, open)| *open).map(|(whom, _)| format!("{cookie} to {whom}")));
        }
        exposures
    }

    fn admits(&self, plan: &Plan, request: &Request) -> bool {
        self.viewed(request, |view| {
            plan.presented(view).is_ok()
                && plan.judge_head(view, |_, _| false).is_ok()
                && u64::try_from(request.body.len()).unwrap() <= plan.body_max()
                && plan
                    .open(view, request.body.as_bytes())
                    .is_ok_and(|content| plan.judge_body(view, &content, |_, _| false).is_ok())
        })
    }

    /// What the page that sends the request may do: read the answer, and with the caller's cookies.
    fn reads(&self, plan: &Plan, request: &Request) -> Vec<&'static str> {
        let mut fields = HeaderMap::new();
        self.viewed(request, |view| plan.reply(view, Speaker::Upstream, &mut fields));
        let may = ["access-control-allow-origin", "access-control-allow-credentials"];
        may.into_iter().filter(|name| fields.contains_key(*name)).collect()
    }

    fn viewed<T>(&self, request: &Request, see: impl FnOnce(&View<'_>) -> T) -> T {
        let text = format!("/{}/{}", request.path.0, request.path.1);
        let path = Path::parse(text.as_bytes()).unwrap();
        let Lookup::Found(found) = self.table.find(&Method::POST, &path) else { panic!("{text}") };
        let mut headers = HeaderMap::new();
        for name in &request.credentials {
            headers.append("x-credential", name.parse().unwrap());
        }
        for (name, value) in &request.headers {
            headers.append(*name, value.parse().unwrap());
        }
        if request.declares_length {
            headers.insert("content-length", request.body.len().into());
        }
        if let Some(origin) = request.page.1 {
            headers.insert("origin", origin.parse().unwrap());
        }
        let caller = Caller {
            identity: "assumed".into(),
            user: Reading::Absent,
            tenants: request.tenants.clone(),
            roles: request.roles.clone(),
            scopes: request.scopes.clone(),
            claims: request.claims.as_object().unwrap().clone(),
            forward: Vec::new(),
            unforwardable: None,
            key: None,
        };
        let view = View {
            method: &Method::POST,
            path: path.as_str(),
            target: path.forward(),
            query: request.query.as_deref(),
            host: "app.test",
            authority: Some("app.test"),
            has_body: !request.body.is_empty(),
            secure: true,
            headers: &headers,
            client: IpAddr::V4(Ipv4Addr::LOCALHOST),
            certificate: None,
            route: "route",
            webhook: None,
            captures: Some(found.captures),
            caller: Some(&caller),
            via: Some(request.page.0),
            now_ms: 0,
        };
        see(&view)
    }
}

/// What came of a sample that breaks nothing.
#[derive(Default, Clone, Copy)]
struct Tally {
    loaded: bool,
    admitted: usize,
}

/// Where `sample` breaks the property if inner scopes are settled by `settle`.
fn check(sample: &Sample, settle: Settle) -> Result<Tally, String> {
    let (identities, limits, ways) = (identities(), limits(), Ways::new());
    let nothing = Relaxed::default();
    let relaxed = Relaxed::new(sample.relax.iter().cloned());
    let ground = |relaxed| Ground {
        place: Place::root(),
        relaxed,
        identities: &identities,
        limits: &limits,
        library: &NoFiles,
    };
    let Ok(parent) = Scope::default().settle(&sample.parent.0, &ground(&nothing)) else {
        return Ok(Tally::default());
    };
    let Ok(child) = settle(&parent, &sample.child.0, &ground(&relaxed)) else { return Ok(Tally::default()) };
    // Both are asked about the child's callers: another identity is the business of its own key.
    let named: Vec<_> = child.identity.iter().flat_map(IdentityRef::defs).cloned().collect();
    let Some(whole) = ways.plan(&child, &named) else { return Ok(Tally::default()) };
    let kept = REGISTRY
        .iter()
        .filter(|row| !row.monotone.iter().any(|key| sample.relax.iter().any(|named| named == key)))
        .map(|row| (row.key, only(row.key, &parent), only(row.key, &child)));
    // A route that is the first to say with which origins it shares cookies says it for `csrf` too.
    let shares = parent.cors.is_none() && child.cors.is_some();
    let everything =
        (sample.relax.is_empty() && !shares).then(|| ("the whole", parent.clone(), child.clone()));
    for (what, outer, inner) in kept.chain(everything) {
        // A parent that cannot stand on the route admits nobody.
        let outer = ways.plan(&outer, &named);
        let inner = ways.plan(&inner, &named).ok_or(format!("{what} does not stand alone"))?;
        let outer_exposes = outer.as_ref().map(|outer| ways.exposes(outer));
        if let Some(more) =
            outer_exposes.and_then(|known| ways.exposes(&inner).difference(&known).next().cloned())
        {
            return Err(format!("{what}: the child admits cookies of {more}"));
        }
        for request in &sample.requests {
            let admitted = outer.as_ref().is_some_and(|outer| ways.admits(outer, request));
            if ways.admits(&inner, request) && !admitted {
                return Err(format!("{what}: the child admits {request:?}"));
            }
            // Where no `cors` is inherited, nothing is said of who reads.
            let Some(outer) = outer.as_ref().filter(|outer| outer.takes_preflights()) else { continue };
            let known = ways.reads(outer, request);
            if ways.reads(&inner, request).iter().any(|may| !known.contains(may)) {
                return Err(format!("{what}: the child admits a page to the answer of {request:?}"));
            }
        }
    }
    let admitted = sample.requests.iter().filter(|request| ways.admits(&whole, request)).count();
    Ok(Tally { loaded: true, admitted })
}

/// Looks for a sample that breaks the property; the same samples each time, so that what is found stays found.
fn search(samples: u32, settle: Settle) -> Result<(), String> {
    let config = Config { cases: samples, failure_persistence: None, ..Config::default() };
    let rng = proptest::test_runner::TestRng::deterministic_rng(config.rng_algorithm);
    let mut runner = TestRunner::new_with_rng(config, rng);
    let verdict = runner.run(&sample(), |sample| match check(&sample, settle) {
        Ok(_) => Ok(()),
        Err(why) => Err(TestCaseError::fail(why)),
    });
    match verdict {
        Ok(()) => Ok(()),
        Err(TestError::Fail(why, sample)) => Err(format!("{why}\n{sample:#?}")),
        Err(TestError::Abort(why)) => panic!("{why}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1024, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_the_child_admits_the_parent_admits(sample in sample()) {
        if let Err(why) = check(&sample, Scope::settle) {
            return Err(TestCaseError::fail(why));
        }
    }

    #[test]
    fn whatever_is_relaxed_may_be_widened(parent in written(), child in written()) {
        let (identities, limits, nothing) = (identities(), limits(), Relaxed::default());
        let relaxed = Relaxed::new(monotone_keys().map(str::to_owned));
        let ground = |relaxed| Ground { place: Place::root(), relaxed, identities: &identities, limits: &limits, library: &NoFiles };
        // A sample may be wrong of itself: it requires nothing where there is nothing to relax.
        let alone = |raw| Scope::default().settle(raw, &ground(&nothing)).ok();
        let Some(parent) = alone(&parent.0) else { return Ok(()) };
        prop_assume!(parent.require.is_some() || alone(&child.0).is_some());
        prop_assume!(parent.csrf.is_some() || child.0.csrf != Some(RawCsrf::Off));
        prop_assert!(parent.settle(&child.0, &ground(&relaxed)).is_ok());
    }
}

#[test]
fn a_settling_that_widens_is_found() {
    let monotone = |key: &str| REGISTRY.iter().any(|row| row.key == key && !row.monotone.is_empty());
    for (key, settle) in widening().into_iter().filter(|(key, _)| monotone(key)) {
        let found = search(1024, settle).expect_err(key);
        assert!(found.contains(&format!("{key}: the child admits")), "{found}");
    }
    // The same search over what is in force finds nothing, so it is the widening that was found.
    search(1024, Scope::settle).unwrap();
}

#[test]
fn samples_load_and_admit() {
    let mut runner = TestRunner::deterministic();
    let (mut loaded, mut admitted) = (0, 0);
    for _ in 0..1024 {
        let sample = sample().new_tree(&mut runner).unwrap().current();
        let tally = check(&sample, Scope::settle).unwrap();
        loaded += usize::from(tally.loaded);
        admitted += tally.admitted;
    }
    assert!(loaded > 256, "{loaded} of 1024 load: the property is asked too seldom");
    assert!(admitted > 256, "{admitted} requests are admitted: the property is asked too seldom");
}
