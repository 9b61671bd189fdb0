// Embeds a widget in a container of this page:
//
//   <div id="store"></div>
//   <script src="https://…/widget-loader.js" data-container="store" data-widget-id="…" data-widget-type="store" data-auth-url="/who" defer></script>
//
// Who is looking is said by a token that your own server gets: in data-embed-token, or by data-auth-url, an address of yours that
// answers {token}. It is asked with the other data- attributes, such as data-customer-id; nobody else sees them.
(() => {
  "use strict";
  const script = document.currentScript;
  if (!script) return;

  const pages = {
    channels: "channel-widget", channel: "channel-widget", milestone: "milestone-widget", socials: "social-widget", social: "social-widget",
    store: "store-widget", currency: "currency-overview-widget", "currency-view": "currency-overview-widget", overview: "overview-widget",
    leaderboard: "custom-leaderboards", widget: "widget-page",
  };
  const settings = { ...script.dataset };
  const server = new URL(settings.apiUrl || ".", script.src);
  const own = ["widgetId", "widgetType", "container", "theme", "width", "height", "apiUrl", "autoRefresh", "debug", "embedToken", "authUrl"];
  const containerId = settings.container || "returning-ai-widget-" + settings.widgetId;
  const debug = (...words) => settings.debug !== undefined && settings.debug !== "false" && console.debug("[widget]", containerId, ...words);

  let token = settings.embedToken || "";
  let frame;
  let asked; // the request for a token that is on its way
  let renewal;
  let silent;
  let ready = false;

  // identity are the attributes that say who somebody is, by their names.
  function identity() {
    return Object.fromEntries([...script.attributes].filter((one) => one.name.startsWith("data-") && !own.includes(camel(one.name))).map((one) => [one.name, one.value]));
  }
  const camel = (name) => name.slice(5).replace(/-([a-z])/g, (_, letter) => letter.toUpperCase());

  function address() {
    const slug = (settings.widgetId ?? "").includes("/"); // of a leaderboard: its community and its name there
    const page = settings.widgetType === "leaderboard" && !slug ? pages.widget : pages[settings.widgetType || "widget"];
    if (!page || !settings.widgetId) throw new Error("data-widget-id and a known data-widget-type are needed");
    const url = new URL(page + "/" + settings.widgetId.split("/").map(encodeURIComponent).join("/"), server);
    if (settings.theme === "light" || settings.theme === "dark") url.searchParams.set("color", settings.theme);
    url.searchParams.set("containerId", containerId);
    return url.href;
  }

  // getToken is the token of who is looking; without one, it asks this page's own server, again after a while if that fails.
  function getToken(fresh = false) {
    if (token && !fresh) return Promise.resolve(token);
    if (!settings.authUrl) return Promise.resolve(token);
    asked ??= ask(3, 500).finally(() => (asked = undefined));
    return asked;
  }

  async function ask(tries, wait) {
    try {
      const answer = await fetch(new URL(settings.authUrl, location.href), {
        method: "POST", credentials: "same-origin", headers: { "Content-Type": "application/json" }, body: JSON.stringify(identity()),
      });
      if (!answer.ok) throw new Error("data-auth-url answers " + answer.status);
      const content = await answer.json();
      token = content.token ?? content.embedToken ?? content.data?.embedToken ?? content.data?.token ?? "";
      later();
      return token;
    } catch (error) {
      debug(error.message);
      if (tries <= 1) return "";
      await new Promise((resolve) => setTimeout(resolve, wait));
      return ask(tries - 1, wait * 2);
    }
  }

  // later gets another token before this one ends.
  function later() {
    clearTimeout(renewal);
    if (settings.autoRefresh === "false" || !settings.authUrl) return;
    const ends = endOf(token);
    if (ends) renewal = setTimeout(refresh, Math.max(5000, ends - Date.now() - 30_000));
  }

  function endOf(text) {
    try {
      return JSON.parse(atob(text.split(".")[1].replace(/-/g, "+").replace(/_/g, "/"))).exp * 1000;
    } catch {
      return 0;
    }
  }

  const say = (type, more) => frame?.contentWindow?.postMessage({ type, widgetId: settings.widgetId, ...more }, server.origin);

  // refresh gives the widget another token, and reload begins it anew.
  async function refresh() {
    const fresh = await getToken(true);
    if (fresh) say("RETURNINGAI_WIDGET_REFRESH", { token: fresh });
    return fresh;
  }

  function reload() {
    begin();
  }

  window.addEventListener("message", async (event) => {
    if (event.origin !== server.origin || !frame || event.source !== frame.contentWindow) return;
    const { type, payload } = event.data ?? {};
    debug(type, payload ?? "");
    if (type === "RETURNINGAI_WIDGET_REQUEST_TOKEN") {
      const known = await getToken(event.data.expired === true);
      if (known) say("RETURNINGAI_WIDGET_TOKEN", { value: known, token: known });
    }
    if (type === "WIDGET_HEIGHT_UPDATE" && !settings.height && payload?.height > 0) frame.style.height = Math.ceil(payload.height) + "px";
    if (type === "WIDGET_READY") {
      ready = true;
      clearTimeout(silent);
    }
    if (type === "WIDGET_READY" || type === "WIDGET_ERROR") {
      frame.dispatchEvent(new CustomEvent(type === "WIDGET_READY" ? "rai-ready" : "rai-error", { bubbles: true, detail: { containerId, widgetId: settings.widgetId } }));
    }
  });

  // failed says why nothing is there: what the frame has loaded is not the widget.
  function failed(container) {
    const note = document.createElement("p");
    note.style.cssText = "margin:0;padding:24px;border-radius:14px;font:14px/1.5 system-ui,sans-serif;text-align:center;color:#565e6e;background:#f4f5f8";
    note.textContent = "This cannot be shown here: the server does not answer, or it does not allow this page.";
    frame = undefined;
    container.replaceChildren(note);
    console.warn(`[widget] ${settings.widgetId} shows nothing in ${location.origin}: this origin must be among its allowedOrigins, and the widget be active, of this kind and of this id`);
    container.dispatchEvent(new CustomEvent("rai-error", { bubbles: true, detail: { containerId, widgetId: settings.widgetId, reason: "not loaded" } }));
  }

  function size(text, otherwise) {
    if (!text) return otherwise;
    return /^\d+$/.test(text) ? text + "px" : text;
  }

  function begin() {
    const container = document.getElementById(containerId);
    if (!container) return console.error(`[widget] there is no element with the id "${containerId}"`);
    frame = document.createElement("iframe");
    frame.title = container.getAttribute("aria-label") || settings.widgetType || "Widget";
    frame.allow = "clipboard-write";
    frame.style.cssText = "display:block;border:0;border-radius:14px;max-width:100%;color-scheme:normal";
    frame.style.width = size(settings.width, "100%");
    frame.style.height = size(settings.height, "420px");
    frame.src = address();
    ready = false;
    frame.addEventListener("load", () => ready || (silent = setTimeout(() => failed(container), 3000)));
    container.replaceChildren(frame);
    if (token) later();
  }

  window.ReturningAIWidget = window.ReturningAIWidget || {};
  window.ReturningAIWidget[containerId] = { refresh, reload, getToken: () => getToken() };
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", begin, { once: true });
  else begin();
})();
