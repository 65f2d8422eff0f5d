//! Sumchecks whose vectors stay on the device. What a session began with is kept here, with the challenges since:
//! should the device fail, the processor begins anew and catches up.

use crate::library::{self, DeviceError};
use assay_circuits::Fr;
use assay_prover::backend::{self, Backend, Cpu};
use assay_prover::inner::Leaves;

/// The device's result, unless it fails or has failed.
fn on_device<H, T>(held: &mut Option<H>, f: impl FnOnce(&mut H) -> Result<T, DeviceError>) -> Option<T> {
    let result = held.as_mut().map(f)?;
    if result.is_err() {
        *held = None;
    }
    result.ok()
}

/// A sumcheck of products.
pub struct Product {
    held: Option<library::Product>,
    factors: [Vec<Fr>; 2],
    bound: Vec<Fr>,
    /// In the device's place.
    other: Option<Box<dyn backend::Product>>,
}

impl Product {
    /// A session that has begun.
    pub fn new(held: library::Product, a: Vec<Fr>, b: Vec<Fr>) -> Self {
        Self { held: Some(held), factors: [a, b], bound: Vec::new(), other: None }
    }

    /// The processor's session, where the device's was.
    fn caught_up(&mut self) -> &mut dyn backend::Product {
        let Self { factors, bound, other, .. } = self;
        other
            .get_or_insert_with(|| {
                let [a, b] = std::mem::take(factors);
                let mut product = Cpu.product(a, b);
                bound.iter().for_each(|x| product.bind(x));
                product
            })
            .as_mut()
    }
}

impl backend::Product for Product {
    fn message(&mut self) -> [Fr; 2] {
        match on_device(&mut self.held, |product| product.message()) {
            Some(message) => message,
            None => self.caught_up().message(),
        }
    }

    fn bind(&mut self, x: &Fr) {
        if on_device(&mut self.held, |product| product.bind(x)).is_none() {
            self.caught_up().bind(x);
        }
        self.bound.push(*x);
    }

    fn first(&mut self) -> [Fr; 2] {
        match on_device(&mut self.held, |product| product.first()) {
            Some(first) => first,
            None => self.caught_up().first(),
        }
    }
}

/// The rounds of one level, as far as they have come.
struct Level {
    number: usize,
    lambda: Fr,
    r: Vec<Fr>,
    bound: Vec<Fr>,
}

/// A tree of fractions.
pub struct Fractions<'a> {
    held: Option<library::Tree>,
    root: [Fr; 2],
    leaves: Leaves<'a>,
    level: Option<Level>,
    other: Option<Box<dyn backend::Fractions + 'a>>,
}

impl<'a> Fractions<'a> {
    /// A session that has begun.
    pub fn new(held: library::Tree, root: [Fr; 2], leaves: Leaves<'a>) -> Self {
        Self { held: Some(held), root, leaves, level: None, other: None }
    }

    fn caught_up(&mut self) -> &mut (dyn backend::Fractions + 'a) {
        let Self { leaves, level, other, .. } = self;
        other
            .get_or_insert_with(|| {
                let mut tree = Cpu.fractions(*leaves);
                if let Some(Level { number, lambda, r, bound }) = level {
                    tree.begin(*number, lambda, r);
                    bound.iter().for_each(|x| {
                        tree.bind(x);
                    });
                }
                tree
            })
            .as_mut()
    }
}

impl backend::Fractions for Fractions<'_> {
    fn root(&self) -> [Fr; 2] {
        self.root
    }

    fn begin(&mut self, level: usize, lambda: &Fr, r: &[Fr]) -> [Fr; 5] {
        // a level before this one is done: nothing of it is to be caught up with
        self.level = None;
        let message = match on_device(&mut self.held, |tree| tree.begin(level, lambda, r)) {
            Some(message) => message,
            None => self.caught_up().begin(level, lambda, r),
        };
        self.level = Some(Level { number: level, lambda: *lambda, r: r.to_vec(), bound: Vec::new() });
        message
    }

    fn bind(&mut self, x: &Fr) -> [Fr; 5] {
        let message = match on_device(&mut self.held, |tree| tree.bind(x)) {
            Some(message) => message,
            None => self.caught_up().bind(x),
        };
        self.level.iter_mut().for_each(|level| level.bound.push(*x));
        message
    }

    fn children(&mut self) -> Vec<Fr> {
        match on_device(&mut self.held, library::Tree::children) {
            Some(children) => children,
            None => self.caught_up().children(),
        }
    }
}
