//! Where a model comes from: who listed it, who shares its revenue, and which other models' splitters are among them.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use alloy::primitives::{Address, B256, Bytes, hex};
use alloy::sol_types::SolValue;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::abi::Share;
use super::deploy::{OWNER, PROVER, REVENUE_SPLITTER};
use super::history::ModelRow;
use super::{ChainError, Market};
use crate::routes::schemas::{Account, Hash};

/// How long an answer is new enough: a splitter may be made after the models that name it.
pub(super) const AGE_MAX: Duration = Duration::from_secs(30);
/// Most parts that are looked at. Splitters of splitters may be many.
const PARTS_MAX: usize = 200;
/// The code of a splitter before and after the address of what it is a clone of (ERC-1167); its shares follow.
const CLONE: ([u8; 10], [u8; 15]) = (hex!("363d3d373d3d3d363d73"), hex!("5af43d82803e903d91602b57fd5bf3"));

/// What an account of a split is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum PartKind {
    /// Whoever holds the model's token.
    Owner,
    /// The prover who is paid for the job.
    Prover,
    /// A contract of Assay's that divides what it gets: its parts follow.
    Splitter,
    /// An account, or another contract.
    Account,
}

/// Somebody's share of a model's revenue.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Part {
    /// Who gets it.
    #[schema(value_type = Account)]
    pub account: Address,
    /// What it is.
    pub kind: PartKind,
    /// The share of the model's whole revenue, from 0 to 1.
    pub share: f64,
    /// The number of the splitter among these parts that it comes through; null in the model's own split.
    pub within: Option<usize>,
    /// For a splitter: the other models that name it in their own splits. Where it comes through a splitter of this
    /// model's, those are what this model says that it was made from.
    #[schema(value_type = Vec<Hash>)]
    pub models: Vec<B256>,
}

/// Where a model comes from, by the chain.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Lineage {
    /// When it was listed, in the chain's unix seconds.
    pub registered_secs: u64,
    /// Who listed it.
    #[schema(value_type = Account)]
    pub registrant: Address,
    /// Where its registration says that its card is; may be empty.
    pub uri: String,
    /// The revenue split, and what splitters make of their shares. The model's own come first.
    pub parts: Vec<Part>,
}

impl Market {
    /// Where one of the listed models comes from; `None` if it is not among them.
    pub async fn lineage(&self, model: B256, listed: &[ModelRow]) -> Result<Option<Lineage>, ChainError> {
        let Some(row) = listed.iter().find(|row| row.model == model).cloned() else { return Ok(None) };
        if let Some((at, lineage)) = self.lineages.lock().await.get(&model)
            && at.elapsed() < AGE_MAX
        {
            return Ok(Some(lineage.clone()));
        }
        let parts = self.parts(&row, &named(listed)).await?;
        let lineage = Lineage { registered_secs: row.registered_secs, registrant: row.registrant, uri: row.uri, parts };
        self.lineages.lock().await.insert(model, (std::time::Instant::now(), lineage.clone()));
        Ok(Some(lineage))
    }

    /// The parts of a model's split, splitters opened, those of the split itself first.
    async fn parts(&self, row: &ModelRow, named: &HashMap<Address, Vec<B256>>) -> Result<Vec<Part>, ChainError> {
        let mut parts: Vec<Part> = Vec::new();
        let mut waiting: VecDeque<(Address, f64, Option<usize>)> =
            row.split.iter().map(|payee| (payee.account, f64::from(payee.bps) / 10_000.0, None)).collect();
        while let Some((account, share, within)) = waiting.pop_front().filter(|_| parts.len() < PARTS_MAX) {
            let (kind, shares) = match account {
                OWNER if within.is_none() => (PartKind::Owner, Vec::new()),
                PROVER if within.is_none() => (PartKind::Prover, Vec::new()),
                _ => match self.shares(account).await? {
                    Some(shares) => (PartKind::Splitter, shares),
                    None => (PartKind::Account, Vec::new()),
                },
            };
            let sum: f64 = shares.iter().map(|part| part.weight.to::<u128>() as f64).sum();
            waiting.extend(
                shares
                    .iter()
                    .map(|part| (part.account, share * part.weight.to::<u128>() as f64 / sum, Some(parts.len()))),
            );
            let others = named.get(&account).filter(|_| kind == PartKind::Splitter).into_iter().flatten();
            let models = others.copied().filter(|other| *other != row.model).collect();
            parts.push(Part { account, kind, share, within, models });
        }
        Ok(parts)
    }

    /// The shares of a splitter. `None` for every other account: what a contract says of itself is not asked, its code
    /// must be the splitter's.
    async fn shares(&self, account: Address) -> Result<Option<Vec<Share>>, ChainError> {
        let code = self.rpc.code(account).await?;
        let Some((implementation, encoded)) = clone_of(&code) else { return Ok(None) };
        let expected = self.splitter_code.get_or_try_init(|| self.code_of_splitters()).await?;
        if self.rpc.code(implementation).await? != *expected {
            return Ok(None);
        }
        // the factory makes none without weights
        Ok(Vec::<Share>::abi_decode(encoded).ok().filter(|shares| shares.iter().any(|part| !part.weight.is_zero())))
    }

    /// The code that a splitter of this market is a clone of, as the chain would make it.
    async fn code_of_splitters(&self) -> Result<Bytes, ChainError> {
        let creation = [REVENUE_SPLITTER.bytecode()?.to_vec(), self.config.market.abi_encode()].concat();
        self.rpc.created(creation.into()).await
    }
}

/// What a clone's code is a clone of, and what follows in it.
fn clone_of(code: &[u8]) -> Option<(Address, &[u8])> {
    let (address, rest) = code.strip_prefix(&CLONE.0)?.split_first_chunk::<20>()?;
    Some((Address::from(*address), rest.strip_prefix(&CLONE.1)?))
}

/// The models that name each account in their splits.
fn named(models: &[ModelRow]) -> HashMap<Address, Vec<B256>> {
    let mut named: HashMap<Address, Vec<B256>> = HashMap::new();
    for row in models {
        for payee in &row.split {
            named.entry(payee.account).or_default().push(row.model);
        }
    }
    named
}
