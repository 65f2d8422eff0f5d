#!/usr/bin/env python3
"""From a scikit-learn classifier to an answer that was sold, paid for and verified, on this machine.

    pip install ./python scikit-learn skl2onnx
    python examples/python/digits.py [--assay PATH]

Trains on the digits of scikit-learn, compiles the classifier, proves an answer and verifies it; then sells the model with `assay up` on a chain of
its own and buys an answer as a stranger would.
"""
import argparse
import json
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

import assay_client as assay
from skl2onnx import to_onnx
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

# the third of anvil's accounts, whose keys everybody knows
BUYER_KEY = "0x5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a"


def train():
    """A small network, as ONNX that gives the scores of the classes, and pictures that it has not seen."""
    pictures, digits = load_digits(return_X_y=True)
    pictures = (pictures / 16).astype("float32")
    known, unseen, known_digits, unseen_digits = train_test_split(pictures, digits, test_size=0.2, random_state=1)
    network = MLPClassifier(hidden_layer_sizes=(32,), max_iter=400, random_state=1).fit(known, known_digits)
    print(f"trained: {100 * network.score(unseen, unseen_digits):.1f} % of unseen digits are right")
    onnx = to_onnx(network, known[:1], options={"zipmap": False}).SerializeToString()
    return network, onnx, known[:64], unseen, unseen_digits


def largest(outputs) -> int:
    """The class with the highest score: the model gives its label and the scores."""
    scores = outputs[-1] if isinstance(outputs[0], list) else outputs
    return max(range(len(scores)), key=scores.__getitem__)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def sell_and_buy(program: str, folder: Path, picture) -> dict:
    command = [program, "--json", "up", str(folder / "digits.assay"), "--dir", str(folder / "up"), "--bind", f"127.0.0.1:{free_port()}"]
    command += ["--chain-port", str(free_port())]
    with open(folder / "up.log", "w") as log:
        seller = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
    try:
        ready = seller.stdout.readline()
        if not ready:
            raise SystemExit((folder / "up.log").read_text())
        chain = json.loads((folder / "up/state.json").read_text())
        service = assay.Service(json.loads(ready)["url"])
        [model] = service.models()
        print(f"for sale: {model['name']}, {model['terms']['price']} wei an answer")
        place = {"rpc": chain["chain"], "market": chain["market"], "private_key": BUYER_KEY}
        try:
            service.buy(model["id"], picture, max_price=1, accept_development_key=True, **place)
            raise SystemExit("it was bought for more than the limit")
        except assay.AssayError as refused:
            print(f"not bought beyond the limit: {refused}")
        return service.buy(model["id"], picture, max_price=10**16, accept_development_key=True, **place)
    finally:
        seller.terminate()
        seller.wait(timeout=60)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--assay", default=shutil.which("assay") or "target/release/assay", help="the program")
    program = parser.parse_args().assay
    network, onnx, samples, unseen, digits = train()
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        package = assay.compile(onnx, samples, folder / "digits.assay")
        accuracy = package.report["accuracy"]
        print(f"compiled: {100 * accuracy['top1_agreement']:.1f} % of {accuracy['samples']} samples give the same label as the floats")
        key, picture = package.key(), unseen[0]
        key.save(folder / "digits.key")
        proof = package.prove(picture, context="a first proof")
        report = key.verify(proof, context="a first proof")
        assert report["valid"] and report["output_data"] == [package.run(picture)]
        label = largest(report["output_data"][0])
        assert label == network.predict(picture.reshape(1, -1))[0] == digits[0]
        proof["output"][0] += 1
        assert not key.verify(proof)["valid"], "a changed output"
        print(f"proven and verified: a {label}, in {report['proof_bytes']} bytes")
        bought = sell_and_buy(program, folder, picture)
        report = key.verify(bought)
        assert report["valid"] and largest(report["output_data"][0]) == label
        print(f"bought and verified: a {largest(report['output_data'][0])}")


if __name__ == "__main__":
    main()
