//! A partner's key opens what its entry says, until the entry is gone; nobody but the gateway ever sees it.

use harness::curl::curl;
use harness::stage::stage_with;
use harness::{Ask, Backend, Certificates, Configuration, Gateway, Site, Stage, Value, json, sha256, until};

const FILE: &str = "keys/partners.yaml";
const FIELD: &str = "x-partner-key";
const READER: &str = "pc_reader-0123456789abcdefghijklmnopqrstuvwxyz";
const WRITER: &str = "pc_writer-0123456789abcdefghijklmnopqrstuvwxyz";
const EXPIRED: &str = "pc_expired-123456789abcdefghijklmnopqrstuvwxyz";

/// An entry as JSON, which is YAML too.
fn entry(key: &str, says: &Value) -> String {
    let mut entry = json!({ "sha256": sha256(key.as_bytes()) });
    entry.as_object_mut().unwrap().extend(says.as_object().unwrap().clone());
    format!("- {entry}\n")
}

fn reader() -> String {
    entry(
        READER,
        &json!({ "user": "ci@acme", "tenant": "acme", "roles": ["reader"], "expires": "2999-12-31" }),
    )
}

fn writer() -> String {
    let says = json!({ "user": "ops@both", "tenant": ["acme", "globex"], "roles": ["reader", "writer"],
        "scopes": ["files:write"], "claims": { "plan": "pro" } });
    entry(WRITER, &says)
}

fn expired() -> String {
    entry(
        EXPIRED,
        &json!({ "user": "old@acme", "tenant": "acme", "roles": ["reader"], "expires": "2020-01-01T00:00:00Z" }),
    )
}

fn partners(c: &mut Configuration) {
    c.set(
        "identities.partner",
        json!({ "kind": "api_key", "header": FIELD, "keys": { "file": FILE },
            "forward": { "x-user-id": "user", "x-tenant-id": "tenant", "x-roles": "roles", "x-scopes": "scopes" } }),
    );
    let relax = json!({ "identity": "partners hold keys, not sessions" });
    c.add_route(json!({ "name": "read", "match": "GET /partner/{tenant}/files", "identity": "partner",
        "tenant": "path.tenant", "require": { "roles": ["reader"] }, "relax": relax }));
    c.add_route(json!({ "name": "write", "match": "POST /partner/{tenant}/files", "identity": "partner",
        "tenant": "path.tenant", "relax": relax,
        "require": { "roles": ["writer"], "scopes": ["files:write"], "claims": { "plan": "pro" } } }));
    c.add_route(json!({ "name": "either", "match": "GET /either", "identity": ["session", "partner"], "relax": relax }));
}

async fn partner_stage(file: &str, more: impl FnOnce(&mut Configuration)) -> Stage {
    let certificates = Certificates::new();
    let site = Site::furnished(&certificates);
    site.write(FILE, file);
    stage_with(Backend::http().await, certificates, site, |c| {
        partners(c);
        more(c);
    })
    .await
}

async fn furnished() -> Stage {
    partner_stage(&[reader(), writer(), expired()].concat(), |_| {}).await
}

#[tokio::test]
async fn a_key_opens_what_its_entry_says() {
    let stage = furnished().await;
    for (method, path, key, verdict) in [
        ("GET", "/partner/acme/files", READER, "200"),
        ("GET", "/partner/globex/files", READER, "403 tenant_mismatch"),
        ("POST", "/partner/acme/files", READER, "403 role_required"),
        ("GET", "/partner/globex/files", WRITER, "200"),
        ("POST", "/partner/acme/files", WRITER, "200"),
        ("GET", "/partner/acme/files", EXPIRED, "401 key_invalid"),
        ("GET", "/partner/acme/files", "pc_nobody-has-this-key", "401 key_invalid"),
        ("GET", "/partner/acme/files", &sha256(READER.as_bytes()), "401 key_invalid"),
    ] {
        let field = format!("{FIELD}: {key}");
        for version in ["--http1.1", "--http2"] {
            let reply = curl(&stage, path, &["-X", method, version, "-H", &field]).await;
            assert_eq!(reply.verdict(), verdict, "{version} {method} {path} with {key}: {}", reply.stderr);
            let challenged = reply.head.to_ascii_lowercase().contains("www-authenticate: apikey");
            assert_eq!(challenged, reply.status == 401, "{}", reply.head);
        }
    }
    assert_eq!(curl(&stage, "/partner/acme/files", &[]).await.verdict(), "401 key_invalid");
    let token = format!("authorization: Bearer {}", stage.token());
    assert_eq!(curl(&stage, "/partner/acme/files", &["-H", &token]).await.verdict(), "401 key_invalid");
    let field = format!("{FIELD}: {READER}");
    let reply = curl(&stage, "/v1/acme/conversations", &["-H", &field]).await;
    assert_eq!(reply.verdict(), "401 token_missing", "a key is no session");
    assert_eq!(stage.backend.requests().len(), 6, "the backend saw what was admitted and nothing else");
}

