// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {IInferenceMarket} from "../../src/interfaces/IInferenceMarket.sol";
import {Reputation} from "../../src/periphery/Reputation.sol";
import {PeripheryBase} from "../utils/PeripheryBase.sol";

contract ReputationTest is PeripheryBase {
    Reputation private reputation = Reputation(address(0xA5522));
    bytes32 private constant OUTPUT = keccak256(hex"0001fffe00000000");

    function setUp() public {
        deployMarket();
        deployTo(address(reputation), abi.encodePacked(artifact("Reputation"), abi.encode(MARKET)));
    }

    function _settled(bytes32 salt, address who) private returns (IInferenceMarket.Order memory o) {
        o = order();
        (o.salt, o.buyer) = (salt, who);
        vm.deal(who, PRICE);
        fundAndLock(o);
        settle(o);
    }

    function _is(uint64 settled, uint64 late, uint64 refunded, uint64 buyers, uint256 volume) private view {
        for (uint256 i; i < 2; ++i) {
            (uint64 s, uint64 l, uint64 r, uint64 b) = i == 0 ? reputation.ofProver(prover) : reputation.ofModel(1);
            assertTrue(s == settled && l == late && r == refunded && b == buyers, i == 0 ? "prover" : "model");
        }
        assertEq(reputation.volumeOfProver(prover, address(0)), volume, "volume");
        assertEq(reputation.volumeOfModel(1, address(0)), volume, "the model's");
    }

    function test_settledJobsCount() public {
        IInferenceMarket.Order memory o = _settled("one", buyer);
        IInferenceMarket.Snapshot memory s = snapshotOf(o);
        vm.prank(STRANGER);
        reputation.enter(o, s, prover, OUTPUT);
        _is(1, 0, 0, 1, PRICE);
        vm.expectRevert(abi.encodeWithSelector(Reputation.AlreadyEntered.selector, market.hashOrder(o)));
        reputation.enter(o, s, prover, OUTPUT);
        reputation.enter(_settled("two", buyer), s, prover, OUTPUT);
        _is(2, 0, 0, 1, 2 * PRICE);
        reputation.enter(_settled("three", STRANGER), s, prover, OUTPUT);
        _is(3, 0, 0, 2, 3 * PRICE);
    }

    /// @dev Jobs that are open, another prover, another output, another price, another model.
    function test_nothingElse() public {
        IInferenceMarket.Order memory o = order();
        IInferenceMarket.Snapshot memory s = snapshotOf(o);
        bytes memory refusal = abi.encodeWithSelector(Reputation.NotSettled.selector, market.hashOrder(o));
        vm.expectRevert(refusal);
        reputation.enter(o, s, prover, OUTPUT);
        fundAndLock(o);
        vm.expectRevert(refusal);
        reputation.enter(o, s, prover, OUTPUT);
        settle(o);
        vm.expectRevert(refusal);
        reputation.enter(o, s, OTHER_PROVER, OUTPUT);
        vm.expectRevert(refusal);
        reputation.enter(o, s, prover, keccak256("another"));
        s.price = 100 ether;
        vm.expectRevert(refusal);
        reputation.enter(o, s, prover, OUTPUT);
        IInferenceMarket.Order memory other = order();
        other.modelId = 2;
        s = snapshotOf(o);
        vm.expectRevert(abi.encodeWithSelector(Reputation.NotSettled.selector, market.hashOrder(other)));
        reputation.enter(other, s, prover, OUTPUT);
        _is(0, 0, 0, 0, 0);
    }

    function test_freeJobs() public {
        IInferenceMarket.Order memory o = order();
        o.collateral = 0;
        IInferenceMarket.Quote memory q = quoteFor(o);
        q.price = 0;
        bytes memory signature = sign(SELLER_KEY, market.hashQuote(q));
        vm.prank(buyer);
        bytes32 jobId = market.fund(o, q, signature, false);
        IInferenceMarket.Snapshot memory s = snapshotOf(o);
        s.price = 0;
        address[] memory list = provers();
        vm.prank(prover);
        market.lock(o, s, list);
        market.settle(o, s, split, simulatedInference(jobId, prover), prover);
        vm.expectRevert(abi.encodeWithSelector(Reputation.NotPaid.selector, jobId));
        reputation.enter(o, s, prover, OUTPUT);
    }

    /// @dev A payment that was given back counts as such, entered before or after.
    function test_refunds() public {
        IInferenceMarket.Order memory o = _settled("one", buyer);
        IInferenceMarket.Order memory second = _settled("two", buyer);
        IInferenceMarket.Snapshot memory s = snapshotOf(o);
        reputation.enter(o, s, prover, OUTPUT);
        vm.startPrank(seller);
        market.deposit{value: 2 * PRICE}(address(0), 2 * PRICE);
        market.refund(o, s, prover, OUTPUT);
        market.refund(second, s, prover, OUTPUT);
        vm.stopPrank();
        reputation.enter(o, s, prover, OUTPUT);
        _is(0, 0, 1, 1, 0);
        reputation.enter(second, s, prover, OUTPUT);
        _is(0, 0, 2, 1, 0);
        vm.expectRevert(abi.encodeWithSelector(Reputation.AlreadyEntered.selector, market.hashOrder(second)));
        reputation.enter(second, s, prover, OUTPUT);
    }

    function test_late() public {
        IInferenceMarket.Order memory o = order();
        bytes32 jobId = fund(o);
        vm.warp(START + 3601);
        IInferenceMarket.Snapshot memory s = snapshotOf(o);
        market.settleOpen(o, s, split, simulatedInference(jobId, prover), prover, provers(), address(0));
        reputation.enter(o, s, prover, OUTPUT);
        _is(1, 1, 0, 1, PRICE);
        vm.startPrank(seller);
        market.deposit{value: PRICE}(address(0), PRICE);
        market.refund(o, s, prover, OUTPUT);
        vm.stopPrank();
        reputation.enter(o, s, prover, OUTPUT);
        _is(0, 0, 1, 1, 0);
    }
}
