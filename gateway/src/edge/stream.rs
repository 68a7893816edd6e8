//! The byte stream that Pingora gets.

use std::io;
use std::os::fd::AsRawFd;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Buf, BytesMut};
use pingora::protocols::l4::socket::SocketAddr;
use pingora::protocols::raw_connect::ProxyDigest;
use pingora::protocols::tls::SslDigest;
use pingora::protocols::{
    ALPN, GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl, TimingDigest,
    UniqueID, UniqueIDType,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufWriter, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use super::Connection;

/// Pingora writes header and body apart; the buffer makes one packet, one TLS record, of a small answer.
const WRITE_BUFFER: usize = 4 * 1024;

/// Room for a head: ordinary ones fit the first read.
const READ_BUFFER: usize = 4 * 1024;

/// How long, and how much, is read and thrown away after our last word.
const LINGER: Duration = Duration::from_secs(2);
const LINGER_BYTES: usize = 4 * 1024 * 1024;

/// TCP, with TLS or without.
#[derive(Debug)]
pub(super) enum Wire {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// A connection as Pingora's `Stream`: what was read ahead comes first, then the wire.
#[derive(Debug)]
pub(super) struct Io {
    wire: BufWriter<Wire>,
    ahead: BytesMut,
    connection: Arc<Connection>,
    ssl: Option<Arc<SslDigest>>,
    proxy: Arc<ProxyDigest>,
    socket: Arc<SocketDigest>,
}

impl Io {
    pub(super) fn new(wire: Wire, connection: Arc<Connection>) -> Self {
        let socket = SocketDigest::from_raw_fd(wire.tcp().as_raw_fd());
        // Fresh cells, so that setting them cannot fail.
        let _ = socket.peer_addr.set(Some(SocketAddr::Inet(connection.peer())));
        let _ = socket.local_addr.set(Some(SocketAddr::Inet(connection.local())));
        let ssl = connection
            .tls()
            .map(|tls| Arc::new(SslDigest::new(tls.cipher, tls.version, None, None, Vec::new())));
        let carrier = http::Response::new(()).into_parts().0;
        let proxy = ProxyDigest::new(Box::new(carrier.into()), Some(Box::new(Arc::clone(&connection))));
        Self {
            wire: BufWriter::with_capacity(WRITE_BUFFER, wire),
            ahead: BytesMut::new(),
            connection,
            ssl,
            proxy: Arc::new(proxy),
            socket: Arc::new(socket),
        }
    }

    pub(super) fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }

    pub(super) fn is_h2(&self) -> bool {
        self.connection.tls().is_some_and(|tls| tls.h2)
    }

    /// What was read ahead and not yet handed on.
    pub(super) fn ahead(&self) -> &[u8] {
        &self.ahead
    }

    /// Reads more ahead. 0 is the end of the stream.
    pub(super) async fn read_ahead(&mut self) -> io::Result<usize> {
        if self.ahead.capacity() - self.ahead.len() < READ_BUFFER / 4 {
            self.ahead.reserve(READ_BUFFER);
        }
        let read = self.wire.get_mut().read_buf(&mut self.ahead).await?;
        self.connection.count_bytes(read);
        Ok(read)
    }

    /// Writes a last answer and closes.
    pub(super) async fn answer_and_close(&mut self, answer: &[u8]) {
        let said = tokio::time::timeout(LINGER, async {
            self.wire.write_all(answer).await?;
            self.wire.flush().await
        });
        if let Ok(Ok(())) = said.await {
            self.close().await;
        }
    }

    /// Closes our half, then reads on for a while: closing with unread bytes makes TCP send a reset, which
    /// may destroy the answer before the client has read it.
    async fn close(&mut self) {
        let lingering = async {
            self.wire.shutdown().await?;
            let mut left = LINGER_BYTES;
            while left > 0 {
                self.ahead.clear();
                match self.read_ahead().await? {
                    0 => break,
                    read => left = left.saturating_sub(read),
                }
            }
            io::Result::Ok(())
        };
        // Whatever went wrong: the connection ends here.
        let _ = tokio::time::timeout(LINGER, lingering).await;
    }
}

impl Wire {
    fn tcp(&self) -> &TcpStream {
        match self {
            Wire::Plain(tcp) => tcp,
            Wire::Tls(tls) => tls.get_ref().0,
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Wire::Plain(tcp) => Pin::new(tcp).poll_read(cx, buf),
            Wire::Tls(tls) => Pin::new(tls).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Wire::Plain(tcp) => Pin::new(tcp).poll_write(cx, buf),
            Wire::Tls(tls) => Pin::new(tls).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Wire::Plain(tcp) => Pin::new(tcp).poll_write_vectored(cx, bufs),
            Wire::Tls(tls) => Pin::new(tls).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Wire::Plain(tcp) => tcp.is_write_vectored(),
            Wire::Tls(tls) => tls.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Wire::Plain(tcp) => Pin::new(tcp).poll_flush(cx),
            Wire::Tls(tls) => Pin::new(tls).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Wire::Plain(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Wire::Tls(tls) => Pin::new(tls).poll_shutdown(cx),
        }
    }
}

impl AsyncRead for Io {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.ahead.is_empty() {
            let count = this.ahead.len().min(buf.remaining());
            buf.put_slice(this.ahead.get(..count).unwrap_or_default());
            this.ahead.advance(count);
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        ready!(Pin::new(&mut this.wire).poll_read(cx, buf))?;
        this.connection.count_bytes(buf.filled().len() - before);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Io {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().wire).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().wire).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.wire.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().wire).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().wire).poll_shutdown(cx)
    }
}

#[async_trait]
impl Shutdown for Io {
    async fn shutdown(&mut self) {
        self.close().await;
    }
}

impl UniqueID for Io {
    fn id(&self) -> UniqueIDType {
        self.wire.get_ref().tcp().as_raw_fd()
    }
}

impl Ssl for Io {
    fn get_ssl_digest(&self) -> Option<Arc<SslDigest>> {
        self.ssl.clone()
    }

    fn selected_alpn_proto(&self) -> Option<ALPN> {
        self.is_h2().then_some(ALPN::H2)
    }
}

impl GetTimingDigest for Io {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        Vec::new()
    }
}

impl GetProxyDigest for Io {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        Some(Arc::clone(&self.proxy))
    }
}

impl GetSocketDigest for Io {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        Some(Arc::clone(&self.socket))
    }
}

impl Peek for Io {}
