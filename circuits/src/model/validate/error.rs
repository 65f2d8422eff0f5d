//! What can be wrong with an architecture.

use super::super::Source;
use super::{
    MAX_AXES, MAX_LAYERS, MAX_LIMB_BITS, MAX_LOG_BLOCK, MAX_LOG_WORK, MAX_MAXIMUM_BITS, MAX_MAXIMUM_PLACES,
    MAX_PROGRAM, MAX_RAIL_BITS, MAX_SECRETS, MAX_SHIFT, MAX_TABLES,
};
use crate::relation::rows::MAX_INDEX_BITS;
use std::fmt;

/// Where in an architecture something is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The network's input.
    Input,
    /// A tensor of the input.
    Port(usize),
    /// An output.
    Output(usize),
    /// A layer.
    Layer(usize),
    /// A block of weights.
    Weight(usize),
    /// A block of biases.
    Bias(usize),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Input => f.write_str("the input"),
            Place::Port(index) => write!(f, "input {index}"),
            Place::Output(index) => write!(f, "output {index}"),
            Place::Layer(index) => write!(f, "layer {index}"),
            Place::Weight(index) => write!(f, "weight block {index}"),
            Place::Bias(index) => write!(f, "bias block {index}"),
        }
    }
}

/// What is wrong with an architecture or with weights for it. Everything is counted from 0.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the messages say what each field is")]
pub enum ModelError {
    #[error("the network has {have} layers and must have 1 to {max}: split it or merge layers", max = MAX_LAYERS)]
    LayerCount { have: usize },
    #[error("the network has {have} tables and may have at most {max}: let layers share tables", max = MAX_TABLES)]
    TableCount { have: usize },
    #[error("the network has {have} weight or bias blocks and may have at most {max}", max = MAX_SECRETS)]
    SecretCount { have: usize },
    #[error("{place} has 2^{log_size} cells, and 2^{max} are supported", max = MAX_LOG_BLOCK)]
    BlockSize { place: Place, log_size: u8 },
    #[error(
        "the cuts of weight block {matrix} overlap, leave no or too many tiles, or are not each within one axis of all \
         who read it: compile the model again"
    )]
    Cuts { matrix: usize },
    #[error("the input has {bits} bits and must have 2 to {max}", max = MAX_INDEX_BITS)]
    InputBits { bits: u8 },
    #[error("weights have {bits} bits and must have 2 to 16")]
    WeightBits { bits: u8 },
    #[error("table {table} has {bits} bits and must have 4 to 16")]
    TableBits { table: usize, bits: u8 },
    #[error("table {table}: its function has a program that is empty, longer than {max} steps, or leaves no single \
        number", max = MAX_PROGRAM)]
    Program { table: usize },
    #[error(
        "table {table}: values reach from {min} to {max} and must fit 16 bits, or the function does not go with the \
         domain"
    )]
    TableRange { table: usize, min: i32, max: i32 },
    #[error("the network has {have} inputs and {outputs} outputs: it needs at least one of each", have = .inputs)]
    PortCount { inputs: usize, outputs: usize },
    #[error("{place}: shape {shape:?} has a zero or does not have as many elements as there are cells ({cells})")]
    Shape { place: Place, shape: Vec<u32>, cells: usize },
    #[error("{place}: the range {low} to {high} is empty or does not fit the input's bits")]
    PortRange { place: Place, low: i32, high: i32 },
    #[error("{place}: cell {cell} is outside the block")]
    CellOutside { place: Place, cell: u32 },
    #[error("{place}: cell {cell} occurs twice")]
    CellRepeated { place: Place, cell: u32 },
    #[error("output {output} reads {missing:?}, which does not exist or can hold more than 16 bits")]
    OutputSource { output: usize, missing: Source },
    #[error("layer {layer} reads {missing:?}, which does not exist, or which it may not read before it is computed")]
    UnknownSource { layer: usize, missing: Source },
    #[error("layer {layer} uses table {table}, which does not exist")]
    UnknownTable { layer: usize, table: u32 },
    #[error("layer {layer} uses a table whose domain does not go with its rule")]
    TableDomain { layer: usize },
    #[error("layer {layer} shifts by {shift} bits and may by at most {max}: use a smaller weight \
        scale", max = MAX_SHIFT)]
    Shift { layer: usize, shift: u8 },
    #[error("layer {layer}: limbs of {bits} bits are not supported, 4 to 16 are")]
    LimbBits { layer: usize, bits: u8 },
    #[error("layer {layer}, term {term}: its axes do not cut the layer's cells: at most {max} of them, as long as the \
        block", max = MAX_AXES)]
    Axes { layer: usize, term: usize },
    #[error(
        "layer {layer}, term {term}: its runs do not cut the cells of {of:?}, or name an axis that does not fit or \
         that another run names"
    )]
    Runs { layer: usize, term: usize, of: Source },
    #[error(
        "layer {layer}, term {term}: an axis that is summed over must be read by both operands, and only products sum"
    )]
    Summed { layer: usize, term: usize },
    #[error("layer {layer}, term {term}: entry {to} <- {from} is outside the axis or the run, or occurs twice")]
    Entry { layer: usize, term: usize, to: u32, from: u32 },
    #[error(
        "layer {layer}, term {term}: in a product every place reads one cell at most, times 1; entry {to} does not"
    )]
    Selection { layer: usize, term: usize, to: u32 },
    #[error("layer {layer}, term {term}: a coefficient is 0: leave it out")]
    ZeroCoefficient { layer: usize, term: usize },
    #[error(
        "layer {layer}, term {term}: a window's outputs, kernel, stride and dilation must be at least 1 and fit their \
         axes"
    )]
    Window { layer: usize, term: usize },
    #[error("layer {layer}, term {term}: evaluating it takes more than 2^{max} intermediate values: split the \
        layer", max = MAX_LOG_WORK)]
    TermWork { layer: usize, term: usize },
    #[error("layer {layer}: a maximum is taken over 1 to 2^{bits} places (at most 2^{max}) of one axis of every term, \
        and has no constant", max = MAX_MAXIMUM_BITS)]
    MaximumAxis { layer: usize, bits: u8 },
    #[error(
        "layer {layer}: the maxima of this network are taken over more than {max} places in all: pad their axes to \
         powers of two",
        max = MAX_MAXIMUM_PLACES
    )]
    MaximumPlaces { layer: usize },
    #[error(
        "layer {layer}: the values of which the maximum is taken differ by up to {distance}, more than {bits} bits: \
         use a wider table"
    )]
    MaximumRange { layer: usize, distance: i64, bits: u8 },
    #[error(
        "layer {layer}: it reads rows, so it has no terms, its rows are as long as the block's, and there is one for \
         each index"
    )]
    Rows { layer: usize },
    #[error("layer {layer}: indices of {bits} bits are not supported, or the column of indices can hold wider ones: 2 \
        to {max} are", max = MAX_INDEX_BITS)]
    IndexBits { layer: usize, bits: u8 },
    #[error(
        "layer {layer}: the divisor can be as small as {least} and must be between 1 and 2^31: add a constant to it"
    )]
    DivisorRange { layer: usize, least: i64 },
    #[error("layer {layer}: the number under the root can be {least} and must not be negative")]
    RootRange { layer: usize, least: i64 },
    #[error("layer {layer}: a remainder needs more than {max} bits", max = MAX_LIMB_BITS)]
    Parts { layer: usize },
    #[error("loop {index}: its layers are out of range or in another loop, or its steps do not fit their blocks")]
    Loop { index: usize },
    #[error("layer {layer}: an accumulator can reach {bits} bits and must stay below 62: use fewer weight bits")]
    AccumulatorTooWide { layer: usize, bits: u32 },
    #[error("layer {layer}: an exact sum can reach {bits} bits and must fit 32: use smaller scales")]
    ExactTooWide { layer: usize, bits: u32 },
    #[error(
        "layer {layer} needs {limbs} limbs of {limb_bits} bits and may have {max_bits} bits: use a larger shift or a \
         wider table"
    )]
    TooManyLimbs { layer: usize, limbs: u8, limb_bits: u32, max_bits: u32 },
    #[error(
        "layer {layer} has {have} saturation limbs and {have_parts} limbs of remainders, and needs {need} and \
         {need_parts}: compile the model again"
    )]
    Limbs { layer: usize, have: u8, need: u8, have_parts: u8, need_parts: u8 },
    #[error("table {table} has rails of {limb_bits} bits; they may have {least} to {MAX_RAIL_BITS}")]
    RailBits { table: usize, limb_bits: u8, least: u8 },
    #[error("layer {layer} saturates and its table {table} has no rails: mark the table as saturating")]
    TableNotSaturating { layer: usize, table: u32 },
    #[error(
        "there are {have} weight matrices and the architecture has {need}: these weights belong to another architecture"
    )]
    MatrixCount { have: usize, need: usize },
    #[error(
        "weight matrix {matrix} has {have} cells and must have {need}: these weights belong to another architecture"
    )]
    MatrixLength { matrix: usize, have: usize, need: usize },
    #[error("bias {bias} has {bits} bits; it may have 2 to 32")]
    BiasBits { bias: usize, bits: u8 },
    #[error("bias {bias}: {value} at {index} does not fit {bits} bits")]
    BiasRange { bias: usize, index: usize, value: i32, bits: u8 },
    #[error("weight matrix {matrix}: {value} at {index} does not fit {bits} bits")]
    WeightRange { matrix: usize, index: usize, value: i16, bits: u8 },
    #[error(
        "there are {have} bias blocks and the architecture has {need}: these weights belong to another architecture"
    )]
    BiasCount { have: usize, need: usize },
    #[error("bias block {bias} has {have} cells and must have {need}: these weights belong to another architecture")]
    BiasLength { bias: usize, have: usize, need: usize },
}
