// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {IAssayVerifier} from "../interfaces/IAssayVerifier.sol";
import {Bn254} from "./Bn254.sol";
import {Gates} from "./Gates.sol";
import {Opening} from "./Opening.sol";

/// @notice The wrap with a universal setup, docs/protocol.md section 9: PLONK (ePrint 2019/953), its polynomials interleaved eight to a commitment
/// (fflonk, ePrint 2021/1167) and opened in the quotients of the inner proof's opening. `prover/src/plonk/verify.rs` in Rust.
library Plonk {
    /// @dev Bytes of a proof before what every wrap's proof has: `C_A, C_z, C_h` and the values.
    uint256 internal constant HEAD = 40 * 32;

    uint256 private constant R = 0x30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001; // a literal for assembly
    /// @dev of order 2^28
    uint256 private constant ROOT = 0x2a3c09f0a58a7e8500e0a7eb8ef62abc402d111e41112ed49bd61b6e725b19f0;

    /// @dev Where the values are in memory: 16 of the key's polynomials (8 constants, `s` and `t`, the permutation) and 8 of advice at `y`, 8 of
    /// advice at `ωy`, the permutation's product at both.
    uint256 private constant VALUES = 34 * 32;
    uint256 private constant V_PERMUTATION = 10 * 32;
    uint256 private constant V_ADVICE = 16 * 32;
    uint256 private constant V_NEXT = 24 * 32;
    uint256 private constant V_PRODUCT = 32 * 32;

    /// @notice What an opening has to show of the commitments.
    struct Claims {
        uint256 values; // memory
        uint256 y;
        uint256 next; // ωy
        uint256 inverse; // 1/(y - ωy)
        uint256 quotient; // at y
        uint256 state; // of the transcript, for the opening
        // what vanishes at the opening's last challenge
        uint256 powerAtOwn; // x^8 - y
        uint256 powerAtNext; // x^8 - ωy
        uint256 atOwn; // x - y
        uint256 atNext; // x - ωy
    }

    struct Challenges {
        uint256 beta;
        uint256 gamma;
        uint256 alpha;
        uint256 y;
    }

    /// @notice Replays the transcript and computes what the quotient must be at `y`.
    /// @param key memory: log2 of the rows, then `F_1, F_2`
    /// @param proof calldata offset of the proof's first 40 words
    /// @param binding `K` of section 8; with `digest`, `chi` and `fold` the public inputs, canonical
    /// @param r the order: passed on from memory, or the optimiser pushes its 32 bytes at every use
    function prepare(
        Claims memory result,
        uint256 key,
        uint256 proof,
        uint256 binding,
        uint256 digest,
        uint256 chi,
        uint256 fold,
        uint256 r
    ) internal view {
        (Challenges memory ch, uint256 values, uint256 state) = _challenges(key, proof, binding);
        _checkRange(values);
        result.values = values;
        result.state = state;
        result.y = ch.y;
        (uint256 sum, uint256 selector) = Gates.evaluate(values, values + V_ADVICE, ch.alpha, r);
        unchecked {
            uint256 power = mulmod(ch.alpha, ch.alpha, r);
            uint256 square = power;
            power = mulmod(power, power, r);
            power = mulmod(mulmod(power, power, r), mulmod(square, ch.alpha, r), r); // α^11
            // what is multiplied with `L_0`: `α^11·(z - 1)`, and the first public input
            uint256 first = mulmod(power, _word(values + V_PRODUCT) + (r - 1), r);
            sum += mulmod(mulmod(power, ch.alpha, r), _step(ch, values, r), r);
            selector = r - selector;
            first = addmod(first, mulmod(selector, digest, r), r);
            _divide(result, _word(key), sum, [first, mulmod(selector, chi, r), mulmod(selector, fold, r)], r);
        }
    }

    /// @notice Everything that vanishes at the opening's last challenge `x`: the factor that its own terms take.
    function differences(Claims memory c, uint256 x, uint256 r) internal pure returns (uint256) {
        unchecked {
            uint256 power = mulmod(x, x, r);
            power = mulmod(power, power, r);
            power = mulmod(power, power, r);
            (c.powerAtOwn, c.powerAtNext) = (power + (r - c.y), power + (r - c.next));
            (c.atOwn, c.atNext) = (x + (r - c.y), x + (r - c.next));
            return mulmod(mulmod(c.powerAtOwn, c.powerAtNext, r), mulmod(c.atOwn, c.atNext, r), r);
        }
    }

    /// @notice Starts the accumulator with the commitments' terms, and takes their values off the generator's coefficient. Each takes a power of
    /// `η` more than the opening's last own claim, and all differences but those that its own claims vanish at.
    function start(
        Claims memory c,
        Opening.Combination memory comb,
        Opening.Challenges memory ch,
        uint256 buf,
        uint256 key,
        uint256 proof,
        uint256 r
    ) internal view {
        unchecked {
            uint256 x = ch.x;
            uint256 lines = mulmod(c.atOwn, c.atNext, r);
            uint256 powers = mulmod(c.powerAtOwn, c.powerAtNext, r);
            uint256 scale = mulmod(comb.scale, ch.eta, r);
            uint256 factor = mulmod(scale, mulmod(c.powerAtNext, lines, r), r);
            Bn254.mulMemory(buf, key + 0x20, factor); // F_1
            uint256 values = mulmod(factor, _at(c.values, x, r), r);
            factor = mulmod(factor, ch.eta, r);
            Bn254.mulAddMemory(buf, key + 0x60, factor); // F_2
            values += mulmod(factor, _at(c.values + 0x100, x, r), r);

            scale = mulmod(scale, mulmod(ch.eta, ch.eta, r), r);
            factor = mulmod(scale, lines, r);
            Bn254.mulAddCalldata(buf, proof, factor); // C_A
            uint256 sum = mulmod(_at(c.values + V_ADVICE, x, r), c.powerAtNext, r);
            sum += r - mulmod(_at(c.values + V_NEXT, x, r), c.powerAtOwn, r);
            values += mulmod(factor, mulmod(sum, c.inverse, r), r);

            scale = mulmod(scale, ch.eta, r);
            factor = mulmod(scale, powers, r);
            Bn254.mulAddCalldata(buf, proof + 0x40, factor); // C_z
            sum = mulmod(_word(c.values + V_PRODUCT), c.atNext, r);
            sum += r - mulmod(_word(c.values + V_PRODUCT + 0x20), c.atOwn, r);
            values += mulmod(factor, mulmod(sum, c.inverse, r), r);

            scale = mulmod(scale, ch.eta, r);
            factor = mulmod(scale, mulmod(powers, c.atNext, r), r);
            Bn254.mulAddCalldata(buf, proof + 0x80, factor); // C_h
            values = addmod(values, mulmod(factor, c.quotient, r), r);
            comb.one += r - values;
        }
    }

    function _challenges(uint256 key, uint256 proof, uint256 binding)
        private
        pure
        returns (Challenges memory ch, uint256 values, uint256 state)
    {
        assembly ("memory-safe") {
            let buf := mload(0x40)
            let data := add(buf, 0x20)
            values := data // stay where they are hashed
            mstore(0x40, add(data, VALUES))

            mstore(buf, "assay-plonk-v1")
            mstore(add(buf, 0x0e), binding)
            mcopy(add(buf, 0x2e), add(key, 0x20), 0x80) // F_1, F_2
            mstore(buf, keccak256(buf, 0xae))

            calldatacopy(data, proof, 0x40) // C_A
            let t := keccak256(buf, 0x60)
            mstore(ch, mod(t, R))

            mstore(buf, t)
            t := keccak256(buf, 0x20)
            mstore(add(ch, 0x20), mod(t, R))

            mstore(buf, t)
            calldatacopy(data, add(proof, 0x40), 0x40) // C_z
            t := keccak256(buf, 0x60)
            mstore(add(ch, 0x40), mod(t, R))

            mstore(buf, t)
            calldatacopy(data, add(proof, 0x80), 0x40) // C_h
            t := keccak256(buf, 0x60)
            mstore(add(ch, 0x60), mod(t, R))

            mstore(buf, t)
            calldatacopy(data, add(proof, 0xc0), VALUES)
            state := keccak256(buf, add(VALUES, 0x20))
        }
    }

    function _checkRange(uint256 values) private pure {
        bool ok = true;
        assembly ("memory-safe") {
            for { let end := add(values, VALUES) } lt(values, end) { values := add(values, 0x40) } {
                ok := and(ok, and(lt(mload(values), R), lt(mload(add(values, 0x20)), R)))
            }
        }
        if (!ok) revert IAssayVerifier.ScalarOutOfRange();
    }

    /// @dev `z(ωy)·Π (w_i + β·σ_i + γ) - z(y)·Π (w_i + β·5^i·y + γ)`.
    function _step(Challenges memory ch, uint256 values, uint256 r) private pure returns (uint256 result) {
        assembly ("memory-safe") {
            let beta := mload(ch)
            let gamma := mload(add(ch, 0x20))
            let place := mulmod(beta, mload(add(ch, 0x60)), r)
            let own := mload(add(values, V_PRODUCT))
            let next := mload(add(values, add(V_PRODUCT, 0x20)))
            let wire := add(values, V_ADVICE)
            let to := add(values, V_PERMUTATION)
            for { let end := add(wire, 0xc0) } lt(wire, end) { wire := add(wire, 0x20) } {
                let value := add(mload(wire), gamma)
                next := mulmod(next, add(value, mulmod(beta, mload(to), r)), r)
                own := mulmod(own, add(value, place), r)
                place := mulmod(place, 5, r)
                to := add(to, 0x20)
            }
            result := add(next, sub(r, own))
        }
    }

    /// @dev The quotient of `sum + Σ_i rows[i]·L_i(y)` by `y^n - 1`, where `L_i(y) = ω^i·(y^n - 1) / (n·(y - ω^i))`. One inversion for all; a zero product
    /// is exactly `y = 0` or `y^n = 1`. (Internal, so that a test can choose `y`.)
    function _divide(Claims memory c, uint256 log, uint256 sum, uint256[3] memory rows, uint256 r) internal view {
        unchecked {
            uint256 y = c.y;
            uint256 root = _power(ROOT, 28 - log, r);
            c.next = mulmod(y, root, r);
            uint256 points; // n·Π (y - ω^i)
            {
                uint256 square = mulmod(root, root, r);
                (uint256 d0, uint256 d1, uint256 d2) = (y + (r - 1), y + (r - root), y + (r - square));
                points = mulmod(mulmod(d0, d1, r), mulmod(d2, 1 << log, r), r);
                (rows[0], rows[1]) = (mulmod(rows[0], d1, r), mulmod(mulmod(rows[1], root, r), d0, r));
                rows[2] = mulmod(mulmod(rows[2], square, r), mulmod(d0, d1, r), r);
                rows[0] = addmod(mulmod(rows[0] + rows[1], d2, r), rows[2], r);
            }
            uint256 vanishing = _power(y, log, r) + (r - 1);
            uint256 gap = y + (r - c.next);
            uint256 inverse = mulmod(mulmod(points, vanishing, r), gap, r);
            if (inverse == 0) revert IAssayVerifier.DegenerateChallenge();
            inverse = Bn254.inverse(inverse);
            c.inverse = mulmod(inverse, mulmod(points, vanishing, r), r);
            c.quotient = mulmod(mulmod(inverse, gap, r), mulmod(sum, points, r) + mulmod(rows[0], vanishing, r), r);
        }
    }

    /// @dev `base^(2^log)`.
    function _power(uint256 base, uint256 log, uint256 r) private pure returns (uint256 power) {
        assembly ("memory-safe") {
            power := base
            for {} log { log := sub(log, 1) } { power := mulmod(power, power, r) }
        }
    }

    /// @dev `Σ_(i<8) words[i]·x^i`.
    function _at(uint256 words, uint256 x, uint256 r) private pure returns (uint256 value) {
        assembly ("memory-safe") {
            value := mulmod(mload(add(words, 0xe0)), x, r)
            value := mulmod(add(value, mload(add(words, 0xc0))), x, r)
            value := mulmod(add(value, mload(add(words, 0xa0))), x, r)
            value := mulmod(add(value, mload(add(words, 0x80))), x, r)
            value := mulmod(add(value, mload(add(words, 0x60))), x, r)
            value := mulmod(add(value, mload(add(words, 0x40))), x, r)
            value := mulmod(add(value, mload(add(words, 0x20))), x, r)
            value := addmod(value, mload(words), r)
        }
    }

    function _word(uint256 ptr) private pure returns (uint256 value) {
        assembly ("memory-safe") {
            value := mload(ptr)
        }
    }
}
