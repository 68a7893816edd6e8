//! Each action and its parameters, the order of rules, and what is lost.

use proptest::prelude::*;

use super::*;

const CUSTOM: &str = "http_request_firewall_custom";

fn limit(parameters: &Value) -> Value {
    let mut limit =
        json!({ "characteristics": ["cf.colo.id", "ip.src"], "period": 60, "requests_per_period": 5 });
    for (key, value) in parameters.as_object().unwrap() {
        limit[key] = value.clone();
    }
    one("http_ratelimit", json!({ "action": "block", "ratelimit": limit }))
}

#[test]
fn a_block_answers_as_it_did() {
    let rule = json!({ "action": "block", "action_parameters": { "response": {
        "status_code": 451, "content": "{\"a\": \"it's\"}\n", "content_type": "application/json",
    } } });
    let result = import(&one(CUSTOM, rule));
    let wanted = json!({ "action": "block", "status": "451", "body": "{\"a\": \"it's\"}\n", "content_type": "application/json" });
    assert_eq!(result.only(), wanted);
    assert!(result.report.is_complete());
}

#[test]
fn challenges_are_what_is_said() {
    for kind in ["challenge", "js_challenge", "managed_challenge"] {
        let custom = one(CUSTOM, json!({ "action": kind }));
        let result = import(&custom);
        assert!(result.lost().contains("--challenge-as block"), "{}", result.report);
        assert_eq!(result.read["rules"], json!([]));
        for (replacement, action) in [(Replacement::Block, "block"), (Replacement::Log, "log")] {
            let result = made(std::slice::from_ref(&custom), &challenged(replacement));
            assert_eq!(result.only(), json!({ "action": action }));
        }
        let mut limited = limit(&json!({}));
        limited["rules"][0]["action"] = json!(kind);
        assert_eq!(
            made(std::slice::from_ref(&limited), &challenged(Replacement::Block)).only()["action"],
            json!("limit")
        );
        let only = made(std::slice::from_ref(&limited), &challenged(Replacement::Log)).only();
        assert_eq!((&only["action"], &only["mode"]), (&json!("limit"), &json!("observe")));
    }
}

#[test]
fn limits_have_all_they_need() {
    let only = |parameters: Value| import(&limit(&parameters)).only();
    let plain = json!({ "action": "limit", "per": ["ip.src"], "allow": "5/1m", "for": "0s" });
    assert_eq!(only(json!({})), plain);
    assert_eq!(
        only(
            json!({ "requests_to_origin": true, "counting_expression": "", "score_per_period": 0, "score_response_header_name": "" })
        ),
        plain
    );
    assert_eq!(only(json!({ "mitigation_timeout": 86400 }))["for"], json!("1d"));
    assert_eq!(only(json!({ "characteristics": ["cf.colo.id"] }))["per"], json!(["cf.colo.id"]));
    assert_eq!(
        only(
            json!({ "characteristics": ["http.request.cookies[\"c\"]", "lookup_json_string(http.request.body.raw, \"k\")"] })
        )["per"],
        json!(["http.request.cookies[\"c\"]", "lookup_json_string(http.request.body.raw, \"k\")"])
    );
    let visitors = import(&limit(&json!({ "characteristics": ["cf.colo.id", "cf.unique_visitor_id"] })));
    assert_eq!(visitors.only()["per"], json!(["ip.src"]));
    assert!(visitors.told(Weight::Changed)[0].contains("counts by address"), "{}", visitors.report);
    for (parameters, why) in [
        (json!({ "score_per_period": 9, "score_response_header_name": "x" }), "scores"),
        (json!({ "characteristics": ["cf.bot_management.ja4"] }), "counts by `cf.bot_management.ja4`"),
        (json!({ "characteristics": ["ip.src.asnum"] }), "--geo FILE"),
        (json!({ "requests_per_period": 0 }), "how many"),
        (json!({ "period": null }), "how many"),
    ] {
        let result = import(&limit(&parameters));
        assert!(result.lost().contains(why), "{}", result.report);
    }
    let geo = Options { geo: vec!["g".to_owned()], ..Options::default() };
    let result = made(&[limit(&json!({ "characteristics": ["ip.src.asnum"] }))], &geo);
    assert_eq!(result.only()["per"], json!(["ip.src.asnum"]));
    let mut logged = limit(&json!({}));
    logged["rules"][0]["action"] = json!("log");
    assert_eq!(import(&logged).only()["mode"], json!("observe"));
    let mut bare = limit(&json!({}));
    bare["rules"][0].as_object_mut().unwrap().remove("ratelimit");
    assert!(import(&bare).lost().contains("no `ratelimit`"));
    let mut answer = limit(&json!({}));
    answer["rules"][0]["action_parameters"] =
        json!({ "response": { "status_code": 430, "content": "no", "content_type": "text/plain" } });
    let keys = import(&answer).only();
    assert_eq!(
        (&keys["status"], &keys["body"], &keys["content_type"]),
        (&json!("430"), &json!("no"), &json!("text/plain"))
    );
}

