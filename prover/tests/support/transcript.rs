//! Known answers: proofs from fixed randomness, their transcripts as `docs/protocol.md` section 4 has them, and the
//! files that keep them.
//!
//! Nothing here shares code with the transcript that prover and verifier share: what is absorbed, and when, is written
//! down a second time.

use ark_bn254::{Fr, G1Affine};
use ark_ff::{AdditiveGroup, PrimeField};
use assay_circuits::batch::Batch;
use assay_circuits::model::{Architecture, Weights};
use assay_circuits::poseidon::{WIDTH, permute_native};
use assay_circuits::sample;
use assay_circuits::shape::Shape;
use assay_circuits::verifier::InnerProof;
use assay_prover::control::Control;
use assay_prover::inner::{Committed, Proved, random_scalars};
use assay_prover::native::Claim;
use assay_prover::package::{Metadata, Package, hex};
use assay_prover::pcs::encode::{fr_word, g1_bytes, keccak};
use assay_prover::seller::{InputOpening, Seller};
use assay_prover::srs::Srs;
use assay_prover::wrap::{self, Groth16Key, System, WrapProvingKey};
use rand::{SeedableRng, rngs::StdRng};
use std::path::PathBuf;

/// What a transcript begins with: changed with every change of the protocol.
const TAG: &[u8] = b"assay-inner-v3";

/// A proof that is the same every time.
pub struct Known {
    /// Names its file.
    pub name: &'static str,
    network: fn() -> (Architecture, Weights),
    hiding: bool,
    batch: fn() -> Batch,
}

/// The last has products of two activations.
pub const KNOWN: [Known; 4] = [
    Known { name: "plain", network: || sample::random_network(3), hiding: false, batch: || Batch::ONE },
    Known { name: "hiding", network: || sample::random_network(3), hiding: true, batch: || Batch::ONE },
    Known { name: "batch", network: || sample::random_network(5), hiding: true, batch: || Batch::separate(1) },
    Known { name: "attention", network: || sample::attention(2, 2, 1), hiding: true, batch: || Batch::ONE },
];

/// A proof with all that it is about.
pub struct Case {
    pub seller: Seller,
    pub claim: Claim,
    pub proved: Proved,
}

impl Known {
    /// Makes the proof. It is the same on every machine.
    pub fn case(&self) -> Case {
        case((self.network)(), (self.batch)(), self.hiding, Srs::development(11), &mut StdRng::seed_from_u64(1))
    }
}

fn case(network: (Architecture, Weights), batch: Batch, hiding: bool, srs: Srs, rng: &mut StdRng) -> Case {
    let cells = (0..batch.inferences() as u64).flat_map(|i| sample::random_input(&network.0, 5 + i)).collect();
    let mut package = Package::new(Metadata::default(), network.0, network.1, 8, &srs).expect("a valid network");
    let blinding = random_scalars(rng, package.committed.blinding.len());
    package.committed = Committed::new(&srs, 8, package.committed.cells.to_vec(), blinding);
    package.model.weights = package.committed.commitments.clone();
    let seller = Seller::new(package, srs).expect("its own SRS").batched(batch).expect("a small batch");
    let input = InputOpening {
        cells: Vec::into(cells),
        blinding: random_scalars(rng, seller.shape().layout.input_region.chunks).into(),
    };
    let committed = input.commit(seller.shape(), &seller.srs).expect("its own blinding");
    let trace = seller.execute(&input).expect("a valid input");
    let context = Fr::from(77u64);
    let proved = seller.prove_trace_with(&committed, &trace, context, hiding, rng, &Control::new()).expect("provable");
    Case { claim: Claim::of(&proved, committed.commitments, context), seller, proved }
}

/// One step of a transcript.
pub enum Step {
    /// A value goes in.
    Absorb(Fr),
    /// A challenge comes out.
    Squeeze,
}

