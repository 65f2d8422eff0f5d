// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {IInferenceMarket} from "../interfaces/IInferenceMarket.sol";

/// @title Jobs whose price rises until somebody takes them.
/// @notice A buyer posts an order with its highest price in escrow. What is offered rises from a first price to that one, and whoever has the seller's
/// quote at no more than what is offered now funds the job with it (a reverse Dutch auction): any prover that the quote names may
/// then prove it. The rest of the escrow is the buyer's at once.
/// @dev Holds the escrow of open offers and what buyers have not withdrawn yet, and can do nothing else with it.
contract RisingOffers is ReentrancyGuardTransient {
    using SafeERC20 for IERC20;

    /// @param first what is offered at `from`; the order's highest price from `from + riseSecs` on
    /// @param until the last second in which it can be taken
    struct Offer {
        uint128 first;
        uint40 from;
        uint40 riseSecs;
        uint40 until;
    }

    IInferenceMarket public immutable market;
    /// @notice Open offers; all zero if there is none.
    mapping(bytes32 jobId => Offer) public offers;
    /// @notice What buyers can withdraw.
    mapping(address token => mapping(address account => uint256)) public owed;

    event Posted(bytes32 indexed jobId, uint256 indexed modelId, IInferenceMarket.Order order, Offer offer);
    event Taken(bytes32 indexed jobId, address indexed by, uint256 price);
    event Ended(bytes32 indexed jobId);
    event Withdrawn(address indexed token, address indexed account, uint256 amount);

    error NotBuyer();
    error InvalidOffer();
    error IsPosted(bytes32 jobId);
    error NoOffer(bytes32 jobId);
    error TooLate(uint256 until);
    /// @notice The quote asks for more than is offered now.
    error TooDear(uint256 asked, uint256 offered);
    error WrongPayment(uint256 expected, uint256 received);
    error NotPaid();

    constructor(IInferenceMarket market_) {
        market = market_;
    }

    /// @notice The order's buyer: posts it, with `order.maxPrice` as the value or, of an ERC-20, by allowance.
    function post(IInferenceMarket.Order calldata order, uint128 first, uint40 riseSecs, uint40 until)
        external
        payable
        nonReentrant
        returns (bytes32 jobId)
    {
        if (msg.sender != order.buyer) revert NotBuyer();
        if (first > order.maxPrice || riseSecs == 0 || until < block.timestamp) revert InvalidOffer();
        jobId = market.hashOrder(order);
        if (offers[jobId].riseSecs != 0) revert IsPosted(jobId);
        offers[jobId] = Offer(first, uint40(block.timestamp), riseSecs, until);
        _receive(order.token, order.maxPrice);
        emit Posted(jobId, order.modelId, order, offers[jobId]);
    }

    /// @notice Anyone with a quote of the seller: funds the job at the quote's price, which is at most what is offered now.
    function take(IInferenceMarket.Order calldata order, IInferenceMarket.Quote calldata quote, bytes calldata sellerSignature)
        external
        nonReentrant
        returns (bytes32 jobId)
    {
        jobId = market.hashOrder(order);
        Offer memory offer = _open(jobId);
        if (block.timestamp > offer.until) revert TooLate(offer.until);
        uint256 offered = _price(offer, order.maxPrice);
        if (quote.price > offered) revert TooDear(quote.price, offered);
        delete offers[jobId];
        owed[order.token][order.buyer] += order.maxPrice - quote.price;
        uint256 value = order.token == address(0) ? quote.price : 0;
        if (value == 0 && quote.price != 0) IERC20(order.token).forceApprove(address(market), quote.price);
        market.fund{value: value}(order, quote, sellerSignature, false);
        emit Taken(jobId, msg.sender, quote.price);
    }

    /// @notice The buyer: ends an offer that nobody has taken.
    function end(IInferenceMarket.Order calldata order) external nonReentrant {
        if (msg.sender != order.buyer) revert NotBuyer();
        bytes32 jobId = market.hashOrder(order);
        _open(jobId);
        delete offers[jobId];
        owed[order.token][order.buyer] += order.maxPrice;
        emit Ended(jobId);
    }

    /// @notice Takes out what is owed to the caller.
    function withdraw(address token, address to) external nonReentrant returns (uint256 amount) {
        amount = owed[token][msg.sender];
        owed[token][msg.sender] = 0;
        emit Withdrawn(token, msg.sender, amount);
        if (token != address(0)) {
            IERC20(token).safeTransfer(to, amount);
        } else {
            (bool ok,) = to.call{value: amount}("");
            if (!ok) revert NotPaid();
        }
    }

    /// @notice What an open offer pays now.
    function priceNow(IInferenceMarket.Order calldata order) external view returns (uint256) {
        return _price(_open(market.hashOrder(order)), order.maxPrice);
    }

    function _open(bytes32 jobId) private view returns (Offer memory offer) {
        offer = offers[jobId];
        if (offer.riseSecs == 0) revert NoOffer(jobId);
    }

    function _price(Offer memory offer, uint256 most) private view returns (uint256) {
        uint256 passed = block.timestamp - offer.from;
        if (passed >= offer.riseSecs) return most;
        return offer.first + (most - offer.first) * passed / offer.riseSecs;
    }

    /// @dev All of it must arrive.
    function _receive(address token, uint256 amount) private {
        uint256 native = token == address(0) ? amount : 0;
        if (msg.value != native) revert WrongPayment(native, msg.value);
        if (token == address(0)) return;
        uint256 before = IERC20(token).balanceOf(address(this));
        IERC20(token).safeTransferFrom(msg.sender, address(this), amount);
        uint256 received = IERC20(token).balanceOf(address(this)) - before;
        if (received != amount) revert WrongPayment(amount, received);
    }
}
