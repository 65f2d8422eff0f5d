//! Checks that an architecture is well-formed: everything that the executor and the proof system rely on.
//!
//! It may come from a stranger's file. Nothing here overflows, panics, or works longer than in proportion to the file's
//! size and the block sizes that are allowed.

use super::bounds::Bounds;
use super::{
    Architecture, Divisor, Domain, Entry, Function, Index, Instruction, Layer, Loop, Operand, Rule, Source, Term,
    Window,
};
use crate::relation::maximum;
use crate::relation::rows::MAX_INDEX_BITS;
use std::fmt;

/// Largest log-size of a block: activations, weights, biases. The dense layers of VGG-19 have as many. What a proof
/// commits to and looks up is bounded for the whole network ([`crate::shape::MAX_LOG_CELLS`]), and so are its sumchecks
/// and the soundness error that follows from them; this bounds what one block takes in memory, and keeps its cells'
/// numbers far below 32 bits.
pub const MAX_LOG_BLOCK: u8 = 27;
/// Largest log of the numbers of a window, and of its outputs times its kernel.
const MAX_LOG_WINDOW: u8 = 26;
/// Log of what a linear term may read, over all of its cells.
const MAX_LOG_WORK: u8 = 30;
/// Most layers of a network.
pub const MAX_LAYERS: usize = 4096;
/// Most tables of a network.
pub const MAX_TABLES: usize = 64;
/// Most axes of a term.
pub const MAX_AXES: usize = 16;
/// Most weight blocks, and most bias blocks, of a network.
pub const MAX_SECRETS: usize = 8192;
/// Most steps of a function's program.
pub const MAX_PROGRAM: usize = 64;
/// Largest requantisation shift: its remainder has at most three limbs.
pub const MAX_SHIFT: u8 = 48;
/// Most bits of the axis of a maximum: the vocabularies of today's language models.
pub const MAX_MAXIMUM_BITS: u8 = 17;
/// Most places of maxima that do not count up to a power of two, over all layers and their terms: the system writes
/// each of them out.
pub const MAX_MAXIMUM_PLACES: u64 = 1 << 22;
/// Most bits of a saturation limb.
pub const MAX_RAIL_BITS: u8 = 16;
/// Most bits of a cut-off, all limbs together.
pub const MAX_LIMB_BITS: u32 = 62;
/// `|z|` stays below this, with what rounding adds.
pub const MAX_ACCUMULATOR: u128 = 1 << 61;

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

impl Architecture {
    /// Checks every rule that the proof system relies on and returns the static bounds.
    ///
    /// # Errors
    /// The first rule that is broken. An architecture that passes is executable and provable for every input of its
    /// shape.
    pub fn validate(&self) -> Result<Bounds, ModelError> {
        let bounds = self.analyse()?;
        self.check_bounds(&bounds)?;
        Ok(bounds)
    }

    /// Whether limbs, parts, rails and outputs are what bounds ask for.
    fn check_bounds(&self, bounds: &Bounds) -> Result<(), ModelError> {
        for (index, layer) in self.layers.iter().enumerate() {
            let (limbs, parts) = match layer.rule {
                Rule::Requantise { limbs, .. } => (limbs, 0),
                Rule::Divide { limbs, parts, .. } => (limbs, parts),
                Rule::SquareRoot { parts, .. } | Rule::Quotient { parts, .. } => (0, parts),
                Rule::Exact | Rule::Maximum { .. } | Rule::Rows { .. } => (0, 0),
            };
            let (need, need_parts) = (bounds.limbs[index], bounds.parts[index]);
            if (limbs, parts) != (need, need_parts) {
                return Err(ModelError::Limbs { layer: index, have: limbs, need, have_parts: parts, need_parts });
            }
            if let (Some(table), Some(id)) = (self.table(layer), layer.rule.table())
                && need > 0
                && !table.is_saturating()
            {
                return Err(ModelError::TableNotSaturating { layer: index, table: id });
            }
        }
        for (output, port) in self.outputs.iter().enumerate() {
            let fits = |(low, high)| low >= i64::from(i16::MIN) && high <= i64::from(i16::MAX);
            if !bounds.range(port.source).is_some_and(fits) {
                return Err(ModelError::OutputSource { output, missing: port.source });
            }
        }
        Ok(())
    }

