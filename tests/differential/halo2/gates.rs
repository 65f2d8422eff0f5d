//! The table of docs/protocol.md section 9, written as halo2's gates, one kind of row a gate.

use super::{F, Kind, convert};
use assay_circuits::plonk::{ADVICE, CONSTANTS, WIRES, hash};
use assay_circuits::poseidon::WIDTH;
use halo2_proofs::plonk::{Advice, Column, ConstraintSystem, Expression, Fixed, Instance, Selector, VirtualCells};
use halo2_proofs::poly::Rotation;

type Matrix = [[F; WIDTH]; WIDTH];
type Term = Expression<F>;

/// The columns and selectors.
#[derive(Clone)]
pub struct Columns {
    pub advice: [Column<Advice>; ADVICE],
    pub constants: [Column<Fixed>; CONSTANTS],
    public: Column<Instance>,
    selectors: Vec<Selector>,
}

/// What a gate sees.
struct Row {
    w: [Term; ADVICE],
    n: [Term; ADVICE],
    q: [Term; CONSTANTS],
    public: Term,
}

impl Columns {
    pub fn new(meta: &mut ConstraintSystem<F>) -> Self {
        let advice = std::array::from_fn(|_| meta.advice_column());
        let columns = Self {
            advice,
            constants: std::array::from_fn(|_| meta.fixed_column()),
            public: meta.instance_column(),
            selectors: Kind::ALL.iter().map(|_| meta.selector()).collect(),
        };
        advice[..WIRES].iter().for_each(|column| meta.enable_equality(*column));
        let poseidon = Constants::new();
        for kind in Kind::ALL {
            meta.create_gate("row", |cells| {
                let row = columns.row(cells);
                let selector = cells.query_selector(columns.selector(kind));
                poseidon
                    .equations(kind, &row)
                    .into_iter()
                    .map(|equation| selector.clone() * equation)
                    .collect::<Vec<_>>()
            });
        }
        columns
    }

    pub fn selector(&self, kind: Kind) -> Selector {
        let at = Kind::ALL.iter().position(|other| *other == kind).expect("all kinds");
        self.selectors[at]
    }

    fn row(&self, cells: &mut VirtualCells<'_, F>) -> Row {
        Row {
            w: self.advice.map(|column| cells.query_advice(column, Rotation::cur())),
            n: self.advice.map(|column| cells.query_advice(column, Rotation::next())),
            q: self.constants.map(|column| cells.query_fixed(column)),
            public: cells.query_instance(self.public, Rotation::cur()),
        }
    }
}

fn constant(value: F) -> Term {
    Expression::Constant(value)
}

fn small(value: i64) -> F {
    let magnitude = F::from(value.unsigned_abs());
    if value < 0 { -magnitude } else { magnitude }
}

fn fifth(x: &Term) -> Term {
    let square = x.clone() * x.clone();
    square.clone() * square * x.clone()
}

fn sum(terms: impl IntoIterator<Item = Term>) -> Term {
    terms.into_iter().reduce(|a, b| a + b).expect("at least one term")
}

fn product(terms: &[&Term]) -> Term {
    terms.iter().map(|term| (*term).clone()).reduce(|a, b| a * b).expect("at least one factor")
}

/// The capitals of the page.
struct Constants {
    m: Matrix,
    f: [F; WIDTH],
    e: [[F; 4]; 4],
    r: [F; 5],
    a: [F; 5],
    b: [F; 5],
    l: [[F; 5]; WIDTH],
    p: Matrix,
}

fn times(a: &Matrix, b: &Matrix) -> Matrix {
    std::array::from_fn(|i| std::array::from_fn(|j| (0..WIDTH).map(|k| a[i][k] * b[k][j]).sum()))
}

/// `x` with `Σ_i x_i rows_i = target`.
fn solve(rows: &[[F; WIDTH]; WIDTH], target: &[F; WIDTH]) -> [F; WIDTH] {
    // the system's matrix has these rows as columns, and the target as one more
    let mut system: [[F; WIDTH + 1]; WIDTH] =
        std::array::from_fn(|j| std::array::from_fn(|i| if i < WIDTH { rows[i][j] } else { target[j] }));
    for i in 0..WIDTH {
        let pivot = (i..WIDTH).find(|k| system[*k][i] != F::zero()).expect("regular");
        system.swap(i, pivot);
        let inverse = system[i][i].invert().expect("not zero");
        system[i].iter_mut().for_each(|value| *value *= inverse);
        for k in (0..WIDTH).filter(|k| *k != i) {
            let (factor, row) = (system[k][i], system[i]);
            system[k].iter_mut().zip(row).for_each(|(value, other)| *value -= factor * other);
        }
    }
    system.map(|row| row[WIDTH])
}

