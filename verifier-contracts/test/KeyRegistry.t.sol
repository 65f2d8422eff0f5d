// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {IAttestors} from "../src/interfaces/IAttestors.sol";
import {IKeyRegistry} from "../src/interfaces/IKeyRegistry.sol";
import {Fixture} from "./utils/Fixture.sol";

contract KeyRegistryTest is Fixture {
    uint256 internal constant Q = 0x30644e72e131a029b85045b68181585d97816a916871ca8d3c208c16d87cfd47;
    address internal constant A = address(0xA1);
    address internal constant B = address(0xB1);
    address internal constant C = address(0xC1);
    uint256 internal constant START = 1_800_000_000;
    uint256 internal constant LOCK = 2 days;
    bytes internal key;
    bytes32 internal keyHash;
    IKeyRegistry internal registry;
    bytes32 internal constant WRAP = "groth16-bn254";

    function setUp() public {
        vm.warp(START);
        vm.etch(address(0xA5501), hex"00");
        key = load(SMALL).key;
        keyHash = keccak256(key);
        registry = _registry(2, LOCK, false, new bytes32[](0));
    }

    function _registry(uint256 threshold, uint256 lock, bool dev, bytes32[] memory devSrs) internal returns (IKeyRegistry) {
        address[] memory list = new address[](3);
        (list[0], list[1], list[2]) = (A, B, C);
        return _deploy(abi.encode(address(0xA5501), list, threshold, lock, dev, devSrs));
    }

    function _deploy(bytes memory arguments) internal returns (IKeyRegistry registry_) {
        bytes memory creation = bytes.concat(artifact("KeyRegistry"), arguments);
        assembly ("memory-safe") {
            registry_ := create(0, add(creation, 0x20), mload(creation))
        }
    }

    function _refused(address verifier, address[] memory list, uint256 threshold) internal {
        IKeyRegistry made = _deploy(abi.encode(verifier, list, threshold, uint256(0), true, new bytes32[](0)));
        assertEq(address(made), address(0), "refused");
    }

    function _attest(address who, bool dev) internal {
        vm.prank(who);
        registry.attest(keyHash, dev);
    }

    function test_admission() public {
        registry.propose(key);
        IKeyRegistry.Key memory k = registry.key(keyHash);
        assertEq(keccak256(k.pointer.code), keccak256(abi.encodePacked(hex"00", key)), "stored as code");
        assertEq(k.shapeDigest, bytes32(wordAt(key, 1)), "shape");
        assertEq(k.weightChunks, wordAt(key, 5), "chunks");
        _attest(A, false);
        vm.expectRevert(abi.encodeWithSelector(IKeyRegistry.NotReady.selector, keyHash, 0));
        registry.admit(keyHash);
        vm.expectRevert(abi.encodeWithSelector(IKeyRegistry.NotAdmitted.selector, keyHash));
        registry.admittedKey(keyHash);
        _attest(B, false);
        vm.warp(START + LOCK - 1);
        vm.expectRevert(abi.encodeWithSelector(IKeyRegistry.NotReady.selector, keyHash, START + LOCK));
        registry.admit(keyHash);
        vm.warp(START + LOCK);
        registry.admit(keyHash);
        assertEq(registry.keyHashOf(bytes32(wordAt(key, 1)), WRAP, bytes32(wordAt(key, 2)), 0), keyHash, "slot");
        assertEq(uint256(registry.admittedKey(keyHash).status), uint256(IKeyRegistry.Status.Admitted), "status");
        vm.expectRevert(abi.encodeWithSelector(IKeyRegistry.NotProposed.selector, keyHash));
        registry.admit(keyHash);
        vm.prank(C);
        vm.expectRevert(abi.encodeWithSelector(IKeyRegistry.NotProposed.selector, keyHash));
        registry.veto(keyHash); // an admitted key is immutable
    }

    function test_attestors() public {
        registry.propose(key);
        vm.expectRevert(abi.encodeWithSelector(IAttestors.NotAttestor.selector, address(this)));
        registry.attest(keyHash, false);
        vm.expectRevert(abi.encodeWithSelector(IAttestors.NotAttestor.selector, address(this)));
        registry.veto(keyHash);
        _attest(A, false);
        vm.prank(A);
        vm.expectRevert(abi.encodeWithSelector(IKeyRegistry.AlreadyAttested.selector, keyHash, A));
        registry.attest(keyHash, false);
        vm.prank(A);
        vm.expectRevert(abi.encodeWithSelector(IKeyRegistry.NotProposed.selector, bytes32(0)));
        registry.attest(0, false);
    }

    function test_veto() public {
        registry.propose(key);
        _attest(A, false);
        _attest(B, false);
        vm.prank(C);
        registry.veto(keyHash);
        vm.warp(START + LOCK);
        vm.expectRevert(abi.encodeWithSelector(IKeyRegistry.TooFewAttestations.selector, keyHash, 2, 3));
        registry.admit(keyHash);
        vm.expectRevert(abi.encodeWithSelector(IKeyRegistry.KeyKnown.selector, keyHash));
        registry.propose(key);
    }

    function test_developmentKeys() public {
        bytes32[] memory devSrs = new bytes32[](1);
        devSrs[0] = bytes32(wordAt(key, 2));
        registry = _registry(2, LOCK, false, devSrs);
        _ready();
        vm.expectRevert(abi.encodeWithSelector(IKeyRegistry.DevelopmentKey.selector, keyHash));
        registry.admit(keyHash);

        registry = _registry(1, 0, true, new bytes32[](0));
        registry.propose(key);
        _attest(A, true); // one attestor who knows the trapdoor is enough
        assertTrue(registry.admittedKey(keyHash).development, "admitted, and marked");

        registry = _registry(1, 0, true, devSrs);
        registry.propose(key);
        _attest(A, false);
        assertTrue(registry.admittedKey(keyHash).development, "admitted, and marked");
    }

    /// @dev Another key for the same circuit cannot replace the admitted one.
    function test_slotIsImmutable() public {
        registry = _registry(1, 0, true, new bytes32[](0));
        registry.propose(key);
        _attest(A, false);
        bytes memory other = withWord(withWord(key, 31, 1), 32, 2);
        registry.propose(other);
        bytes32 slot = keccak256(abi.encode(wordAt(key, 1), WRAP, wordAt(key, 2), uint16(0)));
        vm.prank(A);
        vm.expectRevert(abi.encodeWithSelector(IKeyRegistry.SlotTaken.selector, slot, keyHash));
        registry.attest(keccak256(other), false);
    }

    /// @dev A model has a key for each batch; their slots differ in nothing else.
    function test_slotPerBatch() public {
        registry = _registry(1, 0, true, new bytes32[](0));
        uint16[4] memory batches = [uint16(0), 1, 2, 0x101];
        bytes memory base = withWord(withWord(key, 13, 12), 7, 2); // 12 outputs, 2 input chunks: both fit all of these batches
        base = withWord(base, 12, 5);
        for (uint256 i; i < 4; ++i) {
            bytes memory one = withWord(base, 14, batches[i]);
            registry.propose(one);
            vm.prank(A);
            registry.attest(keccak256(one), false);
            assertEq(registry.key(keccak256(one)).batch, batches[i], "the record's batch");
        }
        for (uint256 i; i < 4; ++i) {
            bytes32 found = registry.keyHashOf(bytes32(wordAt(key, 1)), WRAP, bytes32(wordAt(key, 2)), batches[i]);
            assertEq(found, keccak256(withWord(base, 14, batches[i])), "its own slot");
        }
        assertEq(registry.keyHashOf(bytes32(wordAt(key, 1)), WRAP, bytes32(wordAt(key, 2)), 3), 0, "and no other");
        registry.propose(key); // the slot of one inference again
        vm.prank(A);
        bytes32 slot = keccak256(abi.encode(wordAt(key, 1), WRAP, wordAt(key, 2), uint16(0)));
        vm.expectRevert(abi.encodeWithSelector(IKeyRegistry.SlotTaken.selector, slot, keccak256(base)));
        registry.attest(keyHash, false);
    }

    /// @dev The batch word: log and mark, nothing else, and what it has to divide.
    function test_batchWord() public {
        bytes memory batch = load(BATCH).key; // 4 inferences, 8 input chunks, 12 outputs
        registry.propose(batch);
        assertEq(registry.key(keccak256(batch)).batch, 0x102, "separate");
        registry.propose(withWord(batch, 14, 2)); // joint is as good
        registry.propose(withWord(withWord(batch, 14, 12), 13, 4096));
        _bad(withWord(withWord(batch, 14, 13), 13, 4096), 3); // too many
        _bad(withWord(batch, 14, 0x100), 3); // separate, and one
        _bad(withWord(batch, 14, 0x103), 3); // 12 outputs of 8
        _bad(withWord(batch, 14, 3), 3);
        _bad(withWord(withWord(batch, 14, 0x104), 13, 16), 3); // 8 input chunks of 16
        registry.propose(withWord(withWord(batch, 14, 4), 13, 16)); // which may be shared
        _bad(withWord(batch, 14, 0x202), 3);
        _bad(withWord(batch, 14, 0x302), 3);
        _bad(withWord(batch, 14, 0x10002), 3);
        _bad(withWord(batch, 14, 2 | 1 << 255), 3);
        _bad(withWord(batch, 14, type(uint256).max), 3);
        _bad(withWord(batch, 13, 13), 3);
        _bad(withWord(batch, 7, 7), 3);
    }

    function _bad(bytes memory data, uint256 reason) internal {
        vm.expectRevert(abi.encodeWithSelector(IKeyRegistry.InvalidKey.selector, reason));
        registry.propose{gas: 50_000_000}(data); // a precompile that refuses a point burns what it gets
    }

    /// @dev G2 and PC5: what can be seen on a key.
    function test_G2_malformedKeys() public {
        _bad("", 1);
        _bad(truncated(key, key.length - 1), 1);
        _bad(bytes.concat(key, bytes32(0)), 1);
        _bad(withWord(key, 0, 1), 2);
        _bad(withWord(key, 1, 0), 3);
        _bad(withWord(key, 3, 29), 3);
        _bad(withWord(key, 4, 2), 3); // too few chunks
        _bad(withWord(key, 5, 0), 3); // no weights
        _bad(withWord(key, 10, 1), 3); // overlapping regions
        _bad(withWord(key, 13, 0), 3); // no outputs
        _bad(withWord(key, 13, type(uint256).max), 3);
        for (uint256 i = 15; i < 37; ++i) {
            bool g1 = i < 17 || (i >= 25 && i < 33);
            _bad(withWord(key, i, wordAt(key, i) ^ 1), g1 ? 4 : 5);
            _bad(withWord(key, i, wordAt(key, i) + Q), g1 ? 4 : 5);
        }
        uint256[5] memory g1s = [uint256(15), 25, 27, 29, 31];
        for (uint256 i; i < 5; ++i) {
            _bad(withWord(withWord(key, g1s[i], 0), g1s[i] + 1, 0), 4); // infinity
        }
        _bad(withWord(key, 37, wordAt(key, 37) ^ 1), 4); // a table
        _bad(withWord(key, 37, 0), 4);
        _bad(_withGenerator(key, 21), 6); // δ = γ
        _bad(_withGenerator(key, 33), 7); // τ = 1
        _bad(withWord(key, 2, wordAt(key, 2) ^ 1), 8); // the SRS id is not that of [τ]_2
        bytes memory zero = key;
        for (uint256 i = 21; i < 25; ++i) {
            zero = withWord(zero, i, 0);
        }
        _bad(zero, 5);
    }

    bytes32 internal constant UNIVERSAL_WRAP = "plonk-kzg-bn254";

    /// @dev The two wraps of a model have slots of their own; the key's version says which it is.
    function test_slotPerWrap() public {
        registry = _registry(1, 0, true, new bytes32[](0));
        bytes memory other = load(UNIVERSAL_SMALL).key;
        other = withWord(other, 1, wordAt(key, 1)); // the same model
        uint16 batch = uint16(wordAt(other, 14));
        bytes memory groth16 = withWord(withWord(withWord(key, 13, 12), 7, 4), 12, 7); // 12 outputs and 4 input chunks: fit for this batch
        groth16 = withWord(withWord(groth16, 14, batch), 4, 4);
        bytes[2] memory both = [groth16, other];
        bytes32[2] memory wraps = [WRAP, UNIVERSAL_WRAP];
        for (uint256 i; i < 2; ++i) {
            registry.propose(both[i]);
            vm.prank(A);
            registry.attest(keccak256(both[i]), false);
        }
        for (uint256 i; i < 2; ++i) {
            bytes32 found = registry.keyHashOf(bytes32(wordAt(key, 1)), wraps[i], bytes32(wordAt(both[i], 2)), batch);
            assertEq(found, keccak256(both[i]), "its own slot");
            assertEq(registry.keyHashOf(bytes32(wordAt(key, 1)), "another", bytes32(wordAt(both[i], 2)), batch), 0, "and no other");
        }
    }

    /// @dev G2 for keys of version 3.
    function test_G2_malformedUniversalKeys() public {
        bytes memory k = load(UNIVERSAL_SMALL).key;
        _bad(truncated(k, k.length - 1), 1);
        _bad(truncated(k, 32 * 23), 1);
        _bad(bytes.concat(k, bytes32(0)), 1);
        _bad(withWord(k, 0, 1), 2);
        _bad(withWord(k, 0, 4), 2);
        _bad(withWord(k, 0, 3 | 1 << 255), 2);
        _bad(withWord(k, 1, 0), 3);
        _bad(withWord(k, 3, 29), 3);
        _bad(withWord(k, 5, 0), 3);
        _bad(withWord(k, 13, 0), 3);
        _bad(withWord(k, 15, 2), 3); // rows
        _bad(withWord(k, 15, 26), 3);
        _bad(withWord(k, 15, type(uint256).max), 3);
        for (uint256 i = 16; i < 24; ++i) {
            _bad(withWord(k, i, wordAt(k, i) ^ 1), i < 20 ? 4 : 5);
            _bad(withWord(k, i, wordAt(k, i) + Q), i < 20 ? 4 : 5);
        }
        _bad(withWord(withWord(k, 16, 0), 17, 0), 4); // infinity
        _bad(withWord(withWord(k, 18, 0), 19, 0), 4);
        _bad(withWord(withWord(withWord(withWord(k, 20, 0), 21, 0), 22, 0), 23, 0), 5);
        assertTrue(wordAt(k, 6) > 0, "the fixture has tables");
        _bad(withWord(k, 24, wordAt(k, 24) ^ 1), 4);
        _bad(_withGenerator(k, 20), 7); // τ = 1
        _bad(withWord(k, 2, wordAt(k, 2) ^ 1), 8);
        registry.propose(k);
        assertEq(keccak256(registry.key(keccak256(k)).pointer.code), keccak256(abi.encodePacked(hex"00", k)), "stored as code");
        vm.mockCall(address(8), "", "");
        _bad(withWord(k, 15, wordAt(k, 15) ^ 1), 5);
        vm.clearMockedCalls();
    }

    /// @dev A universal key has no secret but that of its SRS: over a development SRS it is a development key whoever attests it.
    function test_universalDevelopmentKeys() public {
        bytes memory k = load(UNIVERSAL_SMALL).key;
        bytes32[] memory devSrs = new bytes32[](1);
        devSrs[0] = bytes32(wordAt(k, 2));
        registry = _registry(2, LOCK, false, devSrs);
        (key, keyHash) = (k, keccak256(k));
        _ready();
        vm.expectRevert(abi.encodeWithSelector(IKeyRegistry.DevelopmentKey.selector, keyHash));
        registry.admit(keyHash);
    }

    /// @dev Tables are public and not blinded: a chunk of zeros has infinity for its commitment.
    function test_tableOfZeros() public {
        assertTrue(wordAt(key, 6) > 0, "the fixture has tables");
        bytes memory blank = withWord(withWord(key, 37, 0), 38, 0);
        registry.propose(blank);
        IKeyRegistry.Key memory k = registry.key(keccak256(blank));
        assertEq(uint256(k.status), uint256(IKeyRegistry.Status.Proposed), "proposed");
        assertEq(keccak256(k.pointer.code), keccak256(abi.encodePacked(hex"00", blank)), "stored as code");
    }

    /// @dev On a chain without precompiles every point looks good; the registry must not believe it.
    function test_noPrecompiles() public {
        vm.mockCall(address(6), "", "");
        _bad(key, 4);
        vm.clearMockedCalls();
        vm.mockCall(address(8), "", "");
        _bad(key, 5);
        vm.clearMockedCalls();
        registry.propose(key);
    }

    function _withGenerator(bytes memory data, uint256 i) internal pure returns (bytes memory) {
        data = withWord(data, i, 0x198e9393920d483a7260bfb731fb5d25f1aa493335a9e71297e485b7aef312c2);
        data = withWord(data, i + 1, 0x1800deef121f1e76426a00665e5c4479674322d4f75edadd46debd5cd992f6ed);
        data = withWord(data, i + 2, 0x090689d0585ff075ec9e99ad690c3395bc4b313370b38ef355acdadcd122975b);
        return withWord(data, i + 3, 0x12c85ea5db8c6deb4aab71808dcb408fe3d1e7690c43d37b4ce6cc0166fa7daa);
    }

    function test_constructor() public {
        address[] memory list = new address[](2);
        (list[0], list[1]) = (A, A);
        _refused(address(0xA5501), list, 1); // the same attestor twice
        list[1] = address(0);
        _refused(address(0xA5501), list, 1);
        list[1] = B;
        _refused(address(0xA5501), list, 3);
        _refused(address(0xA5501), list, 0);
        _refused(address(0xdead), list, 1); // G5: a verifier without code
        bytes memory good = abi.encode(address(0xA5501), list, uint256(1), uint256(0), true, new bytes32[](0));
        assertTrue(address(_deploy(good)) != address(0), "and the good one is not");
    }

    /// @dev One attestor, or no timelock, and a seller who deploys could admit a key whose trapdoor he knows.
    function test_governanceByDefault() public {
        address[] memory one = new address[](1);
        one[0] = A;
        address[] memory two = new address[](2);
        (two[0], two[1]) = (A, B);
        bytes32[] memory none = new bytes32[](0);
        assertEq(address(_deploy(abi.encode(address(0xA5501), one, uint256(1), LOCK, false, none))), address(0), "one attestor");
        assertEq(address(_deploy(abi.encode(address(0xA5501), two, uint256(1), LOCK, false, none))), address(0), "either of two");
        assertEq(address(_deploy(abi.encode(address(0xA5501), two, uint256(2), uint256(0), false, none))), address(0), "no timelock");
        assertTrue(address(_deploy(abi.encode(address(0xA5501), two, uint256(2), LOCK, false, none))) != address(0), "two and a timelock");
        assertTrue(address(_deploy(abi.encode(address(0xA5501), one, uint256(1), uint256(0), true, none))) != address(0), "development");
    }

    // ------------------------------------------------------------------------------------------ liveness

    function _ready() internal {
        registry.propose(key);
        _attest(A, false);
        _attest(B, false);
        vm.warp(START + LOCK);
    }

    /// @dev One veto can be outvoted, by one attestation more.
    function test_vetoIsOutvoted() public {
        _ready();
        vm.prank(C);
        registry.veto(keyHash);
        vm.prank(C);
        vm.expectRevert(abi.encodeWithSelector(IKeyRegistry.AlreadyVetoed.selector, keyHash, C));
        registry.veto(keyHash);
        assertEq(registry.attestationsNeeded(keyHash), 3, "one more");
        vm.expectRevert(abi.encodeWithSelector(IKeyRegistry.TooFewAttestations.selector, keyHash, 2, 3));
        registry.admit(keyHash);
        _attest(C, false); // who has changed their mind
        registry.admit(keyHash);
    }

    function test_vetoExpires() public {
        _ready();
        vm.prank(C);
        registry.veto(keyHash);
        vm.warp(START + LOCK + 30 days - 1);
        vm.expectRevert(abi.encodeWithSelector(IKeyRegistry.TooFewAttestations.selector, keyHash, 2, 3));
        registry.admit(keyHash);
        vm.warp(START + LOCK + 30 days);
        registry.admit(keyHash);
        assertEq(uint256(registry.key(keyHash).status), uint256(IKeyRegistry.Status.Admitted), "admitted");
    }

    /// @dev A late mark of one attestor is a veto, and does not end the key for ever.
    function test_lateMarkIsAVeto() public {
        _ready();
        _attest(C, true);
        assertTrue(!registry.key(keyHash).development, "not marked");
        vm.expectRevert(abi.encodeWithSelector(IKeyRegistry.TooFewAttestations.selector, keyHash, 2, 3));
        registry.admit(keyHash);
        vm.warp(START + LOCK + 30 days);
        registry.admit(keyHash);
    }

    function _approve(address who, address out, address into) internal {
        vm.prank(who);
        registry.approveReplacement(out, into);
    }

    /// @dev Lost keys: the others replace their owner, after the timelock; what the replaced one said no longer counts.
    function test_replaceAttestor() public {
        address fresh = address(0xD1);
        _ready();
        vm.prank(C);
        registry.veto(keyHash);
        vm.expectRevert(abi.encodeWithSelector(IAttestors.NotAttestor.selector, address(this)));
        registry.approveReplacement(C, fresh);
        _approve(A, C, fresh);
        bytes32 action = keccak256(abi.encode("replace", C, fresh, uint256(0)));
        vm.prank(A);
        vm.expectRevert(abi.encodeWithSelector(IAttestors.AlreadyApproved.selector, action, A));
        registry.approveReplacement(C, fresh);
        vm.expectRevert(abi.encodeWithSelector(IAttestors.ActionNotReady.selector, action, 0));
        registry.replaceAttestor(C, fresh);
        _approve(B, C, fresh);
        vm.expectRevert(abi.encodeWithSelector(IAttestors.ActionNotReady.selector, action, START + 2 * LOCK));
        registry.replaceAttestor(C, fresh);
        vm.warp(START + 2 * LOCK);
        registry.replaceAttestor(C, fresh);
        assertTrue(registry.isAttestor(fresh) && !registry.isAttestor(C), "replaced");
        address[] memory now_ = registry.attestors();
        assertTrue(now_.length == 3 && now_[2] == fresh, "in the same place");
        registry.admit(keyHash); // the veto went with its owner
        vm.expectRevert(abi.encodeWithSelector(IAttestors.NotAttestor.selector, C));
        registry.replaceAttestor(C, fresh);
    }

    /// @dev The attestation of somebody replaced does not admit a key.
    function test_attestationsOfTheReplaced() public {
        _ready();
        _approve(A, B, address(0xD1));
        _approve(C, B, address(0xD1));
        vm.warp(START + 2 * LOCK);
        registry.replaceAttestor(B, address(0xD1));
        vm.expectRevert(abi.encodeWithSelector(IKeyRegistry.TooFewAttestations.selector, keyHash, 1, 2));
        registry.admit(keyHash);
        _attest(address(0xD1), false);
        registry.admit(keyHash);
    }

    /// @dev Approvals for a replacement end with another one, and nobody is there twice.
    function test_replacementsAreOneByOne() public {
        _approve(A, C, address(0xD1));
        _approve(B, C, address(0xD1));
        _approve(A, B, address(0xD2));
        _approve(B, B, address(0xD2));
        vm.warp(START + LOCK);
        registry.replaceAttestor(C, address(0xD1));
        bytes32 next = keccak256(abi.encode("replace", B, address(0xD2), uint256(1)));
        vm.expectRevert(abi.encodeWithSelector(IAttestors.ActionNotReady.selector, next, 0));
        registry.replaceAttestor(B, address(0xD2));
        vm.prank(A);
        vm.expectRevert(IAttestors.InvalidAttestors.selector);
        registry.approveReplacement(B, A);
    }
}
