//! No key is inert: what each one changes, where no other promise shows it already.

use std::net::IpAddr;
use std::sync::Arc;

use harness::client::HOST;
use harness::issuer::{SECRET, now};
use harness::stage::stage_with;
use harness::{Ask, Backend, Certificates, Configuration, Gateway, Site, Stage, json, stage};
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;

async fn test(site: &Site, configuration: &Configuration) -> harness::Outcome {
    site.configure(configuration);
    site.run(&["test", "--config", "portcullis.yaml"]).await
}

#[tokio::test]
async fn the_environment_decides_what_is_refused() {
    let mut configuration = Configuration::complete("http://127.0.0.1:1");
    configuration.set("secrets.session", json!({ "value": SECRET }));
    configuration.set("listen.https.certificates", json!([{ "self_signed": [HOST] }]));
    let site = Site::new();
    for (environment, code) in [("production", 2), ("staging", 2), ("development", 0)] {
        configuration.set("environment", environment);
        let _ = test(&site, &configuration).await.expect(code);
    }
    configuration.remove("environment");
    let _ = test(&site, &configuration).await.expect(2);
    configuration.set("environment", "staging").set("secrets.session", json!({ "env": "SESSION_SECRET" }));
    configuration.set("listen.https.certificates", json!([{ "cert": "tls/app.pem", "key": "tls/app.key" }]));
    configuration.set("identities.session.issuer", "http://issuer.example.test/");
    let _ = test(&site, &configuration).await.expect(0);
}

#[tokio::test]
async fn a_self_signed_certificate_has_the_names_that_are_written() {
    let stage = stage(|c| {
        c.set("environment", "development");
        c.set("listen.https.certificates", json!([{ "self_signed": [HOST] }]));
    })
    .await;
    let port = stage.gateway.https().port();
    let args = ["--insecure", "-v"];
    let reply = harness::curl::curl_url(&stage, &format!("https://{HOST}:{port}/healthz"), &args).await;
    assert_eq!(reply.status, 200, "{}", reply.stderr);
    let other = format!("https://api.example.test:{port}/healthz");
    let reply = harness::curl::curl_url(&stage, &other, &args).await;
    assert_eq!(reply.status, 0, "no certificate has that name: {}", reply.stderr);
}

#[tokio::test]
async fn listeners_are_where_they_are_told_to_be() {
    let stage = stage(|c| {
        for listener in ["listen.http.bind", "listen.https.bind", "admin.bind"] {
            c.set(listener, "127.0.0.2:0");
        }
    })
    .await;
    let wanted: IpAddr = [127, 0, 0, 2].into();
    let addresses = [stage.gateway.http(), stage.gateway.https(), stage.gateway.admin()];
    assert!(addresses.iter().all(|address| address.ip() == wanted), "{addresses:?}");
    assert_eq!(stage.send(Ask::get("/healthz")).await.status, 200);
    assert_eq!(stage.admin("/healthz").await.status, 200);
    assert_eq!(stage.plain().send(Ask::get("/healthz")).await.status, 308);
}

/// Whether a client that speaks TLS 1.2 and nothing newer gets a handshake.
async fn speaks_1_2(stage: &Stage) -> bool {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut roots = rustls::RootCertStore::empty();
    let ca = stage.certificates.ca_pem();
    let der = rustls::pki_types::pem::PemObject::from_pem_slice(ca.as_bytes()).unwrap();
    roots.add(der).unwrap();
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS12])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(stage.gateway.https()).await.unwrap();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    harness::within("a handshake", connector.connect(ServerName::try_from(HOST).unwrap(), stream))
        .await
        .is_ok()
}

#[tokio::test]
async fn min_version_turns_older_clients_away() {
    assert!(speaks_1_2(&stage(|_| {}).await).await);
    let strict = stage(|c| {
        c.set("listen.https.min_version", "1.3");
    })
    .await;
    assert!(!speaks_1_2(&strict).await);
    assert_eq!(strict.send(Ask::get("/healthz")).await.status, 200);
}

#[tokio::test]
async fn every_part_of_strict_transport_security_is_written() {
    let cases = [
        (
            json!({ "max_age": "730d", "include_subdomains": true, "preload": true }),
            "max-age=63072000; includeSubDomains; preload",
        ),
        (json!({ "max_age": "1h" }), "max-age=3600"),
        (json!({ "max_age": 0 }), ""),
    ];
    for (hsts, text) in cases {
        let stage = stage(|c| {
            c.set("listen.https.hsts", hsts);
        })
        .await;
        assert_eq!(stage.send(Ask::get("/healthz")).await.header("strict-transport-security"), text);
    }
}

