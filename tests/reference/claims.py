"""All that is claimed of the committed vector, as one sum over its cells: docs/protocol.md, sections 5 to 7."""

import functools
from dataclasses import dataclass

from hashes import R


def eq_table(point):
    """`eq(point, i)` for all `i`."""
    table = [1]
    for x in point:
        high = [t * x % R for t in table]
        table = [(t - h) % R for t, h in zip(table, high)] + high
    return table


def eq(xs, ys):
    value = 1
    for x, y in zip(xs, ys, strict=True):
        value = value * (1 - x - y + 2 * x * y) % R
    return value


def extension(values, point):
    return sum(v * e for v, e in zip(values, eq_table(point), strict=True)) % R


@dataclass
class Product:
    """A summand of the product sumcheck. `axes[a]` are the coordinates of axis `a`: of `u`, or variables."""

    equation: int
    log_size: int
    summand: object
    axes: list
    batch: list
    inferences: range | None
    variables: int


def products(shape):
    """All summands with two columns, in the order of equations."""
    found = []
    for number, equation in enumerate(shape.system.equations):
        for summand in equation.summands:
            if summand.right is not None:
                found.append(product(shape, number, equation, summand))
    return found


def product(shape, number, equation, summand):
    outputs, at, used = len(summand.outputs), 0, 0
    axes, batch = [], []
    for log in summand.outputs:
        axes.append(("u", range(at, at + log)))
        at += log
    for log in summand.logs[outputs:]:
        axes.append(("s", range(used, used + log)))
        used += log
    for axis, log in enumerate(summand.outputs):
        if log and axis in summand.left.axes and axis in summand.right.axes:
            batch.append((axes[axis][1], range(used, used + log)))
            axes[axis] = ("s", range(used, used + log))
            used += log
    inferences = None
    if shape.log_batch and shape.system.batched(summand.left.source) and shape.system.batched(summand.right.source):
        inferences = range(used, used + shape.log_batch)
        batch.append((range(equation.log_size, equation.log_size + shape.log_batch), inferences))
        used += shape.log_batch
    return Product(number, equation.log_size, summand, axes, batch, inferences, used)


def degree(found):
    return 3 if any(p.batch for p in found) else 2


def shares(block, point):
    """By tile: the share of the variables that say which block it is, and the coordinates of the cells' numbers in it."""
    for offset, fixed in block.tiles():
        share, own = 1, []
        for x, bit in zip(point, block.bits(offset, len(point)), strict=True):
            if bit is None:
                own.append(x)
            else:
                share = share * (x if bit else 1 - x) % R
        for bit in sorted(fixed):
            own.insert(bit, fixed[bit])
        yield share, own


class Functional:
    """`L` as a list of summands, and the value `t` that `Σ G·L` must have, added up claim by claim."""

    def __init__(self, shape):
        self.shape, self.summands, self.target = shape, [], 0

    def add(self, column, coefficient, weight):
        """`weight` is a function of the column's own coordinates."""
        self.summands.append((self.shape.blocks[column], coefficient, weight))

    def at(self, point):
        """`L` at a point."""
        total = 0
        for block, coefficient, weight in self.summands:
            total += sum(coefficient * share % R * weight(own) for share, own in shares(block, point))
        return total % R

    def add_eq(self, column, coefficient, at):
        self.add(column, coefficient, lambda own: eq(at[: len(own)], own))

    def add_view(self, view, coefficient, coordinates, inferences):
        """A column read through runs: `coordinates` are those of each axis."""
        logs = [len(c) for c in coordinates]
        tables = [eq_table(c) for c in coordinates]

        def weight(own):
            rest = own[self.shape.system.logs[view.source] :]
            value = eq(inferences, rest) if rest else 1
            start = 0
            for run in view.runs:
                numbers, total = eq_table(own[start : start + run.log]), 0
                for places, number, factor in run.matrix(logs):
                    share = factor
                    for axis, place in zip(run.axes, places):
                        share = share * tables[axis][place] % R
                    total += share * numbers[number]
                value, start = value * total % R, start + run.log
            assert start == self.shape.system.logs[view.source]
            return value

        self.add(view.source, coefficient, weight)


