//! A seller who lies in the key file: keys under which anything verifies are refused wherever a key is used.

use crate::tool::{command, copy, fails, fixture, json, model, s};
use alloy::signers::local::PrivateKeySigner;
use assay_api::chain::abi::InferenceMarket;
use assay_api::chain::account;
use assay_api::chain::dev::{DEV_KEYS, DevChain};
use assay_circuits::Fr;
use assay_circuits::exec::{dequantise_output, quantise_input};
use assay_circuits::plonk::{ADVICE, Circuit, WIRES};
use assay_circuits::wrap::{PublicInputs, public_data};
use assay_compiler::read_input;
use assay_prover::control::Control;
use assay_prover::inner::fresh_rng;
use assay_prover::native::Claim;
use assay_prover::package::{BuyerKey, Package, hex};
use assay_prover::pcs::{self, encode};
use assay_prover::plonk::{self, ProvingKey};
use assay_prover::seller::{InputOpening, Seller};
use assay_prover::srs::{self, Srs};
use assay_prover::statement::{Statement, output_sum};
use assay_prover::wrap::{Snark, WrapVerifyingKey, WrappedProof};
use serde_json::{Value, json as value};
use std::path::Path;

/// Log of the rows of the false circuit.
const LOG_ROWS: u32 = 3;

/// A circuit that says nothing: in each of the first three rows one cell is equal to the public input.
fn empty_circuit(package: &Package) -> Circuit {
    let n = 1 << LOG_ROWS;
    let mut circuit = Circuit::new(&package.model.shape, &package.model.srs.id).unwrap();
    circuit.log_rows = LOG_ROWS;
    circuit.fixed = std::array::from_fn(|_| vec![Fr::default(); n]);
    circuit.fixed[4][..3].fill(Fr::from(1u64));
    circuit.permutation = (0..(WIRES * n) as u32).collect();
    circuit
}

/// A proof under the key of the empty circuit that the model's output for an input is another one: inner proof and
/// opening are honest, the statement that they are wrapped for is not.
fn forge(package: Package, srs: Srs, key: &ProvingKey, cells: Vec<i32>, context: Fr) -> (Claim, WrappedProof) {
    let seller = Seller::new(package, srs).unwrap();
    let (shape, model) = (seller.shape(), &seller.package.model);
    let input = InputOpening::private(shape, cells);
    let trace = seller.execute(&input).unwrap();
    let committed = input.commit(shape, &seller.srs).unwrap();
    let proved = seller.prove_trace(&committed, &trace, context, true, &Control::new()).unwrap();

    let mut claim = Claim::of(&proved, committed.commitments, context);
    claim.output.reverse();
    claim.output[0] ^= 1;
    let statement = Statement {
        context,
        weights: &model.weights,
        tables: &model.tables,
        input: &claim.input,
        output: &claim.output,
        clamps: claim.clamps,
        witness: &proved.witness,
        mask: proved.mask.as_ref(),
    };
    let mut reduced = proved.reduced.clone();
    reduced.output_sum = output_sum(&claim.output, claim.clamps, &reduced.delta);
    let public = PublicInputs::new(&public_data(&statement.hash(), &reduced), reduced.digest);

    let mut advice: [Vec<Fr>; ADVICE] = std::array::from_fn(|_| vec![Fr::default(); 1 << LOG_ROWS]);
    advice[4][..3].copy_from_slice(&public.to_array());
    let wrapped = plonk::prove(&seller.srs, key, advice, &public, &mut fresh_rng(), &Control::new()).unwrap();
    let (polynomial, point, opened) = proved.claim(shape);
    let companions = wrapped.companions(key);
    let opening =
        pcs::open_with(&seller.srs, polynomial, point, opened, wrapped.transcript.clone(), &companions).unwrap();
    let proof = WrappedProof {
        snark: Snark::Universal(Box::new(wrapped.proof)),
        digest: reduced.digest,
        value: reduced.value,
        rho: reduced.rho.unwrap(),
        delta: reduced.delta,
        point: reduced.point.clone(),
        witness: proved.witness.clone(),
        mask: proved.mask.unwrap(),
        opening,
    };
    (claim, proof)
}

