//! No key of rules, lists and places is inert: what each one changes, where no other promise shows it already.

use harness::record::{Record, replay, told};
use harness::site::workspace;
use harness::{Ask, Certificates, Configuration, Site, Value, json, stage};

const BLOCKED: &str = "403 blocked";

fn site(change: impl FnOnce(&mut Configuration)) -> Site {
    let site = Site::furnished(&Certificates::new());
    let mut configuration = Configuration::complete("http://127.0.0.1:1");
    change(&mut configuration);
    site.configure(&configuration);
    site
}

fn ruled(rules: Value) -> Site {
    site(|configuration| {
        configuration.set("rules", rules);
    })
}

async fn one(site: &Site, ask: Ask) -> Value {
    replay(site, &[Record::new(0, ask)]).await.remove(0)
}

fn block(name: &str, group: &str) -> Value {
    json!({ "name": name, "group": group, "when": "true", "action": "block" })
}

#[tokio::test]
async fn a_skip_leaves_out_what_it_says() {
    let skip = |more: Value| {
        let mut rule = json!({ "name": "known", "group": "ours", "when": "true", "action": "skip" });
        for (key, value) in more.as_object().unwrap() {
            rule[key] = value.clone();
        }
        rule
    };
    let (ours, theirs) = (block("a", "ours"), block("b", "theirs"));
    let cases = [
        ("the rest of its own group", skip(json!({})), vec![&ours], "200"),
        ("and no other group", skip(json!({})), vec![&ours, &theirs], "403 blocked by b"),
        ("the groups that are named", skip(json!({ "groups": "theirs" })), vec![&theirs], "200"),
        ("and then not its own", skip(json!({ "groups": "theirs" })), vec![&ours], "403 blocked by a"),
        ("both", skip(json!({ "groups": ["theirs"], "rest": true })), vec![&ours, &theirs], "200"),
    ];
    for (about, skip, blocks, expected) in cases {
        // A group that is named has to be there.
        let never = json!({ "name": "never", "group": "theirs", "when": "false", "action": "block" });
        let rules: Vec<&Value> = [&skip].into_iter().chain(blocks).chain([&never]).collect();
        let verdict = one(&ruled(json!(rules)), Ask::get("/healthz")).await;
        let by = verdict["rule"].as_str().and_then(|matched| matched.rsplit(',').next());
        let seen = match (told(&verdict).as_str(), by) {
            (BLOCKED, Some(rule)) => format!("{BLOCKED} by {rule}"),
            (other, _) => other.to_owned(),
        };
        assert_eq!(seen, expected, "{about}");
    }
}

#[tokio::test]
async fn what_a_group_rewrites_only_later_groups_see() {
    let rewrite = |name: &str, more: Value| {
        let mut rule = json!({ "name": name, "group": "one", "action": "rewrite" });
        for (key, value) in more.as_object().unwrap() {
            rule[key] = value.clone();
        }
        rule
    };
    let site = ruled(json!([
        rewrite("first", json!({ "when": "http.request.uri.path eq \"/old\"", "path": "/healthz",
            "query_expression": "concat(\"was=\", http.request.uri.path)" })),
        rewrite("same", json!({ "when": "http.request.uri.path eq \"/healthz\"", "path": "/assets/a" })),
        { "name": "later", "group": "two", "action": "log",
          "when": "http.request.uri.path eq \"/healthz\" and http.request.uri.query eq \"was=/old\"" },
    ]));
    let verdict = one(&site, Ask::get("/old?x=1")).await;
    assert_eq!(verdict["matched"], json!(["first", "later"]));
    assert_eq!(verdict["forwarded"]["url"], "https://app.example.test/healthz?was=/old");
    assert_eq!(verdict["route"], "health");
}

#[tokio::test]
async fn a_redirect_leads_where_its_expression_says() {
    let site = ruled(json!([{
        "name": "no-locale", "when": "http.request.uri.path wildcard \"/en/*\"", "action": "redirect", "status": 301,
        "to_expression": "wildcard_replace(http.request.uri.path, \"/en/*\", \"/${1}\")",
    }]));
    let verdict = one(&site, Ask::get("/en/docs/a")).await;
    assert_eq!((&verdict["status"], &verdict["location"]), (&json!(301), &json!("/docs/a")));
    assert_eq!(told(&one(&site, Ask::get("/healthz")).await), "200");
}

