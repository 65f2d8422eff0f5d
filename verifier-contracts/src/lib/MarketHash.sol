// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {IInferenceMarket} from "../interfaces/IInferenceMarket.sol";

/// @notice EIP-712 struct hashes of the market.
library MarketHash {
    bytes32 internal constant ORDER = keccak256(
        "Order(address buyer,uint256 modelId,bytes32 modelCommitment,bytes32 inputCommitment,bytes32 keyHash,address verifier,"
        "address token,uint128 maxPrice,bytes32 feeSplitHash,uint32 proveSecs,uint32 expireSecs,uint128 collateral,address prover,"
        "bytes32 salt,bool unclamped)"
    );
    bytes32 internal constant QUOTE = keccak256(
        "Quote(uint256 modelId,bytes32 keyHash,address token,uint128 price,uint128 collateral,uint32 proveSecs,uint32 expireSecs,"
        "address buyer,address[] provers,uint64 validFrom,uint64 validUntil,uint32 inferences,uint32 uses,uint32 epoch,uint256 nonce)"
    );
    bytes32 internal constant PURCHASE = keccak256(
        "Purchase(Order order,Quote quote)"
        "Order(address buyer,uint256 modelId,bytes32 modelCommitment,bytes32 inputCommitment,bytes32 keyHash,address verifier,"
        "address token,uint128 maxPrice,bytes32 feeSplitHash,uint32 proveSecs,uint32 expireSecs,uint128 collateral,address prover,"
        "bytes32 salt,bool unclamped)"
        "Quote(uint256 modelId,bytes32 keyHash,address token,uint128 price,uint128 collateral,uint32 proveSecs,uint32 expireSecs,"
        "address buyer,address[] provers,uint64 validFrom,uint64 validUntil,uint32 inferences,uint32 uses,uint32 epoch,uint256 nonce)"
    );
    bytes32 internal constant LOCK = keccak256("Lock(bytes32 jobId,address prover,uint64 validUntil)");

    /// @dev `keccak256(abi.encode(ORDER, value))`. Words are taken as they are: an order with dirty high bits has another hash, and was
    /// never funded, since funding emits it and the encoder refuses it.
    function order(IInferenceMarket.Order calldata value) internal pure returns (bytes32 result) {
        bytes32 typeHash = ORDER;
        assembly ("memory-safe") {
            let buf := mload(0x40)
            mstore(buf, typeHash)
            calldatacopy(add(buf, 0x20), value, 0x1e0)
            result := keccak256(buf, 0x200)
        }
    }

    /// @dev Memory for `ofBatch`: the template's words behind the type hash, and the EIP-712 prefix with the domain.
    function template(IInferenceMarket.Order calldata value, bytes32 domain) internal pure returns (uint256 buf) {
        bytes32 typeHash = ORDER;
        assembly ("memory-safe") {
            buf := mload(0x40)
            mstore(0x40, add(buf, 0x260))
            mstore(buf, typeHash)
            calldatacopy(add(buf, 0x20), value, 0x1e0)
            mstore(add(buf, 0x200), shl(240, 0x1901))
            mstore(add(buf, 0x202), domain)
        }
    }

    /// @dev EIP-712 digest of the template with the job's buyer, maximal price, salt and input commitment. Words are taken as they are, as in
    /// `order`.
    function ofBatch(uint256 buf, IInferenceMarket.BatchJob calldata job, bytes32 inputCommitment) internal pure returns (bytes32 result) {
        assembly ("memory-safe") {
            calldatacopy(add(buf, 0x20), job, 0x20)
            mstore(add(buf, 0x80), inputCommitment)
            calldatacopy(add(buf, 0x100), add(job, 0x20), 0x20)
            calldatacopy(add(buf, 0x1c0), add(job, 0x40), 0x20)
            mstore(add(buf, 0x222), keccak256(buf, 0x200))
            result := keccak256(add(buf, 0x200), 0x42)
        }
    }

    /// @dev EIP-712 digest of the template with another input commitment and salt.
    function ofBuyer(uint256 buf, IInferenceMarket.BatchOrder calldata one) internal pure returns (bytes32 result) {
        assembly ("memory-safe") {
            calldatacopy(add(buf, 0x80), one, 0x20)
            calldatacopy(add(buf, 0x1c0), add(one, 0x20), 0x20)
            mstore(add(buf, 0x222), keccak256(buf, 0x200))
            result := keccak256(add(buf, 0x200), 0x42)
        }
    }

    /// @dev Keccak-256 of `length` bytes at a calldata offset, and of `tail` (its low 4 bytes) behind them.
    function part(uint256 offset, uint256 length, uint32 tail) internal pure returns (bytes32 result) {
        assembly ("memory-safe") {
            let scratch := mload(0x40)
            calldatacopy(scratch, offset, length)
            mstore(add(scratch, length), shl(224, tail))
            result := keccak256(scratch, add(length, 4))
        }
    }

    /// @dev The same without a tail.
    function part(uint256 offset, uint256 length) internal pure returns (bytes32 result) {
        assembly ("memory-safe") {
            let scratch := mload(0x40)
            calldatacopy(scratch, offset, length)
            result := keccak256(scratch, length)
        }
    }

    /// @dev `keccak256(abi.encode(value))`, words taken as they are.
    function snapshot(IInferenceMarket.Snapshot calldata value) internal pure returns (bytes32 result) {
        assembly ("memory-safe") {
            let buf := mload(0x40)
            calldatacopy(buf, value, 0xc0)
            result := keccak256(buf, 0xc0)
        }
    }

    /// @dev `keccak256(abi.encode(snapshotHash, prover))`.
    function lock(bytes32 snapshotHash, address prover) internal pure returns (bytes32 result) {
        assembly ("memory-safe") {
            mstore(0, snapshotHash)
            mstore(0x20, shr(96, shl(96, prover)))
            result := keccak256(0, 0x40)
        }
    }

    /// @dev `keccak256(abi.encode(snapshotHash, prover, outputHash))`.
    function settlement(bytes32 snapshotHash, address prover, bytes32 outputHash) internal pure returns (bytes32 result) {
        assembly ("memory-safe") {
            let buf := mload(0x40)
            mstore(buf, snapshotHash)
            mstore(add(buf, 0x20), shr(96, shl(96, prover)))
            mstore(add(buf, 0x40), outputHash)
            result := keccak256(buf, 0x60)
        }
    }

    /// @dev As `order`; the provers are hashed as padded words.
    function quote(IInferenceMarket.Quote calldata value) internal pure returns (bytes32 result) {
        bytes32 typeHash = QUOTE;
        address[] calldata provers = value.provers;
        assembly ("memory-safe") {
            let buf := mload(0x40)
            let length := shl(5, provers.length)
            calldatacopy(buf, provers.offset, length)
            let proversHash := keccak256(buf, length)
            mstore(buf, typeHash)
            calldatacopy(add(buf, 0x20), value, 0x1e0)
            mstore(add(buf, 0x120), proversHash)
            result := keccak256(buf, 0x200)
        }
    }
}
