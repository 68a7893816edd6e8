//! A bare Pingora in the test's own runtime, clients of both protocols for it, and upstreams to put behind it.

use std::net::SocketAddr;
use std::sync::Arc;

use pingora::apps::ServerApp;
use pingora::proxy::{ProxyHttp, http_proxy};
use pingora::server::configuration::ServerConf;
use pingora::upstreams::peer::HttpPeer;
use tokio::net::TcpListener;
use tokio::sync::watch;

pub(super) mod client;
pub(super) mod upstream;
mod wire;

/// Where a gateway listens, per protocol.
pub(super) struct Listening {
    pub(super) h1: SocketAddr,
    pub(super) h2: SocketAddr,
}

/// Serves this gateway until the test's runtime ends.
pub(super) async fn serve<P>(gateway: P) -> Listening
where
    P: ProxyHttp + Send + Sync + 'static,
    P::CTX: Send + Sync,
{
    let app = Arc::new(http_proxy(&Arc::new(ServerConf::default()), gateway));
    let (h1, h2) = (listen().await, listen().await);
    let listening = Listening { h1: h1.local_addr().unwrap(), h2: h2.local_addr().unwrap() };
    for (listener, speaks_h2) in [(h1, false), (h2, true)] {
        let app = Arc::clone(&app);
        tokio::spawn(async move {
            let (_never, shutdown) = watch::channel(false);
            loop {
                let (tcp, _) = listener.accept().await.unwrap();
                let (app, shutdown) = (Arc::clone(&app), shutdown.clone());
                let wire = wire::Wire::new(tcp, speaks_h2);
                tokio::spawn(async move { app.process_new(Box::new(wire), &shutdown).await });
            }
        });
    }
    listening
}

pub(super) async fn listen() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}

pub(super) fn peer(upstream: SocketAddr) -> Box<HttpPeer> {
    Box::new(HttpPeer::new(upstream, false, String::new()))
}
