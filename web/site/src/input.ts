/** What a visitor gives a model: a picture that is drawn or uploaded, a text, numbers in a form, a file, or JSON. */
import type { TensorInfo } from "../../verifier/dist/index.js";
import { h, mark } from "./dom.js";
import { drawn } from "./draw.js";
import { ACCEPT, json, numbersOf } from "./numbers.js";
import { elements, says } from "./says.js";
import type { Described, Preparation } from "./service.js";
import { size, type Field } from "./tensor.js";
import { samples } from "./text.js";

const MOST_NUMBERS = 32;

export function field(tensor: TensorInfo, prepare?: Preparation | null, seller?: Described): Field {
  const list = pasted(tensor);
  const range = tensor.range ? `, from ${short(tensor.range[0])} to ${short(tensor.range[1])}` : "";
  const said = prepare || seller ? `${says(tensor, seller, prepare)}: ` : "";
  const around = (...inner: HTMLElement[]) => h("fieldset", {}, h("legend", {}, tensor.name), h("p", { class: "lead" }, `${said}${tensor.shape.join(" × ")} numbers${range}`), ...inner);
  const usual = written(tensor, prepare) ?? drawn(tensor, prepare, seller) ?? numbers(tensor, seller);
  if (!usual) return { element: around(list.element), values: list.values };
  const details = h("details", {}, h("summary", {}, "Give it as JSON or as a file instead"), list.element);
  return { element: around(usual.element, details), values: () => (details.open && list.filled() ? list.values() : usual.values()) };
}

/** A field for a line of text, where the seller says how it becomes numbers. */
function written(tensor: TensorInfo, prepare?: Preparation | null): Field | null {
  if (prepare?.kind !== "text" || prepare.length !== size(tensor)) return null;
  const id = `text-${tensor.name}`;
  const area = h("textarea", { id, "aria-describedby": `help-${tensor.name}` });
  const letters = prepare.alphabet ? `the characters ${JSON.stringify(prepare.alphabet)}${prepare.unknown == null ? "" : "; others all count as the same"}` : "its bytes in UTF-8";
  const help = h("p", { class: "lead", id: `help-${tensor.name}` }, `One line, up to ${prepare.length}: ${letters}.`);
  const values = () => {
    const found = samples(area.value, prepare);
    if (found.length === 0) throw new Error("There is no text yet: write one.");
    if (found.length > 1) throw new Error(`The model takes one line, and ${found.length} were given.`);
    return found[0]!;
  };
  return { element: h("div", {}, h("label", { for: id }, "Text"), area, help), values };
}

const short = (x: number) => String(Math.round(x * 1000) / 1000);

function pasted(tensor: TensorInfo): Field & { filled(): boolean } {
  const id = `json-${tensor.name}`;
  const area = h("textarea", { id, spellcheck: "false", placeholder: "[0.1, 0.2, …]" });
  const file = h("input", { type: "file", accept: ACCEPT, id: `numbers-${tensor.name}` });
  const said = h("p", { role: "status" });
  file.addEventListener("change", async () => {
    const chosen = file.files?.[0];
    if (!chosen) return;
    try {
      const read = fitting(await numbersOf(chosen, tensor));
      area.value = JSON.stringify(read);
      said.replaceChildren(mark("good", `${read.length} numbers from ${chosen.name}`));
    } catch (error) {
      said.replaceChildren(mark("bad", `${chosen.name}: ${(error as Error).message}`));
    }
  });
  const fitting = (list: number[]) => {
    if (list.length !== size(tensor)) throw new Error(`${tensor.name} has ${size(tensor)} values, and ${list.length} were given.`);
    return list;
  };
  const element = h("div", {}, h("label", { for: id }, `A list of ${size(tensor)} numbers`), area, h("label", { for: file.id }, "or a file, .json, .csv or .npy: ", file), said);
  return { element, values: () => fitting(json(area.value, tensor)), filled: () => area.value.trim() !== "" };
}

function numbers(tensor: TensorInfo, seller?: Described): Field | null {
  if (size(tensor) > MOST_NUMBERS) return null;
  const [low, high] = tensor.range ?? [];
  const names = elements(tensor, seller);
  const inputs = names.map((name, i) => {
    const input = h("input", { type: "number", step: "any", min: low, max: high, value: 0, id: `n-${tensor.name}-${i}` });
    return h("div", {}, h("label", { for: input.id }, name), input);
  });
  const values = () =>
    inputs.map((box, i) => {
      const value = box.querySelector("input")!.valueAsNumber;
      if (Number.isNaN(value)) throw new Error(`${names[i]} is no number.`);
      return value;
    });
  return { element: h("div", { class: "numbers" }, ...inputs), values };
}
