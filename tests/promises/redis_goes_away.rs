//! Redis goes away and comes back under load, and the gateway is a user of its with few rights.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use harness::redis::Redis;
use harness::stage::stage_with;
use harness::{Ask, Backend, Certificates, Configuration, Gateway, Site, Stage, Value, json, until};

/// How long the slowest answer may take beside the time that Redis is given: a busy machine's, not the gateway's.
const SLACK: Duration = Duration::from_millis(900);

/// A gateway that finds the address in a variable, with `allow` for each user.
async fn on(url: &str, allow: &str, state: &Value) -> Stage {
    let certificates = Certificates::new();
    let mut site = Site::furnished(&certificates);
    site.env("REDIS_URL", Some(url));
    stage_with(Backend::http().await, certificates, site, |c| shared(c, allow, state)).await
}

fn shared(configuration: &mut Configuration, allow: &str, state: &Value) {
    let mut all = json!({ "store": "redis", "url": { "env": "REDIS_URL" } });
    for (key, value) in state.as_object().expect("an object") {
        all[key] = value.clone();
    }
    configuration.set("state", all);
    configuration.set("limits.fair", json!({ "per": "user", "allow": allow }));
    configuration.route("anything")["limits"] = json!(["fair"]);
}

fn ask(stage: &Stage, user: &str) -> Ask {
    Ask::get("/any/x").bearer(&stage.issuer.token(&json!({ "sub": user })))
}

#[tokio::test]
async fn under_load_nobody_waits_longer_than_the_deadline() {
    for on_failure in ["local", "deny", "allow"] {
        let mut redis = Redis::start();
        let stage = on(&redis.url(), "100000/h", &json!({ "on_failure": on_failure })).await;
        let is_over = Arc::new(AtomicBool::new(false));
        let asking: Vec<_> = (0..4)
            .map(|nth| {
                let (client, ask) = (stage.http1(), ask(&stage, &format!("user-{nth}")));
                let is_over = Arc::clone(&is_over);
                tokio::spawn(async move {
                    let (mut slowest, mut count) = (Duration::ZERO, 0_u32);
                    while !is_over.load(Ordering::Relaxed) {
                        let start = Instant::now();
                        let verdict = client.send(ask.clone()).await.verdict();
                        slowest = slowest.max(start.elapsed());
                        let is_said = verdict == "200" || on_failure == "deny" && verdict == "503 overloaded";
                        assert!(is_said, "{on_failure}: {verdict}");
                        count += 1;
                    }
                    (slowest, count)
                })
            })
            .collect();
        let errors = async |least: f64| {
            until("Redis to be missed", || async {
                (stage.metric("portcullis_state_errors_total", &[]).await > least).then_some(())
            })
            .await;
            stage.metric("portcullis_state_errors_total", &[]).await
        };
        let served = async || {
            until("Redis to count again", || async {
                let before = stage.metric("portcullis_state_errors_total", &[]).await;
                let replies = join_all((0..8).map(|_| stage.send(ask(&stage, "carol")))).await;
                let after = stage.metric("portcullis_state_errors_total", &[]).await;
                let is_well = replies.iter().all(|reply| reply.status == 200);
                (is_well && before.to_bits() == after.to_bits()).then_some(())
            })
            .await;
        };
        let mut missed = 0.0;
        redis.pause();
        missed = errors(missed).await;
        redis.unpause();
        served().await;
        redis.stop();
        errors(missed).await;
        redis.resume();
        served().await;
        is_over.store(true, Ordering::Relaxed);
        for asked in join_all(asking).await {
            let (slowest, count) = asked.expect("every answer is one that was told");
            assert!(slowest < Duration::from_millis(50) + SLACK, "{on_failure}: {slowest:?}");
            assert!(count > 10, "{on_failure}: {count} requests");
        }
    }
}

/// A user of the server's access control list, with no more rights than the gateway needs.
#[tokio::test]
async fn a_user_of_its_own_is_enough() {
    let redis = Redis::with("user default off\nuser gate on >hunter2 ~* +@all -@dangerous\n");
    for (user, starts) in [("user=gate&pass=hunter2", true), ("user=gate&pass=wrong", false)] {
        let certificates = Certificates::new();
        let mut site = Site::furnished(&certificates);
        site.env("REDIS_URL", Some(&format!("{}?{user}", redis.url())));
        let backend = Backend::http().await;
        let mut configuration = Configuration::complete(backend.url());
        shared(&mut configuration, "2/h", &json!({ "on_failure": "deny" }));
        site.configure(&configuration);
        match Gateway::try_start(&site).await {
            Ok(_) => assert!(starts, "{user}"),
            Err(outcome) => {
                assert!(!starts, "{}", outcome.stderr);
                assert!(!outcome.stderr.contains("wrong"), "{}", outcome.stderr);
            }
        }
    }
}
