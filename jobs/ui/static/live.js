// Keeps a page as it is on the server: asks for the same page again and changes what differs.
// There is one rendering, the server's, and nothing here makes HTML of text. Without this script the
// page is what it was when it was loaded.
"use strict";

const key = (node) => (node.nodeType === Node.ELEMENT_NODE ? node.getAttribute("data-key") : null);

function patch(old, fresh) {
  if (old.nodeName !== fresh.nodeName || key(old) !== key(fresh)) {
    old.replaceWith(document.importNode(fresh, true));
  } else if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.data !== fresh.data) old.data = fresh.data;
  } else if (old !== document.activeElement || old.nodeName !== "INPUT") {
    attributes(old, fresh);
    children(old, fresh);
  }
}

function attributes(old, fresh) {
  for (const { name, value } of fresh.attributes) {
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  for (const { name } of [...old.attributes]) {
    // The reader has opened it.
    const kept = old.nodeName === "DETAILS" && name === "open";
    if (!kept && !fresh.hasAttribute(name)) old.removeAttribute(name);
  }
}

// Nodes with a key are found again wherever they stand, so that what is focused or open stays so.
function children(old, fresh) {
  const keyed = new Map([...old.childNodes].filter(key).map((node) => [key(node), node]));
  let at = old.firstChild;
  for (const node of [...fresh.childNodes]) {
    const same = key(node) ? keyed.get(key(node)) : at && !key(at) ? at : null;
    if (!same) {
      old.insertBefore(document.importNode(node, true), at);
      continue;
    }
    if (same === at) at = at.nextSibling;
    else old.insertBefore(same, at);
    patch(same, node);
  }
  while (at) {
    const next = at.nextSibling;
    at.remove();
    at = next;
  }
}

const main = document.getElementById("main");
const live = document.getElementById("live");
let failures = 0;

function say(kind, text) {
  if (live.className !== kind) live.className = kind;
  if (live.textContent !== text) live.textContent = text;
}

async function renew() {
  try {
    const answer = await fetch(location.href, { cache: "no-store" });
    if (!answer.ok) throw new Error(String(answer.status));
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    patch(main, page.getElementById("main"));
    document.title = page.title;
    failures = 0;
    say("on", "live");
  } catch {
    failures += 1;
    say("off", "no answer: what you see is old");
  }
}

async function go() {
  if (!document.hidden) await renew();
  setTimeout(go, Number(main.dataset.every) * Math.min(1 + failures, 8));
}

if (main.dataset.every) {
  say("on", "live");
  setTimeout(go, Number(main.dataset.every));
  // Who comes back to the page sees at once how it stands.
  document.addEventListener("visibilitychange", () => document.hidden || renew());
}
