use std::net::IpAddr;

use http::{HeaderMap, HeaderValue, Method};
use serde_json::{Map, Value, json};

use super::*;
use crate::path::Path;
use crate::route::{Lookup, Pattern, Table};
use crate::shapes::OneOrMany;
use crate::strict_json;
use crate::units::Time;
use crate::verdict::Code;
use crate::view::{Caller, Reading};

const SEED: Seed = Seed::Secret([7; 16]);

fn raw(per: &[&str]) -> RawLimit {
    let per = OneOrMany(per.iter().map(|text| (*text).to_owned()).collect());
    RawLimit { per: Some(per), allow: Some(RawAllow::All("5/min".to_owned())), ..RawLimit::default() }
}

fn compiled(raw: &RawLimit) -> Arc<Limit> {
    Arc::new(compile("test", raw, &Place::root()).unwrap())
}

/// A request whose facts a test changes.
struct Request {
    client: &'static str,
    path: &'static str,
    query: &'static str,
    headers: HeaderMap,
    body: &'static str,
    caller: Option<Caller>,
}

impl Request {
    fn new() -> Self {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", HeaderValue::from_static("application/json"));
        Self { client: "192.0.2.1", path: "/things/a", query: "", headers, body: "{}", caller: None }
    }

    fn of(user: &str, tenants: &[&str], roles: &[&str]) -> Self {
        let words = |words: &[&str]| Reading::Value(words.iter().map(|word| (*word).to_owned()).collect());
        let mut claims = Map::new();
        claims.insert("plan".to_owned(), json!("free"));
        claims.insert("org".to_owned(), json!({"id": 7}));
        let caller = Caller {
            identity: "session".into(),
            user: Reading::Value(user.to_owned()),
            tenants: words(tenants),
            roles: words(roles),
            scopes: Reading::Absent,
            claims,
            key: None,
            forward: Vec::new(),
            unforwardable: None,
        };
        Self { caller: Some(caller), ..Self::new() }
    }

    fn with(mut self, name: &'static str, value: &'static str) -> Self {
        self.headers.append(name, HeaderValue::from_static(value));
        self
    }

    /// What it asks of one limit once `need` is met.
    fn asks(&self, limit: &Arc<Limit>, need: Need) -> Vec<Asked> {
        let table = Table::compile(vec![(vec![Pattern::parse("GET /things/{thing}").unwrap()], ())]).unwrap();
        let path = Path::parse(self.path.as_bytes()).unwrap();
        let Lookup::Found(found) = table.find(&Method::GET, &path) else { panic!("no route") };
        let view = View {
            method: &Method::GET,
            path: path.as_str(),
            target: path.forward(),
            query: Some(self.query),
            host: "app.test",
            authority: Some("app.test"),
            has_body: true,
            headers: &self.headers,
            secure: true,
            client: self.client.parse::<IpAddr>().unwrap(),
            certificate: None,
            route: "things",
            webhook: None,
            captures: Some(found.captures),
            caller: self.caller.as_ref(),
            via: None,
            now_ms: 0,
        };
        let content = Content::plain(self.body.as_bytes(), strict_json::Limits::LOOSE);
        let tenant = Spot::parse("query.tenant").unwrap();
        let mut asked = Vec::new();
        Limits::new(vec![Arc::clone(limit)], Some(tenant)).ask(need, &view, Some(&content), SEED, &mut asked);
        asked
    }

    fn key(&self, per: &str) -> u128 {
        let limit = compiled(&raw(&[per]));
        let all = [Need::Address, Need::Caller, Need::Body].map(|need| self.asks(&limit, need));
        let [asked] = all.concat().try_into().unwrap();
        let Asked { ask, .. } = asked;
        ask.key.0
    }
}

