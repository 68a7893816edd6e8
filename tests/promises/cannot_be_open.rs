//! It cannot be configured open by accident: what would be open does not load, and says where and why.

use harness::{Certificates, Configuration, Site, json};

type Change = fn(&mut Configuration);

/// What is wrong, a word that the message must contain, and the one change to a complete configuration.
const OPEN: &[(&str, &str, Change)] = &[
    ("a route without identity and without a reason", "public", |c| {
        c.remove("defaults.identity");
    }),
    ("an unknown key", "upstream", |c| {
        c.route("list")["upstraem"] = json!("chatbot");
    }),
    ("an unknown key at the top", "routes", |c| {
        c.set("rotues", json!([]));
    }),
    ("a key of a later milestone", "limits", |c| {
        c.set("defaults.limits", json!(["anyone"]));
    }),
    ("every page with the visitor's cookies", "credentials", |c| {
        c.set("defaults.cors", json!({ "origins": ["*"], "credentials": true }));
    }),
    ("every subdomain with the visitor's cookies", "credentials", |c| {
        c.set("defaults.cors", json!({ "origins": ["https://*.example.test"], "credentials": true }));
    }),
    ("every page's fields with the visitor's cookies", "credentials", |c| {
        let cors = json!({ "origins": ["https://shop.test"], "credentials": true, "headers": ["*"] });
        c.set("defaults.cors", cors);
    }),
    ("a route for more pages", "cors.origins", |c| {
        c.set("defaults.cors", json!({ "origins": ["https://shop.test"] }));
        c.route("list")["cors"] = json!({ "origins": ["https://shop.test", "https://evil.test"] });
    }),
    ("a route for the visitor's cookies", "cors.credentials", |c| {
        c.set("defaults.cors", json!({ "origins": ["https://shop.test"] }));
        c.route("list")["cors"] = json!({ "credentials": true });
    }),
    ("a route for everybody's pages in a visitor's session", "csrf", |c| {
        c.set("defaults.csrf", "cookie_sessions");
        c.route("list")["csrf"] = json!("off");
    }),
    ("a guard that is off where there is none", "csrf", |c| {
        c.set("defaults.csrf", "off");
    }),
    ("a tenant in the path that nothing binds", "tenant", |c| {
        c.route("list").as_object_mut().unwrap().shift_remove("tenant");
    }),
    ("a wider body without a reason", "relax", |c| {
        c.route("files").as_object_mut().unwrap().shift_remove("relax");
    }),
    ("a reason for nothing", "relax", |c| {
        c.route("list")["relax"] = json!({ "body.max": "why not" });
    }),
    ("an empty reason", "public", |c| {
        c.route("health")["public"] = json!("");
    }),
    ("a public route that says it is none", "not a reason", |c| {
        c.route("list").as_object_mut().unwrap().shift_remove("tenant");
        c.route("list")["public"] = json!(false);
    }),
    ("a relaxation that says it is none", "not a reason", |c| {
        c.route("files")["relax"] = json!({ "body.max": "No" });
    }),
    ("an identity field that is set twice", "twice", |c| {
        c.set("identities.session.forward", json!({ "x-user-id": "user", "X-User-Id": "tenant" }));
    }),
    ("a requirement of nothing", "requires nothing", |c| {
        c.route("admin")["require"] = json!({ "roles": [] });
    }),
    ("a trusted network that never matches", "IPv4", |c| {
        c.set("listen.client_ip.trust", json!(["::ffff:10.0.0.0/104"]));
    }),
    ("a literal secret in production", "production", |c| {
        c.set("secrets.session", json!({ "value": "literal-secret-literal-secret-literal-secret" }));
    }),
    ("a self-signed certificate in production", "production", |c| {
        c.set("listen.https.certificates", json!([{ "self_signed": ["app.example.test"] }]));
    }),
    ("an issuer without TLS in production", "issuer", |c| {
        c.set("identities.session.issuer", "http://issuer.example.test/");
    }),
    ("a TLS upstream without a name to verify", "server_name", |c| {
        c.set("upstreams.chatbot.servers", json!(["https://127.0.0.1:1"]));
    }),
    ("an identity that does not exist", "sesion", |c| {
        c.set("defaults.identity", "sesion");
    }),
    ("an upstream that does not exist", "chatbto", |c| {
        c.set("defaults.upstream", "chatbto");
    }),
    ("no audience", "audience", |c| {
        c.remove("identities.session.audience");
    }),
    ("the algorithm none", "none", |c| {
        c.set("identities.session.algorithms", json!(["none"]));
    }),
    ("two routes for the same requests", "list", |c| {
        c.add_route(json!({ "name": "again", "match": "GET /v1/{org}/conversations", "public": "open" }));
    }),
    ("two routes of one name", "list", |c| {
        c.add_route(json!({ "name": "list", "match": "GET /other", "public": "open" }));
    }),
    ("plain HTTP without a reason", "listen", |c| {
        c.remove("listen.http.redirect");
    }),
    ("an empty reason for plain HTTP", "plaintext", |c| {
        c.remove("listen.http.redirect").set("listen.http.plaintext", "");
    }),
    ("a tenant place that the route does not have", "path.org", |c| {
        c.route("list")["tenant"] = json!("path.org");
    }),
    ("a size that is none", "64 elephants", |c| {
        c.set("defaults.body.max", "64 elephants");
    }),
    ("a secret that nobody declared", "nobody", |c| {
        c.set("upstreams.chatbot.inject", json!({ "x-key": "{secret.nobody}" }));
    }),
];

#[tokio::test]
async fn an_open_configuration_does_not_load() {
    let certificates = Certificates::new();
    let site = Site::furnished(&certificates);
    let complete = Configuration::complete("http://127.0.0.1:1");
    site.configure(&complete);
    let _ = site.run(&["test", "--config", "portcullis.yaml"]).await.expect(0);
    let mut wrong = Vec::new();
    for (what, named, change) in OPEN {
        let mut configuration = complete.clone();
        change(&mut configuration);
        site.configure(&configuration);
        let outcome = site.run(&["test", "--config", "portcullis.yaml"]).await;
        let located = outcome.stderr.contains("portcullis.yaml:") && outcome.stderr.contains("error");
        if outcome.code != 2 || !located || !outcome.stderr.contains(named) {
            wrong.push(format!("{what}: exit {}, wanted {named:?} in\n{}", outcome.code, outcome.stderr));
        }
        assert!(!outcome.stderr.contains("literal-secret"), "{what}: the message shows a secret");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n---\n"));
}

#[tokio::test]
async fn all_problems_are_told_at_once_with_their_lines() {
    let certificates = Certificates::new();
    let site = Site::furnished(&certificates);
    let mut configuration = Configuration::complete("http://127.0.0.1:1");
    configuration.set("defaults.upstream", "chatbto");
    configuration.route("list").as_object_mut().unwrap().shift_remove("tenant");
    configuration.route("files").as_object_mut().unwrap().shift_remove("relax");
    site.configure(&configuration);
    let told = site.run(&["test", "--config", "portcullis.yaml"]).await.expect(2).stderr;
    let line = site.line_of("chatbto");
    assert!(told.contains(&format!("portcullis.yaml:{line}")), "{told}");
    for part in ["chatbto", "chatbot", "tenant", "relax"] {
        assert!(told.contains(part), "{part} is not in\n{told}");
    }
}
