// The verifier in a browser: what it says there of a proof, and how long that takes.
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import test from "node:test";
import { browser, serve } from "./chromium.mjs";

const DIST = fileURLToPath(new URL("../verifier/dist", import.meta.url));

test("a browser verifies proofs of both wraps, and refuses changed ones", async (t) => {
  const { server, url } = await serve(DIST, process.env.ASSAY_MADE);
  t.after(() => server.close());
  const chromium = await browser();
  t.after(() => chromium.close());
  const page = await chromium.newPage();
  await page.goto(url);
  const seen = await page.evaluate(async () => {
    const { Verifier } = await import("/index.js");
    const verifier = await Verifier.load();
    const get = async (name) => new Uint8Array(await (await fetch(`/${name}`)).arrayBuffer());
    const results = [];
    for (const wrap of ["universal", "groth16"]) {
      const key = verifier.openKey(await get(`${wrap}.key`));
      const file = JSON.parse(new TextDecoder().decode(await get(`${wrap}.json`)));
      const recomputed = key.recompute();
      const times = [];
      let report;
      for (let i = 0; i < 10; i++) {
        const start = performance.now();
        report = key.verify(file);
        times.push(performance.now() - start);
      }
      const changed = key.verify({ ...file, output: file.output.map((cell) => cell + 1) });
      const hidden = key.commit(new Array(64).fill(0.5));
      results.push({ wrap, recomputed, report, changed, times, blinding: hidden.blinding });
    }
    return results;
  });
  for (const { wrap, recomputed, report, changed, times, blinding } of seen) {
    assert.equal(report.valid, true, wrap);
    assert.equal(recomputed.wrap, wrap === "universal");
    assert.equal(changed.valid, false, wrap);
    assert.equal(blinding.length, 1);
    const sorted = [...times].sort((a, b) => a - b);
    t.diagnostic(`${wrap}: the first verification took ${times[0].toFixed(0)} ms, the median ${sorted[5].toFixed(0)} ms`);
  }
});
