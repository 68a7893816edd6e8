//! Who shows a certificate of ours in the handshake is known by it, and nobody else is.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use harness::certificates::{CertificateParams, DnType, Pair, SanType};
use harness::curl::{Curl, curl};
use harness::{Ask, Certificates, Client, Configuration, Site, Stage, Value, json};
use rustls::HandshakeKind;
use rustls::pki_types::ServerName;
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const REQUIRED: &str = "401 certificate_required";

/// A stage that asks for certificates of an authority that it shares with nobody.
struct Mutual {
    stage: Stage,
    clients: Certificates,
}

impl Mutual {
    async fn new() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(change: impl FnOnce(&mut Configuration)) -> Self {
        let (certificates, clients) = (Certificates::new(), Certificates::new());
        let site = Site::furnished(&certificates);
        site.write("tls/clients.pem", &clients.ca_pem());
        let stage = harness::stage::stage_with(harness::Backend::http().await, certificates, site, |c| {
            ask(c);
            change(c);
        })
        .await;
        Self { stage, clients }
    }

    /// A certificate of `worker-7` at `acme`.
    fn worker(&self) -> Pair {
        self.clients.issue_client("worker-7", acme)
    }

    /// `curl --cert --key`.
    async fn curl(&self, path: &str, pair: &Pair, args: &[&str]) -> Curl {
        self.stage.site.write("client.pem", &pair.cert);
        self.stage.site.write("client.key", &pair.key);
        let [cert, key] = ["client.pem", "client.key"].map(|name| self.stage.site.path(name));
        let shown = ["--cert", cert.to_str().unwrap(), "--key", key.to_str().unwrap()];
        curl(&self.stage, path, &[&shown, args].concat()).await
    }

    fn http1(&self, pair: &Pair) -> Client {
        self.stage.http1().showing(&self.stage.certificates, pair)
    }

    fn http2(&self, pair: &Pair) -> Client {
        self.stage.http2().showing(&self.stage.certificates, pair)
    }
}

fn ask(c: &mut Configuration) {
    let claims = json!({ "tenant": "/subject/o", "roles": "/subject/ou", "name": "/san/uri/0" });
    let forward = json!({ "x-worker": "user", "x-worker-tenant": "tenant", "x-worker-id": "name" });
    let relax = json!({ "identity": "machines hold certificates, not sessions" });
    c.set("listen.https.client_ca", "tls/clients.pem");
    c.set("identities.worker", json!({ "kind": "mtls", "claims": claims, "forward": forward }));
    for (name, pattern, identity, require) in [
        ("machines", "* /machines/**", json!("worker"), Value::Null),
        ("paying", "GET /paying", json!("worker"), json!({ "claims": { "/subject/ou": "payments" } })),
        ("on-call", "GET /on-call", json!("worker"), json!({ "roles": ["on-call"] })),
    ] {
        let mut route = json!({ "name": name, "match": pattern, "identity": identity, "relax": relax });
        if require.is_object() {
            route["require"] = require;
        }
        c.add_route(route);
    }
    c.add_route(json!({
        "name": "either", "match": "GET /either/{tenant}", "identity": ["worker", "session"],
        "tenant": "path.tenant", "relax": relax,
    }));
}

fn acme(params: &mut CertificateParams) {
    params.distinguished_name.push(DnType::OrganizationName, "acme");
    params.distinguished_name.push(DnType::OrganizationalUnitName, "payments");
    params.subject_alt_names = vec![SanType::URI("spiffe://acme/worker-7".try_into().unwrap())];
}

#[tokio::test]
async fn a_certificate_is_admitted_and_named_to_the_backend() {
    let mutual = Mutual::new().await;
    let worker = mutual.worker();
    for (version, flag) in [("1.1", "--http1.1"), ("2", "--http2")] {
        let lies = ["-H", "x-worker: root", "-H", "X-Worker-Id: root", "-H", "x-worker-tenant: globex"];
        let reply = mutual.curl("/machines/a", &worker, &[&lies[..], &[flag]].concat()).await;
        assert_eq!((reply.verdict().as_str(), reply.version.as_str()), ("200", version), "{}", reply.stderr);
        let seen = mutual.stage.backend.last();
        for (name, value) in
            [("x-worker", "worker-7"), ("x-worker-tenant", "acme"), ("x-worker-id", "spiffe://acme/worker-7")]
        {
            let all: Vec<_> = seen.headers.iter().filter(|(known, _)| known == name).collect();
            assert_eq!(all, [&(name.to_owned(), value.to_owned())], "{version}: {name}");
        }
    }
    let line = mutual.stage.gateway.log_line(|line| line["route"] == "machines").await;
    assert_eq!([&line["user"], &line["tenant"]], ["worker-7", "acme"]);
    // On a public route nobody is identified, and the fields are still the gateway's.
    let reply = mutual.curl("/healthz", &worker, &["-H", "x-worker: root"]).await;
    assert_eq!(reply.status, 200);
    assert_eq!(mutual.stage.backend.last().header("x-worker"), None);
}

