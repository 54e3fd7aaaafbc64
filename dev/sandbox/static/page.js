// Keeps the page live: the stream names what changed, the changed part is fetched and put in place.
"use strict";

const view = Object.fromEntries(new URLSearchParams(location.search));
const busy = new Map();

function address(part) {
  return "/fragment/" + part + "?" + new URLSearchParams(view);
}

function opened(root) {
  const all = [...root.querySelectorAll("details[data-key]")];
  return new Map(all.map((each) => [each.dataset.key, each.open]));
}

function replace(root, html) {
  const next = new DOMParser().parseFromString(html, "text/html").body;
  const states = opened(root);
  next.querySelectorAll("details[data-key]").forEach((each) => {
    if (states.has(each.dataset.key)) each.open = states.get(each.dataset.key);
  });
  if (next.innerHTML !== root.innerHTML) root.replaceChildren(...next.childNodes);
}

function untouchable(root) {
  const frame = root.querySelector("iframe[data-keep]");
  return Boolean(frame && view.mail && frame.dataset.keep === "mail-" + view.mail && (view.tab || "html") === "html");
}

function editing(root) {
  return Boolean(root.querySelector("#fault-form :focus"));
}

async function refresh(part, force) {
  const root = document.getElementById(part);
  if (!root || (!force && (untouchable(root) || editing(root)))) return;
  if (busy.get(part)) { busy.set(part, "again"); return; }
  busy.set(part, "fetching");
  try {
    const response = await fetch(address(part));
    if (response.ok) replace(root, await response.text());
  } catch (error) {
    // The stream says that the sandbox is gone; it reconnects by itself.
  }
  const again = busy.get(part) === "again";
  busy.delete(part);
  if (again) refresh(part, force);
}

function listen() {
  const live = document.getElementById("live");
  const say = (state, text) => { live.dataset.state = state; live.textContent = text; };
  const stream = new EventSource("/stream");
  stream.addEventListener("open", () => say("open", "live"));
  stream.addEventListener("error", () => say("closed", "not connected"));
  stream.addEventListener("change", (event) => JSON.parse(event.data).forEach((part) => refresh(part, false)));
}

async function send(method, path, body) {
  const options = { method };
  if (body) Object.assign(options, { headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
  const response = await fetch(path, options);
  return response.ok ? "" : (await response.json()).error;
}

function faultOf(form) {
  const given = [...new FormData(form)].filter(([, value]) => value !== "");
  const numeric = new Set(["count", "status", "retry_after", "seconds", "code"]);
  return Object.fromEntries(given.map(([name, value]) => [name, numeric.has(name) ? Number(value) : value]));
}

function choose(link) {
  if (link.dataset.key === "mail") delete view.tab;
  view[link.dataset.key] = link.dataset.value;
  if (!link.dataset.value) delete view[link.dataset.key];
  if (link.dataset.key === "tab") view.mail = new URL(link.href).searchParams.get("mail");
  history.replaceState(null, "", "?" + new URLSearchParams(view));
  refresh(link.dataset.part, true);
}

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-part]");
  if (link) { event.preventDefault(); choose(link); return; }
  const button = event.target.closest("button");
  if (!button) return;
  if (button.dataset.fault) send("POST", "/faults", JSON.parse(button.dataset.fault));
  if (button.dataset.clear !== undefined) send("DELETE", "/faults" + (button.dataset.clear ? "?number=" + button.dataset.clear : ""));
  if (button.id === "reset") { delete view.mail; send("DELETE", "/state"); }
});

document.addEventListener("submit", async (event) => {
  event.preventDefault();
  const output = event.target.querySelector("output");
  output.textContent = await send("POST", "/faults", faultOf(event.target));
  if (!output.textContent) { document.activeElement.blur(); refresh("faults", true); }
});

listen();
