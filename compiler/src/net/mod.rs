//! The network between ONNX and the quantised model: the same layers on the same padded blocks, in real numbers.
//!
//! The operators ([`crate::ops`]) build it, calibration runs it to see the range of every column, quantisation turns it
//! into integers. Running it must give what tract gives on the ONNX file: that check is made on every compilation.

mod product;
pub mod rounding;
mod run;
mod unread;

pub use run::{Ranges, Run};

use assay_circuits::model::{Binary, Instruction, Loop, Source, Unary, Window};

/// A network in real numbers. Indices and block lengths mean what they mean in [`assay_circuits::model::Architecture`].
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Net {
    /// Log of the number of cells of the input block.
    pub input_log_size: u8,
    /// The input tensors.
    pub inputs: Vec<NetInput>,
    /// Blocks of constants that multiply activations or are added to them. What becomes a weight or a bias of the
    /// architecture is quantisation's choice.
    pub weights: Vec<Vec<f32>>,
    /// By block of weights, as far as they are known: the lengths of its axes, lowest bits first. Cells beyond them are
    /// 0.
    pub lengths: Vec<Vec<usize>>,
    /// Layers in order of evaluation.
    pub layers: Vec<NetLayer>,
    /// Stretches of layers that are evaluated step by step.
    pub loops: Vec<Loop>,
    /// The output tensors.
    pub outputs: Vec<NetOutput>,
    /// Parameters of the ONNX model: elements of its constants as they stand in the file.
    pub parameters: u64,
    /// Multiplications of one inference, padding not counted.
    pub macs: u64,
}

/// What the elements of an input or output are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Real numbers.
    Real,
    /// Integers: their scale is 0, and they are exact as far as 16 bits reach.
    Integer,
    /// 0 and 1.
    Boolean,
}

/// A tensor that the user gives.
#[derive(Clone, Debug, PartialEq)]
pub struct NetInput {
    /// Its name in the model.
    pub name: String,
    /// What its elements are.
    pub kind: Kind,
    /// The user's shape, without a batch dimension of 1.
    pub shape: Vec<u32>,
    /// The cell of the input block of each element.
    pub cells: Vec<u32>,
    /// Where it indexes a table, as token ids do: how many places that has; of several the fewest.
    pub places: Option<u32>,
    /// Whether rows of weights are read by it, so that no index counts from the end.
    pub names_rows: bool,
    /// The block holds each number times `2^unit`. A tensor whose features differ in size is several inputs of one
    /// name, each with the unit that makes its features as large as the others'.
    pub unit: i8,
}

/// A tensor that the network gives.
#[derive(Clone, Debug, PartialEq)]
pub struct NetOutput {
    /// Its name in the model.
    pub name: String,
    /// What its elements are.
    pub kind: Kind,
    /// The column.
    pub source: Source,
    /// The user's shape, without a batch dimension of 1.
    pub shape: Vec<u32>,
    /// The cell of each element.
    pub cells: Vec<u32>,
    /// A cell counts `2^log_unit`. Outputs of one name and shape are the digits of one tensor: their sum is what the
    /// user sees.
    pub log_unit: u8,
}

/// An axis of a block: `len` places that mean something, padded to `2^log`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Axis {
    /// Bits.
    pub log: u8,
    /// Places, at most `2^log`.
    pub len: u32,
}

/// A layer.
#[derive(Clone, Debug, PartialEq)]
pub struct NetLayer {
    /// Name of the ONNX node it comes from.
    pub name: String,
    /// The axes of its block, lowest bits first. A cell means something if its place on every axis does; ranges and
    /// errors are taken over those.
    pub axes: Vec<Axis>,
    /// `z` is the sum of these, and of the constant.
    pub terms: Vec<NetTerm>,
    /// Added in every cell.
    pub constant: f64,
    /// What is made of `z`.
    pub rule: NetRule,
    /// What `pre` is, which may force a scale.
    pub kind: Kind,
    /// What `post` is.
    pub post_kind: Kind,
}

