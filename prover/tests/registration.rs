//! The proof of weights: every honest seller can make it, and nobody can for weights that are not what the architecture
//! says (families RQ and LU for the seller's columns).

use assay_circuits::exec::Trace;
use assay_circuits::model::{Architecture, Domain, Function, Weights};
use assay_circuits::registration::trace;
use assay_circuits::sample::builder::NetworkBuilder;
use assay_circuits::system::ColumnId;
use assay_circuits::{Fr, sample};
use assay_prover::control::Control;
use assay_prover::derived::Nowhere;
use assay_prover::inner::{Committed, Held};
use assay_prover::key::{KeyError, PublicModel};
use assay_prover::native::{self, Claim, NativeProof};
use assay_prover::package::{Metadata, Package, weight_cells};
use assay_prover::registration::{claim, prove, prove_trace};
use assay_prover::seller::Seller;
use assay_prover::srs::Srs;
use assay_prover::wrap::{self, WrapProvingKey, WrapVerifyingKey};
use std::sync::OnceLock;

const LOG_CHUNK: u32 = 9;

fn srs() -> Srs {
    static SRS: OnceLock<Srs> = OnceLock::new();
    SRS.get_or_init(|| Srs::development(LOG_CHUNK + 1)).clone()
}

/// A model with committed weights that need not be those of its package, and what its prover writes into the columns.
struct Target {
    seller: Seller,
    model: PublicModel,
    weights: Weights,
    cells: Vec<i32>,
    truth: Trace,
}

impl Target {
    fn new((architecture, weights): (Architecture, Weights)) -> Self {
        let package = Package::new(Metadata::default(), architecture, weights.clone(), LOG_CHUNK, &srs()).unwrap();
        let cells = weight_cells(&package.model.shape, &weights);
        let seller = Seller::new(package, srs()).unwrap();
        let model = seller.package.model.of_weights().unwrap();
        let truth = trace(&model.shape.architecture, &weights);
        Self { seller, model, weights, cells, truth }
    }

    /// Whether the verifier accepts a proof of `cells` as the committed weights, from a trace.
    fn accepts(&self, cells: &[i32], trace: &Trace, claim: &Claim) -> bool {
        let blinding = self.seller.package.committed.blinding.clone();
        let held = Held::new(&srs(), Committed::new(&srs(), LOG_CHUNK, cells.to_vec(), blinding));
        let model = PublicModel { weights: held.committed.commitments.clone(), ..self.model.clone() };
        let proved = prove_trace(&srs(), &model, &held, trace, claim.context, false, &Control::new()).unwrap();
        let proof = NativeProof::new(proved, &model.shape, &srs(), &Control::new()).unwrap();
        native::verify(&model, claim, &proof).is_ok()
    }

    /// Of each block, its column and the bits of its numbers.
    fn blocks(&self) -> Vec<(ColumnId, u8)> {
        let (architecture, system) = (&self.model.shape.architecture, &self.model.shape.system);
        let weights = system.weights.iter().map(|id| (*id, architecture.weight_bits));
        weights.chain(system.biases.iter().zip(&architecture.biases).map(|(id, block)| (*id, block.bits))).collect()
    }

    /// The committed cells and the trace with another number in a cell of a block.
    fn with(&self, column: ColumnId, at: usize, number: i64) -> (Vec<i32>, Trace) {
        let (mut cells, mut lie) = (self.cells.clone(), self.truth.clone());
        let number = i32::try_from(number).unwrap();
        cells[self.model.shape.layout.block(column).offset + at] = number;
        lie.column_mut(column).unwrap()[at] = number;
        (cells, lie)
    }
}

