// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {IInferenceMarket} from "./interfaces/IInferenceMarket.sol";

/// @notice Credits per token and account, and the two places where money really moves. Token zero is the native coin.
abstract contract Ledger is IInferenceMarket, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;

    /// @inheritdoc IInferenceMarket
    mapping(address token => mapping(address account => uint256)) public override balanceOf;
    /// @notice What came in of an ERC-20 and did not go out: what the market owes, in credits and open jobs.
    mapping(address token => uint256) public held;

    function _credit(address token, address account, uint256 amount) internal {
        if (amount != 0) balanceOf[token][account] += amount;
    }

    function _debit(address token, address account, uint256 amount) internal {
        if (amount == 0) return;
        uint256 have = balanceOf[token][account];
        if (have < amount) revert InsufficientBalance(token, account, amount, have);
        unchecked {
            balanceOf[token][account] = have - amount;
        }
    }

    /// @dev Takes `amount` from the caller. Native: the value must be exact. ERC-20: returns what really arrived.
    function _receive(address token, address from, uint256 amount) internal returns (uint256 received) {
        if (token == address(0)) {
            if (msg.value != amount) revert WrongPayment(amount, msg.value);
            return amount;
        }
        if (msg.value != 0) revert WrongPayment(0, msg.value);
        _requireErc20(token, from);
        uint256 before = IERC20(token).balanceOf(address(this));
        IERC20(token).safeTransferFrom(from, address(this), amount);
        received = IERC20(token).balanceOf(address(this)) - before;
        if (received > amount) revert WrongPayment(amount, received);
        held[token] += received;
    }

    function _send(address token, address to, uint256 amount) internal {
        if (token == address(0)) {
            (bool ok,) = to.call{value: amount}("");
            if (!ok) revert NativeTransferFailed();
        } else {
            held[token] -= amount;
            IERC20(token).safeTransfer(to, amount);
        }
    }

    /// @dev Adds what the market has of an ERC-20 beyond what it holds for others. Nobody can send it native coins by mistake.
    function _surplus(address token) internal returns (uint256 amount) {
        _requireErc20(token, address(this));
        uint256 have = IERC20(token).balanceOf(address(this));
        uint256 owed = held[token];
        if (have <= owed) return 0; // a token that shrinks
        held[token] = have;
        return have - owed;
    }

    /// @dev ERC-721 shares `transferFrom` and `balanceOf` with ERC-20, but has no `allowance` of two addresses.
    function _requireErc20(address token, address from) private view {
        (bool ok, bytes memory answer) = token.staticcall(abi.encodeCall(IERC20.allowance, (from, address(this))));
        if (!ok || answer.length != 32) revert NotErc20(token);
    }
}
