// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {IInferenceMarket} from "../../src/interfaces/IInferenceMarket.sol";
import {MarketBase} from "../utils/MarketBase.sol";

/// @notice cancel, claimRefund and refund.
contract ExitTest is MarketBase {
    function setUp() public {
        deployAll(false, SMALL);
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
        market.claimRefund(o, s);
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
        market.claimRefund(o, s);
    }

    function test_E6_refundAfterExpiry() public {
        IInferenceMarket.Order memory o = order();
        bytes32 jobId = fund(o);
        IInferenceMarket.Snapshot memory s = snapshot();
        vm.warp(START + 7200);
        vm.expectRevert(abi.encodeWithSelector(IInferenceMarket.TooEarly.selector, START + 7200));
        market.claimRefund(o, s);
        vm.warp(START + 7201);
        vm.prank(STRANGER);
        market.claimRefund(o, s);
        assertEq(credit(buyer), PRICE, "the whole escrow");
        assertEq(credit(TREASURY), 0, "nothing to slash");
        vm.expectRevert(abi.encodeWithSelector(IInferenceMarket.WrongState.selector, jobId, IInferenceMarket.State.Expired));
        market.claimRefund(o, s);
    }

    function test_slashedIfLocked() public {
        IInferenceMarket.Order memory o = order();
        fundAndLock(o);
        vm.warp(START + 7201);
        market.claimRefund(o, snapshot());
        assertEq(credit(buyer), PRICE, "the whole escrow, and no more");
        assertEq(credit(TREASURY), COLLATERAL, "collateral");
        assertEq(credit(prover), 10 ether - COLLATERAL, "slashed");
    }

    function test_voluntaryRefund() public {
        IInferenceMarket.Order memory o = order();
        bytes32 jobId = fundAndLock(o);
        IInferenceMarket.Snapshot memory s = snapshot();
        vm.prank(seller);
        vm.expectRevert(abi.encodeWithSelector(IInferenceMarket.WrongState.selector, jobId, IInferenceMarket.State.Locked));
        market.refund(o, s);
        market.settle(o, s, split, mockInference(jobId, prover));
        vm.prank(STRANGER);
        vm.expectRevert(IInferenceMarket.NotSeller.selector);
        market.refund(o, s);
        vm.startPrank(seller);
        vm.expectRevert(abi.encodeWithSelector(IInferenceMarket.InsufficientBalance.selector, address(0), seller, PRICE, 0));
        market.refund(o, s);
        market.deposit{value: 2 ether}(address(0), 2 ether);
        vm.warp(START + 30 days);
        vm.expectRevert(abi.encodeWithSelector(IInferenceMarket.TooLate.selector, START + 30 days));
        market.refund(o, s);
        vm.warp(START + 30 days - 1);
        market.refund(o, s);
        vm.stopPrank();
        assertEq(credit(buyer), PRICE, "buyer");
        assertEq(credit(seller), 1 ether, "seller");
        assertEq(state(jobId), uint256(IInferenceMarket.State.Refunded), "state");
    }

    function test_lateRefundIsWhatWasPaid() public {
        IInferenceMarket.Order memory o = order();
        bytes32 jobId = fundAndLock(o);
        vm.warp(START + 3601);
        market.settleOpen(o, snapshot(), split, mockInference(jobId, OTHER_PROVER), OTHER_PROVER, provers());
        IInferenceMarket.Snapshot memory s = snapshot();
        vm.startPrank(seller);
        market.deposit{value: 1 ether}(address(0), 1 ether);
        market.refund(o, s);
        vm.stopPrank();
        assertEq(credit(buyer), PRICE, "the fifth at settlement, the rest now");
    }
}
