// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

/// @notice Reads an output as settlements have it: big-endian int16 cells, and behind them the number of clamps as big-endian uint32.
library Output {
    error NoOutput();

    /// @notice The number of cells.
    function length(bytes calldata output) internal pure returns (uint256) {
        if (output.length < 6 || output.length % 2 != 0) revert NoOutput();
        return (output.length - 4) / 2;
    }

    /// @notice Cell `i`: its value in real units is this times the output's scale.
    function cell(bytes calldata output, uint256 i) internal pure returns (int16) {
        if (i >= length(output)) revert NoOutput();
        return int16(uint16(bytes2(output[2 * i:2 * i + 2])));
    }

    /// @notice The place of the largest cell, the first of them: the class of a classifier.
    function argmax(bytes calldata output) internal pure returns (uint256 place) {
        uint256 count = length(output);
        int16 largest = cell(output, 0);
        for (uint256 i = 1; i < count; ++i) {
            int16 other = cell(output, i);
            if (other > largest) (place, largest) = (i, other);
        }
    }

    /// @notice How many values were clamped to fit their width.
    function clamps(bytes calldata output) internal pure returns (uint32) {
        length(output);
        return uint32(bytes4(output[output.length - 4:]));
    }
}
