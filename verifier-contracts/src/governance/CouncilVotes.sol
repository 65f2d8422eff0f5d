// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Votes} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Votes.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";

/// @notice Seats of a council: one vote each, fixed at deployment, and not for sale. Who holds a seat may let another vote for it (`delegate`).
contract CouncilVotes is ERC20Votes {
    error SeatsStay();
    error InvalidMembers();

    /// @param members distinct, not zero, at least one
    constructor(address[] memory members) ERC20("Assay Council", "SEAT") EIP712("Assay Council", "1") {
        if (members.length == 0) revert InvalidMembers();
        for (uint256 i; i < members.length; ++i) {
            if (members[i] == address(0) || balanceOf(members[i]) != 0) revert InvalidMembers();
            _mint(members[i], 1);
            _delegate(members[i], members[i]);
        }
    }

    /// @notice A seat is not divided.
    function decimals() public pure override returns (uint8) {
        return 0;
    }

    /// @notice By time, since blocks differ from chain to chain.
    function clock() public view override returns (uint48) {
        return uint48(block.timestamp);
    }

    // solhint-disable-next-line func-name-mixedcase
    function CLOCK_MODE() public pure override returns (string memory) {
        return "mode=timestamp";
    }

    function _update(address from, address to, uint256 value) internal override {
        if (from != address(0)) revert SeatsStay();
        super._update(from, to, value);
    }
}
