"""Numbers and points as bytes, and what a verifier refuses."""

from curve import GENERATOR, P, R, Fp2, combination, in_second_group, on_curve
from hashes import keccak256


class Refused(Exception):
    pass


def require(condition, what):
    if not condition:
        raise Refused(what)


def word(value):
    return value.to_bytes(32, "big")


def point_bytes(point):
    return bytes(64) if point is None else word(point[0]) + word(point[1])


def hash_of(*parts):
    return keccak256(b"".join(parts))


def scalar_of(data):
    return int.from_bytes(data, "big") % R


class Reader:
    """Words of a proof, each canonical; points are on the curve."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def word(self, below):
        require(self.at + 32 <= len(self.data), "length")
        value = int.from_bytes(self.data[self.at : self.at + 32], "big")
        self.at += 32
        require(value < below, "a number that is not canonical")
        return value

    def scalar(self):
        return self.word(R)

    def scalars(self, count):
        return [self.scalar() for _ in range(count)]

    def point(self):
        point = self.word(P), self.word(P)
        if point == (0, 0):
            return None
        require(on_curve(point), "a point off the curve")
        return point

    def points(self, count):
        return [self.point() for _ in range(count)]

    def twisted(self):
        """A point of the second group."""
        data = self.data[self.at : self.at + 128]
        for _ in range(4):
            self.word(P)
        point = twisted_point(data)
        require(in_second_group(point), "a point outside the second group")
        return point


def twisted_point(data):
    """A point of the second group: x.c1, x.c0, y.c1, y.c0."""
    a, b, c, d = (int.from_bytes(data[i : i + 32], "big") for i in range(0, 128, 32))
    return Fp2(b, a), Fp2(d, c)


def divided(a, b):
    require(b % R, "a division by zero")
    return a * pow(b, -1, R) % R


def interpolated(points, x):
    """The polynomial through these points, at `x` (Lagrange)."""
    total = 0
    for i, (at, value) in enumerate(points):
        above = below = 1
        for j, (other, _) in enumerate(points):
            if i != j:
                above, below = above * (x - other) % R, below * (at - other) % R
        total += value * divided(above, below)
    return total % R


def round_value(message, at_one, x):
    """`g(x)`: of degree 4, from `g(0), g(-1), g(2)` and the leading coefficient; of degree 2 from `g(0)` and that."""
    *values, leading = message
    places = [0, -1, 2][: len(values)]
    points = list(zip(places + [1], values + [at_one]))
    # without its leading term the polynomial has one degree less than there are points
    lower = [(at, value - leading * at ** len(points)) for at, value in points]
    return (interpolated(lower, x) + leading * pow(x, len(points), R)) % R


def refused(verify, *arguments):
    """Why a verifier refuses, or nothing."""
    try:
        verify(*arguments)
    except Refused as reason:
        return str(reason)
    return None


def other_word(data, at, points):
    """The proof with one word changed, or, where the word is of a point, another point in its place."""
    start = 32 * at
    for first in points:
        if start in (first, first + 32):
            other = point_bytes(combination([(2 + (start != first), GENERATOR)]))
            return data[:first] + other + data[first + 64 :]
    value = (int.from_bytes(data[start : start + 32], "big") + 1) % R
    return data[:start] + word(value) + data[start + 32 :]