#[test]
fn redirects_and_rewrites_are_static_or_computed() {
    let redirect = |parameters: Value| {
        import(&one(
            "http_request_dynamic_redirect",
            json!({ "action": "redirect", "action_parameters": { "from_value": parameters } }),
        ))
    };
    assert_eq!(
        redirect(json!({ "target_url": { "value": "https://a.example/" } })).only(),
        json!({ "action": "redirect", "to": "https://a.example/", "status": "301" })
    );
    assert_eq!(
        redirect(json!({ "target_url": { "expression": "http.host" }, "status_code": 308, "preserve_query_string": true })).only(),
        json!({ "action": "redirect", "to_expression": "http.host", "status": "308", "keep_query": "true" })
    );
    assert!(redirect(json!({})).lost().contains("where it redirects to"));
    let rewrite = |parameters: Value| {
        import(&one(
            "http_request_transform",
            json!({ "action": "rewrite", "action_parameters": { "uri": parameters } }),
        ))
    };
    assert_eq!(
        rewrite(json!({ "path": { "value": "/x" } })).only(),
        json!({ "action": "rewrite", "path": "/x" })
    );
    assert_eq!(
        rewrite(json!({ "query": { "expression": "concat(http.request.uri.query, \"&a\")" } })).only(),
        json!({ "action": "rewrite", "query_expression": "concat(http.request.uri.query, \"&a\")" })
    );
    assert!(rewrite(json!({})).lost().contains("what it rewrites"));
}

#[test]
fn header_fields_are_of_the_request_or_of_the_answer() {
    let headers = |phase: &str| {
        let headers = json!({
            "X-A": { "operation": "set", "value": "1" },
            "X-B": { "operation": "add", "value": "2" },
            "X-C": { "operation": "remove" },
        });
        import(&one(phase, json!({ "action": "rewrite", "action_parameters": { "headers": headers } })))
    };
    let answer = headers("http_response_headers_transform");
    let wanted = json!({ "set": { "x-a": "1" }, "add": { "x-b": "2" }, "remove": ["x-c"] });
    assert_eq!(answer.only(), json!({ "action": "headers", "response": wanted }));
    let request = headers("http_request_late_transform");
    assert_eq!(request.only()["request"], json!({ "set": { "x-a": "1" }, "remove": ["x-c"] }));
    assert!(request.told(Weight::Changed)[0].contains("`add` on `X-B`"), "{}", request.report);
}

