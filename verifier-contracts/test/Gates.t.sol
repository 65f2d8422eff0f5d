// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {Gates} from "../src/lib/Gates.sol";
import {Fixture} from "./utils/Fixture.sol";

contract GatesHarness {
    uint256 internal constant R = 0x30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001;

    function sum(bytes memory fixed_, bytes memory cells, uint256 publicInput, uint256 alpha) external pure returns (uint256) {
        (uint256 q, uint256 w) = (0, 0);
        assembly ("memory-safe") {
            q := add(fixed_, 0x20)
            w := add(cells, 0x20)
        }
        (uint256 total, uint256 selector) = Gates.evaluate(q, w, alpha, R);
        return addmod(total, R - mulmod(selector, publicInput, R), R);
    }
}

/// @notice The gates against what the circuit's own description makes of random rows (prover/tests/support/gates.rs).
contract GatesTest is Fixture {
    string internal constant GOLDEN_GATES = "../fixtures/golden/gates.json";
    uint256 internal constant CASES = 12;

    function test_golden() public {
        GatesHarness harness = new GatesHarness();
        string memory json = vm.readFile(GOLDEN_GATES);
        for (uint256 i; i < CASES; ++i) {
            string memory at_ = string.concat(".cases[", vm.toString(i), "]");
            bytes memory advice = vm.parseJsonBytes(json, string.concat(at_, ".advice"));
            bytes memory cells = bytes.concat(advice, vm.parseJsonBytes(json, string.concat(at_, ".next")));
            uint256 sum = harness.sum(
                vm.parseJsonBytes(json, string.concat(at_, ".fixed")),
                cells,
                uint256(vm.parseJsonBytes32(json, string.concat(at_, ".public"))),
                uint256(vm.parseJsonBytes32(json, string.concat(at_, ".alpha")))
            );
            assertEq(bytes32(sum), vm.parseJsonBytes32(json, string.concat(at_, ".sum")), string.concat("case ", vm.toString(i)));
        }
    }
}
