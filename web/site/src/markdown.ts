/** A model's card: the part of Markdown that people use, made into elements. What a seller writes is never taken for HTML. */
import { h, table } from "./dom.js";

const INLINE = /(`[^`]+`|\*\*[^*]+\*\*|\*[^*]+\*|\[[^\]]+\]\(https?:\/\/[^)\s]+\))/;

/** Strong, emphasis, code and links. */
function inline(text: string): (Node | string)[] {
  return text.split(INLINE).map((part) => {
    if (/^`.+`$/.test(part)) return h("code", {}, part.slice(1, -1));
    if (/^\*\*.+\*\*$/.test(part)) return h("strong", {}, part.slice(2, -2));
    if (/^\*.+\*$/.test(part)) return h("em", {}, part.slice(1, -1));
    const link = /^\[([^\]]+)\]\((.+)\)$/.exec(part);
    return link ? h("a", { href: link[2]!, rel: "noopener nofollow" }, link[1]!) : part;
  });
}

/** Paragraphs, headings, lists, code, quotes and tables. `below`: the level of the heading that the text is under. */
export function markdown(text: string, below: number): HTMLElement {
  const level = levels(below);
  return h("div", { class: "card-text" }, ...blocks(text.split(/\r?\n/), level));
}

type Level = (written: number) => number;

/** Headings right below that of the page, and none that is two levels below the one before, whatever the seller began with. */
function levels(below: number): Level {
  const open: number[] = [];
  return (written) => {
    while (open.length > 0 && open.at(-1)! >= written) open.pop();
    open.push(written);
    return Math.min(6, below + open.length);
  };
}

const FENCE = /^\s*(```|~~~)/;
const HEADING = /^\s{0,3}(#{1,6})\s+(.*?)\s*#*\s*$/;
const ITEM = /^(\s*)(?:([-*+])|(\d+)[.)])\s+(.*)$/;
const QUOTE = /^\s{0,3}>\s?/;
const RULE = /^\s*\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?\s*$/;

/** Takes lines from the front, a block at a time. */
function blocks(lines: string[], level: Level): HTMLElement[] {
  const made: HTMLElement[] = [];
  for (let rest = lines; rest.length > 0; ) {
    const [element, taken] = block(rest, level);
    if (element) made.push(element);
    rest = rest.slice(taken);
  }
  return made;
}

/** The block that lines begin with, and how many of them it has. */
function block(lines: string[], level: Level): [HTMLElement | null, number] {
  const first = lines[0]!;
  if (first.trim() === "") return [null, 1];
  if (FENCE.test(first)) return code(lines);
  const heading = HEADING.exec(first);
  if (heading) return [h(`h${level(heading[1]!.length)}` as "h3", {}, ...inline(heading[2]!)), 1];
  if (QUOTE.test(first)) {
    const quoted = lines.slice(0, count(lines, (line) => QUOTE.test(line)));
    return [h("blockquote", {}, ...blocks(quoted.map((line) => line.replace(QUOTE, "")), level)), quoted.length]; // prettier-ignore
  }
  if (ITEM.test(first)) {
    const items = lines.slice(0, count(lines, (line) => ITEM.test(line) || /^\s{2,}\S/.test(line)));
    return [list(items), items.length];
  }
  if (first.includes("|") && RULE.test(lines[1] ?? "") && lines[1]!.includes("-")) {
    const rows = count(lines, (line) => line.includes("|"));
    return [table("Table", cells(first), lines.slice(2, rows).map((line) => cells(line).map((cell) => h("span", {}, ...inline(cell))))), rows]; // prettier-ignore
  }
  const length = Math.max(1, count(lines, paragraph));
  return [h("p", {}, ...inline(lines.slice(0, length).map((line) => line.trim()).join(" "))), length]; // prettier-ignore
}

/** How many lines from the front are so. */
function count(lines: string[], so: (line: string) => boolean): number {
  const end = lines.findIndex((line) => !so(line));
  return end < 0 ? lines.length : end;
}

const paragraph = (line: string) => line.trim() !== "" && ![FENCE, HEADING, QUOTE, ITEM].some((other) => other.test(line));

function code(lines: string[]): [HTMLElement, number] {
  const length = count(lines.slice(1), (line) => !FENCE.test(line));
  return [h("pre", {}, h("code", {}, lines.slice(1, 1 + length).join("\n"))), length + 2];
}

const cells = (line: string) => line.trim().replace(/^\||\|$/g, "").split("|").map((cell) => cell.trim()); // prettier-ignore

/** A list: lines that are further to the right than its first are in its items. */
function list(lines: string[]): HTMLElement {
  const [, indent = "", , number] = ITEM.exec(lines[0]!)!;
  const items: { text: string; below: string[] }[] = [];
  for (const line of lines) {
    const [, at = "", , , text = ""] = ITEM.exec(line) ?? [];
    const item = items.at(-1);
    if (ITEM.test(line) && (at.length <= indent.length || !item)) items.push({ text, below: [] });
    else if (ITEM.test(line) || item!.below.length > 0) item!.below.push(line);
    else item!.text += ` ${line.trim()}`;
  }
  const made = items.map(({ text, below }) => h("li", {}, ...inline(text), below.length > 0 && list(below)));
  return number === undefined ? h("ul", {}, ...made) : h("ol", { start: number === "1" ? null : number }, ...made);
}
