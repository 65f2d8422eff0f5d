//! How often each client may ask: a number of requests in each minute, counted by this process.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// The time in which requests are counted.
pub const WINDOW: Duration = Duration::from_secs(60);
/// Most clients that are told apart: with more, those that are new share one count.
const CLIENTS_MAX: usize = 10_000;

/// What is left of a client's requests after one more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Left {
    /// Whether this request may be answered.
    pub admitted: bool,
    /// Requests that may follow in this window.
    pub requests: u32,
    /// Seconds until the window ends.
    pub resets_secs: u32,
}

#[derive(Clone, Copy, Debug)]
struct Window {
    began: Instant,
    requests: u32,
}

/// The requests of all clients.
#[derive(Debug, Default)]
pub struct Rates(Mutex<HashMap<String, Window>>);

impl Rates {
    /// Counts a request of a client, who may send `limit` in a window.
    pub fn take(&self, client: &str, limit: u32) -> Left {
        self.take_at(client, limit, Instant::now())
    }

    fn take_at(&self, client: &str, limit: u32, now: Instant) -> Left {
        // what is in the map is counts: one that a panic left behind is as good as any
        let mut all = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if all.len() >= CLIENTS_MAX && !all.contains_key(client) {
            all.retain(|_, window| now.saturating_duration_since(window.began) < WINDOW);
        }
        let name = if all.len() < CLIENTS_MAX || all.contains_key(client) { client } else { "" };
        let window = all.entry(name.to_owned()).or_insert(Window { began: now, requests: 0 });
        if now.saturating_duration_since(window.began) >= WINDOW {
            *window = Window { began: now, requests: 0 };
        }
        window.requests = window.requests.saturating_add(1);
        let left = WINDOW.saturating_sub(now.saturating_duration_since(window.began));
        Left {
            admitted: window.requests <= limit,
            requests: limit.saturating_sub(window.requests),
            resets_secs: u32::try_from(left.as_millis().div_ceil(1000)).unwrap_or_default().max(1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_has_so_many_requests_and_another_one_follows() {
        let (rates, start) = (Rates::default(), Instant::now());
        assert_eq!(rates.take_at("a", 2, start), Left { admitted: true, requests: 1, resets_secs: 60 });
        assert!(rates.take_at("a", 2, start).admitted);
        let later = start + Duration::from_secs(50);
        assert_eq!(rates.take_at("a", 2, later), Left { admitted: false, requests: 0, resets_secs: 10 });
        assert!(rates.take_at("b", 2, later).admitted, "clients are told apart");
        assert!(rates.take_at("a", 2, start + WINDOW).admitted);
    }

    #[test]
    fn memory_is_bounded() {
        let (rates, start) = (Rates::default(), Instant::now());
        for n in 0..CLIENTS_MAX + 100 {
            rates.take_at(&n.to_string(), 50, start);
        }
        assert!(!rates.take_at("new", 50, start).admitted, "those beyond the bound share one count");
        assert!(rates.0.lock().unwrap().len() <= CLIENTS_MAX + 1);
        assert!(rates.take_at("new", 50, start + WINDOW).admitted, "old windows make room");
    }
}
