"""docs/semantics.md once more: what a network computes, in Python's integers.

    python3 semantics.py FOLDER

reads the exported networks of a folder, runs each on its inputs, and fails where any column, output or number of
clamps differs from what the export says; and, unless there is a second argument, where one of the CASES below did not
come up.
"""

import json
import math
import struct
import pathlib
import sys
from fractions import Fraction

from bounds import Invalid, check_limbs
from model import Architecture, Reader, split


# How often each of the cases came up that an implementation may get wrong: all must.
CASES = dict.fromkeys(
    "halves of a shift, halves of a division, a clamp at the lower rail, a clamp at the upper rail, a clamp of several "
    "limbs, a clamp that does not count, several inputs, several outputs, equal maxima, a row that is not there".split(", "),
    0,
)


def seen(case, times=1):
    CASES[case] += times


def clamp(value, low, high):
    return min(max(value, low), high)


class LayerRun:
    """A layer with its operands worked out, to be evaluated cell by cell."""

    def __init__(self, architecture, index):
        self.layer, self.index = architecture.layers[index], index
        self.table = architecture.table(self.layer)
        self.terms = [(term, [Reader(operand, term.logs) for operand in term.operands]) for term in self.layer.terms]
        by = self.layer.divisor
        self.divisor = None if by is None else Reader(by, self.layer.divisor_logs)

    def sums(self, blocks, cells):
        """`z` of these cells."""
        z = {cell: self.layer.constant for cell in cells}
        for term, readers in self.terms:
            values = [LazyValues(reader, blocks[reader.source]) for reader in readers]
            summed = [split(k, term.summed) for k in range(1 << sum(term.summed))]
            first = len(term.outputs)
            offsets = list(zip(*[[reader.position(k, first) for k in summed] for reader in readers]))
            for cell in cells:
                places = split(cell, term.outputs)
                at = [reader.position(places) for reader in readers]
                if len(readers) == 1:
                    z[cell] += term.coefficient * values[0][at[0]]
                    continue
                (left, right), (l, r) = values, at
                z[cell] += term.coefficient * sum(left[l + i] * right[r + j] for i, j in offsets)
        return z

    def divisors(self, blocks, cell):
        value = LazyValues(self.divisor, blocks[self.divisor.source])
        return value[self.divisor.position(split(cell, self.layer.divisor_logs))]

    def evaluate(self, blocks, cells, cut):
        """Fills the layer's columns at these cells, and notes what the clamps cut off."""
        layer, at = self.layer, self.index
        if layer.rule == "Rows":
            return self.rows(blocks, cells)
        z = self.sums(blocks, cells)
        if layer.rule == "Maximum":
            return self.maximum(blocks, cells, z)
        for cell in cells:
            q = self.quotient(z[cell], blocks, cell)
            if layer.rule in ("Requantise", "Divide"):
                whole, q = q, clamp(q, self.table.min, self.table.max)
                if whole != q:
                    cut.append((layer.table, whole - q))
            blocks["Pre", at][cell] = q
            blocks["Post", at][cell] = q if self.table is None else self.table.f(q)

    def quotient(self, z, blocks, cell):
        """What a rule makes of `z`, before a clamp."""
        layer = self.layer
        if layer.rule == "Exact":
            return z
        if layer.rule == "Requantise":
            half = 1 << (layer.shift - 1) if layer.shift else 0
            seen("halves of a shift", half > 0 and z % (2 * half) == half)
            return (z + half) >> layer.shift
        if layer.rule == "SquareRoot":
            return math.isqrt(z)
        divisor = self.divisors(blocks, cell)
        assert divisor >= 1
        seen("halves of a division", 2 * z % (2 * divisor) == divisor)
        return (2 * z + divisor) // (2 * divisor)

    def rows(self, blocks, cells):
        """Rows of a block of weights, by an index each."""
        layer, at = self.layer, self.index
        matrix, indices, width = blocks["Weight", layer.matrix], blocks[layer.index], 1 << layer.bits
        for cell in cells:
            row, place = divmod(cell, width)
            here = 0 <= indices[row] < len(matrix) // width
            seen("a row that is not there", not here)
            value = matrix[indices[row] * width + place] if here else 0
            blocks["Pre", at][cell] = blocks["Post", at][cell] = value

    def maximum(self, blocks, cells, z):
        layer, at = self.layer, self.index
        place = lambda cell: cell >> layer.low & (1 << layer.bits) - 1
        row = lambda cell: cell & (1 << layer.low) - 1 | cell >> (layer.low + layer.bits) << layer.low
        maxima = blocks["Max", at]
        for cell in cells:
            if place(cell) < layer.len:
                have = maxima[row(cell)]
                maxima[row(cell)] = z[cell] if have is None else max(have, z[cell])
        for cell in cells:
            q = maxima[row(cell)] - z[cell] if place(cell) < layer.len else 0
            blocks["Pre", at][cell], blocks["Post", at][cell] = q, self.table.f(q)
            blocks["Mark", at][cell] = int(q == 0)
        marks = sum(blocks["Mark", at][cell] for cell in cells if place(cell) < layer.len)
        seen("equal maxima", marks > len({row(cell) for cell in cells}))


class LazyValues:
    """An operand's values, each worked out when it is read: in a loop some blocks are not whole yet."""

    def __init__(self, reader, block):
        self.reads, self.block, self.known = reader.reads, block, {}

    def __getitem__(self, position):
        value = self.known.get(position)
        if value is None:
            value = self.known[position] = sum(self.block[cell] * c for cell, c in self.reads[position])
        return value


