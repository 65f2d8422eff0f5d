"""The bytes of an architecture, which its digest is of: docs/protocol.md, section 8."""

RULES = ["Exact", "Requantise", "Divide", "Quotient", "SquareRoot", "Maximum", "Rows"]
SOURCES = ["Input", "Pre", "Post", "Max", "Mark", "Weight", "Bias"]
INDICES = ["Axis", "Map", "Window"]
DOMAINS = ["Signed", "Saturating", "Unsigned"]
FUNCTIONS = ["Identity", "Relu", "Real"]
STEPS = ["Argument", "Constant", "Unary", "Binary"]
UNARY = (
    "Neg Abs Exp Log Log1p Sqrt Reciprocal Sigmoid Erf Sin Cos Tan Asin Acos Atan Sinh Cosh Tanh Asinh Acosh Atanh "
    "Floor Ceil Round Sign Not"
).split()
BINARY = "Add Sub Mul Div Pow Min Max Mod Fmod Less LessEqual Equal".split()


def varint(n):
    out = bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    return bytes(out) + bytes([n])


def zigzag(n):
    return varint(2 * n if n >= 0 else -2 * n - 1)


def byte(n):
    return bytes([n])


def signed_byte(n):
    return bytes([n & 255])


def many(items, encode):
    return varint(len(items)) + b"".join(encode(item) for item in items)


def maybe(item, encode):
    return b"\0" if item is None else b"\1" + encode(item)


def text(string):
    data = string.encode()
    return varint(len(data)) + data


def fields(**encoders):
    """A structure: its fields one after the other."""
    return lambda value: b"".join(encode(value[name]) for name, encode in encoders.items())


def choice(names, **encoders):
    """One of several kinds: its number, then what belongs to it."""

    def encode(value):
        kind, what = (value, None) if isinstance(value, str) else next(iter(value.items()))
        return varint(names.index(kind)) + (b"" if what is None else encoders[kind](what))

    return encode


def bytes_of(numbers):
    return many(numbers, byte)


def weight_block(block):
    """Its log, or with 64 more its log and its cuts."""
    return byte(block) if isinstance(block, int) else byte(block[0]) + many(block[1], cut)


def numbers_of(numbers):
    return many(numbers, varint)


cut = fields(bit=byte, bits=byte, len=varint)
source = choice(SOURCES, **{name: varint for name in SOURCES[1:]})
entry = fields(to=varint, **{"from": varint}, coefficient=zigzag)
window = fields(outputs=varint, kernel=varint, inputs=varint, stride=varint, dilation=varint, padding=varint)
index = choice(
    INDICES,
    Axis=byte,
    Map=fields(axis=lambda a: maybe(a, byte), entries=lambda e: many(e, entry)),
    Window=fields(out=byte, kernel=byte, window=window),
)
run = fields(log_len=byte, index=index)
operand = fields(source=source, runs=lambda runs: many(runs, run))
term = fields(coefficient=zigzag, axes=bytes_of, summed=byte, left=operand, right=lambda o: maybe(o, operand))
divisor = fields(axes=bytes_of, operand=operand)
rule = choice(
    RULES,
    Requantise=fields(shift=byte, limbs=byte, table=varint),
    Divide=fields(by=divisor, limb_bits=byte, parts=byte, limbs=byte, table=varint),
    Quotient=fields(by=divisor, limb_bits=byte, parts=byte),
    SquareRoot=fields(limb_bits=byte, parts=byte),
    Maximum=fields(low=byte, bits=byte, len=varint, table=varint),
    Rows=fields(matrix=varint, bits=byte, index=source, index_bits=byte),
)
layer = fields(log_size=byte, terms=lambda t: many(t, term), constant=zigzag, rule=rule)
step = choice(STEPS, Constant=varint, Unary=choice(UNARY), Binary=choice(BINARY))
real = fields(program=lambda p: many(p, step), scale_in=signed_byte, scale_out=signed_byte, least=zigzag)
domain = choice(DOMAINS, Saturating=fields(limb_bits=byte))
table = fields(bits=byte, domain=domain, function=choice(FUNCTIONS, Real=real))
loop = fields(first=varint, layers=varint, log_steps=byte)
port = fields(
    name=text, scale=signed_byte, range=lambda r: zigzag(r[0]) + zigzag(r[1]), shape=numbers_of, cells=numbers_of
)
inputs = fields(log_size=byte, bits=byte, ports=lambda p: many(p, port))
output = fields(name=text, source=source, scale=signed_byte, shape=numbers_of, cells=numbers_of)
postcard_architecture = fields(
    input=inputs,
    weight_bits=byte,
    matrices=lambda m: many(m, weight_block),
    biases=lambda b: many(b, fields(log_size=byte, bits=byte)),
    tables=lambda t: many(t, table),
    layers=lambda l: many(l, layer),
    loops=lambda l: many(l, loop),
    outputs=lambda o: many(o, output),
)
