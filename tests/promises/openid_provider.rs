//! A real `OpenID` provider: who signs in there is let in here, while its keys change and while it is away.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use harness::{Ask, Client, Gateway, OpenId, PATIENCE, Stage, json, openid, stage, until};

/// A provider, and a gateway that finds its keys by discovery and fetches them again after `refresh`.
async fn signed_in(refresh: &str) -> (OpenId, Stage) {
    let provider = OpenId::start().await;
    let issuer = provider.issuer().to_owned();
    let stage = stage(|configuration| {
        configuration.set("environment", "development").remove("secrets.session");
        configuration.set("state", json!({ "path": "state" }));
        // The load stays on its connections.
        configuration.set("listen.limits.requests_per_connection", 1_000_000);
        configuration.set("identities.session.issuer", issuer);
        configuration.set("identities.session.audience", openid::AUDIENCE);
        configuration.set("identities.session.algorithms", json!(["RS256"]));
        let keys = json!({ "discover": true, "refresh": refresh, "stale_for": "24h" });
        configuration.set("identities.session.keys", keys);
    })
    .await;
    (provider, stage)
}

async fn verdict(client: &Client, tenant: &str, token: &str) -> String {
    client.send(Ask::get(&format!("/v1/{tenant}/conversations")).bearer(token)).await.verdict()
}

/// Waits until the keys were asked for in vain, `times` times from now on.
async fn failed(stage: &Stage, times: f64) {
    let name = "portcullis_jwks_refresh_total";
    let labels = [("identity", "session"), ("outcome", "failed")];
    let before = stage.metric(name, &labels).await;
    until("fetches to fail", || async {
        (stage.metric(name, &labels).await >= before + times).then_some(())
    })
    .await;
}

#[tokio::test]
async fn whoever_signs_in_is_let_into_their_own_tenant() {
    let (mut provider, mut stage) = signed_in("10m").await;
    let [ada, bob] = [provider.login("ada@acme").await, provider.login("bob@globex").await];
    let client = stage.http1();
    for (token, own, other) in [(&ada, "acme", "globex"), (&bob, "globex", "acme")] {
        assert_eq!(verdict(&client, own, token).await, "200");
        assert_eq!(stage.backend.last().header("x-tenant-id"), Some(own));
        assert_eq!(verdict(&client, other, token).await, "403 tenant_mismatch");
    }
    assert_eq!(stage.backend.last().header("x-user-id"), Some("bob@globex"));
    // What is signed speaks for itself: neither another's signature nor another's claims.
    let parts = |token: &str| token.split('.').map(str::to_owned).collect::<Vec<_>>();
    let (of_ada, of_bob) = (parts(&ada), parts(&bob));
    let mixed = format!("{}.{}.{}", of_ada[0], of_bob[1], of_ada[2]);
    assert_eq!(verdict(&client, "globex", &mixed).await, "401 token_invalid");

    stage.site.env("ADA", Some(&ada)).env("BOB", Some(&bob));
    let here = format!("https://localhost:{}", stage.gateway.https().port());
    let args =
        ["swap", "--token", "env:ADA", "--token", "env:BOB", "--base-url", &here, "--ca", "tls/ca.pem"];
    let proof = stage.site.run(&args).await.expect(0).stdout;
    assert!(proof.contains("8 held, 0 leaked"), "{proof}");
    let fetches = provider.fetches().await;
    assert_eq!((fetches.discovery, fetches.keys), (1, 1), "once at the start, and not for a request");
}

