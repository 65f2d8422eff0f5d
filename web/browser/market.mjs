// A market for a browser to visit: a chain with the contracts, two models on it, a service that sells them and proves for free as well.
import { execFile, spawn } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer as createWebServer, request as forward } from "node:http";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const ANVIL = `${ROOT}verifier-contracts/node_modules/.bin/anvil`;
// anvil's own accounts: everybody knows their keys
const DEPLOYER = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";
const SELLER = "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d";
const SELLER_ADDRESS = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8";
export const BUYER = "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC";
/** The operator's token of the service. */
export const OPERATOR = "the operator's token";
/** Somebody who lists a model of their own: the account of the first of the others. */
export const SELLING = "0x90F79bf6EB2c4f870365E785982E1f101E93b906";
/** The keys of two other buyers. */
export const OTHERS = [
  "0x7c852118294e51e653712a81e05800f419141751be58f605c371e15141b007a6",
  "0x47e179ec197488593b187f80a00eb0da91f1b9d0b13f8733639f19c30a34926a",
];

const CARDS = {
  digits: {
    description: "Reads **handwritten digits** of 8 × 8 pixels.\n\n- a small convolutional network\n- trained on the digits data set of scikit-learn",
    labels: [..."0123456789"],
    prepare: { kind: "image", width: 8, height: 8, channels: 1 },
    price: "1000000000000000",
    licence: "Answers may be used for anything. Ask before you resell them.",
  },
  perceptron: { description: "The same digits, by a network of dense layers. Faster to prove, and a little less often right.", labels: [..."0123456789"] },
};

/** Who made the digits, beside the seller: two accounts of nobody's. */
export const CREATORS = ["0x" + "a1".repeat(20), "0x" + "b0".repeat(20)];

/** `addressOf((address,uint96)[])` and `create((address,uint96)[])` of the factory of splitters. */
const ADDRESS_OF = "0x70894244";
const CREATE = "0x6468ef3e";
const word = (value) => BigInt(value).toString(16).padStart(64, "0");

/** Deploys the factory of splitters for a market, and returns what makes splitters of accounts with their weights, in order of the accounts. */
async function splitters(rpc, market) {
  const [from] = await rpc("eth_accounts");
  const mined = async (transaction) => {
    const hash = await rpc("eth_sendTransaction", [{ from, ...transaction }]);
    // the node mines at once, and may answer before it has
    for (let tries = 0; tries < 100; tries++) {
      const receipt = await rpc("eth_getTransactionReceipt", [hash]);
      if (receipt) return receipt;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error(`${hash} was not mined within 5 s`);
  };
  const { bytecode } = JSON.parse(readFileSync(`${ROOT}verifier-contracts/artifacts/SplitterFactory.json`));
  const { contractAddress: to } = await mined({ data: bytecode.object + word(market) });
  return async (shares) => {
    const sorted = [...shares].sort(([a], [b]) => (BigInt(a) < BigInt(b) ? -1 : 1));
    const list = [32, sorted.length, ...sorted.flat()].map(word).join("");
    const { status } = await mined({ to, data: CREATE + list });
    if (status !== "0x1") throw new Error("the splitter was not made");
    return "0x" + (await rpc("eth_call", [{ to, data: ADDRESS_OF + list }, "latest"])).slice(-40);
  };
}

/** Whether there is a chain to start. */
export const hasChain = () => existsSync(ANVIL);

export const freePort = () =>
  new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });

