/** One model: give it an input, see the price, watch the proof being made. */
import { h, mark } from "../dom.js";
import { field } from "../input.js";
import { markdown } from "../markdown.js";
import { price } from "../money.js";
import { Run } from "../run.js";
import { described } from "../says.js";
import * as service from "../service.js";
import { learn } from "../tokens.js";
import { chooser, explained, wallets } from "../wallet.js";
import { keyStatus, licence, weightsStatus } from "./browse.js";
import { drawing, provenance } from "./provenance.js";

export async function tryModel(id: string): Promise<HTMLElement> {
  if (!/^0x[0-9a-f]{64}$/i.test(id)) return unknown("The address names none: it has a damaged id.");
  const model = await service.model(id).catch((error) => (error.code === "unknown-model" ? null : Promise.reject(error)));
  if (!model) return unknown("This service does not offer it, or not any more.");
  // what is said of pictures and texts is said of a model's only input
  const prepare = model.inputs.length === 1 ? model.prepare : null;
  const fields = model.inputs.map((tensor) => field(tensor, prepare, described(model, "inputs", tensor.name)));
  const clamping = h("input", { type: "checkbox", id: "clamping" });
  const run = h("div", { class: "panel", role: "region", "aria-label": "Proof" }, h("p", { class: "lead" }, "The answer and its proof appear here."));
  const buttons: HTMLButtonElement[] = [];
  const found = model.terms ? await wallets() : [];
  if (model.terms) await learn([model.terms.token], model.terms.chain_id);
  const chosen = chooser(found, "wallet");

  // the chain's record changes with each answer that is paid for
  const origin = h("div", {});
  const showOrigin = (market = service.recentMarket) => {
    const made = provenance(model, market);
    if (made) origin.replaceChildren(made);
  };
  showOrigin();

  const start = async (pay: boolean) => {
    buttons.forEach((button) => (button.disabled = true));
    run.querySelectorAll("[role=alert]").forEach((said) => said.remove());
    try {
      const input = fields.flatMap((one) => one.values());
      await new Run(model, run).ask(input, clamping.checked, pay ? chosen.wallet() : undefined);
    } catch (error) {
      run.append(h("p", { role: "alert" }, mark("bad", explained(error as Error))));
    }
    buttons.forEach((button) => (button.disabled = false));
    showOrigin(service.market);
  };
  const button = (label: string, pay: boolean, props = {}) => {
    const made = h("button", { type: "button", ...props, click: () => start(pay) }, label);
    buttons.push(made);
    return made;
  };
  const actions = [
    model.free && button("Ask without paying", false, { class: "main" }),
    model.terms && found.length > 0 && button(`Pay ${price(model.terms, false)} with a wallet`, true, { class: model.free ? "" : "main" }),
    chosen.element,
    model.terms && found.length === 0 && h("p", { class: "lead" }, "To pay, open this page in a browser with an Ethereum wallet."),
  ];
  return h(
    "div",
    {},
    h("h1", {}, model.name),
    model.description && markdown(model.description, 1),
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
    h("div", { class: "below" }, origin, drawing(model)),
  ); // prettier-ignore
}

function unknown(why: string): HTMLElement {
  return h("div", {}, h("h1", {}, "There is no such model"), h("p", {}, why), h("p", {}, h("a", { href: "#/" }, "All models")));
}
