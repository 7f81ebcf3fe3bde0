// The rules editor over /api/find/rules: list, edit, check, preview on real queries, save from a version, history and restore.
"use strict";
(() => {
  const at = id => document.getElementById(id), list = at("rules"), form = at("rule"), dialog = at("editor"), who = at("who"), said = at("said"), verdict = at("verdict");
  const base = "/api/find/rules";
  let version = 0, rules = [], editing = "";

  const { el, told, fault } = books, call = books.calls(base);
  const named = books.named(who, () => (dialog.open ? form.elements.owner.value.trim() : ""));

  // The list
  const quoted = values => values.map(v => `“${v}”`).join(" or ");
  function which(r) {
    const p = r.products, parts = [];
    if (p.ids.length) parts.push(p.ids.slice(0, 4).join(", ") + (p.ids.length > 4 ? ` and ${p.ids.length - 4} more` : ""));
    if (p.brands.length) parts.push(`brand ${quoted(p.brands)}`);
    if (p.categories.length) parts.push(`in ${p.categories.map(c => c.replaceAll("/", " › ")).join(" or ")}`);
    for (const [n, v] of Object.entries(p.attributes)) parts.push(`${n} ${quoted(v)}`);
    if (p.words) parts.push(`titled “${p.words}”`);
    if (p.price_low_cents !== null || p.price_high_cents !== null) parts.push(`price ${p.price_low_cents === null ? "" : p.price_low_cents / 100} to ${p.price_high_cents === null ? "" : p.price_high_cents / 100}`);
    return parts.join(", ");
  }
  function does(r) {
    if (r.action === "redirect") return `Sends shoppers to ${r.target}`;
    return { pin: `${which(r)} at place ${r.place}`, hide: which(r), boost: `${which(r)} by ${r.factor}`, bury: `${which(r)} by ${r.factor}` }[r.action];
  }
  function when(r) {
    const w = r.when, parts = [];
    if (w.queries.length) parts.push(`the query ${quoted(w.queries)}`);
    if (w.words.length) parts.push(`queries with ${quoted(w.words)}`);
    if (w.categories.length) parts.push(`the pages of ${w.categories.join(" or ")}`);
    if (w.types.length) parts.push(`the type ${w.types.join(" or ")}`);
    if (w.tags.length) parts.push(w.tags.join(" or "));
    if (w.intents.length) parts.push(`intent ${w.intents.join(" or ")}`);
    if (w.segments.length) parts.push(`audience ${w.segments.join(" or ")}`);
    return parts.length ? `For ${parts.join(", and ")}` : "For every request";
  }
  const day = iso => iso.slice(0, 16).replace("T", " ").replace(/ 00:00$/, "");
  function state(r) {
    const now = Date.now();
    if (!r.enabled) return ["off", "Off"];
    if (r.ends && Date.parse(r.ends) <= now) return ["over", `Over since ${day(r.ends)}`];
    if (r.starts && Date.parse(r.starts) > now) return ["later", `From ${day(r.starts)}`];
    return ["acts", r.ends ? `Acts until ${day(r.ends)}` : "Acts"];
  }
  function item(r) {
    const [kind, text] = state(r), title = r.name || r.id;
    const toggle = el("input", { type: "checkbox", role: "switch", "aria-label": `${title} enabled`, onchange: e => enable(r, e.target) });
    toggle.checked = r.enabled;
    return el("li", { class: "rule card", "data-text": `${r.id} ${r.name} ${r.owner} ${r.action} ${does(r)} ${when(r)} ${r.note}`.toLowerCase() },
      el("span", { class: `action ${r.action}` }, r.action), el("div", { class: "body" }, el("h2", {}, title), el("p", {}, does(r)), el("p", { class: "meta" }, `${when(r)} · ${r.owner}${r.note ? ` · ${r.note}` : ""}`)),
      el("div", { class: "do" }, el("span", { class: `state ${kind}` }, text), el("label", { class: "switch" }, toggle), el("button", { type: "button", class: "quiet", "data-edit": r.id, onclick: () => edit(r) }, "Edit", el("span", { class: "sr" }, ` ${title}`))));
  }
  async function load() {
    try {
      const [book, conflicts, audit] = await Promise.all([call("GET", ""), call("GET", "/conflicts"), call("GET", "/audit")]);
      ({ version, rules } = book);
      list.replaceChildren(...rules.map(item));
      at("no-rules").hidden = rules.length > 0;
      at("faults").replaceChildren(...told(conflicts));
      history(audit);
      sift();
    } catch (error) { at("faults").replaceChildren(fault(error)); }
    list.setAttribute("aria-busy", "false");
  }
  function sift() {
    const words = at("find-rule").value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const li of list.children) li.hidden = !words.every(w => li.dataset.text.includes(w));
  }
  at("find-rule").addEventListener("input", sift);
  function history(audit) {
    const line = c => el("li", {}, el("span", { class: "v" }, `v${c.version}`), el("span", {}, `${new Date(c.time_s * 1000).toISOString().slice(0, 16).replace("T", " ")} ${c.who}`),
      el("span", { class: "what" }, c.changes.join(", ") || "nothing", c.forced ? el("b", { class: "bad" }, " in spite of conflicts") : "", c.note ? el("span", { class: "muted" }, ` · ${c.note}`) : ""),
      c.version === version ? el("span", { class: "muted small" }, "holds now") : el("button", { type: "button", class: "quiet", onclick: () => restore(c.version) }, "Restore", el("span", { class: "sr" }, ` version ${c.version}`)));
    const past = [...audit].reverse().slice(0, 50);
    at("history").replaceChildren(past.length ? el("ol", {}, ...past.map(line), version > 0 ? el("li", {}, el("span", { class: "v" }, "v0"), el("span", {}, ""), el("span", { class: "what muted" }, "no rules"), el("button", { type: "button", class: "quiet", onclick: () => restore(0) }, "Restore", el("span", { class: "sr" }, " version 0, no rules"))) : "") : el("p", { class: "muted" }, "Nothing was changed yet."));
  }
  async function change(what, how) {
    try { await how(); said.textContent = what; await load(); return true; }
    catch (error) { at("faults").replaceChildren(...(error.problem?.conflicts ? told(error.problem.conflicts) : []), fault(error)); said.textContent = error.message; return false; }
  }
  async function restore(old) {
    const name = named();
    if (name) await change(`Version ${old} holds again.`, () => call("POST", "/restore", { version: old, expected: version, who: name }));
  }
  async function enable(r, toggle) {
    const name = named(), wanted = toggle.checked;
    if (!name) { toggle.checked = !wanted; return; }
    const done = await change(`${r.name || r.id} is ${wanted ? "on" : "off"}.`, () => call("POST", "", { expected: version, who: name, rules: [{ ...r, enabled: wanted }] }));
    if (!done) toggle.checked = !wanted;
    else [...list.querySelectorAll("[role=switch]")].find(s => s.getAttribute("aria-label") === toggle.getAttribute("aria-label"))?.focus();
  }

  // The editor
  const tells = { pin: "Products stand at a place and behind it, in the order given.", boost: "Products compete at their place divided by the factor.", bury: "Products compete at their place times the factor.", hide: "Products are not shown.", redirect: "Shoppers are sent elsewhere." };
  function fit() {
    const action = form.elements.action.value;
    at("action-told").textContent = tells[action];
    for (const part of form.querySelectorAll("[data-for]")) part.hidden = !part.dataset.for.split(" ").includes(action);
  }
  form.addEventListener("change", e => { if (e.target.name === "action") fit(); });
  const lines = name => form.elements[name].value.split("\n").map(t => t.trim()).filter(Boolean);
  const put = (name, values) => { form.elements[name].value = values.join("\n"); };
  function edit(r) {
    form.reset(); verdict.replaceChildren(); at("picked").replaceChildren();
    editing = r?.id ?? "";
    at("editor-head").textContent = r ? `Edit ${r.name || r.id}` : "New rule";
    at("delete").hidden = !r;
    form.elements.id.readOnly = Boolean(r);
    form.elements.owner.value = r?.owner ?? who.value.trim();
    if (r) {
      const f = form.elements, p = r.products, w = r.when;
      f.action.value = r.action; f.id.value = r.id; f.name.value = r.name; f.target.value = r.target; f.note.value = r.note; f.priority.value = r.priority; f.enabled.checked = r.enabled;
      if (r.place) f.place.value = r.place;
      if (r.factor) f.factor.value = r.factor;
      f.starts.value = r.starts.slice(0, 16); f.ends.value = r.ends.slice(0, 16);
      put("ids", p.ids); put("brands", p.brands); put("categories", p.categories); put("attributes", Object.entries(p.attributes).flatMap(([n, vs]) => vs.map(v => `${n} = ${v}`)));
      f.scope_words.value = p.words; f.low.value = p.price_low_cents === null ? "" : p.price_low_cents / 100; f.high.value = p.price_high_cents === null ? "" : p.price_high_cents / 100;
      put("queries", w.queries); put("when_words", w.words); put("when_categories", w.categories); put("types", w.types); put("tags", w.tags); put("segments", w.segments);
      for (const box of form.querySelectorAll("[name=intents]")) box.checked = w.intents.includes(box.value);
      form.querySelector("details").open = Boolean(w.categories.length || w.types.length || w.tags.length || w.segments.length || w.intents.length);
    }
    fit();
    if (!dialog.open) dialog.showModal();
    dialog.scrollTop = 0;
    (r ? form.elements.name : form.querySelector("[name=action]:checked")).focus();
  }
  const slug = text => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "").slice(0, 60);
  form.elements.name.addEventListener("input", () => { if (!editing) form.elements.id.value = slug(form.elements.name.value); });
  const moment = name => form.elements[name].value ? `${form.elements[name].value}Z` : "";
  const cents = name => form.elements[name].value === "" ? null : Math.round(form.elements[name].valueAsNumber * 100);
  function written() {
    const f = form.elements, action = f.action.value, attributes = {}, only = action === "pin", none = action === "redirect";
    for (const line of lines("attributes")) { const [n, ...v] = line.split("="); (attributes[n.trim()] ??= []).push(v.join("=").trim()); }
    const products = none ? {} : only ? { ids: lines("ids") } : { ids: lines("ids"), brands: lines("brands"), categories: lines("categories"), attributes, words: f.scope_words.value.trim(), price_low_cents: cents("low"), price_high_cents: cents("high") };
    const intents = [...form.querySelectorAll("[name=intents]:checked")].map(b => b.value);
    return { id: f.id.value.trim(), owner: f.owner.value.trim(), action, name: f.name.value.trim(), products, when: { queries: lines("queries"), words: lines("when_words"), categories: lines("when_categories"), types: lines("types"), tags: lines("tags"), segments: lines("segments"), intents },
      place: only ? f.place.valueAsNumber || 1 : 0, factor: action === "boost" || action === "bury" ? f.factor.valueAsNumber || 0 : 0, target: none ? f.target.value.trim() : "", starts: moment("starts"), ends: moment("ends"), enabled: f.enabled.checked, priority: f.priority.valueAsNumber || 0, note: f.note.value.trim() };
  }
  function sound() {
    for (const field of form.querySelectorAll("input:invalid")) if (field.offsetParent) { field.reportValidity(); return false; }
    return true;
  }
  async function save(force) {
    if (!sound()) return;
    const rule = written();
    if (!editing && rules.some(r => r.id === rule.id)) { verdict.replaceChildren(fault(new Error(`There is a rule called “${rule.id}” already; give this one another id.`))); return; }
    const name = named();
    if (!name) return;
    try {
      const saved = await call("POST", "", { expected: version, who: name, rules: [rule], force });
      dialog.close();
      said.textContent = `Saved as version ${saved.version}: ${saved.changes.join(", ")}.`;
      await load();
      list.querySelector(`[data-edit="${CSS.escape(rule.id)}"]`)?.focus();
    } catch (error) { refuse(error); }
  }
  function refuse(error) {
    const problem = error.problem ?? {}, parts = problem.conflicts ? told(problem.conflicts) : [fault(error)];
    if (problem.conflicts) parts.push(el("button", { type: "button", class: "quiet", id: "force", onclick: () => save(true) }, "Save in spite of it"));
    if (problem.type === "urn:rialto:stale") parts.push(el("button", { type: "button", class: "quiet", onclick: async () => { await load(); verdict.replaceChildren(el("p", {}, `The rules are at version ${version} now. Look your change over, and save it again.`)); } }, "Take in what changed"));
    verdict.replaceChildren(...parts);
    verdict.scrollIntoView({ block: "nearest" });
  }
  form.addEventListener("submit", e => { e.preventDefault(); save(false); });
  at("new").addEventListener("click", () => edit(null));
  at("cancel").addEventListener("click", () => dialog.close());
  at("delete").addEventListener("click", async () => {
    const name = named(), gone = editing;
    if (!name) return;
    try {
      await call("DELETE", `/${encodeURIComponent(gone)}?${new URLSearchParams({ expected: version, who: name })}`);
      dialog.close();
      said.textContent = `${gone} is deleted; restoring the version before brings it back.`;
      await load();
      at("new").focus();
    } catch (error) { refuse(error); }
  });

  // Check and preview
  at("try").addEventListener("click", async () => {
    if (!sound()) return;
    const rule = written();
    verdict.replaceChildren(el("p", { class: "muted" }, "Asking what shoppers asked …"));
    try {
      const [conflicts, impact] = await Promise.all([call("POST", "/conflicts", { rules: [rule] }), call("POST", "/preview", { rules: [rule] })]);
      const own = conflicts.filter(c => c.rules.includes(rule.id));
      verdict.replaceChildren(el("h3", {}, own.length ? "What is wrong with it" : "No conflict"), ...told(own), el("h3", {}, "What it would change"), ...effect(impact));
    } catch (error) { refuse(error); }
    verdict.scrollIntoView({ block: "nearest" });
  });
  function effect(impact) {
    const changed = impact.queries.filter(q => q.changed), share = x => `${(x * 100).toFixed(x < 0.1 ? 1 : 0)} %`;
    const sum = el("p", {}, impact.given ? `${changed.length} of ${impact.looked.toLocaleString("en-US")} past queries would change, ${share(impact.changed_share)} of what is asked.${impact.fired > impact.queries.length ? ` Of ${impact.fired} that it fires for, the ${impact.queries.length} heaviest were answered.` : ""}` : "No past queries are known in this shop, so there is nothing to try it on.");
    const strip = (name, ids, other, lost) => [el("span", {}, name), el("ol", { tabindex: "0", "aria-label": `${name}, ${ids.length} products` }, ...ids.map((id, n) => { const was = other.indexOf(id); return el("li", { class: was < 0 ? lost : was !== n ? "moved" : "" }, el("img", { src: `/shop/picture/${encodeURIComponent(id)}`, alt: `${id}${was < 0 ? lost === "lost" ? ", gone" : ", new" : was !== n ? `, ${lost === "lost" ? "now" : "was"} at ${was + 1}` : ""}`, title: id, width: 44, height: 44, loading: "lazy" })); }))];
    const one = q => el("div", { class: "impact" }, el("h4", {}, `“${q.query}”`), q.redirect_after !== q.redirect_before ? el("p", {}, q.redirect_after ? `Shoppers are sent to ${q.redirect_after}.` : `Shoppers are no longer sent to ${q.redirect_before}.`) : "", el("div", { class: "strip" }, ...strip("Before", q.before, q.after, "lost"), ...strip("After", q.after, q.before, "fresh")));
    return [sum, ...changed.slice(0, 12).map(one), changed.length > 12 ? el("p", { class: "muted" }, `and ${changed.length - 12} more`) : ""];
  }

  // Products found by words, to be added by a click; nothing is logged.
  let asked = 0;
  async function pick() {
    const text = at("pick").value.trim(), mine = ++asked;
    if (!text) { at("picked").replaceChildren(); return; }
    const answer = await fetch("/api/find/compare", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ text, size: 6, a: { rules: false }, b: { rules: false } }) });
    if (!answer.ok || mine !== asked) return;
    const { a } = await answer.json();
    at("picked").replaceChildren(...a.results.map(r => el("li", {}, el("button", { type: "button", onclick: () => { if (!lines("ids").includes(r.id)) put("ids", [...lines("ids"), r.id]); said.textContent = `${r.title} is added.`; } }, el("img", { src: r.picture, alt: "", width: 42, height: 42 }), el("span", { class: "name" }, r.title)))));
    said.textContent = `${a.results.length} products found.`;
  }
  at("pick").addEventListener("keydown", e => { if (e.key === "Enter") { e.preventDefault(); pick(); } });
  at("pick").addEventListener("search", pick);
  load();
})();
