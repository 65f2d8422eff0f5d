// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {IAssayVerifier} from "./IAssayVerifier.sol";
import {IAttestors} from "./IAttestors.sol";

/// @title Verifying keys of circuit shapes.
/// @notice A key belongs to (shape digest, wrap, SRS id, batch) and its bytes never change. Anyone proposes one; `threshold` attestors, each having
/// recomputed it, attest its hash; a timelock leaves room for vetoes. Sellers have no say in keys.
/// @dev Trust: `threshold` colluding attestors can admit a false key once the vetoes of the others have run out, before any job uses it. Each attestor
/// can veto a key once, before it is admitted: a veto raises the number of attestations needed by one, for `VETO_SECS`. Nobody can change an admitted
/// key; proven equivocation freezes it for new jobs, and attestors can restore it where the weights were to blame.
interface IKeyRegistry is IAttestors {
    enum Status {
        Unknown,
        Proposed,
        Admitted,
        Frozen
    }

    /// @param pointer contract whose code holds the key bytes (after one zero byte)
    /// @param weightChunks number of weight commitments that the shape takes
    /// @param attestations number of attestors who had attested when the last one did; those of today are counted anew for admission
    /// @param readyAt unix seconds from which the key can be admitted; 0 while attestations are missing
    /// @param development made from a known trapdoor: worthless as evidence, for tests only
    /// @param batch log2 of the number of inferences in a proof, plus 256 if each has input chunks of its own
    /// @param shapeDigest the model digest: the same for every batch
    struct Key {
        address pointer;
        Status status;
        uint16 weightChunks;
        uint8 attestations;
        uint40 readyAt;
        bool development;
        uint16 batch;
        bytes32 shapeDigest;
        bytes32 srsId;
    }

    /// @notice What funding a job takes of a key.
    struct Terms {
        address pointer;
        uint16 weightChunks;
        uint16 batch;
        bytes32 shapeDigest;
    }

    /// @notice One half of an equivocation: what a proof said.
    struct Claim {
        bytes32 context;
        bytes output;
        bytes proof;
    }

    event KeyProposed(
        bytes32 indexed keyHash, bytes32 indexed shapeDigest, bytes32 indexed srsId, uint16 batch, address proposer, address pointer
    );
    event KeyAttested(bytes32 indexed keyHash, address indexed attestor, bool development);
    event KeyVetoed(bytes32 indexed keyHash, address indexed attestor);
    event KeyAdmitted(
        bytes32 indexed keyHash, bytes32 indexed shapeDigest, bytes32 indexed srsId, uint16 batch, bytes32 wrap, bool development
    );
    event KeyFrozen(bytes32 indexed keyHash, address indexed reporter);
    event KeyRestored(bytes32 indexed keyHash, bytes32 indexed weightsHash);

    /// @notice Outside development a key needs two attestors and a timelock.
    error WeakGovernance();
    error InvalidKey(uint256 reason);
    error KeyKnown(bytes32 keyHash);
    error NotProposed(bytes32 keyHash);
    error NotAdmitted(bytes32 keyHash);
    error NotFrozen(bytes32 keyHash);
    error AlreadyAttested(bytes32 keyHash, address attestor);
    error AlreadyVetoed(bytes32 keyHash, address attestor);
    error NotReady(bytes32 keyHash, uint256 readyAt);
    /// @notice Vetoes count, or an attestor who attested was replaced.
    error TooFewAttestations(bytes32 keyHash, uint256 have, uint256 need);
    error Excused(bytes32 keyHash, bytes32 weightsHash);
    error DevelopmentKey(bytes32 keyHash);
    error SlotTaken(bytes32 slot, bytes32 keyHash);
    error SameOutput();

    /// @notice Stores a key for attestation, after checking that its bytes are well formed.
    /// @param key key bytes of docs/protocol.md section 8 or 9
    /// @return keyHash their Keccak-256
    function propose(bytes calldata key) external returns (bytes32 keyHash);

    /// @notice Attestor only: "I recomputed this key". Admits it at once if that was the last attestation needed and there is no timelock.
    /// @param development true where the attestor knows that the key comes from a known trapdoor; one such attestation marks the key, and in a registry
    /// that admits no development keys it is a veto
    function attest(bytes32 keyHash, bool development) external;

    /// @notice Attestor only, once for a key that is not admitted yet: it needs one attestation more for the next `VETO_SECS`.
    function veto(bytes32 keyHash) external;

    /// @notice Anyone: admits a key with enough attestations of today's attestors whose timelock has passed. Its slot is free, or has a frozen key.
    function admit(bytes32 keyHash) external;

    /// @notice Anyone: two valid proofs for the same key, weights and input with different outputs freeze the key: no new jobs, funded ones go on.
    function reportEquivocation(
        bytes32 keyHash,
        address weightsPointer,
        bytes calldata inputCommitments,
        Claim calldata first,
        Claim calldata second
    ) external;

    /// @notice Attestor only: the contradiction that froze the key is the fault of those weights, and the key can be used again.
    function approveRestoration(bytes32 keyHash) external;

    /// @notice Anyone: restores a frozen key, if `threshold` attestors approved it and the timelock has passed. The same weights do not freeze it again.
    function restore(bytes32 keyHash) external;

    /// @notice Attestations that a key needs now: the threshold, and one for each veto that counts.
    function attestationsNeeded(bytes32 keyHash) external view returns (uint256);

    /// @notice The contract that reads these keys.
    function verifier() external view returns (IAssayVerifier);

    /// @notice The record of a key; all zero if unknown.
    function key(bytes32 keyHash) external view returns (Key memory);

    /// @notice Key hash admitted for a slot, zero if none.
    /// @param wrap "groth16-bn254" for keys of version 2, "plonk-kzg-bn254" for those of version 3
    function keyHashOf(bytes32 shapeDigest, bytes32 wrap, bytes32 srsId, uint16 batch) external view returns (bytes32);

    /// @notice The record of an admitted key that is not frozen; reverts `NotAdmitted` otherwise.
    function admittedKey(bytes32 keyHash) external view returns (Key memory);

    /// @notice The part of `admittedKey` that funding reads.
    function admittedTerms(bytes32 keyHash) external view returns (Terms memory);
}
