//! Deploys the contracts from their committed artifacts (`verifier-contracts/artifacts`), for the demo, for tests, for
//! a new chain.

use alloy::primitives::{Address, B256, Bytes, U256, address};
use alloy::signers::local::PrivateKeySigner;
use alloy::sol_types::SolValue;
use serde::{Deserialize, Serialize};

use super::{ChainError, Rpc};

macro_rules! artifact {
    ($name:literal) => {
        Artifact { name: $name, json: include_str!(concat!("../../../verifier-contracts/artifacts/", $name, ".json")) }
    };
}

/// A compiled contract.
#[derive(Clone, Copy, Debug)]
pub struct Artifact {
    /// The contract's name.
    pub name: &'static str,
    /// Its artifact: `abi` and `bytecode.object`.
    pub json: &'static str,
}

/// The universal verifier.
pub const ASSAY_VERIFIER: Artifact = artifact!("AssayVerifier");
/// The keys.
pub const KEY_REGISTRY: Artifact = artifact!("KeyRegistry");
/// The models.
pub const MODEL_REGISTRY: Artifact = artifact!("ModelRegistry");
/// The market.
pub const INFERENCE_MARKET: Artifact = artifact!("InferenceMarket");
/// Jobs of contracts, with a call back.
pub const INFERENCE_CALLBACKS: Artifact = artifact!("InferenceCallbacks");
/// Jobs that are paid for by a signature over a token.
pub const GASLESS_FUNDING: Artifact = artifact!("GaslessFunding");
/// Payees that stand for many.
pub const SPLITTER_FACTORY: Artifact = artifact!("SplitterFactory");
/// What the factory's splitters are clones of.
pub const REVENUE_SPLITTER: Artifact = artifact!("RevenueSplitter");
/// Jobs whose price rises until somebody takes them.
pub const RISING_OFFERS: Artifact = artifact!("RisingOffers");
/// What provers and models have delivered.
pub const REPUTATION: Artifact = artifact!("Reputation");
/// Evaluators of ERC-8183 jobs.
pub const PROOF_EVALUATOR_FACTORY: Artifact = artifact!("ProofEvaluatorFactory");
/// A validator of ERC-8004.
pub const PROOF_VALIDATOR: Artifact = artifact!("ProofValidator");
/// Seats of a council.
pub const COUNCIL_VOTES: Artifact = artifact!("CouncilVotes");
/// A council's governor and timelock.
pub const COUNCIL_SETUP: Artifact = artifact!("CouncilSetup");
/// A contract that buys, for example and tests.
pub const DIGIT_PRIZE: Artifact = artifact!("DigitPrize");
/// An ERC-20 for tests.
pub const TEST_TOKEN: Artifact = artifact!("TestToken");
/// An ERC-20 for tests that moves by signed authorisation (EIP-3009).
pub const AUTHORIZED_TOKEN: Artifact = artifact!("AuthorizedToken");

/// In a revenue split: whoever holds the model's token.
pub const OWNER: Address = address!("0000000000000000000000000000000000000001");
/// In a revenue split: the prover who is paid for the job.
pub const PROVER: Address = address!("0000000000000000000000000000000000000002");

#[derive(Deserialize)]
struct Json {
    bytecode: Bytecode,
}

#[derive(Deserialize)]
struct Bytecode {
    object: Bytes,
}

impl Artifact {
    /// The creation code.
    pub fn bytecode(&self) -> Result<Bytes, ChainError> {
        let parsed: Json = serde_json::from_str(self.json).map_err(|_| ChainError::Artifact { contract: self.name })?;
        Ok(parsed.bytecode.object)
    }

    /// Deploys the contract with ABI-encoded constructor arguments. Returns its address and the gas used.
    pub async fn deploy(
        &self,
        rpc: &Rpc,
        from: &PrivateKeySigner,
        arguments: Vec<u8>,
    ) -> Result<(Address, u64), ChainError> {
        deploy_code(rpc, from, [self.bytecode()?.to_vec(), arguments].concat().into(), self.name).await
    }
}

/// Deploys creation code. Returns the contract's address and the gas used.
pub async fn deploy_code(
    rpc: &Rpc,
    from: &PrivateKeySigner,
    code: Bytes,
    contract: &'static str,
) -> Result<(Address, u64), ChainError> {
    let receipt = rpc.execute(from, None, code, U256::ZERO).await?;
    Ok((receipt.contract_address.ok_or(ChainError::Artifact { contract })?, receipt.gas_used))
}

/// Who admits keys, and which.
#[derive(Clone, Debug)]
pub struct DeployOptions {
    /// The fixed set of attestors.
    pub attestors: Vec<Address>,
    /// Attestations that a key needs.
    pub threshold: u64,
    /// Seconds between the last attestation and admission.
    pub timelock_secs: u64,
    /// Whether keys with a known trapdoor are admitted: never where real money moves.
    pub allow_development: bool,
    /// SRS ids whose trapdoor is known.
    pub development_srs: Vec<B256>,
    /// Gets slashed collateral: nobody who sells or proves.
    pub treasury: Address,
    /// Seconds from the commitment of a model's registration to the registration.
    pub commit_secs: u64,
    /// A verifier that is there already.
    pub verifier: Option<Address>,
}