/// Puts a false key beside the package `digits.assay`, and a false proof under it into `forged.json`. Both have all
/// fields right that can be compared with the model.
fn attack(package_file: &Path, forged: &Path) {
    let package = Package::read(package_file).unwrap();
    let model = package.model.clone();
    let srs = Srs::development(model.shape.layout.log_chunk);
    let proving = ProvingKey::new(empty_circuit(&package), &srs).unwrap();
    let key = BuyerKey::new(&package, WrapVerifyingKey::Universal(proving.verifying), false);
    key.write(&package_file.with_extension("key")).unwrap();

    let sample = read_input(&fixture("digit_7.json"), &model.shape.architecture).unwrap();
    let cells = quantise_input(&model.shape.architecture, &sample).unwrap().cells;
    let (claim, proof) = forge(package, srs, &proving, cells, Fr::default());
    let wide: Vec<i32> = claim.output.iter().map(|y| i32::from(*y)).collect();
    let input: Vec<String> = claim.input.iter().map(|point| hex(&encode::g1_bytes(point))).collect();
    let file = value!({
        "version": 3, "kind": "wrapped", "model_commitment": hex(&model.commitment()), "key_hash": hex(&key.wrap.hash(&key.model)),
        "inferences": 1, "separate_inputs": false, "context": hex(&[0; 32]), "input_commitments": input, "output": claim.output,
        "clamps": claim.clamps, "output_data": dequantise_output(&model.shape.architecture, &wide), "proof": hex(&proof.to_bytes()),
    });
    std::fs::write(forged, file.to_string()).unwrap();
}

/// PC9: a universal key is a function of shape and SRS, so the one in the file is not believed, whoever asks.
#[test]
fn a_universal_key_of_an_empty_circuit_is_refused_everywhere() {
    let dir = tempfile::tempdir().unwrap();
    let (package, forged) = (copy(dir.path()), dir.path().join("forged.json"));
    attack(&package, &forged);
    let key = package.with_extension("key");
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (nowhere, data, input) = (format!("http://127.0.0.1:{port}"), dir.path().join("data"), fixture("digit_7.json"));
    let hash = json(0, ["inspect", s(&key)])["key"]["hash"].as_str().unwrap().to_owned();
    let chain = ["--rpc", &nowhere, "--market", MARKET, "--private-key", KEYS[1]];
    let commands: [Vec<&str>; 7] = [
        vec!["verify", s(&forged), "--model", s(&key)],
        vec!["verify", s(&forged), "--model", s(&package)],
        vec!["verify-key", s(&key)],
        vec!["serve", "--free", "--models", s(&package), "--data", s(&data)],
        vec!["request", "--service", &nowhere, "--key", s(&key), "--input", s(&input), "--free"],
        [&["publish", s(&package)][..], &chain].concat(),
        [&["attest", &hash, "--model", s(&key)][..], &chain].concat(),
    ];
    for command in commands {
        let text = fails(1, &command);
        assert!(text.contains("the wrap's key is not what the public model description gives"), "{command:?}: {text}");
    }
    // the prover's own keys do not go together
    fails(3, ["prove", s(&package), "--input", s(&input), "-o", s(&dir.path().join("proof.json"))]);

    // under the true key, and under none, the false proof is refused for what it is
    std::fs::copy(model().with_extension("key"), &key).unwrap();
    let mut file: Value = serde_json::from_slice(&std::fs::read(&forged).unwrap()).unwrap();
    for name in [Some(&key), None] {
        let text = fails(1, ["verify", s(&forged), "--model", s(name.unwrap_or(&package))]);
        assert!(text.contains("another key"), "{text}");
        if name.is_some() {
            file["key_hash"] = json(0, ["inspect", s(&key)])["key"]["hash"].clone();
            std::fs::write(&forged, file.to_string()).unwrap();
            let text = fails(1, ["verify", s(&forged), "--model", s(&key)]);
            assert!(text.contains("does not hold"), "{text}");
            file["key_hash"] = value!(hash);
            std::fs::write(&forged, file.to_string()).unwrap();
            std::fs::remove_file(&key).unwrap();
        }
    }
}

