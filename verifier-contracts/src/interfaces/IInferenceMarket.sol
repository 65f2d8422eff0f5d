// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {Payee} from "./IModelRegistry.sol";

/// @title Escrow for proven inferences.
/// @notice A buyer funds a job on a seller-signed quote, a prover locks it with collateral, a valid proof releases the payment.
/// @dev Trust: no owner, no pause, no upgrade. Verifier, registries and treasury are fixed at deployment; key, weights, price, split and
/// payees of a job are fixed at funding. All amounts are credits in one ledger per token, withdrawn by their owner. Tokens that rebase or
/// charge on transfer out can make the ledger of *that token* insolvent; others are unaffected.
/// Times: `proveBy = fundedAt + proveSecs`, `expireBy = fundedAt + expireSecs`, both inclusive.
interface IInferenceMarket {
    enum State {
        None,
        Funded,
        Locked,
        Settled,
        Cancelled,
        Expired,
        Refunded
    }

    /// @notice What the buyer orders (EIP-712). The job id is the EIP-712 digest of this, so it binds chain and market.
    /// @param modelCommitment `keccak256(shapeDigest ‖ weight commitments)`
    /// @param inputCommitment Keccak-256 of the buyer's input commitments, 64 bytes each
    /// @param keyHash Keccak-256 of the verifying key that must check the proof
    /// @param verifier verifier contract; must be this market's
    /// @param token ERC-20, or zero for the native coin
    /// @param maxPrice the most the buyer pays, in the token's smallest unit
    /// @param feeSplitHash `keccak256(abi.encode(Payee[]))`, must be the model's
    /// @param collateral what a prover puts at stake, same token
    /// @param prover the only prover accepted, or zero for any that the quote lists
    /// @param unclamped pay only for a proof which says that no value of the inference had to be clamped to fit its width
    struct Order {
        address buyer;
        uint256 modelId;
        bytes32 modelCommitment;
        bytes32 inputCommitment;
        bytes32 keyHash;
        address verifier;
        address token;
        uint128 maxPrice;
        bytes32 feeSplitHash;
        uint32 proveSecs;
        uint32 expireSecs;
        uint128 collateral;
        address prover;
        bytes32 salt;
        bool unclamped;
    }

    /// @notice What the seller (holder of the model's token) offers and signs (EIP-712).
    /// @param buyer the only buyer it is for, or zero
    /// @param provers who may lock or take over the job (at least one)
    /// @param validUntil unix seconds, inclusive
    struct Quote {
        uint256 modelId;
        bytes32 keyHash;
        address token;
        uint128 price;
        uint128 collateral;
        uint32 proveSecs;
        uint32 expireSecs;
        address buyer;
        address[] provers;
        uint64 validUntil;
        bytes32 salt;
    }

    /// @notice What was true at funding; later calls pass it in and the market checks its hash.
    /// @param seller holder of the model's token at funding
    /// @param proversHash `keccak256(abi.encodePacked(provers))`, each padded to 32 bytes
    struct Snapshot {
        address seller;
        address keyPointer;
        address weightsPointer;
        uint128 price;
        bytes32 proversHash;
    }

    /// @param late settled in a takeover, at the late price
    struct Job {
        State state;
        uint40 fundedAt;
        uint40 settledAt;
        address prover;
        bool late;
        bytes32 snapshotHash;
    }

    /// @notice What a settlement proves.
    /// @param inputCommitments 64 bytes each
    /// @param output big-endian int16 cells, and behind them how many clamps there were, as big-endian uint32
    /// @param proof proof bytes
    struct Inference {
        bytes inputCommitments;
        bytes output;
        bytes proof;
    }

    /// @notice What the orders of a batch do not share. The input commitment follows from the inputs that are proven.
    struct BatchJob {
        address buyer;
        uint128 maxPrice;
        bytes32 salt;
    }

    event JobFunded(
        bytes32 indexed jobId, uint256 indexed modelId, address indexed buyer, Order order, Snapshot snapshot, address[] provers
    );
    event JobCancelled(bytes32 indexed jobId);
    event JobLocked(bytes32 indexed jobId, address indexed prover, uint256 proveBy);
    /// @param output as in `Inference`: output cells, and the number of clamps
    event JobSettled(bytes32 indexed jobId, address indexed prover, uint256 indexed modelId, uint256 paid, bool late, bytes output);
    /// @notice One event for all jobs of a batch, each paid `paidEach`. `output` has one part per job, of equal length and in the same order: that
    /// of `jobIds[i]` is `output[i * n : (i + 1) * n]`, `n = output.length / jobIds.length`. Fillers have no part.
    /// `clamps` is the number of clamps in all inferences of the proof, those of fillers too.
    event BatchSettled(uint256 indexed modelId, address indexed prover, uint256 paidEach, bytes32[] jobIds, bytes output, uint32 clamps);
    event JobExpired(bytes32 indexed jobId, uint256 refunded);
    event JobRefunded(bytes32 indexed jobId, address indexed by, uint256 amount);
    event Slashed(bytes32 indexed jobId, address indexed prover, uint256 toTreasury, uint256 toProver);
    event Deposited(address indexed token, address indexed account, uint256 amount);
    event Withdrawn(address indexed token, address indexed account, address indexed to, uint256 amount);