#[test]
fn every_place_tells_callers_apart() {
    let ada = || Request::of("ada", &["acme"], &[]);
    let with_key = |key: u8| {
        let mut request = ada();
        request.caller.as_mut().unwrap().key = Some([key; 32]);
        request
    };
    let plan = |plan: Value| {
        let mut request = ada();
        request.caller.as_mut().unwrap().claims.insert("plan".to_owned(), plan);
        request
    };
    for (per, one, other) in [
        ("ip", ada(), Request { client: "192.0.2.2", ..ada() }),
        ("ip", Request { client: "2001:db8::1", ..ada() }, Request { client: "2001:db8:0:1::1", ..ada() }),
        ("user", ada(), Request::of("bob", &["acme"], &[])),
        ("tenant", ada(), Request::of("ada", &["globex"], &[])),
        ("claim.plan", ada(), plan(json!("paid"))),
        ("claim.plan", plan(json!(1)), plan(json!(2))),
        ("api_key", with_key(1), with_key(2)),
        ("path.thing", ada(), Request { path: "/things/b", ..ada() }),
        ("query.q", Request { query: "q=a", ..ada() }, Request { query: "q=b", ..ada() }),
        ("header.x-key", ada().with("x-key", "a"), ada().with("x-key", "b")),
        ("cookie.key", ada().with("cookie", "key=a"), ada().with("cookie", "key=b")),
        (
            "body:/email",
            Request { body: r#"{"email":"a"}"#, ..ada() },
            Request { body: r#"{"email":"b"}"#, ..ada() },
        ),
        ("body:/n", Request { body: r#"{"n":1}"#, ..ada() }, Request { body: r#"{"n":2}"#, ..ada() }),
    ] {
        assert_ne!(one.key(per), other.key(per), "{per}");
        assert_eq!(one.key(per), one.key(per), "{per}");
    }
}

#[test]
fn what_is_the_same_to_a_backend_is_the_same_counter() {
    let ada = || Request::of("ada", &["acme"], &[]);
    for (per, one, other) in [
        ("ip", Request { client: "2001:db8::1", ..ada() }, Request { client: "2001:db8::ffff:2", ..ada() }),
        ("ip", Request { client: "::ffff:192.0.2.1", ..ada() }, ada()),
        ("user", ada(), Request { client: "192.0.2.2", ..ada() }),
        (
            "body:/email",
            Request { body: r#"{"email":"Ada@x.test"}"#, ..ada() },
            Request { body: r#"{"email":" ada@X.test "}"#, ..ada() },
        ),
        ("query.q", Request { query: "q=A", ..ada() }, Request { query: "q=a", ..ada() }),
    ] {
        assert_eq!(one.key(per), other.key(per), "{per}");
    }
}

#[test]
fn a_form_has_fields_too() {
    let form = |body| {
        let mut request = Request { body, ..Request::new() };
        request.headers.insert("content-type", HeaderValue::from_static("application/x-www-form-urlencoded"));
        request
    };
    assert_ne!(form("email=a").key("body:/email"), form("email=b").key("body:/email"));
    assert_eq!(form("email=a").key("body:/email"), form("x=1&email=A").key("body:/email"));
}

#[test]
fn what_cannot_be_read_counts_by_the_address() {
    let nobody = Request::new;
    let elsewhere = || Request { client: "192.0.2.2", ..Request::new() };
    for per in
        ["user", "tenant", "claim.plan", "api_key", "query.q", "header.x-key", "cookie.key", "body:/email"]
    {
        assert_ne!(nobody().key(per), elsewhere().key(per), "{per}");
    }
    for (per, doubtful) in [
        ("query.q", Request { query: "q=a&q=b", ..nobody() }),
        ("query.q", Request { query: "Q=a", ..nobody() }),
        ("header.x-key", nobody().with("x-key", "a").with("x-key", "b")),
        ("cookie.key", nobody().with("cookie", "key=a; key=b")),
        ("body:/email", Request { body: "no json", ..nobody() }),
        ("body:/email", Request { body: r#"{"email":["a"]}"#, ..nobody() }),
        ("body:/email", Request { body: r#"{"email":"a","email":"b"}"#, ..nobody() }),
    ] {
        assert_eq!(doubtful.key(per), nobody().key(per), "{per}");
    }
    assert_ne!(nobody().key("user"), nobody().key("ip"), "an address of its own");
}

#[test]
fn of_several_tenants_the_one_that_is_named_counts() {
    let both = |query| Request { query, ..Request::of("ada", &["acme", "globex"], &[]) };
    let acme = Request::of("bob", &["acme"], &[]);
    assert_eq!(both("tenant=acme").key("tenant"), acme.key("tenant"));
    assert_ne!(both("tenant=globex").key("tenant"), acme.key("tenant"));
    assert_eq!(both("").key("tenant"), Request::new().key("tenant"), "the address counts");
}

#[test]
fn together_is_one_counter_and_each_are_several() {
    let per = compiled(&raw(&["ip", "body:/email"]));
    let each = RawLimit { each: raw(&["ip", "body:/email"]).per, per: None, ..raw(&[]) };
    let each = compiled(&each);
    let count = |limit, need| Request::new().asks(limit, need).len();
    assert_eq!([Need::Address, Need::Caller, Need::Body].map(|need| count(&per, need)), [0, 0, 1]);
    assert_eq!([Need::Address, Need::Caller, Need::Body].map(|need| count(&each, need)), [1, 0, 1]);
}

#[test]
fn parts_cannot_run_into_one_another() {
    let key = |query| {
        let request = Request { query, ..Request::new() };
        let [asked] =
            request.asks(&compiled(&raw(&["query.a", "query.b"])), Need::Caller).try_into().unwrap();
        let Asked { ask, .. } = asked;
        ask.key
    };
    assert_ne!(key("a=xy&b=z"), key("a=x&b=yz"));
}

#[test]
fn the_most_of_ones_roles_counts() {
    let roles = [("anonymous", "10/min"), ("member", "30/min"), ("admin", "120/min")];
    let allow = roles.into_iter().map(|(role, text)| (role.to_owned(), text.to_owned())).collect();
    let limit = compiled(&RawLimit { allow: Some(RawAllow::ByRole(allow)), ..raw(&["ip"]) });
    let most = |request: Request| {
        let [asked] = request.asks(&limit, Need::Caller).try_into().unwrap();
        match asked {
            Asked { ask: Ask { meter: Meter::Window { max, .. }, .. }, .. } => max,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(most(Request::new()), 10);
    assert_eq!(most(Request::of("ada", &[], &["member"])), 30);
    assert_eq!(most(Request::of("ada", &[], &["member", "admin", "x"])), 120);
    assert_eq!(most(Request::of("ada", &[], &["x"])), 10);
    assert!(Request::new().asks(&limit, Need::Address).is_empty(), "the role is not known yet");
}

#[test]
fn failures_lock_and_an_address_is_not_cleared_by_a_success() {
    let lock = RawLock { after: 3, lasts: Time(std::time::Duration::from_mins(15)) };
    let each = OneOrMany(vec!["ip".to_owned(), "query.q".to_owned()]);
    let limit = compiled(&RawLimit { each: Some(each), lock: Some(lock), ..RawLimit::default() });
    let learns = |need| Request::new().asks(&limit, need).first().unwrap().learns;
    assert_eq!(learns(Need::Address), Learns::Failures);
    assert_eq!(learns(Need::Caller), Learns::Both);
    for (status, failures, both) in [
        (401, Some(Note::Failure), Some(Note::Failure)),
        (422, Some(Note::Failure), Some(Note::Failure)),
        (200, None, Some(Note::Success)),
        (302, None, Some(Note::Success)),
        (404, None, None),
        (500, None, None),
    ] {
        assert_eq!((Learns::Failures.note(status), Learns::Both.note(status)), (failures, both), "{status}");
    }
}

#[test]
fn allowances_are_read_as_people_write_them() {
    for (text, max, window_ms) in [
        ("5/min", 5, 60_000),
        ("20/h", 20, 3_600_000),
        ("200/d", 200, 86_400_000),
        ("1/s", 1, 1000),
        ("1/10s", 1, 10_000),
        ("1000/month", 1000, 2_592_000_000),
        ("7 / week", 7, 604_800_000),
        ("3/90m", 3, 5_400_000),
    ] {
        assert_eq!(text.parse(), Ok(Allowance { max, window_ms }), "{text}");
    }
    for text in [
        "",
        "5",
        "5/",
        "/min",
        "0/min",
        "-1/min",
        "5/fortnight",
        "5/100ms",
        "5/32d",
        "1.5/s",
        "5/min/s",
        "1000001/d",
    ] {
        assert!(text.parse::<Allowance>().is_err(), "{text}");
    }
}

#[test]
fn what_is_wrong_is_told_at_its_place() {
    let roles = |text: &str| Some(RawAllow::ByRole([("a".to_owned(), text.to_owned())].into()));
    let lock = |after, seconds| Some(RawLock { after, lasts: Time(std::time::Duration::from_secs(seconds)) });
    let good = || raw(&["ip"]);
    for (raw, place, part) in [
        (RawLimit { allow: None, ..good() }, "", "limits nothing"),
        (RawLimit { per: None, ..good() }, "", "has to say what it counts by"),
        (RawLimit { each: good().per, ..good() }, "each", "either `per` or `each`"),
        (raw(&[]), "per", "has to say what it counts by"),
        (raw(&["ip", "ip"]), "per[1]", "`ip` is there twice"),
        (raw(&["nonsense"]), "per[0]", "nothing that can be counted by"),
        (raw(&["header.a_b"]), "per[0]", "nothing that can be counted by"),
        (raw(&["claim."]), "per[0]", "nothing that can be counted by"),
        (RawLimit { allow: Some(RawAllow::All("x".to_owned())), ..good() }, "allow", "is not an allowance"),
        (RawLimit { allow: roles("x"), ..good() }, "allow.a", "is not an allowance"),
        (
            RawLimit { allow: Some(RawAllow::ByRole([].into())), ..good() },
            "allow",
            "no role is allowed anything",
        ),
        (
            RawLimit { allow: None, concurrent: Some(1), burst: Some(1), ..good() },
            "burst",
            "no effect without",
        ),
        (RawLimit { burst: Some(0), ..good() }, "burst", "would refuse every request"),
        (RawLimit { concurrent: Some(0), ..good() }, "concurrent", "would refuse every request"),
        (RawLimit { concurrent: Some(1_000_001), ..good() }, "concurrent", "out of range"),
        (RawLimit { burst: Some(1_000_001), ..good() }, "burst", "out of range"),
        (RawLimit { ipv6_prefix: Some(0), ..good() }, "ipv6_prefix", "no such prefix"),
        (RawLimit { ipv6_prefix: Some(129), ..good() }, "ipv6_prefix", "no such prefix"),
        (RawLimit { lock: lock(0, 60), ..good() }, "lock.after", "before anybody failed"),
        (RawLimit { lock: lock(1, 0), ..good() }, "lock.for", "out of range"),
        (RawLimit { lock: lock(1, 86_401), ..good() }, "lock.for", "out of range"),
    ] {
        let problems = compile("test", &raw, &Place::root()).unwrap_err();
        assert!(
            problems
                .iter()
                .any(|problem| problem.place.to_string() == place && problem.message.contains(part)),
            "nothing says `{part}` at `{place}`: {problems:?}"
        );
        assert!(problems.iter().all(|problem| problem.remedy.is_some()), "{problems:?}");
    }
}

#[test]
fn a_refusal_says_when_and_what() {
    let told = |meter, retry_after_ms| {
        let refusal = refusal("send", Refused { meter, retry_after_ms });
        let fields =
            refusal.fields.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()));
        (refusal.code, fields.collect::<Vec<_>>())
    };
    let window = Meter::Window { max: 30, window_ms: 60_000, penalty_ms: 0 };
    let (code, fields) = told(window, 16_001);
    assert_eq!(code, Code::RateLimited);
    assert_eq!(
        fields,
        ["retry-after: 17", "ratelimit-policy: \"send\";q=30;w=60", "ratelimit: \"send\";r=0;t=17"]
    );
    let (code, fields) = told(Meter::Concurrent { max: 4 }, 0);
    assert_eq!(code, Code::TooManyInFlight);
    assert_eq!(fields.first().unwrap(), "retry-after: 1");
    let lock = Meter::Lock { after: 3, for_ms: 1, most_ms: 2 };
    assert_eq!(told(lock, 900_000), (Code::LockedOut, vec!["retry-after: 900".to_owned()]));
}
