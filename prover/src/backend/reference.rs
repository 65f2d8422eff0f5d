//! Everything by its definition.

use super::{Backend, Bases, Cells, Fractions, Product, Quotients};
use crate::inner::{FlatLeaves, Leaves};
use crate::msm::reference as msm;
use crate::ntt::{Coset, Domain};
use crate::plonk::Challenges;
use crate::plonk::quotient::{Column, Point, Preprocessed, Witness, numerator};
use crate::poly::eq_table;
use ark_bn254::{G1Affine, G1Projective, G2Affine, G2Projective};
use ark_ff::{AdditiveGroup, FftField, Field};
use assay_circuits::Fr;
use assay_circuits::verifier::lookup::combine;
use std::sync::Arc;

/// See the module.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reference;

impl Backend for Reference {
    fn name(&self) -> String {
        "the definitions".to_owned()
    }

    fn bases(&self, points: Arc<Vec<G1Affine>>) -> Arc<dyn Bases> {
        Arc::new(Points(points))
    }

    fn msm(&self, bases: &[G1Affine], scalars: &[Fr]) -> G1Projective {
        msm(bases, scalars)
    }

    fn msm_g2(&self, bases: &[G2Affine], scalars: &[Fr]) -> G2Projective {
        msm(bases, scalars)
    }

    fn to_coefficients(&self, domain: &Domain, values: &mut [Fr], coset: Option<&Coset>) {
        let inverse = Field::inverse(&root(domain)).unwrap_or_default();
        let sums: Vec<Fr> = (0..values.len()).map(|i| evaluate(values, &inverse.pow([i as u64]))).collect();
        for (i, sum) in sums.into_iter().enumerate() {
            values[domain.place(i)] = sum * coset.map_or(Fr::ONE, |coset| scale(domain, coset, i));
        }
    }

    fn to_values(&self, domain: &Domain, coefficients: &mut [Fr], coset: Option<&Coset>) {
        let scaled = |i: usize| coefficients[domain.place(i)] * coset.map_or(Fr::ONE, |coset| scale(domain, coset, i));
        let polynomial: Vec<Fr> = (0..domain.order()).map(scaled).collect();
        for (j, value) in coefficients.iter_mut().enumerate() {
            *value = evaluate(&polynomial, &root(domain).pow([j as u64]));
        }
    }

    fn cells(&self, cells: Arc<Vec<i32>>) -> Arc<dyn Cells> {
        Arc::new(Memory(cells))
    }

    fn product(&self, a: Vec<Fr>, b: Vec<Fr>) -> Box<dyn Product> {
        Box::new(Factors(a, b))
    }

    fn fractions<'a>(&self, leaves: Leaves<'a>) -> Box<dyn Fractions + 'a> {
        Box::new(Tree::new(&leaves.flat(), leaves.arities()))
    }

    fn quotients(&self, key: Arc<Preprocessed>) -> Arc<dyn Quotients> {
        Arc::new(Key(key))
    }
}

#[derive(Debug)]
struct Key(Arc<Preprocessed>);

impl Quotients for Key {
    fn quotient(&self, witness: &Witness<'_>, challenges: &Challenges) -> Vec<Fr> {
        let Preprocessed { rows, columns } = self.0.as_ref();
        let n = Fr::from(rows.len() as u64);
        let polynomial =
            |interpolated: &[Fr]| -> Vec<Fr> { (0..rows.len()).map(|i| interpolated[rows.place(i)] / n).collect() };
        let key: Vec<Vec<Fr>> = columns.iter().map(|column| polynomial(column)).collect();
        let mut product = polynomial(witness.product);
        for (i, c) in witness.tail.iter().enumerate() {
            product.push(*c);
            product[i] -= c;
        }
        let own: Vec<Vec<Fr>> =
            witness.advice.iter().map(|p| polynomial(p)).chain([polynomial(witness.public), product]).collect();
        let (root, fine) = (rows.root(), root(&rows.large));
        let value = |i: usize| {
            let x = Fr::GENERATOR * fine.pow([i as u64]);
            let point = Point::read(|column, next| match column {
                Column::Key(column) => evaluate(&key[column], &x),
                Column::Witness(column) => evaluate(&own[column], &if next { x * root } else { x }),
            });
            numerator(&point, challenges) / (x.pow([rows.len() as u64]) - Fr::ONE)
        };
        let mut values: Vec<Fr> = (0..rows.large.order()).map(value).collect();
        Reference.to_coefficients(&rows.large, &mut values, Some(&rows.from_cosets));
        (0..values.len()).map(|i| values[rows.large.place(i)]).collect()
    }
}

fn root(domain: &Domain) -> Fr {
    Fr::get_root_of_unity(domain.order() as u64).unwrap_or_default()
}

fn evaluate(coefficients: &[Fr], x: &Fr) -> Fr {
    coefficients.iter().rev().fold(Fr::ZERO, |sum, c| sum * x + c)
}

/// `factor^i / n`.
fn scale(domain: &Domain, coset: &Coset, i: usize) -> Fr {
    coset.factor().pow([i as u64]) / Fr::from(domain.order() as u64)
}

#[derive(Debug)]
struct Points(Arc<Vec<G1Affine>>);

impl Bases for Points {
    fn msm(&self, scalars: &[Fr]) -> G1Projective {
        msm(&self.0, scalars)
    }