/// A dense layer whose largest bias has so many bits.
fn wide(bits: u8) -> (Architecture, Weights) {
    let (mut builder, input) = NetworkBuilder::new(&[5], 8, 0, 6);
    let mut weight = 0;
    let dense = builder.dense(&input, 3, || {
        weight = (weight + 7) % 32;
        weight - 16
    });
    let bias = builder.bias(0, vec![-1 << (bits - 1), 5, (1i32 << (bits - 2)) + 77]);
    let table = builder.table(8, Domain::Signed, Function::Relu);
    let table = if bits > 16 { builder.table(8, Domain::Saturating { limb_bits: 12 }, Function::Relu) } else { table };
    let out = builder.requantise(&[3], vec![dense, bias], 8, table);
    builder.finish(&out, 0).unwrap()
}

fn networks() -> Vec<(Architecture, Weights)> {
    let with_biases = |seed: &u64| {
        !sample::random_network(*seed).1.biases.is_empty() && !sample::random_network(*seed).1.matrices.is_empty()
    };
    let seeds: Vec<u64> = (0..200).filter(with_biases).take(3).collect();
    let mut networks: Vec<_> = seeds.iter().map(|seed| sample::random_network(*seed)).collect();
    networks.extend([15, 16, 17, 20].map(wide));
    let cut: Vec<_> = networks
        .iter()
        .zip(0..)
        .filter_map(|(network, seed)| sample::tiled(network.clone(), seed))
        .map(|[_, cut]| cut)
        .collect();
    assert!(!cut.is_empty());
    networks.extend(cut);
    networks
}

const CONTEXT: u64 = 7;

#[test]
fn honest_weights_prove_in_their_own_context() {
    for (i, network) in networks().into_iter().enumerate() {
        let target = Target::new(network);
        let honest = claim(Fr::from(CONTEXT));
        assert!(target.accepts(&target.cells, &target.truth, &honest), "{i}");
        let held = target.seller.held_weights();
        let proved =
            prove_trace(&srs(), &target.model, held, &target.truth, honest.context, false, &Control::new()).unwrap();
        let proof = NativeProof::new(proved, &target.model.shape, &srs(), &Control::new()).unwrap();
        assert!(native::verify(&target.model, &honest, &proof).is_ok(), "of the package's own commitments");
        let refused = |claim: &Claim| native::verify(&target.model, claim, &proof).is_err();
        assert!(refused(&claim(Fr::from(CONTEXT + 1))), "another context");
        assert!(
            refused(&Claim { output: vec![0], ..honest.clone() }) && refused(&Claim { clamps: 1, ..honest.clone() })
        );
        let mut other = target.model.clone();
        other.weights[0] = (other.weights[0] + srs().g1[0]).into();
        assert!(native::verify(&other, &honest, &proof).is_err(), "other weights");
        // and a proof of an inference is none of weights: the shapes have other digests
        assert_ne!(target.model.shape.digest, target.seller.shape().digest);
    }
}

/// RQ6: the smallest and the largest number of each block's width prove, in the first cell and in the last, padding or
/// not; those beside them do not, whatever the prover writes beside the committed number.
#[test]
fn rq6_weights_and_biases_outside_their_width_have_no_proof() {
    let honest = claim(Fr::from(CONTEXT));
    let mut tried = [0; 2];
    for (i, network) in networks().into_iter().enumerate() {
        let target = Target::new(network);
        for (column, bits) in target.blocks() {
            let (half, last) = (1i64 << (bits - 1), target.truth.column(column).len() - 1);
            for at in [0, last] {
                for number in [-half, half - 1] {
                    let (cells, mut truth) = target.with(column, at, number);
                    digits(&target, &mut truth, column, at, number);
                    assert!(target.accepts(&cells, &truth, &honest), "network {i}: {number} in {bits} bits");
                    tried[0] += 1;
                }
                for number in [-half - 1, half, half + 1, -2 * half, 1 << 20, -(1 << 30)] {
                    if i32::try_from(number).is_err() || (-half..half).contains(&number) {
                        continue;
                    }
                    let (cells, mut lie) = target.with(column, at, number);
                    assert!(!target.accepts(&cells, &lie, &honest), "network {i}: {number} in {bits} bits");
                    digits(&target, &mut lie, column, at, number);
                    assert!(
                        !target.accepts(&cells, &lie, &honest),
                        "network {i}: {number} in {bits} bits, with digits"
                    );
                    // committed to one number, looked up as another
                    assert!(
                        !target.accepts(&cells, &target.truth, &honest),
                        "network {i}: {number} in {bits} bits, hidden"
                    );
                    tried[1] += 3;
                }
            }
        }
    }
    assert!(tried[0] > 40 && tried[1] > 200, "{tried:?}");
}

