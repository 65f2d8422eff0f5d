/** From an ONNX file to the compiler's report. */
import { bars } from "../chart.js";
import { download, drawn, facts, h, hash, mark } from "../dom.js";
import { seconds } from "../money.js";
import * as seller from "../seller.js";
import { publishing } from "./publish.js";

const FORMATS = ["json", "csv", "npy", "npz"];
/** How many layers are drawn. */
const LAYERS = 12;
/** Where the documentation is. */
const PAGES = "https://github.com/assay-zk/assay/blob/main/";

export async function compiling(selling: seller.Selling): Promise<HTMLElement> {
  const result = h("div", { id: "compilation", "aria-live": "polite" });
  const known = await seller.compilations();
  const show = async (id: string) => result.replaceChildren(...(await shown(selling, id)));
  const list = h("ul", {}, ...known.map((one) => h("li", {}, h("button", { type: "button", click: () => show(one.id) }, one.name), ` ${words(one)}`)));
  return h(
    "div",
    {},
    form(selling, result, show),
    result,
    known.length > 0 && h("section", { class: "panel" }, h("h2", {}, "Compiled here"), list),
  );
}

function words(one: seller.Compilation): string {
  const when = new Date(one.created_ms).toLocaleString();
  return one.model ? `offered, since ${when}` : one.state === "done" ? `compiled ${when}, not offered yet` : `${one.state}, ${when}`;
}

function form(selling: seller.Selling, result: HTMLElement, show: (id: string) => Promise<void>): HTMLElement {
  const onnx = h("input", { type: "file", id: "onnx", accept: ".onnx", required: true });
  const samples = h("input", { type: "file", id: "samples", accept: FORMATS.map((one) => `.${one}`).join(), required: true });
  const name = h("input", { type: "text", id: "model-name", maxlength: 100, required: true });
  const error = h("input", { type: "text", id: "target-error", inputmode: "decimal", placeholder: "0.001" });
  onnx.addEventListener("change", () => (name.value ||= onnx.files?.[0]?.name.replace(/\.onnx$/i, "") ?? ""));
  const button = h("button", { class: "main" }, "Compile");
  const start = async (event: Event) => {
    event.preventDefault();
    button.disabled = true;
    try {
      const taken = await seller.compile(await task(selling, { onnx, samples, name, error }));
      await follow(taken, result);
      await show(taken.id);
    } catch (fault) {
      result.replaceChildren(h("section", { class: "panel" }, h("p", {}, mark("bad", (fault as Error).message))));
    }
    button.disabled = false;
  };
  const limits = `Up to ${Math.floor(((selling.upload_bytes_max ?? 0) * 3) / 4 / 2 ** 20)} MiB, ${selling.memory_mib} MiB of memory and ${selling.compile_secs} s. Larger ones take the command.`;
  return h("form", { class: "panel", submit: start },
    h("h2", {}, "Compile a model"),
    h("p", { class: "lead" }, `${limits} The files go to this service and are deleted when it has compiled them.`),
    h("div", { class: "fields" },
      h("label", { for: "onnx" }, "The model, ONNX ", onnx),
      h("label", { for: "samples" }, "Samples of its inputs: JSON, CSV, NPY or NPZ ", samples),
      h("label", { for: "model-name" }, "Name ", name),
      h("label", { for: "target-error" }, "Mean error that is allowed, as a share of the outputs' range ", error)),
    button,
  ); // prettier-ignore
}

interface Given {
  onnx: HTMLInputElement;
  samples: HTMLInputElement;
  name: HTMLInputElement;
  error: HTMLInputElement;
}

async function task(selling: seller.Selling, { onnx, samples, name, error }: Given): Promise<object> {
  const [model, data] = [onnx.files?.[0], samples.files?.[0]];
  if (!model || !data) throw new Error("Choose the model and the samples.");
  const format = FORMATS.find((one) => data.name.toLowerCase().endsWith(`.${one}`));
  if (!format) throw new Error("The samples are a file that ends with .json, .csv, .npy or .npz.");
  if (((model.size + data.size) * 4) / 3 > (selling.upload_bytes_max ?? 0)) throw new Error("The files are larger than this service takes: compile them with the command.");
  const target_error = error.value.trim() === "" ? undefined : Number(error.value.replace(",", "."));
  if (target_error !== undefined && !(target_error >= 0)) throw new Error("The error is a number such as 0.001.");
  return { name: name.value, format, onnx: await seller.base64(model), samples: await seller.base64(data), ...(target_error !== undefined && { target_error }) };
}

