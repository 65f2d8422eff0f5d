//! Payments by x402, version 2: the buyer signs that the price may be moved to the seller and sends that along with the
//! request, and the service has it moved when the proof is made and verified. In the scheme `exact` the money stays
//! with the buyer until then, and moves by the token's own means (EIP-3009) or by Permit2; in `auth-capture` a contract
//! holds it from before the proof is begun.
//!
//! Headers and JSON are those of the packages `@x402/core` and `@x402/evm`.

mod check;
mod payload;
mod refusal;

pub use check::Domains;
pub(crate) use check::{Checked, Moment};
pub use payload::{
    Authorization, Exact, Extra, HoldTerms, PaidTo, PaymentPayload, PaymentRequired, Permit2Authorization, Permitted,
    Requirements, Resource, SettleResponse,
};
pub(crate) use payload::{decode, encode};
pub use refusal::PaymentError;

use alloy::primitives::aliases::{U48, U120};
use alloy::primitives::{Address, B256, Bytes, Signature, U256, keccak256};
use alloy::sol_types::{SolCall, SolStruct, SolValue};
use serde::{Deserialize, Serialize};

use crate::chain::abi::Eip3009;
use crate::chain::payments::{
    COLLECTOR, EXACT_PROXY, Eip3009Bytes, ExactProxy, HOLD, Hold as HoldContract, PaymentInfo, PermitTransferFrom,
    TokenPermissions, Witness,
};

/// The version of the protocol.
pub const VERSION: u8 = 2;
/// The scheme of a price that is known before.
pub const EXACT: &str = "exact";
/// The scheme of a price that is held until the proof is there.
pub const AUTH_CAPTURE: &str = "auth-capture";
/// Header of an answer: what is to be paid.
pub const REQUIRED: &str = "payment-required";
/// Header of a request: what pays for it.
pub const SIGNATURE: &str = "payment-signature";
/// Header of an answer: what became of the payment.
pub const RESPONSE: &str = "payment-response";

/// What payments are taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct X402Config {
    /// The token.
    pub token: Address,
    /// Price of models whose terms are in another token.
    pub price: Option<u128>,
}

/// By whose contracts a payment moves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// The token's (EIP-3009), in the scheme `exact`.
    #[default]
    Eip3009,
    /// Permit2's and x402's proxy, in the scheme `exact`.
    Permit2,
    /// A contract that holds it, in the scheme `auth-capture`; it gets there by EIP-3009.
    AuthCapture(Hold),
}

/// How a payment is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// The account that captures it or gives it back.
    pub operator: Address,
    /// Unix seconds before which it must be captured; then the payer can take it back.
    pub capture_deadline: u64,
    /// Unix seconds until which a captured one could be refunded.
    pub refund_deadline: u64,
    /// What the payer made the nonce with.
    pub salt: B256,
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
    /// Unix seconds after which it can be captured; by Permit2, from which on.
    pub valid_after: U256,
    /// Unix seconds before which it must be captured, or held; by Permit2, until which.
    pub valid_before: U256,
    /// What tells it from the payer's other authorisations.
    pub nonce: B256,
    /// The payer's signature: 65 bytes, or what an account that is a contract takes.
    pub signature: Bytes,
    /// The chain's newest block when it was authorised.
    pub block: u64,
    /// The transaction that moved the money, once one has.
    #[serde(default)]
    pub transaction: Option<B256>,
    /// By whose contracts it moves.
    #[serde(default)]
    pub way: Way,
    /// Whether the payer's account is a contract that checks the signature (ERC-1271).
    #[serde(default)]
    pub by_contract: bool,
    /// Whether the money was held when the proof was begun.
    #[serde(default)]
    pub held: bool,
}

/// A call of a contract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaymentCall {
    /// The contract.
    pub to: Address,
    /// Calldata.
    pub input: Bytes,
}

impl PaymentCall {
    fn new(to: Address, call: &impl SolCall) -> Self {
        Self { to, input: call.abi_encode().into() }
    }
}

impl Payment {
    /// What tells this authorisation from all others. Permit2 counts nonces of a payer for all tokens together.
    pub fn id(&self) -> String {
        match self.way {
            Way::Permit2 => format!("{} permit2 {} {}", self.network, self.payer, self.nonce),
            Way::Eip3009 | Way::AuthCapture(_) => {
                format!("{} {} {} {}", self.network, self.asset, self.payer, self.nonce)
            }
        }
    }

