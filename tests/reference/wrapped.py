"""A verifier of wrapped proofs: docs/protocol.md, sections 4, 7, 8 and 9.

    python3 wrapped.py STEP FILE…

reads keys with claims and proofs as fixtures/golden has them, accepts each, and refuses it with one word changed: every
STEP-th of its words is tried.
"""

import functools
import json
import pathlib
import sys

import claims
from curve import R, SECOND_GENERATOR, combination, equal_pairings, negated
from hashes import WIDTH, poseidon_parameters
from opening import Companion, Opening, Transcript
from words import Reader, divided, hash_of, other_word, point_bytes, refused, require, round_value, scalar_of, word


class Key:
    """The bytes of a verifying key."""

    def __init__(self, data):
        read = Reader(data)
        number = lambda: read.word(1 << 32)
        self.version = number()
        require(self.version in (2, 3), "a key of another version")
        read.at += 32  # the model's digest is in the circuit
        srs_id = data[read.at : read.at + 32]
        read.at += 32
        self.c, self.k = number(), number()
        self.counts = [number() for _ in range(4)]
        self.firsts = [number() for _ in range(4)]
        self.outputs = number()
        number()
        if self.version == 2:
            self.alpha = read.point()
            self.beta, self.delta = read.twisted(), read.twisted()
            self.ic = read.points(4)
        else:
            self.log_rows, self.polynomials = number(), read.points(2)
        require(hash_of(b"assay-srs-v1", data[read.at : read.at + 128]) == srs_id, "the powers' id")
        self.tau = read.twisted()
        self.tables = read.points(self.counts[1])
        require(read.at == len(data), "length of the key")


