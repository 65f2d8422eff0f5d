// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

/// @title Verifying keys of circuit shapes.
/// @notice A key belongs to (shape digest, wrap, SRS id, batch) and is immutable once admitted. Anyone proposes one; `threshold` of a fixed set of
/// attestors, each having recomputed it, attest its hash; a timelock leaves room for a veto. Sellers have no say in keys.
/// @dev Trust: `threshold` colluding attestors who are not vetoed can admit a false key, before any job uses it. A single attestor can veto a
/// key that is not admitted yet, and can do nothing else. Nobody can change or remove an admitted key; proven equivocation freezes it.
interface IKeyRegistry {
    enum Status {
        Unknown,
        Proposed,
        Admitted,
        Vetoed,
        Frozen
    }

    /// @param pointer contract whose code holds the key bytes (after one zero byte)
    /// @param weightChunks number of weight commitments that the shape takes
    /// @param attestations number of attestors who attested
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

    error InvalidAttestors();
    error InvalidKey(uint256 reason);
    error KeyKnown(bytes32 keyHash);
    error NotProposed(bytes32 keyHash);
    error NotAdmitted(bytes32 keyHash);
    error NotAttestor(address account);
    error AlreadyAttested(bytes32 keyHash, address attestor);
    error NotReady(bytes32 keyHash, uint256 readyAt);
    error DevelopmentKey(bytes32 keyHash);
    error SlotTaken(bytes32 slot, bytes32 keyHash);
    error SameOutput();

    /// @notice Stores a key for attestation, after checking that its bytes are well formed.
    /// @param key key bytes of docs/protocol.md section 8 or 9
    /// @return keyHash their Keccak-256
    function propose(bytes calldata key) external returns (bytes32 keyHash);

    /// @notice Attestor only: "I recomputed this key". Admits it at once if that was the last attestation needed and there is no timelock.
    /// @param development true where the attestor knows that the key comes from a known trapdoor; one such attestation marks the key
    function attest(bytes32 keyHash, bool development) external;

    /// @notice Attestor only: refuses a key that is not admitted yet, for good.
    function veto(bytes32 keyHash) external;

    /// @notice Anyone: admits a key with enough attestations whose timelock has passed.
    function admit(bytes32 keyHash) external;

    /// @notice Anyone: two valid proofs for the same key, weights and input with different outputs show that the key is broken, and freeze it.
    function reportEquivocation(
        bytes32 keyHash,
        address weightsPointer,
        bytes calldata inputCommitments,
        Claim calldata first,
        Claim calldata second
    ) external;

    /// @notice The record of a key; all zero if unknown.
    function key(bytes32 keyHash) external view returns (Key memory);

    /// @notice Key hash admitted for a slot, zero if none.
    /// @param wrap "groth16-bn254" for keys of version 2, "plonk-kzg-bn254" for those of version 3
    function keyHashOf(bytes32 shapeDigest, bytes32 wrap, bytes32 srsId, uint16 batch) external view returns (bytes32);

    /// @notice The record of an admitted key that is not frozen; reverts `NotAdmitted` otherwise.
    function admittedKey(bytes32 keyHash) external view returns (Key memory);
}
