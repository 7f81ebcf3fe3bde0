// The shop's synonyms over /api/find/synonyms: edited as lines, checked, saved from a version, history and restore.
"use strict";
(() => {
  const at = id => document.getElementById(id), form = at("words"), text = at("text"), who = at("who"), note = at("note"), verdict = at("verdict"), said = at("said");
  const base = "/api/find/synonyms";
  let version = 0, held = "";

  const { el, told, fault } = books, call = books.calls(base), named = books.named(who);
  async function load(keep) {
    try {
      const [book, audit] = await Promise.all([call("GET", ""), call("GET", "/audit")]);
      version = book.version; held = book.text;
      if (!keep) text.value = book.text;
      history(audit);
    } catch (error) { verdict.replaceChildren(fault(error)); }
  }
  function history(audit) {
    const line = c => el("li", {}, el("span", { class: "v" }, `v${c.version}`), el("span", {}, `${new Date(c.time_s * 1000).toISOString().slice(0, 16).replace("T", " ")} ${c.who}`),
      el("span", { class: "what" }, c.changes.slice(0, 6).join("; ") + (c.changes.length > 6 ? ` and ${c.changes.length - 6} more` : ""), ...(c.forced ? [el("b", { class: "bad" }, " in spite of conflicts")] : []), ...(c.note ? [el("span", { class: "muted" }, ` · ${c.note}`)] : [])),
      c.version === version ? el("span", { class: "muted small" }, "holds now") : el("button", { type: "button", class: "quiet", onclick: () => restore(c.version) }, "Restore", el("span", { class: "sr" }, ` version ${c.version}`)));
    const past = [...audit].reverse().slice(0, 50);
    at("history").replaceChildren(past.length ? el("ol", {}, ...past.map(line)) : el("p", { class: "muted" }, "Nothing was changed yet."));
  }
  async function restore(old) {
    const name = named();
    if (!name) return;
    if (text.value !== held && !confirm("What you wrote is not saved, and would be lost.")) return;
    try {
      await call("POST", "/restore", { version: old, expected: version, who: name });
      said.textContent = `Version ${old} holds again.`;
      verdict.replaceChildren();
      await load();
    } catch (error) { refuse(error); }
  }
  function refuse(error) {
    const problem = error.problem ?? {}, parts = problem.conflicts ? told(problem.conflicts) : [fault(error)];
    if (problem.conflicts) parts.push(el("button", { type: "button", class: "quiet", id: "force", onclick: () => save(true) }, "Save in spite of it"));
    if (problem.type === "urn:rialto:stale") parts.push(el("button", { type: "button", class: "quiet", onclick: async () => { await load(true); verdict.replaceChildren(el("p", {}, `They are at version ${version} now, which saving would replace. Its lines are in the history below.`)); } }, "Take in what changed"));
    verdict.replaceChildren(...parts);
    said.textContent = error.message;
  }
  async function save(force) {
    const name = named();
    if (!name) return;
    try {
      const saved = await call("PUT", "", { text: text.value, expected: version, who: name, note: note.value.trim(), force });
      said.textContent = saved.changes.length ? `Saved as version ${saved.version}.` : "Nothing changed.";
      verdict.replaceChildren(el("h2", {}, said.textContent), ...told(saved.findings));
      note.value = "";
      await load();
    } catch (error) { refuse(error); }
  }
  form.addEventListener("submit", e => { e.preventDefault(); save(false); });
  at("check").addEventListener("click", async () => {
    try {
      const found = await call("POST", "/check", { text: text.value });
      said.textContent = found.length ? `${found.length} to look at` : "Nothing is wrong.";
      verdict.replaceChildren(el("h2", {}, said.textContent), ...told(found));
    } catch (error) { refuse(error); }
  });
  addEventListener("beforeunload", e => { if (text.value !== held) e.preventDefault(); });
  load();
})();
