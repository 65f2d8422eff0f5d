"""Machine-learning answers that come with a proof: compile, prove, verify, and buy from a service.

    import assay_client as assay

    package = assay.compile("model.onnx", samples)     # the seller's; it is written to model.assay
    key = package.key()                                # what buyers get
    proof = assay.prove(package, x)
    report = assay.verify(proof, key)
    assert report["valid"] and report["output_data"] == [package.run(x)]

    service = assay.Service("http://localhost:8080")
    bought = service.buy(service.models()[0]["id"], x, rpc="http://localhost:8545", market="0x…", private_key="0x…", max_price=10**15)

Inputs are numbers, nested as one likes (lists, NumPy arrays), with all of a model's input tensors one after the other.
"""

from __future__ import annotations

import io
import json
import os
import tempfile
import urllib.error
import urllib.request
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from . import assay_client_native as _native

AssayError = _native.AssayError

__all__ = ["AssayError", "Key", "Package", "Problem", "Service", "account_of", "compile", "job_context", "orders", "pay", "prove", "resume", "verify"]

#: Random bytes that a value of blinding is made of.
_ENTROPY_BYTES = 64


class Problem(AssayError):
    """What a service says when it does not do what it was asked: `code` is for programs."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code


def _flat(values: Any) -> list[float]:
    """Numbers in order, however they are nested."""
    if hasattr(values, "tolist"):
        values = values.tolist()
    if isinstance(values, Iterable):
        return [number for value in values for number in _flat(value)]
    return [float(values)]


def _is_torch(model: Any) -> bool:
    """Whether it is a network of PyTorch's, without importing PyTorch for those who have none."""
    return any(base.__module__.split(".")[0] == "torch" and base.__name__ == "Module" for base in type(model).__mro__)


def _exported(model: Any, sample: Any) -> bytes:
    """A PyTorch network as ONNX, for one inference. A sample is what the network takes without the batch axis; a tuple where it takes several tensors."""
    import torch

    parts = sample if isinstance(sample, tuple) else (sample,)
    example = tuple(torch.as_tensor(part)[None] for part in parts)
    example = tuple(part.float() if part.is_floating_point() else part for part in example)
    file, training = io.BytesIO(), model.training
    model.eval()
    try:
        with torch.no_grad(), warnings.catch_warnings():
            # the exporter that needs no further packages; it says that there is a newer one
            warnings.simplefilter("ignore")
            torch.onnx.export(model, example, file, opset_version=17, dynamo=False)
    except Exception as error:
        raise AssayError(f"PyTorch cannot export the network: {error}; export it to an ONNX file yourself") from error
    finally:
        model.train(training)
    return file.getvalue()


def compile(
    onnx: Any,
    samples: Iterable,
    output: str | os.PathLike | None = None,
    *,
    name: str | None = None,
    target_error: float = 0.001,
    srs: str | os.PathLike | None = None,
) -> Package:
    """Compiles a model with representative inputs, and writes the package, which is the seller's secret: to `output`, or else to a file
    in the current folder that has the model's name, or `model.assay`.

    The model is an ONNX file, the bytes of one, or a network of PyTorch's (`torch.nn.Module`). For a network each sample is what it takes without the batch axis: a tensor, or a tuple of
    tensors where it takes several.
    """
    if output is None:
        output = f"{name or (Path(onnx).stem if isinstance(onnx, str | os.PathLike) else 'model')}.assay"
    if _is_torch(onnx):
        samples = list(samples)
        if not samples:
            raise AssayError("there are no samples: give some inputs as they will come")
        name = name or Path(output).stem
        onnx = _exported(onnx, samples[0])
    if isinstance(onnx, bytes):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.onnx"
            path.write_bytes(onnx)
            return compile(path, samples, output, name=name or Path(output).stem, target_error=target_error, srs=srs)
    lists = [_flat(sample) for sample in samples]
    report = _native.compile(str(onnx), lists, str(output), name or Path(onnx).stem, target_error, _path(srs))
    return Package(output, srs=srs, report=json.loads(report))


def _path(path: str | os.PathLike | None) -> str | None:
    return None if path is None else str(path)


