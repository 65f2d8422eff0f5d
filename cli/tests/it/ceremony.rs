//! Ceremonies, and a market on which nothing is for development: powers of tau that several people made, a registry
//! that refuses development keys, a sale.

use crate::tool::{Running, command, fixture, s};
use alloy::signers::local::PrivateKeySigner;
use assay_api::chain::dev::{DEV_KEYS, DevChain};
use serde_json::{Value, json as value};
use std::path::{Path, PathBuf};

/// Accounts: who deploys, sells, attests (two), buys.
const DEPLOYER: usize = 0;
const SELLER: usize = 1;
const FIRST: usize = 2;
const SECOND: usize = 3;
const BUYER: usize = 4;
/// Nobody who sells or proves.
const TREASURY: &str = "0x0000000000000000000000000000000000000099";
const BEACON: &str = "00000000000000000000000000000000000000000000000000000000000000aa";

/// A folder with its own cache, in which commands run.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn command(&self) -> std::process::Command {
        let mut command = command();
        command.env("ASSAY_HOME", self.at("home"));
        command
    }

    /// Runs a command, demands its exit code, and returns the object that it prints.
    fn run(&self, code: i32, arguments: &[&str]) -> Value {
        let output = self.command().arg("--json").args(arguments).output().unwrap();
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {out}{err}");
        serde_json::from_str(&out).unwrap()
    }

    /// Powers of tau of two people and a beacon.
    fn powers(&self, log: &str) -> PathBuf {
        let files: Vec<PathBuf> = (0..3).map(|i| self.at(&format!("{i}.ptau"))).collect();
        let last = self.at("final.ptau");
        self.run(0, &["srs", "start", "--log", log, "-o", s(&files[0])]);
        let first = self.run(0, &["srs", "contribute", s(&files[0]), "--name", "Ada", "-o", s(&files[1])]);
        let second = self.run(0, &["srs", "contribute", s(&files[1]), "--name", "Grace", "-o", s(&files[2])]);
        assert_ne!(first["hash"], second["hash"]);
        self.run(0, &["srs", "beacon", s(&files[2]), "--value", BEACON, "--name", "block 1", "-o", s(&last)]);
        let hash = first["hash"].as_str().unwrap();
        let shown = self.run(0, &["srs", "verify-ceremony", s(&last), "--beacon", BEACON, "--contribution", hash]);
        let names: Vec<&str> =
            shown["contributions"].as_array().unwrap().iter().map(|c| c["name"].as_str().unwrap()).collect();
        assert_eq!(
            (names, &shown["beacon"], &shown["development"]),
            (vec!["Ada", "Grace", "block 1"], &value!(true), &value!(false))
        );
        // what was announced, or kept by somebody, and is not there
        self.run(1, &["srs", "verify-ceremony", s(&last), "--beacon", "ab"]);
        self.run(1, &["srs", "verify-ceremony", s(&last), "--contribution", "0x00"]);
        self.run(1, &["srs", "verify-ceremony", s(&files[2]), "--beacon", BEACON]);
        last
    }

    /// A model over an SRS file.
    fn compile(&self, srs: &Path) -> PathBuf {
        let package = self.at("digits.assay");
        let (onnx, inputs) = (fixture("digits_mlp.onnx"), fixture("digits_calibration.json"));
        self.run(0, &["compile", s(&onnx), "--calibrate", s(&inputs), "-o", s(&package), "--srs", s(srs)]);
        package
    }
}

#[test]
fn the_powers_of_a_large_ceremony_are_named_and_compared() {
    let place = Place::new();
    let named = place.run(0, &["srs", "where", "--log", "14"]);
    assert_eq!(named["file"], "powersOfTau28_hez_final_14.ptau");
    assert!(named["blake2b"].as_str().unwrap().starts_with("eeefbcf7c3803b52"), "{named}");
    assert_eq!(place.run(0, &["srs", "where"])["log"], 18);
    let package = crate::tool::model();
    let log = place.run(0, &["srs", "where", "--model", s(package)])["log"].as_u64().unwrap();
    assert!((10..=16).contains(&log), "as many as the model needs: {log}");
    // a file under a published name that is not the published one; one that is not what somebody was told
    let fixture = fixture("../ceremony/snarkjs_4.ptau");
    let fake = place.at("powersOfTau28_hez_final_08.ptau");
    std::fs::copy(&fixture, &fake).unwrap();
    let out = place.at("x.srs");
    let refused = place.run(1, &["srs", "import", s(&fake), "-o", s(&out)]);
    assert!(refused["error"].as_str().unwrap().contains("published under this name"), "{refused}");
    let told = "00".repeat(64);
    let refused = place.run(1, &["srs", "import", s(&fixture), "-o", s(&out), "--blake2b", &told]);
    let hash = refused["error"].as_str().unwrap().split("BLAKE2b-512 is ").nth(1).unwrap()[..128].to_owned();
    assert!(!out.exists());
    let imported = place.run(0, &["srs", "import", s(&fixture), "-o", s(&out), "--blake2b", &hash, "--log", "3"]);
    assert_eq!((&imported["log"], &imported["development"]), (&value!(3), &value!(false)));
    let expected = value!({ "blake2b": hash, "published_as": null, "contributions": 3, "beacon": true });
    assert_eq!(imported["ceremony"], expected);
    // what is not whole
    let cut = place.at("cut.ptau");
    std::fs::write(&cut, &std::fs::read(&fixture).unwrap()[..9000]).unwrap();
    place.run(3, &["srs", "import", s(&cut), "-o", s(&out)]);
}

