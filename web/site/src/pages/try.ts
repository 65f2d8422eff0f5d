/** One model: give it an input, see the price, watch the proof being made. */
import { h, mark } from "../dom.js";
import { field } from "../input.js";
import { markdown } from "../markdown.js";
import { price, seconds } from "../money.js";
import { shown } from "../output.js";
import { keyOf, verify } from "../proofs.js";
import * as service from "../service.js";
import { account, explained, fund, wallets, type Wallet } from "../wallet.js";
import { keyStatus, licence, weightsStatus } from "./browse.js";
import { drawing, provenance } from "./provenance.js";

/** What phases and states are called for people. */
const NAMES: Record<string, string> = {
  awaiting_payment: "waiting for the payment on chain",
  queued: "waiting for the prover",
  locking: "the prover locks its collateral",
  proving: "the proof begins",
  execute: "running the model",
  witness: "writing down every step",
  commit: "committing to the steps",
  lookup: "proving activations",
  linear: "proving layers",
  batch: "putting the claims together",
  wrap_witness: "preparing the wrap, which hides the model",
  wrap_columns: "committing to the wrap",
  wrap_permutation: "proving that its cells agree",
  wrap_quotient: "proving its gates",
  wrap_values: "evaluating its polynomials",
  opening: "opening the commitments",
  groth16: "wrapping in Groth16",
  done: "the proof is ready",
  settlement_pending: "the contract verifies and pays",
  settled: "settled: verified by the contract and paid",
  proven: "proven",
};

export async function tryModel(id: string): Promise<HTMLElement> {
  const model = await service.model(id);
  // what is said of pictures is said of a model's only input
  const prepare = model.inputs.length === 1 ? model.prepare : null;
  const fields = model.inputs.map((tensor) => field(tensor, prepare));
  const clamping = h("input", { type: "checkbox", id: "clamping" });
  const run = h("div", { class: "panel", "aria-live": "polite" }, h("p", { class: "lead" }, "The answer and its proof appear here."));
  const buttons: HTMLButtonElement[] = [];
  const chosen = h("select", { id: "wallet", hidden: true });
  const found = model.terms ? await wallets() : [];
  found.forEach((wallet, i) => chosen.append(h("option", { value: i }, wallet.name)));

  const start = async (pay: boolean) => {
    buttons.forEach((button) => (button.disabled = true));
    try {
      const input = fields.flatMap((one) => one.values());
      const wallet = pay ? found[Number(chosen.value || 0)] : undefined;
      await new Run(model, run).ask(input, clamping.checked, wallet);
    } catch (error) {
      run.append(h("p", {}, mark("bad", explained(error as Error))));
    }
    buttons.forEach((button) => (button.disabled = false));
  };
  const button = (label: string, pay: boolean, props = {}) => {
    const made = h("button", { type: "button", ...props, click: () => start(pay) }, label);
    buttons.push(made);
    return made;
  };
  chosen.hidden = found.length < 2;
  const actions = [
    model.free && button("Ask without paying", false, { class: "main" }),
    model.terms && found.length > 0 && button(`Pay ${price(model.terms, false)} with a wallet`, true, { class: model.free ? "" : "main" }),
    found.length > 1 && h("label", { for: "wallet" }, "Wallet"),
    chosen,
    model.terms && found.length === 0 && h("p", { class: "lead" }, "To pay, open this page in a browser with an Ethereum wallet."),
  ];
  return h(
    "div",
    {},
    h("h1", {}, model.name),
    model.description && markdown(model.description),
    h("p", {}, "Price: ", h("strong", {}, price(model.terms, model.free))),
    licence(model),
    keyStatus(model),
    weightsStatus(model),
    h(
      "div",
      { class: "columns" },
      h("section", { class: "panel", "aria-label": "Input" },
        ...fields.map((one) => one.element),
        h("label", { for: "clamping" }, clamping, " Allow numbers outside the range (the answer may mean little)"),
        h("div", { class: "row" }, ...actions)),
      run,
    ),
    h("div", { class: "below" }, provenance(model), drawing(model)),
  ); // prettier-ignore
}

/** One prediction from the input to the answer. */
class Run {
  private readonly phases = h("ol", { class: "phases" });
  private readonly bar = h("progress", { max: 1, value: 0, "aria-label": "Progress of the proof" });
  private last = { at: performance.now(), time: null as HTMLElement | null };

  constructor(
    private readonly model: service.Model,
    private readonly panel: HTMLElement,
  ) {}

