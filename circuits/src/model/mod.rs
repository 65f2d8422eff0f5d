//! The quantised network as plain data.
//!
//! A network is a list of [`Layer`]s. Every layer, whatever ONNX operators it came from, is the same three steps
//! on a three-dimensional tensor of integers (`docs/semantics.md` is the specification):
//!
//! 1. an exact linear map: `z = Σ terms + bias`;
//! 2. a saturating requantisation by a power of two: `q = clamp(round_half_up(z / 2^shift))`;
//! 3. a table lookup: `y = f(q)`.
//!
//! [`Architecture`] is public and fixes the proof's shape. [`Weights`] are the seller's secret.

mod bounds;
mod builder;
mod dims;
mod function;
mod validate;
mod weights;

pub use bounds::{Bounds, Interval};
pub use builder::NetworkBuilder;
pub use dims::Dims;
pub use function::{Function, Table};
pub use validate::{AxisOf, MAX_ACCUMULATOR, MAX_LAYERS, MAX_LIMB_BITS, MAX_LOG_BLOCK, MAX_SHIFT, MAX_TABLES, ModelError, Place};

use serde::{Deserialize, Serialize};

/// Everything about a network that is public: operators, fixed-point parameters, tables. Its digest is what keys belong to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Architecture {
    /// The input tensor.
    pub input: Input,
    /// Bits of a signed weight (2 to 16): weights lie in `[-2^(b-1), 2^(b-1))`. Bounds follow from this, never from the weights.
    pub weight_bits: u8,
    /// Activation tables, referred to by [`Layer::table`].
    pub tables: Vec<Table>,
    /// Layers in an order of evaluation: a layer reads the input and earlier layers only.
    pub layers: Vec<Layer>,
    /// The output tensor.
    pub output: Output,
}

/// The network's input: a block of `dims`, each cell in `[-2^(bits-1), 2^(bits-1))`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Input {
    /// The block in which the input is laid out.
    pub dims: Dims,
    /// Bits of a signed cell.
    pub bits: u8,
    /// `real ≈ int · 2^-scale`.
    pub scale: i8,
    /// The shape that the model's user sees, in ONNX's order, without the batch dimension.
    pub shape: Vec<u32>,
    /// `cells[i]` is the cell (an index into the padded block) of the i-th element of `shape`, row-major.
    pub cells: Vec<u32>,
}

/// The network's output: chosen cells of one column, in the user's order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Output {
    /// The column that holds it.
    pub source: Source,
    /// `real ≈ int · 2^-scale`.
    pub scale: i8,
    /// The shape that the model's user sees, without the batch dimension.
    pub shape: Vec<u32>,
    /// `cells[i]` is the cell of the i-th element of `shape`, row-major.
    pub cells: Vec<u32>,
}

/// A committed column that later layers can read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Source {
    /// The network's input.
    Input,
    /// `q` of a layer: requantised, before its table's function.
    Pre(u32),
    /// `y = f(q)` of a layer. With [`Function::Identity`] it is the same column as [`Source::Pre`].
    Post(u32),
}

/// One layer: `z = Σ terms + bias`, `q = clamp(round_half_up(z / 2^shift))`, `y = f(q)`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layer {
    /// Dimensions of `z`, `q` and `y`.
    pub dims: Dims,
    /// The linear map. Never empty.
    pub terms: Vec<Term>,
    /// Whether a bias per channel is added (an entry of [`Weights::biases`]).
    pub bias: bool,
    /// Requantisation shift in bits, 0 to 16.
    pub shift: u8,
    /// Saturation limbs: how many `(bits(table) - 1)`-bit limbs hold what a clamp cuts off. 0 where the accumulator's
    /// static bound shows that `q` always fits. See [`Architecture::limbs_needed`].
    pub limbs: u8,
    /// Index of the activation table, whose width is also the width of `q`.
    pub table: u32,
}

/// One summand of a layer's linear map.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Term {
    /// `z[o] += Σ_i W[o, i] · x[i]`, `i` over all cells of the source's padded block, `o` over channels; the layer's
    /// height and width are 1. Weight block: `o << m | i`, `m` the source block's log-size.
    Dense {
        /// What is read.
        source: Source,
        /// Index into [`Weights::matrices`].
        weight: u32,
    },
    /// Cross-correlation: `z[co, oh, ow] += Σ W[co, ci, kh, kw] · x[ci, oh·sh + kh·dh - ph, ow·sw + kw·dw - pw]`, positions outside
    /// the source's dims being zero. Groups are written out with zero weights.
    /// Weight block: `((co << lci | ci) << lkh | kh) << lkw | kw`, `l` the log of each dimension padded to a power of two.
    Conv {
        /// What is read.
        source: Source,
        /// Index into [`Weights::matrices`].
        weight: u32,
        /// Kernel, strides, padding.
        window: Window,
    },
    /// A public linear map, separable, the same for every channel: `z[c, oh, ow] += Σ rows[oh, ih] · cols[ow, iw] · x[c, ih, iw]`.
    /// Average pooling, a max pool's shifted views, residual additions.
    Stencil {
        /// What is read. It has the layer's number of channels.
        source: Source,
        /// Maps the source's rows to the layer's.
        rows: AxisMap,
        /// Maps the source's columns to the layer's.
        cols: AxisMap,
    },
    /// A public linear map given cell by cell: `z[to] += coefficient · x[from]` for each pair. Transposes and reshapes in mid-network.
    Gather {
        /// What is read.
        source: Source,
        /// The factor.
        coefficient: i32,
        /// `(to, from)`: cells of the layer's and the source's padded blocks.
        pairs: Vec<(u32, u32)>,
    },
}

