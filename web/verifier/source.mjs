// Says of which sources dist/ was made: dist/source.json keeps a hash of them.
//   node source.mjs          exits with 1 and says so if dist/ is older than the sources
//   node source.mjs --write  keeps the hash of the sources as they are now
import { createHash } from "node:crypto";
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const ROOT = new URL("../../", import.meta.url);
const RECORD = new URL("dist/source.json", import.meta.url);
const SOURCES = ["circuits/src", "circuits/Cargo.toml", "prover/src", "prover/Cargo.toml", "verifier/src", "verifier/Cargo.toml", "web/verifier/src"];

function files(path) {
  if (path.endsWith(".toml")) return [path];
  const entries = readdirSync(new URL(path, ROOT), { recursive: true, withFileTypes: true });
  const root = fileURLToPath(ROOT);
  return entries.filter((entry) => entry.isFile()).map((entry) => `${entry.parentPath}/${entry.name}`.replace(root, ""));
}

/** The hash of everything that dist/ is made of, names included. */
export function sourceHash() {
  const hash = createHash("sha256");
  for (const file of SOURCES.flatMap(files).sort()) hash.update(file).update("\0").update(readFileSync(new URL(file, ROOT))).update("\0");
  return hash.digest("hex");
}

/** Whether dist/ was made of the sources as they are. */
export function isFresh() {
  return JSON.parse(readFileSync(RECORD, "utf8")).sha256 === sourceHash();
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  if (process.argv[2] === "--write") {
    writeFileSync(RECORD, JSON.stringify({ sha256: sourceHash() }) + "\n");
  } else if (!isFresh()) {
    console.error("web/verifier/dist is older than its sources: make it anew with web/build.sh");
    process.exitCode = 1;
  }
}
