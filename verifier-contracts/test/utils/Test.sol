// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

/// @notice What a transaction used.
struct Gas {
    uint64 gasLimit;
    uint64 gasTotalUsed;
    uint64 gasMemoryUsed;
    int64 gasRefunded;
    uint64 gasRemaining;
}

/// @notice The cheatcodes of forge that these tests use.
interface Vm {
    function prank(address sender) external;
    function startPrank(address sender) external;
    function stopPrank() external;
    function deal(address account, uint256 amount) external;
    function warp(uint256 time) external;
    function chainId(uint256 id) external;
    function etch(address where, bytes calldata code) external;
    function sign(uint256 key, bytes32 digest) external pure returns (uint8 v, bytes32 r, bytes32 s);
    function addr(uint256 key) external pure returns (address);
    function expectRevert() external;
    function expectRevert(bytes4 selector) external;
    function expectRevert(bytes calldata data) external;
    function expectEmit(address emitter) external;
    function expectCall(address callee, bytes calldata data) external;
    function assume(bool condition) external pure;
    function readFile(string calldata path) external view returns (string memory);
    function exists(string calldata path) external view returns (bool);
    function parseJsonBytes(string calldata json, string calldata path) external pure returns (bytes memory);
    function parseJsonBytes32(string calldata json, string calldata path) external pure returns (bytes32);
    function parseJsonUint(string calldata json, string calldata path) external pure returns (uint256);
    function parseJsonAddress(string calldata json, string calldata path) external pure returns (address);
    function parseJsonBytes32Array(string calldata json, string calldata path) external pure returns (bytes32[] memory);
    function skip(bool now_) external;
    function cool(address account) external;
    function mockCall(address callee, bytes calldata data, bytes calldata returned) external;
    function clearMockedCalls() external;
    function lastCallGas() external view returns (Gas memory gas_);
    function snapshotState() external returns (uint256 id);
    function revertToState(uint256 id) external returns (bool success);
    function toString(uint256 value) external pure returns (string memory);
    function getCode(string calldata artifact) external view returns (bytes memory);
}

/// @notice The few assertions that the tests need; a failure reverts.
abstract contract Test {
    Vm internal constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));
    bool public constant IS_TEST = true;

    error NotEqual(bytes32 left, bytes32 right, string what);
    error NotTrue(string what);

    event log_named_uint(string key, uint256 value);

    function assertEq(uint256 left, uint256 right, string memory what) internal pure {
        if (left != right) revert NotEqual(bytes32(left), bytes32(right), what);
    }

    function assertEq(bytes32 left, bytes32 right, string memory what) internal pure {
        if (left != right) revert NotEqual(left, right, what);
    }

    function assertEq(address left, address right, string memory what) internal pure {
        if (left != right) revert NotEqual(bytes32(uint256(uint160(left))), bytes32(uint256(uint160(right))), what);
    }

    function assertTrue(bool condition, string memory what) internal pure {
        if (!condition) revert NotTrue(what);
    }

    function bound(uint256 x, uint256 low, uint256 high) internal pure returns (uint256) {
        return low + x % (high - low + 1);
    }

    /// @dev Gas of a call that must succeed. In assembly, since the compiler would copy the data, and memory is dear here.
    function gasOf(address target, bytes memory data) internal returns (uint256 used) {
        bool ok;
        assembly ("memory-safe") {
            used := gas()
            ok := call(gas(), target, 0, add(data, 0x20), mload(data), 0, 0)
            used := sub(used, gas())
        }
        assertTrue(ok, "the call");
    }

    /// @notice What a transaction costs before it runs: 21,000 and its calldata (EIP-2028 prices; the floor of EIP-7623 is lower).
    function intrinsicGas(bytes memory data) internal pure returns (uint256 gas_) {
        gas_ = 21_000;
        for (uint256 i; i < data.length; ++i) {
            gas_ += data[i] == 0 ? 4 : 16;
        }
    }

    /// @dev Creation code of a committed artifact.
    function artifact(string memory name) internal view returns (bytes memory) {
        return vm.getCode(string.concat("artifacts/", name, ".json"));
    }

    /// @dev Runs creation code at a chosen address, so that immutables see it.
    function deployTo(address where, bytes memory creation) internal {
        vm.etch(where, creation);
        (bool ok, bytes memory runtime) = where.call("");
        assertTrue(ok, "constructor");
        vm.etch(where, runtime);
    }
}
