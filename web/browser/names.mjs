// What holds on every page of the site.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
/** WCAG 2.2 at level AA, and what axe takes for good practice. */
const RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];

/** What a screen reader has to find, whatever the page. */
export async function checkNames(page) {
  const faults = await page.evaluate(() => {
    const named = (element) => element.labels?.length > 0 || element.getAttribute("aria-label") || element.textContent.trim() || element.getAttribute("alt");
    const all = [...document.querySelectorAll("button, a, input, select, textarea, canvas, svg[role=img], img")];
    const nameless = all.filter((element) => !element.hidden && !named(element)).map((element) => element.outerHTML.slice(0, 80));
    const ids = [...document.querySelectorAll("[id]")].map((element) => element.id);
    return [...nameless, ...ids.filter((id, i) => ids.indexOf(id) !== i).map((id) => `the id ${id} is there twice`)];
  });
  assert.deepEqual(faults, []);
  assert.deepEqual(await accessibility(page), []);
  assert.equal(await page.locator("h1").count(), 1, "one heading of the page");
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  assert.ok(wide <= 0, `the page is ${wide} pixels wider than the window`);
}

/** What axe finds wrong, colours and their contrast included: the rule, the place, and what it says. */
async function accessibility(page) {
  // as the debugger, for which the page's content security policy does not count
  await page.evaluate(AXE);
  const { violations } = await page.evaluate((values) => window.axe.run(document, { runOnly: { type: "tag", values }, resultTypes: ["violations"] }), RULES);
  return violations.flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.html.slice(0, 120)}: ${node.failureSummary}`));
}
