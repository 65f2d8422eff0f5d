#!/usr/bin/env python3
"""Checks every crate of the lock file against what deny.toml allows: licences, crates that are banned, and where crates come from."""
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RULES = tomllib.loads((ROOT / "deny.toml").read_text())
ALLOWED = set(RULES["licenses"]["allow"])
EXCEPTIONS = {entry["crate"]: set(entry["allow"]) for entry in RULES["licenses"].get("exceptions", [])}
BANNED = {entry["crate"] for entry in RULES["bans"]["deny"]}
REGISTRY = "registry+https://github.com/rust-lang/crates.io-index"
TOKEN = re.compile(r"\(|\)|\bAND\b|\bOR\b|/|[A-Za-z0-9.+-]+(?: WITH [A-Za-z0-9.-]+)?")


def satisfied(expression: str, allowed: set[str]) -> bool:
    """Whether an SPDX expression (or the older slash form) can be met with allowed licences alone."""
    words = {"AND": "and", "OR": "or", "/": "or", "(": "(", ")": ")"}
    parts = [words.get(token, str(token in allowed)) for token in TOKEN.findall(expression)]
    return bool(parts) and bool(eval(" ".join(parts), {"__builtins__": {}}))  # only True, False, and, or, ( and )


def main() -> int:
    metadata = subprocess.run(["cargo", "metadata", "--format-version", "1", "--locked"], cwd=ROOT, check=True, capture_output=True)
    packages = [p for p in json.loads(metadata.stdout)["packages"] if p["source"]]
    bad = [f"{p['name']} {p['version']}: {p['license']}" for p in packages if not satisfied(p["license"] or "", ALLOWED | EXCEPTIONS.get(p["name"], set()))]
    bad += [f"{p['name']} {p['version']}: banned" for p in packages if p["name"] in BANNED]
    bad += [f"{p['name']} {p['version']}: from {p['source']}" for p in packages if p["source"] != REGISTRY]
    print(f"licences, bans and sources: {len(packages)} crates, {len(bad)} not allowed")
    print("\n".join(bad))
    return 1 if bad or not packages else 0


if __name__ == "__main__":
    sys.exit(main())
