// A service that answers what a test says, and wallets that do: for what a page does by itself, without a chain or a prover.
import { createServer } from "node:http";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Verifier } from "../verifier/dist/index.js";

const DIST = fileURLToPath(new URL("../site/dist/", import.meta.url));
const TYPES = { html: "text/html", js: "text/javascript", css: "text/css", svg: "image/svg+xml", wasm: "application/wasm" };
const word = (digit) => "0x" + digit.repeat(64);
export const account = (digit) => "0x" + digit.repeat(40);
export const MARKET = account("e");
export const CHAIN = 31337;

/** A KEY file that web/test.sh made, and what the list of models says of its model. */
const KEY = () => readFileSync(`${process.env.ASSAY_MADE}/universal.key`);

/** A model with the key of the digits; `change` overrides what is said of it. */
export async function digits(change = {}) {
  const { info } = (await Verifier.load()).openKey(new Uint8Array(KEY()));
  const terms = { price: "1000000000000000", token: account("0"), collateral: "100000000000000", prove_secs: 600, expire_secs: 3600, quote_secs: 600, market: MARKET, chain_id: CHAIN };
  const said = { description: null, labels: [..."0123456789"], licence: null, prepare: null, presentation: { inputs: [], outputs: [] }, terms, free: true, weights: null };
  return { ...info, id: word("1"), name: "digits", batches: [], parameters: 1000, ...said, ...change };
}

/** An escrow of the digits for a buyer, as the service would quote it. */
export function escrow(model, { buyer, input_commitment }) {
  const { price, token, collateral, prove_secs, expire_secs } = model.terms;
  const common = { model_id: model.id, key_hash: model.key_hash, token, collateral, prove_secs, expire_secs };
  const order = { ...common, buyer, model_commitment: model.model_commitment, input_commitment, verifier: account("d"), max_price: price, fee_split_hash: word("3"), prover: account("0"), salt: word("4"), unclamped: false };
  const now = Math.floor(Date.now() / 1000);
  const quote = { ...common, price, buyer, provers: [account("b")], valid_from: now - 10, valid_until: now + 600, inferences: 1, uses: 0, epoch: 0, nonce: "1" };
  return { order, quote, signature: "0x" + "12".repeat(65) };
}

/** Starts it. `routes`: `"GET /v1/…"` to what is answered, or to a function of the body. `asked` are the requests so far. */
export async function fake(models, routes = {}) {
  const asked = [];
  const all = {
    "GET /v1/models": { data: models, next: null },
    ...Object.fromEntries(models.flatMap((model) => [[`GET /v1/models/${model.id}`, model], [`GET /v1/models/${model.id}/key`, KEY]])),
    "GET /v1/history": { data: [] },
    "GET /v1/selling": { compiles: false, market: MARKET, chain_id: CHAIN, seller: account("9") },
    "POST /v1/quotes": (body) => escrow(models.find((model) => model.id === body.model), body),
    ...routes,
  };
  const server = createServer(async (request, response) => {
    const path = request.url.split("?")[0];
    if (path === "/" || path.startsWith("/app/")) return file(response, path === "/" ? "index.html" : path.slice(5));
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const body = chunks.length > 0 ? JSON.parse(Buffer.concat(chunks)) : undefined;
    asked.push({ method: request.method, path: request.url, body });
    const route = all[`${request.method} ${path}`];
    if (route === undefined) return problem(response, 404, "no-such-resource", "nothing is at this path");
    const answer = typeof route === "function" ? route(body) : route;
    if (answer?.problem) return problem(response, answer.problem, answer.code, answer.detail);
    if (Buffer.isBuffer(answer)) return response.end(answer);
    if (typeof answer === "string") return response.setHeader("content-type", "text/event-stream").end(answer);
    response.setHeader("content-type", "application/json").end(JSON.stringify(answer));
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { url: `http://127.0.0.1:${server.address().port}`, asked, routes: all, stop: () => (server.closeAllConnections(), server.close()) };
}

function file(response, name) {
  const packed = name.endsWith(".wasm");
  if (packed) response.setHeader("content-encoding", "gzip");
  response.setHeader("content-type", TYPES[name.split(".").at(-1)]).end(readFileSync(DIST + name + (packed ? ".gz" : "")));
}

function problem(response, status, code, detail) {
  response.writeHead(status, { "content-type": "application/problem+json" }).end(JSON.stringify({ code, detail, title: detail, status }));
}

/**
 * Gives a page wallets that are announced. Each has a name, the chain that it is on, an account, what it refuses (`{method: code}`), and what the
 * node behind it answers. What they were asked is in `window.asked`, as `[wallet, method, params]`.
 */
export async function giveWallets(page, wallets) {
  await page.addInitScript((all) => {
    window.asked = [];
    for (const [i, wallet] of all.entries()) {
      let { chain } = wallet;
      const answers = {
        eth_requestAccounts: () => [wallet.account],
        eth_chainId: () => "0x" + chain.toString(16),
        wallet_switchEthereumChain: ([{ chainId }]) => ((chain = wallet.stays ? chain : Number(chainId)), null),
        eth_sendTransaction: () => "0x" + "7".repeat(64),
        eth_getTransactionReceipt: () => ({ status: "0x1" }),
        eth_blockNumber: () => "0x5",
      };
      const provider = {
        async request({ method, params = [] }) {
          window.asked.push([wallet.name, method, params]);
          const code = wallet.refuses?.[method];
          if (code) throw Object.assign(new Error(`${method} is refused`), { code });
          const said = wallet.answers?.[method];
          if (said !== undefined) return typeof said === "object" && !Array.isArray(said) && params[0]?.data ? (said[params[0].data.slice(0, 10)] ?? "0x") : said;
          return answers[method](params);
        },
      };
      const detail = { info: { uuid: String(i), name: wallet.name, icon: "", rdns: "test" }, provider };
      window.addEventListener("eip6963:requestProvider", () => window.dispatchEvent(new CustomEvent("eip6963:announceProvider", { detail })));
    }
  }, wallets);
}

/** What the wallets of a page were asked of a kind: `[wallet, params]`. */
export async function askedOf(page, method) {
  return (await page.evaluate(() => window.asked)).filter(([, one]) => one === method).map(([name, , params]) => [name, params]);
}
