//! Orders and quotes as JSON, their EIP-712 digests, and the checks of an escrow that comes with a prediction.
//!
//! Amounts are decimal strings, since 128-bit numbers do not survive JSON.

use alloy::primitives::{Address, B256, Bytes, Signature, U256};
use alloy::sol_types::{Eip712Domain, SolStruct};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::ToSchema;

use crate::chain::abi;
use crate::engine::ModelInfo;
use crate::routes::schemas::{Account, Amount, Hash, Hex};

/// Why an escrow does not fit its prediction.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EscrowError {
    /// The quote was not signed by this server's seller.
    #[error("the quote is not signed by the seller {seller}")]
    Signature {
        /// Who should have signed.
        seller: Address,
    },
    /// The quote can no longer be funded.
    #[error("the quote was valid until {valid_until} (unix seconds)")]
    QuoteExpired {
        /// When.
        valid_until: u64,
    },
    /// A field of the order does not match the quote, the model or the input.
    #[error("field {field} of the order is {have} and should be {need}")]
    Field {
        /// The field.
        field: &'static str,
        /// Its value.
        have: String,
        /// What it should be.
        need: String,
    },
    /// The market's record of the job says that it was taken, cancelled or is over.
    #[error("the market's job is in state {state} and can no longer be taken")]
    Spent {
        /// The market's `State`.
        state: u8,
    },
    /// The escrow was funded so long ago that the time left is too short to lock it.
    #[error(
        "the job must be proven by {prove_by} (unix seconds), and this server locks none with less than {margin_secs} \
         seconds left: cancel it"
    )]
    TooLate {
        /// The market's deadline for the lock's prover.
        prove_by: u64,
        /// Seconds that must be left.
        margin_secs: u64,
    },
    /// The order pays only for an inference without clamps, and this one has some.
    #[error(
        "the order asks that nothing is clamped, and this inference has {clamps} clamps: its input is unlike the \
         samples that the model was calibrated with. Order without `unclamped` (`--unclamped` of the command) to buy \
         it all the same"
    )]
    Clamped {
        /// The number that a proof would state.
        clamps: u32,
    },
    /// The quote does not let this server prove.
    #[error("the quote does not list the prover {prover}")]
    ProverNotListed {
        /// This server's prover.
        prover: Address,
    },
}

impl EscrowError {
    /// The problem code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Signature { .. } => "quote-signature",
            Self::QuoteExpired { .. } => "quote-expired",
            Self::Spent { .. } => "escrow-spent",
            Self::TooLate { .. } => "escrow-too-late",
            Self::Clamped { .. } => "clamped",
            Self::Field { .. } | Self::ProverNotListed { .. } => "escrow-mismatch",
        }
    }
}

mod decimal {
    use super::*;

