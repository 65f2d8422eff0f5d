// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {ERC721} from "@openzeppelin/contracts/token/ERC721/ERC721.sol";
import {ERC2981} from "@openzeppelin/contracts/token/common/ERC2981.sol";
import {IModelRegistry, Payee} from "./interfaces/IModelRegistry.sol";
import {Bn254} from "./lib/Bn254.sol";
import {Code} from "./lib/Code.sol";

/// @notice See `IModelRegistry`.
contract ModelRegistry is IModelRegistry, ERC721, ERC2981 {
    uint256 private constant MAX_PAYEES = 8;

    /// @notice Number of models; ids start at 1.
    uint256 public modelCount;
    mapping(uint256 modelId => Model) private _models;
    mapping(uint256 modelId => string) private _uris;

    constructor() ERC721("Assay Model", "ASSAY") {}

    /// @inheritdoc IModelRegistry
    function register(Registration calldata registration) external returns (uint256 modelId) {
        if (registration.shapeDigest == 0) revert InvalidShape();
        _checkSplit(registration.split);
        bytes memory weights = registration.weightCommitments;
        _checkWeights(weights);
        modelId = ++modelCount;
        Model storage record = _models[modelId];
        record.shapeDigest = registration.shapeDigest;
        record.modelCommitment = keccak256(abi.encodePacked(registration.shapeDigest, weights));
        record.splitHash = keccak256(abi.encode(registration.split));
        record.cardHash = registration.cardHash;
        record.weightsPointer = Code.write(weights);
        record.registeredAt = uint40(block.timestamp);
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
    function setDeprecated(uint256 modelId, bool deprecated) external {
        if (ownerOf(modelId) != msg.sender) revert NotOwner(modelId, msg.sender);
        _models[modelId].deprecated = deprecated;
        emit ModelDeprecated(modelId, deprecated);
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
