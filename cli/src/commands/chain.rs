//! `assay publish`, `attest` and `revoke`, and what the other chain commands share.

use super::weights::{self, Weights};
use crate::args::{AttestArgs, PublishArgs, RevokeArgs};
use crate::exit::{Exit, Failure, Outcome};
use crate::files;
use crate::trust::{self, Checked};
use crate::ui::Ui;
use alloy::primitives::{Address, B256, Uint};
use alloy::rpc::types::{Filter, TransactionReceipt};
use alloy::signers::local::PrivateKeySigner;
use alloy::sol_types::SolEvent;
use assay_api::chain::abi::{InferenceMarket, KeyRegistry, ModelRegistry, Payee, Registration};
use assay_api::chain::deploy::{OWNER, PROVER};
use assay_api::chain::{ChainError, Rpc, account};
use assay_api::terms::{Order, model_id};
use assay_circuits::batch::Batch;
use assay_prover::key::PublicModel;
use assay_prover::package::{Package, hex};
use assay_prover::wrap::System;
use serde_json::json;
use std::path::Path;

/// An account's signer.
pub fn signer(key: &str) -> Outcome<PrivateKeySigner> {
    let bad = |_| {
        Failure::message(Exit::Usage, "the private key is not 32 bytes of hex (--private-key, or ASSAY_PRIVATE_KEY)")
    };
    key.trim().parse().map_err(bad)
}

/// A model's registration that takes jobs, owned by `owner`: its id.
pub async fn find_model(
    rpc: &Rpc,
    registry: Address,
    commitment: B256,
    owner: Address,
) -> Result<Option<B256>, ChainError> {
    let filter = Filter::new()
        .address(registry)
        .from_block(0)
        .event_signature(ModelRegistry::ModelRegistered::SIGNATURE_HASH)
        .topic2(commitment);
    for log in rpc.logs(&filter).await?.iter().rev() {
        let Ok(event) = ModelRegistry::ModelRegistered::decode_log(&log.inner) else { continue };
        let id = B256::from(event.modelId);
        let holder = rpc.call(registry, &ModelRegistry::ownerOfCall { tokenId: model_id(id) }).await?;
        if holder == owner && !account::model(rpc, registry, id).await?.deprecated {
            return Ok(Some(id));
        }
    }
    Ok(None)
}

/// What publishing did.
pub struct Published {
    /// The model's id.
    pub model: B256,
    /// The key's hash.
    pub key_hash: B256,
    /// The key's status.
    pub status: KeyRegistry::Status,
    /// Whether this account attested the key just now or before; if not, why not.
    pub attestation: Option<String>,
    /// The registration, unless the model was there already.
    pub receipt: Option<TransactionReceipt>,
}

/// The model card's part of a registration.
#[derive(Default)]
pub struct Card {
    /// Its address.
    pub uri: String,
    /// Royalty in 1/10,000.
    pub royalty_bps: u16,
    /// The prover's share in 1/10,000.
    pub prover_bps: u16,
    /// Further payees with their shares in 1/10,000.
    pub payees: Vec<(Address, u16)>,
}

/// Most payees that the registry takes.
const PAYEES_MAX: usize = 8;

/// Payees with a share: the owner, who gets what is left, the prover, and others.
fn split(card: &Card) -> Outcome<Vec<Payee>> {
    let others = card.payees.iter().fold(u32::from(card.prover_bps), |sum, (_, bps)| sum + u32::from(*bps));
    let rest = 10_000u32.checked_sub(others).and_then(|rest| u16::try_from(rest).ok());
    let rest = rest.ok_or_else(|| {
        Failure::message(Exit::Usage, format!("--prover-bps and --payee give away {others} of 10000 parts of revenue"))
    })?;
    let shares = [(OWNER, rest), (PROVER, card.prover_bps)].into_iter().chain(card.payees.iter().copied());
    let split: Vec<Payee> = shares.filter(|(_, bps)| *bps > 0).map(|(account, bps)| Payee { account, bps }).collect();
    if split.len() > PAYEES_MAX {
        let text = format!(
            "{} payees share the revenue, and the registry takes at most {PAYEES_MAX}: let a splitter stand for some \
             of them",
            split.len()
        );
        return Err(Failure::message(Exit::Usage, text));
    }
    Ok(split)
}

/// A key that was proposed.
pub struct Offered {
    /// Its hash.
    pub hash: B256,
    /// Its status.
    pub status: KeyRegistry::Status,
    /// Why the account could not attest it, if so.
    pub attestation: Option<String>,
}

