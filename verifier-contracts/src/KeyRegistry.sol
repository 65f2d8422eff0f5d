// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {IAssayVerifier} from "./interfaces/IAssayVerifier.sol";
import {IKeyRegistry} from "./interfaces/IKeyRegistry.sol";
import {Code} from "./lib/Code.sol";
import {KeyFormat} from "./lib/KeyFormat.sol";

/// @notice See `IKeyRegistry`.
contract KeyRegistry is IKeyRegistry {
    bytes32 private constant GROTH16 = "groth16-bn254";
    bytes32 private constant UNIVERSAL = "plonk-kzg-bn254";

    IAssayVerifier public immutable verifier;
    /// @notice Attestations that a key needs.
    uint256 public immutable threshold;
    /// @notice Seconds between the last attestation needed and admission.
    uint256 public immutable timelockSecs;
    /// @notice Whether keys with a known trapdoor are admitted: never where real money moves.
    bool public immutable allowDevelopment;

    mapping(address account => bool) public isAttestor;
    mapping(bytes32 srsId => bool) public isDevelopmentSrs;
    mapping(bytes32 keyHash => mapping(address attestor => bool)) public attested;
    mapping(bytes32 keyHash => Key) private _keys;
    mapping(bytes32 slot => bytes32 keyHash) private _slots;

    /// @param attestors fixed set, distinct and not zero
    /// @param developmentSrs SRS ids whose trapdoor is known; keys over them are development keys whoever attests them
    constructor(
        IAssayVerifier verifier_,
        address[] memory attestors,
        uint256 threshold_,
        uint256 timelockSecs_,
        bool allowDevelopment_,
        bytes32[] memory developmentSrs
    ) {
        if (threshold_ == 0 || threshold_ > attestors.length || attestors.length > 255) revert InvalidAttestors();
        if (address(verifier_).code.length == 0 || timelockSecs_ > 365 days) revert InvalidAttestors();
        for (uint256 i; i < attestors.length; ++i) {
            if (attestors[i] == address(0) || isAttestor[attestors[i]]) revert InvalidAttestors();
            isAttestor[attestors[i]] = true;
        }
        for (uint256 i; i < developmentSrs.length; ++i) {
            isDevelopmentSrs[developmentSrs[i]] = true;
        }
        verifier = verifier_;
        threshold = threshold_;
        timelockSecs = timelockSecs_;
        allowDevelopment = allowDevelopment_;
    }

    modifier onlyAttestor() {
        if (!isAttestor[msg.sender]) revert NotAttestor(msg.sender);
        _;
    }

    /// @inheritdoc IKeyRegistry
    function propose(bytes calldata keyBytes) external returns (bytes32 keyHash) {
        bytes memory data = keyBytes;
        uint256 reason = KeyFormat.check(data);
        if (reason != 0) revert InvalidKey(reason);
        keyHash = keccak256(data);
        Key storage record = _keys[keyHash];
        if (record.status != Status.Unknown) revert KeyKnown(keyHash);
        record.pointer = Code.write(data);
        record.status = Status.Proposed;
        record.weightChunks = uint16(KeyFormat.word(data, 5));
        record.batch = uint16(KeyFormat.word(data, KeyFormat.BATCH));
        record.shapeDigest = bytes32(KeyFormat.word(data, 1));
        record.srsId = bytes32(KeyFormat.word(data, 2));
        record.development = isDevelopmentSrs[record.srsId];
        emit KeyProposed(keyHash, record.shapeDigest, record.srsId, record.batch, msg.sender, record.pointer);
    }

    /// @inheritdoc IKeyRegistry
    function attest(bytes32 keyHash, bool development) external onlyAttestor {
        Key storage record = _proposed(keyHash);
        if (attested[keyHash][msg.sender]) revert AlreadyAttested(keyHash, msg.sender);
        attested[keyHash][msg.sender] = true;
        record.attestations += 1;
        if (development) record.development = true;
        emit KeyAttested(keyHash, msg.sender, development);
        if (record.attestations == threshold) {
            record.readyAt = uint40(block.timestamp + timelockSecs);
            if (timelockSecs == 0) _admit(keyHash, record);
        }
    }

    /// @inheritdoc IKeyRegistry
    function veto(bytes32 keyHash) external onlyAttestor {
        _proposed(keyHash).status = Status.Vetoed;
        emit KeyVetoed(keyHash, msg.sender);
    }

    /// @inheritdoc IKeyRegistry
    function admit(bytes32 keyHash) external {
        _admit(keyHash, _proposed(keyHash));
    }

    /// @inheritdoc IKeyRegistry
    function reportEquivocation(
        bytes32 keyHash,
        address weightsPointer,
        bytes calldata inputCommitments,
        Claim calldata first,
        Claim calldata second
    ) external {
        Key storage record = _keys[keyHash];
        if (record.status != Status.Admitted) revert NotAdmitted(keyHash);
        if (keccak256(first.output) == keccak256(second.output)) revert SameOutput();
        verifier.verify(record.pointer, weightsPointer, first.context, inputCommitments, first.output, first.proof);
        verifier.verify(record.pointer, weightsPointer, second.context, inputCommitments, second.output, second.proof);
        record.status = Status.Frozen;
        emit KeyFrozen(keyHash, msg.sender);
    }

    /// @inheritdoc IKeyRegistry
    function key(bytes32 keyHash) external view returns (Key memory) {
        return _keys[keyHash];
    }

    /// @inheritdoc IKeyRegistry
    function keyHashOf(bytes32 shapeDigest, bytes32 wrap, bytes32 srsId, uint16 batch) external view returns (bytes32) {
        return _slots[_slot(shapeDigest, wrap, srsId, batch)];
    }

    /// @inheritdoc IKeyRegistry
    function admittedKey(bytes32 keyHash) external view returns (Key memory) {
        if (_keys[keyHash].status != Status.Admitted) revert NotAdmitted(keyHash);
        return _keys[keyHash];
    }

    function _proposed(bytes32 keyHash) private view returns (Key storage record) {
        record = _keys[keyHash];
        if (record.status != Status.Proposed) revert NotProposed(keyHash);
    }

    function _admit(bytes32 keyHash, Key storage record) private {
        if (record.attestations < threshold || block.timestamp < record.readyAt) revert NotReady(keyHash, record.readyAt);
        if (record.development && !allowDevelopment) revert DevelopmentKey(keyHash);
        bytes32 wrap = _wrap(record.pointer);
        bytes32 slot = _slot(record.shapeDigest, wrap, record.srsId, record.batch);
        if (_slots[slot] != 0) revert SlotTaken(slot, _slots[slot]);
        _slots[slot] = keyHash;
        record.status = Status.Admitted;
        emit KeyAdmitted(keyHash, record.shapeDigest, record.srsId, record.batch, wrap, record.development);
    }

    /// @dev By the version: word 0 of the key, after a zero byte.
    function _wrap(address pointer) private view returns (bytes32) {
        uint256 version;
        assembly ("memory-safe") {
            extcodecopy(pointer, 0, 1, 0x20)
            version := mload(0)
        }
        return version == KeyFormat.UNIVERSAL ? UNIVERSAL : GROTH16;
    }

    function _slot(bytes32 shapeDigest, bytes32 wrap, bytes32 srsId, uint16 batch) private pure returns (bytes32) {
        return keccak256(abi.encode(shapeDigest, wrap, srsId, batch));
    }
}
