//! Buffers, lent and returned.
//!
//! Every byte that is parked, under way or queued lives in a chunk from here, or is counted here, so one
//! number says how much that is. Returned chunks are kept for the next borrower, up to a bound, so steady
//! traffic allocates nothing.

use crate::limits::{POOL_KEPT_MAX, QUEUE_BYTES_MAX};

/// Capacities that chunks come in. Above the last one a chunk is as large as it must be, and is not kept.
const CLASSES: [usize; 11] = [
    4 << 10,
    16 << 10,
    64 << 10,
    // What one connection parks: a read, and what the one before it left.
    72 << 10,
    // A full queue, and what the JSON writer asks for beyond what it uses.
    QUEUE_BYTES_MAX + 4096,
    512 << 10,
    1 << 20,
    2 << 20,
    4 << 20,
    8 << 20,
    16 << 20,
];

/// Lends chunks. A chunk is a plain `Vec<u8>`: empty, with the capacity asked for or more.
#[derive(Debug)]
pub struct Pool {
    free: [Vec<Vec<u8>>; CLASSES.len()],
    /// Sum of the capacities lent.
    lent: usize,
    /// Sum of the capacities in `free`. `0 <= kept <= POOL_KEPT_MAX`
    kept: usize,
}

impl Pool {
    /// Nothing lent, nothing kept.
    pub fn new() -> Self {
        Pool { free: Default::default(), lent: 0, kept: 0 }
    }

    /// Bytes lent at this moment, by capacity.
    pub const fn lent(&self) -> usize {
        self.lent
    }

    /// Counts bytes that are held elsewhere and belong to the same sum: so many before, and so many now.
    pub fn recount(&mut self, before: usize, now: usize) {
        debug_assert!(self.lent >= before, "{before} bytes were counted, {} are lent", self.lent);
        self.lent = self.lent.saturating_sub(before) + now;
    }

    /// An empty chunk with room for `room` bytes.
    pub fn lend(&mut self, room: usize) -> Vec<u8> {
        let chunk = match class_for(room) {
            None => Vec::with_capacity(room),
            Some(class) => match self.free[class].pop() {
                Some(kept) => {
                    self.kept -= kept.capacity();
                    kept
                }
                None => Vec::with_capacity(CLASSES[class]),
            },
        };
        self.lent += chunk.capacity();
        chunk
    }

    /// A chunk that holds a copy of `bytes`.
    pub fn lend_copy(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut chunk = self.lend(bytes.len());
        chunk.extend_from_slice(bytes);
        chunk
    }

    /// Takes a chunk back. An empty `Vec` that never was a chunk is fine.
    pub fn give_back(&mut self, mut chunk: Vec<u8>) {
        let capacity = chunk.capacity();
        if capacity == 0 {
            return;
        }
        debug_assert!(self.lent >= capacity, "{capacity} bytes came back, {} are lent", self.lent);
        self.lent = self.lent.saturating_sub(capacity);
        let class = CLASSES.iter().position(|&class| class == capacity);
        if let Some(class) = class.filter(|_| self.kept + capacity <= POOL_KEPT_MAX) {
            chunk.clear();
            self.kept += capacity;
            self.free[class].push(chunk);
        }
    }

    /// Makes room for `extra` bytes behind what `chunk` holds, moving it into a larger one where it must. A
    /// `Vec` without capacity is lent its first chunk.
    pub fn grow(&mut self, chunk: &mut Vec<u8>, extra: usize) {
        let growth = Self::growth(chunk, extra);
        if growth == 0 {
            return;
        }
        let mut larger = self.lend(chunk.capacity() + growth);
        larger.extend_from_slice(chunk);
        self.give_back(std::mem::replace(chunk, larger));
    }

    /// What a chunk takes at most that has grown to `len` bytes.
    pub fn capacity_max(len: usize) -> usize {
        class_for(len).map_or(len / 2 * 3, |class| CLASSES[class])
    }

    /// Bytes by which [`Pool::grow`] would make `chunk` larger for `extra` more at once.
    pub fn growth(chunk: &Vec<u8>, extra: usize) -> usize {
        let needed = chunk.len() + extra;
        if chunk.capacity() >= needed {
            return 0;
        }
        // Beyond the classes, grow by half, so that the sum of all moves stays in proportion to the bytes.
        let room =
            class_for(needed).map_or_else(|| needed.max(chunk.capacity() / 2 * 3), |class| CLASSES[class]);
        room - chunk.capacity()
    }
}

impl Default for Pool {
    fn default() -> Self {
        Self::new()
    }
}

