//! How many inferences of a model are wanted at the moment, and under which of its keys the next one is best ordered,
//! or proven.
//!
//! An order names its key, and the key says how many inferences a proof has. So a quote decides what an inference can
//! be proven with, and the worker only whom it gets for company. Where there is no order, the worker chooses the key as
//! well.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use alloy::primitives::B256;

use crate::engine::BatchKey;

/// For how long a quote counts as somebody who is about to order.
const RECENT: Duration = Duration::from_secs(1);
/// A proof of a batch is made for at least this share of its inferences, one in so many. For fewer, single proofs cost
/// less.
const FILLED: u32 = 8;

/// Quotes of the last moment.
#[derive(Debug, Default)]
pub struct Demand(Mutex<VecDeque<(Instant, B256)>>);

impl Demand {
    /// Counts a quote that is asked for now; returns how many were in the last moment, with this one.
    pub fn asked(&self, model: B256) -> u32 {
        let Ok(mut quotes) = self.0.lock() else { return 1 };
        let now = Instant::now();
        quotes.push_back((now, model));
        while quotes.front().is_some_and(|(at, _)| now.duration_since(*at) > RECENT) {
            quotes.pop_front();
        }
        u32::try_from(quotes.iter().filter(|(_, asked)| *asked == model).count()).unwrap_or(u32::MAX)
    }
}

/// The largest key of at most `most` inferences that `wanted` of them fill far enough; `None`: each is better proven
/// alone.
pub fn suits(keys: &[BatchKey], most: u32, wanted: u32) -> Option<BatchKey> {
    if wanted < 2 {
        return None;
    }
    let enough = |key: &&BatchKey| key.inferences <= most && key.inferences <= wanted.saturating_mul(FILLED);
    keys.iter().filter(enough).max_by_key(|key| key.inferences).copied()
}

/// The key of at most `most` inferences to prove `waiting` of them with: the smallest that has room for all, else the
/// largest that they fill; `None`: each is better proven alone.
pub fn fits(keys: &[BatchKey], most: u32, waiting: u32) -> Option<BatchKey> {
    let largest = suits(keys, most, waiting)?;
    let room = keys.iter().filter(|key| (waiting..=largest.inferences).contains(&key.inferences));
    room.min_by_key(|key| key.inferences).copied().or(Some(largest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_that_wait_get_the_smallest_proof_with_room_for_them() {
        let keys = [8, 64].map(|inferences| BatchKey { inferences, key_hash: B256::repeat_byte(inferences as u8) });
        let size = |most, waiting| fits(&keys, most, waiting).map(|key| key.inferences);
        assert_eq!(
            [1, 2, 8, 9, 64, 1000].map(|waiting| size(64, waiting)),
            [None, Some(8), Some(8), Some(64), Some(64), Some(64)]
        );
        assert_eq!([7, 8, 63].map(|most| size(most, 1000)), [None, Some(8), Some(8)]);
        assert_eq!(fits(&keys[1..], 64, 7), None, "it would be empty but for an eighth");
    }

    #[test]
    fn the_next_inference_is_ordered_as_demand_suggests() {
        let keys = [8, 64].map(|inferences| BatchKey { inferences, key_hash: B256::repeat_byte(inferences as u8) });
        let size = |most, wanted| suits(&keys, most, wanted).map(|key| key.inferences);
        assert_eq!(size(64, 1), None, "nobody waits for nobody");
        assert_eq!([2, 7, 8, 1000].map(|wanted| size(64, wanted)), [Some(8), Some(8), Some(64), Some(64)]);
        assert_eq!([1, 7, 8, 63].map(|most| size(most, 1000)), [None, None, Some(8), Some(8)]);
        assert_eq!(suits(&[], 64, 1000), None);
    }

    #[test]
    fn quotes_are_counted_by_model() {
        let demand = Demand::default();
        let [one, two] = [1, 2].map(B256::repeat_byte);
        assert_eq!([demand.asked(one), demand.asked(two), demand.asked(one)], [1, 1, 2]);
    }
}
