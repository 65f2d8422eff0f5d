// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {IInferenceMarket} from "../src/interfaces/IInferenceMarket.sol";
import {Arguments, BatchBase} from "./market/Batch.t.sol";

/// @notice H1: no word of a settlement's calldata may be altered. All words are tried, so that none can be missing from a list: what may be altered
/// is named in the tests, and tried as well.
abstract contract CalldataBase is BatchBase {
    /// @dev Bytes of the call from `from` to before `to`, counted behind the selector.
    struct Region {
        uint256 from;
        uint256 to;
    }

    /// @dev The first bit and the last bit of every word, alone. `free` is what may be altered.
    function _everyWordCounts(bytes memory data, Region[] memory free) internal {
        assertTrue((data.length - 4) % 32 == 0, "whole words");
        uint256 words = (data.length - 4) / 32;
        for (uint256 word; word < words; ++word) {
            for (uint256 end; end < 2; ++end) {
                uint256 place = 32 * word + 31 * end;
                data[4 + place] ^= end == 0 ? bytes1(0x80) : bytes1(0x01);
                if (_accepted(data) != _isFree(place, free)) revert NotTrue(string.concat("calldata byte ", vm.toString(place)));
                data[4 + place] ^= end == 0 ? bytes1(0x80) : bytes1(0x01);
            }
        }
        for (uint256 i; i < 4; ++i) {
            data[i] ^= 0x01;
            assertTrue(!_accepted(data), "another call");
            data[i] ^= 0x01;
        }
        assertTrue(_accepted(data), "the honest call");
        assertTrue(!_accepted(slice(data, 0, data.length - 1)), "cut off");
    }

    function _accepted(bytes memory data) private returns (bool ok) {
        uint256 before = vm.snapshotState();
        (ok,) = MARKET.call{gas: 10_000_000}(data);
        vm.revertToState(before);
    }

    function _isFree(uint256 place, Region[] memory free) private pure returns (bool) {
        for (uint256 i; i < free.length; ++i) {
            if (place >= free[i].from && place < free[i].to) return true;
        }
        return false;
    }

    /// @dev The zeros behind the output's bytes. `at` is the word of the head that says where the inference is.
    function _filling(bytes memory data, uint256 at) internal pure returns (Region memory) {
        bytes memory body = slice(data, 4, data.length - 4);
        uint256 inference = wordAt(body, at);
        uint256 output = inference + wordAt(body, inference / 32 + 1);
        uint256 end = output + 32 + wordAt(body, output / 32);
        return Region(end, (end + 31) / 32 * 32);
    }
}

contract CalldataTest is CalldataBase {
    /// @dev order in words 0 to 14, snapshot in 15 to 20, then where split and inference are, then the prover.
    function test_H1_settle() public {
        deployAll(load(SMALL));
        IInferenceMarket.Order memory o = order();
        fundAndLock(o);
        bytes memory data = abi.encodeCall(market.settle, (o, snapshot(), split, realInference(), prover));
        Region[] memory free = new Region[](1);
        free[0] = _filling(data, 22);
        _everyWordCounts(data, free);
    }

    /// @dev All jobs but one are locked, so that the provers are read too. Word 0 is the template's buyer, 3 its input commitment, 7 its maximal price
    /// and 13 its salt: each job has its own.
    function test_H1_settleBatch() public {
        deployAll(load(BATCH));
        uint256 count = 1 << (wordAt(proven.key, 14) & 0xff);
        fundMany(count - 1);
        IInferenceMarket.Order memory last = batchOrder(count - 1);
        vm.deal(last.buyer, PRICE);
        fund(last);
        Arguments memory a = terms(batchIds(count), prover);
        a.inference = realInference();
        a.provers = provers();
        bytes memory data =
            abi.encodeCall(market.settleBatch, (a.template, a.snapshot, a.jobs, a.split, a.inference, a.prover, a.provers));
        Region[] memory free = new Region[](5);
        free[0] = _filling(data, 23);
        free[1] = Region(0, 32);
        free[2] = Region(32 * 3, 32 * 4);
        free[3] = Region(32 * 7, 32 * 8);
        free[4] = Region(32 * 13, 32 * 14);
        _everyWordCounts(data, free);
    }
}
