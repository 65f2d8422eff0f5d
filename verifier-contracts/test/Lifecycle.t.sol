// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {IInferenceMarket} from "../src/interfaces/IInferenceMarket.sol";
import {IAttestors} from "../src/interfaces/IAttestors.sol";
import {IKeyRegistry} from "../src/interfaces/IKeyRegistry.sol";
import {MarketBase} from "./utils/MarketBase.sol";
import {Proven} from "./utils/Fixture.sol";

/// @notice fund → lock → settle with proofs that `AssayVerifier` really checks, in the context that the market really asks for.
abstract contract LifecycleSuite is MarketBase {
    function path() internal pure virtual returns (string memory);

    function setUp() public {
        if (!vm.exists(path())) vm.skip(true);
        deployAll(load(path()));
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
        market.settle(o, s, split, i, prover);
        assertEq(state(jobId), uint256(IInferenceMarket.State.Settled), "state");
        assertEq(credit(prover), before + PRICE + COLLATERAL, "prover is paid and gets the collateral back");
        assertEq(credit(STRANGER), 0, "E1: the submitter gets nothing");
    }

    function test_invalidProofChangesNothing() public {
        IInferenceMarket.Order memory o = order();
        bytes32 jobId = fundAndLock(o);
        IInferenceMarket.Inference memory i = realInference();
        i.proof = withWord(i.proof, 9, wordAt(i.proof, 9) ^ 1);
        IInferenceMarket.Snapshot memory s = snapshot();
        vm.expectRevert();
        market.settle(o, s, split, i, prover);
        i = realInference();
        i.output[0] ^= 0x01;
        vm.expectRevert();
        market.settle(o, s, split, i, prover);
        assertEq(state(jobId), uint256(IInferenceMarket.State.Locked), "still locked");
        market.settle(o, s, split, realInference(), prover);
        assertEq(state(jobId), uint256(IInferenceMarket.State.Settled), "and can still be settled");
    }

    /// @dev G3: the re-randomised proof verifies, and pays nothing more.
    function test_paysOnce() public {
        IInferenceMarket.Order memory o = order();
        bytes32 jobId = fundAndLock(o);
        (IInferenceMarket.Snapshot memory s, IInferenceMarket.Inference memory i) = (snapshot(), realInference());
        market.settle(o, s, split, i, prover);
        vm.expectRevert(abi.encodeWithSelector(IInferenceMarket.WrongState.selector, jobId, IInferenceMarket.State.Settled));
        market.settle(o, s, split, i, prover);
    }

    /// @dev E2: another job (salt), another chain, another prover: the same proof is worth nothing.
    function test_E2_replay() public {
        IInferenceMarket.Order memory o = order();
        o.salt = bytes32(uint256(1));
        fundAndLock(o);
        (IInferenceMarket.Snapshot memory s, IInferenceMarket.Inference memory i) = (snapshot(), realInference());
        vm.expectRevert();
        market.settle(o, s, split, i, prover);

        o = order();
        fund(o);
        address[] memory list = provers();
        vm.prank(OTHER_PROVER);
        market.lock(o, s, list);
        vm.expectRevert();
        market.settle(o, s, split, i, prover);

        vm.chainId(1);
        vm.expectRevert(IInferenceMarket.WrongSnapshot.selector);
        market.settle(o, s, split, i, prover);
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

        market.settle(o, snapshot(), split, realInference(), prover);
        _refusedNow(bytes32(uint256(1)), abi.encodeWithSelector(IKeyRegistry.NotAdmitted.selector, keyHash));
    }

    function _refusedNow(bytes32 salt, bytes memory reason) internal {
        IInferenceMarket.Order memory o = order();
        o.salt = salt;
        IInferenceMarket.Quote memory q = quoteFor(o);
        bytes memory signature = sign(SELLER_KEY, market.hashQuote(q));
        vm.prank(buyer);
        vm.expectRevert(reason);
        market.fund{value: PRICE}(o, q, signature, false);
    }

    function _equivocate() internal returns (bytes32 keyHash) {
        Proven memory b = loadOther(SMALL);
        keyHash = keccak256(proven.key);
        keys.reportEquivocation(
            keyHash,
            snapshot().weightsPointer,
            proven.inputCommitments,
            IKeyRegistry.Claim(proven.context, proven.output, proven.proof),
            IKeyRegistry.Claim(b.context, b.output, b.proof)
        );
    }

    /// @dev A freeze that says nothing about the key does not end its shape: attestors restore it, and those weights freeze it no more.
    function test_restored() public {
        bytes32 keyHash = _equivocate();
        vm.expectRevert();
        keys.restore(keyHash); // nobody has approved
        vm.prank(STRANGER);
        vm.expectRevert(abi.encodeWithSelector(IAttestors.NotAttestor.selector, STRANGER));
        keys.approveRestoration(keyHash);
        keys.approveRestoration(keyHash);
        keys.restore(keyHash);
        fund(order());
        bytes32 weightsHash = keccak256(snapshot().weightsPointer.code);
        (Proven memory b, address weights) = (loadOther(SMALL), snapshot().weightsPointer);
        IKeyRegistry.Claim memory first = IKeyRegistry.Claim(proven.context, proven.output, proven.proof);
        vm.expectRevert(abi.encodeWithSelector(IKeyRegistry.Excused.selector, keyHash, weightsHash));
        keys.reportEquivocation(keyHash, weights, proven.inputCommitments, first, IKeyRegistry.Claim(b.context, b.output, b.proof));
        vm.expectRevert(abi.encodeWithSelector(IKeyRegistry.NotFrozen.selector, keyHash));
        keys.approveRestoration(keyHash);
    }

    /// @dev A frozen key makes room for one that is mended, and does not come back then.
    function test_mendedKeyTakesTheSlot() public {
        bytes32 keyHash = _equivocate();
        bytes memory mended = withWord(withWord(proven.key, 31, 1), 32, 2);
        bytes32 mendedHash = keys.propose(mended);
        keys.attest(mendedHash, true);
        assertEq(uint256(keys.key(mendedHash).status), uint256(IKeyRegistry.Status.Admitted), "admitted");
        bytes32 slot = keccak256(abi.encode(wordAt(proven.key, 1), bytes32("groth16-bn254"), wordAt(proven.key, 2), uint16(0)));
        keys.approveRestoration(keyHash);
        vm.expectRevert(abi.encodeWithSelector(IKeyRegistry.SlotTaken.selector, slot, mendedHash));
        keys.restore(keyHash);
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