    /// As [`Architecture::validate`], but leaves out the rules on limbs, parts, rails and the widths of outputs, so
    /// that a compiler can set these from [`Bounds`].
    ///
    /// # Errors
    /// As [`Architecture::validate`].
    pub fn analyse(&self) -> Result<Bounds, ModelError> {
        let ranges = self.check_structure()?;
        Bounds::of(self, &ranges)
    }

    /// [`Self::analyse`], and what follows from it: limbs, parts, and the domains of tables.
    ///
    /// # Errors
    /// As [`Architecture::validate`].
    pub fn complete(&mut self) -> Result<Bounds, ModelError> {
        let bounds = self.analyse()?;
        for (layer, (need, need_parts)) in self.layers.iter_mut().zip(bounds.limbs.iter().zip(&bounds.parts)) {
            match &mut layer.rule {
                Rule::Requantise { limbs, .. } => *limbs = *need,
                Rule::Divide { limbs, parts, .. } => (*limbs, *parts) = (*need, *need_parts),
                Rule::SquareRoot { parts, .. } | Rule::Quotient { parts, .. } => *parts = *need_parts,
                Rule::Exact | Rule::Maximum { .. } | Rule::Rows { .. } => {}
            }
            if let Some(table) = layer.rule.table().and_then(|t| self.tables.get_mut(t as usize))
                && *need > 0
            {
                table.domain = Domain::Saturating { limb_bits: table.limb_bits() as u8 };
            }
        }
        // nothing of this moves a bound
        self.check_bounds(&bounds)?;
        Ok(bounds)
    }

    /// The ranges of the tables' functions, which take long to find.
    fn check_structure(&self) -> Result<Vec<(i32, i32)>, ModelError> {
        if self.layers.is_empty() || self.layers.len() > MAX_LAYERS {
            return Err(ModelError::LayerCount { have: self.layers.len() });
        }
        if !(2..=MAX_INDEX_BITS).contains(&self.input.bits) {
            return Err(ModelError::InputBits { bits: self.input.bits });
        }
        if !(2..=16).contains(&self.weight_bits) {
            return Err(ModelError::WeightBits { bits: self.weight_bits });
        }
        if let Some((bias, block)) = self.biases.iter().enumerate().find(|(_, block)| !(2..=32).contains(&block.bits)) {
            return Err(ModelError::BiasBits { bias, bits: block.bits });
        }
        let secrets = self.matrices.len().max(self.biases.len());
        if secrets > MAX_SECRETS {
            return Err(ModelError::SecretCount { have: secrets });
        }
        let blocks = (self.matrices.iter().enumerate().map(|(i, block)| (Place::Weight(i), block.log_size)))
            .chain(self.biases.iter().enumerate().map(|(i, block)| (Place::Bias(i), block.log_size)))
            .chain(self.layers.iter().enumerate().map(|(i, layer)| (Place::Layer(i), layer.log_size)))
            .chain([(Place::Input, self.input.log_size)]);
        for (place, log_size) in blocks {
            if log_size > MAX_LOG_BLOCK {
                return Err(ModelError::BlockSize { place, log_size });
            }
        }
        self.check_cuts()?;
        let ranges = self.check_tables()?;
        self.check_ports()?;
        self.check_loops()?;
        let mut places = 0;
        for (index, layer) in self.layers.iter().enumerate() {
            self.check_rule(index, layer)?;
            places += maximum::written_out(layer);
            if places > MAX_MAXIMUM_PLACES {
                return Err(ModelError::MaximumPlaces { layer: index });
            }
            for (at, term) in layer.terms.iter().enumerate() {
                LayerCheck { arch: self, layer: index, term: at, log_size: layer.log_size }.term(term)?;
            }
        }
        for (output, port) in self.outputs.iter().enumerate() {
            let place = Place::Output(output);
            let missing = ModelError::OutputSource { output, missing: port.source };
            let log_size = self.log_size(port.source).filter(|_| !port.source.is_secret()).ok_or(missing)?;
            check_shape(place, &port.shape, &port.cells)?;
            check_cells(place, log_size, port.cells.iter().copied())?;
        }
        Ok(ranges)
    }

