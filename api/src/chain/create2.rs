//! Deployment by CREATE2: an address follows from code, arguments and salt, so it is the same on every chain, a second
//! run finds what the first one did, and nobody else can put other code there.

use alloy::network::TransactionBuilder;
use alloy::primitives::{Address, B256, Bytes, TxKind, U256, address, keccak256};
use alloy::providers::Provider;
use alloy::rpc::types::TransactionRequest;
use alloy::signers::local::PrivateKeySigner;
use alloy::sol_types::{Eip712Domain, SolValue};
use serde::{Deserialize, Serialize};

use super::deploy::{self, Artifact, DeployOptions};
use super::{ChainError, Rpc};

/// The deployer of contracts that chains share (`github.com/Arachnid/deterministic-deployment-proxy`): it takes a salt
/// and creation code.
pub const FACTORY: Address = address!("4e59b44847b379578588920cA78FbF26c0B4956C");
/// Permit2, at the same address on every chain that has it.
pub const PERMIT2: Address = address!("000000000022D473030F116dDEE9F6B43aC78BA3");

/// A contract of a deployment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placed {
    /// Its name.
    pub name: String,
    /// Where it is.
    pub address: Address,
    /// ABI-encoded constructor arguments, as explorers want them.
    pub arguments: Bytes,
    /// Keccak-256 of the committed creation code, without arguments.
    pub creation_code_hash: B256,
    /// Keccak-256 of the code on the chain.
    pub code_hash: B256,
}

/// How a council decides.
#[derive(Clone, Copy, Debug)]
pub struct CouncilTerms {
    /// Seconds from a decision to its execution.
    pub timelock_secs: u64,
    /// Seconds from a proposal to its vote.
    pub delay_secs: u64,
    /// Seconds of a vote.
    pub period_secs: u64,
    /// The part of all votes that must be for a proposal, or abstain.
    pub quorum_percent: u64,
}

/// Contracts at addresses that follow from what they are.
#[derive(Debug)]
pub struct Deployer<'a> {
    rpc: &'a Rpc,
    from: &'a PrivateKeySigner,
    salt: B256,
    /// What was deployed or found, in this order.
    pub placed: Vec<Placed>,
    /// Gas that was used; zero if everything was there.
    pub gas: u64,
}

impl<'a> Deployer<'a> {
    /// Deployments of one salt. Errors: [`ChainError::NoFactory`].
    pub async fn new(rpc: &'a Rpc, from: &'a PrivateKeySigner, salt: B256) -> Result<Self, ChainError> {
        if rpc.code(FACTORY).await?.is_empty() {
            return Err(ChainError::NoFactory { factory: FACTORY });
        }
        Ok(Self { rpc, from, salt, placed: Vec::new(), gas: 0 })
    }

    /// Verifier, registries and market: their addresses, in this order.
    pub async fn market(&mut self, options: &DeployOptions) -> Result<[Address; 4], ChainError> {
        options.check(self.from.address())?;
        let verifier = self.place(&deploy::ASSAY_VERIFIER, Vec::new()).await?;
        let keys = self.place(&deploy::KEY_REGISTRY, options.keys_arguments(verifier)).await?;
        let models =
            self.place(&deploy::MODEL_REGISTRY, (keys, U256::from(options.commit_secs)).abi_encode_params()).await?;
        let market = self
            .place(&deploy::INFERENCE_MARKET, (verifier, keys, models, options.treasury).abi_encode_params())
            .await?;
        Ok([verifier, keys, models, market])
    }

    /// The contracts around a market that belong to nobody.
    pub async fn around(
        &mut self,
        [_, keys, models, market]: [Address; 4],
        permit2: Address,
    ) -> Result<(), ChainError> {
        self.place(&deploy::INFERENCE_CALLBACKS, (market, keys).abi_encode_params()).await?;
        self.place(&deploy::GASLESS_FUNDING, (market, permit2).abi_encode_params()).await?;
        for alone in [deploy::SPLITTER_FACTORY, deploy::RISING_OFFERS, deploy::REPUTATION] {
            self.place(&alone, market.abi_encode()).await?;
        }
        for of_registries in [deploy::PROOF_EVALUATOR_FACTORY, deploy::PROOF_VALIDATOR] {
            self.place(&of_registries, (keys, models).abi_encode_params()).await?;
        }
        Ok(())
    }

