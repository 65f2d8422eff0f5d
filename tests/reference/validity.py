"""Which networks are valid: docs/semantics.md, section 8.

    python3 validity.py FOLDER

reads exported networks with changes of one thing each, and fails where a changed network is valid here and not there.
"""

import copy
import itertools
import json
import math
import pathlib
import sys

from bounds import Bounds, Invalid, need, signed
from model import Architecture, axis_at

MOST = 27  # log of the most cells of a block
MOST_OF_A_WINDOW = 26
MOST_WORK = 30


def distinct(items):
    items = list(items)
    return len(set(items)) == len(items)


class Validity:
    def __init__(self, export):
        need(all(4 <= table["bits"] <= 16 for table in export["tables"]), "a table's width")
        self.export, self.a = export, Architecture(export)

    def check(self):
        a = self.a
        need(1 <= len(a.layers) <= 4096, "layers")
        need(2 <= a.input["bits"] <= 18 and 2 <= a.weight_bits <= 16, "widths")
        need(len(a.matrices) <= 8192 and len(a.biases) <= 8192 and len(a.tables) <= 64, "counts")
        need(all(2 <= block["bits"] <= 32 for block in a.biases), "bits of biases")
        logs = a.matrices + a.bias_logs + [layer.log_size for layer in a.layers] + [a.input["log_size"]]
        need(max(logs) <= MOST, "block size")
        for block in a.weight_blocks:
            self.cuts(block)
        for table in a.tables:
            self.table(table)
        self.ports()
        self.loops()
        for index, layer in enumerate(a.layers):
            self.rule(index, layer)
            for term in layer.terms:
                self.term(index, layer, term)
        self.written_out()
        bounds = Bounds(a)
        for source, _ in a.outputs:
            low, high = bounds.block(source)
            need(-(1 << 15) <= low and high < 1 << 15, "an output's width")

    def cuts(self, block):
        end = 0
        for bit, bits, count in block.cuts:
            need(bits > 0 and end <= bit and bit + bits <= block.log and 1 <= count < 1 << bits, "a cut")
            end = bit + bits
        need(math.prod(count for _, _, count in block.cuts) <= 1 << 10, "a block's tiles")

    def table(self, table):
        need(not table.saturating or table.bits - 1 <= table.limb_bits <= 16, "limb bits")
        need((table.domain, table.kind) != ("Unsigned", "Relu"), "an unsigned table of Relu")
        if table.real is None:
            return
        need(len(table.real["program"]) <= 64, "a program's length")
        depth = 0
        for step in table.real["program"]:
            kind = step if isinstance(step, str) else next(iter(step))
            depth += {"Argument": 1, "Constant": 1, "Unary": 0, "Binary": -1}[kind]
            need(depth >= 1, "a program's stack")
        need(depth == 1, "a program's stack")

    def ports(self):
        ports, outputs = self.export["input"]["ports"], self.export["outputs"]
        need(ports and outputs, "tensors")
        for tensor in ports + outputs:
            need(len(tensor["cells"]) == math.prod(tensor["shape"]) > 0, "a tensor's shape")
        low, high = signed(self.a.input["bits"])
        need(all(low <= port["range"][0] <= port["range"][1] <= high for port in ports), "a published range")
        cells = [cell for port in ports for cell in port["cells"]]
        need(distinct(cells) and max(cells) < 1 << self.a.input["log_size"], "input cells")
        for source, cells in self.a.outputs:
            need(source[0] not in ("Weight", "Bias"), "an output that is secret")
            need(distinct(cells) and max(cells) < 1 << self.log(source), "output cells")

    def log(self, source):
        """The log of a block's length, if there is one."""
        kind, number = source
        if kind == "Input":
            return self.a.input["log_size"]
        blocks = {"Weight": self.a.matrices, "Bias": self.a.bias_logs}.get(kind, self.a.layers)
        need(number < len(blocks), "a block that is not there")
        if kind in ("Weight", "Bias"):
            return blocks[number]
        layer = blocks[number]
        need(kind in ("Pre", "Post") or layer.rule == "Maximum", "a column that is not there")
        if kind == "Max":
            need(layer.bits <= layer.log_size, "a column that is not there")
            return layer.log_size - layer.bits
        return layer.log_size

    def loops(self):
        end = 0
        for first, layers, log_steps in self.a.loops:
            need(first >= end and layers > 0 and first + layers <= len(self.a.layers), "a loop's layers")
            end = first + layers
            for layer in self.a.layers[first:end]:
                need(layer.rule != "Rows", "rows of weights in a loop")
                axis = layer.low + layer.bits if layer.rule == "Maximum" else 0
                need(axis + log_steps <= layer.log_size, "a loop's steps")

    def rule(self, index, layer):
        need(layer.table is None or layer.table < len(self.a.tables), "a table that is not there")
        if layer.rule == "Requantise":
            need(layer.shift <= 48, "shift")
        if layer.limb_bits is not None:
            need(4 <= layer.limb_bits <= 16, "limb bits")
        if layer.table is not None:
            unsigned = self.a.tables[layer.table].domain == "Unsigned"
            need(unsigned == (layer.rule == "Maximum"), "a table's domain")
        if layer.divisor is not None:
            need(layer.divisor.source[0] not in ("Weight", "Bias"), "a divisor that is secret")
            need(all(run.kind == "Axis" for run in layer.divisor.runs), "a divisor's runs")
            self.axes(layer, layer.divisor_logs, layer.divisor_logs)
            self.operand(layer, layer.divisor, layer.divisor_logs, False)
            self.order(index, layer.divisor, layer.divisor_logs)
        if layer.rule == "Rows":
            need(2 <= layer.index_bits <= 18 and layer.index[0] not in ("Weight", "Bias"), "rows of weights")
            need(layer.index[0] == "Input" or layer.index[1] < index, "a layer that comes later")
            rows = self.log(("Weight", layer.matrix)) - layer.bits
            need(0 <= rows < layer.index_bits, "rows of weights")
            need(self.log(layer.index) == layer.log_size - layer.bits, "rows of weights")
            cuts = self.a.weight_blocks[layer.matrix].cuts
            need(all(bit >= layer.bits or bit + bits <= layer.bits for bit, bits, _ in cuts), "a cut across rows")
            need(not layer.terms and layer.constant == 0, "rows of weights")
        if layer.rule == "Maximum":
            need(layer.bits <= 17 and layer.low + layer.bits <= layer.log_size, "a maximum's axis")
            need(1 <= layer.len <= 1 << layer.bits and layer.constant == 0, "a maximum's axis")
            for term in layer.exported_terms:
                outputs = len(term["axes"]) - term["summed"]
                whole = layer.len == 1 << layer.bits
                need(whole or axis_at(term["axes"][:outputs], layer.low, layer.bits) is not None, "a maximum's axis")

    def axes(self, layer, logs, outputs):
        need(len(logs) <= 16 and sum(outputs) == layer.log_size and sum(logs) <= 40, "axes")

    def term(self, index, layer, term):
        summed = len(term.logs) - len(term.outputs)
        need(term.exported_summed <= len(term.logs), "axes")
        self.axes(layer, term.logs, term.outputs)
        need(term.coefficient != 0 and (term.right is not None or summed == 0), "a term")
        partial = None
        if layer.rule == "Maximum" and layer.len < 1 << layer.bits:
            partial = axis_at(term.outputs, layer.low, layer.bits)
        for operand in term.operands:
            self.operand(layer, operand, term.logs, term.right is not None, partial)
            need(set(range(len(term.outputs), len(term.logs))) <= set(operand.axes), "a summed axis that is not named")
            self.order(index, operand, term.outputs)

    def operand(self, layer, operand, logs, in_product, partial=None):
        need(sum(run.log for run in operand.runs) == self.log(operand.source), "runs")
        need(len(operand.runs) <= 32 and distinct(operand.axes) and all(a < len(logs) for a in operand.axes), "runs")
        work = 1 << layer.log_size
        if operand.source[0] == "Weight":
            self.cut_runs(operand.runs, self.a.weight_blocks[operand.source[1]].cuts, partial)
        for run in operand.runs:
            if run.kind == "Axis":
                need(logs[run.axes[0]] == run.log, "a run's length")
            elif run.kind == "Map":
                self.entries(run, 1 << logs[run.axes[0]] if run.axes else 1, in_product)
                work *= 1 if in_product else max((len(reads) for reads in run.by_place.values()), default=0)
            else:
                self.window(run, *(1 << logs[axis] for axis in run.axes))
        need(work <= 1 << MOST_WORK, "the work of a term")

    def cut_runs(self, runs, cuts, partial):
        """Each cut is part of one run, which follows an axis, and one all of whose places count."""
        ends = list(itertools.accumulate((run.log for run in runs), initial=0))
        for bit, bits, _ in cuts:
            holder = [r for r, first, end in zip(runs, ends, ends[1:]) if first <= bit and bit + bits <= end]
            whole = [run for run in holder if run.kind == "Axis" and run.axes != (partial,)]
            need(whole, "a cut across runs")

    def entries(self, run, places, in_product):
        entries = run.entries
        need(all(to < places and at < 1 << run.log and c for to, at, c in entries), "entries")
        need(distinct((to, at) for to, at, _ in entries), "entries")
        if in_product:
            need(distinct(to for to, _, _ in entries) and all(c == 1 for _, _, c in entries), "entries of a product")

    def window(self, run, outputs, kernel):
        w = run.window
        most = 1 << MOST_OF_A_WINDOW
        need(1 <= w["outputs"] <= outputs and 1 <= w["kernel"] <= kernel, "a window")
        need(1 <= w["inputs"] <= 1 << run.log, "a window")
        need(1 <= w["stride"] <= most and 1 <= w["dilation"] <= most and w["padding"] <= most, "a window")
        need(w["outputs"] * w["kernel"] <= most, "a window")

    def order(self, index, operand, outputs):
        """Whether what is read is there by then."""
        loop = self.a.loop_of(index)
        steps = len(outputs) - 1
        need(loop is None or (outputs and outputs[-1] == loop[2]), "the axis of steps")
        kind, read = operand.source
        if kind in ("Input", "Weight", "Bias"):
            return
        if loop is None or self.a.loop_of(read) != loop:
            need(read < index, "a layer that comes later")
            return
        need(operand.runs and operand.runs[-1].log == loop[2], "the run of steps")
        run, earlier = operand.runs[-1], read < index
        if run.kind == "Map":
            need(run.axes == (steps,), "the run of steps")
            need(all(at < to or (earlier and at == to) for to, at, _ in run.entries), "a step that comes later")
        else:
            need(run.kind == "Axis" and run.axes == (steps,) and earlier, "the run of steps")

    def written_out(self):
        maxima = [layer for layer in self.a.layers if layer.rule == "Maximum" and layer.len < 1 << layer.bits]
        need(sum((len(layer.terms) + 2) * layer.len for layer in maxima) <= 1 << 22, "places of maxima")


def refused(export):
    """Why a network is refused, or nothing."""
    try:
        Validity(export).check()
    except Invalid as reason:
        return str(reason)
    return None


def changed(export, path, value):
    """The network with something else, or nothing, at a place."""
    other = copy.deepcopy(export)
    at = other
    for step in path[:-1]:
        at = at[step]
    if value is None and isinstance(path[-1], int):
        del at[path[-1]]
    else:
        at[path[-1]] = value
    return other


def main(folder):
    counts, wrong = {}, 0
    for file in sorted(pathlib.Path(folder).glob("*.json")):
        export = json.loads(file.read_text())
        for path, value, valid in [[[], None, True]] + export["changes"]:
            architecture = export["architecture"]
            reason = refused(changed(architecture, path, value) if path else architecture)
            counts[reason] = counts.get(reason, 0) + 1
            if (reason is None) != valid:
                wrong += 1
                here = "valid" if reason is None else f"refused ({reason})"
                print(f"{file.name}: {path} = {value}: {here} by the page, valid by validation: {valid}")
    print(", ".join(f"{reason or 'valid'}: {count}" for reason, count in sorted(counts.items(), key=str)))
    return 1 if wrong or None not in counts or len(counts) < 2 else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
