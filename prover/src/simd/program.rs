//! Programs on several rows at a time: every value that is not a constant has a place in memory, with as many lanes as
//! there are rows.

use super::Isa;
use super::field::{Packed, ScalarField, Sum, limbs};
use super::lanes::Lanes;
use crate::plonk::program::{Instruction, Operand, Program, Work};
use crate::plonk::quotient::{Column, KEY_COLUMNS, WITNESS_COLUMNS};
use assay_circuits::Fr;

/// Terms of a sum that is reduced once.
const MOST_TERMS: usize = 32;
/// Columns in a row, and in the next.
const COLUMNS: usize = KEY_COLUMNS + WITNESS_COLUMNS;

/// Limbs of the lanes' elements, each below 2p.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub(crate) struct Limbs([u64; 40]);

/// A program made ready.
pub(crate) struct Prepared<'a> {
    program: &'a Program,
    constants: Vec<[u64; 5]>,
    /// Columns that it reads: which, whether in the next row, and their place.
    reads: Vec<(Column, bool, usize)>,
}

/// Where a column's value is, before the registers.
fn place(column: Column, next: bool) -> usize {
    let index = match column {
        Column::Key(column) => column,
        Column::Witness(column) => KEY_COLUMNS + column,
    };
    if next { COLUMNS + index } else { index }
}

impl<'a> Prepared<'a> {
    /// For running it on many rows.
    pub(crate) fn new(program: &'a Program) -> Self {
        let sixteen = Fr::from(16u64);
        let mut reads = Vec::new();
        for instruction in &program.instructions {
            for operand in instruction.work.operands() {
                if let Operand::Column(column, next) = operand {
                    reads.push((column, next, place(column, next)));
                }
            }
        }
        reads.sort_unstable_by_key(|(_, _, place)| *place);
        reads.dedup();
        // in the vectors' form
        let constants = program.constants.iter().map(|constant| limbs((*constant * sixteen).0.0)).collect();
        Self { program, constants, reads }
    }

    /// Memory for running it.
    pub(crate) fn memory(&self) -> Vec<Limbs> {
        vec![Limbs([0; 40]); 2 * COLUMNS + self.program.registers as usize]
    }

    /// Runs it on the rows from `row` on, as long as there is a whole vector of them: how many it did. `column` has
    /// values for them, and for one row more.
    pub(crate) fn run<'c>(
        &self,
        isa: Isa,
        column: &dyn Fn(Column) -> &'c [Fr],
        row: usize,
        memory: &mut [Limbs],
        out: &mut [Fr],
    ) -> usize {
        let reads: Vec<(&[Fr], usize)> =
            self.reads.iter().map(|(of, next, place)| (&column(*of)[row + usize::from(*next)..], *place)).collect();
        super::run_program(isa, self, &reads, memory, out)
    }
}

#[inline(always)]
fn read<L: Lanes>(value: &Limbs) -> Packed<L, ScalarField> {
    Packed::read(&value.0)
}

/// See [`Prepared::run`].
#[inline(always)]
pub(super) fn run<L: Lanes>(
    prepared: &Prepared<'_>,
    reads: &[(&[Fr], usize)],
    memory: &mut [Limbs],
    out: &mut [Fr],
) -> usize {
    let lanes = out.len() - out.chunks_exact_mut(L::COUNT).into_remainder().len();
    for (vector, out) in out[..lanes].chunks_exact_mut(L::COUNT).enumerate() {
        for (column, place) in reads {
            let rows = &column[vector * L::COUNT..][..L::COUNT];
            Packed::<L, ScalarField>::from_scalars(rows).write(&mut memory[*place].0);
        }
        let mut last = Packed::<L, ScalarField>::zero();
        for Instruction { to, work } in &prepared.program.instructions {
            let value = |operand: &Operand| match *operand {
                Operand::Register(register) => read(&memory[2 * COLUMNS + register as usize]),
                Operand::Constant(constant) => Packed::constant(prepared.constants[constant as usize]),
                Operand::Column(column, next) => read(&memory[place(column, next)]),
            };
            last = match work {
                Work::Add(a, b) => value(a).accumulate(&value(b)),
                Work::Sub(a, b) => value(a).sub(&value(b)).reduce(),
                Work::Mul(a, b) => value(a).mul(&value(b)),
                Work::Dot(terms) => {
                    let parts = terms.chunks(MOST_TERMS).map(|terms| {
                        let mut sum = Sum::<L, ScalarField>::zero();
                        for (constant, operand) in terms {
                            sum.add(&value(operand), &Packed::constant(prepared.constants[*constant as usize]));
                        }
                        // below (1 + 32 · 2 / 84) p
                        sum.reduce()
                    });
                    parts.reduce(|sum, part| sum.accumulate(&part)).unwrap_or_else(Packed::zero)
                }
            };
            last.write(&mut memory[2 * COLUMNS + *to as usize].0);
        }
        last.to_scalars(out);
    }
    lanes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plonk::Challenges;
    use crate::plonk::quotient::Numerators;
    use ark_ff::{AdditiveGroup, UniformRand};

    #[test]
    fn rows_in_lanes_are_rows_alone() {
        let mut rng = ark_std::test_rng();
        let challenges = Challenges::new([Fr::rand(&mut rng), Fr::rand(&mut rng)], Fr::rand(&mut rng));
        let program = Program::new(&Numerators::new(&challenges));
        let edges = [Fr::ZERO, Fr::from(1u64), -Fr::from(1u64)];
        let mut column = |i: usize| if i % 4 == 3 { edges[i % 3] } else { Fr::rand(&mut rng) };
        let columns: Vec<Vec<Fr>> = (0..COLUMNS).map(|_| (0..30).map(&mut column).collect()).collect();
        let of = |column: Column| &columns[place(column, false)][..];
        for isa in Isa::available() {
            let prepared = Prepared::new(&program);
            let mut out = vec![Fr::ZERO; 27];
            let done = prepared.run(*isa, &of, 2, &mut prepared.memory(), &mut out);
            assert!((20..=27).contains(&done), "all but the last few: {done}");
            for (i, value) in out.iter().enumerate().take(done) {
                let alone = program.run(|column, next| of(column)[2 + i + usize::from(next)]);
                assert_eq!(*value, alone, "{isa:?} row {i}");
            }
        }
    }
}