/// Proposes a key, and attests it where the account is an attestor; what is done already is left as it is.
pub async fn offer_key(
    rpc: &Rpc,
    seller: &PrivateKeySigner,
    attestor: &PrivateKeySigner,
    keys: Address,
    key: &[u8],
    development: bool,
) -> Outcome<Offered> {
    let hash = account::propose_key(rpc, seller, keys, key).await?;
    let (status, attestation) = match account::attest_key(rpc, attestor, keys, hash, development).await {
        Ok(status) => (status, None),
        // not an attestor: somebody else's attestation is needed, and the model can be listed meanwhile
        Err(ChainError::Reverted { .. } | ChainError::Market(_)) => {
            let status = account::admit_key(rpc, seller, keys, hash).await?;
            (status, Some(format!("{} cannot attest the key here: ask the registry's attestors", attestor.address())))
        }
        Err(e @ ChainError::DevelopmentKey { .. }) => (KeyRegistry::Status::Proposed, Some(e.to_string())),
        Err(e) => return Err(e.into()),
    };
    Ok(Offered { hash, status, attestation })
}

/// Proposes and attests a key that was recomputed, registers the model; what is done already is left as it is.
pub async fn publish_model(
    rpc: &Rpc,
    seller: &PrivateKeySigner,
    attestor: &PrivateKeySigner,
    market: Address,
    checked: &Checked,
    card: Card,
) -> Outcome<Published> {
    let key = &checked.key;
    check_outputs(key.model.shape.outputs())?;
    let split = split(&card)?;
    let keys = rpc.call(market, &InferenceMarket::keysCall {}).await?;
    let registry = rpc.call(market, &InferenceMarket::modelsCall {}).await?;
    let model: &PublicModel = &key.model;
    let Offered { hash: key_hash, status, attestation } =
        offer_key(rpc, seller, attestor, keys, &key.wrap.contract_bytes(model), checked.is_development()).await?;
    let commitment = B256::from(model.commitment());
    let (id, receipt) = match find_model(rpc, registry, commitment, seller.address()).await? {
        Some(id) => (id, None),
        None => {
            let registration = Registration {
                shapeDigest: model.shape.model_digest.into(),
                weightCommitments: model.weights_bytes().into(),
                uri: card.uri,
                cardHash: B256::ZERO,
                royaltyBps: Uint::from(card.royalty_bps),
                split,
            };
            let (id, receipt) = account::register_model(rpc, seller, registry, registration).await?;
            (id, Some(receipt))
        }
    };
    Ok(Published { model: id, key_hash, status, attestation, receipt })
}

/// Most numbers that the outputs of a key's model may have: the verifier contract reads no more (`KeyFormat.sol`).
const MAX_OUTPUTS: usize = 4096;

/// Errors: the key registry would refuse a key with so many outputs.
fn check_outputs(outputs: usize) -> Outcome {
    if outputs <= MAX_OUTPUTS {
        return Ok(());
    }
    let text = format!(
        "the outputs of all inferences of a proof have {outputs} numbers, and keys on chain hold at most \
         {MAX_OUTPUTS}: leave out what the buyer does not need, such as the scores of all positions but the last, or \
         give its largest only"
    );
    Err(Failure::message(Exit::Input, text))
}

/// The key of a package that is to be listed: the one that is named, or the one beside it, or else the universal one,
/// derived.
pub fn key_of(ui: &Ui, model: &Path, named: Option<&Path>, package: &Package, srs: Option<&Path>) -> Outcome<Checked> {
    let path = named.map_or_else(|| files::beside(model, "key"), Path::to_owned);
    if named.is_none() && !path.exists() {
        return Checked::derive(ui, package, Batch::ONE, srs);
    }
    let key = files::checked_key(ui, &path, package)?;
    Checked::new(ui, key, srs).map_err(|e| files::name(&path, e))
}

/// Errors: the registry admits no development keys, and the key is one.
async fn refuse_development(rpc: &Rpc, market: Address, development: bool) -> Outcome {
    let keys = rpc.call(market, &InferenceMarket::keysCall {}).await?;
    if !development || rpc.call(keys, &KeyRegistry::allowDevelopmentCall {}).await? {
        return Ok(());
    }
    let text = "this registry admits no development keys: use the SRS of a ceremony, and for a Groth16 key show that \
        it is one's, with --transcript and --powers";
    Err(Failure::message(Exit::Failed, text))
}