#[test]
fn every_phase_that_has_no_place_here_says_why() {
    for (phase, action, why) in [
        ("http_request_firewall_managed", "execute", "no managed rules"),
        ("http_request_origin", "route", "`upstream`"),
        ("http_config_settings", "set_config", "no such settings"),
        ("http_request_cache_settings", "set_cache_settings", "nothing is cached"),
        ("http_response_compression", "compress_response", "compressed"),
        ("http_custom_errors", "serve_error", "error pages"),
        ("http_request_snippets", "x", "no code"),
        ("ddos_l7", "execute", "`limits`"),
        ("http_log_custom_fields", "log_custom_field", "`logs.access.headers`"),
        ("http_request_sbfm", "x", "bots"),
        ("http_request_tomorrow", "x", "not known"),
        (CUSTOM, "execute", "not in the export"),
        (CUSTOM, "score", "the action `score`"),
        (CUSTOM, "", "no action"),
    ] {
        let result = import(&one(phase, json!({ "action": action })));
        assert!(result.lost().contains(why), "{}", result.report);
        assert!(result.lost().contains(&format!("rule `x` ({phase})")), "{}", result.report);
        assert!(result.rules().is_empty());
        let disabled = import(&one(phase, json!({ "action": action, "enabled": false })));
        assert!(disabled.report.is_complete(), "{phase}: {}", disabled.report);
    }
    assert!(import(&ruleset("http_request_sanitize", &json!([]))).report.is_complete());
}

#[test]
fn what_only_cloudflare_knows_is_told() {
    let told =
        |expression: &str| import(&one(CUSTOM, json!({ "action": "block", "expression": expression })));
    let result = told("cf.waf.score lt 20 and http.user_agent contains \"cf.bot_management.score\"");
    assert_eq!(result.told(Weight::Changed).len(), 1, "{}", result.report);
    assert!(told("tcp.dstport eq 22").lost().contains("packets"));
    assert!(told("").lost().contains("no expression"));
    assert!(told("cf.threat_score gt 9").report.is_complete());
    let zone = told("cf.zone.name eq \"example.com\" and ssl");
    assert!(zone.report.is_complete());
    assert!(zone.rules()[0]["when"].as_str().unwrap().starts_with("(http.host eq \"example.com\""));
    let credentials = import(&one(CUSTOM, json!({ "action": "rewrite", "exposed_credential_check": {} })));
    assert!(credentials.lost().contains("leaked"));
    let unknown = import(&one(
        CUSTOM,
        json!({ "action": "block", "action_parameters": { "response": { "status_code": 403, "later": 1 } } }),
    ));
    assert!(unknown.told(Weight::Changed)[0].contains("`later`"), "{}", unknown.report);
}

#[test]
fn what_would_not_load_is_lost_with_the_reason() {
    let block = |expression: &str| json!({ "ref": "x", "action": "block", "expression": expression });
    for (rule, why) in [
        (block("http.host EQ \"a\""), "lower case"),
        (block("http.hots eq \"a\""), "http.host"),
        (block("bit_slice(http.host, 1, 2) eq 1"), "bit_slice"),
        (block("http.response.code eq 500"), "the answer"),
        (
            json!({ "ref": "x", "action": "block", "expression": "ssl",
                "action_parameters": { "response": { "status_code": 200 } } }),
            "400 to 499",
        ),
    ] {
        // A group that has lost its rules is skipped by none.
        let skip = json!({ "ref": "s", "action": "skip", "expression": "true", "action_parameters": { "phases": ["http_ratelimit"] } });
        let mut gone = limit(&json!({}));
        gone["rules"][0]["expression"] = json!("nothing.of.that eq 1");
        let result = import(&json!([ruleset(CUSTOM, &json!([skip, rule])), gone]));
        let lost = result.told(Weight::Lost);
        assert_eq!((lost.len(), result.names()), (2, vec!["s"]), "{}", result.report);
        assert!(lost.iter().any(|lost| lost.contains(why)), "{why}: {lost:#?}");
        assert_eq!(result.rules()[0]["action"], json!("log"));
    }
    let list = json!({ "lists": { "net": { "kind": "ip", "items": ["10.0.0.0/8", "ten", "::1"] } } });
    let set = ruleset(CUSTOM, &json!([block("ip.src in $net"), block("http.user_agent in $net")]));
    let result = made(&[set, list], &Options::default());
    assert_eq!(result.read["lists"]["net"]["items"], json!(["10.0.0.0/8", "::1"]), "{}", result.text);
    assert_eq!(result.rules().len(), 1, "{}", result.text);
    assert!(result.told(Weight::Lost).iter().any(|lost| lost.contains("`ten`")), "{}", result.report);
}

