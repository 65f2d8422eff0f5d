// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

/// @notice A contract that is called when an inference it asked for is there.
interface IInferenceReceiver {
    /// @notice Called by `InferenceCallbacks` with a limit of gas that the receiver has chosen. If it reverts, nothing of it has happened, and anyone can
    /// have it called again.
    /// @param output the verified output that the job was paid for: big-endian int16 cells, and the number of clamps as big-endian uint32
    function onInference(bytes32 jobId, bytes calldata output) external;
}
