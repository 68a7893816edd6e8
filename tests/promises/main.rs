//! The promises, a file each. Every test drives the real executable on sockets of its own.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a broken expectation is how a test says so"
)]

mod house;
