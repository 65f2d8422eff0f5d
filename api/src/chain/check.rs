//! What a buyer checks before paying: that the order they were given says what the chain says, and what they asked for.

use alloy::primitives::{Address, B256, Signature, U256, keccak256};
use alloy::sol_types::SolValue;

use super::abi::{InferenceMarket, KeyRegistry, ModelRegistry};
use super::{ChainError, Rpc, account};
use crate::terms::{Escrow, model_id};

/// What the buyer asked for.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// The model.
    pub model: B256,
    /// Hash of the verifying key that the buyer recomputed.
    pub key_hash: B256,
    /// Digest of the buyer's input commitments.
    pub input_commitment: B256,
    /// The buyer.
    pub buyer: Address,
    /// The most they pay, in the token's smallest unit.
    pub price_max: u128,
    /// The token they pay in; zero for the native coin.
    pub token: Address,
}

/// What the registry says of the model besides what was checked: its word, and so that of those who admit its keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Whether somebody has proven to know the model's weights, and that they are of the width that its architecture
    /// names.
    pub weights_proven: bool,
}

/// Why a buyer should not pay.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OrderError {
    /// The chain cannot be asked.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// A field is not what it should be.
    #[error("field {field} of the order is not what was asked for, or not what the chain says")]
    Field {
        /// The field.
        field: &'static str,
    },
    /// The quote costs more.
    #[error("the price is {price}, the most to be paid is {price_max}")]
    Price {
        /// Price asked.
        price: u128,
        /// Most to be paid.
        price_max: u128,
    },
    /// Nobody has admitted the key.
    #[error("the key is {status:?}, not admitted")]
    Key {
        /// Its status.
        status: KeyRegistry::Status,
    },
    /// The key's maker can forge proofs.
    #[error("the key is a development key: its maker can forge proofs (accept it explicitly, or do not pay)")]
    DevelopmentKey,
    /// The quote is not signed by the model's owner.
    #[error("the quote is not signed by the model's owner {owner}")]
    Signature {
        /// The holder of the model's token.
        owner: Address,
    },
    /// The model takes no new jobs.
    #[error("the model is deprecated")]
    Deprecated,
}

/// Checks an escrow that a server proposes. `accept_development`: pay for proofs under keys that can be forged, as in a
/// demo. Owners that are contracts (ERC-1271) are not recognised here; the market itself recognises them.
pub async fn check_order(
    rpc: &Rpc,
    market: Address,
    escrow: &Escrow,
    wanted: &Wanted,
    accept_development: bool,
) -> Result<Listed, OrderError> {
    let (o, q) = (&escrow.order, &escrow.quote);
    let field = |field: &'static str, ok: bool| if ok { Ok(()) } else { Err(OrderError::Field { field }) };
    field("model_id", o.model_id == wanted.model && q.model_id == wanted.model)?;
    field("key_hash", o.key_hash == wanted.key_hash && q.key_hash == wanted.key_hash)?;
    field("input_commitment", o.input_commitment == wanted.input_commitment)?;
    field("buyer", o.buyer == wanted.buyer && (q.buyer.is_zero() || q.buyer == wanted.buyer))?;
    field("token", o.token == wanted.token && q.token == wanted.token)?;
    if q.price > wanted.price_max || o.max_price > wanted.price_max {
        return Err(OrderError::Price { price: q.price.max(o.max_price), price_max: wanted.price_max });
    }
    let domain = account::domain(rpc, market).await?;
    field("verifier", rpc.call(market, &InferenceMarket::verifierCall {}).await? == o.verifier)?;
    // a quote for several would need a batch's key; one of another epoch, or for too long, cannot be funded
    field("inferences", q.inferences == 1)?;
    let longest = rpc.call(market, &InferenceMarket::MAX_QUOTE_SECSCall {}).await?;
    field("valid_until", q.valid_until.checked_sub(q.valid_from).is_some_and(|secs| U256::from(secs) <= longest))?;
    let registry = rpc.call(market, &InferenceMarket::modelsCall {}).await?;
    let listed = account::model(rpc, registry, wanted.model).await?;
    field("model_commitment", listed.modelCommitment == o.model_commitment)?;
    field("fee_split_hash", listed.splitHash == o.fee_split_hash)?;
    field("epoch", listed.quoteEpoch == q.epoch)?;
    if listed.deprecated {
        return Err(OrderError::Deprecated);
    }
    let keys = rpc.call(market, &InferenceMarket::keysCall {}).await?;
    let key = rpc.call(keys, &KeyRegistry::keyCall { keyHash: wanted.key_hash }).await?;
    if key.status != KeyRegistry::Status::Admitted {
        return Err(OrderError::Key { status: key.status });
    }
    field("shape", key.shapeDigest == listed.shapeDigest)?;
    if key.development && !accept_development {
        return Err(OrderError::DevelopmentKey);
    }
    let owner = rpc.call(registry, &ModelRegistry::ownerOfCall { tokenId: model_id(wanted.model) }).await?;
    let signer =
        Signature::from_raw(&escrow.signature).and_then(|s| s.recover_address_from_prehash(&q.digest(&domain)));
    if signer.ok() != Some(owner) {
        return Err(OrderError::Signature { owner });
    }
    let weights_proven = !listed.weightsProvenAt.is_zero() && (accept_development || !listed.weightsDevelopment);
    Ok(Listed { weights_proven })
}

/// The binding context of a job's proof before reduction by the field's order: `keccak256(abi.encode(chainId, market,
/// jobId, prover))`.
pub fn context(chain_id: u64, market: Address, job: B256, prover: Address) -> B256 {
    keccak256((U256::from(chain_id), market, job, prover).abi_encode())
}

/// [`context`] for the proof of a batch: `keccak256(abi.encode(chainId, market, keccak256(jobIds), prover, number of
/// jobs))`.
pub fn context_of_batch(chain_id: u64, market: Address, jobs: &[B256], prover: Address) -> B256 {
    let all = keccak256(jobs.concat());
    keccak256((U256::from(chain_id), market, all, prover, U256::from(jobs.len())).abi_encode())
}

/// The context of the proof of a model's weights for the holder of its token: `keccak256(abi.encode(chainId, registry,
/// "weights", modelId, owner))`.
pub fn context_of_weights(chain_id: u64, registry: Address, model: B256, owner: Address) -> B256 {
    keccak256((U256::from(chain_id), registry, "weights", model, owner).abi_encode_params())
}
