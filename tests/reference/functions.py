"""Tables: docs/semantics.md, section 5."""

import functools
import math
import struct

INF, NAN = math.inf, math.nan


def total(function, at_overflow):
    """A function of Python's math module as IEEE 754 has it: a value where Python raises an error."""

    def value(*arguments):
        if any(math.isnan(x) for x in arguments):
            return NAN
        try:
            return function(*arguments)
        except OverflowError:
            return at_overflow(*arguments)
        except ValueError:
            return NAN

    return value


def log(x):
    return -INF if x == 0 else math.log(x)


def log1p(x):
    return -INF if x == -1 else math.log1p(x)


def atanh(x):
    return math.copysign(INF, x) if abs(x) == 1 else math.atanh(x)


def divided(a, b):
    if b != 0 or math.isnan(a):
        return a / b
    return NAN if a == 0 else math.copysign(INF, a) * math.copysign(1.0, b)


def power(a, b):
    """Unlike Python's, a power of a number is never NaN where one of the two decides the result."""
    if b == 0 or a == 1:
        return 1.0
    if math.isnan(a) or math.isnan(b):
        return NAN
    odd = b.is_integer() and math.fmod(b, 2) != 0
    if a == 0 and b < 0:
        return math.copysign(INF, a) if odd else INF
    try:
        return math.pow(a, b)
    except OverflowError:
        return -INF if a < 0 and odd else INF
    except ValueError:
        return NAN


def whole(function):
    """Rounding to a whole number, which keeps infinities and the sign of zero."""
    return lambda x: x if math.isnan(x) or math.isinf(x) else math.copysign(float(function(x)), x)


exp = total(math.exp, lambda x: INF)
floor, ceil = whole(math.floor), whole(math.ceil)
signed_infinity = lambda x: math.copysign(INF, x)

UNARY = {
    "Neg": lambda x: -x,
    "Abs": abs,
    "Exp": exp,
    "Log": total(log, signed_infinity),
    "Log1p": total(log1p, signed_infinity),
    "Sqrt": total(math.sqrt, signed_infinity),
    "Reciprocal": lambda x: divided(1.0, x),
    "Sigmoid": lambda x: divided(1.0, 1.0 + exp(-x)),
    "Erf": math.erf,
    "Sin": total(math.sin, signed_infinity),
    "Cos": total(math.cos, signed_infinity),
    "Tan": total(math.tan, signed_infinity),
    "Asin": total(math.asin, signed_infinity),
    "Acos": total(math.acos, signed_infinity),
    "Atan": math.atan,
    "Sinh": total(math.sinh, signed_infinity),
    "Cosh": total(math.cosh, lambda x: INF),
    "Tanh": math.tanh,
    "Asinh": math.asinh,
    "Acosh": total(math.acosh, signed_infinity),
    "Atanh": total(atanh, signed_infinity),
    "Floor": floor,
    "Ceil": ceil,
    "Round": whole(round),
    "Sign": lambda x: float((x > 0) - (x < 0)),
    "Not": lambda x: float(x == 0),
}

BINARY = {
    "Add": lambda a, b: a + b,
    "Sub": lambda a, b: a - b,
    "Mul": lambda a, b: a * b,
    "Div": divided,
    "Pow": power,
    "Min": lambda a, b: a if a < b else b,
    "Max": lambda a, b: a if a > b else b,
    "Mod": lambda a, b: a - b * floor(divided(a, b)),
    "Fmod": total(math.fmod, signed_infinity),
    "Less": lambda a, b: float(a < b),
    "LessEqual": lambda a, b: float(a <= b),
    "Equal": lambda a, b: float(a == b),
}


def run(program, argument):
    stack = []
    for step in program:
        if step == "Argument":
            stack.append(argument)
            continue
        ((kind, what),) = step.items()
        if kind == "Constant":
            stack.append(struct.unpack("<f", struct.pack("<I", what))[0])
        elif kind == "Unary":
            stack.append(UNARY[what](stack.pop()))
        else:
            b, a = stack.pop(), stack.pop()
            stack.append(BINARY[what](a, b))
    (value,) = stack
    return value


def scaled(x, exponent):
    """`x · 2^exponent`."""
    try:
        return math.ldexp(x, exponent)
    except OverflowError:
        return math.copysign(INF, x)


class Table:
    def __init__(self, export):
        self.bits, domain = export["bits"], export["domain"]
        self.domain, self.limb_bits = domain, None
        if not isinstance(domain, str):
            self.domain, self.limb_bits = "Saturating", domain["Saturating"]["limb_bits"]
        function = export["function"]
        self.kind, self.real = (function, None) if isinstance(function, str) else ("Real", function["Real"])
        self.min = 0 if self.domain == "Unsigned" else -(1 << (self.bits - 1))
        self.max = self.min + (1 << self.bits) - 1
        self.saturating = self.domain == "Saturating"
        self.committed = self.real is not None
        self.log_rows = self.limb_bits + 2 if self.saturating else self.bits
        self.f = functools.cache(self.value)

    def value(self, q):
        if self.kind == "Identity":
            return q
        if self.kind == "Relu":
            return max(q, 0)
        real = self.real
        exact = scaled(run(real["program"], scaled(float(q), -real["scale_in"])), real["scale_out"])
        shifted = exact + 0.5
        if math.isnan(shifted):
            return max(0, real["least"])
        rounded = math.floor(max(min(shifted, 2.0**20), -(2.0**20)))
        return max(min(max(rounded, -(1 << 15)), (1 << 15) - 1), real["least"])

    def values(self):
        return [self.f(q) for q in range(self.min, self.max + 1)]

    def rows(self):
        """All rows `(q, f(q), v)`, in the order of docs/protocol.md, section 3."""
        values = self.values()
        mark = lambda at: int(self.domain == "Unsigned" and at == 0)
        rows = [(self.min + at, y, mark(at)) for at, y in enumerate(values)]
        if self.saturating:
            rail = 1 << self.limb_bits
            rows *= 2 * rail >> self.bits
            rows += [(self.max, values[-1], v) for v in range(rail)]
            rows += [(self.min, values[0], -v) for v in range(rail)]
        return rows

    @functools.cached_property
    def range(self):
        """The smallest and the largest `f(q)`."""
        values = self.values()
        return min(values), max(values)

    def flat(self, rail):
        """Whether `f` has the same value at a rail, which is 1 or -1, as next to it."""
        end = self.max if rail > 0 else self.min
        return self.f(end) == self.f(end - rail)