def lookup_claims(functional, shape, beta, gamma, r, leaves, delta):
    """The leaves' numerators (times 1) and denominators (times `δ`); rows of cells are combined by `eq(r, ·)`."""
    u, numerator, denominator = leaves
    system = shape.system
    tags = {table: 1 + number for number, table in enumerate(system.tables)}
    powers = [1, gamma, gamma**2 % R, gamma**3 % R]
    known_numerator, known_denominator = 0, 1
    for (kind, what), block in shape.leaves:
        inside, share = u[: block.log_span], 1
        for i, x in enumerate(u[block.log_span :], block.log_span):
            share = share * (x if block.offset >> i & 1 else 1 - x) % R
        table = what if kind == "rows" else what.table
        known = beta - tags[table]
        if kind == "lookup":
            known_numerator += share
            for power, key in zip(powers[1:], what.keys):
                if key is not None:
                    functional.add_eq(key, -share * delta * power, inside)
            if what.row is not None:
                column, bits = what.row
                functional.add_eq(column, -share * delta * powers[2], r[:bits] + inside)
            known -= gamma * what.offset
        else:
            functional.add_eq(system.counts[table], -share, inside)
            known -= table_rows(functional, shape, table, inside, powers, r, share * delta)
        # unused leaves are 0/1
        known_denominator += share * (known - 1)
    functional.target += numerator - known_numerator + delta * (denominator - known_denominator)


def table_rows(functional, shape, table, inside, powers, r, weight):
    """What is public of the rows of a table; a committed column becomes part of `L`."""
    kind, number = table
    if kind == "range":
        return powers[1] * extension(range(1 << number), inside)
    if kind == "rows":
        matrix, bits, index_bits = shape.system.row_tables[number]
        rows = shape.system.logs[matrix] - bits
        for x in inside[rows:]:
            weight = weight * (1 - x) % R
        functional.add_eq(matrix, -weight * powers[2], r[:bits] + inside[:rows])
        half = 1 << (index_bits - 1)
        return powers[1] * extension([*range(half), *range(-half, 0)], inside)
    description = shape.architecture.tables[number]
    q, y, v = zip(*description.rows())
    known = powers[1] * extension(q, inside) + powers[3] * extension(v, inside)
    if not description.committed:
        return known + powers[2] * extension(y, inside)
    functional.add_eq(shape.system.functions[number], -weight * powers[2], inside)
    return known


def equation_claims(functional, shape, u, weights, product_sum):
    """`Σ_e λ^e (linear summands + constant) = -V`; `weights` are `λ^e`, each times the claim's power of `δ`."""
    functional.target -= product_sum * weights[0]
    for equation, weight in zip(shape.system.equations, weights):
        functional.target -= weight * equation.constant
        inferences = u[equation.log_size : equation.log_size + shape.log_batch]
        for summand in equation.summands:
            if summand.right is None:
                coordinates, at = [], 0
                for log in summand.logs:
                    coordinates.append(u[at : at + log])
                    at += log
                functional.add_view(summand.left, weight * summand.coefficient, coordinates, inferences)


def product_claims(functional, shape, u, point, found, evaluations, deltas):
    """Both evaluations of each product."""
    for number, product in enumerate(found):
        s = point[len(point) - product.variables :]
        of = {"u": u, "s": s}
        coordinates = [[of[which][i] for i in places] for which, places in product.axes]
        if product.inferences is None:
            inferences = u[product.log_size : product.log_size + shape.log_batch]
        else:
            inferences = [s[i] for i in product.inferences]
        for side, view in enumerate((product.summand.left, product.summand.right)):
            delta = deltas[2 * number + side]
            functional.target += evaluations[2 * number + side] * delta
            functional.add_view(view, delta, coordinates, inferences)


def output_claims(functional, shape, delta, first, output_sum):
    """The output cells and the number of clamps, by powers of `δ`, times `first`."""
    system, power, powers = shape.system, 1, []
    for _ in range(shape.output_cells):
        powers.append(power)
        power = power * delta % R
    functional.target += first * (output_sum - (sum(powers) << 15))
    rest, by_output = iter(powers), [[] for _ in shape.architecture.outputs]
    for _ in range(1 << shape.log_batch):
        for output, (_, cells) in zip(by_output, shape.architecture.outputs):
            output.append([(cell, next(rest)) for cell in cells])
    for inferences, (source, _) in zip(by_output, shape.architecture.outputs):
        column = system.sources[source]
        item = shape.blocks[column].log_item

        def weight(own, inferences=inferences, item=item):
            at, of = eq_table(own[:item]), eq_table(own[item:])
            return sum(of[i] * sum(at[cell] * p for cell, p in cells) for i, cells in enumerate(inferences)) % R

        functional.add(column, first, weight)
    for number, rails in enumerate(shape.architecture.counting_rails()):
        table = shape.architecture.tables[number]
        if table.saturating and rails:
            counted = [int(v != 0 and (1 if v > 0 else -1) in rails) for _, _, v in table.rows()]
            functional.add(system.counts["table", number], first * power, functools.partial(extension, counted))
