"""The opening of a polynomial, with others beside it: docs/protocol.md, sections 7 and 9."""

from dataclasses import dataclass

from curve import GENERATOR, R, combination
from words import divided, hash_of, interpolated, point_bytes, require, scalar_of, word


class Transcript:
    def __init__(self, *parts):
        self.state = hash_of(*parts)

    def challenge(self, *data):
        self.state = hash_of(self.state, *data)
        return scalar_of(self.state)

    def points(self, *points):
        return self.challenge(*map(point_bytes, points))


def product_polynomial(u, x):
    """`P_u(x)`."""
    value, power = 1, x
    for coordinate in u:
        value, power = value * (1 - coordinate + coordinate * power) % R, power * power % R
    return value


def polynomial(coefficients, x):
    return sum(c * pow(x, i, R) for i, c in enumerate(coefficients)) % R


@dataclass
class Companion:
    """A polynomial with its residues modulo `X^step - v`, for one or two `v`."""

    committed: tuple
    step: int
    residues: list

    def factors(self, x):
        return {(self.step, v): (pow(x, self.step, R) - v) % R for v, _ in self.residues}

    def interpolant(self, x):
        return interpolated_at([(v, polynomial(residue, x)) for v, residue in self.residues], pow(x, self.step, R))


def interpolated_at(points, at):
    return points[0][1] if len(points) == 1 else interpolated(points, at)


def product(values):
    total = 1
    for value in values:
        total = total * value % R
    return total


@dataclass
class Opening:
    points: list
    values: list

    def pairing_inputs(self, commitment, point, value, transcript, companions=()):
        """`C_L + x·C_W'` and `C_W'`. `commitment` are scalars and points, `point` the chunk's own coordinates."""
        h, q, g, s, d, w, w_last = self.points
        g_z, g_zi, h_z, h_zi, s_z, s_zi = self.values
        alpha = transcript.points(h)
        gamma = transcript.points(q, g)
        z = transcript.points(s, d)
        eta = transcript.challenge(*map(word, self.values))
        x = transcript.points(w)
        zi = divided(1, z)
        require(z * z % R != 1 and alpha not in (z, zi) and x not in (z, zi, alpha), "a challenge that cannot be used")

        half = (len(point) + 1) // 2
        u1, u2, b = point[:half], point[half:], 1 << half
        left = g_z * product_polynomial(u1, zi) + g_zi * product_polynomial(u1, z)
        left += gamma * (h_z * product_polynomial(u2, zi) + h_zi * product_polynomial(u2, z))
        h_alpha = (divided(left - z * s_z - zi * s_zi, 2) - gamma * value) % R

        # a claim about values at points is one about residues modulo X - point
        own = [
            Companion(d, 1, [(z, [pow(z, b - 1, R) * g_zi % R])]),
            Companion(g, 1, [(z, [g_z]), (zi, [g_zi])]),
            Companion(s, 1, [(z, [s_z]), (zi, [s_zi])]),
            Companion(h, 1, [(z, [h_z]), (zi, [h_zi]), (alpha, [h_alpha])]),
        ]
        claims = own + list(companions)
        factors = {}
        for claim in claims:
            factors |= claim.factors(x)
        vanishing, constant = product(factors.values()), 0
        terms = commitment + [(alpha - pow(x, b, R), q), (-1, g), (-vanishing, w), (x, w_last)]
        for power, claim in enumerate(claims, 1):
            factor = pow(eta, power, R) * divided(vanishing, product(claim.factors(x).values())) % R
            terms.append((factor, claim.committed))
            constant += factor * claim.interpolant(x)
        terms.append((-constant, GENERATOR))
        return combination(terms), w_last
