//! The network between ONNX and the quantised model: the same layers on the same padded blocks, in floats.
//!
//! Import builds it, calibration runs it to see the range of every layer, quantisation turns it into integers. Running it must
//! give what tract gives on the ONNX file: that check is made on every compilation.

mod run;

pub use run::{Ranges, Run};

use assay_circuits::model::{AxisMap, Dims, Source, Window};

/// An elementwise function in real numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Activation {
    /// `max(x, 0)`.
    Relu,
    /// `x` or `alpha·x`.
    LeakyRelu(f32),
    /// `1 / (1 + exp(-x))`.
    Sigmoid,
    /// Hyperbolic tangent.
    Tanh,
}

impl Activation {
    /// The function.
    pub fn apply(self, x: f32) -> f32 {
        match self {
            Activation::Relu => x.max(0.0),
            Activation::LeakyRelu(alpha) => {
                if x < 0.0 {
                    alpha * x
                } else {
                    x
                }
            }
            Activation::Sigmoid => 1.0 / (1.0 + (-x).exp()),
            Activation::Tanh => x.tanh(),
        }
    }
}

/// How a layer's scale is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scaling {
    /// From its range over the calibration samples.
    Own,
    /// The scale of this column, with shift 0: its values are sums of that column's. Pooling and gathers.
    Same(Source),
}

/// A sparse real matrix from one axis to another: `(to, from, coefficient)`, sorted, without repeats or zeros.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct RealAxis(Vec<(u32, u32, f64)>);

impl RealAxis {
    /// Sums repeats, drops what cancels.
    pub fn new(mut entries: Vec<(u32, u32, f64)>) -> Self {
        entries.sort_by_key(|e| (e.0, e.1));
        entries.dedup_by(|b, a| {
            let same = (a.0, a.1) == (b.0, b.1);
            if same {
                a.2 += b.2;
            }
            same
        });
        entries.retain(|e| e.2 != 0.0);
        Self(entries)
    }

    /// The identity on `length` positions.
    pub fn identity(length: u32) -> Self {
        Self((0..length).map(|i| (i, i, 1.0)).collect())
    }

    /// The entries.
    pub fn entries(&self) -> &[(u32, u32, f64)] {
        &self.0
    }

    /// Whether every coefficient is an integer.
    pub fn is_integral(&self) -> bool {
        self.0.iter().all(|e| e.2.fract() == 0.0)
    }

    /// This map, then `next`.
    pub fn then(&self, next: &RealAxis) -> Self {
        // Entries are sorted by `to`: those of one `mid` are a run.
        let run = |mid: u32| {
            let start = self.0.partition_point(|e| e.0 < mid);
            self.0.iter().skip(start).take_while(move |e| e.0 == mid)
        };
        Self::new(next.0.iter().flat_map(|&(to, mid, b)| run(mid).map(move |&(_, from, a)| (to, from, a * b))).collect())
    }

    /// The sum of two maps, the other one times `factor`.
    pub fn plus(&self, other: &RealAxis, factor: f64) -> Self {
        Self::new(self.0.iter().copied().chain(other.0.iter().map(|&(to, from, c)| (to, from, c * factor))).collect())
    }

    /// Integer coefficients `round(c · 2^bits)`; what rounds to zero is left out.
    pub fn quantise(&self, bits: i32) -> AxisMap {
        let entries = self.0.iter().map(|&(to, from, c)| (to, from, (c * f64::from(bits).exp2()).round() as i32));
        AxisMap { entries: entries.filter(|e| e.2 != 0).collect() }
    }
}

/// One summand of a layer, as [`assay_circuits::model::Term`] but with real weights in the same padded block.
#[derive(Clone, Debug, PartialEq)]
pub enum NetTerm {
    /// Every cell of the source to every channel.
    Dense {
        /// What is read.
        source: Source,
        /// `o << m | cell`.
        weight: Vec<f32>,
    },
    /// Cross-correlation.
    Conv {
        /// What is read.
        source: Source,
        /// `((co << lci | ci) << lkh | kh) << lkw | kw`.
        weight: Vec<f32>,
        /// Geometry.
        window: Window,
    },
    /// A separable map.
    Stencil {
        /// What is read.
        source: Source,
        /// Vertical.
        rows: RealAxis,
        /// Horizontal.
        cols: RealAxis,
    },
    /// Cell by cell, coefficient 1.
    Gather {
        /// What is read.
        source: Source,
        /// `(to, from)`.
        pairs: Vec<(u32, u32)>,
    },
}

impl NetTerm {
    /// The column that is read.
    pub fn source(&self) -> Source {
        match self {
            NetTerm::Dense { source, .. }
            | NetTerm::Conv { source, .. }
            | NetTerm::Stencil { source, .. }
            | NetTerm::Gather { source, .. } => *source,
        }
    }

    /// The secret weights, if the term has any.
    pub fn weight(&self) -> Option<&[f32]> {
        match self {
            NetTerm::Dense { weight, .. } | NetTerm::Conv { weight, .. } => Some(weight),
            NetTerm::Stencil { .. } | NetTerm::Gather { .. } => None,
        }
    }

    /// As [`NetTerm::weight`], to change them.
    pub fn weight_mut(&mut self) -> Option<&mut [f32]> {
        match self {
            NetTerm::Dense { weight, .. } | NetTerm::Conv { weight, .. } => Some(weight),
            NetTerm::Stencil { .. } | NetTerm::Gather { .. } => None,
        }
    }
}

/// A layer: `q = Σ terms + bias`, `y = activation(q)`.
#[derive(Clone, Debug, PartialEq)]
pub struct NetLayer {
    /// Name of the ONNX node it comes from.
    pub name: String,
    /// Dimensions.
    pub dims: Dims,
    /// Summands.
    pub terms: Vec<NetTerm>,
    /// One value per channel.
    pub bias: Option<Vec<f32>>,
    /// The function, `None` for the identity.
    pub activation: Option<Activation>,
    /// How its scale is found.
    pub scaling: Scaling,
    /// Whether a second reader wants `q` as it is, so that nothing more may be folded into the layer.
    pub shared: bool,
}

/// Where the elements of the network's input or output live.
#[derive(Clone, Debug, PartialEq)]
pub struct Port {
    /// The column.
    pub source: Source,
    /// Its dimensions.
    pub dims: Dims,
    /// The user's shape, without the batch dimension.
    pub shape: Vec<u32>,
    /// The cell of each element.
    pub cells: Vec<u32>,
}

/// A network in real numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Net {
    /// The input.
    pub input: Port,
    /// Layers in order of evaluation.
    pub layers: Vec<NetLayer>,
    /// The output.
    pub output: Port,
    /// Parameters of the ONNX model: elements of weights and biases as they stand in the file.
    pub parameters: u64,
    /// Multiplications of secret weights in one inference, zero weights of written-out groups not counted.
    pub macs: u64,
}

impl Net {
    /// Dimensions of a column.
    pub fn dims(&self, source: Source) -> Dims {
        match source {
            Source::Input => self.input.dims,
            Source::Pre(l) | Source::Post(l) => self.layers.get(l as usize).map_or(Dims::vector(1), |l| l.dims),
        }
    }

    /// Whether some layer, or the output, reads a column.
    pub fn reads(&self, source: Source) -> bool {
        self.output.source == source || self.layers.iter().flat_map(|l| &l.terms).any(|t| t.source() == source)
    }
}
