// What pages do by themselves: wallets on other chains, damaged addresses, inputs and outputs as sellers describe them, orders that were left.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { browser } from "./chromium.mjs";
import { account, askedOf, CHAIN, digits, fake, giveWallets, MARKET } from "./fake.mjs";
import { checkNames } from "./names.mjs";

const SEVEN = JSON.parse(readFileSync(new URL("../../fixtures/models/digit_7.json", import.meta.url))).input_data[0];
const LONG = { timeout: 60_000 };
const BUYER = account("a");
let chromium;
test.before(async () => (chromium = await browser()));
test.after(() => chromium.close());

/** A page of a service with these models. */
async function open(t, models, { routes, wallets = [], options = {} } = {}) {
  const service = await fake(models, routes);
  const context = await chromium.newContext(options);
  const page = await context.newPage();
  const faults = [];
  page.on("pageerror", (error) => faults.push(error.message));
  await giveWallets(page, wallets);
  t.after(async () => {
    await context.close();
    service.stop();
    assert.deepEqual(faults, []);
  });
  const go = async (where, heading) => {
    await page.goto(`${service.url}/${where}`);
    await page.getByRole("heading", { level: 1, name: heading }).waitFor(LONG);
  };
  return { page, service, go };
}

/** Fills the list of numbers, whatever field is before it. */
async function give(page, numbers) {
  const summary = page.getByText("Give it as JSON or as a file instead");
  if (await summary.count()) await summary.click();
  await page.getByLabel(/^A list of/).fill(JSON.stringify(numbers));
}

const PAY = { name: /^Pay 0\.001 ETH with a wallet/ };
const posted = (service, path) => service.asked.filter((one) => one.method === "POST" && one.path === path);
const AWAITING = { id: "p1", state: "awaiting_payment", terminal: false, job_id: "0x" + "6".repeat(64), output: null, input_commitments: [] };

test("a wallet on another chain pays nothing until it has changed to the market's", async (t) => {
  const model = await digits();
  const routes = { "POST /v1/predictions": AWAITING, "GET /v1/predictions/p1": { ...AWAITING, state: "failed", terminal: true, error_detail: "the test ends here" }, "GET /v1/predictions/p1/events": 'event: state\ndata: {"id":1,"kind":"state","data":{"state":"failed"},"at_ms":0}\n\n' };
  const cases = [
    { wallet: { name: "refuses", chain: 1, refuses: { wallet_switchEthereumChain: 4001 } }, says: /on chain 1, and the market is on chain 31337; you refused to change it. Nothing was paid/ },
    { wallet: { name: "does not know it", chain: 1, refuses: { wallet_switchEthereumChain: 4902 } }, says: /does not know that chain: add it in the wallet. Nothing was paid/ },
    { wallet: { name: "stays", chain: 1, stays: true }, says: /it did not change. Nothing was paid/ },
    { model: await digits({ terms: { ...model.terms, chain_id: null } }), wallet: { name: "right", chain: CHAIN }, says: /not known which chain the market is on.*nothing was paid/ },
  ];
  for (const { wallet, says, model: other } of cases) {
    const { page, service, go } = await open(t, [other ?? model], { routes, wallets: [{ account: BUYER, ...wallet }] });
    await go(`#/try/${model.id}`, "digits");
    await give(page, SEVEN);
    await page.getByRole("button", PAY).click();
    await page.getByRole("alert").getByText(says).waitFor(LONG);
    assert.deepEqual(await askedOf(page, "eth_sendTransaction"), [], wallet.name);
    assert.deepEqual(posted(service, "/v1/predictions"), [], "the service was asked for nothing");
  }
  const { page, go } = await open(t, [model], { routes, wallets: [{ name: "changes", chain: 1, account: BUYER }] });
  await go(`#/try/${model.id}`, "digits");
  await give(page, SEVEN);
  await page.getByRole("button", PAY).click();
  await page.getByRole("button", { name: "Pay 0.001 ETH", exact: true }).click();
  await page.getByRole("alert").getByText("the test ends here").waitFor(LONG);
  const [[, [change]]] = await askedOf(page, "wallet_switchEthereumChain");
  assert.equal(change.chainId, "0x7a69");
  const [[, [sent]], ...others] = await askedOf(page, "eth_sendTransaction");
  assert.deepEqual([sent.to, sent.from, BigInt(sent.value), sent.chainId, others.length], [MARKET, BUYER, 10n ** 15n, "0x7a69", 0]);
});

test("the wallet that was chosen pays, after its owner has seen the quote", async (t) => {
  const model = await digits();
  const wallets = [{ name: "First", chain: CHAIN, account: account("5") }, { name: "Second", chain: CHAIN, account: BUYER }];
  const history = { data: [{ model: model.id, state: "settled", price: "1", created_ms: 0, ended_ms: 4000 }] };
  const { page, service, go } = await open(t, [model], { routes: { "GET /v1/history": history, "POST /v1/predictions": AWAITING }, wallets });
  await go(`#/try/${model.id}`, "digits");
  await give(page, SEVEN);
  await page.getByLabel("Wallet").selectOption("Second");
  await page.getByRole("button", PAY).click();
  const quote = page.getByLabel("Quote");
  await quote.waitFor(LONG);
  const text = await quote.innerText();
  for (const said of [/Price\s+0\.001 ETH/, /Valid until/, /typically 4\.0 s here/, /Promised within\s+10 min/, /Money back\s+if there is no proof by/, /collateral\s+0\.0001 ETH/, /Prover\s+0xbbbb/, /Paid by\s+0xaaaa/]) assert.match(text, said);
  await checkNames(page);
  await quote.getByRole("button", { name: "Do not pay" }).click();
  await page.locator(".phases", { hasText: "not paid" }).waitFor(LONG);
  assert.deepEqual([await askedOf(page, "eth_sendTransaction"), posted(service, "/v1/predictions")], [[], []]);
  assert.equal(posted(service, "/v1/quotes")[0].body.buyer, BUYER);
  assert.equal(await page.evaluate(() => localStorage.getItem("orders")), null);
});