class Package:
    """A compiled model with its weights: what `assay compile` writes."""

    def __init__(self, path: str | os.PathLike, *, srs: str | os.PathLike | None = None, report: dict | None = None) -> None:
        self.path = Path(path)
        self.srs = srs
        #: What the compiler reported, if it was compiled here.
        self.report = report

    def key(self) -> Key:
        """The key that buyers get. It is derived, and `save` writes the file that the command line takes."""
        return Key(_native.key(str(self.path), _path(self.srs)))

    def run(self, x: Any) -> Any:
        """What the exact integer network answers, in real units: what a proof attests."""
        return json.loads(_native.run(str(self.path), _flat(x)))

    def prove(self, x: Any, *, context: str | None = None, public_input: bool = False) -> dict:
        """A proof file. The input is hidden, unless it is to be public."""
        return json.loads(_native.prove(str(self.path), _flat(x), context, public_input, _path(self.srs)))


class Key:
    """A buyer's key. What follows from the model's description is computed again before anything is verified."""

    def __init__(self, key: bytes | str | os.PathLike) -> None:
        self.bytes = key if isinstance(key, bytes) else Path(key).read_bytes()
        self._verifier = _native.Verifier()
        self.info = self._call({"call": "open"}, self.bytes)
        self._at = self.info.pop("key")

    def _call(self, call: dict, beside: bytes = b"") -> dict:
        answer = json.loads(self._verifier.answer(json.dumps(call), beside))
        if "error" in answer:
            raise AssayError(f"{answer['error']['code']}: {answer['error']['message']}")
        return answer

    def save(self, path: str | os.PathLike) -> None:
        Path(path).write_bytes(self.bytes)

    def load_srs(self, path: str | os.PathLike) -> None:
        """Powers of tau, for keys that are not over the development SRS."""
        self._call({"call": "srs"}, Path(path).read_bytes())

    def recompute(self) -> dict:
        """Says what of the key was computed again, and is nobody's word."""
        return self._call({"call": "recompute", "key": self._at})

    def verify(self, proof: dict | str, *, context: str | None = None, inputs: Iterable = ()) -> dict:
        """`{"valid": True, …}` with what the proof says, or `{"valid": False, "reason": …}`. `inputs`: public inputs that it must be about."""
        text = proof if isinstance(proof, str) else json.dumps(proof)
        lists = [_flat(x) for x in inputs]
        return self._call({"call": "verify", "key": self._at, "file": text, "context": context, "inputs": lists})

    def verify_prediction(self, prediction: dict, proof: bytes, *, context: str | None = None, inputs: Iterable = ()) -> dict:
        """The same for a prediction and its proof, as the routes of a service give them."""
        said = {name: prediction.get(name) for name in ("input_commitments", "output_cells", "output", "context")}
        if None in said.values():
            raise AssayError("the prediction has no output or no context: it is not proven yet")
        answer = said | {"clamps": prediction.get("clamps", 0), "shared": prediction.get("batch")}
        lists = [_flat(x) for x in inputs]
        return self._call({"call": "verify", "key": self._at, "answer": answer, "context": context, "inputs": lists}, proof)

    def commit(self, x: Any) -> dict:
        """Hides an input: `blinding` and `input_commitments`, which a request takes, and `input_commitment`, which a quote is asked for with."""
        entropy = os.urandom(_ENTROPY_BYTES * self.info["input_chunks"]).hex()
        return self._call({"call": "commit", "key": self._at, "inputs": [_flat(x)], "entropy": f"0x{entropy}"})


def prove(package: Package | str | os.PathLike, x: Any, *, context: str | None = None, public_input: bool = False) -> dict:
    """A proof file of what a package, or the file of one, answers to an input."""
    package = package if isinstance(package, Package) else Package(package)
    return package.prove(x, context=context, public_input=public_input)


def verify(
    proof: dict | str, key: Key | Package | bytes | str | os.PathLike, *, context: str | None = None, inputs: Iterable = ()
) -> dict:
    """What `Key.verify` says of a proof. `key`: a key, the bytes or the file of one, or the package, whose key is derived."""
    if isinstance(key, Package):
        key = key.key()
    elif not isinstance(key, Key):
        key = Key(key)
    return key.verify(proof, context=context, inputs=inputs)


