//! The circuit against the two other readers of the verifier, on transcripts that nobody executed a network for: random
//! messages, in which whatever a check determines is solved for.

use super::*;
use crate::batch::Batch;
use crate::r1cs::{Constraints, Gate};
use crate::sample::{self, Random};
use crate::scalar::{Check, Scalar};
use crate::verifier::{self, Reduced};
use crate::{poseidon, wrap};
use std::cell::RefCell;
use std::ops::{Add, Mul, Neg, Sub};

const SRS_ID: [u8; 32] = [7; 32];

thread_local! {
    /// By how much each equation fails, in their order.
    static RESIDUALS: RefCell<Vec<Fr>> = const { RefCell::new(Vec::new()) };
}

/// A native value whose equations may fail.
#[derive(Clone)]
struct Lenient(Fr);

macro_rules! operator {
    ($trait:ident, $name:ident, $op:tt) => {
        impl $trait for Lenient {
            type Output = Self;
            fn $name(self, other: Self) -> Self {
                Self(self.0 $op other.0)
            }
        }
        impl<'a> $trait<&'a Lenient> for Lenient {
            type Output = Self;
            fn $name(self, other: &'a Self) -> Self {
                Self(self.0 $op other.0)
            }
        }
    };
}
operator!(Add, add, +);
operator!(Sub, sub, -);
operator!(Mul, mul, *);

impl Neg for Lenient {
    type Output = Self;
    fn neg(self) -> Self {
        Self(-self.0)
    }
}

impl Scalar for Lenient {
    fn constant(value: Fr) -> Self {
        Self(value)
    }

    fn inverse(&self) -> Result<Self, VerifyError> {
        Scalar::inverse(&self.0).map(Self)
    }

    fn require_equal(&self, other: &Self, _: Check) -> Result<(), VerifyError> {
        RESIDUALS.with_borrow_mut(|all| all.push(self.0 - other.0));
        Ok(())
    }
}

/// What the verifier arrives at if it lets every equation pass, and by how much each fails.
fn lenient(shape: &Shape, statement: Fr, proof: &InnerProof<Fr>) -> (Reduced<Fr>, Vec<Fr>) {
    RESIDUALS.take();
    let reduced = verifier::verify(shape, &SRS_ID, &Lenient(statement), &proof.map(|v| Lenient(*v))).unwrap();
    let Reduced { delta, output_sum, point, value, rho, digest } = reduced;
    let point = point.into_iter().map(|v| v.0).collect();
    let reduced = Reduced {
        delta: delta.0,
        output_sum: output_sum.0,
        point,
        value: value.0,
        rho: rho.map(|v| v.0),
        digest: digest.0,
    };
    (reduced, RESIDUALS.take())
}

fn public_inputs(statement: Fr, reduced: &Reduced<Fr>) -> PublicInputs {
    PublicInputs::new(&wrap::public_data(&statement, reduced), reduced.digest)
}

/// A transcript that the verifier accepts. Every equation is linear in a message that is absorbed after it.
fn accepted(shape: &Shape, seed: u64) -> (Fr, InnerProof<Fr>) {
    let mut random = Random::new(seed);
    let mut value =
        || Fr::from(random.bits()) * Fr::from(random.bits()) * Fr::from(random.bits()) * Fr::from(random.bits());
    let statement = value();
    let mut proof = InnerProof::zero(shape, true).map(|_| value());
    proof.root[0] = Fr::ZERO;
    for equation in 1..lenient(shape, statement, &proof).1.len() {
        let residual = |proof: &mut InnerProof<Fr>, value: Fr| {
            let levels = proof.levels.len();
            let slot = match equation - 1 {
                level if level < levels => &mut proof.levels[level].children[0],
                after if after == levels => match proof.product_evaluations.first_mut() {
                    Some(first) => &mut first[0],
                    None => &mut proof.product_sum,
                },
                after if after == levels + 1 => &mut proof.evaluation,
                _ => &mut proof.mask.as_mut().unwrap()[1],
            };
            *slot = value;
            lenient(shape, statement, proof).1[equation]
        };
        let [at_zero, at_one] = [Fr::ZERO, Fr::ONE].map(|value| residual(&mut proof, value));
        let root = at_zero / (at_zero - at_one);
        assert_eq!(residual(&mut proof, root), Fr::ZERO);
    }
    (statement, proof)
}

