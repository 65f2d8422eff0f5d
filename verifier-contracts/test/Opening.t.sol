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
        uint256 proof = _offset(opening);
        uint256 buf = _data(new bytes(5 * 32));
        {
            Opening.Challenges memory ch = Opening.challenges(Opening.start(binding), proof, Bn254.R);
            ch.others = 1;
            Opening.Combination memory comb = Opening.reduce(ch, point.length, _words(point), value, proof);
            Opening.accumulate(comb, buf, 1, proof);
            Bn254.mulAddMemory(buf, _data(commitment), 1);
        }
        uint256 ptr = _data(new bytes(12 * 32));
        Bn254.writeGenerator(ptr + 0x40);
        Bn254.mulCalldata(ptr + 0xc0, proof + 0x180, Bn254.R - 1);
        uint256 g2 = _data(tau);
        assembly ("memory-safe") {
            mcopy(ptr, buf, 0x40)
            mcopy(add(ptr, 0x100), g2, 0x80)
        }
        return Bn254.pairing(ptr, 2);
    }

    function _offset(bytes calldata data) private pure returns (uint256 result) {
        assembly ("memory-safe") {
            result := data.offset
        }
    }

    function _data(bytes memory data) private pure returns (uint256 result) {
        assembly ("memory-safe") {
            result := add(data, 0x20)
        }
    }

    function _words(uint256[] memory data) private pure returns (uint256 result) {
        assembly ("memory-safe") {
            result := add(data, 0x20)
        }
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