def account_of(private_key: str) -> str:
    """The account of a private key: who pays, for a quote."""
    return _native.account_of(private_key)


def pay(
    order: dict,
    *,
    model: str,
    key: Key,
    input_commitment: str,
    rpc: str,
    market: str,
    private_key: str,
    max_price: int,
    accept_development_key: bool = False,
) -> str:
    """Pays for an order, as `POST /v1/quotes` gives it, if it is what was asked for and what the chain says. Returns the job. `Service.buy` does this and the
    rest."""
    return _native.pay(json.dumps(order), model, key.bytes, input_commitment, rpc, market, private_key, max_price, accept_development_key)


def orders() -> list[dict]:
    """The orders that were made on this machine, by `Service.buy` or by the command, oldest first; `done`: the proof was here. `resume(order["job"])` goes on with one."""
    return json.loads(_native.kept_orders())


def resume(job: str, *, private_key: str | None = None, srs: str | os.PathLike | None = None) -> dict:
    """Goes on with an order that `Service.buy` or the command has kept: sends it again, pays if that was not done (with `private_key`), waits, and returns the
    proof file, which was verified. `job`: the job's id, or its beginning."""
    return json.loads(_native.resume(job, private_key, _path(srs)))


def job_context(job: str, *, rpc: str, market: str) -> str:
    """What the proof of a settled job is bound to, as the chain says: the `context` to verify it with."""
    return _native.job_context(job, rpc, market)


class Service:
    """A service that sells proven answers (docs/api.md)."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")

    def http(self, token: str | None = None) -> Any:
        """The client of all routes, generated from the service's description: functions and types are in `assay_client.http`. `token`: a client's key, or
        the operator's token."""
        try:
            from .http import AuthenticatedClient, Client
        except ImportError as error:
            raise AssayError(f"{error.name} is not installed: pip install 'assay-client[http]'") from error
        return Client(self.url) if token is None else AuthenticatedClient(self.url, token)

    def _get(self, path: str) -> bytes:
        try:
            with urllib.request.urlopen(self.url + path, timeout=60) as response:
                return response.read()
        except urllib.error.HTTPError as error:
            try:
                said = json.load(error)
            except ValueError:
                said = {}
            raise Problem(said.get("code", str(error.code)), said.get("detail", error.reason)) from error

    def models(self) -> list[dict]:
        """All models, with what they take and cost."""
        found, cursor = [], ""
        while cursor is not None:
            page = json.loads(self._get(f"/v1/models?limit=100{cursor and f'&cursor={cursor}'}"))
            found, cursor = found + page["data"], page["next"]
        return found

    def key(self, model: str) -> Key:
        """A model's key. Nothing of it is believed that can be computed again; that it is this model's, its commitment says."""
        return Key(self._get(f"/v1/models/{model}/key"))

    def prediction(self, prediction: str) -> dict:
        """A prediction as it is now."""
        return json.loads(self._get(f"/v1/predictions/{prediction}"))

    def buy(
        self,
        model: str,
        x: Any,
        *,
        rpc: str,
        market: str,
        private_key: str,
        max_price: int,
        accept_development_key: bool = False,
        srs: str | os.PathLike | None = None,
        key: Key | None = None,
        batch: int = 64,
    ) -> dict:
        """Buys one proven answer, and returns its proof file, which was verified. The input is hidden from everybody but the service, the quote is
        checked against the chain, and the contract pays for a valid proof only. **The market and the chain are yours to name**, never the service's.

        The order is kept on this machine before it is paid: if anything fails, `orders` lists it and `resume` goes on with it. `batch`: the most inferences, those
        of other buyers included, that the proof may have; 1: a proof of this one alone."""
        key = key or self.key(model)
        file = _native.buy(self.url, key.bytes, _flat(x), rpc, market, private_key, max_price, accept_development_key, _path(srs), batch)
        return json.loads(file)
