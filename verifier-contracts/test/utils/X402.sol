// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {ISignatureTransfer} from "../../src/interfaces/ISignatureTransfer.sol";
import {IERC3009Bytes} from "../../src/periphery/GaslessFunding.sol";

/// @notice What x402's scheme `exact` has Permit2 pay through, as its specification describes it: the payee is what the payer signed.
contract ExactProxyDouble {
    string private constant WITNESS_TYPE = "Witness witness)TokenPermissions(address token,uint256 amount)Witness(address to,uint256 validAfter)";

    struct Witness {
        address to;
        uint256 validAfter;
    }

    ISignatureTransfer private immutable _permit2;

    event Settled();

    error PaymentTooEarly();

    constructor(ISignatureTransfer permit2) {
        _permit2 = permit2;
    }

    function settle(
        ISignatureTransfer.PermitTransferFrom calldata permit,
        address owner,
        Witness calldata witness,
        bytes calldata signature
    ) external {
        if (block.timestamp < witness.validAfter) revert PaymentTooEarly();
        bytes32 hash = keccak256(abi.encode(keccak256("Witness(address to,uint256 validAfter)"), witness.to, witness.validAfter));
        ISignatureTransfer.SignatureTransferDetails memory details =
            ISignatureTransfer.SignatureTransferDetails(witness.to, permit.permitted.amount);
        _permit2.permitWitnessTransferFrom(permit, details, owner, hash, WITNESS_TYPE, signature);
        emit Settled();
    }
}

/// @notice What x402's scheme `auth-capture` holds payments in, as its specification describes it, without fees: authorised by the payer's
/// signature, captured or given back by the operator, taken back by the payer when the time to capture is over.
contract HoldDouble {
    bytes32 private constant PAYMENT_INFO = keccak256(
        "PaymentInfo(address operator,address payer,address receiver,address token,uint120 maxAmount,uint48 preApprovalExpiry,"
        "uint48 authorizationExpiry,uint48 refundExpiry,uint16 minFeeBps,uint16 maxFeeBps,address feeReceiver,uint256 salt)"
    );

    struct PaymentInfo {
        address operator;
        address payer;
        address receiver;
        address token;
        uint120 maxAmount;
        uint48 preApprovalExpiry;
        uint48 authorizationExpiry;
        uint48 refundExpiry;
        uint16 minFeeBps;
        uint16 maxFeeBps;
        address feeReceiver;
        uint256 salt;
    }

    struct PaymentState {
        bool hasCollectedPayment;
        uint120 capturableAmount;
        uint120 refundableAmount;
    }

    mapping(bytes32 hash => PaymentState) public paymentState;

    event PaymentAuthorized(bytes32 indexed paymentInfoHash, PaymentInfo paymentInfo, uint256 amount, address tokenCollector);
    event PaymentCaptured(bytes32 indexed paymentInfoHash, uint256 amount, uint16 feeBps, address feeReceiver);
    event PaymentVoided(bytes32 indexed paymentInfoHash, uint256 amount);
    event PaymentReclaimed(bytes32 indexed paymentInfoHash, uint256 amount);

    error InvalidSender(address sender, address expected);
    error AfterPreApprovalExpiry(uint48 timestamp, uint48 expiry);
    error InvalidExpiries(uint48 preApproval, uint48 authorization, uint48 refund);
    error PaymentAlreadyCollected(bytes32 paymentInfoHash);
    error TokenCollectionFailed();
    error AfterAuthorizationExpiry(uint48 timestamp, uint48 expiry);
    error BeforeAuthorizationExpiry(uint48 timestamp, uint48 expiry);
    error InsufficientAuthorization(bytes32 paymentInfoHash, uint256 authorizedAmount, uint256 requestedAmount);
    error ZeroAuthorization(bytes32 paymentInfoHash);

    modifier onlySender(address sender) {
        if (msg.sender != sender) revert InvalidSender(msg.sender, sender);
        _;
    }

    function authorize(PaymentInfo calldata info, uint256 amount, address tokenCollector, bytes calldata collectorData)
        external
        onlySender(info.operator)
    {
        if (block.timestamp >= info.preApprovalExpiry) revert AfterPreApprovalExpiry(uint48(block.timestamp), info.preApprovalExpiry);
        if (info.preApprovalExpiry > info.authorizationExpiry || info.authorizationExpiry > info.refundExpiry) {
            revert InvalidExpiries(info.preApprovalExpiry, info.authorizationExpiry, info.refundExpiry);
        }
        bytes32 hash = getHash(info);
        if (paymentState[hash].hasCollectedPayment) revert PaymentAlreadyCollected(hash);
        paymentState[hash] = PaymentState(true, uint120(amount), 0);
        emit PaymentAuthorized(hash, info, amount, tokenCollector);
        uint256 before = IERC20(info.token).balanceOf(address(this));
        CollectorDouble(tokenCollector).collectTokens(info, address(this), amount, collectorData);
        if (IERC20(info.token).balanceOf(address(this)) != before + amount) revert TokenCollectionFailed();
    }

    function capture(PaymentInfo calldata info, uint256 amount, uint16 feeBps, address feeReceiver) external onlySender(info.operator) {
        if (block.timestamp >= info.authorizationExpiry) {
            revert AfterAuthorizationExpiry(uint48(block.timestamp), info.authorizationExpiry);
        }
        bytes32 hash = getHash(info);
        PaymentState storage state = paymentState[hash];
        if (state.capturableAmount < amount) revert InsufficientAuthorization(hash, state.capturableAmount, amount);
        state.capturableAmount -= uint120(amount);
        state.refundableAmount += uint120(amount);
        emit PaymentCaptured(hash, amount, feeBps, feeReceiver);
        IERC20(info.token).transfer(info.receiver, amount);
    }

    function void(PaymentInfo calldata info) external onlySender(info.operator) {
        bytes32 hash = getHash(info);
        emit PaymentVoided(hash, _giveBack(hash, info));
    }

    function reclaim(PaymentInfo calldata info) external onlySender(info.payer) {
        if (block.timestamp < info.authorizationExpiry) {
            revert BeforeAuthorizationExpiry(uint48(block.timestamp), info.authorizationExpiry);
        }
        bytes32 hash = getHash(info);
        emit PaymentReclaimed(hash, _giveBack(hash, info));
    }

    function getHash(PaymentInfo memory info) public view returns (bytes32) {
        return keccak256(abi.encode(block.chainid, address(this), keccak256(abi.encode(PAYMENT_INFO, info))));
    }

    function _giveBack(bytes32 hash, PaymentInfo calldata info) private returns (uint256 amount) {
        amount = paymentState[hash].capturableAmount;
        if (amount == 0) revert ZeroAuthorization(hash);
        paymentState[hash].capturableAmount = 0;
        IERC20(info.token).transfer(info.payer, amount);
    }
}

/// @notice What takes a payment by EIP-3009 for `HoldDouble`: the nonce is the hash of the payment without its payer.
contract CollectorDouble {
    HoldDouble private immutable _hold;

    error OnlyEscrow();

    constructor(HoldDouble hold) {
        _hold = hold;
    }

    function collectTokens(HoldDouble.PaymentInfo memory info, address tokenStore, uint256 amount, bytes calldata signature) external {
        if (msg.sender != address(_hold)) revert OnlyEscrow();
        address payer = info.payer;
        info.payer = address(0);
        bytes32 nonce = _hold.getHash(info);
        IERC3009Bytes(info.token)
            .receiveWithAuthorization(payer, address(this), info.maxAmount, 0, info.preApprovalExpiry, nonce, signature);
        IERC20(info.token).transfer(tokenStore, amount);
    }
}
