/** A quote: whether it is what was asked for, and what it says, before anything is paid. */
import { facts, h, hash, mark } from "./dom.js";
import { amount, median, seconds, succeeded } from "./money.js";
import type { Ended, Escrow, Model } from "./service.js";
import type { Key } from "../../verifier/dist/index.js";

/** How many inferences the proof of an order may have, those of other buyers included. */
const inferencesOf = (order: Escrow["order"], { batches }: Model) => batches.find((one) => one.key_hash.toLowerCase() === String(order.key_hash).toLowerCase())?.inferences ?? 1;

/** Refuses an order that is not what this page asked for. The rest the market's contract checks before it takes the money. */
export function agreed({ order, quote }: Escrow, model: Model, key: Key, buyer: string, input: string): void {
  const terms = model.terms!;
  const same = (a: string, b: string) => a.toLowerCase() === b.toLowerCase();
  const inferences = inferencesOf(order, model);
  // the key for a proof of several buyers is derived of the model's
  const key_hash = inferences === 1 ? key.info.key_hash : key.batched(inferences);
  const checks: [string, boolean][] = [
    ["model", same(order.model_id, model.id) && same(quote.model_id, model.id)],
    ["weights", same(order.model_commitment, key.info.model_commitment)],
    ["key", same(order.key_hash, key_hash) && same(quote.key_hash, key_hash)],
    ["input", same(order.input_commitment, input)],
    ["buyer", same(order.buyer, buyer)],
    ["token", same(order.token, terms.token) && same(quote.token, terms.token)],
    ["price", BigInt(quote.price) <= BigInt(terms.price) && BigInt(order.max_price) <= BigInt(terms.price)],
  ];
  const wrong = checks.find(([, holds]) => !holds);
  if (wrong) throw new Error(`The quote is not what was asked for: its ${wrong[0]} is another. Nothing was paid.`);
}

/** Refuses a quote that the market would not take any more. */
export function stillValid({ quote }: Escrow): void {
  if (Date.now() > 1000 * quote.valid_until) throw new Error("The quote has expired. Nothing was paid: ask for another one.");
}

const when = (ms: number) => new Date(ms).toLocaleString();

function contents({ order, quote }: Escrow, model: Model, history: Ended[]): HTMLElement {
  const took = history.filter((ended) => ended.model === model.id && succeeded(ended)).map((ended) => ended.ended_ms - ended.created_ms);
  return facts([
    ["Price", h("strong", {}, amount(quote.price, quote.token))],
    ["Valid until", when(1000 * quote.valid_until)],
    ["A proof takes", took.length > 0 ? `typically ${seconds(median(took))} here` : "this service has proven none yet"],
    ["Promised within", seconds(1000 * order.prove_secs)],
    ["Money back", `if there is no proof by ${when(Date.now() + 1000 * order.expire_secs)}`],
    ["The prover's collateral", amount(order.collateral, quote.token)],
    ["In a proof of", inferencesOf(order, model) > 1 && `up to ${inferencesOf(order, model)} inferences, with those of other buyers, who see each other's outputs`],
    ["Prover", h("span", {}, ...quote.provers.map((account: string) => hash(account)))],
    ["Paid by", hash(order.buyer)],
  ]);
}

/** Shows a quote, and asks whether it is to be paid. */
export function confirmed(escrow: Escrow, model: Model, history: Ended[], place: HTMLElement): Promise<boolean> {
  return new Promise((resolve) => {
    const answer = (pay: boolean) => {
      panel.remove();
      resolve(pay);
    };
    const heading = h("h3", { tabindex: -1 }, "The quote");
    const panel = h("section", { class: "quote", "aria-label": "Quote" },
      heading, contents(escrow, model, history),
      model.development && h("p", {}, mark("warn", "development key: anybody can forge proofs under it")),
      h("div", { class: "row" },
        h("button", { type: "button", class: "main", click: () => answer(true) }, `Pay ${amount(escrow.quote.price, escrow.quote.token)}`),
        h("button", { type: "button", click: () => answer(false) }, "Do not pay")),
    ); // prettier-ignore
    place.append(panel);
    heading.focus();
  });
}
