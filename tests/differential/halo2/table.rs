//! A table of rows as an ordinary halo2 circuit.

use super::gates::Columns;
use super::{Circuit, F, Fr, Kind, convert};
use assay_circuits::plonk::{ADVICE, CONSTANTS, WIRES};
use halo2_proofs::circuit::{Cell, Layouter, SimpleFloorPlanner, Value};
use halo2_proofs::plonk::{self, ConstraintSystem, Error};

/// Rows that halo2 keeps at the end for its blinding.
const KEPT: usize = 6;

#[derive(Clone)]
pub struct Table {
    /// Kinds of rows; the row after the last one has none.
    pub kinds: Vec<Kind>,
    constants: Vec<[F; CONSTANTS]>,
    /// One row more than there are kinds.
    pub advice: Vec<[F; ADVICE]>,
    /// Cells that are equal, as (column, row).
    copies: Vec<[(usize, usize); 2]>,
    /// The value of `PI` in each row.
    pub public: Vec<F>,
    known: bool,
}

/// What a row does, by its last two fixed columns.
pub fn kind_of(circuit: &Circuit, row: usize) -> Kind {
    let code = [CONSTANTS, CONSTANTS + 1].map(|column| circuit.fixed[column][row]);
    Kind::ALL.into_iter().find(|kind| kind.code() == code).expect("a code of a kind")
}

impl Table {
    /// All rows in use.
    pub fn of(circuit: &Circuit, advice: &[Vec<Fr>; ADVICE], public: &[Fr; 3]) -> Self {
        let mut table = Self::rows(circuit, advice, public, 0..circuit.used_rows);
        let n = 1usize << circuit.log_rows;
        let cells =
            circuit.permutation.iter().map(|next| *next as usize).enumerate().filter(|(cell, next)| cell != next);
        table.copies = cells.map(|(cell, next)| [cell, next].map(|cell| (cell / n, cell % n))).collect();
        assert!(circuit.permutation.len() == WIRES * n && !table.copies.is_empty());
        table
    }

    /// One row and the next, without copies.
    pub fn window(circuit: &Circuit, advice: &[Vec<Fr>; ADVICE], public: &[Fr; 3], row: usize) -> Self {
        Self::rows(circuit, advice, public, row..row + 1)
    }

    fn rows(circuit: &Circuit, advice: &[Vec<Fr>; ADVICE], public: &[Fr; 3], rows: std::ops::Range<usize>) -> Self {
        let (start, end) = (rows.start, rows.end);
        Self {
            kinds: rows.clone().map(|row| kind_of(circuit, row)).collect(),
            constants: rows
                .clone()
                .map(|row| std::array::from_fn(|column| convert(&circuit.fixed[column][row])))
                .collect(),
            advice: (start..=end).map(|row| std::array::from_fn(|column| convert(&advice[column][row]))).collect(),
            copies: Vec::new(),
            public: rows.map(|row| public.get(row).map_or_else(F::zero, convert)).collect(),
            known: true,
        }
    }

    pub fn log_rows(&self) -> u32 {
        (self.advice.len() + KEPT).next_power_of_two().ilog2()
    }

    /// What a key is made from.
    pub fn without_advice(&self) -> Self {
        Self { known: false, ..self.clone() }
    }

    fn value(&self, value: F) -> Value<F> {
        if self.known { Value::known(value) } else { Value::unknown() }
    }
}

impl plonk::Circuit<F> for Table {
    type Config = Columns;
    type FloorPlanner = SimpleFloorPlanner;

    fn without_witnesses(&self) -> Self {
        self.without_advice()
    }

    fn configure(meta: &mut ConstraintSystem<F>) -> Columns {
        Columns::new(meta)
    }

    fn synthesize(&self, columns: Columns, mut layouter: impl Layouter<F>) -> Result<(), Error> {
        layouter.assign_region(
            || "rows",
            |mut region| {
                let mut cells: Vec<[Cell; ADVICE]> = Vec::with_capacity(self.advice.len());
                for (row, values) in self.advice.iter().enumerate() {
                    let mut own = Vec::with_capacity(ADVICE);
                    for (column, value) in columns.advice.iter().zip(values) {
                        own.push(region.assign_advice(|| "advice", *column, row, || self.value(*value))?.cell());
                    }
                    cells.push(own.try_into().map_err(|_| Error::Synthesis)?);
                }
                for (row, (kind, constants)) in self.kinds.iter().zip(&self.constants).enumerate() {
                    for (column, value) in columns.constants.iter().zip(constants) {
                        region.assign_fixed(|| "constant", *column, row, || Value::known(*value))?;
                    }
                    columns.selector(*kind).enable(&mut region, row)?;
                }
                for [(column, row), (other_column, other_row)] in &self.copies {
                    region.constrain_equal(cells[*row][*column], cells[*other_row][*other_column])?;
                }
                Ok(())
            },
        )
    }
}
