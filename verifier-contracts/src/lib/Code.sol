// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

/// @notice Immutable bytes kept as contract code, after one STOP byte so that they can never run (the SSTORE2 idea).
library Code {
    error CodeWriteFailed();

    /// @notice Stores up to 24,575 bytes.
    function write(bytes memory data) internal returns (address pointer) {
        // PUSH2 size, DUP1, PUSH1 offset(10), PUSH0, CODECOPY, PUSH0, RETURN, then the code: one STOP and the data.
        bytes memory init = abi.encodePacked(hex"61", uint16(data.length + 1), hex"80600a5f395ff3", hex"00", data);
        if (data.length > 24575) revert CodeWriteFailed();
        assembly ("memory-safe") {
            pointer := create(0, add(init, 0x20), mload(init))
        }
        if (pointer == address(0)) revert CodeWriteFailed();
    }
}
