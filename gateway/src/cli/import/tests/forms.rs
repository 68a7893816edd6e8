//! One export, in all the forms that it may have.

use super::*;

fn rule() -> Value {
    json!({
        "ref": "old", "description": "Old pages", "action": "rewrite", "enabled": true,
        "expression": "starts_with(http.request.uri.path, \"/old/\")",
        "action_parameters": { "uri": {
            "path": { "expression": "regex_replace(http.request.uri.path, \"^/old/(.*)\", \"/${1}\")" },
            "query": { "value": "" },
        } },
    })
}

/// The same rule as version 4 of Terraform's provider keeps it.
fn rule_of_version_4() -> Value {
    let mut rule = rule();
    rule["ratelimit"] = json!([]);
    rule["logging"] = Value::Null;
    rule["action_parameters"] = json!([{
        "headers": [], "response": [], "ruleset": null, "phases": null,
        "uri": [{
            "origin": null,
            "path": [{ "expression": rule["action_parameters"]["uri"]["path"]["expression"], "value": null }],
            "query": [{ "expression": "", "value": "" }],
        }],
    }]);
    rule
}

fn resource(kind: &str, values: &Value) -> Value {
    json!({ "address": format!("{kind}.x"), "mode": "managed", "type": kind, "name": "x", "values": values })
}

fn terraform(rule: &Value) -> Value {
    let values = json!({
        "id": "1", "zone_id": "z", "kind": "zone", "name": "x", "phase": "http_request_transform", "rules": [rule],
    });
    resource("cloudflare_ruleset", &values)
}

#[test]
fn every_form_says_the_same() {
    let set = ruleset("http_request_transform", &json!([rule()]));
    let envelope = json!({ "result": set, "success": true, "errors": [], "messages": [] });
    let state = |resources: Value| json!({ "format_version": "1.0", "terraform_version": "1.9.0", "values": { "root_module": resources } });
    let wanted = import(&set);
    assert_eq!(
        wanted.only(),
        json!({
            "action": "rewrite",
            "path_expression": "regex_replace(http.request.uri.path, \"^/old/(.*)\", \"/${1}\")",
            "query": "",
        })
    );
    let mut escaped = rule();
    escaped["action_parameters"]["uri"]["path"]["expression"] =
        json!("regex_replace(http.request.uri.path, \"^/old/(.*)\", \"/$${1}\")");
    for document in [
        envelope.clone(),
        json!([set]),
        json!([envelope]),
        json!({ "result": [set], "success": true }),
        state(json!({ "resources": [terraform(&rule())] })),
        state(json!({ "resources": [terraform(&rule_of_version_4())] })),
        state(json!({ "resources": [terraform(&escaped)] })),
        state(
            json!({ "child_modules": [{ "address": "module.a", "child_modules": [{ "resources": [terraform(&rule())] }] }] }),
        ),
        json!({ "planned_values": { "root_module": { "resources": [terraform(&rule())] } }, "prior_state": {} }),
    ] {
        let result = import(&document);
        assert_eq!(result.text, wanted.text, "{document}");
        assert!(result.report.is_complete());
    }
}

#[test]
fn data_sources_are_not_read_twice() {
    let mut data = terraform(&rule());
    data["mode"] = json!("data");
    let state = json!({ "values": { "root_module": { "resources": [data, terraform(&rule())] } } });
    assert_eq!(import(&state).names(), ["old"]);
}

#[test]
fn header_blocks_of_version_4_are_a_mapping() {
    let rule = json!({
        "ref": "h", "action": "rewrite", "expression": "true",
        "action_parameters": [{ "headers": [
            { "name": "X-A", "operation": "set", "value": "1", "expression": null },
            { "name": "X-B", "operation": "set", "value": "", "expression": "to_string(ip.src)" },
            { "name": "X-C", "operation": "remove", "value": null, "expression": null },
        ] }],
    });
    let mut resource = terraform(&rule);
    resource["values"]["phase"] = json!("http_request_late_transform");
    let result = import(&json!({ "values": { "root_module": { "resources": [resource] } } }));
    assert_eq!(
        result.only(),
        json!({
            "action": "headers",
            "request": { "set": { "x-a": "1" }, "set_expression": { "x-b": "to_string(ip.src)" }, "remove": ["x-c"] },
        })
    );
}

#[test]
fn a_listing_has_no_rules() {
    let listing = json!({ "result": [
        { "id": "1", "name": "default", "kind": "zone", "phase": "http_ratelimit", "version": "3" },
        { "id": "2", "name": "Cloudflare Managed Ruleset", "kind": "managed", "phase": "http_request_firewall_managed" },
    ] });
    let result = import(&listing);
    assert!(
        result.lost().contains("ruleset (http_ratelimit): its rules are not in the export"),
        "{}",
        result.report
    );
}

#[test]
fn one_zone_at_a_time() {
    let mut other = terraform(&rule());
    other["values"]["zone_id"] = json!("y");
    let state = json!({ "values": { "root_module": { "resources": [terraform(&rule()), other] } } });
    let take = |zone: Option<&str>| {
        let mut export = Export::default();
        export.take(&state, &mut Report::default()).unwrap();
        one_zone(&mut export, zone).map(|()| export.rulesets.len())
    };
    assert!(format!("{:?}", take(None)).contains("--zone y`, `--zone z"), "{:?}", take(None));
    assert_eq!(take(Some("y")), Ok(1));
    assert!(take(Some("w")).is_err());
}

