// A widget, once its page is there: who looks, what they do, and what is new. All HTML comes from the server.

import { direct, find, here, init, main, query, say, state, warn, who } from "./page.js";
import { ask, follow, framed, post } from "./parent.js";
import { become, deed, known, onChange, part } from "./api.js";
import { listen } from "./live.js";
import * as channel from "./channel.js";
import * as store from "./store.js";
import * as community from "./community.js";

const kinds = { channels: channel, store, community };
const kind = kinds[init.kind] ?? {};
const deeds = { ...kind.deeds, social };
const forms = { ...kind.forms };
const channelHeight = 600; // its messages scroll inside of it

// Who is looking.
const given = init.token || init.own || query.get("token") || "";
if (query.has("token")) {
  query.delete("token");
  history.replaceState(history.state, "", location.pathname + (query.size ? "?" + query : "") + location.hash);
}
const seen = who() !== "";
if (given) become(given);

function entered() {
  kind.enter?.((view) => go(addressOf({ view })));
}

function addressOf(more) {
  const url = new URL(init.address, location.href);
  if (query.get("color")) url.searchParams.set("color", query.get("color"));
  for (const [name, value] of Object.entries(more)) if (value) url.searchParams.set(name, value);
  return url.pathname + url.search;
}

// admit tells the page around if there is nothing to see.
function admit() {
  if (main().dataset.state && main().dataset.state !== "waiting") post("WIDGET_ERROR");
}

let shown = 0; // the last request for a part; an older one that is answered later is not shown

// go shows another part of the page, or the same part as it is now.
async function go(address, { keep = false, focus = true } = {}) {
  const mine = ++shown;
  main().setAttribute("aria-busy", "true");
  try {
    const fresh = await part(address);
    if (mine !== shown) return;
    const url = new URL(address, location.href);
    if (!keep && direct) history.pushState({}, "", url.pathname + url.search);
    main().replaceWith(fresh);
    entered();
    admit();
    if (focus) {
      main().focus({ preventScroll: true });
      window.scrollTo(0, 0);
    }
  } finally {
    if (mine === shown) main().removeAttribute("aria-busy");
  }
}

const quietly = (promise) => promise.catch((problem) => warn(problem.message));

// What somebody does.
document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-part]");
  if (link && !event.ctrlKey && !event.metaKey && !event.shiftKey && event.button === 0) {
    event.preventDefault();
    quietly(link.dataset.part === "before" ? channel.before(link) : go(link.href));
    return;
  }
  const button = event.target.closest("[data-do]");
  const does = button && button.tagName !== "FORM" && deeds[button.dataset.do];
  if (does) quietly(Promise.resolve(does(button)));
});
document.addEventListener("submit", (event) => {
  const does = forms[event.target.dataset.do];
  if (!does) return;
  event.preventDefault();
  if (event.target.getAttribute("aria-busy") === "true") return;
  event.target.setAttribute("aria-busy", "true");
  quietly(Promise.resolve(does(event.target)).finally(() => event.target.removeAttribute("aria-busy")));
});
window.addEventListener("popstate", () => quietly(go(here(), { keep: true })));

// social opens the link as every link, and has the deed written down.
async function social(link) {
  const { social: socialId, action } = link.closest("[data-social]").dataset;
  if (!who() || link.closest(".is-done")) return;
  const done = await deed("POST", "/apis/v1/users/socials", { identifier: who(), identifier_type: "id", socialId, action });
  link.closest("[data-social]").classList.add("is-done");
  say(done.data.counted ? "Thank you! That was counted." : "Thank you! That was counted before.");
}

// An image that is not there leaves what is behind it.
const gone = (image) => image.tagName === "IMG" && image.alt === "" && image.remove();
document.addEventListener("error", (event) => gone(event.target), true);
for (const image of document.images) if (image.complete && image.naturalWidth === 0) gone(image);

// What is new: as it happens where that can be heard, and what others do beside it, or what is counted later, every now and then.
const follows = {
  channels: /^message\./,
  store: /^(store|redemption)\./,
  currency: /^(level|badge|streak|field|redemption)\.|^store\./,
  milestone: /^(message|level|field)\.|^store\./,
  leaderboard: /^(message|level|field)\./,
};
let hearing = new AbortController();

async function renew() {
  if (document.visibilityState !== "visible" || find("dialog[open]") || find(".buy") || main().dataset.state) return;
  if (init.kind === "channels") await channel.refresh();
  else await go(here(), { keep: true, focus: false });
}

function hear() {
  hearing.abort();
  hearing = new AbortController();
  const wanted = follows[init.kind];
  if (!wanted || !known()) return;
  const { signal } = hearing;
  let soon;
  const light = (on) => {
    const sign = find("[data-live]");
    if (sign) sign.hidden = !on;
  };
  const every = (time) => {
    const timer = setInterval(() => renew().catch(() => {}), time);
    signal.addEventListener("abort", () => clearInterval(timer));
  };
  listen("/apis/v1/events?serverId=" + init.communityId, {
    signal,
    open: () => light(true),
    shut: () => light(false),
    event: (sent) => {
      if (!wanted.test(sent.event)) return;
      clearTimeout(soon);
      soon = setTimeout(() => renew().catch(() => {}), init.kind === "channels" ? 30 : 1500);
    },
    never: () => init.kind === "channels" && every(10_000),
  });
  if (init.kind !== "channels") every(60_000);
}
window.addEventListener("pagehide", () => hearing.abort());
window.addEventListener("pageshow", (event) => event.persisted && hear());

onChange(() => {
  if (main().dataset.state || init.kind !== "channels") quietly(go(here(), { keep: true, focus: false }).then(hear));
  else hear();
});

// The beginning.
entered();
follow(() => (init.kind === "channels" && !main().dataset.state ? channelHeight : main().getBoundingClientRect().height));
post("WIDGET_READY");
admit();
if (given && !seen && init.kind !== "community") quietly(go(here(), { keep: true, focus: false }).then(hear));
else if (given) hear();
else if (framed && init.kind !== "community") begin();
else if (main().dataset.state === "waiting") state("Nobody said who you are", "This is made to be part of another page, which says who is looking.");

async function begin() {
  if ((await ask()) || main().dataset.state !== "waiting") return;
  state("The page around this did not say who you are", "Its owner must give this widget a token, and be allowed to show it. Load the page again, or sign in there first.");
  post("WIDGET_ERROR");
}
