//! The small servers beside the edge: the admin listener and the demo's chatbot. Not for the world's traffic,
//! yet bounded all the same.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::Service;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{sleep, timeout};

/// The largest header block: twice what the edge admits by default, since the gateway adds to it.
const HEADER_BYTES: u32 = 64 * 1024;
const HEADERS: usize = 200;
/// How long a header block may take, and a connection be idle between two requests.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);
/// How long requests in progress may go on after the shutdown.
const GRACE: Duration = Duration::from_secs(5);
/// A pause after a failed accept: most often no file descriptor was left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// An answer's body, whole or streamed.
pub(crate) type Body = UnsyncBoxBody<Bytes, Infallible>;

/// A body that is there as a whole.
pub(crate) fn whole(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).boxed_unsync()
}

/// What a server bears.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Connections at a time; more wait in the kernel.
    pub(crate) connections: u16,
    /// After this a connection takes no further request; it also ends one that never sends any.
    pub(crate) lifetime: Duration,
}

/// Serves HTTP/1.1 and h2c until `shutdown`, then lets requests in progress finish, five seconds at most.
pub(crate) async fn serve<S>(
    listener: TcpListener,
    service: S,
    bounds: Bounds,
    shutdown: impl Future<Output = ()>,
) where
    S: Service<Request<Incoming>, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send + 'static,
{
    let permits = Arc::new(Semaphore::new(usize::from(bounds.connections)));
    let (stop, stopped) = watch::channel(());
    let mut shutdown = pin!(shutdown);
    loop {
        let (stream, permit) = tokio::select! {
            () = &mut shutdown => break,
            accepted = accept(&listener, &permits) => accepted,
        };
        let (service, stopped) = (service.clone(), stopped.clone());
        tokio::spawn(async move {
            connection(stream, service, bounds.lifetime, stopped).await;
            drop(permit);
        });
    }
    drop(listener);
    drop(stop);
    // Every permit is back when every connection has ended; what is left after the grace is let go.
    let _ = timeout(GRACE, permits.acquire_many(u32::from(bounds.connections))).await;
}

async fn accept(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
) -> (TcpStream, Option<OwnedSemaphorePermit>) {
    // The semaphore is never closed, so there always is a permit.
    let permit = Arc::clone(permits).acquire_owned().await.ok();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return (stream, permit),
            Err(error) => {
                let address = listener.local_addr().unwrap_or_else(|_| SocketAddr::from(([0, 0, 0, 0], 0)));
                log::warn!("no connection could be accepted at {address}: {error}");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn connection<S>(stream: TcpStream, service: S, lifetime: Duration, mut stopped: watch::Receiver<()>)
where
    S: Service<Request<Incoming>, Response = Response<Body>, Error = Infallible> + Send + 'static,
    S::Future: Send + 'static,
{
    // Small events, such as a stream's words, go out at once.
    let _ = stream.set_nodelay(true);
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(HEADER_BYTES as usize)
        .max_headers(HEADERS);
    builder.http2().timer(TokioTimer::new()).max_header_list_size(HEADER_BYTES).max_concurrent_streams(32);
    let mut connection = pin!(builder.serve_connection_with_upgrades(TokioIo::new(stream), service));
    tokio::select! {
        ended = connection.as_mut() => return note(ended),
        _ = stopped.changed() => {}
        () = sleep(lifetime) => {}
    }
    connection.as_mut().graceful_shutdown();
    if let Ok(ended) = timeout(GRACE, connection).await {
        note(ended);
    }
}

fn note(ended: Result<(), Box<dyn std::error::Error + Send + Sync>>) {
    if let Err(error) = ended {
        log::debug!("a connection ended early: {error}");
    }
}

#[cfg(test)]
mod tests {
    use hyper::service::service_fn;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn a_silent_connection_gives_its_place_back() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let service = service_fn(|_| async { Ok(Response::new(whole("hello"))) });
        let bounds = Bounds { connections: 1, lifetime: Duration::from_millis(20) };
        tokio::spawn(serve(listener, service, bounds, std::future::pending()));
        let mut silent = TcpStream::connect(address).await.unwrap();
        // There is one place: this one waits until the silent one has been shown out.
        let mut second = TcpStream::connect(address).await.unwrap();
        second.write_all(b"GET / HTTP/1.0\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        second.read_to_string(&mut answer).await.unwrap();
        assert!(answer.ends_with("hello"), "{answer}");
        assert_eq!(silent.read(&mut [0]).await.unwrap_or(0), 0);
    }
}
