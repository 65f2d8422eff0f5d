/** An output for people: the label with the highest score, and all scores as bars. */
import type { Outputs, TensorInfo } from "../../verifier/dist/index.js";
import { h, svg } from "./dom.js";

const MOST = 20;

export function shown(output: Outputs, tensors: TensorInfo[], labels: string[]): HTMLElement {
  const lists = Array.isArray(output[0]) ? (output as number[][]) : [output as number[]];
  return h("div", {}, ...lists.map((values, i) => one(values, tensors[i]?.name ?? "output", i === 0 ? labels : [])));
}

function one(values: number[], name: string, labels: string[]): HTMLElement {
  if (values.length > 1 && values.length <= 1000 && (labels.length === values.length || values.length <= MOST)) return scores(values, name, labels);
  const list = values.slice(0, 200).join(", ");
  return h("div", {}, h("h3", {}, name), h("pre", {}, values.length > 200 ? `${list}, … (${values.length} values)` : list));
}

function scores(values: number[], name: string, labels: string[]): HTMLElement {
  const label = (i: number) => labels[i] ?? String(i);
  const order = values.map((_, i) => i).sort((a, b) => values[b]! - values[a]!);
  const best = order[0]!;
  const rows = values.length <= MOST ? values.map((_, i) => i) : order.slice(0, MOST);
  const [low, high] = [Math.min(0, ...values), Math.max(0, ...values)];
  const bar = (value: number) => {
    const place = (x: number) => (100 * (x - low)) / (high - low || 1);
    const [from, to] = [place(Math.min(0, value)), place(Math.max(0, value))];
    return svg("svg", { viewBox: "0 0 100 10", preserveAspectRatio: "none", "aria-hidden": "true" }, svg("rect", { x: from, width: Math.max(to - from, 0.5), height: 10 }));
  };
  const row = (i: number) =>
    h("tr", { class: i === best && "top" }, h("th", { scope: "row" }, label(i)), h("td", {}, bar(values[i]!)), h("td", {}, values[i]!.toFixed(2)));
  return h(
    "div",
    {},
    labels.length === values.length && h("p", { class: "verdict" }, label(best)),
    h("table", { class: "scores", "aria-label": `Scores of ${name}` }, h("tbody", {}, ...rows.map(row))),
    values.length > MOST && h("p", {}, `The ${MOST} highest of ${values.length}.`),
  );
}
