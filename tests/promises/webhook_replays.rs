//! What a provider was told 2xx for is never forwarded again, and what the backend did not take may come again.

use futures_util::future::join_all;
use harness::backend::Canned;
use harness::redis::Redis;
use harness::webhooks::{add, github};
use harness::{
    Ask, Certificates, Client, Configuration, Gateway, Reply, Site, Stage, Value, json, stage, until, within,
};
use tokio::process::Command;

const PATH: &str = "/hooks/hub";
const IN_FLIGHT: &str = "409 webhook_duplicate";

fn hub(configuration: &mut Configuration) {
    add(configuration, "hub", "github", &json!({}));
}

fn delivery(id: impl std::fmt::Display) -> Ask {
    github(PATH, &format!("delivery-{id}"), format!(r#"{{"zen":"{id}"}}"#))
}

fn is_duplicate(reply: &Reply) -> bool {
    reply.status == 200 && reply.header("portcullis-webhook") == "duplicate"
}

fn answer(stage: &Stage, status: u16) {
    stage.backend.answer(PATH, Canned { status, headers: vec![], body: "" });
}

/// How many deliveries have reached the backend.
fn reached(stage: &Stage) -> usize {
    stage.backend.requests().iter().filter(|seen| seen.target == PATH).count()
}

async fn arrived(stage: &Stage, count: usize) {
    until("deliveries to reach the backend", || async { (reached(stage) >= count).then_some(()) }).await;
}

async fn kill(stage: &mut Stage) {
    stage.gateway.signal("KILL").await;
    stage.gateway.exited().await;
}

/// Ends the gateway without warning, and starts it anew where it was.
async fn restart(stage: &mut Stage) {
    kill(stage).await;
    stage.gateway = Gateway::start(&stage.site).await;
}

#[tokio::test]
async fn of_many_at_once_one_is_forwarded() {
    let stage = stage(hub).await;
    let held = stage.backend.hold(PATH);
    let mut two = [stage.http2().connect().await.unwrap(), stage.http2().connect().await.unwrap()];
    let mut all = Vec::new();
    for number in 0..40 {
        let ask = delivery(1);
        all.push(if number % 2 == 0 {
            let client = stage.http1();
            tokio::spawn(async move { client.send(ask).await })
        } else {
            let reply = two[number / 2 % 2].start(&ask);
            tokio::spawn(async move { reply.await.unwrap() })
        });
    }
    // All but the one that waits for the backend have their answers.
    until("the others to be refused", || async {
        (all.iter().filter(|task| task.is_finished()).count() == 39).then_some(())
    })
    .await;
    arrived(&stage, 1).await;
    drop(held);
    let replies: Vec<Reply> = join_all(all).await.into_iter().map(Result::unwrap).collect();
    let verdicts: Vec<String> = replies.iter().map(Reply::verdict).collect();
    assert_eq!(verdicts.iter().filter(|verdict| *verdict == IN_FLIGHT).count(), 39, "{verdicts:?}");
    assert_eq!(verdicts.iter().filter(|verdict| *verdict == "200").count(), 1, "{verdicts:?}");
    let again = join_all((0..20).map(|_| stage.send(delivery(1)))).await;
    assert!(again.iter().all(is_duplicate), "{again:?}");
    assert_eq!(reached(&stage), 1);
    let count = |outcome: &'static str| async {
        let labels = [("webhook", "hub"), ("outcome", outcome)];
        stage.metric("portcullis_webhooks_total", &labels).await
    };
    assert_eq!(
        (count("verified").await, count("in_flight").await, count("duplicate").await),
        (1.0, 39.0, 20.0)
    );
}

#[tokio::test]
async fn races_have_one_winner_each() {
    let stage = stage(hub).await;
    for round in 0..20 {
        let replies = join_all((0..12).map(|_| stage.send(delivery(round)))).await;
        for reply in &replies {
            assert!(reply.status == 200 || reply.verdict() == IN_FLIGHT, "{reply:?}");
        }
        let forwarded = replies.iter().filter(|reply| reply.status == 200 && !is_duplicate(reply)).count();
        assert_eq!((forwarded, reached(&stage)), (1, round + 1));
    }
}

#[tokio::test]
async fn what_the_backend_did_not_take_may_come_again() {
    let stage = stage(hub).await;
    for (number, status) in [500, 503, 400, 302].into_iter().enumerate() {
        answer(&stage, status);
        assert_eq!(stage.send(delivery(number)).await.status.as_u16(), status);
        answer(&stage, 202);
        let retry = stage.send(delivery(number)).await;
        assert!(retry.status == 202 && retry.header("portcullis-webhook").is_empty(), "{status}: {retry:?}");
        assert!(is_duplicate(&stage.send(delivery(number)).await));
        assert_eq!(reached(&stage), 2 * (number + 1));
    }
}

/// Nothing listens where the deliveries go.
#[tokio::test]
async fn what_did_not_reach_the_backend_may_come_again() {
    let mut stage = stage(|c| {
        hub(c);
        c.set("upstreams.chatbot.servers", json!(["http://127.0.0.1:1"]));
    })
    .await;
    for _ in 0..2 {
        assert_eq!(stage.send(delivery(1)).await.verdict(), "502 upstream_unreachable");
    }
    stage.configuration.set("upstreams.chatbot.servers", json!([stage.backend.url()]));
    stage.site.configure(&stage.configuration);
    stage.gateway.reload("the configuration was reloaded").await;
    let retry = stage.send(delivery(1)).await;
    assert!(retry.status == 200 && !is_duplicate(&retry), "{retry:?}");
    assert_eq!(reached(&stage), 1);
}

/// A client that goes away does not make the delivery new: the backend may have taken it.
#[tokio::test]
async fn whoever_hangs_up_is_not_forwarded_twice_at_once() {
    let stage = stage(hub).await;
    let held = stage.backend.hold(PATH);
    let mut connection = stage.http1().connect().await.unwrap();
    let sending = tokio::spawn(async move { connection.try_send(delivery(1)).await.map(|_| ()) });
    arrived(&stage, 1).await;
    let retry = stage.send(delivery(1)).await;
    assert_eq!(retry.verdict(), IN_FLIGHT);
    sending.abort();
    drop(held);
    let end = until("an end", || async {
        let reply = stage.send(delivery(1)).await;
        (reply.verdict() != IN_FLIGHT).then_some(reply)
    })
    .await;
    // Either it was taken, or it was given up and came again. Not both.
    assert_eq!(end.status, 200, "{end:?}");
    assert_eq!(reached(&stage), if is_duplicate(&end) { 1 } else { 2 });
}

#[tokio::test]
async fn a_repetition_may_be_a_conflict() {
    let stage = stage(|c| add(c, "hub", "github", &json!({ "on_duplicate": "conflict" }))).await;
    assert_eq!(stage.send(delivery(1)).await.verdict(), "200");
    let again = stage.send(delivery(1)).await;
    assert_eq!(again.verdict(), "409 webhook_duplicate");
    assert_eq!(again.header("portcullis-webhook"), "duplicate");
    assert_eq!(reached(&stage), 1);
}

/// The same event under another id, or another event under the same: any of the keys is enough.
#[tokio::test]
async fn a_repetition_is_known_by_any_of_its_keys() {
    let stage = stage(|c| {
        hub(c);
        add(c, "other", "github", &json!({}));
    })
    .await;
    assert_eq!(stage.send(github(PATH, "a", "{}")).await.verdict(), "200");
    assert!(is_duplicate(&stage.send(github(PATH, "b", "{}")).await), "the body is signed, the id is not");
    assert!(is_duplicate(&stage.send(github(PATH, "a", "[]")).await));
    let elsewhere = stage.send(github("/hooks/other", "a", "{}")).await;
    assert!(elsewhere.status == 200 && !is_duplicate(&elsewhere), "each webhook has a memory of its own");
}

#[tokio::test]
async fn killed_after_the_answer_fifty_times() {
    let mut stage = stage(hub).await;
    for round in 0..50 {
        let reply = stage.send(delivery(round)).await;
        assert!(reply.status == 200 && !is_duplicate(&reply), "{round}: {reply:?}");
        restart(&mut stage).await;
        let replay = stage.send(delivery(round)).await;
        assert!(is_duplicate(&replay), "{round}: {replay:?}");
        assert_eq!(reached(&stage), round + 1);
    }
    for round in 0..50 {
        assert!(is_duplicate(&stage.send(delivery(round)).await), "{round}");
    }
    assert_eq!(reached(&stage), 50);
}

/// Killed at any moment from the delivery's arrival at the backend on: whoever heard 200 is not forwarded again.
#[tokio::test]
async fn killed_while_it_answers() {
    let mut stage = stage(hub).await;
    let mut heard = 0;
    for round in 0..20 {
        let before = reached(&stage);
        let client = stage.http1();
        let sending = tokio::spawn(async move { client.try_send(delivery(round)).await });
        arrived(&stage, before + 1).await;
        // A little later each time.
        for _ in 0..round * 4 {
            tokio::task::yield_now().await;
        }
        restart(&mut stage).await;
        let reply = sending.await.unwrap();
        let retry = stage.send(delivery(round)).await;
        assert_eq!(retry.status, 200, "{round}: {retry:?}");
        if reply.is_ok_and(|reply| reply.status == 200) {
            heard += 1;
            assert!(is_duplicate(&retry), "{round}: {retry:?}");
            assert_eq!(reached(&stage), before + 1);
        }
        assert!(is_duplicate(&stage.send(delivery(round)).await));
    }
    println!("{heard} of 20 were answered before the end");
}

#[tokio::test]
async fn killed_before_the_backend_answered() {
    let mut stage = stage(hub).await;
    for round in 0..3 {
        let before = reached(&stage);
        let held = stage.backend.hold(PATH);
        let client = stage.http1();
        let sending = tokio::spawn(async move { client.try_send(delivery(round)).await.is_ok() });
        arrived(&stage, before + 1).await;
        assert_eq!(stage.send(delivery(round)).await.verdict(), IN_FLIGHT);
        restart(&mut stage).await;
        assert!(!sending.await.unwrap(), "the provider heard nothing");
        drop(held);
        let retry = stage.send(delivery(round)).await;
        assert!(retry.status == 200 && !is_duplicate(&retry), "{retry:?}");
        assert!(is_duplicate(&stage.send(delivery(round)).await));
        assert_eq!(reached(&stage), before + 2);
    }
}

#[tokio::test]
async fn a_reload_forgets_nothing() {
    let mut stage = stage(hub).await;
    assert_eq!(stage.send(delivery(1)).await.status, 200);
    let held = stage.backend.hold(PATH);
    let client = stage.http1();
    let sending = tokio::spawn(async move { client.send(delivery(2)).await });
    arrived(&stage, 2).await;
    add(&mut stage.configuration, "other", "github", &json!({}));
    stage.site.configure(&stage.configuration);
    stage.gateway.reload("the configuration was reloaded").await;
    assert!(is_duplicate(&stage.send(delivery(1)).await));
    assert_eq!(stage.send(delivery(2)).await.verdict(), IN_FLIGHT);
    drop(held);
    assert_eq!(sending.await.unwrap().verdict(), "200");
    assert!(is_duplicate(&stage.send(delivery(2)).await));
    assert_eq!(reached(&stage), 2);
}

#[tokio::test]
async fn a_successor_knows_what_was_accepted_and_what_is_in_progress() {
    let mut stage = stage(hub).await;
    assert_eq!(stage.send(delivery(1)).await.status, 200);
    let held = stage.backend.hold(PATH);
    let client = stage.http1();
    let sending = tokio::spawn(async move { client.send(delivery(2)).await });
    arrived(&stage, 2).await;
    stage.gateway.signal("USR2").await;
    let started = |line: &str| {
        let (_, rest) = line.split_once("started the process that is to replace this one")?;
        rest.split_once("pid=")?.1.split_whitespace().next()?.parse::<u32>().ok()
    };
    let successor = within("a successor", stage.gateway.err.first_from(0, started)).await.unwrap();
    stage.gateway.err.containing("stopping: running requests may finish").await;
    assert!(is_duplicate(&stage.send(delivery(1)).await));
    assert_eq!(stage.send(delivery(2)).await.verdict(), IN_FLIGHT, "the old process has it");
    drop(held);
    assert_eq!(sending.await.unwrap().verdict(), "200");
    assert!(is_duplicate(&stage.send(delivery(2)).await), "the old process has told");
    assert_eq!(stage.gateway.exited().await, 0);
    assert!(is_duplicate(&stage.send(delivery(2)).await));
    assert_eq!(reached(&stage), 2);
    let ended = Command::new("sh").args(["-c", &format!("kill -s TERM {successor}")]).status().await.unwrap();
    assert!(ended.success());
    until("the successor to be gone", || async { stage.http1().connect().await.is_err().then_some(()) })
        .await;
}

async fn pair(redis: &Redis) -> (Stage, Gateway, Client) {
    let url = redis.url();
    let stage = stage(|c| {
        hub(c);
        c.set("state", json!({ "store": "redis", "url": { "value": url }, "timeout": "2s" }));
    })
    .await;
    let site = Site::furnished(&stage.certificates);
    site.configure(&stage.configuration);
    let other = Gateway::start(&site).await;
    let client = Client::http1(other.https(), &stage.certificates);
    (stage, other, client)
}

#[tokio::test]
async fn two_gateways_on_one_redis_let_one_through() {
    let redis = Redis::start();
    let (mut stage, _other, second) = pair(&redis).await;
    let first = stage.http1();
    for round in 0..10 {
        let clients = [&first, &second];
        let replies = join_all((0..12).map(|nth| clients[nth % 2].send(delivery(round)))).await;
        assert!(
            replies.iter().all(|reply| reply.status == 200 || reply.verdict() == IN_FLIGHT),
            "{replies:?}"
        );
        let forwarded = replies.iter().filter(|reply| reply.status == 200 && !is_duplicate(reply)).count();
        assert_eq!((forwarded, reached(&stage)), (1, round + 1));
        assert!(is_duplicate(&first.send(delivery(round)).await));
        assert!(is_duplicate(&second.send(delivery(round)).await));
    }
    answer(&stage, 500);
    assert_eq!(first.send(delivery("late")).await.status, 500);
    answer(&stage, 200);
    let retry = until("the reservation to be released", || async {
        let reply = second.send(delivery("late")).await;
        (reply.verdict() != IN_FLIGHT).then_some(reply)
    })
    .await;
    assert!(retry.status == 200 && !is_duplicate(&retry), "{retry:?}");
    kill(&mut stage).await;
    for id in ["late", "0", "9"] {
        assert!(is_duplicate(&second.send(delivery(id)).await), "{id}: what the dead one took is known");
    }
}

#[tokio::test]
async fn without_redis_nothing_is_forwarded() {
    let mut redis = Redis::start();
    let (stage, _other, second) = pair(&redis).await;
    assert_eq!(stage.send(delivery(1)).await.status, 200);
    redis.stop();
    for client in [stage.http1(), second] {
        for id in [1, 2] {
            assert_eq!(client.send(delivery(id)).await.verdict(), "503 overloaded");
        }
    }
    assert_eq!(reached(&stage), 1);
    assert!(
        stage.metric("portcullis_webhooks_total", &[("webhook", "hub"), ("outcome", "unremembered")]).await
            > 1.0
    );
    redis.resume();
    let again = until("Redis to be found again", || async {
        let reply = stage.send(delivery(2)).await;
        (reply.status == 200).then_some(reply)
    })
    .await;
    assert!(!is_duplicate(&again), "it had not been taken");
    assert!(is_duplicate(&stage.send(delivery(2)).await));
}

#[tokio::test]
async fn a_damaged_memory_is_told_at_the_start() {
    let certificates = Certificates::new();
    let site = Site::furnished(&certificates);
    let mut configuration = Configuration::complete("http://127.0.0.1:1");
    hub(&mut configuration);
    site.configure(&configuration);
    site.write("state/replays", "not a folder");
    let Err(outcome) = Gateway::try_start(&site).await else { panic!("it starts without a memory") };
    assert_ne!(outcome.code, 0);
    assert!(outcome.stderr.contains("replays"), "{}", outcome.stderr);
}

/// To wait for the disk is not the gateway's own work, and is not taken off it twice.
#[tokio::test]
async fn the_time_that_is_ours_is_told() {
    let stage = stage(hub).await;
    for id in 0..20 {
        assert_eq!(stage.send(delivery(id)).await.status, 200);
    }
    let lines = until("the lines of the log", || async {
        let all = stage.gateway.out.all();
        let lines: Vec<Value> = all.iter().filter_map(|line| serde_json::from_str(line).ok()).collect();
        (lines.len() == 20).then_some(lines)
    })
    .await;
    for line in lines {
        let ms = |key: &str| line[key].as_f64().expect(key);
        assert!(ms("gateway_ms") > 0.0, "{line}");
        assert!(ms("gateway_ms") + ms("upstream_ms") <= ms("duration_ms") + 0.01, "{line}");
    }
}