/** Shows what the compiler does, with a button that stops it. */
async function follow({ id }: seller.Compilation, result: HTMLElement): Promise<void> {
  const lines = h("ol", { class: "phases" });
  const stop = h("button", { type: "button", id: "stop", click: () => seller.cancel(id) }, "Stop");
  result.replaceChildren(h("section", { class: "panel" }, h("h2", {}, "Compiling"), lines, stop));
  let [last, since] = [null as HTMLElement | null, performance.now()];
  await seller.follow(id, ({ kind, data }) => {
    const text = kind === "step" ? [data.step, data.detail].filter(Boolean).join(": ") : kind === "warning" ? data.warning : data.state;
    if (last) last.textContent = seconds(performance.now() - since);
    since = performance.now();
    last = h("span", {}, "…");
    lines.append(h("li", {}, h("span", {}, text), last));
  });
}

async function shown(selling: seller.Selling, id: string): Promise<HTMLElement[]> {
  const one = await seller.compilation(id);
  if (one.error) return [refused(one)];
  if (!one.result) return [h("section", { class: "panel" }, h("p", {}, mark("wait", `${one.name} is ${one.state}`)))];
  return [report(one, one.result), await publishing(selling, one)];
}

function refused({ name, error }: seller.Compilation): HTMLElement {
  const page = error?.page && h("p", {}, h("a", { href: PAGES + error.page, rel: "noopener" }, "What the documentation says about it"));
  return h("section", { class: "panel", id: "refused" }, h("h2", {}, `${name} was not compiled`), h("p", {}, mark("bad", error?.detail ?? "")), page);
}

const took = (secs: number) => (secs < 0.1 ? `${Math.max(1, Math.round(1000 * secs))} ms` : seconds(1000 * secs));
const percent = (share: number) => `${(100 * share).toPrecision(3)} %`;

function report(one: seller.Compilation, { report, model_commitment, chunks, log_chunk }: seller.CompileResult): HTMLElement {
  const { cost, accuracy } = report;
  const error = accuracy.outputs.map((output) =>
    output.exact !== null ? `${output.name}: ${percent(output.exact)} of its integers are the model's` : `${output.name}: ${percent(output.mean_error / output.range)} in the mean, ${percent(output.max_error / output.range)} at most`,
  );
  const warnings = [
    !report.accuracy_met && "The error that you allowed is not reached: this is the best that was found.",
    report.few_samples && "There are few samples, so ranges and errors mean little: give more.",
    ...report.constant_inputs.map((input) => `The input ${input} has one value in all samples.`),
    ...one.warnings,
  ].filter((text) => text !== false);
  const worst = report.losses.filter((loss) => loss.added > 0).slice(0, LAYERS);
  const label = `What rounding adds to the error, by layer: ${worst.map((loss) => `${loss.layer} ${percent(loss.added)}`).join(", ")}`;
  const coarser = report.ten_times_coarser;
  return h("section", { class: "panel", id: "report", "aria-label": "Report" },
    h("h2", {}, `${one.name}, compiled`),
    ...warnings.map((text) => h("p", {}, mark("warn", text))),
    facts([
      ["Layers", `${report.layers}, ${report.parameters.toLocaleString("en")} parameters, ${report.macs.toLocaleString("en")} multiplications`],
      ["Error", `${error.join("; ")} of the range, over ${accuracy.samples} samples`],
      ["Same answer", `${percent(accuracy.top1_agreement)} of the samples have the same largest output`],
      ["A proof takes", `about ${took(cost.predicted_seconds)}, as predicted`],
      ["Settling costs", `about ${cost.predicted_gas.toLocaleString("en")} gas, as predicted`],
      ["Commitments", `${chunks.weights} to weights, ${chunks.witness} to the steps, ${chunks.input} to the input, of 2^${log_chunk} cells each`],
      ["With ten times the error", coarser && `about ${took(coarser.seconds)} for the inner proof, ${coarser.gas.toLocaleString("en")} gas`],
      ["Model commitment", hash(model_commitment)],
    ]),
    worst.length > 0 && h("h3", {}, "What rounding adds to the error, by layer"),
    worst.length > 0 && bars(label, worst.map((loss) => ({ name: loss.layer, value: loss.added, text: percent(loss.added) }))),
    h("details", {}, h("summary", {}, "The network, drawn"), drawn(seller.drawing(one.id), `The network ${one.name}, a box for each layer with its cost and its error`)),
    h("div", { class: "row" }, h("button", { type: "button", click: () => savePackage(one) }, "Download the package"), h("span", { class: "lead" }, "It holds the weights: keep it, and keep it secret.")),
  ); // prettier-ignore
}

async function savePackage(one: seller.Compilation): Promise<void> {
  const bytes = await seller.packageFile(one.id);
  download(`${one.name.replace(/\W+/g, "-")}.assay`, bytes, "application/octet-stream");
}