#[tokio::test]
async fn a_penalty_lasts_as_long_as_it_says() {
    for (lasts, at_a_minute) in [(json!("10m"), "429 rate_limited"), (Value::Null, "200")] {
        let mut rule =
            json!({ "name": "bursts", "when": "true", "action": "limit", "per": "ip.src", "allow": "1/10s" });
        if !lasts.is_null() {
            rule["for"] = lasts.clone();
        }
        let site = ruled(json!([rule]));
        let records = [0, 1000, 60_000, 11 * 60_000].map(|at| Record::new(at, Ask::get("/healthz")));
        let verdicts: Vec<String> = replay(&site, &records).await.iter().map(told).collect();
        assert_eq!(verdicts, ["200", "429 rate_limited", at_a_minute, "200"], "{lasts}");
    }
}

#[tokio::test]
async fn an_answers_header_may_be_made_of_the_request() {
    let stage = stage(|configuration| {
        let response = json!({ "set_expression": { "x-seen": "http.request.uri.path", "x-gone": "http.request.headers[\"x-none\"][0]" } });
        let rule = json!({ "name": "seen", "when": "true", "action": "headers", "response": response });
        configuration.set("rules", json!([rule]));
    })
    .await;
    let reply = stage.send(Ask::get("/healthz")).await;
    assert_eq!((reply.header("x-seen"), reply.headers.get("x-gone")), ("/healthz", None));
}

#[tokio::test]
async fn a_list_is_of_the_kind_that_it_says() {
    let cases = [
        ("ip", json!(["192.0.2.0/24"]), "ip.src in $it"),
        ("string", json!(["192.0.2.7"]), "http.user_agent in $it"),
        ("host", json!(["*.example.test"]), "http.host in $it"),
        ("asn", json!(["AS64500", 64501]), "ip.src.asnum in $it"),
    ];
    for (kind, items, when) in cases {
        for written in ["items", "lines", "json"] {
            let site = site(|configuration| {
                configuration.set("lists.it", json!({ "kind": kind, "items": items }));
                configuration.set("geo", "networks.mmdb");
                if written != "items" {
                    configuration.set("lists.it", json!({ "kind": kind, "file": "lists/it" }));
                }
                let rules = json!([{ "name": "listed", "when": when, "action": "block" }]);
                configuration.set("rules", rules);
            });
            let networks = workspace().join("tests/corpus/geo/networks.mmdb");
            std::fs::copy(networks, site.path("networks.mmdb")).unwrap();
            let texts = items.as_array().unwrap().iter();
            let texts: Vec<String> =
                texts.map(|item| item.as_str().map_or_else(|| item.to_string(), str::to_owned)).collect();
            let text = if written == "json" { json!(texts).to_string() } else { texts.join(" # ours\n") };
            site.write("lists/it", &text);
            let listed = Record::new(0, Ask::get("/healthz").header("user-agent", "192.0.2.7"));
            let other = Ask::get("/healthz").host("localhost").header("user-agent", "192.0.2.70");
            let verdicts = replay(&site, &[listed.from("192.0.2.70"), Record::new(0, other)]).await;
            let verdicts: Vec<String> = verdicts.iter().map(told).collect();
            assert_eq!(verdicts, [BLOCKED, "200"], "{kind}, {written}");
        }
    }
}

/// Without the kind, entries that look like something else are not guessed at.
#[tokio::test]
async fn a_kind_is_needed_where_the_entries_do_not_tell() {
    let told = |list: Value| async move {
        let site = site(|configuration| {
            configuration.set("lists.it", list);
            configuration
                .set("rules", json!([{ "name": "r", "when": "http.host in $it", "action": "block" }]));
        });
        let outcome = site.run(&["test"]).await;
        (outcome.code, outcome.stderr)
    };
    let (code, stderr) = told(json!(["*.example.test"])).await;
    assert!(code == 2 && stderr.contains("kind: ip`, `string`, `host` or `asn`"), "{stderr}");
    assert_eq!(told(json!({ "kind": "host", "items": ["*.example.test"] })).await.0, 0);
}

#[tokio::test]
async fn databases_say_where_a_client_is() {
    let site = site(|configuration| {
        configuration.set("geo", json!(["countries.mmdb", "networks.mmdb"]));
        let rule = |name: &str, when: &str| json!({ "name": name, "when": when, "action": "block" });
        let rules = [rule("country", "ip.src.country eq \"FR\""), rule("network", "ip.src.asnum eq 64500")];
        configuration.set("rules", json!(rules));
    });
    for file in ["countries.mmdb", "networks.mmdb"] {
        let from = workspace().join("tests/corpus/geo").join(file);
        std::fs::copy(from, site.path(file)).unwrap();
    }
    let records = ["192.0.2.2", "192.0.2.1", "192.0.2.65", "198.51.100.1"]
        .map(|peer| Record::new(0, Ask::get("/healthz")).from(peer));
    let rules: Vec<Value> =
        replay(&site, &records).await.iter().map(|verdict| verdict["rule"].clone()).collect();
    assert_eq!(rules, [json!("country"), Value::Null, json!("network"), Value::Null]);
}
