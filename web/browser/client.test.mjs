// The package @assay/client, in Node with a private key and in a browser with a wallet, against a service and a chain.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import test from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Client, OrderError, Problem } from "../client/dist/index.js";
import { node, withKey } from "../client/dist/key.js";
import { Verifier } from "../verifier/dist/index.js";
import { browser } from "./chromium.mjs";
import { BUYER, giveWallet, hasChain, market, OTHERS } from "./market.mjs";

const SEVEN = JSON.parse(readFileSync(new URL("../../fixtures/models/digit_7.json", import.meta.url))).input_data[0];
const DESCRIPTION = new URL("../client/openapi.json", import.meta.url);

const refused = (code) => (error) => error instanceof OrderError && error.code === code;

test("buyers in JavaScript", { skip: !hasChain() && "anvil is not installed" }, async (t) => {
  const place = await market();
  t.after(place.stop);
  const client = new Client(place.url, await Verifier.load());
  const provider = withKey(OTHERS[0], place.chain);
  const terms = { provider, market: place.market, maxPrice: 10n ** 16n, acceptDevelopmentKey: true, batch: 1 };
  const step = async (name, work) => {
    await work().catch((cause) => assert.fail(`${name}: ${cause.stack}`));
    t.diagnostic(name);
  };

  await step("its types are made of what the service describes today", async () => {
    const text = JSON.stringify(await (await fetch(`${place.url}/openapi.json`)).json(), null, 1) + "\n";
    if (process.env.ASSAY_BLESS) writeFileSync(DESCRIPTION, text);
    assert.equal(readFileSync(DESCRIPTION, "utf8"), text, "run with ASSAY_BLESS=1, then web/build.sh client");
  });

  let model;
  await step("models, a free answer, and what is refused before anything is asked", async () => {
    const models = await client.models();
    assert.deepEqual(models.map((one) => one.name).sort(), ["digits_cnn", "digits_mlp"]);
    model = models.find((one) => one.name === "digits_cnn");
    assert.equal((await client.recompute(model)).wrap, true);
    const phases = [];
    const answer = await client.ask(model, SEVEN, { heard: ({ kind, data }) => phases.push(data.phase ?? data.state ?? kind) });
    assert.equal(answer.label, "7");
    assert.ok(answer.report.valid && answer.job === null);
    assert.ok(phases.includes("commit") && phases.at(-1) === "proven", phases.join());
    await assert.rejects(client.ask(model, SEVEN.with(0, 50)), refused("quote"));
    assert.ok((await client.ask(model, SEVEN.with(0, 50), { allowClamping: true })).prediction.outside === 1);
    await assert.rejects(client.model("0x" + "9".repeat(64)), (error) => error instanceof Problem && error.code === "unknown-model" && error.status === 404);
    await assert.rejects(new Client("http://127.0.0.1:1", null).models(), (error) => error instanceof Problem && error.code === "unreachable");
    await assert.rejects(client.ask(model, SEVEN, { signal: AbortSignal.abort() }), { name: "AbortError" });
  });

  await step("bought with a private key", async () => {
    const answer = await client.buy(model, SEVEN, { ...terms, maxPrice: BigInt(model.terms.price) });
    assert.equal(answer.label, "7");
    assert.equal(answer.prediction.state, "settled");
    assert.equal(answer.weightsProven, true);
    assert.match(answer.job, /^0x[0-9a-f]{64}$/);
  });

  await step("buyers who come together share a proof, under a key that each derives", async () => {
    const { batches } = model;
    assert.deepEqual(batches, [{ inferences: 2, key_hash: (await client.keyOf(model)).batched(2) }]);
    const together = { ...terms, batch: 2 };
    const other = new Client(place.url, await Verifier.load());
    // quotes of the last second are demand: there is some before anybody orders
    const asking = setInterval(() => client.quote({ model: model.id, batch: 2 }).catch(() => {}), 100);
    const shared = async (client, key) => {
      for (;;) {
        const { order } = await client.order(model, SEVEN, { ...together, provider: withKey(key, place.chain) });
        if (order.escrow.order.key_hash === batches[0].key_hash) return client.resume(order, { ...together, provider: withKey(key, place.chain) });
      }
    };
    const done = await Promise.all([shared(client, OTHERS[0]), shared(other, OTHERS[1])]).finally(() => clearInterval(asking));
    assert.deepEqual(done.map(({ report }) => report.inferences), [2, 2]);
    assert.deepEqual(done.map(({ report }) => report.index).sort(), [0, 1], "each has a place of its own");
    assert.equal(done[0].prediction.batch.key_hash, batches[0].key_hash);
    // one that says that it is the model's and is not
    const lying = { ...model, batches: [{ inferences: 4, key_hash: batches[0].key_hash }] };
    const { quote } = client;
    client.quote = async (request) => {
      const escrow = await quote(request);
      escrow.order.key_hash = escrow.quote.key_hash = batches[0].key_hash;
      return escrow;
    };
    await assert.rejects(client.order(lying, SEVEN, { ...terms, batch: 64 }), refused("quote"));
    await assert.rejects(client.order(model, SEVEN, terms), refused("quote"), "more company than was asked for");
    client.quote = quote;
  });

  await step("an answer is delivered when its payment is in a block, or, as the buyer wishes, when that is deep", async () => {
    const later = new Client(place.url, await Verifier.load());
    const stream = (kinds) => new Response(kinds.map((kind, i) => `id: ${i + 1}\ndata: ${JSON.stringify({ id: i + 1, ...kind })}\n\n`).join(""));
    const done = await later.buy(model, SEVEN, terms);
    const pending = { ...done.prediction, state: "settlement_pending", terminal: false };
    const events = [{ kind: "paid", data: {} }, { kind: "state", data: { state: "settled" } }];
    let deep = false;
    later.fetch = async (path) => {
      if (path.endsWith("/events")) {
        // who goes on listening hears of the end
        deep ||= later.heard.length > 0;
        return stream(deep ? events : events.slice(0, 1));
      }
      return Response.json(deep ? done.prediction : pending);
    };
    for (const [until, state, kinds] of [["paid", "settlement_pending", ["paid"]], ["settled", "settled", ["paid", "paid", "state"]]]) {
      [later.heard, deep] = [[], false];
      const got = await later.wait(done.prediction.id, { until, heard: ({ kind }) => later.heard.push(kind) });
      assert.deepEqual([got.state, later.heard], [state, kinds], until);
    }
  });

  await step("nothing is paid for what was not asked for, or what the chain does not say", async () => {
    const [account] = await provider.request({ method: "eth_accounts" });
    const coins = () => node(place.chain).request({ method: "eth_getBalance", params: [account, "latest"] });
    const before = await coins();
    await assert.rejects(client.buy(model, SEVEN, { ...terms, maxPrice: 1n }), refused("price"));
    await assert.rejects(client.buy(model, SEVEN, { ...terms, acceptDevelopmentKey: false }), refused("development-key"));
    const quote = client.quote;
    for (const change of [
      ({ order }) => (order.input_commitment = "0x" + "1".repeat(64)),
      ({ order }) => (order.buyer = BUYER),
      ({ quote }) => (quote.key_hash = "0x" + "1".repeat(64)),
      ({ quote }) => (quote.epoch += 1),
      ({ order }) => (order.fee_split_hash = "0x" + "1".repeat(64)),
      ({ order }) => (order.verifier = BUYER),
      ({ quote }) => (quote.inferences = 2),
      ({ order }) => (order.token = BUYER),
    ]) {
      client.quote = async (...args) => {
        const escrow = await quote(...args);
        change(escrow);
        return escrow;
      };
      await assert.rejects(client.buy(model, SEVEN, terms), refused("quote"), String(change));
    }
    client.quote = quote;
    assert.equal(await coins(), before);
  });

  await step("an order that was kept is gone on with, and a changed proof is refused", async () => {
    let kept;
    const stop = (order) => {
      kept = JSON.stringify(order);
      throw new Error("the power failed");
    };
    await assert.rejects(client.buy(model, SEVEN, { ...terms, keep: stop }), /the power failed/);
    const later = new Client(place.url, await Verifier.load());
    const proof = later.proof;
    later.proof = async (...args) => (await proof(...args)).with(40, 1 ^ (await proof(...args))[40]);
    await assert.rejects(later.resume(JSON.parse(kept), terms), refused("proof"));
    later.proof = proof;
    const answer = await later.resume(JSON.parse(kept), terms);
    assert.equal(answer.job, JSON.parse(kept).job);
    assert.equal(answer.label, "7");
    const another = { ...JSON.parse(kept), job: "0x" + "1".repeat(64) };
    await assert.rejects(later.resume(another, terms), refused("proof"), "bound to the job that it was made for");
  });

  await step("nothing is sent on another chain than the market's", async () => {
    const asked = [];
    /** A wallet on chain 1, which changes, or does what a test says. */
    const wallet = (change) => ({
      chain: "0x1",
      async request(call) {
        asked.push(call.method);
        if (call.method === "eth_chainId") return this.chain;
        if (call.method === "wallet_switchEthereumChain") return change.call(this, call.params[0].chainId);
        return provider.request(call);
      },
    });
    const fails = (code) => () => Promise.reject(Object.assign(new Error("no"), { code }));
    for (const [change, why] of [[fails(4001), /you refused/], [fails(4902), /does not know that chain/], [fails(-32601), /did not change: no/], [() => null, /it did not change/]]) {
      const error = await client.buy(model, SEVEN, { ...terms, provider: wallet(change) }).catch((error) => error);
      assert.ok(error instanceof OrderError && error.code === "chain", error.stack);
      assert.match(error.message, why);
      assert.match(error.message, /on chain 1, and the market is on chain 31337.*Nothing was paid/);
    }
    await assert.rejects(client.buy(model, SEVEN, { ...terms, chainId: 1 }), refused("chain"), "the buyer knows better which chain it is");
    const unknown = { ...model, terms: { ...model.terms, chain_id: null } };
    await assert.rejects(client.buy(unknown, SEVEN, terms), refused("chain"));
    assert.ok(!asked.includes("eth_sendTransaction"));
    const changing = wallet(function (chain) {
      this.chain = chain;
      return null;
    });
    assert.equal((await client.buy(model, SEVEN, { ...terms, provider: changing })).label, "7");
    // a wallet that leaves the chain while the quote is checked
    const leaving = wallet(function (chain) {
      this.chain = this.chain === "0x1" && !this.left ? chain : "0x1";
      return null;
    });
    const keep = () => {
      leaving.left = true;
      leaving.chain = "0x1";
    };
    const sent = asked.filter((method) => method === "eth_sendTransaction").length;
    await assert.rejects(client.buy(model, SEVEN, { ...terms, provider: leaving, keep }), refused("chain"));
    assert.equal(asked.filter((method) => method === "eth_sendTransaction").length, sent);
  });

  await step("the packages are packed, installed and run as their README says", async () => {
    const folder = mkdtempSync(`${tmpdir()}/assay-npm-`);
    t.after(() => rmSync(folder, { recursive: true, force: true }));
    const run = async (program, ...args) => (await promisify(execFile)(program, args, { cwd: folder })).stdout;
    const packages = ["verifier", "client"].map((name) => fileURLToPath(new URL(`../${name}`, import.meta.url)));
    const packed = JSON.parse(await run("npm", "pack", "--json", ...packages));
    for (const { name, files } of packed) {
      const has = files.map(({ path }) => path);
      for (const file of ["LICENSE-MIT", "LICENSE-APACHE", "README.md", "dist/index.js", "dist/index.d.ts"]) assert.ok(has.includes(file), `${name} has no ${file}`);
      assert.ok(!has.some((file) => file.startsWith("src/") || file.startsWith("test/")), `${name}: ${has}`);
    }
    writeFileSync(`${folder}/package.json`, '{"private": true, "type": "module"}');
    await run("npm", "install", "--offline", "--no-audit", "--no-fund", "--ignore-scripts", ...packed.map(({ filename }) => `./${filename}`));
    // what signs comes from the registry, and here from where it is already
    symlinkSync(fileURLToPath(new URL("../node_modules/micro-eth-signer", import.meta.url)), `${folder}/node_modules/micro-eth-signer`);
    const [, example] = /```js\n([\s\S]*?)```/.exec(readFileSync(`${folder}/node_modules/@assay/client/README.md`, "utf8"));
    writeFileSync(`${folder}/buy.mjs`, example);
    const input = fileURLToPath(new URL("../../fixtures/models/digit_7.json", import.meta.url));
    const said = await run("node", "buy.mjs", place.url, place.chain, place.market, OTHERS[0], input);
    assert.match(said, /\] 7 0x[0-9a-f]{64}\n$/);
  });

  await step("bought in a browser with its wallet", async () => {
    const chromium = await browser();
    t.after(() => chromium.close());
    const page = await chromium.newPage();
    await giveWallet(page, place.rpc);
    for (const name of ["client", "verifier"]) {
      await page.route(`**/packages/${name}/**`, (route) => {
        const file = new URL(`../${name}/dist/${route.request().url().split("/").at(-1)}`, import.meta.url);
        const contentType = file.pathname.endsWith(".wasm") ? "application/wasm" : "text/javascript";
        return route.fulfill({ body: readFileSync(file), contentType });
      });
    }
    // a page of the service's address that does nothing by itself
    await page.route("**/packages/page", (route) => route.fulfill({ contentType: "text/html", body: "<!doctype html><title>test</title>" }));
    await page.goto(`${place.url}/packages/page`);
    const answer = await page.evaluate(
      async ({ input, market }) => {
        const [{ Client }, { Verifier }] = await Promise.all([import("/packages/client/index.js"), import("/packages/verifier/index.js")]);
        const wallet = new Promise((found) => window.addEventListener("eip6963:announceProvider", (event) => found(event.detail.provider)));
        window.dispatchEvent(new Event("eip6963:requestProvider"));
        const client = new Client(location.origin, await Verifier.load("/packages/verifier/assay_verifier.wasm"));
        const model = (await client.models()).find((one) => one.name === "digits_mlp");
        const bought = await client.buy(model, input, { provider: await wallet, market, maxPrice: 10n ** 16n, acceptDevelopmentKey: true });
        return { label: bought.label, state: bought.prediction.state, buyer: bought.prediction.job_id };
      },
      { input: SEVEN, market: place.market },
    );
    assert.equal(answer.label, "7");
    assert.equal(answer.state, "settled");
  });
});
