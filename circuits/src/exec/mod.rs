//! The exact integer semantics of a network: the function that a proof attests. `docs/semantics.md` is the
//! specification.
//!
//! The executor returns every cell of every column, padding included, because that is what gets committed.

mod decode;
mod input;
mod linear;
mod product;

pub use decode::{DecodeError, decode, followed, text_length};
pub use input::{Quantised, dequantise_output, quantise_input};

use crate::model::{Architecture, Layer, Loop, ModelError, Operand, Rule, Source, Weights};
use crate::relation;
use crate::system::{ColumnId, System};
use linear::Reader;
use rayon::prelude::*;

/// Why a network cannot be run on an input.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the messages say what each field is")]
pub enum ExecError {
    #[error(transparent)]
    Model(#[from] ModelError),
    #[error("the model takes {need} input tensors and {have} are given")]
    Inputs { have: usize, need: usize },
    #[error("input {name:?} has {have} elements and the model takes {need} (shape {shape:?})")]
    InputElements { name: String, have: usize, need: usize, shape: Vec<u32> },
    #[error("element {index} of input {name:?} is not a finite number: replace NaN and infinities")]
    InputNotFinite { name: String, index: usize },
    #[error("the input block has {have} cells and must have {need}: use `quantise_input`")]
    InputCells { have: usize, need: usize },
    #[error("input cell {cell} is {value}, which does not fit {bits} bits: use `quantise_input`")]
    InputRange { cell: usize, value: i32, bits: u8 },
}

/// All columns of one execution: the input, then those of each layer, as [`System::executed`] lists them. Every column
/// is a whole block. Debug output shows how many there are, and none of their cells.
#[derive(Clone, PartialEq, Eq)]
pub struct Trace {
    /// Number of the input's column.
    first: u32,
    /// The columns, from the input on.
    pub columns: Vec<Vec<i32>>,
}

impl std::fmt::Debug for Trace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let cells = self.columns.iter().map(Vec::len).sum::<usize>();
        f.debug_struct("Trace").field("columns", &self.columns.len()).field("cells", &cells).finish_non_exhaustive()
    }
}

impl Trace {
    /// All columns of a system, from the first on.
    pub(crate) fn of_columns(columns: Vec<Vec<i32>>) -> Self {
        Self { first: 0, columns }
    }

    /// The cells of a column. Empty for one that is not of an execution.
    pub fn column(&self, id: ColumnId) -> &[i32] {
        id.0.checked_sub(self.first).and_then(|at| self.columns.get(at as usize)).map_or(&[], Vec::as_slice)
    }

    /// The same, to change it: for tests with lying provers.
    pub fn column_mut(&mut self, id: ColumnId) -> Option<&mut Vec<i32>> {
        self.columns.get_mut(id.0.checked_sub(self.first)? as usize)
    }

    /// The trace of a batch: the columns of its inferences one after the other. All are of one architecture.
    pub fn join(traces: impl IntoIterator<Item = Trace>) -> Self {
        let mut traces = traces.into_iter();
        let mut joined = traces.next().unwrap_or(Self { first: 0, columns: Vec::new() });
        for trace in traces {
            joined.columns.iter_mut().zip(trace.columns).for_each(|(joined, column)| joined.extend(column));
        }
        joined
    }

    /// [`Self::output`] as proofs state it, in 16 bits: a column that can be an output is no wider. Of a trace that no
    /// execution gives, the low 16 bits.
    pub fn output_cells(&self, arch: &Architecture, system: &System) -> Vec<i16> {
        self.output(arch, system).iter().map(|y| *y as i16).collect()
    }

    /// What the output cells of the one inference mean, by tensor.
    pub fn outputs(&self, arch: &Architecture, system: &System) -> Vec<Vec<f32>> {
        dequantise_output(arch, &self.output(arch, system))
    }

    /// The network's outputs, one tensor after the other in the user's order, for one inference after the other.
    pub fn output(&self, arch: &Architecture, system: &System) -> Vec<i32> {
        let columns: Vec<(&[i32], usize)> = arch
            .outputs
            .iter()
            .map(|output| (self.column(system.source(output.source)), 1 << arch.log_size(output.source).unwrap_or(0)))
            .collect();
        let inferences = columns.first().map_or(0, |(column, len)| column.len() / len);
        let cell = |inference: usize, (column, len): (&[i32], usize), cell: u32| {
            column.get(inference * len + cell as usize).copied().unwrap_or(0)
        };
        let of = |inference: usize| {
            let outputs = arch.outputs.iter().zip(&columns);
            outputs
                .flat_map(move |(output, column)| output.cells.iter().map(move |c| cell(inference, *column, *c)))
                .collect::<Vec<i32>>()
        };
        (0..inferences).flat_map(of).collect()
    }
}

/// Runs a network on an input block (as [`quantise_input`] makes it). `system` is the architecture's.
///
/// # Errors
/// The architecture is not valid, the weights do not fit it, or the input block has the wrong length or a cell that
/// does not fit its width. Never a value: every input of the right shape is executed.
pub fn execute(arch: &Architecture, weights: &Weights, input_cells: &[i32]) -> Result<Trace, ExecError> {
    arch.validate()?;
    weights.validate(arch)?;
    run(arch, &System::new(arch), weights, input_cells)
}

