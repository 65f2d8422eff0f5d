// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {IAssayVerifier} from "../../src/interfaces/IAssayVerifier.sol";
import {IInferenceMarket} from "../../src/interfaces/IInferenceMarket.sol";
import {IKeyRegistry} from "../../src/interfaces/IKeyRegistry.sol";
import {IModelRegistry, Payee} from "../../src/interfaces/IModelRegistry.sol";
import {Fixture, Proven} from "./Fixture.sol";
import {TestToken} from "./TestToken.sol";

/// @notice Accepts exactly the proof `keccak256(context ‖ output)`: bound to its context like a real one, and made in no time.
contract MockVerifier is IAssayVerifier {
    function verify(address, address, bytes32 context, bytes calldata, bytes calldata output, bytes calldata proof)
        external
        pure
        returns (bool)
    {
        if (keccak256(proof) != keccak256(abi.encode(keccak256(abi.encode(context, output))))) revert InvalidProof();
        return true;
    }
}

/// @notice The deployment of test/fixtures/order.json, with one admitted key and one model.
abstract contract MarketBase is Fixture {
    uint256 internal constant BUYER_KEY = 0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80;
    uint256 internal constant SELLER_KEY = 0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d;
    uint256 internal constant PROVER_KEY = 0x5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a;
    address internal constant VERIFIER = address(0xA5501);
    address internal constant KEYS = address(0xA5502);
    address internal constant MODELS = address(0xA5503);
    address internal constant MARKET = address(0xA5504);
    address internal constant TREASURY = address(0xA5505);
    address internal constant OTHER_PROVER = address(0xB0B);
    address internal constant STRANGER = address(0x57);
    uint256 internal constant START = 1_800_000_000;
    uint128 internal constant PRICE = 1 ether;
    uint128 internal constant COLLATERAL = 0.1 ether;

    IInferenceMarket internal market = IInferenceMarket(MARKET);
    IKeyRegistry internal keys = IKeyRegistry(KEYS);
    IModelRegistry internal models = IModelRegistry(MODELS);
    TestToken internal token;
    address internal buyer = vm.addr(BUYER_KEY);
    address internal seller = vm.addr(SELLER_KEY);
    address internal prover = vm.addr(PROVER_KEY);
    Proven internal proven;
    Payee[] internal split;

    function deployAll(bool realVerifier, string memory fixture) internal {
        vm.warp(START);
        proven = load(fixture);
        deployTo(VERIFIER, realVerifier ? artifact("AssayVerifier") : type(MockVerifier).creationCode);
        address[] memory attestors = new address[](1);
        attestors[0] = address(this);
        deployTo(
            KEYS,
            abi.encodePacked(
                artifact("KeyRegistry"), abi.encode(VERIFIER, attestors, uint256(1), uint256(0), true, new bytes32[](0))
            )
        );
        deployTo(MODELS, artifact("ModelRegistry"));
        deployTo(MARKET, abi.encodePacked(artifact("InferenceMarket"), abi.encode(VERIFIER, KEYS, MODELS, TREASURY)));
        token = TestToken(address(0x70CE2));
        deployTo(address(token), artifact("TestToken"));
        bytes32 keyHash = keys.propose(proven.key);
        keys.attest(keyHash, true);
        split.push(Payee(address(2), 10_000));
        registerModel(split);
        for (uint256 i; i < 4; ++i) {
            address account = [buyer, seller, prover, OTHER_PROVER][i];
            vm.deal(account, 100 ether);
            token.mint(account, 100 ether);
            vm.prank(account);
            token.approve(MARKET, type(uint256).max);
        }
        for (uint256 i; i < 2; ++i) {
            address account = i == 0 ? prover : OTHER_PROVER;
            vm.startPrank(account);
            market.deposit{value: 10 ether}(address(0), 10 ether);
            market.deposit(address(token), 10 ether);
            vm.stopPrank();
        }
    }

    function registerModel(Payee[] memory shares) internal returns (uint256 modelId) {
        IModelRegistry.Registration memory r;
        r.shapeDigest = bytes32(wordAt(proven.key, 1));
        r.weightCommitments = proven.weights;
        r.uri = "ipfs://card";
        r.cardHash = keccak256("card");
        r.royaltyBps = 250;
        r.split = shares;
        vm.prank(seller);
        modelId = models.register(r);
    }

    function order() internal view returns (IInferenceMarket.Order memory o) {
        o.buyer = buyer;
        o.modelId = 1;
        o.modelCommitment = keccak256(abi.encodePacked(wordAt(proven.key, 1), proven.weights));
        o.inputCommitment = keccak256(proven.inputCommitments);
        o.keyHash = keccak256(proven.key);
        o.verifier = VERIFIER;
        o.maxPrice = PRICE;
        o.feeSplitHash = keccak256(abi.encode(split));
        o.proveSecs = 3600;
        o.expireSecs = 7200;
        o.collateral = COLLATERAL;
    }

    function provers() internal view returns (address[] memory list) {
        list = new address[](2);
        list[0] = prover;
        list[1] = OTHER_PROVER;
    }

    function quoteFor(IInferenceMarket.Order memory o) internal view returns (IInferenceMarket.Quote memory q) {
        q.modelId = o.modelId;
        q.keyHash = o.keyHash;
        q.token = o.token;
        q.price = PRICE;
        q.collateral = o.collateral;
        q.proveSecs = o.proveSecs;
        q.expireSecs = o.expireSecs;
        q.provers = provers();
        q.validUntil = uint64(START + 1 days);
    }

    function snapshot() internal view returns (IInferenceMarket.Snapshot memory s) {
        s.seller = seller;
        s.keyPointer = keys.key(keccak256(proven.key)).pointer;
        s.weightsPointer = models.model(1).weightsPointer;
        s.price = PRICE;
        s.proversHash = keccak256(abi.encodePacked(provers()));
    }

    function sign(uint256 key, bytes32 digest) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return abi.encodePacked(r, s, v);
    }

    function fund(IInferenceMarket.Order memory o) internal returns (bytes32 jobId) {
        IInferenceMarket.Quote memory q = quoteFor(o);
        bytes memory signature = sign(SELLER_KEY, market.hashQuote(q));
        uint256 value = o.token == address(0) ? PRICE : 0;
        vm.prank(o.buyer);
        jobId = market.fund{value: value}(o, q, signature, false);
    }

    function lock(IInferenceMarket.Order memory o) internal {
        IInferenceMarket.Snapshot memory s = snapshot();
        address[] memory list = provers();
        vm.prank(prover);
        market.lock(o, s, list);
    }

    function fundAndLock(IInferenceMarket.Order memory o) internal returns (bytes32 jobId) {
        jobId = fund(o);
        lock(o);
    }

    /// @notice A proof that the mock verifier accepts.
    function mockInference(bytes32 jobId, address maker) internal view returns (IInferenceMarket.Inference memory i) {
        i.inputCommitments = proven.inputCommitments;
        i.output = hex"0001fffe00000000";
        i.proof = abi.encode(keccak256(abi.encode(market.contextOf(jobId, maker), i.output)));
    }

    function realInference() internal view returns (IInferenceMarket.Inference memory i) {
        i.inputCommitments = proven.inputCommitments;
        i.output = proven.output;
        i.proof = proven.proof;
    }

    // ------------------------------------------------------------------------------------------ batches, as in test/vectors/order.mjs

    /// @notice Order `i` of the batch: a buyer, a salt and a part of the inputs of its own.
    function batchOrder(uint256 i) internal view returns (IInferenceMarket.Order memory o) {
        uint256 part = proven.inputCommitments.length >> (wordAt(proven.key, 14) & 0xff);
        o = order();
        o.buyer = address(uint160(uint256(keccak256(abi.encodePacked("assay batch buyer", i)))));
        o.salt = keccak256(abi.encodePacked("assay batch salt", i));
        o.inputCommitment = keccak256(slice(proven.inputCommitments, part * i, part));
    }

    function fundBatch(uint256 count) internal {
        for (uint256 i; i < count; ++i) {
            fundOne(batchOrder(i));
        }
    }

    function fundOne(IInferenceMarket.Order memory o) internal returns (bytes32 jobId) {
        vm.deal(o.buyer, PRICE);
        jobId = fundAndLock(o);
    }

    function batchJobs(uint256 count) internal view returns (IInferenceMarket.BatchJob[] memory jobs) {
        jobs = new IInferenceMarket.BatchJob[](count);
        for (uint256 i; i < count; ++i) {
            IInferenceMarket.Order memory o = batchOrder(i);
            jobs[i] = IInferenceMarket.BatchJob(o.buyer, o.maxPrice, o.salt);
        }
    }

    function batchIds(uint256 count) internal view returns (bytes32[] memory ids) {
        ids = new bytes32[](count);
        for (uint256 i; i < count; ++i) {
            ids[i] = market.hashOrder(batchOrder(i));
        }
    }

    function slice(bytes memory data, uint256 from, uint256 length) internal pure returns (bytes memory part) {
        part = new bytes(length);
        for (uint256 i; i < length; ++i) {
            part[i] = data[from + i];
        }
    }

    function state(bytes32 jobId) internal view returns (uint256) {
        return uint256(market.job(jobId).state);
    }

    function credit(address account) internal view returns (uint256) {
        return market.balanceOf(address(0), account);
    }
}
