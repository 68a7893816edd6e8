//! The upstream behind every proxy: reads the request to its end and answers 200 bytes, on one thread.
//!
//! A path that ends in `/events` is answered with events instead, each of which says when it was written.

#[path = "origin/events.rs"]
mod events;

use std::convert::Infallible;
use std::error::Error;
use std::net::SocketAddr;

use bytes::Bytes;
use clap::Parser;
use http_body_util::{BodyExt as _, Either, Full};
use hyper::body::Incoming;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use events::Events;

/// An upstream that has nothing to say.
#[derive(Parser)]
struct Flags {
    /// Where to listen, for HTTP/1.1 with keep-alive.
    #[arg(long)]
    bind: SocketAddr,
}

const ANSWER: [u8; 200] = [b'.'; 200];

type Answer = Response<Either<Full<Bytes>, Events>>;

async fn answer(request: Request<Incoming>) -> Result<Answer, Infallible> {
    if request.uri().path().ends_with("/events") {
        let mut answer = Response::new(Either::Right(Events::asked_for(request.uri().query())));
        let fields = answer.headers_mut();
        fields.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
        fields.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        return Ok(answer);
    }
    let mut body = request.into_body();
    while let Some(Ok(_)) = body.frame().await {}
    Ok(Response::new(Either::Left(Full::new(Bytes::from_static(&ANSWER)))))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind(Flags::parse().bind).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(answer));
        // A proxy that hangs up is no business of the origin's.
        tokio::spawn(async move { drop(connection.await) });
    }
}
