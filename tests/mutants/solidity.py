#!/usr/bin/env python3
"""Changes the Solidity verifier in one place at a time and runs its tests: a change that no test notices is a survivor.

    python3 tests/mutants/solidity.py run [--sample N] [--seed N] [--only FILE] [--hours N] [--results FILE]
    python3 tests/mutants/solidity.py check

`run` takes the changes in an order that the seed gives, so that what was tried when it is stopped is a random sample, and writes a line for each to
--results; changes that are in it already are not tried again. quick.mjs judges first: most changes make honest proofs fail, and a process that stays
finds that in a second or two. Only what it leaves alive is compiled as it is deployed, and given to forge's tests. `check` is what CI runs: every
survivor in survivors.json is a change of a line that is still there, and has a reason. docs/testing.md says what was run.
"""
import argparse
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
CONTRACTS = HERE.parent.parent / "verifier-contracts"
SURVIVORS = HERE / "survivors.json"
FILES = ["src/AssayVerifier.sol", "src/lib/Plonk.sol", "src/lib/Opening.sol", "src/lib/Gates.sol", "src/lib/Bn254.sol"]
# the tests of these files; all that they import is in test/utils
TESTS = ["AssayVerifier", "Bn254", "Gates", "Golden", "KeyRegistry", "Opening", "Refusals"]
# forge's tests, the quickest killers first: of the contract's code, of the libraries in contracts of their own, and those that alter every word
SLOW = "test_size|tamperedProof|H1_calldata|pointsReplaced|tamperedKey|tamperedOutput|coordinatesPlusQ|testFuzz"
OWN = "^(Bn254Test|GatesTest|OpeningTest|RefusalTest)$"
STAGES = [
    ["--no-match-test", SLOW, "--no-match-contract", OWN],
    ["--match-contract", OWN],
    ["--match-contract", "^(SmallVerifierTest|UniversalVerifierTest)$", "--no-match-test", "test_size"],
]
# what is changed into what; `\\b` since `mulmod(` ends in a word that is not an operation of its own
OPERATORS = [
    (r"if \((?!.*\bif \().*\) revert", None),
    (r"\baddmod\(", "mulmod("),
    (r"\bmulmod\(", "addmod("),
    (r"\badd\(", "sub("),
    (r"\bsub\(", "add("),
    (r"\band\(", "or("),
    (r"\bor\(", "and("),
    (r"\blt\(", "gt("),
    (r"\beq\(", "lt("),
    (r"\bmod\(t, R\)", "t"),
    (r" \+ ", " - "),
    (r" - ", " + "),
    (r" \* ", " + "),
    (r" == ", " != "),
    (r" < ", " <= "),
    (r" > ", " >= "),
    (r" \|\| ", " && "),
    (r" && ", " || "),
    (r"\b0x[0-9a-f]{2,3}\b", lambda match: hex(int(match.group(), 16) + 0x20)),
    (r"\b(?:mstore|mcopy|calldatacopy)\((?:[^()]|\([^()]*\)|\((?:[^()]|\([^()]*\))*\))*\)", ""),
]


def code(line):
    """A line without its comment; nothing of a line that is no code."""
    line = line.split("//")[0].rstrip()
    declared = re.match(r"\s*(uint256 (private|internal) constant|import|pragma|/\*\*|\*|library|contract|function|using)", line)
    return "" if declared else line


def changes():
    """All changes: the file, the number of the line, and the line before and after."""
    for name in FILES:
        for number, line in enumerate((CONTRACTS / name).read_text().splitlines()):
            text = code(line)
            for pattern, to in OPERATORS:
                for match in re.finditer(pattern, text):
                    new = re.sub(r"if \(.*\) revert", "if (false) revert", match.group()) if to is None else to
                    new = new(match) if callable(new) else new
                    after = text[: match.start()] + new + text[match.end() :]
                    yield {"file": name, "line": number + 1, "before": text.strip(), "after": after.strip()}


def key(change):
    return change["file"], change["line"], change["before"], change["after"]


def changed(root, change):
    """The text of the file with the change."""
    lines = (root / change["file"]).read_text().splitlines(keepends=True)
    at = change["line"] - 1
    lines[at] = lines[at].replace(change["before"], change["after"], 1)
    return "".join(lines)


