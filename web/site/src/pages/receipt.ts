/** A proof's page: what was claimed, where it was settled, and whether it holds, as this browser computes it. */
import type { Report } from "../../../verifier/dist/index.js";
import { chainName, transaction } from "../chains.js";
import { download, facts, h, hash, mark } from "../dom.js";
import { amount } from "../money.js";
import { shown } from "../output.js";
import { checkedKey, proofFile, verify, fresh } from "../proofs.js";
import { qr } from "../qr.js";
import * as service from "../service.js";
import { learn } from "../tokens.js";
import { keyStatus } from "./browse.js";
import { orderList } from "./order.js";

export async function receipt(id: string): Promise<HTMLElement> {
  const prediction = await service.prediction(id);
  const model = await service.model(prediction.model);
  if (!prediction.output) return unfinished(prediction);
  const [{ recomputed, matches, key }, proof] = await Promise.all([checkedKey(model), service.proof(id)]);
  const { report, ms } = await verify(model, prediction, proof);
  const link = `${location.origin}/#/receipt/${id}`;
  return h(
    "div",
    {},
    h("h1", {}, `Receipt: ${model.name}`),
    h(
      "section",
      { class: "panel", "aria-label": "Verdict" },
      verdict(report, matches && (!report.valid || report.key_hash === (prediction.batch?.key_hash ?? model.key_hash))),
      h("p", { class: "lead" }, `Checked on this machine in ${ms.toFixed(0)} ms, by the verifier that came with this page. `,
        recomputed.wrap ? "The key was computed again from the model's description, so it is nobody's word." : "The key was not computed again: compare its hash with one that you trust."),
      recomputed.wrap ? "" : keyStatus(model),
      key.info.development ? h("p", {}, mark("warn", "development key: anybody can forge proofs under it, so this shows nothing but how it works")) : "",
      tampering(model, prediction, proof),
    ),
    h(
      "div",
      { class: "columns" },
      h("section", { class: "panel", "aria-label": "Claim" }, h("h2", {}, "What was claimed"), shown(prediction.output, model), claim(model, prediction)),
      h("div", {}, h("section", { class: "panel", "aria-label": "Settlement" }, h("h2", {}, "Where it was settled"), ...settlement(model, prediction)),
        sharing(link, model, report, proof)),
    ),
  ); // prettier-ignore
}

function verdict(report: Report, matches: boolean): HTMLElement {
  const kind = report.valid && matches ? "good" : "bad";
  const words = !report.valid
    ? `This proof does not hold: ${report.reason}`
    : matches
      ? "This model gave this output: the proof holds"
      : "The proof holds, but under another key than the one that the service names";
  return h("p", { class: "verdict", id: "verdict", "data-valid": String(kind === "good") }, mark(kind, words));
}

/** Whoever doubts that the check does anything changes something and sees it fail. */
function tampering(model: service.Model, prediction: service.Prediction, proof: Uint8Array): HTMLElement {
  const result = h("p", { id: "tampered", "aria-live": "polite" });
  const check = async (words: string, changed: service.Prediction, bytes = proof) => {
    const { report } = await verify(model, changed, bytes);
    result.replaceChildren(report.valid ? mark("bad", `With ${words} it holds: do not trust this page`) : mark("good", `With ${words} it is refused: ${report.reason}`));
  };
  const output = async () => check("another output", withOtherOutput(model, prediction));
  const byte = () => check("another byte in the proof", prediction, proof.map((value, i) => (i === 40 ? value ^ 1 : value)));
  return h(
    "div",
    { class: "no-print" },
    h("div", { class: "row" },
      h("button", { type: "button", id: "tamper", click: output }, "Change the output and check again"),
      h("button", { type: "button", click: byte }, "Change the proof and check again")),
    result,
  ); // prettier-ignore
}

/** The same, said consistently of another output: only the proof can show that it is false. */
function withOtherOutput(model: service.Model, prediction: service.Prediction): service.Prediction {
  const output_cells = prediction.output_cells!.map((cell, i) => (i === 0 ? cell + 1 : cell));
  const { batch } = prediction;
  const place = output_cells.length * (batch?.index ?? 0);
  const shared = batch && { ...batch, output_cells: batch.output_cells.map((cell, i) => (i === place ? cell + 1 : cell)) };
  return { ...prediction, output_cells, output: real(model, output_cells), batch: shared };
}

