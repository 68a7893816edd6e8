//! How many body bytes all requests together may hold.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A ceiling, in bytes, shared by the process. It counts what buffers take, which is up to twice the bytes in them.
#[derive(Debug)]
pub struct BodyBudget {
    ceiling: AtomicUsize,
    taken: AtomicUsize,
}

impl BodyBudget {
    /// A budget of so many bytes.
    pub fn new(bytes: usize) -> Arc<Self> {
        Arc::new(Self { ceiling: AtomicUsize::new(bytes), taken: AtomicUsize::new(0) })
    }

    /// Moves the ceiling; what was taken under a higher one stays.
    pub fn set_ceiling(&self, bytes: usize) {
        // Read first: the line is every request's, and is written once a reload.
        if self.ceiling.load(Ordering::Relaxed) != bytes {
            self.ceiling.store(bytes, Ordering::Relaxed);
        }
    }

    /// Takes bytes out of the budget until the reservation is dropped; nothing when there are not enough.
    pub fn reserve(self: &Arc<Self>, bytes: usize) -> Option<Reservation> {
        let mut reservation = Reservation { budget: Arc::clone(self), bytes: 0 };
        reservation.grow(bytes).then_some(reservation)
    }

    /// The bytes still free.
    pub fn free(&self) -> usize {
        self.ceiling.load(Ordering::Relaxed).saturating_sub(self.taken.load(Ordering::Relaxed))
    }
}

/// Bytes taken out of a [`BodyBudget`], given back on drop.
#[derive(Debug)]
pub struct Reservation {
    budget: Arc<BodyBudget>,
    bytes: usize,
}

impl Reservation {
    /// Takes so many bytes more; takes none and says no when there are not enough.
    pub fn grow(&mut self, bytes: usize) -> bool {
        // Only a number is shared and no memory depends on it: relaxed order will do.
        let ceiling = self.budget.ceiling.load(Ordering::Relaxed);
        let more = |taken: usize| taken.checked_add(bytes).filter(|taken| *taken <= ceiling);
        let taken = self.budget.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok();
        if taken {
            self.bytes += bytes;
        }
        taken
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.budget.taken.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reservation_is_given_back_whole() {
        let budget = BodyBudget::new(100);
        let mut first = budget.reserve(60).unwrap();
        assert!(budget.reserve(41).is_none());
        assert!(first.grow(40));
        assert!(!first.grow(1));
        assert_eq!(budget.free(), 0);
        budget.set_ceiling(50);
        assert_eq!((budget.free(), first.grow(1)), (0, false));
        drop(first);
        assert_eq!(budget.free(), 50);
        assert!(budget.reserve(51).is_none() && budget.reserve(50).is_some());
    }
}
