// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

/// @title A fixed number of attestors, of whom `threshold` act together.
/// @notice Each can be replaced by `threshold` of them and a timelock, so that lost or stolen keys do not end the registry. Number and threshold
/// never change.
interface IAttestors {
    event ActionApproved(bytes32 indexed action, address indexed attestor);
    event AttestorReplaced(address indexed out, address indexed into);

    error InvalidAttestors();
    error NotAttestor(address account);
    error AlreadyApproved(bytes32 action, address attestor);
    /// @notice Approvals are missing (`readyAt` 0, or an approving attestor was replaced), the timelock is not over, or it is done already.
    error ActionNotReady(bytes32 action, uint256 readyAt);

    /// @notice Attestations that a key needs, and approvals that an action needs.
    function threshold() external view returns (uint256);

    /// @notice Seconds between the last attestation or approval needed, and its effect.
    function timelockSecs() external view returns (uint256);

    /// @notice Today's attestors.
    function attestors() external view returns (address[] memory);

    function isAttestor(address account) external view returns (bool);

    /// @notice Attestor only: agrees to put `into` in the place of `out`. Approvals end with the next replacement.
    function approveReplacement(address out, address into) external;

    /// @notice Anyone: does an approved replacement whose timelock has passed. What the replaced attestor attested, approved or vetoed no longer counts.
    function replaceAttestor(address out, address into) external;
}
