use std::convert::Infallible;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use pingora::Result;
use pingora::http::ResponseHeader;
use pingora::proxy::{ProxyHttp, Session};
use pingora::upstreams::peer::HttpPeer;
use tokio::sync::Notify;

use super::*;
use crate::heads::edit_response;
use crate::mends::scaffold::client::{Client, Protocol, RawClient, whole};
use crate::mends::scaffold::upstream::serving;
use crate::mends::scaffold::{Listening, peer, serve};

struct Gateway {
    upstream: SocketAddr,
    mended: bool,
}

#[async_trait]
impl ProxyHttp for Gateway {
    type CTX = ();

    fn new_ctx(&self) {}

    async fn upstream_peer(&self, _: &mut Session, (): &mut ()) -> Result<Box<HttpPeer>> {
        Ok(peer(self.upstream))
    }

    async fn response_filter(
        &self,
        session: &mut Session,
        response: &mut ResponseHeader,
        (): &mut (),
    ) -> Result<()> {
        if self.mended {
            edit_response(response, |response| stream_lengthless(session.req_header(), response));
        }
        Ok(())
    }
}

/// `/events` sends one event of two, and the other when it is told; anything else answers at once.
async fn events_behind(mended: bool) -> (Listening, Arc<Notify>) {
    let go_on = Arc::new(Notify::new());
    let told = Arc::clone(&go_on);
    let upstream = serving(service_fn(move |request: Request<Incoming>| {
        let told = Arc::clone(&told);
        async move { Ok::<_, Infallible>(answer(request.uri().path(), told)) }
    }))
    .await;
    (serve(Gateway { upstream, mended }).await, go_on)
}

fn answer(path: &str, told: Arc<Notify>) -> Response<UnsyncBoxBody<Bytes, Infallible>> {
    if path != "/events" {
        return Response::new(Full::new(Bytes::from("ok")).boxed_unsync());
    }
    let second = stream::once(async move {
        told.notified().await;
        Bytes::from("data: two\n\n")
    });
    let events = stream::iter([Bytes::from("data: one\n\n")]).chain(second);
    Response::builder()
        .header("content-type", "text/event-stream; charset=utf-8")
        .header("content-length", "22")
        .body(StreamBody::new(events.map(|event| Ok(Frame::data(event)))).boxed_unsync())
        .unwrap()
}

const EVENTS: &str = "GET /events HTTP/1.1\r\nHost: gateway.test\r\n\r\n";

#[tokio::test]
async fn each_event_arrives_as_it_is_sent() {
    let (listening, go_on) = events_behind(true).await;
    let mut client = RawClient::connect(listening.h1).await;
    client.write(EVENTS).await;
    let first = client.read_until("data: one").await.unwrap().to_ascii_lowercase();
    assert!(first.contains("transfer-encoding: chunked") && !first.contains("content-length"), "{first}");
    go_on.notify_one();
    assert!(client.read_until("0\r\n\r\n").await.unwrap().contains("data: two"));
}

#[tokio::test]
async fn canary_bare_pingora_keeps_the_first_event() {
    let (listening, go_on) = events_behind(false).await;
    let mut client = RawClient::connect(listening.h1).await;
    client.write(EVENTS).await;
    // On this one thread, twenty exchanges later the first event has long been read from the upstream.
    let mut other = Client::connect(&listening, Protocol::H1).await;
    for _ in 0..20 {
        other.send(Request::get("/other").body(whole("")).unwrap()).await.unwrap();
    }
    let socket = client.0.into_std().unwrap();
    let kept =
        std::io::Read::read(&mut &socket, &mut [0; 1]).is_err_and(|e| e.kind() == ErrorKind::WouldBlock);
    assert!(kept, "Pingora has mended the late flush: remove this file (late_flush.rs)");
    // It is the length alone that holds the event back: with the second, all of it arrives.
    go_on.notify_one();
    let mut client = RawClient(tokio::net::TcpStream::from_std(socket).unwrap());
    assert!(client.read_until("data: two").await.unwrap().contains("data: one"));
}

#[test]
fn only_streams_with_a_length_and_a_body_are_touched() {
    let touched = |method: &str, version, status: u16, media: &'static str| {
        let request = Request::builder().method(method).version(version).body(()).unwrap();
        let response = Response::builder().status(status);
        let response = response.header("content-type", media).header("content-length", 22).body(()).unwrap();
        let mut response = response.into_parts().0;
        stream_lengthless(&request.into_parts().0, &mut response);
        let chunked = response.headers.contains_key("transfer-encoding");
        assert_ne!(chunked, response.headers.contains_key("content-length"));
        chunked
    };
    assert!(touched("GET", Version::HTTP_11, 200, "Text/Event-Stream ; charset=utf-8"));
    assert!(touched("POST", Version::HTTP_11, 200, "application/x-ndjson"));
    assert!(!touched("HEAD", Version::HTTP_11, 200, "text/event-stream"));
    assert!(!touched("GET", Version::HTTP_11, 304, "text/event-stream"));
    assert!(!touched("GET", Version::HTTP_2, 200, "text/event-stream"));
    assert!(!touched("GET", Version::HTTP_10, 200, "text/event-stream"));
    assert!(!touched("GET", Version::HTTP_11, 200, "application/json"));
}
