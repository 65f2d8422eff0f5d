#!/usr/bin/env python3
"""Prints a software bill of materials (CycloneDX 1.5, JSON): every crate of Cargo.lock that the workspace's programs are made of, with its version,
checksum, licence and what depends on what; and the npm packages of the contracts' and the site's lock files, which are tools of the build.

Nothing in it depends on the machine or the time, so that two runs on one commit give the same bytes.
"""
import base64
import json
import subprocess
import sys
import tomllib
import uuid
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NPM = ["verifier-contracts", "web"]


def crates():
    """Components and dependencies of the lock file, by cargo's own reading of it."""
    run = ["cargo", "metadata", "--format-version", "1", "--locked"]
    metadata = json.loads(subprocess.run(run, cwd=ROOT, check=True, capture_output=True).stdout)
    locked = tomllib.loads((ROOT / "Cargo.lock").read_text())["package"]
    sums = {(p["name"], p["version"]): p["checksum"] for p in locked if "checksum" in p}
    reference = lambda p: f"pkg:cargo/{p['name']}@{p['version']}"
    by_id = {p["id"]: p for p in metadata["packages"]}
    for p in sorted(by_id.values(), key=lambda p: (p["name"], p["version"])):
        part = {"type": "library", "bom-ref": reference(p), "name": p["name"], "version": p["version"], "purl": reference(p)}
        if p["license"]:
            part["licenses"] = [{"expression": p["license"].replace("/", " OR ")}]
        if (p["name"], p["version"]) in sums:
            part["hashes"] = [{"alg": "SHA-256", "content": sums[p["name"], p["version"]]}]
        if p["repository"]:
            part["externalReferences"] = [{"type": "vcs", "url": p["repository"]}]
        yield part, (reference(p), [])
    for node in metadata["resolve"]["nodes"]:
        yield None, (reference(by_id[node["id"]]), sorted({reference(by_id[d["pkg"]]) for d in node["deps"]}))


def packages(folder):
    """Components of an npm lock file."""
    path = ROOT / folder / "package-lock.json"
    if not path.exists():
        return
    for place, p in sorted(json.loads(path.read_text())["packages"].items()):
        name = place.rpartition("node_modules/")[2]
        if not place or "version" not in p:
            continue
        reference = f"pkg:npm/{name.replace('@', '%40', 1)}@{p['version']}"
        part = {"type": "library", "bom-ref": f"{folder}:{place}", "name": name, "version": p["version"], "purl": reference, "scope": "excluded"}
        kind, _, sum = p.get("integrity", "").partition("-")
        if kind == "sha512":
            part["hashes"] = [{"alg": "SHA-512", "content": base64.b64decode(sum).hex()}]
        if "license" in p:
            part["licenses"] = [{"expression": p["license"]}]
        yield part


def main():
    components, dependencies = [], {}
    for part, (reference, needs) in crates():
        components += [part] if part else []
        dependencies[reference] = sorted({*dependencies.get(reference, []), *needs})
    for folder in NPM:
        components += packages(folder)
    version = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"]["version"]
    body = {
        "metadata": {"component": {"type": "application", "bom-ref": "assay", "name": "assay", "version": version}},
        "components": components,
        "dependencies": [{"ref": reference, "dependsOn": needs} for reference, needs in sorted(dependencies.items())],
    }
    name = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(body, sort_keys=True))
    json.dump({"bomFormat": "CycloneDX", "specVersion": "1.5", "serialNumber": f"urn:uuid:{name}", "version": 1, **body}, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
