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
        "address buyer,address[] provers,uint64 validUntil,bytes32 salt)"
    );

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

    /// @dev EIP-712 digest of the template with the job's buyer, maximal price and salt, and the hash of `length` bytes of input commitments
    /// at the calldata offset `input`. Words are taken as they are, as in `order`.
    function ofBatch(uint256 buf, IInferenceMarket.BatchJob calldata job, uint256 input, uint256 length)
        internal
        pure
        returns (bytes32 result)
    {
        assembly ("memory-safe") {
            let scratch := mload(0x40)
            calldatacopy(scratch, input, length)
            mstore(add(buf, 0x80), keccak256(scratch, length))
            calldatacopy(add(buf, 0x20), job, 0x20)
            calldatacopy(add(buf, 0x100), add(job, 0x20), 0x20)
            calldatacopy(add(buf, 0x1c0), add(job, 0x40), 0x20)
            mstore(add(buf, 0x222), keccak256(buf, 0x200))
            result := keccak256(add(buf, 0x200), 0x42)
        }
    }

    /// @dev `keccak256(abi.encode(value))`, words taken as they are.
    function snapshot(IInferenceMarket.Snapshot calldata value) internal pure returns (bytes32 result) {
        assembly ("memory-safe") {
            let buf := mload(0x40)
            calldatacopy(buf, value, 0xa0)
            result := keccak256(buf, 0xa0)
        }
    }

    function quote(IInferenceMarket.Quote calldata value) internal pure returns (bytes32) {
        return keccak256(
            abi.encode(
                QUOTE,
                value.modelId,
                value.keyHash,
                value.token,
                value.price,
                value.collateral,
                value.proveSecs,
                value.expireSecs,
                value.buyer,
                keccak256(abi.encodePacked(value.provers)),
                value.validUntil,
                value.salt
            )
        );
    }
}
