// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {IERC721} from "@openzeppelin/contracts/token/ERC721/IERC721.sol";
import {IBuyerGate} from "../../src/interfaces/IBuyerGate.sol";
import {IInferenceMarket} from "../../src/interfaces/IInferenceMarket.sol";
import {Storefront} from "../../src/periphery/Storefront.sol";
import {PeripheryBase} from "../utils/PeripheryBase.sol";

/// @notice Lets in whom it is told to, or fails in one way or another.
contract Gate is IBuyerGate {
    mapping(address buyer => bool) public allowed;
    uint256 public failure;

    function set(address buyer, bool yes) external {
        allowed[buyer] = yes;
    }

    function fail(uint256 how) external {
        failure = how;
    }

    function isAllowed(address buyer, uint256) external view returns (bool) {
        if (failure == 1) revert("no");
        if (failure == 2) while (true) {}
        if (failure == 3) {
            assembly ("memory-safe") {
                mstore(0, 2)
                return(0, 0x20)
            }
        }
        return allowed[buyer];
    }
}

abstract contract StorefrontBase is PeripheryBase {
    Storefront internal store = Storefront(payable(address(0xA5523)));
    address internal constant OWNER = address(0x0817E4);
    uint32 internal constant JOBS = 3;
    uint32 internal constant SECS = 10 days;

    function deployStore(address gate) internal {
        deployMarket();
        deployTo(address(store), abi.encodePacked(artifact("Storefront"), abi.encode(MARKET, KEYS, MODELS, gate, OWNER)));
        // the owner is storage, which the constructor wrote at this address
        vm.prank(seller);
        IERC721(MODELS).safeTransferFrom(seller, address(store), 1);
        vm.prank(buyer);
        token.approve(address(store), type(uint256).max);
    }

    function makePlan(address coin, bool window) internal returns (uint256) {
        Storefront.Plan memory p;
        (p.modelId, p.keyHash, p.token, p.price, p.collateral) = (1, keccak256(proven.key), coin, PRICE, COLLATERAL);
        (p.proveSecs, p.expireSecs, p.inferences, p.jobs, p.secs, p.window) = (3600, 7200, 1, JOBS, SECS, window);
        address[] memory list = provers();
        vm.prank(OWNER);
        return store.makePlan(p, list);
    }

    function buyPass(uint256 planId, address coin) internal returns (uint256 passId) {
        uint256 value = coin == address(0) ? JOBS * PRICE : 0;
        vm.prank(buyer);
        passId = store.buy{value: value}(planId);
    }

    /// @dev The `i`-th job of a pass, with its quote.
    function jobOf(address coin, uint256 i) internal view returns (IInferenceMarket.Order memory o, IInferenceMarket.Quote memory q) {
        o = order();
        (o.token, o.salt) = (coin, bytes32(i));
        q = quoteFor(o);
        (q.validFrom, q.validUntil) = (uint64(block.timestamp), uint64(block.timestamp + 60));
        (q.buyer, q.epoch, q.nonce) = (buyer, 1, i); // the epoch moved with the token
    }

    function lockOf(IInferenceMarket.Order memory o) internal view returns (Storefront.Lock memory l) {
        l.snapshot = storeSnapshot(o);
        (l.prover, l.validUntil) = (prover, type(uint64).max);
        l.signature = signLock(PROVER_KEY, market.hashOrder(o), prover, type(uint64).max);
    }

    function storeSnapshot(IInferenceMarket.Order memory o) internal view returns (IInferenceMarket.Snapshot memory s) {
        s = snapshotOf(o);
        s.seller = address(store);
    }

    function use(uint256 passId, address coin, uint256 i) internal returns (bytes32) {
        (IInferenceMarket.Order memory o, IInferenceMarket.Quote memory q) = jobOf(coin, i);
        Storefront.Lock memory l = lockOf(o);
        vm.prank(buyer);
        return store.use(passId, o, q, l);
    }
}

