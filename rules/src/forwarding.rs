//! Header fields that only the gateway may set, whoever calls: a client's own are removed on every route.

use http::HeaderName;
use http::header::FORWARDED;

/// Fields by which applications learn about the client, or about another method or address than the one that
/// the gates judged. `x-forwarded…` is removed as a family.
pub const FORWARDING: [HeaderName; 13] = [
    HeaderName::from_static("x-real-ip"),
    HeaderName::from_static("x-client-ip"),
    HeaderName::from_static("x-cluster-client-ip"),
    HeaderName::from_static("true-client-ip"),
    HeaderName::from_static("x-host"),
    HeaderName::from_static("x-original-host"),
    HeaderName::from_static("x-original-forwarded-for"),
    HeaderName::from_static("x-original-url"),
    HeaderName::from_static("x-rewrite-url"),
    HeaderName::from_static("x-http-method"),
    HeaderName::from_static("x-http-method-override"),
    HeaderName::from_static("x-method-override"),
    FORWARDED,
];

/// Families of which the gateway sets members or means to.
pub const FAMILIES: [&str; 2] = ["portcullis-", "x-forwarded"];

/// Whether a client's own field of this name is removed on every route.
pub fn is_removed(name: &HeaderName) -> bool {
    FORWARDING.contains(name) || is_of_family(name.as_str())
}

/// Whether a field of this name, in lower case, belongs to one of [`FAMILIES`].
pub fn is_of_family(name: &str) -> bool {
    FAMILIES.iter().any(|family| name.starts_with(family))
}

/// What a client may not set: [`FORWARDING`], and whatever a configuration adds. Every field of every request is looked
/// up here, and nearly none is in it: one look at a table of bits says so.
#[derive(Clone, Debug)]
pub struct Withheld {
    bits: [u64; 4],
    names: Vec<HeaderName>,
}

impl Withheld {
    /// With these names in addition.
    pub fn new(names: impl IntoIterator<Item = HeaderName>) -> Self {
        let mut withheld = Self { bits: [0; 4], names: FORWARDING.into_iter().chain(names).collect() };
        for name in &withheld.names {
            let (word, bit) = place(name.as_str());
            if let Some(word) = withheld.bits.get_mut(word) {
                *word |= bit;
            }
        }
        withheld
    }

    /// Whether a client may not set a field of this name (in lower case).
    pub fn contains(&self, name: &str) -> bool {
        let (word, bit) = place(name);
        self.bits.get(word).is_some_and(|word| word & bit != 0)
            && self.names.iter().any(|known| known.as_str() == name)
    }
}

/// Which bit of which word a name has; others may have the same.
fn place(name: &str) -> (usize, u64) {
    let bytes = name.as_bytes();
    let (first, last) = (bytes.first().copied().unwrap_or(0), bytes.last().copied().unwrap_or(0));
    let length = u8::try_from(bytes.len() & 0xff).unwrap_or(0);
    let hash = length.wrapping_mul(37).wrapping_add(first.wrapping_mul(11)).wrapping_add(last);
    (usize::from(hash >> 6), 1 << (hash & 63))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_withheld_is_found_and_nothing_else() {
        let own = HeaderName::from_static("x-user-id");
        let withheld = Withheld::new([own.clone()]);
        for name in FORWARDING.iter().chain([&own]) {
            assert!(withheld.contains(name.as_str()), "{name}");
        }
        // The second has the bit of `x-user-id`, and a byte in its middle differs.
        for name in ["x-user-name", "x-usar-id", "", "accept", "x-request-id"] {
            assert!(!withheld.contains(name), "{name}");
        }
        assert_eq!(place("x-user-id"), place("x-usar-id"));
    }
}
