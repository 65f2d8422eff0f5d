"""The notebook in examples/python, executed from the first cell to the last: it trains, compiles, sells, buys and verifies. python/test-wheel.sh runs it."""
import importlib.util
import os
import shutil
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOK = ROOT / "examples/python/digits.ipynb"
NEEDS = ("nbclient", "ipykernel", "sklearn", "skl2onnx", "httpx")


def missing() -> str | None:
    """What the notebook cannot do without, and is not here."""
    for name in NEEDS:
        if importlib.util.find_spec(name) is None:
            return f"{name} is not installed"
    anvil = "ANVIL" in os.environ or shutil.which("anvil") or (ROOT / "verifier-contracts/node_modules/.bin/anvil").exists()
    return None if anvil else "anvil is not installed"


class Notebook(unittest.TestCase):
    def test_from_training_to_an_answer_that_was_bought(self) -> None:
        if reason := missing():
            self.skipTest(f"the notebook: {reason}")
        import nbclient
        import nbformat

        notebook = nbformat.read(NOTEBOOK, as_version=4)
        cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
        self.assertEqual([cell.outputs for cell in cells if cell.outputs], [], "it is committed without outputs")
        # where `assay up` finds the chain's program
        nbclient.NotebookClient(notebook, timeout=1800, resources={"metadata": {"path": str(ROOT)}}).execute()
        said = "".join(output.text for cell in cells for output in cell.outputs if output.output_type == "stream")
        for words in ("% of unseen digits are right", "not bought: ", "bought and verified: a ", "bought step by step and verified: a "):
            self.assertIn(words, said)
        self.assertIn("the price is 1000000000000000, the most to be paid is 1", said)


if __name__ == "__main__":
    unittest.main()
