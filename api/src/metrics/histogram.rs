//! How often something took how long.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counts of durations, in buckets by their upper bounds.
#[derive(Debug)]
pub struct Histogram<const N: usize> {
    /// In milliseconds, ascending.
    bounds: [u64; N],
    /// How many durations are in each bucket and in none before.
    counts: [AtomicU64; N],
    /// How many are longer than the last bound.
    longer: AtomicU64,
    sum_ms: AtomicU64,
}

impl<const N: usize> Histogram<N> {
    /// An empty one.
    pub fn new(bounds_ms: [u64; N]) -> Self {
        let counts = std::array::from_fn(|_| AtomicU64::default());
        Self { bounds: bounds_ms, counts, longer: AtomicU64::default(), sum_ms: AtomicU64::default() }
    }

    /// Counts a duration.
    pub fn observe(&self, ms: u64) {
        let bucket = self
            .bounds
            .iter()
            .zip(&self.counts)
            .find(|(bound, _)| ms <= **bound)
            .map_or(&self.longer, |(_, count)| count);
        bucket.fetch_add(1, Ordering::Relaxed);
        self.sum_ms.fetch_add(ms, Ordering::Relaxed);
    }

    /// Each bound in seconds with the number of durations up to it, `+Inf` at the end; and the sum of all in seconds.
    pub(super) fn read(&self) -> (Vec<(String, u64)>, f64) {
        let bounds = self.bounds.iter().map(|ms| (*ms as f64 / 1000.0).to_string()).chain(["+Inf".to_owned()]);
        let mut below = 0;
        let counts = self.counts.iter().chain([&self.longer]).map(|count| {
            below += count.load(Ordering::Relaxed);
            below
        });
        (bounds.zip(counts).collect(), self.sum_ms.load(Ordering::Relaxed) as f64 / 1000.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_hold_all_that_is_not_longer() {
        let histogram = Histogram::new([10, 2500]);
        for ms in [0, 10, 11, 2500, 2501] {
            histogram.observe(ms);
        }
        let (buckets, seconds) = histogram.read();
        assert_eq!(buckets, [("0.01".to_owned(), 2), ("2.5".to_owned(), 4), ("+Inf".to_owned(), 5)]);
        assert!((seconds - 5.022).abs() < 1e-9, "{seconds}");
    }
}
