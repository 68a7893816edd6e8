//! A login service, and the questions to it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use bytes::Bytes;
use http::{Request, Uri};
use http_body_util::Full;
use rules::credential::{Login, LoginAnswer, Question};
use rules::verdict::{Code, Refusal};
use tokio::sync::Semaphore;

use crate::fetch::{Bounds, FetchError, Fetched, Fetcher};

/// The gate's name in logs.
const GATE: &str = "identity";
/// Bytes of an answer's body. Nothing in it is read; a page that says why is not worth more.
const BYTES: usize = 64 * 1024;
/// Questions that may be under way at once: beyond it the service is as good as down, and requests should not pile
/// up behind it.
const UNDER_WAY: usize = 512;

/// The login service of one identity.
pub(super) struct Service {
    identity: Arc<str>,
    url: Option<Uri>,
    bounds: Bounds,
    places: Semaphore,
    /// Whether the last question came to nothing: the log tells of an outage once.
    silent: AtomicBool,
}

impl Service {
    pub(super) fn new(identity: &Arc<str>, login: &Login) -> Self {
        Self {
            identity: Arc::clone(identity),
            url: login.url.parse().ok(),
            bounds: Bounds { time: login.timeout, bytes: BYTES },
            places: Semaphore::new(UNDER_WAY),
            silent: AtomicBool::new(false),
        }
    }

    /// Puts the question.
    pub(super) async fn ask(&self, question: Question) -> Result<LoginAnswer, Refusal> {
        let closed = |why: String| Refusal::new(Code::KeysUnavailable, GATE, why);
        let url = self.url.clone().ok_or_else(|| closed("the login service has no address".to_owned()))?;
        let _place = self.places.try_acquire().map_err(|_| {
            closed(format!("{UNDER_WAY} questions to the login service are under way, which is the most"))
        })?;
        let mut request = Request::new(Full::<Bytes>::default());
        *request.uri_mut() = url;
        *request.headers_mut() = question.fields;
        let answer = self.send(request).await;
        let failure = match &answer {
            Err(error) => Some(error.to_string()),
            Ok(answer) => answer.status.is_server_error().then(|| format!("it answered {}", answer.status)),
        };
        self.note(failure.as_deref());
        match answer {
            Ok(answer) => Ok(LoginAnswer { status: answer.status, fields: answer.fields }),
            Err(error) => Err(closed(format!("the login service gave no answer: {error}"))),
        }
    }

    /// Once more where the connection broke: the service may close one that was kept just as it is used again.
    async fn send(&self, request: Request<Full<Bytes>>) -> Result<Fetched, FetchError> {
        let began = Instant::now();
        let answer = Fetcher::shared().send(request.clone(), self.bounds).await;
        if !matches!(answer, Err(FetchError::Unreachable(_))) {
            return answer;
        }
        let time = self.bounds.time.saturating_sub(began.elapsed());
        Fetcher::shared().send(request, Bounds { time, ..self.bounds }).await
    }

    /// Tells the log when an outage begins and when it is over.
    fn note(&self, failure: Option<&str>) {
        let before = self.silent.swap(failure.is_some(), Ordering::Relaxed);
        match failure {
            Some(why) if !before => {
                tracing::warn!(identity = %self.identity, why, "the login service cannot be asked; its callers are refused");
            }
            None if before => tracing::info!(identity = %self.identity, "the login service answers again"),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::HeaderMap;

    use super::*;

    /// A service that takes connections and says nothing.
    fn mute() -> (std::net::TcpListener, Login) {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/auth", listener.local_addr().unwrap());
        (listener, Login { url, timeout: Duration::from_mins(1) })
    }

    #[tokio::test]
    async fn so_many_questions_are_under_way_and_no_more() {
        let (_listener, login) = mute();
        let service = Arc::new(Service::new(&"sso".into(), &login));
        let question = || Question { fields: HeaderMap::new() };
        let ask = || {
            let service = Arc::clone(&service);
            tokio::spawn(async move { service.ask(question()).await })
        };
        let asked: Vec<_> = (0..UNDER_WAY).map(|_| ask()).collect();
        while service.places.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        let refusal = service.ask(question()).await.unwrap_err();
        assert_eq!(refusal.code, Code::KeysUnavailable);
        assert!(refusal.private.contains("512"), "{}", refusal.private);
        for asked in asked {
            asked.abort();
            let _ = asked.await;
        }
        assert_eq!(service.places.available_permits(), UNDER_WAY, "whoever leaves gives the place back");
    }
}