    /// A council: the votes that there are, or else a seat for each member; then governor and timelock. The address of
    /// its setup, which names them.
    pub async fn council(
        &mut self,
        votes: Option<Address>,
        members: Vec<Address>,
        terms: CouncilTerms,
    ) -> Result<Address, ChainError> {
        let votes = match votes {
            Some(there) => there,
            None => self.place(&deploy::COUNCIL_VOTES, (members,).abi_encode_params()).await?,
        };
        let CouncilTerms { timelock_secs, delay_secs, period_secs, quorum_percent } = terms;
        let numbers = [timelock_secs, delay_secs, period_secs, quorum_percent].map(U256::from);
        let arguments = (votes, numbers[0], numbers[1], numbers[2], numbers[3]).abi_encode_params();
        self.place(&deploy::COUNCIL_SETUP, arguments).await
    }

    /// Deploys a contract, or finds it, and checks its code. Returns its address.
    pub async fn place(&mut self, artifact: &Artifact, arguments: Vec<u8>) -> Result<Address, ChainError> {
        let creation = artifact.bytecode()?;
        let code: Bytes = [&creation[..], &arguments[..]].concat().into();
        let address = FACTORY.create2(self.salt, keccak256(&code));
        if self.rpc.code(address).await?.is_empty() {
            let input = [&self.salt[..], &code[..]].concat().into();
            self.gas += self.rpc.execute(self.from, Some(FACTORY), input, U256::ZERO).await?.gas_used;
        }
        let there = self.rpc.code(address).await?;
        if there.is_empty() || !self.gives(&code, address, &there).await? {
            return Err(ChainError::OtherCode { contract: artifact.name, address });
        }
        self.placed.push(Placed {
            name: artifact.name.to_owned(),
            address,
            arguments: arguments.into(),
            creation_code_hash: keccak256(&creation),
            code_hash: keccak256(&there),
        });
        Ok(address)
    }

    /// Whether the creation code gives the code that is there: it is run on the chain without a transaction. In that
    /// run the contract has another address, which code may hold, as it may hold the EIP-712 domain of that address.
    async fn gives(&self, code: &Bytes, address: Address, there: &Bytes) -> Result<bool, ChainError> {
        let account = self.from.address();
        let request =
            TransactionRequest::default().with_from(account).with_input(code.clone()).with_kind(TxKind::Create);
        let made = self.rpc.provider().call(request).await?;
        let (nonce, chain) = (self.rpc.mined_nonce(account).await?, self.rpc.chain_id().await?);
        // nodes differ in whether the account's nonce counts the call
        Ok([nonce, nonce + 1].into_iter().any(|nonce| moved(&made, account.create(nonce), address, chain) == there[..]))
    }
}

/// Code with one address in the place of the other, and what contracts here derive of it: addresses of contracts that
/// they make, and domains.
fn moved(code: &[u8], from: Address, to: Address, chain: u64) -> Vec<u8> {
    let separator = |name: &'static str, at| {
        Eip712Domain::new(Some(name.into()), Some("1".into()), Some(U256::from(chain)), Some(at), None).separator()
    };
    let mut code = replaced(code, from.as_slice(), to.as_slice());
    for made in 1..=2 {
        code = replaced(&code, from.create(made).as_slice(), to.create(made).as_slice());
    }
    for name in ["Assay", "Assay Council"] {
        code = replaced(&code, separator(name, from).as_slice(), separator(name, to).as_slice());
    }
    code
}

/// With every occurrence of `from` replaced by `to`, which is as long.
fn replaced(code: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let (mut out, mut rest) = (Vec::with_capacity(code.len()), code);
    while let Some((first, tail)) = rest.split_first() {
        if let Some(after) = rest.strip_prefix(from) {
            out.extend_from_slice(to);
            rest = after;
        } else {
            out.push(*first);
            rest = tail;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_is_compared_as_if_it_were_elsewhere() {
        let (here, there) = (Address::repeat_byte(1), Address::repeat_byte(2));
        let domain = |at| {
            Eip712Domain::new(Some("Assay".into()), Some("1".into()), Some(U256::from(7)), Some(at), None).separator()
        };
        let code = |at: Address| [&[0x60, 9][..], at.as_slice(), &[0x5b], domain(at).as_slice(), &[1; 19]].concat();
        assert_eq!(moved(&code(here), here, there, 7), code(there));
        assert_ne!(moved(&code(here), here, there, 8), code(there), "the domain of another chain is other code");
        assert_ne!(moved(&code(here), here, Address::repeat_byte(3), 7), code(there));
    }
}