#[tokio::test]
async fn a_secret_comes_from_where_it_is_said() {
    for source in
        [json!({ "env": "ELSEWHERE" }), json!({ "file": "secrets/session" }), json!({ "value": SECRET })]
    {
        let certificates = Certificates::new();
        let mut site = Site::furnished(&certificates);
        site.env("SESSION_SECRET", None);
        match source.as_object().unwrap().keys().next().unwrap().as_str() {
            "env" => drop(site.env("ELSEWHERE", Some(SECRET))),
            "file" => site.write("secrets/session", &format!("{SECRET}\n")),
            _ => {}
        }
        let stage = stage_with(Backend::http().await, certificates, site, |c| {
            c.set("environment", "development").set("secrets.session", source.clone());
        })
        .await;
        let reply = stage.send(Ask::get("/any/a").bearer(&stage.token())).await;
        assert_eq!(reply.status, 200, "{source}: {}", reply.text());
    }
}

#[tokio::test]
async fn leeway_is_for_clocks_that_are_off() {
    for (leeway, verdict) in [("5m", "200"), ("0s", "401 token_expired")] {
        let stage = stage(|c| {
            c.set("identities.session.leeway", leeway);
        })
        .await;
        let late = stage.issuer.token(&json!({ "exp": now() - 60 }));
        assert_eq!(stage.send(Ask::get("/any/a").bearer(&late)).await.verdict(), verdict, "{leeway}");
    }
}

#[tokio::test]
async fn what_defaults_require_holds_on_every_route() {
    let stage = stage(|c| {
        c.set("defaults.tenant", "path.tenant");
        c.set(
            "defaults.require",
            json!({ "roles": ["user"], "scopes": ["chat:read"], "claims": { "mfa": true } }),
        );
        c.set("routes", json!([{ "name": "list", "match": "GET /v1/{tenant}/conversations" }]));
    })
    .await;
    let cases = [
        (json!({ "mfa": true }), "200"),
        (json!({ "mfa": true, "org_id": "globex" }), "403 tenant_mismatch"),
        (json!({ "mfa": true, "roles": ["guest"] }), "403 role_required"),
        (json!({ "mfa": true, "scope": "chat:write" }), "403 scope_required"),
        (json!({}), "403 claim_required"),
    ];
    for (claims, verdict) in cases {
        let ask = Ask::get("/v1/acme/conversations").bearer(&stage.issuer.token(&claims));
        assert_eq!(stage.send(ask).await.verdict(), verdict, "{claims}");
    }
    assert_eq!(stage.backend.requests().len(), 1);
}

#[tokio::test]
async fn who_signed_in_too_long_ago_is_refused() {
    let stage = stage(|c| {
        c.set(
            "defaults.require",
            json!({ "signed_in_within": "1h", "claims": { "sub": { "present": true } } }),
        );
        c.route("admin")["require"] = json!({ "signed_in_within": "5m", "roles": ["user"] });
    })
    .await;
    for (ago, anything, admin) in [
        (json!(now()), "200", "200"),
        (json!(now() - 200), "200", "200"),
        (json!(now() - 400), "200", "403 claim_required"),
        (json!(now() - 4000), "403 claim_required", "403 claim_required"),
        (json!(now() + 1000), "403 claim_required", "403 claim_required"),
        (json!(null), "403 claim_required", "403 claim_required"),
    ] {
        let token = stage.issuer.token(&json!({ "auth_time": ago }));
        for (path, verdict) in [("/any/a", anything), ("/admin/a", admin)] {
            assert_eq!(stage.send(Ask::get(path).bearer(&token)).await.verdict(), verdict, "{path}: {ago}");
        }
    }
    let nobody = stage.issuer.token(&json!({ "auth_time": now(), "sub": null }));
    assert_eq!(stage.send(Ask::get("/any/a").bearer(&nobody)).await.verdict(), "403 claim_required");
}

#[tokio::test]
async fn a_route_may_ask_for_another_identity() {
    let stage = stage(|c| {
        let mut partner = c.root["identities"]["session"].clone();
        partner["audience"] = json!("partner.example.test");
        c.set("identities.partner", partner);
        let route = c.route("anything");
        route["identity"] = json!("partner");
        route["relax"] = json!({ "identity": "partners have tokens of their own" });
    })
    .await;
    let partner = stage.issuer.token(&json!({ "aud": "partner.example.test" }));
    assert_eq!(stage.send(Ask::get("/any/a").bearer(&stage.token())).await.verdict(), "401 token_invalid");
    assert_eq!(stage.send(Ask::get("/any/a").bearer(&partner)).await.status, 200);
    let own = "/v1/acme/conversations";
    assert_eq!(stage.send(Ask::get(own).bearer(&partner)).await.verdict(), "401 token_invalid");
    assert_eq!(stage.send(Ask::get(own).bearer(&stage.token())).await.status, 200);
}

