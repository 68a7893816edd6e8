//! Workarounds for Pingora 0.9.1, one file each.
//!
//! Every file carries a canary: a test that drives Pingora without the mend and fails once Pingora no longer
//! needs it. A red canary after an upgrade is good news: delete the file. The mends lean on Pingora's inner
//! workings, so its version is pinned exactly.
//!
//! | file | issue | call it in |
//! | --- | --- | --- |
//! | [`held_body`] | #349, #575, #816 | `request_filter`, after all gates |
//! | [`early_101`] | #946 | `request_filter`, after all gates |
//! | [`chunk_terminator`] | #935 | `request_body_filter`, last line |
//! | [`cookie_crumbs`] | #901 | `upstream_request_filter` |
//! | [`unasked_101`] | none yet | `upstream_response_filter`, first line |
//! | [`late_flush`] | none yet | `response_filter` |
//!
//! The first two lend the downstream session and give a [`Loan`], which must be told of every response header
//! ([`Loan::answered`]) and released in `fail_to_proxy` and `logging`. While it lasts, the session is neither HTTP/1
//! nor HTTP/2 to Pingora: `as_http1` and `is_http2` say no (ask `req_header().version`), keep-alive cannot be set,
//! and `Host` is not compared with the authority again, so it must not be rewritten.

mod borrowed_session;
pub mod chunk_terminator;
pub mod cookie_crumbs;
pub mod early_101;
pub mod held_body;
pub mod late_flush;
#[cfg(test)]
mod scaffold;
pub mod unasked_101;

pub use borrowed_session::Loan;
