"""Numbers and points as bytes, and what a verifier refuses."""

from curve import P, R, Fp2, in_second_group, on_curve
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
