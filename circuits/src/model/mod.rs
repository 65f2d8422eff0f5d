//! The quantised network as plain data.
//!
//! A network is a list of [`Layer`]s over *blocks*: columns of `2^n` integer cells. Every layer, whatever ONNX
//! operators it came from, does two things (`docs/semantics.md` is the specification):
//!
//! 1. an exact sum of products: `z = Σ terms + constant`, each [`Term`] a coefficient times one or two [`Operand`]s,
//!    summed over shared axes;
//! 2. a [`Rule`] that turns `z` into columns: requantisation and a table, a division, a square root, a maximum.
//!
//! [`Architecture`] is public and fixes the proof's shape. [`Weights`] are the seller's secret.
//!
//! **Axes and runs.** A block has no shape of its own. A term cuts the bits of its layer's cell numbers into *axes*,
//! lowest bits first, and adds axes that are summed over; an operand cuts the bits of its source's cell numbers into
//! *runs*, and says of each run how its number follows from the axes. So dense layers, convolutions, attention,
//! broadcasting, transposition, slices and padding are all the same term, and a tensor of any rank is a block whose
//! axes are padded to powers of two. Of large blocks of weights most of the padding is not stored ([`WeightBlock`]).

mod bounds;
mod function;
mod tiles;
mod validate;
mod weights;

pub use bounds::{Bounds, Columns, Interval, RuleBounds};
pub use function::{Binary, Domain, Function, Instruction, Table, Unary};
pub use tiles::{Cut, MAX_TILES, WeightBlock};
pub use validate::{
    MAX_ACCUMULATOR, MAX_AXES, MAX_LAYERS, MAX_LIMB_BITS, MAX_LOG_BLOCK, MAX_RAIL_BITS, MAX_SHIFT, MAX_TABLES,
    ModelError, Place,
};

use crate::relation::maximum;
use serde::{Deserialize, Serialize};

/// A block of secret biases, as far as it is public.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct BiasBlock {
    /// Log of its length.
    pub log_size: u8,
    /// Bits of its signed numbers (2 to 32). Bounds follow from this, and so does what a clamp can have to cut off.
    pub bits: u8,
}

impl BiasBlock {
    /// The bits that hold all of these numbers.
    pub fn bits_of(numbers: &[i32]) -> u8 {
        let bits = numbers.iter().map(|n| 33 - (n ^ (n >> 31)).leading_zeros()).max();
        bits.unwrap_or(0).max(2) as u8
    }
}

/// Everything about a network that is public: operators, fixed-point parameters, tables. Its digest is what keys belong
/// to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Architecture {
    /// The input block.
    pub input: Input,
    /// Bits of a signed weight (2 to 16): weights lie in `[-2^(b-1), 2^(b-1))`. Bounds follow from this, never from the
    /// weights.
    pub weight_bits: u8,
    /// The blocks of secret weights.
    pub matrices: Vec<WeightBlock>,
    /// The blocks of secret biases.
    pub biases: Vec<BiasBlock>,
    /// Tables, referred to by index.
    pub tables: Vec<Table>,
    /// Layers in an order of evaluation: a layer reads the input and earlier layers only, but for
    /// [`Architecture::loops`].
    pub layers: Vec<Layer>,
    /// Stretches of layers that are evaluated step by step. In order, apart from each other.
    pub loops: Vec<Loop>,
    /// The output tensors, in the model's order. Never empty.
    pub outputs: Vec<Output>,
}

/// The network's input: one block that holds all input tensors, each cell in `[-2^(bits-1), 2^(bits-1))`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Input {
    /// Log of the number of cells.
    pub log_size: u8,
    /// Bits of a signed cell.
    pub bits: u8,
    /// The tensors, in the model's order. Cells that no tensor names are 0.
    pub ports: Vec<Port>,
}

