// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {IInferenceMarket} from "../../src/interfaces/IInferenceMarket.sol";
import {MarketBase} from "../utils/MarketBase.sol";

/// @notice Random walks over all moves, by all people, at all times, with proofs that the real verifier checks. For each call a model of the market
/// says whether it must succeed, so a move that is refused without a reason fails as well as one that should be.
contract MarketHandler is MarketBase {
    uint256 internal constant JOBS_MAX = 40;

    enum Stage {
        Funded,
        Locked,
        Settled,
        Refunded,
        Over
    }

    struct Tracked {
        IInferenceMarket.Order order;
        bytes32 id;
        bool whole; // buys all inferences of the key, by itself; else one of a batch
        Stage stage;
        uint256 time; // of funding, then of settlement
        address locker;
        uint256 paid;
        address payee;
        bytes32 outputHash;
        uint256 exits;
    }

    Tracked[] internal jobs;
    uint256 public moves;
    uint256 public settled;
    address private immutable _test = msg.sender;

    constructor() {
        deploySimulated(4, 4, 0x102);
        // every part of the inputs is the same, so any jobs go together
        bytes memory input = multiple(INPUT);
        proven.inputCommitments = bytes.concat(input, input, input, input);
        for (uint256 i; i < 4; ++i) {
            inputScalars[i] = INPUT;
        }
    }

    // ------------------------------------------------------------------------------------------ moves

    function newJob(uint256 salt, bool erc20, bool whole, bool fromBalance) external {
        if (jobs.length >= JOBS_MAX) return;
        IInferenceMarket.Order memory o = _order(salt, erc20, whole);
        (IInferenceMarket.Quote memory q, bytes memory signature) = _quote(o, 1);
        bool expected = _unused(market.hashOrder(o)) && _canPay(o.token, PRICE, fromBalance);
        uint256 value = erc20 || fromBalance ? 0 : PRICE;
        if (value > buyer.balance) return;
        if (!_move(buyer, value, abi.encodeCall(market.fund, (o, q, signature, fromBalance)), expected)) return;
        _track(o, whole);
    }

    function newJobs(uint256 salt, bool erc20, bool fromBalance) external {
        if (jobs.length + 2 > JOBS_MAX) return;
        IInferenceMarket.Order memory o = _order(salt, erc20, false);
        IInferenceMarket.Order memory second = _order(uint256(keccak256(abi.encode(salt))), erc20, false);
        uint256 value = erc20 || fromBalance ? 0 : 2 * PRICE;
        if (value > buyer.balance) return;
        bool expected = _unused(market.hashOrder(o)) && _unused(market.hashOrder(second)) && _canPay(o.token, 2 * PRICE, fromBalance);
        if (!_move(buyer, value, _fundBatch(o, second.salt, fromBalance), expected)) return;
        _track(o, false);
        _track(second, false);
    }

    function _fundBatch(IInferenceMarket.Order memory o, bytes32 salt, bool fromBalance) private view returns (bytes memory) {
        IInferenceMarket.BatchOrder[] memory two = new IInferenceMarket.BatchOrder[](2);
        two[0] = IInferenceMarket.BatchOrder(o.inputCommitment, o.salt);
        two[1] = IInferenceMarket.BatchOrder(o.inputCommitment, salt);
        (IInferenceMarket.Quote memory q, bytes memory signature) = _quote(o, 0);
        return abi.encodeCall(market.fundBatch, (o, q, signature, two, fromBalance));
    }

    function lockJob(uint256 i, bool other, bool signed) external {
        if (jobs.length == 0) return;
        Tracked storage t = jobs[i % jobs.length];
        address by = other ? OTHER_PROVER : prover;
        bool expected = t.stage == Stage.Funded && block.timestamp <= t.time + 1800 && market.balanceOf(t.order.token, by) >= COLLATERAL;
        bytes memory data = abi.encodeCall(market.lock, (t.order, snapshotOf(t.order), provers()));
        if (signed && !other) {
            bytes memory signature = signLock(PROVER_KEY, t.id, by, type(uint64).max);
            data = abi.encodeCall(market.lockFor, (t.order, snapshotOf(t.order), provers(), by, type(uint64).max, signature));
        }
        if (_move(signed && !other ? STRANGER : by, 0, data, expected)) (t.stage, t.locker) = (Stage.Locked, by);
    }

    function lockTwo(uint256 i, uint256 j, bool other) external {
        if (jobs.length == 0) return;
        Tracked storage a = jobs[i % jobs.length];
        Tracked storage b = jobs[j % jobs.length];
        address by = other ? OTHER_PROVER : prover;
        bytes32[] memory inputs = new bytes32[](2);
        (inputs[0], inputs[1]) = (a.order.inputCommitment, b.order.inputCommitment);
        bytes memory data = abi.encodeCall(market.lockBatch, (a.order, snapshotOf(a.order), _pair(a, b), inputs, provers()));
        bool expected = a.id != b.id && a.order.token == b.order.token && a.whole == b.whole && a.stage == Stage.Funded && b.stage == Stage.Funded;
        expected = expected && block.timestamp <= a.time + 1800 && block.timestamp <= b.time + 1800;
        expected = expected && market.balanceOf(a.order.token, by) >= 2 * COLLATERAL;
        if (_move(by, 0, data, expected)) {
            (a.stage, a.locker, b.stage, b.locker) = (Stage.Locked, by, Stage.Locked, by);
        }
    }

    function settleJob(uint256 i, bool honest) external {
        if (jobs.length == 0) return;
        Tracked storage t = jobs[i % jobs.length];
        IInferenceMarket.Inference memory x = _inference(market.contextOf(t.id, honest ? t.locker : STRANGER));
        bool expected = honest && t.whole && t.stage == Stage.Locked && block.timestamp <= t.time + 3600;
        if (_move(STRANGER, 0, abi.encodeCall(market.settle, (t.order, snapshotOf(t.order), split, x, t.locker)), expected)) {
            _settle(t, t.locker, x.output, PRICE);
        }
    }

    function settleOpenJob(uint256 i, bool other, bool honest) external {
        if (jobs.length == 0) return;
        Tracked storage t = jobs[i % jobs.length];
        address maker = other ? OTHER_PROVER : prover;
        bool late = block.timestamp > t.time + 3600;
        bool expected = honest && t.whole && (t.stage == Stage.Funded || (t.stage == Stage.Locked && late)) && block.timestamp <= t.time + 7200;
        IInferenceMarket.Inference memory x = _inference(market.contextOf(t.id, honest ? maker : STRANGER));
        bytes memory data =
            abi.encodeCall(market.settleOpen, (t.order, snapshotOf(t.order), split, x, maker, provers(), t.locker));
        if (_move(STRANGER, 0, data, expected)) _settle(t, maker, x.output, late ? PRICE * 80 / 100 : PRICE);
    }

    /// @dev Two jobs, or one job twice, and two fillers.
    function settleTwo(uint256 i, uint256 j, bool other, bool honest) external {
        if (jobs.length == 0) return;
        Tracked storage a = jobs[i % jobs.length];
        Tracked storage b = jobs[j % jobs.length];
        address maker = a.locker != address(0) ? a.locker : b.locker != address(0) ? b.locker : other ? OTHER_PROVER : prover;
        bytes32[] memory ids = new bytes32[](2);
        (ids[0], ids[1]) = (a.id, b.id);
        IInferenceMarket.Inference memory x = _inference(market.contextOfBatch(ids, honest ? maker : STRANGER));
        bool expected = honest && a.id != b.id && a.order.token == b.order.token && _batchable(a, maker) && _batchable(b, maker);
        bytes memory data = abi.encodeCall(
            market.settleBatch, (a.order, snapshotOf(a.order), _pair(a, b), split, x, maker, provers())
        );
        if (_move(STRANGER, 0, data, expected)) {
            _settle(a, maker, hex"000100000000", PRICE);
            _settle(b, maker, hex"000200000000", PRICE);
        }
    }

    function cancelJob(uint256 i) external {
        if (jobs.length == 0) return;
        Tracked storage t = jobs[i % jobs.length];
        if (_move(buyer, 0, abi.encodeCall(market.cancel, (t.order, snapshotOf(t.order))), t.stage == Stage.Funded)) _exit(t, Stage.Over);
    }

    function claimJob(uint256 i) external {
        if (jobs.length == 0) return;
        Tracked storage t = jobs[i % jobs.length];
        bool expected = (t.stage == Stage.Funded || t.stage == Stage.Locked) && block.timestamp > t.time + 7200;
        bytes memory data = abi.encodeCall(market.claimRefund, (t.order, snapshotOf(t.order), t.locker));
        if (_move(STRANGER, 0, data, expected)) _exit(t, Stage.Over);
    }

    function giveBack(uint256 i) external {
        if (jobs.length == 0) return;
        Tracked storage t = jobs[i % jobs.length];
        bool expected = t.stage == Stage.Settled && block.timestamp < t.time + 30 days;
        expected = expected && market.balanceOf(t.order.token, seller) >= t.paid;
        bytes memory data = abi.encodeCall(market.refund, (t.order, snapshotOf(t.order), t.payee, t.outputHash));
        if (_move(seller, 0, data, expected)) t.stage = Stage.Refunded;
    }

    function takeOut(uint256 who, uint256 amount, bool erc20) external {
        address asset = erc20 ? address(token) : address(0);
        address account = people()[who % 5];
        amount = bound(amount, 0, market.balanceOf(asset, account) + 1);
        bool expected = amount <= market.balanceOf(asset, account);
        _move(account, 0, abi.encodeCall(market.withdraw, (asset, amount, account)), expected);
    }

    function putIn(uint256 who, uint256 amount, bool erc20) external {
        address account = people()[who % 4];
        amount = bound(amount, 0, (erc20 ? token.balanceOf(account) : account.balance) / 4);
        bytes memory data = abi.encodeCall(market.deposit, (erc20 ? address(token) : address(0), amount));
        _move(account, erc20 ? 0 : amount, data, true);
    }

    /// @dev Tokens sent without a deposit are the treasury's, and nobody else's.
    function misdirect(uint256 amount) external {
        amount = bound(amount, 0, token.balanceOf(buyer) / 8);
        vm.prank(buyer);
        token.transfer(MARKET, amount);
        uint256 before = market.balanceOf(address(token), TREASURY);
        _move(STRANGER, 0, abi.encodeCall(market.sweep, (address(token))), true);
        assertEq(market.balanceOf(address(token), TREASURY), before + amount, "the surplus, and no more");
    }

    function wait_(uint256 secs) external {
        vm.warp(block.timestamp + bound(secs, 1, 2500));
    }

    // ------------------------------------------------------------------------------------------ inner

    function _order(uint256 salt, bool erc20, bool whole) private view returns (IInferenceMarket.Order memory o) {
        o = order();
        // a batch names its jobs by salts: one salt with two tokens, or with two inputs, would name another job than the model means
        o.salt = keccak256(abi.encode(salt, erc20, whole));
        if (erc20) o.token = address(token);
        if (!whole) o.inputCommitment = keccak256(multiple(INPUT));
    }

    function _quote(IInferenceMarket.Order memory o, uint32 uses)
        private
        view
        returns (IInferenceMarket.Quote memory q, bytes memory signature)
    {
        q = quoteFor(o);
        q.uses = uses;
        (q.validFrom, q.validUntil) = (uint64(block.timestamp), uint64(block.timestamp));
        signature = sign(SELLER_KEY, market.hashQuote(q));
    }

    function _canPay(address asset, uint256 amount, bool fromBalance) private view returns (bool) {
        if (fromBalance) return market.balanceOf(asset, buyer) >= amount;
        return asset == address(0) || token.balanceOf(buyer) >= amount;
    }

    function _unused(bytes32 id) private view returns (bool) {
        return market.job(id).state == IInferenceMarket.State.None;
    }

    function _track(IInferenceMarket.Order memory o, bool whole) private {
        jobs.push();
        Tracked storage t = jobs[jobs.length - 1];
        (t.order, t.id, t.whole, t.time) = (o, market.hashOrder(o), whole, block.timestamp);
    }

    function _pair(Tracked storage a, Tracked storage b) private view returns (IInferenceMarket.BatchJob[] memory list) {
        list = new IInferenceMarket.BatchJob[](2);
        list[0] = IInferenceMarket.BatchJob(a.order.buyer, a.order.maxPrice, a.order.salt);
        list[1] = IInferenceMarket.BatchJob(b.order.buyer, b.order.maxPrice, b.order.salt);
    }

    function _batchable(Tracked storage t, address maker) private view returns (bool) {
        bool held = t.stage == Stage.Funded || (t.stage == Stage.Locked && t.locker == maker);
        return !t.whole && held && block.timestamp <= t.time + 3600;
    }

    function _inference(bytes32 context) private view returns (IInferenceMarket.Inference memory) {
        return simulatedInference(context, hex"000100020003000400000000");
    }

    function _settle(Tracked storage t, address payee, bytes memory output, uint256 paid) private {
        _exit(t, Stage.Settled);
        (t.time, t.payee, t.outputHash, t.paid) = (block.timestamp, payee, keccak256(output), paid);
        settled += 1;
        assertTrue(market.isSettled(t.id, snapshotOf(t.order), payee, t.outputHash), "the output is on chain");
    }

    function _exit(Tracked storage t, Stage stage) private {
        t.exits += 1;
        t.stage = stage;
    }

    function _move(address from, uint256 value, bytes memory data, bool expected) private returns (bool ok) {
        vm.prank(from);
        (ok,) = MARKET.call{value: value}(data);
        assertTrue(ok == expected, ok ? "a move that should be refused" : "a move that should succeed");
        if (ok) moves += 1;
    }

    function people() public view returns (address[5] memory) {
        return [buyer, seller, prover, OTHER_PROVER, TREASURY];
    }

    // ------------------------------------------------------------------------------------------ what must hold

    /// @notice Credits plus what open jobs hold: price until the exit, collateral while locked.
    function liabilities(address asset) external view returns (uint256 sum) {
        for (uint256 i; i < 5; ++i) {
            sum += market.balanceOf(asset, people()[i]);
        }
        sum += market.balanceOf(asset, STRANGER);
        for (uint256 i; i < jobs.length; ++i) {
            if (jobs[i].order.token != asset || jobs[i].exits != 0) continue;
            sum += PRICE + (jobs[i].stage == Stage.Locked ? COLLATERAL : 0);
        }
    }

    function maxExits() external view returns (uint256 most) {
        for (uint256 i; i < jobs.length; ++i) {
            if (jobs[i].exits > most) most = jobs[i].exits;
        }
    }

    /// @notice Whether every job of the model is where the market has it.
    function agree() external view returns (bool) {
        IInferenceMarket.State[4] memory states = [
            IInferenceMarket.State.Funded, IInferenceMarket.State.Locked, IInferenceMarket.State.Settled, IInferenceMarket.State.Refunded
        ];
        for (uint256 i; i < jobs.length; ++i) {
            IInferenceMarket.Job memory have = market.job(jobs[i].id);
            if (jobs[i].stage == Stage.Over) {
                if (have.state < IInferenceMarket.State.Cancelled || have.state > IInferenceMarket.State.Expired) return false;
            } else if (have.state != states[uint256(jobs[i].stage)] || have.time != jobs[i].time) {
                return false;
            }
        }
        return true;
    }

    /// @notice Every job still open can be ended by anybody once its time is over. For the end of a walk, and no move of it.
    function closeAll() external {
        if (msg.sender != _test) return;
        vm.warp(block.timestamp + 7201);
        for (uint256 i; i < jobs.length; ++i) {
            if (jobs[i].exits == 0) {
                market.claimRefund(jobs[i].order, snapshotOf(jobs[i].order), jobs[i].locker);
                _exit(jobs[i], Stage.Over);
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
        handler.newJob(1, false, true, false);
        handler.lockJob(0, false, true);
        handler.settleJob(0, false); // a dishonest proof moves nothing
        assertEq(handler.moves(), 2, "funded and locked");
        handler.settleJob(0, true);
        handler.newJob(2, true, true, false);
        handler.lockJob(1, false, false);
        handler.newJob(3, false, true, false);
        handler.cancelJob(2);
        handler.newJob(4, true, true, false);
        handler.newJob(5, true, true, false);
        handler.settleOpenJob(4, true, true);
        handler.wait_(1900);
        handler.wait_(1900);
        handler.settleOpenJob(1, true, true);
        assertEq(handler.settled(), 3, "settled in time, at once, and taken over");
        handler.wait_(2499);
        handler.wait_(2499);
        handler.claimJob(3);
        assertEq(handler.moves(), 12, "all of them");
        handler.newJobs(5, false, false);
        handler.lockTwo(5, 6, false);
        handler.settleTwo(5, 6, false, false);
        handler.settleTwo(5, 5, false, true);
        assertEq(handler.moves(), 14, "nothing but funding and locks");
        handler.settleTwo(5, 6, false, true);
        assertEq(handler.settled(), 5, "two jobs, one proof");
        handler.newJobs(6, true, false);
        handler.settleTwo(7, 8, true, true);
        assertEq(handler.settled(), 7, "and without locks");
        handler.putIn(1, type(uint256).max, false);
        handler.putIn(1, 40 ether, false);
        handler.misdirect(1 ether);
        handler.giveBack(0);
        invariant_solvent();
        invariant_states();
    }

    /// @dev E7: the market holds exactly what it owes.
    function invariant_solvent() public view {
        assertEq(handler.holdings(address(0)), handler.liabilities(address(0)), "native");
        assertEq(handler.holdings(handler.tokenAddress()), handler.liabilities(handler.tokenAddress()), "token");
    }

    /// @dev E7: each job exits once, and is where it should be.
    function invariant_states() public view {
        assertTrue(handler.maxExits() <= 1, "one exit");
        assertTrue(handler.agree(), "the model's states");
    }

    /// @dev E7: no state without an exit.
    function afterInvariant() public {
        handler.closeAll();
        invariant_solvent();
        invariant_states();
    }
}
