//! Checks that an architecture is well-formed: everything that the executor and the proof system rely on.
//!
//! It may come from a stranger's file. Nothing here overflows, panics, or works longer than in proportion to the file's size and
//! the block sizes that are allowed.

use super::bounds::Bounds;
use super::{Architecture, AxisMap, Dims, Function, Layer, Source, Term, Window};
use std::fmt;

/// Largest log-size of a block: activations, weights, biases.
pub const MAX_LOG_BLOCK: u32 = 26;
/// Most layers of a network.
pub const MAX_LAYERS: usize = 4096;
/// Most activation tables of a network.
pub const MAX_TABLES: usize = 64;
/// Largest requantisation shift: a remainder's range table has `2^shift` rows.
pub const MAX_SHIFT: u8 = 16;
/// Most bits of a cut-off, all limbs together.
pub const MAX_LIMB_BITS: u32 = 62;
/// `|z| + half` stays below this.
pub const MAX_ACCUMULATOR: u128 = 1 << 62;

/// Where in an architecture something is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The network's input.
    Input,
    /// The network's output.
    Output,
    /// A layer.
    Layer(usize),
}

/// An axis of a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AxisOf {
    /// Height.
    Rows,
    /// Width.
    Columns,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Input => f.write_str("the input"),
            Place::Output => f.write_str("the output"),
            Place::Layer(index) => write!(f, "layer {index}"),
        }
    }
}

impl fmt::Display for AxisOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            AxisOf::Rows => "row",
            AxisOf::Columns => "column",
        })
    }
}

