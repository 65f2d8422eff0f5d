// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {Clones} from "@openzeppelin/contracts/proxy/Clones.sol";
import {IInferenceMarket} from "../interfaces/IInferenceMarket.sol";
import {RevenueSplitter, Share} from "./RevenueSplitter.sol";

/// @title Makes splitters.
contract SplitterFactory {
    uint256 private constant MAX_SHARES = 64;

    address public immutable implementation;

    event SplitterCreated(address indexed splitter, Share[] shares);

    /// @notice From 1 to 64 shares, each of another account, which is not zero, with a weight above 0.
    error InvalidShares();

    constructor(IInferenceMarket market) {
        implementation = address(new RevenueSplitter(market));
    }

    /// @notice Anyone: makes the splitter of these shares, or finds it.
    function create(Share[] calldata shares) external returns (address splitter) {
        splitter = addressOf(shares);
        if (splitter.code.length != 0) return splitter;
        _check(shares);
        Clones.cloneDeterministicWithImmutableArgs(implementation, abi.encode(shares), 0);
        emit SplitterCreated(splitter, shares);
    }

    /// @notice Where the splitter of these shares is, or will be: a model can be registered with it before.
    function addressOf(Share[] calldata shares) public view returns (address) {
        return Clones.predictDeterministicAddressWithImmutableArgs(implementation, abi.encode(shares), 0);
    }

    /// @dev In order of their addresses, so that one splitter has one address and none is there twice.
    function _check(Share[] calldata shares) private pure {
        if (shares.length == 0 || shares.length > MAX_SHARES) revert InvalidShares();
        for (uint256 i; i < shares.length; ++i) {
            if (shares[i].account == address(0) || shares[i].weight == 0) revert InvalidShares();
            if (i != 0 && shares[i].account <= shares[i - 1].account) revert InvalidShares();
        }
    }
}
