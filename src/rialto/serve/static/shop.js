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

  let turn = 0, here = location.pathname + location.search;
  async function go(address, remember, focus) {
    const live = document.getElementById("live"), mine = ++turn;
    live.setAttribute("aria-busy", "true");
    try {
      const answer = await fetch(address, { headers: { Accept: "text/html" } });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.getElementById("live");
      if (mine !== turn) return;
      if (!fresh) { location.assign(address); return; }
      const opened = document.getElementById("filters")?.open;
      live.replaceWith(fresh);
      document.title = page.title;
      document.getElementById("q").value = page.getElementById("q").value;
      if (remember) history.pushState(null, "", address);
      here = location.pathname + location.search;
      const filters = document.getElementById("filters");
      if (filters && opened) filters.open = true;
      const to = focus && document.getElementById(focus);
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
    if (e.target.form?.id === "narrow" && e.target.id !== "fate") go(addressOf(e.target.form), true, e.target.id);
  });
  document.addEventListener("submit", e => {
    if (e.target.id !== "narrow") return;
    e.preventDefault();
    go(addressOf(e.target), true, document.activeElement?.id);
  });
  document.addEventListener("click", e => {
    const link = e.target.closest("#live .chips a, #live .pages a");
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
})();
