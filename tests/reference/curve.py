"""BN254: points of its first group, and whether pairings have the product 1."""

import functools

R = 21888242871839275222246405745257275088548364400416034343698204186575808495617
P = 21888242871839275222246405745257275088696311157297823662689037894645226208583
X = 4965661367192848881
GENERATOR = (1, 2)


def on_curve(point):
    x, y = point
    return (y * y - x * x * x - 3) % P == 0


def negated(point):
    return point and (point[0], -point[1] % P)


def double(point):
    """In Jacobian coordinates, `None` for infinity."""
    x, y, z = point
    a, b = x * x % P, y * y % P
    c = b * b % P
    d = 2 * ((x + b) * (x + b) - a - c) % P
    e = 3 * a % P
    x3 = (e * e - 2 * d) % P
    return x3, (e * (d - x3) - 8 * c) % P, 2 * y * z % P


def add(left, right):
    if left is None or right is None:
        return left or right
    (x1, y1, z1), (x2, y2, z2) = left, right
    s1, s2 = z1 * z1 % P, z2 * z2 % P
    u1, u2 = x1 * s2 % P, x2 * s1 % P
    v1, v2 = y1 * s2 * z2 % P, y2 * s1 * z1 % P
    h, r = (u2 - u1) % P, (v2 - v1) % P
    if h == 0:
        return double(left) if r == 0 else None
    h2 = h * h % P
    h3, v = h * h2 % P, u1 * h2 % P
    x3 = (r * r - h3 - 2 * v) % P
    return x3, (r * (v - x3) - v1 * h3) % P, h * z1 * z2 % P


def multiple(scalar, point):
    total = None
    for bit in f"{scalar:b}" if scalar else "":
        total = total and double(total)
        if bit == "1":
            total = add(total, (*point, 1))
    return total


def combination(terms):
    """`Σ scalar · point`, of affine points, as an affine point; `None` is infinity."""
    total = None
    for scalar, point in terms:
        scalar %= R
        if point is None:
            continue
        if scalar > R // 2:
            scalar, point = R - scalar, negated(point)
        total = add(total, multiple(scalar, point))
    if total is None:
        return None
    x, y, z = total
    inverse = pow(z, -1, P)
    return x * inverse**2 % P, y * inverse**3 % P


class Fp2:
    """`a + bu`, `u² = -1`."""

    def __init__(self, a, b=0):
        self.a, self.b = a % P, b % P

    def __add__(self, other):
        return Fp2(self.a + other.a, self.b + other.b)

    def __sub__(self, other):
        return Fp2(self.a - other.a, self.b - other.b)

    def __mul__(self, other):
        return Fp2(self.a * other.a - self.b * other.b, self.a * other.b + self.b * other.a)

    def times(self, factor):
        return Fp2(self.a * factor, self.b * factor)

    def is_zero(self):
        return self.a == self.b == 0

    def inverse(self):
        norm = pow(self.a * self.a + self.b * self.b, -1, P)
        return Fp2(self.a * norm, -self.b * norm)


# The field of the target group is `F_p[w]` modulo `w^12 - 18 w^6 + 82`; there `u = w^6 - 9`. Elements are packed into
# one number, coefficients in slots that are wide enough for sums of products.
SLOT = 80
ONE = [1] + [0] * 11


def multiplied(a, b):
    pack = lambda c: int.from_bytes(b"".join(x.to_bytes(SLOT, "little") for x in c), "little")
    data = (pack(a) * pack(b)).to_bytes(24 * SLOT, "little")
    c = [int.from_bytes(data[i * SLOT : (i + 1) * SLOT], "little") for i in range(23)]
    for i in range(22, 11, -1):
        c[i - 6] += 18 * c[i]
        c[i - 12] -= 82 * c[i]
    return [x % P for x in c[:12]]


def raised(base, exponent):
    value = ONE
    for bit in f"{exponent:b}":
        value = multiplied(value, value)
        if bit == "1":
            value = multiplied(value, base)
    return value


def line(slope, at, point):
    """The line through a point of the twist, moved to the curve, at a point of the first group."""
    value = [0] * 12
    for power, c in ((0, Fp2(point[1])), (1, slope.times(-point[0])), (3, slope * at[0] - at[1])):
        value[power] += c.a - 9 * c.b
        value[power + 6] += c.b
    return [x % P for x in value]


def next_point(at, other, slope):
    x = slope * slope - at[0] - other[0]
    return x, slope * (at[0] - x) - at[1]


def miller(point, twisted):
    """The ate pairing's function of `t - 1 = 6x²`, before the last power."""
    value, at = ONE, twisted
    for bit in f"{6 * X * X:b}"[1:]:
        slope = tangent(at)
        value = multiplied(multiplied(value, value), line(slope, at, point))
        at = next_point(at, at, slope)
        if bit == "1":
            slope = chord(at, twisted)
            value = multiplied(value, line(slope, at, point))
            at = next_point(at, twisted, slope)
    return value


def equal_pairings(pairs):
    """Whether the product of the pairings of these points, of the first and the second group, is 1."""
    product = ONE
    for point, twisted in pairs:
        if point is not None:
            product = multiplied(product, miller(point, twisted))
    return last_power_is_one(product)


def last_power_is_one(f):
    """Whether `f^((p^12 - 1) / r)` is 1. The exponent is `(p^6 - 1)(p^2 + 1)(p^4 - p^2 + 1) / r`.

    `x -> x^(p^2)` and `x -> x^(p^6)` are automorphisms that keep `F_p` and take `w` to `w · unit` and to `-w`. So the
    second factor is a product, and the first is 1 where the other automorphism changes nothing: where odd powers of `w`
    have no share.
    """
    unit = frobenius_unit()
    f = multiplied(f, [c * pow(unit, i, P) % P for i, c in enumerate(f)])
    f = raised(f, (P**4 - P**2 + 1) // R)
    return not any(f[1::2])


@functools.cache
def frobenius_unit():
    """`w^(p^2 - 1)`, which is `(9 + u)^((p^2 - 1) / 6)`, a sixth root of 1."""
    value = Fp2(1)
    for bit in f"{(P**2 - 1) // 6:b}":
        value = value * value
        if bit == "1":
            value = value * Fp2(9, 1)
    assert value.b == 0
    return value.a


def tangent(at):
    return (at[0] * at[0]).times(3) * at[1].times(2).inverse()


def chord(at, other):
    return (other[1] - at[1]) * (other[0] - at[0]).inverse()


def in_second_group(point):
    """Whether a point is on the twist `y² = x³ + 3/(9 + u)`, and `r - 1` times it is its negative."""
    x, y = point
    if not (y * y - x * x * x - Fp2(9, 1).inverse().times(3)).is_zero():
        return False
    at = point
    for bit in f"{R - 1:b}"[1:]:
        at = next_point(at, at, tangent(at))
        if bit == "1":
            if (at[0] - x).is_zero():
                return False
            at = next_point(at, point, chord(at, point))
    return (at[0] - x).is_zero() and (at[1] + y).is_zero()


SECOND_GENERATOR = (
    Fp2(
        10857046999023057135944570762232829481370756359578518086990519993285655852781,
        11559732032986387107991004021392285783925812861821192530917403151452391805634,
    ),
    Fp2(
        8495653923123431417604973247489272438418190587263600148770280649306958101930,
        4082367875863433681332203403145435568316851327593401208105741076214120093531,
    ),
)
