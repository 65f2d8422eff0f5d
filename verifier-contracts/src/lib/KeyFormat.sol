// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {Bn254} from "./Bn254.sol";

/// @notice What can be seen on a verifying key without knowing its circuit (layouts: docs/protocol.md sections 8 and 9). That it belongs to the
/// shape it names is what attestors vouch for.
library KeyFormat {
    /// @notice Word 0 of a key for each wrap.
    uint256 internal constant GROTH16 = 2;
    uint256 internal constant UNIVERSAL = 3;

    uint256 private constant GROTH16_WORDS = 37;
    uint256 private constant UNIVERSAL_WORDS = 24;

    /// @notice Index of the first of the four words of `[τ]_2`, for each wrap.
    uint256 internal constant GROTH16_TAU = GROTH16_WORDS - 4;
    uint256 internal constant UNIVERSAL_TAU = UNIVERSAL_WORDS - 4;

    /// @notice Index of the word that says how many inferences a proof attests, and whether each has input chunks of its own.
    uint256 internal constant BATCH = 14;

    uint256 internal constant BAD_LENGTH = 1;
    uint256 internal constant BAD_VERSION = 2;
    uint256 internal constant BAD_SHAPE = 3; // a count, a region, the batch or the number of rows
    uint256 internal constant BAD_G1 = 4;
    uint256 internal constant BAD_G2 = 5;
    uint256 internal constant BAD_DELTA = 6; // δ is γ, that is the generator: anyone could forge
    uint256 internal constant BAD_TAU = 7; // τ = 1
    uint256 internal constant BAD_SRS_ID = 8;

    /// @return reason 0 if nothing is wrong
    function check(bytes memory key) internal view returns (uint256 reason) {
        if (key.length < 32) return BAD_LENGTH;
        bool universal = word(key, 0) == UNIVERSAL;
        if (!universal && word(key, 0) != GROTH16) return BAD_VERSION;
        uint256 head = universal ? UNIVERSAL_WORDS : GROTH16_WORDS;
        if (key.length < 32 * head) return BAD_LENGTH;
        if (!_shape(key) || (universal && (word(key, 15) < 3 || word(key, 15) > 25))) return BAD_SHAPE;
        if (key.length != 32 * (head + 2 * word(key, 6))) return BAD_LENGTH;
        if (!_tables(key, head) || !(universal ? _universalPoints(key) : _groth16Points(key))) return BAD_G1;
        uint256 tau = head - 4;
        if (!Bn254.isPointG2(_at(key, tau))) return BAD_G2;
        if (!universal) {
            if (!Bn254.isPointG2(_at(key, 17)) || !Bn254.isPointG2(_at(key, 21))) return BAD_G2;
            if (_isGeneratorX(key, 21)) return BAD_DELTA;
        }
        if (_isGeneratorX(key, tau)) return BAD_TAU;
        bytes32 srsId =
            keccak256(abi.encodePacked("assay-srs-v1", word(key, tau), word(key, tau + 1), word(key, tau + 2), word(key, tau + 3)));
        return srsId == bytes32(word(key, 2)) ? 0 : BAD_SRS_ID;
    }

    /// @notice Number of inferences in a proof, of a well-formed batch word.
    function inferences(uint256 batch) internal pure returns (uint256) {
        return 1 << (batch & 0xff);
    }

    /// @notice Whether every inference has input chunks of its own.
    function separate(uint256 batch) internal pure returns (bool) {
        return batch >> 8 == 1;
    }

    /// @notice Word `i` of the key; the caller has checked the length.
    function word(bytes memory key, uint256 i) internal pure returns (uint256 value) {
        uint256 ptr = _at(key, i);
        assembly ("memory-safe") {
            value := mload(ptr)
        }
    }

    /// @dev Regions in order, disjoint, inside `2^k` chunks.
    function _shape(bytes memory key) private pure returns (bool) {
        uint256 c = word(key, 3);
        uint256 k = word(key, 4);
        if (word(key, 1) == 0 || c < 2 || c > 28 || k > 12) return false;
        uint256 end;
        for (uint256 region; region < 4; ++region) {
            uint256 count = word(key, 5 + region);
            uint256 first = word(key, 9 + region);
            if (count > 4096 || first > 4096 || first + count > 1 << k) return false;
            if (count > 0 && first < end) return false;
            if (count > 0) end = first + count;
        }
        uint256 outputs = word(key, 13);
        return word(key, 5) > 0 && word(key, 7) > 0 && word(key, 8) > 0 && outputs > 0 && outputs <= 4096 && _batch(key);
    }

    /// @dev Inferences share the outputs evenly and, where their inputs are separate, the input chunks.
    function _batch(bytes memory key) private pure returns (bool) {
        uint256 batch = word(key, BATCH);
        uint256 log = batch & 0xff;
        bool isSeparate = separate(batch);
        if (log > 12 || batch >> 9 != 0 || (isSeparate && log == 0)) return false;
        uint256 rest = (1 << log) - 1;
        return word(key, 13) & rest == 0 && (!isSeparate || word(key, 7) & rest == 0);
    }

    /// @dev `F_1, F_2`.
    function _universalPoints(bytes memory key) private view returns (bool) {
        return Bn254.isPoint(_at(key, 16)) && Bn254.isPoint(_at(key, 18));
    }

    /// @dev `-α` and `IC_0 … IC_3`.
    function _groth16Points(bytes memory key) private view returns (bool) {
        if (!Bn254.isPoint(_at(key, 15))) return false;
        for (uint256 i = 25; i < 33; i += 2) {
            if (!Bn254.isPoint(_at(key, i))) return false;
        }
        return true;
    }

    /// @dev The table commitments. They are not blinded, so a chunk of zeros has infinity for its commitment.
    function _tables(bytes memory key, uint256 head) private view returns (bool) {
        for (uint256 i; i < word(key, 6); ++i) {
            if (!Bn254.isPointOrInfinity(_at(key, head + 2 * i))) return false;
        }
        return true;
    }

    /// @dev The generator or its negative.
    function _isGeneratorX(bytes memory key, uint256 i) private pure returns (bool) {
        return word(key, i) == Bn254.G2_X1 && word(key, i + 1) == Bn254.G2_X0;
    }

    function _at(bytes memory key, uint256 i) private pure returns (uint256 ptr) {
        assembly ("memory-safe") {
            ptr := add(add(key, 0x20), mul(0x20, i))
        }
    }
}
