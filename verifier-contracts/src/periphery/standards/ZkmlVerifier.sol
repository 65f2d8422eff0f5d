// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {ERC165} from "@openzeppelin/contracts/utils/introspection/ERC165.sol";
import {IKeyRegistry} from "../../interfaces/IKeyRegistry.sol";
import {IModelRegistry} from "../../interfaces/IModelRegistry.sol";
import {Statements} from "../../lib/Statements.sol";

/// @notice The verifier of ERC-7992 (draft).
interface IERCZKMLVerifier {
    event InferenceVerified(uint256 indexed modelId, bytes32 indexed inputCommitment, bytes output, address indexed caller);

    error InvalidProof();
    error ModelMismatch();
    error InputCommitmentMismatch();
    error OutputMismatch();
    error UnsupportedProofSystem(bytes4 proofSystemId);
    error VerificationRefused_ModelDeprecated(uint256 modelId);

    function verifyInference(uint256 modelId, bytes32 inputCommitment, bytes calldata output, bytes calldata proof) external;

    function proofSystemOf(uint256 modelId) external view returns (bytes4);

    function registry() external view returns (address registryAddress);
}

/// @title The models and keys of these registries, as ERC-7992 (draft) sees them.
/// @notice Models are the registry's, verified under the universal wrap's key of one SRS. `getModel` is the draft's; registering, changing and
/// deprecating is `ModelRegistry`'s affair, in its own way.
/// @dev The draft's registry interface cannot be written down in Solidity as it stands: it has an error and an event of one name.
contract ZkmlVerifier is IERCZKMLVerifier, ERC165 {
    /// @dev Of the draft: the first bytes of the hash of a name in lower case with hyphens.
    bytes4 public constant PROOF_SYSTEM = bytes4(keccak256("assay-plonk-kzg-bn254-v3"));
    bytes32 private constant UNIVERSAL = "plonk-kzg-bn254";

    /// @notice Of the draft's registry.
    struct ModelCommitment {
        bytes32 modelHash;
        bytes32 circuitHash;
        bytes32 vkHash;
        bytes4 proofSystemId;
        string uri;
    }

    /// @notice What `proof` is the ABI encoding of.
    /// @param context what the proof is bound to: for who asked for it to say
    struct Proof {
        bytes32 context;
        bytes inputCommitments;
        bytes proof;
    }

    IKeyRegistry public immutable keys;
    IModelRegistry public immutable models;
    bytes32 public immutable srsId;

    constructor(IKeyRegistry keys_, IModelRegistry models_, bytes32 srsId_) {
        (keys, models, srsId) = (keys_, models_, srsId_);
    }

    /// @inheritdoc IERCZKMLVerifier
    /// @param inputCommitment Keccak-256 of the input's commitments, whose blinding is its nonce
    /// @param output cells, and the number of clamps
    /// @param proof `abi.encode(Proof)`
    function verifyInference(uint256 modelId, bytes32 inputCommitment, bytes calldata output, bytes calldata proof) external {
        if (models.listing(modelId).deprecated) revert VerificationRefused_ModelDeprecated(modelId);
        Proof memory given = abi.decode(proof, (Proof));
        if (keccak256(given.inputCommitments) != inputCommitment) revert InputCommitmentMismatch();
        bytes32 keyHash = keyOf(modelId);
        if (keyHash == 0) revert UnsupportedProofSystem(PROOF_SYSTEM);
        Statements.Terms memory terms = Statements.Terms(modelId, keyHash, inputCommitment, false);
        Statements.check(keys, models, terms, given.context, Statements.Claim(given.inputCommitments, output, given.proof));
        emit InferenceVerified(modelId, inputCommitment, output, msg.sender);
    }

    /// @inheritdoc IERCZKMLVerifier
    function proofSystemOf(uint256 modelId) external view returns (bytes4) {
        return keyOf(modelId) == 0 ? bytes4(0) : PROOF_SYSTEM;
    }

    /// @inheritdoc IERCZKMLVerifier
    /// @dev `getModel` is here.
    function registry() external view returns (address) {
        return address(this);
    }

    /// @notice The draft's view of a model.
    function getModel(uint256 modelId) external view returns (ModelCommitment memory commitment, bool deprecated, address owner) {
        IModelRegistry.Model memory model = models.model(modelId);
        (deprecated, owner) = (model.deprecated, models.listing(modelId).owner);
        commitment = ModelCommitment(model.modelCommitment, model.shapeDigest, keyOf(modelId), PROOF_SYSTEM, "");
    }

    /// @notice The key that a model's proofs are verified under here; zero if none is admitted.
    function keyOf(uint256 modelId) public view returns (bytes32) {
        return keys.keyHashOf(models.model(modelId).shapeDigest, UNIVERSAL, srsId, 0);
    }

    function supportsInterface(bytes4 interfaceId) public view override returns (bool) {
        return interfaceId == type(IERCZKMLVerifier).interfaceId || super.supportsInterface(interfaceId);
    }
}
