//! Sums of products as rows of the kinds [`Kind::Sum`] and [`Kind::Pair`].

use super::gates::{CONSTANTS, Kind, WIRES};
use crate::Fr;
use crate::r1cs::LinearCombination;
use ark_ff::{AdditiveGroup, Field};
use std::collections::BTreeMap;

/// A row: its kind, its constants, the variables that its wires hold.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub kind: Kind,
    pub constants: [Fr; CONSTANTS],
    pub wires: [Option<u32>; WIRES],
}

impl Row {
    pub fn new(kind: Kind) -> Self {
        Self { kind, constants: [Fr::ZERO; CONSTANTS], wires: [None; WIRES] }
    }
}

/// A coefficient and the factors that it multiplies.
pub(super) type Product = (Fr, Vec<u32>);

/// A constant, a linear part, and products of two to four variables.
#[derive(Clone, Debug, Default)]
pub(super) struct Polynomial {
    pub constant: Fr,
    pub linear: BTreeMap<u32, Fr>,
    pub products: Vec<Product>,
}

/// Half of a `Pair`: `quadratic·a·b + left·a + right·b + constant`. What is not there has coefficient 0.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bilinear {
    pub variables: [Option<u32>; 2],
    /// Quadratic, left, right, constant.
    pub coefficients: [Fr; 4],
}

impl From<&LinearCombination> for Polynomial {
    fn from(lc: &LinearCombination) -> Self {
        let mut polynomial = Self::default();
        for (v, c) in lc {
            match v {
                0 => polynomial.constant += c,
                _ => polynomial.add(*v, *c),
            }
        }
        polynomial
    }
}

impl Polynomial {
    pub fn product(coefficient: Fr, factors: Vec<u32>) -> Self {
        Self { products: vec![(coefficient, factors)], ..Self::default() }
    }

    pub fn add(&mut self, variable: u32, coefficient: Fr) {
        *self.linear.entry(variable).or_insert(Fr::ZERO) += coefficient;
    }

    pub fn value(&self, values: &[Fr]) -> Fr {
        let linear: Fr = self.linear.iter().map(|(v, c)| values[*v as usize] * c).sum();
        let product = |(c, factors): &Product| factors.iter().fold(*c, |product, v| product * values[*v as usize]);
        self.constant + linear + self.products.iter().map(product).sum::<Fr>()
    }

    /// As a function of at most two variables.
    pub fn bilinear(&self) -> Option<Bilinear> {
        let (quadratic, mut variables) = match self.products.as_slice() {
            [] => (Fr::ZERO, Vec::new()),
            [(c, factors)] if factors.len() == 2 => (*c, factors.clone()),
            _ => return None,
        };
        for v in self.linear.keys() {
            if !variables.contains(v) {
                variables.push(*v);
            }
        }
        let coefficient = |v: Option<&u32>| v.and_then(|v| self.linear.get(v)).copied().unwrap_or_default();
        let (a, b) = (variables.first(), variables.get(1));
        let right = if a == b { Fr::ZERO } else { coefficient(b) };
        let half = Bilinear {
            variables: [a.copied(), b.copied()],
            coefficients: [quadratic, coefficient(a), right, self.constant],
        };
        (variables.len() <= 2).then_some(half)
    }
}

/// What is to be packed into `Sum` rows. A row has room for a product of up to four variables, or two terms, in wires 0
/// to 3, and for a product with what is linear in its factors, or two linear terms, in wires 4 and 5.
pub(super) struct Terms {
    pub constant: Fr,
    /// Products of three or four variables.
    pub long: Vec<Product>,
    /// Products of two.
    pub short: Vec<Product>,
    pub linear: Vec<(u32, Fr)>,
}

/// What to make variables of beforehand. Each of these takes half a row.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Moves {
    /// Two factors of so many products of three.
    pub halve: usize,
    /// So many products of two.
    pub name: usize,
    /// So many times two linear terms.
    pub merge: usize,
}

impl From<Polynomial> for Terms {
    fn from(polynomial: Polynomial) -> Self {
        let (long, short) = polynomial.products.into_iter().partition(|(_, factors)| factors.len() > 2);
        let linear = polynomial.linear.into_iter().filter(|(_, c)| *c != Fr::ZERO).collect();
        Self { constant: polynomial.constant, long, short, linear }
    }
}

