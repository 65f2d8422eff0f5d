/** From a package to a model on sale: the wallet lists it, the service offers it. */
import { addressIn, lists, REGISTRIES } from "../../../client/dist/abi.js";
import type { Key } from "../../../verifier/dist/index.js";
import { cardForm } from "../card.js";
import { facts, h, hash, mark } from "../dom.js";
import { verifier } from "../proofs.js";
import * as seller from "../seller.js";
import { Account, chooser, explained, wallets, type Wallet } from "../wallet.js";

/** Longest wait between two questions, in seconds. */
const WAIT_MAX = 15;

export async function publishing(selling: seller.Selling, one: seller.Compilation): Promise<HTMLElement> {
  if (one.model) return offered(one);
  const found = selling.market ? await wallets() : [];
  const steps = h("ol", { class: "phases", "aria-live": "polite" });
  const say = (text: string) => steps.append(h("li", {}, h("span", {}, text), h("span")));
  const key = (await verifier()).openKey(await seller.keyFile(one.id));
  const { element, card } = cardForm(selling.market !== null, key.info);
  const chosen = chooser(found, "seller-wallet");
  const panel = h("section", { class: "panel", id: "publish" }, h("h2", {}, "Put it on sale"));
  const button = h("button", { class: "main", disabled: selling.market !== null && found.length === 0 }, selling.market ? "List it with the wallet" : "Offer it for free");
  const start = async (event: Event) => {
    event.preventDefault();
    button.disabled = true;
    try {
      const given = card();
      checkKey(one, key, say);
      const waiting = found.length > 0 ? await list(chosen.wallet(), selling, one.id, say) : null;
      say("the service reads the model");
      const done = await seller.offer(one.id, given);
      panel.replaceWith(offered(done, waiting));
    } catch (error) {
      say(explained(error as Error));
      steps.lastElementChild?.firstElementChild?.classList.add("mark", "bad");
      button.disabled = false;
    }
  };
  panel.append(
    h("form", { submit: start },
      selling.market && h("p", { class: "lead" }, "Your wallet sends a few transactions: the key, a commitment, the registration. You are paid at the account that lists the model. The service signs the quotes, so it gets the model's token."),
      element, chosen.element,
      button,
      selling.market && found.length === 0 && h("p", {}, mark("warn", "There is no wallet in this browser. Download the package, then: assay publish MODEL.assay"))),
    steps,
  ); // prettier-ignore
  return panel;
}

function offered(one: seller.Compilation, waiting: string | null = null): HTMLElement {
  return h("section", { class: "panel", id: "offered" }, h("h2", {}, "It is offered"),
    waiting ? h("p", {}, mark("warn", `Nobody can buy yet: ${waiting}`)) : h("p", {}, mark("good", "Buyers find it among the models.")),
    facts([["Model", hash(one.model!)], ["Weights", one.weights ?? "the proof that they are in range is being made"]]),
    h("p", {}, h("a", { class: "button", href: `#/try/${one.model}` }, "Its page")),
  ); // prettier-ignore
}

/** The key that is listed must be the model's: this browser computes it again, as buyers will. */
function checkKey(one: seller.Compilation, key: Key, say: (text: string) => void): void {
  const { wrap } = key.recompute();
  if (key.info.model_commitment !== one.result?.model_commitment) throw new Error("The key is not that of the model which was compiled. Nothing was sent.");
  say(wrap ? "the key was recomputed in this browser" : "the key is over an SRS that this browser does not have");
}

/** Sends what is missing, one transaction after the other. Returns why nobody can buy yet, if so. */
async function list(wallet: Wallet, selling: seller.Selling, id: string, say: (text: string) => void): Promise<string | null> {
  const market = selling.market!;
  const account = await Account.open(wallet, { market, chain_id: selling.chain_id });
  const registries = {
    models: addressIn(await account.ask(market, REGISTRIES.models)),
    keys: addressIn(await account.ask(market, REGISTRIES.keys)),
  };
  for (;;) {
    const next = await seller.next(id, account.address);
    if (next.next === "listed") return next.waiting;
    if (next.next === "wait") {
      say(`waiting ${next.secs} s: ${next.what}`);
      await new Promise((resolve) => setTimeout(resolve, 1000 * Math.min(next.secs + 1, WAIT_MAX)));
    } else {
      if (!lists(next.to, next.data, registries)) throw new Error("The service asks for a transaction that does not list a model. Nothing was sent.");
      say(`confirm in the wallet: ${next.what}`);
      await account.send(next.to, next.data);
    }
  }
}
