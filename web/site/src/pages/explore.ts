/** What happened in the market, by the chain's events; and at this service, free proofs included. */
import { h, hash, mark, table } from "../dom.js";
import { dots, overTime, rising } from "../history.js";
import { amount, COIN, median, missed, seconds, succeeded } from "../money.js";
import * as service from "../service.js";
import { learn } from "../tokens.js";

export async function explore(): Promise<HTMLElement> {
  const [history, models] = await Promise.all([service.history(), service.models()]);
  const sold = models.find((model) => model.terms);
  const market = sold && service.recentMarket();
  if (market) await market.then(({ latest }) => learn(latest.map((job) => job.token), sold.terms!.chain_id)).catch(() => {});
  const chain = market ? await market.then(onChain(models), chainSilent) : [];
  return h("div", {}, h("h1", {}, "The market"), ...chain, ...here(history, models));
}

const chainSilent = (error: Error) => [h("section", { class: "panel", "aria-label": "On chain" }, h("h2", {}, "On chain"), h("p", {}, mark("bad", error.message)))];

const STATES = { paid: "proven and paid", free: "open", lost: "given back" };
const ended = (job: service.MarketJob) => job.ended_secs ?? job.funded_secs;
const stateOf = ({ state }: service.MarketJob) => (state === "settled" ? "paid" : state === "funded" || state === "locked" ? "free" : "lost");

/** Jobs of all models and provers of the market, whoever served them. */
const onChain = (models: service.Model[]) => (market: service.MarketHistory): HTMLElement[] => {
  const name = (id: string) => service.nameOf(models, id);
  const jobs = market.latest;
  const settled = jobs.filter((job) => job.state === "settled");
  const oldest = [...settled].reverse();
  const token = mostUsed(settled);
  const all = market.jobs;
  const read = market.block === null ? mark("wait", "not read yet: look again in a moment") : `read up to block ${market.block}`;
  return [
    h("section", { class: "panel", "aria-label": "On chain" },
      h("h2", {}, "On chain"),
      h("p", { class: "lead" }, `${all} jobs were paid for, by anybody and of any seller in this market. These are the contract's events, `, read, ". ", h("code", {}, "assay market"), " reads the same without this service. The market is ", hash(market.market), "."),
      h("h3", {}, "Jobs over time"), overTime("Jobs", jobs.map((job) => ({ at: 1000 * job.funded_secs, kind: stateOf(job) })), STATES),
      h("h3", {}, "What was paid"), rising("Paid", settled.filter((job) => job.token === token).map((job) => ({ at: 1000 * ended(job), value: BigInt(job.paid) })), (sum) => amount(String(sum), token)),
      h("h3", {}, "How long proofs took"), dots("Times from payment to settlement", oldest.map((job) => ({ name: name(job.model), ms: 1000 * (ended(job) - job.funded_secs), at: 1000 * ended(job) }))),
      h("h3", {}, "By model"), byModel(market, models),
      market.provers.length > 0 && h("h3", {}, "By prover"), market.provers.length > 0 && byProver(market),
      jobs.length < all && h("p", { class: "lead" }, `The pictures are of the latest ${jobs.length} jobs, the tables of all.`)),
  ]; // prettier-ignore
};

/** The token of most jobs: amounts of several are not added up. */
function mostUsed(jobs: service.MarketJob[]): string {
  const counts = new Map<string, number>();
  for (const { token } of jobs) counts.set(token, (counts.get(token) ?? 0) + 1);
  return [...counts].sort((a, b) => b[1] - a[1])[0]?.[0] ?? COIN;
}

function byModel(market: service.MarketHistory, models: service.Model[]): HTMLElement {
  const rows = market.models.map((row) => {
    const served = models.find((model) => model.id === row.model);
    const title = service.nameOf(models, row.model);
    const paid = Object.entries(row.earned).map(([token, sum]) => amount(sum, token)).join(", ");
    return [served ? h("a", { href: `#/try/${row.model}` }, title) : title, new Date(1000 * row.registered_secs).toLocaleDateString(), row.funded, row.settled, row.late, row.returned, paid];
  });
  return table("Models on chain", ["Model", "Listed", "Jobs", "Proven", "Late", "Given back", "Paid"], rows);
}

function byProver(market: service.MarketHistory): HTMLElement {
  const rows = market.provers.map((row) => [hash(row.prover), row.settled, row.late, row.refunded, row.missed, row.buyers]);
  return table("Provers on chain", ["Prover", "Proven", "Late", "Refunded", "Missed", "Buyers"], rows);
}

const KINDS = { paid: "paid and settled", free: "free", lost: "missed" };
const kindOf = (ended: service.Ended) => (ended.state === "settled" ? "paid" : ended.state === "proven" ? "free" : missed(ended) ? "lost" : null);

/** What this service says of itself. */
function here(history: service.Ended[], models: service.Model[]): HTMLElement[] {
  if (history.length === 0) return [h("p", {}, "Nothing has ended at this service yet. ", h("a", { href: "#/" }, "Try a model."), " Its proof will be the first.")];
  const good = history.filter(succeeded);
  const kinds = history.flatMap((ended) => (kindOf(ended) ? [{ at: ended.ended_ms, kind: kindOf(ended)! }] : []));
  const took = [...good].reverse().map((ended) => ({ name: service.nameOf(models, ended.model), ms: ended.ended_ms - ended.created_ms, at: ended.ended_ms }));
  const rows = models.map((model) => {
    const mine = history.filter((ended) => ended.model === model.id);
    const proven = mine.filter(succeeded);
    const time = proven.length > 0 ? seconds(median(proven.map((one) => one.ended_ms - one.created_ms))) : "";
    return [h("a", { href: `#/try/${model.id}` }, model.name), proven.length, mine.filter(missed).length, time];
  });
  return [
    h("section", { class: "panel", "aria-label": "At this service" },
      h("h2", {}, "At this service, free proofs included"),
      h("p", { class: "lead" }, `${good.length} proofs, ${history.filter(missed).length} missed, of the latest ${history.length} predictions that ended, by the service's own word.`),
      h("h3", {}, "Proofs over time"), overTime("Proofs", kinds, KINDS),
      h("h3", {}, "How long they took"), dots("Times from the request to the end", took),
      h("h3", {}, "By model"), table("Models at this service", ["Model", "Proven", "Missed", "Time"], rows)),
  ]; // prettier-ignore
}
