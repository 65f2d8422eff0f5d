// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {IERC3009} from "@openzeppelin/contracts/interfaces/draft-IERC3009.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {IInferenceMarket} from "../interfaces/IInferenceMarket.sol";
import {ISignatureTransfer} from "../interfaces/ISignatureTransfer.sol";
import {MarketHash} from "../lib/MarketHash.sol";

/// @notice Tokens that take signatures of contracts (ERC-1271) too, as USDC since its version 2.2.
interface IERC3009Bytes {
    function receiveWithAuthorization(
        address from,
        address to,
        uint256 value,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        bytes memory signature
    ) external;
}

/// @title Jobs that a buyer pays for with a signature alone.
/// @notice The buyer signs a purchase (order and quote, as for `IInferenceMarket.fundFor`) inside the permission to take its price: as the nonce of an
/// EIP-3009 authorization, or as the witness of a Permit2 transfer. Whoever relays it pays the gas and chooses nothing: the money
/// can only fund this job, which is the buyer's. Where the buyer has credit in the market, `fundFor` does the same without this contract.
/// @dev Holds nothing between calls, and whatever a token does in a call concerns that token only.
contract GaslessFunding {
    using SafeERC20 for IERC20;

    /// @dev Of Permit2's typed data, what stands behind `deadline,`: a wallet shows order and quote in full.
    string private constant WITNESS_TYPE = "Purchase witness)"
        "Order(address buyer,uint256 modelId,bytes32 modelCommitment,bytes32 inputCommitment,bytes32 keyHash,address verifier,"
        "address token,uint128 maxPrice,bytes32 feeSplitHash,uint32 proveSecs,uint32 expireSecs,uint128 collateral,address prover,"
        "bytes32 salt,bool unclamped)"
        "Purchase(Order order,Quote quote)"
        "Quote(uint256 modelId,bytes32 keyHash,address token,uint128 price,uint128 collateral,uint32 proveSecs,uint32 expireSecs,"
        "address buyer,address[] provers,uint64 validFrom,uint64 validUntil,uint32 inferences,uint32 uses,uint32 epoch,uint256 nonce)"
        "TokenPermissions(address token,uint256 amount)";

    IInferenceMarket public immutable market;
    /// @notice Permit2 of this chain.
    ISignatureTransfer public immutable permit2;

    /// @notice The permission is for another token than the order.
    error WrongToken();

    constructor(IInferenceMarket market_, ISignatureTransfer permit2_) {
        market = market_;
        permit2 = permit2_;
    }

    /// @notice Anyone: funds a job by the buyer's EIP-3009 `ReceiveWithAuthorization` of exactly the price to this contract, whose nonce is
    /// `authorizationNonce(order, quote)`.
    function fundWithAuthorization(
        IInferenceMarket.Order calldata order,
        IInferenceMarket.Quote calldata quote,
        bytes calldata sellerSignature,
        uint256 validAfter,
        uint256 validBefore,
        uint8 v,
        bytes32 r,
        bytes32 s
    ) external returns (bytes32 jobId) {
        bytes32 nonce = authorizationNonce(order, quote);
        IERC3009(order.token)
            .receiveWithAuthorization(order.buyer, address(this), quote.price, validAfter, validBefore, nonce, v, r, s);
        return _fund(order, quote, sellerSignature);
    }

    /// @notice The same for tokens that take a signature in bytes, also a contract's.
    function fundWithAuthorization(
        IInferenceMarket.Order calldata order,
        IInferenceMarket.Quote calldata quote,
        bytes calldata sellerSignature,
        uint256 validAfter,
        uint256 validBefore,
        bytes calldata signature
    ) external returns (bytes32 jobId) {
        bytes32 nonce = authorizationNonce(order, quote);
        IERC3009Bytes(order.token)
            .receiveWithAuthorization(order.buyer, address(this), quote.price, validAfter, validBefore, nonce, signature);
        return _fund(order, quote, sellerSignature);
    }

    /// @notice Anyone: funds a job by the buyer's Permit2 signature with the purchase as its witness. It may permit more than the price, which is all that
    /// is taken. Buyers that are contracts sign by ERC-1271.
    function fundWithPermit2(
        IInferenceMarket.Order calldata order,
        IInferenceMarket.Quote calldata quote,
        bytes calldata sellerSignature,
        ISignatureTransfer.PermitTransferFrom calldata permit,
        bytes calldata signature
    ) external returns (bytes32 jobId) {
        if (permit.permitted.token != order.token) revert WrongToken();
        ISignatureTransfer.SignatureTransferDetails memory details =
            ISignatureTransfer.SignatureTransferDetails(address(this), quote.price);
        permit2.permitWitnessTransferFrom(permit, details, order.buyer, purchaseHash(order, quote), WITNESS_TYPE, signature);
        return _fund(order, quote, sellerSignature);
    }

    /// @notice `hashPurchase` of the market with zeros for its last 8 bytes: tokens with nonces in sequence (OpenZeppelin's) count in those.
    function authorizationNonce(IInferenceMarket.Order calldata order, IInferenceMarket.Quote calldata quote)
        public
        view
        returns (bytes32)
    {
        return market.hashPurchase(order, quote) & ~bytes32(uint256(type(uint64).max));
    }

    /// @notice EIP-712 struct hash of the purchase, Permit2's witness. The permission names this contract, and that its market.
    function purchaseHash(IInferenceMarket.Order calldata order, IInferenceMarket.Quote calldata quote) public pure returns (bytes32) {
        return keccak256(abi.encode(MarketHash.PURCHASE, MarketHash.order(order), MarketHash.quote(quote)));
    }

    /// @dev The market refuses to take less than the price, and this contract has nothing else to make up for it.
    function _fund(IInferenceMarket.Order calldata order, IInferenceMarket.Quote calldata quote, bytes calldata sellerSignature)
        private
        returns (bytes32)
    {
        IERC20(order.token).forceApprove(address(market), quote.price);
        return market.fund(order, quote, sellerSignature, false);
    }
}
