// What the desk's pages share: elements; and the editors of versioned books: calls that tell why they were refused, findings, who saves.
"use strict";
const books = {
  el(name, attributes = {}, ...inner) {
    const drawn = name === "svg" || name === "path" || name === "rect";
    const made = drawn ? document.createElementNS("http://www.w3.org/2000/svg", name) : document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) {
      if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
      else if (value === true) made.setAttribute(key, "");
      else if (value !== false && value !== null && value !== undefined) made.setAttribute(key, value);
    }
    made.append(...inner.filter(x => x !== null && x !== undefined && x !== ""));
    return made;
  },
  Refusal: class extends Error { constructor(problem) { super(problem.detail ?? problem.title); this.problem = problem; } },
  calls: base => async (method, path, body) => {
    const answer = await fetch(base + path, { method, headers: body ? { "Content-Type": "application/json" } : {}, body: body && JSON.stringify(body) });
    const told = await answer.json();
    if (!answer.ok) throw new books.Refusal(told);
    return told;
  },
  told: found => found.map(f => books.el("p", { class: `conflict ${f.severity}` }, books.el("b", {}, f.severity === "error" ? "Conflict:" : "Mind:"), f.told)),
  fault: error => books.el("p", { class: "conflict error", role: "alert" }, books.el("b", {}, "Not done:"), error.message),
  // Who saves is remembered, and asked for where nobody said it; `otherwise` may know.
  named(who, otherwise = () => "") {
    try { who.value = localStorage.getItem("rialto/who") ?? ""; } catch { /* a browser without storage asks again */ }
    who.addEventListener("change", () => { try { localStorage.setItem("rialto/who", who.value.trim()); } catch { /* likewise */ } });
    return () => {
      const name = who.value.trim() || otherwise();
      if (!name) { who.reportValidity(); who.focus(); }
      return name;
    };
  },
};
