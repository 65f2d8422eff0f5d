/** From a package to a model on sale: the wallet lists it, the service offers it. */
import { addressIn, lists, REGISTRIES } from "../../../client/dist/abi.js";
import { facts, h, hash, mark } from "../dom.js";
import { wei } from "../money.js";
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
  const { element, card } = cardForm(selling.market !== null);
  const chosen = chooser(found, "seller-wallet");
  const panel = h("section", { class: "panel", id: "publish" }, h("h2", {}, "Put it on sale"));
  const button = h("button", { class: "main", disabled: selling.market !== null && found.length === 0 }, selling.market ? "List it with the wallet" : "Offer it for free");
  const start = async (event: Event) => {
    event.preventDefault();
    button.disabled = true;
    try {
      const given = card();
      await checkKey(one, say);
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

/** What the seller says of the model. */
function cardForm(sold: boolean): { element: HTMLElement; card(): object } {
  const description = h("textarea", { id: "card-description", placeholder: "What it does, what it was trained on. Markdown." });
  const labels = h("input", { type: "text", id: "card-labels", placeholder: "cat, dog" });
  const price = h("input", { type: "text", id: "card-price", inputmode: "decimal", placeholder: "the service's own" });
  const size = h("input", { type: "text", id: "card-picture", placeholder: "28x28x1" });
  const card = () => {
    const list = labels.value.split(",").map((label) => label.trim()).filter(Boolean); // prettier-ignore
    const picture = /^\s*(\d+)\s*[x×]\s*(\d+)\s*(?:[x×]\s*([13]))?\s*$/.exec(size.value);
    if (size.value.trim() && !picture) throw new Error("A picture's size is width x height x channels, such as 28x28x1.");
    return {
      ...(description.value.trim() && { description: description.value.trim() }),
      ...(list.length > 0 && { labels: list }),
      ...(price.value.trim() && { price: wei(price.value) }),
      ...(picture && { prepare: { kind: "image", width: Number(picture[1]), height: Number(picture[2]), channels: Number(picture[3] ?? 1) } }),
    };
  };
  const element = h("div", { class: "fields" },
    h("label", { for: "card-description" }, "Description ", description),
    h("label", { for: "card-labels" }, "Labels of the output, with commas between them ", labels),
    h("label", { for: "card-picture" }, "If the input is a picture: width x height x channels ", size),
    sold && h("label", { for: "card-price" }, "Price of an answer, in ETH ", price),
  ); // prettier-ignore
  return { element, card };
}

/** The key that is listed must be the model's: this browser computes it again, as buyers will. */
async function checkKey(one: seller.Compilation, say: (text: string) => void): Promise<void> {
  const key = (await verifier()).openKey(await seller.keyFile(one.id));
  const { wrap } = key.recompute();
  if (key.info.model_commitment !== one.result?.model_commitment) throw new Error("The key is not that of the model which was compiled. Nothing was sent.");
  say(wrap ? "the key was recomputed in this browser" : "the key is over an SRS that this browser does not have");
  key.close();
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
