//! Payments by x402, version 2, in the scheme `exact`: the buyer signs that a token's contract may move the price to the seller
//! (EIP-3009), sends that along with the request, and the service has it moved when the proof is made and verified.
//!
//! Headers and JSON are those of the packages `@x402/core` and `@x402/evm`.

mod payload;

pub use payload::{Authorization, Exact, Extra, PaymentError, PaymentPayload, PaymentRequired, Requirements, Resource, SettleResponse};
pub(crate) use payload::{Moment, decode, encode};

use alloy::primitives::{Address, B256, Bytes, Signature, U256};
use serde::{Deserialize, Serialize};

use crate::chain::abi::Eip3009;

/// The version of the protocol.
pub const VERSION: u8 = 2;
/// The scheme: a price that is known before.
pub const SCHEME: &str = "exact";
/// Header of an answer: what is to be paid.
pub const REQUIRED: &str = "payment-required";
/// Header of a request: what pays for it.
pub const SIGNATURE: &str = "payment-signature";
/// Header of an answer: what became of the payment.
pub const RESPONSE: &str = "payment-response";

/// What payments are taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct X402Config {
    /// The token, which must know EIP-3009.
    pub token: Address,
    /// Price of models whose terms are in another token.
    pub price: Option<u128>,
}

/// A payment that was authorised, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payment {
    /// The chain: `eip155:` and its number.
    pub network: String,
    /// The token.
    pub asset: Address,
    /// Who pays.
    pub payer: Address,
    /// Who is paid.
    pub pay_to: Address,
    /// How much, in the token's smallest unit.
    pub amount: String,
    /// Unix seconds after which it can be captured.
    pub valid_after: U256,
    /// Unix seconds before which it must be.
    pub valid_before: U256,
    /// What tells it from the payer's other authorisations.
    pub nonce: B256,
    /// The payer's signature, 65 bytes.
    pub signature: Bytes,
    /// The chain's newest block when it was authorised.
    pub block: u64,
    /// The transaction that moved the money, once one has.
    #[serde(default)]
    pub transaction: Option<B256>,
}

impl Payment {
    /// What tells this authorisation from all others.
    pub fn id(&self) -> String {
        format!("{} {} {} {}", self.network, self.asset, self.payer, self.nonce)
    }

    /// The amount as a number.
    pub fn value(&self) -> U256 {
        self.amount.parse().unwrap_or(U256::MAX)
    }

    /// The token's call that moves the money. `None` if the signature is none.
    pub fn call(&self) -> Option<Eip3009::transferWithAuthorizationCall> {
        let signature = Signature::from_raw(&self.signature).ok()?;
        Some(Eip3009::transferWithAuthorizationCall {
            from: self.payer,
            to: self.pay_to,
            value: self.value(),
            validAfter: self.valid_after,
            validBefore: self.valid_before,
            nonce: self.nonce,
            v: 27 + u8::from(signature.v()),
            r: signature.r().into(),
            s: signature.s().into(),
        })
    }
}
