//! Named lists, as rules look things up in them: addresses, words, hosts and numbers.
//!
//! ```
//! use rules::lists::AddressSet;
//!
//! let office = AddressSet::new(["203.0.113.0/24".parse().unwrap(), "2001:db8::/32".parse().unwrap()]);
//! assert!(office.contains("203.0.113.9".parse().unwrap()));
//! assert!(!office.contains("198.51.100.1".parse().unwrap()));
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

mod addresses;
mod compile;
mod entries;
mod raw;

pub use addresses::AddressSet;
pub use compile::compile;
pub use raw::{Kind, RawList};

/// The lists of a configuration, by name.
pub type Lists = BTreeMap<String, Arc<List>>;

/// A named list.
#[derive(Clone, Debug)]
pub enum List {
    /// Addresses and networks.
    Addresses(AddressSet),
    /// Texts that are compared as they are.
    Words(BTreeSet<String>),
    /// Host names; `*.example.com` stands for every name below, and not for `example.com` itself.
    Hosts(BTreeSet<String>),
    /// Numbers, such as those of autonomous systems.
    Numbers(BTreeSet<i64>),
}

/// The entries of the file called `name`, as they are written, and what it says that they are: one entry a line, or
/// Cloudflare's JSON of list items.
///
/// # Errors
/// Why it cannot be read: a sentence with the file and the line.
pub fn items(name: &str, bytes: &[u8]) -> Result<(Vec<String>, Option<Kind>), String> {
    let entries = entries::Entries::of_file(name, bytes)?;
    Ok((entries.of.into_iter().map(std::borrow::Cow::into_owned).collect(), entries.kind))
}

impl List {
    /// What it is a list of.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Addresses(_) => Kind::Ip,
            Self::Words(_) => Kind::String,
            Self::Hosts(_) => Kind::Host,
            Self::Numbers(_) => Kind::Asn,
        }
    }

    /// Whether nothing is on it.
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Addresses(addresses) => addresses.is_empty(),
            Self::Words(words) | Self::Hosts(words) => words.is_empty(),
            Self::Numbers(numbers) => numbers.is_empty(),
        }
    }
}
