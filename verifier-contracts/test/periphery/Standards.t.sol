// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {IERC721Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {IAssayVerifier} from "../../src/interfaces/IAssayVerifier.sol";
import {IKeyRegistry} from "../../src/interfaces/IKeyRegistry.sol";
import {PublicInput} from "../../src/lib/PublicInput.sol";
import {Statements} from "../../src/lib/Statements.sol";
import {IERC8183Evaluated, ProofEvaluator} from "../../src/periphery/standards/ProofEvaluator.sol";
import {ProofEvaluatorFactory} from "../../src/periphery/standards/ProofEvaluatorFactory.sol";
import {IERC8004ValidationResponse, ProofValidator} from "../../src/periphery/standards/ProofValidator.sol";
import {IERC7007, ProvenContent} from "../../src/periphery/standards/ProvenContent.sol";
import {IERCZKMLVerifier, ZkmlVerifier} from "../../src/periphery/standards/ZkmlVerifier.sol";
import {PeripheryBase} from "../utils/PeripheryBase.sol";
import {Escrow8183, Registry8004} from "../utils/Standards.sol";

abstract contract StandardsBase is PeripheryBase {
    bytes internal constant OUTPUT = hex"0001fffe00000000";
    bytes internal constant CLAMPED = hex"0001fffe00000003";

    function terms(bool unclamped) internal view returns (Statements.Terms memory) {
        return Statements.Terms(1, keccak256(proven.key), keccak256(proven.inputCommitments), unclamped);
    }

    function claim(bytes32 context, bytes memory output) internal view returns (Statements.Claim memory) {
        return Statements.Claim(
            proven.inputCommitments, output, simulate(proven, weightScalar, inputScalars, context, output)
        );
    }
}

/// @notice ERC-8183: an escrow's job is completed by a proof, and by nothing else.
contract ProofEvaluatorTest is StandardsBase {
    ProofEvaluatorFactory private factory = ProofEvaluatorFactory(address(0xA5511));
    Escrow8183 private escrow;
    ProofEvaluator private evaluator;
    address private constant FEES = address(0xFEE5);

    function setUp() public {
        deployMarket();
        deployTo(address(factory), abi.encodePacked(artifact("ProofEvaluatorFactory"), abi.encode(KEYS, MODELS)));
        escrow = new Escrow8183(token, 0.01 ether);
        evaluator = ProofEvaluator(factory.create(_arguments(true)));
        vm.prank(buyer);
        token.approve(address(escrow), type(uint256).max);
    }

    function _arguments(bool unclamped) private view returns (ProofEvaluator.Arguments memory) {
        return ProofEvaluator.Arguments(IERC8183Evaluated(address(escrow)), terms(unclamped), FEES);
    }

    function _job(bool submitted) private returns (uint256 id) {
        vm.prank(buyer);
        id = escrow.createJob(seller, address(evaluator), block.timestamp + 1 hours, "an inference");
        vm.prank(seller);
        escrow.setBudget(id, PRICE);
        vm.prank(buyer);
        escrow.fund(id, PRICE);
        if (!submitted) return id;
        vm.prank(seller);
        escrow.submit(id, keccak256(OUTPUT), "");
    }

    function _status(uint256 id) private view returns (Escrow8183.Status status, bytes32 reason) {
        (,,,,, status, reason) = escrow.jobs(id);
    }

    function test_completes() public {
        assertEq(factory.addressOf(_arguments(true)), address(evaluator), "the terms are in the address");
        assertTrue(factory.addressOf(_arguments(false)) != address(evaluator), "other terms, another one");
        assertEq(factory.create(_arguments(true)), address(evaluator), "found");
        uint256 id = _job(true);
        uint256 before = token.balanceOf(seller);
        Statements.Claim memory c = claim(evaluator.contextOf(id), OUTPUT);
        vm.prank(STRANGER);
        evaluator.complete(id, c);
        (Escrow8183.Status status, bytes32 reason) = _status(id);
        assertTrue(status == Escrow8183.Status.Completed && reason == keccak256(OUTPUT), "completed, with the output");
        assertEq(token.balanceOf(seller), before + PRICE - 0.01 ether, "the provider is paid");
        evaluator.passFee(token);
        assertEq(token.balanceOf(FEES), 0.01 ether, "the fee is passed on");
        vm.expectRevert("complete");
        evaluator.complete(id, c); // once
    }

    /// @dev Another job's proof, another output, another input, clamped values; and not before it is submitted.
    function test_refused() public {
        (uint256 id, uint256 other) = (_job(true), _job(true));
        Statements.Claim memory c = claim(evaluator.contextOf(other), OUTPUT);
        vm.expectRevert(IAssayVerifier.InvalidProof.selector);
        evaluator.complete(id, c);
        c.output = hex"0002fffe00000000";
        vm.expectRevert(IAssayVerifier.InvalidProof.selector);
        evaluator.complete(other, c);
        c.inputCommitments = multiple(7);
        vm.expectRevert(Statements.OtherInput.selector);
        evaluator.complete(other, c);
        c = claim(evaluator.contextOf(id), CLAMPED);
        vm.expectRevert(abi.encodeWithSelector(Statements.ValuesClamped.selector, 3));
        evaluator.complete(id, c);
        uint256 early = _job(false);
        c = claim(evaluator.contextOf(early), OUTPUT);
        vm.expectRevert("complete");
        evaluator.complete(early, c);
        vm.warp(START + 1 hours);
        escrow.claimRefund(id);
        (Escrow8183.Status status,) = _status(id);
        assertTrue(status == Escrow8183.Status.Expired, "without a proof the client is refunded");
        c = claim(evaluator.contextOf(id), OUTPUT);
        vm.expectRevert("complete");
        evaluator.complete(id, c);
    }

    function test_arguments() public {
        ProofEvaluator.Arguments memory a = _arguments(true);
        a.feeReceiver = address(0);
        vm.expectRevert(ProofEvaluatorFactory.ZeroAddress.selector);
        factory.create(a);
        a = _arguments(true);
        a.escrow = IERC8183Evaluated(address(0));
        vm.expectRevert(ProofEvaluatorFactory.ZeroAddress.selector);
        factory.create(a);
    }

    /// @dev A key of another shape, or of several inferences, or that is not admitted.
    function test_otherKeys() public {
        bytes memory key = withWord(proven.key, 1, 77);
        keys.attest(keys.propose(key), true);
        bytes memory several = withWord(proven.key, 14, 1);
        keys.attest(keys.propose(several), true);
        for (uint256 i; i < 3; ++i) {
            ProofEvaluator.Arguments memory a = _arguments(true);
            a.terms.keyHash = [keccak256(key), keccak256(several), bytes32("none")][i];
            ProofEvaluator other = ProofEvaluator(factory.create(a));
            Statements.Claim memory c = claim(other.contextOf(0), OUTPUT);
            if (i < 2) vm.expectRevert(Statements.OtherKey.selector);
            else vm.expectRevert(abi.encodeWithSelector(IKeyRegistry.NotAdmitted.selector, bytes32("none")));
            other.complete(0, c);
        }
    }
}

