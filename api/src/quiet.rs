//! Warnings that repeat: a disk that is full fails every request and every step, and a log that says so each time fills
//! it further.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// How long the same warning is held back after it was given.
const PAUSE: Duration = Duration::from_secs(30);

/// When a warning was last given, and how often it was held back since.
static GIVEN: Mutex<BTreeMap<(&'static str, &'static str), (Instant, u64)>> = Mutex::new(BTreeMap::new());

/// Whether the warning `what` with this code is to be given now. `Some`: how often it was held back since the last
/// time.
pub(crate) fn news(what: &'static str, code: &'static str) -> Option<u64> {
    let Ok(mut given) = GIVEN.lock() else { return Some(0) };
    match given.get_mut(&(what, code)) {
        Some((at, held_back)) if at.elapsed() < PAUSE => {
            *held_back += 1;
            None
        }
        Some((at, held_back)) => {
            *at = Instant::now();
            Some(std::mem::take(held_back))
        }
        None => {
            given.insert((what, code), (Instant::now(), 0));
            Some(0)
        }
    }
}

/// Gives a warning, unless the same one was given a moment ago.
pub(crate) fn warn(what: &'static str, error: &dyn std::fmt::Display) {
    if let Some(held_back) = news(what, "") {
        tracing::warn!(%error, held_back, "{what}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_that_repeats_is_held_back() {
        assert_eq!(news("one", "a"), Some(0));
        assert_eq!(news("one", "a"), None);
        assert_eq!((news("two", "a"), news("one", "b")), (Some(0), Some(0)), "others are not");
    }
}