    /// Cuts of blocks of weights are valid, and go with everybody who reads the blocks.
    fn check_cuts(&self) -> Result<(), ModelError> {
        let refused = |matrix: usize| Err(ModelError::Cuts { matrix });
        if let Some(matrix) = self.matrices.iter().position(|block| !block.is_valid()) {
            return refused(matrix);
        }
        let block = |matrix: u32| self.matrices.get(matrix as usize).filter(|block| !block.cuts.is_empty());
        self.layers.iter().find_map(|layer| layer.cannot_read(block)).map_or(Ok(()), |matrix| refused(matrix as usize))
    }

    fn check_ports(&self) -> Result<(), ModelError> {
        if self.input.ports.is_empty() || self.outputs.is_empty() {
            return Err(ModelError::PortCount { inputs: self.input.ports.len(), outputs: self.outputs.len() });
        }
        let half = 1i32 << (self.input.bits - 1);
        for (index, port) in self.input.ports.iter().enumerate() {
            let (place, (low, high)) = (Place::Port(index), port.range);
            check_shape(place, &port.shape, &port.cells)?;
            if low > high || low < -half || high >= half {
                return Err(ModelError::PortRange { place, low, high });
            }
        }
        check_cells(
            Place::Input,
            self.input.log_size,
            self.input.ports.iter().flat_map(|port| port.cells.iter().copied()),
        )
    }

    /// The ranges of their functions.
    fn check_tables(&self) -> Result<Vec<(i32, i32)>, ModelError> {
        if self.tables.len() > MAX_TABLES {
            return Err(ModelError::TableCount { have: self.tables.len() });
        }
        let mut ranges = Vec::with_capacity(self.tables.len());
        for (table, description) in self.tables.iter().enumerate() {
            if !(4..=16).contains(&description.bits) {
                return Err(ModelError::TableBits { table, bits: description.bits });
            }
            if let Domain::Saturating { limb_bits } = description.domain
                && !(description.bits - 1..=MAX_RAIL_BITS).contains(&limb_bits)
            {
                return Err(ModelError::RailBits { table, limb_bits, least: description.bits - 1 });
            }
            if let Function::Real { program, .. } = &description.function {
                // the depth of the stack follows from the program alone
                let step = |depth: i64, instruction: &Instruction| match instruction {
                    Instruction::Argument | Instruction::Constant(_) => Some(depth + 1),
                    Instruction::Unary(_) => Some(depth).filter(|d| *d >= 1),
                    Instruction::Binary(_) => Some(depth - 1).filter(|d| *d >= 1),
                };
                let depth = program.iter().try_fold(0, step);
                if program.len() > MAX_PROGRAM || depth != Some(1) {
                    return Err(ModelError::Program { table });
                }
            }
            let (min, max) = description.range();
            // values of an unsigned table without a function are distances, which may have all 16 bits
            let wide = description.domain == Domain::Unsigned && description.is_identity();
            let relu = description.domain == Domain::Unsigned && description.function == Function::Relu;
            if relu || (!wide && (min < i32::from(i16::MIN) || max > i32::from(i16::MAX))) {
                return Err(ModelError::TableRange { table, min, max });
            }
            ranges.push((min, max));
        }
        Ok(ranges)
    }