/// A tensor that the model's user gives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Port {
    /// The model's name for it.
    pub name: String,
    /// `real ≈ int · 2^-scale`; 0 for integers and booleans.
    pub scale: i8,
    /// The smallest and the largest integer that the model was calibrated for: what lies outside is provable, and not
    /// meant.
    pub range: (i32, i32),
    /// The shape that the model's user sees, in ONNX's order, without the batch dimension.
    pub shape: Vec<u32>,
    /// `cells[i]` is the cell of the i-th element of `shape`, row-major.
    pub cells: Vec<u32>,
}

/// A tensor that the network gives: chosen cells of one column, in the user's order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Output {
    /// The model's name for it. Outputs of one name and shape that follow each other are the digits of one tensor:
    /// their sum is what the user sees.
    pub name: String,
    /// The column that holds it; its values fit 16 bits.
    pub source: Source,
    /// `real ≈ int · 2^-scale`; 0 for integers and booleans, less for their higher digits.
    pub scale: i8,
    /// The shape that the model's user sees, without the batch dimension.
    pub shape: Vec<u32>,
    /// `cells[i]` is the cell of the i-th element of `shape`, row-major.
    pub cells: Vec<u32>,
}

/// A block that terms can read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Source {
    /// The network's input.
    Input,
    /// `q` of a layer, before its table's function.
    Pre(u32),
    /// `y = f(q)` of a layer. With [`Function::Identity`], or without a table, it is the same column as
    /// [`Source::Pre`].
    Post(u32),
    /// The maxima of a layer with [`Rule::Maximum`]: one cell a row.
    Max(u32),
    /// Of a layer with [`Rule::Maximum`]: 1 where the element is a maximum of its row, else 0.
    Mark(u32),
    /// A block of secret weights.
    Weight(u32),
    /// A block of secret biases.
    Bias(u32),
}

/// One layer: `z = Σ terms + constant`, then its rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layer {
    /// Log of the number of cells of `z`.
    pub log_size: u8,
    /// The sum. Without terms it is the constant, as of a reciprocal.
    pub terms: Vec<Term>,
    /// Added in every cell.
    pub constant: i64,
    /// What is made of `z`.
    pub rule: Rule,
}

/// What a layer makes of `z`. Each has a module in [`crate::relation`], with its equations and the argument why they
/// have one solution.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Rule {
    /// `q = z`, of up to 32 bits, for sums that are read exactly. No lookup. See [`crate::relation::exact`].
    Exact,
    /// `q = clamp(floor((z + half) / 2^shift))`, `y = f(q)`. See [`crate::relation::requantise`].
    Requantise {
        /// Bits that are rounded away, 0 to 48. Each 16 of them cost a lookup.
        shift: u8,
        /// Saturation limbs, of [`Table::limb_bits`] each: 0 where the clamp can never act. [`Bounds::limbs`] says how
        /// many.
        limbs: u8,
        /// Index of the table, signed or saturating, whose width is also the width of `q`.
        table: u32,
    },
    /// `q = clamp(floor((2z + D) / 2D))`, `y = f(q)`: `z / D`, rounded, `D >= 1` read from a column. See
    /// [`crate::relation::divide`].
    Divide {
        /// `D`, as an operand over the axes [`Divisor::axes`].
        by: Divisor,
        /// Bits of a limb of the remainder.
        limb_bits: u8,
        /// Limbs of the remainder, and of what it falls short of `2D - 1`. [`Bounds::parts`] says how many.
        parts: u8,
        /// Saturation limbs, as in [`Rule::Requantise`].
        limbs: u8,
        /// Index of the table, as in [`Rule::Requantise`].
        table: u32,
    },
    /// `q = floor((2z + D) / 2D)` for `z >= 0`, of up to 31 bits. See [`crate::relation::quotient`].
    Quotient {
        /// `D`.
        by: Divisor,
        /// Bits of a limb.
        limb_bits: u8,
        /// Limbs of the quotient, of the remainder, and of what that falls short of `2D - 1`. [`Bounds::parts`] says
        /// how many.
        parts: u8,
    },
    /// `q = floor(sqrt(z))` for `z >= 0`, of up to 31 bits. See [`crate::relation::root`].
    SquareRoot {
        /// Bits of a limb.
        limb_bits: u8,
        /// Limbs of the root, of the remainder, and of what that falls short of `2q`. [`Bounds::parts`] says how many.
        parts: u8,
    },
    /// `m = max z` over the first `len` places of an axis, `q = m - z` there and 0 on the others, `y = f(q)`, and a
    /// mark where `q = 0`. See [`crate::relation::maximum`].
    Maximum {
        /// Bits of a cell's number below the axis.
        low: u8,
        /// Bits of the axis.
        bits: u8,
        /// Places that count, at least 1.
        len: u32,
        /// Index of the table, which is [`Domain::Unsigned`].
        table: u32,
    },
    /// `q` is the row of a block of weights that an index names, zeros where there is no such row: embeddings. No
    /// terms. See [`crate::relation::rows`].
    Rows {
        /// The block of weights: rows of `2^bits` cells.
        matrix: u32,
        /// Bits of a place in a row, the lowest of a cell's number; the others number the indices.
        bits: u8,
        /// The column of indices, one for each row of the layer.
        index: Source,
        /// Bits of a signed index, 2 to 18: every index that the column can hold fits.
        index_bits: u8,
    },
}

