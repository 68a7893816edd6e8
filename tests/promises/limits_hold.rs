//! One user, address, tenant, key or thing cannot drain the backend.

use harness::record::{Record, replay, told};
use harness::{Ask, Certificates, Configuration, Site, Value, json, stage};

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;

fn site(change: impl FnOnce(&mut Configuration)) -> Site {
    let site = Site::furnished(&Certificates::new());
    let mut configuration = Configuration::complete("http://127.0.0.1:1");
    change(&mut configuration);
    site.configure(&configuration);
    site
}

fn limit(configuration: &mut Configuration, route: &str, limit: Value) {
    configuration.set(&format!("limits.{route}"), limit);
    configuration.route(route)["limits"] = json!([route]);
}

fn token(user: &str, more: &Value) -> String {
    let mut claims =
        json!({ "sub": user, "exp": harness::record::START + 400 * 86_400, "iat": null, "nbf": null });
    for (name, value) in more.as_object().unwrap() {
        claims[name] = value.clone();
    }
    harness::Issuer.token(&claims)
}

fn admitted(verdicts: &[Value]) -> usize {
    verdicts.iter().filter(|verdict| verdict["decision"] == "allow").count()
}

/// The launch checklists' own numbers, each asked for at twice its pace over three windows.
#[tokio::test]
async fn the_checklists_numbers_are_kept_to_the_letter() {
    let site = site(|configuration| {
        limit(configuration, "login", json!({ "per": "ip", "allow": "5/min" }));
        limit(configuration, "create", json!({ "per": "user", "allow": "20/h" }));
        limit(configuration, "chat", json!({ "per": "user", "allow": "30/min" }));
        limit(configuration, "files", json!({ "per": "user", "allow": "5/min" }));
    });
    let ada = token("ada", &json!({}));
    for (max, window, ask) in [
        (5_usize, MINUTE, Ask::post("/auth/login", "{}")),
        (20, HOUR, Ask::post("/v1/acme/conversations", r#"{"tenant_id":"acme"}"#).bearer(&ada)),
        (30, MINUTE, Ask::post("/openai/v1/chat/completions", "{}").bearer(&ada)),
        (5, MINUTE, Ask::post("/v1/acme/files", "x").bearer(&ada)),
    ] {
        let pace = window / i64::try_from(2 * max).unwrap();
        let times: Vec<i64> = (0..6 * max).map(|nth| i64::try_from(nth).unwrap() * pace).collect();
        let records: Vec<Record> = times.iter().map(|at| Record::new(*at, ask.clone())).collect();
        let verdicts = replay(&site, &records).await;
        let passed: Vec<i64> = times
            .iter()
            .zip(&verdicts)
            .filter(|(_, verdict)| verdict["decision"] == "allow")
            .map(|(at, _)| *at)
            .collect();
        for from in &passed {
            let within = passed.iter().filter(|at| (*from..from + window).contains(at)).count();
            assert!(within <= max, "{}: {within} within one window", ask.target);
        }
        assert_eq!(passed.len(), 3 * max, "{}: as many as an exact window admits", ask.target);
        let refused = verdicts.iter().find(|verdict| verdict["decision"] == "refuse").unwrap();
        assert_eq!(told(refused), "429 rate_limited");
        assert_eq!(refused["gate"], "limits");
    }
}

#[tokio::test]
async fn callers_are_counted_apart() {
    let site = site(|configuration| {
        limit(configuration, "list", json!({ "per": "user", "allow": "1/min" }));
        limit(configuration, "login", json!({ "per": "ip", "allow": "1/min" }));
    });
    let list = |user: &str| Ask::get("/v1/acme/conversations").bearer(&token(user, &json!({})));
    let login = || Ask::post("/auth/login", "{}");
    let verdicts = replay(
        &site,
        &[
            Record::new(0, list("ada")),
            Record::new(1, list("ada")).from("198.51.100.2"),
            Record::new(2, list("bob")),
            Record::new(3, login()),
            Record::new(4, login()),
            Record::new(5, login()).from("198.51.100.2"),
            Record::new(6, login()).from("2001:db8::1"),
            Record::new(7, login()).from("2001:db8::2"),
            Record::new(8, login()).from("2001:db8:0:1::1"),
        ],
    )
    .await;
    let verdicts: Vec<String> = verdicts.iter().map(told).collect();
    let (ok, no) = ("200", "429 rate_limited");
    assert_eq!(verdicts, [ok, no, ok, ok, no, ok, ok, no, ok]);
}

/// What it is about, the route, its limit, the requests and what is told of each.
type Case<'a> = (&'a str, &'a str, Value, Vec<Record>, &'a [&'a str]);
const OK: &str = "200";
const NO: &str = "429 rate_limited";

/// What `per`, `each`, roles, bursts and inheritance mean, as a small file of requests each.
#[tokio::test]
async fn what_a_limit_says_is_what_is_counted() {
    let get = |user: &str, more: Value| Ask::get("/any/x").bearer(&token(user, &more));
    let login = |email: &str| Ask::post("/auth/login", format!(r#"{{"email":"{email}"}}"#));
    let cases: Vec<Case<'_>> = vec![
        (
            "each of the two counts for itself",
            "login",
            json!({ "each": ["ip", "body:/email"], "allow": "2/min" }),
            vec![
                Record::new(0, login("a@x.test")).from("198.51.100.1"),
                Record::new(1, login("A@x.test")).from("198.51.100.2"),
                Record::new(2, login("a@x.test")).from("198.51.100.3"),
                Record::new(3, login("b@x.test")).from("198.51.100.1"),
                Record::new(4, login("c@x.test")).from("198.51.100.1"),
            ],
            &[OK, OK, NO, OK, NO],
        ),
        (
            "both together are one counter",
            "login",
            json!({ "per": ["ip", "body:/email"], "allow": "1/min" }),
            vec![
                Record::new(0, login("a@x.test")),
                Record::new(1, login("b@x.test")),
                Record::new(2, login("a@x.test")),
            ],
            &[OK, OK, NO],
        ),
        (
            "what cannot be read counts by the address",
            "login",
            json!({ "per": "body:/email", "allow": "1/min" }),
            vec![
                Record::new(0, Ask::post("/auth/login", "{}")),
                Record::new(1, Ask::post("/auth/login", r#"{"email":[]}"#)),
                Record::new(2, Ask::post("/auth/login", "{}")).from("198.51.100.2"),
            ],
            &[OK, NO, OK],
        ),
        (
            "roles have allowances of their own",
            "anything",
            json!({ "per": "user", "allow": { "anonymous": "1/min", "admin": "3/min" } }),
            vec![
                Record::new(0, get("ada", json!({ "roles": ["admin"] }))),
                Record::new(1, get("ada", json!({ "roles": ["admin"] }))),
                Record::new(2, get("ada", json!({ "roles": ["admin"] }))),
                Record::new(3, get("ada", json!({ "roles": ["admin"] }))),
                Record::new(4, get("bob", json!({ "roles": ["member"] }))),
                Record::new(5, get("bob", json!({ "roles": ["member"] }))),
            ],
            &[OK, OK, OK, NO, OK, NO],
        ),
        (
            "a burst passes at once and then the rate holds",
            "anything",
            json!({ "per": "user", "allow": "60/min", "burst": 3 }),
            vec![
                Record::new(0, get("ada", json!({}))),
                Record::new(0, get("ada", json!({}))),
                Record::new(0, get("ada", json!({}))),
                Record::new(0, get("ada", json!({}))),
                Record::new(1000, get("ada", json!({}))),
                Record::new(1500, get("ada", json!({}))),
                Record::new(2000, get("ada", json!({}))),
            ],
            &[OK, OK, OK, NO, OK, NO, OK],
        ),
        (
            "a claim is as good a key as any",
            "anything",
            json!({ "per": "claim.plan", "allow": "1/min" }),
            vec![
                Record::new(0, get("ada", json!({ "plan": "free" }))),
                Record::new(1, get("bob", json!({ "plan": "free" }))),
                Record::new(2, get("bob", json!({ "plan": "paid" }))),
            ],
            &[OK, NO, OK],
        ),
        (
            "a prefix of IPv6 may be chosen",
            "login",
            json!({ "per": "ip", "allow": "1/min", "ipv6_prefix": 128 }),
            vec![
                Record::new(0, login("a@x.test")).from("2001:db8::1"),
                Record::new(1, login("a@x.test")).from("2001:db8::2"),
                Record::new(2, login("a@x.test")).from("2001:db8::1"),
            ],
            &[OK, OK, NO],
        ),
    ];
    for (about, route, written, records, expected) in cases {
        let site = site(|configuration| limit(configuration, route, written));
        let verdicts: Vec<String> = replay(&site, &records).await.iter().map(told).collect();
        assert_eq!(verdicts, expected, "{about}");
    }
}

#[tokio::test]
async fn limits_add_up_and_none_is_charged_when_one_refuses() {
    let site = site(|configuration| {
        configuration.set("limits.wide", json!({ "per": "user", "allow": "3/min" }));
        configuration.set("limits.narrow", json!({ "per": "path.stream", "allow": "1/min" }));
        configuration.set("defaults.limits", json!(["wide"]));
        configuration.route("events")["limits"] = json!(["narrow"]);
    });
    let ask = |stream: &str| Ask::get(&format!("/v1/acme/events/{stream}")).bearer(&token("ada", &json!({})));
    let mut records = vec![Record::new(0, ask("a"))];
    // Were these charged to `wide`, nothing would be left of it.
    records.extend((1..10).map(|at| Record::new(at, ask("a"))));
    records.extend([Record::new(10, ask("b")), Record::new(11, ask("c")), Record::new(12, ask("d"))]);
    let verdicts = replay(&site, &records).await;
    assert_eq!(admitted(&verdicts), 3);
    assert_eq!(told(&verdicts[11]), "200", "the third of `wide`");
    assert_eq!(told(&verdicts[12]), "429 rate_limited");
    let why = |verdict: &Value| verdict["why"].as_str().unwrap().to_owned();
    assert!(why(&verdicts[5]).contains("narrow") && why(&verdicts[12]).contains("wide"));
}

#[tokio::test]
async fn failures_lock_for_a_growing_time() {
    let lock = json!({ "each": ["ip", "body:/email"], "lock": { "after": 3, "for": "15m" } });
    let site = site(|configuration| limit(configuration, "login", lock));
    let login = |email: &str| Ask::post("/auth/login", format!(r#"{{"email":"{email}"}}"#));
    let fails = |at: i64| Record::new(at, login("ada@x.test")).answered(401);
    let records = [
        fails(0),
        fails(1),
        fails(2),
        fails(3),
        Record::new(4, login("bob@x.test")),
        Record::new(5, login("ada@x.test")).from("198.51.100.2"),
        Record::new(6, login("bob@x.test")).from("198.51.100.2"),
        fails(15 * MINUTE + 10),
        Record::new(15 * MINUTE + 20, login("ada@x.test")),
        Record::new(44 * MINUTE, login("ada@x.test")),
        Record::new(46 * MINUTE, login("ada@x.test")),
    ];
    let verdicts: Vec<String> = replay(&site, &records).await.iter().map(told).collect();
    let locked = "429 locked_out";
    assert_eq!(verdicts[..4], ["401", "401", "401", locked], "the third failure locks");
    assert_eq!(verdicts[4], locked, "the address is locked for every account");
    assert_eq!(verdicts[5], locked, "the account is locked for every address");
    assert_eq!(verdicts[6], "200");
    assert_eq!(verdicts[7..], ["401", locked, locked, "200"], "the second lock lasts twice as long");
}

#[tokio::test]
async fn a_success_clears_the_account_and_not_the_address() {
    let lock = json!({ "each": ["ip", "body:/email"], "lock": { "after": 2, "for": "15m" } });
    let site = site(|configuration| limit(configuration, "login", lock));
    let login = |at: i64, peer: u8, email: &str, status: u16| {
        let ask = Ask::post("/auth/login", format!(r#"{{"email":"{email}"}}"#));
        Record::new(at, ask).answered(status).from(&format!("198.51.100.{peer}"))
    };
    let verdicts = replay(
        &site,
        &[
            login(0, 1, "ada", 401),
            login(1, 2, "ada", 200),
            login(2, 3, "ada", 401),
            login(3, 4, "ada", 200),
            login(10, 9, "eve", 200),
            login(11, 9, "ada", 401),
            login(12, 9, "eve", 200),
            login(13, 9, "bob", 401),
            login(14, 9, "eve", 200),
        ],
    )
    .await;
    let verdicts: Vec<String> = verdicts.iter().map(told).collect();
    assert_eq!(verdicts[..4], ["401", "200", "401", "200"]);
    assert_eq!(
        verdicts[4..],
        ["200", "401", "200", "401", "429 locked_out"],
        "one's own account unlocks no address"
    );
}

#[tokio::test]
async fn a_refusal_says_when_to_come_again_and_an_allowed_page_can_read_it() {
    let stage = stage(|configuration| {
        limit(configuration, "anything", json!({ "per": "user", "allow": "2/h" }));
        configuration.set("defaults.cors", json!({ "origins": ["https://app.example.test"] }));
    })
    .await;
    for (client, user) in [(stage.http1(), "ada"), (stage.http2(), "bob")] {
        let token = stage.issuer.token(&json!({ "sub": user }));
        let ask = Ask::get("/any/x").bearer(&token).header("origin", "https://app.example.test");
        let (first, second) = (client.send(ask.clone()).await, client.send(ask.clone()).await);
        assert_eq!([first.status, second.status], [200, 200]);
        assert_eq!(first.header("ratelimit"), "", "it is not announced");
        let refused = client.send(ask).await;
        assert_eq!(refused.verdict(), "429 rate_limited");
        let seconds: u64 = refused.header("retry-after").parse().unwrap();
        assert!((3590..=3600).contains(&seconds), "{seconds}");
        assert_eq!(refused.header("ratelimit-policy"), "\"anything\";q=2;w=3600");
        assert_eq!(refused.header("ratelimit"), format!("\"anything\";r=0;t={seconds}"));
        assert_eq!(refused.header("access-control-allow-origin"), "https://app.example.test");
    }
    let line = stage.gateway.log_line(|line| line["code"] == "rate_limited").await;
    assert_eq!((&line["decision"], &line["gate"]), (&json!("refuse"), &json!("limits")));
    assert_eq!(stage.backend.requests().len(), 4, "no more than the limits admitted arrived");
}

#[tokio::test]
async fn what_is_left_is_announced_where_that_is_wanted() {
    let stage = stage(|configuration| {
        limit(configuration, "anything", json!({ "per": "user", "allow": "3/min", "announce": true }));
    })
    .await;
    for left in ["2", "1", "0"] {
        let reply = stage.send(Ask::get("/any/x").bearer(&stage.token())).await;
        assert_eq!(reply.status, 200);
        assert_eq!(reply.header("ratelimit-policy"), "\"anything\";q=3;w=60");
        assert!(
            reply.header("ratelimit").starts_with(&format!("\"anything\";r={left};t=")),
            "{:?}",
            reply.headers
        );
    }
}

#[tokio::test]
async fn a_flood_of_bad_tokens_ends_before_they_are_verified() {
    let stage = stage(|configuration| {
        configuration.set("limits.anyone", json!({ "per": "ip", "allow": "5/h" }));
        configuration.set("defaults.limits", json!(["anyone"]));
    })
    .await;
    let mut verdicts = Vec::new();
    for nth in 0..8 {
        let forged = stage.issuer.forged(&json!({ "jti": nth }));
        verdicts.push(stage.send(Ask::get("/any/x").bearer(&forged)).await.verdict());
    }
    assert_eq!(verdicts[..5], ["401 token_invalid"; 5]);
    assert_eq!(verdicts[5..], ["429 rate_limited"; 3]);
    // An unknown path has no route and so no limits.
    assert_eq!(stage.send(Ask::get("/nowhere")).await.verdict(), "404 no_route");
    stage.backend.assert_untouched();
}

#[tokio::test]
async fn who_may_not_call_uses_up_nothing_of_others() {
    let site = site(|configuration| {
        configuration.set("limits.thread", json!({ "per": "path.stream", "allow": "2/h" }));
        configuration.route("events")["limits"] = json!(["thread"]);
    });
    let ask = || Ask::get("/v1/acme/events/7");
    let mallory = token("mallory", &json!({ "org_id": "globex" }));
    let mut records: Vec<Record> = (0..5).map(|at| Record::new(at, ask())).collect();
    records.extend((5..10).map(|at| Record::new(at, ask().bearer(&mallory))));
    records.extend((10..13).map(|at| Record::new(at, ask().bearer(&token("ada", &json!({}))))));
    let verdicts: Vec<String> = replay(&site, &records).await.iter().map(told).collect();
    assert_eq!(verdicts[..5], ["401 token_missing"; 5]);
    assert_eq!(verdicts[5..10], ["403 tenant_mismatch"; 5]);
    assert_eq!(verdicts[10..], ["200", "200", "429 rate_limited"]);
}