test("an address that is damaged says so", async (t) => {
  const { page, service, go } = await open(t, [await digits()]);
  await go("#/try/%E0%A4%A", "There is no such page");
  await go("#/try/0xdead", "There is no such model");
  await page.getByText("The address names none").waitFor(LONG);
  service.routes[`GET /v1/models/0x${"8".repeat(64)}`] = { problem: 404, code: "unknown-model", detail: "no such model" };
  await go(`#/try/0x${"8".repeat(64)}`, "There is no such model");
  await page.getByText("This service does not offer it").waitFor(LONG);
  await checkNames(page);
});

/** An end that says what was asked for: the page sends the input, and the service refuses. */
const REFUSES = { "POST /v1/predictions": { problem: 422, code: "input", detail: "the test ends here" } };

/** Asks for free, and returns the input that the service got. */
async function asked(page, service) {
  const before = posted(service, "/v1/predictions").length;
  await page.getByRole("button", { name: "Ask without paying" }).click();
  await page.getByRole("alert").getByText("the test ends here").waitFor(LONG);
  assert.equal(posted(service, "/v1/predictions").length, before + 1);
  return posted(service, "/v1/predictions").at(-1).body.input;
}

test("a text is written where the card says how it becomes numbers", async (t) => {
  const prepare = { kind: "text", length: 64, alphabet: " abcdefghij", pad: 0 };
  const { page, service, go } = await open(t, [await digits({ prepare })], { routes: REFUSES });
  await go("", /Models/);
  await page.getByText("a text of up to 64 characters").waitFor(LONG);
  await go(`#/try/0x${"1".repeat(64)}`, "digits");
  assert.equal(await page.locator("canvas").count(), 0, "no drawing");
  const says = async (text, why) => {
    await page.getByLabel("Text", { exact: true }).fill(text);
    await page.getByRole("button", { name: "Ask without paying" }).click();
    await page.getByRole("alert").getByText(why).waitFor(LONG);
  };
  await says("", /There is no text yet/);
  await says("xyz", /'x' is not in the model's alphabet/);
  await says("a\nb", /takes one line, and 2 were given/);
  assert.deepEqual(posted(service, "/v1/predictions"), []);
  await page.getByLabel("Text", { exact: true }).fill("bad");
  // what the page said before is replaced
  assert.deepEqual((await asked(page, service)).slice(0, 5), [2, 1, 4, 0, 0]);
  await checkNames(page);
});

test("a file is a list of numbers, and one that does not fit says why", async (t) => {
  const { page, service, go } = await open(t, [await digits()], { routes: REFUSES });
  await go(`#/try/0x${"1".repeat(64)}`, "digits");
  await page.getByText("Give it as JSON or as a file instead").click();
  const upload = (name, text) => page.getByLabel(/^or a file/).setInputFiles({ name, mimeType: "text/plain", buffer: Buffer.from(text) });
  await upload("few.csv", "1,2,3");
  await page.getByText("few.csv: input has 64 values, and 3 were given").waitFor(LONG);
  await upload("seven.csv", SEVEN.join(","));
  await page.getByText("64 numbers from seven.csv").waitFor(LONG);
  assert.deepEqual(await asked(page, service), SEVEN);
  await checkNames(page);
});

const CARD = `# What it does

Reads *digits*.

### How it was made

1. drawn
2. scanned
   - in grey
   - at 8 × 8
3. labelled

#### Code

\`\`\`
<b>predict</b>(x)
\`\`\`

> Quoted, with \`code\`.

| class | error |
|-------|------:|
| zero  | **1 %** |
| one   | 2 % |

# Licence

[the text](https://example.org/licence) <script>alert(1)</script>`;

test("a card is shown with headings, lists, code, quotes and tables, and never as HTML", async (t) => {
  const presentation = { inputs: [{ name: "input", kind: "image" }], outputs: [] };
  const { page, go } = await open(t, [await digits({ description: CARD, terms: null, presentation, prepare: { kind: "image", width: 8, height: 8, channels: 1 } })]);
  for (const [where, heading, first] of [["", /Models/, 3], [`#/try/0x${"1".repeat(64)}`, "digits", 2]]) {
    await go(where, heading);
    const card = page.locator(".card-text");
    const headings = await card.locator("h1, h2, h3, h4, h5, h6").evaluateAll((all) => all.map((one) => [Number(one.tagName[1]), one.textContent]));
    assert.deepEqual(headings, [[first, "What it does"], [first + 1, "How it was made"], [first + 2, "Code"], [first, "Licence"]]);
    assert.deepEqual(await card.locator("ol > li").count(), 3);
    assert.deepEqual(await card.locator("ol > li:nth-child(2) > ul > li").allInnerTexts(), ["in grey", "at 8 × 8"]);
    assert.equal(await card.locator("pre code").innerText(), "<b>predict</b>(x)");
    assert.equal(await card.locator("blockquote code").innerText(), "code");
    assert.deepEqual(await card.locator("tbody tr").first().locator("th, td").allInnerTexts(), ["zero", "1 %"]);
    assert.deepEqual([await card.locator("script, b").count(), await card.getByRole("link").getAttribute("href")], [0, "https://example.org/licence"]);
    await checkNames(page);
  }
  await go("", /Models/);
  await page.getByText("a picture, 8 × 8, grey").waitFor(LONG);
});
