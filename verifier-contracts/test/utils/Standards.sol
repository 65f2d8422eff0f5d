// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

/// @notice An escrow of ERC-8183 without hooks and claims: what its text says of roles, states and money.
contract Escrow8183 {
    enum Status {
        Open,
        Funded,
        Submitted,
        Completed,
        Rejected,
        Expired
    }

    struct Job {
        address client;
        address provider;
        address evaluator;
        uint256 budget;
        uint256 expiredAt;
        Status status;
        bytes32 reason;
    }

    IERC20 private immutable _token;
    uint256 private immutable _fee;
    Job[] public jobs;

    constructor(IERC20 token, uint256 evaluatorFee) {
        (_token, _fee) = (token, evaluatorFee);
    }

    function createJob(address provider, address evaluator, uint256 expiredAt, string calldata) external returns (uint256 jobId) {
        require(evaluator != address(0) && expiredAt > block.timestamp, "invalid");
        jobs.push(Job(msg.sender, provider, evaluator, 0, expiredAt, Status.Open, 0));
        return jobs.length - 1;
    }

    function setBudget(uint256 jobId, uint256 amount) external {
        require(msg.sender == jobs[jobId].provider && jobs[jobId].status == Status.Open, "budget");
        jobs[jobId].budget = amount;
    }

    function fund(uint256 jobId, uint256 expectedBudget) external {
        Job storage job = jobs[jobId];
        require(msg.sender == job.client && job.status == Status.Open && job.budget == expectedBudget, "fund");
        job.status = Status.Funded;
        _token.transferFrom(msg.sender, address(this), job.budget);
    }

    function submit(uint256 jobId, bytes32, bytes calldata) external {
        Job storage job = jobs[jobId];
        require(msg.sender == job.provider && job.status == Status.Funded, "submit");
        job.status = Status.Submitted;
    }

    function complete(uint256 jobId, bytes32 reason, bytes calldata) external {
        Job storage job = jobs[jobId];
        require(msg.sender == job.evaluator && job.status == Status.Submitted, "complete");
        (job.status, job.reason) = (Status.Completed, reason);
        _token.transfer(job.evaluator, _fee);
        _token.transfer(job.provider, job.budget - _fee);
    }

    function claimRefund(uint256 jobId) external {
        Job storage job = jobs[jobId];
        require(job.status == Status.Funded || job.status == Status.Submitted, "state");
        require(block.timestamp >= job.expiredAt, "early");
        job.status = Status.Expired;
        _token.transfer(job.client, job.budget);
    }
}

/// @notice The requests and responses of an ERC-8004 validation registry, whose agents are addresses here.
contract Registry8004 {
    struct Status {
        address validator;
        uint8 response;
        bytes32 responseHash;
        string tag;
    }

    mapping(bytes32 requestHash => Status) public statuses;

    function validationRequest(address validator, uint256, string calldata, bytes32 requestHash) external {
        require(statuses[requestHash].validator == address(0), "exists");
        statuses[requestHash].validator = validator;
    }

    function validationResponse(bytes32 requestHash, uint8 response, string calldata, bytes32 responseHash, string calldata tag) external {
        Status storage s = statuses[requestHash];
        require(s.validator == msg.sender, "not validator");
        (s.response, s.responseHash, s.tag) = (response, responseHash, tag);
    }
}
