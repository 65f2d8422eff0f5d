// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {IAssayVerifier} from "../src/interfaces/IAssayVerifier.sol";
import {Fixture, Proven} from "./utils/Fixture.sol";
import {Simulator} from "./utils/Simulator.sol";

/// @notice The verifier against one fixture. Every word of everything is altered in several ways; none may pass.
abstract contract VerifierSuite is Fixture {
    uint256 internal constant R = 0x30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001;
    uint256 internal constant Q = 0x30644e72e131a029b85045b68181585d97816a916871ca8d3c208c16d87cfd47;
    uint256 internal constant OPENING_WORDS = 20;

    IAssayVerifier internal verifier = IAssayVerifier(address(0xA5501));
    Proven internal p;
    address internal key;
    address internal weights;

    function path() internal pure virtual returns (string memory);

    function setUp() public {
        if (!vm.exists(path())) vm.skip(true);
        deployTo(address(verifier), artifact("AssayVerifier"));
        p = load(path());
        key = pointer(p.key);
        weights = pointer(p.weights);
    }

    function accepts(Proven memory x) internal returns (bool) {
        return accepts(pointer(x.key), pointer(x.weights), x);
    }

    /// @dev Gas is capped: a precompile that refuses a point burns all it gets.
    function accepts(address k, address w, Proven memory x) internal view returns (bool) {
        try verifier.verify{gas: 3_000_000}(k, w, x.context, x.inputCommitments, x.output, x.proof) returns (bool ok) {
            return ok;
        } catch {
            return false;
        }
    }

    function test_valid() public {
        assertTrue(accepts(p), "the honest proof");
        emit log_named_uint("verify gas", _gas());
    }

    function _gas() internal view returns (uint256 used) {
        Proven memory x = p;
        (address k, address w) = (key, weights);
        used = gasleft();
        verifier.verify(k, w, x.context, x.inputCommitments, x.output, x.proof);
        used -= gasleft();
    }

    /// @dev H1: +1, zero, all ones, plus r, plus q, and a swap with the next word, of every word of the proof.
    function test_tamperedProof() public view {
        uint256 count = p.proof.length / 32;
        for (uint256 i; i < count; ++i) {
            uint256 v = wordAt(p.proof, i);
            _rejectProof(withWord(p.proof, i, v ^ 1), i);
            _rejectProof(withWord(p.proof, i, 0), i);
            _rejectProof(withWord(p.proof, i, type(uint256).max), i);
            unchecked {
                _rejectProof(withWord(p.proof, i, v + R), i);
                _rejectProof(withWord(p.proof, i, v + Q), i);
                _rejectProof(withWord(p.proof, i, R - v), i);
                _rejectProof(withWord(p.proof, i, Q - v), i);
            }
            uint256 j = (i + 1) % count;
            _rejectProof(withWord(withWord(p.proof, i, wordAt(p.proof, j)), j, v), i);
        }
    }

    function _rejectProof(bytes memory proof, uint256 i) internal view {
        if (keccak256(proof) == keccak256(p.proof)) return; // nothing changed (a word that was zero)
        Proven memory x = p;
        x.proof = proof;
        if (accepts(key, weights, x)) revert NotTrue(string.concat("accepted: proof word ", vm.toString(i)));
    }

    /// @dev Whole points replaced by infinity, and one point by another.
    function test_pointsReplaced() public view {
        uint256 count = p.proof.length / 32;
        for (uint256 i; i + 1 < count; ++i) {
            _rejectProof(withWord(withWord(p.proof, i, 0), i + 1, 0), i);
            _rejectProof(withWord(withWord(p.proof, i, 1), i + 1, 2), i);
        }
    }

    /// @dev A chain without a precompile: the call succeeds and returns nothing, and the memory behind it is the caller's own input.
    function test_noPrecompile() public {
        for (uint160 i = 5; i < 9; ++i) {
            vm.mockCall(address(i), "", "");
            vm.expectRevert(IAssayVerifier.PrecompileFailed.selector);
            verifier.verify(key, weights, p.context, p.inputCommitments, p.output, p.proof);
            vm.clearMockedCalls();
        }
        vm.mockCall(address(8), "", abi.encode(uint256(2)));
        vm.expectRevert(IAssayVerifier.InvalidProof.selector);
        verifier.verify(key, weights, p.context, p.inputCommitments, p.output, p.proof);
        vm.clearMockedCalls();
        assertTrue(accepts(p), "with all of them");
    }

    function test_tamperedKey() public {
        uint256 count = p.key.length / 32;
        for (uint256 i; i < count; ++i) {
            // shape digest, SRS id and batch bind the key inside the circuit; the contract does not read them
            if (i == 1 || i == 2 || i == 14) continue;
            for (uint256 how; how < 2; ++how) {
                uint256 v = wordAt(p.key, i);
                uint256 altered = how == 0 ? v + 1 : v / 2;
                if (altered == v) continue;
                if (i >= 9 && i < 13 && wordAt(p.key, i - 4) == 0) continue; // where an empty region starts means nothing
                Proven memory x = p;
                x.key = withWord(p.key, i, altered);
                if (accepts(x)) revert NotTrue(string.concat("accepted: key word ", vm.toString(i)));
            }
        }
    }

    function test_tamperedWeights() public {
        for (uint256 i; i < p.weights.length / 32; ++i) {
            Proven memory x = p;
            x.weights = withWord(p.weights, i, wordAt(p.weights, i) ^ 1);
            assertTrue(!accepts(x), "weights");
        }
        if (p.weights.length >= 128) {
            Proven memory x = p;
            x.weights = withWord(withWord(p.weights, 0, wordAt(p.weights, 2)), 1, wordAt(p.weights, 3));
            assertTrue(!accepts(x), "PC4: a chunk for another");
        }
    }

    function test_tamperedInput() public view {
        for (uint256 i; i < p.inputCommitments.length / 32; ++i) {
            Proven memory x = p;
            x.inputCommitments = withWord(p.inputCommitments, i, wordAt(p.inputCommitments, i) ^ 1);
            assertTrue(!accepts(key, weights, x), "input");
            unchecked {
                x.inputCommitments = withWord(p.inputCommitments, i, wordAt(p.inputCommitments, i) + Q);
            }
            assertTrue(!accepts(key, weights, x), "input + q");
        }
        Proven memory y = p;
        y.inputCommitments = withWord(withWord(p.inputCommitments, 0, 1), 1, 2);
        assertTrue(!accepts(key, weights, y), "another point");
    }

    function test_tamperedOutput() public view {
        for (uint256 i; i < p.output.length; ++i) {
            for (uint256 bit; bit < 8; ++bit) {
                Proven memory x = p;
                x.output = bytes.concat(p.output);
                x.output[i] = bytes1(uint8(x.output[i]) ^ uint8(1 << bit));
                assertTrue(!accepts(key, weights, x), "output bit");
            }
        }
    }

    function testFuzz_context(bytes32 context) public view {
        vm.assume(context != p.context);
        Proven memory x = p;
        x.context = context;
        assertTrue(!accepts(key, weights, x), "context");
    }

    function testFuzz_proofByte(uint256 index, uint8 flip) public view {
        vm.assume(flip != 0);
        Proven memory x = p;
        x.proof = bytes.concat(p.proof);
        x.proof[index % x.proof.length] ^= bytes1(flip);
        assertTrue(!accepts(key, weights, x), "proof byte");
    }

    function universal() internal view returns (bool) {
        return wordAt(p.key, 0) == 3;
    }

    /// @dev Index of `D` in the proof; `s, ρ, δ, r*` follow.
    function scalars() internal view returns (uint256) {
        return universal() ? 40 : 8;
    }

    /// @dev Every scalar of the proof: values of polynomials, D, s, ρ, δ, r*, values of the opening.
    function test_scalarsPlusR() public {
        uint256 words = p.proof.length / 32;
        for (uint256 i = universal() ? 6 : 8; i < words; ++i) {
            if (i == scalars() + 4 + wordAt(p.key, 3) + wordAt(p.key, 4)) i = words - 6; // points
            bytes memory proof = withWord(p.proof, i, wordAt(p.proof, i) + R);
            vm.expectRevert(IAssayVerifier.ScalarOutOfRange.selector);
            verifier.verify(key, weights, p.context, p.inputCommitments, p.output, proof);
        }
    }

    /// @dev Coordinates are hashed and no longer compared: the precompile must refuse those of every kind of point that are not below q.
    function test_coordinatesPlusQ() public {
        uint256 witness = scalars() + 4 + wordAt(p.key, 3) + wordAt(p.key, 4);
        for (uint256 i = universal() ? 0 : witness; i < p.proof.length / 32 - 6; ++i) {
            if (universal() && i == 6) i = witness;
            bytes memory proof = withWord(p.proof, i, wordAt(p.proof, i) + Q);
            vm.expectRevert(IAssayVerifier.PrecompileFailed.selector);
            verifier.verify{gas: 3_000_000}(key, weights, p.context, p.inputCommitments, p.output, proof);
        }
        for (uint256 i; i < p.inputCommitments.length / 32; ++i) {
            bytes memory inputs = withWord(p.inputCommitments, i, wordAt(p.inputCommitments, i) + Q);
            vm.expectRevert(IAssayVerifier.PrecompileFailed.selector);
            verifier.verify{gas: 2_000_000}(key, weights, p.context, inputs, p.output, p.proof);
        }
        for (uint256 i; i < p.weights.length / 32; ++i) {
            address other = pointer(withWord(p.weights, i, wordAt(p.weights, i) + Q));
            vm.expectRevert(IAssayVerifier.PrecompileFailed.selector);
            verifier.verify{gas: 2_000_000}(key, other, p.context, p.inputCommitments, p.output, p.proof);
        }
        for (uint256 i = universal() ? 16 : 37; i < p.key.length / 32; ++i) {
            if (universal() && i >= 20 && i < 24) continue; // [τ]_2
            address other = pointer(withWord(p.key, i, wordAt(p.key, i) + Q));
            vm.expectRevert(IAssayVerifier.PrecompileFailed.selector);
            verifier.verify{gas: 2_000_000}(other, weights, p.context, p.inputCommitments, p.output, p.proof);
        }
    }

    /// @dev G1: the context has one form, though what is hashed would not be the same.
    function test_contextPlusR() public {
        vm.expectRevert(IAssayVerifier.ScalarOutOfRange.selector);
        verifier.verify(key, weights, bytes32(uint256(p.context) + R), p.inputCommitments, p.output, p.proof);
        vm.expectRevert(IAssayVerifier.ScalarOutOfRange.selector);
        verifier.verify(key, weights, bytes32(R), p.inputCommitments, p.output, p.proof);
    }

    function test_lengths() public {
        _expect(IAssayVerifier.InvalidLength.selector, 4, truncated(p.proof, p.proof.length - 1), p.output, p.inputCommitments);
        _expect(IAssayVerifier.InvalidLength.selector, 4, truncated(p.proof, p.proof.length - 32), p.output, p.inputCommitments);
        _expect(IAssayVerifier.InvalidLength.selector, 4, bytes.concat(p.proof, hex"00"), p.output, p.inputCommitments);
        _expect(IAssayVerifier.InvalidLength.selector, 4, "", p.output, p.inputCommitments);
        _expect(IAssayVerifier.InvalidLength.selector, 3, p.proof, truncated(p.output, p.output.length - 2), p.inputCommitments);
        _expect(IAssayVerifier.InvalidLength.selector, 3, p.proof, bytes.concat(p.output, hex"0000"), p.inputCommitments);
        _expect(IAssayVerifier.InvalidLength.selector, 2, p.proof, p.output, "");
        _expect(IAssayVerifier.InvalidLength.selector, 2, p.proof, p.output, bytes.concat(p.inputCommitments, p.inputCommitments));
    }

    function _expect(bytes4 selector, uint256 what, bytes memory proof, bytes memory output, bytes memory inputs) internal {
        vm.expectRevert(abi.encodeWithSelector(selector, what));
        verifier.verify(key, weights, p.context, inputs, output, proof);
    }

    function test_pointers() public {
        vm.expectRevert(IAssayVerifier.InvalidKey.selector);
        verifier.verify(address(0xdead), weights, p.context, p.inputCommitments, p.output, p.proof);
        vm.expectRevert(IAssayVerifier.InvalidKey.selector);
        verifier.verify(key, address(0xdead), p.context, p.inputCommitments, p.output, p.proof);
        vm.expectRevert(abi.encodeWithSelector(IAssayVerifier.InvalidLength.selector, 1));
        verifier.verify(key, key, p.context, p.inputCommitments, p.output, p.proof);
        address noStop = address(0xbeef);
        vm.etch(noStop, abi.encodePacked(hex"01", p.key));
        vm.expectRevert(IAssayVerifier.InvalidKey.selector);
        verifier.verify(noStop, weights, p.context, p.inputCommitments, p.output, p.proof);
        _refuseKey(bytes.concat(p.key, bytes32(0)));
        _refuseKey(truncated(p.key, p.key.length - 1));
        _refuseKey(truncated(p.key, 14 * 32));
        _refuseKey("");
        for (uint256 version; version < 6; ++version) {
            if (version != wordAt(p.key, 0)) _refuseKey(withWord(p.key, 0, version)); // the other wrap's as well
        }
        _refuseKey(withWord(p.key, 0, wordAt(p.key, 0) | 1 << 255));
        if (universal()) {
            _refuseKey(withWord(p.key, 15, 2));
            _refuseKey(withWord(p.key, 15, 26));
            _refuseKey(withWord(p.key, 15, type(uint256).max));
        }
    }

    function _refuseKey(bytes memory data) internal {
        address other = pointer(data);
        vm.expectRevert(IAssayVerifier.InvalidKey.selector);
        verifier.verify(other, weights, p.context, p.inputCommitments, p.output, p.proof);
    }

    function test_errors() public {
        uint256 s = scalars() + 1;
        vm.expectRevert(IAssayVerifier.ScalarOutOfRange.selector);
        verifier.verify(key, weights, p.context, p.inputCommitments, p.output, withWord(p.proof, s, R));
        if (!universal()) {
            vm.expectRevert(IAssayVerifier.InvalidPoint.selector);
            verifier.verify(key, weights, p.context, p.inputCommitments, p.output, withWord(p.proof, 7, wordAt(p.proof, 7) + Q));
        }
        vm.expectRevert(IAssayVerifier.InvalidProof.selector);
        verifier.verify(key, weights, p.context, p.inputCommitments, p.output, withWord(p.proof, s, wordAt(p.proof, s) ^ 1));
    }

    /// @dev A key whose regions reach beyond the last chunk is refused as such, whatever lies in memory there; where an empty one starts means nothing.
    function test_regions() public {
        uint256 chunks = 1 << wordAt(p.key, 4);
        for (uint256 region; region < 4; ++region) {
            uint256 count = wordAt(p.key, 5 + region);
            _refuseKey(withWord(p.key, 9 + region, chunks - count + 1));
            if (count > 0) continue;
            Proven memory x = p;
            x.key = withWord(p.key, 9 + region, chunks);
            assertTrue(accepts(x), "an empty region");
        }
    }

    /// @dev G12: the scalar that merges the two proofs' pairings is that of docs/protocol.md section 8. Honest proofs hold with any.
    function test_G12_mergeScalar() public {
        if (universal()) vm.skip(true);
        bytes memory opening = _slice(p.proof, p.proof.length - 32 * OPENING_WORDS, p.proof.length);
        (bytes32 binding, uint256 h) = _binding();
        bytes memory head = abi.encodePacked("assay-merge-v1", binding, h, _slice(p.proof, 0, 8 * 32));
        uint256 scalar = R - uint256(keccak256(bytes.concat(head, opening))) % R;
        vm.expectCall(address(7), abi.encodePacked(_slice(opening, 12 * 32, 14 * 32), scalar));
        assertTrue(accepts(key, weights, p), "the honest proof");
    }

    /// @dev `K` and `h` of section 8, out of the bytes that the verifier is given.
    function _binding() internal view returns (bytes32 binding, uint256 h) {
        uint256 variables = wordAt(p.key, 3) + wordAt(p.key, 4);
        bytes memory tables = _slice(p.key, 37 * 32, p.key.length);
        bytes memory committed = _slice(p.proof, 32 * (12 + variables), p.proof.length - 32 * OPENING_WORDS);
        bytes memory head = abi.encodePacked("assay-statement-v2", p.context, p.weights, tables, p.inputCommitments);
        uint256 statement = uint256(keccak256(bytes.concat(head, p.output, committed))) % R;
        bytes memory data = abi.encodePacked(statement, wordAt(p.proof, 11), _outputSum(wordAt(p.proof, 11)));
        data = abi.encodePacked(data, _slice(p.proof, 12 * 32, 32 * (12 + variables)), wordAt(p.proof, 9), wordAt(p.proof, 10));
        binding = keccak256(abi.encodePacked(data, wordAt(p.proof, 8)));
        for (uint256 i = data.length / 32; i > 0; --i) {
            h = mulmod(addmod(h, wordAt(data, i - 1), R), uint256(binding), R);
        }
    }

    function _outputSum(uint256 delta) internal view returns (uint256 sum) {
        uint256 cells = p.output.length / 2 - 2;
        sum = uint32(bytes4(_slice(p.output, 2 * cells, 2 * cells + 4)));
        for (uint256 i = cells; i > 0; --i) {
            uint256 cell = uint16(bytes2(_slice(p.output, 2 * i - 2, 2 * i)));
            sum = addmod(mulmod(sum, delta, R), cell ^ 0x8000, R);
        }
    }

    function _slice(bytes memory data, uint256 from, uint256 to) internal pure returns (bytes memory part) {
        part = new bytes(to - from);
        for (uint256 i; i < part.length; ++i) {
            part[i] = data[from + i];
        }
    }

    /// @dev H1: the call itself: selector, pointers, offsets, lengths and data, the first and the last byte of each word. Nothing is ignored but what
    /// fills the output up to whole words, and what follows after the end.
    function test_H1_calldata() public view {
        bytes memory data =
            abi.encodeCall(verifier.verify, (key, weights, p.context, p.inputCommitments, p.output, p.proof));
        assertTrue(_called(data), "the honest call");
        uint256 filling = 4 + 32 * 6 + 32 + p.inputCommitments.length + 32 + p.output.length; // where the output ends
        uint256 filled = filling + (32 - p.output.length % 32) % 32;
        assertEq(data.length, filled + 32 + p.proof.length, "the whole call");
        for (uint256 i; i < data.length; ++i) {
            uint256 place = i < 4 ? 0 : (i - 4) % 32;
            if (place != 0 && place != 31) continue;
            bytes1 before = data[i];
            data[i] = before ^ (place == 0 ? bytes1(0x80) : bytes1(0x01));
            if (_called(data) != (i >= filling && i < filled)) {
                revert NotTrue(string.concat("calldata byte ", vm.toString(i)));
            }
            data[i] = before;
        }
        assertTrue(!_called(truncated(data, data.length - 1)) && !_called(truncated(data, 4)), "truncated");
        assertTrue(_called(bytes.concat(data, hex"01")), "what follows is not read");
    }

    /// @dev G5: the caller chooses where in the call the output lies; cells are read in fours from its end, wherever that is.
    function test_unalignedOutput() public view {
        bytes memory data = abi.encodeCall(verifier.verify, (key, weights, p.context, p.inputCommitments, p.output, p.proof));
        for (uint256 shift; shift < 8; ++shift) {
            bytes memory moved = bytes.concat(data, new bytes(shift), bytes32(p.output.length), p.output, new bytes(32));
            uint256 offset = data.length - 4 + shift;
            assembly ("memory-safe") {
                mstore(add(moved, 0xa4), offset) // the fifth word of the arguments
            }
            assertTrue(_called(moved), "an output that is not aligned");
        }
    }

    function _called(bytes memory data) private view returns (bool) {
        (bool ok, bytes memory answer) = address(verifier).staticcall{gas: 3_000_000}(data);
        return ok && answer.length == 32 && abi.decode(answer, (bool));
    }

    /// @dev G3: Groth16 proofs are malleable: (-A, -B, C) proves the same statement in the same context. It passes here, and it is the
    /// market that pays a job once, whatever the bytes.
    function test_negatedPairIsTheSameStatement() public {
        if (universal()) vm.skip(true);
        bytes memory proof = withWord(p.proof, 1, Q - wordAt(p.proof, 1));
        proof = withWord(withWord(proof, 4, Q - wordAt(p.proof, 4)), 5, Q - wordAt(p.proof, 5));
        Proven memory x = p;
        x.proof = proof;
        assertTrue(accepts(key, weights, x), "the same statement");
    }
}

