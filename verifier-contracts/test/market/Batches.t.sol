// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {IInferenceMarket} from "../../src/interfaces/IInferenceMarket.sol";
import {Arguments, BatchBase} from "./Batch.t.sol";

/// @notice fundBatch and lockBatch, and jobs of a batch that are settled without a lock.
contract BatchesTest is BatchBase {
    function setUp() public {
        deploySimulated(4, 4, 0x102);
    }

    /// @dev Orders of one buyer, one for each part of the inputs.
    function _orders() internal view returns (IInferenceMarket.BatchOrder[] memory orders) {
        orders = new IInferenceMarket.BatchOrder[](4);
        for (uint256 i; i < 4; ++i) {
            IInferenceMarket.Order memory o = batchOrder(i);
            orders[i] = IInferenceMarket.BatchOrder(o.inputCommitment, o.salt);
        }
    }

    function _template() internal view returns (IInferenceMarket.Order memory o) {
        o = order();
        o.inputCommitment = 0; // not read
        o.salt = keccak256("not read");
    }

    function _quote() internal view returns (IInferenceMarket.Quote memory q) {
        q = quoteFor(_template());
        q.uses = 4;
    }

    function _fundBatch(uint256 value, IInferenceMarket.Quote memory q, IInferenceMarket.BatchOrder[] memory orders, bytes memory refusal)
        internal
        returns (bytes32[] memory ids)
    {
        bytes memory signature = sign(SELLER_KEY, market.hashQuote(q));
        IInferenceMarket.Order memory o = _template();
        vm.prank(buyer);
        if (refusal.length > 0) vm.expectRevert(refusal);
        return market.fundBatch{value: value}(o, q, signature, orders, false);
    }

    /// @dev Job `i` of the buyer's batch.
    function _order(uint256 i) internal view returns (IInferenceMarket.Order memory o) {
        o = batchOrder(i);
        o.buyer = buyer;
    }

    function _jobs() internal view returns (IInferenceMarket.BatchJob[] memory jobs) {
        jobs = batchJobs(4);
        for (uint256 i; i < 4; ++i) {
            jobs[i].buyer = buyer;
        }
    }

    function test_fundBatch() public {
        IInferenceMarket.BatchOrder[] memory orders = _orders();
        for (uint256 i; i < 4; ++i) {
            vm.expectEmit(MARKET);
            emit IInferenceMarket.JobFundedInBatch(market.hashOrder(_order(i)), orders[i].inputCommitment, orders[i].salt);
        }
        vm.expectEmit(MARKET);
        emit IInferenceMarket.BatchFunded(1, buyer, 4, _template(), snapshotOf(_order(0)), provers());
        bytes32[] memory ids = _fundBatch(4 * PRICE, _quote(), orders, "");
        for (uint256 i; i < 4; ++i) {
            assertEq(ids[i], market.hashOrder(_order(i)), "the order's own id");
            assertTrue(market.job(ids[i]).digest == bytes26(keccak256(abi.encode(snapshotOf(_order(i))))), "its snapshot");
        }
        // each is a job like any other
        IInferenceMarket.Snapshot memory s = snapshotOf(_order(1));
        vm.prank(buyer);
        market.cancel(_order(1), s);
        assertEq(credit(buyer), PRICE, "its own price");
    }

    function test_fundBatchRefusals() public {
        IInferenceMarket.Quote memory q = _quote();
        IInferenceMarket.BatchOrder[] memory orders = _orders();
        _fundBatch(3 * PRICE, q, orders, abi.encodeWithSelector(IInferenceMarket.WrongPayment.selector, 4 * PRICE, 3 * PRICE));
        _fundBatch(0, q, new IInferenceMarket.BatchOrder[](0), abi.encodeWithSelector(IInferenceMarket.WrongBatch.selector, 0, 0));
        q.uses = 3;
        _fundBatch(4 * PRICE, q, orders, abi.encodePacked(IInferenceMarket.QuoteUsed.selector));
        q.uses = 1;
        _fundBatch(4 * PRICE, q, orders, abi.encodePacked(IInferenceMarket.QuoteUsed.selector));
        q = _quote();
        orders[3] = orders[0];
        bytes32 twice = market.hashOrder(_order(0));
        bytes memory refusal = abi.encodeWithSelector(IInferenceMarket.WrongState.selector, twice, IInferenceMarket.State.Funded);
        _fundBatch(4 * PRICE, q, orders, refusal);
    }

    /// @dev Whoever pays for a batch has no right to its jobs.
    function test_fundBatchBySomebodyElse() public {
        IInferenceMarket.Quote memory q = _quote();
        bytes memory signature = sign(SELLER_KEY, market.hashQuote(q));
        vm.deal(STRANGER, 4 * PRICE);
        vm.prank(STRANGER);
        bytes32[] memory ids = market.fundBatch{value: 4 * PRICE}(_template(), q, signature, _orders(), false);
        assertEq(state(ids[3]), uint256(IInferenceMarket.State.Funded), "paid for");
        IInferenceMarket.Order memory o = _order(3);
        IInferenceMarket.Snapshot memory s = snapshotOf(o);
        vm.prank(STRANGER);
        vm.expectRevert(IInferenceMarket.NotBuyer.selector);
        market.cancel(o, s);
        vm.prank(o.buyer);
        market.cancel(o, s);
        assertEq(credit(o.buyer), PRICE, "the buyer's");
    }

    function _inputs() internal view returns (bytes32[] memory inputs) {
        inputs = new bytes32[](4);
        for (uint256 i; i < 4; ++i) {
            inputs[i] = batchOrder(i).inputCommitment;
        }
    }

    function _lockBatch(address by, IInferenceMarket.BatchJob[] memory jobs, bytes32[] memory inputs, bytes memory refusal) internal {
        (IInferenceMarket.Snapshot memory s, IInferenceMarket.Order memory o) = (snapshotOf(_order(0)), _template());
        address[] memory list = provers();
        vm.prank(by);
        if (refusal.length > 0) vm.expectRevert(refusal);
        market.lockBatch(o, s, jobs, inputs, list);
    }

    function test_lockBatch() public {
        bytes32[] memory ids = _fundBatch(4 * PRICE, _quote(), _orders(), "");
        for (uint256 i; i < 4; ++i) {
            vm.expectEmit(MARKET);
            emit IInferenceMarket.JobLocked(ids[i], prover, START + 3600);
        }
        _lockBatch(prover, _jobs(), _inputs(), "");
        assertEq(credit(prover), 10 ether - 4 * COLLATERAL, "the collateral of all");
        Arguments memory a = arguments(ids, prover);
        a.jobs = _jobs();
        settleBatch(a);
        assertEq(credit(prover), 10 ether + 4 * PRICE, "and all of it back");
    }

    function test_lockBatchRefusals() public {
        bytes32[] memory ids = _fundBatch(4 * PRICE, _quote(), _orders(), "");
        bytes memory stranger = abi.encodeWithSelector(IInferenceMarket.ProverNotAuthorised.selector, STRANGER);
        _lockBatch(STRANGER, _jobs(), _inputs(), stranger);
        _lockBatch(prover, _jobs(), new bytes32[](3), abi.encodeWithSelector(IInferenceMarket.WrongBatch.selector, 4, 3));
        IInferenceMarket.BatchJob[] memory none = new IInferenceMarket.BatchJob[](0);
        _lockBatch(prover, none, new bytes32[](0), abi.encodeWithSelector(IInferenceMarket.WrongBatch.selector, 0, 0));
        bytes32[] memory swapped = _inputs();
        (swapped[0], swapped[1]) = (swapped[1], swapped[0]);
        _lockBatch(prover, _jobs(), swapped, abi.encodePacked(IInferenceMarket.WrongSnapshot.selector));
        vm.prank(prover);
        market.withdraw(address(0), 10 ether - 4 * COLLATERAL + 1, prover);
        bytes memory poor = abi.encodeWithSelector(
            IInferenceMarket.InsufficientBalance.selector, address(0), prover, 4 * COLLATERAL, 4 * COLLATERAL - 1
        );
        _lockBatch(prover, _jobs(), _inputs(), poor);
        vm.warp(START + 1801);
        _lockBatch(prover, _jobs(), _inputs(), abi.encodeWithSelector(IInferenceMarket.TooLate.selector, START + 1800));
        assertEq(state(ids[0]), uint256(IInferenceMarket.State.Funded), "all or nothing");
    }

    /// @dev Jobs that nobody has locked, and such that the prover has, in one proof.
    function test_settlesWithoutLocks() public {
        bytes32[] memory ids = _fundBatch(4 * PRICE, _quote(), _orders(), "");
        IInferenceMarket.Order memory o = _order(2);
        lock(o);
        Arguments memory a = arguments(ids, prover);
        a.jobs = _jobs();
        vm.expectRevert(abi.encodeWithSelector(IInferenceMarket.ProverNotAuthorised.selector, prover));
        settleBatch(a);
        a.provers = provers();
        for (uint256 i; i < 4; ++i) {
            vm.expectEmit(MARKET);
            emit IInferenceMarket.JobSettledInBatch(ids[i]); // by which a job is found
        }
        settleBatch(a);
        assertEq(credit(prover), 10 ether + 4 * PRICE, "one collateral back, four prices");
        assertEq(MARKET.balance, credit(prover) + credit(OTHER_PROVER), "E7");
    }

    /// @dev A stranger's proof settles nothing that is not locked.
    function test_strangersProof() public {
        bytes32[] memory ids = _fundBatch(4 * PRICE, _quote(), _orders(), "");
        Arguments memory a = arguments(ids, STRANGER);
        (a.jobs, a.provers) = (_jobs(), provers());
        vm.expectRevert(abi.encodeWithSelector(IInferenceMarket.ProverNotAuthorised.selector, STRANGER));
        settleBatch(a);
    }

    /// @dev A job that buys one inference is not settled as if it had bought all, nor the other way round.
    function test_numberOfInferences() public {
        IInferenceMarket.Order memory whole = order();
        bytes32 wholeId = fundAndLock(whole);
        IInferenceMarket.Inference memory x = simulatedInference(market.contextOf(wholeId, prover), hex"000100020003000400000000");
        market.settle(whole, snapshotOf(whole), split, x, prover);
        // priced for one, with the inputs of all
        whole.salt = bytes32(uint256(1));
        IInferenceMarket.Quote memory q = quoteFor(whole);
        q.inferences = 1;
        bytes memory signature = sign(SELLER_KEY, market.hashQuote(q));
        vm.prank(buyer);
        bytes32 cheap = market.fund{value: PRICE}(whole, q, signature, false);
        IInferenceMarket.Snapshot memory s = snapshotOf(whole);
        s.inferences = 1;
        x = simulatedInference(market.contextOf(cheap, prover), hex"000100020003000400000000");
        vm.expectRevert(abi.encodeWithSelector(IInferenceMarket.WrongInferences.selector, 1));
        market.settleOpen(whole, s, split, x, prover, provers(), address(0));
    }
}
