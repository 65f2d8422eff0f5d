// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {IAssayVerifier} from "./interfaces/IAssayVerifier.sol";
import {IKeyRegistry} from "./interfaces/IKeyRegistry.sol";
import {Attestors} from "./lib/Attestors.sol";
import {Code} from "./lib/Code.sol";
import {KeyFormat} from "./lib/KeyFormat.sol";

/// @notice See `IKeyRegistry`.
contract KeyRegistry is IKeyRegistry, Attestors {
    bytes32 private constant GROTH16 = "groth16-bn254";
    bytes32 private constant UNIVERSAL = "plonk-kzg-bn254";
    /// @notice Seconds for which a veto counts.
    uint256 public constant VETO_SECS = 30 days;

    IAssayVerifier public immutable verifier;
    /// @notice Whether keys with a known trapdoor are admitted: never where real money moves.
    bool public immutable allowDevelopment;

    mapping(bytes32 srsId => bool) public isDevelopmentSrs;
    mapping(bytes32 keyHash => mapping(address attestor => bool)) public attested;
    /// @notice When an attestor vetoed a key; each can once.
    mapping(bytes32 keyHash => mapping(address attestor => uint256)) public vetoedAt;
    /// @notice Weights (by the Keccak-256 of their commitments) whose contradictions the attestors have judged to say nothing about the key.
    mapping(bytes32 keyHash => mapping(bytes32 weightsHash => bool)) public isExcused;
    /// @notice Of the weights that froze a key.
    mapping(bytes32 keyHash => bytes32 weightsHash) public frozenBy;
    mapping(bytes32 keyHash => Key) private _keys;
    mapping(bytes32 slot => bytes32 keyHash) private _slots;

    /// @param attestors distinct and not zero; outside development at least two, of different owners
    /// @param threshold_ attestations that a key needs; outside development at least two
    /// @param timelockSecs_ outside development more than zero
    /// @param developmentSrs SRS ids whose trapdoor is known; keys over them are development keys whoever attests them
    constructor(
        IAssayVerifier verifier_,
        address[] memory attestors,
        uint256 threshold_,
        uint256 timelockSecs_,
        bool allowDevelopment_,
        bytes32[] memory developmentSrs
    ) Attestors(attestors, threshold_, timelockSecs_) {
        if (address(verifier_).code.length == 0) revert InvalidAttestors();
        // somebody alone, or in one block, could admit a key whose trapdoor he knows and be paid for a forged proof
        if (!allowDevelopment_ && (threshold_ < 2 || timelockSecs_ == 0)) revert WeakGovernance();
        for (uint256 i; i < developmentSrs.length; ++i) {
            isDevelopmentSrs[developmentSrs[i]] = true;
        }
        verifier = verifier_;
        allowDevelopment = allowDevelopment_;
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
        if (development && !allowDevelopment) {
            _veto(keyHash);
            return;
        }
        if (attested[keyHash][msg.sender]) revert AlreadyAttested(keyHash, msg.sender);
        attested[keyHash][msg.sender] = true;
        if (development) record.development = true;
        emit KeyAttested(keyHash, msg.sender, development);
        record.attestations = uint8(_countOf(attested[keyHash]));
        if (record.readyAt == 0 && record.attestations >= threshold) {
            record.readyAt = uint40(block.timestamp + timelockSecs);
            if (timelockSecs == 0 && attestationsNeeded(keyHash) == threshold) _admit(keyHash, record);
        }
    }

    /// @inheritdoc IKeyRegistry
    function veto(bytes32 keyHash) external onlyAttestor {
        _proposed(keyHash);
        _veto(keyHash);
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
        bytes32 weightsHash = _weightsHash(weightsPointer);
        if (isExcused[keyHash][weightsHash]) revert Excused(keyHash, weightsHash);
        verifier.verify(record.pointer, weightsPointer, first.context, inputCommitments, first.output, first.proof);
        verifier.verify(record.pointer, weightsPointer, second.context, inputCommitments, second.output, second.proof);
        record.status = Status.Frozen;
        frozenBy[keyHash] = weightsHash;
        emit KeyFrozen(keyHash, msg.sender);
    }

    /// @inheritdoc IKeyRegistry
    function approveRestoration(bytes32 keyHash) external onlyAttestor {
        _approve(_restoration(keyHash));
    }

    /// @inheritdoc IKeyRegistry
    function restore(bytes32 keyHash) external {
        _spend(_restoration(keyHash));
        Key storage record = _keys[keyHash];
        bytes32 slot = _slotOf(record);
        // a key that has taken the slot meanwhile stays
        if (_slots[slot] != keyHash) revert SlotTaken(slot, _slots[slot]);
        record.status = Status.Admitted;
        isExcused[keyHash][frozenBy[keyHash]] = true;
        emit KeyRestored(keyHash, frozenBy[keyHash]);
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

    /// @inheritdoc IKeyRegistry
    function admittedTerms(bytes32 keyHash) external view returns (Terms memory) {
        Key storage record = _keys[keyHash];
        if (record.status != Status.Admitted) revert NotAdmitted(keyHash);
        return Terms(record.pointer, record.weightChunks, record.batch, record.shapeDigest);
    }

    /// @inheritdoc IKeyRegistry
    function attestationsNeeded(bytes32 keyHash) public view returns (uint256 needed) {
        needed = threshold;
        address[] memory all = attestors();
        for (uint256 i; i < all.length; ++i) {
            uint256 since = vetoedAt[keyHash][all[i]];
            if (since != 0 && block.timestamp < since + VETO_SECS) ++needed;
        }
    }

    function _proposed(bytes32 keyHash) private view returns (Key storage record) {
        record = _keys[keyHash];
        if (record.status != Status.Proposed) revert NotProposed(keyHash);
    }

    function _veto(bytes32 keyHash) private {
        if (vetoedAt[keyHash][msg.sender] != 0) revert AlreadyVetoed(keyHash, msg.sender);
        vetoedAt[keyHash][msg.sender] = block.timestamp;
        emit KeyVetoed(keyHash, msg.sender);
    }

    /// @dev Only attestations of those who are attestors now count.
    function _admit(bytes32 keyHash, Key storage record) private {
        if (record.readyAt == 0 || block.timestamp < record.readyAt) revert NotReady(keyHash, record.readyAt);
        uint256 have = _countOf(attested[keyHash]);
        uint256 need = attestationsNeeded(keyHash);
        if (have < need) revert TooFewAttestations(keyHash, have, need);
        if (record.development && !allowDevelopment) revert DevelopmentKey(keyHash);
        bytes32 slot = _slotOf(record);
        // a frozen key makes room for one that is mended
        if (_slots[slot] != 0 && _keys[_slots[slot]].status != Status.Frozen) revert SlotTaken(slot, _slots[slot]);
        _slots[slot] = keyHash;
        record.status = Status.Admitted;
        emit KeyAdmitted(keyHash, record.shapeDigest, record.srsId, record.batch, _wrap(record.pointer), record.development);
    }

    /// @dev One per freeze: an excused weight freezes the key no second time.
    function _restoration(bytes32 keyHash) private view returns (bytes32) {
        if (_keys[keyHash].status != Status.Frozen) revert NotFrozen(keyHash);
        return keccak256(abi.encode("restore", keyHash, frozenBy[keyHash]));
    }

    function _weightsHash(address pointer) private view returns (bytes32) {
        return keccak256(pointer.code); // a STOP byte and the commitments
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

    function _slotOf(Key storage record) private view returns (bytes32) {
        return _slot(record.shapeDigest, _wrap(record.pointer), record.srsId, record.batch);
    }

    function _slot(bytes32 shapeDigest, bytes32 wrap, bytes32 srsId, uint16 batch) private pure returns (bytes32) {
        return keccak256(abi.encode(shapeDigest, wrap, srsId, batch));
    }
}