/// From powers of tau to a settled job, and no command is told to allow development keys.
#[test]
fn a_sale_over_the_powers_of_a_ceremony() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let chain = match runtime.block_on(DevChain::start(&Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))) {
        Ok(chain) => chain,
        Err(error) => return println!("SKIPPED: {error}"),
    };
    let place = Place::new();
    let powers = place.powers("14");
    // it is kept in the cache, where it is found from now on
    let srs = place.run(0, &["srs", "import", s(&powers), "--log", "14"]);
    assert_eq!((&srs["development"], &srs["ceremony"]["contributions"]), (&value!(false), &value!(3)));
    let package = place.compile(Path::new(srs["file"].as_str().unwrap()));
    let key = package.with_extension("key");

    let address = |account: usize| DEV_KEYS[account].parse::<PrivateKeySigner>().unwrap().address().to_string();
    let (first, second) = (address(FIRST), address(SECOND));
    let by = |account: usize| ["--rpc", chain.url(), "--private-key", DEV_KEYS[account]];
    let deploy = [
        "deploy",
        "--attestor",
        &first,
        "--attestor",
        &second,
        "--treasury",
        TREASURY,
        "--timelock",
        "1",
        "--commit-secs",
        "1",
    ];
    let market = place.run(0, &[&deploy[..], &by(DEPLOYER)].concat())["market"].as_str().unwrap().to_owned();
    let at = |account: usize| [&by(account)[..], &["--market", &market]].concat();

    // a development key is not even proposed
    let development = place.at("development.assay");
    let (onnx, inputs, input) =
        (fixture("digits_mlp.onnx"), fixture("digits_calibration.json"), fixture("digit_7.json"));
    place.run(0, &["compile", s(&onnx), "--calibrate", s(&inputs), "-o", s(&development)]);
    let refused = place.run(1, &[&["publish", s(&development)][..], &at(SELLER)].concat());
    assert!(refused["error"].as_str().unwrap().contains("admits no development keys"), "{refused}");

    let published = place.run(0, &[&["publish", s(&package)][..], &at(SELLER)].concat());
    assert_eq!(
        (&published["key_status"], &published["development"]),
        (&value!("proposed"), &value!(false)),
        "{published}"
    );
    for hash in [&published["key_hash"], &published["weights"]["key_hash"]] {
        for attestor in [FIRST, SECOND] {
            let attested =
                place.run(0, &[&["attest", hash.as_str().unwrap(), "--model", s(&key)][..], &at(attestor)].concat());
            assert_eq!(
                (&attested["attested"], &attested["wrap_recomputed"]),
                (&value!(true), &value!(true)),
                "{attested}"
            );
        }
    }
    runtime.block_on(chain.pass_secs(2)).unwrap();
    // after the timelock anybody admits them
    for hash in [&published["key_hash"], &published["weights"]["key_hash"]] {
        let admitted =
            place.run(0, &[&["attest", hash.as_str().unwrap(), "--model", s(&key)][..], &at(FIRST)].concat());
        assert_eq!(admitted["key_status"], "admitted", "{admitted}");
    }
    let again = place.run(0, &[&["publish", s(&package)][..], &at(SELLER)].concat());
    assert_eq!((&again["key_status"], &again["weights"]["proven"]), (&value!("admitted"), &value!(true)), "{again}");

    let mut serve = place.command();
    serve.args([
        "--json",
        "serve",
        "--models",
        s(&package),
        "--data",
        s(&place.at("data")),
        "--bind",
        "127.0.0.1:0",
        "--price",
        "1000",
    ]);
    serve.args(at(SELLER));
    let (_server, ready) = Running::start(&mut serve);
    let proof = place.at("proof.json");
    let request = [
        "request",
        "--service",
        ready["url"].as_str().unwrap(),
        "--key",
        s(&key),
        "--input",
        s(&input),
        "-o",
        s(&proof),
    ];
    let bought = place.run(0, &[&request[..], &at(BUYER)].concat());
    assert_eq!((&bought["verified"], &bought["development"]), (&value!(true), &value!(false)), "{bought}");
    let settled = place.run(0, &["verify", s(&proof), "--model", s(&key)]);
    assert_eq!((&settled["valid"], &settled["development"]), (&value!(true), &value!(false)), "{settled}");
    assert_eq!(settled["srs_id"], srs["srs_id"]);

    // who has never heard of the ceremony gets its powers from the service, and believes them by the key's id alone
    let stranger = Place::new();
    let bought = stranger.run(0, &[&request[..], &at(BUYER)].concat());
    assert_eq!((&bought["verified"], &bought["wrap_recomputed"]), (&value!(true), &value!(true)), "{bought}");
    let settled = stranger.run(0, &["verify", s(&proof), "--model", s(&key)]);
    assert_eq!(settled["srs_id"], srs["srs_id"]);
}
