// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {IAssayVerifier} from "../src/interfaces/IAssayVerifier.sol";
import {Bn254} from "../src/lib/Bn254.sol";
import {KeyFormat} from "../src/lib/KeyFormat.sol";
import {Opening} from "../src/lib/Opening.sol";
import {Plonk} from "../src/lib/Plonk.sol";
import {Fixture, Proven} from "./utils/Fixture.sol";

/// @notice Takes challenges as they are, where the verifier hashes them: what it refuses has a probability of 2^-220 and is not met by hashing.
contract RefusalHarness {
    /// @notice Steps 4 to 6 of an opening with these challenges and values of 1.
    function reduce(Opening.Challenges memory ch, uint256 c) external view returns (Opening.Combination memory) {
        bytes memory point = new bytes(32 * c);
        uint256 words;
        assembly ("memory-safe") {
            words := add(point, 0x20)
        }
        return Opening.reduce(ch, c, words, 1, 4);
    }

    /// @notice The quotient of the wrap's gates at `y`, and `1/(y - ωy)`.
    function divide(uint256 y, uint256 log, uint256[3] memory rows) external view returns (uint256, uint256) {
        Plonk.Claims memory claims;
        claims.y = y;
        Plonk._divide(claims, log, 7, rows, Bn254.R);
        return (claims.quotient, claims.inverse);
    }

    function check(bytes memory key) external view returns (uint256) {
        return KeyFormat.check(key);
    }
}

/// @notice Refusals that no proof reaches.
contract RefusalTest is Fixture {
    uint256 internal constant R = 0x30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001;
    /// @dev of order 2^28
    uint256 internal constant ROOT = 0x2a3c09f0a58a7e8500e0a7eb8ef62abc402d111e41112ed49bd61b6e725b19f0;
    uint256 internal constant C = 5;
    RefusalHarness internal harness;

    function setUp() public {
        harness = new RefusalHarness();
    }

    function _inverse(uint256 a) internal view returns (uint256) {
        return Bn254.inverse(a);
    }

    function _power(uint256 base, uint256 exponent) internal pure returns (uint256 power) {
        power = 1;
        for (; exponent > 0; exponent >>= 1) {
            if (exponent & 1 == 1) power = mulmod(power, base, R);
            base = mulmod(base, base, R);
        }
    }

    function _challenges() internal pure returns (Opening.Challenges memory) {
        return Opening.Challenges({alpha: 3, gamma: 5, z: 7, eta: 11, x: 13, order: R, others: 1});
    }

    function _refused(Opening.Challenges memory ch) internal {
        vm.expectRevert(IAssayVerifier.DegenerateChallenge.selector);
        harness.reduce(ch, C);
    }

    /// @dev `z = 0`, `z² = 1`, `α ∈ {z, 1/z}`: a denominator is zero, and the claims on `g`, `S` and `h` are not on different points.
    function test_degenerateZAndAlpha() public {
        harness.reduce(_challenges(), C);
        Opening.Challenges memory ch = _challenges();
        for (uint256 i; i < 3; ++i) {
            ch.z = [0, 1, R - 1][i];
            _refused(ch);
        }
        ch = _challenges();
        ch.alpha = ch.z;
        _refused(ch);
        ch.alpha = _inverse(ch.z);
        _refused(ch);
    }

    /// @dev `x ∈ {z, 1/z, α}`, or among the points that the wrap's polynomials are opened at: the commitment to `W` has no weight then, and says nothing.
    function test_degenerateX() public {
        Opening.Challenges memory ch = _challenges();
        ch.x = ch.z;
        _refused(ch);
        ch.x = _inverse(ch.z);
        _refused(ch);
        ch.x = ch.alpha;
        _refused(ch);
        ch = _challenges();
        ch.others = 0;
        _refused(ch);
    }

    /// @dev `y = 0` and `y^n = 1`, on the rows whose Lagrange polynomials are divided by and on all others.
    function test_degenerateY() public {
        uint256[3] memory rows = [uint256(2), 3, 5];
        for (uint256 log = 3; log <= 25; log += 11) {
            (, uint256 inverse) = harness.divide(17, log, rows);
            uint256 root = _power(ROOT, 1 << (28 - log));
            assertEq(mulmod(inverse, addmod(17, R - mulmod(17, root, R), R), R), 1, "the harness divides");
            uint256[6] memory exponents = [0, 1, 2, 3, 5, (1 << log) - 1];
            for (uint256 i; i < 7; ++i) {
                uint256 y = i == 6 ? 0 : _power(root, exponents[i]);
                vm.expectRevert(IAssayVerifier.DegenerateChallenge.selector);
                harness.divide(y, log, rows);
            }
        }
    }

    /// @dev Each region's count and first index, just too large and so large that their sum would overflow: refused for what it is, and no panic.
    function test_overlongRegions() public view {
        bytes memory key = load(SMALL).key;
        assertEq(harness.check(key), 0, "the key as it is");
        uint256 chunks = 1 << wordAt(key, 4);
        for (uint256 region; region < 4; ++region) {
            (uint256 count, uint256 first) = (5 + region, 9 + region);
            uint256[4] memory values = [chunks + 1, 4097, type(uint256).max, type(uint256).max - 4095];
            for (uint256 i; i < 4; ++i) {
                _badShape(withWord(key, count, values[i]));
                _badShape(withWord(withWord(key, first, 1), count, values[i]));
                _badShape(withWord(withWord(key, count, 1), first, values[i]));
                _badShape(withWord(withWord(key, count, 0), first, values[i]));
            }
        }
    }

    function _badShape(bytes memory key) internal view {
        assertEq(harness.check(key), KeyFormat.BAD_SHAPE, "a region that is too long");
    }
}
