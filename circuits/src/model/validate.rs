//! Checks that an architecture is well-formed: everything that the executor and the proof system rely on.
//!
//! It may come from a stranger's file. Nothing here overflows, panics, or works longer than in proportion to the file's
//! size and the block sizes that are allowed.

use super::bounds::Bounds;
use super::{Architecture, Divisor, Domain, Function, Index, Instruction, Layer, Loop, Rule, Source, Term};
use crate::relation::maximum;
use crate::relation::rows::MAX_INDEX_BITS;

mod error;
mod term;

pub use error::{ModelError, Place};
use term::LayerCheck;

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
        self.layers.iter().find_map(|layer| layer.unreadable(block)).map_or(Ok(()), |matrix| refused(matrix as usize))
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