#[tokio::test]
async fn the_backend_learns_who_it_is_and_not_the_key() {
    let stage = furnished().await;
    let told = |name: &str| stage.backend.last().header(name).map(str::to_owned);
    for client in [stage.http1(), stage.http2()] {
        let ask = Ask::get("/partner/acme/files").header(FIELD, WRITER).header("x-scopes", "everything");
        assert_eq!(client.send(ask).await.status, 200);
        assert_eq!(told("x-user-id").as_deref(), Some("ops@both"));
        assert_eq!(told("x-tenant-id").as_deref(), Some("acme,globex"));
        assert_eq!(told("x-roles").as_deref(), Some("reader,writer"));
        assert_eq!(told("x-scopes").as_deref(), Some("files:write"));
        // On every route: public, or of another identity.
        for ask in [
            Ask::get("/partner/acme/files"),
            Ask::get("/healthz"),
            Ask::get("/any/a").bearer(&stage.token()),
            Ask::get("/either").bearer(&stage.token()),
        ] {
            let target = ask.target.clone();
            assert_eq!(client.send(ask.header(FIELD, WRITER)).await.status, 200, "{target}");
            assert!(!format!("{:?}", stage.backend.last().headers).contains(WRITER), "{target}");
        }
    }
}

#[tokio::test]
async fn one_field_carries_one_key() {
    let stage = furnished().await;
    let good = Ask::get("/partner/acme/files").header(FIELD, READER);
    for client in [stage.http1(), stage.http2()] {
        for (name, value) in [
            (FIELD, READER),
            (FIELD, WRITER),
            (FIELD, ""),
            ("x_partner_key", READER),
            ("x-partner_key", "other"),
            ("X_Partner-Key", WRITER),
        ] {
            let reply = client.send(good.clone().header(name, value)).await;
            let expected = if name.contains('_') { "400 bad_request" } else { "401 key_invalid" };
            assert_eq!(reply.verdict(), expected, "{name}: {value}");
        }
        let long = "k".repeat(513);
        for value in ["", &long, &format!("{READER},{READER}"), &format!("ApiKey {READER}")] {
            let reply = client.send(Ask::get("/partner/acme/files").header(FIELD, value)).await;
            assert_eq!(reply.verdict(), "401 key_invalid", "{value}");
        }
    }
    stage.assert_untouched().await;
}

