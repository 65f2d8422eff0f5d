//! The checks of a payment that need no chain.

use std::cmp::Ordering;

use alloy::primitives::{Address, B256, U256};
use alloy::sol_types::{Eip712Domain, SolStruct};

use super::payload::{Authorization, HoldTerms, PaymentPayload, Permit2Authorization, Requirements};
use super::{EXACT, Hold, Payment, PaymentError, VERSION, Way};
use crate::chain::abi::TransferWithAuthorization;
use crate::chain::payments::{
    COLLECTOR, EXACT_PROXY, PermitWitnessTransferFrom, ReceiveWithAuthorization, TokenPermissions, Witness,
};

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

/// The EIP-712 domains of what payers sign.
#[derive(Clone, Debug)]
pub struct Domains {
    /// The token's, where it knows EIP-3009.
    pub token: Option<Eip712Domain>,
    /// Permit2's.
    pub permit2: Eip712Domain,
}

/// A payment that is what was asked for, if the payer signed it.
#[derive(Clone, Debug)]
pub struct Checked {
    /// The payment.
    pub payment: Payment,
    /// What the payer must have signed.
    pub hash: B256,
}

fn number<T: std::str::FromStr>(text: &str, field: &str) -> Result<T, PaymentError> {
    text.parse().map_err(|_| PaymentError::Malformed { detail: format!("{field} is no number") })
}

/// When a permission begins and ends, unix seconds: it is valid in all of `first..end`.
struct Window {
    first: U256,
    end: U256,
}

impl Window {
    /// The proof must be there while the permission is valid.
    fn check(&self, at: Moment) -> Result<(), PaymentError> {
        if self.first > U256::from(at.now) {
            return Err(PaymentError::NotYetValid { valid_after: self.first.saturating_to::<u64>().saturating_sub(1) });
        }
        let need = at.now.saturating_add(at.margin_secs);
        if self.end <= U256::from(need) {
            return Err(PaymentError::Expired { valid_before: self.end.saturating_to(), need });
        }
        Ok(())
    }
}

