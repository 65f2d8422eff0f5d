// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {IAttestors} from "../interfaces/IAttestors.sol";

/// @notice See `IAttestors`.
abstract contract Attestors is IAttestors {
    uint256 private constant MAX_ATTESTORS = 32;

    /// @inheritdoc IAttestors
    uint256 public immutable threshold;
    /// @inheritdoc IAttestors
    uint256 public immutable timelockSecs;
    /// @inheritdoc IAttestors
    mapping(address account => bool) public isAttestor;

    /// @dev What attestors have approved and nobody has done yet.
    struct Action {
        uint64 readyAt;
        bool done;
        mapping(address attestor => bool) approved;
    }

    address[] private _attestors;
    /// @dev Replacements done so far: an approval is for one of them.
    uint256 private _replacements;
    mapping(bytes32 action => Action) private _actions;

    constructor(address[] memory attestors_, uint256 threshold_, uint256 timelockSecs_) {
        if (threshold_ == 0 || threshold_ > attestors_.length || attestors_.length > MAX_ATTESTORS) revert InvalidAttestors();
        if (timelockSecs_ > 365 days) revert InvalidAttestors();
        for (uint256 i; i < attestors_.length; ++i) {
            if (attestors_[i] == address(0) || isAttestor[attestors_[i]]) revert InvalidAttestors();
            isAttestor[attestors_[i]] = true;
        }
        _attestors = attestors_;
        threshold = threshold_;
        timelockSecs = timelockSecs_;
    }

    modifier onlyAttestor() {
        if (!isAttestor[msg.sender]) revert NotAttestor(msg.sender);
        _;
    }

    /// @inheritdoc IAttestors
    function attestors() public view returns (address[] memory) {
        return _attestors;
    }

    /// @inheritdoc IAttestors
    function approveReplacement(address out, address into) external onlyAttestor {
        _approve(_replacement(out, into));
    }

    /// @inheritdoc IAttestors
    function replaceAttestor(address out, address into) external {
        _spend(_replacement(out, into));
        _replacements += 1;
        isAttestor[out] = false;
        isAttestor[into] = true;
        for (uint256 i; i < _attestors.length; ++i) {
            if (_attestors[i] == out) _attestors[i] = into;
        }
        emit AttestorReplaced(out, into);
    }

    function _replacement(address out, address into) private view returns (bytes32) {
        if (!isAttestor[out]) revert NotAttestor(out);
        if (into == address(0) || isAttestor[into]) revert InvalidAttestors();
        return keccak256(abi.encode("replace", out, into, _replacements));
    }

    /// @dev Approves an action as the caller; the timelock starts with the last approval needed.
    function _approve(bytes32 id) internal {
        Action storage action = _actions[id];
        if (action.approved[msg.sender]) revert AlreadyApproved(id, msg.sender);
        action.approved[msg.sender] = true;
        emit ActionApproved(id, msg.sender);
        if (action.readyAt == 0 && _countOf(action.approved) >= threshold) action.readyAt = uint64(block.timestamp + timelockSecs);
    }

    /// @dev Reverts unless an action is approved, by those who are attestors now, and its timelock is over; it can be done once.
    function _spend(bytes32 id) internal {
        Action storage action = _actions[id];
        if (action.readyAt == 0 || block.timestamp < action.readyAt) revert ActionNotReady(id, action.readyAt);
        if (action.done || _countOf(action.approved) < threshold) revert ActionNotReady(id, action.readyAt);
        action.done = true;
    }

    /// @dev How many of today's attestors are in a set.
    function _countOf(mapping(address => bool) storage set) internal view returns (uint256 count) {
        for (uint256 i; i < _attestors.length; ++i) {
            if (set[_attestors[i]]) ++count;
        }
    }
}
