// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {IAssayVerifier} from "../../src/interfaces/IAssayVerifier.sol";
import {IInferenceMarket} from "../../src/interfaces/IInferenceMarket.sol";
import {Payee} from "../../src/interfaces/IModelRegistry.sol";
import {IERC721} from "@openzeppelin/contracts/token/ERC721/IERC721.sol";
import {MarketBase} from "../utils/MarketBase.sol";

/// @notice lock, settle and settleOpen: who, when, and what moves.
contract ProveTest is MarketBase {
    function setUp() public {
        deploySimulated(1, 2, 0);
    }

    function _settle(IInferenceMarket.Order memory o, bytes32 jobId, address maker) internal {
        market.settle(o, snapshot(), split, simulatedInference(jobId, maker), maker);
    }

    function _settleOpen(IInferenceMarket.Order memory o, bytes32 jobId, address maker) internal {
        market.settleOpen(o, snapshot(), split, simulatedInference(jobId, maker), maker, provers(), prover);
    }

    // ------------------------------------------------------------------------------------------ lock

    function test_lock() public {
        bytes32 jobId = fundAndLock(order());
        assertEq(state(jobId), uint256(IInferenceMarket.State.Locked), "state");
        assertTrue(market.job(jobId).digest == lockDigest(snapshot(), prover), "prover");
        assertEq(credit(prover), 10 ether - COLLATERAL, "collateral");
    }

    function test_lockOnce() public {
        IInferenceMarket.Order memory o = order();
        bytes32 jobId = fundAndLock(o);
        (IInferenceMarket.Snapshot memory s, address[] memory list) = (snapshot(), provers());
        vm.prank(OTHER_PROVER);
        vm.expectRevert(abi.encodeWithSelector(IInferenceMarket.WrongState.selector, jobId, IInferenceMarket.State.Locked));
        market.lock(o, s, list);
    }

    function test_lockUnauthorised() public {
        IInferenceMarket.Order memory o = order();
        fund(o);
        (IInferenceMarket.Snapshot memory s, address[] memory list) = (snapshot(), provers());
        vm.startPrank(STRANGER);
        vm.expectRevert(abi.encodeWithSelector(IInferenceMarket.ProverNotAuthorised.selector, STRANGER));
        market.lock(o, s, list);
        list[0] = STRANGER; // a list of one's own
        vm.expectRevert(abi.encodeWithSelector(IInferenceMarket.ProverNotAuthorised.selector, STRANGER));
        market.lock(o, s, list);
        vm.stopPrank();
    }

    function test_lockNamedProver() public {
        IInferenceMarket.Order memory o = order();
        o.prover = OTHER_PROVER;
        fund(o);
        (IInferenceMarket.Snapshot memory s, address[] memory list) = (snapshot(), provers());
        vm.prank(prover);
        vm.expectRevert(abi.encodeWithSelector(IInferenceMarket.ProverNotAuthorised.selector, prover));
        market.lock(o, s, list);
        vm.prank(OTHER_PROVER);
        market.lock(o, s, list);
    }

    function test_lockNeedsCollateral() public {
        IInferenceMarket.Order memory o = order();
        fund(o);
        (IInferenceMarket.Snapshot memory s, address[] memory list) = (snapshot(), provers());
        vm.startPrank(prover);
        market.withdraw(address(0), 10 ether, prover);
        vm.expectRevert(abi.encodeWithSelector(IInferenceMarket.InsufficientBalance.selector, address(0), prover, COLLATERAL, 0));
        market.lock(o, s, list);
        vm.stopPrank();
    }

    function test_E6_lockDeadline() public {
        IInferenceMarket.Order memory o = order();
        fund(o);
        (IInferenceMarket.Snapshot memory s, address[] memory list) = (snapshot(), provers());
        vm.warp(START + 1801);
        vm.prank(prover);
        vm.expectRevert(abi.encodeWithSelector(IInferenceMarket.TooLate.selector, START + 1800));
        market.lock(o, s, list);
        vm.warp(START + 1800);
        vm.prank(prover);
        market.lock(o, s, list);
    }

    // ------------------------------------------------------------------------------------------ settle

    function test_settleNeedsLock() public {
        IInferenceMarket.Order memory o = order();
        bytes32 jobId = fund(o);
        (IInferenceMarket.Snapshot memory s, IInferenceMarket.Inference memory i) = (snapshot(), simulatedInference(jobId, prover));
        vm.expectRevert(abi.encodeWithSelector(IInferenceMarket.WrongState.selector, jobId, IInferenceMarket.State.Funded));
        market.settle(o, s, split, i, prover);
    }

    function test_E6_settleDeadline() public {
        IInferenceMarket.Order memory o = order();
        bytes32 jobId = fundAndLock(o);
        (IInferenceMarket.Snapshot memory s, IInferenceMarket.Inference memory i) = (snapshot(), simulatedInference(jobId, prover));
        vm.warp(START + 3601);
        vm.expectRevert(abi.encodeWithSelector(IInferenceMarket.TooLate.selector, START + 3600));
        market.settle(o, s, split, i, prover);
        vm.warp(START + 3600);
        address[] memory list = provers();
        vm.expectRevert(abi.encodeWithSelector(IInferenceMarket.TooEarly.selector, START + 3600));
        market.settleOpen(o, s, split, i, prover, list, prover);
        market.settle(o, s, split, i, prover);
        assertEq(market.job(jobId).time, START + 3600, "settled at the last second");
    }

    /// @dev E2: a proof made for one prover does not pay another.
    function test_copiedProof() public {
        IInferenceMarket.Order memory o = order();
        bytes32 jobId = fundAndLock(o);
        (IInferenceMarket.Snapshot memory s, IInferenceMarket.Inference memory i) = (snapshot(), simulatedInference(jobId, OTHER_PROVER));
        vm.expectRevert(IAssayVerifier.InvalidProof.selector);
        market.settle(o, s, split, i, prover);
    }

    /// @dev A buyer who pays only for an inference without clamps pays for none with clamps, and can have the money back; others pay.
    function test_clampsAreACondition() public {
        IInferenceMarket.Order memory o = order();
        o.unclamped = true;
        bytes32 jobId = fundAndLock(o);
        IInferenceMarket.Inference memory i = simulatedInference(market.contextOf(jobId, prover), hex"0001fffe00010000");
        IInferenceMarket.Snapshot memory s = snapshot();
        vm.expectRevert(abi.encodeWithSelector(IInferenceMarket.Clamped.selector, 0x00010000));
        market.settle(o, s, split, i, prover);
        vm.warp(START + 3601);
        vm.expectRevert(abi.encodeWithSelector(IInferenceMarket.Clamped.selector, 0x00010000));
        market.settleOpen(o, s, split, i, prover, provers(), prover);
        vm.warp(START);
        IInferenceMarket.Inference memory honest = simulatedInference(jobId, prover);
        vm.expectEmit(MARKET);
        emit IInferenceMarket.JobSettled(jobId, prover, 1, PRICE, false, honest.output);
        market.settle(o, s, split, honest, prover);

        o.unclamped = false;
        o.salt = bytes32(uint256(1));
        jobId = fundAndLock(o);
        i = simulatedInference(market.contextOf(jobId, prover), i.output);
        vm.expectEmit(MARKET);
        emit IInferenceMarket.JobSettled(jobId, prover, 1, PRICE, false, i.output);
        market.settle(o, s, split, i, prover);
    }

    function test_wrongParts() public {
        IInferenceMarket.Order memory o = order();
        bytes32 jobId = fundAndLock(o);
        IInferenceMarket.Inference memory i = simulatedInference(jobId, prover);
        IInferenceMarket.Snapshot memory s = snapshot();
        i.inputCommitments = bytes.concat(i.inputCommitments, hex"00");
        vm.expectRevert(IInferenceMarket.WrongInput.selector);
        market.settle(o, s, split, i, prover);
        i = simulatedInference(jobId, prover);
        Payee[] memory mine = new Payee[](1);
        mine[0] = Payee(STRANGER, 10_000);
        vm.expectRevert(IInferenceMarket.WrongSplit.selector);
        market.settle(o, s, mine, i, prover);
        for (uint256 w; w < 6; ++w) {
            bytes memory encoded = abi.encode(s);
            encoded = withWord(encoded, w, wordAt(encoded, w) ^ 1);
            vm.expectRevert(IInferenceMarket.WrongSnapshot.selector);
            market.settle(o, abi.decode(encoded, (IInferenceMarket.Snapshot)), split, i, prover);
        }
    }

    /// @dev E3: an order with a field altered after locking is another job, which does not exist.
    function test_E3_alteredOrder() public {
        IInferenceMarket.Order memory o = order();
        bytes32 jobId = fundAndLock(o);
        (IInferenceMarket.Snapshot memory s, IInferenceMarket.Inference memory i) = (snapshot(), simulatedInference(jobId, prover));
        for (uint256 field; field < 14; ++field) {
            bytes memory encoded = abi.encode(o);
            encoded = withWord(encoded, field, wordAt(encoded, field) ^ 1);
            vm.expectRevert(IInferenceMarket.WrongSnapshot.selector);
            market.settle(abi.decode(encoded, (IInferenceMarket.Order)), s, split, i, prover);
        }
        assertEq(state(jobId), uint256(IInferenceMarket.State.Locked), "untouched");
    }

    /// @dev E8: what an owner does after funding changes nothing for the job.
    function test_E8_snapshotHolds() public {
        IInferenceMarket.Order memory o = order();
        bytes32 jobId = fundAndLock(o);
        vm.startPrank(seller);
        models.setDeprecated(1, true);
        IERC721(MODELS).transferFrom(seller, STRANGER, 1);
        vm.stopPrank();
        _settle(o, jobId, prover);
        assertEq(credit(STRANGER), 0, "revenue of funded jobs stays");
    }

    /// @dev Shares, rounding and stand-ins: everything paid, nothing more.
    function testFuzz_split(uint16 a, uint16 b, uint128 price) public {
        a = uint16(bound(a, 1, 9_997));
        b = uint16(bound(b, 1, 9_998 - a));
        price = uint128(bound(price, 0, PRICE));
        delete split;
        split.push(Payee(address(1), a));
        split.push(Payee(address(0xDA7A), b));
        split.push(Payee(address(2), 10_000 - a - b));
        IInferenceMarket.Order memory o = orderFor(registerModel(split));
        IInferenceMarket.Quote memory q = quoteFor(o);
        q.price = price;
        bytes memory signature = sign(SELLER_KEY, market.hashQuote(q));
        vm.prank(buyer);
        bytes32 jobId = market.fund{value: price}(o, q, signature, false);
        IInferenceMarket.Snapshot memory s = snapshotOf(o);
        s.price = price;
        address[] memory list = provers();
        vm.prank(prover);
        market.lock(o, s, list);
        market.settle(o, s, split, simulatedInference(jobId, prover), prover);
        uint256 owner = uint256(price) * a / 10_000;
        uint256 data = uint256(price) * b / 10_000;
        assertEq(credit(seller), owner, "the owner's share");
        assertEq(credit(address(0xDA7A)), data, "the data provider's share");
        assertEq(credit(prover), 10 ether + price - owner - data, "the prover's share and collateral");
    }

    // ------------------------------------------------------------------------------------------ without a lock of one's own

    function test_lockFor() public {
        IInferenceMarket.Order memory o = order();
        bytes32 jobId = fund(o);
        (IInferenceMarket.Snapshot memory s, address[] memory list) = (snapshot(), provers());
        bytes memory forged = signLock(BUYER_KEY, jobId, prover, uint64(START));
        bytes memory good = signLock(PROVER_KEY, jobId, prover, uint64(START));
        vm.expectRevert(IInferenceMarket.InvalidSignature.selector);
        market.lockFor(o, s, list, prover, uint64(START), forged);
        vm.expectRevert(IInferenceMarket.InvalidSignature.selector);
        market.lockFor(o, s, list, prover, uint64(START + 1), good);
        vm.expectRevert(IInferenceMarket.InvalidSignature.selector);
        market.lockFor(o, s, list, OTHER_PROVER, uint64(START), good);
        bytes memory stranger = signLock(SELLER_KEY, jobId, seller, uint64(START));
        vm.expectRevert(abi.encodeWithSelector(IInferenceMarket.ProverNotAuthorised.selector, seller));
        market.lockFor(o, s, list, seller, uint64(START), stranger);
        vm.warp(START + 1);
        vm.expectRevert(abi.encodeWithSelector(IInferenceMarket.TooLate.selector, START));
        market.lockFor(o, s, list, prover, uint64(START), good);
        vm.warp(START);
        vm.prank(STRANGER);
        market.lockFor(o, s, list, prover, uint64(START), good);
        assertTrue(market.job(jobId).digest == lockDigest(s, prover), "the prover's lock");
        assertEq(credit(prover), 10 ether - COLLATERAL, "and its collateral");
        vm.expectRevert(abi.encodeWithSelector(IInferenceMarket.WrongState.selector, jobId, IInferenceMarket.State.Locked));
        market.lockFor(o, s, list, prover, uint64(START), good);
    }

    function _open(IInferenceMarket.Order memory o, bytes32 jobId, address maker) internal {
        market.settleOpen(o, snapshot(), split, simulatedInference(jobId, maker), maker, provers(), address(0));
    }

    /// @dev Locked and settled in one step: the full price until proveBy, and no collateral.
    function test_settleWithoutLock() public {
        IInferenceMarket.Order memory o = order();
        bytes32 jobId = fund(o);
        vm.warp(START + 3600);
        vm.expectEmit(MARKET);
        emit IInferenceMarket.JobSettled(jobId, prover, 1, PRICE, false, hex"0001fffe00000000");
        _open(o, jobId, prover);
        assertEq(credit(prover), 10 ether + PRICE, "the full price");
        assertEq(credit(TREASURY), 0, "nothing to slash");
    }

    function test_settleWithoutLockLate() public {
        IInferenceMarket.Order memory o = order();
        bytes32 jobId = fund(o);
        vm.warp(START + 3601);
        _open(o, jobId, OTHER_PROVER);
        assertEq(credit(OTHER_PROVER), 10 ether + PRICE * 80 / 100, "the late price");
        assertEq(credit(buyer), PRICE * 20 / 100, "the rest");
        assertTrue(market.job(jobId).late, "late");
    }

    /// @dev A lock keeps others out until proveBy, and a cancelled job is nobody's.
    function test_openMeansUnlocked() public {
        IInferenceMarket.Order memory o = order();
        bytes32 jobId = fundAndLock(o);
        (IInferenceMarket.Snapshot memory s, IInferenceMarket.Inference memory i) = (snapshot(), simulatedInference(jobId, OTHER_PROVER));
        address[] memory list = provers();
        vm.expectRevert(abi.encodeWithSelector(IInferenceMarket.TooEarly.selector, START + 3600));
        market.settleOpen(o, s, split, i, OTHER_PROVER, list, prover);
        vm.expectRevert(IInferenceMarket.WrongSnapshot.selector);
        market.settleOpen(o, s, split, i, OTHER_PROVER, list, address(0));
        vm.warp(START + 3601);
        vm.expectRevert(IInferenceMarket.WrongSnapshot.selector); // the lock is the other's
        market.settleOpen(o, s, split, i, OTHER_PROVER, list, OTHER_PROVER);
        vm.warp(START);
        o.salt = bytes32(uint256(1));
        jobId = fund(o);
        i = simulatedInference(jobId, prover);
        vm.prank(buyer);
        market.cancel(o, s);
        vm.expectRevert(abi.encodeWithSelector(IInferenceMarket.WrongState.selector, jobId, IInferenceMarket.State.Cancelled));
        market.settleOpen(o, s, split, i, prover, list, address(0));
        o.salt = bytes32(uint256(2));
        jobId = fund(o);
        vm.warp(START + 7201);
        i = simulatedInference(jobId, prover);
        vm.expectRevert(abi.encodeWithSelector(IInferenceMarket.TooLate.selector, START + 7200));
        market.settleOpen(o, s, split, i, prover, list, address(0));
    }

    /// @dev What a contract asks that wants to act on an output: no proof, only what is stored.
    function test_isSettled() public {
        IInferenceMarket.Order memory o = order();
        bytes32 jobId = fundAndLock(o);
        IInferenceMarket.Snapshot memory s = snapshot();
        bytes32 output = keccak256(hex"0001fffe00000000");
        assertTrue(!market.isSettled(jobId, s, prover, output), "not yet");
        _settle(o, jobId, prover);
        assertTrue(market.isSettled(jobId, s, prover, output), "with this output");
        assertTrue(!market.isSettled(jobId, s, prover, keccak256(hex"0001ffff00000000")), "with no other");
        assertTrue(!market.isSettled(jobId, s, OTHER_PROVER, output), "by this prover");
        assertTrue(!market.isSettled(keccak256("another job"), s, prover, output), "of this job");
        s.price += 1;
        assertTrue(!market.isSettled(jobId, s, prover, output), "at this price");
        s.price -= 1;
        vm.startPrank(seller);
        market.deposit{value: PRICE}(address(0), PRICE);
        market.refund(o, s, prover, output);
        vm.stopPrank();
        assertTrue(market.isSettled(jobId, s, prover, output), "a refund changes no output");
    }

    // ------------------------------------------------------------------------------------------ takeover

    function test_takeover() public {
        IInferenceMarket.Order memory o = order();
        bytes32 jobId = fundAndLock(o);
        vm.warp(START + 3601);
        _settleOpen(o, jobId, OTHER_PROVER);
        assertEq(credit(OTHER_PROVER), 10 ether + PRICE * 80 / 100 + COLLATERAL / 2, "late price and half the collateral");
        assertEq(credit(buyer), PRICE * 20 / 100, "the rest of the price");
        assertEq(credit(TREASURY), COLLATERAL / 2, "the rest of the collateral");
        assertEq(credit(prover), 10 ether - COLLATERAL, "slashed");
        assertTrue(market.job(jobId).late, "late");
        bytes26 digest = settlementDigest(snapshot(), OTHER_PROVER, hex"0001fffe00000000");
        assertTrue(market.job(jobId).digest == digest, "who was paid for what");
    }

    function test_lateOwnProver() public {
        IInferenceMarket.Order memory o = order();
        bytes32 jobId = fundAndLock(o);
        vm.warp(START + 7200);
        _settleOpen(o, jobId, prover);
        assertEq(credit(prover), 10 ether - COLLATERAL + PRICE * 80 / 100, "paid late, slashed in full");
        assertEq(credit(TREASURY), COLLATERAL, "treasury");
    }

    function test_E6_takeoverExpires() public {
        IInferenceMarket.Order memory o = order();
        bytes32 jobId = fundAndLock(o);
        (IInferenceMarket.Snapshot memory s, IInferenceMarket.Inference memory i) = (snapshot(), simulatedInference(jobId, prover));
        address[] memory list = provers();
        vm.warp(START + 7201);
        vm.expectRevert(abi.encodeWithSelector(IInferenceMarket.TooLate.selector, START + 7200));
        market.settleOpen(o, s, split, i, prover, list, prover);
    }

    function test_takeoverUnauthorised() public {
        IInferenceMarket.Order memory o = order();
        bytes32 jobId = fundAndLock(o);
        (IInferenceMarket.Snapshot memory s, IInferenceMarket.Inference memory i) = (snapshot(), simulatedInference(jobId, STRANGER));
        address[] memory list = provers();
        vm.warp(START + 3601);
        vm.expectRevert(abi.encodeWithSelector(IInferenceMarket.ProverNotAuthorised.selector, STRANGER));
        market.settleOpen(o, s, split, i, STRANGER, list, prover);
    }

    function testFuzz_whoSettlesWhen(uint256 delay, bool open) public {
        IInferenceMarket.Order memory o = order();
        bytes32 jobId = fundAndLock(o);
        delay = bound(delay, 0, 9000);
        vm.warp(START + delay);
        bool ok;
        if (open) {
            (ok,) = MARKET.call(
                abi.encodeCall(market.settleOpen, (o, snapshot(), split, simulatedInference(jobId, prover), prover, provers(), prover))
            );
            assertTrue(ok == (delay > 3600 && delay <= 7200), "open window");
        } else {
            (ok,) = MARKET.call(abi.encodeCall(market.settle, (o, snapshot(), split, simulatedInference(jobId, prover), prover)));
            assertTrue(ok == (delay <= 3600), "lock window");
        }
        bool refunded;
        (refunded,) = MARKET.call(abi.encodeCall(market.claimRefund, (o, snapshot(), prover)));
        assertTrue(refunded == (!ok && delay > 7200), "E6: never both paid and refunded");
    }
}
