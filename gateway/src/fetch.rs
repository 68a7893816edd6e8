//! The gateway's own requests: key sets, login services. One pooled HTTP/1.1 client over rustls; redirects are not
//! followed, and whatever comes is bounded in time and size.

use std::fmt;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::{ClientConfig, RootCertStore};
use tokio::time::{Instant, timeout, timeout_at};

/// How long an idle connection is kept.
const IDLE: Duration = Duration::from_secs(30);

/// What an answer may cost.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// From the connection to the last byte.
    pub time: Duration,
    /// Bytes of the body.
    pub bytes: usize,
}

/// An answer, whole.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// The status.
    pub status: StatusCode,
    /// The header fields.
    pub fields: HeaderMap,
    /// The body.
    pub body: Bytes,
}

/// Why there is no answer. Its text is for the operator's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FetchError {
    /// The time was over.
    TooSlow,
    /// The body is larger than asked for.
    TooLarge,
    /// No connection, or it broke.
    Unreachable(String),
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooSlow => f.write_str("no whole answer came in time"),
            Self::TooLarge => f.write_str("the answer is larger than is accepted"),
            Self::Unreachable(why) => write!(f, "it cannot be reached: {why}"),
        }
    }
}

impl std::error::Error for FetchError {}

/// A client.
#[derive(Clone)]
pub struct Fetcher {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

impl Fetcher {
    /// The gateway's own: it trusts the system's authorities (`SSL_CERT_FILE` names others).
    pub fn shared() -> &'static Self {
        static SHARED: LazyLock<Fetcher> = LazyLock::new(|| Fetcher::trusting(system_roots()));
        &SHARED
    }

    /// A client that trusts these authorities.
    pub fn trusting(roots: RootCertStore) -> Self {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let Ok(builder) = builder else {
            unreachable!("the provider has the suites of TLS 1.2 and 1.3");
        };
        Self::over(builder.with_root_certificates(roots).with_no_client_auth())
    }

    /// A client with these TLS terms.
    pub fn over(tls: ClientConfig) -> Self {
        let connector =
            HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().build();
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .build(connector);
        Self { client }
    }

    /// Sends a request and reads the answer.
    ///
    /// # Errors
    /// When no whole answer came within `bounds`. A status of 4xx or 5xx is an answer.
    pub async fn send(&self, request: Request<Full<Bytes>>, bounds: Bounds) -> Result<Fetched, FetchError> {
        timeout(bounds.time, self.exchange(request, bounds.bytes)).await.unwrap_or(Err(FetchError::TooSlow))
    }

    /// Sends a request and reads of the answer's body what comes within `bounds`: for whoever wants to know who
    /// answers, even where the answer never ends.
    ///
    /// # Errors
    /// When no answer began in time.
    pub async fn glance(&self, request: Request<Full<Bytes>>, bounds: Bounds) -> Result<Fetched, FetchError> {
        let end = Instant::now() + bounds.time;
        let answer = timeout_at(end, self.client.request(request)).await.map_err(|_| FetchError::TooSlow)?;
        let (head, mut rest) = answer.map_err(|error| unreachable_for(&error))?.into_parts();
        let mut body = BytesMut::new();
        while body.len() < bounds.bytes {
            let Ok(Some(Ok(frame))) = timeout_at(end, rest.frame()).await else { break };
            body.extend_from_slice(frame.data_ref().map_or(&[], |data| data));
        }
        body.truncate(bounds.bytes);
        Ok(Fetched { status: head.status, fields: head.headers, body: body.freeze() })
    }

    async fn exchange(&self, request: Request<Full<Bytes>>, most: usize) -> Result<Fetched, FetchError> {
        let answer = self.client.request(request).await.map_err(|error| unreachable_for(&error))?;
        let (head, mut rest) = answer.into_parts();
        let mut body = BytesMut::new();
        while let Some(frame) = rest.frame().await {
            let frame = frame.map_err(|error| unreachable_for(&error))?;
            let Some(data) = frame.data_ref() else { continue };
            if body.len().saturating_add(data.len()) > most {
                return Err(FetchError::TooLarge);
            }
            body.extend_from_slice(data);
        }
        Ok(Fetched { status: head.status, fields: head.headers, body: body.freeze() })
    }
}

/// The whole chain of causes: the outermost says nothing but that the client failed.
fn unreachable_for(error: &dyn std::error::Error) -> FetchError {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    FetchError::Unreachable(text)
}

fn system_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    for error in found.errors {
        tracing::warn!(%error, "an authority of the system cannot be read");
    }
    roots.add_parsable_certificates(found.certs);
    roots
}
