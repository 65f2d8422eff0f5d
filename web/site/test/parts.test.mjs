// Parts of the site that need no browser: texts and files as a model's numbers.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

/** A module of the site, as JavaScript. */
async function load(name) {
  const entry = fileURLToPath(new URL(`../src/${name}.ts`, import.meta.url));
  const { outputFiles } = await build({ entryPoints: [entry], bundle: true, format: "esm", write: false });
  return import("data:text/javascript;base64," + Buffer.from(outputFiles[0].contents).toString("base64"));
}

test("texts become the numbers that the command makes of them", async () => {
  const { samples, written } = await load("text");
  const cases = JSON.parse(readFileSync(new URL("../../../fixtures/texts.json", import.meta.url)));
  assert.ok(cases.length > 5);
  for (const { prepare, text, samples: wanted, refused } of cases) {
    if (refused) assert.throws(() => samples(text, prepare), { message: refused }, text);
    else assert.deepEqual(samples(text, prepare), wanted, text);
  }
  assert.equal(written([195, 169, 33, 0, 7]), "é!");
  assert.equal(written([2, 0.9, 7], "ab😀"), "😀b\ufffd");
});

/** NumPy's file of an array. */
function npy(type, shape, bytes, order = "False") {
  const text = `{'descr': '${type}', 'fortran_order': ${order}, 'shape': (${shape}), }`.padEnd(117) + "\n";
  const head = Buffer.from([0x93, ...Buffer.from("NUMPY"), 1, 0, text.length & 255, text.length >> 8]);
  return new Uint8Array(Buffer.concat([head, Buffer.from(text), Buffer.from(bytes)]));
}

test("files of numbers are read, and what they are not is said", async () => {
  const { numbersOf } = await load("numbers");
  const read = (name, ...content) => numbersOf(new File(content, name), { name: "x", shape: [2], scale: 0 });
  const floats = new Uint8Array(Float32Array.from([1.5, -2]).buffer);
  const good = [
    ["a.json", "[[1, [true]]]", [1, 1]],
    ["a.json", '{"input_data": [[1, 2]]}', [1, 2]],
    ["a.json", '{"inputs": {"y": [3], "x": [1, 2]}}', [1, 2]],
    ["a.csv", "age,height\n1, 2e1\n", [1, 20]],
    ["a.csv", '1,"-2"\r\n', [1, -2]],
    ["a.npy", npy("<f4", "2,", floats), [1.5, -2]],
    ["a.npy", npy(">i2", "1, 2", [1, 0, 255, 255]), [256, -1]],
    ["a.npy", npy("|b1", "2,", [1, 0], "True"), [1, 0]],
    ["a.npy", npy("<i8", "", [7, 0, 0, 0, 0, 0, 0, 0]), [7]],
  ];
  for (const [name, content, wanted] of good) assert.deepEqual(await read(name, content), wanted, `${name} ${content}`);
  const bad = [
    ["a.json", "[1, 2", /no JSON/],
    ["a.json", '{"y": [1]}', /no numbers for x/],
    ["a.json", '["1"]', /no numbers for x/],
    ["a.csv", "1,2\n3,4\n", /2 rows/],
    ["a.csv", "1,b\n", /element 2 is no number/],
    ["a.npy", "text that is no array at all", /no whole .npy file/],
    ["a.npy", npy("<f4", "3,", floats), /no whole .npy file/],
    ["a.npy", npy("<U4", "2,", floats), /other things than numbers/],
    ["a.npy", npy("<f4", "2, 1, 2", floats, "True"), /ascontiguousarray/],
  ];
  for (const [name, content, why] of bad) await assert.rejects(read(name, content), why, `${name} ${content}`);
});