/** Cells in real units, as the model's outputs have them. */
function real(model: service.Model, cells: number[]): number[] | number[][] {
  let at = 0;
  const lists = model.outputs.map(({ shape, scale }) => {
    const length = shape.reduce((n, d) => n * d, 1);
    return cells.slice(at, (at += length)).map((cell) => cell * 2 ** -scale);
  });
  return lists.length === 1 ? lists[0]! : lists;
}

function claim(model: service.Model, prediction: service.Prediction): HTMLElement {
  return facts([
    ["Weights", hash(model.model_commitment)],
    ["Key", hash(prediction.batch?.key_hash ?? model.key_hash)],
    ["In a proof of", prediction.batch && shared(prediction.batch)],
    ["Input", h("span", {}, ...prediction.input_commitments.map((point) => hash(point)), " (committed to)")],
    ["Bound to", prediction.context && hash(prediction.context)],
    ["Clamped", prediction.clamps === 0 ? "nothing: every value fitted" : `${prediction.clamps} values did not fit`],
    ["Asked", new Date(prediction.created_ms).toLocaleString()],
  ]);
}

/** Who else is in the proof. */
function shared({ index, inferences, jobs }: service.Batch): string {
  return `${inferences} inferences of ${jobs.length} ${jobs.length === 1 ? "order" : "orders"}, this one in place ${index + 1}; its key was derived from the model's`;
}

function settlement(model: service.Model, prediction: service.Prediction): HTMLElement[] {
  if (!prediction.job_id) return [h("p", {}, "It was proven for free, so nothing was paid and nothing is on chain. The proof is the same.")];
  const settle = prediction.transactions.filter((one) => one.purpose === "settle" && one.state === "mined").at(-1);
  return [
    facts([
      ["State", prediction.state.replaceAll("_", " ")],
      ["Job", hash(prediction.job_id)],
      ["Chain", model.terms?.chain_id != null && chainName(model.terms.chain_id)],
      ["Market", model.terms && hash(model.terms.market)],
      ["Settled by", settle ? transaction(settle.hash, model.terms?.chain_id, model.terms?.explorer) : "no transaction yet"],
    ]),
    parties(prediction.job_id, model),
    h("p", { class: "lead" }, prediction.batch
      ? "The contract verified the same proof in that transaction, and paid for all of its orders in it. The event BatchSettled of the market has their outputs."
      : "The contract verified the same proof in that transaction and paid in it. The event JobSettled of the market has the output."),
  ];
}

/** Who proved, sold and bought, and what was paid: by the market's events, filled in when the service has answered. */
function parties(job: string, model: service.Model): HTMLElement {
  const place = h("div", { role: "region", "aria-label": "Parties" }, h("p", {}, mark("wait", "asking who bought and who proved")));
  Promise.all([service.marketJob(job), service.recentMarket()]).then(
    async ([found, market]) => {
      if (!found) return place.replaceChildren(h("p", {}, mark("wait", "the market's events of it were not read yet: look again in a moment")));
      await learn([found.token], model.terms?.chain_id);
      const listed = market.models.find((one) => one.model === model.id);
      const late = found.late ? ", late" : "";
      place.replaceChildren(
        facts([
          ["Proven by", found.prover && hash(found.prover)],
          ["Sold by", listed && hash(listed.owner)],
          ["Bought by", hash(found.buyer)],
          ["Paid", found.state === "settled" ? `${amount(found.paid, found.token)}${late}` : `${amount(found.price, found.token)} in escrow`],
          ["Paid for at", new Date(1000 * found.funded_secs).toLocaleString()],
          ["Settled at", found.state === "settled" && found.ended_secs !== null && new Date(1000 * found.ended_secs).toLocaleString()],
        ]),
      );
    },
    (error: Error) => place.replaceChildren(h("p", {}, mark("warn", error.message))),
  );
  return place;
}

