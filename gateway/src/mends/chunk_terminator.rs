//! #935: an HTTP/2 body that ends in an empty DATA frame reaches an HTTP/1 upstream with two chunk terminators.
//!
//! The empty last piece is written as a chunk of its own, which is a terminator, and then the real one follows.
//! An upstream that keeps the connection reads the second as the start of another request.

use bytes::Bytes;

/// Drops an empty last piece, so that only the end itself is sent. The last line of `request_body_filter`.
pub fn mend(body: &mut Option<Bytes>, end_of_stream: bool) {
    if end_of_stream && body.as_ref().is_some_and(Bytes::is_empty) {
        *body = None;
    }
}

#[cfg(test)]
mod tests;
