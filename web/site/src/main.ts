/** The pages, by what is behind the # of the address. */
import { h, mark } from "./dom.js";
import { browse } from "./pages/browse.js";
import { explore } from "./pages/explore.js";
import { orderPage } from "./pages/order.js";
import { receipt, receipts } from "./pages/receipt.js";
import { sell } from "./pages/sell.js";
import { tryModel } from "./pages/try.js";

const PAGES: Record<string, (id: string) => Promise<HTMLElement>> = {
  "": browse,
  try: tryModel,
  order: orderPage,
  receipt: (id) => (id ? receipt(id) : receipts()),
  explore,
  sell,
};

const main = document.querySelector("main")!;
let visit = 0;

async function show(first = false): Promise<void> {
  const mine = ++visit;
  const [name = "", id = ""] = location.hash.replace(/^#\/?/, "").split("/");
  for (const link of document.querySelectorAll("nav a")) {
    const here = link.getAttribute("href") === `#/${name === "try" ? "" : name}`;
    link.toggleAttribute("aria-current", here);
    if (here) link.setAttribute("aria-current", "page");
  }
  main.replaceChildren(h("p", {}, mark("wait", "loading")));
  const page = await visited(PAGES[name] ?? missing, id).catch((error: Error) =>
    h("div", {}, h("h1", {}, "That did not work"), h("p", {}, mark("bad", error.message)), h("p", {}, h("a", { href: "#/" }, "Back to the models"))),
  );
  // a visitor who has gone on sees the page that they went to
  if (mine !== visit) return;
  main.replaceChildren(page);
  document.title = `${page.querySelector("h1")?.textContent ?? "Assay"} · Assay`;
  if (!first) main.focus();
  window.scrollTo(0, 0);
}

/** A page; errors of an address that is damaged are the page's. */
async function visited(page: (id: string) => Promise<HTMLElement>, id: string): Promise<HTMLElement> {
  let decoded: string;
  try {
    decoded = decodeURIComponent(id);
  } catch {
    return missing();
  }
  return page(decoded);
}

async function missing(): Promise<HTMLElement> {
  return h("div", {}, h("h1", {}, "There is no such page"), h("p", {}, "The address is damaged, or of another version of this site."), h("p", {}, h("a", { href: "#/" }, "Back to the models")));
}

/** The visitor's choice, else that of their system. */
function theme(): void {
  const button = document.querySelector<HTMLButtonElement>("#theme")!;
  const dark = () => (document.documentElement.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  const set = (name: string) => {
    document.documentElement.dataset.theme = name;
    button.textContent = dark() ? "Light" : "Dark";
  };
  const kept = localStorage.getItem("theme");
  if (kept) set(kept);
  button.textContent = dark() ? "Light" : "Dark";
  button.addEventListener("click", () => {
    const name = dark() ? "light" : "dark";
    localStorage.setItem("theme", name);
    set(name);
  });
}

theme();
window.addEventListener("hashchange", () => show());
show(true);
