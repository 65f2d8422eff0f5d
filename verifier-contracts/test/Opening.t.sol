// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {Bn254} from "../src/lib/Bn254.sol";
import {Opening} from "../src/lib/Opening.sol";
import {Fixture} from "./utils/Fixture.sol";

/// @notice The opening alone: `C_T` given as one point, the pairing not merged with anything.
contract OpeningHarness {
    function check(
        uint256 binding,
        uint256[] memory point,
        uint256 value,
        bytes memory commitment,
        bytes memory tau,
        bytes calldata opening
    ) external view returns (bool) {
        uint256 low;
        uint256 proof;
        uint256 folded;
        uint256 g2;
        uint256 buf;
        uint256[12] memory pairs;
        uint256[5] memory scratch;
        assembly ("memory-safe") {
            low := add(point, 0x20)
            proof := opening.offset
            folded := add(commitment, 0x20)
            g2 := add(tau, 0x20)
            buf := scratch
        }
        Opening.Combination memory comb = Opening.reduce(binding, point.length, low, value, proof);
        Opening.accumulate(comb, buf, 1, proof);
        Bn254.mulAddMemory(buf, folded, comb.folded);
        uint256 ptr;
        assembly ("memory-safe") {
            ptr := pairs
            mcopy(ptr, buf, 0x40)
        }
        Bn254.writeGenerator(ptr + 0x40);
        Bn254.mulCalldata(ptr + 0xc0, proof + 0x180, Bn254.R - 1);
        assembly ("memory-safe") {
            mcopy(add(ptr, 0x100), g2, 0x80)
        }
        return Bn254.pairing(ptr, 2);
    }
}

/// @notice Section 7 against openings that the Rust prover made.
contract OpeningTest is Fixture {
    string internal constant GOLDEN_OPENING = "../fixtures/golden/opening.json";
    OpeningHarness internal harness;
    string internal json;

    function setUp() public {
        harness = new OpeningHarness();
        json = vm.readFile(GOLDEN_OPENING);
    }

    struct Case {
        uint256 binding;
        uint256[] point;
        uint256 value;
        bytes commitment;
        bytes opening;
    }

    function _case(uint256 i) internal view returns (Case memory c) {
        string memory at_ = string.concat(".cases[", vm.toString(i), "]");
        c.binding = uint256(vm.parseJsonBytes32(json, string.concat(at_, ".seed")));
        bytes32[] memory point = vm.parseJsonBytes32Array(json, string.concat(at_, ".point"));
        c.point = new uint256[](point.length);
        for (uint256 j; j < point.length; ++j) {
            c.point[j] = uint256(point[j]);
        }
        c.value = uint256(vm.parseJsonBytes32(json, string.concat(at_, ".value")));
        c.commitment = vm.parseJsonBytes(json, string.concat(at_, ".commitment"));
        c.opening = vm.parseJsonBytes(json, string.concat(at_, ".opening"));
    }

    function _accepts(Case memory c) internal view returns (bool) {
        bytes memory tau = vm.parseJsonBytes(json, ".tauG2");
        try harness.check{gas: 1_000_000}(c.binding, c.point, c.value, c.commitment, tau, c.opening) returns (bool ok) {
            return ok;
        } catch {
            return false;
        }
    }

    function test_golden() public view {
        for (uint256 i; i < 4; ++i) {
            assertTrue(_accepts(_case(i)), "a golden opening");
        }
    }

    function test_tampered() public view {
        for (uint256 i; i < 4; ++i) {
            Case memory c = _case(i);
            bytes memory honest = c.opening;
            for (uint256 w; w < Opening.WORDS; ++w) {
                c.opening = withWord(honest, w, wordAt(honest, w) ^ 1);
                assertTrue(!_accepts(c), "a word altered");
                c.opening = withWord(honest, w, 0);
                assertTrue(!_accepts(c), "a word zero");
            }
            c.opening = honest;
            c.value = addmod(c.value, 1, Bn254.R);
            assertTrue(!_accepts(c), "another value");
            c = _case(i);
            c.point[0] ^= 1;
            assertTrue(!_accepts(c), "another point");
            c = _case(i);
            c.binding ^= 1;
            assertTrue(!_accepts(c), "another binding");
            c = _case(i);
            c.commitment = abi.encode(1, 2);
            assertTrue(!_accepts(c), "another commitment");
        }
    }
}
