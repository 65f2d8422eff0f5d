//! Elementwise functions and the tables that define them.

use serde::{Deserialize, Serialize};

/// An elementwise function of a table, from an integer to a 16-bit one.
///
/// The closed forms need no commitment. The others are evaluated in IEEE double precision by a pure-Rust `libm`, which gives the
/// same bits on every machine, and rounded half up; anyone re-derives the table from this description.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Function {
    /// `y = q`.
    Identity,
    /// `y = max(q, 0)`.
    Relu,
    /// `y = clamp(round_half_up(2^scale_out · f(q · 2^-scale_in)))`, clamped to 16 bits; 0 where `f` is not a number.
    Real {
        /// `f`, in reverse Polish notation: what is on the stack's top at the end. [`Instruction`] lists what there is.
        program: Vec<Instruction>,
        /// Scale of `q`.
        scale_in: i8,
        /// Scale of `y`.
        scale_out: i8,
        /// The smallest `y`: what is less becomes this. At least 1 for divisors, which are then never 0.
        least: i16,
    },
}

/// A step of a function's program, on a stack of double-precision numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Instruction {
    /// Pushes the argument.
    Argument,
    /// Pushes the 32-bit float with these bits.
    Constant(u32),
    /// Replaces the top by a function of it.
    Unary(Unary),
    /// Replaces the two on top, `a` below `b`, by a function of them.
    Binary(Binary),
}

macro_rules! functions {
    ($(#[$meta:meta])* $name:ident($($argument:ident),+) { $($variant:ident, $word:literal, $doc:literal => $body:expr;)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum $name { $(#[doc = $doc] $variant,)* }

        impl $name {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// Its name.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }

            /// Its value.
            pub fn apply(self, $($argument: f64),+) -> f64 {
                match self { $(Self::$variant => $body,)* }
            }
        }
    };
}

functions! {
    /// Functions of one number, by musl's libm.
    Unary(x) {
        Neg, "neg", "`-x`." => -x;
        Abs, "abs", "`|x|`." => libm::fabs(x);
        Exp, "exp", "`e^x`." => libm::exp(x);
        Log, "log", "The natural logarithm." => libm::log(x);
        Log1p, "log1p", "`log(1 + x)`." => libm::log1p(x);
        Sqrt, "sqrt", "The square root." => libm::sqrt(x);
        Reciprocal, "reciprocal", "`1 / x`." => 1.0 / x;
        Sigmoid, "sigmoid", "`1 / (1 + exp(-x))`." => 1.0 / (1.0 + libm::exp(-x));
        Erf, "erf", "The error function." => libm::erf(x);
        Sin, "sin", "Sine." => libm::sin(x);
        Cos, "cos", "Cosine." => libm::cos(x);
        Tan, "tan", "Tangent." => libm::tan(x);
        Asin, "asin", "Arc sine." => libm::asin(x);
        Acos, "acos", "Arc cosine." => libm::acos(x);
        Atan, "atan", "Arc tangent." => libm::atan(x);
        Sinh, "sinh", "Hyperbolic sine." => libm::sinh(x);
        Cosh, "cosh", "Hyperbolic cosine." => libm::cosh(x);
        Tanh, "tanh", "Hyperbolic tangent." => libm::tanh(x);
        Asinh, "asinh", "Inverse of sinh." => libm::asinh(x);
        Acosh, "acosh", "Inverse of cosh." => libm::acosh(x);
        Atanh, "atanh", "Inverse of tanh." => libm::atanh(x);
        Floor, "floor", "Rounded down." => libm::floor(x);
        Ceil, "ceil", "Rounded up." => libm::ceil(x);
        Round, "round", "Rounded to nearest, halves to even." => libm::rint(x);
        Sign, "sign", "-1, 0 or 1." => if x > 0.0 { 1.0 } else if x < 0.0 { -1.0 } else { 0.0 };
        Not, "not", "1 where x is 0, else 0." => f64::from(u8::from(x == 0.0));
    }
}

functions! {
    /// Functions of two numbers.
    Binary(a, b) {
        Add, "add", "`a + b`." => a + b;
        Sub, "sub", "`a - b`." => a - b;
        Mul, "mul", "`a · b`." => a * b;
        Div, "div", "`a / b`." => a / b;
        Pow, "pow", "`a^b`." => libm::pow(a, b);
        Min, "min", "The smaller." => if a < b { a } else { b };
        Max, "max", "The larger." => if a > b { a } else { b };
        Mod, "mod", "The remainder of `a / b`, with the sign of `b`." => a - b * libm::floor(a / b);
        Fmod, "fmod", "The remainder of `a / b`, with the sign of `a`." => libm::fmod(a, b);
        Less, "less", "1 where `a < b`, else 0." => f64::from(u8::from(a < b));
        LessEqual, "less_equal", "1 where `a <= b`, else 0." => f64::from(u8::from(a <= b));
        Equal, "equal", "1 where `a = b`, else 0." => f64::from(u8::from(a == b));
    }
}

impl Instruction {
    /// The constant.
    pub fn constant(value: f32) -> Self {
        Self::Constant(value.to_bits())
    }

    /// Runs a program. NaN where it ends with anything but one number on the stack.
    pub fn run(program: &[Instruction], argument: f64) -> f64 {
        let mut stack: Vec<f64> = Vec::with_capacity(8);
        for instruction in program {
            let value = match instruction {
                Self::Argument => Some(argument),
                Self::Constant(bits) => Some(f64::from(f32::from_bits(*bits))),
                Self::Unary(f) => stack.pop().map(|x| f.apply(x)),
                Self::Binary(f) => stack.pop().and_then(|b| Some(f.apply(stack.pop()?, b))),
            };
            let Some(value) = value else { return f64::NAN };
            stack.push(value);
        }
        if let [value] = stack[..] { value } else { f64::NAN }
    }
}

/// What a table's rows are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Domain {
    /// `(q, f(q), 0)` for every `bits`-bit signed `q`.
    Signed,
    /// The same and the *rails*, `(max, f(max), v)` and `(min, f(min), -v)` for `0 <= v < 2^(bits-1)`: `v` is what a clamp cut off.
    Saturating,
    /// `(d, f(d), [d = 0])` for `0 <= d < 2^bits`.
    Unsigned,
}