#[test]
fn a_header_field_that_is_the_gateways_is_left_out_alone() {
    let headers = |names: &[(&str, &str)]| {
        let headers: serde_json::Map<_, _> = names
            .iter()
            .map(|(name, operation)| ((*name).to_owned(), json!({ "operation": operation, "value": "1" })))
            .collect();
        let rule = json!({ "action": "rewrite", "action_parameters": { "headers": headers } });
        import(&one("http_request_late_transform", rule))
    };
    let result = headers(&[
        ("x-a", "set"),
        ("x-forwarded-for", "set"),
        ("content-length", "remove"),
        ("x-b", "remove"),
        ("host", "remove"),
    ]);
    assert_eq!(result.only()["request"], json!({ "set": { "x-a": "1" }, "remove": ["x-b"] }));
    let told = result.told(Weight::Changed);
    assert!(told[0].contains("`x-forwarded-for`") && told[0].contains("`host`"), "{told:#?}");
    assert!(headers(&[("x-forwarded-for", "set")]).lost().contains("the gateway itself"));
}

#[test]
fn phases_run_in_their_order_and_the_account_first() {
    let rule = |name: &str| json!([{ "ref": name, "action": "log", "expression": "true" }]);
    let account = json!({ "id": "a", "name": "", "kind": "root", "phase": CUSTOM, "rules": rule("account") });
    let rewrite = one(
        "http_request_transform",
        json!({
            "ref": "first", "action": "rewrite", "action_parameters": { "uri": { "path": { "value": "/" } } },
        }),
    );
    let result = import(&json!([ruleset(CUSTOM, &rule("zone")), account, rewrite]));
    assert_eq!(result.names(), ["first", "account", "zone"]);
    let groups: Vec<_> = result.rules().iter().map(|rule| rule["group"].as_str().unwrap()).collect();
    assert_eq!(groups, ["http_request_transform", "http_request_firewall_custom.account", CUSTOM]);
}

#[test]
fn executed_rules_stand_where_they_are_executed() {
    let execute = |id: &str, expression: &str| {
        json!({
            "id": format!("e-{id}"), "action": "execute", "expression": expression, "action_parameters": { "id": id },
        })
    };
    let log = |name: &str| json!({ "ref": name, "action": "log", "expression": "ssl" });
    let custom = |id: &str, rules: Value| json!({ "id": id, "name": format!("My {id}!"), "kind": "custom", "phase": CUSTOM, "rules": rules });
    let entry = ruleset(
        CUSTOM,
        &json!([
            log("before"),
            execute("c1", "http.host eq \"a\""),
            execute("c2", "(cf.zone.plan eq \"ENT\")"),
            log("after"),
        ]),
    );
    let skip = json!({ "ref": "skip", "action": "skip", "expression": "true", "action_parameters": { "ruleset": "current" } });
    let phase = json!({ "ref": "phase", "action": "skip", "expression": "true", "action_parameters": { "phase": "current" } });
    let rulesets = json!([
        custom("c1", json!([log("in"), skip, phase, execute("c1", "true")])),
        custom("c2", json!([log("in")])),
        custom("c3", json!([log("nowhere")])),
        entry,
    ]);
    let result = import(&rulesets);
    assert_eq!(result.names(), ["before", "in", "skip", "phase", "in-2", "after"], "{}", result.text);
    let (inner, other) = (format!("{CUSTOM}.My-c1"), format!("{CUSTOM}.My-c2"));
    assert_eq!(result.rules()[1]["group"], json!(inner));
    assert_eq!(result.rules()[1]["when"], json!("(http.host eq \"a\") and (ssl)"));
    assert_eq!(result.rules()[4]["when"], json!("ssl"));
    // Skipping a ruleset skips its rest; skipping the phase, everything of it that is to come.
    assert!(result.rules()[2].get("groups").is_none());
    assert_eq!(result.rules()[3]["rest"], json!("true"));
    assert_eq!(result.rules()[3]["groups"], json!([CUSTOM, other]));
    let lost = result.told(Weight::Lost);
    assert_eq!(lost.len(), 2, "{lost:#?}");
    assert!(lost.iter().any(|what| what.contains("without an end")), "{lost:#?}");
    assert!(lost.iter().any(|what| what.contains("`My c3!`") && what.contains("no rule")), "{lost:#?}");
}

