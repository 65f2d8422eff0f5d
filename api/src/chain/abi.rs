//! The contracts' interfaces (`verifier-contracts/src/interfaces`), as far as the service uses them.
#![allow(missing_docs, clippy::too_many_arguments)]

use alloy::primitives::{Address, B256, Bytes, Log, keccak256};
use alloy::sol;
use alloy::sol_types::{SolEvent, SolValue};

sol! {
    /// A share of revenue.
    #[derive(Debug, PartialEq, Eq)]
    struct Payee {
        address account;
        uint16 bps;
    }

    /// A part of what a splitter gets: `weight` of the sum of all weights.
    #[derive(Debug, PartialEq, Eq)]
    struct Share {
        address account;
        uint96 weight;
    }

    #[derive(Debug, PartialEq, Eq)]
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

    #[derive(Debug, PartialEq, Eq)]
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

    #[derive(Debug, PartialEq, Eq)]
    struct Snapshot {
        address seller;
        address keyPointer;
        address weightsPointer;
        uint128 price;
        uint32 inferences;
        bytes32 proversHash;
    }

    #[derive(Debug)]
    struct Inference {
        bytes inputCommitments;
        bytes output;
        bytes proof;
    }

    /// What the orders of a batch do not share.
    #[derive(Debug, PartialEq, Eq)]
    struct BatchJob {
        address buyer;
        uint128 maxPrice;
        bytes32 salt;
    }

    /// What the orders of one buyer in a batch do not share.
    #[derive(Debug, PartialEq, Eq)]
    struct BatchOrder {
        bytes32 inputCommitment;
        bytes32 salt;
    }

    #[derive(Debug)]
    struct Registration {
        bytes32 shapeDigest;
        bytes weightCommitments;
        string uri;
        bytes32 cardHash;
        uint96 royaltyBps;
        Payee[] split;
    }

    /// The data of `JobFunded` as this service stores it.
    #[derive(Debug, PartialEq, Eq)]
    struct Funding {
        Order order;
        Snapshot snapshot;
        address[] provers;
    }

    #[sol(rpc)]
    #[derive(Debug)]
    interface InferenceMarket {
        #[derive(PartialEq, Eq)]
        enum State {
            None,
            Funded,
            Locked,
            Settled,
            Cancelled,
            Expired,
            Refunded
        }

        struct Job {
            State state;
            bool late;
            /// Of funding while Funded or Locked, of settlement while Settled or Refunded.
            uint40 time;
            /// High bytes of a hash that says the rest: see [`locked_by`].
            bytes26 digest;
        }

        event JobFunded(
            bytes32 indexed jobId, uint256 indexed modelId, address indexed buyer, Order order, Snapshot snapshot, address[] provers
        );
        event JobFundedInBatch(bytes32 indexed jobId, bytes32 inputCommitment, bytes32 salt);
        event BatchFunded(
            uint256 indexed modelId, address indexed buyer, uint256 jobs, Order template, Snapshot snapshot, address[] provers
        );
        event JobSettledInBatch(bytes32 indexed jobId);
        event JobCancelled(bytes32 indexed jobId);
        event JobLocked(bytes32 indexed jobId, address indexed prover, uint256 proveBy);
        event JobSettled(
            bytes32 indexed jobId, address indexed prover, uint256 indexed modelId, uint256 paid, bool late, bytes output
        );
        event BatchSettled(
            uint256 indexed modelId, address indexed prover, uint256 paidEach, bytes32[] jobIds, bytes output, uint32 clamps
        );
        event JobExpired(bytes32 indexed jobId, uint256 refunded);
        event JobRefunded(bytes32 indexed jobId, address indexed by, uint256 amount);
        event Slashed(bytes32 indexed jobId, address indexed prover, uint256 toTreasury, uint256 toProver, uint256 toBuyer);

        error NotBuyer();
        error NotSeller();
        error InvalidSignature();
        error QuoteExpired(uint256 validUntil);
        error QuoteNotValid();
        error QuoteRevoked(uint32 epoch);
        error QuoteUsed();
        error QuoteMismatch();
        error TreasuryProves();
        error CollateralTooLow(uint256 least);
        error WrongInferences(uint256 inferences);
        error PriceTooHigh(uint256 price, uint256 maxPrice);
        error InvalidDeadlines();
        error InvalidOrder();
        error Clamped(uint32 clamps);
        error ModelIsDeprecated(uint256 modelId);
        error WrongState(bytes32 jobId, State state);
        error WrongSnapshot();
        error WrongSplit();
        error WrongInput();
        error ProverNotAuthorised(address prover);
        error WrongBatch(uint256 jobs, uint256 inferences);
        error JointKey();
        error TooLate(uint256 deadline);
        error TooEarly(uint256 deadline);
        error InsufficientBalance(address token, address account, uint256 need, uint256 have);
        error WrongPayment(uint256 expected, uint256 received);
        error NativeTransferFailed();
        error ZeroAddress();
        error InvalidDeployment();
        error NotErc20(address token);
        error InvalidKey();
        error InvalidLength(uint256 what);
        error ScalarOutOfRange();
        error InvalidPoint();
        error DegenerateChallenge();
        error PrecompileFailed();
        error InvalidProof();

        function fund(Order calldata order, Quote calldata quote, bytes calldata sellerSignature, bool fromBalance)
            external
            payable
            returns (bytes32 jobId);
        function fundBatch(
            Order calldata template,
            Quote calldata quote,
            bytes calldata sellerSignature,
            BatchOrder[] calldata orders,
            bool fromBalance
        ) external payable returns (bytes32[] memory jobIds);
        function revoke(Order calldata order) external returns (bytes32 jobId);
        function cancel(Order calldata order, Snapshot calldata snapshot) external;
        function lock(Order calldata order, Snapshot calldata snapshot, address[] calldata provers) external;
        function lockBatch(
            Order calldata template,
            Snapshot calldata snapshot,
            BatchJob[] calldata jobs,
            bytes32[] calldata inputCommitments,
            address[] calldata provers
        ) external;
        function settle(Order calldata order, Snapshot calldata snapshot, Payee[] calldata split, Inference calldata inference, address prover)
            external;
        function settleBatch(
            Order calldata template,
            Snapshot calldata snapshot,
            BatchJob[] calldata jobs,
            Payee[] calldata split,
            Inference calldata inference,
            address prover,
            address[] calldata provers
        ) external;
        function settleOpen(
            Order calldata order,
            Snapshot calldata snapshot,
            Payee[] calldata split,
            Inference calldata inference,
            address prover,
            address[] calldata provers,
            address locker
        ) external;
        function claimRefund(Order calldata order, Snapshot calldata snapshot, address locker) external;
        function refund(Order calldata order, Snapshot calldata snapshot, address prover, bytes32 outputHash) external;
        function deposit(address token, uint256 amount) external payable;
        function withdraw(address token, uint256 amount, address to) external;
        function balanceOf(address token, address account) external view returns (uint256);
        function job(bytes32 jobId) external view returns (Job memory);
        function hashOrder(Order calldata order) external view returns (bytes32);
        function hashQuote(Quote calldata quote) external view returns (bytes32);
        function contextOf(bytes32 jobId, address prover) external view returns (bytes32);
        function contextOfBatch(bytes32[] calldata jobIds, address prover) external view returns (bytes32);
        function verifier() external view returns (address);
        function keys() external view returns (address);
        function models() external view returns (address);
        function treasury() external view returns (address);
        function MIN_COLLATERAL_BPS() external view returns (uint256);
        function MAX_QUOTE_SECS() external view returns (uint256);
        function isSettled(bytes32 jobId, Snapshot calldata snapshot, address prover, bytes32 outputHash) external view returns (bool);
        function eip712Domain()
            external
            view
            returns (
                bytes1 fields,
                string memory name,
                string memory version,
                uint256 chainId,
                address verifyingContract,
                bytes32 salt,
                uint256[] memory extensions
            );
    }

    #[sol(rpc)]
    #[derive(Debug)]
    interface ModelRegistry {
        struct Model {
            bytes32 shapeDigest;
            bytes32 modelCommitment;
            bytes32 splitHash;
            bytes32 cardHash;
            bytes32 termsHash;
            address weightsPointer;
            uint40 registeredAt;
            bool deprecated;
            uint32 quoteEpoch;
            uint16 weightChunks;
            uint40 weightsProvenAt;
            bool weightsDevelopment;
        }

        event ModelRegistered(
            uint256 indexed modelId,
            bytes32 indexed modelCommitment,
            bytes32 indexed shapeDigest,
            address owner,
            address weightsPointer,
            string uri,
            bytes32 cardHash,
            Payee[] split
        );
        event ModelDeprecated(uint256 indexed modelId, bool deprecated);
        event WeightsProven(uint256 indexed modelId, address indexed owner, bytes32 indexed keyHash, bool development);
        event Transfer(address indexed from, address indexed to, uint256 indexed tokenId);

        error InvalidWeights();
        error InvalidSplit();
        error InvalidShape();
        error NotCommitted(bytes32 commitment, uint256 readyAt);
        error WeightsTaken(uint256 modelId);
        error NotOwner(uint256 modelId, address account);
        error UnknownModel(uint256 modelId);
        error OtherKey(bytes32 keyHash);
        error WeightsAlreadyProven(uint256 modelId);

        function proveWeights(uint256 modelId, bytes32 keyHash, bytes calldata proof) external;
        function contextOfWeights(uint256 modelId, address owner) external view returns (bytes32);
        function commitRegistration(bytes32 commitment) external;
        function registrationCommitment(address registrant, Registration calldata registration) external pure returns (bytes32);
        function committedAt(bytes32 commitment) external view returns (uint256);
        function commitSecs() external view returns (uint256);
        function modelOfWeights(bytes32 weightsHash) external view returns (uint256);
        function register(Registration calldata registration) external returns (uint256 modelId);
        function revokeQuotes(uint256 modelId) external;
        function model(uint256 modelId) external view returns (Model memory);
        function ownerOf(uint256 tokenId) external view returns (address);
        function transferFrom(address from, address to, uint256 tokenId) external;
    }

    #[sol(rpc)]
    #[derive(Debug)]
    interface KeyRegistry {
        #[derive(PartialEq, Eq)]
        enum Status {
            Unknown,
            Proposed,
            Admitted,
            Frozen
        }

        struct Key {
            address pointer;
            Status status;
            uint16 weightChunks;
            uint8 attestations;
            uint40 readyAt;
            bool development;
            /// Log of the number of inferences in a proof, plus 256 if their inputs are separate.
            uint16 batch;
            bytes32 shapeDigest;
            bytes32 srsId;
        }

        error InvalidAttestors();
        error InvalidKey(uint256 reason);
        error KeyKnown(bytes32 keyHash);
        error NotProposed(bytes32 keyHash);
        error NotAdmitted(bytes32 keyHash);
        error NotAttestor(address account);
        error AlreadyAttested(bytes32 keyHash, address attestor);
        error NotReady(bytes32 keyHash, uint256 readyAt);
        error AlreadyVetoed(bytes32 keyHash, address attestor);
        error TooFewAttestations(bytes32 keyHash, uint256 have, uint256 need);
        error WeakGovernance();
        error DevelopmentKey(bytes32 keyHash);
        error SlotTaken(bytes32 slot, bytes32 keyHash);
        error NotFrozen(bytes32 keyHash);
        error AlreadyApproved(bytes32 action, address attestor);
        error ActionNotReady(bytes32 action, uint256 readyAt);

        event ActionApproved(bytes32 indexed action, address indexed attestor);
        event AttestorReplaced(address indexed out, address indexed into);

        function propose(bytes calldata key) external returns (bytes32 keyHash);
        function attest(bytes32 keyHash, bool development) external;
        function admit(bytes32 keyHash) external;
        function veto(bytes32 keyHash) external;
        function vetoedAt(bytes32 keyHash, address attestor) external view returns (uint256);
        function attestationsNeeded(bytes32 keyHash) external view returns (uint256);
        function approveRestoration(bytes32 keyHash) external;
        function restore(bytes32 keyHash) external;
        function frozenBy(bytes32 keyHash) external view returns (bytes32);
        function approveReplacement(address out, address into) external;
        function replaceAttestor(address out, address into) external;
        function attestors() external view returns (address[] memory);
        function isAttestor(address account) external view returns (bool);
        function threshold() external view returns (uint256);
        function timelockSecs() external view returns (uint256);
        function allowDevelopment() external view returns (bool);
        function key(bytes32 keyHash) external view returns (Key memory);
        function attested(bytes32 keyHash, address attestor) external view returns (bool);
    }

    /// A public input as contracts take it.
    #[derive(Debug)]
    struct Shown {
        bytes commitments;
        bytes cells;
        bytes opening;
    }

    #[sol(rpc)]
    interface InferenceCallbacks {
        function settleOpen(
            Order calldata order,
            Snapshot calldata snapshot,
            Payee[] calldata split,
            Inference calldata inference,
            address prover,
            address[] calldata provers,
            address locker
        ) external;
    }

    /// The example of a contract that buys.
    #[sol(rpc)]
    interface DigitPrize {
        function donate() external payable;
        function play(Order calldata order, Quote calldata quote, bytes calldata sellerSignature, Shown calldata picture)
            external
            payable
            returns (bytes32 jobId);
        function won(address player) external view returns (uint256);
        function withdraw() external;
    }

    #[sol(rpc)]
    interface CouncilSetup {
        function timelock() external view returns (address);
        function governor() external view returns (address);
    }

    /// EIP-3009's message.
    #[derive(Debug, PartialEq, Eq)]
    struct TransferWithAuthorization {
        address from;
        address to;
        uint256 value;
        uint256 validAfter;
        uint256 validBefore;
        bytes32 nonce;
    }

    /// A token that moves by signed authorisation.
    #[derive(Debug)]
    interface Eip3009 {
        event AuthorizationUsed(address indexed authorizer, bytes32 indexed nonce);

        function name() external view returns (string memory);
        function version() external view returns (string memory);
        function DOMAIN_SEPARATOR() external view returns (bytes32);
        function authorizationState(address authorizer, bytes32 nonce) external view returns (bool);
        function transferWithAuthorization(
            address from,
            address to,
            uint256 value,
            uint256 validAfter,
            uint256 validBefore,
            bytes32 nonce,
            uint8 v,
            bytes32 r,
            bytes32 s
        ) external;
    }

    #[sol(rpc)]
    interface Erc20 {
        function balanceOf(address account) external view returns (uint256);
        function approve(address spender, uint256 amount) external returns (bool);
        function allowance(address owner, address spender) external view returns (uint256);
    }
}

