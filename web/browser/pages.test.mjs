// What pages do by themselves: wallets on other chains, damaged addresses, inputs and outputs as sellers describe them, orders that were left.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { browser } from "./chromium.mjs";
import { Verifier } from "../verifier/dist/index.js";
import { account, askedOf, CHAIN, digits, escrow, fake, giveWallets, MARKET } from "./fake.mjs";
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
  // the operator's explorer goes before, if it is a page
  for (const [explorer, href] of [["https://scan.example/rollup", `https://scan.example/rollup/tx/0x${"5".repeat(64)}`], ["javascript:alert(1)//", `https://basescan.org/tx/0x${"5".repeat(64)}`]]) {
    service.routes[`GET /v1/models/${model.id}`] = { ...model, terms: { ...model.terms, chain_id: 8453, explorer } };
    await page.reload();
    await page.locator("#verdict[data-valid=true]").waitFor(LONG);
    assert.equal(await link.getAttribute("href"), href);
  }
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
  // the float model's score is -6.94; how many digits of it an answer has follows from the widths that the compiler chose
  const first = await rows.locator("tbody td").first().innerText();
  assert.ok(Math.abs(Number(first) + 6.94) < 0.05, first);
  const image = (await shows({ kind: "image" })).getByRole("img");
  const levels = await image.evaluate((canvas) => [canvas.width, canvas.height, ...canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data.filter((_, i) => i % 4 === 0)]);
  assert.deepEqual(levels.slice(0, 2), [10, 1]);
  assert.deepEqual([levels[2 + 6], levels[2 + 7]], [0, 255], "the lowest is black, the highest white");
  assert.match(await (await shows({ kind: "text" })).locator("blockquote").innerText(), /./);
  assert.match(await (await shows({ kind: "tokens" })).locator("pre").innerText(), /^-7 -5 -[89] 1/);
});

const COINS = { name: "Coins", chain: CHAIN };
const TOKEN = account("7");

