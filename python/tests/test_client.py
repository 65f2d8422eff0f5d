"""The package against what the command makes of the same model. python/test.sh runs it."""
import json
import os
import subprocess
import tempfile
import unittest
from pathlib import Path

import assay_client as assay

MODELS = Path(__file__).resolve().parents[2] / "fixtures/models"
SAMPLES = json.loads((MODELS / "digits_calibration.json").read_text())["input_data"]
SEVEN = json.loads((MODELS / "digit_7.json").read_text())["input_data"][0]


class Torch(unittest.TestCase):
    """Networks of PyTorch's, where it is installed."""

    def test_a_network_is_compiled_as_it_is(self) -> None:
        try:
            import torch
        except ImportError:
            self.skipTest("PyTorch is not installed")
        torch.manual_seed(1)
        network = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Dropout(0.5), torch.nn.Linear(8, 3))
        samples = list(torch.randn(32, 4))
        with tempfile.TemporaryDirectory() as folder:
            package = assay.compile(network, samples, Path(folder) / "small.assay")
            self.assertTrue(network.training, "it is left as it was")
            network.eval()
            for x, y in zip(package.run(samples[0]), network(samples[0]).tolist()):
                self.assertAlmostEqual(x, y, delta=0.05)
            with self.assertRaisesRegex(assay.AssayError, "no samples"):
                assay.compile(network, [], Path(folder) / "none.assay")
            with self.assertRaisesRegex(assay.AssayError, "cannot export"):
                assay.compile(network, [torch.randn(5)], Path(folder) / "none.assay")


class Client(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.made = tempfile.TemporaryDirectory()
        cls.folder = Path(cls.made.name)
        cls.package = assay.compile(MODELS / "digits_mlp.onnx", SAMPLES, cls.folder / "digits.assay")
        cls.key = cls.package.key()

    @classmethod
    def tearDownClass(cls) -> None:
        cls.made.cleanup()

    def command(self, *words: str) -> dict:
        done = subprocess.run([os.environ["ASSAY"], "--json", *words], cwd=self.folder, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return json.loads(done.stdout)

    def test_a_proof_holds_here_and_for_the_command(self) -> None:
        proof = self.package.prove(SEVEN, context="job 1")
        report = self.key.verify(proof, context="job 1")
        self.assertTrue(report["valid"] and report["wrap_recomputed"], report)
        self.assertEqual(report["output_data"], [self.package.run(SEVEN)])
        self.key.save(self.folder / "digits.key")
        (self.folder / "proof.json").write_text(json.dumps(proof))
        said = self.command("verify", "proof.json", "--model", "digits.key", "--context", "job 1")
        self.assertEqual(said["output"], report["output"])
        ran = self.command("run", "digits.assay", "--input", str(MODELS / "digit_7.json"))
        self.assertEqual(ran["output_data"], report["output_data"])

    def test_functions_take_files_too(self) -> None:
        proof = assay.prove(self.folder / "digits.assay", SEVEN, context="job 1")
        saved = self.folder / "saved.key"
        self.key.save(saved)
        for key in (self.key, self.package, saved, saved.read_bytes()):
            self.assertTrue(assay.verify(proof, key, context="job 1")["valid"])
        self.assertFalse(assay.verify(proof, saved, context="job 2")["valid"])

    def test_a_package_has_the_models_name_by_default(self) -> None:
        before = os.getcwd()
        os.chdir(self.folder)
        try:
            for onnx, name, path in ((MODELS / "digits_mlp.onnx", None, "digits_mlp"), (b"", "b", "b"), (b"", None, "model")):
                onnx = onnx or (MODELS / "digits_mlp.onnx").read_bytes()
                self.assertEqual(assay.compile(onnx, SAMPLES[:16], name=name).path, Path(f"{path}.assay"))
                self.assertTrue(Path(f"{path}.assay").exists())
        finally:
            os.chdir(before)

    def test_the_page_for_those_who_know_ezkl_is_true(self) -> None:
        page = (Path(__file__).resolve().parents[2] / "docs/ezkl.md").read_text()
        code = page.split("```")[1]
        self.assertIn("assay.compile", code)
        before = os.getcwd()
        os.chdir(self.folder)
        try:
            Path("network.onnx").write_bytes((MODELS / "digits_mlp.onnx").read_bytes())
            exec(code, {"samples": SAMPLES, "x": SEVEN})  # noqa: S102 (what the page shows)
        finally:
            os.chdir(before)

    def test_what_is_changed_is_refused(self) -> None:
        proof = self.package.prove(SEVEN, public_input=True)
        self.assertTrue(self.key.verify(proof, inputs=[SEVEN])["valid"])
        self.assertFalse(self.key.verify(proof, inputs=[SAMPLES[1]])["valid"])
        self.assertFalse(self.key.verify(proof, context="another")["valid"])
        self.assertFalse(self.key.verify(proof | {"clamps": proof["clamps"] + 1})["valid"])
        self.assertFalse(self.key.verify("{}")["valid"])

    def test_errors_say_why(self) -> None:
        with self.assertRaisesRegex(assay.AssayError, "3 values and the model's input has 64"):
            self.package.prove([1, 2, 3])
        with self.assertRaises(assay.AssayError):
            assay.Key(b"no key")
        with self.assertRaisesRegex(assay.AssayError, "ONNX|onnx"):
            assay.compile(b"no network", SAMPLES, self.folder / "none.assay")
        with self.assertRaises(assay.AssayError):
            assay.Package(self.folder / "absent.assay").key()

    def test_bytes_and_a_file_give_the_same_network(self) -> None:
        other = assay.compile((MODELS / "digits_mlp.onnx").read_bytes(), [[[x] for x in sample] for sample in SAMPLES], self.folder / "other.assay")
        self.assertEqual(other.run(SEVEN), self.package.run(SEVEN))


if __name__ == "__main__":
    unittest.main()
