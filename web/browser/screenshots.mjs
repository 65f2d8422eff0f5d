// Makes the pictures of docs/web.md: the site as a visitor of a small market sees it. web/screenshots.sh runs it.
import { fileURLToPath } from "node:url";
import { browser } from "./chromium.mjs";
import { giveWallet, market, OPERATOR, SELLING } from "./market.mjs";

const DOCS = fileURLToPath(new URL("../../docs/", import.meta.url));
const FIXTURES = fileURLToPath(new URL("../../fixtures/models/", import.meta.url));
const WIDE = { viewport: { width: 1100, height: 760 } };

/** Draws a seven as most people do. */
async function drawSeven(page) {
  const box = await page.locator("canvas").boundingBox();
  const at = ([x, y]) => [box.x + (x / 8) * box.width, box.y + (y / 8) * box.height];
  const points = [[2, 1.2], [6, 1.2], [5, 3.5], [4, 5.5], [3.6, 7.5]];
  await page.mouse.move(...at(points[0]));
  await page.mouse.down();
  for (const point of points.slice(1)) await page.mouse.move(...at(point), { steps: 6 });
  await page.mouse.up();
}

const place = await market();
const chromium = await browser();
try {
  const page = await (await chromium.newContext(WIDE)).newPage();
  // a proof may have to wait for others on this machine
  page.setDefaultTimeout(120_000);
  const shoot = (name, of = page) => of.screenshot({ path: `${DOCS}web-${name}.png`, fullPage: true });
  await giveWallet(page, place.rpc);
  const ask = async (button) => {
    await page.getByRole("button", { name: button }).click();
    if (button.startsWith("Pay")) await page.getByLabel("Quote").getByRole("button", { name: button }).click();
    await page.getByText("verified in your browser, and about your input").waitFor();
    await page.waitForFunction((label) => [...document.querySelectorAll("button")].find((one) => one.textContent.startsWith(label))?.disabled === false, button);
  };
  await page.goto(place.url);
  await page.getByRole("link", { name: /^Try digits_cnn/ }).click();
  await drawSeven(page);
  for (let i = 0; i < 6; i++) await ask("Ask without paying");
  for (let i = 0; i < 3; i++) await ask("Pay 0.001");
  await page.getByText("3 jobs paid").waitFor();
  await shoot("try");
  await page.getByRole("link", { name: /Open the receipt/ }).click();
  await page.locator("#tamper").click();
  await page.locator("#tampered .mark").waitFor();
  await shoot("receipt");
  await page.goto(`${place.url}/#/explore`);
  await page.locator(".chart").nth(4).waitFor();
  await shoot("market");
  await page.goto(place.url);
  await page.getByText("key recomputed in your browser").nth(1).waitFor();
  await shoot("models");
  const seller = await (await chromium.newContext(WIDE)).newPage();
  seller.setDefaultTimeout(120_000);
  await giveWallet(seller, place.rpc, SELLING);
  await seller.goto(`${place.url}/#/sell`);
  await seller.getByLabel(/^The operator's token/).fill(OPERATOR);
  await seller.getByRole("button", { name: "Open" }).click();
  await seller.getByLabel(/^The model, ONNX/).setInputFiles(`${FIXTURES}digits_cnn.onnx`);
  await seller.getByLabel(/^Samples/).setInputFiles(`${FIXTURES}digits_calibration.json`);
  await seller.getByRole("button", { name: "Compile", exact: true }).click();
  await seller.locator("#publish").waitFor();
  await seller.getByText("The network, drawn").click();
  await seller.waitForFunction(() => document.querySelector("img.drawing")?.naturalWidth > 100);
  await shoot("sell", seller);
  await page.goto(place.url);
  await page.getByRole("link", { name: /^Try digits_mlp/ }).click();
  await page.getByLabel("Provenance").getByText("Made from", { exact: true }).waitFor();
  await page.getByText("The network, drawn").click();
  await page.waitForFunction(() => document.querySelector("img.drawing")?.naturalWidth > 100);
  await shoot("provenance");
  const phone = await (await chromium.newContext({ viewport: { width: 360, height: 740 }, colorScheme: "dark" })).newPage();
  await phone.goto(place.url);
  await phone.getByText("key recomputed in your browser").nth(1).waitFor();
  await shoot("phone", phone);
  await phone.goto(`${place.url}/#/explore`);
  await phone.locator(".chart").nth(4).waitFor();
  await shoot("phone-market", phone);
} finally {
  await chromium.close();
  place.stop();
}