/// All variables of the constraints from what is given, whatever the equations say.
fn assign(constraints: &Constraints, given: &[Fr]) -> Vec<Fr> {
    let mut values: Vec<Option<Fr>> = given.iter().copied().map(Some).collect();
    values.resize(constraints.variables, None);
    let at = |values: &[Option<Fr>], lc: &LinearCombination| -> Option<Fr> {
        lc.iter().try_fold(Fr::ZERO, |sum, (v, c)| values[*v as usize].map(|value| sum + value * c))
    };
    while values.contains(&None) {
        for ((a, b), c) in constraints.a.iter().zip(&constraints.b).zip(&constraints.c) {
            let (left, right) = (at(&values, a), at(&values, b));
            match (left, right, b.as_slice(), c.as_slice()) {
                (Some(a), Some(b), _, [(v, _)]) if *v != 0 => values[*v as usize] = Some(a * b),
                (Some(a), None, [(v, _)], [(0, _)]) => values[*v as usize] = Some(Field::inverse(&a).unwrap()),
                _ => {}
            }
        }
        for gate in &constraints.gates {
            match gate {
                Gate::Permutation { input, output } => {
                    let state: Option<Vec<Fr>> = input.iter().map(|lc| at(&values, lc)).collect();
                    let Some(state) = state else { continue };
                    let mut state: [Fr; 5] = state.try_into().unwrap();
                    poseidon::permute(&mut state);
                    output.iter().zip(state).for_each(|(v, value)| values[*v as usize] = Some(value));
                }
                Gate::Round { input, output } => {
                    let all: Option<Vec<Fr>> = input.iter().map(|lc| at(&values, lc)).collect();
                    let Some(all) = all else { continue };
                    let [claim, g0, g1, g2, g4, r, x] = all.try_into().unwrap();
                    values[*output as usize] =
                        Some(lookup::quartic_round(&claim, [&g0, &g1, &g2, &g4], &r, &x).unwrap());
                }
            }
        }
    }
    values.into_iter().map(Option::unwrap).collect()
}

fn constraints_of(shape: &Shape) -> Constraints {
    let (system, public) = System::whole(PUBLIC_INPUTS);
    let statement = system.witness();
    let proof = InnerProof::zero(shape, true).map(|_| system.witness());
    wrap::synthesise(shape, &SRS_ID, &public, &statement, &proof).unwrap();
    drop((public, statement, proof));
    system.into_constraints()
}

fn given(public: PublicInputs, statement: Fr, proof: &InnerProof<Fr>) -> Vec<Fr> {
    [&[Fr::ONE], public.to_array().as_slice(), &[statement], proof.elements().as_slice()].concat()
}

fn shapes() -> Vec<Shape> {
    let shape = |seed: u64, log_chunk, batch| Shape::batched(sample::random_network(seed).0, log_chunk, batch).unwrap();
    let small = (0..12).map(|seed| shape(seed, 5 + seed as u32 % 5, Batch::ONE));
    small
        .chain([shape(2, 8, Batch::joint(2)), shape(3, 7, Batch::separate(1)), shape(5, 8, Batch::separate(2))])
        .collect()
}

/// Native values, R1CS and rows accept the same transcript.
#[test]
fn rows_hold_for_what_the_verifier_accepts() {
    for (seed, shape) in shapes().iter().enumerate() {
        let (statement, proof) = accepted(shape, seed as u64);
        let reduced = verifier::verify(shape, &SRS_ID, &statement, &proof).unwrap();
        let public = public_inputs(statement, &reduced);
        let r1cs = wrap::constraints(shape, &SRS_ID).unwrap();
        assert_eq!(r1cs.first_violated(&wrap::assignment(shape, &SRS_ID, statement, &proof, public).unwrap()), None);

        let circuit = Circuit::new(shape, &SRS_ID).unwrap();
        let advice = circuit.advice(statement, &proof, public).unwrap();
        assert_eq!(circuit.first_violated(&advice, public.to_array()), None, "seed {seed}");
        let values = assign(&constraints_of(shape), &given(public, statement, &proof));
        assert_eq!(circuit.fill(circuit.derive(values)), advice);
        for i in 0..PUBLIC_INPUTS {
            let mut other = public.to_array();
            other[i] += Fr::ONE;
            assert!(circuit.first_violated(&advice, other).is_some());
        }
    }
}