    fn msm_small(&self, scalars: &[&[i32]]) -> Vec<G1Projective> {
        let list = |list: &&[i32]| msm(&self.0, &list.iter().map(|n| Fr::from(*n)).collect::<Vec<_>>());
        scalars.iter().map(list).collect()
    }
}

#[derive(Debug)]
struct Memory(Arc<Vec<i32>>);

impl Memory {
    fn at(&self, i: usize) -> Fr {
        Fr::from(self.0.get(i).copied().unwrap_or(0))
    }
}

impl Cells for Memory {
    fn fold_rows(&self, from: usize, factors: &[Fr], width: usize) -> Vec<Fr> {
        let sum = |j: usize| factors.iter().enumerate().map(|(r, factor)| self.at(from + r * width + j) * factor).sum();
        (0..width).map(sum).collect()
    }

    fn dot_rows(&self, from: usize, factors: &[Fr], rows: usize) -> Vec<Fr> {
        let sum = |r: usize| {
            factors.iter().enumerate().map(|(j, factor)| self.at(from + r * factors.len() + j) * factor).sum()
        };
        (0..rows).map(sum).collect()
    }
}

struct Factors(Vec<Fr>, Vec<Fr>);

fn bound(values: &[Fr], x: &Fr) -> Vec<Fr> {
    values.chunks(2).map(|pair| pair[0] + *x * (pair[1] - pair[0])).collect()
}

impl Product for Factors {
    fn message(&mut self) -> [Fr; 2] {
        let pairs = || self.0.chunks(2).zip(self.1.chunks(2));
        [pairs().map(|(a, b)| a[0] * b[0]).sum(), pairs().map(|(a, b)| (a[1] - a[0]) * (b[1] - b[0])).sum()]
    }

    fn bind(&mut self, x: &Fr) {
        (self.0, self.1) = (bound(&self.0, x), bound(&self.1, x));
    }

    fn first(&mut self) -> [Fr; 2] {
        [self.0[0], self.1[0]]
    }
}

/// The children of a level's nodes, one vector for each child's numerator, then for each child's denominator.
type Columns = Vec<Vec<Fr>>;

struct Tree {
    levels: Vec<Columns>,
    root: [Fr; 2],
    lambda: Fr,
    /// Coordinates that are not bound.
    r: Vec<Fr>,
    current: Columns,
}

impl Tree {
    fn new(leaves: &FlatLeaves, arities: Vec<usize>) -> Self {
        let mut p: Vec<Fr> = leaves.numerators.iter().map(|n| Fr::from(*n)).collect();
        let mut d: Vec<Fr> = leaves.index.iter().map(|i| leaves.values[*i as usize]).collect();
        let mut levels = Vec::new();
        for arity in arities {
            let width = 1 << arity;
            p.resize(p.len().next_multiple_of(width), Fr::ZERO);
            d.resize(d.len().next_multiple_of(width), Fr::ONE);
            let column = |values: &[Fr], i: usize| values.iter().skip(i).step_by(width).copied().collect();
            levels.push((0..width).map(|i| column(&p, i)).chain((0..width).map(|i| column(&d, i))).collect());
            let sums = p.chunks(width).zip(d.chunks(width)).map(|(p, d)| combine(&[p, d].concat()));
            (p, d) = sums.unzip();
        }
        Self { levels, root: [p[0], d[0]], lambda: Fr::ZERO, r: Vec::new(), current: Vec::new() }
    }

    fn message(&mut self) -> [Fr; 5] {
        let Some(rest) = self.r.get(1..) else { return [Fr::ZERO; 5] };
        if self.current[0].len() % 2 == 1 {
            let width = self.current.len() / 2;
            self.current
                .iter_mut()
                .enumerate()
                .for_each(|(i, column)| column.push(if i < width { Fr::ZERO } else { Fr::ONE }));
        }
        let g = |j: usize, x: i32| {
            let node: Vec<Fr> = self
                .current
                .iter()
                .map(|column| column[2 * j] + Fr::from(x) * (column[2 * j + 1] - column[2 * j]))
                .collect();
            let (p, d) = combine(&node);
            p + self.lambda * d
        };
        // g is of degree 4: its leading coefficient from five values
        let leading = |j: usize| {
            let sum = g(j, -2) - Fr::from(4) * g(j, -1) + Fr::from(6) * g(j, 0) - Fr::from(4) * g(j, 1) + g(j, 2);
            sum / Fr::from(24)
        };
        let mut message = [Fr::ZERO; 5];
        for (j, weight) in eq_table(rest).iter().take(self.current[0].len() / 2).enumerate() {
            let values = [g(j, 0), g(j, -1), g(j, 2), leading(j), Fr::ONE];
            message.iter_mut().zip(values).for_each(|(sum, value)| *sum += *weight * value);
        }
        message
    }
}

impl Fractions for Tree {
    fn root(&self) -> [Fr; 2] {
        self.root
    }

    fn begin(&mut self, level: usize, lambda: &Fr, r: &[Fr]) -> [Fr; 5] {
        (self.lambda, self.r, self.current) = (*lambda, r.to_vec(), self.levels[level].clone());
        self.message()
    }

    fn bind(&mut self, x: &Fr) -> [Fr; 5] {
        self.current.iter_mut().for_each(|column| *column = bound(column, x));
        self.r.remove(0);
        self.message()
    }

    fn children(&mut self) -> Vec<Fr> {
        self.current.iter().map(|column| column[0]).collect()
    }
}
