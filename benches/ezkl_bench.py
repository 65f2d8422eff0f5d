#!/usr/bin/env python3
"""Proves one inference of an ONNX model with EZKL and prints one JSON object: version, setup_s, prove_s, verify_s, peak_mib.

    python benches/ezkl_bench.py MODEL.onnx CALIBRATION.json

Needs the wheels ezkl and onnx (pip install ezkl onnx); without them prints {"skipped": why}. Weights and input are private, the output is public, as in
Assay. The SRS is generated.
"""

import json
import resource
import sys
import tempfile
import time
from pathlib import Path


def fixed_batch(model: Path, target: str) -> Path:
    """EZKL wants the batch dimension to be a number, 1, and defaults to be written out."""
    import onnx

    graph = onnx.load(model)
    for value in [*graph.graph.input, *graph.graph.output]:
        value.type.tensor_type.shape.dim[0].dim_value = 1
    for node in graph.graph.node:
        if node.op_type == "Conv" and not any(a.name == "strides" for a in node.attribute):
            node.attribute.append(onnx.helper.make_attribute("strides", [1, 1]))
    onnx.save(graph, target)
    return Path(target)


def main() -> None:
    try:
        import ezkl
    except ImportError:
        print(json.dumps({"skipped": "the ezkl wheel is not installed (pip install ezkl)"}))
        return
    model, calibration = Path(sys.argv[1]).resolve(), json.loads(Path(sys.argv[2]).read_text())
    sample = calibration["input_data"][0]
    with tempfile.TemporaryDirectory() as folder:
        at = lambda name: str(Path(folder) / name)
        data = json.dumps({"input_data": [sample]})
        Path(at("input.json")).write_text(data)
        args = ezkl.PyRunArgs()
        args.input_visibility, args.output_visibility, args.param_visibility = "private", "public", "private"
        model = fixed_batch(model, at("model.onnx"))
        start = time.perf_counter()
        ezkl.gen_settings(str(model), at("settings.json"), py_run_args=args)
        ezkl.calibrate_settings(at("input.json"), str(model), at("settings.json"), "resources")
        ezkl.compile_circuit(str(model), at("circuit"), at("settings.json"))
        logrows = json.loads(Path(at("settings.json")).read_text())["run_args"]["logrows"]
        ezkl.gen_srs(at("srs"), logrows)
        ezkl.setup(at("circuit"), at("vk"), at("pk"), at("srs"))
        setup_s = time.perf_counter() - start
        start = time.perf_counter()
        ezkl.gen_witness(at("input.json"), at("circuit"), at("witness.json"))
        ezkl.prove(at("witness.json"), at("circuit"), at("pk"), at("proof.json"), at("srs"))
        prove_s = time.perf_counter() - start
        start = time.perf_counter()
        ok = ezkl.verify(at("proof.json"), at("settings.json"), at("vk"), at("srs"))
        verify_s = time.perf_counter() - start
        if not ok:
            raise SystemExit("EZKL's own proof does not verify")
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    version = getattr(ezkl, "__version__", "?")
    print(json.dumps({"version": version, "logrows": logrows, "setup_s": setup_s, "prove_s": prove_s, "verify_s": verify_s, "peak_mib": peak_mib}))


if __name__ == "__main__":
    main()
