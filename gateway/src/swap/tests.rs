use std::io::Write as _;

use http::HeaderMap;
use http_body_util::BodyExt as _;
use rules::token::{ClaimPath, unverified};
use serde_json::{Value, json};

use super::base::Base;
use super::*;
use crate::config::load::{Purpose, load};
use crate::mint::SigningKey;

const ROUTES: &str = "
  - { name: list, match: 'GET /v1/{tenant}/threads/{thread}', tenant: path.tenant }
  - { name: self, match: 'GET /v1/globex/threads/{thread}', public: 'a literal where the other has a capture' }
  - { name: both, match: 'POST /v2/{tenant}', tenant: [path.tenant, 'body:/a/tenant'] }
  - { name: two, match: ['GET /v3/{tenant}', 'DELETE /v4/{tenant}'], tenant: path.tenant }
  - { name: any, match: '* /v5/{tenant}/**', tenant: path.tenant }
  - { name: me, match: 'GET /me' }
  - { name: health, match: 'GET /healthz', public: 'the monitor has no account' }
";

fn snapshot(routes: &str) -> Arc<Snapshot> {
    let text = crate::cli::init::fill("http://127.0.0.1:3000");
    let (head, _) = text.split_once("\nroutes:").unwrap();
    let mut file = tempfile::NamedTempFile::new().unwrap();
    write!(file, "{head}\nroutes:{routes}").unwrap();
    load(file.path(), Purpose::Judge).unwrap_or_else(|broken| panic!("{}", broken.text(false))).snapshot
}

fn party(letter: char, org: &Value) -> Party {
    let claims = json!({ "sub": "ada", "org_id": org });
    let token = SigningKey::generate().unwrap().mint(claims.as_object().unwrap()).unwrap();
    Party { letter, token: Zeroizing::new(token), tenant: None }
}

fn parties(a: &Value, b: &Value) -> [Party; 2] {
    [party('A', a), party('B', b)]
}

fn planned(routes: &str, active: bool) -> Plan {
    let wishes = Wishes { active, captures: [("thread".to_owned(), "t 1".to_owned())].into() };
    plan(&snapshot(routes), &parties(&json!("acme"), &json!("initech")), &wishes)
}

fn lines(plan: &Plan) -> Vec<String> {
    let bouts = plan.bouts.iter().filter(|bout| bout.party == 0);
    let each = |bout: &Bout| {
        let swaps: Vec<_> =
            bout.swaps.iter().map(|(place, parcel)| format!("{place} {}", parcel.path)).collect();
        format!("{} {}: {}", bout.method, bout.honest.path, swaps.join(", "))
    };
    bouts.map(each).collect()
}

#[test]
fn what_reads_is_tried_and_what_may_change_is_told() {
    let plan = planned(ROUTES, false);
    assert_eq!(
        lines(&plan),
        [
            "GET /v1/acme/threads/t%201: path.tenant /v1/initech/threads/t%201",
            "HEAD /v1/acme/threads/t%201: path.tenant /v1/initech/threads/t%201",
            "GET /v3/acme: path.tenant /v3/initech",
            "HEAD /v3/acme: path.tenant /v3/initech",
            "GET /v5/acme/probe: path.tenant /v5/initech/probe",
            "HEAD /v5/acme/probe: path.tenant /v5/initech/probe",
        ]
    );
    let skipped: Vec<_> =
        plan.skipped.iter().map(|skipped| format!("{}: {}", skipped.route, skipped.why)).collect();
    assert_eq!(
        skipped,
        [
            "both: POST may change something: `--active` tries it",
            "two: DELETE may change something: `--active` tries it",
            "any: POST, PUT, PATCH, DELETE may change something: `--active` tries it",
        ]
    );
    assert_eq!(plan.unbound, ["me".into()] as [Arc<str>; 1]);
    assert_eq!(plan.requests(), 24);
}

#[test]
fn whoever_asks_for_it_has_everything_tried() {
    let plan = planned(ROUTES, true);
    assert_eq!(plan.skipped, []);
    let lines = lines(&plan);
    let both = "POST /v2/acme: path.tenant /v2/initech, body:/a/tenant /v2/acme, every place /v2/initech";
    assert!(lines.iter().any(|line| line == both), "{lines:#?}");
    assert!(lines.iter().any(|line| line.starts_with("DELETE /v4/acme")), "{lines:#?}");
    assert!(lines.iter().any(|line| line.starts_with("PATCH /v5/acme/probe")), "{lines:#?}");
}

#[test]
fn a_request_that_would_go_elsewhere_is_not_sent() {
    let plan = plan(&snapshot(ROUTES), &parties(&json!("acme"), &json!("globex")), &Wishes::default());
    let why = &plan.skipped.first().unwrap().why;
    assert_eq!(why, "GET: `/v1/globex/threads/probe` goes to the route `self`");
    let plan = self::plan(&snapshot(ROUTES), &parties(&json!("acme"), &json!("a/b")), &Wishes::default());
    assert!(
        plan.bouts.is_empty() && plan.skipped.iter().any(|skipped| skipped.why.contains("encoded slash"))
    );
}