/// Lists a model.
pub async fn publish(ui: &Ui, args: PublishArgs) -> Outcome {
    let (rpc, seller) = (Rpc::new(&args.chain.rpc)?, signer(&args.chain.private_key)?);
    let package = files::package(ui, &args.model)?;
    let checked = key_of(ui, &args.model, args.key.as_deref(), &package, args.srs.srs.as_deref())?
        .with_transcript(ui, &args.shown)?;
    checked.warn(ui);
    ui.phase_async("registry", refuse_development(&rpc, args.market, checked.is_development())).await?;
    let key = &checked.key;
    let card = Card { uri: args.uri, royalty_bps: args.royalty_bps, prover_bps: args.prover_bps, payees: args.payees };
    let done = ui.phase_async("publish", publish_model(&rpc, &seller, &seller, args.market, &checked, card)).await?;
    if let Some(why) = &done.attestation {
        ui.warn(why);
    }
    let weights = if args.no_weights_proof {
        None
    } else {
        let listing =
            weights::Listing { rpc: &rpc, seller: &seller, attestor: &seller, market: args.market, id: done.model };
        Some(weights::prove(ui, listing, package, args.srs.srs.as_deref()).await?)
    };
    let batch = key.model.shape.batch;
    let gas = done.receipt.as_ref().map(|r| r.gas_used);
    let status = format!("{:?}", done.status).to_lowercase();
    let text = format!(
        "model {}{}\nkey   {} ({status}), for proofs of {}, {} wrap\n      {}\nweights {}",
        done.model,
        gas.map_or(" (listed before)".to_owned(), |g| format!(" ({g} gas)")),
        done.key_hash,
        batch,
        key.wrap.system(),
        checked.text(),
        weights.as_ref().map_or("not proven, as asked".to_owned(), ToString::to_string),
    );
    ui.finish(
        json!({
            "weights": weights.as_ref().map(Weights::json), "model": done.model, "key_hash": done.key_hash, "wrap": key.wrap.system().name(), "wrap_recomputed": checked.has_recomputed_wrap(),
            "inferences": batch.inferences(), "separate_inputs": batch.is_separate(), "key_status": status, "attestation": done.attestation, "gas": gas,
            "transaction": done.receipt.map(|r| r.transaction_hash), "development": checked.is_development(),
        }),
        text,
    );
    Ok(())
}

/// A key that was derived, with the words for it.
struct Attestable {
    hash: B256,
    /// What its proofs are of.
    of: &'static str,
    model: PublicModel,
    wrap: System,
    recomputed: bool,
    development: bool,
    text: String,
}

/// The key with this hash that a model's description gives: that of its inferences, or that of the proof of its
/// weights.
fn derived(ui: &Ui, args: &AttestArgs) -> Outcome<Attestable> {
    let model = files::model(ui, &args.model)?;
    let srs = args.srs.srs.as_deref();
    let checked = Checked::of_model(ui, model, Batch::ONE, srs)
        .map_err(|e| files::name(&args.model, e))?
        .with_transcript(ui, &args.shown)?;
    checked.warn(ui);
    let key = &checked.key;
    let of_model = B256::from(key.wrap.hash(&key.model));
    if of_model == args.key_hash {
        return Ok(Attestable {
            hash: of_model,
            of: "inferences",
            wrap: key.wrap.system(),
            recomputed: checked.has_recomputed_wrap(),
            development: checked.is_development(),
            text: checked.text(),
            model: key.model.clone(),
        });
    }
    let (model, wrap) = trust::of_weights(ui, &key.model, srs)?;
    let hash = B256::from(wrap.hash(&model));
    if hash != args.key_hash {
        let text = format!(
            "the key of {} is {of_model}, and that of the proof of its weights {hash}, not {}: do not attest that one \
             for this model",
            args.model.display(),
            args.key_hash
        );
        return Err(Failure::message(Exit::Failed, text));
    }
    let text = format!(
        "for the proof of the model's weights; recomputed from its description and the SRS {}",
        hex(&model.srs.id)
    );
    let development = model.srs.development;
    Ok(Attestable { hash, of: "weights", model, wrap: wrap.system(), recomputed: true, development, text })
}

/// Attests a proposed key, once it was derived and is the one.
pub async fn attest(ui: &Ui, args: AttestArgs) -> Outcome {
    let (rpc, attestor) = (Rpc::new(&args.chain.rpc)?, signer(&args.chain.private_key)?);
    let Attestable { hash, of, model, wrap, recomputed, development, text } = derived(ui, &args)?;
    let (status, attested) =
        ui.phase_async("attest", attest_proposed(&rpc, &attestor, args.market, hash, development)).await?;
    let status = format!("{status:?}").to_lowercase();
    let done = if attested { "attested" } else { "not attested, and no longer needed:" };
    let batch = model.shape.batch;
    ui.finish(
        json!({
            "key_hash": hash, "key_of": of, "key_status": status, "attested": attested, "wrap": wrap.name(), "wrap_recomputed": recomputed,
            "shape_digest": hex(&model.shape.model_digest), "srs_id": hex(&model.srs.id), "inferences": batch.inferences(),
            "separate_inputs": batch.is_separate(), "development": development,
        }),
        format!("{done} {hash} ({status}), for proofs of {batch}, {wrap} wrap\n{text}"),
    );
    Ok(())
}

