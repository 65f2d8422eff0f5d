// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

/// @notice A share of revenue. `account` may be `OWNER` (address 1: whoever holds the model's token when a job is funded) or
/// `PROVER` (address 2: the prover who is paid for the job).
struct Payee {
    address account;
    uint16 bps;
}

/// @title Models as ERC-721 tokens with ERC-2981 royalties.
/// @notice A model is a shape digest and its weight commitments. The holder of the token signs quotes and earns the OWNER share of jobs
/// funded while they hold it; the revenue split itself is fixed at registration, so a transfer cannot cut out the other payees.
/// @dev Trust: registering says nothing about the model's quality or its author; a copied commitment is useless without the weights.
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

    struct Model {
        bytes32 shapeDigest;
        bytes32 modelCommitment;
        bytes32 splitHash;
        bytes32 cardHash;
        address weightsPointer;
        uint40 registeredAt;
        bool deprecated;
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

    error InvalidWeights();
    error InvalidSplit();
    error InvalidShape();
    error NotOwner(uint256 modelId, address account);
    error UnknownModel(uint256 modelId);

    /// @notice Lists a model; the caller gets its token.
    function register(Registration calldata registration) external returns (uint256 modelId);

    /// @notice Owner only: a deprecated model takes no new jobs; funded ones are not touched. Can be taken back.
    function setDeprecated(uint256 modelId, bool deprecated) external;

    /// @notice The record of a model; reverts `UnknownModel`.
    function model(uint256 modelId) external view returns (Model memory);
}
