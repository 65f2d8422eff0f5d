/** Orders that were paid from this browser, so that whoever closes the page goes on with them, or gets the money back. */
import { addressIn, cancelCall, creditCall, FUNDED, jobCall, LOCKED, refundCall, STATES, withdrawCall, wordsIn } from "../../client/dist/abi.js";
import { amount } from "./money.js";
import * as service from "./service.js";
import type { Account } from "./wallet.js";

/** An order. It holds no input: the service has that since before the payment. */
export interface Order {
  prediction: string;
  job: string | null;
  model: string;
  name: string;
  market: string;
  chain_id: number | null;
  buyer: string;
  /** The commitments to the input, which the proof must be about. */
  commitments: string[];
  escrow: service.Escrow;
  /** The block before the payment: the market's events of the job come after it. */
  block: string;
  /** The transaction that paid; null, where the page was closed before the wallet had sent it. */
  transaction: string | null;
  created_ms: number;
}

const PLACE = "orders";
/** How many are kept. */
const MOST = 100;

export function all(): Order[] {
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(PLACE) ?? "[]");
    return Array.isArray(kept) ? kept : [];
  } catch {
    return [];
  }
}

export const find = (prediction: string) => all().find((order) => order.prediction === prediction);

const others = (prediction: string) => all().filter((one) => one.prediction !== prediction);
const set = (orders: Order[]) => localStorage.setItem(PLACE, JSON.stringify(orders.slice(0, MOST)));

/** Keeps an order before it is paid. Errors: the browser keeps nothing, so that it could be lost. */
export function keep(order: Order): void {
  try {
    set([order, ...others(order.prediction)]);
  } catch {
    throw new Error("This browser keeps no data of this site, so the order would be lost with the page. Nothing was paid: allow it to, or buy with the command.");
  }
}

/** Keeps which transaction has paid an order. */
export function paid(order: Order, transaction: string): void {
  set([{ ...order, transaction }, ...others(order.prediction)]);
}

export function forget(prediction: string): void {
  set(others(prediction));
}

/** When the money can be taken back whatever happens, in milliseconds: the market counts from the payment, which comes after the order. */
export const expires = ({ created_ms, escrow }: Order) => created_ms + 1000 * escrow.order.expire_secs;

interface Log {
  topics: string[];
  data: string;
}

/** The market's last event of a kind about a job. */
async function event(account: Account, order: Order, topic: string): Promise<Log | undefined> {
  const filter = { address: order.market, fromBlock: order.block, toBlock: "latest", topics: [topic, order.job] };
  return ((await account.node("eth_getLogs", filter)) as Log[]).at(-1);
}

/**
 * Cancels a job that nobody has locked, or takes the money of an expired one back; then takes the account's credit out of the market. Returns what
 * was done, in words. Errors: why it cannot be done, and when it can.
 */
export async function takeBack(order: Order, account: Account, say: (text: string) => void): Promise<string> {
  if (!order.job) throw new Error("The order has no job in the market, so nothing was paid.");
  const [state = 0n, , time = 0n] = wordsIn(await account.ask(order.market, jobCall(order.job)));
  const name = STATES[Number(state)];
  if (name === "none") {
    await service.cancel(order.prediction);
    return "It was never paid, and is cancelled.";
  }
  if (name === "settled") throw new Error("It was proven and paid: open the receipt.");
  if (name === "funded" || name === "locked") {
    const funded = await event(account, order, FUNDED);
    if (!funded) throw new Error(`The wallet's node does not have the payment. With the command: assay refund ${order.job}`);
    await undo(order, account, name, Number(time), funded.data, say);
  }
  const { token } = order.escrow.order;
  const credit = BigInt(await account.ask(order.market, creditCall(token, account.address)));
  if (credit === 0n) return "The money was taken out of the market already.";
  say(`the money is your credit in the market: confirm in the wallet that ${amount(String(credit), token)} are paid out`);
  await account.send(order.market, withdrawCall(token, String(credit), account.address));
  return `${amount(String(credit), token)} are back in your account.`;
}

async function undo(order: Order, account: Account, state: "funded" | "locked", paid: number, funded: string, say: (text: string) => void): Promise<void> {
  if (state === "funded") {
    say("confirm in the wallet that the order is cancelled");
    await account.send(order.market, cancelCall(funded));
    // the service hears of it from the chain; this saves it a proof
    await service.cancel(order.prediction).catch(() => {});
    return;
  }
  const now = Number((await account.node("eth_getBlockByNumber", "latest", false)).timestamp);
  const end = paid + order.escrow.order.expire_secs;
  if (now <= end) throw new Error(`A prover has locked it and makes the proof. If there is none by ${new Date(1000 * end).toLocaleString()}, you take the money back here.`);
  const locked = await event(account, order, LOCKED);
  say("confirm in the wallet that the expired order is paid back");
  await account.send(order.market, refundCall(funded, addressIn(locked?.topics[2] ?? "0".repeat(40))));
}
