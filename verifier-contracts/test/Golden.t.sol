// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {IModelRegistry} from "../src/interfaces/IModelRegistry.sol";
import {VerifierSuite} from "./AssayVerifier.t.sol";
import {LifecycleSuite} from "./Lifecycle.t.sol";

/// @notice The whole suite on a proof that the Rust prover made of a real model.
contract GoldenVerifierTest is VerifierSuite {
    function path() internal pure override returns (string memory) {
        return GOLDEN;
    }
}

/// @notice fund → lock → settle with the golden proof, whose context is that of test/fixtures/order.json.
contract GoldenLifecycleTest is LifecycleSuite {
    function path() internal pure override returns (string memory) {
        return GOLDEN;
    }
}

/// @notice The same for 64 inferences of one buyer in one proof.
contract GoldenJointLifecycleTest is LifecycleSuite {
    function path() internal pure override returns (string memory) {
        return GOLDEN_JOINT;
    }
}

contract UniversalVerifierTest is VerifierSuite {
    function path() internal pure override returns (string memory) {
        return UNIVERSAL;
    }

    /// @dev Deployed once for all models, so its size is a cost and a limit (24,576).
    function test_size() public {
        assertTrue(address(verifier).code.length <= 16_384, "the verifier's code");
        emit log_named_uint("verifier bytes", address(verifier).code.length);
    }
}

contract UniversalSmallVerifierTest is VerifierSuite {
    function path() internal pure override returns (string memory) {
        return UNIVERSAL_SMALL;
    }
}

contract UniversalLifecycleTest is LifecycleSuite {
    function path() internal pure override returns (string memory) {
        return UNIVERSAL;
    }

    /// @dev What a seller pays to offer a model, and, once for a shape, what its key costs.
    function test_registerGas() public {
        IModelRegistry.Registration memory r;
        r.shapeDigest = bytes32(wordAt(proven.key, 1));
        r.weightCommitments = withWord(withWord(proven.weights, 0, 1), 1, 2); // proven.weights are listed
        r.uri = "ipfs://bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi";
        r.cardHash = keccak256("card");
        r.royaltyBps = 250;
        r.split = split;
        bytes memory data = abi.encodeCall(models.commitRegistration, (models.registrationCommitment(STRANGER, r)));
        vm.cool(MODELS);
        uint256 used = intrinsicGas(data) + gasOf(MODELS, data);
        emit log_named_uint("commitRegistration gas, all in", used);
        assertTrue(used <= 50_000, "its commitment");
        data = abi.encodeCall(models.register, (r));
        vm.cool(MODELS);
        vm.prank(STRANGER); // who has no model yet
        used = intrinsicGas(data) + gasOf(MODELS, data);
        emit log_named_uint("register gas, all in", used);
        assertTrue(used <= 450_000, "a model");

        bytes memory key = withWord(proven.key, 1, uint256(keccak256("another shape")));
        data = abi.encodeCall(keys.propose, (key));
        vm.cool(KEYS);
        used = intrinsicGas(data) + gasOf(KEYS, data);
        emit log_named_uint("propose gas, all in", used);
        assertTrue(used <= 400_000, "a key");
    }
}

contract UniversalJointLifecycleTest is LifecycleSuite {
    function path() internal pure override returns (string memory) {
        return UNIVERSAL_JOINT;
    }
}
