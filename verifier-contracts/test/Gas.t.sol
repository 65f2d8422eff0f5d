// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {IInferenceMarket} from "../src/interfaces/IInferenceMarket.sol";
import {Arguments, BatchBase} from "./market/Batch.t.sol";

/// @notice What each step of a job costs as a transaction of its own (`isolate`: cold storage, calldata and the 21,000 included). Only here are the
/// figures those of a chain: where one test is one transaction, slots that it wrote before are cheaper to write again.
abstract contract GasSuite is BatchBase {
    /// @dev Of the call just made.
    function spent(string memory what, uint256 most) internal returns (uint256 used) {
        used = vm.lastCallGas().gasTotalUsed;
        emit log_named_uint(what, used);
        assertTrue(used <= most, what);
    }

    /// @dev Funds by a quote of its own; the seller has signed others, so its word of nonces is not empty.
    function fundNext(IInferenceMarket.Order memory o, uint256 nonce) internal {
        IInferenceMarket.Quote memory q = quoteFor(o);
        q.nonce = nonce;
        bytes memory signature = sign(SELLER_KEY, market.hashQuote(q));
        vm.deal(o.buyer, PRICE);
        vm.prank(o.buyer);
        market.fund{value: PRICE}(o, q, signature, false);
    }

    /// @dev An order that nobody proves: what is first in a word of nonces or in an account is dearer, and is not what is measured.
    function warmUp() internal {
        IInferenceMarket.Order memory o = order();
        o.salt = keccak256("the seller has signed before");
        fundNext(o, 0);
    }
}

/// @notice One inference by a proof of the Rust prover.
abstract contract SingleGasSuite is GasSuite {
    function path() internal pure virtual returns (string memory);

    /// @dev The most that settling may cost.
    function most() internal pure virtual returns (uint256);

    function setUp() public {
        deployAll(load(path()));
        warmUp();
    }

    function test_single() public {
        IInferenceMarket.Order memory o = order();
        fundNext(o, 1);
        uint256 all = spent("fund", 102_500);
        (IInferenceMarket.Snapshot memory s, address[] memory list) = (snapshotOf(o), provers());
        vm.prank(prover);
        market.lock(o, s, list);
        all += spent("lock", 44_500);
        market.settle(o, s, split, realInference(), prover);
        emit log_named_uint("whole job", all + spent("settle", most()));
    }

    function test_lockFor() public {
        IInferenceMarket.Order memory o = order();
        fundNext(o, 1);
        (IInferenceMarket.Snapshot memory s, address[] memory list) = (snapshotOf(o), provers());
        bytes memory signature = signLock(PROVER_KEY, market.hashOrder(o), prover, type(uint64).max);
        market.lockFor(o, s, list, prover, type(uint64).max, signature);
        spent("lockFor", 51_000);
    }

    function test_lockAndSettleInOne() public {
        IInferenceMarket.Order memory o = order();
        fundNext(o, 1);
        uint256 all = spent("fund", 102_500);
        market.settleOpen(o, snapshotOf(o), split, realInference(), prover, provers(), address(0));
        emit log_named_uint("whole job, locked and settled in one call", all + spent("settleOpen", most() + 3_000));
    }
}

/// forge-config: test.isolate = true
contract UniversalGasTest is SingleGasSuite {
    function path() internal pure override returns (string memory) {
        return UNIVERSAL;
    }

    function most() internal pure override returns (uint256) {
        return 403_000;
    }
}

/// forge-config: test.isolate = true
contract Groth16GasTest is SingleGasSuite {
    function path() internal pure override returns (string memory) {
        return GOLDEN;
    }

    function most() internal pure override returns (uint256) {
        return 452_000;
    }
}

/// forge-config: test.isolate = true
contract UniversalJointGasTest is SingleGasSuite {
    function path() internal pure override returns (string memory) {
        return UNIVERSAL_JOINT;
    }

    function most() internal pure override returns (uint256) {
        return 805_000;
    }
}

/// forge-config: test.isolate = true
contract Groth16JointGasTest is SingleGasSuite {
    function path() internal pure override returns (string memory) {
        return GOLDEN_JOINT;
    }

    function most() internal pure override returns (uint256) {
        return 854_000;
    }
}

/// @notice 64 inferences with separate inputs.
abstract contract BatchGasSuite is GasSuite {
    uint256 internal constant COUNT = 64;

    function path() internal pure virtual returns (string memory);

    /// @dev The most that settling may cost, each.
    function most() internal pure virtual returns (uint256);

    function setUp() public {
        deployAll(load(path()));
        warmUp();
    }

    function _real(address[] memory list) internal view returns (Arguments memory a) {
        a = terms(batchIds(COUNT), prover);
        a.inference = realInference();
        a.provers = list;
    }

    /// @dev A batch that one buyer orders. The golden proof is for 64 buyers, so these jobs stay open.
    function _fundBatch() internal returns (uint256) {
        IInferenceMarket.Order memory o = batchOrder(0);
        IInferenceMarket.Quote memory q = quoteFor(o);
        (q.uses, q.nonce) = (0, 2);
        IInferenceMarket.BatchOrder[] memory orders = new IInferenceMarket.BatchOrder[](COUNT);
        for (uint256 i; i < COUNT; ++i) {
            orders[i] = IInferenceMarket.BatchOrder(batchOrder(i).inputCommitment, keccak256(abi.encode(i)));
        }
        bytes memory signature = sign(SELLER_KEY, market.hashQuote(q));
        vm.deal(o.buyer, COUNT * PRICE);
        vm.prank(o.buyer);
        market.fundBatch{value: COUNT * PRICE}(o, q, signature, orders, false);
        return spent("fundBatch", COUNT * 27_000);
    }

    function test_batch() public {
        uint256 all = _fundBatch();
        for (uint256 i; i < COUNT; ++i) {
            fundNext(batchOrder(i), 3 + i);
        }
        Arguments memory a = _real(new address[](0));
        bytes32[] memory inputs = new bytes32[](COUNT);
        for (uint256 i; i < COUNT; ++i) {
            inputs[i] = batchOrder(i).inputCommitment;
        }
        address[] memory list = provers();
        vm.prank(prover);
        market.lockBatch(a.template, a.snapshot, a.jobs, inputs, list);
        all += spent("lockBatch", COUNT * 10_100);
        settleBatch(a);
        all += spent("settleBatch", COUNT * most());
        emit log_named_uint("whole job of a batch, each", all / COUNT);
    }

    function test_batchWithoutLocks() public {
        uint256 all = _fundBatch();
        for (uint256 i; i < COUNT; ++i) {
            fundNext(batchOrder(i), 3 + i);
        }
        settleBatch(_real(provers()));
        all += spent("settleBatch without locks", COUNT * most());
        emit log_named_uint("whole job of a batch without locks, each", all / COUNT);
        assertTrue(all <= COUNT * 60_000, "the goal");
    }
}

/// forge-config: test.isolate = true
contract UniversalBatchGasTest is BatchGasSuite {
    function path() internal pure override returns (string memory) {
        return UNIVERSAL_SEPARATE;
    }

    function most() internal pure override returns (uint256) {
        return 29_900;
    }
}

/// forge-config: test.isolate = true
contract Groth16BatchGasTest is BatchGasSuite {
    function path() internal pure override returns (string memory) {
        return GOLDEN_SEPARATE;
    }

    function most() internal pure override returns (uint256) {
        return 30_700;
    }
}
