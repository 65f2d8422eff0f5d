// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {IERC721} from "@openzeppelin/contracts/token/ERC721/IERC721.sol";
import {IInferenceMarket} from "../../src/interfaces/IInferenceMarket.sol";
import {MarketBase} from "../utils/MarketBase.sol";

/// @notice Misbehaves as told: takes a fee, returns false, or calls back into the market.
contract EvilToken is ERC20 {
    uint256 public feeBps;
    bool public lies;
    bytes public callback;

    constructor() ERC20("Evil", "EVIL") {}

    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }

    function burn(address from, uint256 amount) external {
        _burn(from, amount);
    }

    function behave(uint256 feeBps_, bool lies_, bytes calldata callback_) external {
        (feeBps, lies, callback) = (feeBps_, lies_, callback_);
    }

    function transferFrom(address from, address to, uint256 amount) public override returns (bool) {
        if (lies) return false;
        if (callback.length > 0) {
            (bool ok, bytes memory reason) = to.call(callback);
            if (!ok) {
                assembly ("memory-safe") {
                    revert(add(reason, 0x20), mload(reason))
                }
            }
        }
        super.transferFrom(from, to, amount);
        _burn(to, amount * feeBps / 10_000);
        return true;
    }

    function transfer(address to, uint256 amount) public override returns (bool) {
        return lies ? false : super.transfer(to, amount);
    }
}

/// @notice Tries to withdraw again while being paid.
contract Reentrant {
    IInferenceMarket internal immutable market;
    uint256 public received;

    constructor(IInferenceMarket market_) payable {
        market = market_;
        market_.deposit{value: msg.value}(address(0), msg.value);
    }

    function attack(uint256 amount) external {
        market.withdraw(address(0), amount, address(this));
    }

    receive() external payable {
        received += msg.value;
        market.withdraw(address(0), msg.value, address(this));
    }
}