  /** A line; the one before gets its time. */
  private step(words: string): void {
    const now = performance.now();
    if (this.last.time) this.last.time.textContent = seconds(now - this.last.at);
    const time = h("span", {}, "…");
    this.phases.append(h("li", {}, h("span", {}, words), time));
    this.last = { at: now, time };
  }

  async ask(input: number[], allow_clamping: boolean, wallet?: Wallet): Promise<void> {
    this.panel.replaceChildren(h("h2", {}, "Proof"), this.bar, this.phases);
    this.step("hiding the input in your browser");
    const key = await keyOf(this.model);
    const committed = key.commit(input);
    const request = { model: this.model.id, input, blinding: committed.blinding, allow_clamping };
    const prediction = wallet
      ? await this.pay(wallet, committed.input_commitment, request)
      : await this.post({ ...request, context: random() });
    await this.follow(prediction.id);
    await this.finish(prediction.id, committed.input_commitments.join());
  }

  private post(request: object): Promise<service.Prediction> {
    return service.predict(request, random());
  }

  private async pay(wallet: Wallet, input_commitment: string, request: object): Promise<service.Prediction> {
    const buyer = await account(wallet);
    this.step("asking for a quote");
    const escrow = await service.quote({ model: this.model.id, buyer, input_commitment });
    agreed(escrow, this.model, (await keyOf(this.model)).info, buyer, input_commitment);
    const prediction = await this.post({ ...request, escrow });
    this.step("paying into escrow: confirm it in the wallet");
    await fund(wallet, buyer, this.model.terms!.market, escrow);
    return prediction;
  }

  private async follow(id: string): Promise<void> {
    const seen = new Set<string>();
    await service.follow(id, ({ data: { phase, state, fraction } }) => {
      const name = phase ?? state;
      if (fraction !== undefined) this.bar.value = fraction;
      if (!name || seen.has(name)) return;
      seen.add(name);
      this.step(NAMES[name] ?? name.replaceAll("_", " "));
    });
  }

  private async finish(id: string, commitments: string): Promise<void> {
    const done = await service.prediction(id);
    if (!done.output) throw new Error(done.error_detail ?? `The prediction ended as ${done.state}, and nothing was paid for it.`);
    this.bar.value = 1;
    this.step("verifying the proof in your browser");
    const { report, ms } = verify(await keyOf(this.model), done, await service.proof(id));
    if (this.last.time) this.last.time.textContent = `${ms.toFixed(0)} ms`;
    // a proof of another input would be no answer
    const mine = done.input_commitments.join() === commitments;
    const holds = report.valid && mine;
    const words = !report.valid ? report.reason : mine ? "verified in your browser, and about your input" : "the proof is about another input";
    this.panel.append(
      h("h2", {}, "Answer"),
      h("p", {}, mark(holds ? "good" : "bad", words)),
      holds ? shown(done.output, this.model.outputs, this.model.labels) : "",
      done.clamps > 0 ? h("p", {}, mark("warn", `${done.clamps} values did not fit and were clamped: the answer may mean little`)) : "",
      h("p", {}, h("a", { class: "button", href: `#/receipt/${id}` }, "Open the receipt, to keep or to share")),
    );
  }
}

/** Refuses an order that is not what this page asked for. The rest the market's contract checks before it takes the money. */
function agreed({ order, quote }: service.Escrow, model: service.Model, key: { key_hash: string; model_commitment: string }, buyer: string, input: string): void {
  const terms = model.terms!;
  const same = (a: string, b: string) => a.toLowerCase() === b.toLowerCase();
  const checks: [string, boolean][] = [
    ["model", same(order.model_id, model.id) && same(quote.model_id, model.id)],
    ["weights", same(order.model_commitment, key.model_commitment)],
    ["key", same(order.key_hash, key.key_hash) && same(quote.key_hash, key.key_hash)],
    ["input", same(order.input_commitment, input)],
    ["buyer", same(order.buyer, buyer)],
    ["token", same(order.token, terms.token) && same(quote.token, terms.token)],
    ["price", BigInt(quote.price) <= BigInt(terms.price) && BigInt(order.max_price) <= BigInt(terms.price)],
  ];
  const wrong = checks.find(([, holds]) => !holds);
  if (wrong) throw new Error(`The quote is not what was asked for: its ${wrong[0]} is another. Nothing was paid.`);
}

function random(): string {
  return "0x" + Array.from(crypto.getRandomValues(new Uint8Array(32)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
