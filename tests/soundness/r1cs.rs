//! The constraints of the Groth16 wrap before arkworks, and the question whether they leave a second witness.
//!
//! Defends: that a constraint system says what it is meant to (family G8). arkworks' own check accepts honest witnesses
//! and refuses each one with a variable changed. And of every variable it is shown that no other value is possible:
//! from what a proof gives, each follows from an equation in which it is the only unknown and in which its factor is
//! not zero. That is more than a rank of the Jacobian, which says so of near values only.

#[path = "../support/mod.rs"]
mod support;

use ark_ff::{AdditiveGroup, Field};
use ark_relations::gr1cs::{ConstraintSystem, LinearCombination as Combination, Variable};
use assay_circuits::Fr;
use assay_circuits::r1cs::{Constraints, LinearCombination};
use assay_circuits::wrap::{self, PUBLIC_INPUTS};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rayon::prelude::*;
use support::{Case, relations};

/// Constraints with an honest witness.
struct Witnessed {
    name: &'static str,
    constraints: Constraints,
    values: Vec<Fr>,
    /// How many variables are the statement and the elements of the proof.
    given: usize,
}

fn witnessed(case: &Case) -> Witnessed {
    let (shape, id, proved) = (case.shape(), case.seller.srs.id(), case.proved());
    let constraints = wrap::constraints(shape, &id).expect("a small circuit");
    let values = wrap::assignment(shape, &id, proved.statement, &proved.proof, proved.public).expect("an honest proof");
    assert_eq!(values.len(), constraints.variables);
    Witnessed { name: case.name, constraints, values, given: 1 + proved.proof.elements().len() }
}

/// What arkworks says of some of the constraints.
fn arkworks_accepts(constraints: &Constraints, rows: &[usize], values: &[Fr]) -> bool {
    let mut system = ConstraintSystem::new();
    let variables: Vec<Variable> = values
        .iter()
        .enumerate()
        .map(|(i, value)| match i {
            0 => Variable::One,
            i if i < constraints.public => system.new_input_variable(|| Ok(*value)).expect("a variable"),
            _ => system.new_witness_variable(|| Ok(*value)).expect("a variable"),
        })
        .collect();
    let combination = |lc: &LinearCombination| {
        lc.iter().fold(Combination::zero(), |sum, (variable, factor)| sum + (*factor, variables[*variable as usize]))
    };
    for &row in rows {
        let [a, b, c] = [&constraints.a, &constraints.b, &constraints.c].map(|side| combination(&side[row]));
        system.enforce_r1cs_constraint(|| a, || b, || c).expect("a constraint");
    }
    system.is_satisfied().expect("all values are there")
}

/// Which constraints a variable is in.
fn mentions(constraints: &Constraints) -> Vec<Vec<usize>> {
    let mut mentions = vec![Vec::new(); constraints.variables];
    for row in 0..constraints.a.len() {
        for (variable, _) in constraints.a[row].iter().chain(&constraints.b[row]).chain(&constraints.c[row]) {
            let rows: &mut Vec<usize> = &mut mentions[*variable as usize];
            if rows.last() != Some(&row) {
                rows.push(row);
            }
        }
    }
    mentions
}

/// G8: arkworks accepts what it should and nothing with one variable changed.
#[test]
fn g8_arkworks_accepts_honest_witnesses_only() {
    for case in &relations() {
        let Witnessed { name, constraints, values, .. } = witnessed(case);
        let all: Vec<usize> = (0..constraints.a.len()).collect();
        assert!(arkworks_accepts(&constraints, &all, &values), "{name}");
        let mentions = mentions(&constraints);
        (1..constraints.variables).into_par_iter().for_each(|variable| {
            // all constraints for a few; for others those that the variable is in, since the rest is what it was
            let rows = match variable {
                variable if variable <= PUBLIC_INPUTS || variable % 4099 == 0 => &all,
                variable if variable % 67 == 0 => &mentions[variable],
                _ => return,
            };
            let mut changed = values.clone();
            changed[variable] += Fr::from(StdRng::seed_from_u64(variable as u64).random_range(1..u64::MAX));
            assert!(!arkworks_accepts(&constraints, rows, &changed), "{name}: variable {variable}");
        });
    }
}