/// @notice ERC-8004: a request is answered by a proof.
contract ProofValidatorTest is StandardsBase {
    ProofValidator private validator = ProofValidator(address(0xA5512));
    Registry8004 private registry;
    IERC8004ValidationResponse private at;

    function setUp() public {
        deployMarket();
        deployTo(address(validator), abi.encodePacked(artifact("ProofValidator"), abi.encode(KEYS, MODELS)));
        registry = new Registry8004();
        at = IERC8004ValidationResponse(address(registry));
    }

    function test_answers() public {
        bytes32 request = validator.requestHashOf(at, terms(false), "nonce");
        Statements.Claim memory c = claim(validator.contextOf(request), OUTPUT);
        vm.expectRevert("not validator");
        validator.respond(at, terms(false), "nonce", c); // nobody asked
        registry.validationRequest(address(validator), 5, "", request);
        vm.expectRevert(IAssayVerifier.InvalidProof.selector);
        validator.respond(at, terms(false), "another", c);
        vm.expectRevert(IAssayVerifier.InvalidProof.selector);
        validator.respond(at, terms(true), "nonce", c); // other terms are another request
        vm.prank(STRANGER);
        validator.respond(at, terms(false), "nonce", c);
        (, uint8 response, bytes32 hash, string memory tag) = registry.statuses(request);
        assertTrue(response == 100 && hash == keccak256(OUTPUT), "passed, with the output");
        assertEq(keccak256(bytes(tag)), keccak256("assay-zkml"), "tag");
    }
}

