// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {IAccessControl} from "@openzeppelin/contracts/access/IAccessControl.sol";
import {IGovernor} from "@openzeppelin/contracts/governance/IGovernor.sol";
import {TimelockController} from "@openzeppelin/contracts/governance/TimelockController.sol";
import {CouncilGovernor} from "../../src/governance/CouncilGovernor.sol";
import {CouncilSetup} from "../../src/governance/CouncilSetup.sol";
import {CouncilVotes} from "../../src/governance/CouncilVotes.sol";
import {IInferenceMarket} from "../../src/interfaces/IInferenceMarket.sol";
import {IKeyRegistry} from "../../src/interfaces/IKeyRegistry.sol";
import {PeripheryBase} from "../utils/PeripheryBase.sol";

/// @notice A council in an attestor's seat.
contract CouncilTest is PeripheryBase {
    uint48 private constant DELAY = 1 hours;
    uint32 private constant PERIOD = 1 days;
    uint256 private constant MIN_DELAY = 2 days;
    address[4] private members = [address(0x101), address(0x102), address(0x103), address(0x104)];
    CouncilVotes private votes = CouncilVotes(address(0xA5531));
    CouncilSetup private setup = CouncilSetup(address(0xA5532));
    TimelockController private timelock;
    CouncilGovernor private governor;
    /// @dev A registry that needs the council and somebody else.
    IKeyRegistry private strict = IKeyRegistry(address(0xA5533));

    function setUp() public {
        deployMarket();
        address[] memory list = new address[](4);
        for (uint256 i; i < 4; ++i) {
            list[i] = members[i];
        }
        deployTo(address(votes), abi.encodePacked(artifact("CouncilVotes"), abi.encode(list)));
        bytes memory arguments = abi.encode(votes, MIN_DELAY, DELAY, PERIOD, uint256(50));
        deployTo(address(setup), abi.encodePacked(artifact("CouncilSetup"), arguments));
        (timelock, governor) = (setup.timelock(), setup.governor());
        address[] memory seats = new address[](2);
        (seats[0], seats[1]) = (address(timelock), seller);
        bytes memory terms = abi.encode(VERIFIER, seats, uint256(2), uint256(1 days), false, new bytes32[](0));
        deployTo(address(strict), abi.encodePacked(artifact("KeyRegistry"), terms));
        vm.warp(START + 1); // votes count from before a proposal
    }

    function _one(address target, bytes memory data)
        private
        pure
        returns (address[] memory targets, uint256[] memory values, bytes[] memory calls)
    {
        (targets, values, calls) = (new address[](1), new uint256[](1), new bytes[](1));
        (targets[0], calls[0]) = (target, data);
    }

    /// @dev Proposes and votes; the number of members who are for it, of four.
    function _decide(address target, bytes memory data, uint256 inFavour) private returns (uint256 id) {
        (address[] memory targets, uint256[] memory values, bytes[] memory calls) = _one(target, data);
        vm.prank(members[0]);
        id = governor.propose(targets, values, calls, "");
        vm.warp(block.timestamp + DELAY + 1);
        for (uint256 i; i < 4; ++i) {
            vm.prank(members[i]);
            governor.castVote(id, i < inFavour ? 1 : 0);
        }
        vm.warp(block.timestamp + PERIOD + 1);
    }

    function _queue(address target, bytes memory data) private {
        (address[] memory targets, uint256[] memory values, bytes[] memory calls) = _one(target, data);
        governor.queue(targets, values, calls, keccak256(""));
    }

    function _execute(address target, bytes memory data) private {
        (address[] memory targets, uint256[] memory values, bytes[] memory calls) = _one(target, data);
        governor.execute(targets, values, calls, keccak256(""));
    }

    function _carried(address target, bytes memory data) private {
        _decide(target, data, 4);
        _queue(target, data);
        vm.warp(block.timestamp + MIN_DELAY);
    }

    // ------------------------------------------------------------------------------------------ keys

    /// @dev Two steps, each with its timelock: the council's, then the registry's. The council alone admits nothing.
    function test_attests() public {
        bytes32 keyHash = strict.propose(proven.key);
        bytes memory attest = abi.encodeCall(strict.attest, (keyHash, false));
        _decide(address(strict), attest, 3);
        vm.expectRevert();
        _execute(address(strict), attest); // not queued
        _queue(address(strict), attest);
        vm.warp(block.timestamp + MIN_DELAY - 1);
        vm.expectRevert();
        _execute(address(strict), attest); // too early
        vm.warp(block.timestamp + 1);
        vm.prank(STRANGER); // anyone executes what is due
        _execute(address(strict), attest);
        assertEq(strict.key(keyHash).attestations, 1, "the council's attestation");
        vm.expectRevert(abi.encodeWithSelector(IKeyRegistry.NotReady.selector, keyHash, 0));
        strict.admit(keyHash);
        vm.prank(seller);
        strict.attest(keyHash, false);
        vm.expectRevert(abi.encodeWithSelector(IKeyRegistry.NotReady.selector, keyHash, block.timestamp + 1 days));
        strict.admit(keyHash);
        vm.warp(block.timestamp + 1 days);
        strict.admit(keyHash);
        assertTrue(strict.key(keyHash).status == IKeyRegistry.Status.Admitted, "admitted");
    }

    function test_vetoes() public {
        bytes32 keyHash = strict.propose(proven.key);
        bytes memory veto = abi.encodeCall(strict.veto, (keyHash));
        _carried(address(strict), veto);
        _execute(address(strict), veto);
        assertEq(strict.attestationsNeeded(keyHash), 3, "one more than there are attestors");
    }

    /// @dev Its own seat too: a council makes way for another.
    function test_replacesItself() public {
        address next = address(0xC0);
        bytes memory approve = abi.encodeCall(strict.approveReplacement, (address(timelock), next));
        _carried(address(strict), approve);
        _execute(address(strict), approve);
        vm.prank(seller);
        strict.approveReplacement(address(timelock), next);
        vm.warp(block.timestamp + 1 days);
        strict.replaceAttestor(address(timelock), next);
        assertTrue(strict.isAttestor(next) && !strict.isAttestor(address(timelock)), "replaced");
    }

    function test_defeated() public {
        bytes memory attest = abi.encodeCall(strict.attest, (strict.propose(proven.key), false));
        uint256 id = _decide(address(strict), attest, 1);
        assertTrue(governor.state(id) == IGovernor.ProposalState.Defeated, "one of four");
        vm.expectRevert();
        _queue(address(strict), attest);
    }

    /// @dev Half of the seats must take part.
    function test_quorum() public {
        bytes memory attest = abi.encodeCall(strict.attest, (strict.propose(proven.key), false));
        (address[] memory targets, uint256[] memory values, bytes[] memory calls) = _one(address(strict), attest);
        vm.prank(members[0]);
        uint256 id = governor.propose(targets, values, calls, "");
        vm.warp(block.timestamp + DELAY + 1);
        vm.prank(members[0]);
        governor.castVote(id, 1);
        vm.warp(block.timestamp + PERIOD + 1);
        assertTrue(governor.state(id) == IGovernor.ProposalState.Defeated, "nobody else came");
    }

    // ------------------------------------------------------------------------------------------ who may what

    function test_nobodyAdministers() public {
        bytes32 admin = timelock.DEFAULT_ADMIN_ROLE();
        assertTrue(!timelock.hasRole(admin, address(setup)) && timelock.hasRole(admin, address(timelock)), "only itself");
        assertTrue(timelock.hasRole(timelock.PROPOSER_ROLE(), address(governor)), "the governor proposes");
        assertTrue(timelock.hasRole(timelock.CANCELLER_ROLE(), address(governor)), "and cancels");
        bytes32 role = timelock.PROPOSER_ROLE();
        for (uint256 i; i < 3; ++i) {
            address who = [address(this), members[0], address(setup)][i];
            vm.prank(who);
            vm.expectRevert(abi.encodeWithSelector(IAccessControl.AccessControlUnauthorizedAccount.selector, who, role));
            timelock.schedule(KEYS, 0, "", 0, 0, MIN_DELAY);
        }
        (address[] memory targets, uint256[] memory values, bytes[] memory calls) = _one(KEYS, "");
        vm.prank(STRANGER);
        vm.expectRevert(abi.encodeWithSelector(IGovernor.GovernorInsufficientProposerVotes.selector, STRANGER, 0, 1));
        governor.propose(targets, values, calls, "");
    }

    function test_seats() public {
        assertEq(votes.totalSupply(), 4, "one each");
        assertEq(votes.getVotes(members[3]), 1, "which votes at once");
        vm.startPrank(members[0]);
        vm.expectRevert(CouncilVotes.SeatsStay.selector);
        votes.transfer(members[1], 1);
        votes.delegate(members[1]);
        vm.stopPrank();
        assertEq(votes.getVotes(members[1]), 2, "lent");
        address[] memory list = new address[](2);
        for (uint256 i; i < 3; ++i) {
            (list[0], list[1]) = (members[0], i == 0 ? members[0] : address(0));
            bytes memory creation = abi.encodePacked(artifact("CouncilVotes"), abi.encode(i == 2 ? new address[](0) : list));
            assertEq(_created(creation), address(0), "nobody twice, nobody zero, somebody");
        }
        assertEq(_created(abi.encodePacked(artifact("CouncilSetup"), abi.encode(votes, 0, DELAY, PERIOD, 50))), address(0), "a timelock");
    }

    function _created(bytes memory creation) private returns (address made) {
        assembly ("memory-safe") {
            made := create(0, add(creation, 0x20), mload(creation))
        }
    }

    // ------------------------------------------------------------------------------------------ funded jobs

    /// @dev Whatever the council decides to call, a funded job stays what it is, and is settled or refunded by its own rules.
    function test_neverTouchesAFundedJob() public {
        keys.approveReplacement(address(this), address(timelock));
        keys.replaceAttestor(address(this), address(timelock)); // the council is the market's only attestor
        IInferenceMarket.Order memory o = order();
        o.expireSecs = 30 days;
        o.proveSecs = 29 days;
        bytes32 jobId = fundAndLock(o);
        IInferenceMarket.Job memory before = market.job(jobId);
        IInferenceMarket.Snapshot memory s = snapshotOf(o);
        uint256 held = MARKET.balance;
        bytes[] memory calls = new bytes[](8);
        calls[0] = abi.encodeCall(market.cancel, (o, s));
        calls[1] = abi.encodeCall(market.claimRefund, (o, s, prover));
        calls[2] = abi.encodeCall(market.refund, (o, s, prover, 0));
        calls[3] = abi.encodeCall(market.revoke, (o));
        calls[4] = abi.encodeCall(market.withdraw, (address(0), 1, address(timelock)));
        calls[5] = abi.encodeCall(market.lock, (o, s, provers()));
        calls[6] = abi.encodeCall(market.settle, (o, s, split, simulatedInference(jobId, STRANGER), prover));
        calls[7] = abi.encodeCall(market.settleOpen, (o, s, split, simulatedInference(jobId, prover), prover, provers(), prover));
        for (uint256 i; i < calls.length; ++i) {
            vm.prank(address(timelock));
            (bool ok,) = MARKET.call(calls[i]);
            assertTrue(!ok, "refused");
        }
        // what it can do: let a development key of another shape in, and end its own seat
        bytes32 other = keys.propose(withWord(proven.key, 1, 77));
        bytes memory attest = abi.encodeCall(keys.attest, (other, true));
        _carried(KEYS, attest);
        _execute(KEYS, attest);
        IInferenceMarket.Job memory now_ = market.job(jobId);
        assertTrue(now_.state == before.state && now_.digest == before.digest && now_.time == before.time, "untouched");
        assertEq(MARKET.balance, held, "nor its money");
        settle(o);
        assertEq(credit(prover), 10 ether + PRICE, "settled as agreed");
    }
}
