// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {IAssayVerifier} from "../interfaces/IAssayVerifier.sol";
import {Bn254} from "./Bn254.sol";

/// @notice The opening of docs/protocol.md section 7: Mercury (ePrint 2025/385) with its univariate evaluations batched as in SHPLONK
/// (ePrint 2020/081). It says that the polynomial committed as `C_T` has the multilinear evaluation `s` at `r_lo`, and is reduced here to
/// `e(C_L + x·C_W', [1]_2) = e(C_W', [τ]_2)`, `C_L` a linear combination of `C_T` and the points of the proof.
library Opening {
    uint256 internal constant WORDS = 20;
    uint256 private constant R = 0x30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001; // a literal for assembly
    uint256 private constant HALF = 0x183227397098d014dc2822db40c0ac2e9419f4243cdcb848a1f0fac9f8000001;

    /// @notice Coefficients of `C_L + x·C_W'`, by the point they multiply; that of `C_T` is 1.
    struct Combination {
        uint256 h; // C_h
        uint256 q; // C_Q
        uint256 g; // C_g
        uint256 s; // C_S
        uint256 d; // C_d
        uint256 w; // C_W
        uint256 x; // C_W'
        uint256 one; // [1]_1
    }

    struct Challenges {
        uint256 alpha;
        uint256 gamma;
        uint256 z;
        uint256 eta;
        uint256 x;
    }

    /// @notice Values of one proof, all at `z` and at `w = 1/z`.
    struct Evaluations {
        uint256 gz;
        uint256 gw;
        uint256 hz;
        uint256 hw;
        uint256 sz;
        uint256 sw;
        uint256 hAlpha;
        uint256 zb; // z^b
    }

    struct Inverses {
        uint256 z;
        uint256 zw; // 1/(z - w)
        uint256 za; // 1/(z - α)
        uint256 wa; // 1/(w - α)
    }

    /// @notice Replays the transcript and computes the combination.
    /// @param binding `K` of section 8
    /// @param c number of variables of the folded chunk
    /// @param point memory: `r_lo`, `c` canonical words
    /// @param value `s`, canonical
    /// @param proof calldata offset of the 20 words
    function reduce(uint256 binding, uint256 c, uint256 point, uint256 value, uint256 proof)
        internal
        view
        returns (Combination memory result)
    {
        Challenges memory ch = _challenges(binding, proof);
        Evaluations memory ev = _evaluations(proof);
        Inverses memory inv = _inverses(ch);
        _solve(ch, ev, inv, c, point, value);
        _combine(ch, ev, inv, c, result);
    }

    /// @notice `acc += μ · (combination without C_T)`.
    function accumulate(Combination memory comb, uint256 buf, uint256 mu, uint256 proof) internal view {
        Bn254.mulAddCalldata(buf, proof, mulmod(mu, comb.h, R));
        Bn254.mulAddCalldata(buf, proof + 0x40, mulmod(mu, comb.q, R));
        Bn254.mulAddCalldata(buf, proof + 0x80, mulmod(mu, comb.g, R));
        Bn254.mulAddCalldata(buf, proof + 0xc0, mulmod(mu, comb.s, R));
        Bn254.mulAddCalldata(buf, proof + 0x100, mulmod(mu, comb.d, R));
        Bn254.mulAddCalldata(buf, proof + 0x140, mulmod(mu, comb.w, R));
        Bn254.mulAddCalldata(buf, proof + 0x180, mulmod(mu, comb.x, R));
        Bn254.mulAddGenerator(buf, mulmod(mu, comb.one, R));
    }

    function _challenges(uint256 binding, uint256 proof) private pure returns (Challenges memory ch) {
        assembly ("memory-safe") {
            let buf := mload(0x40)
            mstore(buf, "assay-opening-v2")
            mstore(add(buf, 0x10), binding)
            mstore(buf, keccak256(buf, 0x30))
            let data := add(buf, 0x20)

            calldatacopy(data, proof, 0x40) // C_h
            let t := keccak256(buf, 0x60)
            mstore(ch, mod(t, R))

            mstore(buf, t)
            calldatacopy(data, add(proof, 0x40), 0x80) // C_Q, C_g
            t := keccak256(buf, 0xa0)
            mstore(add(ch, 0x20), mod(t, R))

            mstore(buf, t)
            calldatacopy(data, add(proof, 0xc0), 0x80) // C_S, C_d
            t := keccak256(buf, 0xa0)
            mstore(add(ch, 0x40), mod(t, R))

            mstore(buf, t)
            calldatacopy(data, add(proof, 0x1c0), 0xc0) // the six values
            t := keccak256(buf, 0xe0)
            mstore(add(ch, 0x60), mod(t, R))

            mstore(buf, t)
            calldatacopy(data, add(proof, 0x140), 0x40) // C_W
            mstore(add(ch, 0x80), mod(keccak256(buf, 0x60), R))
        }
    }

    function _evaluations(uint256 proof) private pure returns (Evaluations memory ev) {
        bool ok = true;
        assembly ("memory-safe") {
            calldatacopy(ev, add(proof, 0x1c0), 0xc0)
            for { let i := 0 } lt(i, 0xc0) { i := add(i, 0x20) } { ok := and(ok, lt(mload(add(ev, i)), R)) }
        }
        if (!ok) revert IAssayVerifier.ScalarOutOfRange();
    }

    /// @dev One inversion for all; a zero product is exactly `z = 0`, `z² = 1` or `α ∈ {z, 1/z}`.
    function _inverses(Challenges memory ch) private view returns (Inverses memory inv) {
        unchecked {
            uint256 z = ch.z;
            uint256 square = addmod(mulmod(z, z, R), R - 1, R); // z² - 1 = z(z - w)
            uint256 za = addmod(z, R - ch.alpha, R);
            uint256 wa = addmod(1, R - mulmod(ch.alpha, z, R), R); // 1 - αz = z(w - α)
            uint256 left = mulmod(z, square, R);
            uint256 right = mulmod(za, wa, R);
            uint256 all = mulmod(left, right, R);
            if (all == 0) revert IAssayVerifier.DegenerateChallenge();
            all = Bn254.inverse(all);
            uint256 invLeft = mulmod(all, right, R);
            uint256 invRight = mulmod(all, left, R);
            inv.z = mulmod(invLeft, square, R);
            inv.zw = mulmod(mulmod(invLeft, z, R), z, R);
            inv.za = mulmod(invRight, wa, R);
            inv.wa = mulmod(mulmod(invRight, za, R), z, R);
        }
    }

    /// @dev Steps 3 and 4: `h(α)` out of the identity at `z`, and `z^b`.
    function _solve(Challenges memory ch, Evaluations memory ev, Inverses memory inv, uint256 c, uint256 point, uint256 value)
        private
        pure
    {
        unchecked {
            uint256 split = point + 32 * ((c + 1) / 2);
            uint256 sum;
            (sum, ev.zb) = _crossed(ev.gz, ev.gw, point, split, ch.z, inv.z);
            (uint256 inner,) = _crossed(ev.hz, ev.hw, split, point + 32 * c, ch.z, inv.z);
            sum = addmod(sum, mulmod(ch.gamma, inner, R), R);
            uint256 odd = addmod(mulmod(ch.z, ev.sz, R), mulmod(inv.z, ev.sw, R), R);
            sum = mulmod(addmod(sum, R - odd, R), HALF, R);
            ev.hAlpha = addmod(sum, R - mulmod(ch.gamma, value, R), R);
        }
    }

    /// @dev `a·P_u(w) + b·P_u(z)` and `z^(2^len)`, for `u` in memory from `from` to `to`.
    function _crossed(uint256 a, uint256 b, uint256 from, uint256 to, uint256 z, uint256 w)
        private
        pure
        returns (uint256 result, uint256 power)
    {
        unchecked {
            uint256 pz = 1;
            uint256 pw = 1;
            for (; from < to; from += 32) {
                uint256 u;
                assembly ("memory-safe") {
                    u := mload(from)
                }
                // 1 - u + u·z^(2^i)
                pz = mulmod(pz, addmod(1, mulmod(u, z + (R - 1), R), R), R);
                pw = mulmod(pw, addmod(1, mulmod(u, w + (R - 1), R), R), R);
                z = mulmod(z, z, R);
                w = mulmod(w, w, R);
            }
            result = addmod(mulmod(a, pw, R), mulmod(b, pz, R), R);
            power = z;
        }
    }

    /// @dev Steps 5 and 6.
    function _combine(Challenges memory ch, Evaluations memory ev, Inverses memory inv, uint256 c, Combination memory out) private pure {
        unchecked {
            uint256 xz = addmod(ch.x, R - ch.z, R);
            uint256 xw = addmod(ch.x, R - inv.z, R);
            uint256 xa = addmod(ch.x, R - ch.alpha, R);
            uint256 e0 = mulmod(xw, xa, R);
            uint256 vanishing = mulmod(e0, xz, R);
            if (vanishing == 0) revert IAssayVerifier.DegenerateChallenge();

            out.d = mulmod(ch.eta, e0, R);
            {
                uint256 eta2 = mulmod(ch.eta, ch.eta, R);
                out.g = mulmod(eta2, xa, R);
                out.h = mulmod(eta2, eta2, R);
            }
            out.s = mulmod(ch.eta, out.g, R);
            out.q = addmod(ch.alpha, R - _rowPower(ch.x, c), R); // α - x^b
            out.w = R - vanishing;
            out.x = ch.x;

            uint256 sum = mulmod(out.d, mulmod(mulmod(ev.zb, inv.z, R), ev.gw, R), R);
            sum = addmod(sum, mulmod(out.g, _line(ev.gz, ev.gw, xz, xw, inv.zw), R), R);
            sum = addmod(sum, mulmod(out.s, _line(ev.sz, ev.sw, xz, xw, inv.zw), R), R);
            sum = addmod(sum, mulmod(out.h, _parabola(ev, inv, xz, xw, xa), R), R);
            out.one = R - sum;
            out.g = addmod(out.g, R - 1, R); // and T - (X^b - α)·Q - g, which is zero, at x
        }
    }

    /// @dev `x^b`, `b = 2^⌈c/2⌉`.
    function _rowPower(uint256 x, uint256 c) private pure returns (uint256 power) {
        assembly ("memory-safe") {
            power := x
            for { let i := shr(1, add(c, 1)) } i { i := sub(i, 1) } { power := mulmod(power, power, R) }
        }
    }

    /// @dev The interpolant of `h` at `z, w, α`, evaluated at `x`.
    function _parabola(Evaluations memory ev, Inverses memory inv, uint256 xz, uint256 xw, uint256 xa) private pure returns (uint256 sum) {
        unchecked {
            sum = mulmod(mulmod(ev.hz, mulmod(xw, xa, R), R), mulmod(inv.zw, inv.za, R), R);
            sum = addmod(sum, R - mulmod(mulmod(ev.hw, mulmod(xz, xa, R), R), mulmod(inv.zw, inv.wa, R), R), R);
            sum = addmod(sum, mulmod(mulmod(ev.hAlpha, mulmod(xz, xw, R), R), mulmod(inv.za, inv.wa, R), R), R);
        }
    }

    /// @dev The line through `(z, a)` and `(w, b)` at `x`.
    function _line(uint256 a, uint256 b, uint256 xz, uint256 xw, uint256 invZw) private pure returns (uint256) {
        unchecked {
            return mulmod(addmod(mulmod(a, xw, R), R - mulmod(b, xz, R), R), invZw, R);
        }
    }
}
