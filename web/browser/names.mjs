// What holds on every page of the site.
import assert from "node:assert/strict";

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
  assert.equal(await page.locator("h1").count(), 1, "one heading of the page");
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  assert.ok(wide <= 0, `the page is ${wide} pixels wider than the window`);
}
