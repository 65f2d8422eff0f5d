// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {Clones} from "@openzeppelin/contracts/proxy/Clones.sol";
import {IKeyRegistry} from "../../interfaces/IKeyRegistry.sol";
import {IModelRegistry} from "../../interfaces/IModelRegistry.sol";
import {ProofEvaluator} from "./ProofEvaluator.sol";

/// @title Makes evaluators.
contract ProofEvaluatorFactory {
    address public immutable implementation;

    event EvaluatorCreated(address indexed evaluator, ProofEvaluator.Arguments arguments);

    error ZeroAddress();

    constructor(IKeyRegistry keys, IModelRegistry models) {
        implementation = address(new ProofEvaluator(keys, models));
    }

    /// @notice Anyone: makes the evaluator of these terms, or finds it. Needed only before the first job is completed.
    function create(ProofEvaluator.Arguments calldata arguments) external returns (address evaluator) {
        if (address(arguments.escrow) == address(0) || arguments.feeReceiver == address(0)) revert ZeroAddress();
        evaluator = addressOf(arguments);
        if (evaluator.code.length != 0) return evaluator;
        Clones.cloneDeterministicWithImmutableArgs(implementation, abi.encode(arguments), 0);
        emit EvaluatorCreated(evaluator, arguments);
    }

    /// @notice Where the evaluator of these terms is, or will be.
    function addressOf(ProofEvaluator.Arguments calldata arguments) public view returns (address) {
        return Clones.predictDeterministicAddressWithImmutableArgs(implementation, abi.encode(arguments), 0);
    }
}
