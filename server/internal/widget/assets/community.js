// A community's page: it says to its own widgets who is looking, and gives them their height.

import { all, here, init, main } from "./page.js";
import { part } from "./api.js";

export function enter() {
  const frames = all("iframe[data-widget]");
  if (frames.length === 0) return;
  let token = init.own;
  window.addEventListener("message", async (event) => {
    if (event.origin !== location.origin) return;
    const frame = frames.find((one) => one.contentWindow === event.source);
    if (!frame) return;
    const { type, payload } = event.data ?? {};
    if (type === "RETURNINGAI_WIDGET_REQUEST_TOKEN") {
      if (event.data.expired) token = (await part(here()).catch(main)).dataset.token ?? "";
      if (!token) return;
      event.source.postMessage({ type: "RETURNINGAI_WIDGET_TOKEN", token, widgetId: frame.dataset.widget }, location.origin);
    }
    if (type === "WIDGET_HEIGHT_UPDATE" && payload?.height > 0) frame.style.height = Math.min(payload.height, 4000) + "px";
  });
}