/// PC9: whoever made the powers of tau can forge over them. Which SRS is trusted the user says, and not the key.
#[test]
fn the_key_does_not_choose_the_srs() {
    let dir = tempfile::tempdir().unwrap();
    let development = Srs::development(14);
    // powers of 2τ
    let scales = std::iter::successors(Some(Fr::from(1u64)), |scale| Some(*scale + scale));
    let powers: Vec<_> = development.g1.iter().zip(scales).map(|(point, scale)| (*point * scale).into()).collect();
    let tau_h = (development.tau_h + development.tau_h).into();
    let own = Srs { g1: powers.into(), tau_h, development: false, ..development };
    own.check().unwrap();
    let (file, other, package) = (dir.path().join("own.srs"), dir.path().join("other.srs"), dir.path().join("m.assay"));
    srs::file::save(&own, &file).unwrap();
    json(0, ["srs", "dev", "--log", "14", "-o", s(&other)]);
    let (onnx, inputs, input) =
        (fixture("digits_mlp.onnx"), fixture("digits_calibration.json"), fixture("digit_7.json"));
    json(0, ["compile", s(&onnx), "--calibrate", s(&inputs), "-o", s(&package), "--srs", s(&file)]);
    json(0, ["setup", s(&package), "--srs", s(&file)]);
    for (proof, kind) in [("wrapped.json", &[][..]), ("inner.json", &["--inner"])] {
        let proof = dir.path().join(proof);
        json(0, [&["prove", s(&package), "--input", s(&input), "-o", s(&proof), "--srs", s(&file)], kind].concat());
        for model in [&package, &package.with_extension("key")] {
            let shown = json(0, ["verify", s(&proof), "--model", s(model), "--srs", s(&file)]);
            assert_eq!((&shown["development"], &shown["srs_id"]), (&value!(false), &value!(hex(&own.id()))));
            // what was derived is kept by now, and that changes nothing
            let text = fails(2, ["verify", s(&proof), "--model", s(model)]);
            assert!(text.contains("--srs"), "{text}");
            fails(3, ["verify", s(&proof), "--model", s(model), "--srs", s(&other)]);
        }
    }
}

/// PC9: with powers of the verifier's choice an input could have another one's commitment. A file of them has the right
/// head, which is all that a key needs that was derived before; but inputs are committed to with the rest.
#[test]
fn inputs_are_not_compared_over_false_powers() {
    let dir = tempfile::tempdir().unwrap();
    let (proof, file, input) = (dir.path().join("proof.json"), dir.path().join("false.srs"), fixture("digit_7.json"));
    json(0, ["prove", s(model()), "--input", s(&input), "-o", s(&proof), "--public-input"]);
    let verify = ["verify", s(&proof), "--model", s(model())];
    json(0, [&verify[..], &["--input", s(&input)]].concat());
    let honest = Srs::development(14);
    let mut powers = honest.g1.to_vec();
    powers.swap(7, 8);
    srs::file::save(&Srs { g1: powers.into(), ..honest }, &file).unwrap();
    json(0, [&verify[..], &["--srs", s(&file)]].concat());
    let text = fails(3, [&verify[..], &["--srs", s(&file), "--input", s(&input)]].concat());
    assert!(text.contains("consecutive powers"), "{text}");
}