#[tokio::test]
async fn no_key_is_in_the_log() {
    let mut stage = partner_stage(&[reader(), expired()].concat(), |c| {
        c.set("logs.redact", json!(["api_key"]));
    })
    .await;
    for key in [READER, EXPIRED, "pc_unknown-123456789abcdefghijklmnopqrstuvwxyz"] {
        stage.send(Ask::get("/partner/acme/files").header(FIELD, key)).await;
        stage.http2().send(Ask::get(&format!("/either?page={key}")).header(FIELD, key)).await;
        stage.send(Ask::get(&format!("/any/{key}")).header(FIELD, key)).await;
    }
    let effective = stage.admin("/config").await.text();
    assert_eq!(stage.gateway.stop().await, 0);
    stage.gateway.out.ended().await;
    stage.gateway.err.ended().await;
    let written = format!("{}\n{}\n{effective}", stage.gateway.out.text(), stage.gateway.err.text());
    assert_eq!(stage.gateway.out.all().len(), 9, "{written}");
    assert!(written.contains("ci@acme"), "whose key it was is logged: {written}");
    for part in ["pc_reader", "pc_expired", "pc_unknown", &sha256(READER.as_bytes())] {
        assert!(!written.contains(part), "{part} is in:\n{written}");
    }

    let site = Site::furnished(&Certificates::new());
    site.write(FILE, &reader());
    let mut configuration = Configuration::complete("http://127.0.0.1:1");
    partners(&mut configuration);
    configuration.set("logs.access.headers", json!(["user-agent", "X-Partner-Key"]));
    site.configure(&configuration);
    let told = site.run(&["test"]).await.expect(2).stderr;
    assert!(told.contains("`X-Partner-Key` carries credentials and is never logged"), "{told}");
}

