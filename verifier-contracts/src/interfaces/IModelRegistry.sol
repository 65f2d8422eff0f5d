// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {IKeyRegistry} from "./IKeyRegistry.sol";

/// @notice A share of revenue. `account` may be `OWNER` (address 1: whoever holds the model's token when a job is funded) or
/// `PROVER` (address 2: the prover who is paid for the job).
struct Payee {
    address account;
    uint16 bps;
}

/// @title Models as ERC-721 tokens with ERC-2981 royalties.
/// @notice A model is a shape digest and its weight commitments. The holder of the token signs quotes and earns the OWNER share of jobs
/// funded while they hold it; the revenue split itself is fixed at registration, so a transfer cannot cut out the other payees.
/// @dev Trust: registering says nothing about the model's quality or its author; a copied commitment is useless without the weights. That somebody
/// knows the weights, and that they are integers of the width which the architecture names, is shown by `proveWeights`, once. Whoever has
/// the weights can commit to them with other blinding and register that as another model with another split; nothing on chain shows that they
/// are the same.
interface IModelRegistry {
    /// @param shapeDigest digest of the architecture (docs/protocol.md section 8)
    /// @param weightCommitments 64 bytes (x, y) each
    /// @param uri model card
    /// @param cardHash Keccak-256 of the model card
    /// @param royaltyBps ERC-2981 royalty on sales of the token, to the registrant, in 1/10,000
    /// @param split revenue split, at most 8 payees, shares sum to 10,000
    struct Registration {
        bytes32 shapeDigest;
        bytes weightCommitments;
        string uri;
        bytes32 cardHash;
        uint96 royaltyBps;
        Payee[] split;
    }

    /// @param weightsProvenAt when `proveWeights` succeeded, 0 if never
    /// @param weightsDevelopment whether that was under a key whose trapdoor is known, so that it means nothing
    /// @param quoteEpoch moves when the token is transferred or its holder revokes all quotes; quotes name it
    struct Model {
        bytes32 shapeDigest;
        bytes32 modelCommitment;
        bytes32 splitHash;
        bytes32 cardHash;
        bytes32 termsHash;
        address weightsPointer;
        uint40 registeredAt;
        bool deprecated;
        uint32 quoteEpoch;
        uint16 weightChunks;
        uint40 weightsProvenAt;
        bool weightsDevelopment;
    }

    /// @notice What funding a job takes of a model.
    /// @param termsHash `keccak256(abi.encode(shapeDigest, modelCommitment, splitHash))`
    /// @param owner holder of the token
    struct Listing {
        bytes32 termsHash;
        address weightsPointer;
        address owner;
        bool deprecated;
        uint32 quoteEpoch;
        uint16 weightChunks;
    }

    event ModelRegistered(
        uint256 indexed modelId,
        bytes32 indexed modelCommitment,
        bytes32 indexed shapeDigest,
        address owner,
        address weightsPointer,
        string uri,
        bytes32 cardHash,
        Payee[] split
    );
    event ModelDeprecated(uint256 indexed modelId, bool deprecated);
    event RegistrationCommitted(address indexed registrant, bytes32 indexed commitment);
    /// @param development whether the key's trapdoor is known, so that the proof means nothing
    event WeightsProven(uint256 indexed modelId, address indexed owner, bytes32 indexed keyHash, bool development);
    event QuotesRevoked(uint256 indexed modelId, uint32 quoteEpoch);

    error InvalidWeights();
    error InvalidSplit();
    error InvalidShape();
    /// @notice The registration was not committed to by the caller, or too short a time ago: it can be registered from `readyAt` (0 if never).
    error NotCommitted(bytes32 commitment, uint256 readyAt);
    /// @notice These weight commitments are a model already, with its own split.
    error WeightsTaken(uint256 modelId);
    error InvalidCommitSecs();
    error InvalidKeys();
    /// @notice The key is not that of the proofs of this model's weights.
    error OtherKey(bytes32 keyHash);
    /// @notice The model's weights are proven already, and not under a development key that this one is better than.
    error WeightsAlreadyProven(uint256 modelId);
    error NotOwner(uint256 modelId, address account);
    error UnknownModel(uint256 modelId);

    /// @notice First step of a registration: binds it to the caller before anybody sees it, so that nobody who reads it in `register` can be first.
    /// @param commitment `registrationCommitment(caller, registration)`
    function commitRegistration(bytes32 commitment) external;

    /// @notice Second step: lists a model that the caller has committed to, at least `commitSecs` before; the caller gets its token.
    /// Weight commitments are registered once, whoever holds them: a second registration could pay by another split.
    function register(Registration calldata registration) external returns (uint256 modelId);

    /// @notice `keccak256(abi.encode(registrant, registration))`: the blinded weight commitments in it are secret until `register` shows them.
    function registrationCommitment(address registrant, Registration calldata registration) external pure returns (bytes32);

    /// @notice Anyone, with a proof that only who knows the weights can make: each weight and each bias behind the commitments is an integer of the
    /// width that the architecture names. It is bound to the token's holder.
    /// @param keyHash an admitted key of the shape `weightsDigest(shapeDigest of the model)`, for one inference
    /// @param proof see `IAssayVerifier`, in the context `contextOfWeights(modelId, ownerOf(modelId))`
    function proveWeights(uint256 modelId, bytes32 keyHash, bytes calldata proof) external;

    /// @notice Whose keys proofs of weights are verified under; a market has the same.
    function keys() external view returns (IKeyRegistry);

    /// @notice `keccak256("assay-weights-v1" ‖ shapeDigest)`: what keys for proofs of weights are keys of.
    function weightsDigest(bytes32 shapeDigest) external pure returns (bytes32);

    /// @notice `keccak256(abi.encode(chainid, this, "weights", modelId, owner)) mod r`.
    function contextOfWeights(uint256 modelId, address owner) external view returns (bytes32);

    /// @notice Owner only: no quote that was signed for the model so far can be funded any more.
    function revokeQuotes(uint256 modelId) external;

    /// @notice Owner only: a deprecated model takes no new jobs; funded ones are not touched. Can be taken back.
    function setDeprecated(uint256 modelId, bool deprecated) external;

    /// @notice The record of a model; reverts `UnknownModel`.
    function model(uint256 modelId) external view returns (Model memory);

    /// @notice The part of the record that funding reads, with the token's holder; reverts `UnknownModel`.
    function listing(uint256 modelId) external view returns (Listing memory);
}
