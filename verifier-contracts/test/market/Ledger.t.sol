// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
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
        deployAll(false, SMALL);
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
        evil.behave(0, false, abi.encodeCall(IInferenceMarket.settleBatch, (order(), snapshot(), jobs, split, inference)));
        vm.prank(buyer);
        vm.expectRevert(bytes4(keccak256("ReentrancyGuardReentrantCall()")));
        market.deposit(address(evil), 1 ether);
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
        IInferenceMarket.Order memory o = order();
        o.modelId = registerModel(split);
        bytes32 jobId = fund(o);
        IInferenceMarket.Snapshot memory s = snapshot();
        s.weightsPointer = models.model(o.modelId).weightsPointer;
        address[] memory list = provers();
        vm.prank(prover);
        market.lock(o, s, list);
        market.settle(o, s, split, mockInference(jobId, prover));
        assertEq(credit(address(evil)), PRICE, "credited");
        vm.prank(address(evil));
        vm.expectRevert(IInferenceMarket.NativeTransferFailed.selector);
        market.withdraw(address(0), PRICE, address(evil));
        vm.prank(prover);
        market.withdraw(address(0), 10 ether, prover);
    }
}
