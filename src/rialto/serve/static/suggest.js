// Suggestions below the search box: an ARIA 1.2 combobox (list autocomplete, manual selection) over /api/find/suggest.
"use strict";
(() => {
  const input = document.getElementById("q"), list = document.getElementById("suggestions"), said = document.getElementById("offered");
  if (!input) return;
  const form = input.form;
  const kinds = { query: "", category: "Category", brand: "Brand", product: "Product" };
  input.setAttribute("role", "combobox");
  input.setAttribute("aria-autocomplete", "list");
  input.setAttribute("aria-expanded", "false");
  input.setAttribute("aria-controls", list.id);
  list.setAttribute("role", "listbox");
  list.setAttribute("aria-label", "Suggestions");
  let at = -1, lines = [], timer = 0, asked = 0, typed = input.value, prefix = "";  // `prefix`: what the lines shown were offered for

  function close() {
    list.hidden = true; at = -1;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  }
  const settle = () => { clearTimeout(timer); asked++; };  // no answer still under way is shown
  function mark(to) {
    settle();  // who is choosing keeps the lines in front of them
    const options = [...list.children];
    if (options[at]) options[at].setAttribute("aria-selected", "false");
    at = (to + 1 + options.length + 1) % (options.length + 1) - 1;  // -1 is the box itself: what was typed comes back
    if (at < 0) { input.removeAttribute("aria-activedescendant"); input.value = typed; return; }
    options[at].setAttribute("aria-selected", "true");
    options[at].scrollIntoView({ block: "nearest" });
    input.setAttribute("aria-activedescendant", options[at].id);
    if (lines[at].kind !== "product") input.value = lines[at].text; else input.value = typed;
  }
  // Which line was taken among those shown: the shop learns from it how to rank them.
  function tell(chosen) {
    if (!lines.length) return;
    const event = { kind: "suggestion", prefix, shown: lines.map(l => l.text.slice(0, 300)), chosen: chosen.slice(0, 300) };
    navigator.sendBeacon("/api/find/events", new Blob([JSON.stringify([event])], { type: "application/json" }));
    lines = [];
  }
  function take(line) {
    tell(line.text);
    close();
    if (line.kind === "product" || line.scope) { location.assign(line.href); return; }
    input.value = line.text;
    form.requestSubmit();
  }
  // What of a text was typed: words that begin with a typed word, or nearly so where none does.
  const letters = /[\p{L}\p{N}]+/gu, plain = text => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
  function near(a, b) {  // one letter more, less, other or swapped
    let same = 0;
    while (same < a.length && same < b.length && a[same] === b[same]) same++;
    const x = a.slice(same), y = b.slice(same);
    return x.slice(1) === y.slice(1) || x.slice(1) === y || x === y.slice(1) || (x[0] === y[1] && x[1] === y[0] && x.slice(2) === y.slice(2));
  }
  function typedOf(word, typedWords) {
    const low = plain(word);
    if (low.length !== word.length) return 0;
    const exact = typedWords.filter(t => low.startsWith(t)).map(t => t.length);
    if (exact.length) return Math.max(...exact);
    return Math.max(0, ...typedWords.filter(t => t.length >= 3).flatMap(t => [t.length, t.length + 1, t.length - 1].filter(n => n > 1 && n <= low.length && near(t, low.slice(0, n))).slice(0, 1)));
  }
  function marked(text) {
    const words = plain(prefix).match(letters) ?? [], parts = [];
    let at = 0;
    for (const m of text.matchAll(letters)) {
      const n = typedOf(m[0], words);
      if (!n) continue;
      const b = document.createElement("b");
      b.textContent = m[0].slice(0, n);
      parts.push(text.slice(at, m.index), b);
      at = m.index + n;
    }
    return [...parts, text.slice(at)];
  }
  function row(line, n) {
    const item = document.createElement("li"), text = document.createElement("span"), kind = document.createElement("span");
    item.id = `suggestion-${n}`;
    item.setAttribute("role", "option");
    item.setAttribute("aria-selected", "false");
    text.className = "text";
    text.append(...marked(line.text));
    if (line.scope) { const within = document.createElement("span"); within.className = "within"; within.textContent = ` in ${line.scope.split("/").at(-1)}`; text.append(within); }
    kind.textContent = line.kind === "product" ? line.price : kinds[line.kind]; kind.className = "kind";
    if (line.kind === "product") {
      const picture = Object.assign(document.createElement("img"), { src: line.picture, alt: "", width: 44, height: 44 });
      item.className = lines[n - 1]?.kind === "product" || !n ? "hit" : "hit first-hit";
      item.append(picture, text, kind);
    } else item.append(text, " ", kind);
    item.addEventListener("pointerdown", e => e.preventDefault());  // the box keeps the focus
    item.addEventListener("click", () => take(line));
    return item;
  }
  function offer(answer, text) {
    lines = answer; prefix = text; at = -1;
    input.removeAttribute("aria-activedescendant");
    list.replaceChildren(...lines.map(row));
    list.hidden = !lines.length;
    input.setAttribute("aria-expanded", String(lines.length > 0));
    said.textContent = lines.length ? `${lines.length} suggestion${lines.length > 1 ? "s" : ""}, down arrow to choose` : "";
  }
  async function ask() {
    const mine = ++asked, text = typed.slice(0, 200);
    if (!text.trim()) { lines = []; close(); return; }
    try {
      const answer = await fetch(`/api/find/suggest?limit=10&q=${encodeURIComponent(text)}`), found = answer.ok ? await answer.json() : null;
      if (found && mine === asked && document.activeElement === input) offer(found, text);
    } catch { close(); }  // suggestions are a help, not a need
  }
  input.addEventListener("input", () => { typed = input.value; clearTimeout(timer); timer = setTimeout(ask, 60); });
  input.addEventListener("blur", close);
  input.addEventListener("keydown", e => {
    const open = !list.hidden;
    if (e.key === "ArrowDown" || e.key === "ArrowUp") {
      e.preventDefault();
      if (!open) { typed = input.value; ask(); return; }
      mark(at + (e.key === "ArrowDown" ? 1 : -1));
      return;
    }
    if (e.key === "Escape" || e.key === "Enter") settle();
    if (e.key === "Escape" && open) { e.preventDefault(); input.value = typed; close(); }
    else if (e.key === "Enter") {
      if (open && at >= 0) { e.preventDefault(); take(lines[at]); } else if (open) tell("");
      close();
    }
  });
})();
