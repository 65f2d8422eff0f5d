// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {Fixture, Proven} from "./Fixture.sol";

/// @notice Proofs that the real verifier accepts, for any statement, made in no time: the key's trapdoors are small numbers written here (as in
/// test/vectors/simulate.mjs), and every chunk is a constant polynomial, whose opening of docs/protocol.md section 7 is short.
abstract contract Simulator is Fixture {
    uint256 private constant R = 0x30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001;
    uint256 private constant ALPHA = 3;
    uint256 private constant BETA = 1;
    uint256 private constant HALF = (R + 1) / 2; // 1/δ, since δ = 2; so is τ
    uint256 private constant A = 5;
    uint256 private constant DELTA = 13; // the challenge that joins outputs
    uint256 private constant RHO = 17;
    uint256 private constant BOUND = 19; // `D`
    uint256 private constant WITNESS = 23;
    uint256 private constant MASK = 29;

    /// @dev The scalar of weight commitments, and of the first input.
    uint256 internal constant WEIGHTS = 31;
    uint256 internal constant INPUT = 1000;

    function simulated(uint256 inputs, uint256 outputs, uint256 batch) internal view returns (Proven memory p) {
        uint256 log = inputs == 1 ? 2 : 3;
        bytes memory tau = abi.encode(
            0x203e205db4f19b37b60121b83a7333706db86431c6d835849957ed8c3928ad79,
            0x27dc7234fd11d3e8c36c59277c3e6f149d5cd3cfa9a62aee49f8130962b4b3b9,
            0x195e8aa5b7827463722b8c153931579d3505566b4edf48d498e185f0509de152,
            0x04bb53b8977e5f92a0bc372742c4830944a59b4fe6b1c0466e2a6dad122b5d2e
        );
        bytes memory head = abi.encodePacked(
            uint256(2), keccak256("a shape with constant chunks"), keccak256(abi.encodePacked("assay-srs-v1", tau)), uint256(2), log
        );
        head = abi.encodePacked(head, [uint256(1), 0, inputs, 1], [uint256(0), 1, 1, 1 + inputs], outputs, batch);
        p.key = bytes.concat(head, multiple(R - ALPHA), generator2(), tau);
        p.key = bytes.concat(p.key, multiple(1), multiple(2), multiple(3), multiple(4), tau);
        p.weights = multiple(WEIGHTS);
        for (uint256 i; i < inputs; ++i) {
            p.inputCommitments = bytes.concat(p.inputCommitments, multiple(INPUT + i));
        }
    }

    function generator2() internal pure returns (bytes memory) {
        return abi.encode(
            0x198e9393920d483a7260bfb731fb5d25f1aa493335a9e71297e485b7aef312c2,
            0x1800deef121f1e76426a00665e5c4479674322d4f75edadd46debd5cd992f6ed,
            0x090689d0585ff075ec9e99ad690c3395bc4b313370b38ef355acdadcd122975b,
            0x12c85ea5db8c6deb4aab71808dcb408fe3d1e7690c43d37b4ce6cc0166fa7daa
        );
    }

    /// @notice A multiple of the generator, 64 bytes.
    function multiple(uint256 scalar) internal view returns (bytes memory point) {
        return multipleOf(abi.encode(uint256(1), uint256(2)), scalar);
    }

    function multipleOf(bytes memory base, uint256 scalar) internal view returns (bytes memory point) {
        bool ok;
        (ok, point) = address(7).staticcall(abi.encodePacked(base, scalar));
        assertTrue(ok, "ecMul");
    }

    /// @dev What is on the way to a proof.
    struct Work {
        uint256[] point;
        uint256 folded; // the constant that all chunks fold to
        uint256 value;
        uint256 h;
        bytes32 transcript;
        uint256 alpha;
        uint256 inverse; // of z
        uint256 s;
        bytes step;
    }

    /// @param inputs scalar of each input's commitment
    function simulate(Proven memory p, uint256 weights, uint256[] memory inputs, bytes32 context, bytes memory output)
        internal
        view
        returns (bytes memory proof)
    {
        Work memory w;
        w.point = new uint256[](2 + wordAt(p.key, 4));
        for (uint256 i; i < w.point.length; ++i) {
            w.point[i] = 3 + 2 * i;
        }
        _fold(w, weights, inputs);
        bytes memory masked = bytes.concat(multiple(WITNESS), multiple(MASK));
        bytes memory commitments;
        for (uint256 i; i < inputs.length; ++i) {
            commitments = bytes.concat(commitments, multiple(inputs[i]));
        }
        bytes memory head = abi.encodePacked("assay-statement-v2", context, multiple(weights), commitments);
        bytes32 statement = keccak256(bytes.concat(head, output, masked));
        (uint256 binding, uint256 c) = _groth16(w, uint256(statement) % R, _sum(output));
        proof = abi.encodePacked(multiple(A), generator2(), multiple(c), BOUND, w.value, RHO, DELTA);
        proof = abi.encodePacked(proof, w.point, masked, _open(w, binding));
    }

    function _fold(Work memory w, uint256 weights, uint256[] memory inputs) private pure {
        uint256 sum = mulmod(RHO, MASK, R);
        for (uint256 j; j < inputs.length + 2; ++j) {
            uint256 cell = j == 0 ? weights : j <= inputs.length ? inputs[j - 1] : WITNESS;
            for (uint256 i = 2; i < w.point.length; ++i) {
                cell = mulmod(cell, j >> (i - 2) & 1 == 1 ? w.point[i] : addmod(1, R - w.point[i], R), R);
            }
            sum = addmod(sum, cell, R);
        }
        w.folded = sum;
        w.h = mulmod(sum, addmod(1, R - w.point[0], R), R);
        w.value = mulmod(w.h, addmod(1, R - w.point[1], R), R);
    }

    /// @dev `Σ δ^i (y_i + 2^15) + δ^n N`.
    function _sum(bytes memory output) private pure returns (uint256 sum) {
        uint256 last = output.length - 4;
        for (uint256 i; i < 4; ++i) {
            sum = sum << 8 | uint8(output[last + i]);
        }
        for (uint256 i = last; i > 0; i -= 2) {
            uint256 cell = uint256(uint8(output[i - 2])) << 8 | uint8(output[i - 1]);
            sum = addmod(mulmod(sum, DELTA, R), cell ^ 0x8000, R);
        }
    }

    function _groth16(Work memory w, uint256 statement, uint256 sum) private pure returns (uint256 binding, uint256 c) {
        uint256[] memory data = new uint256[](w.point.length + 5);
        (data[0], data[1], data[2]) = (statement, DELTA, sum);
        for (uint256 i; i < w.point.length; ++i) {
            data[3 + i] = w.point[i];
        }
        (data[data.length - 2], data[data.length - 1]) = (w.value, RHO);
        binding = uint256(keccak256(abi.encodePacked(data, BOUND)));
        (uint256 chi, uint256 h) = (binding % R, 0);
        for (uint256 i = data.length; i > 0; --i) {
            h = mulmod(addmod(h, data[i - 1], R), chi, R);
        }
        uint256 ic = addmod(1 + 2 * BOUND, addmod(mulmod(3, chi, R), mulmod(4, h, R), R), R);
        c = mulmod(addmod(A, R - addmod(ALPHA * BETA, ic, R), R), HALF, R);
    }

    /// @dev For the constant `F`: `g = F`, `q = 0`, `h` and `S` constant, `d = FX`.
    function _open(Work memory w, uint256 binding) private view returns (bytes memory) {
        uint256 f = w.folded;
        w.transcript = keccak256(abi.encodePacked("assay-opening-v2", binding));
        bytes memory proof = multiple(w.h);
        w.alpha = _squeeze(w, proof);
        w.step = bytes.concat(new bytes(64), multiple(f)); // q is zero
        uint256 gamma = _squeeze(w, w.step);
        proof = bytes.concat(proof, w.step);
        w.s = addmod(mulmod(f, w.point[0], R), mulmod(gamma, mulmod(w.h, w.point[1], R), R), R);
        w.step = bytes.concat(multiple(w.s), multiple(mulmod(2, f, R))); // τ = 2
        w.inverse = _inverse(_squeeze(w, w.step));
        proof = bytes.concat(proof, w.step);
        w.step = abi.encode(f, f, w.h, w.h, w.s, w.s);
        return bytes.concat(proof, _quotients(w, mulmod(_squeeze(w, w.step), f, R)), w.step);
    }

    /// @dev With the product of η and `F`.
    function _quotients(Work memory w, uint256 eta) private view returns (bytes memory) {
        bytes memory first = multiple(eta);
        uint256 x = _squeeze(w, first);
        uint256 last = mulmod(addmod(x, R - w.inverse, R), addmod(x, R - w.alpha, R), R);
        return bytes.concat(first, multiple(mulmod(eta, last, R)));
    }

    function _squeeze(Work memory w, bytes memory data) private pure returns (uint256) {
        w.transcript = keccak256(bytes.concat(w.transcript, data));
        return uint256(w.transcript) % R;
    }

    function _inverse(uint256 x) private view returns (uint256) {
        (bool ok, bytes memory y) = address(5).staticcall(abi.encode(uint256(32), uint256(32), uint256(32), x, R - 2, R));
        assertTrue(ok, "modExp");
        return abi.decode(y, (uint256));
    }
}