export async function answers(ask) {
  for (let i = 0; i < 300; i++) {
    const answer = await ask().catch(() => null);
    if (answer?.ok) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error("it does not answer within 30 seconds");
}

/** Starts everything. `stop` ends it; `rpc` asks the chain. */
export async function market() {
  const folder = mkdtempSync(`${tmpdir()}/assay-site-`);
  const [chainPort, port] = [await freePort(), await freePort()];
  const [chain, url] = [`http://127.0.0.1:${chainPort}`, `http://127.0.0.1:${port}`];
  const children = [];
  const start = (program, args, options = {}) => children.push(spawn(program, args, { stdio: "ignore", ...options }));
  const stop = () => {
    children.forEach((child) => child.kill());
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  };
  const rpc = async (method, params = []) => {
    const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method, params });
    const answer = await (await fetch(chain, { method: "POST", headers: { "content-type": "application/json" }, body })).json();
    if (answer.error) throw new Error(answer.error.message);
    return answer.result;
  };
  try {
    start(ANVIL, ["--port", chainPort, "--silent"]);
    await answers(() => fetch(chain, { method: "POST", headers: { "content-type": "application/json" }, body: '{"jsonrpc":"2.0","id":1,"method":"eth_chainId"}' }));
    const env = { ...process.env, ASSAY_RPC: chain, ASSAY_HOME: `${folder}/home` };
    const assay = async (key, args) => (await promisify(execFile)(process.env.ASSAY, args, { env: { ...env, ASSAY_PRIVATE_KEY: key }, cwd: folder })).stdout;
    const deployed = JSON.parse(await assay(DEPLOYER, ["--json", "deploy", "--allow-development", "--attestor", SELLER_ADDRESS]));
    env.ASSAY_MARKET = deployed.market;
    mkdirSync(`${folder}/models`);
    const models = `${ROOT}fixtures/models`;
    // the perceptron names the creators of the digits among those that it shares with: it was made from them
    const splitter = await splitters(rpc, deployed.market);
    const creators = await splitter(CREATORS.map((account) => [account, 1]));
    const payees = { digits: `${creators}=1000`, perceptron: `${await splitter([[creators, 1], [BUYER, 3]])}=2000` };
    for (const [name, file] of [["digits", "digits_cnn.onnx"], ["perceptron", "digits_mlp.onnx"]]) {
      const made = `models/${name}.assay`;
      await assay(SELLER, ["compile", `${models}/${file}`, "--calibrate", `${models}/digits_calibration.json`, "-o", made]);
      await assay(SELLER, ["setup", made]);
      await assay(SELLER, ["publish", made, "--payee", payees[name]]);
      writeFileSync(`${folder}/models/${name}.card.json`, JSON.stringify(CARDS[name]));
    }
    // two buyers' inferences in one proof
    await assay(SELLER, ["setup", "--batch", "2", "--separate", "models/digits.assay"]);
    await assay(SELLER, ["publish", "models/digits.assay", "--key", "models/digits.x2s.key"]);
    copyFileSync(`${folder}/models/digits.key`, `${folder}/digits.key`);
    const serve = ["serve", "--models", "models", "--free", "--price", "500000000000000", "--confirmations", "0", "--bind", `127.0.0.1:${port}`, "--batch-wait-ms", "60000", "--sell"];
    start(process.env.ASSAY, serve, { env: { ...env, ASSAY_PRIVATE_KEY: SELLER, ASSAY_OPERATOR_TOKEN: OPERATOR }, cwd: folder });
    await answers(() => fetch(`${url}/livez`));
    const site = process.env.ASSAY_SITE === "dist" ? await fromDisk(url) : url;
    return { url: site, folder, chain, market: deployed.market, rpc, assay: (args, key = SELLER) => assay(key, args), stop };
  } catch (error) {
    stop();
    throw error;
  }
}

/**
 * The same service, with the site's files as they are on the disk instead of as they were when the program was built: for work on them, with
 * ASSAY_SITE=dist.
 */
function fromDisk(url) {
  const types = { html: "text/html", js: "text/javascript", css: "text/css", svg: "image/svg+xml" };
  const server = createWebServer((request, response) => {
    const name = request.url === "/" ? "index.html" : (/^\/app\/([\w.]+)$/.exec(request.url)?.[1] ?? "");
    const type = types[name.split(".").at(-1)];
    if (type) return response.setHeader("content-type", type).end(readFileSync(`${ROOT}web/site/dist/${name}`));
    const { method, headers } = request;
    const asked = forward(new URL(request.url, url), { method, headers }, (answer) => answer.pipe(response.writeHead(answer.statusCode, answer.headers)));
    request.pipe(asked.on("error", () => response.destroy()));
  });
  server.unref();
  return new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(`http://127.0.0.1:${server.address().port}`)));
}

/** Gives a page a wallet, as EIP-6963 announces it. It signs everything: the chain holds its keys. */
export async function giveWallet(page, rpc, account = BUYER) {
  await page.exposeFunction("askChain", (method, params) => rpc(method, params));
  await page.addInitScript((buyer) => {
    const provider = {
      request: ({ method, params }) => (method === "eth_requestAccounts" ? Promise.resolve([buyer]) : window.askChain(method, params ?? [])),
    };
    const detail = { info: { uuid: "1", name: "Test wallet", icon: "", rdns: "test" }, provider };
    window.addEventListener("eip6963:requestProvider", () => window.dispatchEvent(new CustomEvent("eip6963:announceProvider", { detail })));
  }, account);
}
