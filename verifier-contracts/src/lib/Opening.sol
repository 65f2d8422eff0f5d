// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {IAssayVerifier} from "../interfaces/IAssayVerifier.sol";
import {Bn254} from "./Bn254.sol";

/// @notice The opening of docs/protocol.md section 7: Mercury (ePrint 2025/385) with its univariate evaluations batched as in SHPLONK
/// (ePrint 2020/081). It says that the polynomial committed as `C_T` has the multilinear evaluation `s` at `r_lo`, and is reduced here to
/// `e(C_L + x·C_W', [1]_2) = e(C_W', [τ]_2)`, `C_L` a linear combination of `C_T` and the points of the proof. Polynomials of another argument
/// may be opened by the same two quotients (section 9): its transcript goes before, and what they vanish at multiplies the terms here.
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
        uint256 scale; // no coefficient: η^4·Z(x), where the terms of other polynomials go on
    }

    struct Challenges {
        uint256 alpha;
        uint256 gamma;
        uint256 z;
        uint256 eta;
        uint256 x;
        uint256 order; // r, read from memory: as a constant the optimiser pushes its 32 bytes at every use
        uint256 others; // what other polynomials' claims vanish at, at `x`: 1 if there are none
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

    /// @notice Start of the transcript of an opening alone.
    /// @param binding `K` of section 8
    function start(uint256 binding) internal pure returns (uint256 state) {
        assembly ("memory-safe") {
            let buf := mload(0x40)
            mstore(buf, "assay-opening-v2")
            mstore(add(buf, 0x10), binding)
            state := keccak256(buf, 0x30)
        }
    }

    /// @notice Computes the combination.
    /// @param ch what `challenges` gives, and `others`
    /// @param c number of variables of the folded chunk
    /// @param point memory: `r_lo`, `c` canonical words
    /// @param value `s`, canonical
    /// @param proof calldata offset of the 20 words
    function reduce(Challenges memory ch, uint256 c, uint256 point, uint256 value, uint256 proof)
        internal
        view
        returns (Combination memory result)
    {
        Evaluations memory ev = _evaluations(proof);
        Inverses memory inv = _inverses(ch);
        _solve(ch, ev, inv, c, point, value);
        result.q = addmod(ch.alpha, R - _rowPower(ch.x, c), R); // α - x^b
        _combine(ch, ev, inv, result);
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

    /// @notice Replays the transcript from `state` on. `order` is `r`.
    function challenges(uint256 state, uint256 proof, uint256 order) internal pure returns (Challenges memory ch) {
        ch.order = order;
        assembly ("memory-safe") {
            let buf := mload(0x40)
            mstore(buf, state)
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
            uint256 r = ch.order;
            uint256 z = ch.z;
            uint256 square = addmod(mulmod(z, z, r), r - 1, r); // z² - 1 = z(z - w)
            uint256 za = addmod(z, r - ch.alpha, r);
            uint256 wa = addmod(1, r - mulmod(ch.alpha, z, r), r); // 1 - αz = z(w - α)
            uint256 left = mulmod(z, square, r);
            uint256 right = mulmod(za, wa, r);
            uint256 all = mulmod(left, right, r);
            if (all == 0) revert IAssayVerifier.DegenerateChallenge();
            all = Bn254.inverse(all);
            uint256 invLeft = mulmod(all, right, r);
            uint256 invRight = mulmod(all, left, r);
            inv.z = mulmod(invLeft, square, r);
            inv.zw = mulmod(mulmod(invLeft, z, r), z, r);
            inv.za = mulmod(invRight, wa, r);
            inv.wa = mulmod(mulmod(invRight, za, r), z, r);
        }
    }

    /// @dev Steps 3 and 4: `h(α)` out of the identity at `z`, and `z^b`.
    function _solve(Challenges memory ch, Evaluations memory ev, Inverses memory inv, uint256 c, uint256 point, uint256 value)
        private
        pure
    {
        unchecked {
            uint256 r = ch.order;
            uint256 split = point + 32 * ((c + 1) / 2);
            uint256 sum;
            (sum, ev.zb) = _crossed(ev.gz, ev.gw, point, split, ch.z, inv.z, r);
            (uint256 inner,) = _crossed(ev.hz, ev.hw, split, point + 32 * c, ch.z, inv.z, r);
            sum = addmod(sum, mulmod(ch.gamma, inner, r), r);
            uint256 odd = addmod(mulmod(ch.z, ev.sz, r), mulmod(inv.z, ev.sw, r), r);
            sum = mulmod(addmod(sum, r - odd, r), HALF, r);
            ev.hAlpha = addmod(sum, r - mulmod(ch.gamma, value, r), r);
        }
    }

    /// @dev `a·P_u(w) + b·P_u(z)` and `z^(2^len)`, for `u` in memory from `from` to `to`.
    function _crossed(uint256 a, uint256 b, uint256 from, uint256 to, uint256 z, uint256 w, uint256 r)
        private
        pure
        returns (uint256 result, uint256 power)
    {
        unchecked {
            uint256 pz = 1;
            uint256 pw = 1;
            uint256 minusOne = r - 1;
            assembly ("memory-safe") {
                for {} lt(from, to) { from := add(from, 0x20) } {
                    let u := mload(from)
                    // 1 - u + u·z^(2^i)
                    pz := mulmod(pz, add(1, mulmod(u, add(z, minusOne), r)), r)
                    pw := mulmod(pw, add(1, mulmod(u, add(w, minusOne), r)), r)
                    z := mulmod(z, z, r)
                    w := mulmod(w, w, r)
                }
            }
            result = addmod(mulmod(a, pw, r), mulmod(b, pz, r), r);
            power = z;
        }
    }

    /// @dev Steps 5 and 6.
    function _combine(Challenges memory ch, Evaluations memory ev, Inverses memory inv, Combination memory out) private pure {
        unchecked {
            uint256 r = ch.order;
            uint256 xz = addmod(ch.x, r - ch.z, r);
            uint256 xw = addmod(ch.x, r - inv.z, r);
            uint256 xa = addmod(ch.x, r - ch.alpha, r);
            {
                uint256 eta2 = mulmod(ch.eta, ch.eta, r);
                uint256 own = mulmod(mulmod(xw, xa, r), xz, r);
                out.w = mulmod(own, ch.others, r);
                if (out.w == 0) revert IAssayVerifier.DegenerateChallenge();
                out.w = r - out.w;
                out.g = mulmod(mulmod(eta2, xa, r), ch.others, r);
                out.s = mulmod(ch.eta, out.g, r);
                eta2 = mulmod(eta2, eta2, r);
                out.h = mulmod(eta2, ch.others, r);
                out.scale = mulmod(eta2, own, r);
                out.d = mulmod(mulmod(ch.eta, xw, r), mulmod(xa, ch.others, r), r);
            }
            out.x = ch.x;

            uint256 sum = mulmod(out.d, mulmod(mulmod(ev.zb, inv.z, r), ev.gw, r), r);
            sum = addmod(sum, mulmod(out.g, _line(ev.gz, ev.gw, xz, xw, inv.zw, r), r), r);
            sum = addmod(sum, mulmod(out.s, _line(ev.sz, ev.sw, xz, xw, inv.zw, r), r), r);
            sum = addmod(sum, mulmod(out.h, _parabola(ev, inv, xz, xw, xa, r), r), r);
            out.one = r - sum;
            out.g = addmod(out.g, r - 1, r); // and T - (X^b - α)·Q - g, which is zero, at x
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
    function _parabola(Evaluations memory ev, Inverses memory inv, uint256 xz, uint256 xw, uint256 xa, uint256 r)
        private
        pure
        returns (uint256 sum)
    {
        unchecked {
            sum = mulmod(mulmod(ev.hz, mulmod(xw, xa, r), r), mulmod(inv.zw, inv.za, r), r);
            sum = addmod(sum, r - mulmod(mulmod(ev.hw, mulmod(xz, xa, r), r), mulmod(inv.zw, inv.wa, r), r), r);
            sum = addmod(sum, mulmod(mulmod(ev.hAlpha, mulmod(xz, xw, r), r), mulmod(inv.za, inv.wa, r), r), r);
        }
    }

    /// @dev The line through `(z, a)` and `(w, b)` at `x`.
    function _line(uint256 a, uint256 b, uint256 xz, uint256 xw, uint256 invZw, uint256 r) private pure returns (uint256) {
        unchecked {
            return mulmod(addmod(mulmod(a, xw, r), r - mulmod(b, xz, r), r), invZw, r);
        }
    }
}