    error NotBuyer();
    error NotSeller();
    error InvalidSignature();
    error QuoteExpired(uint256 validUntil);
    error QuoteMismatch();
    error PriceTooHigh(uint256 price, uint256 maxPrice);
    error InvalidDeadlines();
    error InvalidOrder();
    /// @notice The order asks for an inference without clamps, and the proof says that there were some.
    error Clamped(uint32 clamps);
    error ModelIsDeprecated(uint256 modelId);
    error WrongState(bytes32 jobId, State state);
    error WrongSnapshot();
    error WrongSplit();
    error WrongInput();
    error ProverNotAuthorised(address prover);
    /// @notice A job of a batch is locked by another prover than the first one.
    error WrongProver(bytes32 jobId, address prover);
    /// @notice A batch has no jobs, or more than its key has inferences.
    error WrongBatch(uint256 jobs, uint256 inferences);
    /// @notice The inputs of this key share their commitments, so it cannot serve several buyers.
    error JointKey();
    error TooLate(uint256 deadline);
    error TooEarly(uint256 deadline);
    error InsufficientBalance(address token, address account, uint256 need, uint256 have);
    error WrongPayment(uint256 expected, uint256 received);
    error NativeTransferFailed();
    error ZeroAddress();

    /// @notice Buyer: pays for a job. With `fromBalance` from the buyer's credit here, else in native coin (exact `msg.value`) or by
    /// `transferFrom` of the ERC-20 (the exact price must arrive).
    function fund(Order calldata order, Quote calldata quote, bytes calldata sellerSignature, bool fromBalance)
        external
        payable
        returns (bytes32 jobId);

    /// @notice Relayer: funds a job from the buyer's credit here, on the buyer's EIP-712 signature of the order.
    function fundFor(Order calldata order, Quote calldata quote, bytes calldata sellerSignature, bytes calldata buyerSignature)
        external
        returns (bytes32 jobId);

    /// @notice Buyer: an order that was signed for `fundFor` and not funded yet never will be. Its id ends as `Cancelled`.
    function revoke(Order calldata order) external returns (bytes32 jobId);

    /// @notice Buyer: takes a job back that nobody has locked.
    function cancel(Order calldata order, Snapshot calldata snapshot) external;

    /// @notice Prover (listed in the quote): takes a job, until `proveBy`; the collateral leaves its credit.
    function lock(Order calldata order, Snapshot calldata snapshot, address[] calldata provers) external;

    /// @notice Anyone: submits the locking prover's proof, until `proveBy`. An invalid proof reverts.
    function settle(Order calldata order, Snapshot calldata snapshot, Payee[] calldata split, Inference calldata inference) external;

    /// @notice Anyone: submits one proof for several jobs that one prover has locked, of any buyers, until the first `proveBy` among them. All or
    /// nothing. The key is for inferences with separate inputs (or for one inference); job `i` is its inference `i`, and its order names the
    /// inputs of that one alone. Inferences after the last job are fillers: proven, and paid nothing. The sum of the prices is split once, so
    /// rounding may differ from that of single settlements. Such a job cannot be taken over: not settled by `proveBy`, it can only expire.
    /// @param template what the orders share; its buyer, input commitment, maximal price and salt are not read
    /// @param snapshot the same for all jobs
    /// @param jobs what the orders do not share
    /// @param inference input commitments and outputs of all inferences, and a proof in the context `contextOfBatch`
    function settleBatch(
        Order calldata template,
        Snapshot calldata snapshot,
        BatchJob[] calldata jobs,
        Payee[] calldata split,
        Inference calldata inference
    ) external;

    /// @notice Anyone: after `proveBy` and until `expireBy`, submits a proof made by any listed prover (the one that missed the deadline
    /// included). The price drops to `LATE_PRICE_BPS`, the rest returns to the buyer; the collateral is slashed and part of it rewards the prover.
    function settleOpen(
        Order calldata order,
        Snapshot calldata snapshot,
        Payee[] calldata split,
        Inference calldata inference,
        address prover,
        address[] calldata provers
    ) external;

    /// @notice Anyone: after `expireBy`, returns the whole escrow to the buyer's credit; the collateral of a lock goes to the treasury.
    function claimRefund(Order calldata order, Snapshot calldata snapshot) external;

    /// @notice Seller: returns what was paid for a settled job out of their own credit, within `REFUND_WINDOW` of settlement.
    function refund(Order calldata order, Snapshot calldata snapshot) external;

    /// @notice Adds to the caller's credit: `msg.value` for the native coin (token 0, `amount` = value), else what `transferFrom` delivers.
    function deposit(address token, uint256 amount) external payable;

    /// @notice Takes credit out.
    function withdraw(address token, uint256 amount, address to) external;

    /// @notice Credit of an account in a token.
    function balanceOf(address token, address account) external view returns (uint256);

    /// @notice The record of a job.
    function job(bytes32 jobId) external view returns (Job memory);

    /// @notice EIP-712 digest of the order: the job id, and what a buyer signs for `fundFor`.
    function hashOrder(Order calldata order) external view returns (bytes32);

    /// @notice EIP-712 digest that the seller signs.
    function hashQuote(Quote calldata quote) external view returns (bytes32);

    /// @notice Binding context of a job's proof: `keccak256(abi.encode(chainId, market, jobId, prover)) mod r`.
    function contextOf(bytes32 jobId, address prover) external view returns (bytes32);

    /// @notice Binding context of a batch's proof: `keccak256(abi.encode(chainId, market, keccak256(abi.encodePacked(jobIds)), prover,
    /// jobIds.length)) mod r`. No context of a single job: those hash one word less.
    function contextOfBatch(bytes32[] memory jobIds, address prover) external view returns (bytes32);
}