#[tokio::test]
async fn without_a_certificate_the_route_decides() {
    let mutual = Mutual::new().await;
    let Mutual { stage, .. } = &mutual;
    for client in [stage.http1(), stage.http2()] {
        for ask in [
            Ask::get("/machines/a"),
            Ask::get("/machines/a").bearer(&stage.token()),
            Ask::get("/machines/a").header("x-worker", "worker-7"),
            Ask::get("/machines/a").header("x-forwarded-client-cert", "Subject=\"CN=worker-7,O=acme\""),
        ] {
            let reply = client.send(ask).await;
            assert_eq!(
                (reply.verdict().as_str(), reply.header("www-authenticate")),
                (REQUIRED, "Certificate")
            );
        }
    }
    stage.assert_untouched().await;
    assert_eq!(stage.send(Ask::get("/v1/acme/conversations").bearer(&stage.token())).await.status, 200);
    let reply = mutual.curl("/v1/acme/conversations", &mutual.worker(), &[]).await;
    assert_eq!(reply.verdict(), "401 token_missing", "a certificate is no token");
}

#[tokio::test]
async fn what_does_not_verify_fails_the_handshake() {
    let mutual = Mutual::new().await;
    let now = OffsetDateTime::now_utc();
    let issue = |change: &dyn Fn(&mut CertificateParams)| {
        mutual.clients.issue_client("worker-7", |params| {
            acme(params);
            change(params);
        })
    };
    let other = Certificates::new().issue_client("worker-7", acme);
    let own = Pair { key: mutual.worker().key, ..mutual.worker() };
    for (what, pair) in [
        ("another authority's", other),
        ("the server's authority's", mutual.stage.certificates.issue_client("worker-7", acme)),
        ("expired", issue(&|params| params.not_after = now - Duration::minutes(1))),
        ("not yet valid", issue(&|params| params.not_before = now + Duration::hours(1))),
        (
            "a server's",
            issue(&|params| params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth]),
        ),
        ("without its key", own),
    ] {
        for flag in ["--http1.1", "--http2", "--tls-max=1.2"] {
            // The public route too: the connection is not there.
            for path in ["/machines/a", "/healthz"] {
                let flag = if flag == "--tls-max=1.2" { &["--tls-max", "1.2"][..] } else { &[flag] };
                let reply = mutual.curl(path, &pair, flag).await;
                assert!(reply.exit != 0 && reply.status == 0, "{what}: {} {}", reply.verdict(), reply.stderr);
            }
        }
    }
    mutual.stage.assert_untouched().await;
}

#[tokio::test]
async fn a_certificate_that_expires_is_refused_on_the_connection_that_it_opened() {
    let mutual = Mutual::with(|c| {
        c.set("listen.limits.requests_per_connection", 1_000_000);
    })
    .await;
    for http2 in [false, true] {
        let pair = mutual.clients.issue_client("worker-7", |params| {
            params.not_after = OffsetDateTime::now_utc() + Duration::seconds(4);
        });
        let client = if http2 { mutual.http2(&pair) } else { mutual.http1(&pair) };
        let mut connection = client.connect().await.unwrap();
        assert_eq!(connection.send(Ask::get("/machines/a")).await.verdict(), "200");
        let refused = async {
            loop {
                let verdict = connection.send(Ask::get("/machines/a")).await.verdict();
                if verdict != "200" {
                    return verdict;
                }
            }
        };
        assert_eq!(harness::within("the certificate to expire", refused).await, REQUIRED);
    }
}

