//! Rows of weights that an index names: every honest execution proves, alone and in batches, and every other row is
//! refused (families LU and RQ).
//!
//! The network gives the rows as they are, so that a lie has nothing else to make up for.

#[path = "../../circuits/tests/support/checked.rs"]
mod checked;
#[path = "../../circuits/tests/support/mod.rs"]
mod support;

use assay_circuits::batch::Batch;
use assay_circuits::exec::Trace;
use assay_circuits::model::{Architecture, ModelError, Rule, Source, Weights};
use assay_circuits::sample::builder::NetworkBuilder;
use assay_circuits::system::ColumnId;
use assay_circuits::{Fr, sample};
use assay_prover::control::Control;
use assay_prover::native::{self, Claim, NativeProof};
use assay_prover::package::{Metadata, Package};
use assay_prover::seller::{InputOpening, Seller};
use assay_prover::srs::Srs;
use checked::Checked;
use std::sync::OnceLock;

const LOG_CHUNK: u32 = 8;
const ROWS: u32 = 6;
const WIDTH: u32 = 3;

fn srs() -> Srs {
    static SRS: OnceLock<Srs> = OnceLock::new();
    SRS.get_or_init(|| Srs::development(LOG_CHUNK + 1)).clone()
}

fn seller((architecture, weights): (Architecture, Weights)) -> Seller {
    Seller::new(Package::new(Metadata::default(), architecture, weights, LOG_CHUNK, &srs()).unwrap(), srs()).unwrap()
}

/// The rows of a table of six, for four ids of five bits; no two rows are alike.
fn network() -> (Architecture, Weights) {
    let (mut builder, ids) = NetworkBuilder::new(&[4], 5, 0, 8);
    let mut next = 0;
    let matrix = builder.weight(&[ROWS, WIDTH], || {
        next += 5;
        next
    });
    let Source::Weight(matrix) = matrix else { unreachable!("it is one") };
    let rule = Rule::Rows { matrix, bits: 2, index: ids.source, index_bits: 5 };
    let rows = builder.layer(&[4, WIDTH], Vec::new(), 0, rule);
    builder.finish(&rows, 0).unwrap()
}

const IDS: [i32; 4] = [2, 5, 7, -1];

/// A model with an execution on [`IDS`]: two rows of its table, a row of the block that only fills it up, and no row.
struct Target {
    seller: Seller,
    weights: Weights,
    rows: ColumnId,
    truth: Trace,
}

impl Target {
    fn new() -> Self {
        let (architecture, weights) = network();
        let seller = seller((architecture, weights.clone()));
        let truth = seller.execute(&InputOpening::public(seller.shape(), IDS.to_vec())).unwrap();
        let rows = seller.shape().system.layers[0].pre;
        Self { seller, weights, rows, truth }
    }

    fn accepts(&self, ids: [i32; 4], trace: &Trace) -> bool {
        let input =
            InputOpening::public(self.seller.shape(), ids.to_vec()).commit(self.seller.shape(), &srs()).unwrap();
        let proved = self.seller.prove_trace(&input, trace, Fr::from(1u64), false, &Control::new()).unwrap();
        let claim = Claim::of(&proved, input.commitments, Fr::from(1u64));
        let proof = NativeProof::new(proved, self.seller.shape(), &srs(), &Control::new()).unwrap();
        native::verify(&self.seller.package.model, &claim, &proof).is_ok()
    }

    /// A lie that the lookup alone stands against.
    fn refuses(&self, what: &str, change: impl FnOnce(&mut [i32])) {
        let mut lie = self.truth.clone();
        change(lie.column_mut(self.rows).unwrap());
        let broken = Checked::new(&self.seller.shape().architecture, &self.weights, &lie).broken();
        assert_eq!(broken, [0, 1], "{what}");
        assert!(!self.accepts(IDS, &lie), "{what}");
    }
}

/// The execution is the page's: rows, and zeros where there is none.
#[test]
fn rows_are_those_of_the_block_and_zeros_elsewhere() {
    let target = Target::new();
    let rows = target.truth.column(target.rows);
    assert_eq!(rows, [[35, 40, 45, 0], [80, 85, 90, 0], [0; 4], [0; 4]].as_flattened());
    assert_eq!(
        target.truth.output(&target.seller.shape().architecture, &target.seller.shape().system)[..6],
        [35, 40, 45, 80, 85, 90]
    );
    assert!(target.accepts(IDS, &target.truth));
}

