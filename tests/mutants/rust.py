#!/usr/bin/env python3
"""Changes what the Rust verifier is made of in one place at a time and runs its tests: a change that no test notices is a survivor.

    python3 tests/mutants/rust.py build
    python3 tests/mutants/rust.py run [--sample N] [--seed N] [--only FILE] [--hours N] [--results FILE]
    python3 tests/mutants/rust.py check

A build for each change would take days. `schemata` writes all changes into a copy of the sources at once, each behind a switch that the environment
sets (`ASSAY_MUTANT=17`), and `build` compiles that once; what does not compile is left out. `run` takes the changes in an order that the seed gives, so
that what was tried when it is stopped is a random sample, and for each starts the tests one after the other until one fails. `check` is what CI runs:
every survivor in survivors-rust.json is a line that is still there, and has a reason. docs/testing.md says what was run.
"""
import argparse
import json
import os
import random
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
WORK = ROOT / "target/mutants"
TREE = WORK / "tree"
# not the workspace's own: crates have the same names there, and cargo would take the changed ones for those
TARGET = WORK / "target"
SURVIVORS = HERE / "survivors-rust.json"
FILES = {
    "circuits/src": ["transcript", "scalar", "poseidon/mod", "poseidon/dot", "poseidon/native", "poseidon/recurrence", "verifier/*"],
    "prover/src": ["pcs/verify", "pcs/transcript", "pcs/encode", "pcs/companion", "plonk/verify", "native", "wrap/mod", "wrap/groth16", "statement"],
}
SWITCH = '''
/// Which change of the sources is on.
#[doc(hidden)]
pub mod mutation {
    static CHOSEN: std::sync::LazyLock<u32> =
        std::sync::LazyLock::new(|| std::env::var("ASSAY_MUTANT").ok().and_then(|id| id.parse().ok()).unwrap_or(0));

    /// Whether it is this one.
    pub fn on(id: u32) -> bool {
        *CHOSEN == id
    }
}
'''
# test binaries with the tests that are run of them, the quickest killers first
SLOW_ONES = ["fs1_known_answers", "fs2_each_message_moves_every_later_challenge"]
TRANSCRIPT = ("transcript", [word for name in SLOW_ONES for word in ("--skip", name)])
TESTS = [("pcs_golden", []), ("gates", []), ("pcs", []), TRANSCRIPT, ("rows", []), ("transcript", SLOW_ONES), ("system", []), ("plonk", [])]
TESTS += [("assay_prover", ["pcs::", "plonk::", "wrap::"]), ("universal", []), ("wrap", []), ("inner", []), ("lies", [])]
# those that see most of a folder come before
UNIT = ("assay_circuits", ["verifier::", "transcript::", "poseidon::", "scalar::"])
FIRST = {"circuits/src": [UNIT, TRANSCRIPT, ("rows", [])], "prover/src/plonk": [("plonk", [])], "prover/src/wrap": [("wrap", [])]}
# seconds for a test binary: a change may make a loop endless
LIMIT = 600


def sources():
    """The files that are changed."""
    for folder, names in FILES.items():
        for name in names:
            for path in sorted((ROOT / folder).glob(f"{name}.rs")):
                yield str(path.relative_to(ROOT))


def tool():
    """The tool that writes the changes into a file."""
    target = WORK / "schemata"
    subprocess.run(["cargo", "build", "--release", "--locked", "--quiet"], cwd=HERE / "schemata", env={**os.environ, "CARGO_TARGET_DIR": str(target)}, check=True)
    return target / "release/schemata"


def write_tree(schemata, skipped):
    """Copies the sources and writes the changes into the copy. Answers all changes."""
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    texts = {name: (ROOT / name).read_bytes() for name in tracked if (ROOT / name).is_file()}
    texts["circuits/src/lib.rs"] += SWITCH.encode()
    found, scratch = [], WORK / "scratch"
    for number, name in enumerate(sources()):
        path = scratch / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(texts[name])
        switch = "crate::mutation::on" if name.startswith("circuits") else "assay_circuits::mutation::on"
        command = [schemata, scratch, switch, str(1000 * number + 1), name, ",".join(map(str, skipped))]
        found += map(json.loads, subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines())
        texts[name] = path.read_bytes()
    shutil.rmtree(scratch)
    for name, text in texts.items():
        path = TREE / name
        # what is as it was is not compiled anew
        if not path.exists() or path.read_bytes() != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text)
    return found


def culprits(message):
    """The changes that an error of the compiler is about: the switches next to where it points."""
    for span in message["spans"]:
        path = TREE / span["file_name"]
        lines = path.read_text().splitlines() if path.is_file() else []
        for line in reversed(lines[: span["line_end"]]):
            ids = re.findall(r"mutation::on\((\d+)u32\)", line)
            if ids:
                yield int(ids[-1])
                break


