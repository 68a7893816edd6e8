//! SIGUSR2: a new process takes the sockets, the old one finishes what it has, and no connection is refused.

use harness::{Ask, stage, until, within};
use tokio::process::Command;

#[tokio::test]
async fn an_upgrade_refuses_no_connection() {
    let mut stage = stage(|_| {}).await;
    stage.gateway.signal("USR2").await;
    let started = |line: &str| {
        let (_, rest) = line.split_once("started the process that is to replace this one")?;
        rest.split_once("pid=")?.1.split_whitespace().next()?.parse::<u32>().ok()
    };
    let successor =
        within("the successor to be started", stage.gateway.err.first_from(0, started)).await.unwrap();
    let (client, token) = (stage.http1(), stage.token());
    let asking = tokio::spawn(async move {
        let mut answered = 0_u32;
        loop {
            let ask = Ask::get("/v1/acme/conversations").bearer(&token);
            match client.try_send(ask).await {
                Ok(reply) => assert_eq!(reply.status, 200, "{}", reply.text()),
                Err(error) => panic!("after {answered} answers: {error}"),
            }
            answered += 1;
            if answered > 20_000 {
                break;
            }
        }
    });
    assert_eq!(stage.gateway.exited().await, 0, "the old process ends well");
    assert!(!asking.is_finished(), "requests were answered all the while");
    asking.abort();
    assert_eq!(stage.send(Ask::get("/healthz")).await.status, 200, "the successor serves on the same socket");
    let ended = Command::new("sh").args(["-c", &format!("kill -s TERM {successor}")]).status().await.unwrap();
    assert!(ended.success());
    until("the successor to be gone", || async { stage.http1().connect().await.is_err().then_some(()) })
        .await;
}

#[tokio::test]
async fn a_successor_that_cannot_start_changes_nothing() {
    let stage = stage(|_| {}).await;
    stage.site.write("portcullis.yaml", "version: 1\nlisten: {}\n");
    stage.gateway.signal("USR2").await;
    let ended = |line: &str| line.contains("the new process ended").then_some(());
    within("the successor to end", stage.gateway.err.first_from(0, ended)).await.unwrap();
    assert_eq!(stage.send(Ask::get("/healthz")).await.status, 200);
}