#[tokio::test]
async fn a_resumed_connection_has_its_certificate() {
    let mutual = Mutual::new().await;
    let worker = mutual.worker();
    let config = mutual.stage.certificates.client_config_showing(&["http/1.1"], Some(&worker));
    for expected in [HandshakeKind::Full, HandshakeKind::Resumed] {
        let tcp = tokio::net::TcpStream::connect(mutual.stage.gateway.https()).await.unwrap();
        let name = ServerName::try_from(harness::client::HOST).unwrap();
        let connector = tokio_rustls::TlsConnector::from(std::sync::Arc::clone(&config));
        let mut tls = connector.connect(name, tcp).await.unwrap();
        assert_eq!(tls.get_ref().1.handshake_kind(), Some(expected));
        let ask = "GET /machines/a HTTP/1.1\r\nHost: app.example.test\r\nConnection: close\r\n\r\n";
        tls.write_all(ask.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        // The gateway may close without a farewell.
        let _ = harness::within("an answer", tls.read_to_end(&mut answer)).await;
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.starts_with("HTTP/1.1 200"), "{expected:?}: {answer}");
        assert_eq!(mutual.stage.backend.last().header("x-worker"), Some("worker-7"));
    }
}

#[tokio::test]
async fn a_replaced_authority_counts_at_once() {
    let mutual = Mutual::new().await;
    let Mutual { stage, .. } = &mutual;
    let worker = mutual.worker();
    let mut one = mutual.http1(&worker).connect().await.unwrap();
    let mut two = mutual.http2(&worker).connect().await.unwrap();
    let ask = || Ask::get("/machines/a");
    for connection in [&mut one, &mut two] {
        assert_eq!(connection.send(ask()).await.verdict(), "200");
    }
    stage.gateway.reload("the configuration was reloaded").await;
    for connection in [&mut one, &mut two] {
        assert_eq!(connection.send(ask()).await.verdict(), "200", "nothing changed");
    }

    let renewed = Certificates::new();
    stage.site.write("tls/clients.pem", &renewed.ca_pem());
    stage.gateway.reload("the configuration was reloaded").await;
    let reached = stage.backend.requests().len();
    for connection in [&mut one, &mut two] {
        assert_eq!(connection.send(ask()).await.verdict(), REQUIRED);
        // So that the client comes again with what counts now.
        connection.closed().await;
    }
    assert!(mutual.http1(&worker).try_send(ask()).await.is_err(), "neither anew nor with a ticket");
    assert_eq!(stage.backend.requests().len(), reached);
    let renewed = renewed.issue_client("worker-8", acme);
    assert_eq!(mutual.http2(&renewed).send(ask()).await.verdict(), "200");
    assert_eq!(stage.backend.last().header("x-worker"), Some("worker-8"));

    // A file that names nobody leaves the authorities in force.
    stage.site.write("tls/clients.pem", "");
    stage.gateway.reload("there is no certificate in it").await;
    assert_eq!(mutual.http1(&renewed).send(ask()).await.verdict(), "200");
}

#[tokio::test]
async fn authorities_may_be_named_while_the_gateway_runs() {
    let mut mutual = Mutual::with(|c| {
        c.remove("listen.https.client_ca").remove("identities.worker");
        let routes = c.root["routes"].as_array_mut().unwrap();
        routes.retain(|route| route.get("relax").is_none_or(|relax| relax.get("identity").is_none()));
    })
    .await;
    let worker = mutual.worker();
    let mut early = mutual.http1(&worker).connect().await.unwrap();
    assert_eq!(early.send(Ask::get("/machines/a")).await.status, 404);
    ask(&mut mutual.stage.configuration);
    mutual.stage.site.configure(&mutual.stage.configuration);
    mutual.stage.gateway.reload("the configuration was reloaded").await;
    assert_eq!(early.send(Ask::get("/machines/a")).await.verdict(), REQUIRED, "it was never asked");
    early.closed().await;
    assert_eq!(mutual.http1(&worker).send(Ask::get("/machines/a")).await.verdict(), "200");
}

#[tokio::test]
async fn what_the_certificate_says_can_be_required() {
    let mutual = Mutual::new().await;
    let unit = |units: &[&str]| {
        mutual.clients.issue_client("worker-7", |params| {
            let kinds = [DnType::OrganizationalUnitName, DnType::CustomDnType(vec![2, 5, 4, 11])];
            for (kind, unit) in kinds.into_iter().zip(units) {
                params.distinguished_name.push(kind, *unit);
            }
        })
    };
    for (units, paying, on_call) in [
        (&["payments"][..], "200", "403 role_required"),
        (&["on-call"], "403 claim_required", "200"),
        (&["payments", "on-call"], "403 claim_required", "200"),
        (&["not on-call"], "403 claim_required", "403 role_required"),
        (&[], "403 claim_required", "403 role_required"),
    ] {
        let client = mutual.http1(&unit(units));
        assert_eq!(client.send(Ask::get("/paying")).await.verdict(), paying, "{units:?}");
        assert_eq!(client.send(Ask::get("/on-call")).await.verdict(), on_call, "{units:?}");
    }
}