    fn check_loops(&self) -> Result<(), ModelError> {
        let mut end = 0u64;
        for (index, Loop { first, layers, log_steps }) in self.loops.iter().copied().enumerate() {
            let after = u64::from(first) + u64::from(layers);
            let inside = self.layers.get(first as usize..after.min(usize::MAX as u64) as usize);
            let fits = |layer: &Layer| {
                let axis = match layer.rule {
                    Rule::Maximum { low, bits, .. } => u32::from(low) + u32::from(bits),
                    // rows of weights are read outside of loops only
                    Rule::Rows { .. } => return false,
                    _ => 0,
                };
                axis + u32::from(log_steps) <= u32::from(layer.log_size)
            };
            if u64::from(first) < end || layers == 0 || !inside.is_some_and(|layers| layers.iter().all(fits)) {
                return Err(ModelError::Loop { index });
            }
            end = after;
        }
        Ok(())
    }

    fn check_rule(&self, index: usize, layer: &Layer) -> Result<(), ModelError> {
        if let Some(table) = layer.rule.table().filter(|t| *t as usize >= self.tables.len()) {
            return Err(ModelError::UnknownTable { layer: index, table });
        }
        match &layer.rule {
            Rule::Requantise { shift, .. } if *shift > MAX_SHIFT => {
                Err(ModelError::Shift { layer: index, shift: *shift })
            }
            Rule::Divide { limb_bits, .. } | Rule::Quotient { limb_bits, .. } | Rule::SquareRoot { limb_bits, .. }
                if !(4..=16).contains(limb_bits) =>
            {
                Err(ModelError::LimbBits { layer: index, bits: *limb_bits })
            }
            Rule::Divide { by: Divisor { axes, operand }, .. }
            | Rule::Quotient { by: Divisor { axes, operand }, .. } => {
                // a divisor is checked as a term that reads it, whose runs are whole axes
                let term = Term { coefficient: 1, axes: axes.clone(), summed: 0, left: operand.clone(), right: None };
                LayerCheck { arch: self, layer: index, term: layer.terms.len(), log_size: layer.log_size }
                    .term(&term)?;
                let plain = operand.runs.iter().all(|run| matches!(run.index, Index::Axis(_)));
                if plain && !operand.source.is_secret() {
                    Ok(())
                } else {
                    Err(ModelError::Runs { layer: index, term: layer.terms.len(), of: operand.source })
                }
            }
            Rule::Maximum { low, bits, len, .. } => {
                let inside = *bits <= MAX_MAXIMUM_BITS
                    && u32::from(*low) + u32::from(*bits) <= u32::from(layer.log_size)
                    && (1..=1u32 << bits).contains(len);
                let aligned = |term: &Term| *len == 1 << bits || maximum::axis_at(term, *low, *bits).is_some();
                if inside && layer.constant == 0 && layer.terms.iter().all(aligned) {
                    Ok(())
                } else {
                    Err(ModelError::MaximumAxis { layer: index, bits: *bits })
                }
            }
            Rule::Rows { matrix, bits, index: of, index_bits } => {
                if !(2..=MAX_INDEX_BITS).contains(index_bits) {
                    return Err(ModelError::IndexBits { layer: index, bits: *index_bits });
                }
                let missing = |source| ModelError::UnknownSource { layer: index, missing: source };
                let earlier = of.layer().is_none_or(|read| (read as usize) < index) && !of.is_secret();
                let indices = self.log_size(*of).filter(|_| earlier).ok_or(missing(*of))?;
                let cells = self.log_size(Source::Weight(*matrix)).ok_or(missing(Source::Weight(*matrix)))?;
                let rows = cells.checked_sub(*bits).filter(|rows| rows < index_bits);
                if rows.is_some()
                    && layer.log_size.checked_sub(*bits) == Some(indices)
                    && layer.terms.is_empty()
                    && layer.constant == 0
                {
                    Ok(())
                } else {
                    Err(ModelError::Rows { layer: index })
                }
            }
            _ => Ok(()),
        }
    }
}

