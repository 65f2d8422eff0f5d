//! The numerator as a program: the operations that [`Numerators`] does at a point, recorded once, for machines that
//! have no Rust of their own and do the same at every point.

#![allow(clippy::indexing_slicing, reason = "only the prover runs this, and operands are of the program's own")]

use super::quotient::{Column, Numerators, Point};
use ark_ff::{AdditiveGroup, Field};
use assay_circuits::Fr;
use assay_circuits::scalar::{Check, Scalar, VerifyError};
use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::{Add, Mul, Neg, Sub};
use std::rc::Rc;

/// What an instruction works on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operand {
    /// A register.
    Register(u32),
    /// One of [`Program::constants`].
    Constant(u32),
    /// A column's value in the row, or in the next.
    Column(Column, bool),
}

/// What an instruction does.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Work<T> {
    /// `a + b`.
    Add(T, T),
    /// `a - b`.
    Sub(T, T),
    /// `a · b`.
    Mul(T, T),
    /// `Σ constant · value`: constants by their numbers.
    Dot(Vec<(u32, T)>),
}

impl<T: Copy> Work<T> {
    /// What it works on.
    pub fn operands(&self) -> Vec<T> {
        match self {
            Self::Add(a, b) | Self::Sub(a, b) | Self::Mul(a, b) => vec![*a, *b],
            Self::Dot(terms) => terms.iter().map(|(_, value)| *value).collect(),
        }
    }

    fn map<U>(&self, f: impl Fn(T) -> U) -> Work<U> {
        match self {
            Self::Add(a, b) => Work::Add(f(*a), f(*b)),
            Self::Sub(a, b) => Work::Sub(f(*a), f(*b)),
            Self::Mul(a, b) => Work::Mul(f(*a), f(*b)),
            Self::Dot(terms) => Work::Dot(terms.iter().map(|(constant, value)| (*constant, f(*value))).collect()),
        }
    }
}

/// `register[to] = work`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instruction {
    /// Where the result goes.
    pub to: u32,
    /// What it is the result of.
    pub work: Work<Operand>,
}

/// Instructions one after the other; the last one's result is the program's.
#[derive(Clone, Debug)]
pub struct Program {
    /// Constants.
    pub constants: Vec<Fr>,
    /// Instructions, at least one.
    pub instructions: Vec<Instruction>,
    /// Registers that they need.
    pub registers: u32,
}

impl Program {
    /// The numerator of a point.
    pub fn new(numerators: &Numerators<'_>) -> Self {
        let tape = Rc::new(RefCell::new(Tape::default()));
        let result =
            numerators.at(&Point::read(|column, next| Recorded::Value(Rc::clone(&tape), Source::Column(column, next))));
        let mut tape = tape.borrow_mut();
        // whatever it is, it is the last instruction's
        let (result, zero) = (tape.source(&result), tape.constant(Fr::ZERO));
        tape.operations.push(Work::Add(result, Source::Constant(zero)));
        tape.program()
    }

    /// Runs it at one point.
    pub fn run(&self, read: impl Fn(Column, bool) -> Fr) -> Fr {
        let mut registers = vec![Fr::ZERO; self.registers as usize];
        let mut last = Fr::ZERO;
        for Instruction { to, work } in &self.instructions {
            let value = |operand: &Operand| match *operand {
                Operand::Register(register) => registers[register as usize],
                Operand::Constant(constant) => self.constants[constant as usize],
                Operand::Column(column, next) => read(column, next),
            };
            last = match work {
                Work::Add(a, b) => value(a) + value(b),
                Work::Sub(a, b) => value(a) - value(b),
                Work::Mul(a, b) => value(a) * value(b),
                Work::Dot(terms) => {
                    terms.iter().map(|(constant, operand)| self.constants[*constant as usize] * value(operand)).sum()
                }
            };
            registers[*to as usize] = last;
        }
        last
    }
}

/// What operations are done, in their order.
#[derive(Debug, Default)]
struct Tape {
    constants: Vec<Fr>,
    operations: Vec<Work<Source>>,
    /// Where each of them is: the same is not done twice.
    known: HashMap<Work<Source>, usize>,
}

/// Where a value is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Source {
    Constant(u32),
    Column(Column, bool),
    /// Of the operation with this number.
    Result(usize),
}

impl Tape {
    fn constant(&mut self, value: Fr) -> u32 {
        let found = self.constants.iter().position(|constant| *constant == value);
        let index = found.unwrap_or_else(|| {
            self.constants.push(value);
            self.constants.len() - 1
        });
        index as u32
    }

    fn source(&mut self, value: &Recorded) -> Source {
        match value {
            Recorded::Constant(value) => Source::Constant(self.constant(*value)),
            Recorded::Value(_, source) => *source,
        }
    }

    fn record(&mut self, work: Work<Source>) -> Source {
        let next = self.operations.len();
        let at = *self.known.entry(work.clone()).or_insert(next);
        if at == next {
            self.operations.push(work);
        }
        Source::Result(at)
    }

