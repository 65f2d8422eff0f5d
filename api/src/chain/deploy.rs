//! Deploys the contracts from their committed artifacts (`verifier-contracts/artifacts`), for the demo, for tests, for a new chain.

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
/// An ERC-20 for tests.
pub const TEST_TOKEN: Artifact = artifact!("TestToken");

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
    pub async fn deploy(&self, rpc: &Rpc, from: &PrivateKeySigner, arguments: Vec<u8>) -> Result<(Address, u64), ChainError> {
        deploy_code(rpc, from, [self.bytecode()?.to_vec(), arguments].concat().into(), self.name).await
    }
}

/// Deploys creation code. Returns the contract's address and the gas used.
pub async fn deploy_code(rpc: &Rpc, from: &PrivateKeySigner, code: Bytes, contract: &'static str) -> Result<(Address, u64), ChainError> {
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
    /// Gets slashed collateral.
    pub treasury: Address,
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

/// Deploys verifier, registries and market.
pub async fn deploy(rpc: &Rpc, from: &PrivateKeySigner, options: &DeployOptions) -> Result<Deployment, ChainError> {
    let (verifier, gas_verifier) = match options.verifier {
        Some(there) => (there, 0),
        None => ASSAY_VERIFIER.deploy(rpc, from, Vec::new()).await?,
    };
    let arguments = (
        verifier,
        options.attestors.clone(),
        U256::from(options.threshold),
        U256::from(options.timelock_secs),
        options.allow_development,
        options.development_srs.clone(),
    )
        .abi_encode_params();
    let (keys, gas_keys) = KEY_REGISTRY.deploy(rpc, from, arguments).await?;
    let (models, gas_models) = MODEL_REGISTRY.deploy(rpc, from, Vec::new()).await?;
    let arguments = (verifier, keys, models, options.treasury).abi_encode_params();
    let (market, gas_market) = INFERENCE_MARKET.deploy(rpc, from, arguments).await?;
    Ok(Deployment { verifier, keys, models, market, gas: gas_verifier + gas_keys + gas_models + gas_market })
}
