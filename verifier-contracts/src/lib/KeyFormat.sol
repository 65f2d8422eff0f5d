// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {Bn254} from "./Bn254.sol";

/// @notice What can be seen on a verifying key without knowing its circuit (layout: docs/protocol.md section 8). That it belongs to the
/// shape it names is what attestors vouch for.
library KeyFormat {
    uint256 internal constant HEAD_WORDS = 36;

    uint256 internal constant BAD_LENGTH = 1;
    uint256 internal constant BAD_VERSION = 2;
    uint256 internal constant BAD_SHAPE = 3; // a count or a region
    uint256 internal constant BAD_G1 = 4;
    uint256 internal constant BAD_G2 = 5;
    uint256 internal constant BAD_DELTA = 6; // δ is γ, that is the generator: anyone could forge
    uint256 internal constant BAD_TAU = 7; // τ = 1
    uint256 internal constant BAD_SRS_ID = 8;

    /// @return reason 0 if nothing is wrong
    function check(bytes memory key) internal view returns (uint256 reason) {
        if (key.length < HEAD_WORDS * 32) return BAD_LENGTH;
        if (word(key, 0) != 1) return BAD_VERSION;
        if (!_shape(key)) return BAD_SHAPE;
        if (key.length != 32 * (HEAD_WORDS + 2 * word(key, 6))) return BAD_LENGTH;
        if (!_points(key)) return BAD_G1;
        if (!Bn254.isPointG2(_at(key, 16)) || !Bn254.isPointG2(_at(key, 20)) || !Bn254.isPointG2(_at(key, 32))) return BAD_G2;
        if (_isGeneratorX(key, 20)) return BAD_DELTA;
        if (_isGeneratorX(key, 32)) return BAD_TAU;
        if (keccak256(abi.encodePacked("assay-srs-v1", word(key, 32), word(key, 33), word(key, 34), word(key, 35))) != bytes32(word(key, 2))) {
            return BAD_SRS_ID;
        }
        return 0;
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
        return word(key, 5) > 0 && word(key, 7) > 0 && word(key, 8) > 0 && outputs > 0 && outputs <= 4096;
    }

    /// @dev `-α`, `IC_0 … IC_3` and the table commitments. Those are not blinded, so a chunk of zeros has infinity for its commitment.
    function _points(bytes memory key) private view returns (bool) {
        if (!Bn254.isPoint(_at(key, 14))) return false;
        for (uint256 i = 24; i < 32; i += 2) {
            if (!Bn254.isPoint(_at(key, i))) return false;
        }
        for (uint256 i; i < word(key, 6); ++i) {
            if (!Bn254.isPointOrInfinity(_at(key, HEAD_WORDS + 2 * i))) return false;
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
