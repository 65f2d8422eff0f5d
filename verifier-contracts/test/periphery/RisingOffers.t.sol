// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {IInferenceMarket} from "../../src/interfaces/IInferenceMarket.sol";
import {RisingOffers} from "../../src/periphery/RisingOffers.sol";
import {PeripheryBase} from "../utils/PeripheryBase.sol";

abstract contract RisingOffersBase is PeripheryBase {
    RisingOffers internal offers = RisingOffers(address(0xA5521));
    uint128 internal constant FIRST = 0.2 ether;
    uint40 internal constant RISE = 1000;
    uint40 internal constant UNTIL = uint40(START + 2000);

    function deployOffers() internal {
        deployMarket();
        deployTo(address(offers), abi.encodePacked(artifact("RisingOffers"), abi.encode(MARKET)));
        vm.prank(buyer);
        token.approve(address(offers), type(uint256).max);
    }

    function post(IInferenceMarket.Order memory o) internal returns (bytes32) {
        uint256 value = o.token == address(0) ? o.maxPrice : 0;
        vm.prank(buyer);
        return offers.post{value: value}(o, FIRST, RISE, UNTIL);
    }

    function quoteAt(IInferenceMarket.Order memory o, uint128 price)
        internal
        view
        returns (IInferenceMarket.Quote memory q, bytes memory signature)
    {
        q = quoteFor(o);
        q.price = price;
        signature = sign(SELLER_KEY, market.hashQuote(q));
    }
}

contract RisingOffersTest is RisingOffersBase {
    function setUp() public {
        deployOffers();
    }

    function test_takenWhenItIsEnough() public {
        for (uint256 i; i < 2; ++i) {
            vm.warp(START);
            IInferenceMarket.Order memory o = order();
            if (i == 1) o.token = address(token);
            bytes32 jobId = post(o);
            (IInferenceMarket.Quote memory q, bytes memory signature) = quoteAt(o, 0.6 ether);
            vm.warp(START + 499);
            vm.prank(prover);
            vm.expectRevert(abi.encodeWithSelector(RisingOffers.TooDear.selector, 0.6 ether, 0.5992 ether));
            offers.take(o, q, signature);
            vm.warp(START + 500);
            assertEq(offers.priceNow(o), 0.6 ether, "half way");
            vm.prank(prover);
            assertEq(offers.take(o, q, signature), jobId, "the order's job");
            assertEq(state(jobId), uint256(IInferenceMarket.State.Funded), "funded");
            assertEq(offers.owed(o.token, buyer), 0.4 ether, "the rest");
            vm.expectRevert(abi.encodeWithSelector(RisingOffers.NoOffer.selector, jobId));
            offers.take(o, q, signature);
            // any prover of the quote proves it, and is paid what was taken
            IInferenceMarket.Snapshot memory s = snapshotOf(o);
            s.price = 0.6 ether;
            address[] memory list = provers();
            vm.prank(OTHER_PROVER);
            market.lock(o, s, list);
            market.settle(o, s, split, simulatedInference(jobId, OTHER_PROVER), OTHER_PROVER);
            assertEq(market.balanceOf(o.token, OTHER_PROVER), 10.6 ether, "paid");
            uint256 before = i == 0 ? STRANGER.balance : token.balanceOf(STRANGER);
            vm.startPrank(buyer);
            assertEq(offers.withdraw(o.token, STRANGER), 0.4 ether, "withdrawn");
            assertEq(offers.withdraw(o.token, STRANGER), 0, "once");
            vm.stopPrank();
            assertEq((i == 0 ? STRANGER.balance : token.balanceOf(STRANGER)) - before, 0.4 ether, "where it was asked to");
        }
    }

    function testFuzz_price(uint256 passed) public {
        passed = bound(passed, 0, 3000);
        IInferenceMarket.Order memory o = order();
        post(o);
        vm.warp(START + passed);
        uint256 expected = passed >= RISE ? PRICE : FIRST + (PRICE - FIRST) * passed / RISE;
        assertEq(offers.priceNow(o), expected, "linear");
    }

    function test_until() public {
        IInferenceMarket.Order memory o = order();
        post(o);
        (IInferenceMarket.Quote memory q, bytes memory signature) = quoteAt(o, PRICE);
        vm.warp(UNTIL + 1);
        vm.expectRevert(abi.encodeWithSelector(RisingOffers.TooLate.selector, UNTIL));
        offers.take(o, q, signature);
        vm.warp(UNTIL);
        offers.take(o, q, signature);
        assertEq(offers.owed(address(0), buyer), 0, "all of it");
    }

    function test_ended() public {
        IInferenceMarket.Order memory o = order();
        bytes32 jobId = post(o);
        vm.expectRevert(RisingOffers.NotBuyer.selector);
        offers.end(o);
        vm.startPrank(buyer);
        offers.end(o);
        vm.expectRevert(abi.encodeWithSelector(RisingOffers.NoOffer.selector, jobId));
        offers.end(o);
        offers.withdraw(address(0), buyer);
        vm.stopPrank();
        assertEq(buyer.balance, 100 ether, "all of it");
        assertEq(address(offers).balance, 0, "nothing stays");
    }

    /// @dev Somebody else's order, price and signature; twice; wrong payments.
    function test_refused() public {
        IInferenceMarket.Order memory o = order();
        vm.expectRevert(RisingOffers.NotBuyer.selector);
        offers.post{value: PRICE}(o, FIRST, RISE, UNTIL);
        vm.startPrank(buyer);
        vm.expectRevert(RisingOffers.InvalidOffer.selector);
        offers.post{value: PRICE}(o, PRICE + 1, RISE, UNTIL);
        vm.expectRevert(RisingOffers.InvalidOffer.selector);
        offers.post{value: PRICE}(o, FIRST, 0, UNTIL);
        vm.expectRevert(RisingOffers.InvalidOffer.selector);
        offers.post{value: PRICE}(o, FIRST, RISE, uint40(START - 1));
        vm.expectRevert(abi.encodeWithSelector(RisingOffers.WrongPayment.selector, PRICE, PRICE - 1));
        offers.post{value: PRICE - 1}(o, FIRST, RISE, UNTIL);
        vm.stopPrank();
        bytes32 jobId = post(o);
        vm.startPrank(buyer);
        vm.expectRevert(abi.encodeWithSelector(RisingOffers.IsPosted.selector, jobId));
        offers.post{value: PRICE}(o, FIRST, RISE, UNTIL);
        vm.stopPrank();
        IInferenceMarket.Quote memory q = quoteFor(o);
        q.price = FIRST;
        bytes memory forged = sign(PROVER_KEY, market.hashQuote(q));
        vm.expectRevert(IInferenceMarket.InvalidSignature.selector);
        offers.take(o, q, forged);
        IInferenceMarket.Order memory other = order();
        other.token = address(token);
        vm.deal(buyer, PRICE);
        vm.startPrank(buyer);
        vm.expectRevert(abi.encodeWithSelector(RisingOffers.WrongPayment.selector, 0, 1));
        offers.post{value: 1}(other, FIRST, RISE, UNTIL);
        vm.stopPrank();
    }

    /// @dev The buyer can also fund the order himself; then the offer cannot be taken, and its money comes back.
    function test_fundedMeanwhile() public {
        IInferenceMarket.Order memory o = order();
        bytes32 jobId = post(o);
        fund(o);
        (IInferenceMarket.Quote memory q, bytes memory signature) = quoteAt(o, FIRST);
        vm.expectRevert(abi.encodeWithSelector(IInferenceMarket.WrongState.selector, jobId, IInferenceMarket.State.Funded));
        offers.take(o, q, signature);
        vm.startPrank(buyer);
        offers.end(o);
        assertEq(offers.withdraw(address(0), buyer), PRICE, "back");
        vm.stopPrank();
    }
}

