/** For sellers: compile a model, list it, and see what it earns. What is asked of the service here needs its operator's token. */
import { h, mark } from "../dom.js";
import * as seller from "../seller.js";
import { compiling } from "./compile.js";
import { earnings } from "./earnings.js";

export async function sell(): Promise<HTMLElement> {
  const selling = await seller.selling();
  const content = h("div", { "aria-live": "polite" });
  const field = h("input", { type: "password", id: "operator-token", autocomplete: "off", value: seller.token.get() });
  const open = async (event?: Event) => {
    event?.preventDefault();
    seller.token.set(field.value.trim());
    content.replaceChildren(h("p", {}, mark("wait", "loading")));
    try {
      const parts = await Promise.all([selling.compiles ? compiling(selling) : notCompiling(), earnings(selling)]);
      content.replaceChildren(...parts);
    } catch (error) {
      content.replaceChildren(h("p", {}, mark("bad", (error as Error).message)));
    }
  };
  if (field.value) void open();
  return h(
    "div",
    {},
    h("h1", {}, "Sell a model"),
    h("p", { class: "lead" }, "An ONNX file and samples of its inputs become a model whose answers are proven. Buyers see its shape and its price, never its weights."),
    h("form", { class: "panel", submit: open },
      h("h2", {}, "Whose service this is"),
      h("label", { for: "operator-token" }, "The operator's token: the one that this service was started with (--operator-token)"),
      h("div", { class: "row" }, field, h("button", { class: "main" }, "Open"))),
    content,
  ); // prettier-ignore
}

async function notCompiling(): Promise<HTMLElement> {
  return h("section", { class: "panel" }, h("h2", {}, "Compile a model"),
    h("p", {}, "This service compiles nothing for its site. Its operator starts it with ", h("code", {}, "assay serve --sell"), ", or compiles with ", h("code", {}, "assay compile"), "."),
  ); // prettier-ignore
}
