//! A response with a length is not flushed to an HTTP/1 client before it is complete or the write buffer is full.
//!
//! That is right for files and wrong for events. Without the length the response is chunked, and every chunk is
//! flushed as it comes. No issue is open; the place is `prepare_response_header` in Pingora's HTTP/1 session.

use http::request::Parts as RequestParts;
use http::response::Parts;
use http::{HeaderValue, Method, Version, header};

/// The media types whose readers wait for each line.
const STREAMS: [&str; 3] = ["text/event-stream", "application/x-ndjson", "application/ndjson"];

/// Takes the length off an event stream for an HTTP/1.1 client and chunks it. For `response_filter`; HTTP/2 and
/// other media types are left alone.
pub fn stream_lengthless(request: &RequestParts, response: &mut Parts) {
    let has_body =
        request.method != Method::HEAD && !matches!(response.status.as_u16(), 100..=199 | 204 | 304);
    let framed_by_length = response.headers.contains_key(header::CONTENT_LENGTH);
    if request.version != Version::HTTP_11 || !has_body || !framed_by_length || !is_stream(response) {
        return;
    }
    response.headers.remove(header::CONTENT_LENGTH);
    response.headers.insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
}

fn is_stream(response: &Parts) -> bool {
    response
        .headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|essence| STREAMS.iter().any(|stream| essence.trim().eq_ignore_ascii_case(stream)))
}

#[cfg(test)]
mod tests;
