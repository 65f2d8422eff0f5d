//! The exact integer semantics of a network: the function that a proof attests. `docs/semantics.md` is the specification.
//!
//! The executor returns every cell of every column, padding included, because that is what gets committed. Only cells that depend on data
//! are computed by multiplication; padding cells follow the rules of the specification's section on padding.

mod input;
mod linear;
mod requantise;

pub use input::{dequantise_output, quantise_input};

use crate::model::{Architecture, ModelError, Source, Weights};

/// Why a network cannot be run on an input.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the messages say what each field is")]
pub enum ExecError {
    #[error(transparent)]
    Model(#[from] ModelError),
    #[error("the input has {have} elements and the model takes {need} (shape {shape:?})")]
    InputElements { have: usize, need: usize, shape: Vec<u32> },
    #[error("element {index} of the input is not a finite number: replace NaN and infinities")]
    InputNotFinite { index: usize },
    #[error("the input block has {have} cells and must have {need}: use `quantise_input`")]
    InputCells { have: usize, need: usize },
    #[error("input cell {cell} is {value}, which does not fit {bits} bits: use `quantise_input`")]
    InputRange { cell: usize, value: i32, bits: u8 },
    #[error("the input's padding cell {cell} is {value} and must be 0: use `quantise_input`")]
    InputPadding { cell: usize, value: i32 },
}

/// All columns of one execution. Every column is a whole padded block, of `2^log_size` cells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// The input block.
    pub input: Vec<i32>,
    /// One entry per layer.
    pub layers: Vec<LayerTrace>,
}

/// The columns of one layer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LayerTrace {
    /// Requantised accumulators.
    pub q: Vec<i32>,
    /// `f(q)`; empty if `f` is the identity.
    pub y: Vec<i32>,
    /// Remainders, in `[0, 2^shift)`; empty if the shift is 0.
    pub rem: Vec<i32>,
    /// Saturation limbs, the lowest first; each is 0 or has the sign of the rail that `q` is at.
    pub limbs: Vec<Vec<i32>>,
}

impl Trace {
    /// The cells of a column that later layers can read. Empty if it names a layer that does not exist.
    pub fn column(&self, source: Source) -> &[i32] {
        let layer = |index: u32| self.layers.get(index as usize);
        match source {
            Source::Input => &self.input,
            Source::Pre(index) => layer(index).map_or(&[], |l| &l.q),
            Source::Post(index) => layer(index).map_or(&[], |l| if l.y.is_empty() { &l.q } else { &l.y }),
        }
    }

    /// The trace of a batch: the columns of its inferences one after the other. All are of one architecture.
    pub fn join(traces: impl IntoIterator<Item = Trace>) -> Self {
        let mut traces = traces.into_iter();
        let mut joined = traces.next().unwrap_or(Self { input: Vec::new(), layers: Vec::new() });
        for trace in traces {
            joined.input.extend(trace.input);
            for (joined, layer) in joined.layers.iter_mut().zip(trace.layers) {
                joined.q.extend(layer.q);
                joined.y.extend(layer.y);
                joined.rem.extend(layer.rem);
                joined.limbs.iter_mut().zip(layer.limbs).for_each(|(joined, limb)| joined.extend(limb));
            }
        }
        joined
    }

    /// The network's output, in the user's order, for one inference after the other. `arch` is the architecture that was executed.
    pub fn output(&self, arch: &Architecture) -> Vec<i32> {
        let len = arch.dims(arch.output.source).map_or(1, |dims| dims.block_len());
        let cells = |column: &[i32]| -> Vec<i32> {
            arch.output.cells.iter().map(|&cell| column.get(cell as usize).copied().unwrap_or(0)).collect()
        };
        self.column(arch.output.source).chunks(len).flat_map(cells).collect()
    }
}

/// Runs a network on an input block (as [`quantise_input`] makes it: every padding cell is 0).
///
/// Padding cells of weight matrices are not looked at where they do not matter; [`Weights::validate`] checks them once, on loading.
///
/// # Errors
/// The architecture is not valid, the weights do not fit it in number or range, or the input block has the wrong length, a cell that
/// does not fit its width, or padding that is not 0. Never a value: every input of the right shape is executed.
pub fn execute(arch: &Architecture, weights: &Weights, input_cells: &[i32]) -> Result<Trace, ExecError> {
    arch.validate()?;
    weights.check_lengths(arch)?;
    weights.check_ranges(arch)?;
    input::check(arch, input_cells)?;
    let tables = requantise::evaluate_tables(arch);
    let mut trace = Trace { input: input_cells.to_vec(), layers: Vec::with_capacity(arch.layers.len()) };
    for (index, layer) in arch.layers.iter().enumerate() {
        let (Some(table), Some(values)) = (arch.table(layer), tables.get(layer.table as usize)) else {
            return Err(ModelError::UnknownTable { layer: index, table: layer.table }.into());
        };
        let mut z = linear::bias(layer, weights.biases.get(index).map_or(&[], Vec::as_slice));
        for term in &layer.terms {
            let missing = ModelError::UnknownSource { layer: index, missing: term.source() };
            let dims = arch.dims(term.source()).ok_or(missing)?;
            let matrix = term.weight().and_then(|at| weights.matrices.get(at)).map_or(&[][..], Vec::as_slice);
            linear::Operands { dims: layer.dims, from: dims, x: trace.column(term.source()), matrix, weight_bits: arch.weight_bits }
                .accumulate(term, &mut z);
        }
        trace.layers.push(requantise::requantise(layer, table, values, &z));
    }
    Ok(trace)
}