/// What is kept is used, and where it is damaged it is derived anew.
#[test]
fn damaged_entries_of_the_cache_are_derived_anew() {
    let dir = tempfile::tempdir().unwrap();
    let (home, proof) = (dir.path().join("home"), dir.path().join("proof.json"));
    json(0, ["prove", s(model()), "--input", s(&fixture("digit_7.json")), "-o", s(&proof)]);
    let verify = || {
        let output = command()
            .env("ASSAY_HOME", &home)
            .args(["--json", "verify", s(&proof), "--model", s(model())])
            .output()
            .unwrap();
        let shown: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!((&shown["valid"], &shown["wrap_recomputed"]), (&value!(true), &value!(true)), "{shown}");
        // it is made and kept, or damaged files of powers would have been read
        shown["seconds"].get("make development SRS").is_some()
    };
    let entries =
        || -> Vec<_> { std::fs::read_dir(home.join("derived")).unwrap().map(|entry| entry.unwrap().path()).collect() };
    assert!(verify(), "nothing is there: powers are needed");
    let [entry] = &entries()[..] else { panic!("one entry: {:?}", entries()) };
    let powers: Vec<_> =
        std::fs::read_dir(&home).unwrap().map(|file| file.unwrap().path()).filter(|file| file.is_file()).collect();
    powers.iter().for_each(|file| std::fs::remove_file(file).unwrap());
    assert!(!verify(), "what is kept needs no powers");
    let whole = std::fs::read(entry).unwrap();
    for at in [0, 40, 60, whole.len() - 1] {
        let mut damaged = whole.clone();
        damaged[at] ^= 1;
        std::fs::write(entry, damaged).unwrap();
        powers.iter().for_each(|file| drop(std::fs::remove_file(file)));
        assert!(verify(), "byte {at}: derived anew");
        assert_eq!(std::fs::read(entry).unwrap(), whole, "and kept anew");
    }
}

/// Anvil's accounts: who deploys, who sells, who attests.
const KEYS: [&str; 3] = [DEV_KEYS[0], DEV_KEYS[1], DEV_KEYS[2]];
const MARKET: &str = "0x0000000000000000000000000000000000000001";

/// An attestor signs the key that was derived, and no other.
#[test]
fn attestors_derive_what_they_sign() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let chain = match runtime.block_on(DevChain::start(&root)) {
        Ok(chain) => chain,
        Err(error) => return println!("SKIPPED: {error}"),
    };
    let attestor: PrivateKeySigner = KEYS[2].parse().unwrap();
    let rpc = ["--rpc", chain.url()];
    let address = attestor.address().to_string();
    let account = |key| ["--private-key", key];
    let deployed =
        json(0, [&["deploy", "--allow-development", "--attestor", &address][..], &rpc, &account(KEYS[0])].concat());
    let market = deployed["market"].as_str().unwrap().to_owned();
    let at = |key| [rpc, account(key), ["--market", &market]].concat();

    let dir = tempfile::tempdir().unwrap();
    let (package, forged) = (copy(dir.path()), dir.path().join("forged.json"));
    let honest = package.with_extension("key");
    let false_dir = dir.path().join("false");
    std::fs::create_dir(&false_dir).unwrap();
    let false_package = copy(&false_dir);
    attack(&false_package, &forged);
    let false_key = BuyerKey::read(&false_package.with_extension("key")).unwrap();
    let attest = |code, hash: &str, model: &Path, key| {
        json(code, [&["attest", hash, "--model", s(model)], &at(key)[..]].concat())
    };
    let says = |answer: &Value, text: &str| assert!(answer["error"].as_str().unwrap().contains(text), "{answer}");

    let hash = json(0, ["inspect", s(&honest)])["key"]["hash"].as_str().unwrap().to_owned();
    says(&attest(1, &hash, &honest, KEYS[2]), "is not proposed");
    let published = json(0, [&["publish", s(&package)], &at(KEYS[1])[..]].concat());
    assert_eq!(
        (&published["key_status"], &published["wrap_recomputed"]),
        (&value!("proposed"), &value!(true)),
        "{published}"
    );
    // the false key, which anybody can propose
    let proposed = runtime.block_on(async {
        let rpc = chain.rpc().unwrap();
        let keys = rpc.call(market.parse().unwrap(), &InferenceMarket::keysCall {}).await.unwrap();
        account::propose_key(&rpc, &attestor, keys, &false_key.wrap.contract_bytes(&false_key.model)).await.unwrap()
    });
    says(
        &attest(1, &proposed.to_string(), &false_package.with_extension("key"), KEYS[2]),
        "the wrap's key is not what",
    );
    says(&attest(1, &proposed.to_string(), &honest, KEYS[2]), "do not attest");
    attest(1, &hash, &honest, KEYS[1]); // no attestor
    let done = attest(0, &hash, &honest, KEYS[2]);
    assert_eq!((&done["key_status"], &done["attested"]), (&value!("admitted"), &value!(true)), "{done}");
    assert_eq!((&done["wrap_recomputed"], &done["development"]), (&value!(true), &value!(true)));
    // the proof of the weights waits for its own key, which is attested in the same way
    let weights = &published["weights"];
    assert_eq!((&weights["proven"], &published["key_status"]), (&value!(false), &value!("proposed")), "{published}");
    let of_weights = weights["key_hash"].as_str().unwrap().to_owned();
    says(&attest(1, &of_weights, &false_package.with_extension("key"), KEYS[2]), "the wrap's key is not what");
    let done = attest(0, &of_weights, &honest, KEYS[2]);
    assert_eq!(
        (&done["key_status"], &done["key_of"], &done["inferences"]),
        (&value!("admitted"), &value!("weights"), &value!(1)),
        "{done}"
    );
    assert_ne!(done["shape_digest"], json(0, ["inspect", s(&honest)])["shape_digest"]);
    let again = json(0, [&["publish", s(&package)], &at(KEYS[1])[..]].concat());
    assert_eq!(
        (&again["weights"]["proven"], &again["weights"]["key_hash"]),
        (&value!(true), &value!(of_weights)),
        "{again}"
    );
    let gas = again["weights"]["gas"].as_u64().unwrap();
    assert!((300_000..1_000_000).contains(&gas), "{gas}");
    let last = json(0, [&["publish", s(&package)], &at(KEYS[1])[..]].concat());
    assert_eq!(
        (&last["weights"]["proven"], &last["weights"]["gas"]),
        (&value!(true), &Value::Null),
        "done already: {last}"
    );
    // the package alone will do, and doing it again does nothing
    std::fs::remove_file(&honest).unwrap();
    assert_eq!(attest(0, &hash, &package, KEYS[2])["key_status"], "admitted");
}

