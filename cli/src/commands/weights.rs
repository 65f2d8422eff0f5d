//! The proof of a model's weights, which `assay publish` makes once and brings to the registry.

use super::chain::{Offered, offer_key};
use crate::exit::Outcome;
use crate::files;
use crate::trust;
use crate::ui::Ui;
use alloy::primitives::{Address, B256};
use alloy::signers::local::PrivateKeySigner;
use assay_api::chain::abi::{InferenceMarket, KeyRegistry};
use assay_api::chain::{Rpc, account, context_of_weights};
use assay_prover::control::Phase;
use assay_prover::package::Package;
use assay_prover::registration::{self, MAX_CELLS};
use assay_prover::seller::Seller;
use assay_prover::wrap::{System, WrapProvingKey};
use assay_verifier::proof_file::context_scalar;
use serde_json::{Value, json};
use std::fmt;
use std::path::Path;

/// What became of the proof.
pub enum Weights {
    /// It was brought just now: the key's hash and the gas.
    Proven(B256, u64),
    /// It was there.
    Before,
    /// The key of such proofs is not admitted yet.
    Waiting(B256, String),
    /// The model has more weights than one proof shows.
    TooMany(usize),
    /// Something went wrong, which leaves what else was published as it is.
    Failed(String),
}

impl Weights {
    /// Whether the registry shows them as proven.
    pub fn are_proven(&self) -> bool {
        matches!(self, Self::Proven(..) | Self::Before)
    }

    /// For programs.
    pub fn json(&self) -> Value {
        match self {
            Self::Proven(key, gas) => json!({ "proven": true, "key_hash": key, "gas": gas }),
            Self::Before => json!({ "proven": true }),
            Self::Waiting(key, _) => json!({ "proven": false, "key_hash": key, "why": self.to_string() }),
            Self::TooMany(_) | Self::Failed(_) => json!({ "proven": false, "why": self.to_string() }),
        }
    }
}

impl fmt::Display for Weights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Proven(key, gas) => write!(f, "proven to be in range and known, under the key {key} ({gas} gas)"),
            Self::Before => f.write_str("proven before"),
            Self::Waiting(key, why) => {
                write!(
                    f,
                    "not proven yet: the key {key} of their proof is not admitted ({why}); publish again when it is"
                )
            }
            Self::Failed(why) => {
                write!(f, "not proven: {why}; `assay publish` tries again, and --no-weights-proof leaves it out")
            }
            Self::TooMany(cells) => {
                write!(f, "not proven: that takes {cells} lookups, and a proof has at most {MAX_CELLS}")
            }
        }
    }
}

/// A model in the registry, and who acts for it.
#[derive(Clone, Copy)]
pub struct Listing<'a> {
    /// The chain.
    pub rpc: &'a Rpc,
    /// Holds the model's token.
    pub seller: &'a PrivateKeySigner,
    /// Attests the key of the proof, where it may.
    pub attestor: &'a PrivateKeySigner,
    /// The market, which names the registries.
    pub market: Address,
    /// The model's id.
    pub id: B256,
}

/// [`try_to_prove`], whose failure is no failure of what was done before it. Errors: the command was cancelled.
pub async fn prove(ui: &Ui, listing: Listing<'_>, package: Package, srs: Option<&Path>) -> Outcome<Weights> {
    let done = try_to_prove(ui, listing, package, srs).await;
    ui.check_cancelled()?;
    Ok(done.unwrap_or_else(|failure| Weights::Failed(failure.text().to_owned())))
}

/// Makes the key of the proof admitted, makes the proof and brings it; what is done already is left as it is.
async fn try_to_prove(ui: &Ui, listing: Listing<'_>, package: Package, srs: Option<&Path>) -> Outcome<Weights> {
    let Listing { rpc, seller, attestor, market, id } = listing;
    let registry = rpc.call(market, &InferenceMarket::modelsCall {}).await?;
    let listed = account::model(rpc, registry, id).await?;
    // what a development key shows makes way for what means something
    if !listed.weightsProvenAt.is_zero() && (package.model.srs.development || !listed.weightsDevelopment) {
        return Ok(Weights::Before);
    }
    let cells = package.model.of_weights()?.shape.layout.leaf_count;
    if cells > MAX_CELLS {
        return Ok(Weights::TooMany(cells));
    }
    let (model, wrap) = trust::of_weights(ui, &package.model, srs)?;
    let keys = rpc.call(market, &InferenceMarket::keysCall {}).await?;
    let bytes = wrap.contract_bytes(&model);
    let offered = offer_key(rpc, seller, attestor, keys, &bytes, model.srs.development);
    let Offered { hash, status, attestation } = ui.phase_async("publish key of weights", offered).await?;
    match status {
        KeyRegistry::Status::Admitted => {}
        KeyRegistry::Status::Frozen => {
            return Ok(Weights::Waiting(hash, "two proofs under it contradict each other, so it is frozen".to_owned()));
        }
        _ => {
            let why = attestation.unwrap_or_else(|| "more attestations or its timelock are missing".to_owned());
            return Ok(Weights::Waiting(hash, why));
        }
    }
    let srs = files::srs_of(ui, srs, &model.srs, WrapProvingKey::srs_log(System::Universal, &model.shape)?)?;
    let proving = ui.phase("derive keys", |_| WrapProvingKey::universal(&model.shape, &srs))?;
    let prover = ui.phase("prepare", |_| Seller::new(package, srs))?;
    // by this account's own word, and not by the node's: a proof in another context could be brought elsewhere
    let context = context_of_weights(rpc.chain_id().await?, registry, id, seller.address());
    let proof =
        ui.proof(Phase::ALL.len(), |control| registration::prove(&prover, &proving, context_scalar(context), control))?;
    let bring = account::prove_weights(rpc, seller, registry, id, hash, proof.to_bytes().into());
    let receipt = ui.phase_async("prove weights", bring).await?;
    Ok(Weights::Proven(hash, receipt.gas_used))
}
