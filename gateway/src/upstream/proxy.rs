//! Pingora's proxy with our [`Dialer`] in it.
//!
//! Pingora makes such a proxy only inside a `Service`, which never lets go of it, except that it hands it to
//! what serves custom protocols. So the service is run for one connection, from ourselves, only to be handed
//! the proxy.

use std::io;
use std::net::Ipv4Addr;
use std::os::fd::IntoRawFd;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use pingora::apps::HttpServerOptions;
use pingora::proxy::{HttpProxy, ProcessCustomSession, ProxyHttp, ProxyServiceBuilder};
use pingora::server::Fds;
use pingora::server::configuration::ServerConf;
use pingora::services::Service as _;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use super::dial::Dialer;

/// Ample for a connection from ourselves to ourselves.
const PATIENCE: Duration = Duration::from_secs(10);

/// The name of the service's only listener.
const DOOR: &str = "the proxy's way out of its service";

/// The proxy for `app`.
///
/// # Errors
/// When there is no loopback interface.
pub async fn proxy<A>(conf: &Arc<ServerConf>, app: A) -> io::Result<Arc<HttpProxy<A, Dialer>>>
where
    A: ProxyHttp + Send + Sync + 'static,
    A::CTX: Send + Sync + 'static,
{
    let (given, mut taken) = mpsc::unbounded_channel();
    let hand_out: ProcessCustomSession<A, Dialer> = Arc::new(move |proxy, _, _| {
        let _ = given.send(proxy);
        async { None }.boxed()
    });
    // Concerns only what the service accepts: the edge calls the proxy directly.
    let mut options = HttpServerOptions::default();
    options.force_custom = true;
    let mut service = ProxyServiceBuilder::new(conf, app)
        .custom(Dialer::new(conf), hand_out)
        .server_options(options)
        .build();

    let door = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)?;
    door.set_nonblocking(true)?;
    door.bind(&std::net::SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())?;
    door.listen(1)?;
    let address = door.local_addr()?.as_socket().ok_or(io::ErrorKind::AddrNotAvailable)?;
    let mut fds = Fds::new();
    fds.add(DOOR.to_owned(), door.into_raw_fd());
    service.add_tcp(DOOR);

    let (stop, stopped) = watch::channel(false);
    let running =
        tokio::spawn(async move { service.start_service(Some(Arc::new(fds.into())), stopped, 1).await });
    let proxy = timeout(PATIENCE, async {
        let _connection = TcpStream::connect(address).await?;
        taken.recv().await.ok_or_else(|| io::Error::other("the proxy was lost"))
    })
    .await;
    // In this order: a service that ends by itself tells the proxy to shut down.
    running.abort();
    let _ = running.await;
    let _ = stop.send(true);
    proxy?
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use pingora::prelude::HttpPeer;
    use pingora::proxy::Session;
    use pingora::{Error, ErrorType};

    use super::*;

    struct Nothing;

    #[async_trait]
    impl ProxyHttp for Nothing {
        type CTX = ();

        fn new_ctx(&self) {}

        async fn upstream_peer(&self, _: &mut Session, (): &mut ()) -> pingora::Result<Box<HttpPeer>> {
            Err(Error::new(ErrorType::InternalError))
        }
    }

    /// Its listener holds the proxy as long as it is open.
    #[tokio::test]
    async fn the_service_and_its_listener_are_gone() {
        let proxy = proxy(&Arc::default(), Nothing).await.unwrap();
        let alone = async {
            while Arc::strong_count(&proxy) > 1 {
                tokio::task::yield_now().await;
            }
        };
        timeout(PATIENCE, alone).await.expect("nobody else has the proxy");
    }
}