/// The whole transcript of a proof, in order and with names.
pub fn script(shape: &Shape, srs_id: &[u8; 32], statement: Fr, proof: &InnerProof<Fr>) -> Vec<(String, Step)> {
    let mut steps = Vec::new();
    let reduced = Fr::from_be_bytes_mod_order;
    let head = [("protocol", reduced(TAG)), ("shape", reduced(&shape.digest)), ("srs", reduced(srs_id))];
    steps.extend(head.map(|(name, value)| (name.to_owned(), Step::Absorb(value))));
    let absorb = |steps: &mut Vec<_>, name: &str, value: &Fr| steps.push((name.to_owned(), Step::Absorb(*value)));
    let squeeze = |steps: &mut Vec<_>, name: &str| steps.push((name.to_owned(), Step::Squeeze));
    absorb(&mut steps, "hiding", &Fr::from(u64::from(proof.mask.is_some())));
    absorb(&mut steps, "statement", &statement);
    absorb(&mut steps, "salt", &proof.salt);
    squeeze(&mut steps, "beta");
    squeeze(&mut steps, "gamma");
    proof.root.iter().for_each(|value| absorb(&mut steps, "root", value));
    for (i, level) in proof.levels.iter().enumerate() {
        squeeze(&mut steps, &format!("level {i} lambda"));
        for (j, round) in level.rounds.iter().enumerate() {
            round.iter().for_each(|value| absorb(&mut steps, &format!("level {i} round {j}"), value));
            squeeze(&mut steps, &format!("level {i} round {j}"));
        }
        level.children.iter().for_each(|value| absorb(&mut steps, &format!("level {i} children"), value));
        for j in 0..level.children.len().ilog2() - 1 {
            squeeze(&mut steps, &format!("level {i} child {j}"));
        }
    }
    squeeze(&mut steps, "lambda");
    absorb(&mut steps, "product sum", &proof.product_sum);
    for (i, round) in proof.product_rounds.iter().enumerate() {
        round.iter().for_each(|value| absorb(&mut steps, &format!("product round {i}"), value));
        squeeze(&mut steps, &format!("product round {i}"));
    }
    proof.product_evaluations.iter().flatten().for_each(|value| absorb(&mut steps, "product evaluations", value));
    squeeze(&mut steps, "delta");
    absorb(&mut steps, "output sum", &proof.output_sum);
    for (i, round) in proof.opening_rounds.iter().enumerate() {
        round.iter().for_each(|value| absorb(&mut steps, &format!("opening round {i}"), value));
        squeeze(&mut steps, &format!("opening round {i}"));
    }
    absorb(&mut steps, "evaluation", &proof.evaluation);
    if let Some([m, _]) = &proof.mask {
        absorb(&mut steps, "m", m);
        squeeze(&mut steps, "rho");
    }
    squeeze(&mut steps, "digest");
    steps
}

/// A permutation of the sponge: the state before and after.
pub type Permutation = [[Fr; WIDTH]; 2];

/// The sponge of section 4, apart from the one in use.
#[derive(Default)]
pub struct Sponge {
    state: [Fr; WIDTH],
    block: Vec<Fr>,
    ready: Vec<Fr>,
    /// All permutations so far.
    pub log: Vec<Permutation>,
}

impl Sponge {
    /// Takes a value.
    pub fn absorb(&mut self, value: Fr) {
        self.ready.clear();
        self.block.push(value);
        if self.block.len() == WIDTH - 1 {
            self.permute();
        }
    }

    /// Gives a challenge.
    pub fn squeeze(&mut self) -> Fr {
        if !self.block.is_empty() {
            self.state[0] += Fr::from(self.block.len() as u64);
            self.permute();
        } else if self.ready.is_empty() {
            self.permute();
        }
        self.ready.remove(0)
    }

