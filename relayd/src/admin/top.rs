//! The few largest of many, in one pass and in bounded memory.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

/// The largest so far. `heap.len() <= max`
#[derive(Debug)]
pub struct Top<T> {
    max: usize,
    heap: BinaryHeap<Reverse<Ranked<T>>>,
}

#[derive(Debug)]
struct Ranked<T> {
    key: u64,
    value: T,
}

impl<T> Top<T> {
    /// Keeps `max` values.
    pub fn new(max: usize) -> Self {
        Top { max, heap: BinaryHeap::new() }
    }

    /// Takes a value in, and makes it only if it is among the largest so far.
    pub fn offer(&mut self, key: u64, value: impl FnOnce() -> T) {
        let is_full = self.heap.len() >= self.max;
        if is_full && self.heap.peek().is_none_or(|Reverse(least)| key <= least.key) {
            return;
        }
        if is_full {
            self.heap.pop();
        }
        self.heap.push(Reverse(Ranked { key, value: value() }));
    }

    /// The values, the largest first.
    pub fn into_sorted(self) -> Vec<T> {
        self.heap.into_sorted_vec().into_iter().map(|Reverse(ranked)| ranked.value).collect()
    }
}

impl<T> PartialEq for Ranked<T> {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl<T> Eq for Ranked<T> {}

impl<T> PartialOrd for Ranked<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Ranked<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key.cmp(&other.key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_are_kept_in_order_whatever_comes_first() {
        let mut top = Top::new(3);
        for key in [5, 1, 9, 9, 2, 7, 0] {
            top.offer(key, || key);
        }
        assert_eq!(top.into_sorted(), [9, 9, 7]);
        let mut few = Top::new(3);
        few.offer(1, || 1);
        assert_eq!(few.into_sorted(), [1]);
        let mut none: Top<u64> = Top::new(0);
        none.offer(1, || panic!("not wanted"));
        assert!(none.into_sorted().is_empty());
    }
}