/// Addresses of the contracts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deployment {
    /// `AssayVerifier`.
    pub verifier: Address,
    /// `KeyRegistry`.
    pub keys: Address,
    /// `ModelRegistry`.
    pub models: Address,
    /// `InferenceMarket`.
    pub market: Address,
    /// Gas used by all of it.
    pub gas: u64,
}

impl DeployOptions {
    /// One attestor who admits keys at once, development keys too: for a chain where no real money moves.
    pub fn development(attestor: Address, treasury: Address) -> Self {
        Self {
            attestors: vec![attestor],
            threshold: 1,
            timelock_secs: 0,
            allow_development: true,
            development_srs: Vec::new(),
            treasury,
            commit_secs: 0,
            verifier: None,
        }
    }

    /// Constructor arguments of the key registry.
    pub(super) fn keys_arguments(&self, verifier: Address) -> Vec<u8> {
        let (threshold, timelock) = (U256::from(self.threshold), U256::from(self.timelock_secs));
        (verifier, self.attestors.clone(), threshold, timelock, self.allow_development, self.development_srs.clone())
            .abi_encode_params()
    }

    /// What the contracts refuse too, in words, and what no contract can know: that the deployer is not the treasury.
    pub fn check(&self, deployer: Address) -> Result<(), ChainError> {
        let distinct = self.attestors.iter().collect::<std::collections::HashSet<_>>().len();
        let rules = [
            (distinct < 2, "keys are attested by at least two different owners: name each with --attestor"),
            (self.threshold < 2, "a key needs at least two attestations: --threshold 2 or more"),
            (self.timelock_secs == 0, "there must be time to veto a key: --timelock SECS above 0"),
            (
                self.treasury == deployer,
                "the treasury is an account that neither proves nor sells, and not the deployer's: --treasury ADDRESS",
            ),
            (self.commit_secs == 0, "a registration must be committed to before it is seen: --commit-secs above 0"),
        ];
        match rules.into_iter().find(|(broken, _)| *broken && !self.allow_development) {
            Some((_, what)) => Err(ChainError::WeakGovernance { what }),
            None => Ok(()),
        }
    }
}

/// Deploys verifier, registries and market.
pub async fn deploy(rpc: &Rpc, from: &PrivateKeySigner, options: &DeployOptions) -> Result<Deployment, ChainError> {
    options.check(from.address())?;
    let (verifier, gas_verifier) = match options.verifier {
        Some(there) => (there, 0),
        None => ASSAY_VERIFIER.deploy(rpc, from, Vec::new()).await?,
    };
    let (keys, gas_keys) = KEY_REGISTRY.deploy(rpc, from, options.keys_arguments(verifier)).await?;
    let (models, gas_models) =
        MODEL_REGISTRY.deploy(rpc, from, (keys, U256::from(options.commit_secs)).abi_encode_params()).await?;
    let arguments = (verifier, keys, models, options.treasury).abi_encode_params();
    let (market, gas_market) = INFERENCE_MARKET.deploy(rpc, from, arguments).await?;
    Ok(Deployment { verifier, keys, models, market, gas: gas_verifier + gas_keys + gas_models + gas_market })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEPLOYER: Address = Address::repeat_byte(9);

    fn sound() -> DeployOptions {
        DeployOptions {
            attestors: vec![Address::repeat_byte(1), Address::repeat_byte(2)],
            threshold: 2,
            timelock_secs: 1,
            allow_development: false,
            commit_secs: 60,
            ..DeployOptions::development(Address::ZERO, Address::repeat_byte(3))
        }
    }

    #[test]
    fn nobody_alone_admits_keys_or_slashes_himself() {
        sound().check(DEPLOYER).unwrap();
        let changes: [(&str, &dyn Fn(&mut DeployOptions)); 6] = [
            ("--attestor", &|o| o.attestors.truncate(1)),
            ("--attestor", &|o| o.attestors[1] = o.attestors[0]),
            ("--threshold", &|o| o.threshold = 1),
            ("--timelock", &|o| o.timelock_secs = 0),
            ("--treasury", &|o| o.treasury = DEPLOYER),
            ("--commit-secs", &|o| o.commit_secs = 0),
        ];
        for (option, change) in changes {
            let mut options = sound();
            change(&mut options);
            let refused = options.check(DEPLOYER).unwrap_err();
            assert!(
                matches!(refused, ChainError::WeakGovernance { what } if what.contains(option)),
                "{option}: {refused}"
            );
            options.allow_development = true;
            options.check(DEPLOYER).unwrap();
        }
    }
}
