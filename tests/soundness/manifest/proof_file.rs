//! Proof files: the JSON that a claim and its proof travel as.
//!
//! The proof's own fields are in the manifest of wrapped and inner proofs; here it is one string. Text that reads as
//! the same file, as with other spaces, is no alteration.

use super::{Wrapped, wrapped};
use alloy::primitives::B256;
use assay_circuits::batch::Batch;
use assay_circuits::sample;
use assay_prover::control::Control;
use assay_prover::key::PublicModel;
use assay_prover::pcs::encode::fr_word;
use assay_prover::seller::InputOpening;
use assay_prover::wrap::{System, WrapVerifyingKey};
use assay_verifier::proof_file::ProofFile;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// The names of all fields; a field that is added to the structure and forgotten here does not compile.
fn names(file: &ProofFile) -> BTreeSet<&'static str> {
    let ProofFile {
        version: _,
        kind: _,
        model_commitment: _,
        key_hash: _,
        inferences: _,
        separate_inputs: _,
        context: _,
        input_commitments: _,
        output: _,
        clamps: _,
        output_data: _,
        index,
        proof: _,
    } = file;
    let always = [
        "version",
        "kind",
        "model_commitment",
        "key_hash",
        "inferences",
        "separate_inputs",
        "context",
        "input_commitments",
        "output",
        "clamps",
        "output_data",
        "proof",
    ];
    always.into_iter().chain(index.map(|_| "index")).collect()
}

fn object(file: &ProofFile) -> Map<String, Value> {
    match serde_json::to_value(file).expect("plain data") {
        Value::Object(fields) => fields,
        other => panic!("{other} is no object"),
    }
}

/// What a value becomes, each with how; of a list, what each of its elements becomes too.
fn alterations(value: &Value) -> Vec<(String, Value)> {
    let mut all: Vec<(String, Value)> = vec![("null".into(), Value::Null), ("another kind".into(), json!({}))];
    match value {
        Value::Null => all.push(("a word".into(), json!(format!("0x{}", "11".repeat(32))))),
        Value::Bool(truth) => all.push(("negated".into(), json!(!truth))),
        Value::Number(number) => {
            let number = number.as_f64().expect("a double");
            let whole = |v: f64| if v.fract() == 0.0 { json!(v as i64) } else { json!(v) };
            let others = [
                ("more", number + 1.0),
                ("less", number - 1.0),
                ("negative", -number),
                ("zero", 0.0),
                ("2^32 more", number + 4_294_967_296.0),
            ];
            all.extend(others.map(|(how, v)| (how.to_owned(), whole(v))));
        }
        Value::String(text) => {
            let digit = |at: usize| {
                let mut changed = text.clone().into_bytes();
                changed[at] = if changed[at] == b'1' { b'2' } else { b'1' };
                json!(String::from_utf8_lossy(&changed))
            };
            all.push(("its last digit".into(), digit(text.len() - 1)));
            all.push(("its first digit".into(), digit(2.min(text.len() - 1))));
            all.push(("its middle digit".into(), digit(text.len() / 2)));
            all.push(("cut off".into(), json!(text[..text.len() - 2])));
            all.push(("longer".into(), json!(format!("{text}00"))));
            all.push(("empty".into(), json!("")));
            all.push(("inner".into(), json!("inner")));
            all.push(("wrapped".into(), json!("wrapped")));
        }
        Value::Array(list) => {
            all.push(("empty".into(), json!([])));
            all.push(("an element more".into(), json!([&list[..], &list[list.len() - 1..]].concat())));
            all.push(("an element less".into(), json!(list[..list.len() - 1])));
            all.push(("turned round".into(), json!(list.iter().rev().collect::<Vec<_>>())));
            for (i, element) in list.iter().enumerate() {
                for (how, altered) in alterations(element) {
                    let mut list = list.clone();
                    list[i] = altered;
                    all.push((format!("[{i}]: {how}"), Value::Array(list)));
                }
            }
        }
        Value::Object(_) => {}
    }
    all.retain(|(_, altered)| altered != value);
    all
}

struct Honest<'a> {
    file: ProofFile,
    model: &'a PublicModel,
    key: Option<&'a WrapVerifyingKey>,
}

