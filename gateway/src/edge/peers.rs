//! How many connections each peer has.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

/// Open connections by peer network.
#[derive(Debug, Default)]
pub(super) struct Peers(Mutex<HashMap<IpAddr, usize>>);

/// One connection's place among its peer's; given back on drop.
#[derive(Debug)]
pub(super) struct Place {
    peers: Arc<Peers>,
    network: IpAddr,
}

impl Peers {
    /// A place for one more connection from `ip`, unless `cap` are taken.
    pub(super) fn take(self: &Arc<Self>, ip: IpAddr, cap: usize) -> Option<Place> {
        let network = network(ip);
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.get(&network).copied().unwrap_or(0);
        if count >= cap {
            return None;
        }
        open.insert(network, count + 1);
        Some(Place { peers: Arc::clone(self), network })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.peers.0.lock().unwrap_or_else(PoisonError::into_inner);
        match open.get_mut(&self.network) {
            Some(count) if *count > 1 => *count -= 1,
            _ => {
                open.remove(&self.network);
            }
        }
    }
}

/// One IPv6 subscriber has a /64 at least, so single addresses there bound nothing.
fn network(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() & (u128::MAX << 64))),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_place_is_given_back() {
        let peers = Arc::new(Peers::default());
        let one = peers.take(ip("192.0.2.1"), 2).unwrap();
        let two = peers.take(ip("::ffff:192.0.2.1"), 2).unwrap();
        assert!(peers.take(ip("192.0.2.1"), 2).is_none());
        assert!(peers.take(ip("192.0.2.2"), 2).is_some());
        drop(one);
        assert!(peers.take(ip("192.0.2.1"), 2).is_some());
        drop(two);
        assert!(peers.0.lock().unwrap().is_empty(), "nothing is kept of peers that left");
    }

    #[test]
    fn an_ipv6_network_is_one_peer() {
        let peers = Arc::new(Peers::default());
        let _held = peers.take(ip("2001:db8::1"), 1).unwrap();
        assert!(peers.take(ip("2001:db8::2:3"), 1).is_none());
        assert!(peers.take(ip("2001:db8:0:1::1"), 1).is_some());
    }
}