    pub fn serialize<S: Serializer>(value: &u128, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(value)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<u128, D::Error> {
        String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}

/// What the buyer orders; the market's job id is its EIP-712 digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[allow(missing_docs)] // the contract's interface documents the fields
pub struct Order {
    #[schema(value_type = Account)]
    pub buyer: Address,
    #[schema(value_type = Hash)]
    pub model_id: B256,
    #[schema(value_type = Hash)]
    pub model_commitment: B256,
    #[schema(value_type = Hash)]
    pub input_commitment: B256,
    #[schema(value_type = Hash)]
    pub key_hash: B256,
    #[schema(value_type = Account)]
    pub verifier: Address,
    #[schema(value_type = Account)]
    pub token: Address,
    #[serde(with = "decimal")]
    #[schema(value_type = Amount)]
    pub max_price: u128,
    #[schema(value_type = Hash)]
    pub fee_split_hash: B256,
    pub prove_secs: u32,
    pub expire_secs: u32,
    #[serde(with = "decimal")]
    #[schema(value_type = Amount)]
    pub collateral: u128,
    #[schema(value_type = Account)]
    pub prover: Address,
    #[schema(value_type = Hash)]
    pub salt: B256,
    /// Pay only for a proof which says that no value of the inference had to be clamped. The seller's quote does not
    /// depend on it.
    #[serde(default)]
    pub unclamped: bool,
}

/// What the seller offers and signs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[allow(missing_docs)] // the contract's interface documents the fields
pub struct Quote {
    #[schema(value_type = Hash)]
    pub model_id: B256,
    #[schema(value_type = Hash)]
    pub key_hash: B256,
    #[schema(value_type = Account)]
    pub token: Address,
    #[serde(with = "decimal")]
    #[schema(value_type = Amount)]
    pub price: u128,
    #[serde(with = "decimal")]
    #[schema(value_type = Amount)]
    pub collateral: u128,
    pub prove_secs: u32,
    pub expire_secs: u32,
    #[schema(value_type = Account)]
    pub buyer: Address,
    #[schema(value_type = Vec<Account>)]
    pub provers: Vec<Address>,
    pub valid_from: u64,
    pub valid_until: u64,
    /// How many inferences a job buys.
    pub inferences: u32,
    /// How many jobs the quote can fund; 0 for any number.
    pub uses: u32,
    /// The model's, which moves with its token and when its owner revokes all quotes.
    pub epoch: u32,
    #[schema(value_type = Hash)]
    pub nonce: B256,
}

/// An order with the quote that it accepts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Escrow {
    /// The order.
    #[serde(deserialize_with = "crate::error::object")]
    pub order: Order,
    /// The quote.
    #[serde(deserialize_with = "crate::error::object")]
    pub quote: Quote,
    /// The seller's signature of the quote, 65 bytes.
    #[schema(value_type = Hex)]
    pub signature: Bytes,
}

/// The market's model id as a number.
pub fn model_id(id: B256) -> U256 {
    U256::from_be_bytes(id.0)
}

impl From<&Order> for abi::Order {
    fn from(o: &Order) -> Self {
        Self {
            buyer: o.buyer,
            modelId: model_id(o.model_id),
            modelCommitment: o.model_commitment,
            inputCommitment: o.input_commitment,
            keyHash: o.key_hash,
            verifier: o.verifier,
            token: o.token,
            maxPrice: o.max_price,
            feeSplitHash: o.fee_split_hash,
            proveSecs: o.prove_secs,
            expireSecs: o.expire_secs,
            collateral: o.collateral,
            prover: o.prover,
            salt: o.salt,
            unclamped: o.unclamped,
        }
    }
}

impl From<&Quote> for abi::Quote {
    fn from(q: &Quote) -> Self {
        Self {
            modelId: model_id(q.model_id),
            keyHash: q.key_hash,
            token: q.token,
            price: q.price,
            collateral: q.collateral,
            proveSecs: q.prove_secs,
            expireSecs: q.expire_secs,
            buyer: q.buyer,
            provers: q.provers.clone(),
            validFrom: q.valid_from,
            validUntil: q.valid_until,
            inferences: q.inferences,
            uses: q.uses,
            epoch: q.epoch,
            nonce: U256::from_be_bytes(q.nonce.0),
        }
    }
}

impl Order {
    /// The EIP-712 digest: the market's job id.
    pub fn job_id(&self, domain: &Eip712Domain) -> B256 {
        abi::Order::from(self).eip712_signing_hash(domain)
    }
}

impl Quote {
    /// The EIP-712 digest that the seller signs.
    pub fn digest(&self, domain: &Eip712Domain) -> B256 {
        abi::Quote::from(self).eip712_signing_hash(domain)
    }
}

fn field(
    field: &'static str,
    have: impl ToString + PartialEq,
    need: impl ToString,
    equal: bool,
) -> Result<(), EscrowError> {
    if equal { Ok(()) } else { Err(EscrowError::Field { field, have: have.to_string(), need: need.to_string() }) }
}

/// What this server holds an escrow against.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// The model of the request.
    pub model: &'a ModelInfo,
    /// Digest of the request's input commitments.
    pub input: B256,
    /// Who signs quotes.
    pub seller: Address,
    /// Who proves.
    pub prover: Address,
    /// The market's EIP-712 domain.
    pub domain: &'a Eip712Domain,
}

impl Escrow {
    /// Checks the quote's signature and that order, quote, model and input fit each other. Returns the market's job id.
    pub fn check(&self, expected: &Expected<'_>) -> Result<B256, EscrowError> {
        let (o, q, m) = (&self.order, &self.quote, expected.model);
        let seller = expected.seller;
        let signature = Signature::from_raw(&self.signature).map_err(|_| EscrowError::Signature { seller })?;
        let signer = signature
            .recover_address_from_prehash(&q.digest(expected.domain))
            .map_err(|_| EscrowError::Signature { seller })?;
        if signer != seller {
            return Err(EscrowError::Signature { seller });
        }
        field("model_id", o.model_id, m.id, o.model_id == m.id)?;
        field("quote.model_id", q.model_id, m.id, q.model_id == m.id)?;
        field("model_commitment", o.model_commitment, m.model_commitment, o.model_commitment == m.model_commitment)?;
        field("input_commitment", o.input_commitment, expected.input, o.input_commitment == expected.input)?;
        field("key_hash", o.key_hash, m.key_hash, m.inferences_of(o.key_hash).is_some())?;
        field("quote.key_hash", q.key_hash, o.key_hash, q.key_hash == o.key_hash)?;
        field("quote.inferences", q.inferences, 1, q.inferences == 1)?;
        field("token", o.token, q.token, o.token == q.token)?;
        field("max_price", o.max_price, format!("at least {}", q.price), o.max_price >= q.price)?;
        field("prove_secs", o.prove_secs, q.prove_secs, o.prove_secs == q.prove_secs)?;
        field("expire_secs", o.expire_secs, q.expire_secs, o.expire_secs == q.expire_secs)?;
        field("collateral", o.collateral, q.collateral, o.collateral == q.collateral)?;
        field("buyer", o.buyer, q.buyer, q.buyer.is_zero() || o.buyer == q.buyer)?;
        field("prover", o.prover, expected.prover, o.prover.is_zero() || o.prover == expected.prover)?;
        if !q.provers.contains(&expected.prover) {
            return Err(EscrowError::ProverNotListed { prover: expected.prover });
        }
        Ok(o.job_id(expected.domain))
    }
}