#[tokio::test]
async fn a_certificate_or_a_token_will_do_and_the_first_decides() {
    let mutual = Mutual::new().await;
    let (own, token) = ("/either/acme", mutual.stage.token());
    let machine = mutual.http1(&mutual.worker());
    assert_eq!(machine.send(Ask::get(own)).await.verdict(), "200");
    let seen = mutual.stage.backend.last();
    assert_eq!([seen.header("x-worker"), seen.header("x-user-id")], [Some("worker-7"), None]);
    let person = mutual.stage.http1();
    assert_eq!(person.send(Ask::get(own).bearer(&token)).await.verdict(), "200");
    let seen = mutual.stage.backend.last();
    assert_eq!([seen.header("x-worker"), seen.header("x-user-id")], [None, Some("ada")]);
    assert_eq!(person.send(Ask::get(own)).await.verdict(), REQUIRED);

    let stranger = mutual.http1(&mutual.clients.issue_client("worker-9", |params| {
        params.distinguished_name.push(DnType::OrganizationName, "globex");
    }));
    assert_eq!(stranger.send(Ask::get(own).bearer(&token)).await.verdict(), "403 tenant_mismatch");
}

#[tokio::test]
async fn a_name_that_could_be_read_in_two_ways_is_none() {
    let mutual = Mutual::new().await;
    for name in ["worker-7\0.evil.test", "worker-7\r\nx-worker: root", "worker-7\u{85}"] {
        let client = mutual.http1(&mutual.clients.issue_client(name, acme));
        assert_eq!(client.send(Ask::get("/machines/a")).await.verdict(), REQUIRED, "{name:?}");
    }
    let told = mutual.stage.gateway.err.text();
    assert!(told.contains("a name in the client's certificate is not plain text"), "{told}");
    // It can be read and cannot be written into a header field.
    let client = mutual.http1(&mutual.clients.issue_client("Zoë", acme));
    assert_eq!(client.send(Ask::get("/machines/a")).await.verdict(), "403 claim_required");
    mutual.stage.assert_untouched().await;
}

#[tokio::test]
async fn there_is_no_certificate_on_the_plain_listener() {
    let mutual = Mutual::with(|c| {
        c.set("listen.http", json!({ "bind": "127.0.0.1:0", "plaintext": "TLS ends at the mesh" }));
        c.set("listen.client_ip.trust", json!(["127.0.0.1"]));
    })
    .await;
    let plain = mutual.stage.plain();
    for ask in [
        Ask::get("/machines/a"),
        Ask::get("/machines/a")
            .header("x-forwarded-proto", "https")
            .header("x-ssl-client-s-dn", "CN=worker-7"),
    ] {
        assert_eq!(plain.send(ask).await.verdict(), REQUIRED);
    }
    mutual.stage.backend.assert_untouched();
    assert_eq!(plain.send(Ask::get("/either/acme").bearer(&mutual.stage.token())).await.verdict(), "200");
}

