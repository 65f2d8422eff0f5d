// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {Bn254} from "../src/lib/Bn254.sol";
import {Simulator} from "./utils/Simulator.sol";

/// @notice Fills the memory that is not allocated yet before each call: none of them may take it for zeros.
contract Bn254Harness {
    modifier dirty() {
        assembly ("memory-safe") {
            let free := mload(0x40)
            for { let i := 0 } lt(i, 0x400) { i := add(i, 0x20) } { mstore(add(free, i), not(i)) }
        }
        _;
    }

    function isPoint(bytes memory point) external view dirty returns (bool) {
        return Bn254.isPoint(_data(point));
    }

    function isPointOrInfinity(bytes memory point) external view dirty returns (bool) {
        return Bn254.isPointOrInfinity(_data(point));
    }

    function isPointG2(bytes memory point) external view dirty returns (bool) {
        return Bn254.isPointG2(_data(point));
    }

    function inverse(uint256 a) external view dirty returns (uint256) {
        return Bn254.inverse(a);
    }

    function _data(bytes memory data) private pure returns (uint256 result) {
        assembly ("memory-safe") {
            result := add(data, 0x20)
        }
    }
}

contract Bn254Test is Simulator {
    /// @dev a precompile that refuses burns all it gets
    uint256 internal constant GAS = 300_000;
    Bn254Harness internal harness = new Bn254Harness();

    function test_dirtyMemory() public view {
        bytes memory point = multiple(7);
        assertTrue(harness.isPoint{gas: GAS}(point) && harness.isPointOrInfinity{gas: GAS}(point), "a point");
        assertTrue(!harness.isPoint{gas: GAS}(new bytes(64)) && harness.isPointOrInfinity{gas: GAS}(new bytes(64)), "infinity");
        assertTrue(!harness.isPointOrInfinity{gas: GAS}(withWord(point, 1, wordAt(point, 1) ^ 1)), "off the curve");
        bytes memory g2 = generator2();
        assertTrue(harness.isPointG2{gas: GAS}(g2) && !harness.isPointG2{gas: GAS}(new bytes(128)), "a point of G2, and infinity");
        for (uint256 i; i < 4; ++i) {
            assertTrue(!harness.isPointG2{gas: GAS}(withWord(g2, i, wordAt(g2, i) ^ 1)), "off the curve of G2");
            assertTrue(!harness.isPointG2{gas: GAS}(withWord(g2, i, 0)), "a coordinate that is zero");
        }
        assertEq(mulmod(harness.inverse(7), 7, Bn254.R), 1, "an inverse");
    }
}