async fn verdict_becomes(stage: &Stage, key: &str, verdict: &str) {
    until(&format!("{key} to end in {verdict}"), || async {
        let reply = stage.send(Ask::get("/partner/acme/files").header(FIELD, key)).await;
        (reply.verdict() == verdict).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_key_is_revoked_by_its_entry_without_a_restart() {
    let stage = furnished().await;
    verdict_becomes(&stage, READER, "200").await;
    stage.site.write(FILE, &writer());
    verdict_becomes(&stage, READER, "401 key_invalid").await;
    verdict_becomes(&stage, WRITER, "200").await;
    // The last entry takes the last role with it: that a route asks for one must not keep the key alive.
    stage.site.write(FILE, "# all gone\n");
    verdict_becomes(&stage, WRITER, "401 key_invalid").await;
    stage.site.write(FILE, &reader());
    verdict_becomes(&stage, READER, "200").await;
    // And it ends at its hour.
    stage.site.write(FILE, &reader().replace("2999-12-31", "2020-12-31"));
    verdict_becomes(&stage, READER, "401 key_invalid").await;
}

#[tokio::test]
async fn a_broken_key_file_is_named_and_changes_nothing() {
    let stage = furnished().await;
    stage.site.write(FILE, &format!("{}- {{ sha256: {READER}, user: u, role: x }}\n", writer()));
    let told = stage.gateway.reload(&format!("{FILE}:2:13: a SHA-256 has 64 hexadecimal digits")).await;
    assert!(!told.contains(READER), "{told}");
    assert!(
        stage.gateway.err.text().contains(&format!("{FILE}:2:"))
            && !stage.gateway.err.text().contains(READER)
    );
    verdict_becomes(&stage, READER, "200").await;

    let site = Site::furnished(&Certificates::new());
    let mut configuration = Configuration::complete("http://127.0.0.1:1");
    partners(&mut configuration);
    site.configure(&configuration);
    let Err(outcome) = Gateway::try_start(&site).await else { panic!("it serves without its keys") };
    assert!(outcome.code == 2 && outcome.stderr.contains(FILE), "{}", outcome.stderr);
}

#[tokio::test]
async fn of_several_identities_the_first_that_is_shown_a_credential_decides() {
    let stage = furnished().await;
    let ask = || Ask::get("/either");
    let (token, forged) = (stage.token(), stage.issuer.forged(&json!({})));
    for (what, ask, verdict) in [
        ("a token", ask().bearer(&token), "200"),
        ("a key", ask().header(FIELD, READER), "200"),
        ("both", ask().bearer(&token).header(FIELD, READER), "200"),
        ("a bad key beside a token", ask().bearer(&token).header(FIELD, "x"), "200"),
        ("a bad token beside a key", ask().bearer(&forged).header(FIELD, READER), "401 token_invalid"),
        ("a bad key", ask().header(FIELD, "x"), "401 key_invalid"),
        ("neither", ask(), "401 token_missing"),
    ] {
        let reply = stage.send(ask).await;
        assert_eq!(reply.verdict(), verdict, "{what}");
        let challenge = match verdict {
            "401 key_invalid" => "ApiKey",
            "200" => "",
            _ => "Bearer",
        };
        assert!(reply.header("www-authenticate").starts_with(challenge), "{what}");
    }
    let users: Vec<_> =
        stage.backend.requests().iter().map(|seen| seen.header("x-user-id").map(str::to_owned)).collect();
    let users: Vec<_> = users.iter().map(|user| user.as_deref().unwrap_or_default()).collect();
    assert_eq!(users, ["ada", "ci@acme", "ada", "ada"]);
}

#[tokio::test]
async fn a_bearer_that_nobody_verified_goes_no_further() {
    let certificates = Certificates::new();
    let site = Site::furnished(&certificates);
    site.write(FILE, &[reader(), writer()].concat());
    let stage = stage_with(Backend::http().await, certificates, site, |c| {
        partners(c);
        c.route("anything")["identity"] = json!(["partner", "session"]);
        c.route("anything")["relax"] = json!({ "identity": "people and machines" });
    })
    .await;
    let (token, forged) = (stage.token(), stage.issuer.forged(&json!({})));
    for (ask, passed) in [
        (Ask::get("/any/a").header(FIELD, READER).bearer(&forged), None),
        (Ask::get("/any/a").header(FIELD, READER).bearer(&token), None),
        (Ask::get("/any/a").bearer(&token), Some(format!("Bearer {token}"))),
    ] {
        assert_eq!(stage.send(ask).await.verdict(), "200");
        assert_eq!(stage.backend.last().header("authorization").map(str::to_owned), passed);
    }
}

#[tokio::test]
async fn a_test_and_explain_say_by_which_identity() {
    let site = Site::furnished(&Certificates::new());
    site.write(FILE, &[reader(), writer()].concat());
    let mut configuration = Configuration::complete("http://127.0.0.1:1");
    partners(&mut configuration);
    let partner = |facts: Value| {
        let mut facts = facts;
        facts["identity"] = json!("partner");
        facts
    };
    configuration.set("tests", json!([
        { "as": { "user": "ada" }, "send": "GET /either", "expect": "allow" },
        { "as": partner(json!({})), "send": "GET /either", "expect": "allow" },
        { "as": partner(json!({ "tenant": "acme", "roles": ["reader"] })), "send": "GET /partner/acme/files", "expect": "allow" },
        { "as": partner(json!({ "tenant": "acme" })), "send": "GET /partner/acme/files", "expect": "403 role_required" },
        { "as": partner(json!({ "tenant": "acme" })), "send": "GET /v1/acme/conversations", "expect": "401 token_missing" },
        { "send": "GET /partner/acme/files", "headers": { FIELD: READER }, "expect": "allow" },
        { "send": "GET /partner/acme/files", "headers": { FIELD: "other" }, "expect": "401 key_invalid" },
    ]));
    site.configure(&configuration);
    let _ = site.run(&["test"]).await.expect(0);
    let key = format!("{FIELD}: {READER}");
    for (args, part) in [
        (&["--header", &key][..], "partner: user ci@acme"),
        (&["--header", "x-partner-key: other"], "partner: nobody has this key"),
        (&["--as", "user=ada"], "session: the caller is taken for granted"),
        (&["--as", "identity=partner"], "partner: the caller is taken for granted"),
        (&[], "the request has no token"),
    ] {
        let told = site.run(&[&["explain", "GET /either"], args].concat()).await.expect(0).stdout;
        assert!(told.contains(part) && !told.contains(READER), "{args:?}: {part} is not in\n{told}");
    }
    let told = site.run(&["explain", "GET /either", "--as", "identity=partners"]).await.expect(2).stderr;
    assert!(told.contains("did you mean `partner`?"), "{told}");
    configuration.set(
        "tests",
        json!([{ "as": { "identity": "partners" }, "send": "GET /either", "expect": "allow" }]),
    );
    site.configure(&configuration);
    let told = site.run(&["test"]).await.expect(2).stderr;
    assert!(told.contains("there is no identity `partners`") && told.contains("did you mean"), "{told}");
}

/// What `key new` prints, its entry pasted or added, opens the gateway.
#[tokio::test]
async fn a_new_key_opens_once_its_entry_is_in_the_file() {
    let site = Site::furnished(&Certificates::new());
    let make =
        ["key", "new", "--user", "ci@acme", "--tenant", "acme", "--role", "reader", "--expires", "90d"];
    let printed = site.run(&make).await.expect(0).stdout;
    let (pasted, rest) = printed.split_once('\n').unwrap();
    let pasted_entry = rest.get(rest.find("- sha256").unwrap()..).unwrap();
    site.write(FILE, pasted_entry);
    let added = site.run(&[&make[..], &["--file", FILE]].concat()).await.expect(0);
    let added = added.stdout.trim();
    let json = site.run(&[&make[..], &["--file", FILE, "--format", "json"]].concat()).await.expect(0).json();
    let told = json["key"].as_str().unwrap();
    assert_eq!(json["entry"]["sha256"], sha256(told.as_bytes()));
    for key in [pasted, added, told] {
        assert!(key.starts_with("pc_") && key.len() == 46, "{printed}");
    }
    let stage = stage_with(Backend::http().await, Certificates::new(), site, |c| {
        partners(c);
        c.remove("listen.https").remove("listen.http.redirect");
        c.set("listen.http.plaintext", "a test of keys");
    })
    .await;
    for key in [pasted, added, told] {
        let ask = |path: &str| Ask::get(path).header(FIELD, key);
        assert_eq!(stage.plain().send(ask("/partner/acme/files")).await.status, 200);
        assert_eq!(stage.plain().send(ask("/partner/globex/files")).await.verdict(), "403 tenant_mismatch");
    }
    // One more while it serves.
    let late = stage.site.run(&[&make[..], &["--file", FILE]].concat()).await.expect(0).stdout;
    until("the new key to open", || async {
        let ask = Ask::get("/partner/acme/files").header(FIELD, late.trim());
        (stage.plain().send(ask).await.status == 200).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_key_is_not_added_to_what_cannot_be_read() {
    let site = Site::new();
    for text in ["keys: []\n", "- { sha256: x, user: u }\n", "- [\n"] {
        site.write(FILE, text);
        let outcome = site.run(&["key", "new", "--file", FILE]).await.expect(2);
        assert!(outcome.stderr.contains(&format!("error: {FILE}:1:")), "{}", outcome.stderr);
        assert_eq!(outcome.stdout, "", "no key without an entry");
        assert_eq!(std::fs::read_to_string(site.path(FILE)).unwrap(), text);
    }
    for args in
        [&["--role", "a b"][..], &["--user", ""], &["--expires", "2001-01-01"], &["--file", "no/such/folder"]]
    {
        let outcome = site.run(&[&["key", "new"], args].concat()).await.expect(2);
        assert!(
            outcome.stderr.contains("error") && outcome.stdout.is_empty(),
            "{args:?}: {}",
            outcome.stderr
        );
    }
    let _ = site.run(&["key"]).await.expect(2);
}

#[tokio::test]
async fn another_field_may_carry_it_and_the_backend_may_want_a_key_of_its_own_there() {
    let stage = partner_stage(&reader(), |c| {
        c.set("identities.partner.header", "x-api-key");
        c.set("upstreams.chatbot.inject", json!({ "x-api-key": "{secret.model_key}" }));
    })
    .await;
    let path = "/partner/acme/files";
    assert_eq!(stage.send(Ask::get(path).header(FIELD, READER)).await.verdict(), "401 key_invalid");
    assert_eq!(stage.send(Ask::get(path).header("x-api-key", READER)).await.status, 200);
    assert_eq!(stage.backend.last().header("x-api-key"), Some(harness::site::MODEL_KEY));
    // Where nobody's keys are in it, a field is any other.
    let plain = harness::stage(|_| {}).await;
    plain.send(Ask::get("/healthz").header(FIELD, "a value")).await;
    assert_eq!(plain.backend.last().header(FIELD), Some("a value"));
}