/// Checks one term.
struct LayerCheck<'a> {
    arch: &'a Architecture,
    layer: usize,
    term: usize,
    log_size: u8,
}

impl LayerCheck<'_> {
    fn term(&self, term: &Term) -> Result<(), ModelError> {
        let (layer, at) = (self.layer, self.term);
        let sum = |axes: &[u8]| axes.iter().map(|log| u32::from(*log)).sum::<u32>();
        let outputs = term.axes.get(..term.outputs()).unwrap_or_default();
        if term.axes.len() > MAX_AXES
            || usize::from(term.summed) > term.axes.len()
            || sum(outputs) != self.log_size.into()
        {
            return Err(ModelError::Axes { layer, term: at });
        }
        if sum(&term.axes) > 40 || (term.right.is_none() && term.summed > 0) {
            return Err(ModelError::Summed { layer, term: at });
        }
        if term.coefficient == 0 {
            return Err(ModelError::ZeroCoefficient { layer, term: at });
        }
        for operand in term.operands() {
            self.operand(term, operand)?;
            let named =
                |axis: usize| operand.runs.iter().flat_map(|run| run.index.axes()).any(|a| usize::from(a) == axis);
            if !(outputs.len()..term.axes.len()).all(named) {
                return Err(ModelError::Summed { layer, term: at });
            }
        }
        self.order(term)
    }

    fn operand(&self, term: &Term, operand: &Operand) -> Result<(), ModelError> {
        let runs = ModelError::Runs { layer: self.layer, term: self.term, of: operand.source };
        let missing = ModelError::UnknownSource { layer: self.layer, missing: operand.source };
        let log_size = self.arch.log_size(operand.source).ok_or(missing)?;
        let bits: u32 = operand.runs.iter().map(|run| u32::from(run.log_len)).sum();
        let mut named = [false; MAX_AXES];
        let fresh = operand.runs.iter().flat_map(|run| run.index.axes()).all(|axis| {
            let slot = named.get_mut(usize::from(axis)).filter(|_| usize::from(axis) < term.axes.len());
            slot.is_some_and(|slot| !std::mem::replace(slot, true))
        });
        if bits != u32::from(log_size) || !fresh || operand.runs.len() > 2 * MAX_AXES {
            return Err(runs);
        }
        let mut work = 1u64;
        for run in &operand.runs {
            let axis = |axis: u8| 1u64 << term.axes[usize::from(axis)];
            match &run.index {
                Index::Axis(a) if term.axes[usize::from(*a)] != run.log_len => return Err(runs),
                Index::Axis(_) => {}
                Index::Map { axis: a, entries } => {
                    self.entries(entries, a.map_or(1, axis), 1 << run.log_len, term.right.is_some())?;
                    if term.right.is_none() {
                        work = work.saturating_mul(most_entries(entries));
                    }
                }
                Index::Window { out, kernel, window } => {
                    self.window(window, [axis(*out), axis(*kernel), 1 << run.log_len])?
                }
            }
        }
        // what a linear term reads, over all of its cells
        if work.saturating_mul(1 << self.log_size.min(MAX_LOG_BLOCK)) > 1 << MAX_LOG_WORK {
            return Err(ModelError::TermWork { layer: self.layer, term: self.term });
        }
        Ok(())
    }

    fn entries(&self, entries: &[Entry], places: u64, numbers: u64, product: bool) -> Result<(), ModelError> {
        let (layer, term) = (self.layer, self.term);
        if let Some(e) = entries.iter().find(|e| u64::from(e.to) >= places || u64::from(e.from) >= numbers) {
            return Err(ModelError::Entry { layer, term, to: e.to, from: e.from });
        }
        if entries.iter().any(|e| e.coefficient == 0) {
            return Err(ModelError::ZeroCoefficient { layer, term });
        }
        if let Some((to, from)) = repeated(entries.iter().map(|e| (e.to, e.from))) {
            return Err(ModelError::Entry { layer, term, to, from });
        }
        if product {
            let several = repeated(entries.iter().map(|e| e.to));
            if let Some(to) = several.or(entries.iter().find(|e| e.coefficient != 1).map(|e| e.to)) {
                return Err(ModelError::Selection { layer, term, to });
            }
        }
        Ok(())
    }

    fn window(&self, window: &Window, [outputs, kernel, numbers]: [u64; 3]) -> Result<(), ModelError> {
        let Window { outputs: o, kernel: k, inputs, stride, dilation, padding } = *window;
        let fit = (1..=outputs).contains(&o.into())
            && (1..=kernel).contains(&k.into())
            && (1..=numbers).contains(&inputs.into());
        // 2^26 bounds the work on an axis, and keeps places from overflowing
        let small = [stride, dilation, padding].iter().all(|v| *v <= 1 << MAX_LOG_WINDOW)
            && u64::from(o) * u64::from(k) <= 1 << MAX_LOG_WINDOW;
        if fit && small && stride > 0 && dilation > 0 {
            return Ok(());
        }
        Err(ModelError::Window { layer: self.layer, term: self.term })
    }

    /// A layer reads what is computed before it: earlier layers, and in a loop earlier steps.
    fn order(&self, term: &Term) -> Result<(), ModelError> {
        let here = self.arch.loop_of(self.layer as u32);
        let steps = term.outputs().checked_sub(1).map(|axis| axis as u8);
        if let Some(of) = here
            && steps.is_none_or(|axis| term.axes[usize::from(axis)] != of.log_steps)
        {
            return Err(ModelError::Axes { layer: self.layer, term: self.term });
        }
        for operand in term.operands() {
            let Some(read) = operand.source.layer() else { continue };
            let same = here.filter(|of| self.arch.loop_of(read) == Some(of));
            let earlier = (read as usize) < self.layer;
            let good = match (same, operand.runs.last()) {
                (None, _) => earlier,
                (Some(_), None) => false,
                // the highest bits number the steps on both sides
                (Some(of), Some(run)) => {
                    run.log_len == of.log_steps
                        && match &run.index {
                            Index::Axis(axis) => earlier && Some(*axis) == steps,
                            Index::Map { axis, entries } => {
                                *axis == steps && entries.iter().all(|e| e.from < e.to || (earlier && e.from == e.to))
                            }
                            Index::Window { .. } => false,
                        }
                }
            };
            if !good {
                return Err(ModelError::UnknownSource { layer: self.layer, missing: operand.source });
            }
        }
        Ok(())
    }
}

