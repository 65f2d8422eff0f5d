// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {IInferenceMarket} from "../interfaces/IInferenceMarket.sol";
import {IInferenceReceiver} from "../interfaces/IInferenceReceiver.sol";
import {PublicInput} from "../lib/PublicInput.sol";
import {InferenceCallbacks} from "./InferenceCallbacks.sol";

/// @title What a contract that buys inferences in native coin builds upon.
/// @notice Asks by `_request`, gets the verified output in `_received`, and takes money back by `_takeBack` where nobody served the job.
abstract contract InferenceBuyer is IInferenceReceiver {
    InferenceCallbacks public immutable callbacks;
    IInferenceMarket public immutable market;

    error NotCallbacks();

    constructor(InferenceCallbacks callbacks_) {
        callbacks = callbacks_;
        market = callbacks_.market();
    }

    /// @dev What the market pays out to this contract comes without data.
    receive() external payable {}

    /// @inheritdoc IInferenceReceiver
    function onInference(bytes32 jobId, bytes calldata output) external {
        if (msg.sender != address(callbacks)) revert NotCallbacks();
        _received(jobId, output);
    }

    /// @dev The output of a job that was asked for; once for each job, unless it reverts. Runs with the gas limit of the request.
    function _received(bytes32 jobId, bytes calldata output) internal virtual;

    /// @dev Pays `quote.price` for a job whose order has this contract as its buyer.
    function _request(
        IInferenceMarket.Order calldata order,
        IInferenceMarket.Quote calldata quote,
        bytes calldata sellerSignature,
        PublicInput.Shown calldata input,
        uint96 gasLimit
    ) internal returns (bytes32 jobId) {
        jobId = callbacks.request{value: quote.price}(order, quote, sellerSignature, input, gasLimit);
    }

    /// @dev Makes the price of a job that nobody has locked, or that has expired, this contract's money again. Reverts for every other job. A job can
    /// also expire without this contract, since anyone may call `claimRefund`.
    /// @param price what was paid, as this contract knows it: for a job that has expired already nothing here checks the snapshot
    function _takeBack(
        IInferenceMarket.Order calldata order,
        IInferenceMarket.Snapshot calldata snapshot,
        address locker,
        uint256 price
    ) internal {
        IInferenceMarket.State state = market.job(market.hashOrder(order)).state;
        if (state == IInferenceMarket.State.Funded) market.cancel(order, snapshot);
        else if (state != IInferenceMarket.State.Expired) market.claimRefund(order, snapshot, locker);
        market.withdraw(address(0), price, address(this));
    }
}