contract SmallVerifierTest is VerifierSuite {
    function path() internal pure override returns (string memory) {
        return SMALL;
    }
}

contract BatchVerifierTest is VerifierSuite {
    function path() internal pure override returns (string memory) {
        return BATCH;
    }
}

contract JointVerifierTest is VerifierSuite {
    function path() internal pure override returns (string memory) {
        return JOINT;
    }
}

contract LenetVerifierTest is VerifierSuite {
    function path() internal pure override returns (string memory) {
        return LENET;
    }
}

/// @notice A shape whose chunks fill the whole of `2^k`: the last one may be the last that there is.
contract FullShapeTest is Simulator {
    function test_lastChunk() public {
        IAssayVerifier verifier = IAssayVerifier(address(0xA5502));
        deployTo(address(verifier), artifact("AssayVerifier"));
        Proven memory p = simulated(2, 3, 0);
        p.key = withWord(p.key, 4, 2); // weights, two inputs, witness: four chunks
        uint256[] memory inputs = new uint256[](2);
        (inputs[0], inputs[1]) = (INPUT, INPUT + 1);
        p.output = hex"0001000200030000002a";
        bytes memory proof = simulate(p, WEIGHTS, inputs, p.context, p.output);
        assertTrue(verifier.verify(pointer(p.key), pointer(p.weights), p.context, p.inputCommitments, p.output, proof), "a full shape");
    }
}
