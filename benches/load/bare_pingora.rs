//! The floor: a Pingora proxy with TLS and no policy, in front of one upstream.
//!
//! It has Pingora's defaults (one worker thread, stateful session cache, its own accept loop) and is built with
//! the workspace's release profile.

use std::error::Error;
use std::net::SocketAddr;

use async_trait::async_trait;
use clap::Parser;
use pingora::listeners::tls::TlsSettings;
use pingora::prelude::HttpPeer;
use pingora::proxy::{ProxyHttp, Session, http_proxy_service};
use pingora::server::Server;

/// A proxy that lets everything pass.
#[derive(Parser)]
struct Flags {
    /// Where to listen with TLS (HTTP/1.1 and HTTP/2).
    #[arg(long)]
    https: SocketAddr,
    /// Where to listen without TLS.
    #[arg(long)]
    http: Option<SocketAddr>,
    /// Certificate chain, PEM.
    #[arg(long)]
    cert: String,
    /// Its key, PEM.
    #[arg(long)]
    key: String,
    /// Where requests go, over plain HTTP/1.1.
    #[arg(long)]
    upstream: SocketAddr,
}

struct Bare {
    upstream: SocketAddr,
}

#[async_trait]
impl ProxyHttp for Bare {
    type CTX = ();

    fn new_ctx(&self) -> Self::CTX {}

    async fn upstream_peer(&self, _: &mut Session, (): &mut ()) -> pingora::Result<Box<HttpPeer>> {
        Ok(Box::new(HttpPeer::new(self.upstream, false, String::new())))
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let flags = Flags::parse();
    let mut server = Server::new(None)?;
    server.bootstrap();
    let mut proxy = http_proxy_service(&server.configuration, Bare { upstream: flags.upstream });
    let mut tls = TlsSettings::intermediate(&flags.cert, &flags.key)?;
    tls.enable_h2();
    proxy.add_tls_with_settings(&flags.https.to_string(), None, tls);
    if let Some(http) = flags.http {
        proxy.add_tcp(&http.to_string());
    }
    server.add_service(proxy);
    server.run_forever()
}