/// Writes the digits of a bias that its equation asks for, in range or not.
fn digits(target: &Target, lie: &mut Trace, column: ColumnId, at: usize, number: i64) {
    let system = &target.model.shape.system;
    let Some(equation) = system.equations.iter().find(|e| e.summands[0].left.column == column) else { return };
    let offset = number + equation.constant as i64;
    let [_, low, high] = [0, 1, 2].map(|i| equation.summands[i].left.column);
    lie.column_mut(low).unwrap()[at] = (offset & 0xffff) as i32;
    lie.column_mut(high).unwrap()[at] = (offset >> 16) as i32;
}

/// RQ6: the digits of a bias are its own: no borrow from one to the other, and none of another number.
#[test]
fn rq6_the_digits_of_a_bias_are_unique() {
    let target = Target::new(networks().pop().unwrap());
    let honest = claim(Fr::from(CONTEXT));
    let equations = &target.model.shape.system.equations;
    assert!(!equations.is_empty());
    for equation in equations {
        let [low, high] = [1, 2].map(|i| equation.summands[i].left.column);
        for (of_low, of_high) in [(1 << 16, -1), (-(1 << 16), 1), (1, 0), (0, 1)] {
            let mut lie = target.truth.clone();
            lie.column_mut(low).unwrap()[0] += of_low;
            lie.column_mut(high).unwrap()[0] += of_high;
            assert!(!target.accepts(&target.cells, &lie, &honest), "{of_low} {of_high}");
        }
    }
}

/// The wrapped proof, which is what a registry takes, and the key that everybody derives.
#[test]
fn the_wrapped_proof_verifies_under_the_derived_key() {
    let target = Target::new(networks().swap_remove(3));
    let shape = &target.model.shape;
    let srs = Srs::development(WrapProvingKey::srs_log(wrap::System::Universal, shape).unwrap());
    let package = Package::new(
        Metadata::default(),
        target.seller.shape().architecture.clone(),
        target.weights.clone(),
        LOG_CHUNK,
        &srs,
    )
    .unwrap();
    let seller = Seller::new(package, srs.clone()).unwrap();
    let model = seller.package.model.of_weights().unwrap();
    let key = WrapProvingKey::universal(shape, &srs).unwrap();
    let context = Fr::from(CONTEXT);
    let proof = prove(&seller, &key, context, &Control::new()).unwrap();
    let (derived, verifying) =
        seller.package.model.derive_of_weights(|_| Ok::<_, KeyError>(srs.clone()), &Nowhere).unwrap();
    assert_eq!((derived.shape.digest, &verifying), (model.shape.digest, &key.verifying_key()));
    wrap::verify(&model, &verifying, &claim(context), &proof).unwrap();
    assert!(wrap::verify(&model, &verifying, &claim(Fr::from(CONTEXT + 1)), &proof).is_err(), "another context");
    let inference = WrapProvingKey::universal(seller.shape(), &srs).unwrap().verifying_key();
    assert!(wrap::verify(&model, &inference, &claim(context), &proof).is_err(), "the key of inferences");
    let WrapVerifyingKey::Universal(_) = verifying else { panic!("nobody but a ceremony has another") };
    let mut other = seller.package.model.clone();
    other.shape.model_digest[0] ^= 1;
    assert!(other.derive_of_weights(|_| Ok::<_, KeyError>(srs.clone()), &Nowhere).is_err(), "a digest is not believed");
}
