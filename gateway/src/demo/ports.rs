//! Ports: the ones that were asked for, or others that are free.

use std::io;
use std::net::{Ipv4Addr, TcpListener};

/// A port of this machine that is held until it is released, so that no two of them are the same.
pub(super) struct Port {
    held: TcpListener,
    number: u16,
    note: Option<String>,
}

impl Port {
    /// Holds `wish`, or another port when that cannot be had; 0 is any.
    pub(super) fn reserve(what: &str, wish: u16) -> io::Result<Self> {
        let (held, refused) = match TcpListener::bind((Ipv4Addr::LOCALHOST, wish)) {
            Ok(held) => (held, None),
            Err(error) => (TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?, Some(error)),
        };
        let number = held.local_addr()?.port();
        let note = refused.map(|error| match error.kind() {
            io::ErrorKind::AddrInUse => format!("Port {wish} is taken: {what} is on {number} instead."),
            _ => format!("Port {wish} cannot be had ({error}): {what} is on {number} instead."),
        });
        Ok(Self { held, number, note })
    }

    pub(super) fn number(&self) -> u16 {
        self.number
    }

    /// Lets it go for the gateway to bind; what to tell when it is not the one that was asked for.
    pub(super) fn release(self) -> Option<String> {
        drop(self.held);
        self.note
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_is_taken_is_replaced_and_told() {
        let first = Port::reserve("https", 0).unwrap();
        let second = Port::reserve("http", first.number()).unwrap();
        assert_ne!(first.number(), second.number());
        let note = second.release().unwrap();
        assert!(note.contains(&format!("Port {} is taken", first.number())), "{note}");
        assert_eq!(first.release(), None);
    }
}