/// Universal keys need no `setup`: prover and verifier derive the same ones.
#[test]
fn universal_keys_need_no_files() {
    let dir = tempfile::tempdir().unwrap();
    let package = copy(dir.path());
    for extension in ["pk", "key"] {
        std::fs::remove_file(package.with_extension(extension)).unwrap();
    }
    let (proof, input) = (dir.path().join("proof.json"), fixture("digit_7.json"));
    let prove =
        |more: &[&str]| json(0, [&["prove", s(&package), "--input", s(&input), "-o", s(&proof)], more].concat());
    let made = prove(&[]);
    let expected = json(0, ["inspect", s(&model().with_extension("key"))])["key"]["hash"].clone();
    assert_eq!((&made["kind"], &made["key_hash"]), (&value!("wrapped"), &expected));
    for by in [&package, &model().with_extension("key")] {
        assert_eq!(json(0, ["verify", s(&proof), "--model", s(by)])["wrap_recomputed"], true);
    }
    let commitment = made["model_commitment"].as_str().unwrap();
    json(0, ["verify", s(&proof), "--model", s(&package), "--model-commitment", commitment]);
    let text =
        fails(1, ["verify", s(&proof), "--model", s(&package), "--model-commitment", expected.as_str().unwrap()]);
    assert!(text.contains("of another model"), "{text}");
    let batch = prove(&["--batch", "2"]);
    assert_eq!(batch["inferences"], 2);
    assert_eq!(json(0, ["verify", s(&proof), "--model", s(&package)])["inferences"], 2);
    // the proving key beside a buyer's key is derived; without the buyer's key it is a mistake, and Groth16 has no keys
    // that anybody derives
    std::fs::copy(model().with_extension("key"), package.with_extension("key")).unwrap();
    assert_eq!(prove(&[])["key_hash"], expected);
    std::fs::rename(package.with_extension("key"), package.with_extension("pk")).unwrap();
    for more in [&[][..], &["--wrap", "groth16"]] {
        let text = fails(4, [&["prove", s(&package), "--input", s(&input), "-o", s(&proof)], more].concat());
        assert!(text.contains("assay setup"), "{text}");
    }
}
