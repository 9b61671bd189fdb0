// What happens in the community, as it happens. An EventSource could not say who listens; a request can.

import { send } from "./api.js";

// listen calls back for each event. It comes back after each interruption and goes on from where it was. Where nobody may listen,
// it calls `never`.
export async function listen(path, { signal, event, open, shut, never }) {
  let last = "";
  let wait = 1000;
  while (!signal.aborted) {
    try {
      const headers = { Accept: "text/event-stream" };
      if (last) headers["Last-Event-ID"] = last;
      const answer = await send(path, { headers, signal });
      if ([400, 401, 403, 404, 405, 501].includes(answer.status)) return never();
      if (answer.ok && answer.body) {
        open();
        wait = 1000;
        last = await read(answer.body, event, last);
      }
    } catch {
      if (signal.aborted) return;
    }
    shut();
    await pause(wait * (0.75 + Math.random() / 2), signal);
    wait = Math.min(wait * 2, 30_000);
  }
}

async function read(body, event, last) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return last;
      text = (text + value).replaceAll("\r\n", "\n");
      for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
        const sent = parse(text.slice(0, end));
        text = text.slice(end + 2);
        if (sent.id) last = sent.id;
        if (sent.data) event(sent);
      }
    }
  } catch {
    return last;
  }
}

function parse(block) {
  const sent = { event: "message", data: "", id: "" };
  for (const line of block.split("\n")) {
    const colon = line.indexOf(":");
    if (colon <= 0) continue;
    const name = line.slice(0, colon);
    const value = line.slice(colon + 1).replace(/^ /, "");
    if (name === "data") sent.data += (sent.data && "\n") + value;
    else if (name === "event" || name === "id") sent[name] = value;
  }
  return sent;
}

function pause(time, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, time);
    signal.addEventListener("abort", () => (clearTimeout(timer), resolve()), { once: true });
  });
}
