//! Many of the same, side by side, in pieces: a list that grows as a whole leaves holes in memory that nothing else fits.

/// So many are in one piece.
const PIECE: usize = 64;

pub(super) struct Shelf<T> {
    pieces: Vec<Vec<T>>,
    len: usize,
}

impl<T> Shelf<T> {
    pub(super) const fn new() -> Self {
        Self { pieces: Vec::new(), len: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn get(&self, at: usize) -> Option<&T> {
        self.pieces.get(at / PIECE)?.get(at % PIECE)
    }

    pub(super) fn get_mut(&mut self, at: usize) -> Option<&mut T> {
        self.pieces.get_mut(at / PIECE)?.get_mut(at % PIECE)
    }

    pub(super) fn push(&mut self, value: T) {
        if self.len.is_multiple_of(PIECE) {
            self.pieces.push(Vec::with_capacity(PIECE));
        }
        if let Some(piece) = self.pieces.last_mut() {
            piece.push(value);
            self.len += 1;
        }
    }

    /// Drops this one; the last one takes its place.
    pub(super) fn swap_remove(&mut self, at: usize) {
        let Some(piece) = self.pieces.last_mut().filter(|_| at < self.len) else { return };
        let Some(last) = piece.pop() else { return };
        if piece.is_empty() {
            self.pieces.pop();
        }
        self.len -= 1;
        if let Some(place) = self.get_mut(at) {
            *place = last;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Shelf;

    #[test]
    fn the_last_takes_the_place_of_whatever_goes() {
        let (mut shelf, mut model) = (Shelf::new(), Vec::new());
        for nth in 0..300_usize {
            shelf.push(nth);
            model.push(nth);
        }
        for nth in 0..300 {
            let at = nth * 7 % model.len();
            shelf.swap_remove(at);
            shelf.swap_remove(model.len());
            model.swap_remove(at);
            assert_eq!(shelf.len(), model.len());
            assert!((0..=model.len()).all(|at| shelf.get(at) == model.get(at)));
        }
    }
}
