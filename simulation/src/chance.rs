//! Chance, from a seed: all of a history's chance comes from one of these, so that the seed is the history.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use puente::ports::Chance;

/// A sequence of numbers (splitmix64). Clones draw from the same sequence.
#[derive(Debug, Clone)]
pub struct Seeded(Arc<AtomicU64>);

impl Seeded {
    /// The sequence of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(Arc::new(AtomicU64::new(seed)))
    }

    fn draw(&self) -> u64 {
        const STEP: u64 = 0x9E37_79B9_7F4A_7C15;
        let mut z = self.0.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A place in a list of `n`.
    #[must_use]
    pub fn index(&self, n: usize) -> usize {
        usize::try_from(self.below(n as u64)).unwrap_or(0)
    }

    /// A number of `from..to`.
    #[must_use]
    pub fn within(&self, from: i64, to: i64) -> i64 {
        from + i64::try_from(self.below(u64::try_from(to - from).unwrap_or(0))).unwrap_or(0)
    }

    /// True in so many of a thousand cases.
    #[must_use]
    pub fn permille(&self, times: u32) -> bool {
        self.below(1000) < u64::from(times)
    }

    /// One of a list.
    #[must_use]
    pub fn one_of<T: Clone>(&self, list: &[T]) -> T {
        list[self.index(list.len())].clone()
    }

    /// Another sequence, which depends on this one.
    #[must_use]
    pub fn fork(&self) -> Self {
        Self::new(self.draw())
    }
}

impl Chance for Seeded {
    fn below(&self, n: u64) -> u64 {
        if n == 0 { 0 } else { self.draw() % n }
    }
    fn token(&self) -> String {
        format!("{:016x}", self.draw())
    }
}
