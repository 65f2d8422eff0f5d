// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {IInferenceMarket} from "../src/interfaces/IInferenceMarket.sol";
import {IKeyRegistry} from "../src/interfaces/IKeyRegistry.sol";
import {MarketBase} from "./utils/MarketBase.sol";
import {Proven} from "./utils/Fixture.sol";

/// @notice fund → lock → settle with proofs that `AssayVerifier` really checks, in the context that the market really asks for.
abstract contract LifecycleSuite is MarketBase {
    function path() internal pure virtual returns (string memory);

    function setUp() public {
        if (!vm.exists(path())) vm.skip(true);
        deployAll(true, path());
    }

    /// @dev test/vectors/order.mjs computed this context on its own: job id, EIP-712 domain and layout agree.
    function test_contextIsTheOneProven() public view {
        assertEq(market.contextOf(market.hashOrder(order()), prover), proven.context, "context");
    }

    function test_settle() public {
        IInferenceMarket.Order memory o = order();
        bytes32 jobId = fundAndLock(o);
        uint256 before = credit(prover);
        (IInferenceMarket.Snapshot memory s, IInferenceMarket.Inference memory i) = (snapshot(), realInference());
        vm.prank(STRANGER);
        market.settle(o, s, split, i);
        assertEq(state(jobId), uint256(IInferenceMarket.State.Settled), "state");
        assertEq(credit(prover), before + PRICE + COLLATERAL, "prover is paid and gets the collateral back");
        assertEq(credit(STRANGER), 0, "E1: the submitter gets nothing");
    }

    /// @dev The whole transaction.
    function test_settleGas() public {
        IInferenceMarket.Order memory o = order();
        fundAndLock(o);
        bytes memory data = abi.encodeCall(market.settle, (o, snapshot(), split, realInference()));
        uint256 intrinsic = intrinsicGas(data);
        _cool();
        assertTrue(MARKET.balance > 0, "and the transaction's target warm, as it always is");
        uint256 used = gasOf(MARKET, data);
        emit log_named_uint("settle calldata bytes", data.length);
        emit log_named_uint("settle intrinsic gas", intrinsic);
        emit log_named_uint("settle gas, all in", intrinsic + used);
        assertTrue(intrinsic + used <= budget(), "the budget");
    }

    /// @dev Of a settlement, whatever it settles.
    function budget() internal pure virtual returns (uint256) {
        return 450_000;
    }

    /// @dev Accounts and slots as cold as in a transaction of its own.
    function _cool() internal {
        address[6] memory touched = [MARKET, VERIFIER, KEYS, MODELS, snapshot().keyPointer, snapshot().weightsPointer];
        for (uint256 i; i < touched.length; ++i) {
            vm.cool(touched[i]);
        }
    }

    function test_invalidProofChangesNothing() public {
        IInferenceMarket.Order memory o = order();
        bytes32 jobId = fundAndLock(o);
        IInferenceMarket.Inference memory i = realInference();
        i.proof = withWord(i.proof, 9, wordAt(i.proof, 9) ^ 1);
        IInferenceMarket.Snapshot memory s = snapshot();
        vm.expectRevert();
        market.settle(o, s, split, i);
        i = realInference();
        i.output[0] ^= 0x01;
        vm.expectRevert();
        market.settle(o, s, split, i);
        assertEq(state(jobId), uint256(IInferenceMarket.State.Locked), "still locked");
        market.settle(o, s, split, realInference());
        assertEq(state(jobId), uint256(IInferenceMarket.State.Settled), "and can still be settled");
    }

    /// @dev G3: the re-randomised proof verifies, and pays nothing more.
    function test_paysOnce() public {
        IInferenceMarket.Order memory o = order();
        bytes32 jobId = fundAndLock(o);
        (IInferenceMarket.Snapshot memory s, IInferenceMarket.Inference memory i) = (snapshot(), realInference());
        market.settle(o, s, split, i);
        vm.expectRevert(abi.encodeWithSelector(IInferenceMarket.WrongState.selector, jobId, IInferenceMarket.State.Settled));
        market.settle(o, s, split, i);
    }

    /// @dev E2: another job (salt), another chain, another prover: the same proof is worth nothing.
    function test_E2_replay() public {
        IInferenceMarket.Order memory o = order();
        o.salt = bytes32(uint256(1));
        fundAndLock(o);
        (IInferenceMarket.Snapshot memory s, IInferenceMarket.Inference memory i) = (snapshot(), realInference());
        vm.expectRevert();
        market.settle(o, s, split, i);

        o = order();
        fund(o);
        address[] memory list = provers();
        vm.prank(OTHER_PROVER);
        market.lock(o, s, list);
        vm.expectRevert();
        market.settle(o, s, split, i);

        vm.chainId(1);
        vm.expectRevert(IInferenceMarket.WrongSnapshot.selector);
        market.settle(o, s, split, i);
    }
}

contract SmallLifecycleTest is LifecycleSuite {
    function path() internal pure override returns (string memory) {
        return SMALL;
    }

    /// @dev EQ1: two valid proofs of one input with two outputs freeze the key; funded jobs go on, new ones are refused.
    function test_EQ1_equivocation() public {
        IInferenceMarket.Order memory o = order();
        fundAndLock(o);
        Proven memory b = loadOther(SMALL);
        IKeyRegistry.Claim memory first = IKeyRegistry.Claim(proven.context, proven.output, proven.proof);
        IKeyRegistry.Claim memory second = IKeyRegistry.Claim(b.context, b.output, b.proof);
        address weights = snapshot().weightsPointer;
        bytes32 keyHash = o.keyHash;
        vm.expectRevert(IKeyRegistry.SameOutput.selector);
        keys.reportEquivocation(keyHash, weights, proven.inputCommitments, first, first);
        second.context = bytes32(uint256(8));
        vm.expectRevert();
        keys.reportEquivocation(keyHash, weights, proven.inputCommitments, first, second);
        second.context = b.context;
        keys.reportEquivocation(keyHash, weights, proven.inputCommitments, first, second);
        assertEq(uint256(keys.key(keyHash).status), uint256(IKeyRegistry.Status.Frozen), "frozen");

        market.settle(o, snapshot(), split, realInference());
        o.salt = bytes32(uint256(1));
        IInferenceMarket.Quote memory q = quoteFor(o);
        bytes memory signature = sign(SELLER_KEY, market.hashQuote(q));
        vm.prank(buyer);
        vm.expectRevert(abi.encodeWithSelector(IKeyRegistry.NotAdmitted.selector, keyHash));
        market.fund{value: PRICE}(o, q, signature, false);
    }
}

contract JointLifecycleTest is LifecycleSuite {
    function path() internal pure override returns (string memory) {
        return JOINT;
    }
}

contract LenetLifecycleTest is LifecycleSuite {
    function path() internal pure override returns (string memory) {
        return LENET;
    }
}