#[test]
fn rules_from_before_rulesets_run_by_priority() {
    let rule = |id: &str, action: &str, priority: Value| {
        let filter = json!({ "id": format!("f{id}"), "expression": format!("http.host eq \"{id}\""), "paused": false });
        json!({ "id": id, "paused": false, "description": "", "action": action, "priority": priority, "filter": filter })
    };
    let api = json!({ "result": [
        rule("a", "block", Value::Null),
        rule("b", "allow", Value::Null),
        rule("c", "block", json!(7)),
    ], "success": true });
    let state = json!({ "values": { "root_module": { "resources": api["result"].as_array().unwrap().iter().flat_map(|rule| [
        resource("cloudflare_filter", &rule["filter"]),
        resource("cloudflare_firewall_rule", &json!({
            "id": rule["id"], "action": rule["action"], "priority": rule["priority"], "paused": false,
            "filter_id": rule["filter"]["id"], "products": [],
        })),
    ]).collect::<Vec<_>>() } } });
    for document in [api, state] {
        let result = import(&document);
        assert_eq!(result.names(), ["c", "b", "a"], "{}", result.text);
        assert_eq!(result.rules()[1]["action"], json!("skip"));
        assert_eq!(result.rules()[2]["when"], json!("http.host eq \"a\""));
        assert!(result.rules().iter().all(|rule| rule["group"] == "firewall_rules"));
    }
}

#[test]
fn lists_come_in_every_form() {
    let set = one(
        "http_request_firewall_custom",
        json!({
            "action": "block",
            "expression": "ip.src in $net and http.host in $hosts and ip.src.asnum in $as",
        }),
    );
    let vector = json!({ "lists": {
        "net": { "kind": "ip", "items": ["10.0.0.0/8", "::1"] },
        "hosts": { "kind": "hostname", "items": ["a.example"] },
        "as": { "kind": "asn", "items": [5] },
    } });
    let named = json!({ "result": [
        { "id": "1", "name": "net", "kind": "ip", "num_items": 2, "items": [{ "ip": "10.0.0.0/8" }, { "ip": "::1" }] },
        { "id": "2", "name": "hosts", "kind": "hostname", "items": [{ "hostname": { "url_hostname": "a.example" } }] },
        { "id": "3", "name": "as", "kind": "asn", "items": [{ "asn": 5 }] },
    ] });
    let list = |kind: &str, name: &str, items: Value| {
        resource(
            "cloudflare_list",
            &json!({ "id": name, "account_id": "a", "kind": kind, "name": name, "items": items }),
        )
    };
    let five = json!({ "values": { "root_module": { "resources": [
        list("ip", "net", json!([{ "ip": "10.0.0.0/8", "comment": null }, { "ip": "::1" }])),
        list("hostname", "hosts", json!([{ "hostname": { "url_hostname": "a.example" } }])),
        list("asn", "as", Value::Null),
        resource("cloudflare_list_item", &json!({ "list_id": "as", "asn": 5 })),
    ] } } });
    let old = |kind: &str, name: &str, values: Vec<Value>| {
        let items: Vec<_> =
            values.into_iter().map(|value| json!({ "comment": "", "value": [value] })).collect();
        resource("cloudflare_list", &json!({ "id": name, "kind": kind, "name": name, "item": items }))
    };
    let four = json!({ "values": { "root_module": { "resources": [
        old("ip", "net", vec![json!({ "ip": "10.0.0.0/8", "asn": null }), json!({ "ip": "::1" })]),
        old("hostname", "hosts", vec![json!({ "hostname": [{ "url_hostname": "a.example" }] })]),
        old("asn", "as", vec![json!({ "asn": 5, "ip": null, "hostname": [] })]),
    ] } } });
    for document in [vector, named, five, four] {
        let result = made(&[set.clone(), document.clone()], &Options::default());
        let wanted = json!({
            "as": { "kind": "asn", "items": ["5"] },
            "hosts": { "kind": "host", "items": ["a.example"] },
            "net": { "kind": "ip", "items": ["10.0.0.0/8", "::1"] },
        });
        assert_eq!(result.read["lists"], wanted, "{document}\n{}", result.text);
        assert!(result.report.is_complete(), "{}", result.report);
    }
}

#[test]
fn a_list_that_is_missing_is_told_and_empty() {
    let set = one(
        "http_request_firewall_custom",
        json!({
            "action": "block", "expression": "ip.src in $cf.open_proxies or http.host in $mine",
        }),
    );
    let listing = json!({ "result": [{ "id": "1", "name": "mine", "kind": "hostname", "num_items": 2 }] });
    let result = made(&[set, listing], &Options::default());
    assert_eq!(
        result.read["lists"],
        json!({ "cf.open_proxies": { "kind": "ip", "items": [] }, "mine": { "kind": "host", "items": [] } })
    );
    let lost = result.told(Weight::Lost);
    assert!(lost[0].contains("list `cf.open_proxies`: it is kept by Cloudflare"), "{lost:#?}");
    assert!(lost[1].contains("--list NAME=FILE"), "{lost:#?}");
    assert!(!result.report.is_complete());
}

#[test]
fn long_lists_have_a_line_an_entry() {
    let items: Vec<_> = (0..20).map(|number| format!("10.0.{number}.0/24")).collect();
    let set =
        one("http_request_firewall_custom", json!({ "action": "block", "expression": "ip.src in $net" }));
    let lists = json!({ "lists": { "net": { "kind": "ip", "items": items }, "unused": { "kind": "ip", "items": [] } } });
    let result = made(&[set, lists], &Options::default());
    assert_eq!(result.read["lists"], json!({ "net": { "kind": "ip", "items": items } }), "{}", result.text);
    assert!(result.text.contains("\n      - '10.0.19.0/24'\n"), "{}", result.text);
    assert_eq!(result.told(Weight::Told), ["list `unused`: no rule uses it, so it is left out"]);
}