/// [`execute`] for an architecture and weights that have been validated. `system` is the architecture's.
///
/// # Errors
/// The input block has the wrong length or a cell that does not fit its width.
pub fn run(arch: &Architecture, system: &System, weights: &Weights, input_cells: &[i32]) -> Result<Trace, ExecError> {
    run_with(arch, system, &TableValues::of(arch), weights, input_cells)
}

/// [`run`] with the values of the architecture's tables, which take longer than a small network's layers: for those who
/// run one many times.
///
/// # Errors
/// Those of [`run`].
pub fn run_with(
    arch: &Architecture,
    system: &System,
    tables: &TableValues,
    weights: &Weights,
    input_cells: &[i32],
) -> Result<Trace, ExecError> {
    input::check(arch, input_cells)?;
    let mut execution = Execution {
        arch,
        system,
        weights,
        tables,
        trace: Trace { first: system.input.0, columns: vec![input_cells.to_vec()] },
    };
    let mut index = 0;
    while index < arch.layers.len() {
        match arch.loops.iter().find(|of| of.first as usize == index) {
            Some(of) => {
                execution.steps(of);
                index += of.layers as usize;
            }
            None => {
                let columns = execution.layer(index, None);
                execution.trace.columns.extend(columns);
                index += 1;
            }
        }
    }
    Ok(execution.trace)
}

/// `f(q)` for every `q`, by table of an architecture; empty for the identity.
pub struct TableValues(Vec<Vec<i32>>);

impl TableValues {
    /// Those of an architecture.
    pub fn of(arch: &Architecture) -> Self {
        Self(
            arch.tables.par_iter().map(|table| if table.is_identity() { Vec::new() } else { table.values() }).collect(),
        )
    }
}

struct Execution<'a> {
    arch: &'a Architecture,
    system: &'a System,
    weights: &'a Weights,
    tables: &'a TableValues,
    trace: Trace,
}

impl Execution<'_> {
    /// A layer's columns, or their cells of one step.
    fn layer(&self, index: usize, step: Option<u32>) -> Vec<Vec<i32>> {
        let layer = &self.arch.layers[index];
        let log_steps = if step.is_some() { self.arch.loop_of(index as u32).map_or(0, |of| of.log_steps) } else { 0 };
        let len = 1usize << (layer.log_size - log_steps);
        let mut z = vec![layer.constant; len];
        for term in relation::terms(layer).iter() {
            let left = self.reader(&term.left);
            match &term.right {
                None => linear::accumulate(term, &left, step, &mut z),
                Some(right) => product::accumulate(term, &left, &self.reader(right), step, &mut z),
            }
        }
        let divisors = self.divisors(layer, step, len);
        let table = layer
            .rule
            .table()
            .and_then(|t| Some((self.arch.tables.get(t as usize)?, self.tables.0.get(t as usize)?.as_slice())));
        relation::execute(&relation::Cells { layer, z: &z, table, divisors: &divisors, rows: self.rows(layer) })
    }

    /// The block of weights whose rows a layer reads, and the indices. Such layers are in no loop.
    fn rows(&self, layer: &Layer) -> Option<relation::RowsRead<'_>> {
        let Rule::Rows { matrix, index, .. } = &layer.rule else { return None };
        let block = self.arch.matrices.get(*matrix as usize)?;
        let cells = self.weights.matrices.get(*matrix as usize)?;
        Some(relation::RowsRead { block, cells, indices: self.trace.column(self.system.source(*index)) })
    }

    fn divisors(&self, layer: &Layer, step: Option<u32>, len: usize) -> Vec<i64> {
        let (Rule::Divide { by, .. } | Rule::Quotient { by, .. }) = &layer.rule else { return Vec::new() };
        let mut divisors = vec![0; len];
        let term = crate::model::Term {
            coefficient: 1,
            axes: by.axes.clone(),
            summed: 0,
            left: by.operand.clone(),
            right: None,
        };
        linear::accumulate(&term, &self.reader(&by.operand), step, &mut divisors);
        divisors
    }

    /// All layers of a loop, step by step.
    fn steps(&mut self, of: &Loop) {
        let layers = of.first as usize..(of.first + of.layers) as usize;
        for columns in &self.system.layers[layers.clone()] {
            let sizes = (columns.span.0..columns.span.1).map(|id| self.system.column(ColumnId(id)).log_size);
            self.trace.columns.extend(sizes.map(|log| vec![0; 1 << log]));
        }
        for step in 0..1u32 << of.log_steps {
            for index in layers.clone() {
                let cells = self.layer(index, Some(step));
                let first = (self.system.layers[index].span.0 - self.trace.first) as usize;
                for (column, cells) in self.trace.columns[first..].iter_mut().zip(cells) {
                    let at = step as usize * cells.len();
                    column[at..at + cells.len()].copy_from_slice(&cells);
                }
            }
        }
    }

    fn reader<'b>(&'b self, operand: &'b Operand) -> Reader<'b> {
        match operand.source {
            Source::Weight(w) => {
                // a valid architecture has a block for each that is read
                let cells = self.weights.matrices.get(w as usize).map_or(&[][..], Vec::as_slice);
                Reader::narrow(operand, cells, self.arch.weight_bits, &self.arch.matrices[w as usize])
            }
            Source::Bias(b) => Reader::wide(operand, self.weights.biases.get(b as usize).map_or(&[], Vec::as_slice)),
            source => Reader::wide(operand, self.trace.column(self.system.source(source))),
        }
    }
}
