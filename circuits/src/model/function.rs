//! Elementwise functions and the tables that define them.

use serde::{Deserialize, Serialize};

/// An elementwise function of a table, from an integer to a 16-bit one.
///
/// The closed forms need no commitment. The others are evaluated in IEEE double precision by a pure-Rust `libm`, which
/// gives the same bits on every machine, and rounded half up; anyone re-derives the table from this description.
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
        Self::run_on(program, argument, &mut Vec::with_capacity(8))
    }

    /// The same with a stack that is used again, for many arguments. What is on it before does not matter.
    pub fn run_on(program: &[Instruction], argument: f64, stack: &mut Vec<f64>) -> f64 {
        stack.clear();
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
    /// The same and the *rails*, `(max, f(max), v)` and `(min, f(min), -v)` for `0 <= v < 2^limb_bits`: `v` is what a
    /// clamp cut off. Wide rails take rows, narrow ones more limbs in every cell. `limb_bits` is `bits - 1` to 16.
    Saturating {
        /// Bits of a saturation limb.
        limb_bits: u8,
    },
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
        match self.domain {
            // both rails are half of the rows
            Domain::Saturating { limb_bits } => u32::from(limb_bits) + 2,
            Domain::Signed | Domain::Unsigned => self.bits.into(),
        }
    }

    /// Bits of a saturation limb. A table that has no rails yet gets the narrowest.
    pub fn limb_bits(&self) -> u32 {
        match self.domain {
            Domain::Saturating { limb_bits } => limb_bits.into(),
            Domain::Signed | Domain::Unsigned => u32::from(self.bits) - 1,
        }
    }

    /// Limbs that hold a cut-off.
    pub fn limbs(&self, cut: i64) -> u32 {
        if cut <= 0 { 0 } else { (64 - cut.leading_zeros()).div_ceil(self.limb_bits()) }
    }

    /// Whether it has rails.
    pub fn is_saturating(&self) -> bool {
        matches!(self.domain, Domain::Saturating { .. })
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
        self.apply_on(q, &mut Vec::with_capacity(8))
    }

    fn apply_on(&self, q: i32, stack: &mut Vec<f64>) -> i32 {
        match &self.function {
            Function::Identity => q,
            Function::Relu => q.max(0),
            Function::Real { program, scale_in, scale_out, least } => {
                let x = libm::ldexp(f64::from(q), -i32::from(*scale_in));
                quantise(Instruction::run_on(program, x, stack), *scale_out).max((*least).into())
            }
        }
    }

    /// `f(q)` for every `q` from the minimum.
    pub fn values(&self) -> Vec<i32> {
        self.every().collect()
    }

    fn every(&self) -> impl Iterator<Item = i32> + '_ {
        let mut stack = Vec::with_capacity(8);
        (self.min()..=self.max()).map(move |q| self.apply_on(q, &mut stack))
    }

    /// The smallest and the largest `f(q)` over all `q`.
    pub fn range(&self) -> (i32, i32) {
        match self.function {
            Function::Identity => (self.min(), self.max()),
            Function::Relu => (0, self.max()),
            Function::Real { .. } => self.every().fold((i32::MAX, i32::MIN), |(lo, hi), y| (lo.min(y), hi.max(y))),
        }
    }

    /// Row `index` as `(q, f(q), v)`.
    pub fn row(&self, index: usize) -> (i32, i32, i32) {
        let (q, v) = self.place(index);
        (q, self.apply(q), v)
    }

    /// All rows, in order.
    pub fn rows(&self) -> Vec<(i32, i32, i32)> {
        let values = self.values();
        let row = |index: usize| {
            let (q, v) = self.place(index);
            (q, values[(q - self.min()) as usize], v)
        };
        (0..1usize << self.log_rows()).map(row).collect()
    }

    /// `q` and `v` of a row. The lower half of a saturating table, and all of another, runs through `q` from the
    /// minimum, again and again where it is longer than that; the upper half holds the rails, `max` first.
    fn place(&self, index: usize) -> (i32, i32) {
        let q = self.min() + (index % (1 << self.bits)) as i32;
        match self.domain {
            Domain::Saturating { limb_bits } if index >> (limb_bits + 1) > 0 => {
                let v = (index % (1 << limb_bits)) as i32;
                if (index >> limb_bits) & 1 == 0 { (self.max(), v) } else { (self.min(), -v) }
            }
            Domain::Unsigned => (q, i32::from(q == 0)),
            Domain::Saturating { .. } | Domain::Signed => (q, 0),
        }
    }

    /// The first row that `(q, f(q), v)` would be; `None` where none could be.
    pub fn row_of(&self, q: i32, v: i32) -> Option<usize> {
        let v = i64::from(v);
        let row = match (self.domain, v) {
            (Domain::Saturating { limb_bits }, 1..) => (2 << limb_bits) + v,
            (Domain::Saturating { limb_bits }, ..=-1) => (3 << limb_bits) - v,
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
