//! The contracts that payments by x402 go through, beside tokens with EIP-3009: Permit2 with x402's proxy, and the
//! contract that the scheme `auth-capture` holds money in. Interfaces and addresses are those that x402's
//! specifications name.

use alloy::primitives::{Address, U256, address};
use alloy::sol;
use alloy::sol_types::Eip712Domain;

/// x402's `x402ExactPermit2Proxy`, at the same address on every chain that has it: clients sign for no other spender.
pub const EXACT_PROXY: Address = address!("402085c248EeA27D92E8b30b2C58ed07f9E20001");
/// `AuthCaptureEscrow` of Base's commerce payments, version 1.0.0.
pub const HOLD: Address = address!("BdEA0D1bcC5966192B070Fdf62aB4EF5b4420cff");
/// Its collector of payments by EIP-3009.
pub const COLLECTOR: Address = address!("0E3dF9510de65469C4518D7843919c0b8C7A7757");

sol! {
    /// Tokens that take signatures of contracts too.
    #[derive(Debug)]
    interface Eip3009Bytes {
        function transferWithAuthorization(
            address from,
            address to,
            uint256 value,
            uint256 validAfter,
            uint256 validBefore,
            bytes32 nonce,
            bytes memory signature
        ) external;
    }

    /// EIP-3009's message for transfers that the payee asks for.
    #[derive(Debug, PartialEq, Eq)]
    struct ReceiveWithAuthorization {
        address from;
        address to;
        uint256 value;
        uint256 validAfter;
        uint256 validBefore;
        bytes32 nonce;
    }

    /// An account that is a contract.
    #[derive(Debug)]
    interface Erc1271 {
        function isValidSignature(bytes32 hash, bytes calldata signature) external view returns (bytes4);
    }

    #[derive(Debug, PartialEq, Eq)]
    struct TokenPermissions {
        address token;
        uint256 amount;
    }

    /// Who is paid, and from when on.
    #[derive(Debug, PartialEq, Eq)]
    struct Witness {
        address to;
        uint256 validAfter;
    }

    /// Permit2's message.
    #[derive(Debug, PartialEq, Eq)]
    struct PermitWitnessTransferFrom {
        TokenPermissions permitted;
        address spender;
        uint256 nonce;
        uint256 deadline;
        Witness witness;
    }

    #[derive(Debug, PartialEq, Eq)]
    struct PermitTransferFrom {
        TokenPermissions permitted;
        uint256 nonce;
        uint256 deadline;
    }

    #[derive(Debug)]
    interface Permit2 {
        function nonceBitmap(address owner, uint256 word) external view returns (uint256);
    }

    #[derive(Debug)]
    interface ExactProxy {
        struct Permit2612 {
            uint256 value;
            uint256 deadline;
            bytes32 r;
            bytes32 s;
            uint8 v;
        }

        function settle(PermitTransferFrom calldata permit, address owner, Witness calldata witness, bytes calldata signature) external;
        function settleWithPermit(
            Permit2612 calldata permit2612,
            PermitTransferFrom calldata permit,
            address owner,
            Witness calldata witness,
            bytes calldata signature
        ) external;
    }

    /// Everything about a payment that is held.
    #[derive(Debug, PartialEq, Eq)]
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

    #[derive(Debug)]
    interface Hold {
        event PaymentCaptured(bytes32 indexed paymentInfoHash, uint256 amount, uint16 feeBps, address feeReceiver);

        function authorize(PaymentInfo calldata paymentInfo, uint256 amount, address tokenCollector, bytes calldata collectorData) external;
        function capture(PaymentInfo calldata paymentInfo, uint256 amount, uint16 feeBps, address feeReceiver) external;
        function void(PaymentInfo calldata paymentInfo) external;
        function paymentState(bytes32 paymentInfoHash)
            external
            view
            returns (bool hasCollectedPayment, uint120 capturableAmount, uint120 refundableAmount);
    }

    /// An ERC-20's event.
    #[derive(Debug)]
    interface Moves {
        event Transfer(address indexed from, address indexed to, uint256 value);
    }
}

/// The domain of Permit2's messages.
pub fn permit2_domain(chain_id: u64) -> Eip712Domain {
    Eip712Domain::new(Some("Permit2".into()), None, Some(U256::from(chain_id)), Some(super::create2::PERMIT2), None)
}