/// Whether a job's record says that `prover` has locked it: its digest is that of the snapshot and the prover.
pub fn locked_by(record: &InferenceMarket::Job, snapshot: &Snapshot, prover: Address) -> bool {
    let hash = keccak256((keccak256(snapshot.abi_encode()), prover).abi_encode());
    record.state == InferenceMarket::State::Locked && record.digest == hash[..26]
}

/// The jobs that a log settles, each with its output (big-endian 16-bit cells). Empty for every other log.
pub fn settled(log: &Log) -> Vec<(B256, Bytes)> {
    match log.topics().first() {
        Some(&InferenceMarket::JobSettled::SIGNATURE_HASH) => {
            let Ok(event) = InferenceMarket::JobSettled::decode_log(log) else { return Vec::new() };
            let InferenceMarket::JobSettled { jobId, output, .. } = event.data;
            // behind the cells stands the number of clamps
            vec![(jobId, output.slice(..output.len().saturating_sub(4)))]
        }
        Some(&InferenceMarket::BatchSettled::SIGNATURE_HASH) => {
            let Ok(event) = InferenceMarket::BatchSettled::decode_log(log) else { return Vec::new() };
            let InferenceMarket::BatchSettled { jobIds, output, .. } = event.data;
            let part = output.len().checked_div(jobIds.len()).unwrap_or_default();
            jobIds.into_iter().enumerate().map(|(i, job)| (job, output.slice(i * part..(i + 1) * part))).collect()
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy::primitives::U256;

    fn log(event: &impl SolEvent) -> Log {
        Log { address: Address::ZERO, data: event.encode_log_data() }
    }

    #[test]
    fn every_job_of_a_batch_gets_its_part_of_the_output() {
        let (one, two) = (B256::repeat_byte(1), B256::repeat_byte(2));
        let batch = |job_ids: Vec<B256>, output: &[u8]| InferenceMarket::BatchSettled {
            modelId: U256::from(7),
            prover: Address::ZERO,
            paidEach: U256::ZERO,
            jobIds: job_ids,
            output: Bytes::copy_from_slice(output),
            clamps: 0,
        };
        let settled_by = |event: &InferenceMarket::BatchSettled| settled(&log(event));
        assert_eq!(
            settled_by(&batch(vec![one, two], &[1, 2, 3, 4])),
            [(one, vec![1, 2].into()), (two, vec![3, 4].into())]
        );
        assert_eq!(settled_by(&batch(vec![], &[1])), []);
        let single = InferenceMarket::JobSettled {
            jobId: one,
            prover: Address::ZERO,
            modelId: U256::from(7),
            paid: U256::ZERO,
            late: false,
            output: vec![5, 6, 0, 0, 0, 9].into(),
        };
        assert_eq!(settled(&log(&single)), [(one, vec![5, 6].into())]);
        assert_eq!(settled(&log(&InferenceMarket::JobCancelled { jobId: one })), []);
    }
}
