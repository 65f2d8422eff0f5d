// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

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

    function budget() internal pure override returns (uint256) {
        return 64 * 15_000;
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
}

contract UniversalJointLifecycleTest is LifecycleSuite {
    function path() internal pure override returns (string memory) {
        return UNIVERSAL_JOINT;
    }

    function budget() internal pure override returns (uint256) {
        return 64 * 15_000;
    }
}