/// @notice Offers come and go in any order.
contract RisingOffersHandler is RisingOffersBase {
    bytes32[] private _salts;
    mapping(uint256 i => bool) private _over;

    constructor() {
        deployOffers();
        vm.prank(buyer);
        token.approve(address(offers), type(uint256).max);
    }

    function _order(uint256 i) private view returns (IInferenceMarket.Order memory o) {
        o = order();
        o.salt = _salts[i];
        if (i % 2 == 1) o.token = address(token);
    }

    function newOffer(bytes32 salt) external {
        if (block.timestamp > UNTIL || _salts.length >= 30 || buyer.balance < PRICE || token.balanceOf(buyer) < PRICE) return;
        _salts.push(keccak256(abi.encode(salt, _salts.length)));
        post(_order(_salts.length - 1));
    }

    function take(uint256 i, uint256 price) external {
        if (_salts.length == 0) return;
        i = i % _salts.length;
        IInferenceMarket.Order memory o = _order(i);
        (IInferenceMarket.Quote memory q, bytes memory signature) = quoteAt(o, uint128(bound(price, 0, PRICE)));
        q.validUntil = uint64(START + 1 days);
        (, uint40 from, uint40 rise,) = offers.offers(market.hashOrder(o));
        uint256 passed = block.timestamp - from;
        uint256 offered = passed >= RISE ? PRICE : FIRST + (PRICE - FIRST) * passed / RISE;
        bool expected = rise != 0 && block.timestamp <= UNTIL && q.price <= offered;
        (bool ok,) = address(offers).call(abi.encodeCall(offers.take, (o, q, signature)));
        assertTrue(ok == expected, "taken exactly if it is enough and in time");
        if (ok) _over[i] = true;
    }

    function end(uint256 i) external {
        if (_salts.length == 0) return;
        i = i % _salts.length;
        vm.prank(buyer);
        (bool ok,) = address(offers).call(abi.encodeCall(offers.end, (_order(i))));
        assertTrue(ok != _over[i], "ended exactly if it is open");
        if (ok) _over[i] = true;
    }

    function withdraw(bool native) external {
        vm.prank(buyer);
        offers.withdraw(native ? address(0) : address(token), buyer);
    }

    function pass(uint256 secs) external {
        uint256 next = block.timestamp + bound(secs, 0, 400);
        if (next < UNTIL + 100) vm.warp(next);
    }

    function check() external view {
        uint256[2] memory held;
        for (uint256 i; i < _salts.length; ++i) {
            if (!_over[i]) held[i % 2] += PRICE;
        }
        assertEq(address(offers).balance, held[0] + offers.owed(address(0), buyer), "coins: open offers, and what is owed");
        assertEq(token.balanceOf(address(offers)), held[1] + offers.owed(address(token), buyer), "tokens likewise");
    }
}

contract RisingOffersInvariantTest {
    RisingOffersHandler private _handler;

    function setUp() public {
        _handler = new RisingOffersHandler();
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(_handler);
    }

    function invariant_holdsWhatItOwes() external view {
        _handler.check();
    }
}
