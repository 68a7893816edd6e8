//! The harness against itself: what it would not see, no promise could break on.

use jsonwebtoken::{DecodingKey, Validation, decode, jwk::JwkSet};

use crate::client::next_piece;
use crate::issuer::{AUDIENCE, Algorithm, ISSUER, SECRET};
use crate::scripted::{Scripted, Step};
use crate::{Ask, Backend, Certificates, Client, Issuer, Value, json, sha256};

#[tokio::test]
async fn the_backend_records_what_it_received() {
    let backend = Backend::http().await;
    let ask = Ask::post("/a%20b?c=d", "{}").header("x-one", "1").header("x-two", "2").header("x-one", "3");
    let reply = Client::plain(backend.address()).send(ask).await;
    assert_eq!(reply.status, 200);
    let seen = backend.last();
    assert_eq!((seen.method.as_str(), seen.target.as_str()), ("POST", "/a%20b?c=d"));
    assert_eq!((seen.sha256.as_str(), seen.length, seen.complete), (sha256(b"{}").as_str(), 2, true));
    assert_eq!(seen.headers.iter().filter(|(name, _)| name == "x-one").count(), 2);
    assert_eq!(reply.json()["sha256"], Value::from(seen.sha256));
    assert_eq!(backend.connections(), 1);
}

#[tokio::test]
#[should_panic(expected = "the backend was reached")]
async fn a_touched_backend_fails_the_test() {
    let backend = Backend::http().await;
    Client::plain(backend.address()).send(Ask::get("/")).await;
    backend.assert_untouched();
}

#[tokio::test]
async fn bodies_keep_their_sum_over_every_protocol() {
    let certificates = Certificates::new();
    let backend = Backend::https(&certificates, "app.example.test").await;
    let body: Vec<u8> = (0..300_000_u32).map(|byte| byte.to_le_bytes()[0]).collect();
    for client in
        [Client::http1(backend.address(), &certificates), Client::http2(backend.address(), &certificates)]
    {
        let plain = client.send(Ask::post("/", body.clone())).await;
        let chunked = client.send(Ask::post("/", body.clone()).chunked()).await;
        assert_eq!(plain.json()["sha256"], sha256(&body));
        assert_eq!(chunked.json()["sha256"], sha256(&body));
    }
    let versions: Vec<_> = backend.requests().into_iter().map(|seen| seen.version).collect();
    assert_eq!(versions, ["HTTP/1.1", "HTTP/1.1", "HTTP/2.0", "HTTP/2.0"]);
}

#[tokio::test]
async fn events_come_when_the_test_sends_them() {
    let backend = Backend::http().await;
    let events = backend.events("/events/1");
    let mut connection = Client::plain(backend.address()).connect().await.unwrap();
    let mut response = connection.open(&Ask::get("/events/1")).await.unwrap();
    events.send("one").await;
    assert_eq!(next_piece(response.body_mut()).await.unwrap(), "data: one\n\n");
    drop((connection, response));
    events.closed().await;
}

#[tokio::test]
async fn a_script_is_followed() {
    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
    let upstream = Scripted::start(vec![vec![Step::Answer(answer), Step::Close]]).await;
    let address = upstream.url().trim_start_matches("http://").parse().unwrap();
    let mut connection = Client::plain(address).connect().await.unwrap();
    assert_eq!(connection.send(Ask::get("/")).await.status, 200);
    assert!(connection.try_send(Ask::get("/")).await.is_err());
    assert_eq!(upstream.heads(), 2);
}

#[test]
fn tokens_verify_with_the_published_keys() {
    let all = [
        Algorithm::RS256,
        Algorithm::RS512,
        Algorithm::PS256,
        Algorithm::ES256,
        Algorithm::ES384,
        Algorithm::EdDSA,
    ];
    for algorithm in all {
        let set: JwkSet = serde_json::from_str(&Issuer.jwks(&[algorithm])).unwrap();
        let key = DecodingKey::from_jwk(&set.keys[0]).unwrap();
        let mut validation = Validation::new(algorithm);
        validation.set_audience(&[AUDIENCE]);
        validation.set_issuer(&[ISSUER]);
        let token = Issuer.sign(algorithm, &json!({ "org_id": "globex", "iat": null }));
        let claims = decode::<Value>(&token, &key, &validation).unwrap().claims;
        assert_eq!((&claims["org_id"], claims.get("iat")), (&json!("globex"), None), "{algorithm:?}");
    }
    let mut validation = Validation::new(Algorithm::HS256);
    validation.set_audience(&[AUDIENCE]);
    let key = DecodingKey::from_secret(SECRET.as_bytes());
    assert!(decode::<Value>(&Issuer.token(&json!({})), &key, &validation).is_ok());
    assert!(decode::<Value>(&Issuer.forged(&json!({})), &key, &validation).is_err());
    assert!(decode::<Value>(&Issuer.token(&json!({ "exp": 1 })), &key, &validation).is_err());
}
