//! Why payments are not taken.

use alloy::primitives::{Address, B256, U256};

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
    #[error("the payment is by {scheme}, which this server does not take: PAYMENT-REQUIRED names what it takes")]
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
    /// Permit2's message is for another contract.
    #[error("the permission is for {have}, and must be for {need}")]
    Spender {
        /// The payment's.
        have: Address,
        /// The contract that moves the money.
        need: Address,
    },
    /// Permit2 may not take the price.
    #[error(
        "{payer} lets Permit2 ({permit2}) take {have} of the token, and the price is {need}: approve it once, and send \
         the payment again"
    )]
    Allowance {
        /// Who should pay.
        payer: Address,
        /// Permit2's contract.
        permit2: Address,
        /// What it may take.
        have: U256,
        /// The price.
        need: U256,
    },
    /// Terms of a payment that is held which are not the server's.
    #[error("{what} of a payment that is held is not as this server offers it: send what PAYMENT-REQUIRED says")]
    Terms {
        /// The field.
        what: &'static str,
    },
    /// The nonce is not that of the payment.
    #[error("the nonce is {have}, and that of this payment with this salt is {need}")]
    Nonce {
        /// The payment's.
        have: B256,
        /// As computed.
        need: B256,
    },
    /// It ends before a proof can be there.
    #[error(
        "the authorisation ends at {valid_before} (unix seconds), and a proof may take until {need}: authorise for \
         longer"
    )]
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
    #[error(
        "the token's contract refuses the transfer: it may be paused, or refuse one of the accounts, or the \
         signature's form"
    )]
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
            Self::Spender { .. } => "payment-spender",
            Self::Allowance { .. } => "permit2-allowance-required",
            Self::Terms { .. } => "payment-terms",
            Self::Nonce { .. } => "payment-nonce",
            Self::Expired { .. } => "payment-expired",
            Self::NotYetValid { .. } => "payment-not-yet-valid",
            Self::Signature { .. } => "payment-signature",
            Self::Replayed => "payment-replayed",
            Self::Refused => "payment-refused",
            Self::Funds { .. } => "payment-funds",
        }
    }
}
