"""A verifier of inner proofs: docs/protocol.md, sections 2 to 8 and 12.

    python3 verifier.py FOLDER

reads exported proofs, accepts each, and refuses it with any one word of proof or claim changed.
"""

import json
import pathlib
import sys

import claims
from curve import GENERATOR, R, combination, equal_pairings, negated
from hashes import Sponge
from layout import Shape
from model import Architecture
from opening import Opening, Transcript
from words import Reader, Refused, divided, hash_of, other_word, point_bytes, refused, require, round_value, scalar_of
from words import twisted_point, word


class Proof:
    """The messages of a native proof, in the order of its bytes."""

    def __init__(self, shape, data):
        read = Reader(data)
        flag = read.scalar()
        require(flag in (0, 1), "not a native proof")
        self.hiding = flag == 1
        self.witness = read.points(shape.regions[3].chunks)
        self.mask = read.point() if self.hiding else None
        self.salt, self.root = read.scalar(), read.scalars(2)
        self.levels, rounds = [], 0
        for arity in [1] * (shape.log_leaves % 2) + [2] * (shape.log_leaves // 2):
            messages, children = (2, 4) if arity == 1 else (4, 8)
            self.levels.append((arity, [read.scalars(messages) for _ in range(rounds)], read.scalars(children)))
            rounds += arity
        self.products = claims.products(shape)
        variables = max((product.variables for product in self.products), default=0)
        self.product_sum = read.scalar()
        self.product_rounds = [read.scalars(claims.degree(self.products)) for _ in range(variables)]
        self.evaluations = read.scalars(2 * len(self.products))
        self.output_sum = read.scalar()
        self.opening_rounds = [read.scalars(2) for _ in range(shape.variables)]
        self.a = read.scalar()
        self.m, self.s = read.scalars(2) if self.hiding else (None, self.a)
        self.opening_points, self.opening_values = read.points(7), read.scalars(6)
        require(read.at == len(data), "length")


class Claim:
    def __init__(self, export):
        self.input = [exported_point(p) for p in export["input"]]
        self.output, self.clamps, self.context = export["output"], export["clamps"], int(export["context"], 16)


class Key:
    """What a verifier knows of a model."""

    def __init__(self, export):
        batch = export["batch"]
        architecture = Architecture(export["architecture"])
        self.shape = Shape(architecture, export["log_chunk"], batch["log"], batch["separate"])
        self.weights = [exported_point(p) for p in export["weights"]]
        self.tables = [exported_point(p) for p in export["tables"]]
        self.generator, self.tau = (twisted_point(bytes.fromhex(export[name])) for name in ("generator_g2", "tau_g2"))
        self.srs_id = hash_of(b"assay-srs-v1", bytes.fromhex(export["tau_g2"]))
        self.powers = [exported_point(p) for p in export["powers"]]


def exported_point(text):
    return Reader(bytes.fromhex(text)).point()


def statement(key, claim, proof):
    points = lambda list: b"".join(point_bytes(p) for p in list)
    counts = [region.chunks for region in key.shape.regions]
    have = [len(list) for list in (key.weights, key.tables, claim.input, proof.witness)]
    require(have == counts and len(claim.output) == key.shape.output_cells, "length of the statement")
    return scalar_of(
        hash_of(
            b"assay-statement-v2",
            word(claim.context),
            points(key.weights + key.tables + claim.input),
            b"".join(y.to_bytes(2, "big", signed=True) for y in claim.output),
            claim.clamps.to_bytes(4, "big"),
            points(proof.witness),
            points([proof.mask] if proof.hiding else []),
        )
    )


def select(values, point):
    """The multilinear polynomial with these values, the lowest variable first."""
    for x in point:
        values = [(low + (high - low) * x) % R for low, high in zip(values[::2], values[1::2])]
    return values[0]


def combined(numerators, denominators):
    """The sum of fractions."""
    p, d = 0, 1
    for numerator, denominator in zip(numerators, denominators):
        p, d = (p * denominator + numerator * d) % R, d * denominator % R
    return p, d


def verify_lookups(proof, sponge):
    """The tree of fractions. Returns the leaves' point and claims."""
    p, d = proof.root
    require(p == 0, "lookup root")
    require(d != 0, "a division by zero")
    sponge.absorb(p, d)
    point = []
    for arity, rounds, children in proof.levels:
        joined, next_point = sponge.squeeze(), []
        claim = p + joined * d
        for message, r in zip(rounds, point, strict=True):
            sponge.absorb(*message)
            x = sponge.squeeze()
            at_one = divided(claim - (1 - r) * message[0], r)
            claim = round_value(message, at_one, x)
            next_point.append(x)
        numerators, denominators = children[: 1 << arity], children[1 << arity :]
        p, d = combined(numerators, denominators)
        require((p + joined * d - claim) % R == 0, "lookup level")
        sponge.absorb(*children)
        selector = [sponge.squeeze() for _ in range(arity)]
        p, d = select(numerators, selector), select(denominators, selector)
        point = selector + next_point
    return point, p, d


def sumcheck(claim, rounds, sponge):
    """Messages are `g(0)` and the coefficients from that of `x²` on; that of `x` follows from `g(0) + g(1)`."""
    point = []
    for message in rounds:
        sponge.absorb(*message)
        x = sponge.squeeze()
        at_zero, *high = message
        linear = claim - 2 * at_zero - sum(high)
        claim = (at_zero + linear * x + sum(c * pow(x, i, R) for i, c in enumerate(high, 2))) % R
        point.append(x)
    return point, claim


def verify_products(proof, weights, u, sponge):
    sponge.absorb(proof.product_sum)
    point, claim = sumcheck(proof.product_sum, proof.product_rounds, sponge)
    total = 0
    for product, left, right in zip(proof.products, proof.evaluations[::2], proof.evaluations[1::2]):
        s = point[len(point) - product.variables :]
        value = weights[product.equation] * product.summand.coefficient * left * right
        for of_u, of_s in product.batch:
            value = value % R * claims.eq([u[i] for i in of_u], [s[i] for i in of_s])
        total += divided(value, 1 << len(point) - product.variables)
    require((total - claim) % R == 0, "product")
    sponge.absorb(*proof.evaluations)
    return point


def powers(x, count):
    found = [1]
    while len(found) < count:
        found.append(found[-1] * x % R)
    return found


def verify_messages(key, claim, proof):
    """Sections 4 to 7 up to the opening. Returns the final point, `ρ`, and `K`."""
    shape = key.shape
    bound = statement(key, claim, proof)
    sponge = Sponge()
    tag = int.from_bytes(b"assay-inner-v3", "big")
    sponge.absorb(tag, scalar_of(shape.digest), scalar_of(key.srs_id), int(proof.hiding), bound, proof.salt)
    beta, gamma = sponge.squeeze(), sponge.squeeze()
    r = [sponge.squeeze() for _ in range(shape.system.row_variables)]
    leaves = verify_lookups(proof, sponge)
    u = leaves[0]
    weights = powers(sponge.squeeze(), len(shape.system.equations))
    product_point = verify_products(proof, weights, u, sponge)
    delta = sponge.squeeze()
    outputs = sum(p * (y + (1 << 15)) for p, y in zip(powers(delta, len(claim.output)), claim.output))
    outputs += pow(delta, len(claim.output), R) * claim.clamps
    require((outputs - proof.output_sum) % R == 0, "output")
    sponge.absorb(proof.output_sum)

    functional = claims.Functional(shape)
    deltas = powers(delta, 4 + len(proof.evaluations))
    claims.lookup_claims(functional, shape, beta, gamma, r, leaves, deltas[1])
    claims.equation_claims(functional, shape, u, [w * deltas[2] % R for w in weights], proof.product_sum)
    claims.product_claims(functional, shape, u, product_point, proof.products, proof.evaluations, deltas[3:])
    claims.output_claims(functional, shape, delta, deltas[-1], proof.output_sum)
    point, last = sumcheck(functional.target, proof.opening_rounds, sponge)
    require((proof.a * functional.at(point) - last) % R == 0, "batch opening")
    sponge.absorb(proof.a)
    rho = []
    if proof.hiding:
        sponge.absorb(proof.m)
        rho = [sponge.squeeze()]
        require(rho[0] != 0, "a division by zero")
        require((proof.a + rho[0] * proof.m - proof.s) % R == 0, "mask")
    data = [bound, delta, proof.output_sum, *point, proof.s, *rho, sponge.squeeze()]
    return point, rho, hash_of(*map(word, data))


def folded_commitment(key, claim, proof, point, rho):
    """`Σ_j eq(r_hi, j)·C_j + ρ·C_M`, as scalars and points."""
    high = claims.eq_table(point[key.shape.c :])
    lists = (key.weights, key.tables, claim.input, proof.witness)
    terms = []
    for region, points in zip(key.shape.regions, lists):
        terms += zip(high[region.first : region.first + region.chunks], points, strict=True)
    return terms + [(r, proof.mask) for r in rho]


def verify_opening(key, commitment, point, value, seed, proof):
    transcript = Transcript(b"assay-opening-v2", seed)
    opening = Opening(proof.opening_points, proof.opening_values)
    left, right = opening.pairing_inputs(commitment, point, value, transcript)
    require(equal_pairings([(left, key.generator), (negated(right), key.tau)]), "opening")


def verify(key, claim, data):
    proof = Proof(key.shape, data)
    point, rho, seed = verify_messages(key, claim, proof)
    commitment = folded_commitment(key, claim, proof, point, rho)
    verify_opening(key, commitment, point[: key.shape.c], proof.s, seed, proof)


def commitments(key, cells, region):
    """Commitments without blinding to a region's cells, which are given by their place in the whole vector."""
    chunks = [[] for _ in range(region.chunks)]
    for at, value in cells:
        chunk, coefficient = divmod(at, 1 << key.shape.c)
        chunks[chunk - region.first].append((value, key.powers[coefficient]))
    return [combination(terms) for terms in chunks]


def check_public_commitments(key, claim, cells):
    """Tables, and an input without blinding, are what anybody commits to."""
    shape, found = key.shape, []
    for column, table in zip(shape.system.functions, shape.architecture.tables):
        if column is not None:
            found += [(shape.blocks[column].offset + i, y) for i, (_, y, _) in enumerate(table.rows())]
    require(commitments(key, found, shape.regions[1]) == key.tables, "table commitments")
    if cells is None:
        return
    block, found = shape.blocks[shape.system.input], []
    for at, value in enumerate(cells):
        inference, cell = at >> block.log_item, at & (1 << block.log_item) - 1
        found.append((block.offset + (inference << block.log_item + block.gap) + cell, value))
    require(commitments(key, found, shape.regions[2]) == claim.input, "input commitments")


def changed_claims(export):
    """The claim with one thing changed: each part, and each output cell."""
    for name in ("context", "clamps"):
        changed = dict(export)
        changed[name] = export[name] + 1 if name == "clamps" else f"{int(export[name], 16) + 1:064x}"
        yield name, changed
    for i, y in enumerate(export["output"]):
        yield f"output {i}", export | {"output": export["output"][:i] + [y ^ 1] + export["output"][i + 1 :]}
    for i in range(len(export["input"])):
        other = (word(GENERATOR[0]) + word(GENERATOR[1])).hex()
        yield f"input {i}", export | {"input": export["input"][:i] + [other] + export["input"][i + 1 :]}


def point_places(key, data):
    """Where the bytes of points begin."""
    witness = key.shape.regions[3].chunks + (data[31] == 1)
    opening = len(data) - 20 * 32
    return [32 + 64 * i for i in range(witness)] + [opening + 64 * i for i in range(7)]


def check_refusals(key, export, data):
    """Changes every word of the proof and every part of the claim, one at a time. Returns what is accepted."""
    accepted, reasons = [], {}
    points = point_places(key, data)
    attempts = [(f"word {at}", export["claim"], other_word(data, at, points)) for at in range(len(data) // 32)]
    attempts += [(name, claim, data) for name, claim in changed_claims(export["claim"])]
    attempts += [("one word less", export["claim"], data[:-32]), ("one word more", export["claim"], data + bytes(32))]
    for name, claim, changed in attempts:
        reason = refused(verify, key, Claim(claim), changed)
        reasons[reason] = reasons.get(reason, 0) + 1
        if reason is None:
            accepted.append(name)
    print("  refused:", ", ".join(f"{count} by {reason}" for reason, count in sorted(reasons.items(), key=str)))
    return accepted


def check(export):
    key, claim, data = Key(export), Claim(export["claim"]), bytes.fromhex(export["proof"])
    try:
        require(key.shape.digest.hex() == export["digest"], "shape digest")
        verify(key, claim, data)
        check_public_commitments(key, claim, export["input"])
    except Refused as reason:
        return [f"an honest proof is refused: {reason}"]
    wrong = [f"accepted with {name} changed" for name in check_refusals(key, export, data)] if export["alter"] else []
    for number, lie in enumerate(export["lies"]):
        if refused(verify, key, claim, bytes.fromhex(lie)) is None:
            wrong.append(f"lie {number} is accepted")
    return wrong


def main(folder):
    good, bad = 0, 0
    for path in sorted(pathlib.Path(folder).glob("*.json")):
        wrong = check(json.loads(path.read_text()))
        print(path.name, *(wrong or ["verifies"]), sep="\n  " if wrong else ": ")
        good, bad = good + (not wrong), bad + bool(wrong)
    return 1 if bad or not good else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
