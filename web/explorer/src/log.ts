// Reading the log that these pages belong to: a bounded number of bytes, or nothing, or an error.

import type { ReadBundles, ReadObject } from "@vouchlog/verify";

/** Most bytes of an object: a full bundle of the longest entries. */
const MAX_OBJECT_BYTES = 256 * (2 + 65_535);
/** Milliseconds that an object may take. */
const PATIENCE = 30_000;

/** The root of the log that the page belongs to. */
export function logUrl(): URL {
  const meta = document.querySelector<HTMLMetaElement>('meta[name="vouchlog-log"]');
  return new URL(meta?.content ?? "./", document.baseURI);
}

/** Reads the objects of the log at a URL, which ends in a slash. `cache` is for those that never change. */
export function readerOf(root: URL, cache: RequestCache = "default"): ReadObject {
  return async (path) => readUrl(new URL(path, root), MAX_OBJECT_BYTES, path === "checkpoint" ? "no-store" : cache);
}

/** Most bytes of a response with several bundles: the server stops after the bundle with which it exceeds 2 MiB. */
const MAX_SEVERAL_BYTES = 2 * 1024 * 1024 + MAX_OBJECT_BYTES;

/** Reads several bundles at once from a log that offers that. Any other, such as a server of files, has nothing at this path. */
export function severalOf(root: URL): ReadBundles {
  return async (first, count) => readUrl(new URL(`v1/bundles?first=${first}&count=${count}`, root), MAX_SEVERAL_BYTES, "no-store");
}

/** The bytes at a URL; null if there are none there; rejects if the server could not be asked. */
export async function readUrl(url: URL, most: number, cache: RequestCache = "default"): Promise<Uint8Array<ArrayBuffer> | null> {
  // Ended with the request: a signal of `AbortSignal.timeout` would keep what was read until its time has come, and an audit reads thousands of objects.
  const patience = new AbortController();
  const timer = setTimeout(() => patience.abort(new Error(`the server took longer than ${PATIENCE / 1000} s`)), PATIENCE);
  try {
    return await readWithin(url, most, cache, patience.signal);
  } finally {
    clearTimeout(timer);
  }
}

async function readWithin(url: URL, most: number, cache: RequestCache, signal: AbortSignal): Promise<Uint8Array<ArrayBuffer> | null> {
  const response = await fetch(url, { cache, credentials: "omit", redirect: "follow", referrerPolicy: "no-referrer", signal });
  if (response.status === 404 || response.status === 410) return null;
  if (!response.ok) throw new Error(`the server answered ${response.status}`);
  // A body of a stated length ends with it, unless it is compressed. Reading it in one piece is several times faster.
  const length = Number(response.headers.get("content-length") ?? Infinity);
  const isPlain = response.type === "basic" && response.headers.get("content-encoding") === null;
  return isPlain && length <= most ? new Uint8Array(await response.arrayBuffer()) : await bounded(response, most);
}

/** SPEC: the length that a server declares is not the length that it sends. */
async function bounded(response: Response, most: number): Promise<Uint8Array<ArrayBuffer>> {
  const reader = response.body?.getReader();
  if (reader === undefined) return new Uint8Array(0);
  const parts: Uint8Array[] = [];
  let length = 0;
  for (let next = await reader.read(); !next.done; next = await reader.read()) {
    length += next.value.length;
    if (length > most) {
      await reader.cancel();
      throw new Error(`the server sent more than ${most} bytes`);
    }
    parts.push(next.value);
  }
  const whole = new Uint8Array(length);
  let place = 0;
  for (const part of parts) {
    whole.set(part, place);
    place += part.length;
  }
  return whole;
}
