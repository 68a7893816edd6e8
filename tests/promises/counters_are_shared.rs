//! Gateways that share a Redis count together, and each does what `on_failure` says while it is away.

use std::time::{Duration, Instant};

use harness::backend::Canned;
use harness::redis::Redis;
use harness::stage::stage_with;
use harness::{Ask, Backend, Certificates, Configuration, Gateway, Site, Stage, Value, json, until};

/// For a machine that is busy with other tests.
const MARGIN: Duration = Duration::from_secs(2);

/// A gateway that counts at `url`.
async fn gateway(url: &str, on_failure: &str, timeout: &str) -> Stage {
    let certificates = Certificates::new();
    let mut site = Site::furnished(&certificates);
    site.env("REDIS_URL", Some(url));
    stage_with(Backend::http().await, certificates, site, |c| counted(c, on_failure, timeout)).await
}

fn counted(c: &mut Configuration, on_failure: &str, timeout: &str) {
    let url = json!({ "env": "REDIS_URL" });
    c.set("state", json!({ "store": "redis", "url": url, "on_failure": on_failure, "timeout": timeout }));
    c.set("limits.send", json!({ "per": "user", "allow": "40/h" }));
    c.set("limits.visits", json!({ "per": "header.x-visit", "allow": "1/h" }));
    c.set("limits.login", json!({ "per": "ip", "lock": { "after": 3, "for": "1h" } }));
    c.set("limits.inflight", json!({ "per": "user", "concurrent": 1 }));
    c.route("anything")["limits"] = json!(["send"]);
    c.route("health")["limits"] = json!(["visits"]);
    c.route("login")["limits"] = json!(["login"]);
    c.route("events")["limits"] = json!(["inflight"]);
    c.route("list")["limits"] = json!(["inflight"]);
}

async fn two(redis: &Redis, on_failure: &str) -> [Stage; 2] {
    [gateway(&redis.url(), on_failure, "1s").await, gateway(&redis.url(), on_failure, "1s").await]
}

fn send(stage: &Stage, user: &str) -> Ask {
    Ask::get("/any/x").bearer(&stage.issuer.token(&json!({ "sub": user })))
}

fn visit(key: &str) -> Ask {
    Ask::get("/healthz").header("x-visit", key)
}

/// Sends so many at once: their verdicts, and how long the slowest took.
async fn at_once(stage: &Stage, ask: &Ask, times: usize) -> (Vec<String>, Duration) {
    let tries = (0..times).map(|_| {
        let (client, ask) = (stage.http1(), ask.clone());
        tokio::spawn(async move {
            let began = Instant::now();
            (client.send(ask).await.verdict(), began.elapsed())
        })
    });
    let (mut verdicts, mut slowest) = (Vec::new(), Duration::ZERO);
    for outcome in futures_util::future::join_all(tries).await {
        let (verdict, took) = outcome.unwrap();
        verdicts.push(verdict);
        slowest = slowest.max(took);
    }
    (verdicts, slowest)
}

fn admitted(verdicts: &[String]) -> usize {
    verdicts.iter().filter(|verdict| *verdict == "200").count()
}

/// Until what one of them counts, the other knows.
async fn together([one, other]: &[Stage; 2], round: &str) {
    let nth = std::cell::Cell::new(0);
    until("both to count together", || async {
        nth.set(nth.get() + 1);
        let ask = visit(&format!("{round} {}", nth.get()));
        let first = one.send(ask.clone()).await.status;
        (first == 200 && other.send(ask).await.verdict() == "429 rate_limited").then_some(())
    })
    .await;
}

#[tokio::test]
async fn two_gateways_admit_together_what_one_would() {
    let redis = Redis::start();
    let [one, other] = two(&redis, "deny").await;
    let (one_ask, other_ask) = (send(&one, "ada"), send(&other, "ada"));
    let ((here, _), (there, _)) = tokio::join!(at_once(&one, &one_ask, 40), at_once(&other, &other_ask, 40));
    assert_eq!(admitted(&here) + admitted(&there), 40);
    assert!(admitted(&here) > 0 && admitted(&there) > 0, "both were asked");
    assert_eq!(one.backend.requests().len() + other.backend.requests().len(), 40);
    let refused = other.send(other_ask).await;
    let seconds: u64 = refused.header("retry-after").parse().unwrap();
    assert!((3500..=3600).contains(&seconds), "{seconds}");

    for stage in [&one, &other] {
        stage.backend.answer("/auth/login", Canned { status: 401, headers: vec![], body: "" });
    }
    let login = || Ask::post("/auth/login", "{}");
    assert_eq!([one.send(login()).await.status, other.send(login()).await.status], [401, 401]);
    assert_eq!(one.send(login()).await.status, 401);
    // The failure is told to the server when the client already has its answer.
    until("the other one to know of the lock", || async {
        (other.send(login()).await.verdict() == "429 locked_out").then_some(())
    })
    .await;

    let events = one.backend.events("/v1/acme/events/1");
    let mut connection = one.http2().connect().await.unwrap();
    let stream = connection.open(&Ask::get("/v1/acme/events/1").bearer(&one.token())).await.unwrap();
    assert_eq!(stream.status(), 200);
    let list = Ask::get("/v1/acme/conversations").bearer(&other.token());
    assert_eq!(other.send(list.clone()).await.verdict(), "429 too_many_in_flight");
    drop((events, stream, connection));
    until("the place to be free", || async { (other.send(list.clone()).await.status == 200).then_some(()) })
        .await;
}

