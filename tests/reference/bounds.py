"""Static bounds and the limbs that follow from them: docs/semantics.md, section 8."""

import math


class Invalid(Exception):
    """A network that breaks a rule."""


def need(condition, rule):
    if not condition:
        raise Invalid(rule)


def signed(bits):
    return -(1 << (bits - 1)), (1 << (bits - 1)) - 1


def hull(*values):
    return min(values), max(values)


def digits(value, bits):
    """How many digits of `bits` bits a number takes."""
    return -(-value.bit_length() // bits)


def largest_sums(run):
    """Over the places of a map: the largest sum of positive coefficients, and of the negative ones' absolute values."""
    sums = {}
    for to, _, coefficient in run.entries:
        plus, minus = sums.get(to, (0, 0))
        sums[to] = (plus + max(coefficient, 0), minus + max(-coefficient, 0))
    return max((plus for plus, _ in sums.values()), default=0), max((minus for _, minus in sums.values()), default=0)


class Bounds:
    def __init__(self, architecture):
        self.architecture, self.columns = architecture, {}
        for index, layer in enumerate(architecture.layers):
            self.layer(index, layer)

    def block(self, source):
        kind, number = source
        if kind == "Input":
            return signed(self.architecture.input["bits"])
        if kind in ("Weight", "Bias"):
            a = self.architecture
            return signed(a.weight_bits if kind == "Weight" else a.biases[number]["bits"])
        if kind == "Mark":
            return 0, 1
        return self.columns[source] if source in self.columns else self.later(kind, number)

    def later(self, kind, number):
        """What a loop reads of a layer that comes later."""
        layer = self.architecture.layers[number]
        need(kind in ("Pre", "Post") and layer.rule in ("Requantise", "Divide"), "what a loop reads of later layers")
        table = self.architecture.table(layer)
        return (table.min, table.max) if kind == "Pre" else table.range

    def operand(self, operand):
        a, b = self.block(operand.source)
        if any(run.kind != "Axis" for run in operand.runs):
            a, b = min(a, 0), max(b, 0)
        plus, minus = 1, 0
        for run in operand.runs:
            if run.kind == "Map":
                p, m = largest_sums(run)
                plus, minus = plus * p + minus * m, plus * m + minus * p
        return plus * a - minus * b, plus * b - minus * a

    def term(self, term):
        a, b = self.operand(term.left)
        if term.right is None:
            low, high = a, b
        elif term.left.export == term.right.export:
            low, high = 0, max(abs(a), abs(b)) ** 2
        else:
            c, d = self.operand(term.right)
            low, high = hull(a * c, a * d, b * c, b * d)
        factor = term.coefficient * self.summed_places(term)
        return hull(low * factor, high * factor)

    def summed_places(self, term):
        count, first = 1, len(term.outputs)
        for axis, log in enumerate(term.summed, first):
            places = [1 << log]
            for run in (run for operand in term.operands for run in operand.runs if axis in run.axes):
                if run.kind == "Map":
                    places.append(len({to for to, _, _ in run.entries}))
                elif run.kind == "Window":
                    places.append(run.window["outputs" if axis == run.axes[0] else "kernel"])
            count *= min(places)
        return count

    def layer(self, index, layer):
        ends = [self.term(term) for term in layer.proven_terms()]
        z = layer.constant + sum(low for low, _ in ends), layer.constant + sum(high for _, high in ends)
        need(max(map(abs, z)) < 1 << 61, "a sum's width")
        q, limbs, parts = getattr(self, layer.rule.lower())(layer, z)
        table = self.architecture.table(layer)
        if table is None:
            y = q
        elif table.committed:
            y = table.range
        else:
            y = table.f(q[0]), table.f(q[1])  # both are monotone
        self.columns["Pre", index], self.columns["Post", index], self.columns["Max", index] = q, y, z
        need((layer.limbs, layer.parts) == (limbs, parts), "the number of limbs")

    def parts(self, layer, *numbers):
        """Limbs of numbers that are never negative: at least one."""
        count = max(1, *(digits(number, layer.limb_bits) for number in numbers))
        need(count * layer.limb_bits <= 62, "limbs")
        return count

    def divisor(self, layer):
        least, most = self.operand(layer.divisor)
        need(1 <= least and most < 1 << 31, "a divisor's range")
        return least, most

    def exact(self, layer, z):
        need(max(map(abs, z)) < 1 << 31, "a sum's width")
        return z, 0, 0

    def clamped(self, layer, whole):
        table = self.architecture.table(layer)
        cut = max(whole[1] - table.max, table.min - whole[0], 0)
        q = tuple(min(max(u, table.min), table.max) for u in whole)
        need(cut == 0 or table.saturating, "a clamp that can act needs a table with rails")
        limbs = digits(cut, table.limb_bits) if cut else 0
        need(cut == 0 or limbs * table.limb_bits <= 62, "saturation limbs")
        return q, limbs

    def requantise(self, layer, z):
        half = 1 << (layer.shift - 1) if layer.shift else 0
        q, limbs = self.clamped(layer, tuple((end + half) >> layer.shift for end in z))
        return q, limbs, 0

    def divide(self, layer, z):
        least, most = self.divisor(layer)
        whole = hull(0, *((2 * end + least) // (2 * least) for end in z))
        q, limbs = self.clamped(layer, whole)
        return q, limbs, self.parts(layer, 2 * most - 1)

    def quotient(self, layer, z):
        least, most = self.divisor(layer)
        need(z[0] >= 0, "a number that is negative")
        q = (2 * z[0] + most) // (2 * most), (2 * z[1] + least) // (2 * least)
        need(q[1] < 1 << 31, "a quotient's width")
        return q, 0, self.parts(layer, 2 * most - 1, q[1])

    def squareroot(self, layer, z):
        need(z[0] >= 0, "a number that is negative")
        q = math.isqrt(z[0]), math.isqrt(z[1])
        return q, 0, self.parts(layer, 2 * q[1])

    def rows(self, layer, _):
        low, high = self.block(layer.index)
        half = 1 << (layer.index_bits - 1)
        need(-half <= low and high < half, "the bits of an index")
        return self.block(("Weight", layer.matrix)), 0, 0

    def maximum(self, layer, z):
        self.exact(layer, z)
        need(z[1] - z[0] <= self.architecture.table(layer).max, "a maximum's distances")
        return (0, z[1] - z[0]), 0, 0


def check_limbs(architecture):
    """Fails unless every layer has as many limbs as the bounds say."""
    Bounds(architecture)
