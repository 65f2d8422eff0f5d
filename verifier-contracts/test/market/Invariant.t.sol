// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {IInferenceMarket} from "../../src/interfaces/IInferenceMarket.sol";
import {MarketBase} from "../utils/MarketBase.sol";

/// @notice Random walks over all moves, by all people, at all times. Calls that the market refuses are part of the walk.
contract MarketHandler is MarketBase {
    struct Tracked {
        IInferenceMarket.Order order;
        bytes32 id;
        uint256 exits;
        bool locked;
    }

    Tracked[] internal jobs;
    uint256 public moves;
    uint256 public settled;

    constructor() {
        deployAll(false, BATCH);
        proven.inputCommitments = slice(proven.inputCommitments, 0, 128); // every job has this input, so any of them go together
    }

    function newJob(uint256 salt, bool erc20) external {
        if (jobs.length >= 12) return;
        IInferenceMarket.Order memory o = order();
        o.salt = bytes32(salt);
        if (erc20) o.token = address(token);
        IInferenceMarket.Quote memory q = quoteFor(o);
        q.validUntil = type(uint64).max;
        bytes memory signature = sign(SELLER_KEY, market.hashQuote(q));
        vm.prank(buyer);
        (bool ok,) = MARKET.call{value: erc20 ? 0 : PRICE}(abi.encodeCall(market.fund, (o, q, signature, false)));
        if (!ok) return;
        jobs.push();
        jobs[jobs.length - 1].order = o;
        jobs[jobs.length - 1].id = market.hashOrder(o);
    }

    function lockJob(uint256 i, bool other) external {
        if (jobs.length == 0) return;
        Tracked storage t = jobs[i % jobs.length];
        bytes memory data = abi.encodeCall(market.lock, (t.order, snapshot(), provers()));
        if (_call(other ? OTHER_PROVER : prover, data)) t.locked = true;
    }

    function settleJob(uint256 i, bool honest) external {
        if (jobs.length == 0) return;
        Tracked storage t = jobs[i % jobs.length];
        address maker = honest ? market.job(t.id).prover : STRANGER;
        if (_call(STRANGER, abi.encodeCall(market.settle, (t.order, snapshot(), split, mockInference(t.id, maker))))) _exit(t, true);
    }

    /// @dev Two jobs, or one job twice, and two fillers.
    function settleTogether(uint256 i, uint256 j, bool honest) external {
        if (jobs.length == 0) return;
        Tracked storage a = jobs[i % jobs.length];
        Tracked storage b = jobs[j % jobs.length];
        bytes32[] memory ids = new bytes32[](2);
        (ids[0], ids[1]) = (a.id, b.id);
        IInferenceMarket.BatchJob[] memory list = new IInferenceMarket.BatchJob[](2);
        list[0] = IInferenceMarket.BatchJob(a.order.buyer, a.order.maxPrice, a.order.salt);
        list[1] = IInferenceMarket.BatchJob(b.order.buyer, b.order.maxPrice, b.order.salt);
        bytes memory input = proven.inputCommitments;
        IInferenceMarket.Inference memory x;
        x.inputCommitments = bytes.concat(input, input, input, input);
        x.output = hex"000100020003000400000000";
        address maker = honest ? market.job(a.id).prover : STRANGER;
        x.proof = abi.encode(keccak256(abi.encode(market.contextOfBatch(ids, maker), x.output)));
        if (_call(STRANGER, abi.encodeCall(market.settleBatch, (a.order, snapshot(), list, split, x)))) {
            _exit(a, true);
            _exit(b, true);
        }
    }

    function takeOver(uint256 i, bool other) external {
        if (jobs.length == 0) return;
        Tracked storage t = jobs[i % jobs.length];
        address maker = other ? OTHER_PROVER : prover;
        bytes memory data =
            abi.encodeCall(market.settleOpen, (t.order, snapshot(), split, mockInference(t.id, maker), maker, provers()));
        if (_call(STRANGER, data)) _exit(t, true);
    }

    function cancelJob(uint256 i) external {
        if (jobs.length == 0) return;
        Tracked storage t = jobs[i % jobs.length];
        if (_call(buyer, abi.encodeCall(market.cancel, (t.order, snapshot())))) _exit(t, false);
    }

    function claimJob(uint256 i) external {
        if (jobs.length == 0) return;
        Tracked storage t = jobs[i % jobs.length];
        if (_call(STRANGER, abi.encodeCall(market.claimRefund, (t.order, snapshot())))) _exit(t, false);
    }

    function giveBack(uint256 i) external {
        if (jobs.length == 0) return;
        _call(seller, abi.encodeCall(market.refund, (jobs[i % jobs.length].order, snapshot())));
    }

    function takeOut(uint256 who, uint256 amount, bool erc20) external {
        address asset = erc20 ? address(token) : address(0);
        address account = people()[who % 5];
        uint256 have = market.balanceOf(asset, account);
        _call(account, abi.encodeCall(market.withdraw, (asset, bound(amount, 0, have), account)));
    }

    function putIn(uint256 who, uint256 amount) external {
        address account = people()[who % 4];
        amount = bound(amount, 0, account.balance / 4);
        vm.prank(account);
        market.deposit{value: amount}(address(0), amount);
    }

    function wait_(uint256 secs) external {
        vm.warp(block.timestamp + bound(secs, 1, 2500));
    }

    function _exit(Tracked storage t, bool paid) private {
        t.exits += 1;
        t.locked = false;
        if (paid) settled += 1;
    }

    function _call(address from, bytes memory data) private returns (bool ok) {
        vm.prank(from);
        (ok,) = MARKET.call(data);
        if (ok) moves += 1;
    }

    function people() public view returns (address[5] memory) {
        return [buyer, seller, prover, OTHER_PROVER, TREASURY];
    }

    /// @notice Credits plus what open jobs hold: price until the exit, collateral while locked.
    function liabilities(address asset) external view returns (uint256 sum) {
        for (uint256 i; i < 5; ++i) {
            sum += market.balanceOf(asset, people()[i]);
        }
        sum += market.balanceOf(asset, STRANGER);
        for (uint256 i; i < jobs.length; ++i) {
            if (jobs[i].order.token != asset || jobs[i].exits != 0) continue;
            sum += PRICE + (jobs[i].locked ? COLLATERAL : 0);
        }
    }

    function maxExits() external view returns (uint256 most) {
        for (uint256 i; i < jobs.length; ++i) {
            if (jobs[i].exits > most) most = jobs[i].exits;
        }
    }

    /// @notice Every job still open can be ended by anybody once its time is over.
    function closeAll() external {
        vm.warp(block.timestamp + 7201);
        for (uint256 i; i < jobs.length; ++i) {
            if (jobs[i].exits == 0) {
                market.claimRefund(jobs[i].order, snapshot());
                _exit(jobs[i], false);
            }
        }
    }

    function holdings(address asset) external view returns (uint256) {
        return asset == address(0) ? MARKET.balance : token.balanceOf(MARKET);
    }

    function tokenAddress() external view returns (address) {
        return address(token);
    }
}

