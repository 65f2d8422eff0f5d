/** An output for people: the label with the highest score and all scores as bars; or a picture, a table or a text, as the seller describes it. */
import type { Outputs, TensorInfo } from "../../verifier/dist/index.js";
import { h, svg, table } from "./dom.js";
import { described } from "./says.js";
import type { Described, Model } from "./service.js";
import { written } from "./text.js";

const MOST = 20;

export function shown(output: Outputs, model: Model): HTMLElement {
  const lists = Array.isArray(output[0]) ? (output as number[][]) : [output as number[]];
  return h("div", {}, ...lists.map((values, i) => tensor(values, model, i)));
}

function tensor(values: number[], model: Model, i: number): HTMLElement {
  const about = model.outputs[i];
  const labels = i === 0 ? model.labels : [];
  const seller = about && described(model, "outputs", about.name);
  if (!about || !seller || labels.length === values.length) return plain(values, about?.name ?? "output", labels);
  switch (seller.kind) {
    case "image":
      return picture(values, about);
    case "table":
      return rows(values, about, seller);
    case "text":
      return titled(about.name, h("blockquote", { class: "text" }, written(values, model.prepare?.kind === "text" ? model.prepare.alphabet : null)));
    case "tokens":
      return titled(about.name, h("pre", {}, values.map((value) => Math.round(value)).join(" ")));
    default:
      return seller.columns?.length ? rows(values, about, seller) : plain(values, about.name, [], seller.unit);
  }
}

const titled = (name: string, ...content: (HTMLElement | SVGElement)[]) => h("div", {}, h("h3", {}, name), ...content);

function plain(values: number[], name: string, labels: string[], unit?: string): HTMLElement {
  if (values.length > 1 && values.length <= 1000 && (labels.length === values.length || values.length <= MOST)) return scores(values, name, labels);
  const list = values.slice(0, 200).join(", ") + (unit ? ` ${unit}` : "");
  return titled(name, h("pre", {}, values.length > 200 ? `${list}, … (${values.length} values)` : list));
}

/** A picture's height, width and channels, and where its numbers are: channels are the first dimension or the last. */
function layout(shape: number[]): { height: number; width: number; at: (y: number, x: number, channel: number) => number; channels: number } {
  const [a = 1, b = 1, c = 1] = [1, 1, ...shape].slice(-3);
  const last = shape.length > 2 && (c === 1 || c === 3) && a !== 1 && a !== 3;
  if (last) return { height: a, width: b, channels: c, at: (y, x, channel) => (y * b + x) * c + channel };
  return { height: b, width: c, channels: a, at: (y, x, channel) => (channel * b + y) * c + x };
}

/** A picture: its lowest number is black, its highest white. */
function picture(values: number[], { name, shape }: TensorInfo): HTMLElement {
  const { height, width, channels, at } = layout(shape);
  const [low, high] = values.reduce(([low, high], value) => [Math.min(low, value), Math.max(high, value)], [Infinity, -Infinity]);
  const canvas = h("canvas", { width, height, role: "img", "aria-label": `The picture ${name}, ${width} × ${height}` });
  const context = canvas.getContext("2d")!;
  const image = context.createImageData(width, height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const level = (channel: number) => (255 * (values[at(y, x, channels === 3 ? channel : 0)]! - low)) / (high - low || 1);
      image.data.set([level(0), level(1), level(2), 255], 4 * (y * width + x));
    }
  }
  context.putImageData(image, 0, 0);
  return titled(name, canvas);
}

function rows(values: number[], { name, shape }: TensorInfo, { columns = [], unit }: Described): HTMLElement {
  const wide = shape.at(-1) ?? 1;
  const head = ["Row", ...Array.from({ length: wide }, (_, i) => `${columns[i] ?? `column ${i + 1}`}${unit ? ` (${unit})` : ""}`)];
  const lines = Array.from({ length: Math.min(values.length / wide, 200) }, (_, i) => [i + 1, ...values.slice(i * wide, (i + 1) * wide).map(short)]);
  return titled(name, table(`The table ${name}`, head, lines));
}

const short = (value: number) => String(Number(value.toPrecision(6)));

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
