//! What must not be seen is not seen.
//!
//! Defends: that no debug output and no error text shows weights, inputs, blindings, masks, salts or keys of accounts,
//! and that blindings, masks, salts and inputs are kept where they are wiped when they are dropped
//! (`prover/src/secret.rs` tests that they are).

#[path = "../support/mod.rs"]
mod support;

use alloy::primitives::{Address, B256};
use alloy::signers::local::PrivateKeySigner;
use assay_api::config::{ChainConfig, ServeConfig, Terms};
use assay_api::engine::InputOpening as ServiceInput;
use assay_circuits::Fr;
use assay_prover::control::Control;
use assay_prover::inner::Committed;
use assay_prover::package::hex;
use assay_prover::pcs::encode::fr_word;
use assay_prover::secret::Secret;
use assay_prover::seller::{InputOpening, ProveError};
use support::Case;
use zeroize::Zeroize;

/// How a scalar could be written down.
fn spellings(value: &Fr) -> Vec<String> {
    vec![
        value.to_string(),
        hex(&fr_word(value))[2..].trim_start_matches('0').to_owned(),
        format!("{:?}", fr_word(value)),
    ]
}

fn shows_none(text: &str, secrets: &[String], what: &str) {
    for secret in secrets {
        assert!(secret.len() > 5, "{secret} could be anything");
        assert!(!text.contains(secret.as_str()), "{what} shows {secret}");
    }
}

/// A model with weights and an input that can be recognised.
fn case() -> Case {
    let (architecture, mut weights) = assay_circuits::sample::random_network(3);
    weights.matrices.iter_mut().flatten().for_each(|weight| *weight = -12345);
    let cells = vec![487; 1 << architecture.input.log_size];
    Case::new("secrets", (architecture, weights), 6, cells)
}

#[test]
fn debug_output_shows_no_secret_of_a_prover() {
    let case = case();
    let package = &case.seller.package;
    let secrets: Vec<String> =
        package.committed.blinding.iter().chain(case.input.blinding.iter()).flat_map(spellings).collect();
    assert!(!secrets.is_empty());
    for (what, text) in [
        ("a package", format!("{package:?} {package:#?}")),
        ("weights", format!("{:?}", package.weights)),
        ("commitments", format!("{:?}", package.committed)),
        ("an input", format!("{:?} {:#?}", case.input, case.input)),
    ] {
        shows_none(&text, &secrets, what);
        for number in ["-12345", "[487", " 487,", "487, 487"] {
            assert!(!text.contains(number), "{what}: {number}");
        }
    }
    // the check can fail
    assert!(
        format!("{:?}", package.weights.matrices).contains("-12345")
            && format!("{:?}", &**case.input.cells).contains("487, 487")
    );
    let open = format!("{:?} {}", &**package.committed.blinding, package.committed.blinding[0]);
    assert!(std::panic::catch_unwind(|| shows_none(&open, &secrets, "what is shown")).is_err());
}

#[test]
fn error_texts_show_no_secret_of_a_prover() {
    let case = case();
    let (seller, control) = (&case.seller, Control::new());
    let secrets: Vec<String> = case.input.blinding.iter().flat_map(spellings).collect();
    let mut shorter = case.input.clone();
    shorter.blinding.pop();
    let mut outside = case.input.clone();
    outside.cells[0] = 1_234_567;
    let mut longer = case.input.clone();
    longer.cells.push(7_654_321);
    for (what, input) in [("blinding", shorter), ("a value", outside), ("cells", longer)] {
        let error = seller.prove_native(&input, Fr::from(1u64), &control).expect_err(what);
        let text = format!("{error} {error:?}");
        shows_none(&text, &secrets, what);
        assert!(!text.contains("7654321"), "{text}");
        assert!(
            matches!(error, ProveError::Execute(_) | ProveError::Blinding { .. } | ProveError::Inputs { .. }),
            "{text}"
        );
    }
    // a package whose weights are not the committed ones makes a proof that does not verify, and says no more
    let other = Case::random(3, 6);
    let mut package = case.seller.package;
    package.committed.blinding = Secret::clone(&other.seller.package.committed.blinding);
    let seller = assay_prover::seller::Seller::new(package, case.seller.srs).expect("its own powers");
    let error = seller.prove_native(&case.input, Fr::from(1u64), &control).expect_err("it does not verify");
    assert!(matches!(error, ProveError::SelfCheck(_)));
    let secrets: Vec<String> = other.seller.package.committed.blinding.iter().flat_map(spellings).collect();
    shows_none(&format!("{error} {error:?}"), &secrets, "a self-check");
}

#[test]
fn what_the_service_is_told_is_not_shown() {
    let key = "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d";
    let account: PrivateKeySigner = key.parse().expect("a key");
    let mut config = ServeConfig::free("data");
    config.operator_token = Some("a-long-operator-token".into());
    config.database_url = Some("postgres://assay:a-database-password@localhost/assay".into());
    let terms =
        Terms { token: Address::ZERO, price: 1, collateral: 0, prove_secs: 60, expire_secs: 120, quote_secs: 60 };
    config.chain = Some(ChainConfig {
        rpc_url: "http://127.0.0.1:1".into(),
        rpc_fallbacks: Vec::new(),
        request_timeout: std::time::Duration::from_secs(1),
        market: Address::ZERO,
        registry: Address::ZERO,
        prover: account.clone(),
        seller: account,
        terms,
        model_terms: Default::default(),
        x402: None,
        explorer: None,
        from_block: 0,
        confirmations: 1,
        poll: std::time::Duration::from_secs(1),
        receipt_timeout: std::time::Duration::from_secs(1),
        bump_after: std::time::Duration::from_secs(1),
        lock_margin_secs: None,
    });
    let text = format!("{config:?} {config:#?}");
    let bytes = format!(
        "{:?}",
        B256::from(<[u8; 32]>::try_from(&config.chain.as_ref().expect("set").prover.to_bytes()[..]).expect("32"))
    );
    let secrets = [key[2..].to_owned(), bytes, "a-long-operator-token".to_owned(), "a-database-password".to_owned()];
    shows_none(&text, &secrets, "the service's settings");

    let input = ServiceInput { data: vec![1.2345, 6.789], blinding: vec![B256::repeat_byte(0xab)] };
    shows_none(&format!("{input:?} {input:#?}"), &["1.2345".to_owned(), "abababab".to_owned()], "an input");
}

/// What is a secret has the type that wipes it: this does not compile otherwise.
#[test]
fn secrets_are_kept_where_they_are_wiped() {
    fn is_wiped<T: Zeroize>(secret: &Secret<T>) -> usize {
        format!("{secret:?}").len()
    }
    let case = case();
    let InputOpening { cells, blinding } = &case.input;
    let Committed { blinding: of_weights, .. } = &case.seller.package.committed;
    let proved = case.proved();
    let shown =
        [is_wiped(cells), is_wiped(blinding), is_wiped(of_weights), is_wiped(&proved.folded), is_wiped(&proved.proof)];
    assert_eq!(shown, ["(secret)".len(); 5]);
    let mut messages = assay_circuits::verifier::InnerProof::clone(&proved.proof);
    assert_ne!(messages.salt, Fr::from(0u64));
    messages.zeroize();
    assert!(messages.elements().iter().all(|value| *value == Fr::from(0u64)), "salt and all messages are wiped");
}