/// What is wrong with an architecture or with weights for it. Layers, tables, matrices and cells are counted from 0.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the messages say what each field is")]
pub enum ModelError {
    #[error("the network has {have} layers and must have 1 to {max}: split it or merge layers", max = MAX_LAYERS)]
    LayerCount { have: usize },
    #[error("the network has {have} tables and may have at most {max}: let layers share tables", max = MAX_TABLES)]
    TableCount { have: usize },
    #[error("{place} has dimensions {}x{}x{}: each must be at least 1 and the padded block at most 2^{max} cells",
        dims.channels, dims.height, dims.width, max = MAX_LOG_BLOCK)]
    BlockSize { place: Place, dims: Dims },
    #[error("the input has {bits} bits and must have 2 to 16")]
    InputBits { bits: u8 },
    #[error("weights have {bits} bits and must have 2 to 16")]
    WeightBits { bits: u8 },
    #[error("table {table} has {bits} bits and must have 4 to 16")]
    TableBits { table: usize, bits: u8 },
    #[error("table {table}: slope {slope} is outside -65536..=65536, that is, alpha is outside -1..=1")]
    Slope { table: usize, slope: i32 },
    #[error("table {table}: values reach from {min} to {max} and must fit 16 bits: use fewer bits or a smaller slope")]
    TableRange { table: usize, min: i32, max: i32 },
    #[error("{place}: shape {shape:?} has a zero or does not have as many elements as there are cells ({cells})")]
    Shape { place: Place, shape: Vec<u32>, cells: usize },
    #[error("{place}: cell {cell} is not inside the unpadded block")]
    CellOutside { place: Place, cell: u32 },
    #[error("{place}: cell {cell} occurs twice")]
    CellRepeated { place: Place, cell: u32 },
    #[error("the input names {have} cells of {need}: every cell of its dimensions must be an element of its shape")]
    InputCoverage { have: usize, need: usize },
    #[error("the output reads {source:?}, which does not exist", source = .missing)]
    OutputSource { missing: Source },
    #[error("layer {layer} reads {source:?}: a layer can only read the input and earlier layers", source = .missing)]
    UnknownSource { layer: usize, missing: Source },
    #[error("layer {layer} uses table {table}, which does not exist")]
    UnknownTable { layer: usize, table: u32 },
    #[error("layer {layer} has no terms and needs at least one")]
    NoTerms { layer: usize },
    #[error("layer {layer} shifts by {shift} bits and may by at most {max}: use a smaller weight scale", max = MAX_SHIFT)]
    Shift { layer: usize, shift: u8 },
    #[error("layer {layer}, term {term}: a dense layer has height and width 1")]
    DenseDims { layer: usize, term: usize },
    #[error("layer {layer}, term {term}: its weight block has 2^{log_size} cells and may have 2^{max}", max = MAX_LOG_BLOCK)]
    WeightBlock { layer: usize, term: usize, log_size: u32 },
    #[error("layer {layer}, term {term} uses matrix {have}: each is used once, in order, so that this must be {need}")]
    WeightIndex { layer: usize, term: usize, have: u32, need: usize },
    #[error("layer {layer}, term {term}: kernel, stride and dilation must be at least 1, and kernel times output length at most 2^{max}",
        max = MAX_LOG_BLOCK)]
    Window { layer: usize, term: usize },
    #[error(
        "layer {layer}, term {term}: {axis} length {output} does not follow from length {input} with this window: \
        padding must be smaller than the dilated kernel on each side"
    )]
    WindowLength { layer: usize, term: usize, axis: AxisOf, output: u32, input: u32 },
    #[error("layer {layer}, term {term}: evaluating it takes more than 2^{max} intermediate values: split the layer", max = MAX_LOG_BLOCK)]
    TermWork { layer: usize, term: usize },
    #[error("layer {layer}, term {term}: a stencil reads {have} channels and must read as many as the layer has ({need})")]
    StencilChannels { layer: usize, term: usize, have: u32, need: u32 },
    #[error("layer {layer}, term {term}: {axis} entry {to} <- {from} is outside the lengths {to_length} <- {from_length}")]
    StencilEntry { layer: usize, term: usize, axis: AxisOf, to: u32, from: u32, to_length: u32, from_length: u32 },
    #[error("layer {layer}, term {term}: {axis} entry {to} <- {from} occurs twice")]
    StencilRepeated { layer: usize, term: usize, axis: AxisOf, to: u32, from: u32 },
    #[error("layer {layer}, term {term}: a coefficient is 0: leave it out")]
    ZeroCoefficient { layer: usize, term: usize },
    #[error("layer {layer}, term {term}: pair {to} <- {from} is outside the unpadded blocks")]
    GatherPair { layer: usize, term: usize, to: u32, from: u32 },
    #[error("layer {layer}, term {term}: pair {to} <- {from} occurs twice")]
    GatherRepeated { layer: usize, term: usize, to: u32, from: u32 },
    #[error("layer {layer}: an accumulator can reach {bits} bits and must stay below 62: use fewer weight bits")]
    AccumulatorTooWide { layer: usize, bits: u32 },
    #[error("layer {layer} needs {limbs} limbs of {limb_bits} bits and may have {max_bits} bits: use a larger shift or a wider table")]
    TooManyLimbs { layer: usize, limbs: u8, limb_bits: u32, max_bits: u32 },
    #[error("layer {layer} has {have} saturation limbs and needs {need}: compile the model again")]
    TooFewLimbs { layer: usize, have: u8, need: u8 },
    #[error("layer {layer} has {have} saturation limbs and can never saturate: set them to 0")]
    NeedlessLimbs { layer: usize, have: u8 },
    #[error("layer {layer} saturates and its table {table} has no rails: mark the table as saturating")]
    TableNotSaturating { layer: usize, table: u32 },
    #[error("there are {have} weight matrices and the architecture has {need}: these weights belong to another architecture")]
    MatrixCount { have: usize, need: usize },
    #[error("weight matrix {matrix} has {have} cells and must have {need}: these weights belong to another architecture")]
    MatrixLength { matrix: usize, have: usize, need: usize },
    #[error("weight matrix {matrix}: {value} at {index} does not fit {bits} bits")]
    WeightRange { matrix: usize, index: usize, value: i16, bits: u8 },
    #[error("weight matrix {matrix}: the padding cell {index} is {value} and must be 0")]
    WeightPadding { matrix: usize, index: usize, value: i16 },
    #[error("there are {have} bias blocks for {need} layers: these weights belong to another architecture")]
    BiasCount { have: usize, need: usize },
    #[error("the bias block of layer {layer} has {have} cells and must have {need}: these weights belong to another architecture")]
    BiasLength { layer: usize, have: usize, need: usize },
    #[error("the bias block of layer {layer}: the padding cell {index} is {value} and must be 0")]
    BiasPadding { layer: usize, index: usize, value: i32 },
}