function sharing(link: string, model: service.Model, report: Report, proof: Uint8Array): HTMLElement {
  const html = `<a href="${link}"><img src="${location.origin}/app/badge.svg" alt="assay: verify the proof"></a>`;
  const save = () => report.valid && download(`proof-${model.name.replace(/\W+/g, "-")}.json`, proofFile(report, proof));
  const command = `assay verify proof.json --model ${model.name.replace(/\W+/g, "-")}.key`;
  return h(
    "section",
    { class: "panel", "aria-label": "Share" },
    h("h2", {}, "Keep it, show it"),
    h("div", { class: "row" }, qr(link), h("p", {}, h("a", { href: link }, "This page"), " works for everybody who has the link.")),
    h("div", { class: "row no-print" },
      report.valid && h("button", { type: "button", id: "download", click: save }, "Download the proof"),
      h("a", { class: "button", href: `/v1/models/${model.id}/key`, download: `${model.name}.key` }, "Download the key")),
    h("p", {}, "Without this page: ", h("code", {}, command)),
    h("details", {}, h("summary", {}, "A badge for your own page"), h("p", {}, h("img", { src: "/app/badge.svg", alt: "assay: verify the proof", width: 132, height: 20 })),
      h("pre", {}, html), h("p", { class: "lead" }, "The badge is a picture and shows nothing by itself. The page behind it does.")),
  ); // prettier-ignore
}

function unfinished(prediction: service.Prediction): HTMLElement {
  const why = prediction.terminal ? `It ended as ${prediction.state.replaceAll("_", " ")}. ${prediction.error_detail ?? ""}` : `It is ${prediction.state.replaceAll("_", " ")}. Come back when it is over.`;
  return h("div", {}, h("h1", {}, "There is no proof yet"), h("p", {}, why), h("button", { type: "button", click: () => location.reload() }, "Look again"));
}

/** Receipts by their ids, and proof files from anywhere. */
export async function receipts(): Promise<HTMLElement> {
  const id = h("input", { type: "text", id: "receipt-id", autocomplete: "off", spellcheck: "false" });
  const open = (event: Event) => {
    event.preventDefault();
    const wanted = id.value.trim().split("/").at(-1);
    if (wanted) location.hash = `#/receipt/${wanted}`;
  };
  const [proof, key, srs] = ["proof", "key", "srs"].map((name) => h("input", { type: "file", id: `${name}-file` }));
  const result = h("p", { "aria-live": "polite", id: "file-verdict" });
  const check = async () => {
    const [proofs, keys, powers] = [proof!.files?.[0], key!.files?.[0], srs!.files?.[0]];
    if (!proofs || !keys) return result.replaceChildren(mark("warn", "Choose a proof and a key."));
    try {
      // not the page's own verifier, whose powers of tau are the service's
      const verifier = await fresh();
      if (powers) verifier.loadSrs(new Uint8Array(await powers.arrayBuffer()));
      const opened = verifier.openKey(new Uint8Array(await keys.arrayBuffer()));
      const report = opened.verify(await proofs.text());
      const word = report.valid && !report.wrap_recomputed ? ` (under a key that was not computed again, ${report.key_hash}: compare it with one that you trust)` : "";
      const warn = report.valid && report.development ? " (under a development key: anybody can forge such proofs)" : word;
      result.replaceChildren(report.valid ? mark("good", `The proof holds: output ${JSON.stringify(report.output_data[report.index ?? 0])}${warn}`) : mark("bad", report.reason));
    } catch (error) {
      result.replaceChildren(mark("bad", (error as Error).message));
    }
  };
  return h(
    "div",
    {},
    h("h1", {}, "Receipts"),
    h("form", { class: "panel", submit: open }, h("h2", {}, "Open a receipt"), h("label", { for: "receipt-id" }, "Its link, or the prediction's id"), h("div", { class: "row" }, id, h("button", { class: "main" }, "Open"))),
    h("div", { class: "panel" }, h("h2", {}, "Verify files"), h("p", { class: "lead" }, "A proof from any service, with the model's key. The files stay on this machine."),
      h("div", { class: "row" }, h("label", { for: "proof-file" }, "Proof ", proof), h("label", { for: "key-file" }, "Key ", key), h("label", { for: "srs-file" }, "Powers of tau, for a key that is not for development (SRS file) ", srs)),
      h("button", { type: "button", click: check }, "Verify"), result),
    orderList(),
  ); // prettier-ignore
}
