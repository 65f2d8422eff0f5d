// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {Ownable2Step} from "@openzeppelin/contracts/access/Ownable2Step.sol";
import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {IERC721} from "@openzeppelin/contracts/token/ERC721/IERC721.sol";
import {ERC721Holder} from "@openzeppelin/contracts/token/ERC721/utils/ERC721Holder.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {TransientSlot} from "@openzeppelin/contracts/utils/TransientSlot.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import {IBuyerGate} from "../interfaces/IBuyerGate.sol";
import {IInferenceMarket} from "../interfaces/IInferenceMarket.sol";
import {IKeyRegistry} from "../interfaces/IKeyRegistry.sol";
import {IModelRegistry} from "../interfaces/IModelRegistry.sol";

/// @title A seller that is a contract: prepaid bundles, subscription windows, and a say in who buys.
/// @notice It holds model tokens, so the market asks it (ERC-1271) whether a quote is the seller's. A quote is, where the owner has signed it and the
/// gate lets its buyer in; or while a pass is used for exactly that quote. A pass is money in escrow for so many jobs at one price until a time. Of a
/// *bundle* what is not used goes back to its holder, of a *window* to the owner; if the owner makes passes useless (takes the model away, deprecates
/// it), all of it goes back at once.
/// @dev Each use pays a job of the market like any other: paid out for a valid proof only, and the money of a job that nobody serves is the buyer's
/// credit there. Jobs of a window are locked in the same call, so that a subscription cannot be cancelled into money.
contract Storefront is IERC1271, Ownable2Step, ERC721Holder, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;
    using TransientSlot for *;

    /// @notice What passes are for.
    /// @param price of a job; a pass costs `jobs` times that
    /// @param secs from the purchase in which it can be used
    /// @param window whether the owner keeps what is not used
    /// @param proversHash `keccak256(abi.encodePacked(provers))` of the quotes
    struct Plan {
        uint256 modelId;
        bytes32 keyHash;
        address token;
        uint128 price;
        uint128 collateral;
        uint32 proveSecs;
        uint32 expireSecs;
        uint32 inferences;
        uint32 jobs;
        uint32 secs;
        bool window;
        bytes32 proversHash;
    }

    struct Pass {
        address holder;
        uint32 left;
        uint40 until;
        uint256 planId;
    }

    /// @notice A prover's signature for `IInferenceMarket.lockFor`.
    struct Lock {
        IInferenceMarket.Snapshot snapshot;
        address prover;
        uint64 validUntil;
        bytes signature;
    }

    /// @dev A gate that takes more, or reverts, lets nobody in.
    uint256 private constant GATE_GAS = 100_000;
    /// @dev Transient: the digest of the quote that a pass is being used for.
    bytes32 private constant QUOTE_SLOT = keccak256("assay.storefront.quote");

    IInferenceMarket public immutable market;
    IKeyRegistry public immutable keys;
    IModelRegistry public immutable models;
    /// @notice Who may buy; zero: anyone.
    IBuyerGate public immutable gate;

    Plan[] private _plans;
    /// @notice Whether passes of a plan are sold.
    mapping(uint256 planId => bool) public onSale;
    Pass[] private _passes;
    /// @notice What accounts can withdraw: the owner's revenue, and what comes back of passes.
    mapping(address token => mapping(address account => uint256)) public owed;

    event PlanMade(uint256 indexed planId, uint256 indexed modelId, Plan plan, address[] provers);
    event SaleSet(uint256 indexed planId, bool onSale);
    event PassBought(uint256 indexed passId, uint256 indexed planId, address indexed holder, uint256 until);
    event PassUsed(uint256 indexed passId, bytes32 indexed jobId, uint256 left);
    event PassEnded(uint256 indexed passId, uint256 toHolder, uint256 toOwner);
    event Withdrawn(address indexed token, address indexed account, uint256 amount);

    error InvalidPlan();
    error OwnerStays();
    error NotOnSale(uint256 planId);
    error NotAllowed(address buyer);
    error NotHolder();
    error NothingLeft(uint256 passId);
    error PassOver(uint256 until);
    error NotOver(uint256 until);
    /// @notice The quote is not what the plan says.
    error WrongQuote();
    error WrongPayment(uint256 expected, uint256 received);
    error NotPaid();
    error NotEnoughGas();

    constructor(IInferenceMarket market_, IKeyRegistry keys_, IModelRegistry models_, IBuyerGate gate_, address owner_) Ownable(owner_) {
        (market, keys, models, gate) = (market_, keys_, models_, gate_);
    }

    /// @dev Native coin: revenue that the market pays out.
    receive() external payable {}

    // ---------------------------------------------------------------------------------------------- quotes

    /// @notice For the market: whether the quote with this digest is the seller's.
    /// @param signature without a gate the owner's signature; with one `abi.encode(quote, signature)`, so that the gate sees whom the quote is for
    function isValidSignature(bytes32 digest, bytes calldata signature) external view returns (bytes4) {
        bytes32 used = QUOTE_SLOT.asBytes32().tload();
        if (used != 0 && used == digest) return this.isValidSignature.selector;
        if (address(gate) == address(0)) {
            return SignatureChecker.isValidSignatureNowCalldata(owner(), digest, signature) ? this.isValidSignature.selector : bytes4(0);
        }
        (IInferenceMarket.Quote memory quote, bytes memory inner) = abi.decode(signature, (IInferenceMarket.Quote, bytes));
        if (market.hashQuote(quote) != digest) return bytes4(0);
        if (quote.buyer == address(0) || !_isAllowed(quote.buyer, quote.modelId)) return bytes4(0);
        return SignatureChecker.isValidSignatureNow(owner(), digest, inner) ? this.isValidSignature.selector : bytes4(0);
    }

    // ---------------------------------------------------------------------------------------------- plans

    /// @notice Owner: makes a plan, which never changes, and puts it on sale.
    function makePlan(Plan memory plan, address[] calldata provers) external onlyOwner returns (uint256 planId) {
        if (plan.jobs == 0 || plan.secs == 0 || plan.secs > 3650 days || provers.length == 0) revert InvalidPlan();
        plan.proversHash = keccak256(abi.encodePacked(provers));
        planId = _plans.length;
        _plans.push(plan);
        onSale[planId] = true;
        emit PlanMade(planId, plan.modelId, plan, provers);
    }

    /// @notice Owner: stops or resumes the sale of a plan's passes. Those that are sold stay good.
    function setSale(uint256 planId, bool open) external onlyOwner {
        if (planId >= _plans.length) revert InvalidPlan();
        onSale[planId] = open;
        emit SaleSet(planId, open);
    }

    function plan(uint256 planId) external view returns (Plan memory) {
        return _plans[planId];
    }

    // ---------------------------------------------------------------------------------------------- passes

    /// @notice Anyone whom the gate lets in: pays for a pass, which is the caller's.
    function buy(uint256 planId) external payable nonReentrant returns (uint256 passId) {
        if (planId >= _plans.length || !onSale[planId]) revert NotOnSale(planId);
        Plan memory of_ = _plans[planId];
        if (!_usable(of_)) revert NotOnSale(planId);
        _requireAllowed(msg.sender, of_.modelId);
        passId = _passes.length;
        uint40 until = uint40(block.timestamp + of_.secs);
        _passes.push(Pass(msg.sender, of_.jobs, until, planId));
        _receive(of_.token, uint256(of_.price) * of_.jobs);
        emit PassBought(passId, planId, msg.sender, until);
    }

    /// @notice The holder: funds a job out of a pass, by a quote on the plan's terms that nobody need sign. Of a window it is locked as well, by the
    /// prover's signature.
    function use(
        uint256 passId,
        IInferenceMarket.Order calldata order,
        IInferenceMarket.Quote calldata quote,
        Lock calldata lock
    ) external nonReentrant returns (bytes32 jobId) {
        Pass storage pass = _passes[passId];
        Plan memory of_ = _plans[pass.planId];
        if (msg.sender != pass.holder || order.buyer != pass.holder) revert NotHolder();
        if (pass.left == 0) revert NothingLeft(passId);
        if (block.timestamp > pass.until) revert PassOver(pass.until);
        _requireAllowed(msg.sender, of_.modelId);
        _requirePlan(of_, quote);
        pass.left -= 1;
        if (of_.token != address(0)) IERC20(of_.token).forceApprove(address(market), of_.price);
        QUOTE_SLOT.asBytes32().tstore(market.hashQuote(quote));
        jobId = market.fund{value: of_.token == address(0) ? of_.price : 0}(order, quote, "", false);
        QUOTE_SLOT.asBytes32().tstore(0);
        if (of_.window) market.lockFor(order, lock.snapshot, quote.provers, lock.prover, lock.validUntil, lock.signature);
        emit PassUsed(passId, jobId, pass.left);
    }

    /// @notice Anyone: ends a pass that is over or has become useless (the model or its key, or the gate's mind), and credits what is left of it. The
    /// holder of a bundle ends it at any time.
    function end(uint256 passId) external nonReentrant {
        Pass storage pass = _passes[passId];
        Plan memory of_ = _plans[pass.planId];
        if (pass.left == 0) revert NothingLeft(passId);
        bool over = block.timestamp > pass.until;
        bool useless = !_usable(of_) || !_isAllowed(pass.holder, of_.modelId);
        if (!over && !useless && (of_.window || msg.sender != pass.holder)) revert NotOver(pass.until);
        uint256 amount = uint256(of_.price) * pass.left;
        pass.left = 0;
        bool toOwner = of_.window && !useless;
        owed[of_.token][toOwner ? owner() : pass.holder] += amount;
        emit PassEnded(passId, toOwner ? 0 : amount, toOwner ? amount : 0);
    }

    function passOf(uint256 passId) external view returns (Pass memory) {
        return _passes[passId];
    }

    // ---------------------------------------------------------------------------------------------- money and models

    /// @notice Anyone: takes what jobs have earned out of the market, for the owner to withdraw.
    function collect(address token) external nonReentrant returns (uint256 amount) {
        amount = market.balanceOf(token, address(this));
        owed[token][owner()] += amount;
        market.withdraw(token, amount, address(this));
    }

    /// @notice Owner: returns what was paid for a settled job, out of what this contract has in the market.
    function refund(
        IInferenceMarket.Order calldata order,
        IInferenceMarket.Snapshot calldata snapshot,
        address prover,
        bytes32 outputHash
    ) external onlyOwner {
        market.refund(order, snapshot, prover, outputHash);
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

    /// @notice Owner: ends all quotes of a model that were signed so far. Passes go on: their quotes are made when they are used.
    function revokeQuotes(uint256 modelId) external onlyOwner {
        models.revokeQuotes(modelId);
    }

    /// @notice Owner: deprecates a model, or takes that back. Passes for a deprecated model can be ended with all that is left going to their holders.
    function setDeprecated(uint256 modelId, bool deprecated) external onlyOwner {
        models.setDeprecated(modelId, deprecated);
    }

    /// @notice Owner: takes a model's token away, with the same effect on its passes.
    function release(uint256 modelId, address to) external onlyOwner {
        IERC721(address(models)).transferFrom(address(this), to, modelId);
    }

    /// @notice Never: revenue and models would be nobody's.
    function renounceOwnership() public view override onlyOwner {
        revert OwnerStays();
    }

    // ---------------------------------------------------------------------------------------------- inner

    function _requirePlan(Plan memory of_, IInferenceMarket.Quote calldata quote) private view {
        if (quote.modelId != of_.modelId || quote.keyHash != of_.keyHash || quote.token != of_.token) revert WrongQuote();
        if (quote.price != of_.price || quote.collateral != of_.collateral || quote.inferences != of_.inferences) revert WrongQuote();
        if (quote.proveSecs != of_.proveSecs || quote.expireSecs != of_.expireSecs || quote.buyer != msg.sender) revert WrongQuote();
        if (keccak256(abi.encodePacked(quote.provers)) != of_.proversHash) revert WrongQuote();
    }

    function _requireAllowed(address buyer, uint256 modelId) private view {
        if (!_isAllowed(buyer, modelId)) revert NotAllowed(buyer);
    }

    /// @dev Whoever calls cannot make the gate fail by giving too little gas.
    function _isAllowed(address buyer, uint256 modelId) private view returns (bool) {
        if (address(gate) == address(0)) return true;
        if (gasleft() < GATE_GAS + GATE_GAS / 63 + 10_000) revert NotEnoughGas();
        bytes memory data = abi.encodeCall(IBuyerGate.isAllowed, (buyer, modelId));
        (bool ok, bytes memory answer) = address(gate).staticcall{gas: GATE_GAS}(data);
        return ok && answer.length == 32 && uint256(bytes32(answer)) == 1;
    }

    /// @dev Whether the market would take a quote of this contract for the plan's model and key.
    function _usable(Plan memory of_) private view returns (bool) {
        IModelRegistry.Listing memory listing = models.listing(of_.modelId);
        bool admitted = keys.key(of_.keyHash).status == IKeyRegistry.Status.Admitted;
        return listing.owner == address(this) && !listing.deprecated && admitted;
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