impl Architecture {
    /// Checks every rule that the proof system relies on and returns the static bounds.
    ///
    /// # Errors
    /// The first rule that is broken. An architecture that passes is executable and provable for every input of its shape.
    pub fn validate(&self) -> Result<Bounds, ModelError> {
        let bounds = self.analyse()?;
        for (index, (layer, &need)) in self.layers.iter().zip(&bounds.limbs).enumerate() {
            let table = self.table(layer).ok_or(ModelError::UnknownTable { layer: index, table: layer.table })?;
            let bits = u32::from(layer.limbs) * table.limb_bits();
            match (need, layer.limbs) {
                (0, 0) => {}
                (0, have) => return Err(ModelError::NeedlessLimbs { layer: index, have }),
                (need, have) if have < need => return Err(ModelError::TooFewLimbs { layer: index, have, need }),
                (_, limbs) if bits > MAX_LIMB_BITS => {
                    return Err(ModelError::TooManyLimbs { layer: index, limbs, limb_bits: table.limb_bits(), max_bits: MAX_LIMB_BITS });
                }
                _ if !table.saturating => return Err(ModelError::TableNotSaturating { layer: index, table: layer.table }),
                _ => {}
            }
        }
        Ok(bounds)
    }

    /// As [`Architecture::validate`], but leaves out the rules on [`Layer::limbs`] and [`super::Table::saturating`], so that a compiler can
    /// set both from [`Bounds::limbs`].
    ///
    /// # Errors
    /// As [`Architecture::validate`].
    pub fn analyse(&self) -> Result<Bounds, ModelError> {
        self.check_structure()?;
        Bounds::of(self)
    }

    /// Saturation limbs that a layer needs: 0 if its clamp can never act. [`Architecture::analyse`] has it for all layers at once.
    ///
    /// # Errors
    /// As [`Architecture::analyse`]; [`ModelError::LayerCount`] if there is no such layer.
    pub fn limbs_needed(&self, layer_index: usize) -> Result<u8, ModelError> {
        self.analyse()?.limbs.get(layer_index).copied().ok_or(ModelError::LayerCount { have: self.layers.len() })
    }

    fn check_structure(&self) -> Result<(), ModelError> {
        if self.layers.is_empty() || self.layers.len() > MAX_LAYERS {
            return Err(ModelError::LayerCount { have: self.layers.len() });
        }
        if !(2..=16).contains(&self.input.bits) {
            return Err(ModelError::InputBits { bits: self.input.bits });
        }
        if !(2..=16).contains(&self.weight_bits) {
            return Err(ModelError::WeightBits { bits: self.weight_bits });
        }
        self.check_tables()?;
        check_dims(Place::Input, self.input.dims)?;
        let need = self.input.dims.len();
        if self.input.cells.len() != need {
            return Err(ModelError::InputCoverage { have: self.input.cells.len(), need });
        }
        check_cells(Place::Input, self.input.dims, &self.input.shape, &self.input.cells)?;
        let mut matrices = 0;
        for (index, layer) in self.layers.iter().enumerate() {
            self.check_layer(index, layer, &mut matrices)?;
        }
        let dims = self.dims(self.output.source).ok_or(ModelError::OutputSource { missing: self.output.source })?;
        check_cells(Place::Output, dims, &self.output.shape, &self.output.cells)
    }

