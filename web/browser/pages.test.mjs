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

const WORD = (value) => BigInt(value).toString(16).padStart(64, "0");
/** The data of `JobFunded`: an order of 15 words, a snapshot of 6, and the provers. */
const FUNDED_DATA = "0x" + Array.from({ length: 24 }, (_, i) => WORD(i + 1)).join("");
const JOB = "0x" + "6".repeat(64);

/** A page where an order was made and left. `job`: its words by the market, `credit`: what the buyer has there. */
async function left(t, { state, job, credit = 10n ** 15n, log = FUNDED_DATA, now = 2000, sent = "0x" + "7".repeat(64) }) {
  const model = await digits();
  const prediction = { ...AWAITING, state };
  const answers = {
    eth_call: { "0xdb371c60": "0x" + job.map(WORD).join(""), "0xf7888aec": "0x" + WORD(credit) },
    eth_getLogs: [{ topics: ["0x", JOB, "0x" + WORD(0xbeef)], data: log }],
    eth_getBlockByNumber: { timestamp: "0x" + now.toString(16) },
  };
  const wallets = [{ name: "Test", chain: CHAIN, account: BUYER, answers }];
  const routes = { "GET /v1/predictions/p1": prediction, "GET /v1/predictions/p1/events": ": nothing happens\n\n", "POST /v1/predictions/p1/cancel": prediction };
  const opened = await open(t, [model], { routes, wallets });
  const order = { expire_secs: 3600, token: account("0") };
  const quote = { price: "1000000000000000", token: account("0"), valid_until: 1 };
  const kept = { prediction: "p1", job: JOB, model: model.id, name: "digits", market: MARKET, chain_id: CHAIN, buyer: BUYER, commitments: [], escrow: { order, quote, signature: "0x" }, block: "0x5", transaction: sent, created_ms: Date.now() };
  await opened.page.addInitScript((orders) => localStorage.setItem("orders", orders), JSON.stringify([kept]));
  return opened;
}

test("an order that was left is cancelled, and its money is paid out", async (t) => {
  const { page, service, go } = await left(t, { state: "queued", job: [1, 0, 1000, 0] });
  await go("#/receipt", "Receipts");
  await page.getByRole("region", { name: "Your orders" }).getByText("0.001 ETH").waitFor(LONG);
  await page.getByLabel("Orders of this browser").getByText("queued").waitFor(LONG);
  await checkNames(page);
  await page.getByRole("link", { name: "digits" }).click();
  await page.getByRole("heading", { level: 1, name: "Order: digits" }).waitFor(LONG);
  await page.getByRole("button", { name: "Cancel, or take the money back" }).click();
  await page.locator("#taken-back", { hasText: "0.001 ETH are back in your account" }).waitFor(LONG);
  const sent = (await askedOf(page, "eth_sendTransaction")).map(([, [one]]) => one.data);
  assert.equal(sent[0], "0xb02f76f8" + FUNDED_DATA.slice(2, 2 + 64 * 21), "the order and its snapshot, as the event has them");
  assert.match(sent[1], /^0x69328dec/, "then the credit is withdrawn");
  const [[, [filter]]] = await askedOf(page, "eth_getLogs");
  assert.deepEqual([filter.address, filter.fromBlock, filter.topics[1]], [MARKET, "0x5", JOB]);
  assert.equal(posted(service, "/v1/predictions/p1/cancel").length, 1, "the service is told");
  await checkNames(page);
});

test("the money of an order that a prover holds comes back after its time, and not before", async (t) => {
  const early = await left(t, { state: "proving", job: [2, 0, 1000, 0], now: 4600 });
  await early.go("#/order/p1", "Order: digits");
  await early.page.getByRole("button", { name: "Cancel, or take the money back" }).click();
  await early.page.locator("#taken-back", { hasText: "A prover has locked it" }).waitFor(LONG);
  assert.deepEqual(await askedOf(early.page, "eth_sendTransaction"), []);
  const late = await left(t, { state: "proving", job: [2, 0, 1000, 0], now: 4601 });
  await late.go("#/order/p1", "Order: digits");
  await late.page.getByRole("button", { name: "Cancel, or take the money back" }).click();
  await late.page.locator("#taken-back", { hasText: "are back in your account" }).waitFor(LONG);
  const [[, [{ data }]]] = await askedOf(late.page, "eth_sendTransaction");
  assert.equal(data, "0x168e0411" + FUNDED_DATA.slice(2, 2 + 64 * 21) + WORD(0xbeef), "with the account that has locked it");
});

test("an order that was never paid is not paid on an expired quote, and one that is not there says so", async (t) => {
  const { page, service, go } = await left(t, { state: "awaiting_payment", job: [0, 0, 0, 0], sent: null });
  await go("#/order/p1", "Order: digits");
  await page.getByRole("button", { name: "Pay 0.001 ETH" }).click();
  await page.locator("#taken-back", { hasText: "The quote has expired. Nothing was paid" }).waitFor(LONG);
  await page.getByRole("button", { name: "Cancel, or take the money back" }).click();
  await page.locator("#taken-back", { hasText: "It was never paid, and is cancelled" }).waitFor(LONG);
  assert.deepEqual([await askedOf(page, "eth_sendTransaction"), posted(service, "/v1/predictions/p1/cancel").length], [[], 1]);
  await go("#/receipt", "Receipts");
  await page.getByRole("button", { name: /^Remove the order/ }).click();
  assert.equal(await page.evaluate(() => localStorage.getItem("orders")), "[]");
  await go("#/order/none", "There is no such order");
  await checkNames(page);
});

