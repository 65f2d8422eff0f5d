// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {IERC721} from "@openzeppelin/contracts/token/ERC721/IERC721.sol";
import {IERC165} from "@openzeppelin/contracts/utils/introspection/IERC165.sol";
import {IERC2981} from "@openzeppelin/contracts/interfaces/IERC2981.sol";
import {IERC721Metadata} from "@openzeppelin/contracts/token/ERC721/extensions/IERC721Metadata.sol";
import {IModelRegistry, Payee} from "../src/interfaces/IModelRegistry.sol";
import {Fixture} from "./utils/Fixture.sol";

contract ModelRegistryTest is Fixture {
    address internal constant KEYS = address(0xA5502);
    address internal constant MODELS = address(0xA5503);
    uint256 internal constant COMMIT_SECS = 60;
    uint256 internal constant START = 1_800_000_000;
    address internal constant THIEF = address(0x7417);
    IModelRegistry internal models = IModelRegistry(MODELS);
    IModelRegistry.Registration internal r;

    function setUp() public {
        vm.etch(KEYS, hex"00"); // nothing here asks it
        deployTo(MODELS, abi.encodePacked(artifact("ModelRegistry"), abi.encode(KEYS, COMMIT_SECS)));
        vm.warp(START);
        r.shapeDigest = keccak256("shape");
        r.weightCommitments = load(SMALL).weights;
        r.uri = "ipfs://card";
        r.cardHash = keccak256("card");
        r.royaltyBps = 250;
        r.split.push(Payee(address(1), 7_000));
        r.split.push(Payee(address(2), 3_000));
    }

    function _register() internal returns (uint256 id) {
        models.commitRegistration(models.registrationCommitment(address(this), r));
        vm.warp(block.timestamp + COMMIT_SECS);
        return models.register(r);
    }

    function _refused(bytes memory reason) internal {
        models.commitRegistration(models.registrationCommitment(address(this), r));
        vm.warp(block.timestamp + COMMIT_SECS);
        vm.expectRevert(reason);
        models.register(r);
    }

    function test_register() public {
        uint256 id = _register();
        IModelRegistry.Model memory m = models.model(id);
        assertEq(id, 1, "id");
        assertEq(m.modelCommitment, keccak256(abi.encodePacked(r.shapeDigest, r.weightCommitments)), "commitment");
        assertEq(keccak256(m.weightsPointer.code), keccak256(abi.encodePacked(hex"00", r.weightCommitments)), "weights as code");
        assertEq(m.splitHash, keccak256(abi.encode(r.split)), "split");
        assertEq(IERC721Metadata(MODELS).ownerOf(id), address(this), "owner");
        assertEq(keccak256(bytes(IERC721Metadata(MODELS).tokenURI(id))), keccak256("ipfs://card"), "card");
        (address to, uint256 amount) = IERC2981(MODELS).royaltyInfo(id, 10_000);
        assertTrue(to == address(this) && amount == 250, "ERC-2981");
        assertTrue(IERC165(MODELS).supportsInterface(0x80ac58cd) && IERC165(MODELS).supportsInterface(0x2a55205a), "ERC-165");
    }

    function test_badWeights() public {
        bytes memory good = r.weightCommitments;
        bytes[4] memory bad =
            [bytes(""), truncated(good, good.length - 1), withWord(good, 0, wordAt(good, 0) ^ 1), withWord(withWord(good, 0, 0), 1, 0)];
        for (uint256 i; i < 4; ++i) {
            r.weightCommitments = bad[i];
            _refused(abi.encodePacked(IModelRegistry.InvalidWeights.selector));
        }
    }

    function test_badSplit() public {
        r.split[0].bps = 7_001;
        _refused(abi.encodePacked(IModelRegistry.InvalidSplit.selector));
        r.split[0] = Payee(address(0), 7_000);
        _refused(abi.encodePacked(IModelRegistry.InvalidSplit.selector));
        r.split[0] = Payee(address(3), 7_000);
        r.split.push(Payee(address(4), 0));
        _refused(abi.encodePacked(IModelRegistry.InvalidSplit.selector));
        delete r.split;
        _refused(abi.encodePacked(IModelRegistry.InvalidSplit.selector));
    }

    /// @dev Whoever sees a registration on its way and sends the same one first has not committed to it.
    function test_frontRun() public {
        bytes32 mine = models.registrationCommitment(address(this), r);
        models.commitRegistration(mine);
        bytes32 theirs = models.registrationCommitment(THIEF, r);
        assertTrue(mine != theirs, "it binds the registrant");
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.NotCommitted.selector, mine, START + COMMIT_SECS));
        models.register(r);
        vm.warp(START + COMMIT_SECS);
        vm.startPrank(THIEF);
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.NotCommitted.selector, theirs, 0));
        models.register(r);
        models.commitRegistration(theirs); // once it was seen, that is too late
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.NotCommitted.selector, theirs, START + 2 * COMMIT_SECS));
        models.register(r);
        models.commitRegistration(mine); // nor can somebody else's be put off
        vm.stopPrank();
        assertEq(models.register(r), 1, "the first to commit");
    }

    /// @dev It binds every field: a split that was not committed to is another registration.
    function test_commitmentBindsSplit() public {
        models.commitRegistration(models.registrationCommitment(address(this), r));
        vm.warp(START + COMMIT_SECS);
        r.split[0].bps = 6_000;
        r.split[1].bps = 4_000;
        bytes32 other = models.registrationCommitment(address(this), r);
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.NotCommitted.selector, other, 0));
        models.register(r);
    }

    /// @dev The same commitments with another split, or under another shape, would pay past the first one's payees.
    function test_splitCannotBeDodged() public {
        _register();
        r.split[0] = Payee(address(2), 10_000);
        r.split.pop();
        _refused(abi.encodeWithSelector(IModelRegistry.WeightsTaken.selector, 1));
        r.shapeDigest = keccak256("another shape");
        _refused(abi.encodeWithSelector(IModelRegistry.WeightsTaken.selector, 1));
        models.commitRegistration(models.registrationCommitment(THIEF, r));
        vm.warp(block.timestamp + COMMIT_SECS);
        vm.prank(THIEF);
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.WeightsTaken.selector, 1));
        models.register(r);
    }

    /// @dev Quotes end with a transfer, and do not come back with the token.
    function test_quoteEpoch() public {
        uint256 id = _register();
        assertEq(models.listing(id).quoteEpoch, 0, "the first");
        IERC721(MODELS).transferFrom(address(this), THIEF, id);
        vm.prank(THIEF);
        IERC721(MODELS).transferFrom(THIEF, address(this), id);
        assertEq(models.listing(id).quoteEpoch, 2, "twice another one");
        models.revokeQuotes(id);
        assertEq(models.model(id).quoteEpoch, 3, "and revoked");
        vm.prank(THIEF);
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.NotOwner.selector, id, THIEF));
        models.revokeQuotes(id);
    }

    function test_listing() public {
        uint256 id = _register();
        IModelRegistry.Listing memory l = models.listing(id);
        IModelRegistry.Model memory m = models.model(id);
        assertEq(l.termsHash, keccak256(abi.encode(m.shapeDigest, m.modelCommitment, m.splitHash)), "terms");
        assertTrue(l.owner == address(this) && l.weightsPointer == m.weightsPointer && !l.deprecated, "holder and weights");
        assertEq(l.weightChunks, r.weightCommitments.length / 64, "chunks");
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.UnknownModel.selector, 2));
        models.listing(2);
    }

    function test_deprecate() public {
        uint256 id = _register();
        vm.prank(address(0x57));
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.NotOwner.selector, id, address(0x57)));
        models.setDeprecated(id, true);
        models.setDeprecated(id, true);
        assertTrue(models.model(id).deprecated, "deprecated");
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.UnknownModel.selector, 2));
        models.model(2);
    }
}
