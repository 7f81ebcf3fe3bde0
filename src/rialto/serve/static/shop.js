// The shop without page loads: ticking, sorting and paging fetch the same page and put its results in place; clicks are reported.
"use strict";
(() => {
  const tell = events => navigator.sendBeacon("/api/find/events", new Blob([JSON.stringify(events)], { type: "application/json" }));
  const seen = new Set();
  let flush = () => {}, eye = null;

  // An impression is a result of which most was on the screen, or one that was clicked.
  function watch() {
    eye?.disconnect();
    flush();
    const grid = document.querySelector("[data-request]");
    if (!grid) return;
    const request = grid.dataset.request, shown = [];
    const see = item => {
      const name = `${request}/${item.dataset.product}`;
      if (!seen.has(name)) { seen.add(name); shown.push(item.dataset.product); eye.unobserve(item); }
    };
    const take = entries => { for (const e of entries) if (e.isIntersecting) see(e.target); };
    flush = () => { if (shown.length) tell(shown.splice(0).map(product => ({ request, product, kind: "impression" }))); };
    eye = new IntersectionObserver(entries => { take(entries); setTimeout(flush, 400); }, { threshold: 0.6 });
    for (const item of grid.querySelectorAll("[data-product]")) eye.observe(item);
    grid.addEventListener("click", e => {
      const item = e.target.closest("a.open") && e.target.closest("[data-product]");
      if (!item) return;
      take(eye.takeRecords());
      see(item);
      flush();
      sessionStorage.setItem(`from/${item.dataset.product}`, request);
      tell([{ request, product: item.dataset.product, kind: "click" }]);
    });
  }
  addEventListener("pagehide", () => flush());

  let turn = 0, asked = "", here = location.pathname + location.search;
  async function go(address, remember, focus) {
    const live = document.getElementById("live"), mine = ++turn;
    asked = address;
    live.setAttribute("aria-busy", "true");
    try {
      const answer = await fetch(address, { headers: { Accept: "text/html" } });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.getElementById("live");
      if (mine !== turn) return;
      if (!fresh) { location.assign(address); return; }
      const opened = document.getElementById("filters")?.open, at = document.activeElement;
      // Who has gone on to another box meanwhile stays there, with what was typed.
      const moved = live.contains(at) && at.id && at.id !== focus && at.matches("input, select") ? at : null;
      live.replaceWith(fresh);
      document.title = page.title;
      document.getElementById("q").value = page.getElementById("q").value;
      if (remember) history.pushState(null, "", address);
      here = location.pathname + location.search;
      const filters = document.getElementById("filters");
      if (filters && opened) filters.open = true;
      const kept = moved && document.getElementById(moved.id);
      if (kept?.matches("input:not([type=checkbox], [type=radio])") && kept.value !== moved.value) {
        kept.value = moved.value;  // a value that a script put in tells of no change by itself
        kept.addEventListener("blur", () => kept.dispatchEvent(new Event("change", { bubbles: true })), { once: true });
      }
      const to = kept ?? (live.contains(at) || at === document.body ? focus && document.getElementById(focus) : null);
      if (to) { to.closest("details.more")?.setAttribute("open", ""); to.focus({ preventScroll: true }); }
      const count = document.getElementById("count");
      setTimeout(() => { const said = document.getElementById("said"); if (said && count) said.textContent = count.textContent; }, 50);
      watch();
    } catch { location.assign(address); }
  }
  const addressOf = form => {
    const fields = [...new FormData(form)].filter(([name, value]) => value !== "" && !(name === "sort" && value === "relevance"));
    const query = new URLSearchParams(fields).toString();
    return query ? `${form.getAttribute("action")}?${query}` : form.getAttribute("action");
  };
  document.addEventListener("change", e => {
    const ends = e.target.closest("[data-ends]");
    if (ends) bound(ends, e.target);
    else if (e.target.form?.id === "narrow" && e.target.id !== "fate" && !e.target.matches(".inside")) go(addressOf(e.target.form), true, e.target.id);
  });
  // Two numbers stand for a range; they are put into the form as the radio that is chosen.
  function bound(ends, changed) {
    const [low, high] = ends.querySelectorAll("input"), scale = Number(ends.dataset.scale);
    low.setCustomValidity(low.value && high.value && low.valueAsNumber > high.valueAsNumber ? "The lower end is above the upper one." : "");
    if (!low.reportValidity() || !high.reportValidity()) return;
    const written = input => input.value === "" ? "" : String(+(input.valueAsNumber * scale).toPrecision(15)), name = ends.dataset.ends;
    const radio = changed.form.querySelector(`[name="${CSS.escape(name)}"]`);
    for (const other of changed.form.querySelectorAll(`[name="${CSS.escape(name)}"]`)) other.checked = other === radio;
    radio.value = low.value === "" && high.value === "" ? "" : `${written(low)}..${written(high)}`;
    const address = addressOf(changed.form);
    if (address !== asked) go(address, true, changed.id);  // Enter has sent it; leaving the box sends it no second time
  }
  // Search inside a facet: the lines are those that /api/find/facets finds among all of its values.
  let inside = 0;
  async function look(input) {
    const field = input.closest("[data-facet]"), lines = field.querySelector(".lines"), mine = ++inside;
    input.before_ ??= [...lines.childNodes];
    if (!input.value.trim()) { lines.replaceChildren(...input.before_); return; }
    const query = new URLSearchParams(new FormData(input.form));
    for (const name of ["page", "size", "sort", "explain", "fate"]) query.delete(name);
    for (const [name, value] of [...query]) if (value === "") query.delete(name, value);
    if (input.form.action.includes("/shop/category/")) query.append("select", `category:${decodeURIComponent(new URL(input.form.action).pathname.slice("/shop/category/".length))}`);
    query.set("facet", field.dataset.facet);
    query.set("contains", input.value.trim());
    try {
      const answer = await fetch(`/api/find/facets?${query}`);
      if (!answer.ok || mine !== inside) return;
      const { values } = await answer.json(), name = encodeURIComponent(field.dataset.facet).replaceAll("%20", " ").replaceAll("%2F", "/");
      lines.replaceChildren(...values.map((v, n) => line(v, `${name}:${v.value}`, `${input.id}-${n}`, input.value.trim())));
      if (!values.length) { const none = document.createElement("p"); none.className = "none"; none.textContent = "None of its values."; lines.append(none); }
      document.getElementById("said").textContent = `${values.length} value${values.length === 1 ? "" : "s"} in ${field.querySelector("legend").textContent}`;
    } catch { lines.replaceChildren(...input.before_); }  // a help, not a need
  }
  function line(v, value, id, typed) {
    const label = document.createElement("label"), box = document.createElement("input"), what = document.createElement("span"), n = document.createElement("span");
    label.className = "line"; what.className = "what"; n.className = "n";
    Object.assign(box, { type: "checkbox", id, name: "select", value, checked: v.selected });
    const at = v.label.toLowerCase().indexOf(typed.toLowerCase());
    if (at >= 0) { const b = document.createElement("b"); b.textContent = v.label.slice(at, at + typed.length); what.append(v.label.slice(0, at), b, v.label.slice(at + typed.length)); }
    else what.textContent = v.label;
    n.textContent = v.count.toLocaleString("en-US");
    label.append(box, what, " ", n);
    return label;
  }
  let wait = 0;
  document.addEventListener("input", e => { if (e.target.matches?.(".inside")) { clearTimeout(wait); wait = setTimeout(look, 120, e.target); } });
  document.addEventListener("keydown", e => {
    if (e.key === "Enter" && e.target.matches?.(".inside, .ends input")) { e.preventDefault(); if (e.target.matches(".inside")) look(e.target); else e.target.dispatchEvent(new Event("change", { bubbles: true })); }
  });
  document.addEventListener("submit", e => {
    if (e.target.id !== "narrow") return;
    e.preventDefault();
    go(addressOf(e.target), true, document.activeElement?.id);
  });
  document.addEventListener("click", e => {
    const link = e.target.closest("#live .chips a, #live .pages a, #live .rewrites a, #live .ways a");
    if (!link || e.ctrlKey || e.metaKey || e.shiftKey || e.button) return;
    e.preventDefault();
    const paging = Boolean(link.closest(".pages"));
    go(link.getAttribute("href"), true, "count").then(() => { if (paging) document.getElementById("main").scrollIntoView(); });
  });
  addEventListener("popstate", () => {
    if (location.pathname + location.search !== here && document.getElementById("live")) go(location.href, false);  // not for a mere #
    here = location.pathname + location.search;
  });

  const cart = document.getElementById("cart");
  if (cart) {
    const request = sessionStorage.getItem(`from/${cart.dataset.product}`);
    cart.hidden = !request;
    cart.addEventListener("click", () => {
      tell([{ request, product: cart.dataset.product, kind: "cart" }]);
      document.getElementById("carted").textContent = "In the basket. The shop learns from it.";
    });
  }
  document.documentElement.classList.add("scripted");
  watch();
  // What was ticked or chosen on a slow line, before this script came, is asked for now.
  const form = document.getElementById("narrow"), own = e => e.selected === e.defaultSelected && e.checked === e.defaultChecked;
  if (form && ![...form.querySelectorAll("input, option")].every(own)) go(addressOf(form), true, document.activeElement?.id);
})();
