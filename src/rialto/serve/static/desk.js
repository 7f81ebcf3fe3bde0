// The desk: one query under two configurations; what moved, what it took, and each product's way, from /api/find/compare.
"use strict";
(() => {
  const form = document.getElementById("ask"), box = document.getElementById("text"), place = document.getElementById("compared");
  const said = document.getElementById("said"), dialog = document.getElementById("way"), sizes = document.getElementById("size");
  const tunables = JSON.parse(document.getElementById("tunables").textContent), byName = new Map(tunables.map(t => [t.name, t]));
  const money = cents => cents === null ? "" : `${place.dataset.money}${(cents / 100).toLocaleString("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 2 })}`;
  const FIRST = "find.rank.fusion", TREES = "find.rank.trees_depth", CROSS = "find.cross.depth";
  const sides = { a: { rules: true, params: {} }, b: { rules: true, params: {} } };
  let undo = [], shown = null;

  const { el } = books;
  const sr = text => el("span", { class: "sr" }, text);
  const number = x => Math.abs(x) >= 1000 ? Math.round(x).toLocaleString("en-US") : String(+x.toPrecision(4));
  const words = name => name.replaceAll("_", " ");

  // Configurations: switches and tunables, kept in the address so that a comparison can be sent to somebody.
  function drawSide(key) {
    const field = document.querySelector(`[data-side=${key}]`), side = sides[key];
    field.querySelector("[data-set=rules]").checked = side.rules;
    field.querySelector("[data-set=ranker]").checked = side.params[TREES] !== 1;
    field.querySelector("[data-set=cross]").checked = side.params[CROSS] !== 0;
    field.querySelector("[data-set=fusion]").value = ["bm25f_share", "cosine"].includes(side.params[FIRST]) ? side.params[FIRST] : "";
    const own = Object.keys(side.params).filter(n => byName.has(n) && !(n === TREES && side.params[n] === 1) && !(n === CROSS && side.params[n] === 0) && n !== FIRST);
    field.querySelector("[data-list]").replaceChildren(...own.map(name => setting(key, name)));
    const add = field.querySelector("[data-add]");
    add.replaceChildren(add.options[0], ...tunables.filter(t => !own.includes(t.name) && t.name !== FIRST).map(t => el("option", { value: t.name }, t.name.replace("find.", ""))));
    add.value = "";
  }
  function setting(key, name) {
    const t = byName.get(name), id = `${key}-${name.replaceAll(".", "-")}`, value = sides[key].params[name];
    const take = input => {
      const next = t.kind === "yes/no" ? input.checked : t.kind === "number" ? input.valueAsNumber : input.value;
      if (t.kind === "number" && !input.reportValidity() || Number.isNaN(next)) return;
      sides[key].params[name] = next; compare();
    };
    const input = t.kind === "yes/no" ? el("input", { type: "checkbox", id, onchange: e => take(e.target) })
      : el("input", { type: t.kind === "number" ? "number" : "text", id, required: true, min: t.low, max: t.high, step: t.whole ? 1 : "any", onchange: e => take(e.target) });
    if (t.kind === "yes/no") input.checked = value; else input.value = value;
    const drop = el("button", { type: "button", class: "quiet drop", onclick: () => { delete sides[key].params[name]; drawSide(key); compare(); } }, sr(`Remove ${name}`), el("span", { "aria-hidden": "true" }, "×"));
    const range = t.low === null ? "" : ` ${number(t.low)} to ${number(t.high)}${t.unit ? ` ${t.unit}` : ""}; ${number(t.default)} unless set.`;
    return el("li", {}, el("label", { for: id }, el("code", {}, name.replace("find.", ""))), input, drop, el("span", { class: "doc" }, t.doc + range));
  }
  for (const field of document.querySelectorAll("[data-side]")) {
    const key = field.dataset.side;
    field.addEventListener("change", e => {
      const set = e.target.dataset.set, side = sides[key];
      if (e.target.matches("[data-add]") && e.target.value) {
        const name = e.target.value;
        side.params[name] = byName.get(name).default;
        drawSide(key);
        document.getElementById(`${key}-${name.replaceAll(".", "-")}`).focus();
        compare();
        return;
      }
      const put = (name, value) => { if (value === null) delete side.params[name]; else side.params[name] = value; };
      if (set === "rules") side.rules = e.target.checked;
      else if (set === "ranker") put(TREES, e.target.checked ? null : 1);
      else if (set === "cross") put(CROSS, e.target.checked ? null : 0);
      else if (set === "fusion") put(FIRST, e.target.value || null);
      else return;
      compare();
    });
  }
  const written = side => JSON.stringify({ ...(side.rules ? {} : { rules: false }), ...(Object.keys(side.params).length ? { params: side.params } : {}) });
  function readAddress() {
    const query = new URLSearchParams(location.search);
    box.value = query.get("q") ?? "";
    if ([...sizes.options].some(o => o.value === query.get("size"))) sizes.value = query.get("size");
    undo = query.getAll("undo");
    for (const key of ["a", "b"]) {
      sides[key] = { rules: true, params: {} };
      try {
        const given = JSON.parse(query.get(key) ?? "{}");
        sides[key].rules = given.rules !== false;
        for (const [n, v] of Object.entries(given.params ?? {})) if (byName.has(n)) sides[key].params[n] = v;
      } catch { said.textContent = `What the address says of ${key.toUpperCase()} cannot be read and is left out.`; }
      drawSide(key);
    }
    return query.has("q");
  }
  function writeAddress() {
    const query = new URLSearchParams({ q: box.value });
    if (sizes.value !== "10") query.set("size", sizes.value);
    for (const id of undo) query.append("undo", id);
    for (const key of ["a", "b"]) if (written(sides[key]) !== "{}") query.set(key, written(sides[key]));
    const to = `/desk?${query}`;
    if (to !== location.pathname + location.search) history.pushState(null, "", to);
  }

  // Asking
  async function post(more) {
    const body = { text: box.value, a: sides.a, b: sides.b, size: Number(sizes.value), undo, ...more };
    const answer = await fetch("/api/find/compare", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
    const told = await answer.json();
    if (!answer.ok) throw new Error(told.detail);
    return told;
  }
  let turn = 0;
  async function compare(remember = true) {
    const mine = ++turn;
    if (remember) writeAddress();
    place.setAttribute("aria-busy", "true");
    try {
      const told = await post({});
      if (mine !== turn) return;
      shown = told;
      draw(told);
      said.textContent = `${told.shared} of ${Math.max(told.a.results.length, told.b.results.length)} results in both lists.`;
    } catch (fault) {
      if (mine === turn) place.replaceChildren(el("div", { class: "card empty" }, el("p", { class: "fault", role: "alert" }, fault.message)));
    } finally { if (mine === turn) place.setAttribute("aria-busy", "false"); }
  }
  form.addEventListener("submit", e => { e.preventDefault(); undo = []; compare(); });
  sizes.addEventListener("change", () => compare());
  for (const chip of document.querySelectorAll("[data-try]")) chip.addEventListener("click", () => { box.value = chip.dataset.try; undo = []; compare(); });
  addEventListener("popstate", () => { if (readAddress()) compare(false); });

  // Drawing
  function draw(told) {
    const { a, b } = told, same = JSON.stringify(a.results.map(r => r.id)) === JSON.stringify(b.results.map(r => r.id));
    const moved = b.results.filter(r => r.other && r.other !== r.place).length, fresh = b.results.filter(r => !r.other).length;
    const fact = (name, value, more) => el("div", {}, el("dt", {}, name), el("dd", {}, value, more ? el("small", {}, ` ${more}`) : ""));
    const sum = el("dl", { class: "sum" },
      fact("In both", `${told.shared}`, `of ${Math.max(a.results.length, b.results.length)}`), fact("Moved", `${moved}`), fact("New in B", `${fresh}`),
      fact("Found", found(a), a.total === b.total ? "" : `→ ${found(b)}`), fact("Time", `${a.total_ms.toFixed(1)}`, `→ ${b.total_ms.toFixed(1)} ms`));
    const parts = [sum, reading(a.understood)];
    const faults = [["A", a], ["B", b]].flatMap(([n, s]) => [...s.fallbacks.map(f => `${n}: “${words(f)}” was answered by its fallback.`), ...(s.redirect ? [`${n}: a rule sends shoppers to ${s.redirect}.`] : [])]);
    if (faults.length) parts.push(el("p", { class: "card" }, faults.join(" ")));
    if (!a.results.length && !b.results.length) parts.push(el("div", { class: "card empty" }, el("p", {}, "Neither finds anything.")));
    else parts.push(lists(told, same));
    parts.push(fate(), el("div", { class: "three" }, times(a, b), facets(a, b)));
    place.replaceChildren(...parts);
    ties();
  }
  const found = side => side.total.toLocaleString("en-US") + (side.total_exact ? "" : "+");

  function reading(u) {
    const row = (name, ...parts) => parts.length ? [el("dt", {}, name), el("dd", {}, ...parts)] : [];
    const share = p => `${Math.round(p * 100)} %`;
    const tag = (text, more, kind) => el("span", { class: `tag of-${kind}` }, text, " ", el("small", {}, more));
    const rewrites = u.rewrites.map(r => el("span", { class: "tag of-other" }, el("small", {}, words(r.kind)), " ", el("del", {}, r.before), " → ", r.after || "nothing",
      r.id ? el("button", { type: "button", class: "quiet undo", onclick: () => { undo = [...undo, r.id]; compare(); } }, "undo", sr(` ${r.kind} ${r.before}`)) : ""));
    if (undo.length) rewrites.push(el("button", { type: "button", class: "quiet undo", onclick: () => { undo = []; compare(); } }, `take back ${undo.length} undone`));
    return el("section", { class: "card read", "aria-label": "What the query was understood as" }, el("h2", {}, "Understood as ", el("q", {}, u.text || "everything")),
      el("dl", {}, ...row("Rewritten", ...rewrites), ...row("Words", ...u.tags.map(t => tag(t.words, `${t.kind}${t.value.toLowerCase() === t.words.toLowerCase() ? "" : ` ${t.value}`} ${share(t.probability)}`, t.kind))),
        ...row("Product type", ...u.types.filter(([, p], n) => !n || p >= 0.02).map(([t, p]) => tag(t.replaceAll("/", " › "), share(p), "type"))), ...row("Intent", ...u.intents.filter(([, p], n) => !n || p >= 0.05).map(([i, p]) => tag(i, share(p), "other"))),
        ...row("Searched too", ...u.alternatives.map(t => tag(t, "", "other"))), ...row("Without", ...u.without.map(t => tag(t, "", "other"))), ...row("Quantities", ...u.quantities.map(t => tag(t, "", "size")))));
  }

  function lists(told, same) {
    const list = (key, name, results) => el("div", {}, el("h2", { id: `list-${key}` }, el("span", { class: `letter ${key}` }, name), same ? `${results.length} results, the same in both` : `${results.length} results`),
      el("ol", { class: "list", "aria-labelledby": `list-${key}` }, ...results.map(r => line(key, r))));
    const gap = el("svg", { class: "ties", id: "ties", "aria-hidden": "true" });
    return el("div", { class: "lists", id: "lists" }, list("a", "A", told.a.results), gap, list("b", "B", told.b.results));
  }
  function line(key, r) {
    const by = r.other - r.place;
    const move = key === "a" ? (r.other ? "" : el("span", { class: "move gone" }, "gone"))
      : !r.other ? el("span", { class: "move new" }, "new") : by > 0 ? el("span", { class: "move up" }, sr("up "), el("span", { "aria-hidden": "true" }, "▲ "), `${by}`)
      : by < 0 ? el("span", { class: "move down" }, sr("down "), el("span", { "aria-hidden": "true" }, "▼ "), `${-by}`) : el("span", { class: "move same" }, sr("same place"), el("span", { "aria-hidden": "true" }, "="));
    const mark = on => { for (const x of document.querySelectorAll(`[data-id="${CSS.escape(r.id)}"]`)) x.classList.toggle(x.tagName === "path" ? "on" : "same", on); };
    return el("li", { class: "seen", "data-id": r.id, onmouseenter: () => mark(true), onmouseleave: () => mark(false), onfocusin: () => mark(true), onfocusout: () => mark(false) },
      el("button", { type: "button", onclick: () => tell(r.id) }, el("span", { class: "place" }, `${r.place}`), el("img", { src: r.picture, alt: "", width: 54, height: 54, loading: "lazy" }),
        el("span", {}, el("span", { class: "name" }, r.title), el("span", { class: "more" }, [r.brand, money(r.price_cents), ...(r.rules.length ? ["placed by a rule"] : [])].filter(Boolean).join(" · "))), move));
  }
  function ties() {
    const svg = document.getElementById("ties");
    if (!svg || !shown) return;
    const boxOf = svg.getBoundingClientRect(), all = document.getElementById("lists").getBoundingClientRect();
    const middles = n => new Map([...document.querySelectorAll(`#lists > div:nth-of-type(${n}) .seen`)].map(x => { const r = x.getBoundingClientRect(); return [x.dataset.id, r.top + r.height / 2 - all.top]; }));
    const left = middles(1), right = middles(2), w = boxOf.width;
    if (!w) return;
    svg.setAttribute("viewBox", `0 0 ${w} ${all.height}`);
    svg.setAttribute("height", all.height);
    svg.replaceChildren(...shown.b.results.filter(r => left.has(r.id)).map(r => {
      const y = left.get(r.id), z = right.get(r.id);
      return el("path", { d: `M3 ${y}C${w / 2} ${y} ${w / 2} ${z} ${w - 3} ${z}`, class: r.other > r.place ? "up" : r.other < r.place ? "down" : "", "data-id": r.id });
    }));
  }
  addEventListener("resize", ties);

  function times(a, b) {
    const names = [...new Set([...a.took_ms, ...b.took_ms].map(([n]) => n))], of = side => new Map(side.took_ms), x = of(a), y = of(b);
    const most = Math.max(0.01, ...a.took_ms.map(t => t[1]), ...b.took_ms.map(t => t[1]));
    const kept = names.filter(n => Math.max(x.get(n) ?? 0, y.get(n) ?? 0) >= 0.05), bar = (ms, c) => el("svg", { class: `bar ${c}`, viewBox: "0 0 100 1", preserveAspectRatio: "none", "aria-hidden": "true" }, el("rect", { width: Math.max((ms ?? 0) / most * 100, 0.4), height: 1 }));
    const ms = v => v === undefined ? "–" : v.toFixed(2);
    return el("section", { class: "card" }, el("h2", {}, "Time by step, ms"), el("table", { class: "times" }, el("thead", { class: "sr" }, el("tr", {}, ...["Step", "Bars", "A", "B"].map(t => el("th", { scope: "col" }, t)))),
      el("tbody", {}, ...kept.map(n => el("tr", {}, el("td", {}, words(n)), el("td", {}, bar(x.get(n), "a"), bar(y.get(n), "b")), el("td", { class: "n" }, ms(x.get(n))), el("td", { class: "n" }, ms(y.get(n))))))),
      names.length > kept.length ? el("p", { class: "small muted" }, `${names.length - kept.length} steps below 0.05 ms are left out. The first search of a kind is slower than the next.`) : "");
  }
  function facets(a, b) {
    const read = s => new Map(s.facets.map(f => [f.label, f.values.map(([v, n]) => `${v} ${n}`).join(", ")])), x = read(a), y = read(b), rows = [];
    for (const [name, v] of y) {
      if (!x.has(name)) rows.push(el("li", {}, el("b", {}, name), " ", el("span", { class: "move new" }, "only in B"), ": ", v));
      else if (x.get(name) !== v) rows.push(el("li", {}, el("b", {}, name), ": ", el("span", { class: "muted" }, x.get(name)), " → ", v));
    }
    for (const [name, v] of x) if (!y.has(name)) rows.push(el("li", {}, el("b", {}, name), " ", el("span", { class: "move gone" }, "only in A"), ": ", v));
    const ends = s => Object.entries(s.ends).map(([e, n]) => `${n.toLocaleString("en-US")} ${e}`).join(", ");
    return el("section", { class: "card" }, el("h2", {}, "Facets"), rows.length ? el("ul", { class: "facets-of" }, ...rows) : el("p", { class: "muted" }, "The same facets with the same counts."),
      el("h2", {}, "Candidates"), el("ul", { class: "facets-of" }, el("li", {}, el("b", {}, "A"), ": ", ends(a)), ends(a) === ends(b) ? el("li", { class: "muted" }, "B: the same") : el("li", {}, el("b", {}, "B"), ": ", ends(b))));
  }
  function fate() {
    const input = el("input", { type: "text", id: "fate", autocomplete: "off", spellcheck: "false", placeholder: "its id" });
    return el("form", { class: "fate", onsubmit: e => { e.preventDefault(); if (input.value.trim()) tell(input.value.trim()); } }, el("label", { for: "fate" }, "What became of a product?"), input, el("button", { class: "quiet" }, "Tell"));
  }

  // One product's way under both configurations
  async function tell(id) {
    const body = document.getElementById("way-body");
    try { body.replaceChildren(...way(await post({ product: id }))); }
    catch (fault) { body.replaceChildren(top(null, el("p", { class: "fault", role: "alert" }, fault.message))); }
    if (!dialog.open) dialog.showModal();
    dialog.scrollTop = 0;
  }
  const top = (p, more) => el("div", { class: "way-top" }, p ? el("img", { src: p.picture, alt: "", width: 64, height: 64 }) : el("span"), el("div", {}, el("h2", { id: "way-head" }, p ? p.title : "A product's way"), p ? el("p", { class: "small muted" }, p.id, " · ", el("a", { href: p.href }, "its page")) : "", more ?? ""),
    el("button", { type: "button", class: "quiet", autofocus: true, onclick: () => dialog.close() }, "Close"));
  function way(told) {
    const own = [["a", "A", told.a.way], ["b", "B", told.b.way]];
    const path = ([key, name, w]) => el("section", { "aria-label": `Under ${name}` }, el("h3", {}, el("span", { class: `letter ${key}` }, name), w.place ? `Place ${w.place}` : w.said.charAt(0).toUpperCase() + w.said.slice(1)),
      w.phases.length ? el("ol", { class: "steps" }, ...w.phases.map(p => el("li", {}, words(p.phase), el("b", {}, `${p.place}`), el("small", {}, `of ${p.of} · ${number(p.score)}`)))) : "", el("ul", { class: "because" }, ...w.why.map(t => el("li", {}, t))));
    return [top(told.product), el("div", { class: "way-in" }, el("div", { class: "two" }, ...own.map(path)), features(told.a.way, told.b.way))];
  }
  function features(a, b) {
    const x = new Map(a.features.map(f => [f.name, f])), y = new Map(b.features.map(f => [f.name, f])), far = f => Math.abs(f?.apart ?? 0);
    const names = [...new Set([...x.keys(), ...y.keys()])].sort((m, n) => Math.max(far(x.get(n)), far(y.get(n))) - Math.max(far(x.get(m)), far(y.get(m))));
    if (!names.length) return "";
    const sigma = f => f?.apart === null || f === undefined ? el("span", { class: "muted" }, "–") : el("span", { class: f.apart > 0 ? "good" : "bad" }, `${f.apart > 0 ? "+" : ""}${f.apart.toFixed(1)} σ`);
    const value = f => f ? number(f.value) : "–", rows = names.map(n => el("tr", { "data-name": words(n) }, el("th", { scope: "row" }, words(n)), el("td", { class: "n" }, value(x.get(n))), el("td", { class: "n" }, sigma(x.get(n))), el("td", { class: "n" }, value(y.get(n))), el("td", { class: "n" }, sigma(y.get(n)))));
    const filter = el("input", { type: "search", "aria-label": "Filter features", placeholder: "Filter features", oninput: e => { for (const r of rows) r.hidden = !r.dataset.name.includes(e.target.value.trim().toLowerCase()); } });
    return el("section", {}, el("h3", { id: "features-head" }, `What was known of it: ${names.length} features`), el("div", { class: "find-feature" }, filter, el("span", { class: "small muted" }, "σ: standard deviations from the mean of all candidates; the farthest first")),
      el("table", { class: "features", "aria-labelledby": "features-head" }, el("thead", {}, el("tr", {}, ...["Feature", "A", "", "B", ""].map((t, n) => t ? el("th", { scope: "col", class: n ? "n" : "" }, t) : el("td", {})))), el("tbody", {}, ...rows)));
  }
  dialog.addEventListener("click", e => { if (e.target === dialog) dialog.close(); });
  if (readAddress()) compare(false);
})();
