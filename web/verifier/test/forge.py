"""Makes forged.key in a folder: digits.key with mlp.key's wrap in it, and the right hash at its end, so that only recomputing it shows what it is."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "tests" / "reference"))
from hashes import keccak256  # noqa: E402

HASH = 32
# the wrap's version, the log of its rows, two compressed commitments; then the mark of development keys
WRAP = 2 + 2 * 32 + 1


def main() -> None:
    folder = Path(sys.argv[1])
    one, other = ((folder / name).read_bytes()[:-HASH] for name in ("digits.key", "mlp.key"))
    assert one[-WRAP - 1] == other[-WRAP - 1] == WRAP - 1, "another length than that of a universal wrap"
    forged = one[:-WRAP] + other[-WRAP:]
    assert forged != one
    (folder / "forged.key").write_bytes(forged + keccak256(forged))


main()