#[test]
fn skipping_a_ruleset_skips_what_it_executes_later() {
    let rules = json!([
        { "ref": "skip", "action": "skip", "expression": "true", "action_parameters": { "ruleset": "current" } },
        { "ref": "run", "action": "execute", "expression": "true", "action_parameters": { "id": "c" } },
    ]);
    let custom = json!({ "id": "c", "name": "c", "kind": "custom", "phase": CUSTOM, "rules": [{ "ref": "in", "action": "block", "expression": "true" }] });
    let result = import(&json!([ruleset(CUSTOM, &rules), custom]));
    assert_eq!(result.rules()[0]["groups"], json!([format!("{CUSTOM}.c")]));
    assert_eq!(result.rules()[0]["rest"], json!("true"));
}

#[test]
fn a_skip_names_only_what_is_there() {
    let skip = |parameters: Value| json!({ "ref": "skip", "action": "skip", "expression": "true", "action_parameters": parameters });
    let limited = limit(&json!({}));
    let with = |parameters: Value| {
        import(&json!([ruleset(CUSTOM, &json!([skip(parameters)])), limited])).rules()[0].clone()
    };
    let phases = with(json!({ "phases": ["http_ratelimit", "http_request_sbfm"], "products": ["waf"] }));
    assert_eq!((&phases["action"], &phases["groups"]), (&json!("skip"), &json!(["http_ratelimit"])));
    let both = with(json!({ "ruleset": "current", "phases": ["http_ratelimit"] }));
    assert_eq!((&both["groups"], &both["rest"]), (&json!(["http_ratelimit"]), &json!("true")));
    let nothing = with(json!({ "phases": ["http_request_firewall_managed"] }));
    assert_eq!(nothing["action"], json!("log"));
    let result = import(&ruleset(
        CUSTOM,
        &json!([skip(json!({ "products": ["bic", "hot"], "rules": { "abc": ["1"] } }))]),
    ));
    assert_eq!(
        result.told(Weight::Told),
        ["rule `skip` (http_request_firewall_custom): what it skips is not here: bic, hot, abc"]
    );
    assert!(result.report.is_complete());
    let allow = import(&one(CUSTOM, json!({ "action": "allow" })));
    assert_eq!(allow.only(), json!({ "action": "skip" }));
}

#[test]
fn names_are_the_authors_as_far_as_they_can_be() {
    let rule = |reference: &str, description: &str, id: &str| json!({ "ref": reference, "description": description, "id": id, "action": "log", "expression": "true" });
    let result = import(&ruleset(
        CUSTOM,
        &json!([
            rule("a_b-c.d", "Something else\nentirely", "1"),
            rule("", "Block: the «bad» ones!", "2"),
            rule("", "", "3f"),
            rule("a_b-c.d", "", "4"),
            rule("", "…", ""),
            rule(&"x".repeat(80), "", ""),
            rule(&"x".repeat(80), "", ""),
        ]),
    ));
    let long = ["x".repeat(64), format!("{}-2", "x".repeat(62))];
    assert_eq!(
        result.names(),
        ["a_b-c.d", "Block-the-bad-ones", "3f", "a_b-c.d-2", "rule-5", &long[0], &long[1]]
    );
    assert!(result.text.contains("  # Something else entirely\n  - name: a_b-c.d\n"), "{}", result.text);
}

#[test]
fn disabled_rules_stay_as_comments() {
    let rules = json!([
        { "ref": "was", "description": "No more", "action": "block", "expression": "ssl or\n\n not ssl", "enabled": false },
        { "ref": "is", "action": "block", "expression": "ssl" },
    ]);
    let result = import(&ruleset(CUSTOM, &rules));
    assert_eq!(result.names(), ["is"]);
    assert!(result.text.contains("  # Disabled: No more\n  # - name: was\n  #   group: "), "{}", result.text);
    assert!(result.report.is_complete());
    assert!(result.report.to_string().contains("1 rule carried over, 1 disabled"), "{}", result.report);
    let text =
        result.text.replace("  # Disabled: No more\n", "").replace("  # ", "  ").replace("  #\n", "\n");
    let rules = &read_back(&text)["rules"];
    assert_eq!(
        (&rules[0]["name"], &rules[0]["when"]),
        (&json!("was"), &json!("ssl or\n\n not ssl")),
        "{text}"
    );
}

