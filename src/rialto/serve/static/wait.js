// Asks /ready once a second and opens the page again when its part is no longer being built.
"use strict";
(() => {
  const box = document.getElementById("wait");
  async function look() {
    try {
      const { systems } = await (await fetch("/ready")).json();
      for (const [part, state] of Object.entries(systems)) {
        const line = box.querySelector(`[data-state="${part}"]`);
        const word = state === "ready" || state === "building" ? state : "failed";
        if (line && line.textContent !== word) { line.textContent = word; line.parentElement.className = `is-${word}`; }
      }
      if (systems[box.dataset.part] && systems[box.dataset.part] !== "building") { location.reload(); return; }
    } catch { /* the service may be starting again: ask once more */ }
    setTimeout(look, 1000);
  }
  setTimeout(look, 1000);
})();
