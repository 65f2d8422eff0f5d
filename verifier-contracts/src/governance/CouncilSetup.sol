// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {TimelockController} from "@openzeppelin/contracts/governance/TimelockController.sol";
import {IVotes} from "@openzeppelin/contracts/governance/utils/IVotes.sol";
import {CouncilGovernor} from "./CouncilGovernor.sol";

/// @title Makes a council in one transaction, so that nobody ever administers it.
/// @notice The timelock is the seat to name as an attestor. Only the governor proposes and cancels there, anyone executes what is due, and the timelock
/// is its own administrator.
contract CouncilSetup {
    TimelockController public immutable timelock;
    CouncilGovernor public immutable governor;

    error NoTimelock();

    /// @param votes seats (`CouncilVotes`), or any token with votes
    /// @param minDelay seconds from a decision to its execution
    constructor(IVotes votes, uint256 minDelay, uint48 delay, uint32 period, uint256 quorumPercent) {
        if (minDelay == 0) revert NoTimelock();
        address[] memory anyone = new address[](1);
        timelock = new TimelockController(minDelay, new address[](0), anyone, address(this));
        governor = new CouncilGovernor(votes, timelock, delay, period, quorumPercent);
        timelock.grantRole(timelock.PROPOSER_ROLE(), address(governor));
        timelock.grantRole(timelock.CANCELLER_ROLE(), address(governor));
        timelock.renounceRole(timelock.DEFAULT_ADMIN_ROLE(), address(this));
    }
}
