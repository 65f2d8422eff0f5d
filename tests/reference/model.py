"""A network as it is exported, and how its operands read blocks: docs/semantics.md, sections 1 and 3."""

import copy
import itertools

from functions import Table


class Source(tuple):
    """A block: its kind, and its number where there are several."""

    def __new__(cls, export):
        return super().__new__(cls, (export, 0) if isinstance(export, str) else next(iter(export.items())))


def split(number, logs):
    """Cuts a number's bits into parts of these lengths, from the lowest bits up."""
    parts = []
    for log in logs:
        parts.append(number & ((1 << log) - 1))
        number >>= log
    return tuple(parts)


def window_reads(window, out, kernel):
    """What a place of the output and one of the kernel read."""
    if out >= window["outputs"] or kernel >= window["kernel"]:
        return []
    at = out * window["stride"] + kernel * window["dilation"] - window["padding"]
    return [(at, 1)] if 0 <= at < window["inputs"] else []


class Run:
    """Some bits of a block's cell numbers, as a sparse matrix: `reads(places)` are its `(number, factor)`."""

    def __init__(self, export):
        self.log, index = export["log_len"], export["index"]
        ((self.kind, what),) = index.items()
        self.window, self.entries = None, None
        if self.kind == "Axis":
            self.axes = (what,)
        elif self.kind == "Map":
            self.axes = () if what["axis"] is None else (what["axis"],)
            self.entries = [(e["to"], e["from"], e["coefficient"]) for e in what["entries"]]
            self.by_place = {}
            for to, at, coefficient in self.entries:
                self.by_place.setdefault(to, []).append((at, coefficient))
        else:
            self.axes, self.window = (what["out"], what["kernel"]), what["window"]

    def reads(self, places):
        if self.kind == "Axis":
            return [(places[0], 1)]
        if self.kind == "Map":
            return self.by_place.get(places[0] if places else 0, [])
        return window_reads(self.window, *places)

    def matrix(self, logs):
        """All `(places, number, factor)` that are not 0, given the logs of the axes' lengths."""
        for places in itertools.product(*(range(1 << logs[axis]) for axis in self.axes)):
            for number, factor in self.reads(places):
                yield places, number, factor


def cells_read(runs, places):
    """The `(cell, factor)` that runs read at these places, one place for each axis of the term."""
    found, shift = [(0, 1)], 0
    for run in runs:
        reads = run.reads(tuple(places[axis] for axis in run.axes))
        found = [(cell | number << shift, c * factor) for cell, c in found for number, factor in reads]
        shift += run.log
    return found


class Operand:
    def __init__(self, export):
        self.export = export
        self.source, self.runs = Source(export["source"]), [Run(run) for run in export["runs"]]
        self.axes = tuple(axis for run in self.runs for axis in run.axes)


class Reader:
    """An operand, worked out for all places of the axes that it names."""

    def __init__(self, operand, logs):
        strides, size = {}, 1
        for axis in operand.axes:
            strides[axis], size = size, size << logs[axis]
        self.source, self.strides, self.reads = operand.source, strides, []
        named = [logs[axis] for axis in operand.axes]
        places = [0] * len(logs)
        for at in range(size):
            for axis, place in zip(operand.axes, split(at, named)):
                places[axis] = place
            self.reads.append(cells_read(operand.runs, places))

    def position(self, places, first=0):
        """The share of some axes' places, the first of which has this number, in the position in `reads`."""
        return sum(place * self.strides.get(axis, 0) for axis, place in enumerate(places, first))

    def values(self, block):
        """The operand's value at every position."""
        return [sum(block[cell] * factor for cell, factor in reads) for reads in self.reads]


class Term:
    def __init__(self, export):
        self.coefficient, self.logs, self.exported_summed = export["coefficient"], export["axes"], export["summed"]
        outputs = max(len(self.logs) - export["summed"], 0)
        self.outputs, self.summed = self.logs[:outputs], self.logs[outputs:]
        self.left = Operand(export["left"])
        self.right = None if export["right"] is None else Operand(export["right"])
        self.operands = [self.left] if self.right is None else [self.left, self.right]


def axis_at(logs, low, bits):
    """Which axis is exactly these bits of a cell's number."""
    return next((a for a, log in enumerate(logs) if log == bits and sum(logs[:a]) == low), None)