impl Honest<'_> {
    /// Whether a text is refused, or reads as the file that it was made of.
    fn refuses(&self, text: &str) -> bool {
        match ProofFile::parse(text.as_bytes()) {
            Ok(file) => file == self.file || file.verify(self.model, self.key).is_err(),
            Err(_) => true,
        }
    }

    /// Alters each field alone. `may` says what may become of a field. Returns how many alterations were refused.
    fn every_field_counts(&self, what: &str, may: impl Fn(&str, &Value) -> bool) -> usize {
        self.file.verify(self.model, self.key).expect("it is honest");
        let fields = object(&self.file);
        assert_eq!(
            fields.keys().map(String::as_str).collect::<BTreeSet<_>>(),
            names(&self.file),
            "{what}: a field is missing from the list"
        );
        let honest = serde_json::to_string(&fields).expect("plain data");
        let mut tried = 0;
        for (name, value) in &fields {
            for (how, altered) in alterations(value) {
                let allowed = may(name, &altered);
                let mut fields = fields.clone();
                fields.insert(name.clone(), altered);
                let text = serde_json::to_string(&fields).expect("plain data");
                assert_eq!(self.refuses(&text), !allowed, "{what}: {name}: {how}");
                tried += usize::from(!allowed);
            }
            let mut fewer = fields.clone();
            fewer.remove(name);
            let text = serde_json::to_string(&fewer).expect("plain data");
            assert_eq!(self.refuses(&text), !may(name, &Value::Null), "{what}: {name} left out");
            let twice = format!("{{\"{name}\":{value},{}", &honest[1..]);
            assert!(ProofFile::parse(twice.as_bytes()).is_err(), "{what}: {name} twice");
        }
        let more = format!("{{\"more\":1,{}", &honest[1..]);
        assert!(ProofFile::parse(more.as_bytes()).is_err(), "{what}: a field more");
        for end in (0..honest.len()).step_by(97) {
            assert!(ProofFile::parse(&honest.as_bytes()[..end]).is_err(), "{what}: cut off at {end}");
        }
        tried
    }
}

/// No field of a file may be altered; but of a proof that several buyers share, `index` says which inference the
/// reader's is, or nothing, and all of them are proven.
#[test]
fn h1_every_field_of_a_proof_file_counts() {
    for (system, batch) in
        [(System::Universal, Batch::ONE), (System::Universal, Batch::separate(1)), (System::Groth16, Batch::joint(1))]
    {
        let Wrapped { seller, key, claim, proofs: [proof, _] } = wrapped(system, batch);
        let model = &seller.package.model;
        let context = B256::from(fr_word(&claim.context));
        let file = ProofFile::new(model, Some(&key), context, &claim, proof.to_bytes());
        let honest = Honest { file: file.clone(), model, key: Some(&key) };
        let tried = honest.every_field_counts(&format!("{system}, {batch}"), |_, _| false);
        assert!(tried > 100, "{tried}");
        for index in [0, batch.inferences(), usize::MAX] {
            let named = ProofFile { index: Some(index), ..file.clone() };
            let there = batch.is_separate() && index < batch.inferences();
            assert_eq!(named.verify(model, Some(&key)).is_ok(), there, "{system}, {batch}: inference {index}");
        }
        if batch.is_separate() {
            let honest = Honest { file: ProofFile { index: Some(1), ..file }, model, key: Some(&key) };
            let tried = honest.every_field_counts("shared", |name, value| {
                name == "index" && [json!(0), json!(1), Value::Null].contains(value)
            });
            assert!(tried > 100, "{tried}");
        }
        let cells = (0..batch.inferences() as u64)
            .flat_map(|i| sample::random_input(&seller.shape().architecture, 9 + i))
            .collect();
        let input = InputOpening::private(seller.shape(), cells);
        let (claim, proof) = seller.prove_native(&input, claim.context, &Control::new()).expect("provable");
        let file = ProofFile::new(model, None, context, &claim, proof.to_bytes());
        let tried = Honest { file, model, key: None }.every_field_counts(&format!("inner, {batch}"), |_, _| false);
        assert!(tried > 100, "{tried}");
    }
}