#[test]
fn tenants_that_are_shared_are_not_swapped() {
    let tried = |a: Value, b: Value| {
        let plan = plan(&snapshot(ROUTES), &parties(&a, &b), &Wishes::default());
        plan.bouts.first().map(|bout| (bout.own.clone(), bout.other.clone()))
    };
    let names = |own: &str, other: &str| Some((own.to_owned(), other.to_owned()));
    assert_eq!(tried(json!(["x", "acme"]), json!(["x", "initech"])), names("acme", "initech"));
    assert_eq!(tried(json!("x"), json!(["x", "initech"])), None);
    assert_eq!(tried(json!("x"), json!("x")), None);
    assert_eq!(tried(json!("x"), json!(7)), None);
    assert_eq!(tried(json!("x"), json!([])), None);
    let mut named = parties(&json!("acme"), &Value::Null);
    named[1].token = Zeroizing::new("opaque".to_owned());
    let plan = |parties: &_| plan(&snapshot(ROUTES), parties, &Wishes::default());
    assert!(plan(&named).skipped.iter().any(|skipped| skipped.why.ends_with("`--tenant B=NAME`")));
    named[1].tenant = Some("initech".to_owned());
    assert_eq!(plan(&named).bouts.first().map(|bout| bout.other.as_str()), Some("initech"));
}

fn parcel(named: &[(&str, &str)]) -> Result<Parcel, String> {
    let places: Vec<_> = named.iter().map(|(text, tenant)| (Place::parse(text).unwrap(), *tenant)).collect();
    let places: Vec<_> = places.iter().map(|(place, tenant)| (place, *tenant)).collect();
    Parcel::pack(&Pattern::parse("POST /v1/{tenant}/{thread}/**").unwrap(), &places, &BTreeMap::new())
}

/// Target, fields and body as they are sent.
fn sent(parcel: &Parcel, carrier: &Carrier) -> (String, HeaderMap, String) {
    let base = Base::parse("https://h/chat").unwrap();
    let request = parcel.request(&base, &Method::POST, carrier, "to.k=en").unwrap();
    let (head, body) = request.into_parts();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let body = runtime.block_on(body.collect()).unwrap().to_bytes();
    (head.uri.to_string(), head.headers, String::from_utf8(body.to_vec()).unwrap())
}

#[test]
fn each_place_is_filled_in() {
    let everywhere = [
        ("path.tenant", "a c"),
        ("query.org", "a&b=c"),
        ("header.x-tenant", "globex"),
        ("cookie.t", "globex"),
        ("cookie.u", "acme"),
        ("body:/tenant", "acme"),
        ("body:/a/b~1c", "globex"),
    ];
    let parcel = parcel(&everywhere).unwrap();
    let (target, fields, body) = sent(&parcel, &Carrier::Bearer);
    assert_eq!(target, "https://h/chat/v1/a%20c/probe/probe?org=a%26b%3Dc");
    assert_eq!(fields["x-tenant"], "globex");
    assert_eq!(fields["cookie"], "t=globex; u=acme");
    assert_eq!(fields["authorization"], "Bearer to.k=en");
    assert_eq!(fields["content-type"], "application/json");
    assert_eq!(body, r#"{"tenant":"acme","a":{"b/c":"globex"}}"#);
    for (text, _) in everywhere {
        assert_eq!(Place::parse(text).unwrap().to_string(), text);
    }
    for text in ["", "path", "cert.x", "header.a b", "body:/~", "tenant"] {
        assert_eq!(Place::parse(text), None, "{text}");
    }
}

#[test]
fn a_token_is_shown_where_its_identity_looks() {
    let parcel = parcel(&[("cookie.t", "acme"), ("query.org", "acme")]).unwrap();
    for (carrier, name, value) in [
        (Carrier::Bearer, "authorization", "Bearer to.k=en"),
        (Carrier::Header("x-api-key".parse().unwrap()), "x-api-key", "to.k=en"),
        (Carrier::Cookie("__Host-session".to_owned()), "cookie", "t=acme; __Host-session=to.k=en"),
    ] {
        let (target, fields, _) = sent(&parcel, &carrier);
        assert_eq!(fields[name], value);
        assert_eq!(fields.contains_key("sec-fetch-site"), matches!(carrier, Carrier::Cookie(_)));
        assert!(fields[name].is_sensitive(), "{carrier:?}");
        assert!(fields["cookie"].to_str().unwrap().starts_with("t=acme"), "{carrier:?}: {fields:?}");
        assert_eq!(target, "https://h/chat/v1/probe/probe/probe?org=acme");
    }
    let (target, fields, body) = sent(&parcel, &Carrier::Query("access_token".to_owned()));
    assert_eq!(target, "https://h/chat/v1/probe/probe/probe?org=acme&access_token=to.k%3Den");
    assert!(!fields.contains_key("authorization") && !fields.contains_key("content-type") && body.is_empty());
}

#[test]
fn what_a_place_cannot_hold_is_not_sent() {
    assert!(parcel(&[("header.x-tenant", "a\nb")]).is_err());
    for tenant in ["a;b", "a b", "é", "a\"b"] {
        assert!(parcel(&[("cookie.t", tenant)]).is_err(), "{tenant}");
    }
}

#[test]
fn a_token_is_read_without_being_believed() {
    let token = party('A', &json!("acme")).token;
    let claims = unverified(&token).unwrap();
    assert_eq!(ClaimPath::parse("org_id").unwrap().find(&claims), Some(&json!("acme")));
    for token in ["", "a.b", "a.b.c", "opaque"] {
        assert_eq!(unverified(token), None, "{token}");
    }
}
