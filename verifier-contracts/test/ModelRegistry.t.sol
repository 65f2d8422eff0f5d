// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {IERC165} from "@openzeppelin/contracts/utils/introspection/IERC165.sol";
import {IERC2981} from "@openzeppelin/contracts/interfaces/IERC2981.sol";
import {IERC721Metadata} from "@openzeppelin/contracts/token/ERC721/extensions/IERC721Metadata.sol";
import {IModelRegistry, Payee} from "../src/interfaces/IModelRegistry.sol";
import {Fixture} from "./utils/Fixture.sol";

contract ModelRegistryTest is Fixture {
    address internal constant MODELS = address(0xA5503);
    IModelRegistry internal models = IModelRegistry(MODELS);
    IModelRegistry.Registration internal r;

    function setUp() public {
        deployTo(MODELS, artifact("ModelRegistry"));
        r.shapeDigest = keccak256("shape");
        r.weightCommitments = load(SMALL).weights;
        r.uri = "ipfs://card";
        r.cardHash = keccak256("card");
        r.royaltyBps = 250;
        r.split.push(Payee(address(1), 7_000));
        r.split.push(Payee(address(2), 3_000));
    }

    function test_register() public {
        uint256 id = models.register(r);
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
            vm.expectRevert(IModelRegistry.InvalidWeights.selector);
            models.register(r);
        }
    }

    function test_badSplit() public {
        r.split[0].bps = 7_001;
        vm.expectRevert(IModelRegistry.InvalidSplit.selector);
        models.register(r);
        r.split[0] = Payee(address(0), 7_000);
        vm.expectRevert(IModelRegistry.InvalidSplit.selector);
        models.register(r);
        r.split[0] = Payee(address(3), 7_000);
        r.split.push(Payee(address(4), 0));
        vm.expectRevert(IModelRegistry.InvalidSplit.selector);
        models.register(r);
        delete r.split;
        vm.expectRevert(IModelRegistry.InvalidSplit.selector);
        models.register(r);
    }

    function test_deprecate() public {
        uint256 id = models.register(r);
        vm.prank(address(0x57));
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.NotOwner.selector, id, address(0x57)));
        models.setDeprecated(id, true);
        models.setDeprecated(id, true);
        assertTrue(models.model(id).deprecated, "deprecated");
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.UnknownModel.selector, 2));
        models.model(2);
    }
}
