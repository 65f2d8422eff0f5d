//! The rows of the universal wrap before somebody else's proof system: `halo2_proofs`, the original one.
//!
//! Defends: that the equations, selectors, copies and public inputs which keys are made of mean what docs/protocol.md
//! section 9 says. The gates are written down a second time here, from the page, with a selector of its own for each
//! kind of row; constants, cells and copies are the circuit's. halo2's checker accepts honest rows and refuses each
//! cell that is changed, and halo2's own prover and verifier accept them as well.

#[path = "halo2/gates.rs"]
mod gates;
#[path = "../support/mod.rs"]
mod support;
#[path = "halo2/table.rs"]
mod table;

use ark_ff::{BigInteger, PrimeField};
use assay_circuits::Fr;
use assay_circuits::plonk::{ADVICE, Circuit, Kind, constraints};
use assay_prover::inner::Proved;
use halo2_proofs::dev::MockProver;
use halo2_proofs::plonk::{SingleVerifier, create_proof, keygen_pk, keygen_vk, verify_proof};
use halo2_proofs::poly::commitment::Params;
use halo2_proofs::transcript::{Blake2bRead, Blake2bWrite, Challenge255};
use halo2curves::bn256::{Fr as F, G1Affine};
use halo2curves::ff::PrimeField as _;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rayon::prelude::*;
use std::sync::OnceLock;
use table::{Table, kind_of};

fn convert(value: &Fr) -> F {
    let bytes = value.into_bigint().to_bytes_le().try_into().expect("32 bytes");
    F::from_repr(bytes).expect("the same field")
}

/// The circuit of a small shape, with the advice of an honest proof.
struct Case {
    circuit: Circuit,
    advice: [Vec<Fr>; ADVICE],
    public: [Fr; 3],
}

fn case() -> &'static Case {
    static CASE: OnceLock<Case> = OnceLock::new();
    CASE.get_or_init(|| {
        let case = support::Case::random(3, 5);
        let Proved { statement, proof, public, .. } = case.proved();
        let circuit = Circuit::new(case.shape(), &case.seller.srs.id()).expect("a small circuit");
        let advice = circuit.advice(statement, &proof, public).expect("an honest proof");
        Case { circuit, advice, public: public.to_array() }
    })
}

fn accepts(table: &Table) -> bool {
    let prover = MockProver::run(table.log_rows(), table, vec![table.public.clone()]).expect("enough rows");
    prover.verify().is_ok()
}

/// The whole table, and which of its cells anything looks at: by production's own check, not by halo2's.
#[test]
fn halo2_accepts_honest_rows_and_refuses_each_cell_changed_alone() {
    let Case { circuit, advice, public } = case();
    assert_eq!(circuit.first_violated(advice, *public), None);
    let honest = Table::of(circuit, advice, public);
    assert!(accepts(&honest));
    for i in 0..public.len() {
        let mut other = honest.clone();
        other.public[i] += F::one();
        assert!(!accepts(&other), "public input {i}");
    }

    // of each kind of row one cell in each column: the first row from somewhere on in which the cell is looked at
    let mut rng = StdRng::seed_from_u64(1);
    let mut changes = Vec::new();
    for kind in Kind::ALL {
        let mut rows: Vec<usize> = (0..circuit.used_rows).filter(|row| kind_of(circuit, *row) == kind).collect();
        assert!(!rows.is_empty(), "{kind:?}");
        let from = rng.random_range(0..rows.len());
        rows.rotate_left(from);
        for column in 0..ADVICE {
            let violates = |row: &usize| {
                let mut changed = advice.clone();
                changed[column][*row] += Fr::from(1u64);
                circuit.first_violated(&changed, *public).is_some()
            };
            let seen = rows.iter().take(12).find(|row| violates(row));
            changes.push((kind, column, *seen.unwrap_or(&rows[0]), seen.is_some()));
        }
    }
    changes.par_iter().for_each(|(kind, column, row, seen)| {
        let mut changed = honest.clone();
        changed.advice[*row][*column] += F::one();
        assert_eq!(!accepts(&changed), *seen, "{kind:?} row {row} column {column}");
    });
    // all kinds' wires and states count; only where a kind has no use for a column is a cell free
    let free: Vec<(Kind, usize)> =
        changes.iter().filter(|change| !change.3).map(|change| (change.0, change.1)).collect();
    let unused = |kind: &Kind| if *kind == Kind::Pair { vec![6, 7] } else { vec![7] };
    assert!(free.iter().all(|(kind, column)| unused(kind).contains(column)), "{free:?}");
    assert_eq!(free.len(), 5, "{free:?}");
}

