// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {DigitPrize} from "../../src/examples/DigitPrize.sol";
import {IInferenceMarket} from "../../src/interfaces/IInferenceMarket.sol";
import {IInferenceReceiver} from "../../src/interfaces/IInferenceReceiver.sol";
import {PublicInput} from "../../src/lib/PublicInput.sol";
import {InferenceBuyer} from "../../src/periphery/InferenceBuyer.sol";
import {InferenceCallbacks} from "../../src/periphery/InferenceCallbacks.sol";
import {PeripheryBase} from "../utils/PeripheryBase.sol";
import {TestToken} from "../utils/TestToken.sol";

/// @notice A buyer that takes its outputs as it is told to.
contract Moody is IInferenceReceiver {
    enum Mood {
        Content,
        Reverts,
        Burns,
        Shouts, // returns more than memory should hold
        Reenters
    }

    InferenceCallbacks private immutable _callbacks;
    IInferenceMarket private immutable _market;
    Mood public mood;
    bytes public call;
    uint256 public received;
    bytes public last;

    constructor(InferenceCallbacks callbacks, IInferenceMarket market) payable {
        (_callbacks, _market) = (callbacks, market);
    }

    receive() external payable {}

    function be(Mood mood_, bytes calldata call_) external {
        (mood, call) = (mood_, call_);
    }

    function ask(
        IInferenceMarket.Order calldata o,
        IInferenceMarket.Quote calldata q,
        bytes calldata signature,
        PublicInput.Shown calldata input,
        uint96 gasLimit
    ) external returns (bytes32) {
        if (o.token != address(0)) TestToken(o.token).approve(address(_callbacks), q.price);
        return _callbacks.request{value: o.token == address(0) ? q.price : 0}(o, q, signature, input, gasLimit);
    }

    function onInference(bytes32, bytes calldata output) external {
        if (mood == Mood.Reverts) revert("no");
        if (mood == Mood.Burns) while (true) {}
        if (mood == Mood.Shouts) {
            assembly ("memory-safe") {
                return(0, 1000000)
            }
        }
        if (mood == Mood.Reenters) {
            (bool ok,) = address(_callbacks).call(call);
            require(!ok, "taken again");
        }
        ++received;
        last = output;
    }
}

