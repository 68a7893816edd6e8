//! A set of addresses, as ranges in order.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;

use ipnet::IpNet;

/// Addresses: sorted ranges that neither touch nor overlap. An IPv4 address within IPv6 counts as IPv4.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AddressSet {
    v4: Vec<(u32, u32)>,
    v6: Vec<(u128, u128)>,
}

impl AddressSet {
    /// The addresses of some networks.
    pub fn new(networks: impl IntoIterator<Item = IpNet>) -> Self {
        Self::of_ranges(networks.into_iter().map(|network| match network {
            IpNet::V4(network) => IpAddr::V4(network.network())..=IpAddr::V4(network.broadcast()),
            IpNet::V6(network) => IpAddr::V6(network.network())..=IpAddr::V6(network.broadcast()),
        }))
    }

    /// The addresses of some ranges, both ends included. A range between families, or upside down, has none.
    pub fn of_ranges(ranges: impl IntoIterator<Item = RangeInclusive<IpAddr>>) -> Self {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for range in ranges {
            match (range.start().to_canonical(), range.end().to_canonical()) {
                (IpAddr::V4(from), IpAddr::V4(to)) => v4.push((u32::from(from), u32::from(to))),
                (IpAddr::V6(from), IpAddr::V6(to)) => v6.push((u128::from(from), u128::from(to))),
                _ => {}
            }
        }
        Self { v4: merged(v4, u32::checked_add), v6: merged(v6, u128::checked_add) }
    }

    /// Whether `address` is one of them.
    pub fn contains(&self, address: IpAddr) -> bool {
        match address.to_canonical() {
            IpAddr::V4(address) => within(&self.v4, u32::from(address)),
            IpAddr::V6(address) => within(&self.v6, u128::from(address)),
        }
    }

    /// Its ranges in order, IPv4 first.
    pub fn ranges(&self) -> impl Iterator<Item = RangeInclusive<IpAddr>> {
        let v4 = self.v4.iter().map(|(from, to)| Ipv4Addr::from(*from).into()..=Ipv4Addr::from(*to).into());
        v4.chain(self.v6.iter().map(|(from, to)| Ipv6Addr::from(*from).into()..=Ipv6Addr::from(*to).into()))
    }

    /// Whether it has no address.
    pub fn is_empty(&self) -> bool {
        self.v4.is_empty() && self.v6.is_empty()
    }
}

fn within<T: Ord + Copy>(ranges: &[(T, T)], address: T) -> bool {
    let after = ranges.partition_point(|(from, _)| *from <= address);
    after.checked_sub(1).and_then(|last| ranges.get(last)).is_some_and(|(_, to)| address <= *to)
}

fn merged<T: Ord + Copy + From<u8>>(mut ranges: Vec<(T, T)>, add: impl Fn(T, T) -> Option<T>) -> Vec<(T, T)> {
    ranges.retain(|(from, to)| from <= to);
    ranges.sort_unstable();
    let mut kept: Vec<(T, T)> = Vec::with_capacity(ranges.len());
    for (from, to) in ranges {
        match kept.last_mut() {
            // Nothing comes after the last address, so whatever follows is within.
            Some((_, end)) if add(*end, T::from(1)).is_none_or(|next| from <= next) => *end = to.max(*end),
            _ => kept.push((from, to)),
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ranges_that_touch_become_one() {
        let set = AddressSet::new(
            ["10.0.0.0/25", "10.0.0.128/25", "0.0.0.0/0", "::ffff:1.2.3.4/128", "2001:db8::/32"]
                .map(|text| text.parse().unwrap()),
        );
        assert_eq!(set.ranges().count(), 2);
        assert!(set.contains("255.255.255.255".parse().unwrap()));
        assert!(set.contains("::ffff:9.9.9.9".parse().unwrap()), "an IPv4 address in IPv6 is IPv4");
        assert!(!set.contains("2001:db9::".parse().unwrap()));
        assert!(AddressSet::new([]).is_empty());
    }

    proptest! {
        #[test]
        fn it_says_what_the_networks_say(
            networks in proptest::collection::vec((any::<u16>(), 0_u8..=32), 0..20),
            probes in proptest::collection::vec(any::<u16>(), 0..50),
        ) {
            let address = |bits: u16| Ipv4Addr::from(u32::from(bits) << 8 | 7);
            let networks: Vec<IpNet> = networks
                .iter()
                .map(|(bits, length)| ipnet::Ipv4Net::new(address(*bits), *length).unwrap().trunc().into())
                .collect();
            let set = AddressSet::new(networks.iter().copied());
            for probe in probes {
                let probe = IpAddr::V4(address(probe));
                prop_assert_eq!(set.contains(probe), networks.iter().any(|network| network.contains(&probe)));
            }
        }
    }
}
