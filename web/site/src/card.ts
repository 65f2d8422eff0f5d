/** The form of a model's card: what its seller says of it, and its terms. The same fields as in MODEL.card.json (docs/cli.md). */
import type { KeyInfo, TensorInfo } from "../../verifier/dist/index.js";
import { h } from "./dom.js";
import { wei } from "./money.js";

type Control = HTMLInputElement | HTMLTextAreaElement | HTMLSelectElement;

const input = (id: string, props: Record<string, string | number | boolean> = {}) => h("input", { type: "text", id, ...props });
const labelled = (text: string, control: Control) => h("label", { for: control.id }, text, " ", control);
const filled = (control: Control) => control.value.trim();

/** What a control holds, under a name; nothing, if it is empty. */
function maybe<T>(name: string, control: Control, read: (text: string) => T): Record<string, T> {
  return filled(control) ? { [name]: read(filled(control)) } : {};
}

const text = (value: string) => value;
const list = (value: string) => value.split(",").map((one) => one.trim()).filter(Boolean); // prettier-ignore

/** A reader of numbers that says which field is wrong. */
const number = (field: string, whole = false) => (value: string) => {
  const read = Number(value);
  if (value === "" || !Number.isFinite(read) || (whole && !(Number.isInteger(read) && read >= 0))) throw new Error(`${field}: ${value} is no ${whole ? "whole number" : "number"}.`);
  return read;
};

const numbers = (field: string) => (value: string) => list(value).map(number(field));

/** The form, and what it says as a card. `tensors`: what the model takes and gives. Errors: which field cannot be understood. */
export function cardForm(sold: boolean, tensors: Pick<KeyInfo, "inputs" | "outputs">): { element: HTMLElement; card(): object } {
  const description = h("textarea", { id: "card-description", placeholder: "What it does, what it was trained on. Markdown." });
  const labels = input("card-labels", { placeholder: "cat, dog" });
  const licence = input("card-licence", { placeholder: "what buyers may do with answers" });
  const prepare = preparation();
  const [inputs, outputs] = [described("inputs", tensors.inputs), described("outputs", tensors.outputs)];
  const terms = sold ? termsForm() : null;
  const card = () => ({
    ...maybe("description", description, text),
    ...maybe("labels", labels, list),
    ...maybe("licence", licence, text),
    ...prepare.said(),
    ...inputs.said(),
    ...outputs.said(),
    ...terms?.said(),
  });
  const element = h("div", { class: "fields" },
    labelled("Description", description), labelled("Labels of the output, with commas between them", labels), labelled("Licence, in words", licence),
    prepare.element, inputs.element, outputs.element, terms?.element,
  ); // prettier-ignore
  return { element, card };
}

interface Part {
  element: HTMLElement;
  said(): object;
}

const KINDS = [["numbers", "just numbers"], ["image", "a picture"], ["table", "a table"], ["text", "a text"], ["tokens", "numbers of tokens"]]; // prettier-ignore

/** What inputs or outputs are for people: a kind, names of columns and a unit for each. Nothing is computed from it. */
function described(which: "inputs" | "outputs", tensors: TensorInfo[]): Part {
  const parts = tensors.map((tensor, i) => tensorForm(`card-${which}-${i}`, tensor));
  const said = () => {
    const all = parts.flatMap((part) => part.said());
    return all.length > 0 ? { [which]: all } : {};
  };
  const heading = which === "inputs" ? "How inputs are shown" : "How outputs are shown";
  const element = h("details", { class: "fields" }, h("summary", {}, heading), ...parts.map((part) => part.element));
  return { element, said };
}

/** The fields of one tensor, and what they say: nothing, if nothing was filled in. */
function tensorForm(id: string, { name, shape }: TensorInfo): { element: HTMLElement; said(): object[] } {
  const kind = h("select", { id: `${id}-kind` }, ...KINDS.map(([value, words]) => h("option", { value }, words)));
  const [columns, unit] = [input(`${id}-columns`, { placeholder: "age, weight" }), input(`${id}-unit`, { placeholder: "kg" })];
  const last = shape.at(-1) ?? 1;
  const said = () => {
    const given = { ...maybe("columns", columns, list), ...maybe("unit", unit, text) };
    const names = given.columns as string[] | undefined;
    if (names && names.length !== last) throw new Error(`${name} has ${last} columns, and ${names.length} names of columns were given.`);
    return kind.value === "numbers" && Object.keys(given).length === 0 ? [] : [{ name, kind: kind.value, ...given }];
  };
  const element = h("fieldset", { class: "fields" }, h("legend", {}, `${name}, ${shape.join(" × ")}`),
    labelled("It is", kind), labelled(`Names of its ${last} columns, with commas between them`, columns), labelled("Unit of its numbers", unit),
  ); // prettier-ignore
  return { element, said };
}