#[test]
fn lists_of_redirects_become_rules() {
    let set = one(
        "http_request_redirect",
        json!({
            "ref": "bulk", "action": "redirect", "expression": "http.request.full_uri in $moved",
            "action_parameters": { "from_list": { "name": "moved", "key": "http.request.full_uri" } },
        }),
    );
    let redirect = |source: &str, target: &str, more: Value| {
        let mut item = json!({ "source_url": source, "target_url": target });
        for (key, value) in more.as_object().unwrap() {
            item[key] = value.clone();
        }
        json!({ "redirect": item })
    };
    let lists = json!({ "lists": { "moved": { "kind": "redirect", "items": [
        redirect("example.com/", "https://new.example/", json!({ "include_subdomains": true, "subpath_matching": true })),
        redirect("https://example.com/blog", "https://blog.example/", json!({ "subpath_matching": true, "preserve_query_string": true, "status_code": 302 })),
        redirect("example.com/blog/old", "https://blog.example/archive", json!({})),
        redirect("ftp://example.com/x", "https://a", json!({})),
    ] } } });
    let result = made(&[set.clone(), lists], &Options::default());
    assert_eq!(result.names(), ["bulk-1", "bulk-2", "bulk-3"], "{}", result.text);
    let rules = result.rules();
    assert_eq!(
        rules[0]["when"],
        json!("http.host eq \"example.com\" and http.request.uri.path eq \"/blog/old\"")
    );
    assert_eq!(rules[0]["to"], json!("https://blog.example/archive"));
    assert_eq!(
        rules[1]["to_expression"],
        json!("concat(\"https://blog.example\", substring(http.request.uri.path, 5))")
    );
    assert_eq!((&rules[1]["status"], &rules[1]["keep_query"]), (&json!("302"), &json!("true")));
    assert!(
        rules[1]["when"]
            .as_str()
            .unwrap()
            .ends_with("starts_with(http.request.uri.path, \"/blog/\")) and ssl")
    );
    assert_eq!(rules[2]["to_expression"], json!("concat(\"https://new.example\", http.request.uri.path)"));
    assert!(result.lost().contains("ftp://"), "{}", result.report);
    assert!(import(&set).lost().contains("not in the export"));
}

/// JSON that looks like an export.
fn nearly() -> impl Strategy<Value = Value> {
    let keys = [
        "rules",
        "result",
        "phase",
        "kind",
        "id",
        "ref",
        "expression",
        "action",
        "action_parameters",
        "ratelimit",
        "characteristics",
        "period",
        "uri",
        "path",
        "headers",
        "from_value",
        "target_url",
        "value",
        "lists",
        "items",
        "phases",
        "ruleset",
        "values",
        "root_module",
        "resources",
        "type",
        "child_modules",
        "filter",
        "name",
    ];
    let words = [
        "http_request_firewall_custom",
        "http_ratelimit",
        "block",
        "skip",
        "execute",
        "redirect",
        "rewrite",
        "custom",
        "root",
        "cloudflare_ruleset",
        "cloudflare_list",
        "current",
        "ip.src in $a",
        "\"",
        "r#\"",
        "$",
        "true",
        "é\u{0}\n",
    ];
    let leaf = prop_oneof![
        prop::sample::select(words.to_vec()).prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        Just(Value::Null),
    ];
    leaf.prop_recursive(8, 120, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((prop::sample::select(keys.to_vec()), inner), 0..6).prop_map(|entries| {
                entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
            }),
        ]
    })
}

