// A community's page: it says to its own widgets who is looking, and gives them their height.

import { all, init } from "./page.js";

export function enter() {
  const frames = all("iframe[data-widget]");
  if (frames.length === 0) return;
  window.addEventListener("message", (event) => {
    if (event.origin !== location.origin) return;
    const frame = frames.find((one) => one.contentWindow === event.source);
    if (!frame) return;
    const { type, payload } = event.data ?? {};
    if (type === "RETURNINGAI_WIDGET_REQUEST_TOKEN" && init.own) {
      event.source.postMessage({ type: "RETURNINGAI_WIDGET_TOKEN", token: init.own, widgetId: frame.dataset.widget }, location.origin);
    }
    if (type === "WIDGET_HEIGHT_UPDATE" && payload?.height > 0) frame.style.height = Math.min(payload.height, 4000) + "px";
  });
}
