import type { Provider } from "./chain.js";
/** A node's JSON-RPC address as a provider that cannot sign. */
export declare function node(url: string): Provider;
/** Signs with a key: `0x` and 64 digits. The key stays in this process. */
export declare function withKey(key: string, url: string): Provider;
