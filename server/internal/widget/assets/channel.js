// A channel: new messages come in without moving what somebody reads, and one can write, reply and react.

import { all, find, here } from "./page.js";
import { deed, part } from "./api.js";

const own = new Set(); // reactions of who is looking, since the page was opened
let replyTo = "";

export const deeds = { react, reply, unreply: () => answer(""), latest: () => bottom(true) };
export const forms = { send };

const thread = () => document.getElementById("thread");
const atEnd = (place) => place.scrollHeight - place.scrollTop - place.clientHeight < 80;

// enter begins at the newest message.
export function enter() {
  const place = thread();
  if (!place) return;
  bottom();
  mark();
  place.addEventListener("scroll", () => atEnd(place) && unseen(false), { passive: true });
  const text = document.getElementById("text");
  text?.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      text.form.requestSubmit();
    }
    if (event.key === "Escape") answer("");
  });
}

function bottom(focus) {
  const place = thread();
  place.scrollTop = place.scrollHeight;
  unseen(false);
  if (focus) place.focus();
}

function unseen(are) {
  const button = find(".unseen");
  if (button) button.hidden = !are;
}

// refresh shows what is new. Who reads what is older stays there.
export async function refresh() {
  const place = thread();
  if (!place || find('[data-part]:not([data-part="before"])', place)) return; // an older page is read
  const fresh = (await part(here())).querySelector("#thread");
  if (!fresh) return;
  const stay = atEnd(place);
  const before = new Set(all("[data-message]", place).map((message) => message.dataset.message));
  const arrived = all("[data-message]", fresh).filter((message) => !before.has(message.dataset.message));
  const focused = document.activeElement?.closest?.("[data-message]")?.dataset.message;
  if (find(".is-earlier", place)) merge(place, fresh);
  else place.replaceChildren(...fresh.childNodes);
  mark();
  if (focused) find(`[data-message="${CSS.escape(focused)}"] button`, place)?.focus({ preventScroll: true });
  if (before.size > 0) for (const message of arrived) message.classList.add("is-new");
  if (stay) bottom();
  else unseen(arrived.length > 0);
  const newest = arrived.at(-1);
  if (newest && before.size > 0 && !newest.closest(".is-mine")) {
    spoken(`${newest.dataset.author}: ${find(".text", newest)?.textContent ?? "an image"}`);
  }
}

// merge replaces the days that both have, where earlier ones were loaded.
function merge(place, fresh) {
  for (const day of all(".day", fresh)) {
    const old = find(`.day[data-day="${CSS.escape(day.dataset.day)}"]:not(.is-earlier)`, place);
    if (old) old.replaceWith(day);
    else place.append(day);
  }
}

// spoken is read out, and not seen: it is in the thread already.
function spoken(text) {
  let place = document.getElementById("spoken");
  if (!place) {
    place = document.createElement("p");
    place.id = "spoken";
    place.className = "hidden";
    place.setAttribute("aria-live", "polite");
    document.body.append(place);
  }
  place.textContent = text;
}

// before puts earlier messages in front of those that are there, and keeps these where they are.
export async function before(link) {
  const place = thread();
  const earlier = (await part(link.href)).querySelector("#thread");
  const height = place.scrollHeight - place.scrollTop;
  link.closest(".older").remove();
  const added = all(":scope > .older:first-child, :scope > .day", earlier);
  for (const day of added) day.classList.add("is-earlier");
  place.prepend(...added.filter((node) => node.matches(".day") || find('[data-part="before"]', node)));
  place.scrollTop = place.scrollHeight - height;
  mark();
}

const keyOf = (button) => button.closest("[data-message]").dataset.message + " " + button.dataset.emoji;

function mark() {
  for (const button of all(".reaction")) {
    const is = own.has(keyOf(button));
    button.classList.toggle("is-own", is);
    button.setAttribute("aria-pressed", String(is));
  }
}

async function react(button) {
  const messageId = button.closest("[data-message]").dataset.message;
  const { emoji } = button.dataset;
  const key = keyOf(button);
  button.closest("details")?.removeAttribute("open");
  if (own.has(key)) {
    await deed("DELETE", `/apis/v1/messages/${messageId}/reactions/${encodeURIComponent(emoji)}`);
    own.delete(key);
  } else {
    await deed("POST", "/apis/v1/messages/react", { messageId, emoji });
    own.add(key);
  }
  await refresh();
}

function reply(button) {
  answer(button.closest("[data-message]").dataset.message);
  document.getElementById("text")?.focus();
}

function answer(messageId) {
  replyTo = messageId;
  const place = document.getElementById("replying");
  if (!place) return;
  place.hidden = !messageId;
  if (messageId) find("[data-reply-to]", place).textContent = find(`[data-message="${CSS.escape(messageId)}"]`)?.dataset.author ?? "";
}

async function send(form) {
  const text = form.elements.message;
  const message = text.value.trim();
  if (!message) return;
  if (replyTo) await deed("POST", "/apis/v1/messages/reply", { messageId: replyTo, message });
  else await deed("POST", "/apis/v1/messages/send", { channelId: form.dataset.channel, message });
  text.value = "";
  answer("");
  await refresh();
  bottom();
  text.focus();
}
