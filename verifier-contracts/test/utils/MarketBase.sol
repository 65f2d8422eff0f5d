// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {IInferenceMarket} from "../../src/interfaces/IInferenceMarket.sol";
import {IKeyRegistry} from "../../src/interfaces/IKeyRegistry.sol";
import {IModelRegistry, Payee} from "../../src/interfaces/IModelRegistry.sol";
import {Proven} from "./Fixture.sol";
import {Simulator} from "./Simulator.sol";
import {TestToken} from "./TestToken.sol";

/// @notice With the getters of public variables.
interface ModelRegistryViews is IModelRegistry {
    function modelCount() external view returns (uint256);
    function modelOfWeights(bytes32 weightsHash) external view returns (uint256);
}

/// @notice The deployment of test/fixtures/order.json, with one admitted key and one model.
abstract contract MarketBase is Simulator {
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
    ModelRegistryViews internal models = ModelRegistryViews(MODELS);
    TestToken internal token;
    address internal buyer = vm.addr(BUYER_KEY);
    address internal seller = vm.addr(SELLER_KEY);
    address internal prover = vm.addr(PROVER_KEY);
    Proven internal proven;
    Payee[] internal split;
    /// @dev Of the weights in `proven`, and of the inputs: what simulated proofs are made of.
    uint256 internal weightScalar = WEIGHTS;
    uint256[] internal inputScalars;

    /// @notice With a key whose proofs the tests make themselves: `inputs` chunks of input, one for each inference of a separate batch.
    function deploySimulated(uint256 inputs, uint256 outputs, uint256 batch) internal {
        for (uint256 i; i < inputs; ++i) {
            inputScalars.push(INPUT + i);
        }
        deployAll(simulated(inputs, outputs, batch));
    }

    function deployAll(Proven memory statement) internal {
        vm.warp(START);
        proven = statement;
        deployTo(VERIFIER, artifact("AssayVerifier"));
        address[] memory attestors = new address[](1);
        attestors[0] = address(this);
        deployTo(
            KEYS,
            abi.encodePacked(
                artifact("KeyRegistry"), abi.encode(VERIFIER, attestors, uint256(1), uint256(0), true, new bytes32[](0))
            )
        );
        deployTo(MODELS, abi.encodePacked(artifact("ModelRegistry"), abi.encode(KEYS, uint256(0))));
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
        return register(seller, r);
    }

    /// @notice Commits and registers. Weights that are listed already are replaced by others, for which proofs are then simulated.
    function register(address owner, IModelRegistry.Registration memory r) internal returns (uint256 modelId) {
        if (models.modelOfWeights(keccak256(r.weightCommitments)) != 0) {
            weightScalar = WEIGHTS + models.modelCount();
            bytes memory point = multiple(weightScalar);
            r.weightCommitments = withWord(withWord(r.weightCommitments, 0, wordAt(point, 0)), 1, wordAt(point, 1));
        }
        vm.startPrank(owner);
        models.commitRegistration(models.registrationCommitment(owner, r));
        modelId = models.register(r);
        vm.stopPrank();
    }

    /// @notice The order for another model of the same shape.
    function orderFor(uint256 modelId) internal view returns (IInferenceMarket.Order memory o) {
        o = order();
        o.modelId = modelId;
        o.modelCommitment = models.model(modelId).modelCommitment;
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
        q.validFrom = uint64(START);
        q.validUntil = uint64(START + 1 days);
        q.inferences = inferencesOf(o);
        q.uses = 1;
        q.nonce = uint256(keccak256(abi.encode(o)));
    }

    /// @notice All inferences of the key, or one of them if the order names a part of the inputs.
    function inferencesOf(IInferenceMarket.Order memory o) internal view returns (uint32) {
        bool all = o.inputCommitment == keccak256(proven.inputCommitments);
        return all ? uint32(1 << (wordAt(proven.key, 14) & 0xff)) : 1;
    }

    function snapshot() internal view returns (IInferenceMarket.Snapshot memory s) {
        s.seller = seller;
        s.keyPointer = keys.key(keccak256(proven.key)).pointer;
        s.weightsPointer = models.model(1).weightsPointer;
        s.price = PRICE;
        s.inferences = inferencesOf(order());
        s.proversHash = keccak256(abi.encodePacked(provers()));
    }

    /// @notice The snapshot of an order's job.
    function snapshotOf(IInferenceMarket.Order memory o) internal view returns (IInferenceMarket.Snapshot memory s) {
        s = snapshot();
        s.weightsPointer = models.model(o.modelId).weightsPointer;
        s.inferences = inferencesOf(o);
    }

    function lockDigest(IInferenceMarket.Snapshot memory s, address by) internal pure returns (bytes26) {
        return bytes26(keccak256(abi.encode(keccak256(abi.encode(s)), by)));
    }

    function settlementDigest(IInferenceMarket.Snapshot memory s, address by, bytes memory output) internal pure returns (bytes26) {
        return bytes26(keccak256(abi.encode(keccak256(abi.encode(s)), by, keccak256(output))));
    }

    function sign(uint256 key, bytes32 digest) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return abi.encodePacked(r, s, v);
    }

    /// @notice A prover's signature for `lockFor`, with the domain computed here.
    function signLock(uint256 key, bytes32 jobId, address by, uint64 validUntil) internal view returns (bytes memory) {
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("Assay"),
                keccak256("1"),
                block.chainid,
                MARKET
            )
        );
        bytes32 lockType = keccak256("Lock(bytes32 jobId,address prover,uint64 validUntil)");
        return sign(key, keccak256(abi.encodePacked(hex"1901", domain, keccak256(abi.encode(lockType, jobId, by, validUntil)))));
    }

    function fund(IInferenceMarket.Order memory o) internal returns (bytes32 jobId) {
        IInferenceMarket.Quote memory q = quoteFor(o);
        bytes memory signature = sign(SELLER_KEY, market.hashQuote(q));
        uint256 value = o.token == address(0) ? PRICE : 0;
        vm.prank(o.buyer);
        jobId = market.fund{value: value}(o, q, signature, false);
    }

    function lock(IInferenceMarket.Order memory o) internal {
        IInferenceMarket.Snapshot memory s = snapshotOf(o);
        address[] memory list = provers();
        vm.prank(prover);
        market.lock(o, s, list);
    }

    function fundAndLock(IInferenceMarket.Order memory o) internal returns (bytes32 jobId) {
        jobId = fund(o);
        lock(o);
    }

    /// @notice A proof for a job, made by and for a prover, of two cells.
    function simulatedInference(bytes32 jobId, address maker) internal view returns (IInferenceMarket.Inference memory) {
        return simulatedInference(market.contextOf(jobId, maker), hex"0001fffe00000000");
    }

    function simulatedInference(bytes32 context, bytes memory output) internal view returns (IInferenceMarket.Inference memory i) {
        i.inputCommitments = proven.inputCommitments;
        i.output = output;
        i.proof = simulate(proven, weightScalar, inputScalars, context, output);
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

    function fundMany(uint256 count) internal {
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