contract StorefrontTest is StorefrontBase {
    Gate private gate = new Gate();

    function setUp() public {
        deployStore(address(0));
    }

    function _restart(address gate_) private {
        deployTo(address(store), abi.encodePacked(artifact("Storefront"), abi.encode(MARKET, KEYS, MODELS, gate_, OWNER)));
    }

    // ------------------------------------------------------------------------------------------ bundles and windows

    function test_bundle() public {
        for (uint256 i; i < 2; ++i) {
            address coin = i == 0 ? address(0) : address(token);
            uint256 pass = buyPass(makePlan(coin, false), coin);
            bytes32 jobId = use(pass, coin, 10 * i);
            (IInferenceMarket.Order memory o,) = jobOf(coin, 10 * i);
            assertEq(jobId, market.hashOrder(o), "the order's job");
            assertEq(store.passOf(pass).left, JOBS - 1, "one less");
            // a job like any other
            IInferenceMarket.Snapshot memory s = storeSnapshot(o);
            address[] memory list = provers();
            vm.prank(prover);
            market.lock(o, s, list);
            market.settle(o, s, split, simulatedInference(jobId, prover), prover);
            assertEq(market.balanceOf(coin, prover), 10 ether + PRICE, "the prover is paid");
            // what is not used goes back, at any time
            vm.expectRevert(abi.encodeWithSelector(Storefront.NotOver.selector, START + SECS));
            store.end(pass);
            vm.startPrank(buyer);
            store.end(pass);
            assertEq(store.withdraw(coin, buyer), 2 * PRICE, "two jobs");
            vm.expectRevert(abi.encodeWithSelector(Storefront.NothingLeft.selector, pass));
            store.end(pass);
            vm.stopPrank();
        }
        assertEq(address(store).balance + token.balanceOf(address(store)), 0, "nothing stays");
    }

    function test_window() public {
        uint256 pass = buyPass(makePlan(address(0), true), address(0));
        bytes32 jobId = use(pass, address(0), 0);
        assertEq(state(jobId), uint256(IInferenceMarket.State.Locked), "locked at once");
        (IInferenceMarket.Order memory o,) = jobOf(address(0), 0);
        IInferenceMarket.Snapshot memory s = storeSnapshot(o);
        vm.startPrank(buyer);
        vm.expectRevert(abi.encodeWithSelector(IInferenceMarket.WrongState.selector, jobId, IInferenceMarket.State.Locked));
        market.cancel(o, s); // a subscription is not cancelled into money
        vm.expectRevert(abi.encodeWithSelector(Storefront.NotOver.selector, START + SECS));
        store.end(pass);
        vm.stopPrank();
        vm.warp(START + SECS + 1);
        (IInferenceMarket.Order memory late, IInferenceMarket.Quote memory q) = jobOf(address(0), 1);
        Storefront.Lock memory l = lockOf(late);
        vm.prank(buyer);
        vm.expectRevert(abi.encodeWithSelector(Storefront.PassOver.selector, START + SECS));
        store.use(pass, late, q, l);
        store.end(pass);
        vm.prank(OWNER);
        assertEq(store.withdraw(address(0), OWNER), 2 * PRICE, "what is not used is the owner's");
    }

    /// @dev A window's job needs the prover's word, or the pass is not used.
    function test_windowNeedsALock() public {
        uint256 pass = buyPass(makePlan(address(0), true), address(0));
        (IInferenceMarket.Order memory o, IInferenceMarket.Quote memory q) = jobOf(address(0), 0);
        Storefront.Lock memory l = lockOf(o);
        l.signature = signLock(SELLER_KEY, market.hashOrder(o), prover, type(uint64).max);
        vm.prank(buyer);
        vm.expectRevert(IInferenceMarket.InvalidSignature.selector);
        store.use(pass, o, q, l);
        assertEq(store.passOf(pass).left, JOBS, "not used");
    }

    function test_usedUp() public {
        uint256 pass = buyPass(makePlan(address(0), false), address(0));
        for (uint256 i; i < JOBS; ++i) {
            use(pass, address(0), i);
        }
        (IInferenceMarket.Order memory o, IInferenceMarket.Quote memory q) = jobOf(address(0), JOBS);
        Storefront.Lock memory l = lockOf(o);
        vm.prank(buyer);
        vm.expectRevert(abi.encodeWithSelector(Storefront.NothingLeft.selector, pass));
        store.use(pass, o, q, l);
        assertEq(address(store).balance, 0, "all of it is in jobs");
    }

    /// @dev The seller cannot keep money for passes that nobody can use.
    function test_uselessPasses() public {
        uint256 planId = makePlan(address(0), true);
        uint256[3] memory passes = [buyPass(planId, address(0)), buyPass(planId, address(0)), buyPass(planId, address(0))];
        vm.prank(OWNER);
        store.setDeprecated(1, true);
        store.end(passes[0]);
        vm.prank(OWNER);
        store.setDeprecated(1, false);
        vm.expectRevert(abi.encodeWithSelector(Storefront.NotOver.selector, START + SECS));
        store.end(passes[1]);
        vm.prank(OWNER);
        store.release(1, OWNER);
        vm.warp(START + SECS + 1); // and after its time as well
        store.end(passes[1]);
        assertEq(store.owed(address(0), buyer), 2 * JOBS * PRICE, "all of it is the holder's");
        assertEq(store.owed(address(0), OWNER), 0, "nothing the owner's");
        vm.expectRevert(abi.encodeWithSelector(Storefront.NotOnSale.selector, planId));
        store.buy{value: JOBS * PRICE}(planId);
    }

    /// @dev Quotes on other terms, of other people, or outside of `use`.
    function test_quotesOfPasses() public {
        uint256 pass = buyPass(makePlan(address(0), false), address(0));
        for (uint256 i; i < 9; ++i) {
            (IInferenceMarket.Order memory o, IInferenceMarket.Quote memory q) = jobOf(address(0), 0);
            if (i == 0) q.price = 1;
            if (i == 1) q.keyHash = "another";
            if (i == 2) q.modelId = 2;
            if (i == 3) q.token = address(token);
            if (i == 4) q.collateral = COLLATERAL - 1;
            if (i == 5) q.proveSecs = 3599;
            if (i == 6) q.buyer = address(0);
            if (i == 7) q.provers[0] = buyer;
            if (i == 8) q.inferences = 2;
            Storefront.Lock memory l = lockOf(o);
            vm.prank(buyer);
            vm.expectRevert(Storefront.WrongQuote.selector);
            store.use(pass, o, q, l);
        }
        (IInferenceMarket.Order memory mine, IInferenceMarket.Quote memory quote) = jobOf(address(0), 0);
        Storefront.Lock memory lock_ = lockOf(mine);
        vm.prank(STRANGER);
        vm.expectRevert(Storefront.NotHolder.selector);
        store.use(pass, mine, quote, lock_);
        IInferenceMarket.Order memory others = order();
        others.buyer = STRANGER;
        vm.prank(buyer);
        vm.expectRevert(Storefront.NotHolder.selector);
        store.use(pass, others, quote, lock_);
        // without the pass the quote is nobody's, before and after
        vm.startPrank(buyer);
        vm.expectRevert(IInferenceMarket.InvalidSignature.selector);
        market.fund{value: PRICE}(mine, quote, "", false);
        store.use(pass, mine, quote, lock_);
        (IInferenceMarket.Order memory next,) = jobOf(address(0), 1);
        quote.uses = 0;
        vm.expectRevert(IInferenceMarket.InvalidSignature.selector);
        market.fund{value: PRICE}(next, quote, "", false);
        vm.stopPrank();
    }

    function test_payment() public {
        uint256 planId = makePlan(address(0), false);
        vm.prank(buyer);
        vm.expectRevert(abi.encodeWithSelector(Storefront.WrongPayment.selector, JOBS * PRICE, PRICE));
        store.buy{value: PRICE}(planId);
        uint256 other = makePlan(address(token), false);
        vm.prank(buyer);
        vm.expectRevert(abi.encodeWithSelector(Storefront.WrongPayment.selector, 0, 1));
        store.buy{value: 1}(other);
        vm.prank(OWNER);
        store.setSale(planId, false);
        vm.prank(buyer);
        vm.expectRevert(abi.encodeWithSelector(Storefront.NotOnSale.selector, planId));
        store.buy{value: JOBS * PRICE}(planId);
        vm.expectRevert(abi.encodeWithSelector(Storefront.NotOnSale.selector, 99));
        store.buy(99);
    }

    // ------------------------------------------------------------------------------------------ the owner

    /// @dev What jobs earn is the owner's; escrow of passes is not.
    function test_revenue() public {
        split[0].account = address(1); // the holder of the token
        uint256 id = registerModel(split);
        vm.prank(seller);
        IERC721(MODELS).safeTransferFrom(seller, address(store), id);
        uint256 pass = buyPass(makePlan(address(0), false), address(0));
        IInferenceMarket.Order memory o = orderFor(id);
        IInferenceMarket.Quote memory q = quoteFor(o);
        q.epoch = 1;
        bytes memory signature = sign(SELLER_KEY, market.hashQuote(q));
        vm.prank(OWNER);
        store.transferOwnership(seller);
        vm.prank(seller);
        store.acceptOwnership();
        vm.prank(buyer);
        bytes32 jobId = market.fund{value: PRICE}(o, q, signature, false);
        IInferenceMarket.Snapshot memory s = storeSnapshot(o);
        address[] memory list = provers();
        vm.prank(prover);
        market.lock(o, s, list);
        IInferenceMarket.Inference memory x = simulatedInference(jobId, prover);
        market.settle(o, s, split, x, prover);
        vm.prank(STRANGER);
        assertEq(store.collect(address(0)), PRICE, "the share");
        vm.startPrank(seller);
        uint256 before = seller.balance;
        store.withdraw(address(0), seller);
        assertEq(seller.balance, before + PRICE, "the owner's");
        assertEq(address(store).balance, JOBS * PRICE, "and not what passes hold");
        vm.stopPrank();
        assertEq(store.passOf(pass).left, JOBS, "untouched");
    }

    function test_onlyOwner() public {
        makePlan(address(0), false);
        IInferenceMarket.Snapshot memory s;
        Storefront.Plan memory p;
        bytes[] memory calls = new bytes[](6);
        calls[0] = abi.encodeCall(store.makePlan, (p, provers()));
        calls[1] = abi.encodeCall(store.setSale, (0, false));
        calls[2] = abi.encodeCall(store.revokeQuotes, (1));
        calls[3] = abi.encodeCall(store.setDeprecated, (1, true));
        calls[4] = abi.encodeCall(store.release, (1, STRANGER));
        calls[5] = abi.encodeCall(store.refund, (order(), s, prover, 0));
        for (uint256 i; i < calls.length; ++i) {
            vm.prank(STRANGER);
            vm.expectRevert(abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, STRANGER));
            (bool ok,) = address(store).call(calls[i]);
            ok;
        }
        vm.startPrank(OWNER);
        vm.expectRevert(Storefront.OwnerStays.selector);
        store.renounceOwnership();
        store.revokeQuotes(1);
        assertEq(models.model(1).quoteEpoch, 2, "quotes end");
        vm.expectRevert(Storefront.InvalidPlan.selector);
        store.makePlan(p, provers());
        vm.expectRevert(Storefront.InvalidPlan.selector);
        store.setSale(9, true);
        vm.stopPrank();
    }

    // ------------------------------------------------------------------------------------------ the gate

    function _gated(address who, bool signedByOwner)
        private
        view
        returns (IInferenceMarket.Order memory o, IInferenceMarket.Quote memory q, bytes memory signature)
    {
        o = order();
        o.buyer = who;
        q = quoteFor(o);
        (q.epoch, q.buyer) = (1, who);
        bytes memory inner = sign(signedByOwner ? SELLER_KEY : PROVER_KEY, market.hashQuote(q));
        signature = abi.encode(q, inner);
    }

    function _openGate() private {
        _restart(address(gate));
        vm.prank(OWNER);
        store.transferOwnership(seller);
        vm.prank(seller);
        store.acceptOwnership();
    }

    function test_gate() public {
        _openGate();
        (IInferenceMarket.Order memory o, IInferenceMarket.Quote memory q, bytes memory signature) = _gated(buyer, true);
        vm.startPrank(buyer);
        vm.expectRevert(IInferenceMarket.InvalidSignature.selector);
        market.fund{value: PRICE}(o, q, signature, false);
        gate.set(buyer, true);
        // the owner's signature alone does not pass by the gate, nor does a quote for anyone
        bytes memory bare = sign(SELLER_KEY, market.hashQuote(q));
        vm.expectRevert();
        market.fund{value: PRICE}(o, q, bare, false);
        (,, bytes memory forged) = _gated(buyer, false);
        vm.expectRevert(IInferenceMarket.InvalidSignature.selector);
        market.fund{value: PRICE}(o, q, forged, false);
        IInferenceMarket.Quote memory anyone = quoteFor(o);
        anyone.epoch = 1;
        bytes memory open = abi.encode(anyone, sign(SELLER_KEY, market.hashQuote(anyone)));
        vm.expectRevert(IInferenceMarket.InvalidSignature.selector);
        market.fund{value: PRICE}(o, anyone, open, false);
        // another quote, of somebody who is let in, does not help
        IInferenceMarket.Quote memory others = quoteFor(o);
        (others.epoch, others.buyer, others.nonce) = (1, buyer, 9);
        vm.expectRevert(IInferenceMarket.InvalidSignature.selector);
        market.fund{value: PRICE}(o, others, signature, false);
        market.fund{value: PRICE}(o, q, signature, false);
        vm.stopPrank();
    }

    function test_failingGates() public {
        _openGate();
        gate.set(buyer, true);
        (IInferenceMarket.Order memory o, IInferenceMarket.Quote memory q, bytes memory signature) = _gated(buyer, true);
        for (uint256 i = 1; i < 4; ++i) {
            gate.fail(i);
            vm.prank(buyer);
            vm.expectRevert(IInferenceMarket.InvalidSignature.selector);
            market.fund{value: PRICE}(o, q, signature, false);
        }
        gate.fail(0);
        vm.prank(buyer);
        market.fund{value: PRICE}(o, q, signature, false);
    }

    /// @dev Whoever is shut out gets the money of a window back; too little gas for the gate decides nothing.
    function test_shutOut() public {
        _openGate();
        gate.set(buyer, true);
        Storefront.Plan memory p;
        (p.modelId, p.keyHash, p.price, p.collateral) = (1, keccak256(proven.key), PRICE, COLLATERAL);
        (p.proveSecs, p.expireSecs, p.inferences, p.jobs, p.secs, p.window) = (3600, 7200, 1, JOBS, SECS, true);
        address[] memory list = provers();
        vm.prank(seller);
        uint256 planId = store.makePlan(p, list);
        vm.deal(STRANGER, JOBS * PRICE);
        vm.prank(STRANGER);
        vm.expectRevert(abi.encodeWithSelector(Storefront.NotAllowed.selector, STRANGER));
        store.buy{value: JOBS * PRICE}(planId);
        uint256 pass = buyPass(planId, address(0));
        (bool ok,) = address(store).call{gas: 110_000}(abi.encodeCall(store.end, (pass)));
        assertTrue(!ok && store.passOf(pass).left == JOBS, "nothing decided");
        gate.set(buyer, false);
        store.end(pass);
        assertEq(store.owed(address(0), buyer), JOBS * PRICE, "the holder's");
    }
}

