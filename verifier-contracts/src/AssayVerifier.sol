// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {IAssayVerifier} from "./interfaces/IAssayVerifier.sol";
import {Bn254} from "./lib/Bn254.sol";
import {Opening} from "./lib/Opening.sol";
import {Plonk} from "./lib/Plonk.sol";

/// @title The on-chain half of docs/protocol.md, sections 7 and 8.
/// @notice The wrap's circuit proves everything up to the claim that the committed chunks, folded by `eq(r_hi, ·)` and hidden by `ρ` times a
/// mask, evaluate to `s` at `r_lo`. This contract hashes the statement, rebuilds the public data `d` from the hash, the output and the proof,
/// compresses it to the three public inputs `D, χ, h`, and checks wrap and opening at once: for keys of version 2, Groth16 and the opening in
/// one product of five pairings; for those of version 3, PLONK whose polynomials are opened with the chunks, in two.
/// @dev Who must hold what: the caller decides whether the key and the weights are the right ones; nothing here knows. Sizes are not checked for
/// overflow: all counts of a key are below 2^16.
contract AssayVerifier is IAssayVerifier {
    // literals, since inline assembly takes no others; as in Bn254
    uint256 private constant R = 0x30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001;
    uint256 private constant Q = 0x30644e72e131a029b85045b68181585d97816a916871ca8d3c208c16d87cfd47;

    /// @dev Key layout, byte offsets. First what both versions have, then that of Groth16, then that of PLONK.
    uint256 private constant K_FIRST = 9 * 32;
    uint256 private constant K_ALPHA = 15 * 32;
    uint256 private constant K_BETA = 17 * 32;
    uint256 private constant K_DELTA = 21 * 32;
    uint256 private constant K_IC = 25 * 32;
    uint256 private constant K_TAU = 33 * 32;
    uint256 private constant K_TABLES = 37 * 32;
    uint256 private constant K_ROWS = 15 * 32;
    uint256 private constant K_PLONK_TAU = 20 * 32;
    uint256 private constant K_PLONK_TABLES = 24 * 32;

    /// @dev Bytes of a Groth16 proof, and what follows a wrap's own proof; `r*` starts at P_POINT.
    uint256 private constant GROTH16_HEAD = 8 * 32;
    uint256 private constant P_S = 32;
    uint256 private constant P_RHO = 2 * 32;
    uint256 private constant P_DELTA = 3 * 32;
    uint256 private constant P_POINT = 4 * 32;
    /// @dev `r*` in the public data: after the statement's hash, `δ` and `v`.
    uint256 private constant D_POINT = 3 * 32;

    /// @dev The shape, and where the parts of statement and proof lie (memory or calldata offsets).
    struct Layout {
        uint256 key; // memory
        uint256 c;
        uint256 k;
        uint256 weightChunks;
        uint256 tableChunks;
        uint256 inputChunks;
        uint256 witnessChunks;
        uint256 outputs;
        uint256 weights; // memory
        uint256 inputs; // calldata
        uint256 output; // calldata
        uint256 proof; // calldata
        uint256 witness; // calldata
        uint256 mask; // calldata
        uint256 opening; // calldata
        uint256 scalars; // calldata: D, s, ρ, δ, r*
        uint256 tables; // memory
        bool universal; // PLONK
        uint256 order; // R, see Plonk
    }

    /// @inheritdoc IAssayVerifier
    function verify(
        address keyPointer,
        address weightsPointer,
        bytes32 context,
        bytes calldata inputCommitments,
        bytes calldata output,
        bytes calldata proof
    ) external view returns (bool) {
        unchecked {
            Layout memory l;
            l.order = R;
            _loadKey(l, keyPointer);
            _loadWeights(l, weightsPointer);
            if (inputCommitments.length != l.inputChunks * 64) revert InvalidLength(2);
            if (output.length != l.outputs * 2 + 4) revert InvalidLength(3);
            uint256 scalars = l.universal ? Plonk.HEAD : GROTH16_HEAD;
            uint256 witness = scalars + P_POINT + 32 * (l.c + l.k);
            uint256 opening = witness + 64 * (l.witnessChunks + 1);
            if (proof.length != opening + 32 * Opening.WORDS) revert InvalidLength(4);
            assembly ("memory-safe") {
                mstore(add(l, 0x120), inputCommitments.offset)
                mstore(add(l, 0x140), output.offset)
                mstore(add(l, 0x160), proof.offset)
                mstore(add(l, 0x180), add(proof.offset, witness))
                mstore(add(l, 0x1a0), add(proof.offset, sub(opening, 0x40)))
                mstore(add(l, 0x1c0), add(proof.offset, opening))
                mstore(add(l, 0x1e0), add(proof.offset, scalars))
            }
            _check(l, uint256(context));
            return true;
        }
    }

    function _check(Layout memory l, uint256 context) private view {
        unchecked {
            if (context >= R) revert ScalarOutOfRange();
            (uint256 data, uint256 words) = _publicData(l, context);
            (uint256 binding, uint256 chi, uint256 h) = _publicInputs(data, words);
            Plonk.Claims memory claims;
            uint256 state = _startTranscript(l, claims, binding, chi, h);
            Opening.Challenges memory ch = Opening.challenges(state, l.opening, l.order);
            ch.others = l.universal ? Plonk.differences(claims, ch.x, l.order) : 1;
            uint256 point = data + D_POINT;
            Opening.Combination memory comb = Opening.reduce(ch, l.c, point, _calldataWord(l.scalars + P_S), l.opening);

            uint256 buf = _allocate(0xa0); // accumulator, point, scalar
            uint256 mu = l.universal ? 1 : _mergeScalar(l, binding, h);
            _startSum(l, claims, comb, ch, buf, chi, h);
            Opening.accumulate(comb, buf, mu, l.opening);
            _accumulateFold(l, buf, mu, point + 32 * l.c);
            if (!(l.universal ? _pairingPlonk(l, buf) : _pairingGroth16(l, buf, mu))) revert InvalidProof();
        }
    }

    /// @dev The transcript that the opening goes on with. (The optimiser inlines whatever is called once, but nothing that returns early; and all
    /// of this in one function would not fit on the stack.)
    function _startTranscript(Layout memory l, Plonk.Claims memory claims, uint256 binding, uint256 chi, uint256 h)
        private
        view
        returns (uint256)
    {
        if (!l.universal) return Opening.start(binding);
        Plonk.prepare(claims, l.key + K_ROWS, l.proof, binding, _calldataWord(l.scalars), chi, h, l.order);
        return claims.state;
    }

    /// @dev Starts the accumulator with the wrap's own terms.
    function _startSum(
        Layout memory l,
        Plonk.Claims memory claims,
        Opening.Combination memory comb,
        Opening.Challenges memory ch,
        uint256 buf,
        uint256 chi,
        uint256 h
    ) private view {
        if (!l.universal) {
            _startInputs(l, buf, chi, h);
            return;
        }
        Plonk.start(claims, comb, ch, buf, l.key + K_ROWS, l.proof, l.order);
    }

    // ---------------------------------------------------------------------------------------------- statement

    function _loadKey(Layout memory l, address pointer) private view {
        unchecked {
            (uint256 key, uint256 length) = _load(pointer);
            if (length < K_PLONK_TABLES) revert InvalidKey();
            uint256 version;
            bool ok;
            assembly ("memory-safe") {
                mstore(l, key)
                let all := 0
                // c, k, counts and first indices of weight, table, input and witness chunks, outputs: words 3 to 13
                for { let i := 0x60 } lt(i, 0x1c0) { i := add(i, 0x20) } { all := or(all, mload(add(key, i))) }
                mcopy(add(l, 0x20), add(key, 0x60), 0xc0)
                mstore(add(l, 0xe0), mload(add(key, 0x1a0)))
                version := mload(key)
                ok := iszero(shr(16, all))
            }
            l.universal = version == 3;
            uint256 tables = l.universal ? K_PLONK_TABLES : K_TABLES;
            l.tables = key + tables;
            if (l.universal && (_word(key + K_ROWS) < 3 || _word(key + K_ROWS) > 25)) ok = false;
            if (!ok || version >> 1 != 1 || length != tables + 64 * l.tableChunks) revert InvalidKey();
        }
    }

    function _loadWeights(Layout memory l, address pointer) private view {
        unchecked {
            (uint256 weights, uint256 length) = _load(pointer);
            if (length != 64 * l.weightChunks) revert InvalidLength(1);
            l.weights = weights;
        }
    }

    /// @dev Code of `pointer` without its first byte, which must be zero; an account without code gives length 0.
    function _load(address pointer) private view returns (uint256 data, uint256 length) {
        bool ok;
        assembly ("memory-safe") {
            let size := extcodesize(pointer)
            let start := mload(0x40)
            data := add(start, 1)
            extcodecopy(pointer, start, 0, size)
            ok := and(iszero(iszero(size)), iszero(byte(0, mload(start))))
            length := sub(size, 1)
            mstore(0x40, and(add(add(data, length), 0x1f), not(0x1f)))
        }
        if (!ok) revert InvalidKey();
    }

    /// @notice `d_1 … d_n` and `D`, in memory; `_publicInputs` checks their range.
    function _publicData(Layout memory l, uint256 context) private pure returns (uint256 data, uint256 words) {
        unchecked {
            uint256 statement = _statement(l, context);
            uint256 sum = _outputSum(l);
            uint256 scalars = l.scalars;
            uint256 point = 32 * (l.c + l.k);
            words = 5 + l.c + l.k;
            data = _allocate(32 * (words + 1));
            assembly ("memory-safe") {
                mstore(data, statement)
                calldatacopy(add(data, 0x20), add(scalars, P_DELTA), 0x20)
                mstore(add(data, 0x40), sum)
                let end := add(data, D_POINT)
                calldatacopy(end, add(scalars, P_POINT), point)
                end := add(end, point)
                calldatacopy(end, add(scalars, P_S), 0x40) // s, ρ
                calldatacopy(add(end, 0x40), scalars, 0x20) // D
            }
        }
    }

    /// @notice Hash of everything that is fixed before the first challenge. Coordinates are hashed as they are; the precompiles refuse those
    /// that are not below `q`, since every one of these points is multiplied later.
    function _statement(Layout memory l, uint256 context) private pure returns (uint256 statement) {
        unchecked {
            (uint256 weights, uint256 tables, uint256 inputs) = (64 * l.weightChunks, 64 * l.tableChunks, 64 * l.inputChunks);
            (uint256 output, uint256 witness) = (2 * l.outputs + 4, 64 * (l.witnessChunks + 1)); // the mask follows the witness
            assembly ("memory-safe") {
                let buf := mload(0x40)
                mstore(buf, "assay-statement-v2")
                mstore(add(buf, 0x12), context)
                let end := add(buf, 0x32)
                mcopy(end, mload(add(l, 0x100)), weights)
                end := add(end, weights)
                mcopy(end, mload(add(l, 0x200)), tables)
                end := add(end, tables)
                calldatacopy(end, mload(add(l, 0x120)), inputs)
                end := add(end, inputs)
                calldatacopy(end, mload(add(l, 0x140)), output)
                end := add(end, output)
                calldatacopy(end, mload(add(l, 0x180)), witness)
                end := add(end, witness)
                statement := mod(keccak256(buf, sub(end, buf)), R)
            }
        }
    }

    /// @notice `v = Σ δ^i (y_i + 2^15) + δ^n N mod r` over the `n` output cells, by Horner's rule from the number of clamps `N` behind them.
    /// @dev `y + 2^15` of a 16-bit two's complement is a flip of the top bit. A sum cannot overflow, and is reduced by the next product. Cells
    /// are read in fours, since a batch has many; `4k` of them are left after the first loop.
    function _outputSum(Layout memory l) private pure returns (uint256 sum) {
        unchecked {
            uint256 first = l.output;
            uint256 length = 2 * l.outputs;
            uint256 delta = _calldataWord(l.scalars + P_DELTA);
            assembly ("memory-safe") {
                let cell := add(first, length)
                sum := shr(224, calldataload(cell))
                for {} and(sub(cell, first), 7) {} {
                    cell := sub(cell, 2)
                    sum := add(mulmod(sum, delta, R), xor(shr(240, calldataload(cell)), 0x8000))
                }
                for {} gt(cell, first) {} {
                    cell := sub(cell, 8)
                    let four := xor(shr(192, calldataload(cell)), 0x8000800080008000)
                    sum := add(mulmod(sum, delta, R), and(four, 0xffff))
                    sum := add(mulmod(sum, delta, R), and(shr(16, four), 0xffff))
                    sum := add(mulmod(sum, delta, R), and(shr(32, four), 0xffff))
                    sum := add(mulmod(sum, delta, R), shr(48, four))
                }
                sum := mod(sum, R)
            }
        }
    }

    /// @notice `K = keccak256(d_1 ‖ … ‖ d_n ‖ D)`, `χ = K mod r`, `h = Σ d_i χ^i`; all of them must be canonical.
    function _publicInputs(uint256 data, uint256 words) private pure returns (uint256 binding, uint256 chi, uint256 h) {
        bool ok;
        assembly ("memory-safe") {
            let ptr := add(data, mul(0x20, words))
            binding := keccak256(data, add(sub(ptr, data), 0x20))
            chi := mod(binding, R)
            ok := lt(mload(ptr), R)
            for {} gt(ptr, data) {} {
                ptr := sub(ptr, 0x20)
                let value := mload(ptr)
                ok := and(ok, lt(value, R))
                h := mulmod(add(h, value), chi, R) // no overflow: both are below r
            }
        }
        if (!ok) revert ScalarOutOfRange();
    }

    /// @notice `μ`: it depends on every word of both proofs, so neither side can be chosen to cancel the other.
    function _mergeScalar(Layout memory l, uint256 binding, uint256 h) private pure returns (uint256 mu) {
        uint256 proof = l.proof;
        uint256 opening = l.opening;
        assembly ("memory-safe") {
            let buf := mload(0x40)
            mstore(buf, "assay-merge-v1")
            mstore(add(buf, 0x0e), binding)
            mstore(add(buf, 0x2e), h)
            calldatacopy(add(buf, 0x4e), proof, 0x100) // A, B, C
            calldatacopy(add(buf, 0x14e), opening, 0x280)
            mu := mod(keccak256(buf, 0x3ce), R)
        }
    }

    // ---------------------------------------------------------------------------------------------- curve

    /// @dev Starts the accumulator with `-IC(D, χ, h)`.
    function _startInputs(Layout memory l, uint256 buf, uint256 chi, uint256 h) private view {
        uint256 ic = l.key + K_IC;
        assembly ("memory-safe") {
            mstore(buf, mload(ic))
            mstore(add(buf, 0x20), sub(Q, mload(add(ic, 0x20))))
        }
        unchecked {
            Bn254.mulAddMemory(buf, ic + 0x40, R - _calldataWord(l.scalars));
            Bn254.mulAddMemory(buf, ic + 0x80, R - chi);
            Bn254.mulAddMemory(buf, ic + 0xc0, R - h);
        }
    }

    /// @dev `acc += scale · (Σ_j eq(r_hi, j)·C_j + ρ·C_M)`.
    function _accumulateFold(Layout memory l, uint256 buf, uint256 scale, uint256 high) private view {
        unchecked {
            uint256 table = _eqTable(scale, high, l.k);
            uint256 first = l.key + K_FIRST;
            uint256 limit = 1 << l.k;
            _foldMemory(buf, table, limit, first, l.weights, l.weightChunks);
            _foldMemory(buf, table, limit, first + 0x20, l.tables, l.tableChunks);
            _foldCalldata(buf, table, limit, first + 0x40, l.inputs, l.inputChunks);
            _foldCalldata(buf, table, limit, first + 0x60, l.witness, l.witnessChunks);
            Bn254.mulAddCalldata(buf, l.mask, mulmod(scale, _calldataWord(l.scalars + P_RHO), R));
        }
    }

    function _foldMemory(uint256 buf, uint256 table, uint256 limit, uint256 first, uint256 points, uint256 count) private view {
        unchecked {
            uint256 index = _word(first);
            if (index + count > limit) revert InvalidKey();
            for (uint256 i; i < count; ++i) {
                Bn254.mulAddMemory(buf, points + 64 * i, _word(table + 32 * (index + i)));
            }
        }
    }

    function _foldCalldata(uint256 buf, uint256 table, uint256 limit, uint256 first, uint256 points, uint256 count) private view {
        unchecked {
            uint256 index = _word(first);
            if (index + count > limit) revert InvalidKey();
            Bn254.mulAddManyCalldata(buf, points, count, table + 32 * index);
        }
    }

    /// @dev `scale · eq(r_hi, j)` for all `j < 2^k`, variable 0 the lowest bit.
    function _eqTable(uint256 scale, uint256 high, uint256 k) private pure returns (uint256 table) {
        table = _allocate(32 << k);
        assembly ("memory-safe") {
            mstore(table, scale)
            let half := 0x20
            for { let limit := add(high, mul(0x20, k)) } lt(high, limit) { high := add(high, 0x20) } {
                let factor := mload(high)
                let end := add(table, half)
                for { let ptr := table } lt(ptr, end) { ptr := add(ptr, 0x20) } {
                    let value := mload(ptr)
                    let one := mulmod(value, factor, R)
                    mstore(add(ptr, half), one)
                    mstore(ptr, addmod(value, sub(R, one), R))
                }
                half := mul(2, half)
            }
        }
    }

    /// @dev `e(A, B) · e(-α, β) · e(-C, δ) · e(acc, [1]_2) · e(-μ·C_W', [τ]_2) = 1`.
    function _pairingGroth16(Layout memory l, uint256 buf, uint256 mu) private view returns (bool) {
        uint256 ptr = _allocate(5 * 0xc0);
        uint256 key = l.key;
        uint256 proof = l.proof;
        bool ok;
        assembly ("memory-safe") {
            calldatacopy(ptr, proof, 0xc0) // A, B
            mcopy(add(ptr, 0xc0), add(key, K_ALPHA), 0xc0) // -α, β
            let y := calldataload(add(proof, 0xe0))
            ok := lt(y, Q)
            mstore(add(ptr, 0x180), calldataload(add(proof, 0xc0)))
            mstore(add(ptr, 0x1a0), mul(sub(Q, y), iszero(iszero(y)))) // -C
            mcopy(add(ptr, 0x1c0), add(key, K_DELTA), 0x80)
            mcopy(add(ptr, 0x240), buf, 0x40)
        }
        if (!ok) revert InvalidPoint();
        Bn254.writeGenerator(ptr + 0x280);
        unchecked {
            Bn254.mulCalldata(ptr + 0x300, l.opening + 0x180, R - mu);
        }
        assembly ("memory-safe") {
            mcopy(add(ptr, 0x340), add(key, K_TAU), 0x80)
        }
        return Bn254.pairing(ptr, 5);
    }

    /// @dev `e(acc, [1]_2) · e(-C_W', [τ]_2) = 1`. `C_W'` was multiplied, so its coordinates are below `q`.
    function _pairingPlonk(Layout memory l, uint256 buf) private view returns (bool) {
        uint256 ptr = _allocate(2 * 0xc0);
        uint256 tau = l.key + K_PLONK_TAU;
        uint256 last = l.opening + 0x180;
        Bn254.writeGenerator(ptr + 0x40);
        assembly ("memory-safe") {
            mcopy(ptr, buf, 0x40)
            let y := calldataload(add(last, 0x20))
            mstore(add(ptr, 0xc0), calldataload(last))
            mstore(add(ptr, 0xe0), mul(sub(Q, y), iszero(iszero(y))))
            mcopy(add(ptr, 0x100), tau, 0x80)
        }
        return Bn254.pairing(ptr, 2);
    }

    // ---------------------------------------------------------------------------------------------- memory

    function _allocate(uint256 size) private pure returns (uint256 ptr) {
        assembly ("memory-safe") {
            ptr := mload(0x40)
            mstore(0x40, add(ptr, size))
        }
    }

    function _word(uint256 ptr) private pure returns (uint256 value) {
        assembly ("memory-safe") {
            value := mload(ptr)
        }
    }

    function _calldataWord(uint256 offset) private pure returns (uint256 value) {
        assembly ("memory-safe") {
            value := calldataload(offset)
        }
    }
}