/// Paused, gone and started anew: what is done then is what is said, and nobody waits longer than the deadline.
#[tokio::test]
async fn each_does_what_it_says_while_the_server_is_away() {
    const DEADLINE: Duration = Duration::from_secs(1);
    for (on_failure, of_fifty) in [("local", 40), ("deny", 0), ("allow", 50)] {
        let mut redis = Redis::start();
        let pair = two(&redis, on_failure).await;
        let [one, other] = &pair;
        together(&pair, "at first").await;
        for away in ["paused", "gone"] {
            if away == "paused" {
                redis.pause();
            } else {
                redis.stop();
            }
            for stage in [one, other] {
                let (verdicts, slowest) = at_once(stage, &send(stage, away), 50).await;
                assert_eq!(admitted(&verdicts), of_fifty, "{on_failure}, {away}: {verdicts:?}");
                let code = if on_failure == "deny" { "503 overloaded" } else { "429 rate_limited" };
                assert!(
                    verdicts.iter().all(|verdict| verdict == "200" || verdict == code),
                    "{on_failure}, {away}: {verdicts:?}"
                );
                assert!(slowest < DEADLINE + MARGIN, "{on_failure}, {away}: {slowest:?}");
                assert!(stage.metric("portcullis_state_errors_total", &[("store", "redis")]).await > 0.0);
            }
            if away == "paused" {
                redis.unpause();
            } else {
                redis.resume();
            }
            together(&pair, &format!("after it was {away}")).await;
        }
    }
}

#[tokio::test]
async fn a_request_waits_as_long_as_it_is_told() {
    let redis = Redis::start();
    for (timeout, waits) in [("2s", true), ("20ms", false)] {
        let stage = gateway(&redis.url(), "deny", timeout).await;
        assert_eq!(stage.send(send(&stage, "ada")).await.status, 200);
        redis.pause();
        let began = Instant::now();
        assert_eq!(stage.send(send(&stage, "bob")).await.verdict(), "503 overloaded");
        assert_eq!(began.elapsed() >= Duration::from_secs(2), waits, "{timeout}: {:?}", began.elapsed());
        redis.unpause();
    }
}

/// The address is no secret of the file, and what cannot go without it does not begin without it.
#[tokio::test]
async fn who_cannot_do_without_the_server_does_not_start_without_it() {
    let redis = Redis::start();
    let absent = redis.url().replace("redis.sock", "nothing.sock");
    for on_failure in ["local", "allow"] {
        let stage = gateway(&absent, on_failure, "50ms").await;
        assert_eq!(stage.send(send(&stage, "ada")).await.status, 200, "{on_failure}");
    }
    let mut site = Site::furnished(&Certificates::new());
    let mut configuration = Configuration::complete("http://127.0.0.1:1");
    counted(&mut configuration, "deny", "50ms");
    site.configure(&configuration);
    site.env("REDIS_URL", Some(&absent));
    let Err(outcome) = Gateway::try_start(&site).await else { panic!("it starts") };
    assert!(outcome.code > 0 && outcome.stderr.contains("nothing.sock"), "{}", outcome.stderr);
    // Offline, nobody is asked.
    site.env("REDIS_URL", None);
    let _ = site.run(&["test"]).await.expect(0);
}

/// Starts where only the right server will do, or says why not.
async fn starts(url: Value, ca: Option<&str>, address: &str) -> bool {
    let mut site = Site::furnished(&Certificates::new());
    let mut configuration = Configuration::complete("http://127.0.0.1:1");
    counted(&mut configuration, "deny", "1s");
    configuration.set("environment", "development").set("state.url", url);
    if let Some(ca) = ca {
        configuration.set("state.ca", "redis-ca.pem");
        site.write("redis-ca.pem", ca);
    }
    site.env("SHARED", Some(address)).write("secrets/redis", &format!("{address}\n"));
    site.configure(&configuration);
    Gateway::try_start(&site).await.is_ok()
}

#[tokio::test]
async fn the_address_comes_from_where_it_is_said() {
    let redis = Redis::start();
    let nowhere = redis.url().replace("redis.sock", "nothing.sock");
    for source in [json!({ "env": "SHARED" }), json!({ "file": "secrets/redis" })] {
        assert!(starts(source.clone(), None, &redis.url()).await, "{source}");
        assert!(!starts(source.clone(), None, &nowhere).await, "{source}");
    }
    assert!(starts(json!({ "value": redis.url() }), None, &nowhere).await);
    assert!(!starts(json!({ "value": nowhere }), None, &redis.url()).await);
}

#[tokio::test]
async fn over_tls_the_authority_is_the_one_that_is_given() {
    let (redis, ca) = Redis::tls();
    let (_other, another) = Redis::tls();
    let url = || json!({ "env": "SHARED" });
    assert!(starts(url(), Some(&ca), &redis.url()).await);
    assert!(!starts(url(), Some(&another), &redis.url()).await);
    assert!(!starts(url(), None, &redis.url()).await, "it is none of the system's");
}