/// Geometry of a two-dimensional convolution, `[vertical, horizontal]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// Kernel size.
    pub kernel: [u32; 2],
    /// Strides.
    pub stride: [u32; 2],
    /// Zero padding at the top and the left (bottom and right follow from the dims).
    pub padding: [u32; 2],
    /// Dilation.
    pub dilation: [u32; 2],
}

/// A sparse integer matrix from one axis of a source to one axis of a layer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AxisMap {
    /// `(to, from, coefficient)`, both within the logical (unpadded) lengths.
    pub entries: Vec<(u32, u32, i32)>,
}

/// The secret half of a network, each block padded with zeros to its power-of-two layout.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Weights {
    /// One block per `Dense` or `Conv` term, in the order of [`Term`]'s weight indices.
    pub matrices: Vec<Vec<i16>>,
    /// One block per layer: `2^log(channels)` values at the scale of `z`, empty where the layer has none.
    pub biases: Vec<Vec<i32>>,
}

impl Term {
    /// The column that the term reads.
    pub fn source(&self) -> Source {
        match self {
            Term::Dense { source, .. } | Term::Conv { source, .. } | Term::Stencil { source, .. } | Term::Gather { source, .. } => *source,
        }
    }

    /// Index of the term's secret weights, if it has any.
    pub fn weight(&self) -> Option<usize> {
        match self {
            Term::Dense { weight, .. } | Term::Conv { weight, .. } => Some(*weight as usize),
            Term::Stencil { .. } | Term::Gather { .. } => None,
        }
    }
}

impl Architecture {
    /// Dimensions of a column. `None` if it names a layer that does not exist.
    pub fn dims(&self, source: Source) -> Option<Dims> {
        match source {
            Source::Input => Some(self.input.dims),
            Source::Pre(layer) | Source::Post(layer) => self.layers.get(layer as usize).map(|l| l.dims),
        }
    }

    /// The table of a layer. `None` if the index is out of range.
    pub fn table(&self, layer: &Layer) -> Option<&Table> {
        self.tables.get(layer.table as usize)
    }

    /// Log-size of the block of weight matrix `weight` of `term` in `layer`; 0 for terms without weights.
    pub fn weight_log_size(&self, layer: &Layer, term: &Term) -> Option<u32> {
        let source = self.dims(term.source())?;
        Some(match term {
            Term::Dense { .. } => source.log_size() + layer.dims.log_channels(),
            Term::Conv { window, .. } => window.log_kernel() + source.log_channels() + layer.dims.log_channels(),
            Term::Stencil { .. } | Term::Gather { .. } => 0,
        })
    }
}

impl Window {
    /// Log of the padded kernel height.
    pub fn log_height(&self) -> u32 {
        dims::log2_ceil(self.kernel[0])
    }

    /// Log of the padded kernel width.
    pub fn log_width(&self) -> u32 {
        dims::log2_ceil(self.kernel[1])
    }

    /// Log of the padded kernel's area.
    pub fn log_kernel(&self) -> u32 {
        self.log_height() + self.log_width()
    }

    /// For an axis (0 vertical, 1 horizontal): all `(out, kernel, in)` triples with `in = out·stride + kernel·dilation - padding`
    /// inside `0..len_in`.
    pub fn taps(&self, axis: usize, len_out: u32, len_in: u32) -> impl Iterator<Item = (usize, usize, usize)> + '_ {
        let (kernel, stride, padding, dilation) = (self.kernel[axis], self.stride[axis], self.padding[axis], self.dilation[axis]);
        (0..len_out).flat_map(move |out| {
            (0..kernel).filter_map(move |k| {
                let at = (u64::from(out) * u64::from(stride) + u64::from(k) * u64::from(dilation)).checked_sub(u64::from(padding))?;
                (at < u64::from(len_in)).then_some((out as usize, k as usize, at as usize))
            })
        })
    }
}
