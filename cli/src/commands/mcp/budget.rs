//! How much an agent may spend: a limit for each order and one for all of them together, which a restart does not lift.

use crate::exit::{Exit, Failure, Outcome};
use alloy::primitives::{Address, U256};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::path::Path;
use std::sync::Mutex;

/// What an account has spent in a market.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    chain_id: u64,
    market: Address,
    buyer: Address,
    token: Address,
    spent: U256,
}

/// Who pays, where, and with what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Purse {
    pub chain_id: u64,
    pub market: Address,
    pub buyer: Address,
    pub token: Address,
}

/// The limits, and what was spent so far.
pub struct Budget {
    purse: Purse,
    /// Of all orders together.
    pub total: u128,
    /// Of one order.
    pub each: u128,
    /// Held for as long as this lives: two servers with one file would each spend all of it.
    ledger: Mutex<File>,
}

impl Budget {
    /// The limits of a purse, with what the ledger says was spent.
    pub fn open(path: &Path, purse: Purse, total: u128, each: u128) -> Outcome<Self> {
        let failed = |e: std::io::Error| {
            Failure::message(Exit::Io, format!("cannot keep what was spent in {}: {e}", path.display()))
        };
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(failed)?;
        }
        let file = File::options().read(true).write(true).create(true).truncate(false).open(path).map_err(failed)?;
        if file.try_lock().is_err() {
            let text = format!("{} is in use by another `assay mcp`: name another file with --ledger", path.display());
            return Err(Failure::message(Exit::Io, text));
        }
        let budget = Self { purse, total, each, ledger: Mutex::new(file) };
        budget.spent()?;
        Ok(budget)
    }

    fn entries(file: &mut File) -> Outcome<Vec<Entry>> {
        let mut text = String::new();
        file.rewind().and_then(|()| file.read_to_string(&mut text))?;
        if text.is_empty() {
            return Ok(Vec::new());
        }
        serde_json::from_str(&text)
            .map_err(|e| Failure::message(Exit::Input, format!("the ledger of what was spent is damaged: {e}")))
    }

    fn mine(&self, entry: &Entry) -> bool {
        let Purse { chain_id, market, buyer, token } = self.purse;
        (entry.chain_id, entry.market, entry.buyer, entry.token) == (chain_id, market, buyer, token)
    }

    /// Lets `change` make another sum of what was spent, and writes it down before it counts.
    fn update(&self, change: impl FnOnce(U256) -> Outcome<U256>) -> Outcome<U256> {
        let mut file = self.ledger.lock().map_err(|_| Failure::message(Exit::Failed, "the ledger is in disorder"))?;
        let mut entries = Self::entries(&mut file)?;
        let before = entries.iter().find(|entry| self.mine(entry)).map_or(U256::ZERO, |entry| entry.spent);
        let after = change(before)?;
        if after == before {
            return Ok(after);
        }
        entries.retain(|entry| !self.mine(entry));
        let Purse { chain_id, market, buyer, token } = self.purse;
        entries.push(Entry { chain_id, market, buyer, token, spent: after });
        let text = serde_json::to_vec_pretty(&entries).map_err(|e| Failure::new(Exit::Failed, e))?;
        file.rewind()
            .and_then(|()| file.set_len(0))
            .and_then(|()| file.write_all(&text))
            .and_then(|()| file.sync_all())?;
        Ok(after)
    }

    /// What was spent so far.
    pub fn spent(&self) -> Outcome<U256> {
        self.update(Ok)
    }

    /// What is left.
    pub fn left(&self) -> Outcome<U256> {
        Ok(U256::from(self.total).saturating_sub(self.spent()?))
    }

    /// Counts a price before it is paid. Errors: it is beyond a limit, and nothing is counted.
    pub fn take(&self, price: u128) -> Outcome<U256> {
        if price > self.each {
            let text = format!("the price is {price}, and an order may cost at most {} (--max-price)", self.each);
            return Err(Failure::message(Exit::Failed, text));
        }
        self.update(|spent| {
            let after = spent.saturating_add(U256::from(price));
            if after <= U256::from(self.total) {
                return Ok(after);
            }
            let left = U256::from(self.total).saturating_sub(spent);
            Err(Failure::message(
                Exit::Failed,
                format!("the price is {price}, and of the budget of {} are {left} left (--budget)", self.total),
            ))
        })
    }

    /// Takes a price back that was counted and, as the chain says, not paid.
    pub fn give_back(&self, price: u128) -> Outcome<U256> {
        self.update(|spent| Ok(spent.saturating_sub(U256::from(price))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PURSE: Purse = Purse { chain_id: 1, market: Address::ZERO, buyer: Address::ZERO, token: Address::ZERO };

    #[test]
    fn a_restart_lifts_no_limit() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("new/spent.json");
        let open = |purse| Budget::open(&path, purse, 100, 60);
        let budget = open(PURSE).unwrap();
        assert!(budget.take(61).is_err(), "more than an order may cost");
        assert_eq!(budget.take(60).unwrap(), U256::from(60));
        assert!(open(PURSE).is_err(), "one at a time");
        drop(budget);
        let again = open(PURSE).unwrap();
        let refused = again.take(41).unwrap_err();
        assert!(refused.text().contains("40 left"), "{}", refused.text());
        assert_eq!(again.take(40).unwrap(), U256::from(100));
        assert_eq!(again.left().unwrap(), U256::ZERO);
        assert_eq!(again.give_back(40).unwrap(), U256::from(60));
        drop(again);
        let other = Purse { buyer: Address::repeat_byte(1), ..PURSE };
        assert_eq!(open(other).unwrap().spent().unwrap(), U256::ZERO, "another account has a limit of its own");
        assert_eq!(open(PURSE).unwrap().spent().unwrap(), U256::from(60));
        std::fs::write(&path, "{").unwrap();
        assert!(open(PURSE).is_err(), "what is damaged does not count as nothing");
    }
}
