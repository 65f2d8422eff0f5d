/** One prediction from the input to the answer, or from wherever it was left. */
import { h, mark } from "./dom.js";
import { seconds } from "./money.js";
import * as orders from "./orders.js";
import { shown } from "./output.js";
import { checkedKey, commit, keyOf, verify } from "./proofs.js";
import { agreed, confirmed, stillValid } from "./quote.js";
import * as service from "./service.js";
import { Account, type Wallet } from "./wallet.js";

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
  paid: "paid: verified by the contract, in a block that may still be replaced",
  settled: "settled: verified by the contract and paid",
  proven: "proven",
};

/** What is said aloud by a screen reader: where a visitor has to do something, and the end. The phases in between are there to be read. */
const LOUD = new Set(["queued", "proving", "settlement_pending"]);

/** Most inferences, those of other buyers included, of a proof that this page orders: as `assay request` has it. */
const BATCH = 64;

export class Run {
  private readonly phases = h("ol", { class: "phases" });
  private readonly bar = h("progress", { max: 1, value: 0, "aria-label": "Progress of the proof" });
  private readonly spoken = h("p", { class: "visually-hidden", role: "status" });
  private last = { at: performance.now(), time: null as HTMLElement | null };

  constructor(
    private readonly model: service.Model,
    private readonly panel: HTMLElement,
  ) {
    panel.replaceChildren(h("h2", {}, "Proof"), this.spoken, this.bar, this.phases);
  }

  /** A line; the one before gets its time. */
  private step(words: string, loud = true): void {
    const now = performance.now();
    if (this.last.time) this.last.time.textContent = seconds(now - this.last.at);
    const time = h("span", {}, "…");
    this.phases.append(h("li", {}, h("span", {}, words), time));
    this.last = { at: now, time };
    if (loud) this.spoken.textContent = words;
  }

  /** From the input on. Without a wallet it is asked for free. */
  async ask(input: number[], allow_clamping: boolean, wallet?: Wallet): Promise<void> {
    this.step("hiding the input in your browser");
    const { blinding, input_commitment, input_commitments } = await commit(this.model, input);
    const request = { model: this.model.id, input, blinding, allow_clamping };
    const prediction = wallet
      ? await this.buy(wallet, input_commitment, input_commitments, request)
      : await service.predict({ ...request, context: random() }, random());
    if (prediction) await this.answer(prediction.id, input_commitments);
  }

  /** Null, if the visitor does not want to pay what is quoted. */
  private async buy(wallet: Wallet, input_commitment: string, commitments: string[], request: object): Promise<service.Prediction | null> {
    const terms = this.model.terms!;
    const account = await Account.open(wallet, terms);
    this.step("asking for a quote");
    // an order's key for several buyers can be compared only where the model's could be computed
    const batch = (await checkedKey(this.model)).recomputed.wrap ? BATCH : 1;
    const escrow = await service.quote({ model: this.model.id, buyer: account.address, input_commitment, batch });
    agreed(escrow, this.model, await keyOf(this.model), account.address, input_commitment);
    const history = await service.history().catch(() => []);
    this.step("the quote is here: pay it, or do not");
    if (!(await confirmed(escrow, this.model, history, this.panel))) {
      this.step("not paid");
      return null;
    }
    stillValid(escrow);
    const prediction = await service.predict({ ...request, escrow }, random());
    const { market, chain_id } = terms;
    const of = { prediction: prediction.id, job: prediction.job_id, model: this.model.id, name: this.model.name, market, chain_id };
    const block: string = await account.node("eth_blockNumber");
    const order = { ...of, buyer: account.address, commitments, escrow, block, transaction: null, created_ms: Date.now() };
    orders.keep(order);
    await this.fund(account, order);
    return prediction;
  }

  private async fund(account: Account, order: orders.Order): Promise<void> {
    this.step("paying into escrow: confirm it in the wallet");
    await account.fund(order.escrow, (transaction) => orders.paid(order, transaction));
  }

  /** Goes on with an order that was kept: pays it, where that was not done, and waits for the answer. */
  async goOn(order: orders.Order, wallet?: Wallet): Promise<void> {
    const { state } = await service.prediction(order.prediction);
    if (state === "awaiting_payment" && !order.transaction) {
      if (!wallet) throw new Error("The order is not paid yet, and there is no wallet in this browser.");
      stillValid(order.escrow);
      const account = await Account.open(wallet, order);
      if (account.address.toLowerCase() !== order.buyer.toLowerCase()) throw new Error(`The order is of the account ${order.buyer}: choose it in the wallet. Nothing was paid.`);
      await this.fund(account, order);
    }
    await this.answer(order.prediction, order.commitments);
  }

  private async answer(id: string, commitments: string[]): Promise<void> {
    await this.follow(id);
    await this.finish(id, commitments.join());
  }

  private async follow(id: string): Promise<void> {
    const seen = new Set<string>();
    await service.follow(id, ({ kind, data: { phase, state, fraction } }) => {
      const name = kind === "paid" ? kind : (phase ?? state);
      if (fraction !== undefined) this.bar.value = fraction;
      if (!name || seen.has(name)) return;
      seen.add(name);
      this.step(NAMES[name] ?? name.replaceAll("_", " "), LOUD.has(name));
    });
  }

  private async finish(id: string, commitments: string): Promise<void> {
    const done = await service.prediction(id);
    if (!done.output) throw new Error(done.error_detail ?? ended(done));
    this.bar.value = 1;
    this.step("verifying the proof in your browser", false);
    const { report, ms } = await verify(this.model, done, await service.proof(id));
    if (this.last.time) this.last.time.textContent = `${ms.toFixed(0)} ms`;
    // a proof of another input would be no answer
    const mine = done.input_commitments.join() === commitments;
    const holds = report.valid && mine;
    const words = !report.valid ? report.reason : mine ? "verified in your browser, and about your input" : "the proof is about another input";
    this.panel.append(
      h("h2", {}, "Answer"),
      h("p", {}, mark(holds ? "good" : "bad", words)),
      holds ? shown(done.output, this.model) : "",
      done.clamps > 0 ? h("p", {}, mark("warn", `${done.clamps} values did not fit and were clamped: the answer may mean little`)) : "",
      h("p", {}, h("a", { class: "button", href: `#/receipt/${id}` }, "Open the receipt, to keep or to share")),
    );
    this.spoken.textContent = holds ? "The answer is there, and its proof holds." : "The proof does not hold.";
  }
}

function ended({ state, job_id }: service.Prediction): string {
  const back = job_id ? " What was paid you get back under Receipts, Your orders." : "";
  return `The prediction ended as ${state.replaceAll("_", " ")}.${back}`;
}

function random(): string {
  return "0x" + Array.from(crypto.getRandomValues(new Uint8Array(32)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
