//! What goes over the wire, and the checks of a payment that need no chain.

use alloy::primitives::{Address, B256, Bytes, Signature, U256};
use alloy::sol_types::{Eip712Domain, SolStruct};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{Payment, SCHEME, VERSION};
use crate::chain::abi::TransferWithAuthorization;

/// Why a payment is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PaymentError {
    /// The header cannot be read.
    #[error("PAYMENT-SIGNATURE is not the base64 of a payment as x402 version 2 has it: {detail}")]
    Malformed {
        /// What is wrong.
        detail: String,
    },
    /// Two ways to pay in one request.
    #[error("the request has an escrow and PAYMENT-SIGNATURE: send one of them")]
    Twice,
    /// The server takes no such payments.
    #[error("this server takes no payments by x402: ask for a quote and fund it")]
    NotOffered,
    /// Another version.
    #[error("the payment is for version {version} of x402, and this server speaks version 2")]
    Version {
        /// The payment's.
        version: u8,
    },
    /// Another scheme.
    #[error("the payment's scheme is {scheme}, and this server takes exact, by transferWithAuthorization (EIP-3009)")]
    Scheme {
        /// The payment's.
        scheme: String,
    },
    /// Another chain.
    #[error("the payment is on network {have}, and this server is paid on {need}")]
    Network {
        /// The payment's.
        have: String,
        /// The server's.
        need: String,
    },
    /// Another token.
    #[error("the payment is in the token {have}, and this server takes {need}")]
    Asset {
        /// The payment's.
        have: Address,
        /// The server's.
        need: Address,
    },
    /// Another payee.
    #[error("the payment goes to {have}, and must go to {need}")]
    Recipient {
        /// The payment's.
        have: Address,
        /// The server's.
        need: Address,
    },
    /// Too little.
    #[error("the payment is {have}, and the price is {need}")]
    Underpaid {
        /// The payment's.
        have: U256,
        /// The price.
        need: U256,
    },
    /// Too much.
    #[error("the payment is {have}, and the price is {need}: pay exactly that")]
    Overpaid {
        /// The payment's.
        have: U256,
        /// The price.
        need: U256,
    },
    /// It ends before a proof can be there.
    #[error("the authorisation ends at {valid_before} (unix seconds), and a proof may take until {need}: authorise for longer")]
    Expired {
        /// When it ends.
        valid_before: u64,
        /// When a proof may be there.
        need: u64,
    },
    /// It begins later.
    #[error("the authorisation is valid after {valid_after} (unix seconds), which is not yet")]
    NotYetValid {
        /// When it begins.
        valid_after: u64,
    },
    /// Signed by somebody else.
    #[error("the authorisation is not signed by {payer}")]
    Signature {
        /// Who should have signed.
        payer: Address,
    },
    /// Used before.
    #[error("this authorisation was used before, or cancelled: sign another one, with a nonce of its own")]
    Replayed,
    /// The token's contract would not move the money.
    #[error("the token's contract refuses the transfer: it may be paused, or refuse one of the accounts, or the signature's form")]
    Refused,
    /// The payer has less.
    #[error("{payer} has {have} of the token, and its payments that are under way need {need}")]
    Funds {
        /// Who should pay.
        payer: Address,
        /// What the account has.
        have: U256,
        /// What it needs.
        need: U256,
    },
}

impl PaymentError {
    /// The problem code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed { .. } | Self::Twice => "payment-malformed",
            Self::NotOffered => "payment-not-offered",
            Self::Version { .. } => "payment-version",
            Self::Scheme { .. } => "payment-scheme",
            Self::Network { .. } => "payment-network",
            Self::Asset { .. } => "payment-asset",
            Self::Recipient { .. } => "payment-recipient",
            Self::Underpaid { .. } => "payment-underpaid",
            Self::Overpaid { .. } => "payment-overpaid",
            Self::Expired { .. } => "payment-expired",
            Self::NotYetValid { .. } => "payment-not-yet-valid",
            Self::Signature { .. } => "payment-signature",
            Self::Replayed => "payment-replayed",
            Self::Refused => "payment-refused",
            Self::Funds { .. } => "payment-funds",
        }
    }
}

