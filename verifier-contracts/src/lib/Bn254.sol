// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {IAssayVerifier} from "../interfaces/IAssayVerifier.sol";

/// @notice Constants of BN254 and calls of its precompiles (EIP-196, EIP-197, EIP-198). The precompiles refuse coordinates that are not
/// below `Q`, points that are not on the curve, and (in the pairing) points of G2 outside the subgroup; (0, 0) is the point at infinity.
/// A call of an address without code succeeds and returns nothing, so the size of each answer is checked: on a chain that lacks a
/// precompile everything is refused.
library Bn254 {
    /// @dev order of the groups
    uint256 internal constant R = 0x30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001;
    /// @dev order of the base field
    uint256 internal constant Q = 0x30644e72e131a029b85045b68181585d97816a916871ca8d3c208c16d87cfd47;
    /// @dev the generator of G2, imaginary parts first
    uint256 internal constant G2_X1 = 0x198e9393920d483a7260bfb731fb5d25f1aa493335a9e71297e485b7aef312c2;
    uint256 internal constant G2_X0 = 0x1800deef121f1e76426a00665e5c4479674322d4f75edadd46debd5cd992f6ed;
    uint256 internal constant G2_Y1 = 0x090689d0585ff075ec9e99ad690c3395bc4b313370b38ef355acdadcd122975b;
    uint256 internal constant G2_Y0 = 0x12c85ea5db8c6deb4aab71808dcb408fe3d1e7690c43d37b4ce6cc0166fa7daa;

    /// @notice `acc += scalar · point`, the point given as 64 bytes of calldata.
    /// @param buf memory of 5 words: the accumulator, then scratch
    function mulAddCalldata(uint256 buf, uint256 offset, uint256 scalar) internal view {
        assembly ("memory-safe") {
            calldatacopy(add(buf, 0x40), offset, 0x40)
        }
        _mulAdd(buf, scalar);
    }

    /// @notice `acc += scalar · point`, the point given as 64 bytes of memory.
    function mulAddMemory(uint256 buf, uint256 ptr, uint256 scalar) internal view {
        assembly ("memory-safe") {
            mcopy(add(buf, 0x40), ptr, 0x40)
        }
        _mulAdd(buf, scalar);
    }

    /// @notice `acc += Σ scalars[i] · points[i]`: points of 64 bytes in calldata, scalars in memory. A batch spends most of its gas here.
    function mulAddManyCalldata(uint256 buf, uint256 points, uint256 count, uint256 scalars) internal view {
        bool ok = true;
        assembly ("memory-safe") {
            let point := add(buf, 0x40)
            for { let end := add(points, mul(0x40, count)) } lt(points, end) { points := add(points, 0x40) } {
                calldatacopy(point, points, 0x40)
                mstore(add(buf, 0x80), mload(scalars))
                scalars := add(scalars, 0x20)
                ok := staticcall(gas(), 7, point, 0x60, point, 0x40)
                ok := and(ok, eq(returndatasize(), 0x40))
                let added := staticcall(gas(), 6, buf, 0x80, buf, 0x40)
                ok := and(ok, and(added, eq(returndatasize(), 0x40)))
                if iszero(ok) { break }
            }
        }
        if (!ok) revert IAssayVerifier.PrecompileFailed();
    }

    /// @notice `acc += scalar · generator`.
    function mulAddGenerator(uint256 buf, uint256 scalar) internal view {
        assembly ("memory-safe") {
            mstore(add(buf, 0x40), 1)
            mstore(add(buf, 0x60), 2)
        }
        _mulAdd(buf, scalar);
    }

    /// @notice `scalar · point` for 64 bytes of calldata, to memory; needs 3 words at `ptr`.
    function mulCalldata(uint256 ptr, uint256 offset, uint256 scalar) internal view {
        bool ok;
        assembly ("memory-safe") {
            calldatacopy(ptr, offset, 0x40)
            mstore(add(ptr, 0x40), scalar)
            ok := staticcall(gas(), 7, ptr, 0x60, ptr, 0x40)
            ok := and(ok, eq(returndatasize(), 0x40))
        }
        if (!ok) revert IAssayVerifier.PrecompileFailed();
    }

    /// @notice `scalar · point` for 64 bytes of memory, to `ptr`, where it needs 3 words.
    function mulMemory(uint256 ptr, uint256 point, uint256 scalar) internal view {
        bool ok;
        assembly ("memory-safe") {
            mcopy(ptr, point, 0x40)
            mstore(add(ptr, 0x40), scalar)
            ok := staticcall(gas(), 7, ptr, 0x60, ptr, 0x40)
            ok := and(ok, eq(returndatasize(), 0x40))
        }
        if (!ok) revert IAssayVerifier.PrecompileFailed();
    }

    function _mulAdd(uint256 buf, uint256 scalar) private view {
        bool ok;
        assembly ("memory-safe") {
            let point := add(buf, 0x40)
            mstore(add(buf, 0x80), scalar)
            let multiplied := staticcall(gas(), 7, point, 0x60, point, 0x40)
            multiplied := and(multiplied, eq(returndatasize(), 0x40))
            ok := staticcall(gas(), 6, buf, 0x80, buf, 0x40)
            ok := and(multiplied, and(ok, eq(returndatasize(), 0x40)))
        }
        if (!ok) revert IAssayVerifier.PrecompileFailed();
    }

    /// @notice The product of `pairs` pairings is one. Input of 6 words per pair at `ptr`, overwritten by the result.
    function pairing(uint256 ptr, uint256 pairs) internal view returns (bool isOne) {
        bool ok;
        assembly ("memory-safe") {
            ok := staticcall(gas(), 8, ptr, mul(pairs, 0xc0), ptr, 0x20)
            ok := and(ok, eq(returndatasize(), 0x20))
            isOne := eq(mload(ptr), 1)
        }
        if (!ok) revert IAssayVerifier.PrecompileFailed();
    }

    /// @notice Writes the generator of G2 to 128 bytes of memory.
    function writeGenerator(uint256 ptr) internal pure {
        assembly ("memory-safe") {
            mstore(ptr, G2_X1)
            mstore(add(ptr, 0x20), G2_X0)
            mstore(add(ptr, 0x40), G2_Y1)
            mstore(add(ptr, 0x60), G2_Y0)
        }
    }

    /// @notice `1 / a mod R` for `a ≠ 0`, by Fermat.
    function inverse(uint256 a) internal view returns (uint256 result) {
        bool ok;
        assembly ("memory-safe") {
            let ptr := mload(0x40)
            mstore(ptr, 0x20)
            mstore(add(ptr, 0x20), 0x20)
            mstore(add(ptr, 0x40), 0x20)
            mstore(add(ptr, 0x60), a)
            mstore(add(ptr, 0x80), sub(R, 2))
            mstore(add(ptr, 0xa0), R)
            ok := staticcall(gas(), 5, ptr, 0xc0, ptr, 0x20)
            ok := and(ok, eq(returndatasize(), 0x20))
            result := mload(ptr)
        }
        if (!ok) revert IAssayVerifier.PrecompileFailed();
    }

    /// @notice A point of G1 (64 bytes of memory) is on the curve and not at infinity.
    function isPoint(uint256 ptr) internal view returns (bool ok) {
        bool finite;
        assembly ("memory-safe") {
            finite := iszero(iszero(or(mload(ptr), mload(add(ptr, 0x20)))))
        }
        ok = finite && isPointOrInfinity(ptr);
    }

    /// @notice A point of G1 (64 bytes of memory) is on the curve, or zeros for infinity.
    function isPointOrInfinity(uint256 ptr) internal view returns (bool ok) {
        assembly ("memory-safe") {
            let buf := mload(0x40)
            mcopy(buf, ptr, 0x40)
            calldatacopy(add(buf, 0x40), calldatasize(), 0x40) // zeros: the point at infinity
            ok := staticcall(gas(), 6, buf, 0x80, buf, 0x40)
            ok := and(ok, eq(returndatasize(), 0x40))
        }
    }

    /// @notice A point of G2 (128 bytes of memory) is in the subgroup and not at infinity.
    function isPointG2(uint256 ptr) internal view returns (bool ok) {
        assembly ("memory-safe") {
            let buf := mload(0x40)
            calldatacopy(buf, calldatasize(), 0x40) // e(infinity, point) checks the point
            mcopy(add(buf, 0x40), ptr, 0x80)
            let any := or(or(mload(ptr), mload(add(ptr, 0x20))), or(mload(add(ptr, 0x40)), mload(add(ptr, 0x60))))
            ok := staticcall(gas(), 8, buf, 0xc0, buf, 0x20)
            ok := and(and(ok, eq(returndatasize(), 0x20)), iszero(iszero(any)))
        }
    }
}
