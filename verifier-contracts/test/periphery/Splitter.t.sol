// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {IInferenceMarket} from "../../src/interfaces/IInferenceMarket.sol";
import {RevenueSplitter, Share} from "../../src/periphery/RevenueSplitter.sol";
import {SplitterFactory} from "../../src/periphery/SplitterFactory.sol";
import {PeripheryBase} from "../utils/PeripheryBase.sol";
import {TestToken} from "../utils/TestToken.sol";

/// @notice Refuses coins, or takes them and comes back for more.
contract BadAccount {
    bool private _greedy;
    uint256 private _index;
    uint256 public taken;

    function greedy(uint256 index) external {
        (_greedy, _index) = (true, index);
    }

    function send(RevenueSplitter splitter, uint256 index, address to) external {
        splitter.releaseTo(address(0), index, to);
    }

    receive() external payable {
        require(_greedy, "no");
        ++taken;
        (bool ok,) = msg.sender.call(abi.encodeCall(RevenueSplitter.release, (address(0), _index)));
        require(!ok, "paid twice");
    }
}

abstract contract SplitterBase is PeripheryBase {
    address internal constant FACTORY = address(0xA550A);
    SplitterFactory internal factory = SplitterFactory(FACTORY);

    function deploySplitters() internal {
        deployMarket();
        deployTo(FACTORY, abi.encodePacked(artifact("SplitterFactory"), abi.encode(MARKET)));
    }

    /// @dev Shares in the order of their addresses.
    function sharesOf(address[] memory accounts, uint96[] memory weights) internal pure returns (Share[] memory list) {
        list = new Share[](accounts.length);
        for (uint256 i; i < accounts.length; ++i) {
            uint256 at = i;
            for (; at > 0 && list[at - 1].account > accounts[i]; --at) {
                list[at] = list[at - 1];
            }
            list[at] = Share(accounts[i], weights[i]);
        }
    }

    function pair(address a, uint96 x, address b, uint96 y) internal pure returns (Share[] memory) {
        (address[] memory accounts, uint96[] memory weights) = (new address[](2), new uint96[](2));
        (accounts[0], accounts[1], weights[0], weights[1]) = (a, b, x, y);
        return sharesOf(accounts, weights);
    }

    function indexOf(RevenueSplitter splitter, address account) internal view returns (uint256 i) {
        Share[] memory list = splitter.shares();
        while (list[i].account != account) ++i;
    }
}

contract SplitterTest is SplitterBase {
    address private constant CREATOR = address(0xC1);
    address private constant DATA = address(0xD1);

    function setUp() public {
        deploySplitters();
    }

    function _make(Share[] memory list) private returns (RevenueSplitter) {
        return RevenueSplitter(payable(factory.create(list)));
    }

    function test_addressIsKnownBefore() public {
        Share[] memory list = pair(CREATOR, 1, DATA, 2);
        address at = factory.addressOf(list);
        assertEq(at.code.length, 0, "not there yet");
        assertEq(address(_make(list)), at, "there");
        assertEq(address(_make(list)), at, "found");
        Share[] memory read = RevenueSplitter(payable(at)).shares();
        assertTrue(read.length == 2 && read[1].account == list[1].account && read[1].weight == list[1].weight, "its shares");
    }

    function test_invalidShares() public {
        Share[] memory list = pair(CREATOR, 1, DATA, 2);
        for (uint256 i; i < 5; ++i) {
            Share[] memory bad = pair(CREATOR, 1, DATA, 2);
            if (i == 0) (bad[0], bad[1]) = (list[1], list[0]);
            if (i == 1) bad[1] = list[0];
            if (i == 2) bad[0].weight = 0;
            if (i == 3) bad[0].account = address(0);
            if (i == 4) bad = new Share[](0);
            vm.expectRevert(SplitterFactory.InvalidShares.selector);
            factory.create(bad);
        }
        Share[] memory many = new Share[](65);
        for (uint256 i; i < 65; ++i) {
            many[i] = Share(address(uint160(i + 1)), 1);
        }
        vm.expectRevert(SplitterFactory.InvalidShares.selector);
        factory.create(many);
    }

    /// @dev A model made from one that was made from another: what a job pays reaches all of them.
    function test_lineage() public {
        (address grandCreator, address parentCreator) = (address(0xC3), address(0xC2));
        RevenueSplitter grand = _make(pair(grandCreator, 1, DATA, 1));
        RevenueSplitter parent = _make(pair(parentCreator, 3, address(grand), 1));
        RevenueSplitter child = _make(pair(CREATOR, 9, address(parent), 1));
        split[0].bps = 4_000; // the prover
        split.push();
        (split[1].account, split[1].bps) = (address(child), 6_000);
        IInferenceMarket.Order memory o = orderFor(registerModel(split));
        bytes32 jobId = fundAndLock(o);
        market.settle(o, snapshotOf(o), split, simulatedInference(jobId, prover), prover);
        assertEq(credit(address(child)), 0.6 ether, "a payee like others");

        child.release(address(0), indexOf(child, CREATOR));
        child.release(address(0), indexOf(child, address(parent)));
        parent.release(address(0), indexOf(parent, parentCreator));
        parent.release(address(0), indexOf(parent, address(grand)));
        grand.release(address(0), indexOf(grand, grandCreator));
        grand.release(address(0), indexOf(grand, DATA));
        assertEq(CREATOR.balance, 0.54 ether, "nine tenths");
        assertEq(parentCreator.balance, 0.045 ether, "three quarters of a tenth");
        assertEq(grandCreator.balance, 0.0075 ether, "half of a quarter of a tenth");
        assertEq(DATA.balance, 0.0075 ether, "and the other half");
        assertEq(address(child).balance + address(parent).balance + address(grand).balance, 0, "nothing is left");
    }

    function test_badAccounts() public {
        BadAccount bad = new BadAccount();
        BadAccount greedy = new BadAccount();
        RevenueSplitter splitter = _make(pair(address(bad), 1, address(greedy), 1));
        (uint256 i, uint256 j) = (indexOf(splitter, address(bad)), indexOf(splitter, address(greedy)));
        greedy.greedy(j);
        vm.deal(address(splitter), 10);
        vm.expectRevert(RevenueSplitter.NotPaid.selector);
        splitter.release(address(0), i);
        splitter.release(address(0), j);
        assertEq(address(greedy).balance, 5, "once, and the other holds nobody up");
        assertEq(greedy.taken(), 1, "it tried again");
        vm.expectRevert(RevenueSplitter.NothingDue.selector);
        splitter.release(address(0), j);
        vm.expectRevert(RevenueSplitter.NotAccount.selector);
        splitter.releaseTo(address(0), i, STRANGER);
        vm.expectRevert(RevenueSplitter.NotAccount.selector);
        bad.send(splitter, i, address(0));
        bad.send(splitter, i, STRANGER);
        assertEq(STRANGER.balance, 5, "what it cannot take goes where it says");
    }

    /// @dev Native coin and tokens are counted apart.
    function test_tokens() public {
        RevenueSplitter splitter = _make(pair(CREATOR, 1, DATA, 3));
        vm.deal(address(splitter), 8);
        vm.startPrank(buyer);
        token.transfer(address(splitter), 400);
        vm.stopPrank();
        uint256 i = indexOf(splitter, CREATOR);
        assertEq(splitter.due(address(token), i), 100, "a quarter");
        splitter.release(address(token), i);
        splitter.release(address(0), i);
        assertEq(token.balanceOf(CREATOR), 100, "of the tokens");
        assertEq(CREATOR.balance, 2, "of the coins");
        assertEq(splitter.due(address(token), i), 0, "taken");
        assertEq(splitter.due(address(token), 1 - i), 300, "the other's");
    }

    /// @dev A token that shrinks pays what there is.
    function test_shrinkingToken() public {
        RevenueSplitter splitter = _make(pair(CREATOR, 1, DATA, 1));
        Shrinking evil = new Shrinking();
        evil.mint(address(splitter), 100);
        splitter.release(address(evil), 0);
        evil.shrink(address(splitter), 20);
        assertEq(splitter.due(address(evil), 0), 0, "has had more than half");
        splitter.release(address(evil), 1);
        assertEq(evil.balanceOf(address(splitter)), 0, "what there is");
    }
}