    fn permute(&mut self) {
        self.block.drain(..).zip(&mut self.state[1..]).for_each(|(value, cell)| *cell += value);
        let before = self.state;
        permute_native(&mut self.state);
        self.log.push([before, self.state]);
        self.ready = self.state[1..].to_vec();
    }
}

/// Runs a transcript: its sponge, and the named challenges.
pub fn run(script: &[(String, Step)]) -> (Sponge, Vec<(String, Fr)>) {
    let mut sponge = Sponge::default();
    let mut challenges = Vec::new();
    for (name, step) in script {
        match step {
            Step::Absorb(value) => sponge.absorb(*value),
            Step::Squeeze => challenges.push((name.clone(), sponge.squeeze())),
        }
    }
    (sponge, challenges)
}

/// The statement's hash, from the text of section 4.
pub fn statement(case: &Case) -> Fr {
    let (model, claim) = (&case.seller.package.model, &case.claim);
    let mut data = b"assay-statement-v2".to_vec();
    let points = |points: &[G1Affine], data: &mut Vec<u8>| points.iter().for_each(|point| data.extend(g1_bytes(point)));
    data.extend(fr_word(&claim.context));
    [&model.weights, &model.tables, &claim.input].iter().for_each(|list| points(list, &mut data));
    claim.output.iter().for_each(|y| data.extend(y.to_be_bytes()));
    data.extend(claim.clamps.to_be_bytes());
    points(&case.proved.witness, &mut data);
    points(case.proved.mask.as_slice(), &mut data);
    Fr::from_be_bytes_mod_order(&keccak(&[&data]))
}

/// All files with what belongs in them.
pub fn files() -> Vec<(PathBuf, String)> {
    let known = KNOWN.iter().map(|known| (format!("transcript-{}", known.name), transcript(known)));
    let wraps = System::ALL.iter().map(|system| (format!("known-{system}"), wrapped(*system)));
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../fixtures/golden");
    known.chain(wraps).map(|(name, text)| (folder.join(format!("{name}.json")), text)).collect()
}

fn transcript(known: &Known) -> String {
    let case = known.case();
    let steps = script(case.seller.shape(), &case.seller.srs.id(), statement(&case), &case.proved.proof);
    let mut challenges = run(&steps).1.into_iter();
    let lines: Vec<String> = steps
        .iter()
        .map(|(name, step)| match step {
            Step::Absorb(value) => format!("  [\"absorb\", \"{name}\", \"{}\"]", hex(&fr_word(value))),
            Step::Squeeze => {
                let value = challenges.next().map_or(Fr::ZERO, |(_, value)| value);
                format!("  [\"squeeze\", \"{name}\", \"{}\"]", hex(&fr_word(&value)))
            }
        })
        .collect();
    format!("{{\"transcript\": [\n{}\n]}}\n", lines.join(",\n"))
}

/// Key and proof of a wrap.
fn wrapped(system: System) -> String {
    let network = sample::random_network(3);
    let mut rng = StdRng::seed_from_u64(2);
    let shape = Shape::new(network.0.clone(), 8).expect("a valid network");
    let srs = Srs::development(WrapProvingKey::srs_log(system, &shape).expect("a small circuit"));
    let Case { seller, proved, .. } = case(network, Batch::ONE, true, srs, &mut rng);
    let (shape, srs) = (seller.shape(), &seller.srs);
    let key = match system {
        System::Universal => WrapProvingKey::universal(shape, srs),
        System::Groth16 => {
            Groth16Key::development_with(shape, &srs.id(), &mut rng).map(|key| WrapProvingKey::Groth16(Box::new(key)))
        }
    };
    let key = key.expect("a small circuit");
    let proof = wrap::prove_with(shape, srs, &key, proved, &mut rng, &Control::new()).expect("a hiding proof");
    let key = hex(&key.verifying_key().contract_bytes(&seller.package.model));
    format!("{{\n \"key\": \"{key}\",\n \"proof\": \"{}\"\n}}\n", hex(&proof.to_bytes()))
}