/// The divisor of [`Rule::Divide`] and [`Rule::Quotient`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Divisor {
    /// Logs of the lengths of the axes that the layer's cells are cut into, lowest bits first.
    pub axes: Vec<u8>,
    /// The column. Each of its runs is [`Index::Axis`]; axes that it does not name are broadcast over.
    pub operand: Operand,
}

/// One summand: `z[o] += coefficient · Σ left(o, k) · right(o, k)`, `k` over the summed axes; without `right`, `z[o] +=
/// coefficient · left(o)`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Term {
    /// The factor, not 0.
    pub coefficient: i32,
    /// Logs of the lengths of the axes: first those that the layer's cells are cut into, lowest bits first, then those
    /// that are summed over.
    pub axes: Vec<u8>,
    /// How many axes, the last ones, are summed over. Both operands read each of them. 0 without `right`.
    pub summed: u8,
    /// What is read.
    pub left: Operand,
    /// What it is multiplied with. In a product every run reads at most one cell for each place, times 1.
    pub right: Option<Operand>,
}

/// A block, read through the term's axes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operand {
    /// The block.
    pub source: Source,
    /// Its cell numbers' bits, lowest first. An axis is named by at most one run; one that none names is broadcast
    /// over.
    pub runs: Vec<Run>,
}

/// Consecutive bits of a cell's number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// How many bits.
    pub log_len: u8,
    /// How their number follows from places on the term's axes.
    pub index: Index,
}

/// How a run's number follows from places on axes: a sparse matrix from places to numbers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Index {
    /// The place on this axis, which is as long as the run. Padding included.
    Axis(u8),
    /// Place `to` of the axis reads `coefficient` times number `from`; places without an entry read nothing. Without an
    /// axis, `to` is 0: one place, some places, or a sum.
    Map {
        /// The axis.
        axis: Option<u8>,
        /// No pair occurs twice.
        entries: Vec<Entry>,
    },
    /// Places `o` and `k` of two axes read number `o·stride + k·dilation - padding`.
    Window {
        /// The axis of outputs.
        out: u8,
        /// The axis of the kernel's places.
        kernel: u8,
        /// The rest.
        window: Window,
    },
}

/// An entry of [`Index::Map`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Entry {
    /// Place on the axis.
    pub to: u32,
    /// Number that is read.
    pub from: u32,
    /// The factor, not 0.
    pub coefficient: i32,
}

/// Geometry of a convolution along one axis. Only outputs `o < outputs` and places `k < kernel` read anything, and only
/// numbers below `inputs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// Number of outputs.
    pub outputs: u32,
    /// Places of the kernel.
    pub kernel: u32,
    /// Numbers that can be read.
    pub inputs: u32,
    /// Distance of outputs.
    pub stride: u32,
    /// Distance of the kernel's places.
    pub dilation: u32,
    /// Places of padding in front.
    pub padding: u32,
}

