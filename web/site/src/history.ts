/** What happened over time, drawn: each picture says the same in its label. */
import { axis, chart, FLOOR, HEIGHT, WIDTH } from "./chart.js";
import { h, svg } from "./dom.js";
import { median, seconds } from "./money.js";

/** What a bar is made of, and what that means. */
export type Kinds<K extends string> = Record<K, string>;

const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;

/** The width of a bar's time, so that there are no more than 24. */
function step(span: number): number {
  return [MINUTE, 5 * MINUTE, 15 * MINUTE, 60 * MINUTE, DAY / 4, DAY, 7 * DAY].find((one) => span / one < 24) ?? span / 24;
}

/** How times of such a span are written: days, and hours where there are few of them; in a short span to the second. */
function clock(span: number, step: number): (ms: number) => string {
  const day = { month: "short", day: "numeric" } as const;
  const second = span < 10 * MINUTE && step < MINUTE ? "2-digit" : undefined;
  const hour = { hour: "2-digit", minute: "2-digit", second } as const;
  const style = step >= DAY ? day : span >= DAY ? { ...day, ...hour } : hour;
  return (ms) => new Date(ms).toLocaleString([], style);
}

/** The times of an axis: its beginning and its end, at places from the left. */
function ends([from, first]: [number, string], [to, last]: [number, string]): SVGElement[] {
  return [svg("text", { x: from, y: HEIGHT - 6 }, first), svg("text", { x: Math.max(to, from + 124), y: HEIGHT - 6, "text-anchor": "end" }, last)];
}

/** A place from the left for each moment of a span, and the axis' two times. */
function timeline(first: number, last: number): { x: (ms: number) => number; marks: SVGElement[] } {
  const time = clock(last - first, last - first >= 7 * DAY ? DAY : 0);
  const [from, to] = [40, WIDTH - 20];
  return { x: (ms) => from + ((to - from) * (ms - first)) / Math.max(1, last - first), marks: ends([from, time(first)], [to, time(last)]) };
}

/** Bars: how many of each kind in which time. `at` is in milliseconds. */
export function overTime<K extends string>(what: string, entries: { at: number; kind: K }[], kinds: Kinds<K>): HTMLElement {
  if (entries.length === 0) return h("p", {}, "Nothing has happened yet.");
  const names = Object.keys(kinds) as K[];
  const times = entries.map((entry) => entry.at);
  const width = step(Math.max(...times) - Math.min(...times));
  const first = Math.floor(Math.min(...times) / width);
  const count = Math.floor(Math.max(...times) / width) - first + 1;
  const bins = Array.from({ length: count }, () => new Map<K, number>());
  for (const { at, kind } of entries) {
    const bin = bins[Math.floor(at / width) - first]!;
    bin.set(kind, (bin.get(kind) ?? 0) + 1);
  }
  const all = (bin: Map<K, number>) => [...bin.values()].reduce((sum, one) => sum + one, 0);
  const most = Math.max(1, ...bins.map(all));
  const wide = Math.min(96, (WIDTH - 40) / count);
  const bars = bins.flatMap((bin, i) => {
    let y = FLOOR;
    return names.filter((kind) => bin.has(kind)).map((kind) => {
      const height = (bin.get(kind)! / most) * (FLOOR - 14);
      return svg("rect", { class: kind, x: 36 + i * wide, y: (y -= height), width: wide - 2, height });
    });
  }); // prettier-ignore
  const time = clock(count * width, width);
  const label = `${what} over time: ${bins.map((bin, i) => `${time((first + i) * width)} ${all(bin)}`).join(", ")}`;
  return h(
    "div",
    {},
    chart(label, axis(String(most)), ...bars, ...ends([36, time(first * width)], [36 + count * wide, time((first + count) * width)])),
    h("ul", { class: "legend" }, ...names.map((kind) => h("li", {}, h("i", { class: kind }), kinds[kind]))),
  );
}

/** A dot for each of some proofs: when it ended, and how long it took. */
export function dots(what: string, entries: { name: string; ms: number; at: number }[]): HTMLElement {
  if (entries.length === 0) return h("p", {}, "There are no proofs yet.");
  const took = entries.map((entry) => entry.ms);
  const most = Math.max(...took, 1);
  const place = (ms: number) => FLOOR - (ms / most) * (FLOOR - 14);
  const ended = entries.map((entry) => entry.at);
  const line = timeline(Math.min(...ended), Math.max(...ended));
  const marks = entries.map(({ name, ms, at }) =>
    svg("circle", { class: "dot", r: 3.5, cx: line.x(at) + 4, cy: place(ms) }, svg("title", {}, `${name}: ${seconds(ms)}, ${new Date(at).toLocaleString()}`)),
  );
  const label = `${what} of ${took.length} proofs: ${seconds(median(took))} in the middle, ${seconds(most)} at most`;
  return h("div", {}, chart(label, axis(seconds(most)), ...marks, ...line.marks), h("p", { class: "lead" }, label + "."));
}

/** A line that rises by each entry's value at its time. `text` says an amount in words. */
export function rising(what: string, entries: { at: number; value: bigint }[], text: (sum: bigint) => string): HTMLElement {
  if (entries.length === 0) return h("p", {}, "Nothing was paid yet.");
  const sorted = [...entries].sort((a, b) => a.at - b.at);
  let sum = 0n;
  const sums = sorted.map((entry) => (sum += entry.value));
  const [first, last] = [sorted[0]!.at, sorted.at(-1)!.at];
  const { x, marks } = timeline(first, last);
  const y = (value: bigint) => FLOOR - (Number((value * 1000n) / (sum || 1n)) / 1000) * (FLOOR - 14);
  // an entry adds its value at one moment
  const path = sorted.map((entry, i) => `${i === 0 ? `M${x(entry.at)},${FLOOR}` : `H${x(entry.at)}`} V${y(sums[i]!)}`).join(" ");
  const when = (ms: number) => new Date(ms).toLocaleString();
  const label = `${what}: ${text(sum)} in ${sorted.length} jobs, from ${when(first)} to ${when(last)}`;
  return h("div", {}, chart(label, axis(""), svg("text", { x: 40, y: 18 }, text(sum)), svg("path", { class: "line", d: `${path} H${WIDTH - 20}` }), ...marks), h("p", { class: "lead" }, label + "."));
}