#[tokio::test]
async fn replay_verifies_the_recorded_certificate_at_the_recorded_time() {
    let mutual = Mutual::new().await;
    let issued = OffsetDateTime::from_unix_timestamp(1_700_000_000).unwrap();
    let dated = |params: &mut CertificateParams| {
        acme(params);
        (params.not_before, params.not_after) = (issued, issued + Duration::minutes(10));
    };
    let worker = mutual.clients.issue_client("worker-7", dated).cert;
    let other = Certificates::new().issue_client("worker-7", dated).cert;
    let line = |id: &str, path: &str, cert: Option<&str>, tls: bool, seconds: i64| {
        let at = (issued + Duration::seconds(seconds)).format(&Rfc3339).unwrap();
        let scheme = if tls { "https" } else { "http" };
        let mut line = json!({
            "id": id, "at": at, "peer": "192.0.2.7", "tls": tls, "method": "GET",
            "url": format!("{scheme}://app.example.test{path}"), "headers": [["x-worker", "root"]],
            "body_b64": STANDARD.encode(""),
        });
        if let Some(cert) = cert {
            line["client_cert_pem"] = json!(cert);
        }
        line.to_string()
    };
    let unknown = "does not verify: invalid peer certificate: UnknownIssuer";
    let rows = [
        (line("good", "/machines/a", Some(&worker), true, 1), 200, ""),
        (line("last", "/machines/a", Some(&worker), true, 600), 200, ""),
        (line("late", "/machines/a", Some(&worker), true, 601), 401, "certificate expired"),
        (line("early", "/machines/a", Some(&worker), true, -1), 401, "certificate not valid yet"),
        (line("none", "/machines/a", None, true, 1), 401, "the client showed no certificate that is trusted"),
        (line("other", "/machines/a", Some(&other), true, 1), 401, unknown),
        (line("open", "/healthz", Some(&other), true, 1), 200, unknown),
        (line("plain", "/machines/a", Some(&worker), false, 1), 308, "without TLS"),
        (line("nonsense", "/machines/a", Some("nonsense"), true, 1), 401, "there is no certificate"),
    ];
    let lines: Vec<&str> = rows.iter().map(|(line, ..)| line.as_str()).collect();
    mutual.stage.site.write("cases.jsonl", &lines.join("\n"));
    let outcome = mutual.stage.site.run(&["replay", "cases.jsonl"]).await.expect(0);
    let verdicts = outcome.json_lines();
    assert_eq!(verdicts.len(), rows.len());
    for (verdict, (_, status, why)) in verdicts.iter().zip(&rows) {
        assert_eq!(verdict["status"], *status, "{verdict}");
        let told = verdict["why"].as_str().unwrap_or_default();
        assert!(told.contains(why) && told.is_empty() == why.is_empty(), "{verdict}");
    }
    assert_eq!([&verdicts[0]["user"], &verdicts[0]["tenant"]], ["worker-7", "acme"]);
    let forwarded = verdicts[0]["forwarded"]["headers"].as_array().unwrap();
    assert!(
        forwarded.contains(&json!(["x-worker", "worker-7"]))
            && !forwarded.contains(&json!(["x-worker", "root"]))
    );
    mutual.stage.backend.assert_untouched();
}

#[tokio::test]
async fn the_commands_know_certificates() {
    let mutual = Mutual::with(|c| {
        c.set(
            "tests",
            json!([
                { "as": { "user": "worker-7", "tenant": "acme" }, "send": "GET /either/acme", "expect": "allow" },
                { "as": { "user": "worker-7", "tenant": "acme" }, "send": "GET /either/globex", "expect": "403 tenant_mismatch" },
                { "as": { "user": "worker-7", "roles": ["on-call"] }, "send": "GET /on-call", "expect": "allow" },
                { "send": "GET /machines/a", "expect": "401 certificate_required" },
            ]),
        );
    })
    .await;
    let site = &mutual.stage.site;
    let _ = site.run(&["test"]).await.expect(0);
    site.write("client.pem", &mutual.worker().cert);
    site.write("other.pem", &Certificates::new().issue_client("worker-7", acme).cert);
    let explain = |file: &'static str| ["explain", "GET /machines/a", "--client-cert", file];
    let known = site.run(&explain("client.pem")).await.expect(0).stdout;
    assert!(known.contains("worker: user worker-7") && known.contains("→ allow"), "{known}");
    let refused = site.run(&explain("other.pem")).await.expect(2).stderr;
    assert!(refused.contains("error: with `other.pem` there would be no request"), "{refused}");
    let unknown = site.run(&["explain", "GET /machines/a"]).await.expect(0).stdout;
    assert!(unknown.contains(REQUIRED), "{unknown}");
    let minted = site.run(&["token", "--identity", "worker"]).await.expect(2).stderr;
    assert!(minted.contains("nobody shows the identity `worker` by a token"), "{minted}");
}

#[tokio::test]
async fn the_gateway_does_not_start_with_authorities_that_it_cannot_use() {
    let (certificates, clients) = (Certificates::new(), Certificates::new());
    for (pem, why) in [
        (None, "cannot be read"),
        (Some(String::new()), "there is no certificate in it"),
        (Some(clients.issue_client("worker-7", acme).cert), "certificate 1 in it is not an authority's"),
        (
            Some(clients.ca_pem() + "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
            "certificate 2 in it is damaged",
        ),
    ] {
        let site = Site::furnished(&certificates);
        if let Some(pem) = &pem {
            site.write("tls/clients.pem", pem);
        }
        let mut configuration = Configuration::complete("http://127.0.0.1:1");
        ask(&mut configuration);
        site.configure(&configuration);
        let outcome = harness::Gateway::try_start(&site).await.err().expect("it does not start");
        let place = format!("portcullis.yaml:{}", site.line_of("client_ca"));
        assert!(
            outcome.code == 2 && outcome.stderr.contains(why) && outcome.stderr.contains(&place),
            "{outcome:?}"
        );
        assert!(outcome.stderr.contains("help"), "{}", outcome.stderr);
    }
}
