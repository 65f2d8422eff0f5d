"""A network as columns, equations and lookups: docs/protocol.md, section 3.

    python3 system.py FOLDER

checks in integers that the columns of every exported execution fulfil all equations, in every cell, and that every
lookup finds a row.
"""

import json
import pathlib
import sys
from dataclasses import dataclass, field

from model import Architecture, Reader, Run, split


@dataclass
class View:
    """A column, read through the axes of a summand."""

    source: int
    runs: list

    @property
    def axes(self):
        return tuple(axis for run in self.runs for axis in run.axes)


@dataclass
class Summand:
    coefficient: int
    logs: list
    summed: int
    left: View
    right: View | None = None

    @property
    def outputs(self):
        return self.logs[: len(self.logs) - self.summed]


@dataclass
class Equation:
    log_size: int
    summands: list
    constant: int


@dataclass
class Lookup:
    log_size: int
    table: tuple  # ("table", number), ("range", bits) or ("rows", number)
    keys: list
    offset: int = 0
    row: tuple | None = None  # a column with 2^bits cells for each cell of the lookup, and these bits


def along(log, axis):
    return Run({"log_len": log, "index": {"Axis": axis}})


def mapped(log, axis, pairs):
    entries = [{"to": to, "from": at, "coefficient": 1} for to, at in pairs]
    return Run({"log_len": log, "index": {"Map": {"axis": axis, "entries": entries}}})


