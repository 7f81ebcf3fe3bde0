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
  const groups = Object.fromEntries(["lines", "drivers", "orders"].map(i => [i, document.getElementById(i)]));
  const dots = new Map();
  let held = false, picked = null;

  const element = (name, text, kind) => {
    const e = document.createElement(name);
    if (text !== undefined) e.textContent = text;
    if (kind) e.className = kind;
    return e;
  };
  const minutes = s => `${Math.floor(s / 60)}:${String(Math.round(s) % 60).padStart(2, "0")}`;

  async function why(order) {
    picked = order;
    const box = document.getElementById("why");
    const answer = await fetch(`/api/match/why/${order}`);
    const told = await answer.json();
    box.replaceChildren();
    if (!answer.ok) { box.append(element("p", told.detail, "muted")); return; }
    for (const line of told.text.split("\n")) box.append(element("p", line));
    const rows = [told.chosen, ...told.rivals].filter(Boolean).slice(0, 8);
    if (!rows.length) return;
    const table = element("table"), head = element("tr"), thead = element("thead"), body = element("tbody");
    for (const name of ["Driver", "Pickup", "Says yes", "Cost s"]) { const th = element("th", name); th.scope = "col"; head.append(th); }
    for (const r of rows) {
      const tr = element("tr");
      const cells = [`${r === told.chosen ? "★ " : ""}${r.driver}`, minutes(r.pickup_s), `${Math.round(r.acceptance * 100)} %`, Math.round(r.cost_s)];
      for (const c of cells) tr.append(element("td", c));
      body.append(tr);
    }
    thead.append(head); table.append(thead, body); box.append(table);
  }

  function draw(now) {
    const h = Math.floor(now.at_s / 3600) % 24, m = Math.floor(now.at_s / 60) % 60;
    const free = now.drivers.filter(d => d.state === "free").length;
    document.getElementById("clock").textContent =
      `${String(h).padStart(2, "0")}:${String(m).padStart(2, "0")} in the city · ${now.drivers.length} drivers, ${free} free · ${now.orders.length} orders wait`;
    const where = new Map(), seen = new Set();
    for (const d of now.drivers) {
      const [x, y] = place(d.lat, d.lon);
      where.set(d.id, [x, y]); seen.add(d.id);
      let dot = dots.get(d.id);
      if (!dot) { dot = svg("circle", { r: 6 }); dots.set(d.id, dot); groups.drivers.append(dot); }
      dot.setAttribute("class", `d ${d.state}`);
      dot.style.transform = `translate(${x.toFixed(1)}px, ${y.toFixed(1)}px)`;
    }
    for (const [id, dot] of dots) if (!seen.has(id)) { dot.remove(); dots.delete(id); }
    const spots = new Map();
    groups.orders.replaceChildren(...now.orders.map(o => {
      const [x, y] = place(o.lat, o.lon);
      spots.set(o.id, [x, y]);
      const e = svg("circle", { cx: x, cy: y, r: 8, class: o.id === picked ? "o on" : "o" });
      const t = svg("title", {}); t.textContent = `Order ${o.id}, waits ${minutes(o.waits_s)}`;
      e.append(t); e.addEventListener("click", () => why(o.id));
      return e;
    }));
    groups.lines.replaceChildren(...now.offers.filter(f => now.at_s - f.at_s < 6 && where.has(f.driver) && spots.has(f.order)).map(f => {
      const [x1, y1] = where.get(f.driver), [x2, y2] = spots.get(f.order);
      return svg("line", { x1, y1, x2, y2, class: f.order === picked ? "line on" : "line" });
    }));
    const list = document.getElementById("offers");
    if (list.contains(document.activeElement)) return;  // do not pull the list from under a keyboard
    list.replaceChildren(...now.offers.slice(0, 20).map(f => {
      const item = element("li"), b = element("button", `Order ${f.order} → driver ${f.driver}, ${minutes(f.pickup_s)} to pickup`);
      b.type = "button";
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
        if (answer.ok) draw(await answer.json());
        else document.getElementById("clock").textContent = (await answer.json()).detail;
      } catch { document.getElementById("clock").textContent = "The service does not answer; trying again."; }
    }
    setTimeout(tick, 1000);
  }
  const pause = document.getElementById("pause");
  pause.addEventListener("click", () => {
    held = !held;
    pause.setAttribute("aria-pressed", String(held));
    pause.textContent = held ? "Let the map move" : "Hold the map still";
  });
  tick();
})();