/** How pictures or texts become the input. */
function preparation(): Part {
  const kind = h("select", { id: "card-kind" }, ...[["", "numbers"], ["image", "a picture"], ["text", "a text"]].map(([value, name]) => h("option", { value }, name))); // prettier-ignore
  const parts: Record<string, Part> = { image: pictures(), text: texts() };
  const show = () => Object.entries(parts).forEach(([name, part]) => (part.element.hidden = name !== kind.value));
  kind.addEventListener("change", show);
  show();
  const said = () => (parts[kind.value] ? { prepare: { kind: kind.value, ...parts[kind.value]!.said() } } : {});
  return { element: h("div", { class: "fields" }, labelled("The input is", kind), ...Object.values(parts).map((part) => part.element)), said };
}

function pictures(): Part {
  const size = input("card-picture", { placeholder: "28x28x1" });
  const [mean, std] = [input("card-mean", { placeholder: "0" }), input("card-std", { placeholder: "1" })];
  const order = h("select", { id: "card-order" }, h("option", { value: "planes" }, "one channel after the other, as PyTorch has it"), h("option", { value: "pixels" }, "all channels of a pixel together, as Keras has it"));
  const invert = h("input", { type: "checkbox", id: "card-invert" });
  const said = () => {
    const found = /^(\d+)\s*[x×]\s*(\d+)\s*(?:[x×]\s*([13]))?$/.exec(filled(size));
    if (!found) throw new Error("A picture's size is width x height x channels, such as 28x28x1.");
    const [width, height, channels] = [Number(found[1]), Number(found[2]), Number(found[3] ?? 1)];
    return { width, height, channels, order: order.value, ...maybe("mean", mean, numbers("Mean")), ...maybe("std", std, numbers("Deviation")), ...(invert.checked && { invert: true }) };
  };
  const element = h("div", { class: "fields" },
    labelled("Size: width x height x channels", size),
    labelled("Mean of the levels, which are from 0 to 1: one number, or one for each channel", mean),
    labelled("Standard deviation, by which they are divided", std),
    labelled("Order of the numbers", order),
    h("label", { for: "card-invert" }, invert, " Black is 1 and white is 0"),
  ); // prettier-ignore
  return { element, said };
}

function texts(): Part {
  const length = input("card-length", { inputmode: "numeric", placeholder: "64" });
  const alphabet = input("card-alphabet", { placeholder: "the bytes of UTF-8" });
  const [unknown, pad] = [input("card-unknown", { inputmode: "numeric", placeholder: "refused" }), input("card-pad", { inputmode: "numeric", placeholder: "0" })];
  const said = () => {
    if (!filled(length)) throw new Error("Say how many characters a text has at most.");
    // spaces are characters of an alphabet
    const letters = alphabet.value ? { alphabet: alphabet.value } : {};
    return { length: number("Length", true)(filled(length)), ...letters, ...maybe("unknown", unknown, number("Unknown characters", true)), ...maybe("pad", pad, number("Filling", true)) };
  };
  const element = h("div", { class: "fields" },
    labelled("Characters at most", length), labelled("Alphabet: its characters in the order of their numbers", alphabet),
    labelled("Number of characters that are not in the alphabet", unknown), labelled("Number that a short text is filled up with", pad),
  ); // prettier-ignore
  return { element, said };
}

function termsForm(): Part {
  const price = input("card-price", { inputmode: "decimal", placeholder: "the service's own" });
  const token = input("card-token", { placeholder: "the chain's coin", spellcheck: "false" });
  const [prove, expire] = [input("card-prove", { inputmode: "numeric", placeholder: "600" }), input("card-expire", { inputmode: "numeric", placeholder: "3600" })];
  const said = () => {
    const account = maybe("token", token, (value) => {
      if (!/^0x[0-9a-fA-F]{40}$/.test(value)) throw new Error("A token is an address: 0x and 40 digits.");
      return value;
    });
    const amount = (value: string) => ("token" in account ? String(number("Price", true)(value) && BigInt(value)) : wei(value));
    return { ...maybe("price", price, amount), ...account, ...maybe("prove_secs", prove, number("Seconds to prove", true)), ...maybe("expire_secs", expire, number("Seconds to the expiry", true)) };
  };
  const element = h("div", { class: "fields" },
    labelled("Price of an answer, in ETH; in the smallest unit of the token, if you name one", price), labelled("Token that is paid in: the address of an ERC-20", token),
    labelled("Seconds in which a proof is promised", prove), labelled("Seconds after which the buyer takes the money back", expire),
  ); // prettier-ignore
  return { element, said };
}
