// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {IKeyRegistry} from "../../interfaces/IKeyRegistry.sol";
import {IModelRegistry} from "../../interfaces/IModelRegistry.sol";
import {Statements} from "../../lib/Statements.sol";

/// @notice What a validator calls of an ERC-8004 validation registry.
interface IERC8004ValidationResponse {
    function validationResponse(
        bytes32 requestHash,
        uint8 response,
        string calldata responseURI,
        bytes32 responseHash,
        string calldata tag
    ) external;
}

/// @title A validator of ERC-8004 that answers with proofs.
/// @notice An agent asks its validation registry for a validation by this contract, under `requestHashOf(registry, terms, nonce)`. Anyone who brings
/// a proof for those terms has the registry record 100 of 100. Nothing else is ever answered, so that nobody can spoil a request.
contract ProofValidator {
    string public constant TAG = "assay-zkml";

    IKeyRegistry public immutable keys;
    IModelRegistry public immutable models;

    constructor(IKeyRegistry keys_, IModelRegistry models_) {
        (keys, models) = (keys_, models_);
    }

    /// @notice Anyone: proves what a request asks for. The response's hash is the output's Keccak-256.
    function respond(
        IERC8004ValidationResponse registry,
        Statements.Terms calldata terms,
        bytes32 nonce,
        Statements.Claim calldata claim
    ) external {
        bytes32 requestHash = requestHashOf(registry, terms, nonce);
        Statements.check(keys, models, terms, contextOf(requestHash), claim);
        registry.validationResponse(requestHash, 100, "", keccak256(claim.output), TAG);
    }

    /// @notice What a request for a proof under these terms is filed as. It names chain, registry and this contract.
    /// @param nonce of the agent's choice, so that it can ask the same twice
    function requestHashOf(IERC8004ValidationResponse registry, Statements.Terms calldata terms, bytes32 nonce)
        public
        view
        returns (bytes32)
    {
        return keccak256(abi.encode(block.chainid, registry, address(this), terms, nonce));
    }

    /// @notice Binding context of a request's proof.
    function contextOf(bytes32 requestHash) public pure returns (bytes32) {
        return Statements.context(abi.encode("ERC-8004", requestHash));
    }
}
