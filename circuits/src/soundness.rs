//! The soundness error of a proof: for every challenge, how many of its values would let a false statement pass, summed
//! up by the union bound. `docs/security.md` has the table of terms and where each comes from.

#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

use crate::shape::Shape;
use crate::verifier::products;

/// Log of the degree that a prover's polynomials may have: the largest ceremony has `2^28` powers, and twice as many of
/// them in the first group. Degrees are nowhere enforced, so what an honest prover's polynomials have does not count.
pub const LOG_DEGREE: u32 = 29;
/// Log of the most rows that a universal wrap's key may have.
pub const MAX_LOG_ROWS: u32 = 25;
/// Log of the hashes that a prover is granted to try for challenges of its liking.
pub const LOG_HASHES: u32 = 80;
/// Log of the field's order.
const LOG_ORDER: f64 = 253.6;
/// Bits that BN254 itself offers, about.
const CURVE_BITS: f64 = 100.0;

/// What a proof is wrapped in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrap {
    /// PLONK, with `2^log_rows` rows.
    Universal {
        /// Log of the rows.
        log_rows: u32,
    },
    /// Groth16. Its own error is that of its assumption, the generic group model.
    Groth16,
}

/// A challenge, or several that test one identity.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Term {
    /// What the challenge tests.
    pub name: &'static str,
    /// The degree, in the names of `docs/security.md`.
    pub formula: &'static str,
    /// Its value for a shape.
    pub degree: f64,
}

/// All terms of a shape's proofs.
pub fn terms(shape: &Shape, wrap: Wrap) -> Vec<Term> {
    let layout = &shape.layout;
    let (log_leaves, variables) = (f64::from(layout.log_leaves), layout.variables() as f64);
    let products = products(&shape.system, shape.batch);
    let factors = 2.0 * products.all.len() as f64;
    let largest = f64::from(LOG_DEGREE).exp2();
    let row = f64::from(layout.log_chunk.div_ceil(2)).exp2();
    let term = |name, formula, degree| Term { name, formula, degree };
    let mut terms = vec![
        term("lookups, β and γ", "4·leaves", 4.0 * layout.leaf_count as f64),
        term("lookup tree", "⌈ℓ/2⌉·(3 + 5ℓ)", f64::from(layout.log_leaves.div_ceil(2)) * (3.0 + 5.0 * log_leaves)),
        term("equations, λ", "equations", shape.system.equations.len() as f64),
        term("all cells at once, u", "ℓ", log_leaves),
        term("product sumcheck", "3·rounds", 3.0 * products.rounds() as f64),
        term("claims, δ", "4 + factors + outputs", 4.0 + factors + shape.outputs() as f64),
        term("batch opening, r*", "2(c + k)", 2.0 * variables),
        term("mask, ρ", "1", 1.0),
        term("folded rows, α", "D", largest),
        term("inner products, γ", "1", 1.0),
        term("identity at z", "5D", 5.0 * largest),
        term("opened polynomials, η", "9", 9.0),
        term("last quotient, x", "D + b + 21", largest + row + 21.0),
        term("public data, χ", "c + k + 5", variables + 5.0),
    ];
    let row = |(at, (_, bits)): (u32, (_, u8))| f64::from(bits) * f64::from(at + shape.batch.log_len()).exp2();
    let rows: f64 =
        shape.system.lookups.iter().filter_map(|lookup| Some((lookup.log_size.into(), lookup.row?))).map(row).sum();
    if rows > 0.0 {
        terms.push(term("rows of weights, r", "bits·rows", rows));
    }
    match wrap {
        Wrap::Universal { log_rows } => terms.extend([
            term("permutation, β and γ", "12n", 12.0 * f64::from(log_rows).exp2()),
            term("gates, α", "12", 12.0),
            term("gates' quotient, y", "2D", 2.0 * largest),
        ]),
        Wrap::Groth16 => terms.push(term("merged pairings, μ", "1", 1.0)),
    }
    terms
}

/// `-log2` of the sum of all terms over the field's order, after [`LOG_HASHES`] tries. What the curve offers is not
/// counted.
pub fn bits_of_challenges(terms: &[Term]) -> f64 {
    let degree: f64 = terms.iter().map(|term| term.degree).sum();
    LOG_ORDER - degree.log2() - f64::from(LOG_HASHES)
}

/// [`bits_of_challenges`], and no more than the curve's.
pub fn bits(terms: &[Term]) -> u32 {
    bits_of_challenges(terms).clamp(0.0, CURVE_BITS) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;
    use crate::wrap;

    fn shape() -> Shape {
        Shape::new(sample::lenet5().0, 16).unwrap()
    }

    /// Each term is in the sum, and has a row in the page.
    #[test]
    fn every_term_counts_and_is_written_down() {
        let page = include_str!("../../docs/security.md");
        for wrap in [Wrap::Universal { log_rows: 12 }, Wrap::Groth16] {
            let terms = terms(&shape(), wrap);
            assert_eq!(bits(&terms), 100);
            for (i, term) in terms.iter().enumerate() {
                assert!(term.degree >= 1.0, "{term:?}");
                let mut more = terms.clone();
                more[i].degree *= 1e30;
                assert!(bits(&more) < 100 && bits_of_challenges(&more) < bits_of_challenges(&terms), "{term:?}");
                assert!(
                    page.contains(&format!("| {} | `{}` |", term.name, term.formula)),
                    "docs/security.md has no row for {term:?}"
                );
            }
        }
    }

    /// The terms follow from the shape: the words that are hashed into `χ`, the lookups, the rows.
    #[test]
    fn terms_follow_from_the_shape() {
        let shape = shape();
        let degree = |wrap, name: &str| terms(&shape, wrap).iter().find(|term| term.name == name).unwrap().degree;
        let reduced = crate::verifier::Reduced {
            delta: crate::Fr::from(1u64),
            output_sum: crate::Fr::from(1u64),
            point: vec![crate::Fr::from(1u64); shape.layout.variables()],
            value: crate::Fr::from(1u64),
            rho: Some(crate::Fr::from(1u64)),
            digest: crate::Fr::from(1u64),
        };
        let words = wrap::public_data(&crate::Fr::from(1u64), &reduced).len();
        assert_eq!(degree(Wrap::Groth16, "public data, χ"), words as f64);
        assert_eq!(degree(Wrap::Groth16, "lookups, β and γ"), 4.0 * shape.layout.leaf_count as f64);
        let permutation = |log_rows| degree(Wrap::Universal { log_rows }, "permutation, β and γ");
        assert_eq!((permutation(12), permutation(13)), (49152.0, 98304.0));
        assert_eq!(degree(Wrap::Groth16, "folded rows, α"), (1u64 << LOG_DEGREE) as f64);
    }

    /// By far the largest terms are those of the powers of tau, and they leave enough.
    #[test]
    fn the_largest_shape_has_enough() {
        let shape = shape();
        let worst = bits_of_challenges(&terms(&shape, Wrap::Universal { log_rows: MAX_LOG_ROWS }));
        assert!((140.0..145.0).contains(&worst), "{worst}");
        assert_eq!(shape.soundness_bits(), 100);
    }
}