contract MarketInvariantTest is MarketBase {
    MarketHandler internal handler;

    function setUp() public {
        handler = new MarketHandler();
    }

    function targetContracts() external view returns (address[] memory list) {
        list = new address[](1);
        list[0] = address(handler);
    }

    /// @dev The walk is not empty: each kind of exit can be reached by the handler's moves.
    function test_handlerReachesEveryExit() public {
        handler.newJob(1, false);
        handler.lockJob(0, false);
        handler.settleJob(0, false); // a dishonest proof moves nothing
        assertEq(handler.moves(), 1, "locked only");
        handler.settleJob(0, true);
        handler.newJob(2, true);
        handler.lockJob(1, false);
        handler.newJob(3, false);
        handler.cancelJob(2);
        handler.newJob(4, true);
        handler.wait_(1900);
        handler.wait_(1900);
        handler.takeOver(1, true);
        assertEq(handler.settled(), 2, "settled in time, and taken over");
        handler.wait_(2499);
        handler.wait_(2499);
        handler.claimJob(3);
        assertEq(handler.moves(), 6, "lock, settle, lock, cancel, takeover, claim");
        handler.newJob(5, false);
        handler.newJob(6, false);
        handler.lockJob(4, false);
        handler.lockJob(5, false);
        handler.settleTogether(4, 5, false);
        handler.settleTogether(4, 4, true);
        assertEq(handler.moves(), 8, "nothing but the locks");
        handler.settleTogether(4, 5, true);
        assertEq(handler.moves(), 9, "two jobs, one proof");
        assertEq(handler.settled(), 4, "both of them");
        invariant_solvent();
        invariant_oneExit();
    }

    /// @dev E7: the market holds exactly what it owes.
    function invariant_solvent() public view {
        assertEq(handler.holdings(address(0)), handler.liabilities(address(0)), "native");
        assertEq(handler.holdings(handler.tokenAddress()), handler.liabilities(handler.tokenAddress()), "token");
    }

    /// @dev E7: each job exits once.
    function invariant_oneExit() public view {
        assertTrue(handler.maxExits() <= 1, "one exit");
    }

    /// @dev E7: no state without an exit.
    function afterInvariant() public {
        handler.closeAll();
        invariant_solvent();
        invariant_oneExit();
    }
}
