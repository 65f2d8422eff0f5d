/** Texts as a model's numbers, and back: by the same rules as the command (docs/cli.md, "Inputs"). Both are tested on fixtures/texts.json. */
import type { Preparation } from "./service.js";

/** A sample for each line. Errors: which line does not fit, and why. */
export function samples(text: string, prepare: Preparation): number[][] {
  return lines(text).map((line, i) => sample(line, i + 1, prepare));
}

/** The lines of a text: what is behind the last end of a line is one only if there is something. */
function lines(text: string): string[] {
  const all = text.split(/\r?\n/);
  return all.at(-1) === "" ? all.slice(0, -1) : all;
}

function sample(line: string, number: number, { alphabet, unknown, pad = 0, length = 0 }: Preparation): number[] {
  const wrong = (what: string) => new Error(`line ${number}: ${what}`);
  const places = alphabet == null ? null : new Map([...alphabet].map((character, place) => [character, place]));
  const place = (character: string) => {
    const found = places!.get(character) ?? unknown;
    if (found == null) throw wrong(`'${character}' is not in the model's alphabet`);
    return found;
  };
  const numbers = places ? [...line].map(place) : [...new TextEncoder().encode(line)];
  if (numbers.length > length) throw wrong(`it becomes ${numbers.length} numbers, and the model takes ${length}`);
  return [...numbers, ...new Array<number>(length - numbers.length).fill(pad)];
}

/** Numbers as a text: what is no character is a replacement character. Without an alphabet they are bytes, up to the first 0. */
export function written(numbers: number[], alphabet?: string | null): string {
  const whole = numbers.map((number) => Math.round(number));
  if (alphabet) return whole.map((number) => [...alphabet][number] ?? "\ufffd").join("");
  const end = whole.indexOf(0);
  return new TextDecoder().decode(Uint8Array.from(end < 0 ? whole : whole.slice(0, end), (number) => Math.max(0, Math.min(255, number))));
}
