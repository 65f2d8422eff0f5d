//! The backend: what is worth it goes to the device, in parts if need be, and everything else to the processor.

use crate::library::{self, Description, Device, DeviceError, Unavailable};
use crate::sessions::{Fractions, Product};
use ark_bn254::{G1Affine, G1Projective, G2Affine, G2Projective};
use assay_circuits::Fr;
use assay_prover::backend::{self, Backend, Cpu};
use assay_prover::inner::Leaves;
use assay_prover::ntt::{Coset, Domain};
use assay_prover::plonk::Challenges;
use assay_prover::plonk::program::Program;
use assay_prover::plonk::quotient::{Numerators, Preprocessed, Witness};
use std::sync::{Arc, OnceLock};

/// From what sizes on the device is asked. Below, a call takes longer than the processor does ([`Cuda::measured`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Least {
    /// Scalars of a multiplication.
    pub scalars: usize,
    /// Elements of a transform.
    pub transform: usize,
    /// Cells of a sum over cells.
    pub cells: usize,
    /// Elements of each factor of a sumcheck.
    pub product: usize,
    /// Leaves of a tree.
    pub leaves: usize,
    /// Rows of a circuit whose quotients are wanted.
    pub rows: usize,
}

impl Least {
    /// Everything goes to the device, however small; for checks.
    pub const EVERYTHING: Self = Self { scalars: 0, transform: 0, cells: 0, product: 0, leaves: 0, rows: 0 };
}

/// For who does not measure: about what was measured on the device of docs/gpu.md.
impl Default for Least {
    fn default() -> Self {
        Self { scalars: 1 << 8, transform: 1 << 16, cells: 1 << 18, product: 1 << 18, leaves: 1 << 15, rows: 1 << 8 }
    }
}

/// A CUDA device, with the processor beside it.
#[derive(Clone, Debug)]
pub struct Cuda {
    device: Arc<Device>,
    least: Least,
}

impl Cuda {
    /// A device of a library. Errors: [`Unavailable`].
    pub fn new(library: &Arc<library::Library>, number: u32, least: Least) -> Result<Self, Unavailable> {
        Ok(Self { device: library.open(number)?, least })
    }

    /// The device.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// The same device, asked from other sizes on.
    pub fn with_least(&self, least: Least) -> Self {
        Self { device: Arc::clone(&self.device), least }
    }

    /// In place; what a device that gives up has spoilt is there again for the processor.
    fn transform(
        &self,
        values: &mut [Fr],
        on_device: impl FnOnce(&Device, &mut [Fr]) -> Result<(), DeviceError>,
        otherwise: impl FnOnce(&mut [Fr]),
    ) {
        if !self.is_worth(values.len(), self.least.transform) {
            return otherwise(values);
        }
        let before = values.to_vec();
        if on_device(&self.device, values).is_err() {
            values.copy_from_slice(&before);
            otherwise(values);
        }
    }

    /// From what sizes on it is asked.
    pub fn least(&self) -> Least {
        self.least
    }

    /// Whether so much work goes to the device.
    fn is_worth(&self, len: usize, least: usize) -> bool {
        len >= least && !self.device.has_failed()
    }
}

/// Fewest scalars of a part of a multiplication.
const PART: usize = 1 << 10;

/// The whole, or two parts that `split` makes where the device has too little memory; `None` if the processor is to do
/// it.
fn in_parts<T>(
    len: usize,
    worth: bool,
    whole: impl FnOnce() -> Result<T, DeviceError>,
    split: impl FnOnce(usize) -> T,
) -> Option<T> {
    if !worth {
        return None;
    }
    match whole() {
        Ok(result) => Some(result),
        Err(DeviceError::Memory) if len >= 2 * PART => Some(split(len / 2)),
        Err(_) => None,
    }
}

impl Backend for Cuda {
    fn name(&self) -> String {
        let Description { name, memory_bytes, emulated, .. } = self.device.description();
        let emulated = if *emulated { " (emulated)" } else { "" };
        format!("{name}{emulated}, {} GiB, beside {}", memory_bytes >> 30, Cpu.name())
    }

