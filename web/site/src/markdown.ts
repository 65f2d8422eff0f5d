/** A model's card: a small part of Markdown, made into elements. What a seller writes is never taken for HTML. */
import { h } from "./dom.js";

const INLINE = /(`[^`]+`|\*\*[^*]+\*\*|\*[^*]+\*|\[[^\]]+\]\(https?:\/\/[^)\s]+\))/;

function inline(text: string): (Node | string)[] {
  return text.split(INLINE).map((part) => {
    if (/^`.+`$/.test(part)) return h("code", {}, part.slice(1, -1));
    if (/^\*\*.+\*\*$/.test(part)) return h("strong", {}, part.slice(2, -2));
    if (/^\*.+\*$/.test(part)) return h("em", {}, part.slice(1, -1));
    const link = /^\[([^\]]+)\]\((.+)\)$/.exec(part);
    return link ? h("a", { href: link[2]!, rel: "noopener nofollow" }, link[1]!) : part;
  });
}

/** Paragraphs, headings, lists; strong, emphasis, code and links in them. */
export function markdown(text: string): HTMLElement {
  const blocks = text.trim().split(/\n\s*\n/).filter(Boolean);
  return h("div", { class: "card-text" }, ...blocks.map(block));
}

function block(text: string): HTMLElement {
  const lines = text.split("\n").map((line) => line.trim());
  const heading = /^#{1,4}\s+(.*)$/.exec(lines[0]!);
  if (heading && lines.length === 1) return h("h3", {}, ...inline(heading[1]!));
  if (lines.every((line) => /^[-*]\s+/.test(line))) {
    return h("ul", {}, ...lines.map((line) => h("li", {}, ...inline(line.replace(/^[-*]\s+/, "")))));
  }
  return h("p", {}, ...inline(lines.join(" ")));
}
