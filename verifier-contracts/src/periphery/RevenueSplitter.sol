// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {Clones} from "@openzeppelin/contracts/proxy/Clones.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {IInferenceMarket} from "../interfaces/IInferenceMarket.sol";

/// @notice A part of what a splitter gets: `weight` of the sum of all weights.
struct Share {
    address account;
    uint96 weight;
}

/// @title One payee of a model that stands for many.
/// @notice A model's revenue split names a splitter among its payees; the splitter's shares are creators, data providers, compute providers, and the
/// splitters of the models that this one was made from. Shares never change. Each account takes its own part when it likes, so none can hold
/// up another. A parent's splitter divides what it takes in the same way, so that lineage has any depth: no call goes further than one step.
/// @dev Made by `SplitterFactory`, at an address that follows from its shares. An account is owed `floor(all that ever came · weight / sum)`, less what
/// it has taken: less than one unit per account waits for more to come, and none is lost. Tokens that shrink on their own pay less to those who come last.
contract RevenueSplitter {
    using SafeERC20 for IERC20;

    IInferenceMarket public immutable market;

    mapping(address token => uint256) public totalReleased;
    mapping(address token => mapping(uint256 index => uint256)) public released;

    event Released(address indexed token, address indexed account, address indexed to, uint256 amount);

    error NotAccount();
    error NothingDue();
    error NotPaid();

    constructor(IInferenceMarket market_) {
        market = market_;
    }

    /// @dev Native coin, of the market or of anybody.
    receive() external payable {}

    /// @notice Anyone: takes this splitter's credit out of the market. What came in other ways is divided as well.
    /// @param token ERC-20, or zero for the native coin
    function collect(address token) public returns (uint256 amount) {
        amount = market.balanceOf(token, address(this));
        if (amount != 0) market.withdraw(token, amount, address(this));
    }

    /// @notice Anyone: collects, and sends an account what it is owed.
    function release(address token, uint256 index) external returns (uint256) {
        return _release(token, index, shares()[index].account);
    }

    /// @notice The account: has what it is owed sent elsewhere, for one that cannot take it itself.
    function releaseTo(address token, uint256 index, address to) external returns (uint256) {
        if (msg.sender != shares()[index].account || to == address(0)) revert NotAccount();
        return _release(token, index, to);
    }

    /// @notice The accounts and their weights.
    function shares() public view returns (Share[] memory) {
        return abi.decode(Clones.fetchCloneArgs(address(this)), (Share[]));
    }

    /// @notice What an account is owed of what is here, and of the credit in the market.
    function due(address token, uint256 index) public view returns (uint256) {
        return _due(token, index, _balance(token) + market.balanceOf(token, address(this)));
    }

    /// @dev Written down before anything is sent.
    function _release(address token, uint256 index, address to) private returns (uint256 amount) {
        collect(token);
        amount = _due(token, index, _balance(token));
        if (amount == 0) revert NothingDue();
        released[token][index] += amount;
        totalReleased[token] += amount;
        emit Released(token, shares()[index].account, to, amount);
        if (token != address(0)) {
            IERC20(token).safeTransfer(to, amount);
        } else {
            (bool ok,) = to.call{value: amount}("");
            if (!ok) revert NotPaid();
        }
    }

    function _due(address token, uint256 index, uint256 here) private view returns (uint256) {
        Share[] memory all = shares();
        uint256 sum;
        for (uint256 i; i < all.length; ++i) {
            sum += all[i].weight;
        }
        uint256 owed = (here + totalReleased[token]) * all[index].weight / sum;
        uint256 taken = released[token][index];
        owed = owed > taken ? owed - taken : 0; // a token that shrinks
        return owed < here ? owed : here;
    }

    function _balance(address token) private view returns (uint256) {
        return token == address(0) ? address(this).balance : IERC20(token).balanceOf(address(this));
    }
}
