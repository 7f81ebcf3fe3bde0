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
  let at = -1, lines = [], timer = 0, asked = 0, typed = input.value;

  function close() {
    list.hidden = true; at = -1;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  }
  function mark(to) {
    const options = [...list.children];
    if (options[at]) options[at].setAttribute("aria-selected", "false");
    at = (to + 1 + options.length + 1) % (options.length + 1) - 1;  // -1 is the box itself: what was typed comes back
    if (at < 0) { input.removeAttribute("aria-activedescendant"); input.value = typed; return; }
    options[at].setAttribute("aria-selected", "true");
    options[at].scrollIntoView({ block: "nearest" });
    input.setAttribute("aria-activedescendant", options[at].id);
    if (lines[at].kind !== "product") input.value = lines[at].text; else input.value = typed;
  }
  function take(line) {
    close();
    if (line.kind === "product") { location.assign(line.href); return; }
    input.value = line.text;
    form.requestSubmit();
  }
  function row(line, n) {
    const item = document.createElement("li"), text = document.createElement("span"), kind = document.createElement("span");
    item.id = `suggestion-${n}`;
    item.setAttribute("role", "option");
    item.setAttribute("aria-selected", "false");
    const low = line.text.toLowerCase(), found = typed.trim() ? low.indexOf(typed.trim().toLowerCase()) : -1;
    if (found >= 0 && low.length === line.text.length) {
      const hit = document.createElement("b");
      hit.textContent = line.text.slice(found, found + typed.trim().length);
      text.append(line.text.slice(0, found), hit, line.text.slice(found + typed.trim().length));
    } else text.textContent = line.text;
    kind.textContent = kinds[line.kind]; kind.className = "kind";
    item.append(text, " ", kind);
    item.addEventListener("pointerdown", e => e.preventDefault());  // the box keeps the focus
    item.addEventListener("click", () => take(line));
    return item;
  }
  function offer(answer) {
    lines = answer; at = -1;
    input.removeAttribute("aria-activedescendant");
    list.replaceChildren(...lines.map(row));
    list.hidden = !lines.length;
    input.setAttribute("aria-expanded", String(lines.length > 0));
    said.textContent = lines.length ? `${lines.length} suggestion${lines.length > 1 ? "s" : ""}, down arrow to choose` : "";
  }
  async function ask() {
    const mine = ++asked;
    typed = input.value;
    if (!typed.trim()) { lines = []; close(); return; }
    try {
      const answer = await fetch(`/api/find/suggest?q=${encodeURIComponent(typed.slice(0, 200))}`);
      if (answer.ok && mine === asked && document.activeElement === input) offer(await answer.json());
    } catch { close(); }  // suggestions are a help, not a need
  }
  input.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(ask, 60); });
  input.addEventListener("blur", close);
  input.addEventListener("keydown", e => {
    const open = !list.hidden;
    if (e.key === "ArrowDown" || e.key === "ArrowUp") {
      e.preventDefault();
      if (!open) { ask(); return; }
      mark(at + (e.key === "ArrowDown" ? 1 : -1));
    } else if (e.key === "Escape" && open) { e.preventDefault(); input.value = typed; close(); }
    else if (e.key === "Enter") {
      clearTimeout(timer); asked++;
      if (open && at >= 0) { e.preventDefault(); take(lines[at]); }
      close();
    }
  });
})();