    fn check_tables(&self) -> Result<(), ModelError> {
        if self.tables.len() > MAX_TABLES {
            return Err(ModelError::TableCount { have: self.tables.len() });
        }
        for (index, table) in self.tables.iter().enumerate() {
            if !(4..=16).contains(&table.bits) {
                return Err(ModelError::TableBits { table: index, bits: table.bits });
            }
            if let Function::LeakyRelu { slope } = table.function
                && !(-(1 << 16)..=1 << 16).contains(&slope)
            {
                return Err(ModelError::Slope { table: index, slope });
            }
            let (min, max) = table.range();
            if min < i32::from(i16::MIN) || max > i32::from(i16::MAX) {
                return Err(ModelError::TableRange { table: index, min, max });
            }
        }
        Ok(())
    }

    fn check_layer(&self, index: usize, layer: &Layer, matrices: &mut usize) -> Result<(), ModelError> {
        check_dims(Place::Layer(index), layer.dims)?;
        if layer.terms.is_empty() {
            return Err(ModelError::NoTerms { layer: index });
        }
        if layer.shift > MAX_SHIFT {
            return Err(ModelError::Shift { layer: index, shift: layer.shift });
        }
        if self.table(layer).is_none() {
            return Err(ModelError::UnknownTable { layer: index, table: layer.table });
        }
        for (at, term) in layer.terms.iter().enumerate() {
            let missing = ModelError::UnknownSource { layer: index, missing: term.source() };
            let earlier = match term.source() {
                Source::Input => true,
                Source::Pre(from) | Source::Post(from) => (from as usize) < index,
            };
            let source = self.dims(term.source()).filter(|_| earlier).ok_or(missing)?;
            TermCheck { layer: index, term: at, dims: layer.dims, source }.check(term)?;
            if let Some(have) = term.weight() {
                if have != *matrices {
                    return Err(ModelError::WeightIndex { layer: index, term: at, have: have as u32, need: *matrices });
                }
                *matrices += 1;
            }
        }
        Ok(())
    }
}

/// Checks one term, its source's dimensions already being checked.
struct TermCheck {
    layer: usize,
    term: usize,
    dims: Dims,
    source: Dims,
}

impl TermCheck {
    fn check(&self, term: &Term) -> Result<(), ModelError> {
        let Self { layer, term: at, dims, source } = *self;
        match term {
            Term::Dense { .. } if dims.height != 1 || dims.width != 1 => Err(ModelError::DenseDims { layer, term: at }),
            Term::Dense { .. } => self.weight_block(source.log_size() + dims.log_channels()),
            Term::Conv { window, .. } => {
                self.window(window, 0, AxisOf::Rows, dims.height, source.height)?;
                self.window(window, 1, AxisOf::Columns, dims.width, source.width)?;
                // The executor's patches of a row; the prover's tables per kernel position.
                let [height, width] = window.kernel.map(u64::from);
                self.work(u128::from(dims.width) * u128::from(source.channels) * u128::from(height * width))?;
                self.work(1 << (window.log_height() + source.log_height()))?;
                self.work(1 << (window.log_width() + source.log_width()))?;
                self.weight_block(window.log_kernel() + source.log_channels() + dims.log_channels())
            }
            Term::Stencil { rows, cols, .. } => {
                if source.channels != dims.channels {
                    return Err(ModelError::StencilChannels { layer, term: at, have: source.channels, need: dims.channels });
                }
                // The source's rows at the layer's width.
                self.work(u128::from(source.height) << dims.log_width())?;
                self.axis(rows, AxisOf::Rows, dims.height, source.height)?;
                self.axis(cols, AxisOf::Columns, dims.width, source.width)
            }
            Term::Gather { coefficient, pairs, .. } => self.gather(*coefficient, pairs),
        }
    }

    fn work(&self, values: u128) -> Result<(), ModelError> {
        if values <= 1 << MAX_LOG_BLOCK { Ok(()) } else { Err(ModelError::TermWork { layer: self.layer, term: self.term }) }
    }

    fn weight_block(&self, log_size: u32) -> Result<(), ModelError> {
        if log_size <= MAX_LOG_BLOCK { Ok(()) } else { Err(ModelError::WeightBlock { layer: self.layer, term: self.term, log_size }) }
    }

