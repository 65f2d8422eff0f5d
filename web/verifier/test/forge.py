"""Makes keys in a folder, with the right hash at their ends: forged.key is digits.key with mlp.key's wrap in it, so that only recomputing it shows what it
is; huge.key is digits.key with 32 more blocks of 2^27 weights, 2^32 in all, which in 32 bits is none."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "tests" / "reference"))
from hashes import keccak256  # noqa: E402

HASH = 32
# the wrap's version, the log of its rows, two compressed commitments; then the mark of development keys
WRAP = 2 + 2 * 32 + 1


HUGE = bytes([27]) * 32


def varint(data: bytes, at: int) -> tuple[int, int]:
    """A number and where the next thing begins."""
    value = shift = 0
    while True:
        value |= (data[at] & 127) << shift
        shift, at = shift + 7, at + 1
        if data[at - 1] < 128:
            return value, at


def weight_blocks(key: bytes) -> tuple[int, int, int]:
    """Where the list of weight blocks begins, how many there are, and where they begin: docs/protocol.md section 12."""
    at = 15  # the magic line
    length, at = varint(key, at)
    at += length
    names, at = varint(key, at)
    for _ in range(names):
        length, at = varint(key, at)
        at += length
    ports, at = varint(key, at + 2)
    for _ in range(ports):
        length, at = varint(key, at)
        at += length + 1
        for _ in range(2):
            _, at = varint(key, at)
        for _ in range(2):
            length, at = varint(key, at)
            for _ in range(length):
                _, at = varint(key, at)
    count, first = varint(key, at + 1)
    return at + 1, count, first


def main() -> None:
    folder = Path(sys.argv[1])
    one, other = ((folder / name).read_bytes()[:-HASH] for name in ("digits.key", "mlp.key"))
    assert one[-WRAP - 1] == other[-WRAP - 1] == WRAP - 1, "another length than that of a universal wrap"
    forged = one[:-WRAP] + other[-WRAP:]
    assert forged != one
    (folder / "forged.key").write_bytes(forged + keccak256(forged))
    at, count, first = weight_blocks(one)
    assert count + len(HUGE) < 128 and all(block < 64 for block in one[first : first + count]), "blocks of one byte each"
    huge = one[:at] + bytes([count + len(HUGE)]) + one[first : first + count] + HUGE + one[first + count :]
    (folder / "huge.key").write_bytes(huge + keccak256(huge))


main()
