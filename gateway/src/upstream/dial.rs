//! Connects to HTTP/1 upstreams: as Pingora does, in Pingora's pool, but with a [`Clock`] on every connection.
//!
//! It hangs in the place for custom protocols, since what `custom_l4` may return has no file descriptor, and
//! Pingora pools nothing without one. Pingora takes the stream it is given here for one that turned out to
//! speak HTTP/1: from there on everything is its own.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use pingora::connectors::http::custom::{Connection, Connector};
use pingora::connectors::{ConnectorOptions, TransportConnector};
use pingora::prelude::HttpPeer;
use pingora::protocols::raw_connect::ProxyDigest;
use pingora::protocols::tls::{CustomALPN, SslDigest};
use pingora::protocols::{
    ALPN, Digest, GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl,
    Stream, TimingDigest, UniqueID, UniqueIDType,
};
use pingora::server::configuration::ServerConf;
use pingora::upstreams::peer::Peer;
use pingora::{Error, ErrorType, Result};

use super::clock::{Clock, Timed};

/// Dials for peers whose `options.alpn` is [`timed`].
pub struct Dialer(TransportConnector);

/// Sends a peer to the [`Dialer`]; on the wire it is HTTP/1.1.
pub fn timed() -> ALPN {
    ALPN::Custom(CustomALPN::new(b"portcullis".to_vec()))
}

/// The clock of a connection that the [`Dialer`] made.
pub fn clock(digest: &Digest) -> Option<&Arc<Clock>> {
    digest.proxy_digest.as_ref()?.user_data.as_ref()?.downcast_ref()
}

impl Dialer {
    /// Connects on the terms of `conf`.
    pub fn new(conf: &ServerConf) -> Self {
        Self(TransportConnector::new(Some(ConnectorOptions::from_server_conf(conf))))
    }
}

#[async_trait]
impl Connector for Dialer {
    type Session = ();

    async fn get_http_session<P: Peer + Send + Sync + 'static>(
        &self,
        peer: &P,
    ) -> Result<(Connection<()>, bool)> {
        let Some(peer) = (peer as &dyn Any).downcast_ref::<HttpPeer>() else {
            return Error::e_explain(ErrorType::InternalError, "the dialer knows only `HttpPeer`");
        };
        let mut peer = peer.clone();
        peer.options.alpn = ALPN::H1;
        let stream = self.0.new_stream(&peer).await?;
        Ok((Connection::Stream(Box::new(Line::new(stream))), false))
    }

    /// None: Pingora then looks into its own pool.
    async fn reused_http_session<P: Peer + Send + Sync + 'static>(&self, _peer: &P) -> Option<()> {
        None
    }

    /// Never called: there are no sessions but Pingora's own.
    async fn release_http_session<P: Peer + Send + Sync + 'static>(
        &self,
        (): (),
        _peer: &P,
        _idle: Option<Duration>,
    ) {
    }
}

type Line = Timed<Stream>;

#[async_trait]
impl Shutdown for Line {
    async fn shutdown(&mut self) {
        self.get_mut().shutdown().await;
    }
}

impl UniqueID for Line {
    fn id(&self) -> UniqueIDType {
        self.get_ref().id()
    }
}

impl Ssl for Line {
    fn get_ssl_digest(&self) -> Option<Arc<SslDigest>> {
        self.get_ref().get_ssl_digest()
    }

    fn selected_alpn_proto(&self) -> Option<ALPN> {
        self.get_ref().selected_alpn_proto()
    }
}

impl Peek for Line {}

impl GetTimingDigest for Line {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        self.get_ref().get_timing_digest()
    }

    fn get_read_pending_time(&self) -> Duration {
        self.get_ref().get_read_pending_time()
    }

    fn get_write_pending_time(&self) -> Duration {
        self.get_ref().get_write_pending_time()
    }
}

impl GetProxyDigest for Line {
    /// The one place of a digest that takes something of ours.
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        let carrier = http::Response::new(()).into_parts().0;
        let clock = Box::new(Arc::clone(self.clock()));
        Some(Arc::new(ProxyDigest::new(Box::new(carrier.into()), Some(clock))))
    }

    fn set_proxy_digest(&mut self, digest: ProxyDigest) {
        self.get_mut().set_proxy_digest(digest);
    }
}

impl GetSocketDigest for Line {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        self.get_ref().get_socket_digest()
    }

    fn set_socket_digest(&mut self, digest: SocketDigest) {
        self.get_mut().set_socket_digest(digest);
    }
}
