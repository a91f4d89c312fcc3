// What the scenarios of the three clients share.
import { deepStrictEqual, ok } from "node:assert";

export const baseUrl = process.env.SIDETONE_URL ?? "";
export const key = process.env.SIDETONE_KEY ?? "";

// answered is the body of a successful response.
export function answered<T>(r: { data?: T; error?: unknown; response: Response }): T {
  ok(r.response.ok && r.data !== undefined, `${r.response.url}: ${r.response.status} ${JSON.stringify(r.error)}`);
  return r.data;
}

export const equal: (got: unknown, want: unknown) => void = deepStrictEqual;
