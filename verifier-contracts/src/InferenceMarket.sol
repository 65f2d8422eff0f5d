// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import {IAssayVerifier} from "./interfaces/IAssayVerifier.sol";
import {IInferenceMarket} from "./interfaces/IInferenceMarket.sol";
import {IKeyRegistry} from "./interfaces/IKeyRegistry.sol";
import {IModelRegistry, Payee} from "./interfaces/IModelRegistry.sol";
import {Ledger} from "./Ledger.sol";
import {JobWord, makeJobWord} from "./lib/JobWord.sol";
import {KeyFormat} from "./lib/KeyFormat.sol";
import {MarketHash} from "./lib/MarketHash.sol";

/// @notice See `IInferenceMarket`.
contract InferenceMarket is Ledger, EIP712 {
    /// @notice What a late delivery is paid of the price, in 1/10,000; the rest returns to the buyer.
    uint256 public constant LATE_PRICE_BPS = 8_000;
    /// @notice What a takeover is paid of the defaulted collateral, in 1/10,000; the rest goes to the treasury.
    uint256 public constant TAKEOVER_REWARD_BPS = 5_000;
    /// @notice The least collateral, in 1/10,000 of the price: a lock that is not meant costs something.
    uint256 public constant MIN_COLLATERAL_BPS = 1_000;
    /// @notice What the buyer of a job that was locked and never proven gets of the collateral, in 1/10,000,
    uint256 public constant COMPENSATION_BPS = 5_000;
    /// @notice and the most of it, in 1/10,000 of the price: it pays for the time that the price was tied up, and is nothing to live on.
    uint256 public constant MAX_COMPENSATION_BPS = 1_000;
    /// @notice Seconds after settlement in which the seller can return a payment here.
    uint256 public constant REFUND_WINDOW = 30 days;
    /// @notice The longest `expireSecs`.
    uint256 public constant MAX_EXPIRE_SECS = 30 days;
    /// @notice The longest that a quote can be valid.
    uint256 public constant MAX_QUOTE_SECS = 30 days;

    uint256 private constant R = 0x30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001;
    /// @dev Stand-ins in a revenue split, see `Payee`.
    address private constant OWNER = address(1);
    address private constant PROVER = address(2);

    IAssayVerifier public immutable verifier;
    IKeyRegistry public immutable keys;
    IModelRegistry public immutable models;
    /// @notice Gets slashed collateral, so it must be nobody who sells or proves. Most of it does not go to the buyer: else asking for what cannot be
    /// served would be a business.
    address public immutable treasury;

    mapping(bytes32 jobId => JobWord) private _jobs;
    /// @notice Nonces of quotes with one use that are spent, a bit each: bit `nonce % 256` of word `nonce / 256`.
    mapping(address seller => mapping(uint256 index => uint256)) public spentNonces;
    /// @notice Jobs that quotes with several uses have funded.
    mapping(address seller => mapping(bytes32 quoteHash => uint256)) public quoteUses;

    constructor(IAssayVerifier verifier_, IKeyRegistry keys_, IModelRegistry models_, address treasury_) EIP712("Assay", "1") {
        if (treasury_ == address(0)) revert ZeroAddress();
        if (address(verifier_).code.length == 0 || address(models_).code.length == 0) revert InvalidDeployment();
        // weights proven under somebody else's keys would be shown as proven here
        if (address(models_.keys()) != address(keys_)) revert InvalidDeployment();
        // keys that another verifier reads, or nobody, would mean nothing here
        if (address(keys_).code.length == 0 || address(keys_.verifier()) != address(verifier_)) revert InvalidDeployment();
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
        jobId = _openOne(order, quote, sellerSignature);
        _charge(order.token, quote.price, fromBalance);
    }

    /// @inheritdoc IInferenceMarket
    function fundFor(Order calldata order, Quote calldata quote, bytes calldata sellerSignature, bytes calldata buyerSignature)
        external
        nonReentrant
        returns (bytes32 jobId)
    {
        _requireSigned(order.buyer, hashPurchase(order, quote), buyerSignature);
        jobId = _openOne(order, quote, sellerSignature);
        _debit(order.token, order.buyer, quote.price);
    }

    /// @inheritdoc IInferenceMarket
    function fundBatch(
        Order calldata template,
        Quote calldata quote,
        bytes calldata sellerSignature,
        BatchOrder[] calldata orders,
        bool fromBalance
    ) external payable nonReentrant returns (bytes32[] memory jobIds) {
        if (orders.length == 0) revert WrongBatch(0, 0);
        Snapshot memory snapshot = _accept(template, quote, sellerSignature, orders.length);
        jobIds = new bytes32[](orders.length);
        JobWord word = makeJobWord(uint8(State.Funded), block.timestamp, keccak256(abi.encode(snapshot)));
        uint256 buf = MarketHash.template(template, _domainSeparatorV4());
        for (uint256 i; i < orders.length; ++i) {
            bytes32 jobId = MarketHash.ofBuyer(buf, orders[i]);
            jobIds[i] = jobId;
            _create(jobId, word);
            emit JobFundedInBatch(jobId, orders[i].inputCommitment, orders[i].salt);
        }
        emit BatchFunded(template.modelId, template.buyer, orders.length, template, snapshot, quote.provers);
        _charge(template.token, uint256(quote.price) * orders.length, fromBalance);
    }

    /// @inheritdoc IInferenceMarket
    function revoke(Order calldata order) external nonReentrant returns (bytes32 jobId) {
        if (msg.sender != order.buyer) revert NotBuyer();
        jobId = hashOrder(order);
        _create(jobId, makeJobWord(uint8(State.Cancelled), 0, 0)); // without a digest, so nothing else can be done with it
        emit JobCancelled(jobId);
    }

    /// @inheritdoc IInferenceMarket
    function cancel(Order calldata order, Snapshot calldata snapshot) external nonReentrant {
        if (msg.sender != order.buyer) revert NotBuyer();
        bytes32 jobId = hashOrder(order);
        _expect(jobId, State.Funded, MarketHash.snapshot(snapshot));
        _jobs[jobId] = makeJobWord(uint8(State.Cancelled), 0, 0);
        _credit(order.token, order.buyer, snapshot.price);
        emit JobCancelled(jobId);
    }

    /// @inheritdoc IInferenceMarket
    function claimRefund(Order calldata order, Snapshot calldata snapshot, address locker) external nonReentrant {
        bytes32 jobId = hashOrder(order);
        (JobWord word, bool locked) = _held(jobId, MarketHash.snapshot(snapshot), locker);
        uint256 expireBy = word.time() + order.expireSecs;
        if (block.timestamp <= expireBy) revert TooEarly(expireBy);
        _jobs[jobId] = makeJobWord(uint8(State.Expired), 0, 0);
        uint256 compensation = locked ? _compensation(snapshot.price, order.collateral) : 0;
        _credit(order.token, order.buyer, snapshot.price + compensation);
        emit JobExpired(jobId, snapshot.price);
        if (!locked) return;
        uint256 toTreasury = order.collateral - compensation;
        _credit(order.token, treasury, toTreasury);
        emit Slashed(jobId, locker, toTreasury, 0, compensation);
    }

    // ---------------------------------------------------------------------------------------------- proving

    /// @inheritdoc IInferenceMarket
    function lock(Order calldata order, Snapshot calldata snapshot, address[] calldata provers) external nonReentrant {
        _lock(hashOrder(order), order, snapshot, provers, msg.sender);
    }

    /// @inheritdoc IInferenceMarket
    function lockFor(
        Order calldata order,
        Snapshot calldata snapshot,
        address[] calldata provers,
        address prover,
        uint64 validUntil,
        bytes calldata signature
    ) external nonReentrant {
        if (block.timestamp > validUntil) revert TooLate(validUntil);
        bytes32 jobId = hashOrder(order);
        bytes32 digest = _hashTypedDataV4(keccak256(abi.encode(MarketHash.LOCK, jobId, prover, validUntil)));
        _requireSigned(prover, digest, signature);
        _lock(jobId, order, snapshot, provers, prover);
    }

    /// @inheritdoc IInferenceMarket
    function lockBatch(
        Order calldata template,
        Snapshot calldata snapshot,
        BatchJob[] calldata jobs,
        bytes32[] calldata inputCommitments,
        address[] calldata provers
    ) external nonReentrant {
        if (jobs.length == 0 || jobs.length != inputCommitments.length) revert WrongBatch(jobs.length, inputCommitments.length);
        bytes32 snapshotHash = MarketHash.snapshot(snapshot);
        _authorise(template, snapshot, provers, msg.sender);
        uint256 buf = MarketHash.template(template, _domainSeparatorV4());
        bytes32 lockDigest = MarketHash.lock(snapshotHash, msg.sender);
        for (uint256 i; i < jobs.length; ++i) {
            _takeLock(MarketHash.ofBatch(buf, jobs[i], inputCommitments[i]), snapshotHash, lockDigest, template.proveSecs, msg.sender);
        }
        _debit(template.token, msg.sender, uint256(template.collateral) * jobs.length);
    }

    /// @inheritdoc IInferenceMarket
    function settle(
        Order calldata order,
        Snapshot calldata snapshot,
        Payee[] calldata split,
        Inference calldata inference,
        address prover
    ) external nonReentrant {
        bytes32 jobId = hashOrder(order);
        bytes32 snapshotHash = MarketHash.snapshot(snapshot);
        uint256 proveBy = _expect(jobId, State.Locked, MarketHash.lock(snapshotHash, prover)).time() + order.proveSecs;
        if (block.timestamp > proveBy) revert TooLate(proveBy);
        _verify(order, snapshot, inference, jobId, prover);
        _settled(jobId, snapshotHash, inference.output, prover, false);
        _pay(order, snapshot, split, snapshot.price, prover, order.collateral);
        emit JobSettled(jobId, prover, order.modelId, snapshot.price, false, inference.output);
    }

    /// @inheritdoc IInferenceMarket
    function settleBatch(
        Order calldata template,
        Snapshot calldata snapshot,
        BatchJob[] calldata jobs,
        Payee[] calldata split,
        Inference calldata inference,
        address prover,
        address[] calldata provers
    ) external nonReentrant {
        Batch memory batch;
        batch.inferences = _inferencesOf(snapshot.keyPointer, true);
        if (jobs.length == 0 || jobs.length > batch.inferences) revert WrongBatch(jobs.length, batch.inferences);
        if (snapshot.inferences != 1) revert WrongInferences(snapshot.inferences);
        // the lengths are right, and divisible, if the verifier accepts them
        uint256 locked = _settleJobs(template, snapshot, jobs, inference, prover, batch);
        if (locked != jobs.length) _authorise(template, snapshot, provers, prover);
        uint32 clamps = _check(template, snapshot, inference, contextOfBatch(batch.jobIds, prover));
        uint256 price = snapshot.price;
        _pay(template, snapshot, split, price * jobs.length, prover, uint256(template.collateral) * locked);
        bytes calldata output = inference.output[:batch.part * jobs.length];
        emit BatchSettled(template.modelId, prover, price, batch.jobIds, output, clamps);
    }

    /// @inheritdoc IInferenceMarket
    function settleOpen(
        Order calldata order,
        Snapshot calldata snapshot,
        Payee[] calldata split,
        Inference calldata inference,
        address prover,
        address[] calldata provers,
        address locker
    ) external nonReentrant {
        bytes32 jobId = hashOrder(order);
        bytes32 snapshotHash = MarketHash.snapshot(snapshot);
        (JobWord word, bool locked) = _held(jobId, snapshotHash, locker);
        uint256 proveBy = word.time() + order.proveSecs;
        bool late = block.timestamp > proveBy;
        if (locked && !late) revert TooEarly(proveBy);
        uint256 expireBy = word.time() + order.expireSecs;
        if (block.timestamp > expireBy) revert TooLate(expireBy);
        _authorise(order, snapshot, provers, prover);
        _verify(order, snapshot, inference, jobId, prover);
        _settled(jobId, snapshotHash, inference.output, prover, late);
        uint256 paid = late ? _latePrice(snapshot.price) : snapshot.price;
        uint256 reward;
        if (locked) {
            // whoever missed the deadline gets nothing back of their own collateral
            reward = prover == locker ? 0 : order.collateral * TAKEOVER_REWARD_BPS / 10_000;
            _credit(order.token, treasury, order.collateral - reward);
            emit Slashed(jobId, locker, order.collateral - reward, reward, 0);
        }
        _pay(order, snapshot, split, paid, prover, reward);
        _credit(order.token, order.buyer, snapshot.price - paid);
        emit JobSettled(jobId, prover, order.modelId, paid, late, inference.output);
    }

    /// @inheritdoc IInferenceMarket
    function refund(Order calldata order, Snapshot calldata snapshot, address prover, bytes32 outputHash) external nonReentrant {
        bytes32 jobId = hashOrder(order);
        bytes32 digest = MarketHash.settlement(MarketHash.snapshot(snapshot), prover, outputHash);
        JobWord word = _expect(jobId, State.Settled, digest);
        if (msg.sender != snapshot.seller) revert NotSeller();
        uint256 refundBy = word.time() + REFUND_WINDOW;
        if (block.timestamp >= refundBy) revert TooLate(refundBy);
        uint256 amount = word.late() ? _latePrice(snapshot.price) : snapshot.price;
        _jobs[jobId] = word.withState(uint8(State.Refunded));
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

    /// @inheritdoc IInferenceMarket
    function sweep(address token) external nonReentrant returns (uint256 amount) {
        amount = _surplus(token);
        _credit(token, treasury, amount);
        emit Swept(token, amount);
    }

    // ---------------------------------------------------------------------------------------------- views

    /// @inheritdoc IInferenceMarket
    function job(bytes32 jobId) external view returns (Job memory) {
        JobWord word = _jobs[jobId];
        return Job(State(word.state()), word.late(), uint40(word.time()), word.digest());
    }

    /// @inheritdoc IInferenceMarket
    function isSettled(bytes32 jobId, Snapshot calldata snapshot, address prover, bytes32 outputHash) external view returns (bool) {
        JobWord word = _jobs[jobId];
        if (word.state() != uint8(State.Settled) && word.state() != uint8(State.Refunded)) return false;
        return word.has(MarketHash.settlement(MarketHash.snapshot(snapshot), prover, outputHash));
    }

    /// @inheritdoc IInferenceMarket
    function lockHash(bytes32 snapshotHash, address prover) external pure returns (bytes32) {
        return MarketHash.lock(snapshotHash, prover);
    }

    /// @inheritdoc IInferenceMarket
    function settlementHash(bytes32 snapshotHash, address prover, bytes32 outputHash) external pure returns (bytes32) {
        return MarketHash.settlement(snapshotHash, prover, outputHash);
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
    function hashPurchase(Order calldata order, Quote calldata quote) public view returns (bytes32) {
        return _hashTypedDataV4(keccak256(abi.encode(MarketHash.PURCHASE, MarketHash.order(order), MarketHash.quote(quote))));
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

    // ---------------------------------------------------------------------------------------------- inner: funding

    /// @dev Checks order against quote, model and key; records the job. The money is the caller's to take.
    function _openOne(Order calldata order, Quote calldata quote, bytes calldata sellerSignature) private returns (bytes32 jobId) {
        jobId = hashOrder(order);
        _requireNew(jobId);
        Snapshot memory snapshot = _accept(order, quote, sellerSignature, 1);
        _create(jobId, makeJobWord(uint8(State.Funded), block.timestamp, keccak256(abi.encode(snapshot))));
        emit JobFunded(jobId, order.modelId, order.buyer, order, snapshot, quote.provers);
    }

    /// @dev A job that there is not yet.
    function _create(bytes32 jobId, JobWord word) private {
        _requireNew(jobId);
        _jobs[jobId] = word;
    }

    function _requireNew(bytes32 jobId) private view {
        uint8 state = _jobs[jobId].state();
        if (state != uint8(State.None)) revert WrongState(jobId, State(state));
    }

    /// @dev Checks terms and signature, and uses the quote for `jobs` jobs.
    function _accept(Order calldata order, Quote calldata quote, bytes calldata sellerSignature, uint256 jobs)
        private
        returns (Snapshot memory snapshot)
    {
        _matchQuote(order, quote);
        snapshot = _snapshot(order, quote);
        bytes32 digest = hashQuote(quote);
        _requireSigned(snapshot.seller, digest, sellerSignature);
        _useQuote(quote, snapshot.seller, digest, jobs);
    }

    /// @dev By the account's key, which costs no look at the account, or by ERC-1271.
    function _requireSigned(address signer, bytes32 digest, bytes calldata signature) private view {
        (address recovered, ECDSA.RecoverError problem,) = ECDSA.tryRecoverCalldata(digest, signature);
        if (problem == ECDSA.RecoverError.NoError && recovered == signer) return;
        if (!SignatureChecker.isValidERC1271SignatureNow(signer, digest, signature)) revert InvalidSignature();
    }

    function _matchQuote(Order calldata order, Quote calldata quote) private view {
        if (block.timestamp > quote.validUntil) revert QuoteExpired(quote.validUntil);
        if (block.timestamp < quote.validFrom || quote.validUntil - quote.validFrom > MAX_QUOTE_SECS) revert QuoteNotValid();
        if (quote.price > order.maxPrice) revert PriceTooHigh(quote.price, order.maxPrice);
        if (quote.buyer != address(0) && quote.buyer != order.buyer) revert QuoteMismatch();
        if (quote.modelId != order.modelId || quote.keyHash != order.keyHash || quote.token != order.token) revert QuoteMismatch();
        if (quote.collateral != order.collateral || quote.proveSecs != order.proveSecs) revert QuoteMismatch();
        if (quote.expireSecs != order.expireSecs || quote.provers.length == 0) revert QuoteMismatch();
        if (order.proveSecs == 0 || order.proveSecs >= order.expireSecs || order.expireSecs > MAX_EXPIRE_SECS) revert InvalidDeadlines();
        if (order.verifier != address(verifier) || order.buyer == address(0)) revert InvalidOrder();
        uint256 least = (uint256(quote.price) * MIN_COLLATERAL_BPS + 9_999) / 10_000;
        if (quote.collateral < least) revert CollateralTooLow(least);
        for (uint256 i; i < quote.provers.length; ++i) {
            if (quote.provers[i] == treasury) revert TreasuryProves();
        }
    }

    function _snapshot(Order calldata order, Quote calldata quote) private view returns (Snapshot memory snapshot) {
        IKeyRegistry.Terms memory key = keys.admittedTerms(order.keyHash);
        IModelRegistry.Listing memory listing = models.listing(order.modelId);
        if (listing.deprecated) revert ModelIsDeprecated(order.modelId);
        if (listing.quoteEpoch != quote.epoch) revert QuoteRevoked(listing.quoteEpoch);
        // what the model was registered with: its commitment, its split, and the shape that the key is for
        if (listing.termsHash != keccak256(abi.encode(key.shapeDigest, order.modelCommitment, order.feeSplitHash))) revert InvalidOrder();
        // a model with another number of chunks could never be proven: the buyer would wait in vain
        if (listing.weightChunks != key.weightChunks) revert InvalidOrder();
        if (listing.owner == treasury) revert TreasuryProves();
        uint256 all = KeyFormat.inferences(key.batch);
        if (quote.inferences != all && (quote.inferences != 1 || !KeyFormat.separate(key.batch))) revert WrongInferences(all);
        snapshot.seller = listing.owner;
        snapshot.keyPointer = key.pointer;
        snapshot.weightsPointer = listing.weightsPointer;
        snapshot.price = quote.price;
        snapshot.inferences = quote.inferences;
        snapshot.proversHash = keccak256(abi.encodePacked(quote.provers));
    }

    function _useQuote(Quote calldata quote, address seller, bytes32 digest, uint256 jobs) private {
        if (quote.uses == 0) return;
        if (quote.uses == 1) {
            uint256 bit = 1 << (quote.nonce & 0xff);
            uint256 spent = spentNonces[seller][quote.nonce >> 8];
            if (jobs != 1 || spent & bit != 0) revert QuoteUsed();
            spentNonces[seller][quote.nonce >> 8] = spent | bit;
        } else {
            uint256 used = quoteUses[seller][digest] + jobs;
            if (used > quote.uses) revert QuoteUsed();
            quoteUses[seller][digest] = used;
        }
    }

    /// @dev Takes a price from the caller, out of credit or fresh.
    function _charge(address token, uint256 amount, bool fromBalance) private {
        if (fromBalance) {
            if (msg.value != 0) revert WrongPayment(0, msg.value);
            _debit(token, msg.sender, amount);
        } else {
            uint256 received = _receive(token, msg.sender, amount);
            if (received != amount) revert WrongPayment(amount, received);
        }
    }

    // ---------------------------------------------------------------------------------------------- inner: proving

    /// @dev The job's word, which must be in this state with this digest.
    function _expect(bytes32 jobId, State state, bytes32 digest) private view returns (JobWord word) {
        word = _jobs[jobId];
        if (word.state() != uint8(state)) _refuse(jobId, word);
        if (!word.has(digest)) revert WrongSnapshot();
    }

    /// @dev An order that was never funded has no snapshot.
    function _refuse(bytes32 jobId, JobWord word) private pure {
        if (word.state() == uint8(State.None)) revert WrongSnapshot();
        revert WrongState(jobId, State(word.state()));
    }

    /// @dev The word of a job that is funded (no locker) or locked.
    function _held(bytes32 jobId, bytes32 snapshotHash, address locker) private view returns (JobWord word, bool locked) {
        word = _jobs[jobId];
        locked = word.state() == uint8(State.Locked);
        if (!locked && word.state() != uint8(State.Funded)) _refuse(jobId, word);
        if (!word.has(locked ? MarketHash.lock(snapshotHash, locker) : snapshotHash)) revert WrongSnapshot();
    }

    function _lock(
        bytes32 jobId,
        Order calldata order,
        Snapshot calldata snapshot,
        address[] calldata provers,
        address prover
    ) private {
        _authorise(order, snapshot, provers, prover);
        bytes32 snapshotHash = MarketHash.snapshot(snapshot);
        _takeLock(jobId, snapshotHash, MarketHash.lock(snapshotHash, prover), order.proveSecs, prover);
        _debit(order.token, prover, order.collateral);
    }

    /// @dev A lock that comes late is not meant, or leaves too little time: after half of it the buyer's `cancel` cannot be denied.
    function _takeLock(bytes32 jobId, bytes32 snapshotHash, bytes32 lockDigest, uint256 proveSecs, address prover) private {
        uint256 fundedAt = _expect(jobId, State.Funded, snapshotHash).time();
        if (block.timestamp > fundedAt + proveSecs / 2) revert TooLate(fundedAt + proveSecs / 2);
        _jobs[jobId] = makeJobWord(uint8(State.Locked), fundedAt, lockDigest);
        emit JobLocked(jobId, prover, fundedAt + proveSecs);
    }

    function _authorise(Order calldata order, Snapshot calldata snapshot, address[] calldata provers, address prover) private pure {
        if (keccak256(abi.encodePacked(provers)) != snapshot.proversHash) revert ProverNotAuthorised(prover);
        if (order.prover != address(0) && order.prover != prover) revert ProverNotAuthorised(prover);
        for (uint256 i; i < provers.length; ++i) {
            if (provers[i] == prover) return;
        }
        revert ProverNotAuthorised(prover);
    }

    /// @dev Reverts unless the proof is valid for this job, this prover and the snapshot's key and weights, and for as many inferences as were bought.
    function _verify(
        Order calldata order,
        Snapshot calldata snapshot,
        Inference calldata inference,
        bytes32 jobId,
        address prover
    ) private view {
        if (keccak256(inference.inputCommitments) != order.inputCommitment) revert WrongInput();
        if (snapshot.inferences != _inferencesOf(snapshot.keyPointer, false)) revert WrongInferences(snapshot.inferences);
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
        clamps = _clamps(inference.output); // the verifier has accepted the length, so the number is there
        if (clamps != 0 && order.unclamped) revert Clamped(clamps);
    }

    /// @dev The last four bytes of an output, if there are as many.
    function _clamps(bytes calldata output) private pure returns (uint32 clamps) {
        assembly ("memory-safe") {
            clamps := shr(224, calldataload(add(output.offset, sub(output.length, 4))))
        }
    }

    /// @dev The number of inferences of a key; of one whose inputs are separate, or which is for one, if that is asked for.
    function _inferencesOf(address keyPointer, bool separate) private view returns (uint256) {
        uint256 batch;
        uint256 offset = 1 + 32 * KeyFormat.BATCH;
        assembly ("memory-safe") {
            extcodecopy(keyPointer, 0, offset, 0x20)
            batch := mload(0)
        }
        if (separate && batch != 0 && !KeyFormat.separate(batch)) revert JointKey();
        return KeyFormat.inferences(batch);
    }

    /// @dev What the settlement of a batch computes on its way.
    struct Batch {
        uint256 inferences;
        bytes32[] jobIds;
        uint256 part; // bytes of output cells of one job
    }

    /// @dev Settles the words of a batch: each must be locked by the prover or by nobody, in time, under this snapshot. A job that is there twice
    /// is settled when it comes again. Nothing is proven yet: the caller does that, or reverts. Returns how many were locked.
    function _settleJobs(
        Order calldata template,
        Snapshot calldata snapshot,
        BatchJob[] calldata jobs,
        Inference calldata inference,
        address prover,
        Batch memory batch
    ) private returns (uint256 locked) {
        unchecked {
            batch.jobIds = new bytes32[](jobs.length);
            uint256 cells = inference.output.length < 4 ? 0 : inference.output.length - 4;
            batch.part = cells / batch.inferences;
            bytes32 snapshotHash = MarketHash.snapshot(snapshot);
            uint256 buf = MarketHash.template(template, _domainSeparatorV4());
            for (uint256 i; i < jobs.length; ++i) {
                bytes32 jobId = MarketHash.ofBatch(buf, jobs[i], _inputOf(inference.inputCommitments, i, batch.inferences));
                batch.jobIds[i] = jobId;
                if (_checkBatched(jobId, snapshotHash, prover, template.proveSecs)) ++locked;
                bytes32 outputHash = _outputOf(inference.output, i, batch.part);
                bytes32 digest = MarketHash.settlement(snapshotHash, prover, outputHash);
                _jobs[jobId] = makeJobWord(uint8(State.Settled), block.timestamp, digest);
                emit JobSettledInBatch(jobId);
            }
        }
    }

    /// @dev Whether the job of a batch is locked, by the prover; if by nobody, the prover's right to it is the caller's to check.
    function _checkBatched(bytes32 jobId, bytes32 snapshotHash, address prover, uint256 proveSecs) private view returns (bool locked) {
        JobWord word;
        (word, locked) = _held(jobId, snapshotHash, prover);
        uint256 proveBy = word.time() + proveSecs;
        if (block.timestamp > proveBy) revert TooLate(proveBy);
    }

    /// @dev Hash of the `i`-th part of a batch's input commitments.
    function _inputOf(bytes calldata inputs, uint256 i, uint256 inferences) private pure returns (bytes32) {
        unchecked {
            uint256 part = inputs.length / inferences;
            uint256 start;
            assembly ("memory-safe") {
                start := inputs.offset
            }
            return MarketHash.part(start + part * i, part);
        }
    }

    /// @dev Hash of the `i`-th part of a batch's output and the number of clamps.
    function _outputOf(bytes calldata output, uint256 i, uint256 part) private pure returns (bytes32) {
        unchecked {
            uint256 start;
            assembly ("memory-safe") {
                start := output.offset
            }
            return MarketHash.part(start + part * i, part, _clamps(output));
        }
    }

    function _settled(bytes32 jobId, bytes32 snapshotHash, bytes calldata output, address prover, bool late) private {
        JobWord word =
            makeJobWord(uint8(State.Settled), block.timestamp, MarketHash.settlement(snapshotHash, prover, keccak256(output)));
        _jobs[jobId] = late ? word.withLate() : word;
    }

    // ---------------------------------------------------------------------------------------------- inner: paying

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

    /// @dev What a buyer gets of the collateral of a job that was locked and never proven.
    function _compensation(uint256 price, uint256 collateral) private pure returns (uint256) {
        uint256 share = collateral * COMPENSATION_BPS / 10_000;
        uint256 most = price * MAX_COMPENSATION_BPS / 10_000;
        return share < most ? share : most;
    }
}
