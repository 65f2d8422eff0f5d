// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

/// @title One verifier for the proofs of every model.
/// @notice Stateless: keys and weight commitments are read from contract code, so nothing here can be configured or upgraded.
interface IAssayVerifier {
    /// @notice The code at the key pointer is not a verifying key of a version that is known (2: Groth16, 3: universal), or its length or a
    /// count is inconsistent.
    error InvalidKey();
    /// @notice An argument has not the length that the key's shape asks for. `what`: 1 weights, 2 inputs, 3 output, 4 proof.
    error InvalidLength(uint256 what);
    /// @notice A word of the statement or the proof is not a canonical scalar (`< r`).
    error ScalarOutOfRange();
    /// @notice The y coordinate of a Groth16 proof's `C` is not below `q` (all other coordinates are checked by the precompiles).
    error InvalidPoint();
    /// @notice A challenge makes a denominator vanish (negligible probability for an honest prover, who draws another salt).
    error DegenerateChallenge();
    /// @notice A curve precompile refused a point: it is not on the curve, or not in the right subgroup.
    error PrecompileFailed();
    /// @notice The proof is well formed and wrong.
    error InvalidProof();

    /// @notice Checks a proof of inference. Reverts on any failure (in the spirit of ERC-7992) and changes nothing.
    /// @dev Layouts: docs/protocol.md sections 8 and 9. Pointers are contracts whose code is a zero byte followed by the data.
    /// @param keyPointer verifying key bytes, as code
    /// @param weightsPointer weight commitments, 64 bytes (x, y) each, as code
    /// @param context binding context, a canonical scalar: the proof is valid for this context only
    /// @param inputCommitments 64 bytes (x, y) each; of all inferences, if the key is for several
    /// @param output output cells of all inferences as big-endian int16, 2 bytes each, and behind them how many clamps there were in all
    /// inferences, as big-endian uint32
    /// @param proof proof bytes, exact length
    /// @return always true; a caller that ignores it is safe, since failure reverts
    function verify(
        address keyPointer,
        address weightsPointer,
        bytes32 context,
        bytes calldata inputCommitments,
        bytes calldata output,
        bytes calldata proof
    ) external view returns (bool);
}
