/** What the market did here: proofs by day, their times, money, by model. */
import { axis, chart, FLOOR, HEIGHT, WIDTH } from "../chart.js";
import { h, svg } from "../dom.js";
import { amount, median, missed, seconds, succeeded } from "../money.js";
import * as service from "../service.js";

export async function explore(): Promise<HTMLElement> {
  const [history, models] = await Promise.all([service.history(), service.models()]);
  const title = h("h1", {}, "The market at this service");
  if (history.length === 0) return h("div", {}, title, h("p", {}, "Nothing has ended here yet. ", h("a", { href: "#/" }, "Try a model."), " Its proof will be the first."));
  const good = history.filter(succeeded);
  const lost = history.filter(missed).length;
  return h(
    "div",
    {},
    title,
    h("p", { class: "lead" }, `${good.length} proofs, ${lost} missed, of the latest ${history.length} predictions that ended. What was paid is also in the market contract's events.`),
    h("section", { class: "panel" }, h("h2", {}, "Proofs over time"), overTime(history)),
    h("section", { class: "panel" }, h("h2", {}, "How long they took"), times(good, models)),
    h("section", { class: "panel" }, h("h2", {}, "By model"), byModel(history, models)),
  );
}

const KINDS = ["paid", "free", "lost"] as const;
const kindOf = (ended: service.Ended) => (ended.state === "settled" ? "paid" : ended.state === "proven" ? "free" : missed(ended) ? "lost" : null);
const WORDS = { paid: "paid and settled", free: "free", lost: "missed" };

/** The width of a bar's time, so that there are no more than 24. */
function step(span: number): number {
  const minute = 60_000;
  return [minute, 5 * minute, 15 * minute, 60 * minute, 6 * 60 * minute, 24 * 60 * minute, 7 * 24 * 60 * minute].find((one) => span / one < 24) ?? span / 24;
}

function overTime(history: service.Ended[]): HTMLElement {
  const ends = history.map((ended) => ended.ended_ms);
  const width = step(Math.max(...ends) - Math.min(...ends));
  const first = Math.floor(Math.min(...ends) / width);
  const count = Math.floor(Math.max(...ends) / width) - first + 1;
  const bins = Array.from({ length: count }, () => ({ paid: 0, free: 0, lost: 0 }));
  for (const ended of history) {
    const kind = kindOf(ended);
    if (kind) bins[Math.floor(ended.ended_ms / width) - first]![kind]++;
  }
  const most = Math.max(1, ...bins.map((bin) => bin.paid + bin.free + bin.lost));
  const wide = Math.min(48, (WIDTH - 40) / count);
  const bars = bins.flatMap((bin, i) => {
    let y = FLOOR;
    return KINDS.filter((kind) => bin[kind] > 0).map((kind) => {
      const height = (bin[kind] / most) * (FLOOR - 14);
      return svg("rect", { class: kind, x: 36 + i * wide, y: (y -= height), width: wide - 2, height });
    });
  });
  const time = (ms: number) => new Date(ms).toLocaleString([], width < 86_400_000 ? { hour: "2-digit", minute: "2-digit" } : { month: "short", day: "numeric" });
  const label = `Proofs over time: ${bins.map((bin, i) => `${time((first + i) * width)} ${bin.paid + bin.free}`).join(", ")}`;
  return h(
    "div",
    {},
    chart(label, axis(String(most)), ...bars, svg("text", { x: 36, y: HEIGHT - 6 }, time(first * width)), svg("text", { x: Math.max(36 + count * wide, 160), y: HEIGHT - 6, "text-anchor": "end" }, time((first + count) * width))),
    h("ul", { class: "legend" }, ...KINDS.map((kind) => h("li", {}, h("i", { class: kind }), WORDS[kind]))),
  );
}

/** A dot for each proof, the latest at the right. */
function times(good: service.Ended[], models: service.Model[]): HTMLElement {
  if (good.length === 0) return h("p", {}, "There are no proofs yet.");
  const oldest = [...good].reverse();
  const took = oldest.map((ended) => ended.ended_ms - ended.created_ms);
  const most = Math.max(...took, 1);
  const place = (ms: number) => FLOOR - (ms / most) * (FLOOR - 14);
  const names = new Map(models.map((model) => [model.id, model.name]));
  const dots = took.map((ms, i) =>
    svg("circle", { class: "dot", r: 3.5, cx: 44 + ((WIDTH - 60) * i) / Math.max(1, took.length - 1), cy: place(ms) }, svg("title", {}, `${names.get(oldest[i]!.model) ?? "a model"}: ${seconds(ms)}`)),
  );
  const middle = median(took);
  const label = `Times of ${took.length} proofs, from the request to the end: ${seconds(middle)} in the middle, ${seconds(most)} at most`;
  return h("div", {}, chart(label, axis(seconds(most)), ...dots), h("p", { class: "lead" }, label + "."));
}

function byModel(history: service.Ended[], models: service.Model[]): HTMLElement {
  const rows = models.map((model) => {
    const mine = history.filter((ended) => ended.model === model.id);
    const paid = mine.filter((ended) => ended.state === "settled").reduce((sum, ended) => sum + BigInt(ended.price ?? 0), 0n);
    const good = mine.filter(succeeded);
    const money = model.terms ? amount(String(paid), model.terms.token) : "not sold";
    const cells = [good.length, mine.filter(missed).length, good.length > 0 ? seconds(median(good.map((one) => one.ended_ms - one.created_ms))) : "", money];
    return h("tr", {}, h("th", { scope: "row" }, h("a", { href: `#/try/${model.id}` }, model.name)), ...cells.map((cell) => h("td", {}, cell)));
  });
  const head = ["Model", "Proven", "Missed", "Time", "Paid"].map((name) => h("th", { scope: "col" }, name));
  return h("div", { class: "scroll" }, h("table", { class: "list" }, h("thead", {}, h("tr", {}, ...head)), h("tbody", {}, ...rows)));
}
