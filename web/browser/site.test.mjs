// The site in a browser, from the models to a receipt, against a service, a chain and a wallet.
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import test from "node:test";
import { fileURLToPath } from "node:url";
import { hashOrderCall } from "../client/dist/abi.js";
import { browser } from "./chromium.mjs";
import { BUYER, giveWallet, hasChain, market, OTHERS } from "./market.mjs";
import { checkNames } from "./names.mjs";

const SEVEN = JSON.parse(readFileSync(new URL("../../fixtures/models/digit_7.json", import.meta.url))).input_data[0];
const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const LONG = { timeout: 120_000 };

/** Gives the model the picture of a seven, as JSON. */
async function giveSeven(page) {
  await page.getByText("Give it as JSON or as a file instead").click();
  await page.locator("textarea").fill(JSON.stringify(SEVEN));
}

/** Two buyers order at the same time, so that they share a proof. Returns the ids of their predictions. */
async function orderTogether(place) {
  const { data } = await (await fetch(`${place.url}/v1/models`)).json();
  const { id, batches } = data.find((model) => model.batches.length > 0);
  const ask = async () => {
    const answer = await fetch(`${place.url}/v1/quotes`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ model: id, batch: 2 }) });
    return (await answer.json()).quote.key_hash;
  };
  // quotes of the last second are demand, which is what keys for several inferences are quoted for: there is some before anybody orders
  for (const last = Date.now() + LONG.timeout; (await ask()) !== batches[0].key_hash; ) assert.ok(Date.now() < last, "no quote for two");
  const asking = setInterval(() => ask().catch(() => {}), 200);
  const input = `${ROOT}fixtures/models/digit_7.json`;
  const order = (key) => place.assay(["--json", "request", "--service", place.url, "--key", "digits.key", "--input", input, "--accept-development-key", "--batch-max", "2"], key);
  const done = await Promise.all(OTHERS.map(order)).finally(() => clearInterval(asking));
  return done.map((text) => JSON.parse(text).prediction);
}

