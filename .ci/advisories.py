#!/usr/bin/env python3
"""Compares the lock file with a copy of RustSec's advisories (https://github.com/rustsec/advisory-db), with nothing to install and no network:

    python3 .ci/advisories.py FOLDER

FOLDER is a clone, bare or not. What is found and not listed as ignored in deny.toml, with a reason, ends it with an error. `cargo audit` and `cargo deny
check advisories` read the same advisories and fetch them by themselves.
"""
import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HEAD = re.compile(r"```toml\n(.*?)```\s*#?\s*([^\n]*)", re.S)
VERSION = re.compile(r"(\d+)(?:\.(\d+))?(?:\.(\d+))?(-[^+]+)?")


def version(text):
    """A version that compares as Cargo's do, as far as advisories need it: a version before a release is less than it."""
    major, minor, patch, before = VERSION.match(text.strip()).groups()
    return int(major), int(minor or 0), int(patch or 0), 0 if before else 1


def meets(have, requirement):
    """Whether a version meets one comparison."""
    operator, text = re.match(r"(>=|<=|>|<|=|\^|~)?\s*(.+)", requirement.strip()).groups()
    have, need = version(have), version(text)
    if operator in (None, "^"):
        at = next((i for i, part in enumerate(need[:3]) if part), 2)
        end = [*need[:at], need[at] + 1, *[0] * (2 - at)]
        return need <= have < (*end, 0)
    if operator == "~":
        return need <= have < (need[0], need[1] + 1, 0, 0)
    return {">=": have >= need, "<=": have <= need, ">": have > need, "<": have < need, "=": have == need}[operator]


def covered(have, requirements):
    return any(all(meets(have, part) for part in requirement.split(",")) for requirement in requirements)


def advisories(folder, wanted):
    """The advisories on these crates: their names and texts."""
    git = lambda *arguments: subprocess.run(["git", "-C", folder, *arguments], check=True, capture_output=True, text=True).stdout
    for path in git("ls-tree", "-r", "--name-only", "HEAD", "crates").split():
        parts = path.split("/")
        if len(parts) == 3 and parts[1] in wanted and path.endswith(".md"):
            yield parts[1], git("show", f"HEAD:{path}")


def main() -> int:
    if len(sys.argv) != 2:
        print(__doc__)
        return 2
    locked = {}
    for package in tomllib.loads((ROOT / "Cargo.lock").read_text())["package"]:
        if "source" in package:
            locked.setdefault(package["name"], []).append(package["version"])
    listed = tomllib.loads((ROOT / "deny.toml").read_text())["advisories"].get("ignore", [])
    ignored = {entry if isinstance(entry, str) else entry["id"] for entry in listed}
    read, found = 0, []
    for name, text in advisories(sys.argv[1], locked):
        head, title = HEAD.match(text).groups()
        head, read = tomllib.loads(head), read + 1
        advisory, versions = head["advisory"], head.get("versions", {})
        if "withdrawn" in advisory or advisory["id"] in ignored:
            continue
        safe = versions.get("patched", []) + versions.get("unaffected", [])
        found += [f"{advisory['id']}: {name} {have}: {title}" for have in locked[name] if not covered(have, safe)]
    print(f"advisories: {sum(map(len, locked.values()))} crates, {read} advisories on them, {len(ignored)} ignored, {len(found)} that apply")
    print("\n".join(found))
    return 1 if found or not read else 0


if __name__ == "__main__":
    sys.exit(main())