impl Constants {
    /// From `M` and `F` alone, by the definitions that stand below the page's table.
    fn new() -> Self {
        let published = hash::constants();
        let m: Matrix = published.matrix.map(|row| row.map(|value| convert(&value)));
        let n: Matrix = m.map(|row| std::array::from_fn(|j| if j == 0 { F::zero() } else { row[j] }));
        let identity: Matrix =
            std::array::from_fn(|i| std::array::from_fn(|j| if i == j { F::one() } else { F::zero() }));
        let powers: Vec<Matrix> =
            std::iter::successors(Some(identity), |power| Some(times(power, &n))).take(6).collect();
        let o = |k: usize| powers[k][0];
        // d_k = N^k M e_0
        let d: [[F; WIDTH]; 5] = std::array::from_fn(|k| times(&powers[k], &m).map(|row| row[0]));
        let r: [F; 5] = std::array::from_fn(|k| d[k][0]);
        let first: [[F; WIDTH]; WIDTH] = std::array::from_fn(o);
        let a = solve(&first, &o(5));
        let b = std::array::from_fn(|j| r[4 - j] - (j + 1..5).map(|i| a[i] * r[i - j - 1]).sum::<F>());
        let l: [[F; 5]; WIDTH] = std::array::from_fn(|i| solve(&first, &powers[5][i]));
        let p = std::array::from_fn(|i| {
            std::array::from_fn(|j| d[4 - j][i] - (j + 1..5).map(|k| l[i][k] * r[k - j - 1]).sum::<F>())
        });
        let e = std::array::from_fn(|k| std::array::from_fn(|i| o(k + 1)[i + 1]));
        Self { m, f: published.first.map(|value| convert(&value)), e, r, a, b, l, p }
    }

    fn equations(&self, kind: Kind, row: &Row) -> Vec<Term> {
        let Row { w, n, q, public } = row;
        let state = |cells: &[Term; ADVICE]| [6, 0, 1, 2, 3].map(|column| cells[column].clone());
        // x_0 … x_15
        let x: Vec<Term> =
            [w, n].into_iter().flat_map(|cells| [0, 1, 2, 3, 6, 4, 5, 7].map(|column| cells[column].clone())).collect();
        let full = |v: [Term; WIDTH]| -> Vec<Term> {
            let next = state(n);
            (0..WIDTH)
                .map(|i| sum((0..WIDTH).map(|j| fifth(&v[j]) * self.m[i][j])) + q[i].clone() - next[i].clone())
                .collect()
        };
        // the recurrence from x_(3+j) on
        let recurrence = |j: usize| {
            let linear = (1..=4).map(|i| x[3 + j + i].clone() * self.a[i]);
            let powers = (0..=4).map(|i| fifth(&x[3 + j + i]) * self.b[i]);
            sum(linear.chain(powers)) + q[j].clone() - x[8 + j].clone()
        };
        match kind {
            Kind::Sum => {
                let terms = [
                    product(&[&q[0], &w[0], &w[1]]),
                    product(&[&q[1], &w[2], &w[3]]),
                    product(&[&q[2], &w[4], &w[5]]),
                    product(&[&q[3], &w[0], &w[1], &w[2], &w[3]]),
                    product(&[&q[4], &w[4]]),
                    product(&[&q[5], &w[5]]),
                    product(&[&q[6], &w[6]]),
                    product(&[&q[7], &n[6]]),
                ];
                vec![sum(terms) - public.clone()]
            }
            Kind::Full => full(state(w)),
            Kind::Absorb => {
                let added = [
                    q[5].clone(),
                    w[4].clone() + constant(self.f[1]),
                    w[5].clone() + constant(self.f[2]),
                    n[4].clone() + constant(self.f[3]),
                    n[5].clone() + constant(self.f[4]),
                ];
                let own = state(w);
                full(std::array::from_fn(|i| own[i].clone() + added[i].clone()))
            }
            Kind::Pair => {
                let half = |k: usize| {
                    let (w, q) = (&w[3 * k..], &q[4 * k..]);
                    product(&[&q[0], &w[0], &w[1]]) + product(&[&q[1], &w[0]]) + product(&[&q[2], &w[1]]) + q[3].clone()
                        - w[2].clone()
                };
                vec![half(0), half(1)]
            }
            Kind::Enter => {
                let slots = (0..4).map(|k| {
                    let linear = (0..4).map(|i| w[i].clone() * self.e[k][i]);
                    let powers = (0..=k).map(|j| fifth(&x[4 + j]) * self.r[k - j]);
                    sum(linear.chain(powers)) - x[5 + k].clone()
                });
                slots.chain((1..8).map(recurrence)).collect()
            }
            Kind::Partial => (0..8).map(recurrence).collect(),
            Kind::Leave => {
                let next = state(n);
                let slot = |i: usize| {
                    let linear = (1..=4).map(|j| x[3 + j].clone() * self.l[i][j]);
                    let powers = (0..=4).map(|j| fifth(&x[3 + j]) * self.p[i][j]);
                    sum(linear.chain(powers)) + q[i].clone() - next[i].clone()
                };
                (0..WIDTH).map(slot).collect()
            }
            Kind::Round => {
                let one = constant(F::one());
                let at_one = (w[6].clone() - (one.clone() - w[1].clone()) * w[0].clone()) * w[7].clone();
                vec![
                    product(&[&w[1], &w[7]]) - one,
                    quartic(&w[4], &[(0, w[0].clone()), (-1, w[2].clone()), (2, w[3].clone()), (1, at_one)], &w[5])
                        - n[6].clone(),
                ]
            }
        }
    }
}

/// The polynomial of degree 4 with this leading coefficient and these values, at `x`: by Lagrange, and what vanishes at
/// all four places.
fn quartic(leading: &Term, values: &[(i64, Term); 4], x: &Term) -> Term {
    let distance = |place: i64| x.clone() - constant(small(place));
    let vanishing = values.iter().map(|(place, _)| distance(*place)).reduce(|a, b| a * b).expect("four places");
    let terms = values.iter().map(|(place, value)| {
        let others = values.iter().map(|(other, _)| *other).filter(|other| other != place);
        let scale: F = others.clone().map(|other| small(place - other)).product();
        others.map(distance).fold(value.clone(), |a, b| a * b) * scale.invert().expect("different places")
    });
    sum(terms) + leading.clone() * vanishing
}
