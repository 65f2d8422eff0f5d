/** A seller's jobs, money and failures. */
import { creditCall, withdrawCall } from "../../../client/dist/abi.js";
import { bars } from "../chart.js";
import { facts, h, hash, mark, table } from "../dom.js";
import { rising } from "../history.js";
import { about, amount, COIN } from "../money.js";
import * as seller from "../seller.js";
import * as service from "../service.js";
import { learn } from "../tokens.js";
import { Account, chooser, explained, wallets } from "../wallet.js";

export async function earnings(selling: seller.Selling): Promise<HTMLElement> {
  const [numbers, models, history] = await Promise.all([seller.numbers(), service.models(), service.history()]);
  const names = new Map(models.map((model) => [model.id as string, model.name]));
  const token = (id: string) => models.find((model) => model.id === id)?.terms?.token ?? COIN;
  await learn([...models.map((model) => token(model.id)), ...numbers.credit.map((one) => one.token)], selling.chain_id);
  return h(
    "div",
    {},
    h("section", { class: "panel", "aria-label": "Jobs" }, h("h2", {}, "Jobs"), ...jobs(numbers, names, token)),
    h("section", { class: "panel", "aria-label": "Earnings" }, h("h2", {}, "Earnings"), ...paid(history, token)),
    selling.market && h("section", { class: "panel", "aria-label": "Money" }, h("h2", {}, "Money"), ...(await money(selling.market, selling.chain_id, numbers))),
    h("section", { class: "panel", "aria-label": "Failures" }, h("h2", {}, "Failures"), failures(numbers, names)),
  );
}

const OVER = { settled: "paid", proven: "free", failed: "lost", refunded: "lost" } as Record<string, string>;

function jobs({ models }: seller.Numbers, names: Map<string, string>, token: (id: string) => string): HTMLElement[] {
  if (models.length === 0) return [h("p", {}, "Nobody has asked for anything yet.")];
  const states = new Map<string, number>();
  for (const { jobs } of models) for (const [state, count] of Object.entries(jobs)) states.set(state, (states.get(state) ?? 0) + count);
  const entries = [...states].map(([state, count]) => ({ name: state.replaceAll("_", " "), value: count, text: String(count), kind: OVER[state] }));
  const label = `Jobs: ${entries.map(({ name, text }) => `${text} ${name}`).join(", ")}`;
  const rows = models.map(({ model, jobs, paid }) => {
    const count = (...of: string[]) => of.reduce((sum, state) => sum + (jobs[state] ?? 0), 0);
    const all = Object.values(jobs).reduce((sum, one) => sum + one, 0);
    const over = count("settled", "proven", "failed", "refunded", "cancelled", "expired");
    const cells = [all - over, count("settled"), count("proven"), count("failed", "refunded"), amount(paid, token(model))];
    return [names.get(model) ?? hash(model), ...cells];
  });
  return [h("div", {}, bars(label, entries)), table("Jobs by model", ["Model", "On the way", "Paid", "Free", "Missed", "Buyers paid"], rows)];
}

/** What was paid so far, over the latest jobs: a line that rises for each token, since amounts of several are not added up. */
function paid(history: service.Ended[], token: (id: string) => string): HTMLElement[] {
  const settled = history.filter((ended) => ended.state === "settled" && ended.price !== null);
  const tokens = [...new Set(settled.map((ended) => token(ended.model)))];
  const line = (one: string) => {
    const entries = settled.filter((ended) => token(ended.model) === one).map((ended) => ({ at: ended.ended_ms, value: BigInt(ended.price!) }));
    return rising("What buyers paid", entries, (sum) => amount(String(sum), one));
  };
  return [...(tokens.length > 0 ? tokens : [COIN]).map(line), h("p", { class: "lead" }, "Only the latest 1000 predictions are drawn.")];
}

async function money(market: string, chain_id: number | null, numbers: seller.Numbers): Promise<HTMLElement[]> {
  const credit = numbers.credit.filter((one) => BigInt(one.credit) > 0n).map((one) => amount(one.credit, one.token));
  const found = await wallets();
  const chosen = chooser(found, "withdraw-wallet");
  const result = h("p", { "aria-live": "polite", id: "withdrawn" });
  const take = async () => {
    try {
      const account = await Account.open(chosen.wallet(), { market, chain_id });
      const tokens = [...new Set([COIN, ...numbers.credit.map((one) => one.token.toLowerCase())])];
      const taken: string[] = [];
      for (const token of tokens) {
        const have = BigInt(await account.ask(market, creditCall(token, account.address)));
        if (have === 0n) continue;
        result.replaceChildren(mark("wait", `confirm in the wallet: ${amount(String(have), token)}`));
        await account.send(market, withdrawCall(token, String(have), account.address));
        taken.push(amount(String(have), token));
      }
      result.replaceChildren(taken.length > 0 ? mark("good", `withdrawn: ${taken.join(", ")}`) : mark("warn", "the wallet's account has no credit in the market"));
    } catch (error) {
      result.replaceChildren(mark("bad", explained(error as Error)));
    }
  };
  return [
    facts([
      ["The service's account", numbers.account && hash(numbers.account)],
      ["Its coins, for gas", numbers.coins === null ? "the chain does not answer" : about(numbers.coins)],
      ["Its credit, with collateral", credit.join(", ") || "none"],
    ]),
    h("p", { class: "lead" }, "The service keeps its credit as collateral for the jobs to come; ", h("code", {}, "assay withdraw"), " takes it out. What was earned at your wallet's account you take out here."),
    h("div", { class: "row" }, chosen.element, h("button", { type: "button", id: "withdraw", disabled: found.length === 0, click: take }, "Withdraw with the wallet"), found.length === 0 && h("span", { class: "lead" }, "There is no wallet in this browser.")),
    result,
  ]; // prettier-ignore
}

function failures({ failures }: seller.Numbers, names: Map<string, string>): HTMLElement {
  if (failures.length === 0) return h("p", {}, mark("good", "none"));
  const rows = failures.map((one) => {
    const again = h("button", { type: "button", "aria-label": `Run ${one.prediction.slice(0, 8)} again`, click: () => run() }, "Run again");
    async function run() {
      again.disabled = true;
      again.textContent = await seller.retry(one.prediction).then(() => "queued", (error) => (error as Error).message); // prettier-ignore
    }
    return [new Date(one.failed_ms).toLocaleString(), names.get(one.model) ?? hash(one.model), `${one.error_code ?? ""}: ${one.error_detail ?? ""}`, again];
  });
  return table("Jobs that failed", ["When", "Model", "Why", "Do"], rows);
}