def restricted(export, low, bits, count):
    """A term that reads nothing at the places from `count` on of the axis at these bits."""
    term = copy.deepcopy(export)
    logs = term["axes"]
    axis = axis_at(logs, low, bits)
    for operand in filter(None, (term["left"], term["right"])):
        for run in operand["runs"]:
            if axis not in Run(run).axes:
                continue
            ((kind, what),) = run["index"].items()
            if kind == "Axis":
                entries = [{"to": k, "from": k, "coefficient": 1} for k in range(count)]
                run["index"] = {"Map": {"axis": axis, "entries": entries}}
            elif kind == "Map":
                what["entries"] = [entry for entry in what["entries"] if entry["to"] < count]
            else:
                length = "outputs" if axis == what["out"] else "kernel"
                what["window"][length] = min(what["window"][length], count)
            return term
    entries = [{"to": k, "from": 0, "coefficient": 1} for k in range(count)]
    term["left"]["runs"].append({"log_len": 0, "index": {"Map": {"axis": axis, "entries": entries}}})
    return term


class Layer:
    def __init__(self, export):
        self.log_size, self.constant = export["log_size"], export["constant"]
        self.exported_terms = export["terms"]
        self.terms = [Term(term) for term in export["terms"]]
        rule = export["rule"]
        self.rule, fields = (rule, {}) if isinstance(rule, str) else next(iter(rule.items()))
        self.shift, self.limbs, self.parts = (fields.get(name, 0) for name in ("shift", "limbs", "parts"))
        self.limb_bits, self.table = fields.get("limb_bits"), fields.get("table")
        self.low, self.bits, self.len = (fields.get(name) for name in ("low", "bits", "len"))
        self.matrix, self.index_bits = fields.get("matrix"), fields.get("index_bits")
        self.index = Source(fields["index"]) if "index" in fields else None
        self.divisor, self.divisor_logs = None, None
        if "by" in fields:
            self.divisor, self.divisor_logs = Operand(fields["by"]["operand"]), fields["by"]["axes"]

    def proven_terms(self):
        """The terms as equations have them: those of a maximum read nothing at places that do not count."""
        if self.rule != "Maximum" or self.len == 1 << self.bits:
            return self.terms
        return [Term(restricted(term, self.low, self.bits, self.len)) for term in self.exported_terms]

    def operands(self):
        read = [operand for term in self.terms for operand in term.operands]
        return read if self.divisor is None else read + [self.divisor]


class WeightBlock:
    """A block of weights: cells whose number has a part that is too large for one of the cuts are 0 and not stored."""

    def __init__(self, export):
        first, cuts = (export, []) if isinstance(export, int) else (export[0] - 64, export[1])
        self.log, self.cuts = first, [(cut["bit"], cut["bits"], cut["len"]) for cut in cuts]
        taken = {bit for low, bits, _ in self.cuts for bit in range(low, low + bits)}
        self.free = [bit for bit in range(self.log) if bit not in taken]

    def tiles(self):
        """What each tile's cells have in common: bits, and what they are."""
        numbers = itertools.product(*(range(count) for _, _, count in reversed(self.cuts)))
        for tile in numbers:
            of_cut = zip(reversed(tile), self.cuts)
            yield {low + i: number >> i & 1 for number, (low, bits, _) in of_cut for i in range(bits)}

    def cells(self):
        """The numbers of the stored cells, in their order."""
        for fixed in self.tiles():
            first = sum(value << bit for bit, value in fixed.items())
            for place in range(1 << len(self.free)):
                yield first + sum((place >> i & 1) << bit for i, bit in enumerate(self.free))

    def written_out(self, stored):
        block = [0] * (1 << self.log)
        for cell, value in zip(self.cells(), stored, strict=True):
            block[cell] = value
        return block


class Architecture:
    def __init__(self, export):
        self.export = export
        self.input, self.weight_bits = export["input"], export["weight_bits"]
        self.weight_blocks = [WeightBlock(block) for block in export["matrices"]]
        self.matrices, self.biases = [block.log for block in self.weight_blocks], export["biases"]
        self.bias_logs = [block["log_size"] for block in self.biases]
        self.tables = [Table(table) for table in export["tables"]]
        self.layers = [Layer(layer) for layer in export["layers"]]
        self.loops = [(loop["first"], loop["layers"], loop["log_steps"]) for loop in export["loops"]]
        self.outputs = [(Source(output["source"]), output["cells"]) for output in export["outputs"]]

    def written_out(self, matrices):
        return [block.written_out(stored) for block, stored in zip(self.weight_blocks, matrices, strict=True)]

    def table(self, layer):
        return None if layer.table is None else self.tables[layer.table]

    def loop_of(self, index):
        return next((loop for loop in self.loops if loop[0] <= index < loop[0] + loop[1]), None)

    def counting_rails(self):
        """The rails that count, by table: a set of 1 and -1. Section 4."""
        read = {operand.source for layer in self.layers for operand in layer.operands()}
        read |= {layer.index for layer in self.layers if layer.index is not None}
        read |= {source for source, _ in self.outputs}
        tables = {self.layers[number].table for kind, number in read if kind == "Pre"}
        return [{r for r in (1, -1) if t in tables or not table.flat(r)} for t, table in enumerate(self.tables)]
