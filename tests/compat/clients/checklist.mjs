// The frame of the scripts that drive a published client of Node: the twin of checklist.py.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";

const CHECK_TIMEOUT_MS = 40_000;
const checks = [];

export const TABLE = JSON.parse(readFileSync(new URL("./edge_cases.json", import.meta.url), "utf8"));
export const RECORDS = TABLE.records;

/** Register a check. The roster reads its name from this call, so it stands at the start of a line. */
export function check(name, run) {
  checks.push({ name, run });
}

/** Run all checks against `BASE_URL KEYED_URL KEY` from the command line and print their outcomes. */
export async function main() {
  const [baseUrl, keyedUrl, key] = process.argv.slice(2);
  for (const { name, run } of checks) {
    const detail = await outcome(run, { baseUrl, keyedUrl, key });
    console.log(JSON.stringify({ name, ok: detail === "", detail }));
  }
}

async function outcome(run, target) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error("the check took too long")), CHECK_TIMEOUT_MS);
  });
  try {
    await Promise.race([run(target), late]);
    return "";
  } catch (error) {
    return error instanceof Error ? `${error.stack}` : `thrown: ${JSON.stringify(error)}`;
  } finally {
    clearTimeout(timer);
  }
}

export function equal(actual, expected, note = "") {
  const about = `${JSON.stringify(note)}: expected ${JSON.stringify(expected)}, got ${JSON.stringify(actual)}`;
  assert.deepEqual(actual, expected, about);
}

/** The letters of payloads, see edge_cases.py. */
export function letters(payloads) {
  return payloads.map(letterOf).join("");
}

export function letterOf(payload) {
  const same = ([, record]) => sorted(record) === sorted(payload);
  return payload == null ? null : (Object.entries(RECORDS).find(same)?.[0] ?? "?");
}

function sorted(value) {
  return JSON.stringify(value, (_, part) =>
    part && typeof part === "object" && !Array.isArray(part) ? Object.fromEntries(Object.entries(part).sort()) : part,
  );
}

export async function thrown(call, note = "") {
  try {
    await call();
  } catch (error) {
    return error;
  }
  throw new Error(`${JSON.stringify(note)}: expected an error, but the call succeeded`);
}

export function ownCollection() {
  return `c-${randomUUID()}`;
}
