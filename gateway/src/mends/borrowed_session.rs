//! A session that stands in front of the real one: it passes every call on, except what it claims about the body.
//!
//! Pingora asks the downstream session whether a body is there, done, or kept for a retry. Its doc-hidden
//! `Custom` variant lets us give those answers without a fork.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::Stream;
use http::HeaderMap;
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::protocols::Digest;
use pingora::protocols::http::custom::CustomMessageWrite;
use pingora::protocols::http::custom::server::Session as CustomSession;
use pingora::protocols::http::{HttpTask, ServerSession};
use pingora::protocols::l4::socket::SocketAddr;
use pingora::proxy::Session;
use pingora::{Error, ErrorType, Result};
use tokio::sync::oneshot;

/// What the stand-in says about a request body that is already done.
pub(super) trait Claims: Send + Sync + Unpin + 'static {
    /// Whether the request has no body at all.
    fn body_is_empty(&mut self) -> bool;

    /// The bytes that Pingora sends before anything it reads from the client.
    fn body_to_send(&self) -> Option<Bytes> {
        None
    }

    /// The request header is on its way to the upstream; heard once per attempt.
    fn header_sent(&mut self) {}
}

/// The receipt for a session that was lent to a stand-in until the upstream answers; part of a visit.
pub struct Loan {
    home: Option<oneshot::Receiver<ServerSession>>,
}

impl Loan {
    /// Puts a stand-in with these claims in front of the session.
    ///
    /// # Errors
    /// When one stands there already: with two, the inner one would never come home.
    pub(super) fn lend(session: &mut Session, claims: impl Claims) -> Result<Self> {
        if session.downstream_session.is_custom() {
            return Error::e_explain(ErrorType::InternalError, "the downstream session is already lent");
        }
        let (send_home, home) = oneshot::channel();
        let real = std::mem::replace(&mut *session.downstream_session, nobody());
        let stand_in = Borrowed { real, claims, home: Some(send_home) };
        *session.downstream_session = ServerSession::new_custom(Box::new(stand_in));
        Ok(Self { home: Some(home) })
    }

    /// Puts the real session back before a final response; 101 is one (RFC 9110 section 15.2.2). For
    /// `response_filter`.
    pub fn answered(&mut self, session: &mut Session, response: &ResponseHeader) {
        if response.status.as_u16() == 101 || !response.status.is_informational() {
            self.release(session);
        }
    }

    /// Puts the real session back; does nothing the second time. For `fail_to_proxy`, before it writes, and
    /// `logging`.
    pub fn release(&mut self, session: &mut Session) {
        let Some(mut home) = self.home.take() else {
            return;
        };
        // Dropping the stand-in is what sends the real session home.
        drop(std::mem::replace(&mut *session.downstream_session, nobody()));
        if let Ok(real) = home.try_recv() {
            *session.downstream_session = real;
        }
    }
}

/// Pingora's own placeholder; it holds the place between two lines and is never asked anything.
fn nobody() -> ServerSession {
    ServerSession::new_custom(Box::new(()))
}

struct Borrowed<C: Claims> {
    real: ServerSession,
    claims: C,
    home: Option<oneshot::Sender<ServerSession>>,
}

impl<C: Claims> Drop for Borrowed<C> {
    fn drop(&mut self) {
        if let Some(home) = self.home.take() {
            // Nobody waits when the whole request was dropped; the session then ends here, as it would have.
            let _ = home.send(std::mem::replace(&mut self.real, nobody()));
        }
    }
}

#[async_trait]
impl<C: Claims> CustomSession for Borrowed<C> {
    // What is claimed.

    fn is_body_done(&mut self) -> bool {
        true
    }

    fn is_body_empty(&mut self) -> bool {
        self.claims.body_is_empty()
    }

    fn get_retry_buffer(&self) -> Option<Bytes> {
        self.claims.body_to_send()
    }

    fn retry_buffer_truncated(&self) -> bool {
        false
    }

    fn enable_retry_buffering(&mut self) {
        self.claims.header_sent();
    }

    async fn read_body_bytes(&mut self) -> Result<Option<Bytes>> {
        Ok(None)
    }

    async fn read_body_or_idle(&mut self, _no_body_expected: bool) -> Result<Option<Bytes>> {
        self.real.read_body_or_idle(true).await
    }

    // What is passed on.

    fn req_header(&self) -> &RequestHeader {
        self.real.req_header()
    }

    fn req_header_mut(&mut self) -> &mut RequestHeader {
        self.real.req_header_mut()
    }