class Network:
    def __init__(self, architecture, weights):
        self.architecture = Architecture(architecture)
        self.layers = [LayerRun(self.architecture, index) for index in range(len(self.architecture.layers))]
        written_out = self.architecture.written_out(weights["matrices"])
        self.secrets = {("Weight", i): block for i, block in enumerate(written_out)}
        self.secrets |= {("Bias", i): block for i, block in enumerate(weights["biases"])}
        self.rails = self.architecture.counting_rails()

    def stretches(self):
        """Layers and cells in the order of evaluation: a loop's layers step by step."""
        index = 0
        while index < len(self.layers):
            loop = self.architecture.loop_of(index)
            _, count, log_steps = loop or (index, 1, 0)
            for step in range(1 << log_steps):
                for layer in self.layers[index : index + count]:
                    size = 1 << (layer.layer.log_size - log_steps)
                    yield layer, range(step * size, (step + 1) * size)
            index += count

    def run(self, cells):
        """All columns that can be read, and the number of clamps."""
        blocks = dict(self.secrets)
        blocks["Input", 0] = cells
        for index, layer in enumerate(self.architecture.layers):
            size = 1 << layer.log_size
            for kind in ("Pre", "Post"):
                blocks[kind, index] = [None] * size
            if layer.rule == "Maximum":
                blocks["Mark", index], blocks["Max", index] = [None] * size, [None] * (size >> layer.bits)
        cut = []
        for layer, part in self.stretches():
            layer.evaluate(blocks, part, cut)
        return blocks, sum(self.clamps(table, over) for table, over in cut)

    def clamps(self, table, over):
        """The limbs that are not 0 of what a clamp cut off."""
        rail, rest, count = 1 if over > 0 else -1, abs(over), 0
        seen("a clamp at the upper rail" if rail > 0 else "a clamp at the lower rail")
        if rail not in self.rails[table]:
            seen("a clamp that does not count")
            return 0
        bits = self.architecture.tables[table].limb_bits
        while rest:
            count += rest & (1 << bits) - 1 != 0
            rest >>= bits
        seen("a clamp of several limbs", count > 1)
        return count

    def outputs(self, blocks):
        return [blocks[source][cell] for source, cells in self.architecture.outputs for cell in cells]


def input_cells(architecture, tensors):
    """Section 7, in fractions: the input's block, how many numbers leave the published range, how many are clamped."""
    half = 1 << (architecture.input["bits"] - 1)
    block, outside, clamped = [0] * (1 << architecture.input["log_size"]), 0, 0
    for port, tensor in zip(architecture.input["ports"], tensors, strict=True):
        for cell, x in zip(port["cells"], tensor, strict=True):
            whole = math.floor(Fraction(x) * Fraction(2) ** port["scale"] + Fraction(1, 2))
            block[cell] = clamp(whole, -half, half - 1)
            clamped += block[cell] != whole
            outside += not port["range"][0] <= whole <= port["range"][1]
    return block, outside, clamped


def output_numbers(architecture, integers):
    """Section 7: what the output's integers mean, exactly."""
    rest, numbers, last = iter(integers), [], None
    for output in architecture.export["outputs"]:
        digit = [Fraction(next(rest)) * Fraction(2) ** -output["scale"] for _ in output["cells"]]
        tensor = (output["name"], output["shape"])
        if tensor == last:
            numbers[-1] = [as_float(a + b) for a, b in zip(numbers[-1], digit, strict=True)]
        else:
            numbers.append(digit)
        last = tensor
    return numbers


def as_float(number):
    """The nearest number of 32 bits."""
    return Fraction(struct.unpack("f", struct.pack("f", float(number)))[0])


class Disagreement(Exception):
    pass


def same(name, have, need):
    if have != need:
        raise Disagreement(f"{name}: the page gives {have}, the executor {need}")


def check_run(network, case):
    """Compares one run, column by column, so that the first layer that differs is named."""
    blocks, clamps = network.run(case["input"])
    for index, columns in enumerate(case["columns"]):
        for kind, values in columns.items():
            same(f"layer {index}, {kind}", blocks[kind, index], values)
    same("output", network.outputs(blocks), case["output"])
    same("clamps", clamps, case["clamps"])


def check_numbers(network, case):
    """Compares how numbers become an input, and an output numbers."""
    have = input_cells(network.architecture, case["numbers"])
    same("input", have, (case["cells"], case["outside"], case["clamped"]))
    numbers = output_numbers(network.architecture, case["output"])
    same("output", numbers, [[Fraction(x) for x in tensor] for tensor in case["output_numbers"]])


def check(export):
    network = Network(export["architecture"], export["weights"])
    check_limbs(network.architecture)
    seen("several inputs", len(export["architecture"]["input"]["ports"]) > 1)
    seen("several outputs", len(export["architecture"]["outputs"]) > 1)
    for case in export["runs"]:
        check_run(network, case)
    for case in export["numbers"]:
        check_numbers(network, case)
    return len(export["runs"])


def main(folder, *some):
    networks, runs, wrong = 0, 0, 0
    for path in sorted(pathlib.Path(folder).glob("*.json")):
        try:
            runs += check(json.loads(path.read_text()))
            networks += 1
        except (Disagreement, Invalid) as difference:
            wrong += 1
            print(f"{path.name}: {difference}")
    print(f"{networks} networks agree, in {runs} runs; {wrong} do not")
    print(", ".join(f"{case}: {times}" for case, times in CASES.items()))
    return 0 if networks and not wrong and (some or all(CASES.values())) else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
