// The page "Sell" in a browser: a model that is uploaded, refused, compiled, listed with a wallet, sold, and paid for.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import test from "node:test";
import { fileURLToPath } from "node:url";
import { browser } from "./chromium.mjs";
import { giveWallet, hasChain, market, OPERATOR, OTHERS, SELLING } from "./market.mjs";
import { checkNames } from "./names.mjs";

const FIXTURES = fileURLToPath(new URL("../../fixtures/models/", import.meta.url));
const LONG = { timeout: 180_000 };

/** Fills the form of a model, and has it compiled. */
async function compile(page, name, onnx) {
  await page.getByLabel(/^The model, ONNX/).setInputFiles(onnx);
  await page.getByLabel(/^Samples/).setInputFiles(`${FIXTURES}digits_calibration.json`);
  await page.getByLabel("Name", { exact: false }).first().fill(name);
  await page.getByRole("button", { name: "Compile", exact: true }).click();
}

test("a seller compiles, lists, sells and withdraws", { skip: !hasChain() && "anvil is not installed" }, async (t) => {
  const place = await market();
  t.after(place.stop);
  const chromium = await browser();
  t.after(() => chromium.close());
  const page = await (await chromium.newContext({ acceptDownloads: true })).newPage();
  const faults = [];
  page.on("pageerror", (error) => faults.push(error.message));
  await giveWallet(page, place.rpc, SELLING);
  const step = async (name, work) => {
    await work().catch((cause) => assert.fail(`${name}: ${cause.message}`));
    t.diagnostic(name);
  };

  await step("nobody without the operator's token", async () => {
    await page.goto(`${place.url}/#/sell`);
    await page.getByLabel(/^The operator's token/).fill("wrong");
    await page.getByRole("button", { name: "Open" }).click();
    await page.getByText("or the operator's token").waitFor(LONG);
    await checkNames(page);
    await page.getByLabel(/^The operator's token/).fill(OPERATOR);
    await page.getByRole("button", { name: "Open" }).click();
    await page.getByRole("heading", { name: "Compile a model" }).waitFor(LONG);
    await checkNames(page);
  });

  await step("a file that is no model is refused in the compiler's words, and so are samples of another model", async () => {
    writeFileSync(`${place.folder}/text.onnx`, "this is no model");
    await compile(page, "text", `${place.folder}/text.onnx`);
    const refused = page.locator("#refused");
    await refused.waitFor(LONG);
    assert.match(await refused.innerText(), /not an ONNX model/);
    assert.match(await refused.getByRole("link").getAttribute("href"), /docs\/operators\.md$/);
    writeFileSync(`${place.folder}/few.json`, '{"input_data": [[1, 2, 3]]}');
    await page.getByLabel(/^The model, ONNX/).setInputFiles(`${FIXTURES}digits_mlp.onnx`);
    await page.getByLabel(/^Samples/).setInputFiles(`${place.folder}/few.json`);
    await page.getByRole("button", { name: "Compile", exact: true }).click();
    await refused.getByText(/3 .*64|64 .*3/).waitFor(LONG);
  });

  await step("the report: layers, error, cost and gas, drawn", async () => {
    await compile(page, "digits on sale", `${FIXTURES}digits_mlp.onnx`);
    const report = page.locator("#report");
    await report.waitFor(LONG);
    const text = await report.innerText();
    for (const said of [/\d+ parameters/, /% in the mean/, /as predicted/, /gas/]) assert.match(text, said);
    assert.ok((await report.locator("svg rect").count()) > 1, "a bar for each layer");
    await report.getByText("The network, drawn").click();
    const drawn = report.locator("img.drawing");
    await drawn.scrollIntoViewIfNeeded();
    await page.waitForFunction((image) => image.complete && image.naturalWidth > 100, await drawn.elementHandle());
    const [saved] = await Promise.all([page.waitForEvent("download"), report.getByRole("button", { name: "Download the package" }).click()]);
    assert.equal(saved.suggestedFilename(), "digits-on-sale.assay");
    await checkNames(page);
  });

  let id;
  await step("listed with the wallet, and offered without a restart", async () => {
    await page.getByLabel("Description").fill("Digits, sold from a **page**.");
    await page.getByLabel(/^Labels/).fill([..."0123456789"].join(", "));
    await page.getByLabel(/^Price/).fill("0.002");
    await page.getByLabel(/^Licence/).fill("any use");
    await page.getByLabel("The input is").selectOption("a picture");
    await page.getByLabel(/^Size/).fill("8x8x1");
    await page.getByLabel(/^Seconds in which/).fill("500");
    await checkNames(page);
    await page.getByRole("button", { name: "List it with the wallet" }).click();
    await page.locator("#offered").waitFor(LONG);
    await page.getByText("Buyers find it among the models").waitFor(LONG);
    await checkNames(page);
    await page.getByRole("link", { name: "Its page" }).click();
    await page.getByRole("heading", { level: 1, name: "digits on sale" }).waitFor(LONG);
    id = (await page.evaluate(() => location.hash)).split("/").at(-1);
    await page.getByRole("button", { name: /^Pay 0\.002 ETH/ }).waitFor(LONG);
    const { licence, prepare, terms } = await (await fetch(`${place.url}/v1/models/${id}`)).json();
    assert.deepEqual([licence, prepare.kind, prepare.width, terms.prove_secs], ["any use", "image", 8, 500]);
  });

  await step("its weights are proven, as its page says", async () => {
    const proven = async () => Number.isInteger((await (await fetch(`${place.url}/v1/models/${id}`)).json()).weights?.proven_secs);
    for (let i = 0; !(await proven()); i++) {
      assert.ok(i < 600, "the proof of the weights never comes");
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
    await page.reload();
    await page.getByText("weights proven under a development key").waitFor(LONG);
  });

  await step("sold, shown among the earnings, and withdrawn to the wallet that listed it", async () => {
    const key = await (await fetch(`${place.url}/v1/models/${id}/key`)).arrayBuffer();
    writeFileSync(`${place.folder}/sold.key`, new Uint8Array(key));
    const args = ["--json", "request", "--service", place.url, "--key", "sold.key", "--input", `${FIXTURES}digit_7.json`, "--accept-development-key"];
    assert.equal(JSON.parse(await place.assay(args, OTHERS[1])).state, "settled");
    await page.goto(`${place.url}/#/sell`);
    await page.getByRole("heading", { name: "Earnings" }).waitFor(LONG);
    assert.match(await page.getByLabel("Jobs", { exact: true }).innerText(), /digits on sale\s+0\s+1\s+0\s+0\s+0\.002 ETH/);
    assert.equal(await page.getByLabel("Earnings", { exact: true }).locator("path.line").count(), 1);
    await page.getByRole("button", { name: "Withdraw with the wallet" }).click();
    await page.locator("#withdrawn", { hasText: /withdrawn: 0\.00\d+ ETH/ }).waitFor(LONG);
    await checkNames(page);
  });

  assert.deepEqual(faults, []);
});
