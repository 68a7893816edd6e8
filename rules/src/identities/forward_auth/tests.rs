use std::collections::BTreeSet;

use http::{HeaderMap, HeaderValue, Method, StatusCode};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use super::*;
use crate::credential::{Doubt, Evidence, LoginAnswer, Via, Vouched};
use crate::policy::Library;
use crate::secret::Secret;
use crate::verdict::{Code, Refusal};
use crate::view::{Caller, Reading, View};

struct Nothing;

impl Library for Nothing {
    fn secret(&self, _: &str) -> Result<Secret, String> {
        Err("none".to_owned())
    }

    fn file(&self, _: &str) -> Result<Vec<u8>, String> {
        Err("none".to_owned())
    }

    fn keys(&self, _: &str) -> Result<Vec<crate::key_file::Listed>, Vec<crate::key_file::Wrong>> {
        Err(Vec::new())
    }
}

fn def(changes: &Value) -> IdentityDef {
    let mut raw = json!({"kind": "forward_auth", "url": "https://sso.test/auth"});
    raw.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    let raw: RawForwardAuth = serde_json::from_value(raw).unwrap();
    let making = Making {
        name: "sso",
        index: 0,
        at: Place::root(),
        library: &Nothing,
        production: true,
        client_ca: false,
    };
    compile(&raw, &making).unwrap_or_else(|problems| panic!("{problems:?}"))
}