/// Every field of a transcript counts: where it is changed all three refuse, and the rows do so even with the changed
/// transcript's own public inputs.
#[test]
fn rows_fail_for_what_the_verifier_refuses() {
    let shape = &shapes()[3];
    let (statement, proof) = accepted(shape, 99);
    let circuit = Circuit::new(shape, &SRS_ID).unwrap();
    let constraints = constraints_of(shape);
    let elements = proof.elements();
    (0..elements.len()).into_par_iter().for_each(|i| {
        let mut changed = elements.clone();
        changed[i] += Fr::from(1 + i as u64);
        let changed = InnerProof::from_elements(shape, true, &changed).unwrap();
        let public = public_inputs(statement, &lenient(shape, statement, &changed).0);
        assert!(verifier::verify(shape, &SRS_ID, &statement, &changed).is_err());
        assert!(wrap::assignment(shape, &SRS_ID, statement, &changed, public).is_err());
        assert!(circuit.advice(statement, &changed, public).is_err());
        let advice = circuit.fill(circuit.derive(assign(&constraints, &given(public, statement, &changed))));
        assert!(circuit.first_violated(&advice, public.to_array()).is_some(), "element {i}");
    });
}

/// No cell is free that anything depends on: if a wire's variable, or a cell of the other columns, is changed, a row
/// that looks at it fails.
#[test]
fn every_variable_of_the_rows_is_determined() {
    for shape in [&shapes()[3], &shapes()[13]] {
        let (statement, proof) = accepted(shape, 5);
        let reduced = verifier::verify(shape, &SRS_ID, &statement, &proof).unwrap();
        let public = public_inputs(statement, &reduced);
        let circuit = Circuit::new(shape, &SRS_ID).unwrap();
        let mut advice = circuit.advice(statement, &proof, public).unwrap();
        let n = 1usize << circuit.log_rows;
        let mut seen = vec![false; WIRES * n];
        let unused = |row: usize, column: usize| match (circuit.rows.rows.get(row).map(|row| row.kind), column) {
            (None, _) => true,
            (Some(Kind::Enter | Kind::Partial | Kind::Leave), _) => false,
            (Some(Kind::Round), _) | (Some(Kind::Full), 0..4 | 6) | (Some(Kind::Absorb), 0..7) => false,
            (Some(Kind::Sum), 6) => circuit.fixed[6][row] == Fr::ZERO,
            (Some(Kind::Sum | Kind::Pair), 0..6) => circuit.rows.rows[row].wires[column].is_none(),
            (Some(Kind::Full), 4 | 5) => circuit.rows.rows[row].wires[column].is_none(),
            _ => true,
        };
        for cell in 0..ADVICE * n {
            let mut cycle = vec![cell];
            if cell < WIRES * n {
                if seen[cell] {
                    continue;
                }
                let next = |c: &usize| Some(circuit.permutation[*c] as usize).filter(|c| *c != cell);
                cycle = std::iter::successors(Some(cell), next).collect();
                cycle.iter().for_each(|c| seen[*c] = true);
            }
            if cycle.iter().all(|c| unused(c % n, c / n)) {
                continue;
            }
            cycle.iter().for_each(|c| advice[c / n][c % n] += Fr::from(3u64));
            let fails = |c: &usize| {
                [c % n, (c % n + n - 1) % n]
                    .iter()
                    .any(|row| circuit.violated_in(*row, &advice, public.to_array()).is_some())
            };
            assert!(cycle.iter().any(fails), "column {} row {} is free", cell / n, cell % n);
            cycle.iter().for_each(|c| advice[c / n][c % n] -= Fr::from(3u64));
        }
    }
}

/// Which wires are one, by cell; a cell of another column is alone.
fn classes(circuit: &Circuit) -> Vec<usize> {
    let n = 1usize << circuit.log_rows;
    let mut classes: Vec<usize> = (0..ADVICE * n).collect();
    for cell in 0..WIRES * n {
        let mut next = circuit.permutation[cell] as usize;
        while classes[cell] == cell && next > cell {
            classes[next] = cell;
            next = circuit.permutation[next] as usize;
        }
    }
    classes
}

