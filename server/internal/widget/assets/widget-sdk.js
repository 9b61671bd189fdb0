// Embeds widgets by elements:
//
//   <script src="https://…/widget-sdk.js"></script>
//   <rai-store-widget widget-id="…" embed-token="…"></rai-store-widget>
//
// Who is looking is said by embed-token, or by auth-url: an address of yours that answers {token}.
(() => {
  "use strict";
  const server = new URL(".", document.currentScript?.src ?? location.href);
  const pages = {
    "rai-store-widget": "store-widget", "rai-channel-widget": "channel-widget", "rai-milestone-widget": "milestone-widget",
    "rai-social-widget": "social-widget", "rai-currency-widget": "currency-overview-widget", "rai-widget": "widget-page",
  };
  const loadingTime = 20_000;
  const silence = 3000; // of a frame that has loaded: what is in it is not the widget
  let last = 0;

  const look = `
    :host { display: block; position: relative; }
    iframe { display: block; width: 100%; height: 100%; border: 0; border-radius: 14px; color-scheme: normal; }
    iframe[hidden] { display: none; }
    p { box-sizing: border-box; margin: 0; padding: 24px; border-radius: 14px; font: 14px/1.5 system-ui, sans-serif; text-align: center; color: #565e6e; background: #f4f5f8; }
    :host([theme="dark"]) p { color: #a4adbd; background: #1f242e; }
    button { margin-top: 10px; padding: 6px 14px; font: inherit; color: inherit; background: none; border: 1px solid currentColor; border-radius: 9px; cursor: pointer; }`;

  class Widget extends HTMLElement {
    static observedAttributes = ["embed-token", "theme", "widget-id", "width", "height"];

    #shadow = this.attachShadow({ mode: "closed" });
    #frame;
    #token = "";
    #asked;
    #containerId = "rai-" + ++last;
    #renewal;
    #loading;
    #watch;
    #tries = 0;
    #ready = false;
    #hear = (event) => this.#heard(event);

    connectedCallback() {
      window.addEventListener("message", this.#hear);
      this.#size();
      if (this.hasAttribute("eager") || !("IntersectionObserver" in window)) return this.#begin();
      this.#watch = new IntersectionObserver((entries) => {
        if (!entries.some((entry) => entry.isIntersecting)) return;
        this.#watch.disconnect();
        this.#begin();
      }, { rootMargin: "200px" });
      this.#watch.observe(this);
    }

    disconnectedCallback() {
      window.removeEventListener("message", this.#hear);
      this.#watch?.disconnect();
      clearTimeout(this.#renewal);
      clearTimeout(this.#loading);
      this.#frame = undefined;
      this.#shadow.replaceChildren();
    }

    attributeChangedCallback(name, before, now) {
      if (before === now || !this.isConnected) return;
      if (name === "width" || name === "height") return this.#size();
      if (name === "embed-token") {
        this.#token = now ?? "";
        if (this.#token) this.#say("RETURNINGAI_WIDGET_REFRESH", { token: this.#token });
        return;
      }
      if (this.#frame) this.reload();
    }

    // What a page can do with it.
    reload() {
      this.#tries = 0;
      this.#begin();
    }

    async refresh() {
      const fresh = await this.#get(true);
      if (fresh) this.#say("RETURNINGAI_WIDGET_REFRESH", { token: fresh });
      return fresh;
    }

    getToken() {
      return this.#get(false);
    }

    #number(name, otherwise) {
      const value = Number(this.getAttribute(name));
      return this.hasAttribute(name) && Number.isFinite(value) && value >= 0 ? value : otherwise;
    }

    #id() {
      return this.getAttribute("widget-id") || "";
    }

    #size() {
      const size = (text) => (/^\d+$/.test(text) ? text + "px" : text);
      this.style.width = size(this.getAttribute("width") || "100%");
      this.style.height = this.hasAttribute("height") ? size(this.getAttribute("height")) : this.style.height || "420px";
    }

    #begin() {
      const style = document.createElement("style");
      style.textContent = look;
      if (!this.#id()) {
        const note = document.createElement("p");
        note.textContent = "This widget has no widget-id.";
        this.#shadow.replaceChildren(style, note);
        return this.#tell("rai-error", { reason: "widget-id is missing" });
      }
      this.#frame = document.createElement("iframe");
      this.#frame.title = this.getAttribute("aria-label") || this.localName.replace(/^rai-|-widget$/g, "");
      this.#frame.allow = "clipboard-write";
      const url = new URL(pages[this.localName] + "/" + encodeURIComponent(this.#id()), server);
      const theme = this.getAttribute("theme");
      if (theme === "light" || theme === "dark") url.searchParams.set("color", theme);
      if (this.hasAttribute("locale")) url.searchParams.set("locale", this.getAttribute("locale"));
      url.searchParams.set("containerId", this.#containerId);
      this.#frame.src = url.href;
      this.#ready = false;
      this.#frame.addEventListener("load", () => {
        if (this.#ready) return;
        clearTimeout(this.#loading);
        this.#loading = setTimeout(() => this.#failed(), silence);
      });
      this.#shadow.replaceChildren(style, this.#frame);
      clearTimeout(this.#loading);
      this.#loading = setTimeout(() => this.#failed(), loadingTime);
    }

    // What does not say that it is ready is loaded again, later each time, and in the end says why nothing is there.
    #failed() {
      if (!this.isConnected) return;
      if (this.#tries < this.#number("max-retries", 3)) {
        this.#loading = setTimeout(() => this.isConnected && this.#begin(), this.#number("retry-delay", 1000) * 2 ** this.#tries++);
        return;
      }
      const style = document.createElement("style");
      style.textContent = look;
      const note = document.createElement("p");
      note.append("This cannot be shown here: the server does not answer, or it does not allow this page.", document.createElement("br"));
      const again = document.createElement("button");
      again.textContent = "Try again";
      again.addEventListener("click", () => this.reload());
      note.append(again);
      this.#frame = undefined;
      this.#shadow.replaceChildren(style, note);
      console.warn(`[widget] ${this.#id()} shows nothing in ${location.origin}: this origin must be among its allowedOrigins, and the widget be active, of this kind and of this id`);
      this.#tell("rai-error", { reason: "not loaded" });
    }

    #tell(name, detail) {
      this.dispatchEvent(new CustomEvent(name, { bubbles: true, composed: true, detail: { containerId: this.#containerId, widgetId: this.#id(), ...detail } }));
    }

    #say(type, more) {
      this.#frame?.contentWindow?.postMessage({ type, widgetId: this.#id(), ...more }, server.origin);
    }

    async #heard(event) {
      if (event.origin !== server.origin || !this.#frame || event.source !== this.#frame.contentWindow) return;
      const { type, payload } = event.data ?? {};
      switch (type) {
        case "RETURNINGAI_WIDGET_REQUEST_TOKEN": {
          const token = await this.#get(event.data.expired === true);
          if (token) this.#say("RETURNINGAI_WIDGET_TOKEN", { value: token, token });
          return;
        }
        case "WIDGET_READY":
          this.#ready = true;
          clearTimeout(this.#loading);
          return this.#tell("rai-ready");
        case "WIDGET_ERROR":
          return this.#tell("rai-error", { reason: "the widget says so" });
        case "WIDGET_HEIGHT_UPDATE":
          if (!(payload?.height > 0)) return;
          if (!this.hasAttribute("height")) this.style.height = Math.ceil(payload.height) + "px";
          return this.#tell("rai-height", { height: payload.height });
      }
    }

    #get(fresh) {
      this.#token ||= this.getAttribute("embed-token") || "";
      if ((this.#token && !fresh) || !this.hasAttribute("auth-url")) return Promise.resolve(this.#token);
      this.#asked ??= this.#ask(this.#number("max-retries", 3), this.#number("retry-delay", 1000)).finally(() => (this.#asked = undefined));
      return this.#asked;
    }

    async #ask(tries, wait) {
      try {
        const answer = await fetch(new URL(this.getAttribute("auth-url"), location.href), { method: "POST", credentials: "same-origin", headers: { Accept: "application/json" } });
        if (!answer.ok) throw new Error("auth-url answers " + answer.status);
        const content = await answer.json();
        this.#token = content.token ?? content.embedToken ?? content.data?.embedToken ?? content.data?.token ?? "";
        this.#later();
        return this.#token;
      } catch (error) {
        if (tries <= 0) {
          this.#tell("rai-error", { reason: error.message });
          return "";
        }
        await new Promise((resolve) => setTimeout(resolve, wait));
        return this.#ask(tries - 1, wait * 2);
      }
    }

    // Another token is there before this one ends.
    #later() {
      clearTimeout(this.#renewal);
      if (this.getAttribute("auto-refresh") === "false") return;
      let ends = 0;
      try {
        ends = JSON.parse(atob(this.#token.split(".")[1].replace(/-/g, "+").replace(/_/g, "/"))).exp * 1000;
      } catch {
        return; // not one of ours: the widget asks when it needs another one
      }
      this.#renewal = setTimeout(() => this.refresh(), Math.max(5000, ends - Date.now() - 30_000));
    }
  }

  for (const name of Object.keys(pages)) {
    if (!customElements.get(name)) customElements.define(name, class extends Widget {});
  }
})();