class Claim:
    """What a proof says of a model; the output's bytes have the number of clamps behind them."""

    def __init__(self, export):
        data = {name: bytes.fromhex(text.removeprefix("0x")) for name, text in export.items()}
        self.context, self.output = word(Reader(data["context"]).scalar()), data["output"]
        self.weights, self.input = (self.points(data[name]) for name in ("weights", "inputCommitments"))

    @staticmethod
    def points(data):
        return Reader(data).points(len(data) // 64)

    def numbers(self):
        cells = [int.from_bytes(self.output[i : i + 2], "big", signed=True) for i in range(0, len(self.output) - 4, 2)]
        return cells, int.from_bytes(self.output[-4:], "big")


class Proof:
    def __init__(self, key, data):
        read = Reader(data)
        if key.version == 2:
            self.a, self.b, self.c = read.point(), read.twisted(), read.point()
            self.head = data[: read.at]
        else:
            self.advice, self.product, self.quotient = read.points(3)
            self.values = read.scalars(34)
        self.digest, self.value, self.rho, self.delta = read.scalars(4)
        self.point = read.scalars(key.c + key.k)
        self.witness, self.mask = read.points(key.counts[3]), read.point()
        self.opening_bytes = data[read.at :]
        self.opening = Opening(read.points(7), read.scalars(6))
        require(read.at == len(data), "length")


def public_data(key, claim, proof):
    """`d` with `D`, as words."""
    points = lambda points: b"".join(map(point_bytes, points))
    cells, clamps = claim.numbers()
    counts = [len(claim.weights), len(key.tables), len(claim.input), len(proof.witness)]
    require(counts == key.counts and len(cells) == key.outputs, "length of the statement")
    before = points(claim.weights + key.tables + claim.input)
    after = points(proof.witness + [proof.mask])
    bound = scalar_of(hash_of(b"assay-statement-v2", claim.context, before, claim.output, after))
    output = sum(pow(proof.delta, i, R) * (y + (1 << 15)) for i, y in enumerate(cells))
    output = (output + pow(proof.delta, len(cells), R) * clamps) % R
    return [bound, proof.delta, output, *proof.point, proof.value, proof.rho]


def commitment(key, claim, proof):
    high = claims.eq_table(proof.point[key.c :])
    terms = [(proof.rho, proof.mask)]
    for first, points in zip(key.firsts, (claim.weights, key.tables, claim.input, proof.witness)):
        terms += zip(high[first:], points)
    return terms


def verify(key, claim, data):
    proof = Proof(key, data)
    require(proof.rho != 0, "a division by zero")
    public = public_data(key, claim, proof)
    k = hash_of(*map(word, public), word(proof.digest))
    chi = scalar_of(k)
    h = sum(d * pow(chi, i, R) for i, d in enumerate(public, 1)) % R
    inputs = [proof.digest, chi, h]
    opened = commitment(key, claim, proof), proof.point[: key.c], proof.value
    if key.version == 2:
        left, right = proof.opening.pairing_inputs(*opened, Transcript(b"assay-opening-v2", k))
        pairs = merged(key, proof, k, inputs, left, right)
    else:
        transcript, companions = plonk(key, proof, k, inputs)
        left, right = proof.opening.pairing_inputs(*opened, transcript, companions)
        pairs = [(left, SECOND_GENERATOR), (negated(right), key.tau)]
    require(equal_pairings(pairs), "pairing")


def merged(key, proof, k, inputs, left, right):
    """Groth16's equation and the opening's as one."""
    mu = scalar_of(hash_of(b"assay-merge-v1", k, word(inputs[2]), proof.head, proof.opening_bytes))
    known = [(-scalar, point) for scalar, point in zip([1, *inputs], key.ic)]
    return [
        (proof.a, proof.b),
        (key.alpha, key.beta),
        (negated(proof.c), key.delta),
        (combination([(mu, left)] + known), SECOND_GENERATOR),
        (combination([(-mu, right)]), key.tau),
    ]


def plonk(key, proof, k, inputs):
    """The universal wrap up to the opening: its transcript, and what is opened besides the chunk."""
    transcript = Transcript(b"assay-plonk-v1", k, *map(point_bytes, key.polynomials))
    beta, gamma = transcript.points(proof.advice), transcript.challenge()
    alpha = transcript.points(proof.product)
    y = transcript.points(proof.quotient)
    n = 1 << key.log_rows
    omega = pow(5, (R - 1) // n, R)
    vanishing = (pow(y, n, R) - 1) % R
    require(y != 0 and vanishing != 0, "a challenge that cannot be used")
    lagrange = lambda row: divided(pow(omega, row, R) * vanishing, n * (y - pow(omega, row, R)))

    fixed, sigma, advice, after = (proof.values[a:b] for a, b in ((0, 10), (10, 16), (16, 24), (24, 32)))
    z, z_next = proof.values[32:]
    public = sum(value * lagrange(row) for row, value in enumerate(inputs)) % R
    identities = slots(advice, after, fixed, public)
    moved, kept = z_next, z
    for i in range(6):
        moved = moved * (advice[i] + beta * sigma[i] + gamma) % R
        kept = kept * (advice[i] + beta * pow(5, i, R) * y + gamma) % R
    identities += [lagrange(0) * (z - 1), moved - kept]
    quotient = divided(sum(pow(alpha, j, R) * value for j, value in enumerate(identities)), vanishing)

    transcript.challenge(*map(word, proof.values))
    both = lambda at_y, at_next: [(y, at_y), (omega * y % R, at_next)]
    companions = [
        Companion(key.polynomials[0], 8, [(y, proof.values[:8])]),
        Companion(key.polynomials[1], 8, [(y, proof.values[8:16])]),
        Companion(proof.advice, 8, both(advice, after)),
        Companion(proof.product, 1, both([z], [z_next])),
        Companion(proof.quotient, 1, [(y, [quotient])]),
    ]
    return transcript, companions


def times(matrix, vector):
    return [sum(a * b for a, b in zip(row, vector)) % R for row in matrix]


def matrices_product(a, b):
    columns = list(zip(*b))
    return [[sum(x * y for x, y in zip(row, column)) % R for column in columns] for row in a]


def solve(matrix, value):
    """`v` with `v · matrix = value`, by elimination."""
    size = len(matrix)
    rows = [[matrix[j][i] for j in range(size)] + [value[i]] for i in range(size)]
    for i in range(size):
        swap = next(j for j in range(i, size) if rows[j][i])
        rows[i], rows[swap] = rows[swap], rows[i]
        inverse = pow(rows[i][i], -1, R)
        rows[i] = [x * inverse % R for x in rows[i]]
        for j in range(size):
            if j != i:
                factor = rows[j][i]
                rows[j] = [(x - factor * y) % R for x, y in zip(rows[j], rows[i])]
    return [row[-1] for row in rows]


class Gates:
    """The constants of the rows that hash."""

    def __init__(self):
        constants, self.M = poseidon_parameters()
        self.F = constants[0]
        without = [[0] + row[1:] for row in self.M]
        seen, driven, power = [[1, 0, 0, 0, 0]], [[row[0] for row in self.M]], without
        for _ in range(5):
            seen.append([sum(seen[-1][i] * without[i][j] for i in range(WIDTH)) % R for j in range(WIDTH)])
            driven.append(times(without, driven[-1]))
        for _ in range(4):
            power = matrices_product(power, without)
        self.R = [column[0] for column in driven]
        self.E = [row[1:] for row in seen[1:5]]
        self.A = solve(seen[:5], seen[5])
        self.B = [self.forced(self.A, self.R[4 - j], j) for j in range(WIDTH)]
        self.L = [solve(seen[:5], row) for row in power]
        self.P = [[self.forced(row, driven[4 - j][i], j) for j in range(WIDTH)] for i, row in enumerate(self.L)]

    def forced(self, row, driven, j):
        return (driven - sum(row[k] * self.R[k - j - 1] for k in range(j + 1, WIDTH))) % R


gates = functools.cache(Gates)


def dot(xs, ys):
    return sum(x * y for x, y in zip(xs, ys)) % R


def slots(w, n, fixed, public):
    """What every row must make 0, in 11 slots: the table of section 9."""
    *q, s, t = fixed
    g, found = gates(), [0] * 11

    def add(selector, first, values):
        for slot, value in enumerate(values, first):
            found[slot] = (found[slot] + selector * value) % R

    fifth = lambda values: [pow(x, 5, R) for x in values]
    state, next_state = [w[6], *w[:4]], [n[6], *n[:4]]
    order = (0, 1, 2, 3, 6, 4, 5, 7)
    x = [w[i] for i in order] + [n[i] for i in order]
    x5 = fifth(x)

    def full(powers):
        return [dot(row, powers) + q[i] - next_state[i] for i, row in enumerate(g.M)]

    def follows(j):
        return dot(g.A[1:], x[4 + j :]) + dot(g.B, x5[3 + j :]) + q[j] - x[8 + j]

    a, b = w[0] * w[1] % R, w[2] * w[3] % R
    total = dot(q, [a, b, w[4] * w[5], a * b, w[4], w[5], w[6], n[6]])
    add((s - 1) * (s - 2) * (s - 3 + 3 * t) - 3 * t * (t - 1), 0, [total - public])
    add(s * (s - 2) * (s - 3 + 2 * t), 0, full(fifth(state)))
    added = [q[5], w[4] + g.F[1], w[5] + g.F[2], n[4] + g.F[3], n[5] + g.F[4]]
    add(s * (s - 1) * (s - 3 + t), 0, full(fifth([(v + m) % R for v, m in zip(state, added)])))
    bilinear = lambda q, a, b, out: q[0] * a * b + q[1] * a + q[2] * b + q[3] - out
    pair = [bilinear(q, *w[:3]), bilinear(q[4:], *w[3:6])]
    add(s * (s - 1) * (s - 2), 0, pair)
    enter = [dot(g.E[k], w) + sum(g.R[k - j] * x5[4 + j] for j in range(k + 1)) - x[5 + k] for k in range(4)]
    add(t * ((s - 1) * (s - 2) + 2 - 2 * t), 0, enter)
    add(t * s * (2 - s), 0, [follows(0)])
    add(t * (4 - s - 2 * t), 4, [follows(j) for j in range(1, 8)])
    leave = [dot(g.L[i][1:], x[4:]) + dot(g.P[i], x5[3:]) + q[i] - next_state[i] for i in range(WIDTH)]
    add(t * s * (s - 1), 0, leave)
    at_one = (w[6] - (1 - w[1]) * w[0]) * w[7] % R
    add(t * (t - 1), 0, [w[1] * w[7] - 1, round_value([w[0], w[2], w[3], w[4]], at_one, w[5]) - n[6]])
    return found


def point_places(key, data):
    """Where the bytes of points of the first group begin."""
    head = [0, 192] if key.version == 2 else [0, 64, 128]
    tail = len(data) - 20 * 32
    return head + [tail + 64 * i for i in range(-1 - key.counts[3], 7)]


def check(export, step):
    key, data = Key(bytes.fromhex(export.pop("key")[2:])), bytes.fromhex(export.pop("proof")[2:])
    claim = Claim(export)
    reason = refused(verify, key, claim, data)
    if reason is not None:
        return [f"an honest proof is refused: {reason}"]
    wrong, points, reasons = [], point_places(key, data), {}
    for at in range(0, len(data) // 32, step):
        reason = refused(verify, key, claim, other_word(data, at, points))
        reasons[reason] = reasons.get(reason, 0) + 1
        if reason is None:
            wrong.append(f"accepted with word {at} changed")
    for name in ("context", "output"):
        other = dict(export)
        other[name] = export[name][:-1] + ("0" if export[name][-1] != "0" else "1")
        if refused(verify, key, Claim(other), data) is None:
            wrong.append(f"accepted with another {name}")
    print("  refused:", reasons)
    return wrong


def main(step, *files):
    bad = 0
    for path in map(pathlib.Path, files):
        wrong = check(json.loads(path.read_text()), int(step))
        print(path.name, *(wrong or ["verifies"]), sep="\n  " if wrong else ": ")
        bad += bool(wrong)
    return 1 if bad or not files else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