/// @notice Passes of both kinds, bought, used and ended in any order.
contract StorefrontHandler is StorefrontBase {
    uint256[2] private _plans;
    uint256 private _count;
    uint256 private _jobs;

    constructor() {
        deployStore(address(0));
        _plans = [makePlan(address(0), false), makePlan(address(0), true)];
        vm.deal(buyer, 10_000 ether);
        vm.prank(prover);
        market.deposit{value: 80 ether}(address(0), 80 ether);
    }

    function newPass(bool window) external {
        if (_count >= 20) return;
        buyPass(_plans[window ? 1 : 0], address(0));
        ++_count;
    }

    function usePass(uint256 i) external {
        if (_count == 0) return;
        i = i % _count;
        Storefront.Pass memory pass = store.passOf(i);
        (IInferenceMarket.Order memory o, IInferenceMarket.Quote memory q) = jobOf(address(0), ++_jobs);
        Storefront.Lock memory l = lockOf(o);
        vm.prank(buyer);
        (bool ok,) = address(store).call(abi.encodeCall(store.use, (i, o, q, l)));
        assertTrue(ok == (pass.left != 0 && block.timestamp <= pass.until), "used exactly if there is something left");
    }

    function endPass(uint256 i, bool holder) external {
        if (_count == 0) return;
        i = i % _count;
        Storefront.Pass memory pass = store.passOf(i);
        bool window = store.plan(pass.planId).window;
        vm.prank(holder ? buyer : STRANGER);
        (bool ok,) = address(store).call(abi.encodeCall(store.end, (i)));
        bool expected = pass.left != 0 && (block.timestamp > pass.until || (holder && !window));
        assertTrue(ok == expected, "ended exactly if it may be");
    }

    function withdraw(bool owner) external {
        address who = owner ? OWNER : buyer;
        vm.prank(who);
        store.withdraw(address(0), who);
    }

    function pass(uint256 secs) external {
        vm.warp(block.timestamp + bound(secs, 0, 2 days));
    }

    function check() external view {
        uint256 held = store.owed(address(0), buyer) + store.owed(address(0), OWNER);
        for (uint256 i; i < _count; ++i) {
            held += PRICE * store.passOf(i).left;
        }
        assertEq(address(store).balance, held, "what passes hold, and what is owed");
    }
}

contract StorefrontInvariantTest {
    StorefrontHandler private _handler;

    function setUp() public {
        _handler = new StorefrontHandler();
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(_handler);
    }

    function invariant_holdsWhatItOwes() external view {
        _handler.check();
    }
}