class Quick:
    """quick.mjs over a folder of contracts."""

    def __init__(self, root):
        self.root = root
        self.process = subprocess.Popen(["node", HERE / "quick.mjs", root], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def judge(self, file, text):
        self.process.stdin.write(json.dumps({"file": file, "text": text}) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline() or sys.exit("quick.mjs has ended"))

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class Bench:
    """A copy of the contracts in which they are changed and tested."""

    def __init__(self, folder):
        self.root = Path(folder) / "verifier-contracts"
        ignore = shutil.ignore_patterns("node_modules", "out*", "cache*")
        shutil.copytree(CONTRACTS, self.root, ignore=ignore)
        (self.root / "node_modules").symlink_to((CONTRACTS / "node_modules").resolve())
        (self.root.parent / "fixtures").symlink_to(CONTRACTS.parent / "fixtures")
        for test in [*self.root.glob("test/*.t.sol"), *self.root.glob("test/*/*.t.sol")]:
            if test.name.removesuffix(".t.sol") not in TESTS:
                test.unlink()
        golden = self.root / "test/Golden.t.sol"
        # the verifier's tests with golden proofs, without the market's
        text = re.sub(r"(/// [^\n]*\n)*contract \w+ is LifecycleSuite \{.*?\n\}\n", "", golden.read_text(), flags=re.S)
        golden.write_text(re.sub(r"import \{(IModelRegistry|LifecycleSuite)\}[^\n]*\n", "", text))
        settings = (self.root / "foundry.toml").read_text()
        (self.root / "foundry.toml").write_text(settings.replace("runs = 5000", "runs = 64"))
        self.quick = Quick(self.root)
        name = "src/lib/Bn254.sol"
        verdict, by = self.verdict({"file": name, "line": 1, "before": "", "after": ""})
        if verdict != "survived":
            sys.exit(f"the tests fail without any change: {by}")

    def tested(self):
        """The verdict of forge's tests on the folder as it is, and the test that fails."""
        for filters in STAGES:
            command = [self.root / "node_modules/.bin/forge", "test", "--fail-fast", *filters]
            done = subprocess.run(command, cwd=self.root, env={**os.environ, "FOUNDRY_PROFILE": "test"}, capture_output=True, text=True)
            # with --fail-fast forge ends with 0 although a test has failed
            if done.returncode or not re.search(r"tests? passed, 0 failed", done.stdout):
                named = re.search(r"\[FAIL.*?\] (\w+)\(", done.stdout)
                return "killed", named.group(1) if named else (done.stdout + done.stderr)[-300:]
        return "survived", ""

    def verdict(self, change):
        """What becomes of a change: `refused` by the compiler, `killed` by the test that is named, or `survived`."""
        path = self.root / change["file"]
        original, text = path.read_text(), changed(self.root, change)
        answer = self.quick.judge(change["file"], text)
        if answer["verdict"] != "alive":
            return answer["verdict"], answer["by"]
        artifacts = {self.root / f"artifacts/{name}.json": code for name, code in answer["codes"].items()}
        before = {artifact: artifact.read_text() for artifact in artifacts}
        for artifact, code in artifacts.items():
            artifact.write_text(json.dumps({**json.loads(before[artifact]), "bytecode": {"object": code}}))
        path.write_text(text)
        try:
            return self.tested()
        finally:
            path.write_text(original)
            for artifact in artifacts:
                artifact.write_text(before[artifact])


def run(arguments):
    results = Path(arguments.results)
    results.parent.mkdir(parents=True, exist_ok=True)
    done = {key(json.loads(line)) for line in results.read_text().splitlines()} if results.exists() else set()
    todo = [change for change in changes() if not arguments.only or arguments.only in change["file"]]
    random.Random(arguments.seed).shuffle(todo)
    every = len(todo)
    end = time.monotonic() + 3600 * arguments.hours
    with tempfile.TemporaryDirectory() as folder, results.open("a") as out:
        bench = Bench(folder)
        for change in todo[: arguments.sample]:
            if key(change) in done:
                continue
            if time.monotonic() > end:
                break
            verdict, by = bench.verdict(change)
            out.write(json.dumps({**change, "verdict": verdict, "by": by}) + "\n")
            out.flush()
            print(f"{verdict:8} {change['file']}:{change['line']}: {change['after'] or 'removed'}", flush=True)
        bench.quick.close()
    verdicts = [json.loads(line)["verdict"] for line in results.read_text().splitlines()]
    print({verdict: verdicts.count(verdict) for verdict in set(verdicts)}, f"of {every} changes")


def check():
    """What is wrong with the list of survivors."""
    possible = {(c["file"], c["before"], c["after"]) for c in changes()}
    for group in json.loads(SURVIVORS.read_text())["survivors"]:
        if len(group["reason"]) < 20:
            yield f"{group['reason']!r} is no reason"
        for file, before, after in group["changes"]:
            if (file, before, after) not in possible:
                yield f"{file}: no line is {before!r} any more, or it is not changed to {after!r}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["run", "check"])
    parser.add_argument("--sample", type=int)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only")
    parser.add_argument("--hours", type=float, default=1000)
    parser.add_argument("--results", default="target/mutants-solidity.jsonl")
    arguments = parser.parse_args()
    if arguments.what == "run":
        return run(arguments)
    wrong = list(check())
    print("\n".join(wrong) or "the survivors are changes of lines that are there, and have reasons")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