contract ContractBuyerTest is PeripheryBase {
    address private constant CALLBACKS = address(0xA5507);
    address payable private constant PRIZE = payable(address(0xA5508));
    address private constant PLAYER = address(0x91A7E4);
    uint96 private constant GAS = 200_000;
    InferenceCallbacks private callbacks = InferenceCallbacks(CALLBACKS);
    DigitPrize private prize = DigitPrize(PRIZE);
    Moody private moody;

    function setUp() public {
        deployMarket();
        deployTo(CALLBACKS, abi.encodePacked(artifact("InferenceCallbacks"), abi.encode(MARKET, KEYS)));
        bytes memory arguments = abi.encode(CALLBACKS, uint256(1), keccak256(proven.key), uint256(0));
        deployTo(PRIZE, abi.encodePacked(artifact("DigitPrize"), arguments));
        prize.donate{value: 5 ether}();
        moody = new Moody{value: 10 ether}(callbacks, market);
        token.mint(address(moody), 10 ether);
        vm.deal(PLAYER, 10 ether);
    }

    /// @dev The simulator's input is one cell; a constant polynomial has nothing for its quotient.
    function _input() private view returns (PublicInput.Shown memory) {
        return PublicInput.Shown(proven.inputCommitments, abi.encodePacked(uint16(INPUT)), new bytes(64));
    }

    function _orderOf(address who) private view returns (IInferenceMarket.Order memory o) {
        o = order();
        o.buyer = who;
        o.unclamped = true;
    }

    function _ask(IInferenceMarket.Order memory o) private returns (bytes32 jobId) {
        (IInferenceMarket.Quote memory q, bytes memory signature) = quoted(o);
        jobId = moody.ask(o, q, signature, _input(), GAS);
    }

    function _play(bytes32 salt) private returns (IInferenceMarket.Order memory o, bytes32 jobId) {
        o = _orderOf(PRIZE);
        o.salt = salt;
        (IInferenceMarket.Quote memory q, bytes memory signature) = quoted(o);
        vm.prank(PLAYER);
        jobId = prize.play{value: PRICE}(o, q, signature, _input());
    }

    function _proof(bytes32 jobId, bytes memory output) private view returns (IInferenceMarket.Inference memory) {
        return simulatedInference(market.contextOf(jobId, prover), output);
    }

    function _settleBy(IInferenceMarket.Order memory o, bytes memory output) private {
        IInferenceMarket.Inference memory x = _proof(market.hashOrder(o), output);
        IInferenceMarket.Snapshot memory s = snapshotOf(o);
        vm.prank(STRANGER);
        callbacks.settle(o, s, split, x, prover);
    }

    /// @dev What it holds and is owed is what it promised.
    function _solvent(uint256 owedByMarket) private view {
        assertEq(PRIZE.balance, prize.prize() + prize.won(PLAYER), "what it has is what it owes");
        assertEq(credit(PRIZE), owedByMarket, "and its credit");
    }

    // ------------------------------------------------------------------------------------------ the example

    function test_winner() public {
        (IInferenceMarket.Order memory o, bytes32 jobId) = _play(0);
        lock(o);
        vm.expectEmit(PRIZE);
        emit DigitPrize.Answered(jobId, PLAYER, 0, 5 ether);
        vm.expectEmit(CALLBACKS);
        emit InferenceCallbacks.Delivered(jobId, PRIZE, true);
        _settleBy(o, hex"0001fffe00000000");
        assertEq(credit(prover), 10 ether + PRICE, "the prover is paid");
        assertEq(prize.won(PLAYER), 5 ether, "the player has won");
        assertEq(prize.prize(), 0, "once");
        vm.prank(PLAYER);
        prize.withdraw();
        assertEq(PLAYER.balance, 10 ether - PRICE + 5 ether, "and is paid");
        vm.prank(PLAYER);
        prize.withdraw();
        assertEq(PLAYER.balance, 10 ether - PRICE + 5 ether, "once");
        _solvent(0);
    }

    function test_loser() public {
        (IInferenceMarket.Order memory o,) = _play(0);
        lock(o);
        _settleBy(o, hex"fffe000100000000");
        assertEq(prize.won(PLAYER), 0, "another digit");
        assertEq(prize.prize(), 5 ether, "the prize is left for others");
        assertEq(prize.open(), 0, "answered");
    }

    /// @dev The winner's order, and nobody else's, model, key, coin or clamps.
    function test_onlyThePrizesOrders() public {
        for (uint256 i; i < 4; ++i) {
            IInferenceMarket.Order memory o = _orderOf(PRIZE);
            if (i == 0) o.modelId = 2;
            if (i == 1) o.keyHash = keccak256("another");
            if (i == 2) o.token = address(token);
            if (i == 3) o.unclamped = false;
            (IInferenceMarket.Quote memory q, bytes memory signature) = quoted(o);
            vm.prank(PLAYER);
            vm.expectRevert(DigitPrize.WrongOrder.selector);
            prize.play{value: PRICE}(o, q, signature, _input());
        }
        IInferenceMarket.Order memory mine = _orderOf(PLAYER);
        (IInferenceMarket.Quote memory quote, bytes memory sig) = quoted(mine);
        vm.prank(PLAYER);
        vm.expectRevert(InferenceCallbacks.NotBuyer.selector);
        prize.play{value: PRICE}(mine, quote, sig, _input());
        vm.prank(PLAYER);
        vm.expectRevert(abi.encodeWithSelector(DigitPrize.WrongPrice.selector, PRICE));
        prize.play{value: PRICE - 1}(mine, quote, sig, _input());
    }

    function test_takenBackBeforeLock() public {
        (IInferenceMarket.Order memory o, bytes32 jobId) = _play(0);
        IInferenceMarket.Snapshot memory s = snapshotOf(o);
        vm.prank(STRANGER);
        vm.expectRevert(DigitPrize.NotPlayer.selector);
        prize.takeBack(o, s, address(0));
        vm.prank(PLAYER);
        prize.takeBack(o, s, address(0));
        assertEq(PLAYER.balance, 10 ether, "all of it");
        assertEq(state(jobId), uint256(IInferenceMarket.State.Cancelled), "cancelled");
        vm.prank(PLAYER);
        vm.expectRevert(DigitPrize.NotPlayer.selector);
        prize.takeBack(o, s, address(0));
        _solvent(0);
    }

    function test_notTakenBackWhileProven() public {
        (IInferenceMarket.Order memory o,) = _play(0);
        IInferenceMarket.Snapshot memory s = snapshotOf(o);
        lock(o);
        vm.prank(PLAYER);
        vm.expectRevert(abi.encodeWithSelector(IInferenceMarket.TooEarly.selector, START + 7200));
        prize.takeBack(o, s, prover);
        _settleBy(o, hex"fffe000100000000");
        vm.prank(PLAYER);
        vm.expectRevert(DigitPrize.NotPlayer.selector);
        prize.takeBack(o, s, prover);
    }

    /// @dev Anyone can let a job expire; the player still gets the price, whatever snapshot he brings, and the compensation goes to the prize.
    function test_takenBackAfterExpiry() public {
        (IInferenceMarket.Order memory o,) = _play(0);
        (IInferenceMarket.Order memory other,) = _play("other");
        lock(o);
        vm.warp(START + 7201);
        IInferenceMarket.Snapshot memory s = snapshotOf(o);
        vm.prank(STRANGER);
        market.claimRefund(o, s, prover);
        IInferenceMarket.Snapshot memory forged = snapshotOf(o);
        forged.price = 0;
        vm.prank(PLAYER);
        prize.takeBack(o, forged, address(0));
        assertEq(PLAYER.balance, 10 ether - PRICE, "one of two prices");
        vm.expectRevert(abi.encodeWithSelector(DigitPrize.StillOpen.selector, 1));
        prize.collect();
        vm.prank(PLAYER);
        prize.takeBack(other, s, address(0));
        assertEq(PLAYER.balance, 10 ether, "both");
        _solvent(COLLATERAL / 2);
        prize.collect();
        assertEq(prize.prize(), 5 ether + COLLATERAL / 2, "the compensation");
        _solvent(0);
    }

    /// @dev A late proof wins as well, and a fifth of the price comes back.
    function test_lateAnswer() public {
        (IInferenceMarket.Order memory o, bytes32 jobId) = _play(0);
        lock(o);
        vm.warp(START + 3601);
        IInferenceMarket.Inference memory x = simulatedInference(jobId, OTHER_PROVER);
        callbacks.settleOpen(o, snapshotOf(o), split, x, OTHER_PROVER, provers(), prover);
        assertEq(prize.won(PLAYER), 5 ether, "won");
        prize.collect();
        assertEq(prize.prize(), PRICE / 5, "the rebate");
        _solvent(0);
    }

    // ------------------------------------------------------------------------------------------ receivers

    /// @dev Settled in the market itself, delivered later, once.
    function test_deliveredLater() public {
        IInferenceMarket.Order memory o = _orderOf(address(moody));
        bytes32 jobId = _ask(o);
        IInferenceMarket.Snapshot memory s = snapshotOf(o);
        bytes memory output = hex"0001fffe00000000";
        vm.expectRevert(abi.encodeWithSelector(InferenceCallbacks.NotSettled.selector, jobId));
        callbacks.deliver(jobId, s, prover, output);
        lock(o);
        settle(o);
        vm.expectRevert(abi.encodeWithSelector(InferenceCallbacks.NotSettled.selector, jobId));
        callbacks.deliver(jobId, s, prover, hex"0002fffe00000000"); // another output
        vm.expectRevert(abi.encodeWithSelector(InferenceCallbacks.NotSettled.selector, jobId));
        callbacks.deliver(jobId, s, OTHER_PROVER, output);
        callbacks.deliver(jobId, s, prover, output);
        assertEq(moody.received(), 1, "taken");
        assertEq(keccak256(moody.last()), keccak256(output), "the output");
        vm.expectRevert(abi.encodeWithSelector(InferenceCallbacks.NothingRequested.selector, jobId));
        callbacks.deliver(jobId, s, prover, output);
    }

    /// @dev However the receiver fails, the prover is paid, and it can be delivered again.
    function test_failingReceivers() public {
        for (uint256 i = 1; i < 4; ++i) {
            IInferenceMarket.Order memory o = _orderOf(address(moody));
            o.salt = bytes32(i);
            bytes32 jobId = _ask(o);
            lock(o);
            uint256 before = credit(prover);
            moody.be(Moody.Mood(i), "");
            vm.expectEmit(CALLBACKS);
            emit InferenceCallbacks.Delivered(jobId, address(moody), false);
            uint256 gas = gasleft();
            _settleBy(o, hex"0001fffe00000000");
            assertTrue(gas - gasleft() < 10_000_000, "what it costs is bounded");
            assertEq(credit(prover), before + PRICE + COLLATERAL, "paid");
            assertEq(moody.received(), i - 1, "nothing of it has happened");
            moody.be(Moody.Mood.Content, "");
            callbacks.deliver(jobId, snapshotOf(o), prover, hex"0001fffe00000000");
            assertEq(moody.received(), i, "taken after all");
        }
    }

    function test_reentrantReceiver() public {
        IInferenceMarket.Order memory o = _orderOf(address(moody));
        bytes32 jobId = _ask(o);
        lock(o);
        settle(o);
        bytes memory again = abi.encodeCall(callbacks.deliver, (jobId, snapshotOf(o), prover, hex"0001fffe00000000"));
        moody.be(Moody.Mood.Reenters, again);
        callbacks.deliver(jobId, snapshotOf(o), prover, hex"0001fffe00000000");
        assertEq(moody.received(), 1, "once");
    }

    /// @dev Whoever delivers with too little gas changes nothing.
    function test_tooLittleGas() public {
        IInferenceMarket.Order memory o = _orderOf(address(moody));
        bytes32 jobId = _ask(o);
        lock(o);
        settle(o);
        bytes memory data = abi.encodeCall(callbacks.deliver, (jobId, snapshotOf(o), prover, hex"0001fffe00000000"));
        uint256 refused;
        for (uint256 gas = 50_000; moody.received() == 0; gas += 10_000) {
            assertTrue(gas < 2 * GAS, "delivered with a little more than was asked for");
            (bool ok,) = CALLBACKS.call{gas: gas}(data);
            if (ok) break;
            ++refused;
            (address receiver,) = callbacks.requests(jobId);
            assertEq(receiver, address(moody), "still owed");
        }
        assertTrue(refused > 10, "with less than was asked for it is refused");
        assertEq(moody.received(), 1, "and never delivered to one who cannot take it");
    }

    function test_onlyCallbacksCallBack() public {
        vm.expectRevert(InferenceBuyer.NotCallbacks.selector);
        prize.onInference(0, hex"0001fffe00000000");
    }

    // ------------------------------------------------------------------------------------------ asking

    function test_token() public {
        IInferenceMarket.Order memory o = _orderOf(address(moody));
        o.token = address(token);
        bytes32 jobId = _ask(o);
        assertEq(state(jobId), uint256(IInferenceMarket.State.Funded), "paid for");
        assertEq(token.balanceOf(CALLBACKS), 0, "nothing stays");
        lock(o);
        _settleBy(o, hex"0001fffe00000000");
        assertEq(moody.received(), 1, "delivered");
    }

    /// @dev Another input than the order's, and one that the commitments are not to.
    function test_falseInput() public {
        IInferenceMarket.Order memory o = _orderOf(address(moody));
        (IInferenceMarket.Quote memory q, bytes memory signature) = quoted(o);
        PublicInput.Shown memory input = _input();
        input.commitments = multiple(7);
        input.cells = abi.encodePacked(uint16(7));
        vm.expectRevert(InferenceCallbacks.WrongInput.selector);
        moody.ask(o, q, signature, input, GAS);
        input = _input();
        input.cells = abi.encodePacked(uint16(7));
        vm.expectRevert(PublicInput.WrongOpening.selector);
        moody.ask(o, q, signature, input, GAS);
    }

    function test_tooMuchGas() public {
        IInferenceMarket.Order memory o = _orderOf(address(moody));
        (IInferenceMarket.Quote memory q, bytes memory signature) = quoted(o);
        vm.expectRevert(abi.encodeWithSelector(InferenceCallbacks.TooMuchGas.selector, 5_000_001));
        moody.ask(o, q, signature, _input(), 5_000_001);
    }

    /// @dev What was never asked for here is not delivered, and settling through here does not happen either.
    function test_nothingRequested() public {
        IInferenceMarket.Order memory o = order();
        bytes32 jobId = fundAndLock(o);
        IInferenceMarket.Inference memory x = simulatedInference(jobId, prover);
        IInferenceMarket.Snapshot memory s = snapshotOf(o);
        vm.expectRevert(abi.encodeWithSelector(InferenceCallbacks.NothingRequested.selector, jobId));
        callbacks.settle(o, s, split, x, prover);
    }

    /// @dev What a job costs a contract besides the market's part.
    function test_gas() public {
        IInferenceMarket.Order memory o = _orderOf(address(moody));
        (IInferenceMarket.Quote memory q, bytes memory signature) = quoted(o);
        PublicInput.Shown memory input = _input();
        uint256 gas = gasleft();
        moody.ask(o, q, signature, input, GAS);
        emit log_named_uint("ask", gas - gasleft());
    }
}