    fn bases(&self, points: Arc<Vec<G1Affine>>) -> Arc<dyn backend::Bases> {
        let held = self.is_worth(points.len(), self.least.scalars).then(|| {
            let new = |multiples| library::Bases::new(&self.device, &points, multiples);
            new(0).or_else(|_| new(1)).ok()
        });
        Arc::new(Bases { cuda: self.clone(), held: held.flatten(), points })
    }

    fn msm(&self, bases: &[G1Affine], scalars: &[Fr]) -> G1Projective {
        let whole = || library::Bases::new(&self.device, bases, 1)?.msm(0, scalars);
        in_parts(scalars.len(), self.is_worth(scalars.len(), self.least.scalars), whole, |at| {
            let ((low, high), (left, right)) = (bases.split_at(at), scalars.split_at(at));
            self.msm(low, left) + self.msm(high, right)
        })
        .unwrap_or_else(|| Cpu.msm(bases, scalars))
    }

    fn msm_g2(&self, bases: &[G2Affine], scalars: &[Fr]) -> G2Projective {
        let whole = || library::msm_g2(&self.device, bases, scalars);
        in_parts(scalars.len(), self.is_worth(scalars.len(), self.least.scalars), whole, |at| {
            let ((low, high), (left, right)) = (bases.split_at(at), scalars.split_at(at));
            self.msm_g2(low, left) + self.msm_g2(high, right)
        })
        .unwrap_or_else(|| Cpu.msm_g2(bases, scalars))
    }

    fn to_coefficients(&self, domain: &Domain, values: &mut [Fr], coset: Option<&Coset>) {
        let factor = coset.map(Coset::factor);
        let on_device = |device: &Device, values: &mut [Fr]| device.to_coefficients(domain.log(), values, factor);
        self.transform(values, on_device, |values| domain.to_coefficients(values, coset));
    }

    fn to_values(&self, domain: &Domain, coefficients: &mut [Fr], coset: Option<&Coset>) {
        let factor = coset.map(Coset::factor);
        let on_device = |device: &Device, values: &mut [Fr]| device.to_values(domain.log(), values, factor);
        self.transform(coefficients, on_device, |values| domain.to_values(values, coset));
    }

    fn cells(&self, cells: Arc<Vec<i32>>) -> Arc<dyn backend::Cells> {
        let held = self.is_worth(cells.len(), self.least.cells).then(|| library::Cells::new(&self.device, &cells).ok());
        Arc::new(Cells { held: held.flatten(), least: self.least.cells, memory: Cpu.cells(cells) })
    }

    fn product(&self, a: Vec<Fr>, b: Vec<Fr>) -> Box<dyn backend::Product> {
        if self.is_worth(a.len(), self.least.product)
            && let Ok(held) = library::Product::new(&self.device, &a, &b)
        {
            return Box::new(Product::new(held, a, b));
        }
        Cpu.product(a, b)
    }

    fn fractions<'a>(&self, leaves: Leaves<'a>) -> Box<dyn backend::Fractions + 'a> {
        if self.is_worth(leaves.count(), self.least.leaves)
            && let Ok((held, root)) = library::Tree::new(&self.device, &leaves.flat(), leaves.arities())
        {
            return Box::new(Fractions::new(held, root, leaves));
        }
        Cpu.fractions(leaves)
    }

    fn quotients(&self, key: Arc<Preprocessed>) -> Arc<dyn backend::Quotients> {
        let worth = self.is_worth(key.rows.len(), self.least.rows);
        match worth.then(|| library::Quotients::new(&self.device, &key)) {
            Some(Ok(held)) => Arc::new(Quotients { held, key, other: OnceLock::new() }),
            _ => Cpu.quotients(key),
        }
    }
}

/// A key's columns on the device, and here.
#[derive(Debug)]
struct Quotients {
    held: library::Quotients,
    key: Arc<Preprocessed>,
    /// In the device's place, once it failed.
    other: OnceLock<Arc<dyn backend::Quotients>>,
}