/// @notice ERC-7992: models and keys of the registries under the draft's calls.
contract ZkmlVerifierTest is StandardsBase {
    ZkmlVerifier private facade = ZkmlVerifier(address(0xA5513));

    function setUp() public {
        deployAll(load(UNIVERSAL));
        deployTo(address(facade), abi.encodePacked(artifact("ZkmlVerifier"), abi.encode(KEYS, MODELS, wordAt(proven.key, 2))));
    }

    function _proof(bytes32 context) private view returns (bytes memory) {
        return abi.encode(ZkmlVerifier.Proof(context, proven.inputCommitments, proven.proof));
    }

    /// @dev With a proof of the Rust prover, for the context that it was made in.
    function test_verifies() public {
        bytes32 input = keccak256(proven.inputCommitments);
        bytes memory proof = _proof(proven.context);
        vm.expectEmit(address(facade));
        emit IERCZKMLVerifier.InferenceVerified(1, input, proven.output, STRANGER);
        vm.prank(STRANGER);
        facade.verifyInference(1, input, proven.output, proof);
        vm.expectRevert(IERCZKMLVerifier.InputCommitmentMismatch.selector);
        facade.verifyInference(1, "another", proven.output, proof);
        bytes memory other = bytes.concat(proven.output);
        other[0] ^= 0x01;
        vm.expectRevert(IAssayVerifier.InvalidProof.selector);
        facade.verifyInference(1, input, other, proof);
        proof = _proof(bytes32(uint256(proven.context) ^ 1));
        vm.expectRevert(IAssayVerifier.InvalidProof.selector);
        facade.verifyInference(1, input, proven.output, proof);
    }

    function test_deprecated() public {
        vm.prank(seller);
        models.setDeprecated(1, true);
        vm.expectRevert(abi.encodeWithSelector(IERCZKMLVerifier.VerificationRefused_ModelDeprecated.selector, 1));
        facade.verifyInference(1, keccak256(proven.inputCommitments), proven.output, _proof(proven.context));
    }

    /// @dev Another SRS has no key for this shape.
    function test_unsupported() public {
        ZkmlVerifier other = ZkmlVerifier(address(0xA5514));
        deployTo(address(other), abi.encodePacked(artifact("ZkmlVerifier"), abi.encode(KEYS, MODELS, bytes32("another SRS"))));
        assertTrue(other.proofSystemOf(1) == bytes4(0), "none");
        bytes4 system = bytes4(keccak256("assay-plonk-kzg-bn254-v3"));
        vm.expectRevert(abi.encodeWithSelector(IERCZKMLVerifier.UnsupportedProofSystem.selector, system));
        other.verifyInference(1, keccak256(proven.inputCommitments), proven.output, _proof(proven.context));
    }

    function test_views() public view {
        (ZkmlVerifier.ModelCommitment memory c, bool deprecated, address owner) = facade.getModel(1);
        assertEq(c.modelHash, order().modelCommitment, "model");
        assertEq(c.circuitHash, bytes32(wordAt(proven.key, 1)), "circuit");
        assertEq(c.vkHash, keccak256(proven.key), "key");
        assertTrue(!deprecated && owner == seller && facade.registry() == address(facade), "owner and registry");
        assertTrue(facade.proofSystemOf(1) == c.proofSystemId && c.proofSystemId != bytes4(0), "system");
        assertTrue(facade.supportsInterface(type(IERCZKMLVerifier).interfaceId) && facade.supportsInterface(0x01ffc9a7), "ERC-165");
    }
}

/// @notice ERC-7007: what a model made of a prompt, as a token.
contract ProvenContentTest is StandardsBase {
    ProvenContent private content = ProvenContent(address(0xA5515));

    function setUp() public {
        deployMarket();
        bytes memory arguments = abi.encode(KEYS, MODELS, uint256(1), keccak256(proven.key), "Digits", "DIG");
        deployTo(address(content), abi.encodePacked(artifact("ProvenContent"), arguments));
    }

    function _prompt() private pure returns (bytes memory) {
        return abi.encodePacked(uint16(INPUT));
    }

    function _proof(address owner, bytes memory output) private view returns (bytes memory) {
        bytes32 context = content.contextOf(content.tokenOf(_prompt()), owner);
        bytes memory proof = claim(context, output).proof;
        return abi.encode(ProvenContent.Proof(owner, proven.inputCommitments, new bytes(64), proof));
    }

    function test_mints() public {
        uint256 id = content.tokenOf(_prompt());
        bytes memory proof = _proof(buyer, OUTPUT);
        assertTrue(content.verify(_prompt(), OUTPUT, proof), "valid");
        vm.prank(STRANGER); // copied on its way: it is the buyer's all the same
        content.addAigcData(id, _prompt(), OUTPUT, proof);
        assertEq(content.ownerOf(id), buyer, "whom it is bound to");
        assertEq(content.contentHash(id), keccak256(OUTPUT), "content");
        proof = _proof(STRANGER, OUTPUT);
        vm.expectRevert(abi.encodeWithSelector(IERC721Errors.ERC721InvalidSender.selector, address(0)));
        content.addAigcData(id, _prompt(), OUTPUT, proof); // one for each prompt
    }

    function test_refused() public {
        uint256 id = content.tokenOf(_prompt());
        bytes memory proof = _proof(buyer, OUTPUT);
        vm.expectRevert(ProvenContent.WrongTokenId.selector);
        content.addAigcData(id + 1, _prompt(), OUTPUT, proof);
        bytes memory other = hex"0002fffe00000000";
        vm.expectRevert(IAssayVerifier.InvalidProof.selector);
        content.addAigcData(id, _prompt(), other, proof);
        assertTrue(!content.verify(_prompt(), other, proof), "another content");
        bytes memory prompt = hex"0007";
        assertTrue(!content.verify(prompt, OUTPUT, proof), "another prompt");
        uint256 another = content.tokenOf(prompt);
        vm.expectRevert(PublicInput.WrongOpening.selector);
        content.addAigcData(another, prompt, OUTPUT, proof);
        ProvenContent.Proof memory stolen = abi.decode(proof, (ProvenContent.Proof));
        stolen.owner = STRANGER;
        assertTrue(!content.verify(_prompt(), OUTPUT, abi.encode(stolen)), "another owner");
        assertTrue(!content.verify(_prompt(), OUTPUT, hex"1234"), "no proof at all");
    }

    function test_interface() public view {
        assertTrue(type(IERC7007).interfaceId == 0x702c55a6, "the standard's id");
        assertTrue(content.supportsInterface(0x702c55a6) && content.supportsInterface(0x80ac58cd), "ERC-7007 and ERC-721");
    }
}
