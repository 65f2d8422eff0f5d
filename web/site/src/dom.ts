/** Elements without a framework. */

type Child = Node | string | number | null | undefined | false;
type Props = Record<string, string | number | boolean | null | undefined | ((event: any) => void)>;

/** An element: functions are listeners, and false or null leaves an attribute out. */
export function h<K extends keyof HTMLElementTagNameMap>(tag: K, props: Props = {}, ...children: Child[]): HTMLElementTagNameMap[K] {
  return fill(document.createElement(tag), props, children);
}

/** The same in SVG. */
export function svg(tag: string, props: Props = {}, ...children: Child[]): SVGElement {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", tag), props, children);
}

function fill<E extends Element>(element: E, props: Props, children: Child[]): E {
  for (const [name, value] of Object.entries(props)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, String(value));
  }
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== false).map(text));
  return element;
}

function text(child: Child): Node | string {
  return child instanceof Node ? child : String(child);
}

/** A mark with its meaning in words: colour is never all there is. */
export function mark(kind: "good" | "bad" | "warn" | "wait", words: string): HTMLElement {
  return h("span", { class: `mark ${kind}` }, words);
}

/** Terms and what they are, without those of which nothing is known. */
export function facts(pairs: [string, Child][]): HTMLElement {
  const known = pairs.filter(([, value]) => value !== null && value !== undefined && value !== false);
  return h("dl", {}, ...known.flatMap(([term, value]) => [h("dt", {}, term), h("dd", {}, value)]));
}

/** A hash with its middle left out; the whole is its title. A click copies it, or shows it where the browser does not let it be copied. */
export function hash(value: string): HTMLElement {
  const short = value.length > 20 ? `${value.slice(0, 10)}…${value.slice(-8)}` : value;
  const copy = h("button", { type: "button", class: "hash", title: value, "aria-label": `${short}: copy all of it`, click: () => copied() }, short);
  async function copied() {
    try {
      // not there on a page without TLS
      await navigator.clipboard.writeText(value);
      copy.textContent = "copied";
      setTimeout(() => (copy.textContent = short), 1200);
    } catch {
      copy.textContent = copy.textContent === value ? short : value;
    }
  }
  return copy;
}

/** A network's drawing, in a box that scrolls. A click opens it in a window of its own. */
export function drawn(source: string, alt: string): HTMLElement {
  const image = h("img", { class: "drawing", loading: "lazy", src: source, alt });
  return h("div", { class: "drawn" }, h("a", { href: source, target: "_blank", "aria-label": "The network, drawn, in a window of its own" }, image));
}

/** A table that scrolls by itself where it is too wide: the first cell of a row is its heading. */
export function table(label: string, head: string[], rows: Child[][]): HTMLElement {
  const cell = (child: Child, i: number) => (i === 0 ? h("th", { scope: "row" }, child) : h("td", {}, child));
  return h(
    "div",
    { class: "scroll", tabindex: 0, role: "region", "aria-label": label },
    h("table", { class: "list" },
      h("thead", {}, h("tr", {}, ...head.map((name) => h("th", { scope: "col" }, name)))),
      h("tbody", {}, ...rows.map((row) => h("tr", {}, ...row.map(cell))))),
  ); // prettier-ignore
}

/** A file to keep. */
export function download(name: string, content: BlobPart, type = "application/json"): void {
  const url = URL.createObjectURL(new Blob([content], { type }));
  h("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
