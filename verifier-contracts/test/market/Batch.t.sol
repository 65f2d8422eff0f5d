// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {IAssayVerifier} from "../../src/interfaces/IAssayVerifier.sol";
import {IInferenceMarket} from "../../src/interfaces/IInferenceMarket.sol";
import {Payee} from "../../src/interfaces/IModelRegistry.sol";
import {MarketBase} from "../utils/MarketBase.sol";

/// @notice The arguments of settleBatch, to be altered one by one.
struct Arguments {
    IInferenceMarket.Order template;
    IInferenceMarket.Snapshot snapshot;
    IInferenceMarket.BatchJob[] jobs;
    Payee[] split;
    IInferenceMarket.Inference inference;
    address prover;
    address[] provers; // read if a job is not locked
}

abstract contract BatchBase is MarketBase {
    /// @dev With a proof for these jobs.
    function arguments(bytes32[] memory ids, address maker) internal view returns (Arguments memory a) {
        a = terms(ids, maker);
        bytes memory output = slice(hex"0001000200030004", 0, 2 * wordAt(proven.key, 13));
        a.inference = simulatedInference(market.contextOfBatch(ids, maker), bytes.concat(output, hex"00000000"));
    }

    /// @dev All but the proof.
    function terms(bytes32[] memory ids, address maker) internal view returns (Arguments memory a) {
        a.template = order();
        delete a.template.buyer; // these four are not read
        delete a.template.inputCommitment;
        delete a.template.maxPrice;
        delete a.template.salt;
        a.snapshot = snapshot();
        a.snapshot.inferences = 1;
        a.prover = maker;
        a.jobs = batchJobs(ids.length);
        a.split = split;
    }

    function settleBatch(Arguments memory a) internal {
        market.settleBatch(a.template, a.snapshot, a.jobs, a.split, a.inference, a.prover, a.provers);
    }

    function credits(uint256 buyers) internal view returns (uint256 sum) {
        sum = credit(buyer) + credit(seller) + credit(prover) + credit(OTHER_PROVER) + credit(TREASURY) + credit(STRANGER);
        for (uint256 i; i < buyers; ++i) {
            sum += credit(batchOrder(i).buyer);
        }
    }
}

