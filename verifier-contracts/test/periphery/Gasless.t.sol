// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {ERC3009} from "@openzeppelin/contracts/token/ERC20/extensions/draft-ERC3009.sol";
import {IInferenceMarket} from "../../src/interfaces/IInferenceMarket.sol";
import {ISignatureTransfer} from "../../src/interfaces/ISignatureTransfer.sol";
import {GaslessFunding} from "../../src/periphery/GaslessFunding.sol";
import {AuthorizedToken, LyingToken, PermitDouble, SequentialToken, Wallet} from "../utils/GaslessTokens.sol";
import {PeripheryBase} from "../utils/PeripheryBase.sol";

contract GaslessTest is PeripheryBase {
    address private constant FUNDING = address(0xA5509);
    address private constant RELAYER = address(0x4E1A);
    uint256 private constant UNTIL = START + 1 hours;
    GaslessFunding private funding = GaslessFunding(FUNDING);
    PermitDouble private permit2 = new PermitDouble();
    AuthorizedToken private authorized = new AuthorizedToken();
    SequentialToken private sequential = new SequentialToken();
    Wallet private wallet;

    function setUp() public {
        deployMarket();
        deployTo(FUNDING, abi.encodePacked(artifact("GaslessFunding"), abi.encode(MARKET, address(permit2))));
        wallet = new Wallet(buyer);
        authorized.mint(buyer, 10 ether);
        sequential.mint(buyer, 10 ether);
        sequential.mint(address(wallet), 10 ether);
        token.mint(address(wallet), 10 ether);
        wallet.approve(token, address(permit2));
        vm.prank(buyer);
        token.approve(address(permit2), type(uint256).max);
    }

    function _order(address payer, address coin) private view returns (IInferenceMarket.Order memory o) {
        o = order();
        (o.buyer, o.token) = (payer, coin);
    }

    // ------------------------------------------------------------------------------------------ EIP-3009

    /// @dev The token's typed data, written down here.
    function _authorization(IInferenceMarket.Order memory o, string memory name, uint256 value, bytes32 nonce)
        private
        view
        returns (bytes memory)
    {
        bytes32 domainType = keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
        bytes32 domain = keccak256(abi.encode(domainType, keccak256(bytes(name)), keccak256("1"), block.chainid, o.token));
        bytes32 type_ = keccak256(
            "ReceiveWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)"
        );
        bytes32 hash = keccak256(abi.encode(type_, o.buyer, FUNDING, value, 0, UNTIL, nonce));
        return sign(BUYER_KEY, keccak256(abi.encodePacked(hex"1901", domain, hash)));
    }

    function _parts(bytes memory signature) private pure returns (uint8 v, bytes32 r, bytes32 s) {
        (r, s, v) = (bytes32(wordAt(signature, 0)), bytes32(wordAt(signature, 1)), uint8(signature[64]));
    }

    function _fund(IInferenceMarket.Order memory o, IInferenceMarket.Quote memory q, bytes memory sellers, bytes memory buyers)
        private
        returns (bytes32)
    {
        (uint8 v, bytes32 r, bytes32 s) = _parts(buyers);
        vm.prank(RELAYER);
        return funding.fundWithAuthorization(o, q, sellers, 0, UNTIL, v, r, s);
    }

    function test_authorization() public {
        for (uint256 i; i < 2; ++i) {
            address coin = i == 0 ? address(authorized) : address(sequential);
            IInferenceMarket.Order memory o = _order(buyer, coin);
            (IInferenceMarket.Quote memory q, bytes memory sellers) = quoted(o);
            bytes32 nonce = funding.authorizationNonce(o, q);
            assertEq(nonce, market.hashPurchase(o, q) >> 64 << 64, "the purchase, without its last 8 bytes");
            bytes memory buyers = _authorization(o, i == 0 ? "Authorized" : "Sequential", PRICE, nonce);
            assertEq(_fund(o, q, sellers, buyers), market.hashOrder(o), "the job");
            assertEq(state(market.hashOrder(o)), uint256(IInferenceMarket.State.Funded), "paid for");
            assertEq(IERC20(coin).balanceOf(buyer), 10 ether - PRICE, "by the buyer");
            assertEq(IERC20(coin).balanceOf(FUNDING), 0, "nothing stays");
            assertEq(IERC20(coin).allowance(FUNDING, MARKET), 0, "nor an allowance");
            // the job is the buyer's: he takes the money back
            IInferenceMarket.Snapshot memory s = snapshotOf(o);
            vm.prank(RELAYER);
            vm.expectRevert(IInferenceMarket.NotBuyer.selector);
            market.cancel(o, s);
            vm.prank(buyer);
            market.cancel(o, s);
            assertEq(market.balanceOf(coin, buyer), PRICE, "the buyer's credit");
            // and the authorization is used up
            vm.expectRevert();
            funding.fundWithAuthorization(o, q, sellers, 0, UNTIL, 0, 0, 0);
        }
    }

    /// @dev A relayer with the buyer's signature gets no other price, input, prover or deadline, and no money.
    function test_authorizationIsForThisPurchase() public {
        IInferenceMarket.Order memory o = _order(buyer, address(authorized));
        (IInferenceMarket.Quote memory q, bytes memory sellers) = quoted(o);
        bytes memory buyers = _authorization(o, "Authorized", PRICE, funding.authorizationNonce(o, q));
        for (uint256 i; i < 4; ++i) {
            IInferenceMarket.Order memory other = _order(buyer, address(authorized));
            if (i == 0) other.salt = "another";
            if (i == 1) other.inputCommitment = keccak256("another");
            if (i == 2) other.prover = OTHER_PROVER;
            if (i == 3) other.unclamped = true;
            (IInferenceMarket.Quote memory otherQuote, bytes memory signature) = quoted(other);
            (uint8 v, bytes32 r, bytes32 s) = _parts(buyers);
            vm.expectRevert(ERC3009.ERC3009InvalidSignature.selector);
            funding.fundWithAuthorization(other, otherQuote, signature, 0, UNTIL, v, r, s);
        }
        // another quote of the seller for the same order
        IInferenceMarket.Quote memory dearer = quoteFor(o);
        dearer.nonce += 1;
        bytes memory signed = sign(SELLER_KEY, market.hashQuote(dearer));
        (uint8 v_, bytes32 r_, bytes32 s_) = _parts(buyers);
        vm.expectRevert(ERC3009.ERC3009InvalidSignature.selector);
        funding.fundWithAuthorization(o, dearer, signed, 0, UNTIL, v_, r_, s_);
        // nobody else can use it
        vm.prank(RELAYER);
        bytes32 nonce = funding.authorizationNonce(o, q);
        vm.expectRevert();
        authorized.receiveWithAuthorization(buyer, FUNDING, PRICE, 0, UNTIL, nonce, v_, r_, s_);
        vm.warp(UNTIL);
        vm.expectRevert(abi.encodeWithSelector(ERC3009.ERC3009InvalidAuthorizationTime.selector, 0, UNTIL));
        funding.fundWithAuthorization(o, q, sellers, 0, UNTIL, v_, r_, s_);
        assertEq(authorized.balanceOf(buyer), 10 ether, "nothing taken");
    }

    /// @dev A failed funding takes no money: an expired quote, a forged one, a used one.
    function test_authorizationOfABadQuote() public {
        IInferenceMarket.Order memory o = _order(buyer, address(authorized));
        IInferenceMarket.Quote memory q = quoteFor(o);
        bytes memory forged = sign(BUYER_KEY, market.hashQuote(q));
        bytes memory buyers = _authorization(o, "Authorized", PRICE, funding.authorizationNonce(o, q));
        (uint8 v, bytes32 r, bytes32 s) = _parts(buyers);
        vm.expectRevert(IInferenceMarket.InvalidSignature.selector);
        funding.fundWithAuthorization(o, q, forged, 0, UNTIL, v, r, s);
        assertEq(authorized.balanceOf(buyer), 10 ether, "nothing taken");
    }

    function test_authorizationByAContract() public {
        IInferenceMarket.Order memory o = _order(address(wallet), address(sequential));
        (IInferenceMarket.Quote memory q, bytes memory sellers) = quoted(o);
        bytes memory buyers = _authorization(o, "Sequential", PRICE, funding.authorizationNonce(o, q));
        vm.prank(RELAYER);
        funding.fundWithAuthorization(o, q, sellers, 0, UNTIL, buyers);
        assertEq(state(market.hashOrder(o)), uint256(IInferenceMarket.State.Funded), "paid for");
        assertEq(sequential.balanceOf(address(wallet)), 10 ether - PRICE, "by the wallet");
    }

    /// @dev A token that lies pays for nothing, and takes nothing of another.
    function test_lyingToken() public {
        IInferenceMarket.Order memory o = _order(buyer, address(new LyingToken()));
        (IInferenceMarket.Quote memory q, bytes memory sellers) = quoted(o);
        vm.expectRevert();
        funding.fundWithAuthorization(o, q, sellers, 0, UNTIL, 0, 0, 0);
    }

    // ------------------------------------------------------------------------------------------ Permit2

    function _permit(IInferenceMarket.Order memory o, uint256 amount)
        private
        pure
        returns (ISignatureTransfer.PermitTransferFrom memory permit)
    {
        permit.permitted = ISignatureTransfer.TokenPermissions(o.token, amount);
        (permit.nonce, permit.deadline) = (7, UNTIL);
    }

    /// @dev The witness and its types, written down here: what a wallet shows.
    function _permission(
        IInferenceMarket.Order memory o,
        IInferenceMarket.Quote memory q,
        ISignatureTransfer.PermitTransferFrom memory permit
    ) private view returns (bytes memory) {
        string memory orderType =
            "Order(address buyer,uint256 modelId,bytes32 modelCommitment,bytes32 inputCommitment,bytes32 keyHash,address verifier,address token,uint128 maxPrice,bytes32 feeSplitHash,uint32 proveSecs,uint32 expireSecs,uint128 collateral,address prover,bytes32 salt,bool unclamped)";
        string memory quoteType =
            "Quote(uint256 modelId,bytes32 keyHash,address token,uint128 price,uint128 collateral,uint32 proveSecs,uint32 expireSecs,address buyer,address[] provers,uint64 validFrom,uint64 validUntil,uint32 inferences,uint32 uses,uint32 epoch,uint256 nonce)";
        bytes32 orderHash = keccak256(bytes.concat(keccak256(bytes(orderType)), abi.encode(o)));
        bytes32 quoteHash = keccak256(bytes.concat(keccak256(bytes(quoteType)), _quoteWords(q)));
        bytes32 purchaseType = keccak256(abi.encodePacked("Purchase(Order order,Quote quote)", orderType, quoteType));
        bytes32 witness = keccak256(abi.encode(purchaseType, orderHash, quoteHash));
        string memory types = string.concat(
            "Purchase witness)", orderType, "Purchase(Order order,Quote quote)", quoteType, "TokenPermissions(address token,uint256 amount)"
        );
        return sign(BUYER_KEY, permit2.digestOf(permit, FUNDING, witness, types));
    }

    function _quoteWords(IInferenceMarket.Quote memory q) private pure returns (bytes memory) {
        bytes memory head = abi.encode(q.modelId, q.keyHash, q.token, q.price, q.collateral, q.proveSecs, q.expireSecs, q.buyer);
        bytes32 list = keccak256(abi.encodePacked(q.provers));
        return bytes.concat(head, abi.encode(list, q.validFrom, q.validUntil, q.inferences, q.uses, q.epoch, q.nonce));
    }

    function test_permit2() public {
        for (uint256 i; i < 2; ++i) {
            address payer = i == 0 ? buyer : address(wallet); // and by ERC-1271
            IInferenceMarket.Order memory o = _order(payer, address(token));
            (IInferenceMarket.Quote memory q, bytes memory sellers) = quoted(o);
            ISignatureTransfer.PermitTransferFrom memory permit = _permit(o, 3 * PRICE);
            bytes memory signature = _permission(o, q, permit);
            uint256 before = token.balanceOf(payer);
            vm.prank(RELAYER);
            funding.fundWithPermit2(o, q, sellers, permit, signature);
            assertEq(state(market.hashOrder(o)), uint256(IInferenceMarket.State.Funded), "paid for");
            assertEq(token.balanceOf(payer), before - PRICE, "the price, and no more");
            assertEq(token.balanceOf(FUNDING), 0, "nothing stays");
            vm.expectRevert(PermitDouble.InvalidNonce.selector);
            funding.fundWithPermit2(o, q, sellers, permit, signature);
        }
    }

    function test_permit2IsForThisPurchase() public {
        IInferenceMarket.Order memory o = _order(buyer, address(token));
        (IInferenceMarket.Quote memory q, bytes memory sellers) = quoted(o);
        ISignatureTransfer.PermitTransferFrom memory permit = _permit(o, PRICE);
        bytes memory signature = _permission(o, q, permit);
        IInferenceMarket.Order memory other = _order(buyer, address(token));
        other.salt = "another";
        (IInferenceMarket.Quote memory otherQuote, bytes memory otherSellers) = quoted(other);
        vm.expectRevert(PermitDouble.InvalidSigner.selector);
        funding.fundWithPermit2(other, otherQuote, otherSellers, permit, signature);
        IInferenceMarket.Quote memory another = quoteFor(o);
        another.nonce += 1;
        bytes memory signed = sign(SELLER_KEY, market.hashQuote(another));
        vm.expectRevert(PermitDouble.InvalidSigner.selector);
        funding.fundWithPermit2(o, another, signed, permit, signature);
        // a permission for another token, and one below the price
        permit.permitted.token = address(authorized);
        vm.expectRevert(GaslessFunding.WrongToken.selector);
        funding.fundWithPermit2(o, q, sellers, permit, signature);
        ISignatureTransfer.PermitTransferFrom memory low = _permit(o, PRICE - 1);
        bytes memory lowSignature = _permission(o, q, low);
        vm.expectRevert(PermitDouble.InvalidAmount.selector);
        funding.fundWithPermit2(o, q, sellers, low, lowSignature);
        vm.warp(UNTIL + 1);
        permit = _permit(o, PRICE);
        vm.expectRevert(PermitDouble.SignatureExpired.selector);
        funding.fundWithPermit2(o, q, sellers, permit, signature);
    }

    /// @dev The whole job: paid by a signature, proven, paid out.
    function test_settles() public {
        IInferenceMarket.Order memory o = _order(buyer, address(token));
        (IInferenceMarket.Quote memory q, bytes memory sellers) = quoted(o);
        ISignatureTransfer.PermitTransferFrom memory permit = _permit(o, PRICE);
        bytes memory signature = _permission(o, q, permit);
        funding.fundWithPermit2(o, q, sellers, permit, signature);
        lock(o);
        settle(o);
        assertEq(market.balanceOf(address(token), prover), 10 ether + PRICE, "the prover is paid");
    }
}
