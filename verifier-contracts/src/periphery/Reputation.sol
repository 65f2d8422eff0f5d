// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {IInferenceMarket} from "../interfaces/IInferenceMarket.sol";

/// @title What provers and models have delivered, by the market's own records.
/// @notice Anyone enters a job that was settled and paid for; nothing else counts, there are no stars, and nobody can take an entry out. A payment that
/// was given back moves the job from `settled` to `refunded`.
/// @dev Whoever buys from himself pays the revenue split and gas, and no more: the number of different buyers, and what a token is worth, are for the reader
/// to judge. Jobs that nobody proved leave nothing behind that says who had locked them; `JobLocked` and `Slashed` events do.
contract Reputation {
    /// @param settled jobs that were paid for and not given back
    /// @param late of those, the ones after `proveBy`
    /// @param buyers different buyers of all entered jobs
    struct Record {
        uint64 settled;
        uint64 late;
        uint64 refunded;
        uint64 buyers;
    }

    IInferenceMarket public immutable market;

    mapping(address prover => Record) public ofProver;
    mapping(uint256 modelId => Record) public ofModel;
    /// @notice Sum of the prices that jobs were funded at, of those that count as settled.
    mapping(address prover => mapping(address token => uint256)) public volumeOfProver;
    mapping(uint256 modelId => mapping(address token => uint256)) public volumeOfModel;
    /// @notice What a job is entered as.
    mapping(bytes32 jobId => IInferenceMarket.State) public entered;
    mapping(bytes32 who => bool) private _known;

    event Entered(bytes32 indexed jobId, address indexed prover, uint256 indexed modelId, bool refunded, bool late);

    error NotSettled(bytes32 jobId);
    error NotPaid(bytes32 jobId);
    error AlreadyEntered(bytes32 jobId);

    constructor(IInferenceMarket market_) {
        market = market_;
    }

    /// @notice Anyone: enters a settled job, or that its payment was given back.
    /// @param prover who was paid
    /// @param outputHash as in `IInferenceMarket.isSettled`
    function enter(
        IInferenceMarket.Order calldata order,
        IInferenceMarket.Snapshot calldata snapshot,
        address prover,
        bytes32 outputHash
    ) external {
        bytes32 jobId = market.hashOrder(order);
        if (!market.isSettled(jobId, snapshot, prover, outputHash)) revert NotSettled(jobId);
        if (snapshot.price == 0) revert NotPaid(jobId);
        IInferenceMarket.Job memory job = market.job(jobId);
        IInferenceMarket.State before = entered[jobId];
        if (before == job.state) revert AlreadyEntered(jobId);
        entered[jobId] = job.state;
        bool refunded = job.state == IInferenceMarket.State.Refunded;
        bool first = before == IInferenceMarket.State.None;
        _count(ofProver[prover], first, refunded, job.late, first && _isNew(abi.encode(prover, order.buyer)));
        _count(ofModel[order.modelId], first, refunded, job.late, first && _isNew(abi.encode("model", order.modelId, order.buyer)));
        _add(volumeOfProver[prover], order.token, snapshot.price, first, refunded);
        _add(volumeOfModel[order.modelId], order.token, snapshot.price, first, refunded);
        emit Entered(jobId, prover, order.modelId, refunded, job.late);
    }

    /// @dev `first`: the job was not entered before; else it was, as settled, and is refunded now.
    function _count(Record storage record, bool first, bool refunded, bool late, bool newBuyer) private {
        if (newBuyer) record.buyers += 1;
        if (refunded) {
            record.refunded += 1;
            if (first) return;
            record.settled -= 1;
            if (late) record.late -= 1;
        } else {
            record.settled += 1;
            if (late) record.late += 1;
        }
    }

    function _add(mapping(address => uint256) storage volume, address token, uint256 price, bool first, bool refunded) private {
        if (!refunded) volume[token] += price;
        else if (!first) volume[token] -= price;
    }

    function _isNew(bytes memory who) private returns (bool) {
        bytes32 id = keccak256(who);
        if (_known[id]) return false;
        _known[id] = true;
        return true;
    }
}