@dataclass
class System:
    """Columns are numbers; `logs` and `owners` are theirs."""

    architecture: Architecture
    logs: list = field(default_factory=list)
    owners: list = field(default_factory=list)
    sources: dict = field(default_factory=dict)
    equations: list = field(default_factory=list)
    lookups: list = field(default_factory=list)
    row_tables: list = field(default_factory=list)  # the block of weights, the bits of a place in a row, those of an index

    def __post_init__(self):
        a = self.architecture
        for kind, blocks in (("Weight", a.matrices), ("Bias", a.bias_logs)):
            for number, log in enumerate(blocks):
                self.sources[kind, number] = self.column(log, "weights")
        self.functions = [self.column(t.log_rows, "tables") if t.committed else None for t in a.tables]
        self.sources["Input", 0] = self.input = self.column(a.input["log_size"], "input")
        self.first_executed = self.input
        bits = a.input["bits"]
        self.lookups.append(Lookup(a.input["log_size"], ("range", bits), [self.input, None, None], 1 << (bits - 1)))
        written = [getattr(self, layer.rule.lower())(index, layer) for index, layer in enumerate(a.layers)]
        for equations in written:
            self.equations += equations()
        self.ranges = sorted({number for kind, number in (lookup.table for lookup in self.lookups) if kind == "range"})
        self.tables = [("table", number) for number in range(len(a.tables))] + [("range", b) for b in self.ranges]
        self.tables += [("rows", number) for number in range(len(self.row_tables))]
        self.executed = range(self.first_executed, len(self.logs))
        self.counts = {t: self.column(self.rows_log(t), "counts") for t in self.tables}

    def rows_log(self, table):
        kind, number = table
        if kind == "rows":
            return self.row_tables[number][2]
        return number if kind == "range" else self.architecture.tables[number].log_rows

    @property
    def row_variables(self):
        """How many coordinates `r` has."""
        return max((bits for _, bits, _ in self.row_tables), default=0)

    def column(self, log, owner="witness"):
        self.logs.append(log)
        self.owners.append(owner)
        return len(self.logs) - 1

    def batched(self, column):
        """Whether each inference of a batch has cells of its own."""
        return self.owners[column] in ("input", "witness")

    def ranged(self, log, bits):
        column = self.column(log)
        self.lookups.append(Lookup(log, ("range", bits), [column, None, None]))
        return column

    def limbs(self, log, bits, count):
        """Columns of digits, with the weights that they have in their sum."""
        return [(1 << bits * j, self.ranged(log, bits)) for j in range(count)]

    # Rules: each makes its columns and lookups, and returns what makes its equations once all columns have numbers.

    def exact(self, index, layer):
        q = self.named(index, layer.log_size)
        return lambda: [self.equation(layer, self.z(layer) + [self.plain(-1, q, layer)], layer.constant)]

    def named(self, index, log):
        """`q`, which is also what is read as `y`."""
        q = self.column(log)
        self.sources["Pre", index] = self.sources["Post", index] = q
        return q

    def value(self, index, layer):
        """`q` and `y`: one column where the table's function is the identity."""
        q = self.named(index, layer.log_size)
        y = q if self.architecture.table(layer).kind == "Identity" else self.column(layer.log_size)
        self.sources["Post", index] = y
        return q, y

    def clamped(self, layer, q, y):
        """The limbs of what the clamp cuts off, and the lookups; returns `q + over`."""
        size, bits = layer.log_size, self.architecture.table(layer).limb_bits
        limbs = [(1 << bits * j, self.column(size)) for j in range(layer.limbs)]
        for v in [limb for _, limb in limbs] or [None]:
            self.lookups.append(Lookup(size, ("table", layer.table), [q, y, v]))
        return [(1, q)] + limbs

    def requantise(self, index, layer):
        size, shift = layer.log_size, layer.shift
        q, y = self.value(index, layer)
        count = -(-shift // 16)
        bits = -(-shift // max(count, 1))
        rem = [(1 << bits * i, self.ranged(size, min(bits, shift - bits * i))) for i in range(count)]
        whole = self.clamped(layer, q, y)
        half = 1 << (shift - 1) if shift else 0

        def equations():
            rest = [self.plain(-w << shift, c, layer) for w, c in whole] + [self.plain(-w, c, layer) for w, c in rem]
            return [self.equation(layer, self.z(layer) + rest, layer.constant + half)]

        return equations

    def division(self, layer, whole, rem, rest):
        """`2D·whole + rem = 2z + D` and `rem + rest = 2D - 1`."""
        by, logs = layer.divisor, layer.divisor_logs
        divisor = View(self.sources[by.source], by.runs)
        runs = [along(log, axis) for axis, log in enumerate(logs)]
        products = [Summand(-2 * w, logs, 0, View(column, runs), divisor) for w, column in whole]
        minus = lambda limbs: [self.plain(-w, c, layer) for w, c in limbs]
        first = products + [Summand(1, logs, 0, divisor)] + self.z(layer, 2) + minus(rem)
        second = [Summand(2, logs, 0, divisor)] + minus(rem) + minus(rest)
        return [self.equation(layer, first, 2 * layer.constant), self.equation(layer, second, -1)]

    def divide(self, index, layer):
        q, y = self.value(index, layer)
        rem, rest = (self.limbs(layer.log_size, layer.limb_bits, layer.parts) for _ in range(2))
        whole = self.clamped(layer, q, y)
        return lambda: self.division(layer, whole, rem, rest)

    def digits(self, index, layer):
        """`q`, its digits, and those of two more numbers."""
        q = self.named(index, layer.log_size)
        return [q] + [self.limbs(layer.log_size, layer.limb_bits, layer.parts) for _ in range(3)]

    def sum_of(self, layer, q, digits):
        return self.equation(layer, [self.plain(1, q, layer)] + [self.plain(-w, c, layer) for w, c in digits], 0)

    def quotient(self, index, layer):
        q, digits, rem, rest = self.digits(index, layer)
        return lambda: [self.sum_of(layer, q, digits)] + self.division(layer, [(1, q)], rem, rest)

    def squareroot(self, index, layer):
        q, digits, rem, rest = self.digits(index, layer)

        def equations():
            square = self.plain(-1, q, layer)
            square.right = square.left
            minus = lambda limbs: [self.plain(-w, c, layer) for w, c in limbs]
            root = self.equation(layer, [square] + self.z(layer) + minus(rem), layer.constant)
            last = self.equation(layer, [self.plain(2, q, layer)] + minus(rem) + minus(rest), 0)
            return [self.sum_of(layer, q, digits), root, last]

        return equations

    def maximum(self, index, layer):
        low, bits, count = layer.low, layer.bits, layer.len
        high, rows = layer.log_size - low - bits, layer.log_size - bits
        d, y = self.value(index, layer)
        e, m = self.column(layer.log_size), self.column(rows)
        self.sources["Mark", index], self.sources["Max", index] = e, m
        c = self.ranged(rows, max(bits, 1))
        self.lookups.append(Lookup(layer.log_size, ("table", layer.table), [d, y, e]))

        def equations():
            runs = [along(low, 0), along(high, 2)]
            if count < 1 << bits:
                runs.append(mapped(0, 1, [(k, 0) for k in range(count)]))
            maxima = Summand(-1, [low, bits, high], 0, View(m, runs))
            first = self.equation(layer, [maxima] + self.z(layer) + [self.plain(1, d, layer)], layer.constant)
            counted = mapped(bits, None, [(0, k) for k in range(count)])
            marks = Summand(1, [low, high], 0, View(e, [along(low, 0), counted, along(high, 1)]))
            excess = Summand(-1, [rows], 0, View(c, [along(rows, 0)]))
            return [first, Equation(rows, [marks, excess], -1)]

        return equations

    def rows(self, index, layer):
        q = self.named(index, layer.log_size)
        table = (self.sources["Weight", layer.matrix], layer.bits, layer.index_bits)
        if table not in self.row_tables:
            self.row_tables.append(table)
        keys = [self.sources[layer.index], None, None]
        number = ("rows", self.row_tables.index(table))
        self.lookups.append(Lookup(layer.log_size - layer.bits, number, keys, 0, (q, layer.bits)))
        return lambda: []

    def equation(self, layer, summands, constant):
        return Equation(layer.log_size, summands, constant)

    def plain(self, coefficient, column, layer):
        """A column as it stands."""
        return Summand(coefficient, [layer.log_size], 0, View(column, [along(layer.log_size, 0)]))

    def z(self, layer, factor=1):
        """The layer's terms, without the constant."""
        view = lambda operand: operand and View(self.sources[operand.source], operand.runs)
        return [
            Summand(factor * t.coefficient, t.logs, len(t.summed), view(t.left), view(t.right))
            for t in layer.proven_terms()
        ]


# The same in integers: whether an execution fulfils everything.


def summand_values(summand, log_size, columns):
    readers = [Reader(view, summand.logs) for view in (summand.left, summand.right) if view is not None]
    values = [reader.values(columns[reader.source]) for reader in readers]
    first = len(summand.outputs)
    summed = [split(k, summand.logs[first:]) for k in range(1 << sum(summand.logs[first:]))]
    offsets = [[reader.position(k, first) for reader in readers] for k in summed]
    for cell in range(1 << log_size):
        at = [reader.position(split(cell, summand.outputs)) for reader in readers]
        if len(readers) == 1:
            yield summand.coefficient * values[0][at[0]]
        else:
            (left, right), (l, r) = values, at
            yield summand.coefficient * sum(left[l + i] * right[r + j] for i, j in offsets)


def rows_of(system, table):
    kind, number = table
    if kind == "range":
        return [(n, 0, 0) for n in range(1 << number)]
    return system.architecture.tables[number].rows()


def finds_rows(system, lookup, columns):
    """Whether every row of cells is the one that its index names: zeros where the block of weights has none."""
    column, bits = lookup.row
    matrix, index_bits = system.row_tables[lookup.table[1]][0], system.row_tables[lookup.table[1]][2]
    cut = lambda cells: [cells[i : i + (1 << bits)] for i in range(0, len(cells), 1 << bits)]
    rows, half = cut(columns[matrix]), 1 << (index_bits - 1)
    named = lambda i: rows[i] if 0 <= i < len(rows) else [0] * (1 << bits)
    indices = columns[lookup.keys[0]]
    return all(-half <= i < half and named(i) == row for i, row in zip(indices, cut(columns[column]), strict=True))


def violations(system, columns):
    for number, equation in enumerate(system.equations):
        sums = [equation.constant] * (1 << equation.log_size)
        for summand in equation.summands:
            for cell, value in enumerate(summand_values(summand, equation.log_size, columns)):
                sums[cell] += value
        if any(sums):
            yield f"equation {number} does not hold"
    rows = {table: set(rows_of(system, table)) for table in system.tables if table[0] != "rows"}
    for number, lookup in enumerate(system.lookups):
        if lookup.row is not None:
            if not finds_rows(system, lookup, columns):
                yield f"lookup {number} finds no row"
            continue
        keys = [[0] * (1 << lookup.log_size) if key is None else columns[key] for key in lookup.keys]
        if any((a + lookup.offset, b, c) not in rows[lookup.table] for a, b, c in zip(*keys)):
            yield f"lookup {number} finds no row"


def check(export):
    system = System(Architecture(export["architecture"]))
    weights = export["weights"]
    secrets = system.architecture.written_out(weights["matrices"]) + weights["biases"]
    wrong = []
    for trace in export["traces"]:
        if len(trace) != len(system.executed):
            return [f"{len(system.executed)} columns by the page, {len(trace)} by the executor"]
        columns = dict(enumerate(secrets)) | dict(zip(system.executed, trace))
        if any(len(columns[c]) != 1 << system.logs[c] for c in columns):
            return ["a column has another length"]
        wrong += violations(system, columns)
    return wrong


def main(folder):
    good, bad = 0, 0
    for path in sorted(pathlib.Path(folder).glob("*.json")):
        wrong = check(json.loads(path.read_text()))
        print(*(f"{path.name}: {what}\n" for what in wrong[:3]), sep="", end="")
        good, bad = good + (not wrong), bad + bool(wrong)
    print(f"the executions of {good} networks fulfil all equations and lookups; those of {bad} do not")
    return 1 if bad or not good else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