/// One way to pay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Requirements {
    /// `exact`.
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
    /// `eip3009`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asset_transfer_method: Option<String>,
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

/// A transfer that was signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exact {
    /// 65 bytes.
    pub signature: Bytes,
    /// What was signed.
    pub authorization: Authorization,
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

fn number<T: std::str::FromStr>(text: &str, field: &str) -> Result<T, PaymentError> {
    text.parse().map_err(|_| PaymentError::Malformed { detail: format!("{field} is no number") })
}

/// When a payment is looked at.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// Unix seconds: the later of the chain's time and this machine's.
    pub now: u64,
    /// How many seconds the proof may take.
    pub margin_secs: u64,
    /// The chain's newest block.
    pub block: u64,
}

impl PaymentPayload {
    /// Checks that the payment is what was asked for, valid for long enough, and signed by who pays. What the chain says of it comes after.
    pub fn check(&self, offer: &Requirements, domain: &Eip712Domain, at: Moment) -> Result<Payment, PaymentError> {
        let (accepted, signed) = (&self.accepted, &self.payload.authorization);
        if self.x402_version != VERSION {
            return Err(PaymentError::Version { version: self.x402_version });
        }
        let method = accepted.extra.asset_transfer_method.as_deref();
        if accepted.scheme != SCHEME || method.is_some_and(|method| method != "eip3009") {
            return Err(PaymentError::Scheme { scheme: method.unwrap_or(&accepted.scheme).to_owned() });
        }
        if accepted.network != offer.network {
            return Err(PaymentError::Network { have: accepted.network.clone(), need: offer.network.clone() });
        }
        if accepted.asset != offer.asset {
            return Err(PaymentError::Asset { have: accepted.asset, need: offer.asset });
        }
        if signed.to != offer.pay_to {
            return Err(PaymentError::Recipient { have: signed.to, need: offer.pay_to });
        }
        let (have, need): (U256, U256) = (number(&signed.value, "value")?, number(&offer.amount, "amount")?);
        match have.cmp(&need) {
            std::cmp::Ordering::Less => return Err(PaymentError::Underpaid { have, need }),
            std::cmp::Ordering::Greater => return Err(PaymentError::Overpaid { have, need }),
            std::cmp::Ordering::Equal => {}
        }
        let (after, before): (U256, U256) = (number(&signed.valid_after, "validAfter")?, number(&signed.valid_before, "validBefore")?);
        if after >= U256::from(at.now) {
            return Err(PaymentError::NotYetValid { valid_after: after.saturating_to() });
        }
        let proven_by = at.now.saturating_add(at.margin_secs);
        if before <= U256::from(proven_by) {
            return Err(PaymentError::Expired { valid_before: before.saturating_to(), need: proven_by });
        }
        let message = TransferWithAuthorization {
            from: signed.from,
            to: signed.to,
            value: have,
            validAfter: after,
            validBefore: before,
            nonce: signed.nonce,
        };
        let signature = Signature::from_raw(&self.payload.signature).ok().filter(|_| self.payload.signature.len() == 65);
        let signer = signature.and_then(|s| s.recover_address_from_prehash(&message.eip712_signing_hash(domain)).ok());
        if signer != Some(signed.from) {
            return Err(PaymentError::Signature { payer: signed.from });
        }
        Ok(Payment {
            network: offer.network.clone(),
            asset: offer.asset,
            payer: signed.from,
            pay_to: offer.pay_to,
            amount: need.to_string(),
            valid_after: after,
            valid_before: before,
            nonce: signed.nonce,
            signature: self.payload.signature.clone(),
            block: at.block,
            transaction: None,
        })
    }
}
