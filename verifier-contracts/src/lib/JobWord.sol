// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

/// @dev A job as one storage word: state (7 bits), whether it was late (1), time (40), and the high 208 bits of a digest. Two values with one
/// digest take 2^104 hashes to find, which is more than the proofs' own security.
type JobWord is uint256;

using {state, late, time, digest, has, withState, withLate} for JobWord global;

function makeJobWord(uint8 state_, uint256 time_, bytes32 digest_) pure returns (JobWord) {
    return JobWord.wrap((uint256(digest_) >> 48 << 48) | (time_ << 8) | state_);
}

function state(JobWord word) pure returns (uint8) {
    return uint8(JobWord.unwrap(word) & 0x7f);
}

function late(JobWord word) pure returns (bool) {
    return JobWord.unwrap(word) & 0x80 != 0;
}

/// @dev Unix seconds, below 2^40.
function time(JobWord word) pure returns (uint256) {
    return uint40(JobWord.unwrap(word) >> 8);
}

function digest(JobWord word) pure returns (bytes26) {
    return bytes26(bytes32(JobWord.unwrap(word)));
}

/// @dev Whether this is the word's digest.
function has(JobWord word, bytes32 digest_) pure returns (bool) {
    return JobWord.unwrap(word) >> 48 == uint256(digest_) >> 48;
}

function withState(JobWord word, uint8 state_) pure returns (JobWord) {
    return JobWord.wrap((JobWord.unwrap(word) & ~uint256(0x7f)) | state_);
}

function withLate(JobWord word) pure returns (JobWord) {
    return JobWord.wrap(JobWord.unwrap(word) | 0x80);
}
