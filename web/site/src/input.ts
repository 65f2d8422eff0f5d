/** What a visitor gives a model: a picture that is drawn or uploaded, numbers in a form, or JSON. */
import type { TensorInfo } from "../../verifier/dist/index.js";
import { h } from "./dom.js";
import type { Preparation } from "./service.js";

/** A field for one tensor. `values` is what it holds; errors say what is wrong with it. */
export interface Field {
  element: HTMLElement;
  values(): number[];
}

const MOST_NUMBERS = 32;

export const size = (tensor: TensorInfo) => tensor.shape.reduce((n, d) => n * d, 1);

/** Height, width and channels of what can be shown as a picture: as the seller says, or as the shape is. */
export function picture({ shape }: TensorInfo, prepare?: Preparation | null): [number, number, number] | null {
  const said: Partial<Preparation> = prepare ?? {};
  if (said.kind === "image") {
    const { height: high = 0, width: wide = 0, channels: deep = 3 } = said;
    return high * wide * deep === shape.reduce((n, d) => n * d, 1) && high <= 512 && wide <= 512 ? [high, wide, deep] : null;
  }
  const [height = 0, width = 0] = shape.slice(-2);
  const channels = shape.slice(0, -2).reduce((n, d) => n * d, 1);
  return height >= 4 && width >= 4 && height <= 512 && width <= 512 && (channels === 1 || channels === 3) ? [height, width, channels] : null;
}

export function field(tensor: TensorInfo, prepare?: Preparation | null): Field {
  const json = pasted(tensor);
  const visual = picture(tensor, prepare) ? drawn(tensor, prepare) : size(tensor) <= MOST_NUMBERS ? numbers(tensor) : null;
  if (!visual) return wrapped(tensor, json);
  const details = h("details", {}, h("summary", {}, "Give it as JSON instead"), json.element);
  const element = h("div", {}, visual.element, details);
  return wrapped(tensor, { element, values: () => (details.open && json.filled() ? json.values() : visual.values()) });
}

function wrapped(tensor: TensorInfo, inner: Field): Field {
  const range = tensor.range ? `, from ${short(tensor.range[0])} to ${short(tensor.range[1])}` : "";
  const legend = h("legend", {}, tensor.name);
  return { element: h("fieldset", {}, legend, h("p", { class: "lead" }, `${tensor.shape.join(" × ")} numbers${range}`), inner.element), values: inner.values };
}

const short = (x: number) => String(Math.round(x * 1000) / 1000);

function pasted(tensor: TensorInfo): Field & { filled(): boolean } {
  const id = `json-${tensor.name}`;
  const area = h("textarea", { id, spellcheck: "false", placeholder: "[0.1, 0.2, …]" });
  const values = () => {
    const list = (JSON.parse(area.value) as unknown[]).flat(Infinity) as number[];
    if (list.length !== size(tensor)) throw new Error(`${tensor.name} has ${size(tensor)} values, and ${list.length} were given.`);
    return list;
  };
  return { element: h("div", {}, h("label", { for: id }, `A list of ${size(tensor)} numbers`), area), values, filled: () => area.value.trim() !== "" };
}

function numbers(tensor: TensorInfo): Field {
  const [low, high] = tensor.range ?? [];
  const inputs = Array.from({ length: size(tensor) }, (_, i) => {
    const input = h("input", { type: "number", step: "any", min: low, max: high, value: 0, id: `n-${tensor.name}-${i}` });
    return h("div", {}, h("label", { for: input.id }, `${tensor.name} ${i + 1}`), input);
  });
  return { element: h("div", { class: "numbers" }, ...inputs), values: () => inputs.map((box) => box.querySelector("input")!.valueAsNumber) };
}

/** A level from 0 to 1 as the model's number: as the seller says, or black is the lowest number of the range and white the highest. */
export function scaled(tensor: TensorInfo, prepare?: Preparation | null): (level: number, channel: number) => number {
  const [low, high] = tensor.range ?? [0, 1];
  if (prepare?.kind !== "image") return (level) => low + (high - low) * level;
  const of = (list: number[] | undefined, channel: number, otherwise: number) => list?.[list.length === 1 ? 0 : channel] ?? otherwise;
  return (level, channel) => ((prepare.invert ? 1 - level : level) - of(prepare.mean, channel, 0)) / of(prepare.std, channel, 1);
}