test("a visitor tries, buys, verifies and keeps a proof", { skip: !hasChain() && "anvil is not installed" }, async (t) => {
  const place = await market();
  t.after(place.stop);
  const chromium = await browser();
  t.after(() => chromium.close());
  const context = await chromium.newContext({ acceptDownloads: true });
  const page = await context.newPage();
  const faults = [];
  page.on("pageerror", (error) => faults.push(error.message));
  page.on("console", (message) => message.type() === "error" && faults.push(message.text()));
  await giveWallet(page, place.rpc);
  // each step goes on where the one before ended
  const step = async (name, work) => {
    await work().catch((cause) => assert.fail(`${name}: ${cause.message}`));
    t.diagnostic(name);
  };

  await step("models, with their keys recomputed", async () => {
    await page.goto(place.url);
    await page.getByText("key recomputed in your browser").nth(1).waitFor(LONG);
    assert.equal(await page.locator(".card").count(), 2);
    assert.match(await page.locator(".card", { hasText: "handwritten" }).innerText(), /0\.001 ETH/);
    await checkNames(page);
  });

  await step("little to load: 200 kB of script at most, and cards before the verifier is there", async () => {
    const fresh = await (await chromium.newContext()).newPage();
    let verifier;
    await fresh.route("**/assay_verifier.wasm", async (route) => {
      await new Promise((resolve) => (verifier = resolve));
      await route.continue();
    });
    await fresh.goto(place.url);
    await fresh.locator(".card").nth(1).waitFor(LONG);
    const { script, ready } = await fresh.evaluate(() => {
      const scripts = performance.getEntriesByType("resource").filter((one) => new URL(one.name).pathname.endsWith(".js"));
      return { script: scripts.reduce((sum, one) => sum + one.decodedBodySize, 0), ready: performance.now() };
    });
    assert.ok(script > 0 && script <= 200_000, `${script} bytes of script`);
    t.diagnostic(`${script} bytes of script; the models are there after ${ready.toFixed(0)} ms`);
    await fresh.getByRole("link", { name: "Try digits_cnn" }).waitFor();
    verifier?.();
    await fresh.getByText("key recomputed in your browser").nth(1).waitFor(LONG);
  });

  await step("where a model comes from and who earns, by the chain; what it may be used for; its network, drawn", async () => {
    await page.getByText("Terms: Answers may be used for anything.").waitFor(LONG);
    await page.getByText("a picture, 8 × 8, grey").waitFor(LONG);
    await page.locator(".card", { hasText: "digits_mlp" }).getByText(/^By 0x7099.*, 0 settled on chain\. Made from digits_cnn\.$/).waitFor(LONG);
    await page.getByRole("link", { name: "Try digits_mlp" }).click();
    const provenance = page.getByLabel("Provenance");
    await provenance.getByText("Made from", { exact: true }).waitFor(LONG);
    const text = await provenance.innerText();
    assert.match(text, /digits_cnn \(5 % of what is paid\)/);
    assert.match(text, /whoever holds the model's token\s+80 %/);
    assert.match(text, /0 jobs paid, 0 proven/);
    assert.equal(await provenance.locator(".depth-2").count(), 2, "the creators of the digits, through two splitters");
    await page.getByText("The network, drawn").click();
    const drawn = page.locator("img.drawing");
    await drawn.scrollIntoViewIfNeeded();
    await page.waitForFunction((image) => image.complete && image.naturalWidth > 100, await drawn.elementHandle());
    await checkNames(page);
    await provenance.getByRole("link", { name: "digits_cnn" }).first().click();
    await page.getByRole("heading", { level: 1, name: "digits_cnn" }).waitFor(LONG);
    await page.goto(place.url);
  });

  await step("by keyboard to a model, and a free answer of which the proof is verified here", async () => {
    await page.getByRole("link", { name: "Try digits_cnn" }).focus();
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { level: 1, name: /digits/ }).waitFor();
    await giveSeven(page);
    await checkNames(page);
    await page.getByRole("button", { name: "Ask without paying" }).click();
    await page.getByText("verified in your browser, and about your input").waitFor(LONG);
    assert.equal(await page.locator(".verdict").innerText(), "7");
    assert.match(await page.locator(".phases").innerText(), /preparing the wrap/);
  });

  await step("a drawing is an input as well, by mouse and by keyboard", async () => {
    await page.reload();
    const canvas = page.locator("canvas");
    const box = await canvas.boundingBox();
    await page.mouse.move(box.x + 0.3 * box.width, box.y + 0.2 * box.height);
    await page.mouse.down();
    await page.mouse.move(box.x + 0.7 * box.width, box.y + 0.2 * box.height);
    await page.mouse.move(box.x + 0.45 * box.width, box.y + 0.85 * box.height);
    await page.mouse.up();
    const white = () => canvas.evaluate((c) => c.getContext("2d").getImageData(0, 0, c.width, c.height).data.filter((v, i) => i % 4 === 0 && v > 100).length);
    const drawn = await white();
    assert.ok(drawn >= 8, `${drawn} white pixels`);
    await canvas.focus();
    for (const key of ["ArrowRight", "ArrowRight", "Shift+ArrowDown", "Shift+ArrowDown"]) await page.keyboard.press(key);
    assert.ok((await white()) > drawn);
    await page.getByRole("button", { name: "Ask without paying" }).click();
    await page.getByText("verified in your browser, and about your input").waitFor(LONG);
    await page.getByRole("button", { name: "Clear" }).click();
    assert.equal(await white(), 0);
  });

  await step("an input outside the range is refused in words", async () => {
    await page.reload();
    await page.getByText("Give it as JSON or as a file instead").click();
    await page.locator("textarea").fill(JSON.stringify(SEVEN.with(0, 50)));
    await page.getByRole("button", { name: "Ask without paying" }).click();
    await page.getByText(/the model is made for 0 to 1/).waitFor(LONG);
  });

  let link;
  await step("paid with a wallet, and settled on chain", async () => {
    await page.reload();
    await giveSeven(page);
    await page.getByRole("button", { name: /^Pay 0\.001 ETH with a wallet/ }).click();
    await page.getByLabel("Quote").getByRole("button", { name: "Pay 0.001 ETH" }).click();
    await page.getByText("verified in your browser, and about your input").waitFor(LONG);
    assert.match(await page.locator(".phases").innerText(), /settled: verified by the contract and paid/);
    link = await page.getByRole("link", { name: /Open the receipt/ }).getAttribute("href");
    await page.goto(`${place.url}/#/receipt`);
    await page.getByLabel("Orders of this browser").getByRole("link", { name: "proven: the receipt" }).waitFor(LONG);
    await page.getByRole("link", { name: "digits_cnn" }).click();
    await page.getByText("verified in your browser, and about your input").waitFor(LONG);
  });

  await step("an order that the service never heard of is cancelled, and the money comes back", async () => {
    const coins = async () => BigInt(await place.rpc("eth_getBalance", [BUYER, "latest"]));
    const lost = { id: "lost", state: "queued", terminal: false, output: null, input_commitments: [], transactions: [] };
    await page.route("**/v1/predictions", async (route) => {
      const { order } = route.request().postDataJSON().escrow;
      lost.job_id = await place.rpc("eth_call", [{ to: place.market, data: hashOrderCall(order) }, "latest"]);
      return route.fulfill({ json: lost });
    });
    await page.route("**/v1/predictions/lost/events", (route) => route.fulfill({ contentType: "text/event-stream", body: ": nothing yet\n\n" }));
    for (const path of ["lost", "lost/cancel"]) await page.route(`**/v1/predictions/${path}`, (route) => route.fulfill({ json: lost }));
    await page.getByRole("link", { name: "Models" }).click();
    await page.getByRole("link", { name: "Try digits_cnn" }).click();
    await giveSeven(page);
    const before = await coins();
    await page.getByRole("button", { name: /^Pay 0\.001 ETH with a wallet/ }).click();
    await page.getByLabel("Quote").getByRole("button", { name: "Pay 0.001 ETH" }).click();
    await page.waitForFunction(() => JSON.parse(localStorage.getItem("orders")).some((one) => one.prediction === "lost" && one.transaction));
    // the page is closed, and opened again
    await page.goto("about:blank");
    await page.goto(`${place.url}/#/order/lost`);
    await page.getByRole("button", { name: "Cancel, or take the money back" }).click();
    await page.locator("#taken-back", { hasText: "0.001 ETH are back in your account" }).waitFor(LONG);
    assert.ok(before - (await coins()) < 10n ** 15n, "nothing but gas was paid");
    await page.unrouteAll();
  });

  await step("the receipt holds for anybody, and not if anything is changed", async () => {
    const other = await (await chromium.newContext()).newPage();
    await other.goto(`${place.url}/${link}`);
    await other.locator("#verdict[data-valid=true]").waitFor(LONG);
    await other.getByText("Settled by").waitFor();
    assert.match(await other.getByLabel("Settlement").innerText(), /31337 \(a development chain\)/);
    const parties = other.getByRole("region", { name: "Parties" });
    await parties.getByText("Settled at").waitFor(LONG);
    assert.match(await parties.innerText(), /Proven by\s+0x7099[\s\S]*Sold by\s+0x7099[\s\S]*Bought by\s+0x3[cC]44[\s\S]*Paid\s+0\.001 ETH/);
    await checkNames(other);
    for (const name of ["Change the output and check again", "Change the proof and check again"]) {
      await other.getByRole("button", { name }).click();
      await other.locator("#tampered", { hasText: "it is refused" }).waitFor(LONG);
    }
    const [download] = await Promise.all([other.waitForEvent("download"), other.locator("#download").click()]);
    const file = `${place.folder}/proof.json`;
    writeFileSync(file, readFileSync(await download.path()));
    const verified = JSON.parse(await place.assay(["--json", "verify", file, "--model", `${place.folder}/digits.key`]));
    assert.equal(verified.valid, true, "the command verifies the file");

    await other.goto(`${place.url}/#/receipt`);
    await other.locator("#proof-file").setInputFiles(file);
    await other.locator("#key-file").setInputFiles(`${place.folder}/digits.key`);
    await other.getByRole("button", { name: "Verify", exact: true }).click();
    await other.locator("#file-verdict", { hasText: "The proof holds" }).waitFor(LONG);
    await checkNames(other);
  });

  await step("orders of two buyers that one proof holds: each has a receipt that holds, and does not if anything is changed", async () => {
    const other = await (await chromium.newContext({ acceptDownloads: true })).newPage();
    const places = new Set();
    for (const id of await orderTogether(place)) {
      await other.goto(`${place.url}/#/receipt/${id}`);
      await other.locator("#verdict[data-valid=true]").waitFor(LONG);
      const claim = await other.getByLabel("Claim").innerText();
      assert.match(claim, /2 inferences of 2 orders/);
      places.add(/this one in place (\d)/.exec(claim)[1]);
      assert.match(await other.getByLabel("Settlement").innerText(), /BatchSettled/);
      for (const name of ["Change the output and check again", "Change the proof and check again"]) {
        await other.getByRole("button", { name }).click();
        await other.locator("#tampered", { hasText: "it is refused" }).waitFor(LONG);
      }
      await checkNames(other);
    }
    assert.deepEqual([...places].sort(), ["1", "2"], "each has a place of its own");
    const [download] = await Promise.all([other.waitForEvent("download"), other.locator("#download").click()]);
    const file = `${place.folder}/shared.json`;
    writeFileSync(file, readFileSync(await download.path()));
    const verified = JSON.parse(await place.assay(["--json", "verify", file, "--model", `${place.folder}/digits.key`]));
    assert.equal(verified.inferences, 2, "the command derives the proof's key from the buyer's");
  });

  await step("the market, its models and a receipt on a phone", async () => {
    const phone = await (await chromium.newContext({ viewport: { width: 360, height: 740 }, colorScheme: "dark" })).newPage();
    for (const where of ["#/explore", "#/", "#/sell", "#/receipt", link, "#/receipt/none"]) {
      await phone.goto(`${place.url}/${where}`);
      await phone.locator("h1").waitFor(LONG);
      await checkNames(phone);
    }
    await phone.getByText("no such prediction").waitFor();
    await page.goto(`${place.url}/#/explore`);
    await page.locator(".chart").nth(4).waitFor(LONG);
    // the free ones are not on chain, and there those are that a command of somebody else bought
    assert.match(await page.getByLabel("Models at this service").innerText(), /digits_cnn\s+5\s+0/);
    const onChain = await page.getByLabel("On chain", { exact: true }).innerText();
    assert.match(onChain, /4 jobs were paid for/);
    assert.match(await page.getByLabel("Models on chain").innerText(), /digits_cnn\s+\S+\s+4\s+3\s+0\s+1\s+0\.00\d+ ETH/);
    assert.match(await page.getByLabel("Provers on chain").innerText(), /3\s+0\s+0\s+0\s+3/);
    for (const what of [/^Paid: 0/, /^Times from payment/]) {
      const times = await page.getByLabel(what).locator("text").allTextContents();
      assert.equal(times.filter((text) => /\d:\d\d/.test(text)).length, 2, "when the chart begins and ends");
    }
    assert.match(await page.getByLabel(/^Paid: 0\.00\d+ ETH in 3 jobs/).getAttribute("class"), /chart/);
    await checkNames(page);
  });

  // the one that a test asked for: 422 for the input outside the range, 404 for the receipt of nothing
  assert.deepEqual(faults.filter((text) => !/status of 4(22|04)/.test(text)), []);
});
