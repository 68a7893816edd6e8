//! Who we are: certificates from anywhere, one SNI resolver.
//!
//! A source (a pair of files, a development certificate) yields [`KeyPair`]s; a [`Store`] holds those in
//! force and answers each handshake. Nothing is served that was not asked for by name:
//!
//! ```
//! use certs::{Store, sources::dev};
//!
//! let made = dev::self_signed(&["localhost".to_owned(), "127.0.0.1".to_owned()])?;
//! let store = Store::default();          // empty: every handshake is refused
//! store.replace(vec![made.pair]);        // the next handshake sees the new set
//! assert_eq!(store.expiries().len(), 2); // one row a name, for the metric
//! # Ok::<(), certs::CertError>(())
//! ```

pub mod client;
mod error;
mod key_pair;
mod names;
pub mod sources;
mod store;

pub use error::CertError;
pub use key_pair::KeyPair;
pub use names::Names;
pub use store::Store;
