// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {IInferenceMarket} from "../../src/interfaces/IInferenceMarket.sol";
import {IKeyRegistry} from "../../src/interfaces/IKeyRegistry.sol";
import {IModelRegistry, Payee} from "../../src/interfaces/IModelRegistry.sol";
import {IERC721} from "@openzeppelin/contracts/token/ERC721/IERC721.sol";
import {MarketBase} from "../utils/MarketBase.sol";

contract FundTest is MarketBase {
    function setUp() public {
        deploySimulated(1, 2, 0);
    }

    function _refused(IInferenceMarket.Order memory o, IInferenceMarket.Quote memory q, bytes memory error) internal {
        bytes memory signature = sign(SELLER_KEY, market.hashQuote(q));
        vm.prank(buyer);
        vm.expectRevert(error);
        market.fund{value: q.price}(o, q, signature, false);
    }

    function test_native() public {
        IInferenceMarket.Order memory o = order();
        bytes32 jobId = fund(o);
        IInferenceMarket.Job memory job = market.job(jobId);
        assertEq(jobId, market.hashOrder(o), "job id");
        assertEq(uint256(job.state), uint256(IInferenceMarket.State.Funded), "state");
        assertEq(job.time, START, "time");
        assertTrue(job.digest == bytes26(keccak256(abi.encode(snapshot()))), "snapshot");
        assertEq(buyer.balance, 99 ether, "paid");
    }

    function test_token() public {
        IInferenceMarket.Order memory o = order();
        o.token = address(token);
        fund(o);
        assertEq(token.balanceOf(buyer), 99 ether, "paid");
    }

    function test_fromBalance() public {
        IInferenceMarket.Order memory o = order();
        IInferenceMarket.Quote memory q = quoteFor(o);
        bytes memory signature = sign(SELLER_KEY, market.hashQuote(q));
        vm.startPrank(buyer);
        vm.expectRevert(abi.encodeWithSelector(IInferenceMarket.InsufficientBalance.selector, address(0), buyer, PRICE, 0));
        market.fund(o, q, signature, true);
        market.deposit{value: 3 ether}(address(0), 3 ether);
        vm.expectRevert(abi.encodeWithSelector(IInferenceMarket.WrongPayment.selector, 0, 1));
        market.fund{value: 1}(o, q, signature, true);
        market.fund(o, q, signature, true);
        vm.stopPrank();
        assertEq(credit(buyer), 2 ether, "from credit");
    }

    function test_relayed() public {
        IInferenceMarket.Order memory o = order();
        IInferenceMarket.Quote memory q = quoteFor(o);
        bytes memory signature = sign(SELLER_KEY, market.hashQuote(q));
        bytes memory buyerSignature = sign(BUYER_KEY, market.hashPurchase(o, q));
        vm.prank(buyer);
        market.deposit{value: 3 ether}(address(0), 3 ether);
        bytes memory forged = sign(PROVER_KEY, market.hashPurchase(o, q));
        vm.prank(STRANGER);
        vm.expectRevert(IInferenceMarket.InvalidSignature.selector);
        market.fundFor(o, q, signature, forged);
        vm.prank(STRANGER);
        bytes32 jobId = market.fundFor(o, q, signature, buyerSignature);
        assertEq(credit(buyer), 2 ether, "from the buyer's credit");
        vm.expectRevert(abi.encodeWithSelector(IInferenceMarket.WrongState.selector, jobId, IInferenceMarket.State.Funded));
        market.fundFor(o, q, signature, buyerSignature);
    }

    /// @dev A signed order has no expiry of its own: its buyer ends it.
    function test_revoked() public {
        IInferenceMarket.Order memory o = order();
        IInferenceMarket.Quote memory q = quoteFor(o);
        bytes memory signature = sign(SELLER_KEY, market.hashQuote(q));
        bytes memory buyerSignature = sign(BUYER_KEY, market.hashPurchase(o, q));
        vm.prank(buyer);
        market.deposit{value: 3 ether}(address(0), 3 ether);
        vm.prank(STRANGER);
        vm.expectRevert(IInferenceMarket.NotBuyer.selector);
        market.revoke(o);
        vm.prank(buyer);
        bytes32 jobId = market.revoke(o);
        assertEq(jobId, market.hashOrder(o), "job id");
        bytes memory over = abi.encodeWithSelector(IInferenceMarket.WrongState.selector, jobId, IInferenceMarket.State.Cancelled);
        vm.expectRevert(over);
        market.fundFor(o, q, signature, buyerSignature);
        _refused(o, q, over);
        vm.startPrank(buyer);
        vm.expectRevert(over);
        market.revoke(o);
        // there is nothing to take back
        IInferenceMarket.Snapshot memory s = snapshot();
        vm.expectRevert(over);
        market.cancel(o, s);
        delete s;
        vm.expectRevert(over);
        market.cancel(o, s);
        vm.stopPrank();
        assertEq(credit(buyer), 3 ether, "nothing was taken");
    }

    function test_revokeFunded() public {
        IInferenceMarket.Order memory o = order();
        bytes32 jobId = fund(o);
        vm.prank(buyer);
        vm.expectRevert(abi.encodeWithSelector(IInferenceMarket.WrongState.selector, jobId, IInferenceMarket.State.Funded));
        market.revoke(o);
    }

    /// @dev Anyone may pay, and has no right to the job: what comes back is the buyer's.
    function test_paidForBySomebodyElse() public {
        IInferenceMarket.Order memory o = order();
        IInferenceMarket.Quote memory q = quoteFor(o);
        IInferenceMarket.Snapshot memory s = snapshot();
        bytes memory signature = sign(SELLER_KEY, market.hashQuote(q));
        vm.deal(STRANGER, 1 ether);
        uint256 had = credit(buyer);
        vm.startPrank(STRANGER);
        vm.expectRevert(abi.encodeWithSelector(IInferenceMarket.InsufficientBalance.selector, address(0), STRANGER, PRICE, 0));
        market.fund(o, q, signature, true); // not out of the buyer's credit
        market.fund{value: PRICE}(o, q, signature, false);
        vm.expectRevert(IInferenceMarket.NotBuyer.selector);
        market.cancel(o, s);
        vm.stopPrank();
        vm.prank(buyer);
        market.cancel(o, s);
        assertEq(credit(buyer), had + PRICE, "the buyer's");
        assertEq(credit(STRANGER), 0, "a gift");
    }

    function test_onceOnly() public {
        IInferenceMarket.Order memory o = order();
        bytes32 jobId = fund(o);
        _refused(o, quoteFor(o), abi.encodeWithSelector(IInferenceMarket.WrongState.selector, jobId, IInferenceMarket.State.Funded));
        IInferenceMarket.Snapshot memory s = snapshot();
        vm.prank(buyer);
        market.cancel(o, s);
        _refused(o, quoteFor(o), abi.encodeWithSelector(IInferenceMarket.WrongState.selector, jobId, IInferenceMarket.State.Cancelled));
    }

    function test_payment() public {
        IInferenceMarket.Order memory o = order();
        IInferenceMarket.Quote memory q = quoteFor(o);
        bytes memory signature = sign(SELLER_KEY, market.hashQuote(q));
        for (uint256 i; i < 2; ++i) {
            uint256 value = i == 0 ? PRICE - 1 : PRICE + 1;
            vm.prank(buyer);
            vm.expectRevert(abi.encodeWithSelector(IInferenceMarket.WrongPayment.selector, PRICE, value));
            market.fund{value: value}(o, q, signature, false);
        }
        o.token = q.token = address(token);
        signature = sign(SELLER_KEY, market.hashQuote(q));
        vm.prank(buyer);
        vm.expectRevert(abi.encodeWithSelector(IInferenceMarket.WrongPayment.selector, 0, 1));
        market.fund{value: 1}(o, q, signature, false);
    }

    function test_quote() public {
        IInferenceMarket.Order memory o = order();
        IInferenceMarket.Quote memory q = quoteFor(o);
        bytes memory mismatch = abi.encodeWithSelector(IInferenceMarket.QuoteMismatch.selector);
        q.validUntil = uint64(START - 1);
        _refused(o, q, abi.encodeWithSelector(IInferenceMarket.QuoteExpired.selector, START - 1));
        q = quoteFor(o);
        q.price = PRICE + 1;
        _refused(o, q, abi.encodeWithSelector(IInferenceMarket.PriceTooHigh.selector, PRICE + 1, PRICE));
        q = quoteFor(o);
        q.buyer = STRANGER;
        _refused(o, q, mismatch);
        q = quoteFor(o);
        q.modelId = 2;
        _refused(o, q, mismatch);
        q = quoteFor(o);
        q.keyHash = bytes32(uint256(1));
        _refused(o, q, mismatch);
        q = quoteFor(o);
        q.collateral -= 1;
        _refused(o, q, mismatch);
        q = quoteFor(o);
        q.proveSecs += 1;
        _refused(o, q, mismatch);
        q = quoteFor(o);
        q.expireSecs += 1;
        _refused(o, q, mismatch);
        q = quoteFor(o);
        q.provers = new address[](0);
        _refused(o, q, mismatch);
    }

    function test_sellerSignature() public {
        IInferenceMarket.Order memory o = order();
        IInferenceMarket.Quote memory q = quoteFor(o);
        bytes memory signature = sign(BUYER_KEY, market.hashQuote(q));
        vm.prank(buyer);
        vm.expectRevert(IInferenceMarket.InvalidSignature.selector);
        market.fund{value: PRICE}(o, q, signature, false);
        signature = sign(SELLER_KEY, market.hashQuote(q));
        q.price -= 1; // the signature was for another price
        vm.prank(buyer);
        vm.expectRevert(IInferenceMarket.InvalidSignature.selector);
        market.fund{value: q.price}(o, q, signature, false);
        // a transfer of the model moves the right to quote
        vm.prank(seller);
        IERC721(MODELS).transferFrom(seller, STRANGER, 1);
        q = quoteFor(o);
        _refused(o, q, abi.encodeWithSelector(IInferenceMarket.QuoteRevoked.selector, 1));
        q.epoch = 1;
        _refused(o, q, abi.encodeWithSelector(IInferenceMarket.InvalidSignature.selector));
    }

    function test_order() public {
        IInferenceMarket.Order memory o = order();
        o.verifier = address(this); // E8: nobody chooses another verifier
        _refused(o, quoteFor(o), abi.encodeWithSelector(IInferenceMarket.InvalidOrder.selector));
        o = order();
        o.modelCommitment ^= bytes32(uint256(1));
        _refused(o, quoteFor(o), abi.encodeWithSelector(IInferenceMarket.InvalidOrder.selector));
        o = order();
        o.feeSplitHash ^= bytes32(uint256(1));
        _refused(o, quoteFor(o), abi.encodeWithSelector(IInferenceMarket.InvalidOrder.selector));
        o = order();
        o.modelId = 2;
        _refused(o, quoteFor(o), abi.encodeWithSelector(IModelRegistry.UnknownModel.selector, 2));
        o = order();
        o.keyHash = keccak256("no such key");
        _refused(o, quoteFor(o), abi.encodeWithSelector(IKeyRegistry.NotAdmitted.selector, o.keyHash));
        bytes memory deadlines = abi.encodeWithSelector(IInferenceMarket.InvalidDeadlines.selector);
        o = order();
        o.proveSecs = 0;
        _refused(o, quoteFor(o), deadlines);
        o.proveSecs = o.expireSecs;
        _refused(o, quoteFor(o), deadlines);
        o = order();
        o.expireSecs = 30 days + 1;
        _refused(o, quoteFor(o), deadlines);
    }

    function test_deprecatedModel() public {
        IInferenceMarket.Order memory o = order();
        vm.prank(seller);
        models.setDeprecated(1, true);
        _refused(o, quoteFor(o), abi.encodeWithSelector(IInferenceMarket.ModelIsDeprecated.selector, 1));
        vm.prank(seller);
        models.setDeprecated(1, false);
        fund(o);
    }

    /// @dev A model whose number of weight chunks is not the shape's could never be proven.
    function test_unprovableModel() public {
        proven.weights = bytes.concat(proven.weights, abi.encode(1, 2));
        IInferenceMarket.Order memory o = orderFor(registerModel(split));
        _refused(o, quoteFor(o), abi.encodeWithSelector(IInferenceMarket.InvalidOrder.selector));
    }

    /// @dev E3: every field of the order is part of the job id.
    function testFuzz_orderFields(uint256 field, uint256 flip) public view {
        IInferenceMarket.Order memory o = order();
        bytes32 honest = market.hashOrder(o);
        bytes memory encoded = abi.encode(o);
        uint8[14] memory bits = [160, 255, 255, 255, 255, 160, 160, 128, 255, 32, 32, 128, 160, 255];
        field %= 14;
        uint256 delta = 1 << (flip % bits[field]);
        encoded = withWord(encoded, field, wordAt(encoded, field) ^ delta);
        assertTrue(market.hashOrder(abi.decode(encoded, (IInferenceMarket.Order))) != honest, "another job");
    }
}
