//! What no route, host or name covers is refused, in words that a person can act on.

use harness::client::HOST;
use harness::curl::curl_url;
use harness::{Ask, Client, Reply, stage};

#[tokio::test]
async fn no_route_is_a_404_and_a_wrong_method_a_405() {
    let stage = stage(|_| {}).await;
    let token = stage.token();
    for path in [
        "/",
        "/nowhere",
        "/v1/acme",
        "/healthz/",
        "/healthz/x",
        "/HEALTHZ",
        "/asset",
        "/v2/acme/conversations",
    ] {
        let reply = stage.send(Ask::get(path).bearer(&token)).await;
        assert_eq!(reply.verdict(), "404 no_route", "{path}");
    }
    let reply = stage.send(Ask::new("DELETE", "/v1/acme/conversations").bearer(&token)).await;
    assert_eq!(reply.verdict(), "405 method_not_allowed");
    let mut allowed: Vec<_> = reply.header("allow").split(',').map(str::trim).collect();
    allowed.sort_unstable();
    assert!(allowed.contains(&"GET") && allowed.contains(&"POST"), "Allow: {allowed:?}");
    assert!(!allowed.contains(&"DELETE"), "Allow: {allowed:?}");
    let anonymous = stage.send(Ask::new("DELETE", "/v1/acme/conversations")).await;
    assert_eq!(anonymous.verdict(), "405 method_not_allowed", "routes are matched before identity");
    stage.assert_untouched().await;
}

#[tokio::test]
async fn an_unknown_host_is_misdirected() {
    let stage = stage(|_| {}).await;
    for host in
        ["other.example.test", "example.test", "127.0.0.1", "app.example.test.evil.test", "app.example.test."]
    {
        for client in [stage.http1(), stage.http2()] {
            let reply = client.send(Ask::get("/healthz").host(host)).await;
            // A trailing dot names the same host: both answers are right for it, serving another host never is.
            if host.ends_with('.') && reply.status == 200 {
                continue;
            }
            assert_eq!(reply.verdict(), "421 unknown_host", "{host}");
        }
    }
    for host in ["APP.example.test", "app.example.test:443", "api.example.test"] {
        let reply = stage.send(Ask::get("/healthz").host(host)).await;
        assert_eq!(reply.status, 200, "{host}: {}", reply.text());
    }
}

#[tokio::test]
async fn an_unknown_name_gets_no_handshake() {
    let stage = stage(|_| {}).await;
    for name in ["other.example.test", "example.test", "xapp.example.test"] {
        assert!(stage.http1().sni(name).connect().await.is_err(), "a handshake for {name}");
    }
    assert!(stage.http1().sni("api.example.test").connect().await.is_ok());
    stage.assert_untouched().await;
}

#[tokio::test]
async fn each_name_gets_its_own_certificate() {
    let stage = stage(|_| {}).await;
    // The client checks the name against the certificate, and the two names are in different ones.
    for name in ["app.example.test", "api.example.test"] {
        let reply = stage.http2().sni(name).send(Ask::get("/healthz").host(name)).await;
        assert_eq!(reply.status, 200, "{name}");
    }
}

#[tokio::test]
async fn plain_http_is_sent_to_https() {
    let stage = stage(|_| {}).await;
    let cases = [
        ("app.example.test", "app.example.test"),
        ("app.example.test:80", "app.example.test"),
        ("www.example.test", "app.example.test"),
    ];
    for (host, canonical) in cases {
        let ask = Ask::post("/v1/acme/conversations?page=2&q=a%20b", "{}").host(host);
        let reply = stage.plain().send(ask).await;
        assert_eq!(reply.status, 308, "{host}: {}", reply.text());
        assert_location(&reply, canonical, "/v1/acme/conversations?page=2&q=a%20b");
        assert!(reply.headers.get("strict-transport-security").is_none(), "RFC 6797, section 7.2");
    }
    let unknown = stage.plain().send(Ask::get("/").host("evil.example.test")).await;
    assert_eq!(unknown.verdict(), "421 unknown_host", "an open redirect");
    stage.assert_untouched().await;
}

#[tokio::test]
async fn a_redirect_host_is_sent_to_the_canonical_one() {
    let stage = stage(|_| {}).await;
    let client = stage.http2().sni("www.example.test");
    let reply = client.send(Ask::get("/healthz?a=b").host("www.example.test")).await;
    assert_eq!(reply.status, 308);
    assert_location(&reply, HOST, "/healthz?a=b");
    let port = stage.gateway.http().port();
    let curl =
        curl_url(&stage, &format!("http://www.example.test:{port}/healthz?a=b"), &["--max-redirs", "0"])
            .await;
    assert_eq!(curl.status, 308, "{}", curl.stderr);
    stage.backend.assert_untouched();
}