/// How many entries a place has at most.
fn most_entries(entries: &[Entry]) -> u64 {
    let mut places: Vec<u32> = entries.iter().map(|e| e.to).collect();
    places.sort_unstable();
    places.chunk_by(|a, b| a == b).map(|run| run.len() as u64).max().unwrap_or(0)
}

fn check_shape(place: Place, shape: &[u32], cells: &[u32]) -> Result<(), ModelError> {
    let elements = shape.iter().try_fold(1usize, |product, &n| product.checked_mul(n as usize));
    if elements != Some(cells.len()) || cells.is_empty() {
        return Err(ModelError::Shape { place, shape: shape.to_vec(), cells: cells.len() });
    }
    Ok(())
}

fn check_cells(place: Place, log_size: u8, cells: impl Iterator<Item = u32> + Clone) -> Result<(), ModelError> {
    if let Some(cell) = cells.clone().find(|cell| u64::from(*cell) >= 1 << log_size) {
        return Err(ModelError::CellOutside { place, cell });
    }
    match repeated(cells) {
        Some(cell) => Err(ModelError::CellRepeated { place, cell }),
        None => Ok(()),
    }
}

/// An item that occurs twice.
fn repeated<T: Ord + Copy>(items: impl Iterator<Item = T>) -> Option<T> {
    let mut sorted: Vec<T> = items.collect();
    sorted.sort_unstable();
    sorted.array_windows().find(|[a, b]| a == b).map(|[a, _]| *a)
}