#[tokio::test]
async fn lines_go_to_the_file_that_is_named() {
    let mut stage = stage(|c| {
        c.set("logs.access.to", "access.log");
    })
    .await;
    let reply = stage.send(Ask::get("/healthz")).await;
    assert_eq!(stage.gateway.stop().await, 0);
    stage.gateway.out.ended().await;
    let written = std::fs::read_to_string(stage.site.path("access.log")).unwrap();
    assert!(written.contains(reply.header("x-request-id")), "{written}");
    assert_eq!(stage.gateway.out.text(), "", "nothing is on standard output");
}

#[tokio::test]
async fn only_what_redact_lists_is_blotted_out() {
    let text = "/any/ada@example.com/+14155552671";
    for (kinds, hidden) in
        [(json!(["email"]), [true, false]), (json!(["phone"]), [false, true]), (json!([]), [false; 2])]
    {
        let stage = stage(|c| {
            c.set("logs.redact", kinds.clone());
        })
        .await;
        let reply = stage.send(Ask::get(text).bearer(&stage.token())).await;
        let id = reply.header("x-request-id").to_owned();
        let line = stage.gateway.log_line(|line| line["request_id"] == id.as_str()).await;
        let shows = |part: &str| line["path"].as_str().unwrap().contains(part);
        assert_eq!([!shows("ada@example.com"), !shows("14155552671")], hidden, "{kinds}: {line}");
    }
}

#[tokio::test]
async fn a_test_sends_what_it_says() {
    let site = Site::furnished(&Certificates::new());
    let mut configuration = Configuration::complete("http://127.0.0.1:1");
    let own = json!({ "tenant": "acme" });
    let create = |body: &str, expect: &str| {
        json!({ "as": own, "send": "POST /v1/acme/conversations", "body": body, "expect": expect,
            "headers": { "content-type": "application/json" } })
    };
    configuration.set(
        "tests",
        json!([
            create(r#"{"tenant_id":"acme"}"#, "allow"),
            create(r#"{"tenant_id":"globex"}"#, "403 tenant_mismatch"),
            { "send": "GET /any/a", "headers": { "authorization": "Bearer nonsense" }, "expect": "401 token_invalid" },
            { "send": "GET /any/a", "expect": "401 token_missing" },
        ]),
    );
    let _ = test(&site, &configuration).await.expect(0);
}

/// A file of another version is not read by the rules of this one, whatever else is in it.
#[tokio::test]
async fn the_version_is_the_one_that_is_understood() {
    let site = Site::furnished(&Certificates::new());
    let mut configuration = Configuration::complete("http://127.0.0.1:1");
    let _ = test(&site, &configuration).await.expect(0);
    configuration.set("version", 2);
    let told = test(&site, &configuration).await.expect(2).stderr;
    assert!(told.contains("version 2 is not known"), "{told}");
    site.configure(&configuration);
    let Err(outcome) = Gateway::try_start(&site).await else { panic!("it serves") };
    assert_eq!(outcome.code, 2, "{}", outcome.stderr);
}

#[tokio::test]
async fn defaults_say_which_codings_are_accepted() {
    // An empty document, as gzip packs it without compressing (RFC 1951, section 3.2.4).
    let packed: &[u8] =
        &[31, 139, 8, 0, 0, 0, 0, 0, 0, 255, 1, 2, 0, 253, 255, 123, 125, 67, 191, 166, 163, 2, 0, 0, 0];
    for (encodings, verdict) in [(json!(["gzip"]), "200"), (json!(["deflate"]), "415 media_type")] {
        let stage = stage(|c| {
            c.set("defaults.body.encodings", encodings);
        })
        .await;
        let ask = Ask::post("/any/a", packed).header("content-encoding", "gzip").bearer(&stage.token());
        assert_eq!(stage.send(ask).await.verdict(), verdict);
    }
}

/// A counter that is used up is never forgotten early, so the least table is full of them before the largest is.
#[tokio::test]
async fn so_many_counters_are_kept_as_said() {
    for (keys, on_failure, is_full) in
        [(1_000, "local", true), (1_000, "allow", true), (100_000, "local", false)]
    {
        let stage = stage(|c| {
            c.set("state", json!({ "keys": keys, "on_failure": on_failure }));
            c.set("limits.visitors", json!({ "per": "header.x-visitor", "allow": "1/h" }));
            c.route("health")["limits"] = json!(["visitors"]);
        })
        .await;
        let mut refused = None;
        for hundred in 0..11 {
            let mut connection = stage.http2().connect().await.unwrap();
            for visitor in 0..100 {
                let ask = Ask::get("/healthz").header("x-visitor", &format!("{hundred}-{visitor}"));
                let reply = connection.send(ask).await;
                refused = refused.or((reply.status != 200).then(|| reply.verdict()));
            }
        }
        let expected = (is_full && on_failure == "local").then_some("503 overloaded");
        assert_eq!(refused.as_deref(), expected, "{keys}, {on_failure}");
        assert_eq!(stage.metric("portcullis_state_no_room_total", &[]).await > 0.0, is_full, "{keys}");
    }
}
