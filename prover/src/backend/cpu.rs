//! All cores of the machine, and its vector instructions.

use super::{Backend, Bases, Cells, Fractions, Product, Quotients};
use crate::inner::Leaves;
use crate::inner::level::Tree;
use crate::inner::small::{Values, fold_rows};
use crate::msm;
use crate::ntt::{Coset, Domain};
use crate::plonk::quotient::{OnHost, Preprocessed};
use crate::poly::{bind, filled, product_message};
use ark_bn254::{G1Affine, G1Projective, G2Affine, G2Projective};
use ark_ff::AdditiveGroup;
use assay_circuits::Fr;
use rayon::prelude::*;
use std::sync::Arc;

/// See the module.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cpu;

impl Backend for Cpu {
    fn name(&self) -> String {
        let vectors = msm::Isa::best().map_or_else(|| "no vector instructions".to_owned(), |isa| isa.to_string());
        format!("{} threads, {vectors}", rayon::current_num_threads())
    }

    fn bases(&self, points: Arc<Vec<G1Affine>>) -> Arc<dyn Bases> {
        Arc::new(Points(points))
    }

    fn msm(&self, bases: &[G1Affine], scalars: &[Fr]) -> G1Projective {
        msm::msm(bases, scalars)
    }

    fn msm_g2(&self, bases: &[G2Affine], scalars: &[Fr]) -> G2Projective {
        msm::msm_g2(bases, scalars)
    }

    fn to_coefficients(&self, domain: &Domain, values: &mut [Fr], coset: Option<&Coset>) {
        domain.to_coefficients(values, coset);
    }

    fn to_values(&self, domain: &Domain, coefficients: &mut [Fr], coset: Option<&Coset>) {
        domain.to_values(coefficients, coset);
    }

    fn cells(&self, cells: Arc<Vec<i32>>) -> Arc<dyn Cells> {
        Arc::new(Memory(cells))
    }

    fn product(&self, a: Vec<Fr>, b: Vec<Fr>) -> Box<dyn Product> {
        Box::new(Factors(a, b))
    }

    fn fractions<'a>(&self, leaves: Leaves<'a>) -> Box<dyn Fractions + 'a> {
        Box::new(Tree::new(&leaves))
    }

    fn quotients(&self, key: Arc<Preprocessed>) -> Arc<dyn Quotients> {
        Arc::new(OnHost::new(key))
    }
}

/// Bases where they are.
#[derive(Debug)]
struct Points(Arc<Vec<G1Affine>>);

impl Bases for Points {
    fn msm(&self, scalars: &[Fr]) -> G1Projective {
        msm::msm(&self.0[..scalars.len()], scalars)
    }

    fn msm_small(&self, scalars: &[&[i32]]) -> Vec<G1Projective> {
        let longest = scalars.iter().map(|list| list.len()).max().unwrap_or(0);
        msm::msm_small(&self.0[..longest], scalars)
    }
}

/// Cells where they are.
#[derive(Debug)]
struct Memory(Arc<Vec<i32>>);

impl Memory {
    fn rows(&self, from: usize, rows: usize, width: usize) -> &[i32] {
        let end = self.0.len().min(from + rows * width);
        self.0.get(from..end).unwrap_or_default()
    }
}

impl Cells for Memory {
    fn fold_rows(&self, from: usize, factors: &[Fr], width: usize) -> Vec<Fr> {
        fold_rows(self.rows(from, factors.len(), width), factors, width)
    }

    fn dot_rows(&self, from: usize, factors: &[Fr], rows: usize) -> Vec<Fr> {
        const PART: usize = 64;
        let (values, width) = (Values::new(factors), factors.len());
        let mut sums = filled(Fr::ZERO, rows);
        let cells = self.rows(from, rows, width);
        sums.par_chunks_mut(PART)
            .zip(cells.par_chunks(PART * width))
            .for_each(|(sums, cells)| values.dot_rows(cells, sums));
        sums
    }
}

/// Two factors, as far as they are bound.
struct Factors(Vec<Fr>, Vec<Fr>);

impl Product for Factors {
    fn message(&mut self) -> [Fr; 2] {
        product_message(&self.0, &self.1)
    }

    fn bind(&mut self, x: &Fr) {
        bind(&mut self.0, x, Fr::ZERO);
        bind(&mut self.1, x, Fr::ZERO);
    }

    fn first(&mut self) -> [Fr; 2] {
        [self.0[0], self.1[0]]
    }
}