/// Rows alone, without copies: each cell of many rows of each kind, and of the row after, is changed. halo2's verdict
/// is production's.
#[test]
fn gates_of_the_page_are_the_gates_of_the_circuit() {
    let Case { circuit, advice, public } = case();
    let mut rng = StdRng::seed_from_u64(2);
    for kind in Kind::ALL {
        let rows: Vec<usize> = (0..circuit.used_rows).filter(|row| kind_of(circuit, *row) == kind).collect();
        let mut refused = [false; 2 * ADVICE];
        for _ in 0..24 {
            let row = rows[rng.random_range(0..rows.len())];
            let own: [Fr; ADVICE] = std::array::from_fn(|column| advice[column][row]);
            let next: [Fr; ADVICE] = std::array::from_fn(|column| advice[column][row + 1]);
            let fixed = std::array::from_fn(|column| circuit.fixed[column][row]);
            let window = Table::window(circuit, advice, public, row);
            assert!(accepts(&window));
            for cell in 0..2 * ADVICE {
                let (mut own, mut next, mut changed) = (own, next, window.clone());
                let cells = if cell < ADVICE { &mut own } else { &mut next };
                let step = Fr::from(rng.random::<u64>());
                cells[cell % ADVICE] += step;
                changed.advice[cell / ADVICE][cell % ADVICE] += convert(&step);
                let slots = constraints(&own, &next, &fixed, &public.get(row).copied().unwrap_or_default());
                let valid = slots.iter().all(|slot| *slot == Fr::from(0u64));
                assert_eq!(accepts(&changed), valid, "{kind:?} row {row} cell {cell}");
                refused[cell] |= !valid;
            }
        }
        // that this is no comparison of two checks that see nothing: of sums and pairs each cell counts in some row
        let counting = refused.iter().zip(cells(kind)).all(|(refused, counts)| *refused == counts);
        assert!(counting, "{kind:?}: {refused:?}");
    }
}

/// The cells of a row and the next that a kind of row looks at, from the page.
fn cells(kind: Kind) -> [bool; 2 * ADVICE] {
    let (own, next): (&[usize], &[usize]) = match kind {
        Kind::Sum => (&[0, 1, 2, 3, 4, 5, 6], &[6]),
        Kind::Full => (&[6, 0, 1, 2, 3], &[6, 0, 1, 2, 3]),
        Kind::Absorb => (&[0, 1, 2, 3, 4, 5, 6], &[0, 1, 2, 3, 4, 5, 6]),
        Kind::Pair => (&[0, 1, 2, 3, 4, 5], &[]),
        Kind::Enter => (&[0, 1, 2, 3, 4, 5, 6, 7], &[0, 1, 2, 3, 4, 5, 6, 7]),
        Kind::Partial => (&[3, 4, 5, 6, 7], &[0, 1, 2, 3, 4, 5, 6, 7]),
        Kind::Leave => (&[3, 4, 5, 6, 7], &[0, 1, 2, 3, 6]),
        Kind::Round => (&[0, 1, 2, 3, 4, 5, 6, 7], &[6]),
    };
    std::array::from_fn(|cell| if cell < ADVICE { own.contains(&cell) } else { next.contains(&(cell - ADVICE)) })
}

/// A real proof of the same rows, made and verified by halo2 over the same curve (with an inner product argument).
#[test]
fn halo2_proves_the_same_rows() {
    let Case { circuit, advice, public } = case();
    let table = Table::of(circuit, advice, public);
    let params = Params::<G1Affine>::new(table.log_rows());
    let vk = keygen_vk(&params, &table.without_advice()).expect("enough rows");
    let pk = keygen_pk(&params, vk, &table.without_advice()).expect("enough rows");
    let prove = |table: &Table| {
        let mut transcript = Blake2bWrite::<_, _, Challenge255<_>>::init(vec![]);
        create_proof(
            &params,
            &pk,
            std::slice::from_ref(table),
            &[&[&table.public]],
            ark_std::test_rng(),
            &mut transcript,
        )
        .expect("made");
        transcript.finalize()
    };
    let verifies = |proof: &[u8], public: &[F]| {
        let mut transcript = Blake2bRead::<_, _, Challenge255<_>>::init(proof);
        verify_proof(&params, pk.get_vk(), SingleVerifier::new(&params), &[&[public]], &mut transcript).is_ok()
    };
    let proof = prove(&table);
    assert!(verifies(&proof, &table.public));
    let mut other = table.public.clone();
    other[2] += F::one();
    assert!(!verifies(&proof, &other));
    let mut false_table = table.clone();
    false_table.advice[circuit.used_rows / 2][0] += F::one();
    assert!(!accepts(&false_table));
    assert!(!verifies(&prove(&false_table), &table.public));
}