/** What a service answers to its operator who has compiled the digits and sold two models, one of them for a token. */
async function selling(t, wallets, options = {}) {
  const model = await digits();
  const other = { ...model, id: "0x" + "2".repeat(64), name: "dear", terms: { ...model.terms, token: TOKEN } };
  const report = { parameters: 1, macs: 1, layers: 1, widths: {}, cost: { predicted_seconds: 1, predicted_gas: 1 }, accuracy: { samples: 9, outputs: [], top1_agreement: 1 }, accuracy_met: true, ten_times_coarser: null, losses: [], few_samples: false, constant_inputs: [] };
  const result = { model_commitment: model.model_commitment, chunks: {}, log_chunk: 10, development: true, report };
  const compiled = { id: "c1", name: "compiled", state: "done", result, warnings: [], error: null, listing: false, model: null, weights: null, created_ms: 1 };
  const ended = (of, price, ended_ms) => ({ model: of.id, state: "settled", price, created_ms: 0, ended_ms });
  const routes = {
    "GET /v1/selling": { compiles: true, upload_bytes_max: 1 << 20, memory_mib: 100, compile_secs: 60, market: MARKET, chain_id: CHAIN, seller: account("9") },
    "GET /v1/seller": { account: account("9"), coins: "1", credit: [{ token: TOKEN, credit: "0" }], models: [], failures: [] },
    "GET /v1/history": { data: [ended(model, "1000000000000000", 1000), ended(other, "2500000", 2000), ended(other, "500000", 3000)] },
    "GET /v1/compilations": { data: [compiled] },
    "GET /v1/compilations/c1": compiled,
    "GET /v1/compilations/c1/key": readFileSync(`${process.env.ASSAY_MADE}/universal.key`),
    "GET /v1/compilations/c1/drawing": "<svg/>",
    "POST /v1/compilations/c1/offer": { problem: 422, code: "offer-refused", detail: "the test ends here" },
    "POST /v1/compilations/c1/listing": { next: "listed", model: model.id, waiting: null },
  };
  const opened = await open(t, [model, other], { routes, wallets, options });
  await opened.go("#/sell", "Sell a model");
  await opened.page.getByLabel(/^The operator's token/).fill("token");
  await opened.page.getByRole("button", { name: "Open", exact: true }).click();
  await opened.page.getByRole("heading", { name: "Earnings" }).waitFor(LONG);
  return opened;
}

test("a seller's card has what the form says, and nothing is listed on another chain", async (t) => {
  const answers = { eth_call: { "0x9986df2c": "0x" + WORD(1), "0x307540f6": "0x" + WORD(2) } };
  const wallets = [{ name: "away", chain: 1, account: BUYER, answers, refuses: { wallet_switchEthereumChain: 4001 } }, { ...COINS, account: BUYER, answers }];
  const { page, service } = await selling(t, wallets);
  await page.getByRole("button", { name: "compiled", exact: true }).click();
  const form = page.locator("#publish");
  await form.waitFor(LONG);
  const fill = async (fields) => {
    for (const [label, value] of fields) await form.getByLabel(label).fill(value);
  };
  const list = () => form.getByRole("button", { name: "List it with the wallet" }).click();
  await fill([[/^Description/, "A *text*."], [/^Labels/, "a, b"], [/^Licence/, "any use"], [/^Price/, "25"], [/^Token/, TOKEN], [/^Seconds in which/, "60"], [/^Seconds after which/, "120"]]);
  await form.getByLabel("The input is").selectOption("a picture");
  await fill([[/^Size/, "28 x 28"], [/^Mean/, "0.1, 0.2, x"]]);
  await list();
  await form.getByText("Mean: x is no number.").waitFor(LONG);
  await fill([[/^Mean/, "0.1307"], [/^Standard/, "0.3081"]]);
  await form.getByLabel(/^Order/).selectOption("pixels");
  await form.getByLabel(/^ ?Black is 1/).check();
  await list();
  await form.getByText("you refused to change it. Nothing was paid").waitFor(LONG);
  assert.deepEqual([posted(service, "/v1/compilations/c1/listing"), posted(service, "/v1/compilations/c1/offer")], [[], []]);
  await form.getByLabel("Wallet").selectOption("Coins");
  await list();
  await form.getByText("the test ends here").waitFor(LONG);
  const common = { description: "A *text*.", labels: ["a", "b"], licence: "any use", price: "25", token: TOKEN, prove_secs: 60, expire_secs: 120 };
  const image = { kind: "image", width: 28, height: 28, channels: 1, order: "pixels", mean: [0.1307], std: [0.3081], invert: true };
  assert.deepEqual(posted(service, "/v1/compilations/c1/offer")[0].body.card, { ...common, prepare: image });
  await form.getByLabel("The input is").selectOption("a text");
  await fill([[/^Characters at most/, "8"], [/^Alphabet/, " ab"], [/^Number of characters/, "0"], [/^Number that a short/, "1"]]);
  await list();
  await page.waitForFunction(() => document.querySelectorAll("#publish .bad").length === 4);
  assert.deepEqual(posted(service, "/v1/compilations/c1/offer")[1].body.card, { ...common, prepare: { kind: "text", length: 8, alphabet: " ab", unknown: 0, pad: 1 } });
  await form.getByText("How inputs are shown").click();
  await form.getByText("How outputs are shown").click();
  const [input, output] = [form.getByRole("group").filter({ hasText: /^input, / }), form.getByRole("group").filter({ hasText: /, 10\s*It is/ })];
  await input.getByLabel("It is").selectOption("a picture");
  await output.getByLabel(/^Names of its 10 columns/).fill("zero, one");
  await list();
  await form.getByText("has 10 columns, and 2 names of columns were given").waitFor(LONG);
  const columns = [..."abcdefghij"];
  await output.getByLabel(/^Names of its 10 columns/).fill(columns.join(", "));
  await output.getByLabel("Unit").fill("points");
  await list();
  await page.waitForFunction(() => document.querySelectorAll("#publish .bad").length === 6);
  const { inputs, outputs } = posted(service, "/v1/compilations/c1/offer")[2].body.card;
  const [{ name }] = (await digits()).outputs;
  assert.deepEqual([inputs, outputs], [[{ name: "input", kind: "image" }], [{ name, kind: "numbers", columns, unit: "points" }]]);
  await checkNames(page);
});

test("earnings of several tokens are apart, and are withdrawn with the wallet that was chosen, on the market's chain", async (t) => {
  const text = (word) => "0x" + WORD(32) + WORD(word.length) + Buffer.from(word).toString("hex").padEnd(64, "0");
  const answers = { eth_call: { "0x313ce567": "0x" + WORD(6), "0x95d89b41": text("USDC"), "0xf7888aec": "0x" + WORD(10n ** 15n) } };
  const wallets = [{ ...COINS, account: account("5"), answers }, { name: "away", chain: 1, account: BUYER, answers, refuses: { wallet_switchEthereumChain: 4001 } }, { name: "changes", chain: 1, account: BUYER, answers }];
  const { page } = await selling(t, wallets);
  const earnings = page.getByLabel("Earnings", { exact: true });
  assert.equal(await earnings.locator("path.line").count(), 2);
  const said = await earnings.innerText();
  assert.match(said, /What buyers paid: 0\.001 ETH in 1 jobs/);
  assert.match(said, /What buyers paid: 3 USDC \(the token 0x777777…\) in 2 jobs/);
  await page.getByLabel("Wallet").last().selectOption("away");
  await page.getByRole("button", { name: "Withdraw with the wallet" }).click();
  await page.locator("#withdrawn", { hasText: "Nothing was paid" }).waitFor(LONG);
  assert.deepEqual(await askedOf(page, "eth_sendTransaction"), []);
  await page.getByLabel("Wallet").last().selectOption("changes");
  await page.getByRole("button", { name: "Withdraw with the wallet" }).click();
  await page.locator("#withdrawn", { hasText: "withdrawn: 0.001 ETH" }).waitFor(LONG);
  const sent = await askedOf(page, "eth_sendTransaction");
  assert.deepEqual(sent.map(([wallet, [one]]) => [wallet, one.from, one.to, one.chainId]), Array(2).fill(["changes", BUYER, MARKET, "0x7a69"]));
  await checkNames(page);
});

test("on a phone, in the dark: a model's page and what is opened of Sell", async (t) => {
  const phone = { viewport: { width: 360, height: 740 }, colorScheme: "dark", hasTouch: true, isMobile: true };
  const { page, service, go } = await open(t, [await digits()], { routes: REFUSES, options: phone, wallets: [{ ...COINS, account: BUYER }] });
  await go(`#/try/0x${"1".repeat(64)}`, "digits");
  await checkNames(page);
  const canvas = page.locator("canvas");
  const white = () => canvas.evaluate((c) => c.getContext("2d").getImageData(0, 0, c.width, c.height).data.filter((v, i) => i % 4 === 0 && v > 100).length);
  await canvas.scrollIntoViewIfNeeded();
  const box = await canvas.boundingBox();
  await page.touchscreen.tap(box.x + box.width / 2, box.y + box.height / 2);
  assert.ok((await white()) > 0, "a finger draws");
  await page.getByRole("button", { name: "Clear" }).tap();
  assert.equal(await white(), 0);
  // a picture of one white pixel, made here
  const png = await page.evaluate(() => {
    const made = Object.assign(document.createElement("canvas"), { width: 3, height: 3 });
    Object.assign(made.getContext("2d"), { fillStyle: "#fff" }).fillRect(0, 0, 3, 3);
    return made.toDataURL("image/png").split(",")[1];
  });
  const upload = page.getByLabel(/^or a picture/);
  await upload.setInputFiles({ name: "white.png", mimeType: "image/png", buffer: Buffer.from(png, "base64") });
  await page.waitForFunction(() => document.querySelector("canvas").getContext("2d").getImageData(7, 7, 1, 1).data[0] === 255);
  assert.deepEqual(await asked(page, service), new Array(64).fill(1));
  await upload.setInputFiles({ name: "none.png", mimeType: "image/png", buffer: Buffer.from("no picture") });
  await page.getByText("none.png is no picture that this browser reads").waitFor(LONG);
  const sold = await selling(t, [{ ...COINS, account: BUYER }], phone);
  await sold.page.getByRole("button", { name: "compiled", exact: true }).click();
  await sold.page.locator("#publish").waitFor(LONG);
  await sold.page.getByLabel("The input is").selectOption("a picture");
  await checkNames(sold.page);
});

test("whoever draws by keyboard sees where, and phases are not read out one by one", async (t) => {
  const model = await digits();
  const event = (id, data) => `id: ${id}\nevent: ${data.phase ? "progress" : "state"}\ndata: ${JSON.stringify({ id, kind: data.phase ? "progress" : "state", data, at_ms: 0 })}\n\n`;
  const events = [{ state: "proving" }, { phase: "commit", fraction: 0.2 }, { phase: "linear", fraction: 0.5 }, { state: "failed" }].map((data, i) => event(i + 1, data)).join("");
  const failed = { ...AWAITING, job_id: null, state: "failed", terminal: true, error_detail: "the test ends here" };
  const routes = { "POST /v1/predictions": failed, "GET /v1/predictions/p1": failed, "GET /v1/predictions/p1/events": events };
  const { page, go } = await open(t, [model], { routes });
  await go(`#/try/${model.id}`, "digits");
  const canvas = page.getByRole("application", { name: "Drawing" });
  assert.equal(await canvas.getAttribute("aria-roledescription"), "drawing area");
  const cursor = page.locator(".cursor");
  assert.equal(await cursor.isVisible(), false);
  await canvas.focus();
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("ArrowRight");
  assert.equal(await cursor.isVisible(), true);
  const [at, board] = [await cursor.boundingBox(), await canvas.boundingBox()];
  assert.equal(Math.round((8 * (at.x + at.width / 2 - board.x)) / board.width - 0.5), 6, "column 7 of 8");
  await page.keyboard.press("Tab");
  assert.equal(await cursor.isVisible(), false);
  await page.evaluate(() => {
    window.heard = [];
    new MutationObserver(() => {
      const said = document.querySelector("[role=status].visually-hidden")?.textContent;
      if (said && window.heard.at(-1) !== said) window.heard.push(said);
    }).observe(document.body, { childList: true, subtree: true, characterData: true });
  });
  await page.getByRole("button", { name: "Ask without paying" }).click();
  await page.getByRole("alert").getByText("the test ends here").waitFor(LONG);
  assert.match(await page.locator(".phases").innerText(), /committing to the steps[\s\S]*proving layers/);
  assert.deepEqual(await page.evaluate(() => window.heard), ["hiding the input in your browser", "the proof begins"]);
  assert.equal(await page.locator(".phases").evaluate((list) => list.closest("[aria-live]")), null);
});

test("an answer is shown as soon as its payment is in a block", async (t) => {
  const model = await digits();
  const done = settled({ state: "settlement_pending", terminal: false });
  // the stream goes on after that, since the block is not deep enough yet
  const paid = { id: 2, kind: "paid", data: {}, at_ms: 0 };
  const routes = { ...done, "GET /v1/predictions/p1/events": `id: 2\nevent: paid\ndata: ${JSON.stringify(paid)}\n\n` };
  const opened = await open(t, [model], { routes });
  const { input_commitments } = PROOF();
  const kept = { prediction: "p1", job: JOB, model: model.id, name: "digits", market: MARKET, chain_id: CHAIN, buyer: BUYER, commitments: input_commitments, escrow: { order: { expire_secs: 3600, token: account("0") }, quote: { price: "1", token: account("0"), valid_until: 1 }, signature: "0x" }, block: "0x5", transaction: "0x" + "7".repeat(64), created_ms: Date.now() };
  await opened.page.addInitScript((orders) => localStorage.setItem("orders", orders), JSON.stringify([kept]));
  await opened.go("#/order/p1", "Order: digits");
  await opened.page.getByText("verified in your browser, and about your input").waitFor(LONG);
  assert.match(await opened.page.locator(".phases").innerText(), /in a block that may still be replaced/);
});

test("a quote for a proof of several buyers is taken under the key that is derived here, and no other", async (t) => {
  const model = await digits();
  const key = (await Verifier.load()).openKey(new Uint8Array(readFileSync(`${process.env.ASSAY_MADE}/universal.key`)));
  const derived = key.batched(8);
  for (const [key_hash, says] of [[derived, null], ["0x" + "8".repeat(64), /its key is another. Nothing was paid/]]) {
    const of = { ...model, batches: [{ inferences: 8, key_hash }] };
    const quoted = (body) => {
      const made = escrow(of, body);
      for (const part of [made.order, made.quote]) part.key_hash = key_hash;
      return made;
    };
    const { page, service, go } = await open(t, [of], { routes: { "POST /v1/quotes": quoted }, wallets: [{ ...COINS, account: BUYER }] });
    await go(`#/try/${model.id}`, "digits");
    await give(page, SEVEN);
    await page.getByRole("button", PAY).click();
    if (says) await page.getByRole("alert").getByText(says).waitFor(LONG);
    else assert.match(await page.getByLabel("Quote").innerText(), /In a proof of\s+up to 8 inferences/);
    assert.equal(posted(service, "/v1/quotes")[0].body.batch, 64);
    assert.deepEqual(await askedOf(page, "eth_sendTransaction"), []);
  }
});

test("a browser that keeps nothing pays nothing", async (t) => {
  const model = await digits();
  const { page, go } = await open(t, [model], { routes: { "POST /v1/predictions": AWAITING }, wallets: [{ ...COINS, account: BUYER }] });
  await page.addInitScript(() => (Storage.prototype.setItem = () => { throw new DOMException("full", "QuotaExceededError"); })); // prettier-ignore
  await go(`#/try/${model.id}`, "digits");
  await give(page, SEVEN);
  await page.getByRole("button", PAY).click();
  await page.getByRole("button", { name: "Pay 0.001 ETH", exact: true }).click();
  await page.getByRole("alert").getByText("This browser keeps no data of this site").waitFor(LONG);
  assert.deepEqual(await askedOf(page, "eth_sendTransaction"), []);
});
