// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {IERC721} from "@openzeppelin/contracts/token/ERC721/IERC721.sol";
import {IAssayVerifier} from "./interfaces/IAssayVerifier.sol";
import {IInferenceMarket} from "./interfaces/IInferenceMarket.sol";
import {IKeyRegistry} from "./interfaces/IKeyRegistry.sol";
import {IModelRegistry, Payee} from "./interfaces/IModelRegistry.sol";
import {Ledger} from "./Ledger.sol";
import {KeyFormat} from "./lib/KeyFormat.sol";
import {MarketHash} from "./lib/MarketHash.sol";

/// @notice See `IInferenceMarket`.
contract InferenceMarket is Ledger, EIP712, ReentrancyGuardTransient {
    /// @notice What a takeover is paid of the price, in 1/10,000; the rest returns to the buyer.
    uint256 public constant LATE_PRICE_BPS = 8_000;
    /// @notice What a takeover is paid of the defaulted collateral, in 1/10,000; the rest goes to the treasury.
    uint256 public constant TAKEOVER_REWARD_BPS = 5_000;
    /// @notice Seconds after settlement in which the seller can return a payment here.
    uint256 public constant REFUND_WINDOW = 30 days;
    /// @notice The longest `expireSecs`.
    uint256 public constant MAX_EXPIRE_SECS = 30 days;

    uint256 private constant R = 0x30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001;
    /// @dev Stand-ins in a revenue split, see `Payee`.
    address private constant OWNER = address(1);
    address private constant PROVER = address(2);

    IAssayVerifier public immutable verifier;
    IKeyRegistry public immutable keys;
    IModelRegistry public immutable models;
    /// @notice Gets slashed collateral. Not the buyer: else asking for what cannot be served would be a business.
    address public immutable treasury;

    /// @dev One slot and a hash.
    struct Record {
        State state;
        bool late;
        uint40 fundedAt;
        uint40 settledAt;
        address prover;
        bytes32 snapshotHash;
    }

    mapping(bytes32 jobId => Record) private _jobs;

    constructor(IAssayVerifier verifier_, IKeyRegistry keys_, IModelRegistry models_, address treasury_) EIP712("Assay", "1") {
        if (treasury_ == address(0) || address(verifier_) == address(0)) revert ZeroAddress();
        if (address(keys_) == address(0) || address(models_) == address(0)) revert ZeroAddress();
        verifier = verifier_;
        keys = keys_;
        models = models_;
        treasury = treasury_;
    }

    // ---------------------------------------------------------------------------------------------- buying

    /// @inheritdoc IInferenceMarket
    function fund(Order calldata order, Quote calldata quote, bytes calldata sellerSignature, bool fromBalance)
        external
        payable
        nonReentrant
        returns (bytes32 jobId)
    {
        if (msg.sender != order.buyer) revert NotBuyer();
        jobId = _open(order, quote, sellerSignature);
        if (fromBalance) {
            if (msg.value != 0) revert WrongPayment(0, msg.value);
            _debit(order.token, msg.sender, quote.price);
        } else {
            uint256 received = _receive(order.token, msg.sender, quote.price);
            if (received != quote.price) revert WrongPayment(quote.price, received);
        }
    }

    /// @inheritdoc IInferenceMarket
    function fundFor(Order calldata order, Quote calldata quote, bytes calldata sellerSignature, bytes calldata buyerSignature)
        external
        nonReentrant
        returns (bytes32 jobId)
    {
        if (!SignatureChecker.isValidSignatureNow(order.buyer, hashOrder(order), buyerSignature)) revert InvalidSignature();
        jobId = _open(order, quote, sellerSignature);
        _debit(order.token, order.buyer, quote.price);
    }

    /// @inheritdoc IInferenceMarket
    function revoke(Order calldata order) external returns (bytes32 jobId) {
        if (msg.sender != order.buyer) revert NotBuyer();
        jobId = hashOrder(order);
        Record storage record = _jobs[jobId];
        if (record.state != State.None) revert WrongState(jobId, record.state);
        record.state = State.Cancelled; // without a snapshot, so nothing else can be done with it
        emit JobCancelled(jobId);
    }

    /// @inheritdoc IInferenceMarket
    function cancel(Order calldata order, Snapshot calldata snapshot) external {
        if (msg.sender != order.buyer) revert NotBuyer();
        (bytes32 jobId, Record storage record) = _find(order, snapshot);
        if (record.state != State.Funded) revert WrongState(jobId, record.state);
        record.state = State.Cancelled;
        _credit(order.token, order.buyer, snapshot.price);
        emit JobCancelled(jobId);
    }

    /// @inheritdoc IInferenceMarket
    function claimRefund(Order calldata order, Snapshot calldata snapshot) external {
        (bytes32 jobId, Record storage record) = _find(order, snapshot);
        State state = record.state;
        if (state != State.Funded && state != State.Locked) revert WrongState(jobId, state);
        uint256 expireBy = uint256(record.fundedAt) + order.expireSecs;
        if (block.timestamp <= expireBy) revert TooEarly(expireBy);
        record.state = State.Expired;
        _credit(order.token, order.buyer, snapshot.price);
        emit JobExpired(jobId, snapshot.price);
        if (state == State.Locked) {
            _credit(order.token, treasury, order.collateral);
            emit Slashed(jobId, record.prover, order.collateral, 0);
        }
    }

    // ---------------------------------------------------------------------------------------------- proving

    /// @inheritdoc IInferenceMarket
    function lock(Order calldata order, Snapshot calldata snapshot, address[] calldata provers) external {
        (bytes32 jobId, Record storage record) = _find(order, snapshot);
        if (record.state != State.Funded) revert WrongState(jobId, record.state);
        _authorise(order, snapshot, provers, msg.sender);
        uint256 proveBy = uint256(record.fundedAt) + order.proveSecs;
        if (block.timestamp > proveBy) revert TooLate(proveBy);
        _debit(order.token, msg.sender, order.collateral);
        record.state = State.Locked;
        record.prover = msg.sender;
        emit JobLocked(jobId, msg.sender, proveBy);
    }

    /// @inheritdoc IInferenceMarket
    function settle(Order calldata order, Snapshot calldata snapshot, Payee[] calldata split, Inference calldata inference)
        external
        nonReentrant
    {
        (bytes32 jobId, Record storage record) = _find(order, snapshot);
        address prover = _settleInTime(jobId, record, order.proveSecs);
        _verify(order, snapshot, inference, jobId, prover);
        _pay(order, snapshot, split, snapshot.price, prover, order.collateral);
        emit JobSettled(jobId, prover, order.modelId, snapshot.price, false, inference.output);
    }

    /// @inheritdoc IInferenceMarket
    function settleBatch(
        Order calldata template,
        Snapshot calldata snapshot,
        BatchJob[] calldata jobs,
        Payee[] calldata split,
        Inference calldata inference
    ) external nonReentrant {
        uint256 inferences = _separateInferences(snapshot.keyPointer);
        if (jobs.length == 0 || jobs.length > inferences) revert WrongBatch(jobs.length, inferences);
        // the lengths are right, and divisible, if the verifier accepts them
        (bytes32[] memory jobIds, address prover) = _settleJobs(template, snapshot, jobs, inference.inputCommitments, inferences);
        uint32 clamps = _check(template, snapshot, inference, contextOfBatch(jobIds, prover));
        uint256 price = snapshot.price;
        _pay(template, snapshot, split, price * jobs.length, prover, uint256(template.collateral) * jobs.length);
        bytes calldata output = inference.output[:(inference.output.length - 4) / inferences * jobs.length];
        emit BatchSettled(template.modelId, prover, price, jobIds, output, clamps);
    }

    /// @inheritdoc IInferenceMarket
    function settleOpen(
        Order calldata order,
        Snapshot calldata snapshot,
        Payee[] calldata split,
        Inference calldata inference,
        address prover,
        address[] calldata provers
    ) external nonReentrant {
        (bytes32 jobId, Record storage record) = _find(order, snapshot);
        Record memory current = record;
        if (current.state != State.Locked) revert WrongState(jobId, current.state);
        uint256 proveBy = uint256(current.fundedAt) + order.proveSecs;
        if (block.timestamp <= proveBy) revert TooEarly(proveBy);
        uint256 expireBy = uint256(current.fundedAt) + order.expireSecs;
        if (block.timestamp > expireBy) revert TooLate(expireBy);
        _authorise(order, snapshot, provers, prover);
        _verify(order, snapshot, inference, jobId, prover);

        address defaulted = current.prover;
        current.state = State.Settled;
        current.late = true;
        current.prover = prover;
        current.settledAt = uint40(block.timestamp);
        _store(record, current);
        uint256 paid = _latePrice(snapshot.price);
        // whoever missed the deadline gets nothing back of their own collateral
        uint256 reward = prover == defaulted ? 0 : order.collateral * TAKEOVER_REWARD_BPS / 10_000;
        _pay(order, snapshot, split, paid, prover, reward);
        _credit(order.token, order.buyer, snapshot.price - paid);
        _credit(order.token, treasury, order.collateral - reward);
        emit Slashed(jobId, defaulted, order.collateral - reward, reward);
        emit JobSettled(jobId, prover, order.modelId, paid, true, inference.output);
    }

    /// @inheritdoc IInferenceMarket
    function refund(Order calldata order, Snapshot calldata snapshot) external {
        (bytes32 jobId, Record storage record) = _find(order, snapshot);
        if (record.state != State.Settled) revert WrongState(jobId, record.state);
        if (msg.sender != snapshot.seller) revert NotSeller();
        uint256 refundBy = uint256(record.settledAt) + REFUND_WINDOW;
        if (block.timestamp >= refundBy) revert TooLate(refundBy);
        uint256 amount = record.late ? _latePrice(snapshot.price) : snapshot.price;
        record.state = State.Refunded;
        _debit(order.token, msg.sender, amount);
        _credit(order.token, order.buyer, amount);
        emit JobRefunded(jobId, msg.sender, amount);
    }

    // ---------------------------------------------------------------------------------------------- credit

    /// @inheritdoc IInferenceMarket
    function deposit(address token, uint256 amount) external payable nonReentrant {
        uint256 received = _receive(token, msg.sender, amount);
        _credit(token, msg.sender, received);
        emit Deposited(token, msg.sender, received);
    }

    /// @inheritdoc IInferenceMarket
    function withdraw(address token, uint256 amount, address to) external nonReentrant {
        if (to == address(0)) revert ZeroAddress();
        _debit(token, msg.sender, amount);
        emit Withdrawn(token, msg.sender, to, amount);
        _send(token, to, amount);
    }

    // ---------------------------------------------------------------------------------------------- views

    /// @inheritdoc IInferenceMarket
    function job(bytes32 jobId) external view returns (Job memory) {
        Record storage record = _jobs[jobId];
        return Job(record.state, record.fundedAt, record.settledAt, record.prover, record.late, record.snapshotHash);
    }

    /// @inheritdoc IInferenceMarket
    function hashOrder(Order calldata order) public view returns (bytes32) {
        return _hashTypedDataV4(MarketHash.order(order));
    }

    /// @inheritdoc IInferenceMarket
    function hashQuote(Quote calldata quote) public view returns (bytes32) {
        return _hashTypedDataV4(MarketHash.quote(quote));
    }

    /// @inheritdoc IInferenceMarket
    function contextOf(bytes32 jobId, address prover) public view virtual returns (bytes32) {
        return bytes32(uint256(keccak256(abi.encode(block.chainid, address(this), jobId, prover))) % R);
    }

    /// @inheritdoc IInferenceMarket
    function contextOfBatch(bytes32[] memory jobIds, address prover) public view returns (bytes32) {
        bytes32 all = keccak256(abi.encodePacked(jobIds));
        return bytes32(uint256(keccak256(abi.encode(block.chainid, address(this), all, prover, jobIds.length))) % R);
    }

    // ---------------------------------------------------------------------------------------------- inner

    /// @dev Checks order against quote, model and key; records the job. The money is the caller's to take.
    function _open(Order calldata order, Quote calldata quote, bytes calldata sellerSignature) private returns (bytes32 jobId) {
        jobId = hashOrder(order);
        Record storage record = _jobs[jobId];
        if (record.state != State.None) revert WrongState(jobId, record.state);
        _matchQuote(order, quote);
        Snapshot memory snapshot = _snapshot(order, quote);
        if (!SignatureChecker.isValidSignatureNow(snapshot.seller, hashQuote(quote), sellerSignature)) revert InvalidSignature();
        record.state = State.Funded;
        record.fundedAt = uint40(block.timestamp);
        record.snapshotHash = keccak256(abi.encode(snapshot));
        emit JobFunded(jobId, order.modelId, order.buyer, order, snapshot, quote.provers);
    }

    function _matchQuote(Order calldata order, Quote calldata quote) private view {
        if (block.timestamp > quote.validUntil) revert QuoteExpired(quote.validUntil);
        if (quote.price > order.maxPrice) revert PriceTooHigh(quote.price, order.maxPrice);
        if (quote.buyer != address(0) && quote.buyer != order.buyer) revert QuoteMismatch();
        if (quote.modelId != order.modelId || quote.keyHash != order.keyHash || quote.token != order.token) revert QuoteMismatch();
        if (quote.collateral != order.collateral || quote.proveSecs != order.proveSecs) revert QuoteMismatch();
        if (quote.expireSecs != order.expireSecs || quote.provers.length == 0) revert QuoteMismatch();
        if (order.proveSecs == 0 || order.proveSecs >= order.expireSecs || order.expireSecs > MAX_EXPIRE_SECS) revert InvalidDeadlines();
        if (order.verifier != address(verifier) || order.buyer == address(0)) revert InvalidOrder();
    }

    function _snapshot(Order calldata order, Quote calldata quote) private view returns (Snapshot memory snapshot) {
        IModelRegistry.Model memory model = models.model(order.modelId);
        IKeyRegistry.Key memory key = keys.admittedKey(order.keyHash);
        if (model.deprecated) revert ModelIsDeprecated(order.modelId);
        if (model.modelCommitment != order.modelCommitment || model.shapeDigest != key.shapeDigest) revert InvalidOrder();
        // a model with another number of chunks could never be proven: the buyer would wait in vain
        if (model.weightsPointer.code.length != 1 + 64 * uint256(key.weightChunks)) revert InvalidOrder();
        if (model.splitHash != order.feeSplitHash) revert WrongSplit();
        snapshot.seller = IERC721(address(models)).ownerOf(order.modelId);
        snapshot.keyPointer = key.pointer;
        snapshot.weightsPointer = model.weightsPointer;
        snapshot.price = quote.price;
        snapshot.proversHash = keccak256(abi.encodePacked(quote.provers));
    }

    /// @dev The job of an order. An order nobody funded has no snapshot, so it fails here.
    function _find(Order calldata order, Snapshot calldata snapshot) private view returns (bytes32 jobId, Record storage record) {
        jobId = hashOrder(order);
        record = _jobs[jobId];
        if (record.snapshotHash != MarketHash.snapshot(snapshot)) revert WrongSnapshot();
    }

    function _authorise(Order calldata order, Snapshot calldata snapshot, address[] calldata provers, address prover) private pure {
        if (keccak256(abi.encodePacked(provers)) != snapshot.proversHash) revert ProverNotAuthorised(prover);
        if (order.prover != address(0) && order.prover != prover) revert ProverNotAuthorised(prover);
        for (uint256 i; i < provers.length; ++i) {
            if (provers[i] == prover) return;
        }
        revert ProverNotAuthorised(prover);
    }

    /// @dev Reverts unless the proof is valid for this job, this prover and the snapshot's key and weights.
    function _verify(
        Order calldata order,
        Snapshot calldata snapshot,
        Inference calldata inference,
        bytes32 jobId,
        address prover
    ) private view {
        if (keccak256(inference.inputCommitments) != order.inputCommitment) revert WrongInput();
        _check(order, snapshot, inference, contextOf(jobId, prover));
    }

    /// @dev Reverts unless the proof is valid in this context, for the snapshot's key and weights, and has no clamps if the order asks for none.
    function _check(Order calldata order, Snapshot calldata snapshot, Inference calldata inference, bytes32 context)
        private
        view
        returns (uint32 clamps)
    {
        verifier.verify(
            snapshot.keyPointer, snapshot.weightsPointer, context, inference.inputCommitments, inference.output, inference.proof
        );
        bytes calldata output = inference.output;
        assembly ("memory-safe") {
            // the verifier has accepted the length, so the number of clamps is there
            clamps := shr(224, calldataload(add(output.offset, sub(output.length, 4))))
        }
        if (clamps != 0 && order.unclamped) revert Clamped(clamps);
    }

    /// @dev The number of inferences of a key whose inputs are separate, or which is for one.
    function _separateInferences(address keyPointer) private view returns (uint256) {
        uint256 batch;
        uint256 offset = 1 + 32 * KeyFormat.BATCH;
        assembly ("memory-safe") {
            extcodecopy(keyPointer, 0, offset, 0x20)
            batch := mload(0)
        }
        if (batch != 0 && !KeyFormat.separate(batch)) revert JointKey();
        return KeyFormat.inferences(batch);
    }

    /// @dev Settles the records of a batch: each must be locked by the same prover, in time, under this snapshot. A job that is there twice is
    /// settled when it comes again. Nothing is proven yet: the caller does that, or reverts.
    function _settleJobs(
        Order calldata template,
        Snapshot calldata snapshot,
        BatchJob[] calldata jobs,
        bytes calldata inputs,
        uint256 inferences
    ) private returns (bytes32[] memory jobIds, address prover) {
        jobIds = new bytes32[](jobs.length);
        bytes32 snapshotHash = MarketHash.snapshot(snapshot);
        uint256 buf = MarketHash.template(template, _domainSeparatorV4());
        uint256 proveSecs = template.proveSecs;
        uint256 part = inputs.length / inferences;
        uint256 input;
        assembly ("memory-safe") {
            input := inputs.offset
        }
        for (uint256 i; i < jobs.length; ++i) {
            bytes32 jobId;
            unchecked {
                jobId = MarketHash.ofBatch(buf, jobs[i], input + part * i, part);
            }
            jobIds[i] = jobId;
            Record storage record = _jobs[jobId];
            if (record.snapshotHash != snapshotHash) revert WrongSnapshot();
            address locker = _settleInTime(jobId, record, proveSecs);
            if (i == 0) prover = locker;
            else if (locker != prover) revert WrongProver(jobId, locker);
        }
    }

    /// @dev Makes a locked job a settled one, whose proof is yet to be verified; its prover.
    function _settleInTime(bytes32 jobId, Record storage record, uint256 proveSecs) private returns (address prover) {
        uint256 packed; // see `_store`
        assembly ("memory-safe") {
            packed := sload(record.slot)
        }
        if (uint8(packed) != uint8(State.Locked)) revert WrongState(jobId, State(uint8(packed)));
        unchecked {
            uint256 proveBy = uint40(packed >> 16) + proveSecs;
            if (block.timestamp > proveBy) revert TooLate(proveBy);
            prover = address(uint160(packed >> 96));
            // a locked job is not late and has no settlement time
            packed += (block.timestamp << 56) + uint8(State.Settled) - uint8(State.Locked);
        }
        assembly ("memory-safe") {
            sstore(record.slot, packed)
        }
    }

    /// @dev One write for the slot that all but the snapshot share; the layout is that of `Record`, first field lowest.
    function _store(Record storage record, Record memory current) private {
        uint256 packed = uint256(current.state) | (current.late ? 1 << 8 : 0) | (uint256(current.fundedAt) << 16);
        packed |= (uint256(current.settledAt) << 56) | (uint256(uint160(current.prover)) << 96);
        assembly ("memory-safe") {
            sstore(record.slot, packed)
        }
    }

    /// @dev Credits `amount` by the split, the rounding to the last payee, and `extra` (freed collateral, reward) to the prover.
    function _pay(
        Order calldata order,
        Snapshot calldata snapshot,
        Payee[] calldata split,
        uint256 amount,
        address prover,
        uint256 extra
    ) private {
        if (keccak256(abi.encode(split)) != order.feeSplitHash) revert WrongSplit();
        uint256 left = amount;
        for (uint256 i; i < split.length; ++i) {
            address account = split[i].account;
            if (account == OWNER) account = snapshot.seller;
            else if (account == PROVER) account = prover;
            uint256 share = i + 1 == split.length ? left : amount * split[i].bps / 10_000;
            left -= share;
            if (account == prover) {
                share += extra; // one write where the prover is a payee
                extra = 0;
            }
            _credit(order.token, account, share);
        }
        _credit(order.token, prover, extra);
    }

    function _latePrice(uint256 price) private pure returns (uint256) {
        return price * LATE_PRICE_BPS / 10_000;
    }
}
