//! Listing a model with somebody else's wallet: which transaction comes next. Nothing is kept, so a page can ask again
//! whenever it likes.

use alloy::primitives::{Address, B256, Bytes, U256, Uint, keccak256};
use alloy::sol_types::{SolCall, SolValue};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::abi::{InferenceMarket, KeyRegistry, ModelRegistry, Payee, Registration};
use super::deploy::OWNER;
use super::{ChainError, Rpc};
use crate::routes::schemas::{Account, Hash, Hex};

/// What is listed.
#[derive(Clone, Debug)]
pub struct Listing {
    /// The key as the registry takes it.
    pub key: Bytes,
    /// Whether somebody can forge proofs under it.
    pub development: bool,
    /// The shape's digest.
    pub shape_digest: B256,
    /// The commitments to the weights.
    pub weights: Bytes,
    /// The wallet's account, which lists it and is paid.
    pub account: Address,
    /// The service's account, which signs quotes and so has to hold the model's token.
    pub holder: Address,
}

/// What comes next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "next", rename_all = "snake_case")]
pub enum Next {
    /// The account sends a transaction without value, and asks again when it is in a block.
    Send {
        /// What it does, for people.
        what: String,
        /// The contract.
        #[schema(value_type = Account)]
        to: Address,
        /// The call.
        #[schema(value_type = Hex)]
        data: Bytes,
    },
    /// Asks again after some seconds.
    Wait {
        /// What for.
        what: String,
        /// How long.
        secs: u64,
    },
    /// The model is listed, and the service holds its token.
    Listed {
        /// Its id.
        #[schema(value_type = Hash)]
        model: B256,
        /// Why nobody can buy yet; null if the key is admitted.
        waiting: Option<String>,
    },
}

fn send(what: &str, to: Address, call: &impl SolCall) -> Next {
    Next::Send { what: what.to_owned(), to, data: call.abi_encode().into() }
}

impl Listing {
    /// The registration. The holder of the token is paid where that is the account itself, else the account is, whoever
    /// holds the token.
    fn registration(&self) -> Registration {
        let payee = if self.account == self.holder { OWNER } else { self.account };
        Registration {
            shapeDigest: self.shape_digest,
            weightCommitments: self.weights.clone(),
            uri: String::new(),
            cardHash: B256::ZERO,
            royaltyBps: Uint::ZERO,
            split: vec![Payee { account: payee, bps: 10_000 }],
        }
    }

    /// What the account does next.
    pub async fn next(&self, rpc: &Rpc, market: Address) -> Result<Next, ChainError> {
        let keys = rpc.call(market, &InferenceMarket::keysCall {}).await?;
        let registry = rpc.call(market, &InferenceMarket::modelsCall {}).await?;
        let waiting = match self.next_of_key(rpc, keys).await? {
            Ok(next) => return Ok(next),
            Err(waiting) => waiting,
        };
        let taken =
            rpc.call(registry, &ModelRegistry::modelOfWeightsCall { weightsHash: keccak256(&self.weights) }).await?;
        if taken.is_zero() {
            return self.next_of_registration(rpc, registry).await;
        }
        let owner = rpc.call(registry, &ModelRegistry::ownerOfCall { tokenId: taken }).await?;
        if owner == self.holder {
            return Ok(Next::Listed { model: taken.into(), waiting });
        }
        if owner == self.account {
            let call = ModelRegistry::transferFromCall { from: self.account, to: self.holder, tokenId: taken };
            return Ok(send("give the model's token to the service, which signs the quotes", registry, &call));
        }
        Err(ChainError::WeightsTaken { model: taken })
    }

    /// A transaction for the key; or why it is not admitted yet, if it is not.
    async fn next_of_key(&self, rpc: &Rpc, keys: Address) -> Result<Result<Next, Option<String>>, ChainError> {
        let key_hash = keccak256(&self.key);
        let key = rpc.call(keys, &KeyRegistry::keyCall { keyHash: key_hash }).await?;
        if self.development && !rpc.call(keys, &KeyRegistry::allowDevelopmentCall {}).await? {
            return Err(ChainError::DevelopmentKey { key: key_hash });
        }
        let ready = !key.readyAt.is_zero() && U256::from(key.readyAt) <= U256::from(rpc.now().await?);
        Ok(match key.status {
            KeyRegistry::Status::Admitted => Err(None),
            KeyRegistry::Status::Frozen => {
                Err(Some("two proofs under the key contradict each other, and it is frozen".to_owned()))
            }
            KeyRegistry::Status::Unknown => {
                Ok(send("propose the model's key", keys, &KeyRegistry::proposeCall { key: self.key.clone() }))
            }
            _ if ready => Ok(send("have the key admitted", keys, &KeyRegistry::admitCall { keyHash: key_hash })),
            _ => {
                let account = self.account;
                let attested =
                    rpc.call(keys, &KeyRegistry::attestedCall { keyHash: key_hash, attestor: account }).await?;
                if !attested && rpc.call(keys, &KeyRegistry::isAttestorCall { account }).await? {
                    let call = KeyRegistry::attestCall { keyHash: key_hash, development: self.development };
                    return Ok(Ok(send("attest the key, which your browser recomputed", keys, &call)));
                }
                let text = format!(
                    "the key {key_hash} waits for the registry's attestors, or for its timelock: `assay attest`"
                );
                Err(Some(text))
            }
        })
    }

    async fn next_of_registration(&self, rpc: &Rpc, registry: Address) -> Result<Next, ChainError> {
        let registration = self.registration();
        let commitment = keccak256((self.account, registration.clone()).abi_encode_params());
        let since = rpc.call(registry, &ModelRegistry::committedAtCall { commitment }).await?;
        if since.is_zero() {
            let call = ModelRegistry::commitRegistrationCall { commitment };
            return Ok(send("commit to the registration, so that nobody can copy it", registry, &call));
        }
        let ready = since.saturating_add(rpc.call(registry, &ModelRegistry::commitSecsCall {}).await?);
        let now = U256::from(rpc.now().await?);
        if now < ready {
            let secs = ready.saturating_sub(now).saturating_to();
            return Ok(Next::Wait {
                what: "the registry takes no registration that was committed to just now".to_owned(),
                secs,
            });
        }
        Ok(send("register the model", registry, &ModelRegistry::registerCall { registration }))
    }
}
