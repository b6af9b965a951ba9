"use strict";
// The page works without this script. It asks for the same page with other values and takes the results out of it.
const form = document.querySelector("#form");
const field = form.elements.q;
const dial = form.elements.balance;
const status = document.querySelector("#status");
const still = matchMedia("(prefers-reduced-motion: reduce)");
let running = new AbortController();
let timer = 0;

function address() {
  const values = new URLSearchParams();
  for (const [name, value] of new FormData(form)) if (value !== "") values.append(name, value);
  return `/?${values}`;
}

function rows(list) {
  return [...document.querySelectorAll(`${list} .result`)];
}

function places() {
  const tops = new Map();
  for (const row of rows("#results")) {
    tops.set(row.closest(".column").className + row.dataset.id, row.getBoundingClientRect());
  }
  return tops;
}

// Each result moves from where it was to where it is.
function move(before) {
  if (still.matches) return;
  for (const row of rows("#results")) {
    const was = before.get(row.closest(".column").className + row.dataset.id);
    const now = row.getBoundingClientRect();
    const frames = was
      ? [{ transform: `translateY(${was.top - now.top}px)` }, { transform: "none" }]
      : [{ opacity: 0 }, { opacity: 1 }];
    row.animate(frames, { duration: 320, easing: "cubic-bezier(.2, .8, .2, 1)" });
  }
}

async function load(url, { record = "replace" } = {}) {
  running.abort();
  running = new AbortController();
  const { signal } = running;
  document.body.classList.add("loading");
  try {
    const answer = await fetch(url, { signal, headers: { Accept: "text/html" } });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const results = page.querySelector("#results");
    if (signal.aborted) return;
    if (results === null) throw new Error(`the server answered ${answer.status}`);
    const before = places();
    const dialled = before.size > 0 && record === "replace";
    document.querySelector("#results").replaceWith(document.adoptNode(results));
    document.body.className = page.body.className;
    document.title = page.title;
    if (record === "push") history.pushState(null, "", url);
    if (record === "replace") history.replaceState(null, "", url);
    if (dialled) move(before);
    status.textContent = [...results.querySelectorAll(".column")]
      .map((one) => `${one.querySelector("h2").textContent}: ${one.querySelector(".summary").textContent}`)
      .join(". ");
  } catch (error) {
    if (error.name === "AbortError") return;
    const note = document.createElement("p");
    note.className = "error";
    note.setAttribute("role", "alert");
    note.textContent = `No answer from the server (${error.message}). Try again.`;
    document.querySelector("#results").replaceChildren(note);
  } finally {
    if (!signal.aborted) document.body.classList.remove("loading");
  }
}

function soon(wait) {
  clearTimeout(timer);
  timer = setTimeout(() => { if (field.value.trim()) load(address()); }, wait);
}

function show() {
  document.querySelector("#dialled").textContent = Number(dial.value).toString();
  dial.style.setProperty("--at", dial.value);
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  clearTimeout(timer);
  if (field.value.trim()) load(address(), { record: "push" });
});
form.addEventListener("change", (event) => { if (event.target !== field) soon(0); });
dial.addEventListener("input", () => { show(); soon(120); });
dial.addEventListener("dblclick", () => { dial.value = dial.defaultValue; show(); soon(0); });

document.addEventListener("click", (event) => {
  const link = event.target.closest(".pages a");
  if (link === null || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  load(link.getAttribute("href"), { record: "push" }).then(() => document.querySelector("#results").focus());
});

// The same passage in the other list.
function mark(event) {
  const row = event.target.closest?.(".result");
  for (const other of rows("#results")) {
    other.classList.toggle("twin", row !== null && row !== undefined && other.dataset.id === row.dataset.id);
  }
}
document.addEventListener("mouseover", mark);
document.addEventListener("focusin", mark);

document.addEventListener("keydown", (event) => {
  const typing = event.target.matches("input:not([type=range], [type=checkbox], [type=radio]), select, textarea");
  if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey) {
    event.preventDefault();
    field.select();
  }
  if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
  const row = event.target.closest(".result");
  if (row === null && !(event.target === field && event.key === "ArrowDown")) return;
  const list = row === null ? [] : [...row.parentElement.children];
  const next = row === null ? rows("#results")[0] : list[list.indexOf(row) + (event.key === "ArrowDown" ? 1 : -1)];
  const target = next ?? (event.key === "ArrowUp" ? field : undefined);
  if (target === undefined) return;
  event.preventDefault();
  (target === field ? field : target.querySelector(".more summary")).focus();
});

addEventListener("popstate", () => location.reload());
form.querySelector("kbd").hidden = false;
show();