/// Clients that send without a pause, with every token that was issued so far.
struct Load {
    tokens: Arc<Mutex<Vec<String>>>,
    refused: Arc<Mutex<Vec<String>>>,
    sent: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Load {
    fn begin(stage: &Stage, token: String) -> Self {
        let tokens = Arc::new(Mutex::new(vec![token]));
        let (refused, sent) = (Arc::default(), Arc::new(AtomicUsize::new(0)));
        let mut load = Self { tokens, refused, sent, stop: Arc::default(), tasks: Vec::new() };
        for _ in 0..4 {
            let (client, tokens, refused) =
                (stage.http1(), Arc::clone(&load.tokens), Arc::clone(&load.refused));
            let (sent, stop) = (Arc::clone(&load.sent), Arc::clone(&load.stop));
            load.tasks.push(tokio::spawn(async move {
                let mut connection = client.connect().await.unwrap();
                while !stop.load(Ordering::SeqCst) {
                    let at = sent.fetch_add(1, Ordering::SeqCst);
                    let token = {
                        let tokens = tokens.lock().unwrap();
                        // The newest every other time, the others in turn.
                        tokens[if at % 2 == 0 { tokens.len() - 1 } else { at / 2 % tokens.len() }].clone()
                    };
                    let ask = Ask::get("/v1/acme/conversations").bearer(&token);
                    let verdict = connection.send(ask).await.verdict();
                    if verdict != "200" {
                        refused.lock().unwrap().push(verdict);
                    }
                }
            }));
        }
        load
    }

    fn add(&self, token: String) {
        self.tokens.lock().unwrap().push(token);
    }

    /// Has `count` more requests sent.
    async fn go_on(&self, count: usize) {
        let goal = self.sent.load(Ordering::SeqCst) + count;
        until("requests to be sent", || async { (self.sent.load(Ordering::SeqCst) >= goal).then_some(()) })
            .await;
    }

    async fn end_without_refusals(self) {
        self.stop.store(true, Ordering::SeqCst);
        for task in self.tasks {
            task.await.unwrap();
        }
        let (sent, refused) = (self.sent.load(Ordering::SeqCst), self.refused.lock().unwrap().clone());
        assert!(refused.is_empty(), "{} of {sent} were refused: {refused:?}", refused.len());
    }
}

#[tokio::test]
async fn a_key_that_signs_unannounced_under_load_refuses_nobody() {
    // Nothing but the first request with the new key has it fetched.
    let (mut provider, stage) = signed_in("10m").await;
    let load = Load::begin(&stage, provider.login("ada@acme").await);
    load.go_on(50).await;
    let _ = provider.rotate().await;
    load.add(provider.login("ada@acme").await);
    load.go_on(300).await;
    load.end_without_refusals().await;
}

#[tokio::test]
async fn keys_change_under_load_and_nobody_is_refused() {
    let (mut provider, stage) = signed_in("1s").await;
    let first = provider.login("ada@acme").await;
    let load = Load::begin(&stage, first.clone());
    load.go_on(50).await;
    // As it should be done: published first, and signing once everybody has it.
    for _ in 0..2 {
        let _ = provider.announce().await;
        provider.fetched_anew().await;
        let _ = provider.rotate().await;
        load.add(provider.login("ada@acme").await);
        load.go_on(200).await;
    }
    load.end_without_refusals().await;

    // What is taken back counts no longer, for tokens that were let in before neither.
    let _ = provider.forget().await;
    let client = stage.http1();
    let gone = until("the old key to be gone", || async {
        Some(verdict(&client, "acme", &first).await).filter(|verdict| verdict != "200")
    });
    assert_eq!(gone.await, "401 token_invalid");
    assert_eq!(verdict(&client, "acme", &provider.login("ada@acme").await).await, "200");
}

#[tokio::test]
async fn a_provider_that_is_away_locks_nobody_out() {
    let (mut provider, mut stage) = signed_in("1s").await;
    let [seen, unseen, later] = [
        provider.login("ada@acme").await,
        provider.login("ada@acme").await,
        provider.login("ada@acme").await,
    ];
    assert_eq!(verdict(&stage.http1(), "acme", &seen).await, "200");
    provider.down().await;
    // Longer than `refresh`: it has been asked again in vain, more than once.
    failed(&stage, 2.0).await;
    for token in [&seen, &unseen] {
        assert_eq!(verdict(&stage.http1(), "acme", token).await, "200");
    }
    assert_eq!(stage.gateway.stop().await, 0);
    stage.gateway = Gateway::start(&stage.site).await;
    for token in [&seen, &unseen, &later] {
        assert_eq!(verdict(&stage.http1(), "acme", token).await, "200");
    }
    assert_eq!(verdict(&stage.http1(), "globex", &later).await, "403 tenant_mismatch");
    // And it was the copy that did it.
    assert_eq!(stage.gateway.stop().await, 0);
    std::fs::remove_dir_all(stage.site.path("state")).unwrap();
    stage.gateway = Gateway::start(&stage.site).await;
    assert_eq!(verdict(&stage.http1(), "acme", &later).await, "503 keys_unavailable");
}

#[tokio::test]
async fn key_names_that_are_made_up_do_not_flood_the_provider() {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    let (mut provider, stage) = signed_in("1h").await;
    let good = provider.login("ada@acme").await;
    let before = provider.fetches().await;
    let (_, rest) = good.split_once('.').unwrap();
    let begun = Instant::now();
    let mut clients = tokio::task::JoinSet::new();
    for nth in 0..8 {
        let (client, rest, good) = (stage.http1(), rest.to_owned(), good.clone());
        clients.spawn(async move {
            let mut connection = client.connect().await.unwrap();
            for count in 0..50 {
                let header =
                    json!({ "alg": "RS256", "typ": "at+jwt", "kid": format!("made-up-{nth}-{count}") });
                let token = format!("{}.{rest}", URL_SAFE_NO_PAD.encode(header.to_string()));
                for (token, expected) in [(&token, "401 token_invalid"), (&good, "200")] {
                    let ask = Ask::get("/v1/acme/conversations").bearer(token);
                    assert_eq!(connection.send(ask).await.verdict(), expected);
                }
            }
        });
    }
    while let Some(ended) =
        tokio::time::timeout(PATIENCE, clients.join_next()).await.expect("the flood to end")
    {
        ended.unwrap();
    }
    let after = provider.fetches().await;
    // One at most in half a minute, and at least the first.
    let most = 1 + begun.elapsed().as_secs() / 30;
    for (name, count) in
        [("keys", after.keys - before.keys), ("discovery", after.discovery - before.discovery)]
    {
        assert!(count <= most, "{name}: {count} fetches for 400 made-up names");
    }
    assert!(after.keys > before.keys, "a name that is not known is asked for");
}
