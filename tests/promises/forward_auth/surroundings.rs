//! A login service over TLS, on a route that observes, on connections that close, and for commands that ask nobody.

use harness::{Ask, Certificates, Configuration, Login, Site, json, stage};

use harness::scripted::{Scripted, Step};

use super::service::{as_session, conversations, script, sso, with};

#[tokio::test]
async fn over_tls_the_service_has_to_prove_its_name() {
    let certificates = Certificates::new();
    let login = Login::https(&certificates, script).await;
    let url = login.url("/auth");
    for trusted in [true, false] {
        let mut site = Site::furnished(&certificates);
        let strange = Certificates::new().ca_pem();
        site.write("tls/trusted.pem", &if trusted { certificates.ca_pem() } else { strange });
        let file = site.path("tls/trusted.pem");
        site.env("SSL_CERT_FILE", file.to_str());
        let mut configuration = Configuration::complete("http://127.0.0.1:1");
        sso(&mut configuration, &url);
        configuration.set("identities.sso.timeout", "5s");
        site.configure(&configuration);
        let gateway = harness::Gateway::start(&site).await;
        let client = harness::Client::http1(gateway.https(), &certificates);
        let reply = client.send(conversations("ada")).await;
        // Whoever is admitted finds no upstream there.
        let verdict = if trusted { "502 upstream_unreachable" } else { "503 keys_unavailable" };
        assert_eq!(reply.verdict(), verdict);
        assert_eq!(login.questions().len(), 1);
    }
}

#[tokio::test]
async fn a_route_that_observes_asks_and_lets_pass() {
    let (login, stage) = with(|c| {
        c.route("anything")["mode"] = json!("observe");
    })
    .await;
    for session in ["401", "500", "ada"] {
        assert_eq!(stage.send(as_session(Ask::get("/any/a"), session)).await.status, 200, "{session}");
        let user = stage.backend.last().header("x-user-id").map(str::to_owned);
        assert_eq!(user.as_deref(), (session == "ada").then_some("ada"), "{session}");
    }
    assert_eq!(login.questions().len(), 3);
}

#[tokio::test]
async fn offline_nobody_is_asked() {
    let (login, stage) = with(|c| {
        c.set(
            "tests",
            json!([
                { "as": { "tenant": "acme" }, "send": "GET /v1/acme/conversations", "expect": "allow" },
                { "as": { "roles": ["user"] }, "send": "GET /admin/users", "expect": "403 role_required" },
                { "send": "GET /any/a", "expect": "401 token_missing" },
                { "send": "GET /any/a", "headers": { "cookie": "s=ada" }, "expect": "503 keys_unavailable" },
            ]),
        );
    })
    .await;
    let _ = stage.site.run(&["test", "--config", "portcullis.yaml"]).await.expect(0);
    let explain = ["explain", "--config", "portcullis.yaml", "GET /any/a", "--header", "cookie: s=ada"];
    let told = stage.site.run(&explain).await.expect(0);
    assert!(told.stdout.contains("503 keys_unavailable"), "{}", told.stdout);
    let token = ["token", "--config", "portcullis.yaml", "--identity", "sso", "--claim", "sub=ada"];
    let told = stage.site.run(&token).await.expect(2);
    assert!(told.stderr.contains("`sso` has no tokens"), "{}", told.stderr);
    assert_eq!(login.questions().len(), 0);
}

/// Many servers close a connection after a few idle seconds, and may do so just as it is used again.
#[tokio::test]
async fn a_kept_connection_that_closes_costs_nobody_their_sign_in() {
    let yes = Step::Answer(b"HTTP/1.1 200 OK\r\nx-auth-request-user: ada\r\ncontent-length: 0\r\n\r\n");
    let login = Scripted::start(vec![vec![yes.clone(), Step::Close], vec![yes, Step::Close]]).await;
    let url = format!("{}/auth", login.url());
    let stage = stage(|c| sso(c, &url)).await;
    for round in 1..=4 {
        let reply = stage.send(as_session(Ask::get("/any/a"), "ada")).await;
        assert_eq!(reply.verdict(), "200", "round {round}");
    }
    // Each later question was read once more on a connection of its own.
    assert_eq!(login.heads(), 7);
}
