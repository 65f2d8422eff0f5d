// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import "./GateConstants.sol";

/// @notice What a row of the wrap circuit must satisfy: `constraints` of circuits/src/plonk/gates.rs, whose names are used here, with its slots
/// joined by powers of `α`. Kinds of rows share slots, so the sum is one over kinds, of selector times that kind's equations.
/// @dev Sums are left unreduced where they have at most five terms up to `r`: five of them are below `2^256`. Functions return early where their
/// selector is zero, which at a random point it is not: but the optimiser inlines whatever is called once unless it returns early, and all in one
/// there is no room on the stack.
library Gates {
    uint256 private constant HALF = 0x183227397098d014dc2822db40c0ac2e9419f4243cdcb848a1f0fac9f8000001;
    uint256 private constant SIXTH = 0x285396b510feb022c442e4c2c1411ef84c2b4191bac53323b891a1fb48000001;

    /// @dev Multiples of the kinds' indicators, not always reduced; `recurrence` is that of `Enter` and `Partial` together.
    struct Selectors {
        uint256 sum;
        uint256 full;
        uint256 absorb;
        uint256 pair;
        uint256 enter;
        uint256 partly;
        uint256 leaving;
        uint256 round;
        uint256 recurrence;
    }

    /// @notice `Σ α^j·slot_j` but for the public input, which slot 0 has `selector` times with a minus sign.
    /// @param q memory: the 10 fixed values, canonical
    /// @param w memory: 8 advice values, then the 8 of the next row
    function evaluate(uint256 q, uint256 w, uint256 alpha, uint256 r) internal pure returns (uint256 total, uint256 selector) {
        unchecked {
            Selectors memory sel = _selectors(_word(q + 0x100), _word(q + 0x120), r);
            uint256 x = _inputs(w, r);
            total = _sum(sel.sum, q, w, r);
            total = addmod(total, _pair(sel.pair, q, w, alpha, r), r);
            total = addmod(total, _round(sel.round, w, alpha, r), r);
            total = addmod(total, _enter(sel.enter, x, alpha, r), r);
            total = addmod(total, _constants(sel.full + sel.absorb + sel.leaving, q, x, alpha, r), r);
            total = addmod(total, _matrices(sel, q, w, x, alpha, r), r);
            total = addmod(total, _recurrences(sel, q, x, alpha, r), r);
            selector = sel.sum;
        }
    }

    function _selectors(uint256 s, uint256 t, uint256 r) private pure returns (Selectors memory sel) {
        unchecked {
            uint256 s1 = s + (r - 1);
            uint256 s2 = s + (r - 2);
            uint256 s3 = s + (r - 3);
            uint256 ss1 = mulmod(s, s1, r);
            uint256 ss2 = mulmod(s, s2, r);
            uint256 s1s2 = mulmod(s1, s2, r);
            sel.round = mulmod(t, t + (r - 1), r);
            sel.sum = addmod(mulmod(s1s2, s3 + 3 * t, r), 3 * (r - sel.round), r);
            sel.full = mulmod(ss2, s3 + 2 * t, r);
            sel.absorb = mulmod(ss1, s3 + t, r);
            sel.pair = mulmod(ss1, s2, r);
            sel.enter = mulmod(s1s2 + 2 * (r - t) + 2, t, r);
            sel.partly = r - mulmod(ss2, t, r);
            sel.leaving = mulmod(ss1, t, r);
            sel.recurrence = mulmod(t, 4 + (r - s) + 2 * (r - t), r);
        }
    }

    /// @dev `x`: the inputs of the S-boxes, of the row and the next one each in the order of columns 0, 1, 2, 3, 6, 4, 5, 7. Then their fifth powers.
    function _inputs(uint256 w, uint256 r) private pure returns (uint256 x) {
        assembly ("memory-safe") {
            x := mload(0x40)
            mstore(0x40, add(x, 0x400))
            for { let i := 0 } lt(i, 0x200) { i := add(i, 0x100) } {
                let from := add(w, i)
                let to := add(x, i)
                mcopy(to, from, 0x80)
                mcopy(add(to, 0x80), add(from, 0xc0), 0x20)
                mcopy(add(to, 0xa0), add(from, 0x80), 0x40)
                mcopy(add(to, 0xe0), add(from, 0xe0), 0x20)
            }
        }
        unchecked {
            for (uint256 i; i < 0x200; i += 0x20) {
                uint256 power = _fifth(_word(x + i), r);
                assembly ("memory-safe") {
                    mstore(add(x, add(i, 0x200)), power)
                }
            }
        }
    }

    /// @dev `q0·w0·w1 + q1·w2·w3 + q2·w4·w5 + q3·w0·w1·w2·w3 + q4·w4 + q5·w5 + q6·w6 + q7·n6`.
    function _sum(uint256 selector, uint256 q, uint256 w, uint256 r) private pure returns (uint256 total) {
        if (selector == 0) return 0;
        assembly ("memory-safe") {
            let w4 := mload(add(w, 0x80))
            let w5 := mload(add(w, 0xa0))
            let low := mulmod(mload(w), mload(add(w, 0x20)), r)
            let high := mulmod(mload(add(w, 0x40)), mload(add(w, 0x60)), r)
            total := add(mulmod(mload(q), low, r), mulmod(mload(add(q, 0x20)), high, r))
            total := add(total, mulmod(mload(add(q, 0x40)), mulmod(w4, w5, r), r))
            total := addmod(total, mulmod(mload(add(q, 0x60)), mulmod(low, high, r), r), r)
            let linear := add(mulmod(mload(add(q, 0x80)), w4, r), mulmod(mload(add(q, 0xa0)), w5, r))
            linear := add(linear, mulmod(mload(add(q, 0xc0)), mload(add(w, 0xc0)), r))
            linear := add(linear, mulmod(mload(add(q, 0xe0)), mload(add(w, 0x1c0)), r))
            total := mulmod(selector, add(total, linear), r)
        }
    }

    /// @dev `q0·w0·w1 + q1·w0 + q2·w1 + q3 - w2`, and `α` times the same of the next three columns and four constants.
    function _pair(uint256 selector, uint256 q, uint256 w, uint256 alpha, uint256 r) private pure returns (uint256 total) {
        if (selector == 0) return 0;
        assembly ("memory-safe") {
            let qs := add(q, 0x80)
            for { let ws := add(w, 0x60) } 1 { ws := w } {
                let a := mload(ws)
                let value := mulmod(add(mulmod(a, mload(qs), r), mload(add(qs, 0x40))), mload(add(ws, 0x20)), r)
                value := add(value, mulmod(a, mload(add(qs, 0x20)), r))
                value := add(value, add(mload(add(qs, 0x60)), sub(r, mload(add(ws, 0x40)))))
                total := addmod(mulmod(total, alpha, r), value, r)
                if eq(ws, w) { break }
                qs := q
            }
            total := mulmod(selector, total, r)
        }
    }

    /// @dev `w1·w7 - 1`, and `α` times `g(w5) - n6`: the polynomial of degree 4 with `g(0) = w0`, `g(-1) = w2`, `g(2) = w3`, leading coefficient
    /// `w4` and `g(1) = (w6 - (1 - w1)·w0)·w7`. Without its leading term it is a cubic through four points.
    function _round(uint256 selector, uint256 w, uint256 alpha, uint256 r) private pure returns (uint256) {
        if (selector == 0) return 0;
        unchecked {
            uint256 lead = r - _word(w + 0x80); // the negative
            uint256 odd; // c1 + c3
            uint256 c2;
            {
                uint256 one = mulmod(1 + (r - _word(w + 0x20)), _word(w), r);
                one = mulmod(_word(w + 0xc0) + (r - one), _word(w + 0xe0), r) + lead;
                uint256 minus = _word(w + 0x40) + lead;
                odd = mulmod(one + (2 * r - minus), HALF, r);
                c2 = addmod(mulmod(one + minus, HALF, r), r - _word(w), r);
            }
            uint256 c3 = _word(w + 0x60) + mulmod(16, lead, r) + (r - _word(w)); // g(2) - 16·leading - g(0)
            c3 = mulmod(c3 + 2 * r - 2 * addmod(2 * c2, odd, r), SIXTH, r);
            uint256 point = _word(w + 0xa0);
            uint256 value = mulmod(r - lead, point, r) + c3;
            value = mulmod(value, point, r) + c2;
            value = mulmod(value, point, r) + odd + (r - c3);
            value = mulmod(value, point, r) + _word(w) + (r - _word(w + 0x1c0));
            value = mulmod(alpha, value, r) + mulmod(_word(w + 0x20), _word(w + 0xe0), r) + (r - 1);
            return mulmod(selector, value, r);
        }
    }

    /// @dev `Full`, `Absorb` and `Leave` give a whole state in slots 0 to 4: `q_i` less the next state, which is `n6, n0, n1, n2, n3`.
    function _constants(uint256 selector, uint256 q, uint256 x, uint256 alpha, uint256 r) private pure returns (uint256 total) {
        if (selector == 0) return 0;
        assembly ("memory-safe") {
            for { let i := 0x80 } i { i := sub(i, 0x20) } {
                total := mulmod(add(total, sub(add(mload(add(q, i)), r), mload(add(x, add(0xe0, i))))), alpha, r)
            }
            total := mulmod(selector, add(total, add(mload(q), sub(r, mload(add(x, 0x180))))), r)
        }
    }

    /// @dev All products of a matrix of constants and a vector, in slots 0 to 4: `M` by the fifth powers of the state (`Full`), or of the state with
    /// its message (`Absorb`); `L` by the last inputs and `P` by their powers (`Leave`); `E` by the state (`Enter`).
    function _matrices(Selectors memory sel, uint256 q, uint256 w, uint256 x, uint256 alpha, uint256 r)
        private
        pure
        returns (uint256 total)
    {
        if (sel.full | sel.absorb | sel.leaving | sel.enter == 0) return 0;
        uint256 vector;
        uint256 columns;
        assembly ("memory-safe") {
            vector := mload(0x40)
            columns := add(vector, mul(0x20, COLUMNS))
            mstore(0x40, add(columns, mul(0xa0, COLUMNS)))
            mstore(vector, add(F_1, add(mload(w), mload(add(w, 0x80)))))
            mstore(add(vector, 0x20), add(F_2, add(mload(add(w, 0x20)), mload(add(w, 0xa0)))))
            mstore(add(vector, 0x40), add(F_3, add(mload(add(w, 0x40)), mload(add(w, 0x180)))))
            mstore(add(vector, 0x60), add(F_4, add(mload(add(w, 0x60)), mload(add(w, 0x1a0)))))
            mstore(add(vector, 0x80), add(mload(add(q, 0xa0)), mload(add(w, 0xc0))))
            mcopy(add(vector, 0xa0), add(x, 0x80), 0x80)
            mcopy(add(vector, 0x120), add(x, 0x260), 0xa0)
            mcopy(add(vector, 0x1c0), x, 0x80)
        }
        writeColumns(columns);
        unchecked {
            (uint256 full, uint256 absorb) = (sel.full, sel.absorb);
            for (uint256 i; i < 0xa0; i += 0x20) {
                uint256 power = _fifth(_word(vector + i), r);
                assembly ("memory-safe") {
                    power := add(mulmod(absorb, power, r), mulmod(full, mload(add(x, add(i, 0x200))), r))
                    mstore(add(vector, i), power)
                }
            }
            uint256 part;
            (part, columns) = _product(vector, vector + 0xa0, columns, alpha, r);
            total = part;
            (part, columns) = _product(vector + 0xa0, vector + 0x1c0, columns, alpha, r);
            total += mulmod(sel.leaving, part, r);
            (part, columns) = _product(vector + 0x1c0, vector + 0x240, columns, alpha, r);
            total += mulmod(sel.enter, part, r);
        }
    }

    /// @dev `Σ_i α^i Σ_j C_ij·v_j` for vector elements from `v` to `end`, and where the next columns are.
    function _product(uint256 v, uint256 end, uint256 columns, uint256 alpha, uint256 r)
        private
        pure
        returns (uint256 total, uint256 next)
    {
        assembly ("memory-safe") {
            for {} lt(v, end) { v := add(v, 0x20) } {
                let sum := add(mulmod(mload(add(columns, 0x80)), alpha, r), mload(add(columns, 0x60)))
                sum := add(mulmod(sum, alpha, r), mload(add(columns, 0x40)))
                sum := add(mulmod(sum, alpha, r), mload(add(columns, 0x20)))
                sum := add(mulmod(sum, alpha, r), mload(columns))
                total := addmod(total, mulmod(sum, mload(v), r), r)
                columns := add(columns, 0xa0)
            }
            next := columns
        }
    }

    /// @dev Slots 0 to 3 but for `E`: `Σ_(j≤k) R_(k-j)·x_(4+j)^5 - x_(5+k)`.
    function _enter(uint256 selector, uint256 x, uint256 alpha, uint256 r) private pure returns (uint256 total) {
        if (selector == 0) return 0;
        assembly ("memory-safe") {
            // what a power is multiplied with in all slots from its own on is `α^j·Σ_(i≤3-j) α^i·R_i`
            let square := mulmod(alpha, alpha, r)
            let response := R_0
            total := add(mulmod(response, mload(add(x, 0x2e0)), r), sub(r, mload(add(x, 0x100))))
            response := add(response, mulmod(alpha, R_1, r))
            total := add(mulmod(total, alpha, r), add(mulmod(response, mload(add(x, 0x2c0)), r), sub(r, mload(add(x, 0xe0)))))
            response := add(response, mulmod(square, R_2, r))
            total := add(mulmod(total, alpha, r), add(mulmod(response, mload(add(x, 0x2a0)), r), sub(r, mload(add(x, 0xc0)))))
            response := add(response, mulmod(square, mulmod(alpha, R_3, r), r))
            total := add(mulmod(total, alpha, r), add(mulmod(response, mload(add(x, 0x280)), r), sub(r, mload(add(x, 0xa0)))))
            total := mulmod(selector, total, r)
        }
    }

    /// @dev `rec_j = Σ_(i=1..4) A_i·x_(3+j+i) + Σ_(i=0..4) B_i·x_(3+j+i)^5 + q_j - x_(8+j)`: that of `j = 0` in slot 0 for `Partial`, those from 1 on in
    /// slot `3 + j` for `Enter` as well.
    function _recurrences(Selectors memory sel, uint256 q, uint256 x, uint256 alpha, uint256 r) private pure returns (uint256) {
        if (sel.partly | sel.recurrence == 0) return 0;
        uint256 first;
        uint256 others;
        assembly ("memory-safe") {
            let v := add(x, 0x140) // `x_(3+j)`
            for { let qs := add(q, 0xe0) } 1 { qs := sub(qs, 0x20) } {
                let powers := add(v, 0x200)
                first := add(mload(qs), mulmod(mload(add(v, 0x20)), A_1, r))
                first := add(first, mulmod(mload(add(v, 0x40)), A_2, r))
                first := add(first, mulmod(mload(add(v, 0x60)), A_3, r))
                first := add(first, mulmod(mload(add(v, 0x80)), A_4, r))
                let second := mulmod(mload(powers), B_0, r)
                second := add(second, mulmod(mload(add(powers, 0x20)), B_1, r))
                second := add(second, mulmod(mload(add(powers, 0x40)), B_2, r))
                second := add(second, mulmod(mload(add(powers, 0x60)), B_3, r))
                second := addmod(second, mulmod(mload(add(powers, 0x80)), B_4, r), r)
                first := addmod(first, add(second, sub(r, mload(add(v, 0xa0)))), r)
                if eq(qs, q) { break }
                others := add(mulmod(others, alpha, r), first)
                v := sub(v, 0x20)
            }
            let square := mulmod(alpha, alpha, r)
            others := mulmod(others, mulmod(square, square, r), r)
        }
        return addmod(mulmod(sel.partly, first, r), mulmod(sel.recurrence, others, r), r);
    }

    function _fifth(uint256 value, uint256 r) private pure returns (uint256 power) {
        power = mulmod(value, value, r);
        power = mulmod(mulmod(power, power, r), value, r);
    }

    function _word(uint256 ptr) private pure returns (uint256 value) {
        assembly ("memory-safe") {
            value := mload(ptr)
        }
    }
}
