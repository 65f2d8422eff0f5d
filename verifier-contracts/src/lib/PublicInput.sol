// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {Bn254} from "./Bn254.sol";
import {KeyFormat} from "./KeyFormat.sol";

/// @notice That commitments are those to an input which is shown. Committing takes a multiplication for each cell; an opening at a point that follows
/// from both takes one pairing, however many cells there are (KZG, ASIACRYPT 2010).
/// @dev Chunk `i` of the input is the polynomial `p_i` with cells `i·2^c … (i+1)·2^c - 1` for coefficients, without blinding. With
/// `z = keccak256("assay-public-input-v1" ‖ commitments ‖ cells) mod r` and `ν = keccak256(z) mod r`, the opening is the commitment to
/// `(F - F(z)) / (X - z)`, `F = Σ ν^i p_i`.
library PublicInput {
    /// @notice The commitments are not those of these cells, or the opening is wrong.
    error WrongOpening();
    /// @notice Commitments of 64 bytes, cells of 2 and not more than the commitments hold, an opening of 64.
    error WrongLength();

    /// @param commitments 64 bytes (x, y) each
    /// @param cells big-endian int16 in the layout's order; cells at the end that are 0 may be left out
    /// @param opening 64 bytes (x, y)
    struct Shown {
        bytes commitments;
        bytes cells;
        bytes opening;
    }

    /// @notice Reverts unless the commitments are to the cells, over the powers of tau of the key at the pointer.
    function check(address keyPointer, Shown calldata shown) internal view {
        uint256 log = _word(keyPointer, 3);
        uint256 chunks = shown.commitments.length / 64;
        if (chunks == 0 || shown.commitments.length % 64 != 0 || shown.opening.length != 64) revert WrongLength();
        if (shown.cells.length % 2 != 0 || shown.cells.length > chunks << (log + 1)) revert WrongLength();
        uint256 z = uint256(keccak256(abi.encodePacked("assay-public-input-v1", shown.commitments, shown.cells))) % Bn254.R;
        uint256[12] memory pairs;
        uint256 buf = _buffer();
        _fold(buf, shown, log, z);
        _mulAdd(buf, shown.opening, 0, z);
        _place(pairs, buf, keyPointer, shown.opening);
        uint256 ptr;
        assembly ("memory-safe") {
            ptr := pairs
        }
        if (!Bn254.pairing(ptr, 2)) revert WrongOpening();
    }

    /// @dev `Σ ν^i C_i - F(z)·G` into the accumulator.
    function _fold(uint256 buf, Shown calldata shown, uint256 log, uint256 z) private view {
        uint256 nu = uint256(keccak256(abi.encode(z))) % Bn254.R;
        uint256 power = 1;
        uint256 value;
        for (uint256 i; 64 * i < shown.commitments.length; ++i) {
            _mulAdd(buf, shown.commitments, 64 * i, power);
            value = addmod(value, mulmod(power, _evaluate(shown.cells, i << (log + 1), 2 << log, z), Bn254.R), Bn254.R);
            power = mulmod(power, nu, Bn254.R);
        }
        Bn254.mulAddGenerator(buf, value == 0 ? 0 : Bn254.R - value);
    }

    /// @dev The value at `z` of the chunk whose cells begin at byte `from`.
    function _evaluate(bytes calldata cells, uint256 from, uint256 size, uint256 z) private pure returns (uint256 value) {
        if (from >= cells.length) return 0;
        uint256 length = cells.length - from < size ? cells.length - from : size;
        uint256 r = Bn254.R;
        assembly ("memory-safe") {
            let start := add(cells.offset, from)
            for { let p := add(start, length) } gt(p, start) {} {
                p := sub(p, 2)
                // a negative cell wraps round to `r` less its amount
                let cell := add(r, signextend(1, shr(240, calldataload(p))))
                value := addmod(mulmod(value, z, r), cell, r)
            }
        }
    }

    /// @dev `e(F - F(z)·G + z·W, [1]_2) · e(-W, [τ]_2)`.
    function _place(uint256[12] memory pairs, uint256 buf, address keyPointer, bytes calldata opening) private view {
        uint256 tau = 1 + 32 * (_word(keyPointer, 0) == KeyFormat.UNIVERSAL ? KeyFormat.UNIVERSAL_TAU : KeyFormat.GROTH16_TAU);
        uint256 q = Bn254.Q;
        assembly ("memory-safe") {
            mcopy(pairs, buf, 0x40)
            calldatacopy(add(pairs, 0xc0), opening.offset, 0x40)
            // the precompile has refused a coordinate that is not below `q`
            let y := mload(add(pairs, 0xe0))
            if y { mstore(add(pairs, 0xe0), sub(q, y)) }
            extcodecopy(keyPointer, add(pairs, 0x100), tau, 0x80)
        }
        uint256 generator;
        assembly ("memory-safe") {
            generator := add(pairs, 0x40)
        }
        Bn254.writeGenerator(generator);
    }

    function _mulAdd(uint256 buf, bytes calldata points, uint256 from, uint256 scalar) private view {
        uint256 offset;
        assembly ("memory-safe") {
            offset := add(points.offset, from)
        }
        Bn254.mulAddCalldata(buf, offset, scalar);
    }

    /// @dev An accumulator at infinity, and scratch behind it.
    function _buffer() private pure returns (uint256 buf) {
        uint256[5] memory words;
        assembly ("memory-safe") {
            buf := words
        }
    }

    /// @dev Word `i` of a key that is stored as code.
    function _word(address keyPointer, uint256 i) private view returns (uint256 value) {
        assembly ("memory-safe") {
            extcodecopy(keyPointer, 0, add(1, mul(0x20, i)), 0x20)
            value := mload(0)
        }
    }
}
