/** An order that was made in this browser: gone on with, cancelled, or paid back. */
import { facts, h, hash, mark, table } from "../dom.js";
import { amount } from "../money.js";
import * as orders from "../orders.js";
import { Run } from "../run.js";
import * as service from "../service.js";
import { Account, chooser, explained, wallets } from "../wallet.js";

const when = (ms: number) => new Date(ms).toLocaleString();
const price = ({ escrow }: orders.Order) => amount(escrow.quote.price, escrow.quote.token);

export async function orderPage(id: string): Promise<HTMLElement> {
  const order = orders.find(id);
  if (!order) return h("div", {}, h("h1", {}, "There is no such order"), h("p", {}, "It was not made in this browser, or was removed from its list. ", h("a", { href: "#/receipt" }, "Your orders")));
  const [prediction, model, found] = await Promise.all([service.prediction(id), service.model(order.model), wallets()]);
  const chosen = chooser(found, "order-wallet");
  const panel = h("div", { class: "panel", "aria-label": "Proof", role: "region" });
  const said = h("p", { role: "status", id: "taken-back" });
  const buttons: HTMLButtonElement[] = [];
  const button = (label: string, work: () => Promise<void>, main = false) => {
    const made = h("button", { type: "button", class: main && "main", click: () => start(work) }, label);
    buttons.push(made);
    return made;
  };
  const refused = (error: Error) => said.replaceChildren(mark("bad", explained(error)));
  const start = async (work: () => Promise<void>) => {
    buttons.forEach((one) => (one.disabled = true));
    await work().catch(refused);
    buttons.forEach((one) => (one.disabled = false));
  };
  const goOn = () => new Run(model, panel).goOn(order, found.length > 0 ? chosen.wallet() : undefined);
  const takeBack = async () => {
    if (found.length === 0) throw new Error("There is no wallet in this browser.");
    const account = await Account.open(chosen.wallet(), order);
    said.replaceChildren(mark("good", await orders.takeBack(order, account, (text) => said.replaceChildren(mark("wait", text)))));
  };
  const unpaid = prediction.state === "awaiting_payment" && !order.transaction;
  // what is paid goes on by itself, and can be cancelled all the while
  if (!unpaid && (prediction.output || !prediction.terminal)) void goOn().catch(refused);
  return h(
    "div",
    {},
    h("h1", {}, `Order: ${order.name}`),
    h("section", { class: "panel", "aria-label": "Order" },
      facts([
        ["Ordered", when(order.created_ms)],
        ["Price", price(order)],
        ["State", prediction.state.replaceAll("_", " ")],
        ["Job", order.job && hash(order.job)],
        ["Paid by", hash(order.buyer)],
        ["Payment", order.transaction ? hash(order.transaction) : "not sent from this page"],
        ["Money back", prediction.output ? null : `at the latest after ${when(orders.expires(order))}`],
      ]),
      h("div", { class: "row" }, chosen.element,
        unpaid && button(`Pay ${price(order)}`, goOn, true),
        !prediction.output && button("Cancel, or take the money back", takeBack)),
      said),
    panel,
  ); // prettier-ignore
}

/** All orders of this browser, with what has become of them. Nothing, where there are none. */
export function orderList(): HTMLElement | null {
  const kept = orders.all();
  if (kept.length === 0) return null;
  const rows = kept.map((order) => {
    const state = h("span", {}, "…");
    service.prediction(order.prediction).then(
      (now) => state.replaceChildren(now.output ? h("a", { href: `#/receipt/${order.prediction}` }, "proven: the receipt") : now.state.replaceAll("_", " ")),
      (error: Error) => state.replaceChildren(error.message),
    );
    const remove = h("button", { type: "button", "aria-label": `Remove the order of ${order.name}, ${when(order.created_ms)}, from this list`, click: () => forget() }, "Remove");
    function forget() {
      orders.forget(order.prediction);
      remove.closest("tr")?.remove();
    }
    return [h("a", { href: `#/order/${order.prediction}` }, order.name), when(order.created_ms), price(order), state, remove];
  });
  return h("section", { class: "panel", "aria-label": "Your orders" },
    h("h2", {}, "Your orders"),
    h("p", { class: "lead" }, "Made in this browser, which alone keeps this list. Open one to go on with it, to cancel it, or to take its money back."),
    table("Orders of this browser", ["Model", "When", "Price", "State", "List"], rows),
  ); // prettier-ignore
}