/// Nothing is left out: from the statement and the proof every value in the rows follows, equation by equation, and as
/// many equations are then left over as the verifier checks, and the three that say what the public inputs are.
#[test]
fn what_is_not_a_definition_is_a_check() {
    for shape in shapes().iter().chain([&Shape::new(sample::lenet5().0, 16).unwrap()]) {
        let circuit = Circuit::new(shape, &SRS_ID).unwrap();
        let constraints = constraints_of(shape);
        let given = 1 + PUBLIC_INPUTS + 1 + InnerProof::zero(shape, true).elements().len();
        let (n, classes) = (1usize << circuit.log_rows, classes(&circuit));
        // which cells each slot of each row depends on, at a random point
        let depends = |row: usize| -> Vec<Vec<usize>> {
            let mut random = Random::new(row as u64);
            let mut cells: Vec<Fr> = (0..2 * ADVICE).map(|_| Fr::from(random.bits())).collect();
            let slots = |cells: &[Fr]| {
                let half = |from: usize| std::array::from_fn(|i| cells[from + i]);
                super::constraints(&half(0), &half(ADVICE), &std::array::from_fn(|i| circuit.fixed[i][row]), &Fr::ZERO)
            };
            let before = slots(&cells);
            let mut depends = vec![Vec::new(); CONSTRAINTS];
            for i in 0..2 * ADVICE {
                cells[i] += Fr::ONE;
                let after = slots(&cells);
                (0..CONSTRAINTS)
                    .filter(|slot| after[*slot] != before[*slot])
                    .for_each(|slot| depends[slot].push(classes[i % ADVICE * n + row + i / ADVICE]));
                cells[i] -= Fr::ONE;
            }
            depends.into_iter().filter(|cells| !cells.is_empty()).collect()
        };
        let mut equations: Vec<Vec<usize>> = (0..circuit.used_rows).into_par_iter().flat_map_iter(depends).collect();
        let mut known = vec![false; ADVICE * n];
        for (row, wires) in circuit.rows.rows.iter().map(|row| row.wires).enumerate() {
            let inputs = wires.iter().enumerate().filter(|(_, v)| v.is_some_and(|v| (v as usize) < given));
            inputs.for_each(|(column, _)| known[classes[column * n + row]] = true);
        }
        loop {
            let before = equations.len();
            equations.retain(|cells| {
                let mut unknown: Vec<usize> = cells.iter().copied().filter(|cell| !known[*cell]).collect();
                unknown.sort_unstable();
                unknown.dedup();
                let defines = unknown.len() == 1;
                if defines {
                    known[unknown[0]] = true;
                }
                !defines
            });
            if equations.len() == before {
                break;
            }
        }
        assert!(equations.iter().flatten().all(|cell| known[*cell]));
        assert_eq!(equations.len(), constraints.c.iter().filter(|c| c.is_empty()).count() + PUBLIC_INPUTS);
    }
}

/// The sizes that the bench's networks have. A change that makes them larger should be noticed.
#[test]
fn sizes() {
    let networks = [
        ("digits", sample::digits_cnn(), 14, Batch::ONE, 12),
        ("LeNet-5", sample::lenet5(), 16, Batch::ONE, 12),
        ("CIFAR", sample::cifar_cnn(), 16, Batch::ONE, 12),
        ("MLP", sample::mlp_4x1024(), 16, Batch::ONE, 12),
        ("VGG-16", sample::vgg16(), 17, Batch::ONE, 12),
        ("LeNet-5 by 64", sample::lenet5(), 17, Batch::joint(6), 12),
        ("64 of LeNet-5", sample::lenet5(), 17, Batch::separate(6), 12),
    ];
    for (name, (architecture, _), log_chunk, batch, log_rows) in networks {
        let shape = Shape::batched(architecture, log_chunk, batch).unwrap();
        let circuit = Circuit::new(&shape, &SRS_ID).unwrap();
        let (statement, proof) = accepted(&shape, 1);
        let public = public_inputs(statement, &lenient(&shape, statement, &proof).0);
        let start = std::time::Instant::now();
        let advice = circuit.advice(statement, &proof, public).unwrap();
        let elapsed = start.elapsed();
        println!(
            "{name}: {} rows, {:?}, advice in {elapsed:?}",
            circuit.used_rows,
            Kind::ALL.map(|kind| (kind, circuit.count(kind)))
        );
        assert_eq!(circuit.first_violated(&advice, public.to_array()), None, "{name}");
        assert_eq!(circuit.log_rows, log_rows, "{name}");
    }
}
