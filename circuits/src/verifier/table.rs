//! Extensions of table columns that have a closed form. Row order: [`crate::model::Table::row`].

#![allow(
    clippy::indexing_slicing,
    reason = "places follow from the shape, and lengths of proofs were checked against it"
)]

use super::eq::index;
use crate::clamps::Rails;
use crate::model::{Domain, Function, Table};
use crate::scalar::{Scalar, int};

/// Extensions of an activation table's columns at a point of `log_rows` coordinates.
pub struct TableRow<S> {
    /// `q`.
    pub q: S,
    /// `f(q)`; none if it is committed.
    pub y: Option<S>,
    /// The saturation limb.
    pub v: S,
}

/// Evaluates the closed-form columns.
pub fn evaluate<S: Scalar>(table: &Table, point: &[S]) -> TableRow<S> {
    let bits = usize::from(table.bits);
    let (min, max) = (S::constant(int(table.min().into())), S::constant(int(table.max().into())));
    if table.domain == Domain::Unsigned {
        let q = index(point);
        let zero = S::product(point.iter().map(|p| S::one() - p).collect());
        return TableRow { y: table.is_identity().then(|| q.clone()), q, v: zero };
    }
    let sign = &point[bits - 1];
    let low = index(&point[..bits - 1]);
    let q = index(&point[..bits]) + &min;
    // For q >= 0 the index's top bit is set and the others are q.
    let relu = sign.clone() * &low;
    let closed = |q: &S, relu: S| match table.function {
        Function::Identity => Some(q.clone()),
        Function::Relu => Some(relu),
        _ => None,
    };
    if table.domain == Domain::Signed {
        return TableRow { y: closed(&q, relu), q, v: S::zero() };
    }
    // The top coordinate chooses the rails, the one below it the lower of them.
    let [limb @ .., lower, rail] = point else { return TableRow { y: closed(&q, relu), q, v: S::zero() } };
    let limb = if limb.len() + 1 == bits { low } else { index(limb) };
    let rail_q = max.clone() + (min - &max) * lower;
    let rail_relu = (S::one() - lower) * &max;
    let q = q.clone() + (rail_q - q) * rail;
    let relu = relu.clone() + (rail_relu - relu) * rail;
    let v = rail.clone() * (S::one() - lower.times(int(2))) * &limb;
    TableRow { y: closed(&q, relu), q, v }
}

/// The extension of 1 at the rows of a saturating table's rails that count and whose limb is not 0, and 0 at all
/// others.
pub fn rails<S: Scalar>(rails: Rails, point: &[S]) -> S {
    let [low @ .., lower, rail] = point else {
        return S::zero();
    };
    let side = match (rails.low, rails.high) {
        (true, true) => S::one(),
        (true, false) => lower.clone(),
        (false, true) => S::one() - lower,
        (false, false) => S::zero(),
    };
    let zero = S::product(low.iter().map(|p| S::one() - p).collect());
    side * rail * (S::one() - zero)
}

#[cfg(test)]
mod tests {
    use super::super::eq::eq_table;
    use super::*;
    use crate::Fr;
    use crate::model::{Instruction, Unary};

    #[test]
    fn closed_forms_are_the_extensions_of_the_rows() {
        let exp = vec![Instruction::Argument, Instruction::Unary(Unary::Exp)];
        let real = Function::Real { program: exp, scale_in: 4, scale_out: 3, least: 0 };
        let rails = [4, 5, 7].map(|limb_bits| Domain::Saturating { limb_bits });
        let domains = [Domain::Signed, Domain::Unsigned].into_iter().chain(rails);
        for function in [Function::Identity, Function::Relu, real] {
            for domain in domains.clone() {
                if domain == Domain::Unsigned && function == Function::Relu {
                    continue;
                }
                let table = Table { bits: 5, domain, function: function.clone() };
                let point: Vec<Fr> = (0..table.log_rows()).map(|i| Fr::from(99 + 1000 * u64::from(i))).collect();
                let mut expected = [Fr::from(0u64); 3];
                for (row, weight) in eq_table(&point).into_iter().enumerate() {
                    let (q, y, v) = table.row(row);
                    for (sum, value) in expected.iter_mut().zip([q, y, v]) {
                        *sum += weight * int(value.into());
                    }
                    assert_eq!(table.row_of(q, v).map(|row| table.row(row)), Some((q, y, v)));
                }
                let both = [false, true].map(|low| [false, true].map(|high| Rails { low, high }));
                for counted in both.into_iter().flatten().filter(|_| table.is_saturating()) {
                    let weights = eq_table(&point).into_iter().enumerate();
                    let found = weights.filter(|(row, _)| counted.count(table.row(*row).2)).map(|(_, weight)| weight);
                    assert_eq!(super::rails(counted, &point), found.sum::<Fr>());
                }
                let row = evaluate(&table, &point);
                assert_eq!((row.q, row.v), (expected[0], expected[2]));
                match row.y {
                    Some(y) => assert_eq!(y, expected[1]),
                    None => assert!(table.is_committed()),
                }
            }
        }
    }
}
