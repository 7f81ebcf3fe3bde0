// Draws the city from /api/match/snapshot once a second, and asks /api/match/why/ORDER on a click.
"use strict";
(() => {
  const map = document.getElementById("map");
  const lat0 = +map.dataset.lat, lon0 = +map.dataset.lon, radius = +map.dataset.radius;
  const metres = 111195, east = metres * Math.cos(lat0 * Math.PI / 180);
  const place = (lat, lon) => [(lon - lon0) * east / radius * 480, -(lat - lat0) * metres / radius * 480];
  const svg = (name, attributes) => {
    const e = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [k, v] of Object.entries(attributes)) e.setAttribute(k, v);
    return e;
  };
  const byId = id => document.getElementById(id);
  const groups = Object.fromEntries(["lines", "goals", "drivers", "orders", "scale"].map(i => [i, byId(i)]));
  const dots = new Map();
  let held = false, picked = null, latest = null;

  const element = (name, text, kind) => {
    const e = document.createElement(name);
    if (text !== undefined) e.textContent = text;
    if (kind) e.className = kind;
    return e;
  };
  const minutes = s => `${Math.floor(Math.round(s) / 60)}:${String(Math.round(s) % 60).padStart(2, "0")}`;
  const clock = s => `${String(Math.floor(s / 3600) % 24).padStart(2, "0")}:${String(Math.floor(s / 60) % 60).padStart(2, "0")}`;

  async function why(order) {
    picked = order;
    const box = byId("why");
    let told;
    try {
      const answer = await fetch(`/api/match/why/${order}`);
      told = await answer.json();
      if (!answer.ok) { box.replaceChildren(element("p", told.detail, "muted")); return; }
    } catch { box.replaceChildren(element("p", "The service does not answer; try again.", "muted")); return; }
    const compared = told.rivals.length + (told.chosen ? 1 : 0);
    const gone = Object.entries(told.removed).filter(([, n]) => n).map(([reason, n]) => `${n} ${reason.replaceAll("_", " ")}`).join(", ");
    box.replaceChildren(element("p", told.chosen ? `Driver ${told.chosen.driver} for order ${order}` : `Order ${order} waits`, "verdict"));
    box.append(element("p", `${compared} drivers were compared${gone ? `; left out: ${gone}` : ""}.`));
    if (told.chosen) {
      const other = told.instead >= 0 ? `driver ${told.instead} would have been asked` : "the order would have waited";
      box.append(element("p", told.margin_s === null ? "No price would have changed the choice." : `Had the choice cost ${Math.round(told.margin_s)} s more, ${other}.`));
    } else box.append(element("p", compared ? "Every driver was worth more to another order, or cost too much." : "No driver was eligible."));
    const rows = [told.chosen, ...told.rivals].filter(Boolean).slice(0, 8);
    if (rows.length) box.append(table(rows, told.chosen));
    if (latest) draw(latest);
  }
  function table(rows, chosen) {
    const table = element("table"), head = element("tr"), thead = element("thead"), body = element("tbody");
    table.append(element("caption", "The cheapest drivers compared", "sr"));
    for (const name of ["Driver", "To pickup", "Says yes", "Cost"]) { const th = element("th", name, name === "Driver" ? "" : "n"); th.scope = "col"; head.append(th); }
    for (const r of rows) {
      const tr = element("tr", undefined, r === chosen ? "chosen" : "");
      tr.append(element("td", r === chosen ? `${r.driver} asked` : r.order >= 0 ? `${r.driver} (other order)` : r.driver));
      for (const c of [minutes(r.pickup_s), `${Math.round(r.acceptance * 100)} %`, `${Math.round(r.cost_s)} s`]) tr.append(element("td", c, "n"));
      body.append(tr);
    }
    thead.append(head); table.append(thead, body);
    return table;
  }

  function dot(d, x, y) {
    let e = dots.get(d.id);
    if (!e) {
      e = svg("circle", { r: 6 });
      e.append(svg("title", {}));
      e.addEventListener("click", () => { if (e.dataset.order) why(+e.dataset.order); });
      dots.set(d.id, e);
      groups.drivers.append(e);
    }
    const busy = d.order !== null;
    e.setAttribute("class", `d ${d.state}${busy ? " busy" : ""}`);
    e.setAttribute("r", d.state === "free" ? 5 : 8);
    if (busy) e.dataset.order = d.order; else delete e.dataset.order;
    e.firstChild.textContent = `Driver ${d.id}${busy ? `, order ${d.order}` : ", free"}`;
    e.style.transform = `translate(${x.toFixed(1)}px, ${y.toFixed(1)}px)`;
  }

  function draw(now) {
    latest = now;
    const free = now.drivers.filter(d => d.state === "free").length;
    byId("clock").textContent = clock(now.at_s);
    byId("counts").textContent = `${free} drivers free, ${now.drivers.length - free} busy, ${now.orders.length} ${now.orders.length === 1 ? "order waits" : "orders wait"}`;
    const where = new Map(), seen = new Set(), lines = [], goals = [];
    for (const d of now.drivers) {
      const [x, y] = place(d.lat, d.lon);
      where.set(d.id, [x, y]); seen.add(d.id);
      dot(d, x, y);
      if (!d.goal) continue;
      const [gx, gy] = place(...d.goal), home = d.state === "picked_up" ? " home" : "";
      lines.push(svg("line", { x1: x, y1: y, x2: gx, y2: gy, class: `way${home}${d.order === picked ? " on" : ""}` }));
      goals.push(svg("rect", { x: gx - 5, y: gy - 5, width: 10, height: 10, rx: 2, class: `goal${home}` }));
      if (d.order === picked) goals.push(svg("circle", { cx: x, cy: y, r: 16, class: "ring" }));
    }
    for (const [id, e] of dots) if (!seen.has(id)) { e.remove(); dots.delete(id); }
    const spots = new Map();
    groups.orders.replaceChildren(...now.orders.map(o => {
      const [x, y] = place(o.lat, o.lon);
      spots.set(o.id, [x, y]);
      const e = svg("circle", { cx: x, cy: y, r: 9, class: o.id === picked ? "o on" : "o" });
      const t = svg("title", {}); t.textContent = `Order ${o.id}, waits ${minutes(o.waits_s)}`;
      e.append(t); e.addEventListener("click", () => why(o.id));
      return e;
    }));
    for (const f of now.offers) {
      if (now.at_s - f.at_s > 8 || !where.has(f.driver) || !spots.has(f.order)) continue;
      const [x1, y1] = where.get(f.driver), [x2, y2] = spots.get(f.order);
      lines.push(svg("line", { x1, y1, x2, y2, class: "ask" }));
    }
    groups.lines.replaceChildren(...lines);
    groups.goals.replaceChildren(...goals);
    list(now.offers);
  }
  function list(offers) {
    const box = byId("offers");
    if (box.contains(document.activeElement) || box.matches(":hover")) {  // not from under a keyboard or a hand
      for (const b of box.querySelectorAll("button")) b.toggleAttribute("aria-current", +b.dataset.order === picked);
      return;
    }
    box.replaceChildren(...offers.slice(0, 20).map(f => {
      const item = element("li"), b = element("button"), when = element("time", clock(f.at_s));
      b.type = "button";
      b.dataset.order = f.order;
      b.append(element("span", `Order ${f.order} to driver ${f.driver}`), when);
      b.title = `${minutes(f.pickup_s)} to the pickup`;
      if (f.order === picked) b.setAttribute("aria-current", "true");
      b.addEventListener("click", () => why(f.order));
      item.append(b);
      return item;
    }));
  }

  async function tick() {
    if (!held && !document.hidden) {
      try {
        const answer = await fetch("/api/match/snapshot");
        const told = await answer.json();
        if (answer.ok) { if (!held) draw(told); } else byId("counts").textContent = told.detail;
      } catch { byId("counts").textContent = "The service does not answer; trying again."; }
    }
    setTimeout(tick, 1000);
  }
  byId("pause").addEventListener("click", e => {
    held = !held;
    e.target.setAttribute("aria-pressed", String(held));
    e.target.textContent = held ? "Let it move" : "Hold still";
  });
  const km = 1000 / radius * 480, text = svg("text", { x: -480 + km / 2, y: 470, "text-anchor": "middle" });
  text.textContent = "1 km";
  groups.scale.append(svg("path", { d: `M-480 476v8h${km}v-8` }), text);
  tick();
})();