const PROOF = () => JSON.parse(readFileSync(`${process.env.ASSAY_MADE}/universal.json`));

/** A prediction that the proof of web/test.sh settles, and what the market says of its job. */
function settled(change = {}) {
  const { input_commitments, output, output_data, context, clamps } = PROOF();
  const prediction = { ...AWAITING, state: "settled", terminal: true, input_commitments, output: output_data[0], output_cells: output, context, clamps, outside: 0, batch: null, error_detail: null, created_ms: 1, updated_ms: 2 };
  const transactions = [{ purpose: "settle", hash: "0x" + "5".repeat(64), state: "mined" }];
  const job = { job: JOB, model: "0x" + "1".repeat(64), buyer: BUYER, prover: account("b"), token: account("0"), price: "1000000000000000", paid: "900000000000000", state: "settled", late: true, funded_secs: 1000, ended_secs: 1060 };
  const listed = { model: job.model, owner: account("c"), registered_secs: 5, funded: 3, settled: 2, late: 1, returned: 0, earned: {} };
  return {
    "GET /v1/predictions/p1": { ...prediction, transactions, model: job.model, ...change },
    "GET /v1/predictions/p1/proof": Buffer.from(PROOF().proof.slice(2), "hex"),
    "GET /v1/market": { market: MARKET, block: 9, jobs: 1, models: [listed], provers: [], latest: [job] },
    "GET /v1/market/jobs": { data: [job], next: null },
    [`GET /v1/models/${job.model}/lineage`]: { registered_secs: 5, registrant: account("c"), uri: "", parts: [] },
  };
}

test("a receipt says who proved, sold and bought, what was paid, and where the transaction can be looked at", async (t) => {
  const model = await digits();
  const { page, service, go } = await open(t, [{ ...model, terms: { ...model.terms, chain_id: 8453 } }], { routes: settled() });
  await go("#/receipt/p1", "Receipt: digits");
  await page.locator("#verdict[data-valid=true]").waitFor(LONG);
  const parties = page.getByRole("region", { name: "Parties" });
  await parties.getByText("Bought by").waitFor(LONG);
  const text = await parties.innerText();
  for (const said of [/Proven by\s+0xbbbb/, /Sold by\s+0xcccc/, /Bought by\s+0xaaaa/, /Paid\s+0\.0009 ETH, late/, /Settled at/]) assert.match(text, said);
  const link = page.getByRole("link", { name: "in the explorer" });
  assert.equal(await link.getAttribute("href"), `https://basescan.org/tx/0x${"5".repeat(64)}`);
  assert.match(await page.getByLabel("Settlement").innerText(), /8453 \(Base\)/);
  const [{ path }] = service.asked.filter((one) => one.path.startsWith("/v1/market/jobs"));
  assert.ok(path.endsWith(`cursor=0x${"6".repeat(63)}5`), "the page of jobs that begins with this one");
  await checkNames(page);
  await go("", /Models/);
  await page.getByText(/^By 0xcccc.*, since .*, 2 settled on chain\.$/).waitFor(LONG);
  await checkNames(page);
});

test("an answer is shown as the seller describes it", async (t) => {
  const columns = [..."abcdefghij"].map((letter) => `score ${letter}`);
  const shows = async (described) => {
    const { page, go } = await open(t, [await digits({ labels: [], presentation: { inputs: [], outputs: [{ name: (await digits()).outputs[0].name, ...described }] } })], { routes: settled() });
    await go("#/receipt/p1", "Receipt: digits");
    await page.locator("#verdict[data-valid=true]").waitFor(LONG);
    await checkNames(page);
    return page.getByLabel("Claim");
  };
  const rows = await shows({ kind: "table", columns, unit: "points" });
  assert.deepEqual((await rows.locator("thead th").allInnerTexts()).slice(0, 2), ["Row", "score a (points)"]);
  assert.equal(await rows.locator("tbody td").first().innerText(), "-6.9375");
  const image = (await shows({ kind: "image" })).getByRole("img");
  const levels = await image.evaluate((canvas) => [canvas.width, canvas.height, ...canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data.filter((_, i) => i % 4 === 0)]);
  assert.deepEqual(levels.slice(0, 2), [10, 1]);
  assert.deepEqual([levels[2 + 6], levels[2 + 7]], [0, 255], "the lowest is black, the highest white");
  assert.match(await (await shows({ kind: "text" })).locator("blockquote").innerText(), /./);
  assert.match(await (await shows({ kind: "tokens" })).locator("pre").innerText(), /^-7 -5 -9 1/);
});
