// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

/// @notice Says whom a regulated seller may sell to.
interface IBuyerGate {
    /// @notice Whether a buyer may buy inferences of a model. Asked at every funding; it must not take more than a few reads.
    function isAllowed(address buyer, uint256 modelId) external view returns (bool);
}
