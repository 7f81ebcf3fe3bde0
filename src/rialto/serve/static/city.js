// Draws the map from /api/match/snapshot once a second, asks /api/match/why/ORDER on a click, and plays the last hour again.
"use strict";
(() => {
  const byId = id => document.getElementById(id);
  const map = byId("map"), slider = byId("when");
  const day = map.dataset.day;  // a logged day instead of what goes on now, "" = none
  const lat0 = +map.dataset.lat, lon0 = +map.dataset.lon, radius = +map.dataset.radius;
  const metres = 111195, east = metres * Math.cos(lat0 * Math.PI / 180);
  const place = (lat, lon) => [(lon - lon0) * east / radius * 480, -(lat - lat0) * metres / radius * 480];
  const svg = (name, attributes) => {
    const e = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [k, v] of Object.entries(attributes)) e.setAttribute(k, v);
    return e;
  };
  const groups = Object.fromEntries(["cells", "lines", "goals", "drivers", "orders", "marks", "scale"].map(i => [i, byId(i)]));
  const words = { free: "free", offered: "asked", assigned: "on the way to the pickup", picked_up: "delivering", away: "off duty" };
  const dots = new Map();
  let route = { driver: null, stops: [] };  // of the driver on view, where there is a fleet to ask
  let held = false, picked = null, latest = null, moments = [], shown = null, asked = 0;  // shown: the moment on view, null = live

  const element = (name, text, kind) => {
    const e = document.createElement(name);
    if (text !== undefined) e.textContent = text;
    if (kind) e.className = kind;
    return e;
  };
  const two = n => String(n).padStart(2, "0");
  const minutes = s => `${Math.floor(Math.round(s) / 60)}:${two(Math.round(s) % 60)}`;
  const clock = s => {  // of a fleet seconds since 1970, of the made-up city since midnight
    const d = new Date(s * 1000), [h, m] = s > 1e8 ? [d.getHours(), d.getMinutes()] : [Math.floor(s / 3600) % 24, Math.floor(s / 60) % 60];
    return `${two(h)}:${two(m)}`;
  };
  const age = s => s === null ? "" : s < 90 ? `position ${Math.round(s)} s old` : `position ${Math.round(s / 60)} min old`;
  async function ask(path) {  // numbers beyond 2^53 come as text, whole
    const answer = await fetch(path), text = await answer.text();
    return { ok: answer.ok, told: JSON.parse(text.replace(/"(id|order|driver|instead)":(\d{16,})/g, '"$1":"$2"')) };
  }
  const query = at => { const q = new URLSearchParams([...(at === null ? [] : [["at_s", at]]), ...(day ? [["day", day]] : [])]).toString(); return q && `?${q}`; };
  const same = (a, b) => a !== null && b !== null && String(a) === String(b);
  const isPicked = (kind, id) => picked !== null && picked.kind === kind && same(picked.id, id);

  async function why(order, driver) {
    picked = { kind: "order", id: order };
    const box = byId("why");
    let got;
    try { got = await ask(`/api/match/why/${order}${query(shown)}`); }
    catch { box.replaceChildren(element("p", "The service does not answer; try again.", "muted")); return; }
    if (!isPicked("order", order)) return;
    const told = got.told;
    if (!got.ok) { box.replaceChildren(...person(driver), element("p", told.detail, "muted")); redraw(); return; }
    const compared = told.rivals.length + (told.chosen ? 1 : 0);
    const gone = Object.entries(told.removed).filter(([, n]) => n).map(([reason, n]) => `${n} ${reason.replaceAll("_", " ")}`).join(", ");
    box.replaceChildren(element("p", told.chosen ? `Driver ${told.chosen.driver} for order ${order}` : `Order ${order} waits`, "verdict"));
    box.append(element("p", `Decided at ${clock(told.at_s)}. ${compared} ${compared === 1 ? "driver was" : "drivers were"} compared${gone ? `; left out: ${gone}` : ""}.`));
    if (told.chosen) {
      const other = told.instead >= 0 ? `driver ${told.instead} would have been asked` : "the order would have waited";
      box.append(element("p", told.margin_s === null ? "No price would have changed the choice." : `Had the choice cost ${Math.round(told.margin_s)} s more, ${other}.`));
      const [first] = told.rivals;
      if (first) box.append(element("p", `Runner-up: driver ${first.driver}, ${minutes(first.pickup_s ?? 0)} to the pickup${sure(first)}${first.order >= 0 ? `; went to order ${first.order}` : ""}.`, "runner"));
    } else if (told.held) box.append(element("p", `It is ready in ${minutes(told.ready_in_s)}, and who is sent now would be there long before.`));
    else box.append(element("p", compared ? "Every driver was worth more to another order, or cost too much." : "No driver was eligible."));
    const rows = [told.chosen, ...told.rivals].filter(Boolean).slice(0, 8);
    if (rows.length) box.append(table(rows, told.chosen));
    if (told.level !== null) box.append(element("p", `In ${Math.round(told.level * 100)} of 100 drives the time lies between the two below it.`, "small muted"));
    box.append(...person(told.chosen?.driver));
    redraw();
    stops(driver ?? told.chosen?.driver);
  }
  async function stops(id) {  // where he goes from here, in order; of an earlier moment nobody knows it
    const was = picked;
    route = { driver: id, stops: [] };
    if (!map.dataset.routes || shown !== null || id === undefined) return;
    let got;
    try { got = await ask(`/api/match/drivers/${id}/route`); }
    catch { return; }  // the map says by itself that the service does not answer
    if (!got.ok || picked !== was || !got.told.stops.length) return;
    route.stops = got.told.stops.filter(s => s.lat !== null);
    const list = element("ol", undefined, "stops small");
    for (const s of got.told.stops) list.append(element("li", `${s.kind === "pickup" ? "Picks up" : "Drops off"} order ${s.order}${s.eta_s === null ? "" : ` at ${clock(s.eta_s)}`}${s.state === "offered" ? ", if he says yes" : ""}.`));
    byId("why").append(element("p", `Driver ${id}'s stops:`, "small muted"), list);
    redraw();
  }
  const sure = r => r.pickup_high_s === null ? "" : ` (${minutes(r.pickup_low_s)} to ${minutes(r.pickup_high_s)})`;
  function person(id) {  // what the map knows of a driver, in words
    const d = latest?.drivers.find(x => same(x.id, id ?? null));
    return d ? [element("p", `Driver ${d.id} is ${words[d.state]}${d.order !== null ? ` with order ${d.order}` : ""}${d.age_s === null ? "" : `; ${age(d.age_s)}`}.`, "small muted person")] : [];
  }
  function driver(id) {
    const d = latest?.drivers.find(x => same(x.id, id));
    if (d && d.order !== null) { why(d.order, d.id); return; }
    picked = { kind: "driver", id };
    const box = byId("why"), last = latest?.offers.find(f => same(f.driver, id));
    box.replaceChildren(element("p", `Driver ${id}`, "verdict"));
    if (!d) box.append(element("p", "He is not on the map: no position of his is fresh, or he is beyond what it lists.", "muted"));
    box.append(...person(id));
    if (d) box.append(element("p", last ? `Last asked at ${clock(last.at_s)}, for order ${last.order}.` : "He has no order, and was not among those asked lately."));
    if (last) { const b = element("button", `Why order ${last.order}?`, "quiet"); b.type = "button"; b.addEventListener("click", () => why(last.order)); box.append(b); }
    redraw();
    stops(id);
  }
  function table(rows, chosen) {
    const table = element("table"), head = element("tr"), thead = element("thead"), body = element("tbody");
    table.append(element("caption", "The cheapest drivers compared", "sr"));
    const late = rows.some(r => r.late !== null);
    for (const name of ["Driver", "To pickup", "Says yes", ...(late ? ["Late"] : []), "Cost"]) { const th = element("th", name, name === "Driver" ? "" : "n"); th.scope = "col"; head.append(th); }
    for (const r of rows) {
      const tr = element("tr", undefined, r === chosen ? "chosen" : "");
      const who = element("td", r === chosen ? `${r.driver} asked` : r.order >= 0 ? `${r.driver} (other order)` : r.driver);
      if (r.age_s !== null) who.append(element("span", age(r.age_s), "between"));
      tr.append(who);
      const drive = element("td", r.pickup_s === null ? "?" : minutes(r.pickup_s), "n"), percent = share => share === null ? "" : `${Math.round(share * 100)} %`;
      if (r.pickup_high_s !== null) drive.append(element("span", `${minutes(r.pickup_low_s)} to ${minutes(r.pickup_high_s)}`, "between"));
      tr.append(drive);
      for (const c of [percent(r.acceptance), ...(late ? [percent(r.late)] : []), r.cost_s === null ? "not now" : `${Math.round(r.cost_s)} s`]) tr.append(element("td", c, "n"));
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
      e.addEventListener("click", () => driver(d.id));
      dots.set(d.id, e);
      groups.drivers.append(e);
    }
    const busy = d.order !== null;
    e.setAttribute("class", `d ${d.state}${busy ? " busy" : ""}`);
    e.setAttribute("r", busy ? 8 : 5);
    if (busy) e.dataset.order = d.order; else delete e.dataset.order;
    e.firstChild.textContent = `Driver ${d.id}, ${words[d.state]}${busy ? ` with order ${d.order}` : ""}${d.age_s === null ? "" : `, ${age(d.age_s)}`}`;
    e.style.opacity = d.age_s === null ? 1 : Math.max(0.3, Math.min(1, 1.2 - d.age_s / 120)).toFixed(2);
    e.style.transform = `translate(${x.toFixed(1)}px, ${y.toFixed(1)}px)`;
  }

  const redraw = () => { if (latest) draw(latest); };
  function draw(now) {
    latest = now;
    const n = now.counts, busy = n.offered + n.assigned + n.picked_up;
    byId("clock").textContent = clock(now.at_s);
    byId("mode").textContent = day ? "logged" : shown === null ? held ? "held" : "live" : "replay";
    byId("mode").className = `mode ${shown === null && !held && !day ? "is-live" : ""}`;
    const ages = now.drivers.map(d => d.age_s).filter(a => a !== null).sort((a, b) => a - b);
    const old = ages.length ? `; positions ${Math.max(1, Math.ceil(ages[ages.length >> 1]))} s old (median)` : "";
    byId("counts").textContent = `${n.free} drivers free, ${busy} busy, ${n.waiting} ${n.waiting === 1 ? "order waits" : "orders wait"}${n.silent ? `, ${n.silent} without position` : ""}${old}${now.fallbacks.length ? `; the last window did without ${now.fallbacks.join(", ")}` : ""}`;
    byId("left").textContent = now.left_out ? `${now.left_out} more are counted in the squares and not drawn one by one.` : "";
    const side = 960 / now.side;
    groups.cells.replaceChildren(...now.cells.map(c => {
      const want = c.waiting > c.free, size = Math.abs(c.waiting - c.free) || 1;
      const e = svg("rect", { x: c.column * side - 480, y: c.row * side - 480, width: side, height: side, class: want ? "cell want" : "cell", "fill-opacity": Math.min(0.45, 0.08 + 0.05 * size) });
      const t = svg("title", {}); t.textContent = `${c.free} free, ${c.waiting} waiting`; e.append(t);
      return e;
    }));
    const where = new Map(), seen = new Set(), lines = [], goals = [], marks = [];
    for (const d of now.drivers) {
      const [x, y] = place(d.lat, d.lon);
      where.set(String(d.id), [x, y]); seen.add(d.id);
      dot(d, x, y);
      if (isPicked("driver", d.id) || (d.order !== null && isPicked("order", d.order))) marks.push(svg("circle", { cx: x, cy: y, r: 16, class: "ring" }));
      if (!d.goal) continue;
      const [gx, gy] = place(...d.goal), home = d.state === "picked_up" ? " home" : d.state === "offered" ? " asked" : "";
      lines.push(svg("line", { x1: x, y1: y, x2: gx, y2: gy, class: `way${home}${isPicked("order", d.order) ? " on" : ""}` }));
      goals.push(svg("rect", { x: gx - 5, y: gy - 5, width: 10, height: 10, rx: 2, class: `goal${home}` }));
    }
    for (const [id, e] of dots) if (!seen.has(id)) { e.remove(); dots.delete(id); }
    const from = shown === null && route.stops.length > 1 && where.get(String(route.driver));
    if (from) lines.push(svg("polyline", { points: [from, ...route.stops.map(s => place(s.lat, s.lon))].map(p => p.map(v => v.toFixed(1)).join()).join(" "), class: "way on", fill: "none" }));
    const spots = new Map();
    groups.orders.replaceChildren(...now.orders.map(o => {
      const [x, y] = place(o.lat, o.lon);
      spots.set(String(o.id), [x, y]);
      const e = svg("circle", { cx: x, cy: y, r: 9, class: isPicked("order", o.id) ? "o on" : "o" });
      const t = svg("title", {}); t.textContent = `Order ${o.id}, waits ${minutes(o.waits_s)}`;
      e.append(t); e.addEventListener("click", () => why(o.id));
      return e;
    }));
    for (const f of now.offers) {
      const [a, b] = [where.get(String(f.driver)), spots.get(String(f.order))];
      if (now.at_s - f.at_s <= 8 && a && b) lines.push(svg("line", { x1: a[0], y1: a[1], x2: b[0], y2: b[1], class: "ask" }));
    }
    groups.lines.replaceChildren(...lines);
    groups.goals.replaceChildren(...goals);
    groups.marks.replaceChildren(...marks);
    list(byId("offers"), now.offers.slice(0, 20).map(f => [f.order, `Order ${f.order} to driver ${f.driver}`, clock(f.at_s), f.pickup_s === null ? "" : `${minutes(f.pickup_s)} to the pickup`]));
    list(byId("waiting"), now.orders.slice(0, 8).map(o => [o.id, `Order ${o.id}`, minutes(o.waits_s), "waited, minutes and seconds"]));
  }
  function list(box, lines) {
    if (box.contains(document.activeElement) || box.matches(":hover")) {  // not from under a keyboard or a hand
      for (const b of box.querySelectorAll("button")) b.toggleAttribute("aria-current", isPicked("order", b.dataset.order));
      return;
    }
    box.replaceChildren(...lines.map(([order, text, right, title]) => {
      const item = element("li"), b = element("button"), when = element("span", right, "right");
      b.type = "button";
      b.dataset.order = order;
      b.append(element("span", text), when);
      b.title = title;
      if (isPicked("order", order)) b.setAttribute("aria-current", "true");
      b.addEventListener("click", () => why(order));
      item.append(b);
      return item;
    }));
    if (!lines.length) box.append(element("li", "None.", "muted"));
  }

  async function show() {  // the moment on view, or now; an answer that comes late is dropped
    const turn = ++asked;
    try {
      const { ok, told } = await ask(`/api/match/snapshot${query(shown)}`);
      if (turn !== asked) return;
      if (ok) draw(told); else byId("counts").textContent = told.detail;
    } catch { if (turn === asked) byId("counts").textContent = "The service does not answer; trying again."; }
  }
  async function gather() {
    try {
      const { ok, told } = await ask(`/api/match/moments${query(null)}`);
      if (!ok) return;
      moments = told.at_s;
      const row = shown === null ? moments.length : moments.findLastIndex(t => t <= shown);
      slider.max = moments.length;
      slider.disabled = byId("now").disabled = !moments.length;
      slider.value = Math.max(row, 0);
      said();
      const peak = Math.max(1, ...told.busy, ...told.waiting);
      const line = values => values.map((v, i) => `${i ? "L" : "M"}${(600 * i / Math.max(values.length, 1)).toFixed(1)} ${(34 - 32 * v / peak).toFixed(1)}`).join("");
      byId("busy").setAttribute("d", line(told.busy));
      byId("waits").setAttribute("d", line(told.waiting));
      byId("first").textContent = moments.length ? `since ${clock(moments[0])}` : "The last hour gathers here.";
    } catch { /* the next tick asks again, and the picture tells that nobody answers */ }
  }
  function said() { slider.setAttribute("aria-valuetext", shown === null ? day ? "the day's last" : "now" : clock(shown)); }
  function goTo(row) {
    shown = row < moments.length ? moments[row] : null;
    if (day && shown === null && !held) hold(true);  // a day has an end
    slider.value = row;
    said();
    return show();
  }
  function hold(on) {
    held = on;
    byId("pause").setAttribute("aria-pressed", String(held));
    byId("pause").textContent = held ? "Let it move" : "Hold still";
    redraw();
  }
  slider.addEventListener("input", () => { if (+slider.value < moments.length) hold(true); goTo(+slider.value); });
  slider.addEventListener("keydown", e => { if (e.key === " ") { e.preventDefault(); hold(!held); } });
  byId("now").addEventListener("click", () => { hold(!!day); goTo(moments.length); });
  byId("day")?.addEventListener("change", e => { location.href = e.target.value ? `/city?day=${e.target.value}` : "/city"; });
  byId("pause").addEventListener("click", () => hold(!held));
  byId("find").addEventListener("submit", e => {
    e.preventDefault();
    const number = byId("number").value.trim();
    if (byId("what").value === "order") why(number); else driver(number);
  });

  let ticks = 0;
  async function tick() {
    if (!document.hidden) {
      if (ticks++ % 20 === 0 && (!day || !moments.length)) {
        await gather();
        if (day && moments.length && !latest) { hold(true); await goTo(0); }  // a day is opened at its first moment
      }
      if (!held) await (shown === null ? ticks % 2 || !latest ? show() : null : goTo(+slider.value + 1));
    }
    setTimeout(tick, 500);
  }
  const km = 1000 / radius * 480, unit = km < 60 ? 5 : 1, text = svg("text", { x: -480 + km * unit / 2, y: 470, "text-anchor": "middle" });
  text.textContent = `${unit} km`;
  groups.scale.append(svg("path", { d: `M-480 476v8h${km * unit}v-8` }), text);
  tick();
})();
