// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {IInferenceMarket} from "../../src/interfaces/IInferenceMarket.sol";
import {MarketBase} from "../utils/MarketBase.sol";

/// @notice cancel, claimRefund and refund.
contract ExitTest is MarketBase {
    bytes32 internal constant OUTPUT = keccak256(hex"0001fffe00000000");

    function setUp() public {
        deploySimulated(1, 2, 0);
    }

    function test_cancel() public {
        IInferenceMarket.Order memory o = order();
        bytes32 jobId = fund(o);
        IInferenceMarket.Snapshot memory s = snapshot();
        vm.prank(STRANGER);
        vm.expectRevert(IInferenceMarket.NotBuyer.selector);
        market.cancel(o, s);
        vm.startPrank(buyer);
        market.cancel(o, s);
        assertEq(credit(buyer), PRICE, "full credit");
        vm.expectRevert(abi.encodeWithSelector(IInferenceMarket.WrongState.selector, jobId, IInferenceMarket.State.Cancelled));
        market.cancel(o, s);
        vm.stopPrank();
        vm.warp(START + 7201);
        vm.expectRevert(abi.encodeWithSelector(IInferenceMarket.WrongState.selector, jobId, IInferenceMarket.State.Cancelled));
        market.claimRefund(o, s, address(0));
    }

    function test_cancelLocked() public {
        IInferenceMarket.Order memory o = order();
        bytes32 jobId = fundAndLock(o);
        IInferenceMarket.Snapshot memory s = snapshot();
        vm.prank(buyer);
        vm.expectRevert(abi.encodeWithSelector(IInferenceMarket.WrongState.selector, jobId, IInferenceMarket.State.Locked));
        market.cancel(o, s);
    }

    function test_unknownJob() public {
        (IInferenceMarket.Order memory o, IInferenceMarket.Snapshot memory s) = (order(), snapshot());
        vm.warp(START + 7201);
        vm.expectRevert(IInferenceMarket.WrongSnapshot.selector);
        market.claimRefund(o, s, address(0));
    }

    function test_E6_refundAfterExpiry() public {
        IInferenceMarket.Order memory o = order();
        bytes32 jobId = fund(o);
        IInferenceMarket.Snapshot memory s = snapshot();
        vm.warp(START + 7200);
        vm.expectRevert(abi.encodeWithSelector(IInferenceMarket.TooEarly.selector, START + 7200));
        market.claimRefund(o, s, address(0));
        vm.warp(START + 7201);
        vm.prank(STRANGER);
        market.claimRefund(o, s, address(0));
        assertEq(credit(buyer), PRICE, "the whole escrow");
        assertEq(credit(TREASURY), 0, "nothing to slash");
        vm.expectRevert(abi.encodeWithSelector(IInferenceMarket.WrongState.selector, jobId, IInferenceMarket.State.Expired));
        market.claimRefund(o, s, address(0));
    }

    function test_slashedIfLocked() public {
        IInferenceMarket.Order memory o = order();
        fundAndLock(o);
        vm.warp(START + 7201);
        market.claimRefund(o, snapshot(), prover);
        assertEq(credit(buyer), PRICE + COLLATERAL / 2, "the whole escrow, and a compensation");
        assertEq(credit(TREASURY), COLLATERAL / 2, "the rest of the collateral");
        assertEq(credit(prover), 10 ether - COLLATERAL, "slashed");
    }

    /// @dev The buyer's part of a large collateral is no more than a tenth of the price, so it is nothing to live on.
    function test_compensationIsCapped() public {
        IInferenceMarket.Order memory o = order();
        o.collateral = PRICE;
        fundAndLock(o);
        vm.warp(START + 7201);
        market.claimRefund(o, snapshot(), prover);
        assertEq(credit(buyer), PRICE + PRICE / 10, "a tenth of the price");
        assertEq(credit(TREASURY), PRICE - PRICE / 10, "the rest");
    }

    /// @dev A lock that is not meant, a second before the buyer would cancel: after half of the time none is taken.
    function test_lateLockDoesNotDenyTheExit() public {
        IInferenceMarket.Order memory o = order();
        fund(o);
        (IInferenceMarket.Snapshot memory s, address[] memory list) = (snapshot(), provers());
        vm.warp(START + 1801);
        vm.prank(prover);
        vm.expectRevert(abi.encodeWithSelector(IInferenceMarket.TooLate.selector, START + 1800));
        market.lock(o, s, list);
        vm.prank(buyer);
        market.cancel(o, s);
        assertEq(credit(buyer), PRICE, "the exit");
    }

    /// @dev Whoever claims names the lock's prover, and no other.
    function test_claimNamesTheLocker() public {
        IInferenceMarket.Order memory o = order();
        fundAndLock(o);
        IInferenceMarket.Snapshot memory s = snapshot();
        vm.warp(START + 7201);
        address[3] memory wrong = [address(0), OTHER_PROVER, STRANGER];
        for (uint256 i; i < 3; ++i) {
            vm.expectRevert(IInferenceMarket.WrongSnapshot.selector);
            market.claimRefund(o, s, wrong[i]);
        }
        market.claimRefund(o, s, prover);
    }

    function test_voluntaryRefund() public {
        IInferenceMarket.Order memory o = order();
        bytes32 jobId = fundAndLock(o);
        IInferenceMarket.Snapshot memory s = snapshot();
        vm.prank(seller);
        vm.expectRevert(abi.encodeWithSelector(IInferenceMarket.WrongState.selector, jobId, IInferenceMarket.State.Locked));
        market.refund(o, s, prover, OUTPUT);
        market.settle(o, s, split, simulatedInference(jobId, prover), prover);
        vm.prank(STRANGER);
        vm.expectRevert(IInferenceMarket.NotSeller.selector);
        market.refund(o, s, prover, OUTPUT);
        vm.startPrank(seller);
        vm.expectRevert(IInferenceMarket.WrongSnapshot.selector);
        market.refund(o, s, OTHER_PROVER, OUTPUT); // who was not paid
        vm.expectRevert(IInferenceMarket.WrongSnapshot.selector);
        market.refund(o, s, prover, OUTPUT ^ bytes32(uint256(1 << 255))); // an output that was not delivered
        vm.expectRevert(abi.encodeWithSelector(IInferenceMarket.InsufficientBalance.selector, address(0), seller, PRICE, 0));
        market.refund(o, s, prover, OUTPUT);
        market.deposit{value: 2 ether}(address(0), 2 ether);
        vm.warp(START + 30 days);
        vm.expectRevert(abi.encodeWithSelector(IInferenceMarket.TooLate.selector, START + 30 days));
        market.refund(o, s, prover, OUTPUT);
        vm.warp(START + 30 days - 1);
        market.refund(o, s, prover, OUTPUT);
        vm.stopPrank();
        assertEq(credit(buyer), PRICE, "buyer");
        assertEq(credit(seller), 1 ether, "seller");
        assertEq(state(jobId), uint256(IInferenceMarket.State.Refunded), "state");
    }

    function test_lateRefundIsWhatWasPaid() public {
        IInferenceMarket.Order memory o = order();
        bytes32 jobId = fundAndLock(o);
        vm.warp(START + 3601);
        market.settleOpen(o, snapshot(), split, simulatedInference(jobId, OTHER_PROVER), OTHER_PROVER, provers(), prover);
        IInferenceMarket.Snapshot memory s = snapshot();
        vm.startPrank(seller);
        market.deposit{value: 1 ether}(address(0), 1 ether);
        market.refund(o, s, OTHER_PROVER, OUTPUT);
        vm.stopPrank();
        assertEq(credit(buyer), PRICE, "the fifth at settlement, the rest now");
    }
}