/// Rows for so many long products, short ones and linear terms, without regard to linear terms that share a variable
/// with a product.
fn rows_for(mut long: usize, mut short: usize, mut linear: usize) -> usize {
    let mut rows = 0;
    while rows == 0 || long + short + linear > 0 {
        rows += 1;
        match (short, linear) {
            (_, 2..) => linear -= 2,
            (1.., _) => short -= 1,
            _ => linear = 0,
        }
        let free = if long > 0 { 0 } else { 2 };
        long = long.saturating_sub(1);
        let products = short.min(free);
        (short, linear) = (short - products, linear - linear.min(free - products));
    }
    rows
}

impl Terms {
    /// The moves with which the rows are fewest; `out`: whether one linear term will be added.
    pub fn moves(&self, out: bool) -> Moves {
        let fixed = usize::from(self.constant != Fr::ZERO) + usize::from(out);
        let (long, short, linear) = (self.long.len(), self.short.len(), self.linear.len());
        let mut best = (2 * rows_for(long, short, linear + fixed), Moves::default());
        for halve in 0..=self.long.iter().filter(|(_, factors)| factors.len() == 3).count() {
            for (name, merge) in [(0, 0), (1, 0), (0, 1), (2, 0), (1, 1), (0, 2)] {
                if name <= short + halve && merge < (linear + name).max(1) {
                    let rows = rows_for(long - halve, short + halve - name, linear + fixed + name - merge);
                    let cost = 2 * rows + halve + name + merge;
                    if cost < best.0 {
                        best = (cost, Moves { halve, name, merge });
                    }
                }
            }
        }
        best.1
    }

    /// Takes out a product of three: coefficient, two factors, the third.
    pub fn halve(&mut self) -> Option<(Fr, Vec<u32>, u32)> {
        let at = self.long.iter().position(|(_, factors)| factors.len() == 3)?;
        let (c, mut factors) = self.long.remove(at);
        let last = factors.pop()?;
        Some((c, factors, last))
    }

    /// Takes out a product of two with what is linear in its factors.
    pub fn name(&mut self) -> Option<Polynomial> {
        let at = self.sharing().or((!self.short.is_empty()).then_some(0))?;
        let product = self.short.remove(at);
        let linear = self.linear.extract_if(.., |(v, _)| product.1.contains(v)).collect();
        Some(Polynomial { linear, products: vec![product], ..Polynomial::default() })
    }

    /// Takes out two linear terms.
    pub fn merge(&mut self) -> Option<Polynomial> {
        let linear = (self.linear.len() > 1).then(|| self.linear.drain(..2).collect())?;
        Some(Polynomial { linear, ..Polynomial::default() })
    }

    /// The first product of two that has a factor in common with the linear part.
    fn sharing(&self) -> Option<usize> {
        self.short.iter().position(|(_, factors)| self.linear.iter().any(|(v, _)| factors.contains(v)))
    }

    /// The rows of a sum that goes on before the first and after the last; `one` is the variable that is 1.
    pub fn rows(mut self, one: u32) -> Vec<Row> {
        if self.constant != Fr::ZERO {
            self.linear.push((one, self.constant));
        }
        let mut rows = Vec::new();
        while rows.is_empty() || !(self.long.is_empty() && self.short.is_empty() && self.linear.is_empty()) {
            let mut row = Row::new(Kind::Sum);
            (row.constants[6], row.constants[7]) = (Fr::ONE, -Fr::ONE);
            self.fill_last(&mut row);
            if let Some((c, factors)) = self.long.pop() {
                row.constants[3] = c;
                (0..4).for_each(|i| row.wires[i] = Some(factors.get(i).copied().unwrap_or(one)));
            } else {
                for slot in 0..2 {
                    let linear = || self.linear.pop().map(|(v, c)| (c, vec![v, one]));
                    let Some((c, factors)) = self.short.pop().or_else(linear) else { continue };
                    row.constants[slot] = c;
                    (0..2).for_each(|i| row.wires[2 * slot + i] = factors.get(i).copied());
                }
            }
            rows.push(row);
        }
        rows
    }

    /// Wires 4 and 5.
    fn fill_last(&mut self, row: &mut Row) {
        let product = match self.sharing() {
            Some(at) => Some(self.short.remove(at)),
            None if self.linear.len() < 2 => self.short.pop(),
            None => None,
        };
        if let Some((c, factors)) = product {
            row.constants[2] = c;
            for (wire, factor) in (4..WIRES).zip(factors) {
                row.wires[wire] = Some(factor);
                if let Some(at) = self.linear.iter().position(|(v, _)| *v == factor) {
                    row.constants[wire] = self.linear.remove(at).1;
                }
            }
        } else {
            for wire in 4..WIRES {
                if let Some((v, c)) = self.linear.pop() {
                    (row.wires[wire], row.constants[wire]) = (Some(v), c);
                }
            }
        }
    }
}