/// What is known of a linear combination: the sum of what is, and the factor of the one unknown variable.
fn split(lc: &LinearCombination, values: &[Fr], unknown: u32) -> [Fr; 2] {
    let (mut known, mut factor) = (Fr::ZERO, Fr::ZERO);
    for (variable, c) in lc {
        if *variable == unknown { factor += c } else { known += values[*variable as usize] * c }
    }
    [known, factor]
}

/// Whether a constraint leaves the unknown variable one value only, whatever it was.
fn determines(constraints: &Constraints, row: usize, values: &[Fr], unknown: u32) -> bool {
    let [a, b, c] = [&constraints.a, &constraints.b, &constraints.c].map(|side| split(&side[row], values, unknown));
    // (a0 + a1 v)(b0 + b1 v) = c0 + c1 v
    a[1] * b[1] == Fr::ZERO && a[0] * b[1] + a[1] * b[0] != c[1]
}

/// The variables that do not follow from known ones, and the constraints that are left over when all others have given
/// a variable. Equations without a product are taken last: most of them are checks of what has been computed.
fn not_determined(
    constraints: &Constraints,
    values: &[Fr],
    known: impl Iterator<Item = usize>,
) -> (Vec<usize>, Vec<usize>) {
    let mentions = mentions(constraints);
    let mut is_known = vec![false; constraints.variables];
    known.for_each(|variable| is_known[variable] = true);
    let unknown = |row: usize, is_known: &[bool]| {
        let all = constraints.a[row].iter().chain(&constraints.b[row]).chain(&constraints.c[row]);
        let mut unknown: Vec<u32> =
            all.map(|(variable, _)| *variable).filter(|variable| !is_known[*variable as usize]).collect();
        unknown.sort_unstable();
        unknown.dedup();
        unknown
    };
    let mut spent = vec![false; constraints.a.len()];
    let is_product = |row: usize| !constraints.c[row].is_empty();
    let (mut waiting, mut equalities): (Vec<usize>, Vec<usize>) =
        (0..constraints.a.len()).rev().partition(|row| is_product(*row));
    while let Some(row) = waiting.pop().or_else(|| equalities.pop()) {
        let [variable] = unknown(row, &is_known)[..] else { continue };
        if determines(constraints, row, values, variable) {
            is_known[variable as usize] = true;
            spent[row] = true;
            waiting.extend(mentions[variable as usize].iter().filter(|row| is_product(**row)));
        }
    }
    let open = (0..constraints.variables).filter(|variable| !is_known[*variable]).collect();
    (open, (0..spent.len()).filter(|row| !spent[*row]).collect())
}

/// G8: for the statement and proof that are given no variable has a second value, for a smallest shape of each
/// relation.
#[test]
fn g8_no_variable_has_a_second_value() {
    relations().par_iter().for_each(|case| {
        let Witnessed { name, constraints, values, given } = witnessed(case);
        let first = constraints.public;
        // one, χ, the statement and the proof; D and h, the first and the last public input, follow
        let known = || [0, 2].into_iter().chain(first..first + given);
        let (open, checks) = not_determined(&constraints, &values, known());
        assert_eq!(open, [], "{name}");
        // what is left over are equations between values that are known: the verifier's checks, which have no product
        let equalities = checks.iter().filter(|row| constraints.c[**row].is_empty()).count();
        assert_eq!(equalities, checks.len(), "{name}");
        let all = (0..constraints.c.len()).filter(|row| constraints.c[*row].is_empty()).count();
        assert_eq!(checks.len(), all - 2, "{name}: D and h each take one");

        // the test can fail: without one constraint that gives a variable, or with one that is spoilt, something is
        // open
        let mut rng = StdRng::seed_from_u64(2);
        for _ in 0..3 {
            let mut broken = constraints.clone();
            let row =
                std::iter::repeat_with(|| rng.random_range(0..broken.c.len())).find(|row| !broken.c[*row].is_empty());
            let row = row.expect("some are products");
            (broken.a[row], broken.b[row], broken.c[row]) = Default::default();
            assert_ne!(not_determined(&broken, &values, known()).0, [], "{name}: without constraint {row}");
        }
        let square = (0..constraints.c.len()).find(|row| !constraints.c[*row].is_empty()).expect("some are products");
        let mut broken = constraints.clone();
        let out = broken.c[square].clone();
        (broken.a[square], broken.b[square]) = (out.clone(), out);
        broken.c[square] = vec![(0, Field::square(&values[broken.a[square][0].0 as usize]))];
        assert_ne!(not_determined(&broken, &values, known()).0, [], "{name}: of a square both roots are possible");
    });
}
