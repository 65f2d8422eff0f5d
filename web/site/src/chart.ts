/** The frame of a chart, in SVG: what it shows is also in its label, for those who do not see it. */
import { svg } from "./dom.js";

/** On a phone a chart is drawn narrower, since its letters would be too small if it were scaled. */
export const WIDTH = matchMedia("(max-width: 34rem)").matches ? 340 : 640;
export const HEIGHT = 180;
export const FLOOR = HEIGHT - 22;

export function chart(label: string, ...parts: SVGElement[]): SVGElement {
  return svg("svg", { class: "chart", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": label }, ...parts);
}

export function axis(top: string): SVGElement {
  return svg("g", {}, svg("line", { x1: 34, x2: WIDTH, y1: FLOOR, y2: FLOOR }), svg("line", { x1: 34, x2: 34, y1: 8, y2: FLOOR }), svg("text", { x: 30, y: 18, "text-anchor": "end" }, top), svg("text", { x: 30, y: FLOOR, "text-anchor": "end" }, "0"));
}

/** A bar for each entry, from the left, with its name before it and its value behind it. */
export function bars(label: string, entries: { name: string; value: number; text: string; kind?: string }[]): SVGElement {
  const [line, from, to] = [24, Math.round(0.3 * WIDTH), WIDTH - 110];
  const letters = Math.floor(from / 7);
  const most = Math.max(...entries.map((entry) => entry.value), Number.MIN_VALUE);
  const rows = entries.flatMap(({ name, value, text, kind }, i) => {
    const y = 6 + i * line;
    const width = Math.max(1, (value / most) * (to - from));
    return [
      svg("text", { x: from - 8, y: y + 13, "text-anchor": "end" }, name.length > letters ? `${name.slice(0, letters - 1)}…` : name, svg("title", {}, name)),
      svg("rect", { class: kind ?? "free", x: from, y, width, height: line - 6 }),
      svg("text", { x: from + width + 6, y: y + 13 }, text),
    ];
  });
  return svg("svg", { class: "chart", viewBox: `0 0 ${WIDTH} ${12 + entries.length * line}`, role: "img", "aria-label": label }, ...rows);
}
