// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {IInferenceMarket} from "../interfaces/IInferenceMarket.sol";
import {IInferenceReceiver} from "../interfaces/IInferenceReceiver.sol";
import {IKeyRegistry} from "../interfaces/IKeyRegistry.sol";
import {Payee} from "../interfaces/IModelRegistry.sol";
import {PublicInput} from "../lib/PublicInput.sol";

/// @title Inferences for contracts.
/// @notice A contract shows an input, pays for a job, and is called with the output once the job is settled. The input is checked against the order's
/// commitment, so the output is that of the input which was shown and of no other.
/// @dev Holds nothing: prices go through to the market, and what comes back of a job is the buyer's credit there. A receiver that reverts, or uses up
/// its gas, delays neither settlement nor payment.
contract InferenceCallbacks {
    using SafeERC20 for IERC20;

    /// @notice The most gas that a receiver may ask for: blocks must hold it beside a settlement.
    uint256 public constant MAX_GAS = 5_000_000;
    /// @dev What is left for the end of `_deliver` when the receiver has used all of its gas.
    uint256 private constant RESERVE = 30_000;

    /// @param receiver who is called; zero if nothing waits for this job
    struct Request {
        address receiver;
        uint96 gasLimit;
    }

    IInferenceMarket public immutable market;
    IKeyRegistry public immutable keys;
    /// @notice Callbacks that are still owed.
    mapping(bytes32 jobId => Request) public requests;

    /// @param cells the input, for provers to read
    event Requested(bytes32 indexed jobId, address indexed receiver, uint256 gasLimit, bytes cells);
    /// @param ok whether the receiver took it; if not, it can be delivered again
    event Delivered(bytes32 indexed jobId, address indexed receiver, bool ok);

    error NotBuyer();
    error WrongInput();
    error TooMuchGas(uint256 gasLimit);
    error NotEnoughGas(uint256 gasLimit);
    /// @notice Nobody asked for this job here, or its output was delivered.
    error NothingRequested(bytes32 jobId);
    /// @notice The market has not paid for this job with this output.
    error NotSettled(bytes32 jobId);

    constructor(IInferenceMarket market_, IKeyRegistry keys_) {
        market = market_;
        keys = keys_;
    }

    /// @notice The order's buyer, a contract: pays for a job whose input everybody sees. In native coin with the value, or in an ERC-20 that this contract
    /// may take the price of.
    /// @param input the input with its commitments and their opening, see `PublicInput`
    /// @param gasLimit gas for `onInference`
    function request(
        IInferenceMarket.Order calldata order,
        IInferenceMarket.Quote calldata quote,
        bytes calldata sellerSignature,
        PublicInput.Shown calldata input,
        uint96 gasLimit
    ) external payable returns (bytes32 jobId) {
        if (msg.sender != order.buyer) revert NotBuyer();
        if (gasLimit > MAX_GAS) revert TooMuchGas(gasLimit);
        if (keccak256(input.commitments) != order.inputCommitment) revert WrongInput();
        PublicInput.check(keys.admittedTerms(order.keyHash).pointer, input);
        if (order.token != address(0)) {
            IERC20(order.token).safeTransferFrom(msg.sender, address(this), quote.price);
            IERC20(order.token).forceApprove(address(market), quote.price);
        }
        jobId = market.fund{value: msg.value}(order, quote, sellerSignature, false);
        requests[jobId] = Request(msg.sender, gasLimit);
        emit Requested(jobId, msg.sender, gasLimit, input.cells);
    }

    /// @notice Anyone: settles a job as `IInferenceMarket.settle` does, and delivers its output.
    function settle(
        IInferenceMarket.Order calldata order,
        IInferenceMarket.Snapshot calldata snapshot,
        Payee[] calldata split,
        IInferenceMarket.Inference calldata inference,
        address prover
    ) external {
        market.settle(order, snapshot, split, inference, prover);
        _deliver(market.hashOrder(order), inference.output);
    }

    /// @notice Anyone: settles a job as `IInferenceMarket.settleOpen` does, and delivers its output.
    function settleOpen(
        IInferenceMarket.Order calldata order,
        IInferenceMarket.Snapshot calldata snapshot,
        Payee[] calldata split,
        IInferenceMarket.Inference calldata inference,
        address prover,
        address[] calldata provers,
        address locker
    ) external {
        market.settleOpen(order, snapshot, split, inference, prover, provers, locker);
        _deliver(market.hashOrder(order), inference.output);
    }

    /// @notice Anyone: delivers the output of a job that was settled without this contract, or whose receiver failed.
    /// @param output cells and number of clamps, as they were paid for
    function deliver(bytes32 jobId, IInferenceMarket.Snapshot calldata snapshot, address prover, bytes calldata output) external {
        if (!market.isSettled(jobId, snapshot, prover, keccak256(output))) revert NotSettled(jobId);
        _deliver(jobId, output);
    }

    /// @dev A receiver gets the gas that it asked for, or nothing is done: whoever delivers cannot make it fail. What it returns is not read.
    function _deliver(bytes32 jobId, bytes calldata output) private {
        Request memory owed = requests[jobId];
        if (owed.receiver == address(0)) revert NothingRequested(jobId);
        delete requests[jobId]; // before the call, so that it is not delivered twice
        bytes memory data = abi.encodeCall(IInferenceReceiver.onInference, (jobId, output));
        (address receiver, uint256 gasLimit) = (owed.receiver, owed.gasLimit);
        // a call passes on at most 63/64 of the gas
        if (gasleft() < gasLimit + gasLimit / 63 + RESERVE) revert NotEnoughGas(gasLimit);
        bool ok;
        assembly ("memory-safe") {
            ok := call(gasLimit, receiver, 0, add(data, 0x20), mload(data), 0, 0)
        }
        if (!ok) requests[jobId] = owed;
        emit Delivered(jobId, receiver, ok);
    }
}