    /// The amount as a number.
    pub fn value(&self) -> U256 {
        self.amount.parse().unwrap_or(U256::MAX)
    }

    /// How it is held, in the scheme that holds.
    pub fn hold(&self) -> Option<&Hold> {
        match &self.way {
            Way::AuthCapture(hold) => Some(hold),
            Way::Eip3009 | Way::Permit2 => None,
        }
    }

    /// The call that takes the money from the payer: to the payee, or to where it is held. `None` if the signature is
    /// none.
    pub fn take(&self) -> Option<PaymentCall> {
        match self.way {
            Way::Eip3009 if self.by_contract => Some(PaymentCall::new(
                self.asset,
                &Eip3009Bytes::transferWithAuthorizationCall {
                    from: self.payer,
                    to: self.pay_to,
                    value: self.value(),
                    validAfter: self.valid_after,
                    validBefore: self.valid_before,
                    nonce: self.nonce,
                    signature: self.signature.clone(),
                },
            )),
            Way::Eip3009 => {
                let signature = Signature::from_raw(&self.signature).ok()?;
                let call = Eip3009::transferWithAuthorizationCall {
                    from: self.payer,
                    to: self.pay_to,
                    value: self.value(),
                    validAfter: self.valid_after,
                    validBefore: self.valid_before,
                    nonce: self.nonce,
                    v: 27 + u8::from(signature.v()),
                    r: signature.r().into(),
                    s: signature.s().into(),
                };
                Some(PaymentCall::new(self.asset, &call))
            }
            Way::Permit2 => {
                let call = ExactProxy::settleCall {
                    permit: PermitTransferFrom {
                        permitted: TokenPermissions { token: self.asset, amount: self.value() },
                        nonce: self.nonce.into(),
                        deadline: self.valid_before,
                    },
                    owner: self.payer,
                    witness: Witness { to: self.pay_to, validAfter: self.valid_after },
                    signature: self.signature.clone(),
                };
                Some(PaymentCall::new(EXACT_PROXY, &call))
            }
            Way::AuthCapture(_) => {
                let call = HoldContract::authorizeCall {
                    paymentInfo: self.info()?,
                    amount: self.value(),
                    tokenCollector: COLLECTOR,
                    collectorData: self.signature.clone(),
                };
                Some(PaymentCall::new(HOLD, &call))
            }
        }
    }

    /// The call that pays: the same, or that which hands on what is held.
    pub fn capture(&self) -> Option<PaymentCall> {
        if self.hold().is_none() {
            return self.take();
        }
        let call = HoldContract::captureCall {
            paymentInfo: self.info()?,
            amount: self.value(),
            feeBps: 0,
            feeReceiver: Address::ZERO,
        };
        Some(PaymentCall::new(HOLD, &call))
    }

    /// The call that gives back what is held.
    pub fn give_back(&self) -> Option<PaymentCall> {
        Some(PaymentCall::new(HOLD, &HoldContract::voidCall { paymentInfo: self.info()? }))
    }

    /// The payment as the contract that holds it knows it. `None` in other schemes, and for numbers that it has no room
    /// for.
    fn info(&self) -> Option<PaymentInfo> {
        let hold = self.hold()?;
        Some(PaymentInfo {
            operator: hold.operator,
            payer: self.payer,
            receiver: self.pay_to,
            token: self.asset,
            maxAmount: U120::try_from(u128::try_from(self.value()).ok()?).ok()?,
            preApprovalExpiry: U48::try_from(u64::try_from(self.valid_before).ok()?).ok()?,
            authorizationExpiry: U48::try_from(hold.capture_deadline).ok()?,
            refundExpiry: U48::try_from(hold.refund_deadline).ok()?,
            minFeeBps: 0,
            maxFeeBps: 0,
            feeReceiver: Address::ZERO,
            salt: hold.salt.into(),
        })
    }

    /// The hash by which that contract knows it; without the payer, the nonce that the payer signs.
    pub fn hold_hash(&self, without_payer: bool) -> Option<B256> {
        let mut info = self.info()?;
        if without_payer {
            info.payer = Address::ZERO;
        }
        let chain: U256 = self.network.strip_prefix("eip155:")?.parse().ok()?;
        Some(keccak256((chain, HOLD, info.eip712_hash_struct()).abi_encode()))
    }
}