proptest! {
    #[test]
    fn any_json_ends_in_a_file_that_can_be_read(document in nearly(), rules in prop::collection::vec(nearly(), 0..3)) {
        let set = ruleset(CUSTOM, &Value::from(rules));
        for document in [document.clone(), json!([set, document])] {
            let (mut export, mut report) = (Export::default(), Report::default());
            if export.take(&document, &mut report).is_ok()
                && let Ok(text) = imported(&export, &Options::default(), &mut report)
            {
                read_back(&text);
            }
        }
    }
}

/// Rules that are nearly good: each part is one that Cloudflare has, and not all go together.
fn nearly_good() -> impl Strategy<Value = Value> {
    let expressions = [
        "true",
        "ssl",
        "http.host eq \"a\"",
        "ip.src in $net",
        "http.user_agent in $net",
        "cf.waf.score lt 3",
        "lookup_json_string(http.request.body.raw, \"k\") eq \"v\"",
        "http.response.code eq 500",
        "not.a.field",
        "ip.src.country eq \"T1\"",
        "(",
        "cf.zone.name eq \"a.example\"",
        "any(http.request.headers[\"a\"][*] eq \"b\")",
        "http.request.uri.path matches \"^/${HOME}\"",
    ];
    let parameters = [
        json!({}),
        json!({ "response": { "status_code": 418, "content": "x", "content_type": "text/plain" } }),
        json!({ "response": { "status_code": 503, "content_type": "image/png" } }),
        json!({ "ruleset": "current", "phases": ["http_ratelimit"] }),
        json!({ "from_value": { "target_url": { "expression": "concat(\"/\", http.host)" }, "status_code": 302 } }),
        json!({ "from_value": { "target_url": { "value": "nowhere" }, "status_code": 300 } }),
        json!({ "uri": { "path": { "value": "/a/../b" } } }),
        json!({ "uri": { "path": { "expression": "http.request.body.raw" }, "query": { "value": "?a" } } }),
        json!({ "headers": { "x-a": { "operation": "set", "value": "1" }, "host": { "operation": "remove" } } }),
        json!({ "headers": { "b d": { "operation": "set", "expression": "ssl" } } }),
    ];
    let limits = [
        json!({ "characteristics": ["ip.src"], "period": 10, "requests_per_period": 1, "mitigation_timeout": 60 }),
        json!({ "characteristics": ["http.request.headers[\"a\"]", "not.a.field"], "period": 10, "requests_per_period": 1 }),
        json!({ "characteristics": [], "period": 7, "requests_per_period": 1, "counting_expression": "http.response.code eq 4" }),
        json!({ "characteristics": ["ip.src"], "period": 99_999_999, "requests_per_period": u64::MAX, "mitigation_timeout": u64::MAX }),
    ];
    let phases = [
        CUSTOM,
        "http_ratelimit",
        "http_request_transform",
        "http_request_late_transform",
        "http_request_dynamic_redirect",
        "http_response_headers_transform",
    ];
    let actions = ["block", "log", "skip", "redirect", "rewrite", "managed_challenge"];
    let rule = (
        prop::sample::select(actions.to_vec()),
        prop::sample::select(expressions.to_vec()),
        prop::sample::select(parameters.to_vec()),
        prop::option::of(prop::sample::select(limits.to_vec())),
        prop::bool::weighted(0.9),
    );
    let rule = rule.prop_map(|(action, expression, parameters, limit, enabled)| {
        json!({ "ref": "r", "action": action, "expression": expression, "action_parameters": parameters,
            "ratelimit": limit, "enabled": enabled })
    });
    let set = (prop::sample::select(phases.to_vec()), prop::collection::vec(rule, 0..4));
    prop::collection::vec(set.prop_map(|(phase, rules)| ruleset(phase, &Value::from(rules))), 1..4)
        .prop_map(Value::from)
}

proptest! {
    #[test]
    fn whatever_is_imported_loads(export in nearly_good()) {
        let options = Options {
            challenge_as: Some(Replacement::Block),
            upstream: Some("http://127.0.0.1:1".to_owned()),
            geo: Vec::new(),
        };
        let result = made(&[export], &options);
        prop_assert!(loaded(&result.text).is_ok(), "{}", loaded(&result.text).err().unwrap_or_default());
    }
}