    async fn drain_request_body(&mut self) -> Result<()> {
        self.real.drain_request_body().await
    }

    async fn write_response_header(&mut self, resp: Box<ResponseHeader>, end: bool) -> Result<()> {
        self.real.write_response_header(resp).await?;
        if end { self.real.finish_body().await } else { Ok(()) }
    }

    async fn write_response_header_ref(&mut self, resp: &ResponseHeader, end: bool) -> Result<()> {
        self.write_response_header(Box::new(resp.clone()), end).await
    }

    async fn write_body(&mut self, data: Bytes, end: bool) -> Result<()> {
        self.real.write_response_body(data, end).await
    }

    async fn write_trailers(&mut self, trailers: HeaderMap) -> Result<()> {
        self.real.write_response_trailers(trailers).await
    }

    async fn response_duplex_vec(&mut self, tasks: Vec<HttpTask>) -> Result<bool> {
        self.real.response_duplex_vec(tasks).await
    }

    fn proxy_tasks_enabled(&self) -> bool {
        self.real.supports_proxy_task_api()
    }

    fn set_proxy_tasks_enabled(&mut self, enabled: bool) {
        self.real.set_proxy_tasks_enabled(enabled);
    }

    fn send_proxy_task(&mut self, task: HttpTask) {
        self.real.send_downstream_proxy_task(task);
    }

    fn has_pending_proxy_tasks(&self) -> bool {
        self.real.has_pending_downstream_proxy_tasks()
    }

    async fn write_proxy_tasks(&mut self) -> Result<bool> {
        self.real.write_downstream_proxy_tasks().await
    }

    fn set_read_timeout(&mut self, timeout: Option<Duration>) {
        self.real.set_read_timeout(timeout);
    }

    fn get_read_timeout(&self) -> Option<Duration> {
        self.real.get_read_timeout()
    }

    fn set_write_timeout(&mut self, timeout: Option<Duration>) {
        self.real.set_write_timeout(timeout);
    }

    fn get_write_timeout(&self) -> Option<Duration> {
        self.real.get_write_timeout()
    }

    fn set_total_drain_timeout(&mut self, timeout: Option<Duration>) {
        self.real.set_total_drain_timeout(timeout);
    }

    fn get_total_drain_timeout(&self) -> Option<Duration> {
        self.real.get_total_drain_timeout()
    }

    fn request_summary(&self) -> String {
        self.real.request_summary()
    }

    fn response_written(&self) -> Option<&ResponseHeader> {
        self.real.response_written()
    }

    async fn shutdown(&mut self, _code: u32, _ctx: &str) {
        self.real.shutdown().await;
    }

    async fn finish(&mut self) -> Result<()> {
        self.real.finish_body().await
    }

    fn body_bytes_sent(&self) -> usize {
        self.real.body_bytes_sent()
    }

    fn body_bytes_read(&self) -> usize {
        self.real.body_bytes_read()
    }

    fn digest(&self) -> Option<&Digest> {
        self.real.digest()
    }

    fn digest_mut(&mut self) -> Option<&mut Digest> {
        self.real.digest_mut()
    }

    fn client_addr(&self) -> Option<&SocketAddr> {
        self.real.client_addr()
    }

    fn server_addr(&self) -> Option<&SocketAddr> {
        self.real.server_addr()
    }

    fn pseudo_raw_h1_request_header(&self) -> Bytes {
        self.real.to_h1_raw()
    }

    fn is_upgrade_req(&self) -> bool {
        self.real.is_upgrade_req()
    }

    fn was_upgraded(&self) -> bool {
        self.real.was_upgraded()
    }

    // What neither HTTP/1 nor HTTP/2 has.

    async fn finish_custom(&mut self) -> Result<()> {
        Ok(())
    }

    fn take_custom_message_reader(
        &mut self,
    ) -> Option<Box<dyn Stream<Item = Result<Bytes>> + Unpin + Send + Sync + 'static>> {
        None
    }

    fn restore_custom_message_reader(
        &mut self,
        _reader: Box<dyn Stream<Item = Result<Bytes>> + Unpin + Send + Sync + 'static>,
    ) -> Result<()> {
        Ok(())
    }

    fn take_custom_message_writer(&mut self) -> Option<Box<dyn CustomMessageWrite>> {
        None
    }

    fn restore_custom_message_writer(&mut self, _writer: Box<dyn CustomMessageWrite>) -> Result<()> {
        Ok(())
    }
}
