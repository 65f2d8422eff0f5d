// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {IAssayVerifier} from "../src/interfaces/IAssayVerifier.sol";
import {IInferenceMarket} from "../src/interfaces/IInferenceMarket.sol";
import {Arguments, BatchBase} from "./market/Batch.t.sol";

/// @notice fund and lock by as many buyers as the key has inferences, and one proof that `AssayVerifier` really checks.
abstract contract BatchLifecycleSuite is BatchBase {
    uint256 internal count;
    bytes32[] internal ids;

    function path() internal pure virtual returns (string memory);

    function setUp() public {
        if (!vm.exists(path())) vm.skip(true);
        deployAll(load(path()));
        count = 1 << (wordAt(proven.key, 14) & 0xff);
        fundMany(count);
        ids = batchIds(count);
    }

    function real() internal view returns (Arguments memory a) {
        a = terms(ids, prover);
        a.inference = realInference();
        a.prover = prover;
    }

    function _settled() internal view returns (uint256 sum) {
        for (uint256 i; i < ids.length; ++i) {
            if (state(ids[i]) == uint256(IInferenceMarket.State.Settled)) ++sum;
        }
    }

    /// @dev test/vectors/order.mjs computed this context on its own.
    function test_contextIsTheOneProven() public view {
        assertEq(market.contextOfBatch(ids, prover), proven.context, "context");
    }

    function test_settle() public {
        Arguments memory a = real();
        vm.expectEmit(MARKET);
        emit IInferenceMarket.BatchSettled(1, prover, PRICE, ids, slice(proven.output, 0, proven.output.length - 4), clamps(proven.output));
        vm.prank(STRANGER);
        settleBatch(a);
        assertEq(_settled(), count, "all of them");
        assertEq(credit(prover), 10 ether + count * PRICE, "paid");
        assertEq(credits(count), MARKET.balance, "E7");
        vm.expectRevert(abi.encodeWithSelector(IInferenceMarket.WrongState.selector, ids[0], IInferenceMarket.State.Settled));
        settleBatch(a);
    }

    /// @dev No inference's output can be altered, whoever's it is; nor can two be exchanged.
    function test_outputs() public {
        uint256 part = (proven.output.length - 4) / count;
        for (uint256 i; i < count; ++i) {
            Arguments memory a = real();
            a.inference.output[part * i + i % part] ^= 0x01;
            vm.expectRevert(IAssayVerifier.InvalidProof.selector);
            settleBatch(a);
        }
        Arguments memory b = real();
        for (uint256 i; i < part; ++i) {
            (b.inference.output[i], b.inference.output[part + i]) = (b.inference.output[part + i], b.inference.output[i]);
        }
        vm.expectRevert(IAssayVerifier.InvalidProof.selector);
        settleBatch(b);
        assertEq(_settled(), 0, "nothing settled");
    }

    function test_lengths() public {
        Arguments memory a = real();
        a.inference.output = bytes.concat(proven.output, hex"0000");
        vm.expectRevert(abi.encodeWithSelector(IAssayVerifier.InvalidLength.selector, 3));
        settleBatch(a);
        a = real();
        a.inference.output = "";
        vm.expectRevert(abi.encodeWithSelector(IAssayVerifier.InvalidLength.selector, 3));
        settleBatch(a);
        // bytes behind the last part belong to nobody, but the verifier wants the exact length
        a = real();
        a.inference.inputCommitments = bytes.concat(proven.inputCommitments, hex"00");
        vm.expectRevert(abi.encodeWithSelector(IAssayVerifier.InvalidLength.selector, 2));
        settleBatch(a);
    }

    /// @dev The same buyers with other salts: another batch.
    function test_proofOfAnotherBatch() public {
        Arguments memory a = real();
        IInferenceMarket.Order memory o = batchOrder(1);
        o.salt = bytes32(uint256(1));
        fundOne(o);
        a.jobs[1].salt = o.salt;
        vm.expectRevert(IAssayVerifier.InvalidProof.selector);
        settleBatch(a);
        a = real();
        a.jobs = batchJobs(count - 1); // the last one not paid for
        vm.expectRevert(IAssayVerifier.InvalidProof.selector);
        settleBatch(a);
    }

    /// @dev A job of a batch is not settled alone: it buys one inference, and a proof under its key has as many inputs as the batch.
    function test_notAlone() public {
        Arguments memory a = real();
        a.inference.inputCommitments = slice(proven.inputCommitments, 0, proven.inputCommitments.length / count);
        vm.expectRevert(abi.encodeWithSelector(IInferenceMarket.WrongInferences.selector, 1));
        market.settle(batchOrder(0), a.snapshot, split, a.inference, prover);
    }

    /// @dev The number of clamps behind the output cells.
    function clamps(bytes memory output) internal pure returns (uint32) {
        return uint32(uint256(bytes32(slice(output, output.length - 4, 4)) >> 224));
    }
}

/// @notice Two chunks an input, 4 inferences; also with 3 jobs and a filler.
contract SimulatedBatchTest is BatchLifecycleSuite {
    function path() internal pure override returns (string memory) {
        return BATCH;
    }

    function test_fillers() public {
        proven = loadOther(BATCH);
        bytes32[] memory three = batchIds(3);
        assertEq(market.contextOfBatch(three, prover), proven.context, "context");
        Arguments memory a = terms(three, prover);
        a.inference = realInference();
        vm.expectEmit(MARKET);
        emit IInferenceMarket.BatchSettled(1, prover, PRICE, three, slice(proven.output, 0, (proven.output.length - 4) * 3 / 4), 0x01020304);
        settleBatch(a);
        assertEq(_settled(), 3, "three of four");
        assertEq(credit(prover), 10 ether + 3 * PRICE - COLLATERAL, "paid for three");
    }

    /// @dev A filler is proven all the same: its input and output cannot be altered.
    function test_fillersAreProven() public {
        proven = loadOther(BATCH);
        Arguments memory a = terms(batchIds(3), prover);
        a.inference = realInference();
        a.inference.output[proven.output.length - 1] ^= 0x01;
        vm.expectRevert(IAssayVerifier.InvalidProof.selector);
        settleBatch(a);
        a.inference = realInference();
        for (uint256 i = 384; i < 448; ++i) {
            a.inference.inputCommitments[i] = proven.inputCommitments[i - 384]; // a valid point, of somebody else
        }
        vm.expectRevert(IAssayVerifier.InvalidProof.selector);
        settleBatch(a);
    }
}

/// @notice 64 buyers and a proof that the Rust prover made of a real model.
contract GoldenSeparateTest is BatchLifecycleSuite {
    function path() internal pure override returns (string memory) {
        return GOLDEN_SEPARATE;
    }
}

/// @notice The same with the wrap that has a universal setup.
contract UniversalSeparateTest is BatchLifecycleSuite {
    function path() internal pure override returns (string memory) {
        return UNIVERSAL_SEPARATE;
    }
}
