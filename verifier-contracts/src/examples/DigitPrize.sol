// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {IInferenceMarket} from "../interfaces/IInferenceMarket.sol";
import {Output} from "../lib/Output.sol";
import {PublicInput} from "../lib/PublicInput.sol";
import {InferenceBuyer} from "../periphery/InferenceBuyer.sol";
import {InferenceCallbacks} from "../periphery/InferenceCallbacks.sol";

/// @title An example: a prize for the first picture that a model reads as the wanted digit.
/// @notice Players pay for the inference of their picture. No person decides who wins: the model does, and its answer is proven.
/// @dev The model and its key are fixed at deployment. Whoever deploys sees to it that the key is no development key.
contract DigitPrize is InferenceBuyer {
    /// @dev `_received` writes three words at most.
    uint96 private constant CALLBACK_GAS = 150_000;

    struct Play {
        address player;
        uint128 price;
    }

    uint256 public immutable modelId;
    bytes32 public immutable keyHash;
    uint256 public immutable wanted;
    /// @notice What the next winner gets.
    uint256 public prize;
    /// @notice What winners have not taken yet.
    mapping(address player => uint256) public won;
    /// @notice Jobs that have no answer yet.
    mapping(bytes32 jobId => Play) public plays;
    /// @notice How many there are.
    uint256 public open;

    event Played(bytes32 indexed jobId, address indexed player);
    event Answered(bytes32 indexed jobId, address indexed player, uint256 digit, uint256 prize);

    error WrongOrder();
    error WrongPrice(uint256 price);
    error NotPlayer();
    /// @notice What comes back of open plays is the players'.
    error StillOpen(uint256 plays);
    error NotPaid();

    constructor(InferenceCallbacks callbacks_, uint256 modelId_, bytes32 keyHash_, uint256 wanted_) payable InferenceBuyer(callbacks_) {
        (modelId, keyHash, wanted, prize) = (modelId_, keyHash_, wanted_, msg.value);
    }

    /// @notice Anyone: adds to the prize.
    function donate() external payable {
        prize += msg.value;
    }

    /// @notice Anyone: asks what the model reads in a picture, and pays the quoted price.
    /// @param order of this contract, in native coin, for the model and the key of the prize, and for an inference without clamps
    function play(
        IInferenceMarket.Order calldata order,
        IInferenceMarket.Quote calldata quote,
        bytes calldata sellerSignature,
        PublicInput.Shown calldata picture
    ) external payable returns (bytes32 jobId) {
        if (order.modelId != modelId || order.keyHash != keyHash) revert WrongOrder();
        if (order.token != address(0) || !order.unclamped) revert WrongOrder();
        if (msg.value != quote.price) revert WrongPrice(quote.price);
        jobId = _request(order, quote, sellerSignature, picture, CALLBACK_GAS);
        plays[jobId] = Play(msg.sender, quote.price);
        ++open;
        emit Played(jobId, msg.sender);
    }

    /// @notice The player: takes back the price of a job that nobody has locked, or that nobody has proven in time.
    /// @param locker who has locked the job, or zero
    function takeBack(IInferenceMarket.Order calldata order, IInferenceMarket.Snapshot calldata snapshot, address locker) external {
        Play memory taken = _end(market.hashOrder(order));
        if (msg.sender != taken.player) revert NotPlayer();
        _takeBack(order, snapshot, locker, taken.price);
        _pay(taken.player, taken.price);
    }

    /// @notice The winner: takes what they have won.
    function withdraw() external {
        uint256 amount = won[msg.sender];
        won[msg.sender] = 0;
        _pay(msg.sender, amount);
    }

    /// @notice Anyone, while no play is open: what the market owes this contract for late or refunded jobs is added to the prize.
    function collect() external {
        if (open != 0) revert StillOpen(open);
        uint256 amount = market.balanceOf(address(0), address(this));
        market.withdraw(address(0), amount, address(this));
        prize += amount;
    }

    /// @dev The winner is only credited: one who cannot be paid holds nobody up.
    function _received(bytes32 jobId, bytes calldata output) internal override {
        Play memory done = _end(jobId);
        uint256 digit = Output.argmax(output);
        uint256 paid = digit == wanted ? prize : 0;
        if (paid != 0) {
            prize = 0;
            won[done.player] += paid;
        }
        emit Answered(jobId, done.player, digit, paid);
    }

    function _end(bytes32 jobId) private returns (Play memory done) {
        done = plays[jobId];
        if (done.player == address(0)) revert NotPlayer();
        delete plays[jobId];
        --open;
    }

    function _pay(address to, uint256 amount) private {
        (bool ok,) = to.call{value: amount}("");
        if (!ok) revert NotPaid();
    }
}
