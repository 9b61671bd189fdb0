// What the page says about itself, and how it speaks to who looks at it.

export const init = window.__WIDGET_INIT__ ?? {};
export const query = new URLSearchParams(location.search);
export const main = () => document.getElementById("main");
export const find = (selector, within = document) => within.querySelector(selector);
export const all = (selector, within = document) => [...within.querySelectorAll(selector)];

// who is the number of the account that looks, as the server has seen it.
export const who = () => main()?.dataset.me ?? "";

// here is the address of what is shown. Where a proxy shows the page, it is not that of the window.
export const here = () => (direct ? location.pathname : init.address) + location.search;
export const direct = location.pathname === init.address;

let fading;

// say tells something that went well, and warn something that did not. Both are read out.
export function say(text) {
  show("toast", text);
}
export function warn(text) {
  show("alert", text);
}

function show(id, text) {
  for (const other of ["toast", "alert"]) document.getElementById(other).textContent = "";
  document.getElementById(id).textContent = text;
  clearTimeout(fading);
  fading = setTimeout(() => (document.getElementById(id).textContent = ""), 6000);
}

// state shows why there is nothing else to see, in the place that the server has made for it.
export function state(title, reason) {
  const place = find(".state", main());
  if (!place) return warn(reason);
  find(".skeleton", place)?.remove();
  find("h1", place).textContent = title;
  find("#state-reason", place).textContent = reason;
}