fn class_for(room: usize) -> Option<usize> {
    CLASSES.iter().position(|&class| class >= room)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_back_is_lent_again_and_the_sum_is_kept() {
        let mut pool = Pool::new();
        let mut chunk = pool.lend(100);
        assert_eq!((chunk.capacity(), pool.lent()), (4 << 10, 4 << 10));
        chunk.extend_from_slice(b"abc");
        let place = chunk.as_ptr();
        pool.give_back(chunk);
        assert_eq!(pool.lent(), 0);
        let again = pool.lend(4 << 10);
        assert_eq!((again.as_ptr(), again.len()), (place, 0));
    }

    #[test]
    fn what_is_held_elsewhere_counts_too() {
        let mut pool = Pool::new();
        let chunk = pool.lend(1);
        pool.recount(0, 100);
        pool.recount(100, 7);
        assert_eq!(pool.lent(), chunk.capacity() + 7);
        pool.recount(7, 0);
        pool.give_back(chunk);
        assert_eq!(pool.lent(), 0);
    }

    #[test]
    fn growing_keeps_what_is_there() {
        let mut pool = Pool::new();
        let mut chunk = Vec::new();
        pool.grow(&mut chunk, 10);
        chunk.extend_from_slice(b"0123456789");
        pool.grow(&mut chunk, 20 << 20);
        assert_eq!(chunk, b"0123456789");
        assert_eq!(pool.lent(), chunk.capacity());
        pool.give_back(chunk);
        assert_eq!(pool.lent(), 0);
    }

    #[test]
    fn growing_step_by_step_moves_each_byte_a_few_times_only() {
        let (mut pool, mut chunk, mut moved) = (Pool::new(), Vec::new(), 0);
        let (step, total) = (64 << 10, 64 << 20);
        while chunk.len() < total {
            let before = chunk.capacity();
            pool.grow(&mut chunk, step);
            moved += if chunk.capacity() > before { chunk.len() } else { 0 };
            chunk.resize(chunk.len() + step, 7);
        }
        assert!(moved < 4 * total, "{moved} bytes were moved for {total}");
        assert_eq!(pool.lent(), chunk.capacity());
    }

    #[test]
    fn what_a_chunk_takes_is_its_class_or_half_more() {
        for (len, most) in [(0, 4 << 10), (4 << 10, 4 << 10), (4097, 16 << 10), (16 << 20, 16 << 20)] {
            assert_eq!(Pool::capacity_max(len), most, "{len}");
        }
        assert_eq!(Pool::capacity_max(20 << 20), 30 << 20);
        let mut chunk = Pool::new().lend(4 << 10);
        chunk.resize(4000, 0);
        for (extra, growth) in [(96, 0), (97, 12 << 10), (20_000, 60 << 10)] {
            assert_eq!(Pool::growth(&chunk, extra), growth, "{extra}");
        }
        let large = Vec::with_capacity(20 << 20);
        assert_eq!((Pool::growth(&large, 20 << 20), Pool::growth(&large, 21 << 20)), (0, 10 << 20));
    }

    #[test]
    fn what_is_kept_is_counted_and_lent_again_within_the_bound() {
        let counted = |pool: &Pool| {
            let sum: usize = pool.free.iter().flatten().map(Vec::capacity).sum();
            assert_eq!(pool.kept, sum);
            sum
        };
        let mut pool = Pool::new();
        let chunks: Vec<_> = (0..3).map(|_| pool.lend(16 << 20)).collect();
        let small = pool.lend(1);
        chunks.into_iter().for_each(|chunk| pool.give_back(chunk));
        assert_eq!(counted(&pool), POOL_KEPT_MAX, "two of them");
        pool.give_back(small);
        assert_eq!(counted(&pool), POOL_KEPT_MAX, "there is no room for one more");
        let again = pool.lend(16 << 20);
        assert_eq!((counted(&pool), pool.lent()), (16 << 20, 16 << 20));
        pool.give_back(again);
        pool.give_back(Vec::new());
        assert_eq!((counted(&pool), pool.lent()), (POOL_KEPT_MAX, 0));
    }

    #[test]
    fn no_more_is_kept_than_the_bound() {
        let mut pool = Pool::new();
        let chunks: Vec<_> = (0..5).map(|_| pool.lend(16 << 20)).collect();
        chunks.into_iter().for_each(|chunk| pool.give_back(chunk));
        assert!(pool.kept <= POOL_KEPT_MAX);
        assert_eq!(pool.lent(), 0);
    }
}
