//! The numerator as a program: the operations that [`Numerators`] does at a point, recorded once, for machines that have no Rust of their own and do the same at
//! every point.

#![allow(clippy::indexing_slicing, reason = "only the prover runs this, and operands are of the program's own")]

use super::quotient::{Column, Numerators, Point};
use ark_ff::{AdditiveGroup, Field};
use assay_circuits::Fr;
use assay_circuits::scalar::{Check, Scalar, VerifyError};
use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::{Add, Mul, Neg, Sub};
use std::rc::Rc;

/// What an instruction does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// `a + b`.
    Add,
    /// `a - b`.
    Sub,
    /// `a · b`.
    Mul,
}

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

/// `register[to] = a ∘ b`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instruction {
    /// `∘`.
    pub operation: Operation,
    /// Where the result goes.
    pub to: u32,
    /// `a` and `b`.
    pub operands: [Operand; 2],
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
        let result = numerators.at(&Point::read(|column, next| Recorded::Value(Rc::clone(&tape), Source::Column(column, next))));
        let mut tape = tape.borrow_mut();
        // whatever it is, it is the last instruction's
        let operands = [tape.source(&result), tape.constant(Fr::ZERO)];
        tape.operations.push((Operation::Add, operands));
        tape.program()
    }

    /// Runs it at one point.
    pub fn run(&self, read: impl Fn(Column, bool) -> Fr) -> Fr {
        let mut registers = vec![Fr::ZERO; self.registers as usize];
        let mut last = Fr::ZERO;
        for Instruction { operation, to, operands } in &self.instructions {
            let [a, b] = operands.map(|operand| match operand {
                Operand::Register(register) => registers[register as usize],
                Operand::Constant(constant) => self.constants[constant as usize],
                Operand::Column(column, next) => read(column, next),
            });
            last = match operation {
                Operation::Add => a + b,
                Operation::Sub => a - b,
                Operation::Mul => a * b,
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
    operations: Vec<(Operation, [Source; 2])>,
    /// Where each of them is: the same is not done twice.
    known: HashMap<(Operation, [Source; 2]), usize>,
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
    fn constant(&mut self, value: Fr) -> Source {
        let found = self.constants.iter().position(|constant| *constant == value);
        let index = found.unwrap_or_else(|| {
            self.constants.push(value);
            self.constants.len() - 1
        });
        Source::Constant(index as u32)
    }

    fn source(&mut self, value: &Recorded) -> Source {
        match value {
            Recorded::Constant(value) => self.constant(*value),
            Recorded::Value(_, source) => *source,
        }
    }

    fn record(&mut self, operation: Operation, operands: [Source; 2]) -> Source {
        let next = self.operations.len();
        let at = *self.known.entry((operation, operands)).or_insert(next);
        if at == next {
            self.operations.push((operation, operands));
        }
        Source::Result(at)
    }

    /// With registers instead of results: one is free again where its value is used last.
    fn program(&self) -> Program {
        let mut last_use = vec![0; self.operations.len()];
        for (at, (_, operands)) in self.operations.iter().enumerate() {
            for operand in operands {
                if let Source::Result(result) = operand {
                    last_use[*result] = at;
                }
            }
        }
        let (mut register_of, mut free, mut registers) = (vec![0; self.operations.len()], Vec::new(), 0);
        let mut instructions = Vec::with_capacity(self.operations.len());
        for (at, (operation, sources)) in self.operations.iter().enumerate() {
            let operands = sources.map(|source| match source {
                Source::Constant(constant) => Operand::Constant(constant),
                Source::Column(column, next) => Operand::Column(column, next),
                Source::Result(result) => Operand::Register(register_of[result]),
            });
            for (i, source) in sources.iter().enumerate() {
                if let Source::Result(result) = source
                    && last_use[*result] == at
                    && !sources[..i].contains(source)
                {
                    free.push(register_of[*result]);
                }
            }
            register_of[at] = free.pop().unwrap_or_else(|| {
                registers += 1;
                registers - 1
            });
            instructions.push(Instruction { operation: *operation, to: register_of[at], operands });
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

    fn binary(&self, operation: Operation, other: &Self, known: impl Fn(Fr, Fr) -> Fr) -> Self {
        let tape = match (self, other) {
            (Self::Constant(a), Self::Constant(b)) => return Self::Constant(known(*a, *b)),
            (Self::Value(tape, _), _) | (_, Self::Value(tape, _)) => tape,
        };
        let source = {
            let mut tape = tape.borrow_mut();
            let operands = [tape.source(self), tape.source(other)];
            tape.record(operation, operands)
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
        self.binary(Operation::Add, other, |a, b| a + b)
    }
}

impl<'a> Sub<&'a Recorded> for Recorded {
    type Output = Recorded;
    fn sub(self, other: &'a Recorded) -> Recorded {
        self.binary(Operation::Sub, other, |a, b| a - b)
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
        self.binary(Operation::Mul, other, |a, b| a * b)
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