contract Shrinking is TestToken {
    function shrink(address account, uint256 amount) external {
        _burn(account, amount);
    }
}

/// @notice Money comes in in every way and goes out in any order.
contract SplitterHandler is SplitterBase {
    RevenueSplitter public splitter;
    uint256 public constant COUNT = 5;
    uint256 public came;
    uint256[COUNT] public got;
    uint96[COUNT] public weights;

    constructor() {
        deploySplitters();
        (address[] memory accounts, uint96[] memory list) = (new address[](COUNT), new uint96[](COUNT));
        for (uint256 i; i < COUNT; ++i) {
            (accounts[i], list[i]) = (address(uint160(0xACC0 + i)), uint96(1 + i * i * 7));
            weights[i] = list[i];
        }
        splitter = RevenueSplitter(payable(factory.create(sharesOf(accounts, list))));
    }

    function send(uint96 amount) external {
        token.mint(address(splitter), amount);
        came += amount;
    }

    /// @dev As credit in the market.
    function credited(uint96 amount) external {
        vm.startPrank(address(splitter));
        token.mint(address(splitter), amount);
        token.approve(MARKET, amount);
        market.deposit(address(token), amount);
        vm.stopPrank();
        came += amount;
    }

    function release(uint256 i) external {
        i = i % COUNT;
        uint256 owed = splitter.due(address(token), i);
        (bool ok, bytes memory answer) = address(splitter).call(abi.encodeCall(splitter.release, (address(token), i)));
        assertTrue(ok == (owed != 0), "paid exactly if something is due");
        if (!ok) return;
        assertEq(abi.decode(answer, (uint256)), owed, "what is due");
        got[i] += owed;
    }

    function check() external view {
        uint256 sum;
        uint256 all;
        for (uint256 i; i < COUNT; ++i) {
            sum += weights[i];
            all += got[i];
        }
        uint256 left = token.balanceOf(address(splitter)) + market.balanceOf(address(token), address(splitter));
        assertEq(all + left, came, "nothing is lost");
        for (uint256 i; i < COUNT; ++i) {
            assertEq(got[i] + splitter.due(address(token), i), came * weights[i] / sum, "each its part, to the unit");
            assertEq(token.balanceOf(address(uint160(0xACC0 + i))), got[i], "and has it");
        }
    }
}

contract SplitterInvariantTest is SplitterBase {
    SplitterHandler private handler;

    function setUp() public {
        handler = new SplitterHandler();
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    function invariant_everyPart() external view {
        handler.check();
    }
}