    /// With registers instead of results: one is free again where its value is used last.
    fn program(&self) -> Program {
        let mut last_use = vec![0; self.operations.len()];
        for (at, work) in self.operations.iter().enumerate() {
            for operand in work.operands() {
                if let Source::Result(result) = operand {
                    last_use[result] = at;
                }
            }
        }
        let (mut register_of, mut free, mut registers) = (vec![0; self.operations.len()], Vec::new(), 0);
        let mut instructions = Vec::with_capacity(self.operations.len());
        for (at, work) in self.operations.iter().enumerate() {
            let operand = |source| match source {
                Source::Constant(constant) => Operand::Constant(constant),
                Source::Column(column, next) => Operand::Column(column, next),
                Source::Result(result) => Operand::Register(register_of[result]),
            };
            let work_here = work.map(operand);
            for operand in work.operands() {
                if let Source::Result(result) = operand
                    && std::mem::replace(&mut last_use[result], 0) == at
                {
                    free.push(register_of[result]);
                }
            }
            register_of[at] = free.pop().unwrap_or_else(|| {
                registers += 1;
                registers - 1
            });
            instructions.push(Instruction { to: register_of[at], work: work_here });
        }
        Program { constants: self.constants.clone(), instructions, registers }
    }
}

/// A scalar that records what is done with it.
#[derive(Clone, Debug)]
enum Recorded {
    Constant(Fr),
    Value(Rc<RefCell<Tape>>, Source),
}

impl Recorded {
    fn is(&self, value: Fr) -> bool {
        matches!(self, Self::Constant(constant) if *constant == value)
    }

    fn binary(&self, work: fn(Source, Source) -> Work<Source>, other: &Self, known: impl Fn(Fr, Fr) -> Fr) -> Self {
        let tape = match (self, other) {
            (Self::Constant(a), Self::Constant(b)) => return Self::Constant(known(*a, *b)),
            (Self::Value(tape, _), _) | (_, Self::Value(tape, _)) => tape,
        };
        let source = {
            let mut tape = tape.borrow_mut();
            let (a, b) = (tape.source(self), tape.source(other));
            tape.record(work(a, b))
        };
        Self::Value(Rc::clone(tape), source)
    }
}

impl<'a> Add<&'a Recorded> for Recorded {
    type Output = Recorded;
    fn add(self, other: &'a Recorded) -> Recorded {
        if self.is(Fr::ZERO) {
            return other.clone();
        }
        if other.is(Fr::ZERO) {
            return self;
        }
        self.binary(Work::Add, other, |a, b| a + b)
    }
}

impl<'a> Sub<&'a Recorded> for Recorded {
    type Output = Recorded;
    fn sub(self, other: &'a Recorded) -> Recorded {
        self.binary(Work::Sub, other, |a, b| a - b)
    }
}

impl<'a> Mul<&'a Recorded> for Recorded {
    type Output = Recorded;
    fn mul(self, other: &'a Recorded) -> Recorded {
        if self.is(Fr::ZERO) || other.is(Fr::ONE) {
            return self;
        }
        if other.is(Fr::ZERO) || self.is(Fr::ONE) {
            return other.clone();
        }
        self.binary(Work::Mul, other, |a, b| a * b)
    }
}

impl Add for Recorded {
    type Output = Recorded;
    fn add(self, other: Recorded) -> Recorded {
        self + &other
    }
}

impl Sub for Recorded {
    type Output = Recorded;
    fn sub(self, other: Recorded) -> Recorded {
        self - &other
    }
}

impl Mul for Recorded {
    type Output = Recorded;
    fn mul(self, other: Recorded) -> Recorded {
        self * &other
    }
}

impl Neg for Recorded {
    type Output = Recorded;
    fn neg(self) -> Recorded {
        Recorded::Constant(Fr::ZERO) - self
    }
}

impl Scalar for Recorded {
    fn constant(value: Fr) -> Self {
        Self::Constant(value)
    }

    fn dot(constants: &[Fr], values: &[&Self]) -> Self {
        let (mut found, mut terms, mut rest) = (None, Vec::new(), Fr::ZERO);
        for (constant, value) in constants.iter().zip(values) {
            match value {
                Self::Constant(value) => rest += *constant * value,
                Self::Value(..) if *constant == Fr::ZERO => {}
                Self::Value(tape, source) => {
                    terms.push((tape.borrow_mut().constant(*constant), *source));
                    found = Some(tape);
                }
            }
        }
        let Some(tape) = found else { return Self::Constant(rest) };
        let source = tape.borrow_mut().record(Work::Dot(terms));
        Self::Value(Rc::clone(tape), source) + Self::Constant(rest)
    }

    /// Of constants only: nothing in a row divides.
    fn inverse(&self) -> Result<Self, VerifyError> {
        match self {
            Self::Constant(value) => Field::inverse(value).map(Self::Constant).ok_or(VerifyError::ZeroDivisor),
            Self::Value(..) => Err(VerifyError::ZeroDivisor),
        }
    }

    /// Of constants only: nothing in a row compares.
    fn require_equal(&self, other: &Self, check: Check) -> Result<(), VerifyError> {
        match (self, other) {
            (Self::Constant(a), Self::Constant(b)) if a == b => Ok(()),
            _ => Err(VerifyError::Unequal(check)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::prove::Challenges;
    use super::super::quotient::numerator;
    use super::*;
    use ark_ff::UniformRand;

    #[test]
    fn the_program_computes_the_numerator() {
        let mut rng = ark_std::test_rng();
        for _ in 0..4 {
            let challenges = Challenges::new([Fr::rand(&mut rng), Fr::rand(&mut rng)], Fr::rand(&mut rng));
            let program = Program::new(&Numerators::new(&challenges));
            let base = Fr::rand(&mut rng);
            let read = |column: Column, next: bool| {
                let index = match column {
                    Column::Key(column) => column,
                    Column::Witness(column) => 100 + column,
                };
                Field::inverse(&(base + Fr::from(2 * index as u64 + u64::from(next)))).unwrap()
            };
            assert_eq!(program.run(read), numerator(&Point::read(read), &challenges));
            assert!(program.registers < 128, "{} registers", program.registers);
        }
    }
}
