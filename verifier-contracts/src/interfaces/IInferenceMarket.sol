// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {Payee} from "./IModelRegistry.sol";

/// @title Escrow for proven inferences.
/// @notice A buyer funds a job on a seller-signed quote, a prover locks it with collateral, a valid proof releases the payment.
/// @dev Trust: no owner, no pause, no upgrade. Verifier, registries and treasury are fixed at deployment; key, weights, price, split and
/// payees of a job are fixed at funding. All amounts are credits in one ledger per token, withdrawn by their owner. Tokens that rebase or
/// charge on transfer out can make the ledger of *that token* insolvent; others are unaffected.
/// Times: `lockBy = fundedAt + proveSecs / 2`, `proveBy = fundedAt + proveSecs`, `expireBy = fundedAt + expireSecs`, all inclusive.
/// What happened to a job is kept as one word: state, time, and a digest of the rest, which callers pass in again (see `Job`).
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
    /// @param provers who may lock or take over the job (at least one; the treasury is none)
    /// @param validFrom unix seconds, inclusive
    /// @param validUntil unix seconds, inclusive; at most `MAX_QUOTE_SECS` after `validFrom`
    /// @param inferences how many inferences a job buys: those of the key, or one of them where inputs are separate
    /// @param uses how many jobs it can fund, or zero for any number
    /// @param epoch the model's `quoteEpoch`, which moves when the token does and when its holder revokes all quotes
    /// @param nonce no two quotes of a seller for one job may share it
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
        uint64 validFrom;
        uint64 validUntil;
        uint32 inferences;
        uint32 uses;
        uint32 epoch;
        uint256 nonce;
    }

    /// @notice What was true at funding; later calls pass it in and the market checks its hash.
    /// @param seller holder of the model's token at funding
    /// @param inferences how many inferences the job buys
    /// @param proversHash `keccak256(abi.encodePacked(provers))`, each padded to 32 bytes
    struct Snapshot {
        address seller;
        address keyPointer;
        address weightsPointer;
        uint128 price;
        uint32 inferences;
        bytes32 proversHash;
    }

    /// @param late settled after `proveBy`, at the late price
    /// @param time unix seconds: of funding while Funded or Locked, of settlement while Settled or Refunded
    /// @param digest high 26 bytes of: `snapshotHash` while Funded, `lockHash` while Locked, `settlementHash` while Settled or Refunded; zero
    /// otherwise
    struct Job {
        State state;
        bool late;
        uint40 time;
        bytes26 digest;
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

    /// @notice What the orders of one buyer in a batch do not share.
    struct BatchOrder {
        bytes32 inputCommitment;
        bytes32 salt;
    }

    event JobFunded(
        bytes32 indexed jobId, uint256 indexed modelId, address indexed buyer, Order order, Snapshot snapshot, address[] provers
    );
    /// @notice A job of a batch. `BatchFunded` of the same transaction has the rest of its order.
    event JobFundedInBatch(bytes32 indexed jobId, bytes32 inputCommitment, bytes32 salt);
    /// @notice All jobs that the `JobFundedInBatch` right before it name.
    /// @param template the order of each of them, with its own input commitment and salt
    event BatchFunded(
        uint256 indexed modelId, address indexed buyer, uint256 jobs, Order template, Snapshot snapshot, address[] provers
    );
    event JobCancelled(bytes32 indexed jobId);
    event JobLocked(bytes32 indexed jobId, address indexed prover, uint256 proveBy);
    /// @param output as in `Inference`: output cells, and the number of clamps
    event JobSettled(bytes32 indexed jobId, address indexed prover, uint256 indexed modelId, uint256 paid, bool late, bytes output);
    /// @notice One event for all jobs of a batch, each paid `paidEach`. `output` has one part per job, of equal length and in the same order: that
    /// of `jobIds[i]` is `output[i * n : (i + 1) * n]`, `n = output.length / jobIds.length`. Fillers have no part.
    /// `clamps` is the number of clamps in all inferences of the proof, those of fillers too.
    /// Each job has its `JobSettledInBatch` before it in the same transaction, in the same order, by which it is found.
    event BatchSettled(uint256 indexed modelId, address indexed prover, uint256 paidEach, bytes32[] jobIds, bytes output, uint32 clamps);
    event JobSettledInBatch(bytes32 indexed jobId);
    event JobExpired(bytes32 indexed jobId, uint256 refunded);
    event JobRefunded(bytes32 indexed jobId, address indexed by, uint256 amount);
    event Slashed(bytes32 indexed jobId, address indexed prover, uint256 toTreasury, uint256 toProver, uint256 toBuyer);
    event Deposited(address indexed token, address indexed account, uint256 amount);
    event Withdrawn(address indexed token, address indexed account, address indexed to, uint256 amount);
    /// @notice Tokens that nobody had deposited, now the treasury's credit.
    event Swept(address indexed token, uint256 amount);

    error NotBuyer();
    error NotSeller();
    error InvalidSignature();
    error QuoteExpired(uint256 validUntil);
    /// @notice The quote is not valid yet, or for longer than `MAX_QUOTE_SECS`.
    error QuoteNotValid();
    /// @notice The model's token has moved since, or its holder has revoked all quotes.
    error QuoteRevoked(uint32 epoch);
    /// @notice The quote has funded as many jobs as it is for.
    error QuoteUsed();
    error QuoteMismatch();
    /// @notice The treasury would get collateral back that it put up itself.
    error TreasuryProves();
    error CollateralTooLow(uint256 least);
    /// @notice Not the number of inferences that the key's proofs have, or that the job bought.
    error WrongInferences(uint256 inferences);
    error PriceTooHigh(uint256 price, uint256 maxPrice);
    error InvalidDeadlines();
    error InvalidOrder();
    /// @notice The order asks for an inference without clamps, and the proof says that there were some.
    error Clamped(uint32 clamps);
    error ModelIsDeprecated(uint256 modelId);
    error WrongState(bytes32 jobId, State state);
    /// @notice There is no such job, or its snapshot, its prover or its output is another.
    error WrongSnapshot();
    error WrongSplit();
    error WrongInput();
    error ProverNotAuthorised(address prover);
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
    error InvalidDeployment();
    /// @notice Not an ERC-20: what an NFT's contract calls an amount is an id, and nobody could take it out again.
    error NotErc20(address token);

    /// @notice Anyone: pays for a job of the order's buyer, to whom the job belongs: what comes back of it is the buyer's. With `fromBalance` from the
    /// caller's credit here, else in native coin (exact `msg.value`) or by `transferFrom` of the ERC-20 (the exact price must arrive).
    function fund(Order calldata order, Quote calldata quote, bytes calldata sellerSignature, bool fromBalance)
        external
        payable
        returns (bytes32 jobId);

    /// @notice Relayer: funds a job from the buyer's credit here, on the buyer's EIP-712 signature of order and quote (`hashPurchase`): no other
    /// price, provers or deadlines than the buyer saw.
    function fundFor(Order calldata order, Quote calldata quote, bytes calldata sellerSignature, bytes calldata buyerSignature)
        external
        returns (bytes32 jobId);

    /// @notice Anyone: pays for several jobs of one buyer under one quote, as by `fund`. The value is the sum.
    /// @param template what the orders share; its input commitment and salt are not read
    function fundBatch(
        Order calldata template,
        Quote calldata quote,
        bytes calldata sellerSignature,
        BatchOrder[] calldata orders,
        bool fromBalance
    ) external payable returns (bytes32[] memory jobIds);

    /// @notice Buyer: an order that was signed for `fundFor` and not funded yet never will be. Its id ends as `Cancelled`.
    function revoke(Order calldata order) external returns (bytes32 jobId);

    /// @notice Buyer: takes a job back that nobody has locked.
    function cancel(Order calldata order, Snapshot calldata snapshot) external;

    /// @notice Prover (listed in the quote): takes a job, until `lockBy`; the collateral leaves its credit.
    function lock(Order calldata order, Snapshot calldata snapshot, address[] calldata provers) external;

    /// @notice Relayer: `lock` for a prover, on its EIP-712 signature `Lock(bytes32 jobId,address prover,uint64 validUntil)`.
    function lockFor(
        Order calldata order,
        Snapshot calldata snapshot,
        address[] calldata provers,
        address prover,
        uint64 validUntil,
        bytes calldata signature
    ) external;

    /// @notice Prover: `lock` for several jobs with one snapshot, of any buyers. All or nothing.
    /// @param template what the orders share; its buyer, input commitment, maximal price and salt are not read
    /// @param inputCommitments that of each job's order
    function lockBatch(
        Order calldata template,
        Snapshot calldata snapshot,
        BatchJob[] calldata jobs,
        bytes32[] calldata inputCommitments,
        address[] calldata provers
    ) external;

    /// @notice Anyone: submits the locking prover's proof, until `proveBy`. An invalid proof reverts.
    /// @param prover who has locked the job, is paid, and is in the proof's context
    function settle(
        Order calldata order,
        Snapshot calldata snapshot,
        Payee[] calldata split,
        Inference calldata inference,
        address prover
    ) external;

    /// @notice Anyone: submits one proof for several jobs of any buyers, until the first `proveBy` among them. All or nothing. Each is locked by
    /// `prover` or by nobody. The key is for inferences with separate inputs (or for one inference); job `i` is its inference `i`, and its order
    /// names the inputs of that one alone. Inferences after the last job are fillers: proven, and paid nothing. The sum of the prices is split
    /// once, so rounding may differ from that of single settlements. Such a job cannot be taken over: not settled by `proveBy`, it can only expire.
    /// @param template what the orders share; its buyer, input commitment, maximal price and salt are not read
    /// @param snapshot the same for all jobs
    /// @param jobs what the orders do not share
    /// @param inference input commitments and outputs of all inferences, and a proof in the context `contextOfBatch`
    /// @param provers the quote's, if a job is not locked; else not read
    function settleBatch(
        Order calldata template,
        Snapshot calldata snapshot,
        BatchJob[] calldata jobs,
        Payee[] calldata split,
        Inference calldata inference,
        address prover,
        address[] calldata provers
    ) external;

    /// @notice Anyone: until `expireBy`, submits a proof made by any listed prover for a job that nobody holds: not locked, or locked and past
    /// `proveBy` (the prover that missed it may still deliver). A job that is not locked is locked and settled in one step, without collateral; the
    /// buyer can still cancel it until then, so its proof and output are shown at the prover's own risk. After `proveBy` the price drops to
    /// `LATE_PRICE_BPS` and the rest returns to the buyer; a lock's collateral is slashed, and part of it rewards a prover who takes over.
    /// @param locker who has locked the job, or zero
    function settleOpen(
        Order calldata order,
        Snapshot calldata snapshot,
        Payee[] calldata split,
        Inference calldata inference,
        address prover,
        address[] calldata provers,
        address locker
    ) external;

    /// @notice Anyone: after `expireBy`, returns the whole escrow to the buyer's credit. The collateral of a lock goes to the treasury, but for the
    /// buyer's compensation: `COMPENSATION_BPS` of it, at most `MAX_COMPENSATION_BPS` of the price.
    /// @param locker who has locked the job, or zero
    function claimRefund(Order calldata order, Snapshot calldata snapshot, address locker) external;

    /// @notice Seller: returns what was paid for a settled job out of their own credit, within `REFUND_WINDOW` of settlement.
    /// @param prover who was paid
    /// @param outputHash as in `settlementHash`
    function refund(Order calldata order, Snapshot calldata snapshot, address prover, bytes32 outputHash) external;

    /// @notice Adds to the caller's credit: `msg.value` for the native coin (token 0, `amount` = value), else what `transferFrom` delivers.
    function deposit(address token, uint256 amount) external payable;

    /// @notice Takes credit out.
    function withdraw(address token, uint256 amount, address to) external;

    /// @notice Anyone: ERC-20 tokens that the market holds beyond what was deposited (sent here by mistake, or grown) become the treasury's credit.
    function sweep(address token) external returns (uint256 amount);

    /// @notice Credit of an account in a token.
    function balanceOf(address token, address account) external view returns (uint256);

    /// @notice The record of a job.
    function job(bytes32 jobId) external view returns (Job memory);

    /// @notice For contracts: whether the job was paid for with this output. Nothing is verified again, and a later refund changes nothing.
    /// @param jobId `hashOrder` of an order, which says model, input and key
    /// @param prover who was paid
    /// @param outputHash Keccak-256 of the job's output cells and, behind them, the number of clamps as big-endian `uint32` (in a batch that of all
    /// its inferences)
    function isSettled(bytes32 jobId, Snapshot calldata snapshot, address prover, bytes32 outputHash) external view returns (bool);

    /// @notice `keccak256(abi.encode(snapshotHash, prover))`.
    function lockHash(bytes32 snapshotHash, address prover) external pure returns (bytes32);

    /// @notice `keccak256(abi.encode(snapshotHash, prover, outputHash))`.
    function settlementHash(bytes32 snapshotHash, address prover, bytes32 outputHash) external pure returns (bytes32);

    /// @notice EIP-712 digest of the order: the job id.
    function hashOrder(Order calldata order) external view returns (bytes32);

    /// @notice EIP-712 digest of `Purchase(Order order,Quote quote)`, which a buyer signs for `fundFor`.
    function hashPurchase(Order calldata order, Quote calldata quote) external view returns (bytes32);

    /// @notice EIP-712 digest that the seller signs.
    function hashQuote(Quote calldata quote) external view returns (bytes32);

    /// @notice Binding context of a job's proof: `keccak256(abi.encode(chainId, market, jobId, prover)) mod r`.
    function contextOf(bytes32 jobId, address prover) external view returns (bytes32);

    /// @notice Binding context of a batch's proof: `keccak256(abi.encode(chainId, market, keccak256(abi.encodePacked(jobIds)), prover,
    /// jobIds.length)) mod r`. No context of a single job: those hash one word less.
    function contextOfBatch(bytes32[] memory jobIds, address prover) external view returns (bytes32);
}