def compile(skipped):
    """Compiles the tests. Answers where they are, and the changes that do not compile."""
    environment = {**os.environ, "CARGO_TARGET_DIR": str(TARGET)}
    command = ["cargo", "test", "--release", "--locked", "-p", "assay-circuits", "-p", "assay-prover", "--lib", "--no-run", "--message-format=json"]
    for name in sorted({name for name, _ in TESTS if not name.startswith("assay_")}):
        command += ["--test", name]
    output = subprocess.run(command, cwd=TREE, env=environment, stdout=subprocess.PIPE, text=True)
    messages = [json.loads(line) for line in output.stdout.splitlines() if line.startswith("{")]
    errors = [m["message"] for m in messages if m["reason"] == "compiler-message" and m["message"]["level"] == "error"]
    wrong = {id for error in errors for id in culprits(error)} - skipped
    if output.returncode and not wrong:
        sys.exit("\n".join(error["rendered"] for error in errors))
    tests = [m for m in messages if m["reason"] == "compiler-artifact" and m["profile"]["test"]]
    binaries = {m["target"]["name"].replace("-", "_"): m["executable"] for m in tests}
    return binaries, wrong


def build(arguments):
    WORK.mkdir(parents=True, exist_ok=True)
    schemata = tool()
    plan = WORK / "rust.json"
    # what did not compile the last time will not now, as long as the sources are the same: an unknown number does no harm
    skipped = set(json.loads(plan.read_text())["skipped"]) if plan.exists() and arguments.resume else set()
    while True:
        changes = write_tree(schemata, skipped)
        binaries, wrong = compile(skipped)
        skipped |= wrong
        plan.write_text(json.dumps({"changes": changes, "skipped": sorted(skipped), "binaries": binaries}))
        if not wrong:
            break
        print(f"{len(wrong)} changes do not compile and are left out", flush=True)
    print(f"{len(changes)} changes, {len(skipped)} that do not compile")


def test(command, environment):
    """Whether tests pass; the first that failed, if they do not."""
    try:
        done = subprocess.run(command, cwd=TREE / "prover", env=environment, capture_output=True, text=True, timeout=LIMIT)
    except subprocess.TimeoutExpired:
        return False, "the limit of time"
    failed = re.search(r"^test (\S+) .*FAILED", done.stdout, flags=re.M)
    return done.returncode == 0, failed.group(1) if failed else done.stderr[-200:]


def verdict(binaries, change):
    """What becomes of a change: `killed` by the test that is named, or `survived`."""
    todo = [tests for folder, first in FIRST.items() if change["file"].startswith(folder) for tests in first] + TESTS
    for name, arguments in (tests for i, tests in enumerate(todo) if tests not in todo[:i]):
        good, by = test([binaries[name], *arguments], {**os.environ, "ASSAY_MUTANT": str(change["id"])})
        if not good:
            return "killed", f"{name}: {by}"
    return "survived", ""


def run(arguments):
    plan = json.loads((WORK / "rust.json").read_text())
    results = Path(arguments.results)
    done = {json.loads(line)["id"] for line in results.read_text().splitlines()} if results.exists() else set()
    todo = [change for change in plan["changes"] if not arguments.only or arguments.only in change["file"]]
    random.Random(arguments.seed).shuffle(todo)
    end = time.monotonic() + 3600 * arguments.hours
    found, by = verdict(plan["binaries"], {"id": 0, "file": ""})
    if found != "survived":
        sys.exit(f"the tests fail without any change: {by}")
    with results.open("a") as out:
        for change in todo[: arguments.sample]:
            if change["id"] in done:
                continue
            if time.monotonic() > end:
                break
            found, by = verdict(plan["binaries"], change)
            out.write(json.dumps({**change, "verdict": found, "by": by}) + "\n")
            out.flush()
            print(f"{found:8} {change['file']}:{change['line']}: {change['before'][:60]} -> {change['after'][:60] or 'removed'}", flush=True)
    verdicts = [json.loads(line)["verdict"] for line in results.read_text().splitlines()]
    print({each: verdicts.count(each) for each in set(verdicts)}, f"of {len(todo)} changes")


def squeezed(text):
    return re.sub(r"\s+", "", text)


def check():
    """What is wrong with the list of survivors."""
    for group in json.loads(SURVIVORS.read_text())["survivors"]:
        if len(group["reason"]) < 20:
            yield f"{group['reason']!r} is no reason"
        for file, source, before, _ in group["changes"]:
            if squeezed(source) not in squeezed((ROOT / file).read_text()):
                yield f"{file}: {source!r} is not there any more"
            if not before.startswith(("if ", "fn ")) and squeezed(before) not in squeezed(source):
                yield f"{file}: {before!r} is not in {source!r}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["build", "run", "check"])
    parser.add_argument("--resume", action="store_true", help="build: leave out what did not compile the last time")
    parser.add_argument("--sample", type=int)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only")
    parser.add_argument("--hours", type=float, default=1000)
    parser.add_argument("--results", default=str(WORK / "rust.jsonl"))
    arguments = parser.parse_args()
    if arguments.what != "check":
        return {"build": build, "run": run}[arguments.what](arguments)
    wrong = list(check())
    print("\n".join(wrong) or "the survivors are changes of lines that are there, and have reasons")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
