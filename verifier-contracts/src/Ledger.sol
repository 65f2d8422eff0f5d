// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {IInferenceMarket} from "./interfaces/IInferenceMarket.sol";

/// @notice Credits per token and account, and the two places where money really moves. Token zero is the native coin.
abstract contract Ledger is IInferenceMarket {
    using SafeERC20 for IERC20;

    /// @inheritdoc IInferenceMarket
    mapping(address token => mapping(address account => uint256)) public override balanceOf;

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
        uint256 before = IERC20(token).balanceOf(address(this));
        IERC20(token).safeTransferFrom(from, address(this), amount);
        received = IERC20(token).balanceOf(address(this)) - before;
        if (received > amount) revert WrongPayment(amount, received);
    }

    function _send(address token, address to, uint256 amount) internal {
        if (token == address(0)) {
            (bool ok,) = to.call{value: amount}("");
            if (!ok) revert NativeTransferFailed();
        } else {
            IERC20(token).safeTransfer(to, amount);
        }
    }
}