/// @notice settleBatch: who, when, what moves, and what must not.
contract BatchTest is BatchBase {
    bytes32[] internal ids;

    function setUp() public {
        deploySimulated(4, 4, 0x102);
        fundMany(4);
        ids = batchIds(4);
    }

    function _refuse(Arguments memory a, bytes memory reason) internal {
        vm.expectRevert(reason);
        settleBatch(a);
        for (uint256 i; i < 4; ++i) {
            assertTrue(state(ids[i]) != uint256(IInferenceMarket.State.Settled), "nothing settled");
        }
        assertEq(credits(4), MARKET.balance - _escrow(), "nothing moved");
    }

    /// @dev What open jobs of the four hold.
    function _escrow() internal view returns (uint256 sum) {
        for (uint256 i; i < 4; ++i) {
            uint256 s = state(ids[i]);
            if (s == uint256(IInferenceMarket.State.Funded)) sum += PRICE;
            if (s == uint256(IInferenceMarket.State.Locked)) sum += PRICE + COLLATERAL;
        }
    }

    function _first(uint256 count) internal view returns (bytes32[] memory some) {
        some = new bytes32[](count);
        for (uint256 i; i < count; ++i) {
            some[i] = ids[i];
        }
    }

    function test_settles() public {
        Arguments memory a = arguments(ids, prover);
        vm.expectEmit(MARKET);
        emit IInferenceMarket.BatchSettled(1, prover, PRICE, ids, hex"0001000200030004", 0);
        vm.prank(STRANGER);
        settleBatch(a);
        for (uint256 i; i < 4; ++i) {
            IInferenceMarket.Job memory j = market.job(ids[i]);
            assertTrue(j.state == IInferenceMarket.State.Settled && !j.late && j.time == START, "record");
            bytes memory output = bytes.concat(slice(a.inference.output, 2 * i, 2), hex"00000000");
            assertTrue(j.digest == settlementDigest(a.snapshot, prover, output), "its own output");
        }
        assertEq(credit(prover), 10 ether + 4 * PRICE, "all prices, and all collateral back");
        assertEq(credit(STRANGER), 0, "E1: the submitter gets nothing");
        assertEq(credits(4), MARKET.balance, "E7: the market holds what it owes");
    }

    /// @dev Fewer jobs than inferences: the rest is proven, and neither paid nor part of the event's output.
    function test_fillers() public {
        Arguments memory a = arguments(_first(3), prover);
        vm.expectEmit(MARKET);
        emit IInferenceMarket.BatchSettled(1, prover, PRICE, _first(3), hex"000100020003", 0);
        settleBatch(a);
        assertEq(credit(prover), 10 ether + 3 * PRICE - COLLATERAL, "three of four");
        assertEq(state(ids[3]), uint256(IInferenceMarket.State.Locked), "the fourth is open");
        assertEq(credits(4), MARKET.balance - _escrow(), "E7");
        vm.warp(START + 7201);
        market.claimRefund(batchOrder(3), a.snapshot, prover);
        assertEq(credit(batchOrder(3).buyer), PRICE + COLLATERAL / 2, "and can expire");
    }

    function test_oneJob() public {
        settleBatch(arguments(_first(1), prover));
        assertEq(state(ids[0]), uint256(IInferenceMarket.State.Settled), "settled");
    }

    function test_refundOfOne() public {
        Arguments memory a = arguments(ids, prover);
        settleBatch(a);
        vm.startPrank(seller);
        market.deposit{value: 2 ether}(address(0), 2 ether);
        market.refund(batchOrder(2), a.snapshot, prover, keccak256(hex"000300000000"));
        vm.expectRevert(abi.encodeWithSelector(IInferenceMarket.WrongState.selector, ids[2], IInferenceMarket.State.Refunded));
        market.refund(batchOrder(2), a.snapshot, prover, keccak256(hex"000300000000"));
        vm.stopPrank();
        assertEq(credit(batchOrder(2).buyer), PRICE, "what that job cost");
        assertEq(credit(seller), 1 ether, "from the seller");
        assertEq(credits(4), MARKET.balance, "E7");
        assertEq(state(ids[1]), uint256(IInferenceMarket.State.Settled), "the others are as they were");
        vm.warp(START + 7201);
        vm.expectRevert(abi.encodeWithSelector(IInferenceMarket.WrongState.selector, ids[1], IInferenceMarket.State.Settled));
        market.claimRefund(batchOrder(1), a.snapshot, prover);
    }

    /// @dev The whole is split once; the rounding goes to the last payee, and nothing is lost.
    function testFuzz_split(uint16 a, uint128 price, uint8 count) public {
        a = uint16(bound(a, 1, 9_999));
        price = uint128(bound(price, 0, PRICE));
        uint256 n = bound(count, 1, 4);
        delete split;
        split.push(Payee(address(1), a));
        split.push(Payee(address(2), 10_000 - a));
        uint256 modelId = registerModel(split);
        IInferenceMarket.Snapshot memory s = snapshot();
        (s.price, s.weightsPointer, s.inferences) = (price, models.model(modelId).weightsPointer, 1);
        bytes32[] memory own = new bytes32[](n);
        uint256 before = credit(prover);
        for (uint256 i; i < n; ++i) {
            IInferenceMarket.Order memory o = batchOrder(i);
            (o.modelId, o.modelCommitment) = (modelId, models.model(modelId).modelCommitment);
            IInferenceMarket.Quote memory q = quoteFor(o);
            q.price = price;
            bytes memory signature = sign(SELLER_KEY, market.hashQuote(q));
            vm.deal(o.buyer, price);
            vm.prank(o.buyer);
            own[i] = market.fund{value: price}(o, q, signature, false);
            address[] memory list = provers();
            vm.prank(prover);
            market.lock(o, s, list);
        }
        Arguments memory x = arguments(own, prover);
        (x.template.modelId, x.template.modelCommitment, x.snapshot) = (modelId, models.model(modelId).modelCommitment, s);
        settleBatch(x);
        uint256 owner = n * price * a / 10_000;
        assertEq(credit(seller), owner, "the owner's share");
        assertEq(credit(prover), before + n * price - owner, "the prover's share and collateral");
    }

    // ------------------------------------------------------------------------------------------ which jobs

    function test_numberOfJobs() public {
        _refuse(arguments(new bytes32[](0), prover), abi.encodeWithSelector(IInferenceMarket.WrongBatch.selector, 0, 4));
        Arguments memory a = arguments(ids, prover);
        IInferenceMarket.BatchJob[] memory five = new IInferenceMarket.BatchJob[](5);
        for (uint256 i; i < 5; ++i) {
            five[i] = a.jobs[i % 4];
        }
        a.jobs = five;
        _refuse(a, abi.encodeWithSelector(IInferenceMarket.WrongBatch.selector, 5, 4));
    }

    /// @dev A job belongs to the inference with its input: in another place it is another order.
    /// @dev All orders of a batch ask for no clamps or none does, and the proof counts those of all inferences.
    function test_clampsAreACondition() public {
        Arguments memory a = arguments(ids, prover);
        a.inference.output = hex"000100020003000400000001";
        a.inference = simulatedInference(market.contextOfBatch(ids, prover), a.inference.output);
        a.template.unclamped = true;
        _refuse(a, abi.encodePacked(IInferenceMarket.WrongSnapshot.selector)); // these orders do not ask for it
        bytes32[] memory strict = new bytes32[](4);
        for (uint256 i; i < 4; ++i) {
            IInferenceMarket.Order memory o = batchOrder(i);
            o.unclamped = true;
            strict[i] = fundOne(o);
        }
        Arguments memory b = arguments(strict, prover);
        b.template.unclamped = true;
        b.inference = simulatedInference(market.contextOfBatch(strict, prover), a.inference.output);
        vm.expectRevert(abi.encodeWithSelector(IInferenceMarket.Clamped.selector, 1));
        settleBatch(b);
        a.template.unclamped = false;
        vm.expectEmit(MARKET);
        emit IInferenceMarket.BatchSettled(1, prover, PRICE, ids, hex"0001000200030004", 1);
        settleBatch(a);
    }

    function test_swappedJobs() public {
        Arguments memory a = arguments(ids, prover);
        (a.jobs[0], a.jobs[1]) = (a.jobs[1], a.jobs[0]);
        _refuse(a, abi.encodePacked(IInferenceMarket.WrongSnapshot.selector));
        // with their inputs they are jobs again, and another batch, for which there is no proof
        a.inference.inputCommitments = bytes.concat(
            slice(proven.inputCommitments, 64, 64), slice(proven.inputCommitments, 0, 64), slice(proven.inputCommitments, 128, 128)
        );
        _refuse(a, abi.encodePacked(IAssayVerifier.InvalidProof.selector));
    }

    function test_sameJobTwice() public {
        bytes32[] memory twice = _first(2);
        twice[1] = ids[0];
        Arguments memory a = arguments(twice, prover);
        a.jobs[1] = a.jobs[0];
        _refuse(a, abi.encodePacked(IInferenceMarket.WrongSnapshot.selector)); // it has not that input
        bytes memory input = slice(proven.inputCommitments, 0, 64);
        a.inference.inputCommitments = bytes.concat(input, input, input, input);
        _refuse(a, abi.encodeWithSelector(IInferenceMarket.WrongState.selector, ids[0], IInferenceMarket.State.Settled));
    }

    function test_jobNotLocked() public {
        IInferenceMarket.Order memory o = batchOrder(3);
        o.salt = bytes32(uint256(1));
        vm.deal(o.buyer, PRICE);
        bytes32[] memory own = _first(4);
        own[3] = fund(o);
        Arguments memory a = arguments(own, prover);
        a.jobs[3].salt = o.salt;
        vm.expectRevert(abi.encodeWithSelector(IInferenceMarket.ProverNotAuthorised.selector, prover)); // who should show the list
        settleBatch(a);
        address[] memory list = provers();
        vm.prank(OTHER_PROVER);
        market.lock(o, a.snapshot, list);
        vm.expectRevert(IInferenceMarket.WrongSnapshot.selector);
        settleBatch(a);
        vm.warp(START + 7201);
        market.claimRefund(o, a.snapshot, OTHER_PROVER);
        vm.warp(START);
        vm.expectRevert(abi.encodeWithSelector(IInferenceMarket.WrongState.selector, own[3], IInferenceMarket.State.Expired));
        settleBatch(a);
    }

    function test_unknownJob() public {
        Arguments memory a = arguments(ids, prover);
        a.jobs[2].salt = bytes32(uint256(1));
        _refuse(a, abi.encodePacked(IInferenceMarket.WrongSnapshot.selector));
        a = arguments(ids, prover);
        a.jobs[2].maxPrice += 1;
        _refuse(a, abi.encodePacked(IInferenceMarket.WrongSnapshot.selector));
        a = arguments(ids, prover);
        a.jobs[2].buyer = STRANGER;
        _refuse(a, abi.encodePacked(IInferenceMarket.WrongSnapshot.selector));
    }

    /// @dev A job funded at another price, or for other provers, has another snapshot.
    function test_otherSnapshot() public {
        for (uint256 how; how < 2; ++how) {
            IInferenceMarket.Order memory o = batchOrder(3);
            o.salt = bytes32(how);
            IInferenceMarket.Quote memory q = quoteFor(o);
            IInferenceMarket.Snapshot memory s = snapshotOf(o);
            if (how == 0) {
                (q.price, s.price) = (PRICE - 1, PRICE - 1);
            } else {
                q.provers = new address[](1);
                q.provers[0] = prover;
                s.proversHash = keccak256(abi.encodePacked(q.provers));
            }
            bytes memory signature = sign(SELLER_KEY, market.hashQuote(q));
            vm.deal(o.buyer, PRICE);
            vm.prank(o.buyer);
            bytes32[] memory own = _first(4);
            own[3] = market.fund{value: q.price}(o, q, signature, false);
            vm.prank(prover);
            market.lock(o, s, q.provers);
            Arguments memory a = arguments(own, prover);
            a.jobs[3].salt = o.salt;
            vm.expectRevert(IInferenceMarket.WrongSnapshot.selector);
            settleBatch(a);
            a.snapshot = s; // nor does it help the other way round
            vm.expectRevert(IInferenceMarket.WrongSnapshot.selector);
            settleBatch(a);
        }
    }

    /// @dev E6: the first deadline among the jobs, inclusive.
    function test_E6_deadline() public {
        vm.warp(START + 10);
        IInferenceMarket.Order memory o = batchOrder(3);
        o.salt = bytes32(uint256(1));
        bytes32[] memory own = _first(4);
        own[3] = fundOne(o);
        Arguments memory a = arguments(own, prover);
        a.jobs[3].salt = o.salt;
        vm.warp(START + 3601);
        vm.expectRevert(abi.encodeWithSelector(IInferenceMarket.TooLate.selector, START + 3600));
        settleBatch(a);
        vm.warp(START + 3600);
        settleBatch(a);
        assertEq(market.job(own[3]).time, START + 3600, "settled at the last second");
    }

    // ------------------------------------------------------------------------------------------ everything else

    function test_replay() public {
        Arguments memory a = arguments(ids, prover);
        settleBatch(a);
        vm.expectRevert(abi.encodeWithSelector(IInferenceMarket.WrongState.selector, ids[0], IInferenceMarket.State.Settled));
        settleBatch(a);
    }

    /// @dev The proof is for these jobs, in this order, of this number, by this prover.
    function test_proofOfAnotherBatch() public {
        bytes memory reason = abi.encodePacked(IAssayVerifier.InvalidProof.selector);
        Arguments memory a = arguments(ids, prover);
        a.inference.proof = arguments(_first(3), prover).inference.proof;
        _refuse(a, reason);
        a.inference.proof = arguments(ids, OTHER_PROVER).inference.proof;
        _refuse(a, reason);
        bytes32[] memory swapped = batchIds(4);
        (swapped[0], swapped[3]) = (swapped[3], swapped[0]);
        a.inference.proof = arguments(swapped, prover).inference.proof;
        _refuse(a, reason);
        a = arguments(_first(3), prover);
        a.inference.proof = arguments(ids, prover).inference.proof;
        _refuse(a, reason);
        a = arguments(_first(1), prover);
        a.inference = simulatedInference(market.contextOf(ids[0], prover), a.inference.output);
        _refuse(a, reason); // the context of a job alone is another one
    }

    function test_contextIsAScalar() public view {
        uint256 r = 0x30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001;
        bytes32 all = keccak256(abi.encodePacked(ids));
        uint256 expected = uint256(keccak256(abi.encode(block.chainid, MARKET, all, prover, uint256(4)))) % r;
        assertEq(uint256(market.contextOfBatch(ids, prover)), expected, "as documented");
    }

    function test_wrongOutput() public {
        for (uint256 i; i < 8; ++i) {
            Arguments memory a = arguments(ids, prover);
            a.inference.output[i] ^= 0x01;
            _refuse(a, abi.encodePacked(IAssayVerifier.InvalidProof.selector));
        }
    }

    function test_otherBuyersInput() public {
        for (uint256 i; i < proven.inputCommitments.length; i += 32) {
            Arguments memory a = arguments(ids, prover);
            a.inference.inputCommitments = bytes.concat(proven.inputCommitments);
            a.inference.inputCommitments[i] ^= 0x01;
            _refuse(a, abi.encodePacked(IInferenceMarket.WrongSnapshot.selector));
        }
        Arguments memory b = arguments(ids, prover);
        b.inference.inputCommitments = "";
        _refuse(b, abi.encodePacked(IInferenceMarket.WrongSnapshot.selector));
    }

    /// @dev E3: all that the jobs share is theirs, and the rest of the template is not read.
    function test_E3_alteredTemplate() public {
        Arguments memory a = arguments(ids, prover);
        bytes memory honest = abi.encode(a.template);
        for (uint256 field; field < 14; ++field) {
            bool read = field != 0 && field != 3 && field != 7 && field != 13;
            if (!read) continue;
            a.template = abi.decode(withWord(honest, field, wordAt(honest, field) ^ 1), (IInferenceMarket.Order));
            _refuse(a, abi.encodePacked(IInferenceMarket.WrongSnapshot.selector));
        }
        a.template = batchOrder(2);
        settleBatch(a);
    }

    function test_alteredSnapshot() public {
        Arguments memory a = arguments(ids, prover);
        bytes memory honest = abi.encode(a.snapshot);
        for (uint256 w; w < 6; ++w) {
            a.snapshot = abi.decode(withWord(honest, w, wordAt(honest, w) ^ 1), (IInferenceMarket.Snapshot));
            bytes memory reason = abi.encodePacked(IInferenceMarket.WrongSnapshot.selector);
            if (w == 1) reason = abi.encodeWithSelector(IInferenceMarket.WrongBatch.selector, 4, 1); // no key there
            if (w == 4) reason = abi.encodeWithSelector(IInferenceMarket.WrongInferences.selector, 0);
            _refuse(a, reason);
        }
    }

    function test_wrongSplit() public {
        Arguments memory a = arguments(ids, prover);
        a.split = new Payee[](1);
        a.split[0] = Payee(STRANGER, 10_000);
        _refuse(a, abi.encodePacked(IInferenceMarket.WrongSplit.selector));
    }

    /// @dev Jobs that miss proveBy can be ended one by one.
    function test_expiry() public {
        vm.warp(START + 7201);
        for (uint256 i; i < 4; ++i) {
            market.claimRefund(batchOrder(i), snapshotOf(batchOrder(i)), prover);
            assertEq(credit(batchOrder(i).buyer), PRICE + COLLATERAL / 2, "the whole escrow, and a compensation");
        }
        assertEq(credit(TREASURY), 2 * COLLATERAL, "slashed");
        assertEq(credits(4), MARKET.balance, "E7");
    }
}

/// @notice Under a key for joint inputs there is one buyer, and `settle`.
contract JointBatchTest is BatchBase {
    function test_jointKey() public {
        deploySimulated(1, 2, 1);
        bytes32[] memory ids = new bytes32[](1);
        ids[0] = fundAndLock(order());
        Arguments memory a = arguments(ids, prover);
        a.jobs[0] = IInferenceMarket.BatchJob(buyer, PRICE, 0);
        vm.expectRevert(IInferenceMarket.JointKey.selector);
        settleBatch(a);
    }

    /// @dev A key for one inference serves batches of one.
    function test_single() public {
        deploySimulated(1, 1, 0);
        bytes32[] memory ids = new bytes32[](1);
        ids[0] = fundAndLock(order());
        Arguments memory a = arguments(ids, prover);
        a.jobs[0] = IInferenceMarket.BatchJob(buyer, PRICE, 0);
        settleBatch(a);
        assertEq(credit(prover), 10 ether + PRICE, "paid");
    }
}
