"""Where every cell of a proof lives, and the digest of its shape: docs/protocol.md, sections 2, 5 and 8."""

from dataclasses import dataclass

from encoding import postcard_architecture, varint
from hashes import keccak256
from model import WeightBlock
from system import System


def log_ceil(n):
    return (n - 1).bit_length()


@dataclass
class Block:
    """Cells of one inference after the other; `gap` more bits lie between two inferences where inputs are separate.

    A block of weights with cuts is several tiles of this size, one after the other.
    """

    log_item: int
    log_batch: int
    gap: int = 0
    offset: int = 0
    cut: WeightBlock | None = None

    @property
    def log_span(self):
        return self.log_item + self.gap + self.log_batch

    def tiles(self):
        """First cells, with what the numbers of a tile's cells have in common."""
        alike = self.cut.tiles() if self.cut else [{}]
        return [(self.offset + (at << self.log_span), fixed) for at, fixed in enumerate(alike)]

    @property
    def end(self):
        return self.offset + (len(self.tiles()) << self.log_span)

    def bits(self, offset, variables):
        """Of the variables of the whole, lowest first: `None` for the block's own, else the bit that is fixed there."""
        own = [None] * self.log_item + [0] * self.gap + [None] * self.log_batch
        return own + [offset >> i & 1 for i in range(self.log_span, variables)]


def pack(blocks, start):
    """Places blocks, the largest first and those of one size in their order. Returns the end."""
    for block in sorted(blocks, key=lambda block: -block.log_span):
        block.offset = start
        start = block.end
    return start


@dataclass
class Region:
    first: int
    chunks: int


class Shape:
    def __init__(self, architecture, log_chunk, log_batch=0, separate=False):
        self.architecture, self.c, self.log_batch = architecture, log_chunk, log_batch
        self.separate = separate and log_batch > 0
        self.system = System(architecture)
        self.place_columns()
        self.place_leaves()
        self.digest = self.make_digest()

    def block(self, log, batched):
        return Block(log, self.log_batch if batched else 0)

    def place_columns(self):
        system, end = self.system, 0
        self.blocks = [self.block(log, system.batched(i)) for i, log in enumerate(system.logs)]
        for number, of in enumerate(self.architecture.weight_blocks):
            if of.cuts:
                self.blocks[system.sources["Weight", number]] = Block(len(of.free), 0, cut=of)
        if self.separate:
            block = self.blocks[system.input]
            block.gap = max(self.c - block.log_item, 0)
        self.regions = []
        for owners, least in ((["weights"], 1), (["tables"], 0), (["input"], 1), (["witness", "counts"], 1)):
            blocks = [block for block, owner in zip(self.blocks, system.owners) if owner in owners]
            if not blocks and least == 0:
                self.regions.append(Region(end >> self.c, 0))
                continue
            aligned = max([self.c] + [block.log_span for block in blocks])
            first = -(-end >> aligned) << aligned
            chunks = max(least, -(-(pack(blocks, first) - first) >> self.c))
            self.regions.append(Region(first >> self.c, chunks))
            end = first + (chunks << self.c)
        self.k = log_ceil(end >> self.c)

    def place_leaves(self):
        system = self.system
        rows = [(("rows", table), self.block(system.rows_log(table), False)) for table in system.tables]
        lookups = [(("lookup", lookup), self.block(lookup.log_size, True)) for lookup in system.lookups]
        self.leaves = rows + lookups
        count = pack([block for _, block in self.leaves], 0)
        longest = max((equation.log_size for equation in system.equations), default=0) + self.log_batch
        self.log_leaves = max(log_ceil(count), longest)

    @property
    def variables(self):
        return self.c + self.k

    @property
    def output_cells(self):
        return sum(len(cells) for _, cells in self.architecture.outputs) << self.log_batch

    def make_digest(self):
        encoded = postcard_architecture(self.architecture.export) + varint(self.c)
        digest = keccak256(b"assay-shape-v2" + encoded)
        if not self.log_batch:
            return digest
        word = (256 * self.separate + self.log_batch).to_bytes(32, "big")
        return keccak256(b"assay-batch-v1" + digest + word)
