// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {IAssayVerifier} from "../../src/interfaces/IAssayVerifier.sol";
import {Output} from "../../src/lib/Output.sol";
import {PublicInput} from "../../src/lib/PublicInput.sol";
import {Simulator} from "../utils/Simulator.sol";

/// @notice With the library's calls, and openings made with `τ = 2`, which the simulator's keys have.
contract PublicInputTest is Simulator {
    uint256 private constant R = 0x30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001;
    uint256 private constant TAU = 2;
    /// @dev Cells of a chunk of the simulator's keys.
    uint256 private constant SIZE = 4;
    address private key;

    function setUp() public {
        key = pointer(simulated(1, 2, 0).key);
    }

    function check(address at, PublicInput.Shown calldata shown) external view {
        PublicInput.check(at, shown);
    }

    function argmax(bytes calldata output) external pure returns (uint256) {
        return Output.argmax(output);
    }

    function cell(bytes calldata output, uint256 i) external pure returns (int16) {
        return Output.cell(output, i);
    }

    function clamps(bytes calldata output) external pure returns (uint32) {
        return Output.clamps(output);
    }

    function _at(int16[] memory cells, uint256 chunk, uint256 x) private pure returns (uint256 value) {
        for (uint256 i = SIZE; i > 0; --i) {
            uint256 place = chunk * SIZE + i - 1;
            int256 c = place < cells.length ? cells[place] : int16(0);
            value = addmod(mulmod(value, x, R), uint256(c < 0 ? int256(R) + c : c), R);
        }
    }

    function _show(int16[] memory cells, uint256 chunks) private view returns (PublicInput.Shown memory shown) {
        for (uint256 i; i < cells.length; ++i) {
            shown.cells = bytes.concat(shown.cells, bytes2(uint16(cells[i])));
        }
        for (uint256 i; i < chunks; ++i) {
            shown.commitments = bytes.concat(shown.commitments, multiple(_at(cells, i, TAU)));
        }
        uint256 z = uint256(keccak256(abi.encodePacked("assay-public-input-v1", shown.commitments, shown.cells))) % R;
        uint256 nu = uint256(keccak256(abi.encode(z))) % R;
        uint256 power = 1;
        uint256 difference;
        for (uint256 i; i < chunks; ++i) {
            uint256 d = addmod(_at(cells, i, TAU), R - _at(cells, i, z), R);
            difference = addmod(difference, mulmod(power, d, R), R);
            power = mulmod(power, nu, R);
        }
        shown.opening = multiple(mulmod(difference, inverse(addmod(TAU, R - z, R)), R));
    }

    function testFuzz_shown(int16[7] memory drawn, uint256 length, uint256 chunks) public view {
        int16[] memory cells = new int16[](bound(length, 0, 7));
        for (uint256 i; i < cells.length; ++i) {
            cells[i] = drawn[i];
        }
        chunks = bound(chunks, cells.length > SIZE ? 2 : 1, 3);
        this.check(key, _show(cells, chunks));
    }

    /// @dev Any other cell, commitment or opening.
    function testFuzz_forged(int16[6] memory drawn, uint256 what, uint256 where, uint16 change) public {
        int16[] memory cells = new int16[](6);
        for (uint256 i; i < 6; ++i) {
            cells[i] = drawn[i];
        }
        PublicInput.Shown memory shown = _show(cells, 2);
        if (what % 3 == 0) {
            if (change == 0) change = 1;
            uint256 i = where % 6;
            bytes2 other = bytes2(uint16(cells[i]) ^ change);
            (shown.cells[2 * i], shown.cells[2 * i + 1]) = (other[0], other[1]);
        } else if (what % 3 == 1) {
            shown.opening = multiple(uint256(keccak256(abi.encode(where))) % R);
        } else {
            bytes memory other = multiple(uint256(keccak256(abi.encode(where))) % R);
            shown.commitments = bytes.concat(slice64(shown.commitments), other);
        }
        vm.expectRevert(PublicInput.WrongOpening.selector);
        this.check(key, shown);
    }

    function slice64(bytes memory data) private pure returns (bytes memory) {
        return truncated(data, 64);
    }

    /// @dev The chunks in another order are another input.
    function test_swapped() public {
        int16[] memory cells = new int16[](8);
        for (uint256 i; i < 8; ++i) {
            cells[i] = int16(int256(i) - 3);
        }
        PublicInput.Shown memory shown = _show(cells, 2);
        bytes memory c = shown.commitments;
        shown.commitments = abi.encodePacked(wordAt(c, 2), wordAt(c, 3), wordAt(c, 0), wordAt(c, 1));
        vm.expectRevert(PublicInput.WrongOpening.selector);
        this.check(key, shown);
    }

    function test_lengths() public {
        int16[] memory cells = new int16[](4);
        PublicInput.Shown memory good = _show(cells, 1);
        this.check(key, good);
        for (uint256 i; i < 5; ++i) {
            PublicInput.Shown memory shown = PublicInput.Shown(good.commitments, good.cells, good.opening);
            if (i == 0) shown.commitments = "";
            if (i == 1) shown.commitments = bytes.concat(good.commitments, hex"00");
            if (i == 2) shown.cells = new bytes(7);
            if (i == 3) shown.cells = new bytes(10); // a chunk has four cells
            if (i == 4) shown.opening = bytes.concat(good.opening, hex"00");
            vm.expectRevert(PublicInput.WrongLength.selector);
            this.check(key, shown);
        }
    }

    /// @dev What is no point is refused by the precompile.
    function test_noPoint() public {
        PublicInput.Shown memory shown = _show(new int16[](4), 1);
        shown.opening = abi.encode(uint256(1), uint256(3));
        vm.expectRevert(IAssayVerifier.PrecompileFailed.selector);
        this.check(key, shown);
        shown.opening = new bytes(64);
        shown.commitments = abi.encode(uint256(1), uint256(3));
        vm.expectRevert(IAssayVerifier.PrecompileFailed.selector);
        this.check(key, shown);
    }

    /// @dev A universal key has its τ elsewhere.
    function test_universalKey() public {
        bytes memory universal = load(UNIVERSAL).key;
        bytes memory simulatedKey = simulated(1, 2, 0).key;
        for (uint256 i; i < 4; ++i) {
            universal = withWord(universal, 20 + i, wordAt(simulatedKey, 33 + i));
        }
        universal = withWord(universal, 3, 2);
        int16[] memory cells = new int16[](3);
        (cells[0], cells[1], cells[2]) = (-7, 0, 12_000);
        this.check(pointer(universal), _show(cells, 1));
    }

    function test_output() public {
        bytes memory output = hex"fff800050005000400000002";
        assertEq(this.argmax(output), 1, "the first of the largest");
        assertTrue(this.cell(output, 0) == -8 && this.cell(output, 3) == 4, "cells");
        assertEq(this.clamps(output), 2, "clamps");
        vm.expectRevert(Output.NoOutput.selector);
        this.cell(output, 4);
        vm.expectRevert(Output.NoOutput.selector);
        this.argmax(hex"00000000");
        vm.expectRevert(Output.NoOutput.selector);
        this.clamps(hex"0000000000");
    }

    function inverse(uint256 x) private view returns (uint256) {
        (bool ok, bytes memory y) = address(5).staticcall(abi.encode(uint256(32), uint256(32), uint256(32), x, R - 2, R));
        assertTrue(ok, "modExp");
        return abi.decode(y, (uint256));
    }
}