/// A table of an elementwise function.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Table {
    /// Width of `q`, 4 to 16.
    pub bits: u8,
    /// What its rows are.
    pub domain: Domain,
    /// The function.
    pub function: Function,
}

impl Table {
    /// The smallest `q`.
    pub fn min(&self) -> i32 {
        if self.domain == Domain::Unsigned { 0 } else { -(1 << (self.bits - 1)) }
    }

    /// The largest `q`.
    pub fn max(&self) -> i32 {
        self.min() + ((1 << self.bits) - 1)
    }

    /// Log of the number of rows.
    pub fn log_rows(&self) -> u32 {
        u32::from(self.bits) + u32::from(self.domain == Domain::Saturating)
    }

    /// Bits of a saturation limb.
    pub fn limb_bits(&self) -> u32 {
        u32::from(self.bits) - 1
    }

    /// Whether `f` is the identity, so that `y` is `q` and no column of its own.
    pub fn is_identity(&self) -> bool {
        self.function == Function::Identity
    }

    /// Whether `f(q)` has no closed form that the verifier evaluates, so that its column is committed.
    pub fn is_committed(&self) -> bool {
        matches!(self.function, Function::Real { .. })
    }

    /// `f(q)`.
    pub fn apply(&self, q: i32) -> i32 {
        match &self.function {
            Function::Identity => q,
            Function::Relu => q.max(0),
            Function::Real { program, scale_in, scale_out, least } => {
                let x = libm::ldexp(f64::from(q), -i32::from(*scale_in));
                quantise(Instruction::run(program, x), *scale_out).max((*least).into())
            }
        }
    }

    /// `f(q)` for every `q` from the minimum.
    pub fn values(&self) -> Vec<i32> {
        (self.min()..=self.max()).map(|q| self.apply(q)).collect()
    }

    /// The smallest and the largest `f(q)` over all `q`.
    pub fn range(&self) -> (i32, i32) {
        match self.function {
            Function::Identity => (self.min(), self.max()),
            Function::Relu => (0, self.max()),
            Function::Real { .. } => {
                (self.min()..=self.max()).map(|q| self.apply(q)).fold((i32::MAX, i32::MIN), |(lo, hi), y| (lo.min(y), hi.max(y)))
            }
        }
    }

    /// Row `index` as `(q, f(q), v)`. Rows `0..2^bits` run through `q` from the minimum; then come the rails, `max` first.
    pub fn row(&self, index: usize) -> (i32, i32, i32) {
        let width = 1usize << self.bits;
        if index < width {
            let q = self.min() + index as i32;
            return (q, self.apply(q), i32::from(self.domain == Domain::Unsigned && q == 0));
        }
        let rail = width >> 1;
        let v = ((index - width) % rail) as i32;
        if index - width < rail { (self.max(), self.apply(self.max()), v) } else { (self.min(), self.apply(self.min()), -v) }
    }

    /// All rows, in order.
    pub fn rows(&self) -> Vec<(i32, i32, i32)> {
        let values = self.values();
        let row = |index: usize| {
            let width = values.len();
            let (at, v) = if index < width {
                (index, i32::from(self.domain == Domain::Unsigned && index == 0))
            } else {
                let (rail, v) = ((index - width) / (width / 2), ((index - width) % (width / 2)) as i32);
                if rail == 0 { (width - 1, v) } else { (0, -v) }
            };
            (self.min() + at as i32, values[at], v)
        };
        (0..1usize << self.log_rows()).map(row).collect()
    }

    /// The row that `(q, f(q), v)` would be; `None` where none could be. The inverse of [`Table::row`] on what it holds.
    pub fn row_of(&self, q: i32, v: i32) -> Option<usize> {
        let (width, rail) = (1i64 << self.bits, 1i64 << (self.bits - 1));
        let v = i64::from(v);
        let row = match (self.domain, v) {
            (Domain::Saturating, 1..) => width + v,
            (Domain::Saturating, ..=-1) => width + rail - v,
            _ => i64::from(q) - i64::from(self.min()),
        };
        usize::try_from(row).ok().filter(|row| *row < 1 << self.log_rows())
    }
}

/// `round_half_up(real · 2^scale)` clamped to 16 bits; 0 for what is no number.
fn quantise(real: f64, scale: i8) -> i32 {
    let rounded = libm::floor(libm::ldexp(real, i32::from(scale)) + 0.5);
    if rounded.is_nan() { 0 } else { rounded.clamp(f64::from(i16::MIN), f64::from(i16::MAX)) as i32 }
}
