// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {IKeyRegistry} from "../interfaces/IKeyRegistry.sol";
import {IModelRegistry} from "../interfaces/IModelRegistry.sol";
import {Bn254} from "./Bn254.sol";

/// @notice Proofs of one inference of a listed model, outside the market: for contracts that ask what a proof says and pay in their own way.
library Statements {
    /// @param modelId a listed model
    /// @param keyHash an admitted key of its shape, for one inference
    /// @param inputCommitment Keccak-256 of the input's commitments
    /// @param unclamped whether a proof with clamped values is refused
    struct Terms {
        uint256 modelId;
        bytes32 keyHash;
        bytes32 inputCommitment;
        bool unclamped;
    }

    /// @notice Cells with the number of clamps behind them, and what proves them.
    struct Claim {
        bytes inputCommitments;
        bytes output;
        bytes proof;
    }

    /// @notice The key is for another shape than the model, or for several inferences.
    error OtherKey();
    error OtherInput();
    error ValuesClamped(uint32 clamps);

    /// @notice Reverts unless the claim is proven in this context.
    function check(IKeyRegistry keys, IModelRegistry models, Terms memory terms, bytes32 context, Claim memory claim) internal view {
        if (keccak256(claim.inputCommitments) != terms.inputCommitment) revert OtherInput();
        IKeyRegistry.Key memory key = keys.admittedKey(terms.keyHash);
        IModelRegistry.Model memory model = models.model(terms.modelId);
        if (key.shapeDigest != model.shapeDigest || key.batch != 0) revert OtherKey();
        keys.verifier().verify(key.pointer, model.weightsPointer, context, claim.inputCommitments, claim.output, claim.proof);
        uint32 clamps = _clamps(claim.output);
        if (terms.unclamped && clamps != 0) revert ValuesClamped(clamps);
    }

    /// @notice A canonical scalar out of what a proof is bound to.
    function context(bytes memory boundTo) internal pure returns (bytes32) {
        return bytes32(uint256(keccak256(boundTo)) % Bn254.R);
    }

    /// @dev The last four bytes: the verifier has accepted the length.
    function _clamps(bytes memory output) private pure returns (uint32 clamps) {
        assembly ("memory-safe") {
            clamps := shr(224, mload(add(add(output, 0x20), sub(mload(output), 4))))
        }
    }
}
