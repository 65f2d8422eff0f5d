// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {Clones} from "@openzeppelin/contracts/proxy/Clones.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {IKeyRegistry} from "../../interfaces/IKeyRegistry.sol";
import {IModelRegistry} from "../../interfaces/IModelRegistry.sol";
import {Statements} from "../../lib/Statements.sol";

/// @notice What an evaluator calls of an ERC-8183 escrow.
interface IERC8183Evaluated {
    function complete(uint256 jobId, bytes32 reason, bytes calldata optParams) external;
}

/// @title The evaluator of an ERC-8183 job that is done when an inference is proven.
/// @notice A client creates a job in any ERC-8183 escrow with the address that `ProofEvaluatorFactory.addressOf` gives for model, key and input. Terms
/// and escrow are in that address, so nobody, the client included, changes what completes the job. The provider submits, and
/// anyone brings the proof; without one the client is refunded after the job's expiry, as the standard has it.
/// @dev Completes, and never rejects. The proof is bound to chain, evaluator, escrow and job.
contract ProofEvaluator {
    using SafeERC20 for IERC20;

    /// @param escrow the one that jobs are completed in
    /// @param terms what has to be proven
    /// @param feeReceiver gets the fee that an escrow may pay its evaluators
    struct Arguments {
        IERC8183Evaluated escrow;
        Statements.Terms terms;
        address feeReceiver;
    }

    IKeyRegistry public immutable keys;
    IModelRegistry public immutable models;

    /// @param output cells, and the number of clamps
    event Proven(address indexed escrow, uint256 indexed jobId, bytes output);

    constructor(IKeyRegistry keys_, IModelRegistry models_) {
        (keys, models) = (keys_, models_);
    }

    /// @notice Anyone: completes a submitted job with the proof that it asks for. The reason that the escrow records is the output's Keccak-256.
    function complete(uint256 jobId, Statements.Claim calldata claim) external {
        Arguments memory own = arguments();
        Statements.check(keys, models, own.terms, contextOf(jobId), claim);
        emit Proven(address(own.escrow), jobId, claim.output);
        own.escrow.complete(jobId, keccak256(claim.output), "");
    }

    /// @notice Anyone: passes on what escrows have paid to this evaluator.
    function passFee(IERC20 token) external {
        token.safeTransfer(arguments().feeReceiver, token.balanceOf(address(this)));
    }

    /// @notice Binding context of a job's proof: `keccak256(abi.encode(chainid, evaluator, escrow, jobId)) mod r`.
    function contextOf(uint256 jobId) public view returns (bytes32) {
        return Statements.context(abi.encode(block.chainid, address(this), arguments().escrow, jobId));
    }

    function arguments() public view returns (Arguments memory) {
        return abi.decode(Clones.fetchCloneArgs(address(this)), (Arguments));
    }
}