/// LU5: the row of another index, a row with one cell off, cells that change places or cancel each other, a row where
/// there is none.
#[test]
fn lu5_no_other_row_than_the_one_that_is_named() {
    let target = Target::new();
    let whole: Vec<i32> = target.truth.column(target.rows).to_vec();
    let row = |at: usize| whole[4 * at..4 * at + 4].to_vec();
    target.refuses("the row of another index", |rows| rows[..4].copy_from_slice(&row(1)));
    for cell in 0..16 {
        target.refuses("a cell", |rows| rows[cell] += 1);
        target.refuses("a cell", |rows| rows[cell] -= 1000);
    }
    target.refuses("cells that change places", |rows| rows.swap(0, 1));
    target.refuses("cells of one sum", |rows| (rows[0], rows[1]) = (rows[0] + 1, rows[1] - 1));
    target.refuses("rows that change places", |rows| (0..4).for_each(|d| rows.swap(d, 4 + d)));
    target.refuses("two rows of one sum", |rows| (rows[0], rows[4]) = (rows[0] + 1, rows[4] - 1));
    target.refuses("a row where there is none", |rows| rows[8..12].copy_from_slice(&row(0)));
    target.refuses("the last row for -1", |rows| rows[12..].copy_from_slice(&row(1)));
    target.refuses("numbers where the block has no row", |rows| rows[12] = 1);
    // the ids of one execution and the rows of another
    assert!(!target.accepts([2, 5, 7, 0], &target.truth));
    assert!(!target.accepts([3, 5, 7, -1], &target.truth));
}

/// Every id that fits proves, in proofs of one inference and of several.
#[test]
fn every_index_is_provable() {
    for (seed, network) in
        [network(), sample::embedding(3, 5, 6), sample::embedding(1, 9, 1), sample::embedding(5, 1, 4)]
            .into_iter()
            .enumerate()
    {
        let inputs: Vec<Vec<i32>> = (0..4).map(|kind| sample::extreme_input(&network.0, kind)).collect();
        let random = (0..4).map(|i| sample::random_input(&network.0, 10 * seed as u64 + i));
        let inputs: Vec<Vec<i32>> = inputs.into_iter().chain(random).collect();
        for batch in [Batch::ONE, Batch::joint(1), Batch::separate(2)] {
            let seller = seller(network.clone()).batched(batch).unwrap();
            for cells in inputs.chunks_exact(batch.inferences()) {
                let opening = InputOpening::private(seller.shape(), cells.concat());
                let (claim, proof) = seller.prove_native(&opening, Fr::from(3u64), &Control::new()).unwrap();
                native::verify(&seller.package.model, &claim, &proof).unwrap();
            }
        }
    }
}

/// Architectures in which a row could be named that the table does not have, or the parts do not fit, are no models.
#[test]
fn rows_that_do_not_fit_are_refused() {
    let refused = |change: &dyn Fn(&mut Architecture)| {
        let mut architecture = network().0;
        change(&mut architecture);
        architecture.validate().unwrap_err()
    };
    let with = |change: fn(&mut u32, &mut u8, &mut Source, &mut u8)| {
        refused(&|a| {
            let Rule::Rows { matrix, bits, index, index_bits } = &mut a.layers[0].rule else {
                unreachable!("it is one")
            };
            change(matrix, bits, index, index_bits);
        })
    };
    assert!(matches!(with(|_, _, _, index_bits| *index_bits = 4), ModelError::IndexBits { layer: 0, bits: 4 }));
    assert!(matches!(with(|_, _, _, index_bits| *index_bits = 19), ModelError::IndexBits { bits: 19, .. }));
    assert!(matches!(with(|_, _, _, index_bits| *index_bits = 0), ModelError::IndexBits { bits: 0, .. }));
    assert!(matches!(with(|_, bits, _, _| *bits = 1), ModelError::Rows { layer: 0 }));
    assert!(matches!(with(|_, bits, _, _| *bits = 200), ModelError::Rows { layer: 0 }));
    assert!(matches!(
        with(|matrix, _, _, _| *matrix = 1),
        ModelError::UnknownSource { missing: Source::Weight(1), .. }
    ));
    assert!(matches!(
        with(|_, _, index, _| *index = Source::Post(0)),
        ModelError::UnknownSource { missing: Source::Post(0), .. }
    ));
    assert!(matches!(with(|_, _, index, _| *index = Source::Weight(0)), ModelError::UnknownSource { .. }));
    assert!(matches!(refused(&|a| a.layers[0].constant = 1), ModelError::Rows { layer: 0 }));
    assert!(matches!(refused(&|a| a.layers[0].log_size += 1), ModelError::Rows { layer: 0 }));
    assert!(matches!(refused(&|a| a.matrices[0].log_size += 2), ModelError::Rows { layer: 0 }));
}