fn assert_location(reply: &Reply, host: &str, target: &str) {
    let location = reply.header("location");
    let rest =
        location.strip_prefix(&format!("https://{host}")).unwrap_or_else(|| panic!("location: {location}"));
    // The listener's port may be named where it is not 443.
    let rest =
        rest.strip_prefix(':').map_or(rest, |port| port.trim_start_matches(|c: char| c.is_ascii_digit()));
    assert_eq!(rest, target, "location: {location}");
}

#[tokio::test]
async fn a_refusal_is_a_problem_document() {
    let stage = stage(|_| {}).await;
    for client in [stage.http1(), stage.http2()] {
        let reply = client.send(Ask::get("/v1/acme/conversations")).await;
        assert_problem(&reply, 401, "token_missing");
        assert_problem(&client.send(Ask::get("/nowhere")).await, 404, "no_route");
        assert_problem(&client.send(Ask::get("/healthz").host("other.test")).await, 421, "unknown_host");
    }
    let head = stage.send(Ask::new("HEAD", "/nowhere")).await;
    assert_eq!((head.status.as_u16(), head.body.len()), (404, 0), "an answer to HEAD has no body");
}

fn assert_problem(reply: &Reply, status: u16, code: &str) {
    let problem = reply.json();
    assert_eq!(reply.status, status);
    assert!(reply.header("content-type").starts_with("application/problem+json"), "{:?}", reply.headers);
    assert_eq!(problem["type"], "about:blank");
    assert_eq!(problem["status"], status);
    assert_eq!(problem["code"], code);
    for member in ["title", "detail", "request_id"] {
        assert!(problem[member].as_str().is_some_and(|text| !text.is_empty()), "{member} in {problem}");
    }
    assert_eq!(problem["request_id"], reply.header("x-request-id"));
    let members: Vec<_> = problem.as_object().unwrap().keys().collect();
    assert_eq!(members.len(), 6, "{members:?}");
    assert!(reply.headers.get("server").is_none_or(|server| server != "Pingora"));
}

#[tokio::test]
async fn a_browser_gets_a_page() {
    let stage = stage(|_| {}).await;
    let navigations = [
        Ask::get("/v1/acme/conversations").header("sec-fetch-mode", "navigate"),
        Ask::get("/v1/acme/conversations")
            .header("accept", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"),
    ];
    for ask in navigations {
        let reply = stage.send(ask).await;
        assert_eq!(reply.status, 401);
        assert!(reply.header("content-type").starts_with("text/html"), "{:?}", reply.headers);
        let page = reply.text();
        let id = reply.header("x-request-id");
        assert!(page.contains("token_missing") && page.contains("401"), "{page}");
        assert!(!id.is_empty() && page.contains(id), "{page}");
    }
    let script =
        Ask::get("/nowhere").header("accept", "application/json, text/html").header("sec-fetch-mode", "cors");
    let reply = stage.send(script).await;
    assert!(reply.header("content-type").starts_with("application/problem+json"), "{:?}", reply.headers);
    let hostile = Ask::get("/%3Cscript%3Ealert(1)%3C/script%3E").header("sec-fetch-mode", "navigate");
    let page = stage.send(hostile).await.text();
    assert!(!page.contains("<script>alert"), "{page}");
}

#[tokio::test]
async fn plaintext_is_served_only_where_it_is_said() {
    let stage = stage(|c| {
        c.remove("listen.http.redirect").set("listen.http.plaintext", "TLS ends at the mesh");
    })
    .await;
    let client = Client::plain(stage.gateway.http());
    let reply = client.send(Ask::get("/v1/acme/conversations").bearer(&stage.token())).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(stage.backend.last().header("x-forwarded-proto"), Some("http"));
    assert!(reply.headers.get("strict-transport-security").is_none());
    assert_eq!(client.send(Ask::get("/v1/acme/conversations")).await.verdict(), "401 token_missing");
}

#[tokio::test]
async fn a_web_page_whose_name_points_here_cannot_read_the_admin_listener() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let stage = stage(|_| {}).await;
    let address = stage.gateway.admin();
    for (host, status) in
        [("evil.example", "421"), ("localhost", "200"), ("127.0.0.1:9464", "200"), ("[::1]", "200")]
    {
        let mut socket = tokio::net::TcpStream::connect(address).await.unwrap();
        let ask = format!("GET /config HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        socket.write_all(ask.as_bytes()).await.unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{host}: {answer}");
        assert_eq!(status == "200", answer.contains("upstreams"), "{host}: {answer}");
    }
}
