//! Elementwise functions and the tables that define them.

use serde::{Deserialize, Serialize};

/// An elementwise function of a table, from a `bits`-bit signed integer to a 16-bit one.
///
/// The closed forms need no commitment. The others are evaluated in IEEE double precision by a pure-Rust `libm`, which gives the
/// same bits on every machine, and rounded half up; anyone re-derives the table from this description.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Function {
    /// `y = q`.
    Identity,
    /// `y = max(q, 0)`.
    Relu,
    /// `y = q` for `q >= 0`, else `floor((q · slope + 2^15) / 2^16)`: `slope / 2^16` is ONNX's alpha.
    LeakyRelu {
        /// Alpha in units of 2^-16, in `[-2^16, 2^16]`.
        slope: i32,
    },
    /// `y = clamp(round_half_up(2^scale_out · sigmoid(q · 2^-scale_in)))`.
    Sigmoid {
        /// Scale of `q`.
        scale_in: i8,
        /// Scale of `y`.
        scale_out: i8,
    },
    /// `y = clamp(round_half_up(2^scale_out · tanh(q · 2^-scale_in)))`.
    Tanh {
        /// Scale of `q`.
        scale_in: i8,
        /// Scale of `y`.
        scale_out: i8,
    },
}

/// An activation table: rows `(q, f(q), 0)` for every `bits`-bit signed `q`, and, where it serves saturating layers, the rails
/// `(max, f(max), v)` and `(min, f(min), -v)` for `0 <= v < 2^(bits-1)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Table {
    /// Width of `q`, 4 to 16.
    pub bits: u8,
    /// Whether the rail rows are there: `2^(bits+1)` rows instead of `2^bits`.
    pub saturating: bool,
    /// The function.
    pub function: Function,
}

impl Table {
    /// The smallest `q`.
    pub fn min(&self) -> i32 {
        -(1 << (self.bits - 1))
    }

    /// The largest `q`.
    pub fn max(&self) -> i32 {
        (1 << (self.bits - 1)) - 1
    }

    /// Log of the number of rows.
    pub fn log_rows(&self) -> u32 {
        u32::from(self.bits) + u32::from(self.saturating)
    }

    /// Bits of a saturation limb.
    pub fn limb_bits(&self) -> u32 {
        u32::from(self.bits) - 1
    }

    /// Whether `f(q)` has no closed form that the verifier evaluates, so that its column is committed.
    pub fn is_committed(&self) -> bool {
        !matches!(self.function, Function::Identity | Function::Relu)
    }

    /// `f(q)`.
    pub fn apply(&self, q: i32) -> i32 {
        match self.function {
            Function::Identity => q,
            Function::Relu => q.max(0),
            Function::LeakyRelu { slope } if q < 0 => ((i64::from(q) * i64::from(slope) + (1 << 15)) >> 16) as i32,
            Function::LeakyRelu { .. } => q,
            Function::Sigmoid { scale_in, scale_out } => {
                let x = libm::ldexp(f64::from(q), -i32::from(scale_in));
                quantise(1.0 / (1.0 + libm::exp(-x)), scale_out)
            }
            Function::Tanh { scale_in, scale_out } => {
                let x = libm::ldexp(f64::from(q), -i32::from(scale_in));
                quantise(libm::tanh(x), scale_out)
            }
        }
    }

    /// The smallest and the largest `f(q)` over all `q`.
    pub fn range(&self) -> (i32, i32) {
        match self.function {
            Function::Identity => (self.min(), self.max()),
            Function::Relu => (0, self.max()),
            _ => (self.min()..=self.max()).map(|q| self.apply(q)).fold((i32::MAX, i32::MIN), |(lo, hi), y| (lo.min(y), hi.max(y))),
        }
    }

    /// Row `index` as `(q, f(q), v)`. Rows `0..2^bits` run through `q` from the minimum; then come the rails, `max` first.
    pub fn row(&self, index: usize) -> (i32, i32, i32) {
        let width = 1usize << self.bits;
        if index < width {
            let q = self.min() + index as i32;
            return (q, self.apply(q), 0);
        }
        let rail = width >> 1;
        let v = ((index - width) % rail) as i32;
        if index - width < rail { (self.max(), self.apply(self.max()), v) } else { (self.min(), self.apply(self.min()), -v) }
    }

    /// The row of `(q, f(q), v)`: the inverse of [`Table::row`] on what it holds. `v` must be 0 or have the sign of the rail `q`.
    pub fn row_of(&self, q: i32, v: i32) -> usize {
        let (width, rail) = (1usize << self.bits, 1usize << (self.bits - 1));
        match v {
            0 => (q - self.min()) as usize,
            1.. => width + v as usize,
            _ => width + rail + v.unsigned_abs() as usize,
        }
    }
}

/// `round_half_up(real · 2^scale)` clamped to 16 bits.
fn quantise(real: f64, scale: i8) -> i32 {
    libm::floor(libm::ldexp(real, i32::from(scale)) + 0.5).clamp(f64::from(i16::MIN), f64::from(i16::MAX)) as i32
}
