/** A picture as an input: drawn with a finger, the mouse or the keyboard, or uploaded. */
import type { TensorInfo } from "../../verifier/dist/index.js";
import { h } from "./dom.js";
import type { Described, Preparation } from "./service.js";
import { size, type Field } from "./tensor.js";

/** Height, width and channels of what can be shown as a picture: as the seller says, or as the shape is. */
export function picture(tensor: TensorInfo, prepare?: Preparation | null, seller?: Described): [number, number, number] | null {
  if (seller && !prepare && seller.kind !== "image") return null;
  const { shape } = tensor;
  const said: Partial<Preparation> = prepare ?? {};
  if (said.kind === "image") {
    const { height: high = 0, width: wide = 0, channels: deep = 3 } = said;
    return high * wide * deep === size(tensor) && high <= 512 && wide <= 512 ? [high, wide, deep] : null;
  }
  const [height = 0, width = 0] = shape.slice(-2);
  const channels = shape.slice(0, -2).reduce((n, d) => n * d, 1);
  return height >= 4 && width >= 4 && height <= 512 && width <= 512 && (channels === 1 || channels === 3) ? [height, width, channels] : null;
}

/** A level from 0 to 1 as the model's number: as the seller says, or black is the lowest number of the range and white the highest. */
export function scaled(tensor: TensorInfo, prepare?: Preparation | null): (level: number, channel: number) => number {
  const [low, high] = tensor.range ?? [0, 1];
  if (prepare?.kind !== "image") return (level) => low + (high - low) * level;
  const of = (list: number[] | undefined, channel: number, otherwise: number) => list?.[list.length === 1 ? 0 : channel] ?? otherwise;
  return (level, channel) => ((prepare.invert ? 1 - level : level) - of(prepare.mean, channel, 0)) / of(prepare.std, channel, 1);
}

/** A field in which a picture is drawn or uploaded; null, if the tensor is none. */
export function drawn(tensor: TensorInfo, prepare?: Preparation | null, seller?: Described): Field | null {
  const shape = picture(tensor, prepare, seller);
  if (!shape) return null;
  const [height, width, channels] = shape;
  const number = scaled(tensor, prepare);
  // an application: screen readers leave the arrow keys to it
  const canvas = h("canvas", { width, height, tabindex: 0, role: "application", "aria-roledescription": "drawing area", "aria-label": "Drawing", "aria-describedby": `help-${tensor.name}` });
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
  const { cursor, where } = keyboard(canvas, [width, height], dab);
  const upload = h("input", { type: "file", accept: "image/*", id: `file-${tensor.name}` });
  upload.addEventListener("change", async () => {
    const chosen = upload.files?.[0];
    if (!chosen) return;
    const image = await createImageBitmap(chosen).catch(() => null);
    where.textContent = image ? "" : `${chosen.name} is no picture that this browser reads.`;
    if (!image) return;
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
    h("div", { class: "board" }, canvas, cursor),
    h("p", { id: `help-${tensor.name}`, class: "lead" }, help),
    where,
    h("div", { class: "row" }, h("button", { type: "button", click: erase }, "Clear"), h("label", { for: upload.id }, "or a picture: ", upload)),
  );
  return { element, values };
}

/** Draws with the keyboard: arrows move a frame, which is shown, space draws, and shift with an arrow draws a line. */
function keyboard(canvas: HTMLCanvasElement, [width, height]: [number, number], dab: (x: number, y: number) => void) {
  let [x, y] = [Math.floor(width / 2), Math.floor(height / 2)];
  const cursor = h("span", { class: "cursor", hidden: true });
  const where = h("p", { "aria-live": "polite", class: "lead" });
  const show = () => {
    cursor.hidden = false;
    Object.assign(cursor.style, { left: `${(100 * x) / width}%`, top: `${(100 * y) / height}%`, width: `${100 / width}%`, height: `${100 / height}%` });
  };
  const moves: Record<string, [number, number]> = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1], " ": [0, 0] };
  canvas.addEventListener("keydown", (event) => {
    const move = moves[event.key];
    if (!move) return;
    event.preventDefault();
    [x, y] = [Math.min(width - 1, Math.max(0, x + move[0])), Math.min(height - 1, Math.max(0, y + move[1]))];
    if (event.key === " " || event.shiftKey) dab(x + 0.5, y + 0.5);
    where.textContent = `Column ${x + 1}, row ${y + 1}`;
    show();
  });
  canvas.addEventListener("focus", () => canvas.matches(":focus-visible") && show());
  canvas.addEventListener("blur", () => (cursor.hidden = true));
  return { cursor, where };
}
