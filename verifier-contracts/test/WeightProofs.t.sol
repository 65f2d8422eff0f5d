// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {IKeyRegistry} from "../src/interfaces/IKeyRegistry.sol";
import {IModelRegistry} from "../src/interfaces/IModelRegistry.sol";
import {MarketBase} from "./utils/MarketBase.sol";
import {Proven} from "./utils/Fixture.sol";

interface Token {
    function transferFrom(address from, address to, uint256 id) external;
    function ownerOf(uint256 id) external view returns (address);
}

/// @notice Who can have a model's weights marked as proven: who can prove them, for the token's holder, under the key of exactly that. The proofs
/// are simulated and the verifier is the real one; a real proof is settled in the Rust tests.
contract WeightProofsTest is MarketBase {
    bytes private constant OUTPUT = hex"000100000000";
    bytes32 private keyHash;
    Proven private weights;

    function setUp() public {
        deploySimulated(1, 3, 0);
        keyHash = _admit(models.weightsDigest(models.model(1).shapeDigest), 0, 1);
    }

    /// @dev An admitted key of some shape, for one input chunk.
    function _admit(bytes32 shapeDigest, uint256 batch, uint256 outputs) private returns (bytes32 hash) {
        weights = simulated(1, outputs, batch);
        weights.key = withWord(weights.key, 1, uint256(shapeDigest));
        hash = keys.propose(weights.key);
        keys.attest(hash, true);
    }

    function _prove(bytes32 context, bytes memory output) private view returns (bytes memory) {
        uint256[] memory input = new uint256[](1);
        input[0] = 1;
        return simulate(weights, WEIGHTS, input, context, output);
    }

    function _refused(bytes32 hash, bytes memory proof) private {
        vm.expectRevert();
        models.proveWeights{gas: 2_000_000}(1, hash, proof); // a point off the curve takes all gas
        assertTrue(models.model(1).weightsProvenAt == 0, "nothing is recorded");
    }

    function test_anyoneBringsTheOwnersProof() public {
        bytes memory proof = _prove(models.contextOfWeights(1, seller), OUTPUT);
        vm.warp(START + 100);
        vm.expectEmit(MODELS);
        emit IModelRegistry.WeightsProven(1, seller, keyHash, true);
        vm.prank(STRANGER);
        models.proveWeights(1, keyHash, proof);
        assertEq(uint256(models.model(1).weightsProvenAt), START + 100, "since when");
        // and the rest of the record is what it was
        assertEq(models.model(1).registeredAt, START, "registered");
        assertEq(models.listing(1).weightsPointer, models.model(1).weightsPointer, "weights");
    }

    function test_theProofIsTheOwnersAndThisModelsAndThisChains() public {
        address owner = Token(MODELS).ownerOf(1);
        _refused(keyHash, _prove(models.contextOfWeights(1, STRANGER), OUTPUT));
        _refused(keyHash, _prove(models.contextOfWeights(2, owner), OUTPUT));
        bytes memory good = _prove(models.contextOfWeights(1, owner), OUTPUT);
        vm.chainId(block.chainid + 1);
        _refused(keyHash, good);
        vm.chainId(block.chainid - 1);
        // a new holder proves for himself
        vm.prank(owner);
        Token(MODELS).transferFrom(owner, STRANGER, 1);
        _refused(keyHash, good);
        models.proveWeights(1, keyHash, _prove(models.contextOfWeights(1, STRANGER), OUTPUT));
        assertTrue(models.model(1).weightsProvenAt != 0, "proven");
        assertEq(address(models.keys()), KEYS, "the market's keys");
    }

    /// @dev The time says since when, and nobody moves it; what a development key shows is marked, and makes way for what means something.
    function test_theFirstProofStands() public {
        bytes32 shape = models.model(1).shapeDigest;
        bytes32 real = _sound(models.weightsDigest(shape));
        Proven memory sound = weights;
        weights = simulated(1, 1, 0);
        weights.key = withWord(weights.key, 1, uint256(models.weightsDigest(shape)));
        bytes32 context = models.contextOfWeights(1, seller);
        models.proveWeights(1, keyHash, _prove(context, OUTPUT));
        assertTrue(models.model(1).weightsDevelopment, "a development key");
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.WeightsAlreadyProven.selector, 1));
        models.proveWeights(1, keyHash, "");
        weights = sound;
        vm.warp(START + 50);
        models.proveWeights(1, real, _prove(context, OUTPUT));
        assertTrue(!models.model(1).weightsDevelopment && models.model(1).weightsProvenAt == START + 50, "replaced");
        bytes32[2] memory all = [real, keyHash];
        for (uint256 i; i < 2; ++i) {
            vm.warp(START + 100);
            vm.expectRevert(abi.encodeWithSelector(IModelRegistry.WeightsAlreadyProven.selector, 1));
            models.proveWeights(1, all[i], "");
        }
    }

    /// @dev A key that is no development key, in another slot: it is marked by its attestor, and simulated all the same.
    function _sound(bytes32 shapeDigest) private returns (bytes32 hash) {
        weights = simulated(1, 1, 0);
        weights.key = withWord(weights.key, 1, uint256(shapeDigest));
        weights.key = withWord(weights.key, 4, 3); // other chunks
        hash = keys.propose(weights.key);
        vm.mockCall(KEYS, abi.encodeCall(IKeyRegistry.admittedKey, (hash)), abi.encode(_record(keys.key(hash))));
    }

    function _record(IKeyRegistry.Key memory key) private pure returns (IKeyRegistry.Key memory) {
        (key.status, key.development) = (IKeyRegistry.Status.Admitted, false);
        return key;
    }

    function test_theStatementIsFixed() public {
        bytes32 context = models.contextOfWeights(1, seller);
        _refused(keyHash, _prove(context, hex"000200000000")); // another cell
        _refused(keyHash, _prove(context, hex"000100000001")); // clamps
        uint256[] memory input = new uint256[](1);
        input[0] = 2;
        _refused(keyHash, simulate(weights, WEIGHTS, input, context, OUTPUT));
        input[0] = 1;
        _refused(keyHash, simulate(weights, WEIGHTS + 1, input, context, OUTPUT)); // other weights
        bytes memory proof = _prove(context, OUTPUT);
        for (uint256 i; i < proof.length; i += 32) {
            bytes memory changed = withWord(proof, i / 32, wordAt(proof, i / 32) ^ 1);
            _refused(keyHash, changed);
        }
    }

    /// @dev A key of the model itself, of another model's weights, of a batch, or one that nobody has admitted, proves nothing here.
    function test_onlyTheKeyOfTheseWeights() public {
        bytes32 context = models.contextOfWeights(1, seller);
        bytes32 shape = models.model(1).shapeDigest;
        bytes32 another = _admit(models.weightsDigest(keccak256("another shape")), 0, 1);
        _refusedAs(another, _prove(context, OUTPUT), abi.encodeWithSelector(IModelRegistry.OtherKey.selector, another));
        bytes32 plain = keccak256(proven.key);
        assertEq(uint256(shape), wordAt(proven.key, 1), "the key of the model");
        _refusedAs(plain, _prove(context, OUTPUT), abi.encodeWithSelector(IModelRegistry.OtherKey.selector, plain));
        bytes32 batch = _admit(models.weightsDigest(shape), 1, 2);
        _refusedAs(batch, _prove(context, hex"0001000100000000"), abi.encodeWithSelector(IModelRegistry.OtherKey.selector, batch));
        bytes32 unknown = keccak256("unknown");
        _refusedAs(unknown, "", abi.encodeWithSelector(IKeyRegistry.NotAdmitted.selector, unknown));
    }

    function _refusedAs(bytes32 hash, bytes memory proof, bytes memory reason) private {
        vm.expectRevert(reason);
        models.proveWeights(1, hash, proof);
    }

    function test_unknownModelsAndKeysWithoutCode() public {
        vm.expectRevert();
        models.proveWeights(2, keyHash, "");
        bytes memory creation = abi.encodePacked(artifact("ModelRegistry"), abi.encode(address(0x1234), uint256(0)));
        address deployed;
        assembly ("memory-safe") {
            deployed := create(0, add(creation, 0x20), mload(creation))
        }
        assertTrue(deployed == address(0), "keys without code");
    }
}
