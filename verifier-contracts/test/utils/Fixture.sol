// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {Test} from "./Test.sol";

/// @notice A statement with its proof, out of a JSON file.
struct Proven {
    bytes key;
    bytes weights;
    bytes32 context;
    bytes inputCommitments;
    bytes output;
    bytes proof;
}

abstract contract Fixture is Test {
    string internal constant SMALL = "test/fixtures/simulated-small.json";
    string internal constant LENET = "test/fixtures/simulated-lenet.json";
    string internal constant BATCH = "test/fixtures/simulated-batch.json"; // 4 inferences, separate inputs of 2 chunks
    string internal constant JOINT = "test/fixtures/simulated-joint.json"; // 4 inferences
    string internal constant GOLDEN = "../fixtures/golden/wrapped.json";
    string internal constant GOLDEN_JOINT = "../fixtures/golden/batch_joint.json";
    string internal constant GOLDEN_SEPARATE = "../fixtures/golden/batch_separate.json";

    string internal constant UNIVERSAL = "../fixtures/golden/universal.json";
    string internal constant UNIVERSAL_JOINT = "../fixtures/golden/universal_joint.json";
    string internal constant UNIVERSAL_SEPARATE = "../fixtures/golden/universal_separate.json";
    string internal constant UNIVERSAL_SMALL = "../fixtures/golden/universal_small.json"; // 4 inferences, separate inputs

    function load(string memory path) internal view returns (Proven memory p) {
        string memory json = vm.readFile(path);
        p.key = vm.parseJsonBytes(json, ".key");
        p.weights = vm.parseJsonBytes(json, ".weights");
        p.context = vm.parseJsonBytes32(json, ".context");
        p.inputCommitments = vm.parseJsonBytes(json, ".inputCommitments");
        p.output = vm.parseJsonBytes(json, ".output");
        p.proof = vm.parseJsonBytes(json, ".proof");
    }

    /// @notice The second proof of a simulated fixture: same key, weights and input, another context and output. Of a batch of separate inputs it
    /// is for all but the last job.
    function loadOther(string memory path) internal view returns (Proven memory p) {
        p = load(path);
        string memory json = vm.readFile(path);
        p.context = vm.parseJsonBytes32(json, ".otherContext");
        p.output = vm.parseJsonBytes(json, ".otherOutput");
        p.proof = vm.parseJsonBytes(json, ".otherProof");
    }

    /// @notice Puts bytes behind a STOP byte at an address.
    function pointer(bytes memory data) internal returns (address where) {
        where = address(uint160(uint256(keccak256(abi.encodePacked("pointer", data)))));
        vm.etch(where, abi.encodePacked(hex"00", data));
    }

    function wordAt(bytes memory data, uint256 index) internal pure returns (uint256 value) {
        assembly ("memory-safe") {
            value := mload(add(add(data, 0x20), mul(0x20, index)))
        }
    }

    /// @notice A copy with word `index` replaced.
    function withWord(bytes memory data, uint256 index, uint256 value) internal pure returns (bytes memory copy) {
        copy = bytes.concat(data);
        assembly ("memory-safe") {
            mstore(add(add(copy, 0x20), mul(0x20, index)), value)
        }
    }

    function truncated(bytes memory data, uint256 length) internal pure returns (bytes memory copy) {
        copy = bytes.concat(data);
        assembly ("memory-safe") {
            mstore(copy, length)
        }
    }
}