contract LedgerTest is MarketBase {
    EvilToken internal evil;

    function setUp() public {
        deploySimulated(1, 2, 0);
        evil = new EvilToken();
        evil.mint(buyer, 100 ether);
        vm.prank(buyer);
        evil.approve(MARKET, type(uint256).max);
    }

    function testFuzz_depositWithdraw(uint256 a, uint256 b, bool native) public {
        a = bound(a, 0, 50 ether);
        b = bound(b, 0, 60 ether);
        address asset = native ? address(0) : address(token);
        vm.startPrank(buyer);
        market.deposit{value: native ? a : 0}(asset, a);
        assertEq(market.balanceOf(asset, buyer), a, "credited");
        if (b > a) vm.expectRevert(abi.encodeWithSelector(IInferenceMarket.InsufficientBalance.selector, asset, buyer, b, a));
        market.withdraw(asset, b, STRANGER);
        vm.stopPrank();
        uint256 out = b > a ? 0 : b;
        assertEq(market.balanceOf(asset, buyer), a - out, "left");
        assertEq(native ? STRANGER.balance : token.balanceOf(STRANGER), out, "paid out");
    }

    function test_depositValue() public {
        vm.startPrank(buyer);
        vm.expectRevert(abi.encodeWithSelector(IInferenceMarket.WrongPayment.selector, 2, 1));
        market.deposit{value: 1}(address(0), 2);
        vm.expectRevert(abi.encodeWithSelector(IInferenceMarket.WrongPayment.selector, 0, 1));
        market.deposit{value: 1}(address(token), 1);
        vm.expectRevert(IInferenceMarket.ZeroAddress.selector);
        market.withdraw(address(0), 0, address(0));
        vm.stopPrank();
    }

    function test_E5_feeOnTransfer() public {
        evil.behave(100, false, "");
        vm.prank(buyer);
        market.deposit(address(evil), 1 ether);
        assertEq(market.balanceOf(address(evil), buyer), 0.99 ether, "what arrived");
        IInferenceMarket.Order memory o = order();
        o.token = address(evil);
        IInferenceMarket.Quote memory q = quoteFor(o);
        bytes memory signature = sign(SELLER_KEY, market.hashQuote(q));
        vm.prank(buyer);
        vm.expectRevert(abi.encodeWithSelector(IInferenceMarket.WrongPayment.selector, PRICE, 0.99 ether));
        market.fund(o, q, signature, false);
    }

    function test_E5_lyingToken() public {
        evil.behave(0, true, "");
        vm.prank(buyer);
        vm.expectRevert();
        market.deposit(address(evil), 1 ether);
        evil.behave(0, false, "");
        vm.prank(buyer);
        market.deposit(address(evil), 1 ether);
        evil.behave(0, true, "");
        vm.prank(buyer);
        vm.expectRevert();
        market.withdraw(address(evil), 1 ether, buyer);
        assertEq(market.balanceOf(address(evil), buyer), 1 ether, "still claimable");
    }

    function test_E4_reentrantToken() public {
        evil.behave(0, false, abi.encodeCall(IInferenceMarket.deposit, (address(evil), 0)));
        vm.prank(buyer);
        vm.expectRevert(bytes4(keccak256("ReentrancyGuardReentrantCall()")));
        market.deposit(address(evil), 1 ether);
    }

    function test_E4_reentrantSettlement() public {
        IInferenceMarket.BatchJob[] memory jobs = new IInferenceMarket.BatchJob[](1);
        IInferenceMarket.Inference memory inference;
        evil.behave(0, false, abi.encodeCall(IInferenceMarket.settleBatch, (order(), snapshot(), jobs, split, inference, prover, provers())));
        vm.prank(buyer);
        vm.expectRevert(bytes4(keccak256("ReentrancyGuardReentrantCall()")));
        market.deposit(address(evil), 1 ether);
    }

    /// @dev A buyer that is a token, and whose hook takes a job back while it is being paid for.
    function test_E4_reentrantExits() public {
        IInferenceMarket.Order memory o = order();
        o.buyer = address(evil);
        IInferenceMarket.Snapshot memory s = snapshot();
        address[] memory list = provers();
        bytes[7] memory calls = [
            abi.encodeCall(market.cancel, (o, s)),
            abi.encodeCall(market.revoke, (o)),
            abi.encodeCall(market.claimRefund, (o, s, address(0))),
            abi.encodeCall(market.lock, (o, s, list)),
            abi.encodeCall(market.refund, (o, s, prover, 0)),
            abi.encodeCall(market.sweep, (address(evil))),
            abi.encodeCall(market.withdraw, (address(evil), 0, buyer))
        ];
        for (uint256 i; i < calls.length; ++i) {
            evil.behave(0, false, calls[i]);
            vm.prank(buyer);
            vm.expectRevert(bytes4(keccak256("ReentrancyGuardReentrantCall()")));
            market.deposit(address(evil), 1 ether);
        }
    }

    /// @dev An NFT's contract has the calls that a deposit makes, and none that a withdrawal needs.
    function test_depositedNft() public {
        vm.startPrank(seller);
        IERC721(MODELS).approve(MARKET, 1);
        vm.expectRevert(abi.encodeWithSelector(IInferenceMarket.NotErc20.selector, MODELS));
        market.deposit(MODELS, 1);
        vm.expectRevert();
        IERC721(MODELS).safeTransferFrom(seller, MARKET, 1); // nor does the market take any
        vm.expectRevert(abi.encodeWithSelector(IInferenceMarket.NotErc20.selector, STRANGER)); // where there is no contract
        market.deposit(STRANGER, 1);
        vm.stopPrank();
        assertEq(IERC721(MODELS).ownerOf(1), seller, "still the seller's");
    }

    /// @dev Tokens sent without a deposit, or grown, are nobody's credit: the treasury gets them, and not a unit of what is owed.
    function testFuzz_sweep(uint256 deposited, uint256 surplus) public {
        deposited = bound(deposited, 0, 50 ether);
        surplus = bound(surplus, 0, 50 ether);
        vm.startPrank(buyer);
        market.deposit(address(token), deposited);
        token.transfer(MARKET, surplus);
        vm.stopPrank();
        assertEq(market.sweep(address(token)), surplus, "the surplus");
        assertEq(market.sweep(address(token)), 0, "once");
        assertEq(market.balanceOf(address(token), TREASURY), surplus, "the treasury's");
        vm.prank(TREASURY);
        market.withdraw(address(token), surplus, TREASURY);
        vm.prank(buyer);
        market.withdraw(address(token), deposited, buyer);
        assertEq(token.balanceOf(MARKET), 20 ether, "what the provers deposited");
        (bool ok,) = MARKET.call{value: 1}("");
        assertTrue(!ok, "native coins are not taken by mistake");
    }

    /// @dev A token that shrinks has no surplus.
    function test_shrunk() public {
        vm.prank(buyer);
        market.deposit(address(evil), 1 ether);
        evil.burn(MARKET, 0.5 ether);
        assertEq(market.sweep(address(evil)), 0, "nothing");
    }

    /// @dev Keys that another verifier reads, or contracts that are none.
    function test_foreignRegistry() public {
        address other = address(0xA5509);
        deployTo(other, artifact("AssayVerifier"));
        assertTrue(_created(VERIFIER, KEYS, MODELS, TREASURY) != address(0), "as it should be");
        assertEq(_created(other, KEYS, MODELS, TREASURY), address(0), "keys for another verifier");
        assertEq(_created(STRANGER, KEYS, MODELS, TREASURY), address(0), "no verifier");
        assertEq(_created(VERIFIER, STRANGER, MODELS, TREASURY), address(0), "no keys");
        assertEq(_created(VERIFIER, KEYS, STRANGER, TREASURY), address(0), "no models");
        assertEq(_created(VERIFIER, KEYS, MODELS, address(0)), address(0), "no treasury");
    }

    function _created(address verifier, address registry, address list, address treasury) internal returns (address made) {
        bytes memory creation = abi.encodePacked(artifact("InferenceMarket"), abi.encode(verifier, registry, list, treasury));
        assembly ("memory-safe") {
            made := create(0, add(creation, 0x20), mload(creation))
        }
    }

    function test_E4_reentrantReceiver() public {
        Reentrant thief = new Reentrant{value: 1 ether}(market);
        uint256 before = MARKET.balance;
        vm.expectRevert(IInferenceMarket.NativeTransferFailed.selector);
        thief.attack(0.5 ether);
        assertEq(MARKET.balance, before, "nothing left");
        assertEq(market.balanceOf(address(0), address(thief)), 1 ether, "and its credit is its own");
    }

    /// @dev A payee that cannot be paid blocks nobody: settlement only credits.
    function test_E4_revertingPayee() public {
        split[0].account = address(evil); // cannot receive native coin
        IInferenceMarket.Order memory o = orderFor(registerModel(split));
        bytes32 jobId = fundAndLock(o);
        market.settle(o, snapshotOf(o), split, simulatedInference(jobId, prover), prover);
        assertEq(credit(address(evil)), PRICE, "credited");
        vm.prank(address(evil));
        vm.expectRevert(IInferenceMarket.NativeTransferFailed.selector);
        market.withdraw(address(0), PRICE, address(evil));
        vm.prank(prover);
        market.withdraw(address(0), 10 ether, prover);
    }
}
