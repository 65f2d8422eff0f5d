// A service whose key is over the powers of a ceremony, as those are where money is worth something: client and site get the powers from the
// service, hide inputs and compute the key again with them.
import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import test from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Client } from "../client/dist/index.js";
import { Verifier } from "../verifier/dist/index.js";
import { browser } from "./chromium.mjs";
import { answers, freePort } from "./market.mjs";

const FIXTURES = fileURLToPath(new URL("../../fixtures/models/", import.meta.url));
const SEVEN = JSON.parse(readFileSync(`${FIXTURES}digit_7.json`)).input_data[0];
const LONG = { timeout: 120_000 };

/** Starts a service that proves for free, over powers of one contribution. */
async function service(t) {
  const folder = mkdtempSync(`${tmpdir()}/assay-ceremony-`);
  const env = { ...process.env, ASSAY_HOME: `${folder}/home` };
  const assay = async (...args) => JSON.parse((await promisify(execFile)(process.env.ASSAY, ["--json", ...args], { env, cwd: folder })).stdout);
  await assay("srs", "start", "--log", "14", "-o", "0.ptau");
  await assay("srs", "contribute", "0.ptau", "--name", "Ada", "-o", "1.ptau");
  await assay("srs", "beacon", "1.ptau", "--value", "aa".repeat(32), "--name", "a block", "-o", "2.ptau");
  const { file, srs_id } = await assay("srs", "import", "2.ptau", "--log", "14");
  await assay("compile", `${FIXTURES}digits_mlp.onnx`, "--calibrate", `${FIXTURES}digits_calibration.json`, "-o", "digits.assay", "--srs", file);
  await assay("setup", "digits.assay");
  const port = await freePort();
  const child = spawn(process.env.ASSAY, ["serve", "--models", "digits.assay", "--free", "--bind", `127.0.0.1:${port}`], { stdio: "ignore", env, cwd: folder });
  t.after(() => {
    child.kill();
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  });
  const url = `http://127.0.0.1:${port}`;
  await answers(() => fetch(`${url}/livez`));
  return { url, srs_id };
}

test("a model over a ceremony's powers is used by client and site, and its key recomputed", async (t) => {
  const { url, srs_id } = await service(t);
  const verifier = await Verifier.load();
  const client = new Client(url, verifier);
  const [model] = await client.models();
  assert.equal(model.development, false);

  // hiding an input takes the powers of a chunk, which are not yet all that the key takes
  const answer = await client.ask(model, SEVEN);
  assert.equal(answer.output.indexOf(Math.max(...answer.output)), 7);
  const key = await client.keyOf(model);
  assert.equal(key.info.srs_id, srs_id);
  const start = performance.now();
  const recomputed = await client.recompute(model);
  t.diagnostic(`the key of 2^${key.info.srs_log} powers was recomputed in ${(performance.now() - start).toFixed(0)} ms`);
  assert.deepEqual([recomputed.wrap, recomputed.tables], [true, true]);

  // powers of another number are not taken for them
  const other = await Verifier.load();
  const opened = other.openKey(await client.key(model.id));
  const changed = await client.srs(model.id, 4);
  await assert.rejects(other.withPowers(opened, 14, async () => changed.map((byte, i) => (i === 200 ? byte ^ 1 : byte)), () => opened.recompute()), { code: "malformed_srs" });
  assert.equal((await other.withPowers(opened, 4, async () => changed, () => opened.recompute())).wrap, false, "with too few powers nothing is recomputed");

  const chromium = await browser();
  t.after(() => chromium.close());
  const page = await chromium.newPage();
  page.setDefaultTimeout(LONG.timeout);
  await page.goto(url);
  await page.getByText("key not recomputed").waitFor();
  await page.getByRole("button", { name: /^Recompute it \(fetches \d+ MB\)/ }).click();
  await page.getByText("key recomputed in your browser").waitFor();
  await page.getByRole("link", { name: /^Try digits/ }).click();
  await page.getByText("Give it as JSON or as a file instead").click();
  await page.locator("textarea").fill(JSON.stringify(SEVEN));
  await page.getByRole("button", { name: "Ask without paying" }).click();
  await page.getByText("verified in your browser, and about your input").waitFor();
});
