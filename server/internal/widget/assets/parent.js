// The page around a widget: it says who is looking, and gives the widget its height. Nothing is said to a page that may not embed
// the widget, and nothing is heard from one.

import { init, query } from "./page.js";

export const framed = window.parent !== window;

const allowed = new Set([...(init.origins ?? []), location.origin]);
const containerId = query.get("containerId") ?? "";
const listeners = new Set();
let target = ""; // the origin that has answered

// whereTo are the origins that the page around may have. A browser delivers only to the one that it has.
function whereTo() {
  if (target) return [target];
  const seen = location.ancestorOrigins?.[0] ?? originOf(document.referrer);
  if (seen) return allowed.has(seen) ? [seen] : [];
  return [...allowed];
}

function originOf(address) {
  try {
    return new URL(address).origin;
  } catch {
    return "";
  }
}

export function post(type, more = {}) {
  if (!framed) return;
  for (const origin of whereTo()) {
    window.parent.postMessage({ type, containerId, widgetId: init.widgetId, ...more }, origin);
  }
}

// onToken is called with each token that the page around gives.
export const onToken = (listener) => listeners.add(listener);

window.addEventListener("message", (event) => {
  if (!framed || event.source !== window.parent || !allowed.has(event.origin)) return;
  const { type, widgetId } = event.data ?? {};
  if (widgetId && widgetId !== init.widgetId) return;
  if (type !== "RETURNINGAI_WIDGET_TOKEN" && type !== "RETURNINGAI_WIDGET_REFRESH") return;
  const token = event.data.token ?? event.data.value;
  if (typeof token !== "string" || token === "") return;
  target = event.origin;
  for (const listener of listeners) listener(token);
});

const patience = 10_000;

// ask asks the page around who is looking, again and again for a while: it may not listen yet. It ends with a token, or with none.
export function ask(expired = false) {
  if (!framed || whereTo().length === 0) return Promise.resolve("");
  return new Promise((resolve) => {
    const end = (token) => {
      clearTimeout(next);
      clearTimeout(last);
      listeners.delete(end);
      resolve(token);
    };
    let next;
    const again = (wait) => {
      post("RETURNINGAI_WIDGET_REQUEST_TOKEN", expired ? { expired } : {});
      next = setTimeout(() => again(wait * 2), wait);
    };
    const last = setTimeout(() => end(""), patience);
    listeners.add(end);
    again(250);
  });
}

// follow tells the page around how high the widget is, whenever that changes.
export function follow(height) {
  if (!framed) return;
  let before = 0;
  const tell = () => {
    const now = Math.ceil(height());
    if (now > 0 && now !== before) post("WIDGET_HEIGHT_UPDATE", { payload: { height: (before = now) } });
  };
  const observer = new ResizeObserver(() => requestAnimationFrame(tell));
  const watch = () => {
    observer.disconnect();
    observer.observe(document.getElementById("main"));
    tell();
  };
  new MutationObserver(watch).observe(document.body, { childList: true });
  watch();
}
