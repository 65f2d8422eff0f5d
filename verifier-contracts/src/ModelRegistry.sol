// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {ERC721} from "@openzeppelin/contracts/token/ERC721/ERC721.sol";
import {ERC2981} from "@openzeppelin/contracts/token/common/ERC2981.sol";
import {IKeyRegistry} from "./interfaces/IKeyRegistry.sol";
import {IModelRegistry, Payee} from "./interfaces/IModelRegistry.sol";
import {Bn254} from "./lib/Bn254.sol";
import {Code} from "./lib/Code.sol";

/// @notice See `IModelRegistry`.
contract ModelRegistry is IModelRegistry, ERC721, ERC2981 {
    uint256 private constant MAX_PAYEES = 8;
    /// @dev What a proof of weights has for its input, the commitment to one cell of 1, and for its output: that cell, and no clamps.
    bytes private constant WEIGHTS_INPUT = abi.encode(1, 2);
    bytes private constant WEIGHTS_OUTPUT = hex"000100000000";

    /// @notice Whose keys proofs of weights are verified under.
    IKeyRegistry public immutable keys;

    /// @notice Number of models; ids start at 1.
    uint256 public modelCount;
    mapping(uint256 modelId => Model) private _models;
    mapping(uint256 modelId => string) private _uris;
    /// @notice When a registration was committed to.
    mapping(bytes32 commitment => uint256) public committedAt;
    /// @notice The model of weight commitments, by their Keccak-256; zero if there is none.
    mapping(bytes32 weightsHash => uint256 modelId) public modelOfWeights;
    /// @notice Seconds from the commitment of a registration to the registration.
    uint256 public immutable commitSecs;

    /// @param commitSecs_ long enough that a registration once seen is mined before another one can be committed to; 0 for development chains
    constructor(IKeyRegistry keys_, uint256 commitSecs_) ERC721("Assay Model", "ASSAY") {
        if (commitSecs_ > 1 days) revert InvalidCommitSecs();
        if (address(keys_).code.length == 0) revert InvalidKeys();
        keys = keys_;
        commitSecs = commitSecs_;
    }

    /// @inheritdoc IModelRegistry
    function commitRegistration(bytes32 commitment) external {
        // the first time counts: nobody can put off the registration of somebody else
        if (committedAt[commitment] == 0) committedAt[commitment] = block.timestamp;
        emit RegistrationCommitted(msg.sender, commitment);
    }

    /// @inheritdoc IModelRegistry
    function register(Registration calldata registration) external returns (uint256 modelId) {
        if (registration.shapeDigest == 0) revert InvalidShape();
        _checkSplit(registration.split);
        _checkCommitted(registrationCommitment(msg.sender, registration));
        bytes memory weights = registration.weightCommitments;
        _checkWeights(weights);
        bytes32 weightsHash = keccak256(weights);
        if (modelOfWeights[weightsHash] != 0) revert WeightsTaken(modelOfWeights[weightsHash]);
        modelId = ++modelCount;
        modelOfWeights[weightsHash] = modelId;
        Model storage record = _models[modelId];
        record.shapeDigest = registration.shapeDigest;
        record.modelCommitment = keccak256(abi.encodePacked(registration.shapeDigest, weights));
        record.splitHash = keccak256(abi.encode(registration.split));
        record.cardHash = registration.cardHash;
        record.termsHash = keccak256(abi.encode(record.shapeDigest, record.modelCommitment, record.splitHash));
        record.weightsPointer = Code.write(weights);
        record.registeredAt = uint40(block.timestamp);
        record.weightChunks = uint16(weights.length / 64); // fewer than 2^16: code has at most 24,575 bytes
        _uris[modelId] = registration.uri;
        _setTokenRoyalty(modelId, msg.sender, registration.royaltyBps);
        _mint(msg.sender, modelId); // not _safeMint: no callback
        emit ModelRegistered(
            modelId,
            record.modelCommitment,
            record.shapeDigest,
            msg.sender,
            record.weightsPointer,
            registration.uri,
            registration.cardHash,
            registration.split
        );
    }

    /// @inheritdoc IModelRegistry
    function proveWeights(uint256 modelId, bytes32 keyHash, bytes calldata proof) external {
        address owner = ownerOf(modelId);
        Model storage record = _models[modelId];
        IKeyRegistry.Key memory key = keys.admittedKey(keyHash);
        if (key.shapeDigest != weightsDigest(record.shapeDigest) || key.batch != 0) revert OtherKey(keyHash);
        // the first proof stands; one under a development key, which means nothing, makes way for another
        if (record.weightsProvenAt != 0 && (key.development || !record.weightsDevelopment)) revert WeightsAlreadyProven(modelId);
        keys.verifier().verify(
            key.pointer, record.weightsPointer, contextOfWeights(modelId, owner), WEIGHTS_INPUT, WEIGHTS_OUTPUT, proof
        );
        (record.weightsProvenAt, record.weightsDevelopment) = (uint40(block.timestamp), key.development);
        emit WeightsProven(modelId, owner, keyHash, key.development);
    }

    /// @inheritdoc IModelRegistry
    function setDeprecated(uint256 modelId, bool deprecated) external {
        if (ownerOf(modelId) != msg.sender) revert NotOwner(modelId, msg.sender);
        _models[modelId].deprecated = deprecated;
        emit ModelDeprecated(modelId, deprecated);
    }

    /// @inheritdoc IModelRegistry
    function revokeQuotes(uint256 modelId) external {
        if (ownerOf(modelId) != msg.sender) revert NotOwner(modelId, msg.sender);
        _endQuotes(modelId);
    }

    /// @inheritdoc IModelRegistry
    function registrationCommitment(address registrant, Registration calldata registration) public pure returns (bytes32) {
        return keccak256(abi.encode(registrant, registration));
    }

    /// @inheritdoc IModelRegistry
    function weightsDigest(bytes32 shapeDigest) public pure returns (bytes32) {
        return keccak256(abi.encodePacked("assay-weights-v1", shapeDigest));
    }

    /// @inheritdoc IModelRegistry
    function contextOfWeights(uint256 modelId, address owner) public view returns (bytes32) {
        return bytes32(uint256(keccak256(abi.encode(block.chainid, address(this), "weights", modelId, owner))) % Bn254.R);
    }

    /// @inheritdoc IModelRegistry
    function listing(uint256 modelId) external view returns (Listing memory) {
        Model storage m = _models[modelId];
        if (m.registeredAt == 0) revert UnknownModel(modelId);
        return Listing(m.termsHash, m.weightsPointer, _ownerOf(modelId), m.deprecated, m.quoteEpoch, m.weightChunks);
    }

    /// @inheritdoc IModelRegistry
    function model(uint256 modelId) external view returns (Model memory) {
        if (_models[modelId].registeredAt == 0) revert UnknownModel(modelId);
        return _models[modelId];
    }

    /// @notice Model card.
    function tokenURI(uint256 modelId) public view override returns (string memory) {
        _requireOwned(modelId);
        return _uris[modelId];
    }

    function supportsInterface(bytes4 interfaceId) public view override(ERC721, ERC2981) returns (bool) {
        return super.supportsInterface(interfaceId);
    }

    /// @dev A transfer ends the quotes of the holder, for good: they do not come back with the token.
    function _update(address to, uint256 modelId, address auth) internal override returns (address from) {
        from = super._update(to, modelId, auth);
        if (from != address(0)) _endQuotes(modelId);
    }

    function _endQuotes(uint256 modelId) private {
        uint32 epoch = ++_models[modelId].quoteEpoch;
        emit QuotesRevoked(modelId, epoch);
    }

    function _checkCommitted(bytes32 commitment) private view {
        uint256 since = committedAt[commitment];
        uint256 readyAt = since == 0 ? 0 : since + commitSecs;
        if (since == 0 || block.timestamp < readyAt) revert NotCommitted(commitment, readyAt);
    }

    function _checkSplit(Payee[] calldata split) private pure {
        if (split.length == 0 || split.length > MAX_PAYEES) revert InvalidSplit();
        uint256 sum;
        for (uint256 i; i < split.length; ++i) {
            if (split[i].account == address(0) || split[i].bps == 0) revert InvalidSplit();
            sum += split[i].bps;
        }
        if (sum != 10_000) revert InvalidSplit();
    }

    /// @dev Blinded commitments are never at infinity.
    function _checkWeights(bytes memory weights) private view {
        if (weights.length == 0 || weights.length % 64 != 0) revert InvalidWeights();
        uint256 start;
        assembly ("memory-safe") {
            start := add(weights, 0x20)
        }
        for (uint256 offset; offset < weights.length; offset += 64) {
            if (!Bn254.isPoint(start + offset)) revert InvalidWeights();
        }
    }
}
