//! What was counted stays counted: over a restart, `kill -9`, a hand-over to a new process and a reload.

use harness::backend::Canned;
use harness::{Ask, Gateway, Stage, json, stage, within};
use tokio::process::Command;

/// Limits of a day and longer, a rule's own, and a lock.
async fn counted() -> Stage {
    let stage = stage(|c| {
        c.set("limits.daily", json!({ "per": "user", "allow": "5/d" }));
        c.set("limits.monthly", json!({ "per": "user", "allow": "20/month", "burst": 4 }));
        c.set("limits.login", json!({ "each": ["ip", "body:/email"], "lock": { "after": 3, "for": "1h" } }));
        c.route("anything")["limits"] = json!(["daily"]);
        c.route("events")["limits"] = json!(["monthly"]);
        c.route("login")["limits"] = json!(["login"]);
        c.set(
            "rules",
            json!([{ "name": "downloads", "when": "http.request.uri.path eq \"/assets/large\"", "action": "limit",
                "per": "ip.src", "allow": "2/d" }]),
        );
    })
    .await;
    stage.backend.answer("/auth/login", Canned { status: 401, headers: vec![], body: "" });
    stage.backend.answer("/v1/acme/events/1", Canned { status: 200, headers: vec![], body: "" });
    stage
}

fn daily(stage: &Stage) -> Ask {
    Ask::get("/any/x").bearer(&stage.token())
}

fn monthly(stage: &Stage) -> Ask {
    Ask::get("/v1/acme/events/1").bearer(&stage.token())
}

fn download() -> Ask {
    Ask::get("/assets/large")
}

fn login() -> Ask {
    Ask::post("/auth/login", r#"{"email":"ada@x.test"}"#)
}

async fn verdicts(stage: &Stage, ask: Ask, times: usize) -> Vec<String> {
    let mut verdicts = Vec::new();
    for _ in 0..times {
        verdicts.push(stage.send(ask.clone()).await.verdict());
    }
    verdicts
}

/// Uses up a part of each allowance, and fails to log in until that is locked.
async fn use_up(stage: &Stage) {
    assert_eq!(verdicts(stage, monthly(stage), 3).await, ["200"; 3]);
    assert_eq!(verdicts(stage, download(), 1).await, ["200"]);
    assert_eq!(verdicts(stage, daily(stage), 3).await, ["200"; 3]);
    // Nothing follows the last failure that would have to be waited for.
    assert_eq!(verdicts(stage, login(), 3).await, ["401"; 3]);
}

async fn find_used_up(stage: &Stage) {
    let refused = "429 rate_limited";
    assert_eq!(verdicts(stage, daily(stage), 3).await, ["200", "200", refused]);
    assert_eq!(verdicts(stage, monthly(stage), 2).await, ["200", refused]);
    assert_eq!(verdicts(stage, download(), 2).await, ["200", refused]);
    assert_eq!(verdicts(stage, login(), 1).await, ["429 locked_out"]);
    let bob = stage.issuer.token(&json!({ "sub": "bob" }));
    assert_eq!(stage.send(Ask::get("/any/x").bearer(&bob)).await.status, 200, "others have their own");
}

#[tokio::test]
async fn a_restart_forgets_no_quota_and_no_lock() {
    let mut stage = counted().await;
    use_up(&stage).await;
    assert_eq!(stage.gateway.stop().await, 0);
    stage.gateway = Gateway::start(&stage.site).await;
    find_used_up(&stage).await;
}

#[tokio::test]
async fn nor_does_a_process_that_is_killed() {
    let mut stage = counted().await;
    use_up(&stage).await;
    for _ in 0..2 {
        stage.gateway.signal("KILL").await;
        assert_eq!(stage.gateway.exited().await, -1, "killed");
        stage.gateway = Gateway::start(&stage.site).await;
    }
    find_used_up(&stage).await;
}

#[tokio::test]
async fn whoever_takes_over_knows_all_of_it_from_its_first_request_on() {
    let mut stage = counted().await;
    use_up(&stage).await;
    assert_eq!(verdicts(&stage, daily(&stage), 3).await, ["200", "200", "429 rate_limited"]);
    stage.gateway.signal("USR2").await;
    let started = |line: &str| {
        let (_, rest) = line.split_once("started the process that is to replace this one")?;
        rest.split_once("pid=")?.1.split_whitespace().next()?.parse::<u32>().ok()
    };
    let successor =
        within("the successor to be started", stage.gateway.err.first_from(0, started)).await.unwrap();
    let (client, ask) = (stage.http1(), daily(&stage));
    let asking = tokio::spawn(async move {
        loop {
            let reply = client.try_send(ask.clone()).await.expect("an answer");
            assert_eq!(reply.verdict(), "429 rate_limited", "whose day's quota is used up stays refused");
        }
    });
    assert_eq!(stage.gateway.exited().await, 0, "the old process ends well");
    for _ in 0..20 {
        assert_eq!(stage.send(login()).await.verdict(), "429 locked_out");
    }
    assert!(!asking.is_finished(), "{:?}", asking.await.unwrap_err());
    asking.abort();
    assert_eq!(verdicts(&stage, monthly(&stage), 2).await, ["200", "429 rate_limited"]);
    assert_eq!(verdicts(&stage, download(), 2).await, ["200", "429 rate_limited"]);
    let ended = Command::new("sh").args(["-c", &format!("kill -s TERM {successor}")]).status().await.unwrap();
    assert!(ended.success());
}

#[tokio::test]
async fn a_reload_keeps_every_counter_under_whatever_allowance() {
    let mut stage = stage(|c| {
        c.set("limits.hourly", json!({ "per": "user", "allow": "3/h" }));
        c.set("limits.inflight", json!({ "per": "user", "concurrent": 1 }));
        c.set("limits.login", json!({ "per": "ip", "lock": { "after": 2, "for": "1h" } }));
        c.route("anything")["limits"] = json!(["hourly"]);
        c.route("events")["limits"] = json!(["inflight"]);
        c.route("list")["limits"] = json!(["inflight"]);
        c.route("login")["limits"] = json!(["login"]);
    })
    .await;
    stage.backend.answer("/auth/login", Canned { status: 401, headers: vec![], body: "" });
    let _events = stage.backend.events("/v1/acme/events/7");
    let client = stage.http2();
    let mut connection = client.connect().await.unwrap();
    let stream = Ask::get("/v1/acme/events/7").bearer(&stage.token());
    let stream = connection.open(&stream).await.unwrap();
    assert_eq!(stream.status(), 200);
    assert_eq!(verdicts(&stage, login(), 2).await, ["401"; 2]);
    assert_eq!(verdicts(&stage, daily(&stage), 2).await, ["200"; 2]);
    for (allow, expected) in [
        ("5/h", vec!["200"; 3]),
        ("5/h", vec!["429 rate_limited"]),
        ("1/h", vec!["429 rate_limited"]),
        ("7/d", vec!["200", "200", "429 rate_limited"]),
    ] {
        stage.configuration.set("limits.hourly.allow", allow);
        stage.site.configure(&stage.configuration);
        let _ = stage.gateway.reload("the configuration was reloaded").await;
        assert_eq!(verdicts(&stage, daily(&stage), expected.len()).await, expected, "{allow}");
    }
    let list = Ask::get("/v1/acme/conversations").bearer(&stage.token());
    assert_eq!(stage.send(list).await.verdict(), "429 too_many_in_flight", "the stream goes on");
    assert_eq!(stage.send(login()).await.verdict(), "429 locked_out");
    drop((stream, connection));
}
