// The committed verifier against what the `assay` command makes. web/test.sh makes the files that $ASSAY_MADE names.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { gzipSync } from "node:zlib";
import { Verifier, VerifierError } from "../dist/index.js";
import { isFresh } from "../source.mjs";

const made = (name) => readFileSync(`${process.env.ASSAY_MADE}/${name}`);
const json = (name) => JSON.parse(made(name));
const opened = async (name) => (await Verifier.load()).openKey(made(name));
const flipped = (hex, at) => hex.slice(0, at) + (hex[at] === "0" ? "1" : "0") + hex.slice(at + 1);

if (!isFresh()) console.warn("web/verifier/dist is OLDER THAN ITS SOURCES: what is tested is what is committed. web/build.sh makes it anew.");

for (const [wrap, recomputed] of [["universal", true], ["groth16", false]]) {
  test(`${wrap}: a proof of the command verifies, and says the same`, async () => {
    const key = await opened(`${wrap}.key`);
    const [file, command] = [json(`${wrap}.json`), json(`${wrap}.verified.json`)];
    assert.equal(key.info.wrap, wrap);
    assert.equal(key.info.key_hash, command.key_hash);
    const report = key.verify(made(`${wrap}.json`).toString());
    const { seconds, ...expected } = command;
    assert.deepEqual(report, expected);
    assert.equal(report.wrap_recomputed, recomputed);
    assert.deepEqual(key.verify(file, { context: "job 1", modelCommitment: file.model_commitment }), report);
  });

  test(`${wrap}: every field that is changed is refused`, async () => {
    const key = await opened(`${wrap}.key`);
    const file = json(`${wrap}.json`);
    const changes = {
      context: flipped(file.context, 40),
      output: [file.output[0] + 1, ...file.output.slice(1)],
      output_data: [[file.output_data[0][0] + 1, ...file.output_data[0].slice(1)]],
      clamps: file.clamps + 1,
      input_commitments: [json("other.json").input_commitments[0]],
      model_commitment: flipped(file.model_commitment, 40),
      key_hash: flipped(file.key_hash, 40),
      inferences: 2,
      version: 2,
      proof: file.proof.slice(0, -2),
    };
    for (const [field, value] of Object.entries(changes)) {
      const report = key.verify({ ...file, [field]: value });
      assert.equal(report.valid, false, field);
      assert.ok(report.reason.length > 10, field);
    }
    // a digit in each word of the proof
    for (let at = 40; at < file.proof.length; at += 64) {
      assert.equal(key.verify({ ...file, proof: flipped(file.proof, at) }).valid, false, `digit ${at}`);
    }
    assert.equal(key.verify(file, { context: "job 2" }).valid, false);
    assert.equal(key.verify(file, { modelCommitment: flipped(file.model_commitment, 9) }).valid, false);
    assert.equal(key.verify("{}").valid, false);
    assert.equal(key.verify(file).valid, true, "the verifier is still whole");
  });
}

test("a key of one wrap refuses proofs of the other", async () => {
  const key = await opened("universal.key");
  assert.equal(key.verify(json("groth16.json")).valid, false);
});

test("a service's answer verifies with the proof's bytes, and not if it says anything else", async () => {
  const key = await opened("universal.key");
  const { output: output_cells, output_data, input_commitments, clamps, context, proof } = json("universal.json");
  const prediction = { id: "1", state: "proven", output_cells, output: output_data[0], input_commitments, clamps, context };
  const bytes = Buffer.from(proof.slice(2), "hex");
  assert.equal(key.verify(prediction, bytes).valid, true);
  assert.equal(key.verify(prediction, bytes, { context }).valid, true);
  assert.equal(key.verify(prediction, bytes, { context: "other" }).valid, false);
  assert.equal(key.verify({ ...prediction, output: [1] }, bytes).valid, false);
  assert.equal(key.verify({ ...prediction, clamps: 1 }, bytes).valid, false);
  assert.equal(key.verify(prediction, bytes.subarray(1)).valid, false);
  assert.throws(() => key.verify({ ...prediction, output: null }, bytes), { code: "no_output" });
});

test("the key for several buyers' inferences follows from the key for one", async () => {
  const key = await opened("universal.key");
  assert.equal(key.batched(2), (await opened("digits.x2s.key")).info.key_hash, "what `assay setup --batch 2 --separate` makes");
  assert.equal(key.batched(1), key.info.key_hash);
  for (const size of [0, 3, 8192]) assert.throws(() => key.batched(size), { code: "malformed_call" });
  const groth16 = await opened("groth16.key");
  assert.throws(() => groth16.batched(2), { code: "no_batch" });
});

