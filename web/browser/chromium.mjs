// A real browser for tests, and files for it to load.
import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import { extname } from "node:path";
import { chromium } from "playwright-core";

const FLAGS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];
const TYPES = { ".html": "text/html", ".js": "text/javascript", ".wasm": "application/wasm" };

/** Starts the browser that $CHROMIUM names. */
export function browser() {
  return chromium.launch({ executablePath: process.env.CHROMIUM, args: FLAGS });
}

/** Serves files: the first folder that has one. `"/"` is an empty page. */
export function serve(...folders) {
  const server = createServer(async (request, response) => {
    if (request.url === "/") return response.setHeader("content-type", "text/html").end("<!doctype html><title>test</title>");
    for (const folder of folders) {
      const bytes = await readFile(folder + request.url).catch(() => null);
      if (bytes) return response.setHeader("content-type", TYPES[extname(request.url)] ?? "application/octet-stream").end(bytes);
    }
    response.writeHead(404).end();
  });
  return new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve({ server, url: `http://127.0.0.1:${server.address().port}` })));
}