/// A request, as far as a login service may hear of it.
#[derive(Clone, Debug)]
struct Asked {
    method: Method,
    secure: bool,
    host: String,
    target: String,
    query: Option<String>,
    client: IpAddr,
    headers: Vec<(&'static str, String)>,
}

fn asked(headers: &[(&'static str, &str)]) -> Asked {
    Asked {
        method: Method::POST,
        secure: true,
        host: "app.test".to_owned(),
        target: "/a%20b".to_owned(),
        query: Some("x=1&y".to_owned()),
        client: [192, 0, 2, 7].into(),
        headers: headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect(),
    }
}

impl Asked {
    fn headers(&self) -> HeaderMap {
        let fields = self.headers.iter().map(|(name, value)| (*name, value.parse::<HeaderValue>().unwrap()));
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(name, value);
        }
        headers
    }

    fn view<'a>(&'a self, headers: &'a HeaderMap) -> View<'a> {
        View {
            method: &self.method,
            path: "/decoded",
            target: &self.target,
            query: self.query.as_deref(),
            host: &self.host,
            authority: Some("App.Test:8443"),
            headers,
            secure: self.secure,
            client: self.client,
            has_body: true,
            certificate: None,
            route: "route",
            webhook: None,
            captures: None,
            caller: None,
            via: None,
            now_ms: 7_500,
        }
    }

    /// The credential's text and how it came, and the question's fields.
    fn question(&self, def: &IdentityDef) -> Result<Option<(Vec<u8>, Via, HeaderMap)>, Refusal> {
        let headers = self.headers();
        let view = self.view(&headers);
        let Some(credential) = def.gate.presented(&view)? else { return Ok(None) };
        match def.gate.verify(&view, &credential, Evidence::default()) {
            Err(Doubt::Ask(question)) => {
                Ok(Some((credential.text.to_vec(), credential.via, question.fields)))
            }
            other => panic!("{other:?}"),
        }
    }

    fn told(&self, def: &IdentityDef, answer: &LoginAnswer) -> Result<Vouched, Refusal> {
        let headers = self.headers();
        let view = self.view(&headers);
        let credential = def.gate.presented(&view)?.unwrap();
        let evidence = Evidence { answer: Some(answer), ..Evidence::default() };
        def.gate.verify(&view, &credential, evidence).map_err(|doubt| match doubt {
            Doubt::Refused(refusal) => refusal,
            other => panic!("{other:?}"),
        })
    }
}

fn answer(status: u16, fields: &[(&'static str, &[u8])]) -> LoginAnswer {
    let mut map = HeaderMap::new();
    for (name, value) in fields {
        map.append(*name, HeaderValue::from_bytes(value).unwrap());
    }
    LoginAnswer { status: StatusCode::from_u16(status).unwrap(), fields: map }
}

fn caller(changes: &Value, fields: &[(&'static str, &[u8])]) -> Result<Arc<Caller>, Code> {
    let vouched = asked(&[("cookie", "s=1")]).told(&def(changes), &answer(200, fields));
    vouched.map(|vouched| vouched.caller).map_err(|refusal| refusal.code)
}

#[test]
fn the_question_has_what_is_sent_and_where_to_and_nothing_else() {
    let request = asked(&[
        ("cookie", "s=1"),
        ("authorization", "Basic eDp5"),
        ("x-forwarded-uri", "/public"),
        ("x-forwarded-method", "GET"),
        ("x-original-url", "/public"),
        ("x-auth-request-user", "root"),
        ("user-agent", "curl"),
        ("content-type", "text/plain"),
    ]);
    let (_, via, fields) = request.question(&def(&json!({}))).unwrap().unwrap();
    let fields: BTreeSet<_> =
        fields.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
    let expected = BTreeSet::from([
        ("cookie", "s=1"),
        ("authorization", "Basic eDp5"),
        ("x-forwarded-method", "POST"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "app.test"),
        ("x-forwarded-uri", "/a%20b?x=1&y"),
        ("x-forwarded-for", "192.0.2.7"),
    ]);
    assert_eq!(fields, expected);
    assert_eq!(via, Via::Cookie, "one of the two is sent by browsers unasked");
}

#[test]
fn what_is_shown_is_what_send_names() {
    let via = |send: Value, headers: &[(&'static str, &str)]| {
        asked(headers).question(&def(&send)).map(|asked| asked.map(|(_, via, _)| via)).map_err(|no| no.code)
    };
    let both: &[(&str, &str)] = &[("cookie", "s=1"), ("authorization", "x")];
    assert_eq!(via(json!({}), &[]), Ok(None));
    assert_eq!(via(json!({}), &[("x-other", "1"), ("cookie", ""), ("authorization", " ")]), Ok(None));
    assert_eq!(via(json!({}), &[("authorization", "x")]), Ok(Some(Via::Header)));
    assert_eq!(via(json!({"send": ["authorization", "cookie"]}), both), Ok(Some(Via::Cookie)));
    assert_eq!(via(json!({"send": ["Authorization"]}), both), Ok(Some(Via::Header)));
    assert_eq!(via(json!({"send": ["x-session"]}), both), Ok(None));
    let twice: &[(&str, &str)] = &[("authorization", "x"), ("authorization", "y")];
    assert_eq!(via(json!({}), twice), Err(Code::TokenInvalid));
    let crumbs = asked(&[("cookie", "a=1"), ("cookie", "b=2; c=3")]);
    let (_, _, fields) = crumbs.question(&def(&json!({}))).unwrap().unwrap();
    assert_eq!(fields.get_all("cookie").iter().collect::<Vec<_>>(), ["a=1; b=2; c=3"]);
}

#[test]
fn what_stands_in_one_field_never_counts_as_two() {
    let def = def(&json!({}));
    let text = |headers: &[(&'static str, &str)]| asked(headers).question(&def).unwrap().unwrap().0;
    let two = text(&[("cookie", "1"), ("authorization", "2")]);
    for one in ["1authorization2", "1: authorization: 2", "1\tauthorization\t2"] {
        assert_ne!(text(&[("cookie", one)]), two, "{one}");
    }
}

/// Requests that differ little and in ways that could run together.
fn any_asked() -> impl Strategy<Value = Asked> {
    let value =
        || select(vec!["", "a", "aa", "aauthorizationa", "aauthorization", "ax-keya", "/a", "GET", "\u{a0}"]);
    let headers = vec((select(vec!["cookie", "authorization", "x-key", "x-forwarded-uri"]), value()), 0..4);
    let query = prop_oneof![Just(None), value().prop_map(|query| Some(query.to_owned()))];
    (
        select(vec![Method::GET, Method::POST]),
        any::<bool>(),
        select(vec!["a", "aa", "a.test"]),
        select(vec!["/", "/a", "/a?", "/a/a"]),
        query,
        select(vec![[127, 0, 0, 1], [127, 0, 0, 11]]),
        headers,
    )
        .prop_map(|(method, secure, host, target, query, client, headers)| Asked {
            method,
            secure,
            host: host.to_owned(),
            target: target.to_owned(),
            query: query.filter(|query| query.is_ascii()),
            client: client.into(),
            headers: headers.into_iter().map(|(name, value)| (name, value.to_owned())).collect(),
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8192))]

    /// The memory of verified credentials knows a question by its text.
    #[test]
    fn two_questions_have_one_text_only_if_they_are_the_same(
        left in any_asked(), right in any_asked(), near in any::<bool>(),
    ) {
        let right = if near { Asked { headers: right.headers, ..left.clone() } } else { right };
        let def = def(&json!({"send": ["cookie", "x-key", "authorization"]}));
        if let (Ok(Some((left, _, asked))), Ok(Some((right, _, other)))) =
            (left.question(&def), right.question(&def))
        {
            prop_assert_eq!(left == right, asked == other, "{:?} {:?}", asked, other);
        }
    }

    #[test]
    fn no_answer_is_a_panic(status in 100_u16..1000, fields in vec((select(vec!["x-user", "x-roles", "x-copy", "date"]), vec(any::<u8>(), 0..9)), 0..6)) {
        let mut map = HeaderMap::new();
        for (name, value) in &fields {
            if let Ok(value) = HeaderValue::from_bytes(value) {
                map.append(*name, value);
            }
        }
        let answer = LoginAnswer { status: StatusCode::from_u16(status).unwrap(), fields: map };
        let def = def(&json!({"claims": {"user": "x-user", "roles": "x-roles"}, "copy": ["x-copy"]}));
        let told = asked(&[("cookie", "s=1")]).told(&def, &answer);
        prop_assert!(told.is_err() || (200..300).contains(&status), "{status} admits");
    }
}

#[test]
fn what_the_service_says_is_what_is_done() {
    for (status, code) in [
        (400, Code::KeysUnavailable),
        (401, Code::TokenInvalid),
        (403, Code::ClaimRequired),
        (404, Code::KeysUnavailable),
        (407, Code::KeysUnavailable),
        (429, Code::KeysUnavailable),
        (300, Code::TokenInvalid),
        (302, Code::TokenInvalid),
        (304, Code::TokenInvalid),
        (399, Code::TokenInvalid),
        (500, Code::KeysUnavailable),
        (503, Code::KeysUnavailable),
        (999, Code::KeysUnavailable),
        (101, Code::KeysUnavailable),
    ] {
        let told = asked(&[("cookie", "s=1")]).told(&def(&json!({})), &answer(status, &[]));
        assert_eq!(told.unwrap_err().code, code, "{status}");
    }
    for status in [200, 202, 204, 299] {
        assert!(asked(&[("cookie", "s=1")]).told(&def(&json!({})), &answer(status, &[])).is_ok(), "{status}");
    }
}

#[test]
fn an_answer_holds_as_long_as_it_is_cached() {
    for (cache, until) in [("0s", 7), ("1s", 8), ("5m", 307)] {
        let def = def(&json!({"cache": cache}));
        let vouched = asked(&[("cookie", "s=1")]).told(&def, &answer(200, &[])).unwrap();
        assert_eq!((vouched.from, vouched.until), (7, until));
        assert_eq!(def.remembers, cache != "0s");
    }
}

#[test]
fn the_answer_tells_who_it_is() {
    let changes = json!({
        "claims": {"user": "X-User", "tenant": "x-org", "roles": "x-groups", "scopes": "x-scope"},
        "forward": {"x-user-id": "user"}, "copy": ["X-Email"],
    });
    let told = caller(
        &changes,
        &[
            ("x-user", b"ada"),
            ("x-org", b"acme, globex"),
            ("x-groups", b"admin, site ops|dev,,"),
            ("x-scope", b"read write,list"),
            ("x-email", b"ada@acme.test"),
            ("set-cookie", b"a=1"),
            ("set-cookie", b"b=2"),
        ],
    )
    .unwrap();
    assert_eq!(told.user, Reading::Value("ada".to_owned()));
    assert_eq!(told.tenants, Reading::Value(vec!["acme, globex".to_owned()]), "a tenant is one name");
    assert_eq!(told.roles.value().unwrap(), &["admin", "site ops", "dev"]);
    assert_eq!(told.scopes.value().unwrap(), &["read", "write", "list"]);
    let forward: Vec<_> =
        told.forward.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
    assert_eq!(forward, [("x-user-id", "ada"), ("x-email", "ada@acme.test")]);
    assert_eq!(told.claims.get("x-email"), Some(&json!("ada@acme.test")));
    assert_eq!(told.claims.get("set-cookie"), None, "nobody knows which of them counts");
    let owns: BTreeSet<_> = def(&changes).owns.iter().map(ToString::to_string).collect();
    let expected = ["x-user-id", "x-email", "x-user", "x-org", "x-groups", "x-scope"].map(str::to_owned);
    assert_eq!(owns, BTreeSet::from(expected));
    let telling = def(&json!({"claims": {"user": "authorization"}}));
    assert!(telling.owns.is_empty(), "a client's own proof is not taken away: {:?}", telling.owns);
}

#[test]
fn what_is_not_told_is_not_made_up() {
    let changes = json!({"claims": {"user": "x-user", "roles": "x-groups"}, "copy": ["x-email"]});
    let told = caller(&changes, &[("x-user", b"ada"), ("x-email", b"")]).unwrap();
    assert_eq!(told.roles, Reading::Absent);
    assert!(told.forward.is_empty() && told.unforwardable.is_none());
    let told = caller(&changes, &[("x-user", b"ada"), ("x-groups", b"")]).unwrap();
    assert_eq!(told.roles, Reading::Value(Vec::new()));
    assert_eq!(caller(&json!({}), &[("x-user", b"ada")]).unwrap().user, Reading::Absent);
}

#[test]
fn a_doubtful_answer_closes_the_gate() {
    let changes = json!({"claims": {"user": "x-user", "roles": "x-groups"}, "copy": ["x-email"]});
    let doubtful: &[&[(&str, &[u8])]] = &[
        &[],
        &[("x-user", b"")],
        &[("x-user", b"ada"), ("x-user", b"ada")],
        &[("x-user", b"ada"), ("x-user", b"root")],
        &[("x-user", b"\xff")],
        &[("x-user", b"ada"), ("x-groups", b"a"), ("x-groups", b"admin")],
        &[("x-user", b"ada"), ("x-groups", b"\xc3")],
        &[("x-user", b"ada"), ("x-email", b"a@x"), ("x-email", b"b@x")],
    ];
    for fields in doubtful {
        assert_eq!(caller(&changes, fields).err(), Some(Code::KeysUnavailable), "{fields:?}");
    }
    // Known by the gates, and refused before the upstream: what it would read is anyone's guess.
    let told = caller(&changes, &[("x-user", "josé".as_bytes()), ("x-email", "josé@x".as_bytes())]).unwrap();
    assert_eq!(told.user, Reading::Value("josé".to_owned()));
    assert_eq!(told.unforwardable.as_ref().map(HeaderName::as_str), Some("x-email"));
}

#[test]
fn an_assumed_caller_is_told_as_one_who_was_asked_about() {
    let changes = json!({
        "claims": {"user": "x-user", "roles": "x-groups"}, "forward": {"x-user-id": "user"}, "copy": ["x-email"],
    });
    let facts = json!({"user": "ada", "roles": ["a", "site ops"], "x-email": "ada@acme.test"});
    let told = def(&changes).gate.assume(facts.as_object().unwrap()).unwrap();
    assert_eq!(told.user, Reading::Value("ada".to_owned()));
    assert_eq!(told.roles.value().unwrap(), &["a", "site ops"]);
    assert_eq!(told.forward.len(), 2);
}

#[test]
fn plain_http_stays_near() {
    for host in [
        "127.0.0.1",
        "127.8.9.1:4180",
        "[::1]:80",
        "10.1.2.3",
        "172.31.0.1",
        "192.168.0.1",
        "[fd00::1]",
        "[::ffff:10.0.0.1]",
        "localhost:4180",
        "oauth2-proxy",
        "auth.sso.svc",
        "auth.sso.svc.cluster.local",
        "auth.corp.internal",
        "AUTH.LOCAL",
    ] {
        def(&json!({"url": format!("http://{host}/auth")}));
    }
    let near = |host: &str| Host::parse(host).is_some_and(|host| is_near(host.name()));
    for host in [
        "auth.example.com",
        "8.8.8.8",
        "172.32.0.1",
        "169.254.169.254",
        "[2001:db8::1]",
        "134744072",
        "0x8080808",
        "svc.example.com",
        "notlocal.example",
        "010.8.8.8",
    ] {
        assert!(!near(host), "{host}");
    }
}