test("a proof that several buyers share verifies with the key for one inference, for the buyer's place only", async () => {
  const key = await opened("universal.key");
  const file = json("shared.json");
  const bytes = Buffer.from(file.proof.slice(2), "hex");
  const [cells, points] = [file.output.length / 2, file.input_commitments.length / 2];
  const all = { inferences: 2, input_commitments: file.input_commitments, output_cells: file.output, clamps: file.clamps };
  const prediction = (index) => ({
    output_cells: file.output.slice(index * cells, (index + 1) * cells), output: file.output_data[index], clamps: file.clamps, context: file.context,
    input_commitments: file.input_commitments.slice(index * points, (index + 1) * points), batch: { ...all, index },
  }); // prettier-ignore
  const { input } = json("commitment.json");
  for (const index of [0, 1]) {
    const report = key.verify(prediction(index), bytes, { inputs: [input] });
    assert.deepEqual([report.valid, report.inferences, report.index, report.key_hash], [true, 2, index, file.key_hash]);
    assert.equal(key.verify(prediction(index), bytes, { inputs: [input.with(0, 1)] }).valid, false);
    assert.equal(key.verify({ ...file, index }).valid, true, "the same from a file");
  }
  assert.equal(key.verify(file).valid, false, "a batch that was not bought takes the key that it was made with");
  assert.equal((await opened("digits.x2s.key")).verify(file).valid, true);
  const one = prediction(1);
  const said = (change) => ({ ...one, batch: { ...one.batch, ...change } });
  const changed = [
    said({ index: 2 }), said({ inferences: 4 }), said({ inferences: 3 }), said({ clamps: 1 }), said({ output_cells: all.output_cells.with(0, 9999) }),
    said({ input_commitments: all.input_commitments.slice(points) }), { ...one, output_cells: one.output_cells.with(0, 9999) }, { ...one, batch: null },
  ]; // prettier-ignore
  changed.forEach((answer, i) => assert.equal(key.verify(answer, bytes).valid, false, `change ${i}`));
  assert.equal(key.verify({ ...file, index: 2 }).valid, false);
  const groth16 = await opened("groth16.key");
  assert.throws(() => groth16.verify(one, bytes), { code: "no_batch" });
});

test("keys are recomputed, and false ones refused", async () => {
  const verifier = await Verifier.load();
  const key = verifier.openKey(made("universal.key"));
  const { srs_id, ...rest } = key.recompute();
  assert.equal(srs_id, key.info.srs_id);
  assert.deepEqual(rest, { shape: true, tables: true, wrap: true, development_srs: true });
  assert.equal(verifier.openKey(made("groth16.key")).recompute().wrap, false);
  // a key with another model's wrap: well formed, and not what its description gives
  const forged = verifier.openKey(made("forged.key"));
  assert.throws(() => forged.recompute(), { code: "false_key" });
  assert.throws(() => forged.verify(json("universal.json")), { code: "closed" }, "a false key stays closed");
  assert.throws(() => verifier.openKey(made("forged.key")).verify(json("universal.json")), { code: "false_key" });
  const damaged = made("universal.key");
  damaged[200] ^= 1;
  for (const bytes of [damaged, damaged.subarray(0, 100), new Uint8Array()]) {
    assert.throws(() => verifier.openKey(bytes), { code: "malformed_key" });
  }
  // 2^32 cells are too many, also where words have 32 bits and blocks would lie one upon the other
  assert.throws(() => verifier.openKey(made("huge.key")), { code: "malformed_key", message: /2\^33 cells/ });
});

test("inputs are committed to as the command does", async () => {
  const key = await opened("universal.key");
  const command = json("commitment.json");
  const none = key.commit(command.input, { blinding: "none" });
  for (const field of ["input_commitments", "input_commitment", "model_commitment", "key_hash", "outside", "blinding", "input"]) {
    assert.deepEqual(none[field], command[field], field);
  }
  assert.deepEqual(key.commit({ input: command.input }, { blinding: "none" }), none);
  const private_ = json("private.json");
  assert.equal(key.commit(private_.input, { blinding: private_.blinding }).input_commitment, private_.input_commitment);
  const [one, two] = [key.commit(command.input), key.commit(command.input)];
  assert.notEqual(one.input_commitment, two.input_commitment, "fresh blinding hides the input");
  assert.equal(key.commit(command.input, { blinding: one.blinding }).input_commitment, one.input_commitment);
  assert.equal(key.commit(command.input.with(0, 99), { blinding: "none" }).outside, 1);
  assert.throws(() => key.commit([1, 2, 3]), { code: "input" });
  assert.throws(() => key.commit(command.input.with(0, NaN)), { code: "input" });
  assert.throws(() => key.commit({ inputs: command.input }), { code: "input" });
  assert.throws(() => key.commit(command.input, { blinding: ["0x" + "ff".repeat(32)] }), { code: "blinding" });
  assert.throws(() => key.commit(command.input, { blinding: [] }), { code: "blinding" });
});

test("a proof of a public input is about that input", async () => {
  const key = await opened("universal.key");
  const [file, { input }] = [json("public.json"), json("commitment.json")];
  assert.equal(key.verify(file, { inputs: [input] }).valid, true);
  assert.equal(key.verify(file, { inputs: [{ input }] }).valid, true);
  assert.equal(key.verify(file, { inputs: [input.with(0, 1)] }).valid, false);
  assert.equal(key.verify(json("universal.json"), { inputs: [input] }).valid, false, "that one's input is hidden");
  assert.throws(() => key.verify(file, { inputs: [input, input] }), { code: "input" });
});

test("a closed key is closed, and another one works on", async () => {
  const verifier = await Verifier.load();
  const [one, two] = [verifier.openKey(made("universal.key")), verifier.openKey(made("groth16.key"))];
  one.close();
  assert.throws(() => one.verify(json("universal.json")), VerifierError);
  assert.equal(two.verify(json("groth16.json")).valid, true);
});

test("it is small", (t) => {
  const wasm = readFileSync(new URL("../dist/assay_verifier.wasm", import.meta.url));
  const bytes = gzipSync(wasm, { level: 9 }).length;
  t.diagnostic(`${bytes} bytes compressed`);
  assert.ok(bytes <= 1_000_000, `${bytes} bytes compressed, and 1,000,000 are the most`);
});