impl Quotients {
    fn on_device(&self, witness: &Witness<'_>, challenges: &Challenges) -> Result<Vec<Fr>, DeviceError> {
        let rows = &self.key.rows;
        let program = Program::new(&Numerators::new(challenges));
        // the tail is z's part times X^n - 1: more coefficients, and less of the first
        let n = Fr::from(rows.len() as u64);
        let more: Vec<Fr> = witness.tail.iter().map(|c| n * c).collect();
        let mut product = witness.product.to_vec();
        more.iter().enumerate().for_each(|(i, c)| product[rows.place(i)] -= c);
        let columns: Vec<&[Fr]> = witness.advice.iter().map(Vec::as_slice).chain([witness.public, &product]).collect();
        self.held.quotient(&columns, &more, &program, &rows.inverse_vanishing())
    }
}

impl backend::Quotients for Quotients {
    fn quotient(&self, witness: &Witness<'_>, challenges: &Challenges) -> Vec<Fr> {
        self.on_device(witness, challenges).unwrap_or_else(|_| {
            self.other.get_or_init(|| Cpu.quotients(Arc::clone(&self.key))).quotient(witness, challenges)
        })
    }
}

/// Bases on the device, if it has the memory, and here.
#[derive(Debug)]
struct Bases {
    cuda: Cuda,
    held: Option<library::Bases>,
    points: Arc<Vec<G1Affine>>,
}

impl Bases {
    fn part(&self, held: &library::Bases, from: usize, scalars: &[Fr]) -> G1Projective {
        in_parts(
            scalars.len(),
            self.cuda.is_worth(scalars.len(), self.cuda.least.scalars),
            || held.msm(from, scalars),
            |at| {
                let (left, right) = scalars.split_at(at);
                self.part(held, from, left) + self.part(held, from + at, right)
            },
        )
        .unwrap_or_else(|| Cpu.msm(&self.points[from..from + scalars.len()], scalars))
    }

    fn lists(&self, held: &library::Bases, lists: &[&[i32]]) -> Vec<G1Projective> {
        match held.msm_small(lists) {
            Ok(sums) => sums,
            Err(DeviceError::Memory) if lists.len() > 1 => {
                let (left, right) = lists.split_at(lists.len() / 2);
                [self.lists(held, left), self.lists(held, right)].concat()
            }
            Err(_) => self.here().msm_small(lists),
        }
    }

    fn here(&self) -> Arc<dyn backend::Bases> {
        Cpu.bases(Arc::clone(&self.points))
    }
}

impl backend::Bases for Bases {
    fn msm(&self, scalars: &[Fr]) -> G1Projective {
        match &self.held {
            Some(held) => self.part(held, 0, scalars),
            None => self.cuda.msm(&self.points[..scalars.len()], scalars),
        }
    }

    fn msm_small(&self, lists: &[&[i32]]) -> Vec<G1Projective> {
        let scalars: usize = lists.iter().map(|list| list.len()).sum();
        match &self.held {
            Some(held) if self.cuda.is_worth(scalars, self.cuda.least.scalars) => self.lists(held, lists),
            _ => self.here().msm_small(lists),
        }
    }
}

/// Cells on the device, if it has the memory, and here.
#[derive(Debug)]
struct Cells {
    held: Option<library::Cells>,
    least: usize,
    memory: Arc<dyn backend::Cells>,
}

impl Cells {
    fn sums(
        &self,
        cells: usize,
        on_device: impl FnOnce(&library::Cells) -> Result<Vec<Fr>, DeviceError>,
        otherwise: impl FnOnce(&dyn backend::Cells) -> Vec<Fr>,
    ) -> Vec<Fr> {
        let held = self.held.as_ref().filter(|_| cells >= self.least);
        held.and_then(|held| on_device(held).ok()).unwrap_or_else(|| otherwise(self.memory.as_ref()))
    }
}

impl backend::Cells for Cells {
    fn fold_rows(&self, from: usize, factors: &[Fr], width: usize) -> Vec<Fr> {
        let cells = factors.len() * width;
        self.sums(cells, |held| held.fold_rows(from, factors, width), |memory| memory.fold_rows(from, factors, width))
    }

    fn dot_rows(&self, from: usize, factors: &[Fr], rows: usize) -> Vec<Fr> {
        let cells = factors.len() * rows;
        self.sums(cells, |held| held.dot_rows(from, factors, rows), |memory| memory.dot_rows(from, factors, rows))
    }
}