/// What a layer makes of `z`: [`assay_circuits::model::Rule`] in real numbers.
#[derive(Clone, Debug, PartialEq)]
pub enum NetRule {
    /// `pre = z`, kept exactly. For sums that a square root, a divisor or a later sum reads.
    Exact,
    /// `pre = z`, rounded; `post = f(pre)`.
    Requantise {
        /// `f`; `None` for the identity.
        function: Option<Vec<Instruction>>,
    },
    /// `pre = z / D`, `post = f(pre)`.
    Divide {
        /// Axes (as logs, lowest first) that the layer's block is cut into for the divisor.
        axes: Vec<u8>,
        /// `D`, positive: runs are [`NetIndex::Axis`].
        by: NetOperand,
        /// `f`; `None` for the identity.
        function: Option<Vec<Instruction>>,
    },
    /// `pre = sqrt(z)`. `z` must be the sum of a positive constant and of things that cannot be negative.
    SquareRoot,
    /// `max = max z` along an axis, `pre = max - z` on its first `len` places (0 elsewhere), `post = f(pre)`, `mark =
    /// [pre = 0]`.
    Maximum {
        /// Bits below the axis.
        low: u8,
        /// Bits of the axis.
        bits: u8,
        /// Places that count.
        len: u32,
        /// `f`; `None` for the identity.
        function: Option<Vec<Instruction>>,
    },
    /// `pre` is the row of a block of weights that an index names, zeros where there is none. No terms.
    Rows {
        /// The block in [`Net::weights`].
        weights: u32,
        /// Bits of a place in a row: the lowest of a cell's number.
        bits: u8,
        /// The column of indices, as it stands: one for each row.
        index: NetOperand,
    },
}

/// A summand; see [`assay_circuits::model::Term`].
#[derive(Clone, Debug, PartialEq)]
pub struct NetTerm {
    /// The factor, not 0. Public.
    pub coefficient: f64,
    /// Logs of the axes: the layer's (they may be cut otherwise than [`NetLayer::axes`], their sum is the same), then
    /// those summed over.
    pub axes: Vec<u8>,
    /// How many of them, the last ones, are summed over.
    pub summed: u8,
    /// What is read.
    pub left: NetOperand,
    /// What it is multiplied with.
    pub right: Option<NetOperand>,
}

/// A block, read through axes.
#[derive(Clone, Debug, PartialEq)]
pub struct NetOperand {
    /// The block; [`Source::Weight`] is an index into [`Net::weights`], and [`Source::Bias`] does not occur.
    pub source: Source,
    /// Bits of its cells' numbers, lowest first.
    pub runs: Vec<NetRun>,
}

/// Consecutive bits of a cell's number.
#[derive(Clone, Debug, PartialEq)]
pub struct NetRun {
    /// How many bits.
    pub log_len: u8,
    /// How their number follows from the axes.
    pub index: NetIndex,
}

/// See [`assay_circuits::model::Index`].
#[derive(Clone, Debug, PartialEq)]
pub enum NetIndex {
    /// The place on an axis, padding included.
    Axis(u8),
    /// A sparse matrix `(to, from, coefficient)`. In products coefficients are 1 and no `to` occurs twice.
    Map {
        /// The axis.
        axis: Option<u8>,
        /// Entries; where the coefficients of all are the same they are 1 and the factor stands in
        /// [`NetTerm::coefficient`], which is rounded once.
        entries: Vec<(u32, u32, f64)>,
    },
    /// `out·stride + kernel·dilation - padding`.
    Window {
        /// Axis of outputs.
        out: u8,
        /// Axis of the kernel's places.
        kernel: u8,
        /// The rest.
        window: Window,
    },
}

impl NetTerm {
    /// Whether it reads a block.
    pub fn reads(&self, source: Source) -> bool {
        self.left.source == source || self.right.as_ref().is_some_and(|right| right.source == source)
    }
}

impl NetLayer {
    /// The function of its table.
    pub fn function(&self) -> Option<&[Instruction]> {
        match &self.rule {
            NetRule::Requantise { function } | NetRule::Divide { function, .. } | NetRule::Maximum { function, .. } => {
                function.as_deref()
            }
            NetRule::Exact | NetRule::SquareRoot | NetRule::Rows { .. } => None,
        }
    }

    /// Whether it is rows of a block of weights.
    pub fn reads_rows_of(&self, w: u32) -> bool {
        matches!(&self.rule, NetRule::Rows { weights, .. } if *weights == w)
    }

