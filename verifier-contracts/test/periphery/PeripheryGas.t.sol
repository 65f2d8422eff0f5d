// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {IInferenceMarket} from "../../src/interfaces/IInferenceMarket.sol";
import {PublicInput} from "../../src/lib/PublicInput.sol";
import {GaslessFunding} from "../../src/periphery/GaslessFunding.sol";
import {InferenceCallbacks} from "../../src/periphery/InferenceCallbacks.sol";
import {Reputation} from "../../src/periphery/Reputation.sol";
import {RevenueSplitter, Share} from "../../src/periphery/RevenueSplitter.sol";
import {RisingOffers} from "../../src/periphery/RisingOffers.sol";
import {SplitterFactory} from "../../src/periphery/SplitterFactory.sol";
import {AuthorizedToken} from "../utils/GaslessTokens.sol";
import {StorefrontBase} from "./Storefront.t.sol";

/// @notice Calls around the market as transactions of their own, with a key for one inference and one chunk of input (Groth16, smaller than a real one).
/// forge-config: test.isolate = true
contract PeripheryGasTest is StorefrontBase {
    InferenceCallbacks private callbacks = InferenceCallbacks(address(0xA5507));
    GaslessFunding private funding = GaslessFunding(address(0xA5509));
    SplitterFactory private factory = SplitterFactory(address(0xA550A));
    RisingOffers private offers = RisingOffers(address(0xA5521));
    Reputation private reputation = Reputation(address(0xA5522));

    function setUp() public {
        deployStore(address(0));
        deployTo(address(callbacks), abi.encodePacked(artifact("InferenceCallbacks"), abi.encode(MARKET, KEYS)));
        deployTo(address(funding), abi.encodePacked(artifact("GaslessFunding"), abi.encode(MARKET, address(0))));
        deployTo(address(factory), abi.encodePacked(artifact("SplitterFactory"), abi.encode(MARKET)));
        deployTo(address(offers), abi.encodePacked(artifact("RisingOffers"), abi.encode(MARKET)));
        deployTo(address(reputation), abi.encodePacked(artifact("Reputation"), abi.encode(MARKET)));
        // signed quotes are the seller's: the store is for what follows at its end
        vm.prank(OWNER);
        store.transferOwnership(seller);
        vm.prank(seller);
        store.acceptOwnership();
    }

    function _spent(string memory what) private {
        emit log_named_uint(what, vm.lastCallGas().gasTotalUsed);
    }

    function _signed(IInferenceMarket.Order memory o) private view returns (IInferenceMarket.Quote memory q, bytes memory signature) {
        q = quoteFor(o);
        q.epoch = 1;
        signature = sign(SELLER_KEY, market.hashQuote(q));
    }

    function _lockOf(IInferenceMarket.Order memory o) private {
        IInferenceMarket.Snapshot memory s = storeSnapshot(o);
        address[] memory list = provers();
        vm.prank(prover);
        market.lock(o, s, list);
    }

    function test_contractBuyer() public {
        IInferenceMarket.Order memory o = order();
        (IInferenceMarket.Quote memory q, bytes memory signature) = _signed(o);
        PublicInput.Shown memory input = PublicInput.Shown(proven.inputCommitments, abi.encodePacked(uint16(INPUT)), new bytes(64));
        vm.prank(buyer);
        bytes32 jobId = callbacks.request{value: PRICE}(o, q, signature, input, 50_000);
        _spent("InferenceCallbacks.request, an input of one cell");
        _lockOf(o);
        IInferenceMarket.Inference memory x = simulatedInference(jobId, prover);
        IInferenceMarket.Snapshot memory s = storeSnapshot(o);
        callbacks.settle(o, s, split, x, prover);
        _spent("InferenceCallbacks.settle, besides the callback");
    }

    function test_gasless() public {
        AuthorizedToken coin = new AuthorizedToken();
        coin.mint(buyer, 10 ether);
        IInferenceMarket.Order memory o = order();
        o.token = address(coin);
        (IInferenceMarket.Quote memory q, bytes memory signature) = _signed(o);
        bytes32 nonce = funding.authorizationNonce(o, q);
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("Authorized"),
                keccak256("1"),
                block.chainid,
                address(coin)
            )
        );
        bytes32 type_ = keccak256(
            "ReceiveWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)"
        );
        bytes32 hash = keccak256(abi.encode(type_, buyer, address(funding), PRICE, 0, START + 1 days, nonce));
        bytes memory buyers = sign(BUYER_KEY, keccak256(abi.encodePacked(hex"1901", domain, hash)));
        bytes32 r = bytes32(wordAt(buyers, 0));
        bytes32 s = bytes32(wordAt(buyers, 1));
        funding.fundWithAuthorization(o, q, signature, 0, START + 1 days, uint8(buyers[64]), r, s);
        _spent("GaslessFunding.fundWithAuthorization");
    }

    function test_splitter() public {
        Share[] memory shares = new Share[](4);
        for (uint256 i; i < 4; ++i) {
            shares[i] = Share(address(uint160(0xACC0 + i)), 1);
        }
        RevenueSplitter splitter = RevenueSplitter(payable(factory.create(shares)));
        _spent("SplitterFactory.create, four shares");
        vm.prank(buyer);
        token.transfer(address(splitter), 1 ether);
        splitter.release(address(token), 0);
        _spent("RevenueSplitter.release, the first");
        splitter.release(address(token), 1);
        _spent("RevenueSplitter.release, another");
    }

    function test_risingOffer() public {
        IInferenceMarket.Order memory o = order();
        vm.prank(buyer);
        offers.post{value: PRICE}(o, PRICE / 2, 1000, uint40(START + 2000));
        _spent("RisingOffers.post");
        (IInferenceMarket.Quote memory q, bytes memory signature) = _signed(o);
        vm.warp(START + 1000);
        vm.prank(prover);
        offers.take(o, q, signature);
        _spent("RisingOffers.take");
    }

    function test_reputation() public {
        IInferenceMarket.Order memory o = order();
        (IInferenceMarket.Quote memory q, bytes memory signature) = _signed(o);
        vm.prank(buyer);
        bytes32 jobId = market.fund{value: PRICE}(o, q, signature, false);
        _lockOf(o);
        IInferenceMarket.Snapshot memory s = storeSnapshot(o);
        market.settle(o, s, split, simulatedInference(jobId, prover), prover);
        reputation.enter(o, s, prover, keccak256(hex"0001fffe00000000"));
        _spent("Reputation.enter, the first of a prover and a model");
    }

    function test_storefront() public {
        (uint256 bundle, uint256 windows) = _plans();
        uint256 pass = buyPass(bundle, address(0));
        _spent("Storefront.buy");
        use(pass, address(0), 1);
        _spent("Storefront.use, of a bundle");
        uint256 window = buyPass(windows, address(0));
        use(window, address(0), 2);
        _spent("Storefront.use, of a window");
        vm.prank(buyer);
        store.end(pass);
        _spent("Storefront.end");
    }

    function _plans() private returns (uint256, uint256) {
        vm.prank(seller);
        store.transferOwnership(OWNER);
        vm.prank(OWNER);
        store.acceptOwnership();
        return (makePlan(address(0), false), makePlan(address(0), true));
    }
}
