//! #901: HTTP/2 clients may split `cookie` into crumbs, which an HTTP/1 upstream must get as one line
//! (RFC 9113 section 8.2.3); Pingora forwards the crumbs as they came.

use http::{HeaderMap, HeaderValue, header};
use pingora::{ErrorType, OrErr, Result};

/// Joins the crumbs with `; `, in their order. For `upstream_request_filter`, and for any check that reads
/// cookies: whoever reads the first line alone sees a part.
///
/// # Errors
/// When the joined value cannot be a header value.
pub fn join(headers: &mut HeaderMap) -> Result<()> {
    let crumbs = headers.get_all(header::COOKIE);
    if crumbs.iter().nth(1).is_none() {
        return Ok(());
    }
    let joined = crumbs.iter().map(HeaderValue::as_bytes).collect::<Vec<_>>().join(&b"; "[..]);
    let joined = HeaderValue::from_bytes(&joined).or_err(ErrorType::InvalidHTTPHeader, "joined cookie")?;
    headers.insert(header::COOKIE, joined);
    Ok(())
}

#[cfg(test)]
mod tests;
