//! Fees that are raised when a transaction waits for too long.

use alloy::consensus::{SignableTransaction, TxEip1559, TxEnvelope};
use alloy::eips::eip2718::{Decodable2718, Encodable2718};
use alloy::network::TxSignerSync;
use alloy::primitives::U256;
use alloy::providers::Provider;
use alloy::providers::utils::Eip1559Estimation;
use alloy::signers::local::PrivateKeySigner;

use super::{ChainError, Rpc};
use crate::store::SavedTransaction;

/// How many times the fees of the moment a transaction pays at most: what waits although it pays so much waits for
/// something else.
const CAP: u128 = 4;

/// Whether a node means with these words that a transaction pays too little. Nodes have no code for it.
pub(super) fn is_underpriced(message: &str) -> bool {
    let message = message.to_lowercase();
    ["underpriced", "fee too low", "gas price too low", "less than block base fee", "below the minimum"]
        .iter()
        .any(|said| message.contains(said))
}

/// A quarter more: nodes replace a transaction only by one that pays a tenth more, in both fees.
fn more(fee: u128) -> u128 {
    fee.saturating_add(fee.div_ceil(4)).max(1)
}

/// Fees for the same transaction once more; `None` if it pays so much already that more would not help.
fn raised(old: &TxEip1559, now: &Eip1559Estimation) -> Option<Eip1559Estimation> {
    let max_fee_per_gas = more(old.max_fee_per_gas).max(now.max_fee_per_gas);
    let max_priority_fee_per_gas =
        more(old.max_priority_fee_per_gas).max(now.max_priority_fee_per_gas).min(max_fee_per_gas);
    let most = now.max_fee_per_gas.saturating_mul(CAP);
    (max_fee_per_gas <= most).then_some(Eip1559Estimation { max_fee_per_gas, max_priority_fee_per_gas })
}

impl Rpc {
    /// The same transaction with higher fees, signed and not sent. `None`: it pays several times the fees of the moment
    /// already, or the account has no more.
    pub async fn dearer(
        &self,
        from: &PrivateKeySigner,
        old: &SavedTransaction,
    ) -> Result<Option<SavedTransaction>, ChainError> {
        let envelope = TxEnvelope::decode_2718(&mut old.raw.as_ref()).map_err(|e| ChainError::Sign(Box::new(e)))?;
        let Some(signed) = envelope.as_eip1559() else { return Ok(None) };
        let mut tx = signed.tx().clone();
        let Some(fees) = raised(&tx, &self.provider().estimate_eip1559_fees().await?) else { return Ok(None) };
        tx.max_fee_per_gas = fees.max_fee_per_gas;
        tx.max_priority_fee_per_gas = fees.max_priority_fee_per_gas;
        let need = U256::from(tx.gas_limit).saturating_mul(U256::from(tx.max_fee_per_gas)).saturating_add(tx.value);
        if self.balance(from.address()).await? < need {
            return Ok(None);
        }
        let signature = from.sign_transaction_sync(&mut tx).map_err(|e| ChainError::Sign(Box::new(e)))?;
        let signed = TxEnvelope::from(tx.into_signed(signature));
        Ok(Some(SavedTransaction { hash: *signed.tx_hash(), nonce: old.nonce, raw: signed.encoded_2718().into() }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tx(max_fee_per_gas: u128, max_priority_fee_per_gas: u128) -> TxEip1559 {
        TxEip1559 { max_fee_per_gas, max_priority_fee_per_gas, ..TxEip1559::default() }
    }

    fn now(max_fee_per_gas: u128, max_priority_fee_per_gas: u128) -> Eip1559Estimation {
        Eip1559Estimation { max_fee_per_gas, max_priority_fee_per_gas }
    }

    #[test]
    fn fees_rise_by_a_quarter_up_to_four_times_those_of_the_moment() {
        let fees = |old, now| raised(&old, &now).map(|fees| (fees.max_fee_per_gas, fees.max_priority_fee_per_gas));
        assert_eq!(fees(tx(100, 10), now(100, 10)), Some((125, 13)));
        assert_eq!(fees(tx(100, 10), now(1000, 50)), Some((1000, 50)), "those of the moment, if they are higher");
        assert_eq!(fees(tx(100, 0), now(100, 0)), Some((125, 1)), "a fee of nothing, too, rises");
        assert_eq!(fees(tx(330, 10), now(100, 10)), None, "it waits for something else");
        assert_eq!(fees(tx(u128::MAX, 1), now(u128::MAX, 1)), Some((u128::MAX, 2)));
    }

    #[test]
    fn nodes_say_it_in_many_words() {
        for words in [
            "replacement transaction underpriced",
            "transaction underpriced",
            "max fee per gas less than block base fee",
            "FeeTooLow, gas price too low",
        ] {
            assert!(is_underpriced(words), "{words}");
        }
        assert!(!is_underpriced("nonce too low") && !is_underpriced("insufficient funds for gas * price + value"));
    }
}