/// Sends the attestation of a key that is proposed; doing it again does nothing. Returns the key's status, and whether
/// this account has attested it.
async fn attest_proposed(
    rpc: &Rpc,
    attestor: &PrivateKeySigner,
    market: Address,
    hash: B256,
    development: bool,
) -> Outcome<(KeyRegistry::Status, bool)> {
    let keys = rpc.call(market, &InferenceMarket::keysCall {}).await?;
    let attested = KeyRegistry::attestedCall { keyHash: hash, attestor: attestor.address() };
    let refused = |text: &str| Err(Failure::message(Exit::Failed, format!("the key {hash} {text}")));
    match rpc.call(keys, &KeyRegistry::keyCall { keyHash: hash }).await?.status {
        KeyRegistry::Status::Unknown => refused("is not proposed in this registry: `assay publish` proposes it"),
        KeyRegistry::Status::Frozen => refused("is frozen: two proofs under it contradict each other"),
        _ if rpc.call(keys, &attested).await? => Ok((account::admit_key(rpc, attestor, keys, hash).await?, true)),
        _ => {
            let status = account::attest_key(rpc, attestor, keys, hash, development).await?;
            Ok((status, rpc.call(keys, &attested).await?))
        }
    }
}

/// Reads an order, or the quote's answer that holds one.
fn order(path: &Path) -> Outcome<Order> {
    let text = std::fs::read(path).map_err(files::unreadable(path))?;
    let bad = |e| Failure::message(Exit::Input, format!("{} is no order: {e}", path.display()));
    let mut value: serde_json::Value = serde_json::from_slice(&text).map_err(bad)?;
    let order = value.get_mut("order").map(serde_json::Value::take).unwrap_or(value);
    serde_json::from_value(order).map_err(bad)
}

/// Makes sure that a signed order is never funded, or ends a model's quotes.
pub async fn revoke(ui: &Ui, args: RevokeArgs) -> Outcome {
    let (rpc, account) = (Rpc::new(&args.chain.rpc)?, signer(&args.chain.private_key)?);
    match (&args.order, args.quotes) {
        (Some(path), _) => revoke_order(ui, &rpc, &account, args.market, &order(path)?).await,
        (None, Some(model)) => revoke_quotes(ui, &rpc, &account, args.market, model).await,
        (None, None) => {
            Err(Failure::message(Exit::Usage, "what is to be revoked? name an order, or a model with --quotes"))
        }
    }
}

async fn revoke_order(ui: &Ui, rpc: &Rpc, buyer: &PrivateKeySigner, market: Address, order: &Order) -> Outcome {
    if order.buyer != buyer.address() {
        let text = format!(
            "the order is of {}, and only its buyer revokes it; this account is {}",
            order.buyer,
            buyer.address()
        );
        return Err(Failure::message(Exit::Failed, text));
    }
    let (job, receipt) = ui.phase_async("revoke", account::revoke(rpc, buyer, market, order)).await?;
    ui.finish(
        json!({ "job": job, "gas": receipt.gas_used, "transaction": receipt.transaction_hash }),
        format!("revoked: job {job} can never be funded ({} gas)", receipt.gas_used),
    );
    Ok(())
}

async fn revoke_quotes(ui: &Ui, rpc: &Rpc, holder: &PrivateKeySigner, market: Address, model: B256) -> Outcome {
    let registry = rpc.call(market, &InferenceMarket::modelsCall {}).await?;
    let owner = match rpc.call(registry, &ModelRegistry::ownerOfCall { tokenId: model_id(model) }).await {
        Err(ChainError::Reverted { .. } | ChainError::Market(_)) => {
            return Err(Failure::message(Exit::Failed, format!("there is no model {model} in this market")));
        }
        owner => owner?,
    };
    if owner != holder.address() {
        let text = format!(
            "the model is {owner}'s, and only its holder ends its quotes; this account is {}",
            holder.address()
        );
        return Err(Failure::message(Exit::Failed, text));
    }
    let receipt = ui.phase_async("revoke", account::revoke_quotes(rpc, holder, registry, model)).await?;
    let epoch = account::model(rpc, registry, model).await?.quoteEpoch;
    ui.finish(
        json!({ "model": model, "quote_epoch": epoch, "gas": receipt.gas_used, "transaction": receipt.transaction_hash }),
        format!("revoked: no quote that was signed for model {model} so far funds a job ({} gas)", receipt.gas_used),
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The contract's limit, which `KeyFormat.sol` names as well.
    #[test]
    fn keys_hold_so_many_outputs() {
        let contract =
            include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../verifier-contracts/src/lib/KeyFormat.sol"));
        assert!(contract.contains(&format!("outputs <= {MAX_OUTPUTS}")));
        assert!(check_outputs(MAX_OUTPUTS).is_ok());
        let refused = check_outputs(MAX_OUTPUTS + 1).unwrap_err();
        assert!(refused.exit == Exit::Input && refused.text().contains("4097"), "{}", refused.text());
    }
}