    /// What it reads besides its terms: a divisor, or indices.
    pub fn beside(&self) -> Option<&NetOperand> {
        match &self.rule {
            NetRule::Divide { by: operand, .. } | NetRule::Rows { index: operand, .. } => Some(operand),
            _ => None,
        }
    }

    /// The same, to change it.
    pub fn beside_mut(&mut self) -> Option<&mut NetOperand> {
        match &mut self.rule {
            NetRule::Divide { by: operand, .. } | NetRule::Rows { index: operand, .. } => Some(operand),
            _ => None,
        }
    }
}

impl NetLayer {
    /// Of a layer that rounds its sum, or a quotient, to an integer and clamps it: the ends of the clamp. Its sum is
    /// planned as exactly as a layer can, so that the integers are the model's own.
    pub fn rounds(&self) -> Option<(f64, f64)> {
        match &self.rule {
            NetRule::Requantise { function: Some(program) } | NetRule::Divide { function: Some(program), .. } => {
                rounding::ends(program)
            }
            _ => None,
        }
    }
}

impl Net {
    /// Whether some layer, or an output, reads a column.
    pub fn reads(&self, source: Source) -> bool {
        let beside = |layer: &NetLayer| layer.beside().is_some_and(|operand| operand.source == source);
        self.outputs.iter().any(|o| o.source == source)
            || self.layers.iter().any(|l| beside(l) || l.terms.iter().any(|t| t.reads(source)))
    }

    /// The outputs by tensor: the digits of each.
    pub fn output_tensors(&self) -> impl Iterator<Item = &[NetOutput]> {
        self.outputs.chunk_by(|a, b| a.name == b.name && a.shape == b.shape)
    }

    /// What the elements of each tensor of outputs are.
    pub fn output_kinds(&self) -> Vec<Kind> {
        self.output_tensors().filter_map(|digits| Some(digits.first()?.kind)).collect()
    }

    /// Whether it compares real numbers, as decision trees do: then a sample shows next to nothing of what a rounded
    /// input can change.
    pub fn decides(&self) -> bool {
        let decision = |step: &Instruction| match step {
            Instruction::Unary(f) => matches!(f, Unary::Sign),
            Instruction::Binary(f) => matches!(f, Binary::Less | Binary::LessEqual | Binary::Equal),
            Instruction::Argument | Instruction::Constant(_) => false,
        };
        self.layers.iter().any(|layer| {
            layer.kind == Kind::Real && layer.function().is_some_and(|program| program.iter().any(decision))
        })
    }

    /// Whether it computes with integers that it rounds to, as quantised networks do.
    pub fn rounds(&self) -> bool {
        self.layers.iter().any(|layer| layer.rounds().is_some())
    }

    /// Whether it rounds real numbers otherwise than between two fixed scales, as DynamicQuantizeLinear does.
    pub fn rounds_by_input(&self) -> bool {
        let rounds = |step: &Instruction| matches!(step, Instruction::Unary(Unary::Round));
        let free = |layer: &NetLayer| {
            layer.rounds().is_none() && layer.function().is_some_and(|program| program.iter().any(rounds))
        };
        self.rounds_quotients() || self.layers.iter().any(free)
    }

    /// Whether it rounds quotients to integers: those of DynamicQuantizeLinear.
    pub fn rounds_quotients(&self) -> bool {
        self.layers.iter().any(|layer| matches!(layer.rule, NetRule::Divide { .. }) && layer.rounds().is_some())
    }

    /// Whether something in it jumps: a comparison, a rounding, the place of a maximum.
    pub fn compares(&self) -> bool {
        let jumps = |step: &Instruction| match step {
            Instruction::Unary(f) => matches!(f, Unary::Floor | Unary::Ceil | Unary::Round | Unary::Sign | Unary::Not),
            Instruction::Binary(f) => {
                matches!(f, Binary::Less | Binary::LessEqual | Binary::Equal | Binary::Mod | Binary::Fmod)
            }
            Instruction::Argument | Instruction::Constant(_) => false,
        };
        let marks = |layer: usize| self.reads(Source::Mark(layer as u32));
        self.layers
            .iter()
            .enumerate()
            .any(|(i, layer)| layer.function().is_some_and(|program| program.iter().any(jumps)) || marks(i))
    }
}
