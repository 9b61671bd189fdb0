// The server, as whom the page around has named.

import { init } from "./page.js";
import { ask, onToken } from "./parent.js";

let token = "";
const waiting = new Set();

export const known = () => token !== "";

export function become(value) {
  if (value === token) return;
  token = value;
  for (const listener of waiting) listener();
}

export const onChange = (listener) => waiting.add(listener);

onToken(become);

export class Problem extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

// send makes a request. A token that has ended is asked for again, once.
export async function send(path, options = {}, again = true) {
  const headers = new Headers(options.headers);
  const used = token;
  if (used) headers.set("Authorization", "Bearer " + used);
  let answer;
  try {
    answer = await fetch(init.base + path, { ...options, headers, credentials: "same-origin", cache: "no-store" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem("The server cannot be reached. Look at your connection, and try again.", 0);
  }
  if (answer.status === 401 && used && again) {
    const fresh = await ask(true);
    if (fresh && fresh !== used) {
      become(fresh);
      return send(path, options, false);
    }
  }
  return answer;
}

// deed changes something, and returns what the server answers. It is done once, however often it has to be sent.
export async function deed(method, path, body) {
  const headers = { "Content-Type": "application/json", "Idempotency-Key": crypto.randomUUID?.() ?? String(Math.random()).slice(2) };
  const answer = await send(path, { method, headers, body: body && JSON.stringify(body) });
  const content = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Problem(reason(answer.status, content), answer.status);
  return content;
}

function reason(status, content) {
  const details = (content.data?.fields ?? content.fields ?? []).map((field) => field.message ?? field.problem).filter(Boolean);
  const text = details[0] ?? content.data?.detail ?? content.message;
  if (status === 401) return "You are not signed in here any more. Load the page again.";
  if (status === 429) return "That was a bit fast. Wait a moment, and try again.";
  if (status >= 500) return "Something went wrong on our side. Try again in a moment.";
  return sentence(text ?? "That did not work.");
}

function sentence(text) {
  const begun = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(begun) ? begun : begun + ".";
}

// part fetches what the server shows at an address of this page, and returns its <main>.
export async function part(address, options) {
  const url = new URL(address, location.href);
  url.searchParams.set("part", "1");
  url.searchParams.delete("token");
  const answer = await send(url.pathname + url.search, { ...options, headers: { Accept: "text/html" } });
  const shown = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("main");
  if (!shown) throw new Problem(reason(answer.status, {}), answer.status);
  return document.adoptNode(shown);
}