/// Layers that are evaluated step by step: recurrence. The highest `log_steps` bits of all their cells number the
/// steps. In step `t` each layer in turn is evaluated on its cells of step `t`, from cells of any layer before the
/// loop, of layers before it in the loop at steps up to `t`, and of all layers of the loop at steps before `t`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loop {
    /// Index of the first layer.
    pub first: u32,
    /// Number of layers.
    pub layers: u32,
    /// Log of the number of steps, padding included: those are evaluated like the others.
    pub log_steps: u8,
}

/// The secret half of a network. Debug output shows how many there are, and none of them.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Weights {
    /// One block per entry of [`Architecture::matrices`]: its stored cells.
    pub matrices: Vec<Vec<i16>>,
    /// One block per entry of [`Architecture::biases`].
    pub biases: Vec<Vec<i32>>,
}

impl std::fmt::Debug for Weights {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { matrices, biases } = self;
        let [weights, offsets] = [matrices.iter().map(Vec::len).sum::<usize>(), biases.iter().map(Vec::len).sum()];
        f.debug_struct("Weights").field("weights", &weights).field("biases", &offsets).finish_non_exhaustive()
    }
}

/// The smallest `k` with `2^k >= n` (0 for `n <= 1`).
pub fn log2_ceil(n: u32) -> u8 {
    n.max(1).next_power_of_two().trailing_zeros() as u8
}

impl Source {
    /// The layer whose column it is.
    pub fn layer(self) -> Option<u32> {
        match self {
            Source::Pre(layer) | Source::Post(layer) | Source::Max(layer) | Source::Mark(layer) => Some(layer),
            Source::Input | Source::Weight(_) | Source::Bias(_) => None,
        }
    }

    /// Whether it is the seller's, and so the same for all inferences of a batch.
    pub fn is_secret(self) -> bool {
        matches!(self, Source::Weight(_) | Source::Bias(_))
    }
}

impl Rule {
    /// Index of the rule's table, if it has one.
    pub fn table(&self) -> Option<u32> {
        match self {
            Rule::Requantise { table, .. } | Rule::Divide { table, .. } | Rule::Maximum { table, .. } => Some(*table),
            Rule::Exact | Rule::SquareRoot { .. } | Rule::Quotient { .. } | Rule::Rows { .. } => None,
        }
    }
}

impl Term {
    /// One or two operands.
    pub fn operands(&self) -> impl Iterator<Item = &Operand> {
        std::iter::once(&self.left).chain(&self.right)
    }

    /// Number of axes that the layer's cells are cut into.
    pub fn outputs(&self) -> usize {
        self.axes.len().saturating_sub(self.summed.into())
    }
}

impl Operand {
    /// A block read as it stands: one run along each of these axes, lowest bits first.
    pub fn along(source: Source, axes: &[u8], named: impl IntoIterator<Item = u8>) -> Self {
        let run = |axis: u8| Run { log_len: axes.get(axis as usize).copied().unwrap_or(0), index: Index::Axis(axis) };
        Self { source, runs: named.into_iter().map(run).collect() }
    }
}

impl Index {
    /// The axes that it names.
    pub fn axes(&self) -> impl Iterator<Item = u8> {
        let (a, b) = match self {
            Index::Axis(axis) => (Some(*axis), None),
            Index::Map { axis, .. } => (*axis, None),
            Index::Window { out, kernel, .. } => (Some(*out), Some(*kernel)),
        };
        a.into_iter().chain(b)
    }
}

impl Window {
    /// All `(out, kernel, in)` triples with `in = out·stride + kernel·dilation - padding` inside `0..inputs`.
    pub fn taps(&self) -> impl Iterator<Item = (usize, usize, usize)> + use<> {
        let window = *self;
        (0..window.outputs).flat_map(move |out| {
            (0..window.kernel).filter_map(move |k| window.at(out, k).map(|at| (out as usize, k as usize, at)))
        })
    }

