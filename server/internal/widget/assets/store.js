// The store: what something costs in all, buying it after one more question, and codes to copy.

import { all, find, say } from "./page.js";
import { deed } from "./api.js";

export const deeds = { close, confirm, copy };
export const forms = { buy };

const words = new Intl.NumberFormat("en");
let show; // another part of the page

export function enter(go) {
  show = go;
  const product = find("[data-product]");
  const quantity = document.getElementById("quantity");
  if (!product || !quantity) return;
  const button = find(".buy .button");
  const balance = Number(find("[data-balance]")?.dataset.balance ?? 0);
  const count = () => {
    const n = Math.max(1, Math.floor(Number(quantity.value)) || 1);
    const total = n * Number(product.dataset.price);
    for (const place of all("[data-total]", product)) place.textContent = words.format(total);
    for (const place of all("[data-quantity]", product)) place.textContent = words.format(n);
    for (const place of all("[data-kept]", product)) place.textContent = words.format(balance - total);
    button.disabled = total > balance;
  };
  quantity.addEventListener("input", count);
  count();
}

function buy() {
  find("[data-problem]").textContent = "";
  document.getElementById("confirm").showModal();
}

function close() {
  document.getElementById("confirm").close();
}

async function confirm(button) {
  const product = find("[data-product]").dataset.product;
  const form = find(".buy");
  const order = { productID: product, quantity: Math.floor(Number(form.elements.quantity.value)) };
  const about = {};
  for (const name of ["name", "phone", "address"]) if (form.elements[name]?.value) about[name] = form.elements[name].value;
  if (Object.keys(about).length > 0) order.userInformation = about;
  button.disabled = true;
  try {
    const bought = (await deed("POST", "/apis/v1/purchases", order)).data;
    close();
    await show("orders");
    const row = document.getElementById("order-" + bought._id);
    row?.classList.add("is-new");
    row?.focus();
    row?.scrollIntoView({ block: "nearest" });
    say(bought.vouchers?.length ? "Bought. Your code is below." : "Bought. Thank you!");
  } catch (problem) {
    find("[data-problem]").textContent = problem.message;
  } finally {
    button.disabled = false;
  }
}

async function copy(button) {
  const { code } = button.dataset;
  try {
    await navigator.clipboard.writeText(code);
  } catch {
    const range = document.createRange(); // the page around may not let a widget write: it is chosen, at least
    range.selectNodeContents(find("code", button.parentElement));
    getSelection().removeAllRanges();
    getSelection().addRange(range);
    if (!document.execCommand("copy")) return say("Press Ctrl+C to copy the code.");
  }
  say("The code is copied.");
}
