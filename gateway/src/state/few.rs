//! A list that needs no memory of its own while it is short: a request has few limits.

use std::{array, fmt, iter, slice, vec};

/// So many are kept in place.
const FEW: usize = 6;

/// A list of mostly few.
pub struct Few<T> {
    first: [Option<T>; FEW],
    len: usize,
    more: Vec<T>,
}

impl<T> Few<T> {
    /// An empty one.
    pub fn new() -> Self {
        Self { first: array::from_fn(|_| None), len: 0, more: Vec::new() }
    }

    /// Adds one at the end.
    pub fn push(&mut self, value: T) {
        match self.first.get_mut(self.len) {
            Some(free) => *free = Some(value),
            None => self.more.push(value),
        }
        self.len += 1;
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The one at this place.
    pub fn get(&self, index: usize) -> Option<&T> {
        self.first.get(index).map_or_else(|| self.more.get(index - FEW), Option::as_ref)
    }

    /// All of them, in order.
    pub fn iter(&self) -> Iter<'_, T> {
        self.first.iter().flatten().chain(&self.more)
    }

    /// All of them, in order, to be changed.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.first.iter_mut().flatten().chain(&mut self.more)
    }
}

/// What [`Few::iter`] gives.
pub type Iter<'a, T> = iter::Chain<iter::Flatten<slice::Iter<'a, Option<T>>>, slice::Iter<'a, T>>;

impl<'a, T> IntoIterator for &'a Few<T> {
    type Item = &'a T;
    type IntoIter = Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<T> IntoIterator for Few<T> {
    type Item = T;
    type IntoIter = iter::Chain<iter::Flatten<array::IntoIter<Option<T>, FEW>>, vec::IntoIter<T>>;

    fn into_iter(self) -> Self::IntoIter {
        self.first.into_iter().flatten().chain(self.more)
    }
}

impl<T> FromIterator<T> for Few<T> {
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> Self {
        let mut few = Self::new();
        values.into_iter().for_each(|value| few.push(value));
        few
    }
}

impl<T> Default for Few<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Clone> Clone for Few<T> {
    fn clone(&self) -> Self {
        self.iter().cloned().collect()
    }
}

impl<T: PartialEq> PartialEq for Few<T> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other)
    }
}

impl<T: fmt::Debug> fmt::Debug for Few<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::{FEW, Few};

    #[test]
    fn order_is_kept_beyond_the_few() {
        for count in 0..3 * FEW {
            let mut few: Few<usize> = (0..count).collect();
            assert!(few.iter().copied().eq(0..count) && few.clone().into_iter().eq(0..count));
            assert_eq!((few.len(), few.is_empty(), few.get(count)), (count, count == 0, None));
            assert!((0..count).all(|index| few.get(index) == Some(&index)));
            few.iter_mut().for_each(|value| *value += 1);
            assert!(few.iter().copied().eq(1..=count));
        }
    }
}