    fn window(&self, window: &Window, axis: usize, name: AxisOf, output: u32, input: u32) -> Result<(), ModelError> {
        let [kernel, stride, padding, dilation] =
            [window.kernel, window.stride, window.padding, window.dilation].map(|of| of.get(axis).map_or(0, |&v| u64::from(v)));
        let (out, len) = (u64::from(output), u64::from(input));
        // 2^26 bounds the work on an axis, and keeps `Window::log_kernel` from overflowing.
        if kernel == 0 || stride == 0 || dilation == 0 || kernel * out > 1 << MAX_LOG_BLOCK {
            return Err(ModelError::Window { layer: self.layer, term: self.term });
        }
        // With the largest bottom padding, reach - 1, the last window must fit: (out-1)·stride + reach <= len + padding + reach - 1.
        let reach = (kernel - 1) * dilation + 1;
        if padding < reach && (out - 1) * stride < len + padding {
            return Ok(());
        }
        Err(ModelError::WindowLength { layer: self.layer, term: self.term, axis: name, output, input })
    }

    fn axis(&self, map: &AxisMap, axis: AxisOf, to_length: u32, from_length: u32) -> Result<(), ModelError> {
        let (layer, term) = (self.layer, self.term);
        for &(to, from, coefficient) in &map.entries {
            if to >= to_length || from >= from_length {
                return Err(ModelError::StencilEntry { layer, term, axis, to, from, to_length, from_length });
            }
            if coefficient == 0 {
                return Err(ModelError::ZeroCoefficient { layer, term });
            }
        }
        match repeated(map.entries.iter().map(|&(to, from, _)| (to, from))) {
            Some((to, from)) => Err(ModelError::StencilRepeated { layer, term, axis, to, from }),
            None => Ok(()),
        }
    }

    fn gather(&self, coefficient: i32, pairs: &[(u32, u32)]) -> Result<(), ModelError> {
        let (layer, term) = (self.layer, self.term);
        if coefficient == 0 {
            return Err(ModelError::ZeroCoefficient { layer, term });
        }
        if let Some(&(to, from)) = pairs.iter().find(|&&(to, from)| !self.dims.holds(to) || !self.source.holds(from)) {
            return Err(ModelError::GatherPair { layer, term, to, from });
        }
        match repeated(pairs.iter().copied()) {
            Some((to, from)) => Err(ModelError::GatherRepeated { layer, term, to, from }),
            None => Ok(()),
        }
    }
}

impl Dims {
    /// Whether `cell` is an index into the padded block that is not padding.
    pub fn holds(&self, cell: u32) -> bool {
        let (row, w) = (cell >> self.log_width(), cell & ((1 << self.log_width()) - 1));
        let (c, h) = (row >> self.log_height(), row & ((1 << self.log_height()) - 1));
        c < self.channels && h < self.height && w < self.width
    }
}

fn check_dims(place: Place, dims: Dims) -> Result<(), ModelError> {
    let lengths = [dims.channels, dims.height, dims.width];
    // Each length first: the log of a larger one does not exist.
    if lengths.iter().all(|n| (1..=1 << MAX_LOG_BLOCK).contains(n)) && dims.log_size() <= MAX_LOG_BLOCK {
        return Ok(());
    }
    Err(ModelError::BlockSize { place, dims })
}

fn check_cells(place: Place, dims: Dims, shape: &[u32], cells: &[u32]) -> Result<(), ModelError> {
    let elements = shape.iter().try_fold(1usize, |product, &n| product.checked_mul(n as usize));
    if elements != Some(cells.len()) || cells.is_empty() {
        return Err(ModelError::Shape { place, shape: shape.to_vec(), cells: cells.len() });
    }
    if let Some(&cell) = cells.iter().find(|&&cell| !dims.holds(cell)) {
        return Err(ModelError::CellOutside { place, cell });
    }
    match repeated(cells.iter().copied()) {
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