    /// What an output reads at a place of the kernel.
    pub fn at(&self, out: u32, kernel: u32) -> Option<usize> {
        let at = u64::from(out) * u64::from(self.stride) + u64::from(kernel) * u64::from(self.dilation);
        at.checked_sub(u64::from(self.padding)).filter(|at| *at < u64::from(self.inputs)).map(|at| at as usize)
    }
}

impl Layer {
    /// What its terms and its divisor read.
    pub fn operands(&self) -> impl Iterator<Item = &Operand> {
        let divisor = match &self.rule {
            Rule::Divide { by, .. } | Rule::Quotient { by, .. } => Some(&by.operand),
            _ => None,
        };
        self.terms.iter().flat_map(Term::operands).chain(divisor)
    }

    /// A block of weights that it cannot read with its cuts, as it is proven. `block` gives those that have cuts.
    /// (Divisors read no weights.)
    pub(crate) fn unreadable<'a>(&self, block: impl Fn(u32) -> Option<&'a WeightBlock>) -> Option<u32> {
        if let Rule::Rows { matrix, bits, .. } = self.rule
            && block(matrix).is_some_and(|block| !block.is_apart_at(bits.into()))
        {
            return Some(matrix);
        }
        let unreadable = |operand: &Operand, partial: Option<u8>| match operand.source {
            Source::Weight(matrix) if !block(matrix)?.goes_with(&operand.runs, partial) => Some(matrix),
            _ => None,
        };
        self.terms.iter().find_map(|term| {
            let partial = maximum::partial_axis(self, term);
            term.operands().find_map(|operand| unreadable(operand, partial))
        })
    }

    /// All columns that it reads, indices of rows too.
    pub fn sources(&self) -> impl Iterator<Item = Source> + '_ {
        let index = match &self.rule {
            Rule::Rows { index, .. } => Some(*index),
            _ => None,
        };
        self.operands().map(|operand| operand.source).chain(index)
    }
}

impl Architecture {
    /// Log of the length of a block. `None` if there is no such block.
    pub fn log_size(&self, source: Source) -> Option<u8> {
        let layer = |index: u32| self.layers.get(index as usize);
        match source {
            Source::Input => Some(self.input.log_size),
            Source::Pre(l) | Source::Post(l) => layer(l).map(|l| l.log_size),
            Source::Max(l) | Source::Mark(l) => match layer(l)?.rule {
                Rule::Maximum { bits, .. } if matches!(source, Source::Max(_)) => layer(l)?.log_size.checked_sub(bits),
                Rule::Maximum { .. } => layer(l).map(|l| l.log_size),
                _ => None,
            },
            Source::Weight(w) => self.matrices.get(w as usize).map(|block| block.log_size),
            Source::Bias(b) => self.biases.get(b as usize).map(|block| block.log_size),
        }
    }

    /// Whether all readers of a block of weights can read it with the cuts of this one.
    pub fn goes_with(&self, matrix: u32, block: &WeightBlock) -> bool {
        self.layers.iter().all(|layer| layer.unreadable(|read| Some(block).filter(|_| read == matrix)).is_none())
    }

    /// The table of a layer, if its rule has one and it exists.
    pub fn table(&self, layer: &Layer) -> Option<&Table> {
        self.tables.get(layer.rule.table()? as usize)
    }

    /// The loop that a layer is in.
    pub fn loop_of(&self, layer: u32) -> Option<&Loop> {
        self.loops.iter().find(|l| (l.first..l.first.saturating_add(l.layers)).contains(&layer))
    }

    /// The outputs by tensor: the digits of each, at least one.
    pub fn output_tensors(&self) -> impl Iterator<Item = &[Output]> {
        self.outputs.chunk_by(|a, b| a.name == b.name && a.shape == b.shape)
    }

    /// Number of output cells of one inference, over all outputs.
    pub fn output_cells(&self) -> usize {
        self.outputs.iter().map(|o| o.cells.len()).sum()
    }

    /// Number of input elements, over all ports.
    pub fn input_elements(&self) -> usize {
        self.input.ports.iter().map(|p| p.cells.len()).sum()
    }
}
