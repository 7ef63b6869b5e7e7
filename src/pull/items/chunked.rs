//! A list for very many values.

/// Values in a chunk.
const CHUNK: usize = 16 * 1024;

/// A list that grows without being copied: what is copied needs its memory twice, and leaves holes.
#[derive(Debug)]
pub(super) struct Chunked<T>(Vec<Vec<T>>);

impl<T> Default for Chunked<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Copy> Chunked<T> {
    /// How many places there are.
    pub(super) fn len(&self) -> usize {
        let last = self.0.last().map_or(0, Vec::len);
        self.0.len().saturating_sub(1) * CHUNK + last
    }

    pub(super) fn push(&mut self, value: T) {
        self.push_all(&[value]);
    }

    /// Adds values, together in one chunk, and returns where; fewer than a chunk has.
    pub(super) fn push_all(&mut self, values: &[T]) -> usize {
        let has_room = |last: &Vec<T>| last.len() + values.len() <= CHUNK;
        if !self.0.last().is_some_and(has_room) {
            self.0.push(Vec::with_capacity(CHUNK));
        }
        let start = self.len();
        if let Some(last) = self.0.last_mut() {
            last.extend_from_slice(values);
        }
        start
    }

    pub(super) fn get(&self, at: usize) -> Option<&T> {
        self.0.get(at / CHUNK)?.get(at % CHUNK)
    }

    pub(super) fn get_mut(&mut self, at: usize) -> Option<&mut T> {
        self.0.get_mut(at / CHUNK)?.get_mut(at % CHUNK)
    }

    /// Values that were added together.
    pub(super) fn some(&self, start: usize, length: usize) -> &[T] {
        let chunk = self.0.get(start / CHUNK);
        let start = start % CHUNK;
        let some = chunk.and_then(|chunk| chunk.get(start..start + length));
        some.unwrap_or_default()
    }

    pub(super) fn last(&self) -> Option<&T> {
        self.0.last()?.last()
    }

    pub(super) fn truncate(&mut self, length: usize) {
        self.0.truncate(length.div_ceil(CHUNK));
        if let Some(last) = self.0.get_mut(length / CHUNK) {
            last.truncate(length % CHUNK);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_hold_what_was_added_and_what_was_not_taken_back() {
        let mut list = Chunked::default();
        for value in 0..3 * CHUNK {
            list.push(value);
        }
        assert_eq!(
            (list.len(), list.last()),
            (3 * CHUNK, Some(&(3 * CHUNK - 1)))
        );
        for length in [2 * CHUNK + 5, 2 * CHUNK, CHUNK + 1, CHUNK, 1, 0] {
            list.truncate(length);
            assert_eq!(list.len(), length);
            assert_eq!(list.last().copied(), length.checked_sub(1));
            assert_eq!(list.get(length), None);
        }
        for value in 0..CHUNK - 1 {
            list.push(value);
        }
        // What does not fit begins the next.
        assert_eq!(list.push_all(&[7, 8, 9]), CHUNK);
        assert_eq!(list.some(CHUNK, 3), [7, 8, 9]);
        assert_eq!(list.some(CHUNK, 4), [0_usize; 0]);
    }
}