impl PaymentPayload {
    /// The one of several ways to pay that the payment is for.
    pub fn choose<'a>(&self, offers: &'a [Requirements]) -> Result<&'a Requirements, PaymentError> {
        let accepted = &self.accepted;
        if self.x402_version != VERSION {
            return Err(PaymentError::Version { version: self.x402_version });
        }
        let by_shape = if self.payload.permit2_authorization.is_some() { "permit2" } else { "eip3009" };
        let method = accepted.extra.asset_transfer_method.as_deref().unwrap_or(by_shape);
        let offered = |offer: &&Requirements| {
            offer.scheme == accepted.scheme
                && offer.extra.asset_transfer_method.as_deref().unwrap_or("eip3009") == method
        };
        offers
            .iter()
            .find(offered)
            .ok_or_else(|| PaymentError::Scheme { scheme: format!("{} with {method}", accepted.scheme) })
    }

    /// Checks that the payment is what was asked for and valid for long enough. Who signed it, and what the chain says
    /// of it, comes after.
    pub fn check(&self, offer: &Requirements, domains: &Domains, at: Moment) -> Result<Checked, PaymentError> {
        let accepted = &self.accepted;
        if accepted.network != offer.network {
            return Err(PaymentError::Network { have: accepted.network.clone(), need: offer.network.clone() });
        }
        if accepted.asset != offer.asset {
            return Err(PaymentError::Asset { have: accepted.asset, need: offer.asset });
        }
        let missing = |field: &str| PaymentError::Malformed { detail: format!("it has no {field}") };
        match (&self.payload.authorization, &self.payload.permit2_authorization) {
            (_, Some(signed))
                if offer.scheme == EXACT && offer.extra.asset_transfer_method.as_deref() == Some("permit2") =>
            {
                self.by_permit2(signed, offer, domains, at)
            }
            (Some(signed), _) if offer.extra.asset_transfer_method.as_deref() != Some("permit2") => {
                let domain = domains.token.as_ref().ok_or(PaymentError::NotOffered)?;
                match &offer.extra.hold {
                    None => self.by_transfer(signed, offer, domain, at),
                    Some(terms) => self.by_hold(signed, (offer, terms), domain, at),
                }
            }
            (None, _) => Err(missing("authorization")),
            (_, None) => Err(missing("permit2Authorization")),
            _ => Err(missing("authorization of the method that it names")),
        }
    }

    fn by_transfer(
        &self,
        signed: &Authorization,
        offer: &Requirements,
        domain: &Eip712Domain,
        at: Moment,
    ) -> Result<Checked, PaymentError> {
        recipient(signed.to, offer.pay_to)?;
        let value = exactly(&signed.value, offer)?;
        let (after, before): (U256, U256) =
            (number(&signed.valid_after, "validAfter")?, number(&signed.valid_before, "validBefore")?);
        Window { first: after.saturating_add(U256::from(1)), end: before }.check(at)?;
        let message = TransferWithAuthorization {
            from: signed.from,
            to: signed.to,
            value,
            validAfter: after,
            validBefore: before,
            nonce: signed.nonce,
        };
        let payment = Payment { valid_after: after, ..self.payment(offer, signed.from, before, signed.nonce, at) };
        Ok(Checked { payment, hash: message.eip712_signing_hash(domain) })
    }

    fn by_permit2(
        &self,
        signed: &Permit2Authorization,
        offer: &Requirements,
        domains: &Domains,
        at: Moment,
    ) -> Result<Checked, PaymentError> {
        if signed.permitted.token != offer.asset {
            return Err(PaymentError::Asset { have: signed.permitted.token, need: offer.asset });
        }
        if signed.spender != EXACT_PROXY {
            return Err(PaymentError::Spender { have: signed.spender, need: EXACT_PROXY });
        }
        recipient(signed.witness.to, offer.pay_to)?;
        let amount = exactly(&signed.permitted.amount, offer)?;
        let (nonce, deadline): (U256, U256) = (number(&signed.nonce, "nonce")?, number(&signed.deadline, "deadline")?);
        let after: U256 = number(&signed.witness.valid_after, "validAfter")?;
        Window { first: after, end: deadline.saturating_add(U256::from(1)) }.check(at)?;
        let message = PermitWitnessTransferFrom {
            permitted: TokenPermissions { token: offer.asset, amount },
            spender: EXACT_PROXY,
            nonce,
            deadline,
            witness: Witness { to: offer.pay_to, validAfter: after },
        };
        let payment = Payment {
            valid_after: after,
            way: Way::Permit2,
            ..self.payment(offer, signed.from, deadline, nonce.into(), at)
        };
        Ok(Checked { payment, hash: message.eip712_signing_hash(&domains.permit2) })
    }

    fn by_hold(
        &self,
        signed: &Authorization,
        (offer, ours): (&Requirements, &HoldTerms),
        domain: &Eip712Domain,
        at: Moment,
    ) -> Result<Checked, PaymentError> {
        let missing = |field: &str| PaymentError::Malformed { detail: format!("it has no {field}") };
        let terms =
            self.accepted.extra.hold.as_ref().ok_or_else(|| missing("captureAuthorizer, captureDeadline and so on"))?;
        let salt = self.payload.salt.ok_or_else(|| missing("salt"))?;
        recipient(signed.to, COLLECTOR)?;
        let value = exactly(&signed.value, offer)?;
        let (after, before): (U256, U256) =
            (number(&signed.valid_after, "validAfter")?, number(&signed.valid_before, "validBefore")?);
        if after != U256::ZERO {
            return Err(PaymentError::Terms { what: "validAfter, which is 0," });
        }
        Window { first: U256::ZERO, end: before }.check(at)?;
        terms.check(ours, before, at)?;
        let hold = Hold {
            operator: terms.capture_authorizer,
            capture_deadline: terms.capture_deadline,
            refund_deadline: terms.refund_deadline,
            salt,
        };
        let payment =
            Payment { way: Way::AuthCapture(hold), ..self.payment(offer, signed.from, before, signed.nonce, at) };
        let need = payment.hold_hash(true).ok_or(PaymentError::NotOffered)?;
        if signed.nonce != need {
            return Err(PaymentError::Nonce { have: signed.nonce, need });
        }
        let message = ReceiveWithAuthorization {
            from: signed.from,
            to: signed.to,
            value,
            validAfter: after,
            validBefore: before,
            nonce: signed.nonce,
        };
        Ok(Checked { payment, hash: message.eip712_signing_hash(domain) })
    }

    fn payment(&self, offer: &Requirements, payer: Address, valid_before: U256, nonce: B256, at: Moment) -> Payment {
        Payment {
            network: offer.network.clone(),
            asset: offer.asset,
            payer,
            pay_to: offer.pay_to,
            amount: offer.amount.clone(),
            valid_after: U256::ZERO,
            valid_before,
            nonce,
            signature: self.payload.signature.clone(),
            block: at.block,
            transaction: None,
            way: Way::default(),
            by_contract: false,
            held: false,
        }
    }
}

fn recipient(have: Address, need: Address) -> Result<(), PaymentError> {
    if have == need { Ok(()) } else { Err(PaymentError::Recipient { have, need }) }
}

/// The amount, which is the price.
fn exactly(amount: &str, offer: &Requirements) -> Result<U256, PaymentError> {
    let (have, need): (U256, U256) = (number(amount, "the amount")?, number(&offer.amount, "amount")?);
    match have.cmp(&need) {
        Ordering::Less => Err(PaymentError::Underpaid { have, need }),
        Ordering::Greater => Err(PaymentError::Overpaid { have, need }),
        Ordering::Equal => Ok(need),
    }
}

impl HoldTerms {
    /// Refuses terms that are not those of an offer. The deadlines are those of the moment when it was made: earlier
    /// ones leave time for the proof all the same.
    fn check(&self, ours: &Self, valid_before: U256, at: Moment) -> Result<(), PaymentError> {
        let refuse = |what| Err(PaymentError::Terms { what });
        if self.capture_authorizer != ours.capture_authorizer {
            return refuse("captureAuthorizer");
        }
        if (self.fee_recipient, self.min_fee_bps, self.max_fee_bps)
            != (ours.fee_recipient, ours.min_fee_bps, ours.max_fee_bps)
        {
            return refuse("the fee");
        }
        if self.auto_capture {
            return refuse("autoCapture, which is false,");
        }
        let proven_by = at.now.saturating_add(at.margin_secs);
        let in_time = self.capture_deadline > proven_by && U256::from(self.capture_deadline) >= valid_before;
        if !in_time || self.capture_deadline > ours.capture_deadline {
            return refuse("captureDeadline");
        }
        if self.refund_deadline < self.capture_deadline || self.refund_deadline > ours.refund_deadline {
            return refuse("refundDeadline");
        }
        Ok(())
    }
}