function drawn(tensor: TensorInfo, prepare?: Preparation | null): Field {
  const [height, width, channels] = picture(tensor, prepare)!;
  const number = scaled(tensor, prepare);
  const canvas = h("canvas", { width, height, tabindex: 0, role: "img", "aria-label": "Drawing", "aria-describedby": `help-${tensor.name}` });
  const context = canvas.getContext("2d", { willReadFrequently: true })!;
  const erase = () => {
    context.fillStyle = "#000";
    context.fillRect(0, 0, width, height);
  };
  // a pen of a fifteenth of the picture, soft at its edge
  const dab = (x: number, y: number) => {
    const reach = Math.max(0.75, width / 15);
    for (let v = Math.floor(y - 2 * reach); v <= y + 2 * reach; v++) {
      for (let u = Math.floor(x - 2 * reach); u <= x + 2 * reach; u++) {
        const far = Math.hypot(u + 0.5 - x, v + 0.5 - y);
        const white = Math.max(0, Math.min(1, 1.35 - far / reach));
        context.fillStyle = `rgba(255,255,255,${white})`;
        if (white > 0) context.fillRect(u, v, 1, 1);
      }
    }
  };
  let last: [number, number] | null = null;
  const stroke = (event: PointerEvent) => {
    const box = canvas.getBoundingClientRect();
    const [x, y] = [((event.clientX - box.left) * width) / box.width, ((event.clientY - box.top) * height) / box.height];
    const [fromX, fromY] = last ?? [x, y];
    const steps = Math.max(1, Math.ceil(Math.hypot(x - fromX, y - fromY) / 0.5));
    for (let i = 1; i <= steps; i++) dab(fromX + ((x - fromX) * i) / steps, fromY + ((y - fromY) * i) / steps);
    last = [x, y];
  };
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    last = null;
    stroke(event);
  });
  canvas.addEventListener("pointermove", (event) => event.buttons && stroke(event));
  let cursor = [Math.floor(width / 2), Math.floor(height / 2)];
  const where = h("p", { "aria-live": "polite", class: "lead" });
  canvas.addEventListener("keydown", (event) => {
    const move = ({ ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1], " ": [0, 0] } as Record<string, number[]>)[event.key];
    if (!move) return;
    event.preventDefault();
    cursor = [Math.min(width - 1, Math.max(0, cursor[0]! + move[0]!)), Math.min(height - 1, Math.max(0, cursor[1]! + move[1]!))];
    if (event.key === " " || event.shiftKey) dab(cursor[0]! + 0.5, cursor[1]! + 0.5);
    where.textContent = `Column ${cursor[0]! + 1}, row ${cursor[1]! + 1}`;
  });
  const upload = h("input", { type: "file", accept: "image/*", id: `file-${tensor.name}` });
  upload.addEventListener("change", async () => {
    const chosen = upload.files?.[0];
    if (!chosen) return;
    const image = await createImageBitmap(chosen);
    erase();
    context.drawImage(image, 0, 0, width, height);
  });
  erase();
  const values = () => {
    const { data } = context.getImageData(0, 0, width, height);
    const level = (cell: number, channel: number) => {
      const [r, g, b] = [data[4 * cell]!, data[4 * cell + 1]!, data[4 * cell + 2]!];
      return (channels === 3 ? [r, g, b][channel]! : 0.299 * r + 0.587 * g + 0.114 * b) / 255;
    };
    const cells = width * height;
    const pixels = prepare?.kind === "image" && prepare.order === "pixels";
    const place = (i: number): [number, number] => (pixels ? [Math.floor(i / channels), i % channels] : [i % cells, Math.floor(i / cells)]);
    return Array.from({ length: channels * cells }, (_, i) => {
      const [cell, channel] = place(i);
      return number(level(cell, channel), channel);
    });
  };
  const help = "Draw with a finger or the mouse; with the keyboard, arrows move, space draws, and shift with an arrow draws a line.";
  const element = h(
    "div",
    {},
    canvas,
    h("p", { id: `help-${tensor.name}`, class: "lead" }, help),
    where,
    h("div", { class: "row" }, h("button", { type: "button", click: erase }, "Clear"), h("label", { for: upload.id }, "or a picture: ", upload)),
  );
  return { element, values };
}
