// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {IInferenceMarket} from "../../src/interfaces/IInferenceMarket.sol";
import {IERC721} from "@openzeppelin/contracts/token/ERC721/IERC721.sol";
import {MarketBase} from "../utils/MarketBase.sol";

/// @notice An account that is a contract: it signs by the key of its owner (ERC-1271).
contract Wallet {
    address internal immutable owner;

    constructor(address owner_) {
        owner = owner_;
    }

    function isValidSignature(bytes32 digest, bytes calldata signature) external view returns (bytes4) {
        (bytes32 r, bytes32 s, uint8 v) = (bytes32(signature[:32]), bytes32(signature[32:64]), uint8(signature[64]));
        return ecrecover(digest, v, r, s) == owner ? this.isValidSignature.selector : bytes4(0);
    }
}

/// @notice What a seller's signature is good for: for how long, how often, for whom, and when it ends.
contract QuotesTest is MarketBase {
    function setUp() public {
        deploySimulated(1, 2, 0);
    }

    function _fund(bytes32 salt, IInferenceMarket.Quote memory q, bytes memory refusal) internal {
        IInferenceMarket.Order memory o = order();
        o.salt = salt;
        o.collateral = q.collateral;
        bytes memory signature = sign(SELLER_KEY, market.hashQuote(q));
        vm.prank(buyer);
        if (refusal.length > 0) vm.expectRevert(refusal);
        market.fund{value: q.price}(o, q, signature, false);
    }

    function _quote() internal view returns (IInferenceMarket.Quote memory) {
        return quoteFor(order());
    }

    function test_validity() public {
        IInferenceMarket.Quote memory q = _quote();
        bytes memory never = abi.encodePacked(IInferenceMarket.QuoteNotValid.selector);
        q.validUntil = q.validFrom + 30 days + 1;
        _fund(0, q, never); // one that is valid for too long is never valid
        q.validUntil = q.validFrom + 30 days;
        q.validFrom += 1;
        _fund(0, q, never);
        vm.warp(START + 1);
        _fund(0, q, "");
        q.validFrom = q.validUntil + 1; // valid at no time
        _fund(bytes32(uint256(1)), q, never);
    }

    function test_oneUse() public {
        IInferenceMarket.Quote memory q = _quote();
        _fund(0, q, "");
        bytes memory used = abi.encodePacked(IInferenceMarket.QuoteUsed.selector);
        _fund(bytes32(uint256(1)), q, used);
        q.validUntil += 1; // another quote with the same nonce
        _fund(bytes32(uint256(1)), q, used);
        q.nonce += 1;
        _fund(bytes32(uint256(1)), q, "");
        q.nonce += 256; // the same bit of another word
        _fund(bytes32(uint256(2)), q, "");
    }

    function test_severalUses() public {
        IInferenceMarket.Quote memory q = _quote();
        q.uses = 2;
        _fund(bytes32(uint256(1)), q, "");
        _fund(bytes32(uint256(2)), q, "");
        _fund(bytes32(uint256(3)), q, abi.encodePacked(IInferenceMarket.QuoteUsed.selector));
        q.uses = 0;
        for (uint256 i = 4; i < 8; ++i) {
            _fund(bytes32(i), q, "");
        }
    }

    /// @dev A holder ends all quotes for a model; a transfer does too, and they do not come back with the token.
    function test_revoked() public {
        IInferenceMarket.Quote memory q = _quote();
        vm.prank(seller);
        models.revokeQuotes(1);
        _fund(0, q, abi.encodeWithSelector(IInferenceMarket.QuoteRevoked.selector, 1));
        q.epoch = 1;
        vm.prank(seller);
        IERC721(MODELS).transferFrom(seller, STRANGER, 1);
        vm.prank(STRANGER);
        IERC721(MODELS).transferFrom(STRANGER, seller, 1);
        _fund(0, q, abi.encodeWithSelector(IInferenceMarket.QuoteRevoked.selector, 3));
        q.epoch = 3;
        _fund(0, q, "");
    }

    function test_numberOfInferences() public {
        IInferenceMarket.Quote memory q = _quote();
        q.inferences = 2;
        _fund(0, q, abi.encodeWithSelector(IInferenceMarket.WrongInferences.selector, 1));
        q.inferences = 0;
        _fund(0, q, abi.encodeWithSelector(IInferenceMarket.WrongInferences.selector, 1));
    }

    /// @dev Whoever relays a signed order cannot choose another quote of the seller for it: not its price, not its provers.
    function test_relayerIsBound() public {
        vm.prank(buyer);
        market.deposit{value: 3 ether}(address(0), 3 ether);
        IInferenceMarket.Order memory o = order();
        IInferenceMarket.Quote memory cheap = quoteFor(o);
        cheap.price = PRICE / 2;
        bytes memory consent = sign(BUYER_KEY, market.hashPurchase(o, cheap));
        IInferenceMarket.Quote memory other = quoteFor(o);
        _relay(o, other, consent);
        other = quoteFor(o);
        other.price = cheap.price;
        other.provers[0] = STRANGER;
        _relay(o, other, consent);
        _relay(o, other, sign(BUYER_KEY, market.hashOrder(o))); // the order alone is no consent
        bytes memory signature = sign(SELLER_KEY, market.hashQuote(cheap));
        market.fundFor(o, cheap, signature, consent);
        assertEq(credit(buyer), 3 ether - PRICE / 2, "the price that was signed");
    }

    function _relay(IInferenceMarket.Order memory o, IInferenceMarket.Quote memory q, bytes memory consent) internal {
        bytes memory signature = sign(SELLER_KEY, market.hashQuote(q));
        vm.expectRevert(IInferenceMarket.InvalidSignature.selector);
        market.fundFor(o, q, signature, consent);
    }

    /// @dev Seller, buyer and prover can be contracts, whose signatures are theirs to judge.
    function test_contractsSign() public {
        (address shop, address client) = (address(new Wallet(seller)), address(new Wallet(buyer)));
        vm.prank(seller);
        IERC721(MODELS).transferFrom(seller, shop, 1);
        vm.deal(client, PRICE);
        vm.prank(client);
        market.deposit{value: PRICE}(address(0), PRICE);
        IInferenceMarket.Order memory o = order();
        o.buyer = client;
        IInferenceMarket.Quote memory q = quoteFor(o);
        q.epoch = 1;
        q.provers[0] = address(new Wallet(prover));
        bytes memory signature = sign(SELLER_KEY, market.hashQuote(q));
        bytes memory consent = sign(BUYER_KEY, market.hashPurchase(o, q));
        vm.expectRevert(IInferenceMarket.InvalidSignature.selector);
        market.fundFor(o, q, consent, consent); // the seller's contract says no
        vm.expectRevert(IInferenceMarket.InvalidSignature.selector);
        market.fundFor(o, q, signature, signature); // the buyer's
        bytes32 jobId = market.fundFor(o, q, signature, consent);
        IInferenceMarket.Snapshot memory s = snapshot();
        (s.seller, s.proversHash) = (shop, keccak256(abi.encodePacked(q.provers)));
        vm.deal(q.provers[0], COLLATERAL);
        vm.prank(q.provers[0]);
        market.deposit{value: COLLATERAL}(address(0), COLLATERAL);
        bytes memory wrong = signLock(SELLER_KEY, jobId, q.provers[0], uint64(START));
        vm.expectRevert(IInferenceMarket.InvalidSignature.selector);
        market.lockFor(o, s, q.provers, q.provers[0], uint64(START), wrong);
        market.lockFor(o, s, q.provers, q.provers[0], uint64(START), signLock(PROVER_KEY, jobId, q.provers[0], uint64(START)));
        assertTrue(market.job(jobId).digest == lockDigest(s, q.provers[0]), "locked by the contract");
    }

    // ------------------------------------------------------------------------------------------ whose collateral

    function test_treasuryNeverProves() public {
        IInferenceMarket.Quote memory q = _quote();
        q.provers[1] = TREASURY;
        _fund(0, q, abi.encodePacked(IInferenceMarket.TreasuryProves.selector));
        vm.prank(seller);
        IERC721(MODELS).transferFrom(seller, TREASURY, 1);
        q = _quote();
        q.epoch = 1;
        _fund(0, q, abi.encodePacked(IInferenceMarket.TreasuryProves.selector)); // nor sells
    }

    function testFuzz_collateralFloor(uint128 price, uint128 collateral) public {
        IInferenceMarket.Quote memory q = _quote();
        q.price = uint128(bound(price, 0, PRICE));
        q.collateral = uint128(bound(collateral, 0, PRICE / 5));
        uint256 least = (uint256(q.price) + 9) / 10;
        bytes memory refusal = abi.encodeWithSelector(IInferenceMarket.CollateralTooLow.selector, least);
        _fund(0, q, q.collateral < least ? refusal : bytes(""));
    }
}
