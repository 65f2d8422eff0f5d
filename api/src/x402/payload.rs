//! What goes over the wire.

use alloy::primitives::{Address, B256, Bytes};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::PaymentError;

/// One way to pay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Requirements {
    /// `exact` or `auth-capture`.
    pub scheme: String,
    /// The chain: `eip155:` and its number.
    pub network: String,
    /// The price in the token's smallest unit.
    pub amount: String,
    /// The token.
    pub asset: Address,
    /// Who is paid.
    pub pay_to: Address,
    /// How long the payment must be valid.
    pub max_timeout_seconds: u64,
    /// What signing it takes.
    #[serde(default)]
    pub extra: Extra,
}

/// The token's EIP-712 domain, and how it moves.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Extra {
    /// The domain's name.
    #[serde(default)]
    pub name: String,
    /// The domain's version.
    #[serde(default)]
    pub version: String,
    /// `eip3009` or `permit2`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asset_transfer_method: Option<String>,
    /// Of `auth-capture`: how the money is held.
    #[serde(flatten)]
    pub hold: Option<HoldTerms>,
}

/// How money is held that is authorised before and captured later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HoldTerms {
    /// The account that authorises, captures and gives back.
    pub capture_authorizer: Address,
    /// Unix seconds after which the payer can take the money back.
    pub capture_deadline: u64,
    /// Unix seconds until which captured money could be refunded.
    pub refund_deadline: u64,
    /// Who gets a fee.
    pub fee_recipient: Address,
    /// The least fee in basis points.
    pub min_fee_bps: u16,
    /// The highest.
    pub max_fee_bps: u16,
    /// Whether the money goes to the payee at once.
    #[serde(default)]
    pub auto_capture: bool,
}

/// What is paid for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Resource {
    /// Its address.
    pub url: String,
    /// For people.
    pub description: String,
    /// What it answers.
    pub mime_type: String,
}

/// The header `PAYMENT-REQUIRED`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PaymentRequired {
    /// 2.
    pub x402_version: u8,
    /// Why a payment that was sent is not taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What is paid for.
    pub resource: Resource,
    /// The ways to pay.
    pub accepts: Vec<Requirements>,
}

/// The header `PAYMENT-SIGNATURE`. What it says of resource and extensions is not read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PaymentPayload {
    /// 2.
    pub x402_version: u8,
    /// The way to pay that was chosen.
    pub accepted: Requirements,
    /// The payment.
    pub payload: Exact,
}

/// A transfer that was signed, in one of two ways.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Exact {
    /// 65 bytes, or what an account that is a contract takes.
    pub signature: Bytes,
    /// What was signed, by EIP-3009.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorization: Option<Authorization>,
    /// What was signed, by Permit2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permit2_authorization: Option<Permit2Authorization>,
    /// Of `auth-capture`: what the nonce was made with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub salt: Option<B256>,
}

/// Permit2's fields. Numbers are decimal strings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Permit2Authorization {
    /// Who pays.
    pub from: Address,
    /// What may be taken.
    pub permitted: Permitted,
    /// The contract that takes it: x402's proxy.
    pub spender: Address,
    /// What tells it from the payer's others.
    pub nonce: String,
    /// Unix seconds until which it is valid.
    pub deadline: String,
    /// Who is paid, and from when on.
    pub witness: PaidTo,
}

/// What Permit2 may take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Permitted {
    /// The token.
    pub token: Address,
    /// How much.
    pub amount: String,
}

/// Who is paid by Permit2.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PaidTo {
    /// The payee.
    pub to: Address,
    /// Unix seconds from which on it is valid.
    pub valid_after: String,
}

/// EIP-3009's fields. Numbers are decimal strings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Authorization {
    /// Who pays.
    pub from: Address,
    /// Who is paid.
    pub to: Address,
    /// How much.
    pub value: String,
    /// Unix seconds after which it is valid.
    pub valid_after: String,
    /// Unix seconds before which it is valid.
    pub valid_before: String,
    /// What tells it from the payer's others.
    pub nonce: B256,
}

/// The header `PAYMENT-RESPONSE`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SettleResponse {
    /// Whether the money moved.
    pub success: bool,
    /// Why it did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_reason: Option<String>,
    /// Who pays.
    pub payer: Address,
    /// The transaction; empty if there is none.
    pub transaction: String,
    /// The chain.
    pub network: String,
    /// What was moved; 0 if nothing was.
    pub amount: String,
}

/// JSON as these headers have it.
pub fn encode(value: &impl Serialize) -> Option<String> {
    serde_json::to_vec(value).ok().map(|json| STANDARD.encode(json))
}

/// Reads such a header.
pub fn decode<T: DeserializeOwned>(header: &str) -> Result<T, PaymentError> {
    let malformed = |detail: String| PaymentError::Malformed { detail };
    let bytes = STANDARD_NO_PAD.decode(header.trim().trim_end_matches('=')).map_err(|e| malformed(e.to_string()))?;
    serde_json::from_slice(&bytes).map_err(|e| malformed(crate::error::plain(&e.to_string())))
}
