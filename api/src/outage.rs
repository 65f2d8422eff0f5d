//! Delays that grow while a disk or a chain does not answer.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The first delay.
const FIRST: Duration = Duration::from_secs(1);
/// The longest.
const LONGEST: Duration = Duration::from_secs(30);

fn delay(failures: u32) -> Duration {
    FIRST.saturating_mul(1 << failures.min(16)).min(LONGEST)
}

/// The delays of one loop.
#[derive(Debug, Default)]
pub(crate) struct Backoff(u32);

impl Backoff {
    /// The next delay: twice the last one, up to half a minute.
    pub fn next(&mut self) -> Duration {
        let next = delay(self.0);
        self.0 = self.0.saturating_add(1);
        next
    }

    /// What failed works again.
    pub fn over(&mut self) {
        self.0 = 0;
    }
}

/// The delays of jobs whose steps cannot be done for now. They are no attempts, so that the database does not count
/// them.
#[derive(Clone, Debug, Default)]
pub struct Outages(Arc<Mutex<HashMap<String, Backoff>>>);

impl Outages {
    /// The job's next delay.
    pub(crate) fn next(&self, job: &str) -> Duration {
        let Ok(mut all) = self.0.lock() else { return LONGEST };
        all.entry(job.to_owned()).or_default().next()
    }

    /// A step of the job was done.
    pub(crate) fn over(&self, job: &str) {
        if let Ok(mut all) = self.0.lock() {
            all.remove(job);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_to_half_a_minute_and_begin_anew() {
        let mut backoff = Backoff::default();
        let secs: Vec<u64> = (0..7).map(|_| backoff.next().as_secs()).collect();
        assert_eq!(secs, [1, 2, 4, 8, 16, 30, 30]);
        backoff.over();
        assert_eq!(backoff.next(), FIRST);
        let outages = Outages::default();
        assert_eq!((outages.next("a"), outages.next("a"), outages.next("b")), (delay(0), delay(1), delay(0)));
        outages.over("a");
        assert_eq!(outages.next("a"), FIRST);
    }
}
